/* SPDX-License-Identifier: Apache-2.0 */
#include "object/pack.h"

#include "base/buf.h"
#include "base/hash.h"
#include "base/le.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/sys.h"
#include "object/block.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include <zstd.h>

#define ZSTD_LEVEL     3
#define OUT_BYTES      MIB /* written at once */
#define ROWS_BYTES_MAX (FILE_BYTES_MAX / OBJECT_BLOCK_BYTES * BLOCK_ROW_BYTES)

struct stored {
	struct digest digest;
	struct extent extent;
};

/* What is being put in between object_begin and object_end. */
struct current {
	bool open;
	bool streams; /* too long for memory: whole blocks are on their way out */
	struct hasher sha;
	struct buf in;	 /* bytes not yet made blocks */
	uint64_t size;	 /* bytes so far */
	uint64_t start;	 /* in the file */
	struct buf rows; /* its table so far */
	uint64_t blocks;
};

struct pack_writer {
	struct store *st; /* borrowed */
	uint64_t pack;
	int fd;		  /* -1 until the first byte has to go out */
	char tmp[64];	  /* its name in tmp/ */
	int old_fd;	  /* the pack of this number that is there already, or -1 */
	uint64_t old_end; /* where its objects end */
	size_t old_count;

	uint8_t *out; /* owned; OUT_BYTES */
	size_t out_len;
	uint64_t out_at; /* where out[0] goes */
	uint64_t high;	 /* how far the file was ever written */

	struct current now;
	struct stored *objects; /* owned */
	size_t count, cap;
	size_t mapped;	  /* so many of them are in the map; the last may be dropped */
	bool last_is_new; /* the object just ended is objects[count - 1] */
	struct map map;
	pack_known_fn *known;
	void *known_ctx;
	void *cctx;	 /* owned */
	uint8_t *packed; /* owned; a block's zstd frame */
};

static uint64_t digest_hash(const struct digest *d)
{
	uint64_t hash;

	memcpy(&hash, d->bytes, sizeof(hash));
	return hash;
}

static bool same_object(const void *ctx, uint32_t value, const void *key)
{
	const struct pack_writer *w = ctx;

	return digest_same(&w->objects[value].digest, key);
}

static int object_add(struct pack_writer *w, const struct digest *digest, const struct extent *x,
		      struct err *e)
{
	int r = GROW(w->objects, w->cap, w->count + 1, PACKAGE_FILES_MAX, e);

	if (r < 0)
		return err_wrap(e, r, "objects of one package");
	w->objects[w->count++] = (struct stored){ *digest, *x };
	return 0;
}

