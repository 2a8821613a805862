/* SPDX-License-Identifier: Apache-2.0 */
/*
 * impl: what the files of tree/ share; for nobody else.
 *
 *	mapping   where in the view a package's paths stand
 *	order     which package wins
 *	merge     directories that several packages share: who has what
 *	dirs      the cache of those
 *	walk      from a number or a path to a directory
 *	made      files that no package holds
 *	node      what a number, a name or a path is
 *	view      the door: a view as a whole
 */
#ifndef ENVFS_TREE_IMPL_H
#define ENVFS_TREE_IMPL_H

#include "tree/mapping.h"
#include "tree/patch.h"
#include "tree/view.h"

#include <pthread.h>
#include <stdatomic.h>

#define OWN	UINT32_MAX /* slot: no package's, the generation's */
#define VIRTUAL UINT32_MAX /* entry: the package has this directory by mapping only */
#define NO_PART UINT32_MAX

/* Entries of NODE_MADE (docs/formats/nodes.md). */
enum made_own { MADE_HISTORY = 1, MADE_FROZEN, MADE_STATE, MADE_EXTERNALLY_MANAGED };
enum made_package { MADE_RECORD = 0, MADE_ENTRY_POINT = 1 };
/* Entries of NODE_MADE_DIR. */
enum made_dir { DIR_ROOT, DIR_META, DIR_BIN, DIR_PART };

/* Who has a directory. */
struct contributor {
	uint32_t slot, entry; /* entry VIRTUAL: see above */
};

enum child_kind {
	CHILD_ENTRY,   /* a package's file or link */
	CHILD_SOLE,    /* a directory of one package alone, and all that is below it too */
	CHILD_SHARED,  /* a directory that must be merged */
	CHILD_MADE,    /* a made file */
	CHILD_MADE_DIR /* a made directory; merged as well */
};
struct child {
	uint32_t slot;
	uint32_t entry : 24;
	uint32_t kind : 8;
};

/* A merged directory. Immutable once made. */
struct dir {
	_Atomic unsigned refs;
	uint64_t ino, parent;
	uint32_t part;	/* how many parts of the site-packages path lead here; NO_PART: none do */
	bool bin, meta; /* it is bin, conda-meta */
	struct contributor *contributors; /* owned; by slot */
	struct child *children;		  /* owned; by name */
	uint32_t contributor_count, child_count;
	/* the cache's: */
	size_t bytes;
	struct dir *hash_next, *older, *newer;
};
struct dir *dir_free(struct dir *d); /* drops a reference */
AUTO_FREE_FN(dir)

#define DIRS_BUCKETS 512
struct dirs {
	pthread_mutex_t lock; /* protects all that follows */
	struct dir *buckets[DIRS_BUCKETS];
	struct dir *newest, *oldest;
	size_t bytes;
};
/* A reference, or NULL. */
struct dir *dirs_get(struct dirs *ds, uint64_t ino);
/* Keeps a reference of its own, for as long as there is room. */
void dirs_put(struct dirs *ds, struct dir *d);
void dirs_clear(struct dirs *ds);

struct slot {
	struct manifest *m; /* owned */
	struct grafts grafts;
	uint64_t package, place;
	const char *name;	      /* in the generation */
	const char *record_name;      /* in record_names */
	_Atomic uint64_t record_size; /* 0: not known yet */
	uint32_t rank;		      /* in link order, from 1: the higher wins */
};

struct fact {
	bool used;
	uint32_t slot, entry;
	int failed;
	struct patch_facts facts;
};

struct text {
	uint32_t slot, entry;
	char *bytes; /* owned; NULL: free */
	size_t len;
	uint64_t used; /* when, by the view's own count */
};
#define TEXTS 32

struct view {
	_Atomic unsigned refs;
	struct generation *g; /* owned */
	char *prefix_text;    /* owned */
	struct prefix prefix;
	struct mapping map;
	int64_t created_s;
	uint32_t created_ns;
	bool has_state;
	char *record_names;		 /* owned */
	uint32_t *by_package, *by_place; /* owned; slots sorted by number */
	uint32_t count;

