/* SPDX-License-Identifier: Apache-2.0 */
#include "object/block.h"

#include "base/hash.h"
#include "base/le.h"
#include "base/sys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

int block_room_init(struct block_room *room, struct err *e)
{
	*room = (struct block_room){ .in = malloc(OBJECT_BLOCK_BYTES + BLOCK_ROW_BYTES),
				     .out = malloc(OBJECT_BLOCK_BYTES),
				     .dctx = ZSTD_createDCtx() };
	if (!room->in || !room->out || !room->dctx) {
		block_room_done(room);
		return err_nomem(e);
	}
	return 0;
}

void block_room_done(struct block_room *room)
{
	free(room->in);
	free(room->out);
	(void)ZSTD_freeDCtx(room->dctx);
	*room = (struct block_room){ 0 };
}

uint64_t block_sum(const void *stored, size_t len, uint64_t pack, uint64_t offset, uint64_t index)
{
	uint8_t place[24];

	le64_put(place, pack);
	le64_put(place + 8, offset);
	le64_put(place + 16, index);
	return xxh64(stored, len) ^ xxh64(place, sizeof(place));
}

int extent_check(const struct extent *x, uint64_t file_len, struct err *e)
{
	uint64_t end;

	if (x->size > FILE_BYTES_MAX)
		return err_set(e, -EBADMSG, "its size %llu is more than an object can have",
			       (unsigned long long)x->size);
	if (x->stored <= block_count(x->size) * BLOCK_ROW_BYTES)
		return err_set(e, -EBADMSG, "%llu stored bytes cannot hold %llu",
			       (unsigned long long)x->stored, (unsigned long long)x->size);
	if (x->offset < PACK_HEADER_BYTES || __builtin_add_overflow(x->offset, x->stored, &end) ||
	    end > file_len)
		return err_set(e, -EBADMSG,
			       "its %llu stored bytes lie outside the pack, which has %llu",
			       (unsigned long long)x->stored, (unsigned long long)file_len);
	return 0;
}

static int read_exactly(int fd, void *room, size_t len, uint64_t at, struct err *e)
{
	ssize_t n = sys_pread(fd, room, len, at);

	if (n < 0)
		return err_set(e, (int)n, "read at %llu: %s", (unsigned long long)at,
			       strerror((int)-n));
	if ((size_t)n < len)
		return err_set(e, -EBADMSG, "the file ends at %llu, in the middle of it",
			       (unsigned long long)at + (unsigned long long)n);
	return 0;
}

/* Makes the row of `index` be among those that are here. */
static int window_move(struct block_reader *br, uint64_t index, struct err *e)
{
	const struct extent *x = br->x;
	uint64_t n = block_count(x->size), table = x->stored - n * BLOCK_ROW_BYTES;
	uint64_t from = index > 0 ? index - 1 : 0;
	int r;

	if (n == 1) {
		/* Block and row at once. A block never grows, so more is damage. */
		if (x->stored > OBJECT_BLOCK_BYTES + BLOCK_ROW_BYTES)
			return err_set(e, -EBADMSG, "its block is longer than a block can be");
		r = read_exactly(br->fd, br->room->in, (size_t)x->stored, x->offset, e);
		if (r < 0)
			return r;
		memcpy(br->rows, br->room->in + table, BLOCK_ROW_BYTES);
		br->in_has_all = true;
		br->first = 0;
		br->count = 1;
		br->before = 0;
		return 0;
	}
	br->count = n - from < WINDOW_ROWS ? n - from : WINDOW_ROWS;
	r = read_exactly(br->fd, br->rows, (size_t)br->count * BLOCK_ROW_BYTES,
			 x->offset + table + from * BLOCK_ROW_BYTES, e);
	if (r < 0) {
		br->count = 0;
		return r;
	}
	br->first = from;
	br->before = 0; /* only asked for block 0 */
	return 0;
}

struct block {
	uint64_t begin; /* in the object's stored bytes */
	size_t stored;
	bool zstd;
	uint64_t sum;
};

