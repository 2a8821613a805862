/* SPDX-License-Identifier: Apache-2.0 */
/*
 * content: what is needed to answer the kernel, and what is missing.
 *
 * From a node number to the view that it belongs to; from a view to its
 * packages: listed or present, and if not, asked of supply. Nothing here waits
 * for the network: a call answers, fails, or says what to wait for.
 *
 * Generations are looked at when something below them is, all of them side by
 * side: the current ones and old ones that running jobs still use. Nothing is
 * remembered per file, and what is remembered per generation may be dropped and
 * made again at any time (at most GENERATIONS_LOADED_MAX views are kept, those
 * used last): node numbers say which generation they are of, through its slots,
 * its packages or its places, and gens/ is searched for one never seen. So a
 * restarted daemon understands the numbers of the one before it.
 *
 * One open manifest per package is shared by all views. Safe between threads; a
 * call that finds its view loaded makes no system call.
 */
#ifndef ENVFS_CONTENT_CONTENT_H
#define ENVFS_CONTENT_CONTENT_H

#include "base/auto.h"
#include "base/err.h"
#include "base/store.h"
#include "object/pack.h"
#include "supply/supply.h"
#include "tree/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct content;

/* What a request has to wait for. */
enum content_wait_kind {
	CONTENT_GENERATION = 1, /* all packages of generation `number` listed, and its view made */
	CONTENT_PACKAGE = 2,	/* package `number` present */
};
struct content_wait {
	enum content_wait_kind kind;
	uint64_t number;
	uint64_t attempt; /* content's own: each try to get it is answered by itself */
};

struct content_options {
	struct store *store;	 /* borrowed */
	struct supply *supply;	 /* borrowed */
	struct packs *packs;	 /* borrowed */
	const char *mount_point; /* absolute; copied */
	/* Something is settled: content_settled() tells how. On any thread, no lock held. */
	void (*woken)(void *ctx, enum content_wait_kind kind, uint64_t number);
	/* A verified package has other names than the list that was served: what the kernel
	 * holds below this environment is to be forgotten, and of each directory of `old`. On
	 * any thread, no lock held. */
	void (*stale)(void *ctx, const char *environment, struct view *old);
	void *ctx;
};

int content_open(struct content **ret, const struct content_options *o, struct err *e) MUST_CHECK;
/* Loads and asks nothing from now on (-ESHUTDOWN); to be called before supply goes. */
void content_stop(struct content *c);
/* After supply is gone, so that none of its answers is still to come. */
struct content *content_free(struct content *c);
AUTO_FREE_FN(content)

/* -EINPROGRESS, or 0: ask again, or why it failed. */
int content_settled(struct content *c, const struct content_wait *w);

/* A generation's root directory, known as soon as the generation is. */
struct content_head {
	uint64_t ino;
	uint64_t generation;
	int64_t created_ms;
	uint32_t packages;
};

/* What the environment `name` is now. -ENOENT: there is none. Never waits. */
int content_environment(struct content *c, const char *name, struct content_head *ret,
			struct err *e) MUST_CHECK;
/* The generation whose root this number is; -ENOENT: it is none's. */
int content_head(struct content *c, uint64_t ino, struct content_head *ret) MUST_CHECK;

/*
 * The view in which a number below the mount's root means something; counted,
 * the caller's. -EINPROGRESS: wait for *ret_wait. -ESTALE: no generation has it.
 */
int content_view(struct content *c, uint64_t ino, struct view **ret, struct content_wait *ret_wait)
	MUST_CHECK;

/* Makes the package that `slot` of the view is present. 0: it is, ask the view
 * again. -EINPROGRESS: wait for *ret_wait. */
int content_present(struct content *c, struct view *v, uint32_t slot, struct content_wait *ret_wait)
	MUST_CHECK;

/* As synth_read(). */
ssize_t content_read(struct content *c, struct view *v, const struct node *n, uint64_t offset,
		     void *room, size_t len, struct err *e) MUST_CHECK;

/* An environment was made or switched: its generation is loaded at once, in the
 * background, so that its packages are listed when somebody looks. */
void content_announce(struct content *c, const char *name);

/* Drops views that nothing has used for a while and no environment shows. */
void content_trim(struct content *c);

/* What is loaded, for status. */
struct content_loaded {
	char environment[80];
	uint64_t generation;
	uint32_t packages, listed, present;
	bool ready;
};
size_t content_each(struct content *c, struct content_loaded *ret, size_t max);

/* Something below an environment failed for a reason that supply knows nothing of (a pack, a
 * manifest, a generation): into the log, and kept for content_failures(). A page that does not
 * read is asked for again and again: what was just said is not said again within a second. */
void content_complain(struct content *c, const char *environment, int code, const struct err *why);

/* The latest of these failures, newest first. */
struct content_failure {
	char name[80]; /* the environment's */
	int64_t when_ms;
	int code;
	char text[ERR_TEXT_BYTES];
};
size_t content_failures(struct content *c, struct content_failure *ret, size_t max);

#endif