	pthread_rwlock_t lock;	   /* protects slots[].m and .grafts: written by view_replace() */
	struct slot *slots;	   /* owned */
	struct manifest **retired; /* owned; what names and targets may still be borrowed from */
	size_t retired_count, retired_cap;

	struct dirs dirs;
	pthread_mutex_t keep_lock; /* protects what follows: caches, any of it can go */
	struct fact facts[VIEW_FACTS];
	struct text texts[TEXTS];
	size_t texts_bytes;
	uint64_t texts_clock;
};

static inline uint64_t slot_scope(const struct view *v, uint32_t slot)
{
	return generation_slot_base(v->g) + (slot == OWN ? 0 : 1 + (uint64_t)slot);
}

/* order: the slots' ranks */
int order_slots(struct view *v, bool explicit_list, struct err *e) MUST_CHECK;

/* merge */
const char *child_name(const struct view *v, const struct child *c);
uint64_t child_ino(const struct view *v, const struct child *c);
/* The child with this name; false: none. */
bool dir_find(const struct view *v, const struct dir *d, const char *name, size_t len,
	      struct child *ret);

/* Told of each path that several packages want: who has it, who does not get it. */
struct merge_hook {
	void (*fn)(void *ctx, const char *name, uint32_t winner, uint32_t loser);
	void *ctx;
};
int merge_root(struct view *v, const struct merge_hook *hook, struct dir **ret) MUST_CHECK;
/* The directory that a CHILD_SHARED or CHILD_MADE_DIR of `parent` is. */
int merge_child(struct view *v, const struct dir *parent, const struct child *c, const char *name,
		const struct merge_hook *hook, struct dir **ret) MUST_CHECK;

/* walk */
struct where {
	struct dir *dir; /* a reference; NULL: a directory of one package alone: */
	uint32_t slot, entry;
};
void where_done(struct where *w);
int where_root(struct view *v, struct where *ret) MUST_CHECK;
/* -ESTALE: the number means no directory here. */
int where_open(struct view *v, uint64_t ino, struct where *ret) MUST_CHECK;
/* -ENOENT. */
int where_find(struct view *v, const struct where *w, const char *name, size_t len,
	       struct child *ret) MUST_CHECK;
/* Goes to a child that is a directory. */
int where_enter(struct view *v, struct where *w, const struct child *c, const char *name)
	MUST_CHECK;
uint64_t where_ino(const struct view *v, const struct where *w);

/* made; v->lock is held */
const char *made_own_name(uint32_t entry);
bool made_exists(const struct view *v, uint32_t slot, uint32_t entry);
int made_size(struct view *v, uint32_t slot, uint32_t entry, uint64_t *ret, struct err *e)
	MUST_CHECK;
ssize_t made_read(struct view *v, uint32_t slot, uint32_t entry, uint64_t offset, void *room,
		  size_t len, struct err *e) MUST_CHECK;
void made_forget(struct view *v, uint32_t slot);

/* Takes a text piece by piece, counts it, keeps a window of it. */
struct sink {
	uint64_t at;	    /* bytes so far */
	uint64_t from;	    /* the window's first byte */
	size_t len, filled; /* its length, bytes that came */
	char *room;	    /* borrowed */
};
void sink_add(struct sink *s, const char *bytes, size_t len);
/* conda-meta/NAME-VERSION-BUILD.json */
int record_write(const struct view *v, uint32_t slot, struct sink *s, struct err *e) MUST_CHECK;

/* node; v->lock is held */
int node_resolve(struct view *v, const char *path, struct node *ret) MUST_CHECK;
int view_facts(struct view *v, uint32_t slot, const struct entry *en, struct patch_facts *ret,
	       struct err *e) MUST_CHECK;

#endif