static int block_find(struct block_reader *br, uint64_t index, struct block *ret, struct err *e)
{
	uint64_t n = block_count(br->x->size), end;
	size_t len = block_len(br->x->size, index);
	const uint8_t *row;
	int r;

	/* The row before it must be here as well: it tells where the block begins. */
	if (br->count == 0 || index >= br->first + br->count ||
	    (index > 0 ? index - 1 : 0) < br->first) {
		r = window_move(br, index, e);
		if (r < 0)
			return r;
	}
	row = br->rows + (index - br->first) * BLOCK_ROW_BYTES;
	end = le64_get(row + ROW_END);
	ret->zstd = (end & ROW_ZSTD) != 0;
	end &= ~ROW_ZSTD;
	ret->sum = le64_get(row + ROW_SUM);
	ret->begin = index > 0 ? le64_get(row - BLOCK_ROW_BYTES + ROW_END) & ~ROW_ZSTD : br->before;
	if (end <= ret->begin || end > br->x->stored - n * BLOCK_ROW_BYTES ||
	    (index == n - 1 && end != br->x->stored - n * BLOCK_ROW_BYTES) ||
	    (ret->zstd ? end - ret->begin >= len : end - ret->begin != len))
		return err_set(e, -EBADMSG, "block %llu: its row in the table does not hold",
			       (unsigned long long)index);
	ret->stored = (size_t)(end - ret->begin);
	return 0;
}

int block_read(struct block_reader *br, uint64_t index, uint8_t *dst, struct err *e)
{
	size_t len = block_len(br->x->size, index), n;
	struct block b = { 0 };
	uint8_t *stored;
	int r = block_find(br, index, &b, e);

	if (r < 0)
		return r;
	/* A raw block goes where it is wanted without a copy, a zstd one through in. */
	stored = br->in_has_all ? br->room->in + b.begin : b.zstd ? br->room->in : dst;
	if (!br->in_has_all) {
		r = read_exactly(br->fd, stored, b.stored, br->x->offset + b.begin, e);
		if (r < 0)
			return r;
	}
	if (block_sum(stored, b.stored, br->x->pack, br->x->offset, index) != b.sum)
		return err_set(e, -EBADMSG, "block %llu: its checksum does not match",
			       (unsigned long long)index);
	if (!b.zstd) {
		if (stored != dst)
			memcpy(dst, stored, len);
		return 0;
	}
	n = ZSTD_decompressDCtx(br->room->dctx, dst, len, stored, b.stored);
	if (ZSTD_isError(n))
		return err_set(e, -EBADMSG, "block %llu: zstd: %s", (unsigned long long)index,
			       ZSTD_getErrorName(n));
	if (n != len)
		return err_set(e, -EBADMSG, "block %llu: %zu bytes instead of %zu",
			       (unsigned long long)index, n, len);
	return 0;
}

int pack_header_check(int fd, uint64_t pack, uint64_t *ret_len, struct err *e)
{
	uint8_t head[PACK_HEADER_BYTES];
	struct stat st;
	int r = sys_fstat(fd, &st);

	if (r < 0)
		return err_set(e, r, "stat: %s", strerror(-r));
	if (!S_ISREG(st.st_mode))
		return err_set(e, -EBADMSG, "is not a regular file");
	r = read_exactly(fd, head, sizeof(head), 0, e);
	if (r < 0)
		return r;
	if (memcmp(head, PACK_MAGIC, 8) != 0)
		return err_set(e, -EBADMSG, "does not start as a pack does");
	if (le32_get(head + HEADER_VERSION) != PACK_VERSION)
		return err_set(e, -EPROTO, "has version %u, this envfs reads %d: use a newer one",
			       le32_get(head + HEADER_VERSION), PACK_VERSION);
	if (le64_get(head + HEADER_SUM) != xxh64(head, HEADER_SUM))
		return err_set(e, -EBADMSG, "its header's checksum does not match");
	if (le32_get(head + HEADER_BLOCK_BYTES) != OBJECT_BLOCK_BYTES)
		return err_set(e, -EBADMSG, "has blocks of %u bytes",
			       le32_get(head + HEADER_BLOCK_BYTES));
	if (le64_get(head + HEADER_PACK) != pack)
		return err_set(e, -EBADMSG, "is pack %llu by its header",
			       (unsigned long long)le64_get(head + HEADER_PACK));
	*ret_len = (uint64_t)st.st_size;
	return 0;
}
