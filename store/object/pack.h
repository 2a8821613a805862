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
	uint64_t offset; /* of its first block, in the pack's file */
	uint64_t stored; /* bytes of blocks and table together */
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
/* All three in one, for bytes that are all here: one copy less. */
int object_put_whole(struct pack_writer *w, const void *bytes, size_t len,
		     struct digest *ret_digest, struct extent *ret, struct err *e) MUST_CHECK;

/*
 * Asks, before anything is compressed, whether an object is stored elsewhere:
 * 1 and *ret filled in, 0, or a negative errno. object_end() then gives that
 * extent and stores nothing; object_drop() is not needed. Objects longer than
 * OBJECT_WHOLE_BYTES are compressed while they stream, and then dropped; who
 * has their digest beforehand saves that by hashing them without a writer.
 */
typedef int pack_known_fn(void *ctx, const struct digest *digest, struct extent *ret,
			  struct err *e);
void pack_writer_known(struct pack_writer *w, pack_known_fn *known, void *ctx);

/* Every object in it, for the index. Empty objects are none. */
size_t pack_writer_count(const struct pack_writer *w);
void pack_writer_object(const struct pack_writer *w, size_t i, struct digest *ret_digest,
			struct extent *ret);

/*
 * Footer, sync, rename into packs/, sync of the folder. A pack without objects
 * is not made at all: *ret_made says which.
 *
 * When packs/ has a sound pack of this number already (a process died between
 * pack and manifest), the writer starts with its objects and keeps their
 * places: the new file holds them too, or is not written if that is all.
 */
int pack_publish(struct pack_writer *w, bool *ret_made, struct err *e) MUST_CHECK;

/* Reading: a small cache of open packs, safe for many threads. */
struct packs;

int packs_open(struct packs **ret, struct store *st, struct err *e) MUST_CHECK;
struct packs *packs_free(struct packs *ps);
AUTO_FREE_FN(packs)

/* Bytes [offset, offset+len) of the object, fewer only at its end. What does not
 * hold (a missing or short pack, a checksum, an extent that cannot be) is -EBADMSG. */
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