/* The objects that cannot be dropped any more become findable. */
static int map_objects(struct pack_writer *w, struct err *e)
{
	for (; w->mapped < w->count; w->mapped++) {
		int r = map_put(&w->map, digest_hash(&w->objects[w->mapped].digest),
				(uint32_t)w->mapped, e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int adopt_one(void *ctx, const struct digest *digest, const struct extent *x,
		     const struct err *wrong)
{
	struct pack_writer *w = ctx;

	(void)wrong; /* not deep: nothing was read */
	w->old_end = x->offset + x->stored;
	return object_add(w, digest, x, NULL);
}

/* A pack of this number that is there already is where the new one starts. */
static int adopt(struct pack_writer *w, struct err *e)
{
	char name[24];
	int r;

	(void)snprintf(name, sizeof(name), "%llu", (unsigned long long)w->pack);
	w->old_fd = sys_openat(w->st->packs, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (w->old_fd == -ENOENT)
		return 0;
	if (w->old_fd < 0)
		return err_set(e, w->old_fd, "pack %llu: open: %s", (unsigned long long)w->pack,
			       strerror(-w->old_fd));
	r = pack_check_fd(w->old_fd, w->pack, false, adopt_one, w, e);
	if (r == -EBADMSG || r == -EPROTO) { /* of no use to anybody: replaced */
		(void)sys_close(TAKE_FD(w->old_fd));
		w->count = 0;
		w->old_end = 0;
		return 0;
	}
	if (r < 0)
		return r;
	w->old_count = w->count;
	w->out_at = w->high = w->old_end;
	return map_objects(w, e);
}

int pack_writer_open(struct pack_writer **ret, struct store *st, uint64_t pack, struct err *e)
{
	AUTO(pack_writer_freep) struct pack_writer *w = calloc(1, sizeof(*w));
	int r;

	assert(pack > 0);
	assert(st->tmp >= 0);
	if (!w)
		return err_nomem(e);
	w->st = st;
	w->pack = pack;
	w->fd = w->old_fd = -1;
	buf_init(&w->now.in, OBJECT_WHOLE_BYTES);
	buf_init(&w->now.rows, ROWS_BYTES_MAX);
	w->out = malloc(OUT_BYTES);
	w->packed = malloc(OBJECT_BLOCK_BYTES);
	w->cctx = ZSTD_createCCtx();
	if (!w->out || !w->packed || !w->cctx)
		return err_nomem(e);
	r = adopt(w, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(w);
	return 0;
}

struct pack_writer *pack_writer_free(struct pack_writer *w)
{
	if (!w)
		return NULL;
	if (w->fd >= 0) {
		(void)sys_unlinkat(w->st->tmp, w->tmp, 0);
		(void)sys_close(w->fd);
	}
	if (w->old_fd >= 0)
		(void)sys_close(w->old_fd);
	hasher_done(&w->now.sha);
	buf_done(&w->now.in);
	buf_done(&w->now.rows);
	map_done(&w->map);
	(void)ZSTD_freeCCtx(w->cctx);
	free(w->packed);
	free(w->out);
	free(w->objects);
	free(w);
	return NULL;
}

void pack_writer_known(struct pack_writer *w, pack_known_fn *known, void *ctx)
{
	w->known = known;
	w->known_ctx = ctx;
}

static int fail(struct pack_writer *w, int r, const char *what, struct err *e)
{
	return err_set(e, r, "pack %llu: %s: %s", (unsigned long long)w->pack, what, strerror(-r));
}

/* A file in tmp/ that store_sweep() leaves alone: it is locked, and was not
 * swept between its making and its locking. */
static int make_file(struct pack_writer *w, struct err *e)
{
	static _Atomic unsigned int counter;

	for (;;) {
		struct stat held, there;
		int r;

		(void)snprintf(w->tmp, sizeof(w->tmp), "pack-%llu-%d-%u",
			       (unsigned long long)w->pack, (int)getpid(),
			       atomic_fetch_add(&counter, 1));
		AUTO_FD fd = sys_openat(w->st->tmp, w->tmp, O_RDWR | O_CREAT | O_EXCL, 0444);
		if (fd == -EEXIST)
			continue;
		if (fd < 0)
			return fail(w, fd, "new file", e);
		r = sys_flock(fd, LOCK_EX | LOCK_NB);
		if (r == 0)
			r = sys_fstat(fd, &held);
		if (r == 0)
			r = sys_fstatat(w->st->tmp, w->tmp, &there, AT_SYMLINK_NOFOLLOW);
		if (r == 0 && held.st_ino == there.st_ino) {
			w->fd = TAKE_FD(fd);
			return 0;
		}
		if (r != 0 && r != -ENOENT && r != -EWOULDBLOCK) {
			(void)sys_unlinkat(w->st->tmp, w->tmp, 0);
			return fail(w, r, "lock of its new file", e);
		}
	}
}

/* The old pack's header and objects, byte for byte: their places stay. */
static int copy_old(struct pack_writer *w, struct err *e)
{
	AUTO_MEM uint8_t *room = malloc(OUT_BYTES);

	if (!room)
		return err_nomem(e);
	for (uint64_t at = 0; at < w->old_end;) {
		size_t want = w->old_end - at < OUT_BYTES ? (size_t)(w->old_end - at) : OUT_BYTES;
		ssize_t n = sys_pread(w->old_fd, room, want, at);
		int r;

		if (n < 0)
			return fail(w, (int)n, "read of the old one", e);
		if ((size_t)n < want)
			return err_set(e, -EBADMSG, "pack %llu: shrank while it was read",
				       (unsigned long long)w->pack);
		r = sys_pwrite(w->fd, room, want, at);
		if (r < 0)
			return fail(w, r, "write", e);
		at += want;
	}
	return 0;
}

static int flush(struct pack_writer *w, struct err *e)
{
	int r;

	if (w->out_len == 0)
		return 0;
	if (w->fd < 0) {
		r = make_file(w, e);
		if (r == 0 && w->old_end > 0)
			r = copy_old(w, e);
		if (r < 0)
			return r;
	}
	r = sys_pwrite(w->fd, w->out, w->out_len, w->out_at);
	if (r < 0)
		return fail(w, r, "write", e);
	w->out_at += w->out_len;
	w->out_len = 0;
	if (w->out_at > w->high)
		w->high = w->out_at;
	return 0;
}

static int put(struct pack_writer *w, const void *bytes, size_t len, struct err *e)
{
	while (len > 0) {
		size_t n = OUT_BYTES - w->out_len < len ? OUT_BYTES - w->out_len : len;

		memcpy(w->out + w->out_len, bytes, n);
		w->out_len += n;
		bytes = (const char *)bytes + n;
		len -= n;
		if (w->out_len == OUT_BYTES) {
			int r = flush(w, e);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int put_header(struct pack_writer *w, struct err *e)
{
	uint8_t head[PACK_HEADER_BYTES] = PACK_MAGIC;

	le32_put(head + HEADER_VERSION, PACK_VERSION);
	le32_put(head + HEADER_BLOCK_BYTES, OBJECT_BLOCK_BYTES);
	le64_put(head + HEADER_PACK, w->pack);
	le64_put(head + HEADER_SUM, xxh64(head, HEADER_SUM));
	return put(w, head, sizeof(head), e);
}

/* Takes back all after `at`, where an object begins. */
static void rewind_to(struct pack_writer *w, uint64_t at)
{
	if (at >= w->out_at) {
		w->out_len = (size_t)(at - w->out_at);
	} else {
		w->out_at = at;
		w->out_len = 0;
	}
}

static int put_block(struct pack_writer *w, const void *bytes, size_t len, struct err *e)
{
	struct current *c = &w->now;
	uint8_t row[BLOCK_ROW_BYTES];
	/* Room for less than 7/8 is enough: when it does not fit, raw is the choice. */
	size_t n = ZSTD_compressCCtx(w->cctx, w->packed, len - len / 8, bytes, len, ZSTD_LEVEL);
	bool packed = !ZSTD_isError(n) && n < len;
	const void *stored = packed ? w->packed : bytes;
	uint64_t end;
	int r;

	if (!packed)
		n = len;
	if (w->out_at + w->out_len == 0) {
		r = put_header(w, e);
		if (r < 0)
			return r;
		c->start = PACK_HEADER_BYTES;
	}
	r = put(w, stored, n, e);
	if (r < 0)
		return r;
	end = w->out_at + w->out_len - c->start;
	le64_put(row + ROW_END, end | (packed ? ROW_ZSTD : 0));
	le64_put(row + ROW_SUM, block_sum(stored, n, w->pack, c->start, c->blocks));
	buf_add(&c->rows, row, sizeof(row));
	c->blocks++;
	return buf_end(&c->rows, e);
}

static int put_blocks(struct pack_writer *w, const uint8_t *bytes, size_t len, struct err *e)
{
	while (len > 0) {
		size_t n = len < OBJECT_BLOCK_BYTES ? len : OBJECT_BLOCK_BYTES;
		int r = put_block(w, bytes, n, e);

		if (r < 0)
			return r;
		bytes += n;
		len -= n;
	}
	return 0;
}

static int start(struct pack_writer *w, struct err *e)
{
	struct current *c = &w->now;
	int r = map_objects(w, e);

	assert(!c->open);
	if (r < 0)
		return r;
	buf_clear(&c->in);
	buf_clear(&c->rows);
	c->streams = false;
	c->size = c->blocks = 0;
	c->start = w->out_at + w->out_len;
	w->last_is_new = false;
	return 0;
}

int object_begin(struct pack_writer *w, struct err *e)
{
	int r = start(w, e);

	if (r == 0)
		r = sha256_begin(&w->now.sha, e);
	w->now.open = r == 0;
	return r;
}

/* Past what fits in memory: from here on whole blocks go out as they fill. */
static int stream(struct pack_writer *w, const uint8_t *bytes, size_t len, struct err *e)
{
	struct current *c = &w->now;
	int r;

	if (!c->streams) {
		size_t whole = c->in.len - c->in.len % OBJECT_BLOCK_BYTES;

		c->streams = true;
		r = put_blocks(w, (uint8_t *)c->in.bytes, whole, e);
		if (r < 0)
			return r;
		memmove(c->in.bytes, c->in.bytes + whole, c->in.len - whole);
		c->in.len -= whole;
	}
	while (len > 0) {
		size_t n = OBJECT_BLOCK_BYTES - c->in.len;

		if (c->in.len == 0 && len >= OBJECT_BLOCK_BYTES) {
			n = OBJECT_BLOCK_BYTES;
			r = put_block(w, bytes, n, e);
		} else {
			n = n < len ? n : len;
			buf_add(&c->in, bytes, n);
			r = buf_end(&c->in, e);
			if (r == 0 && c->in.len == OBJECT_BLOCK_BYTES) {
				r = put_block(w, c->in.bytes, c->in.len, e);
				buf_clear(&c->in);
			}
		}
		if (r < 0)
			return r;
		bytes += n;
		len -= n;
	}
	return 0;
}

int object_write(struct pack_writer *w, const void *bytes, size_t len, struct err *e)
{
	struct current *c = &w->now;

	assert(c->open);
	if (len == 0)
		return 0;
	if (len > FILE_BYTES_MAX - c->size)
		return err_set(e, -EFBIG, "a file has more than %llu bytes",
			       (unsigned long long)FILE_BYTES_MAX);
	c->size += len;
	hasher_add(&c->sha, bytes, len);
	if (c->streams || len > OBJECT_WHOLE_BYTES - c->in.len)
		return stream(w, bytes, len, e);
	buf_add(&c->in, bytes, len);
	return buf_end(&c->in, e);
}

/* 1 and *ret when the object needs no storing. */
static int find_known(struct pack_writer *w, const struct digest *digest, struct extent *ret,
		      struct err *e)
{
	uint32_t i = map_get(&w->map, digest_hash(digest), same_object, w, digest);

	if (i != MAP_NONE) {
		*ret = w->objects[i].extent;
		return 1;
	}
	return w->known ? w->known(w->known_ctx, digest, ret, e) : 0;
}

/* The object's last bytes, its table, its place among the objects. */
static int finish(struct pack_writer *w, const void *rest, size_t rest_len,
		  const struct digest *digest, struct extent *ret, struct err *e)
{
	struct current *c = &w->now;
	int r;

	if (c->size == 0) {
		*ret = (struct extent){ 0 };
		return 0;
	}
	r = find_known(w, digest, ret, e);
	if (r != 0) {
		rewind_to(w, c->start);
		return r < 0 ? r : 0;
	}
	r = put_blocks(w, rest, rest_len, e);
	if (r == 0)
		r = put(w, c->rows.bytes, c->rows.len, e);
	if (r < 0)
		return r;
	*ret = (struct extent){ .pack = w->pack,
				.offset = c->start,
				.stored = w->out_at + w->out_len - c->start,
				.size = c->size };
	w->last_is_new = true;
	return object_add(w, digest, ret, e);
}

int object_end(struct pack_writer *w, struct digest *ret_digest, struct extent *ret, struct err *e)
{
	struct current *c = &w->now;

	assert(c->open);
	c->open = false;
	sha256_end(&c->sha, ret_digest);
	return finish(w, c->in.bytes, c->in.len, ret_digest, ret, e);
}

int object_put_whole(struct pack_writer *w, const void *bytes, size_t len,
		     struct digest *ret_digest, struct extent *ret, struct err *e)
{
	int r = start(w, e);

	if (r == 0 && len > FILE_BYTES_MAX)
		r = err_set(e, -EFBIG, "a file has more than %llu bytes",
			    (unsigned long long)FILE_BYTES_MAX);
	if (r == 0)
		r = sha256_of(bytes, len, ret_digest, e);
	if (r < 0)
		return r;
	w->now.size = len;
	return finish(w, bytes, len, ret_digest, ret, e);
}

int object_drop(struct pack_writer *w, struct err *e)
{
	(void)e;
	assert(!w->now.open);
	if (!w->last_is_new)
		return 0;
	assert(w->mapped < w->count);
	w->count--;
	w->last_is_new = false;
	rewind_to(w, w->objects[w->count].extent.offset);
	return 0;
}

size_t pack_writer_count(const struct pack_writer *w)
{
	return w->count;
}

void pack_writer_object(const struct pack_writer *w, size_t i, struct digest *ret_digest,
			struct extent *ret)
{
	assert(i < w->count);
	*ret_digest = w->objects[i].digest;
	*ret = w->objects[i].extent;
}

static int put_footer(struct pack_writer *w, struct err *e)
{
	size_t bytes = w->count * FOOTER_ROW_BYTES;
	AUTO_MEM uint8_t *rows = malloc(bytes);
	uint8_t t[PACK_TRAILER_BYTES] = PACK_END_MAGIC;
	int r;

	if (!rows)
		return err_nomem(e);
	for (size_t i = 0; i < w->count; i++) {
		uint8_t *row = rows + i * FOOTER_ROW_BYTES;
		const struct stored *s = &w->objects[i];

		memcpy(row, s->digest.bytes, DIGEST_BYTES);
		le64_put(row + FOOTER_OFFSET, s->extent.offset);
		le64_put(row + FOOTER_STORED, s->extent.stored);
		le64_put(row + FOOTER_SIZE, s->extent.size);
	}
	le64_put(t + TRAILER_COUNT, w->count);
	le64_put(t + TRAILER_FOOTER, w->out_at + w->out_len);
	le64_put(t + TRAILER_FOOTER_SUM, xxh64(rows, bytes));
	le64_put(t + TRAILER_SUM, xxh64(t, TRAILER_SUM));
	r = put(w, rows, bytes, e);
	if (r == 0)
		r = put(w, t, sizeof(t), e);
	return r < 0 ? r : flush(w, e);
}

int pack_publish(struct pack_writer *w, bool *ret_made, struct err *e)
{
	char name[24];
	int r;

	assert(!w->now.open);
	*ret_made = w->count > 0;
	if (w->count == w->old_count)
		return 0; /* nothing, or nothing new */
	r = put_footer(w, e);
	if (r < 0)
		return r;
	if (w->high > w->out_at) { /* a dropped object reached further */
		r = sys_ftruncate(w->fd, w->out_at);
		if (r < 0)
			return fail(w, r, "truncate", e);
	}
	r = sys_fsync(w->fd);
	if (r < 0)
		return fail(w, r, "sync", e);
	(void)snprintf(name, sizeof(name), "%llu", (unsigned long long)w->pack);
	r = sys_renameat(w->st->tmp, w->tmp, w->st->packs, name);
	if (r < 0)
		return fail(w, r, "rename", e);
	(void)sys_close(TAKE_FD(w->fd));
	r = sys_fsync(w->st->packs);
	return r < 0 ? fail(w, r, "sync of packs/", e) : 0;
}
