/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index: what those who write need to know quickly, in SQLite
 * (docs/formats/index.md): which object is where, which artifact has which
 * number, which numbers were given.
 *
 * It is a cache of the files: index_open() on a store without one, or with one
 * that is damaged, makes it anew from packs/, manifests/ and gens/ through the
 * rebuild function it is given. One writer at a time, across processes, by
 * lock. A struct index may be used by many threads. Never on the read path.
 */
#ifndef ENVFS_INDEX_INDEX_H
#define ENVFS_INDEX_INDEX_H

#include "base/auto.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/store.h"

#include <stdbool.h>
#include <stdint.h>

struct index;

/* Numbers that are given once and never again. */
enum index_counter {
	COUNTER_PACKAGE,    /* packages, from 1 */
	COUNTER_GENERATION, /* generations, from 1 */
	COUNTER_SLOT,	    /* a generation's directory scopes, docs/formats/nodes.md; from 1 */
	COUNTER_PLACE,	    /* (package, environment) scopes, likewise; from 1 */
	COUNTERS,
};

/* What an artifact is known by. sha256 all zero or md5 all zero: not known. */
struct index_artifact {
	uint64_t package;
	struct digest sha256;
	struct md5 md5;
	uint64_t size; /* 0: not known */
};

struct index_place {
	uint64_t pack, offset, stored, size;
};

/* Fills an empty index from the files; see gc/rebuild.h. */
typedef int index_rebuild_fn(struct index *ix, struct store *st, struct err *e);

/* rebuild NULL: a missing index is -ENOENT, a damaged one -EBADMSG, nothing is made anew. */
int index_open(struct index **ret, struct store *st, index_rebuild_fn *rebuild, struct err *e)
	MUST_CHECK;
struct index *index_free(struct index *ix);
AUTO_FREE_FN(index)

/* A transaction around several calls of one thread; each call alone is one.
 * index_end(commit false) takes all back. Other threads and processes that want
 * to write wait meanwhile: keep it short, and no fetching inside. */
int index_begin(struct index *ix, struct err *e) MUST_CHECK;
int index_end(struct index *ix, bool commit, struct err *e) MUST_CHECK;

/* The first of `count` fresh numbers. */
int index_take(struct index *ix, enum index_counter which, uint64_t count, uint64_t *ret,
	       struct err *e) MUST_CHECK;
/* The next that would be given; and: give none below `next` from now on. */
int index_peek(struct index *ix, enum index_counter which, uint64_t *ret, struct err *e) MUST_CHECK;
int index_raise(struct index *ix, enum index_counter which, uint64_t next, struct err *e)
	MUST_CHECK;

/*
 * The package number of the artifact with this SHA-256 (which must be known);
 * a new number when it was never seen. Fills in md5 and size where they were
 * not known.
 */
int index_artifact_number(struct index *ix, struct index_artifact *io, struct err *e) MUST_CHECK;
/* For rebuild: the number is given. What is known already stays; -EEXIST when
 * another package has this SHA-256. */
int index_artifact_put(struct index *ix, const struct index_artifact *a, struct err *e) MUST_CHECK;
/* -ENOENT (and no sentence) when there is none. */
int index_artifact_by_md5(struct index *ix, const struct md5 *md5, struct index_artifact *ret,
			  struct err *e) MUST_CHECK;
int index_artifact_by_sha256(struct index *ix, const struct digest *sha256,
			     struct index_artifact *ret, struct err *e) MUST_CHECK;
int index_artifact_by_number(struct index *ix, uint64_t package, struct index_artifact *ret,
			     struct err *e) MUST_CHECK;
int index_each_artifact(struct index *ix, int (*fn)(void *ctx, const struct index_artifact *a),
			void *ctx, struct err *e) MUST_CHECK;

/* Objects. -ENOENT (and no sentence) when it is not there. Putting one that is
 * there keeps the earlier place. */
int index_object_get(struct index *ix, const struct digest *digest, struct index_place *ret,
		     struct err *e) MUST_CHECK;
int index_object_put(struct index *ix, const struct digest *digest, const struct index_place *place,
		     struct err *e) MUST_CHECK;
int index_each_object(struct index *ix,
		      int (*fn)(void *ctx, const struct digest *digest,
				const struct index_place *place),
		      void *ctx, struct err *e) MUST_CHECK;

struct index_counts {
	uint64_t artifacts, objects, object_bytes, stored_bytes;
};
int index_counts(struct index *ix, struct index_counts *ret, struct err *e) MUST_CHECK;

/* SQLite's own integrity_check. -EBADMSG with what it found. */
int index_check(struct index *ix, struct err *e) MUST_CHECK;
/* Removes index.db and makes it anew. Under the writers' lock. */
int index_rebuild(struct store *st, index_rebuild_fn *rebuild, struct err *e) MUST_CHECK;

#endif
