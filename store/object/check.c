/* SPDX-License-Identifier: Apache-2.0 */
#include "object/pack.h"

#include "base/hash.h"
#include "base/le.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/sys.h"
#include "object/block.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* The footer is read in pieces of this many rows: a pack may have a million. */
#define PIECE_ROWS 1024

struct footer {
	uint64_t at, count, sum;
};

static int read_trailer(int fd, uint64_t len, struct footer *ret, struct err *e)
{
	uint8_t t[PACK_TRAILER_BYTES];
	uint64_t bytes, end;
	ssize_t n;

	if (len < PACK_HEADER_BYTES + PACK_TRAILER_BYTES)
		return err_set(e, -EBADMSG, "%llu bytes are too few", (unsigned long long)len);
	n = sys_pread(fd, t, sizeof(t), len - sizeof(t));
	if (n < 0)
		return err_set(e, (int)n, "read of its trailer: %s", strerror((int)-n));
	if (n < (ssize_t)sizeof(t) || memcmp(t, PACK_END_MAGIC, 8) != 0)
		return err_set(e, -EBADMSG, "has no trailer: it is cut short or damaged");
	if (le64_get(t + TRAILER_SUM) != xxh64(t, TRAILER_SUM))
		return err_set(e, -EBADMSG, "its trailer's checksum does not match");
	ret->count = le64_get(t + TRAILER_COUNT);
	ret->at = le64_get(t + TRAILER_FOOTER);
	ret->sum = le64_get(t + TRAILER_FOOTER_SUM);
	if (ret->count == 0 || ret->count > PACKAGE_FILES_MAX)
		return err_set(e, -EBADMSG, "cannot hold %llu objects",
			       (unsigned long long)ret->count);
	bytes = ret->count * FOOTER_ROW_BYTES;
	if (ret->at < PACK_HEADER_BYTES || __builtin_add_overflow(ret->at, bytes, &end) ||
	    end != len - sizeof(t))
		return err_set(e, -EBADMSG, "its footer is not where its trailer says");
	return 0;
}

/* The whole footer, checked by its sum. The caller frees it. */
static int read_footer(int fd, const struct footer *f, uint8_t **ret, struct err *e)
{
	size_t bytes = (size_t)f->count * FOOTER_ROW_BYTES;
	AUTO_MEM uint8_t *rows = malloc(bytes);
	ssize_t n;

	if (!rows)
		return err_nomem(e);
	n = sys_pread(fd, rows, bytes, f->at);
	if (n < 0)
		return err_set(e, (int)n, "read of its footer: %s", strerror((int)-n));
	if ((size_t)n < bytes || xxh64(rows, bytes) != f->sum)
		return err_set(e, -EBADMSG, "its footer's checksum does not match");
	*ret = TAKE_PTR(rows);
	return 0;
}

static void row_get(const uint8_t *row, uint64_t pack, struct digest *digest, struct extent *x)
{
	memcpy(digest->bytes, row, DIGEST_BYTES);
	*x = (struct extent){ .pack = pack,
			      .offset = le64_get(row + FOOTER_OFFSET),
			      .stored = le64_get(row + FOOTER_STORED),
			      .size = le64_get(row + FOOTER_SIZE) };
}

struct seen {
	const uint8_t *rows;
	struct map map;
};

static void seen_done(struct seen *s)
{
	map_done(&s->map);
}

static bool seen_same(const void *ctx, uint32_t value, const void *key)
{
	const struct seen *s = ctx;

	return memcmp(s->rows + (size_t)value * FOOTER_ROW_BYTES, key, DIGEST_BYTES) == 0;
}

