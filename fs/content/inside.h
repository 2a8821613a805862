/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside: what content's own files share. See content.h.
 */
#ifndef ENVFS_CONTENT_INSIDE_H
#define ENVFS_CONTENT_INSIDE_H

#include "base/map.h"
#include "content/content.h"

#include <pthread.h>

/* A package that a loaded generation names, or that is being fetched. */
struct package {
	struct package *next; /* in its bucket */
	uint64_t number;
	struct manifest *manifest; /* owned; NULL: not listed, as far as we looked */
	uint32_t users;		   /* loaded generations that name it */
	bool listing, fetching;	   /* asked of supply, not answered yet */
	uint64_t attempt;	   /* counts the fetches */
	uint64_t failed_attempt;   /* the last that failed, and how */
	int failed_code;
};

/* Which slot of a generation has this package (or place): sorted by key. */
struct slot_of {
	uint64_t key;
	uint32_t slot;
};

enum loaded_state { LOADED_IDLE, LOADED_LISTING, LOADED_READY };

/* A generation that is looked at. */
struct loaded {
	struct generation *generation; /* owned */
	uint64_t number, slot_base;
	uint32_t count;
	struct package **packages;	       /* owned array, `count` */
	struct slot_of *by_package, *by_place; /* owned, `count` */
	struct view *view;		       /* owned; LOADED_READY only */
	struct view *outdated; /* owned; made from a list that did not hold, still to be told of */
	enum loaded_state state;
	uint64_t attempt, failed_attempt; /* as in struct package */
	int failed_code;
	uint32_t pending; /* listings that this attempt waits for, and one while it is scanning */
	bool *counted;	  /* owned, `count`: those of them */
	unsigned int rounds; /* scans of this attempt */
	bool queued;	     /* for the loader */
	bool held;	     /* the loader works on it: not to be dropped */
	uint64_t used_ns;
};

/* A generation that was ever seen: small, and never dropped. */
struct head {
	uint64_t number, slot_base;
	int64_t created_ms;
	uint32_t count;
};

#define PACKAGE_BUCKETS 4096
#define FAILURES_KEPT	16

struct content {
	struct store *store;
	struct supply *supply;
	struct packs *packs;
	char *mount_point; /* owned */
	void (*woken)(void *ctx, enum content_wait_kind kind, uint64_t number);
	void (*stale)(void *ctx, const char *environment, struct view *old);
	void *ctx;

	pthread_mutex_t lock; /* protects all that follows */
	struct package *packages[PACKAGE_BUCKETS];
	struct loaded **loaded; /* owned; sorted by slot_base */
	size_t loaded_count, loaded_cap;
	struct loaded *hint; /* where the last number was found; may be NULL */
	struct head *heads;  /* owned; in the order they were seen */
	size_t head_count, heads_cap;
	uint32_t *heads_by_slot; /* owned; sorted by slot_base */
	size_t by_slot_cap;
	struct map heads_by_number;
	struct content_failure failures[FAILURES_KEPT]; /* a ring */
	size_t failure_count;
	pthread_cond_t work; /* something is queued, or stopping */
	bool stopping;
	bool loader_runs;
	pthread_t loader;
};

/* packages.c; all under the lock. */
struct package *package_get(struct content *c, uint64_t number); /* NULL: not there */
struct package *package_use(struct content *c, uint64_t number); /* made if need be; NULL: memory */
void package_drop(struct content *c, struct package *p);	 /* one user less; may free it */
void package_tidy(struct content *c, struct package *p); /* frees it when nothing needs it */
/* Asks supply; without the lock. */
int package_ask(struct content *c, struct generation *g, uint32_t slot, enum supply_want want,
		struct err *e) MUST_CHECK;

/* loaded.c; under the lock but for what opens files. */
int loaded_open(struct loaded **ret, struct content *c, struct generation *g, struct err *e)
	MUST_CHECK;
struct loaded *loaded_free(struct content *c, struct loaded *l);
struct loaded *loaded_by_number(struct content *c, uint64_t number);
struct loaded *loaded_by_ino(struct content *c, uint64_t ino);
int loaded_add(struct content *c, struct loaded *l, struct err *e) MUST_CHECK;
/* The slot that has this package; UINT32_MAX: none. */
uint32_t loaded_slot(const struct loaded *l, uint64_t package);
void loaded_evict(struct content *c, size_t keep);
void loaded_remove(struct content *c, size_t i);

/* content.c: logs it, and keeps it for content_failures(). Without the lock. */
void content_failed(struct content *c, const struct generation *g, int code, const struct err *why);

/* heads.c; takes the lock itself. */
int head_by_number(struct content *c, uint64_t number, struct head *ret, struct err *e) MUST_CHECK;
/* The generation that a node number belongs to, from what was seen, else from gens/. -ESTALE. */
int head_by_ino(struct content *c, uint64_t ino, uint64_t *ret_number) MUST_CHECK;

/* load.c. */
void load_begin(struct content *c, struct loaded *l); /* under the lock; unless one runs */
void *load_run(void *content);			      /* the loader's thread */
supply_done_fn load_listed;

/* present.c */
supply_done_fn present_done;
/* Whether all that was served from `a` is as true of `b`: names, types and numbers. */
bool same_names(const struct manifest *a, const struct manifest *b);

#endif
