/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack: one file that holds the objects that were new when a package came
 * (docs/formats/pack.md). Its number is its package's number.
 *
 * A pack is immutable once it has its name in packs/. Objects are stored in
 * independent blocks of OBJECT_BLOCK_BYTES, each raw or zstd, each with an XXH3
 * checksum that is checked whenever the block is read: a byte that rotted is
 * -EBADMSG, never served.
 */
#ifndef ENVFS_OBJECT_PACK_H
#define ENVFS_OBJECT_PACK_H

#include "base/auto.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Where an object's bytes are. A size of 0 needs no pack: all of it is zero. */
struct extent {
	uint64_t pack;
	uint64_t offset; /* of its block table, in the pack's file */
	uint64_t stored; /* bytes of table and blocks together */
	uint64_t size;	 /* bytes when read */
};

/*
 * Writing: objects one after the other, then publish. A writer that is freed
 * unpublished leaves nothing.
 *
 *	pack_writer_open
 *	  object_begin, object_write…, object_end   (each object)
 *	  object_drop                               (the one just ended is elsewhere already)
 *	pack_publish
 */
struct pack_writer;

int pack_writer_open(struct pack_writer **ret, struct store *st, uint64_t pack, struct err *e)
	MUST_CHECK;
struct pack_writer *pack_writer_free(struct pack_writer *w);
AUTO_FREE_FN(pack_writer)

int object_begin(struct pack_writer *w, struct err *e) MUST_CHECK;
int object_write(struct pack_writer *w, const void *bytes, size_t len, struct err *e) MUST_CHECK;
/* -EFBIG past FILE_BYTES_MAX. An object this pack holds already is not stored
 * twice: the same extent comes back. */
int object_end(struct pack_writer *w, struct digest *ret_digest, struct extent *ret, struct err *e)
	MUST_CHECK;
int object_drop(struct pack_writer *w, struct err *e) MUST_CHECK;

/* Every object in it, for the index. */
size_t pack_writer_count(const struct pack_writer *w);
void pack_writer_object(const struct pack_writer *w, size_t i, struct digest *ret_digest,
			struct extent *ret);

/* Footer, sync, rename into packs/, sync of the folder. A pack without objects
 * is not made at all: *ret_made says which. */
int pack_publish(struct pack_writer *w, bool *ret_made, struct err *e) MUST_CHECK;

/* Reading: a small cache of open packs, safe for many threads. */
struct packs;

int packs_open(struct packs **ret, struct store *st, struct err *e) MUST_CHECK;
struct packs *packs_free(struct packs *ps);
AUTO_FREE_FN(packs)

/* Bytes [offset, offset+len) of the object, fewer only at its end. */
ssize_t object_read(struct packs *ps, const struct extent *x, uint64_t offset, void *room,
		    size_t len, struct err *e) MUST_CHECK;

/* For verify and rebuild: calls fn for each object in the pack's footer, after
 * the footer's own checksum held. With deep, every block is read and the
 * object's SHA-256 compared first; fn's `wrong` tells what did not hold. */
typedef int pack_object_fn(void *ctx, const struct digest *digest, const struct extent *x,
			   const struct err *wrong);
int pack_check(struct store *st, uint64_t pack, bool deep, pack_object_fn *fn, void *ctx,
	       struct err *e) MUST_CHECK;

#endif