/* Objects in order, without gap, each once. */
static int check_rows(const uint8_t *rows, const struct footer *f, uint64_t pack, struct err *e)
{
	AUTO(seen_done) struct seen seen = { .rows = rows };
	uint64_t at = PACK_HEADER_BYTES;
	struct digest digest;
	struct extent x;
	int r;

	for (uint64_t i = 0; i < f->count; i++) {
		uint64_t hash;

		row_get(rows + i * FOOTER_ROW_BYTES, pack, &digest, &x);
		r = extent_check(&x, f->at, e);
		if (r < 0)
			return err_wrap(e, r, "footer row %llu", (unsigned long long)i);
		if (x.offset != at || x.size == 0)
			return err_set(e, -EBADMSG, "footer row %llu: not where it should start",
				       (unsigned long long)i);
		at += x.stored;
		memcpy(&hash, digest.bytes, sizeof(hash));
		if (map_get(&seen.map, hash, seen_same, &seen, digest.bytes) != MAP_NONE)
			return err_set(e, -EBADMSG, "object %s is in it twice",
				       DIGEST_HEX(&digest));
		r = map_put(&seen.map, hash, (uint32_t)i, e);
		if (r < 0)
			return r;
	}
	if (at != f->at)
		return err_set(e, -EBADMSG, "its objects do not reach to the footer");
	return 0;
}

/* Reads the object and compares its SHA-256. */
static int check_object(int fd, const struct digest *want, const struct extent *x,
			struct block_room *room, struct err *e)
{
	struct block_reader br = { .fd = fd, .x = x, .room = room };
	struct hasher h;
	struct digest got;
	int r = sha256_begin(&h, e);

	for (uint64_t i = 0; r == 0 && i < block_count(x->size); i++) {
		r = block_read(&br, i, room->out, e);
		if (r == 0)
			hasher_add(&h, room->out, block_len(x->size, i));
	}
	if (r < 0) {
		hasher_done(&h);
		return r;
	}
	sha256_end(&h, &got);
	if (!digest_same(&got, want))
		return err_set(e, -EBADMSG, "its bytes have SHA-256 %s", DIGEST_HEX(&got));
	return 0;
}

static int check_all(int fd, const uint8_t *rows, const struct footer *f, uint64_t pack, bool deep,
		     pack_object_fn *fn, void *ctx, struct err *e)
{
	AUTO(block_room_done) struct block_room room = { 0 };
	int r = deep ? block_room_init(&room, e) : 0;

	for (uint64_t i = 0; r == 0 && i < f->count; i++) {
		struct err wrong = { 0 };
		struct digest digest;
		struct extent x;

		row_get(rows + i * FOOTER_ROW_BYTES, pack, &digest, &x);
		if (deep && check_object(fd, &digest, &x, &room, &wrong) == -ENOMEM)
			return err_nomem(e);
		r = fn ? fn(ctx, &digest, &x, &wrong) : wrong.code;
		if (r < 0 && !fn)
			return err_set(e, r, "object %s: %s", DIGEST_HEX(&digest), wrong.text);
	}
	return r;
}

int pack_check_fd(int fd, uint64_t pack, bool deep, pack_object_fn *fn, void *ctx, struct err *e)
{
	AUTO_MEM uint8_t *rows = NULL;
	struct footer f;
	uint64_t len;
	int r = pack_header_check(fd, pack, &len, e);

	if (r == 0)
		r = read_trailer(fd, len, &f, e);
	if (r == 0)
		r = read_footer(fd, &f, &rows, e);
	if (r == 0)
		r = check_rows(rows, &f, pack, e);
	if (r < 0)
		return err_wrap(e, r, "pack %llu", (unsigned long long)pack);
	return check_all(fd, rows, &f, pack, deep, fn, ctx, e);
}

int pack_check(struct store *st, uint64_t pack, bool deep, pack_object_fn *fn, void *ctx,
	       struct err *e)
{
	char name[24];

	(void)snprintf(name, sizeof(name), "%llu", (unsigned long long)pack);
	AUTO_FD fd = sys_openat(st->packs, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, fd, "pack %llu: open: %s", (unsigned long long)pack,
			       strerror(-fd));
	return pack_check_fd(fd, pack, deep, fn, ctx, e);
}
