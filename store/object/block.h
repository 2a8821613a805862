/* SPDX-License-Identifier: Apache-2.0 */
/*
 * block: reads and checks one block of an object. For read.c and check.c, and
 * for tests that have a pack in a descriptor of their own.
 */
#ifndef ENVFS_OBJECT_BLOCK_H
#define ENVFS_OBJECT_BLOCK_H

#include "base/err.h"
#include "object/layout.h"
#include "object/pack.h"

#include <stdbool.h>
#include <stdint.h>

/* What decoding takes: made once, used for one block at a time. */
struct block_room {
	uint8_t *in;  /* owned; a block as stored and its row */
	uint8_t *out; /* owned; a block as read */
	void *dctx;   /* owned */
	bool holds;   /* out has the block named below */
	uint64_t pack, offset, index;
};

int block_room_init(struct block_room *room, struct err *e) MUST_CHECK;
void block_room_done(struct block_room *room);

/* An object that is being read. The rows of its table come in windows. */
#define WINDOW_ROWS 32
struct block_reader {
	int fd;
	const struct extent *x;	 /* borrowed; has passed extent_check() */
	struct block_room *room; /* borrowed */
	uint64_t first, count;	 /* rows that are here */
	bool in_has_all;	 /* room->in holds the whole object as stored */
	uint64_t before;	 /* where the row before `first` ends */
	uint8_t rows[WINDOW_ROWS * BLOCK_ROW_BYTES];
};

/* Whether an extent can be, in a file of file_len bytes. */
int extent_check(const struct extent *x, uint64_t file_len, struct err *e) MUST_CHECK;

/* Block `index`, whole, into dst (block_len() bytes). */
int block_read(struct block_reader *br, uint64_t index, uint8_t *dst, struct err *e) MUST_CHECK;

/* What stands beside a block's bytes: their XXH3, bound to its place. */
uint64_t block_sum(const void *stored, size_t len, uint64_t pack, uint64_t offset, uint64_t index);

/* The header of a pack that is open; *ret_len is its length. */
int pack_header_check(int fd, uint64_t pack, uint64_t *ret_len, struct err *e) MUST_CHECK;

/* pack_check() on a descriptor. */
int pack_check_fd(int fd, uint64_t pack, bool deep, pack_object_fn *fn, void *ctx, struct err *e)
	MUST_CHECK;

#endif
