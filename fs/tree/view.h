/* SPDX-License-Identifier: Apache-2.0 */
/*
 * view: a generation seen as a tree of files below a prefix. Pure: manifests in,
 * answers out; it fetches nothing and waits for nothing. Safe between threads.
 *
 * Directories that one package alone provides are served straight from its
 * manifest; those that several share are merged when first visited and kept (a
 * cache: any of it may be dropped and made again). Conflicts: the package later
 * in link order wins; a directory and a file at one path likewise.
 */
#ifndef ENVFS_TREE_VIEW_H
#define ENVFS_TREE_VIEW_H

#include "base/auto.h"
#include "base/err.h"
#include "base/limits.h"
#include "env/generation.h"
#include "manifest/manifest.h"
#include "tree/node.h"
#include "tree/patch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct view;

/*
 * Needs every package's manifest, listed at least: manifests[i] is that of the
 * generation's package i; references are taken. prefix is the absolute path at
 * which the environment appears.
 */
int view_open(struct view **ret, struct generation *g, struct manifest *const *manifests,
	      const char *prefix, struct err *e) MUST_CHECK;
struct view *view_ref(struct view *v); /* counted */
struct view *view_free(struct view *v);
AUTO_FREE_FN(view)

/*
 * A package became present: the view looks at its new manifest from now on.
 * Names and targets that were borrowed from the old one stay good for the view's
 * life. Where the artifact is not what its list said, directories change.
 */
void view_replace(struct view *v, uint32_t slot, struct manifest *m);
/* The one it looks at now; borrowed, good for the view's life. */
struct manifest *view_manifest(struct view *v, uint32_t slot);

struct generation *view_generation(const struct view *v); /* borrowed */
const char *view_prefix(const struct view *v);
uint64_t view_root(const struct view *v); /* its node number */

/* A node, as far as it is known. */
struct node {
	uint64_t ino;
	enum entry_type type;
	/* false: its package is only listed. mode, times, size and target are guesses then,
	 * and slot says which package must be present. */
	bool known;
	uint32_t slot;	/* the package whose manifest it is from; of made files: whose slot, or
			   UINT32_MAX */
	uint32_t entry; /* in that manifest; of made files: as in the number */
	uint32_t mode;	/* permission bits */
	uint64_t size;	/* as served: after patching; of a made file that must be made first: 0 and
			   !known */
	int64_t mtime_s;
	uint32_t mtime_ns;
	int failed; /* 0, or the negative errno that reading it gives: a prefix too long (-EIO) */
};

/* -ENOENT: no such name. -EIO: as above. */
int view_lookup(struct view *v, uint64_t dir, const char *name, struct node *ret) MUST_CHECK;
/* What a number means here. -ESTALE: nothing. */
int view_node(struct view *v, uint64_t ino, struct node *ret) MUST_CHECK;

/* Names from position `from` on, in a fixed order; fn gets the position that
 * follows, a non-zero return stops and comes back; it asks nothing of this view. Positions
 * stay good for the view's life. "." and ".." are the caller's affair. */
typedef int view_list_fn(void *ctx, const char *name, const struct node *node, uint64_t next);
int view_list(struct view *v, uint64_t dir, uint64_t from, view_list_fn *fn, void *ctx) MUST_CHECK;

/* The parent directory's number. */
uint64_t view_parent(struct view *v, uint64_t dir);
/* A path from the prefix down: for tests, synth and `verify`. */
int view_resolve(struct view *v, const char *path, struct node *ret) MUST_CHECK;

/* A link's target text; known nodes only. Links are never patched. */
const char *view_target(struct view *v, const struct node *n);

/* For synth/: where a known file's bytes come from. */
/* Its entry and manifest, both borrowed. -ESTALE: it has none (any more). */
int view_entry(struct view *v, const struct node *n, struct entry *ret,
	       struct manifest **ret_manifest) MUST_CHECK;
/* NODE_PATCHED; ended with patch_done(). -ENAMETOOLONG: the prefix is too long. */
int view_patch(struct view *v, const struct node *n, struct patch *ret, struct err *e) MUST_CHECK;
/* NODE_MADE: bytes [offset, offset+len), fewer only at its end. */
ssize_t view_made(struct view *v, const struct node *n, uint64_t offset, void *room, size_t len,
		  struct err *e) MUST_CHECK;

/* Paths that several packages bring. */
struct conflict {
	char path[VIEW_PATH_BYTES];
	const char *winner, *loser; /* package names; winner "envfs": a made file */
};
typedef int view_conflict_fn(void *ctx, const struct conflict *c);
/*
 * Walks everything once; calls fn for each loser of each path (of a directory
 * that a file hides: once), and for each binary file whose placeholder is
 * shorter than the prefix (loser NULL; of listed packages: which may hold it).
 * fn asks nothing of this view; a non-zero return stops and comes back.
 */
int view_conflicts(struct view *v, view_conflict_fn *fn, void *ctx, struct err *e) MUST_CHECK;

#endif
