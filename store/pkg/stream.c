/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/stream.h"

#include "base/path.h"
#include "base/sys.h"
#include "pkg/crc32.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <zstd.h>
#include <zstd_errors.h>

#define ROOM_BYTES (256 * KIB) /* each way: few calls, and it stays in the L2 cache */

struct stream {
	struct pkg_limits limits;
	uint64_t packed;   /* of the whole artifact */
	uint64_t unpacked; /* so far */
	bool ended;
	int (*next)(struct stream *s, const uint8_t **ret, size_t *ret_len, struct err *e);

	int fd; /* borrowed */
	uint64_t offset, left;
	uint8_t *in; /* owned */

	/* zstd */
	ZSTD_DCtx *zstd; /* owned */
	ZSTD_inBuffer in_buf;
	size_t hint;  /* what zstd said last: 0 at the end of a frame */
	bool between; /* at a frame's end, or before the first */
	uint8_t *out; /* owned */
	struct crc32 crc;
	uint32_t crc_want;

	/* bzip2 */
	struct archive *archive; /* owned */
	struct err in_err;	 /* what reading said, while libarchive stands between */

	/* plain */
	const uint8_t *plain; /* borrowed */
	size_t plain_len;
};

static int stream_new(struct stream **ret, int fd, uint64_t offset, uint64_t len, uint64_t packed,
		      const struct pkg_limits *limits, struct err *e)
{
	AUTO(stream_freep) struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return err_nomem(e);
	s->limits = *limits;
	s->packed = packed;
	s->fd = fd;
	s->offset = offset;
	s->left = len;
	s->in = len > 0 ? malloc(ROOM_BYTES) : NULL;
	if (len > 0 && !s->in)
		return err_nomem(e);
	*ret = TAKE_PTR(s);
	return 0;
}

struct stream *stream_free(struct stream *s)
{
	if (!s)
		return NULL;
	if (s->zstd)
		(void)ZSTD_freeDCtx(s->zstd);
	if (s->archive)
		(void)archive_read_free(s->archive);
	free(s->in);
	free(s->out);
	free(s);
	return NULL;
}

/* The next piece of the input into s->in; 0 at its end. */
static ssize_t fill(struct stream *s, struct err *e)
{
	size_t want = s->left < ROOM_BYTES ? (size_t)s->left : ROOM_BYTES;
	ssize_t n;

	if (want == 0)
		return 0;
	n = sys_pread(s->fd, s->in, want, s->offset);
	if (n < 0)
		return err_set(e, (int)n, "read at %llu: %s", (unsigned long long)s->offset,
			       strerrordesc_np((int)-n));
	if ((size_t)n < want)
		return err_set(e, -EBADMSG, "the file ends at %llu, earlier than its size says",
			       (unsigned long long)s->offset + (unsigned long long)n);
	s->offset += want;
	s->left -= want;
	return n;
}

static int zstd_failed(size_t r, struct err *e)
{
	switch (ZSTD_getErrorCode(r)) {
	case ZSTD_error_frameParameter_windowTooLarge:
		return err_set(e, -EFBIG, "its zstd frame wants a window of more than 2^%d bytes",
			       ZSTD_WINDOW_LOG_MAX);
	case ZSTD_error_memory_allocation:
		return err_nomem(e);
	default:
		return err_set(e, -EBADMSG, "zstd: %s", ZSTD_getErrorName(r));
	}
}

static int zstd_end(struct stream *s, struct err *e)
{
	uint32_t crc = crc32_end(&s->crc);

	if (s->hint != 0)
		return err_set(e, -EBADMSG, "its last zstd frame is cut off");
	if (crc != s->crc_want)
		return err_set(e, -EBADMSG, "its CRC-32 is %08x, the zip index says %08x", crc,
			       s->crc_want);
	return 0;
}

static int zstd_next(struct stream *s, const uint8_t **ret, size_t *ret_len, struct err *e)
{
	ZSTD_outBuffer out = { .dst = s->out, .size = ROOM_BYTES };

	while (out.pos < out.size) {
		size_t before = out.pos;

		if (s->in_buf.pos == s->in_buf.size) {
			ssize_t n = fill(s, e);

			if (n < 0)
				return (int)n;
			crc32_add(&s->crc, s->in, (size_t)n);
			s->in_buf = (ZSTD_inBuffer){ .src = s->in, .size = (size_t)n };
			if (n == 0 && s->hint == 0)
				break;
		}
		if (s->between && s->in_buf.pos < s->in_buf.size) {
			uint8_t first = s->in[s->in_buf.pos];

			/* zstd's magic starts with 0x28, that of a frame to skip with 0x5N. What
			 * starts otherwise would be decoders of before 2016, or no zstd. */
			if (first != 0x28 && first >> 4 != 5)
				return err_set(e, -EBADMSG, "zstd: no frame where one must start");
			s->between = false;
		}
		/* With no input left this only hands out what the decoder still holds. */
		s->hint = ZSTD_decompressStream(s->zstd, &out, &s->in_buf);
		if (ZSTD_isError(s->hint))
			return zstd_failed(s->hint, e);
		s->between = s->hint == 0;
		if (s->in_buf.size == 0 && out.pos == before)
			break;
	}
	*ret = s->out;
	*ret_len = out.pos;
	return out.pos > 0 ? 0 : zstd_end(s, e);
}

int stream_open_zstd(struct stream **ret, int fd, uint64_t offset, uint64_t len, uint32_t crc,
		     uint64_t packed, const struct pkg_limits *limits, struct err *e)
{
	AUTO(stream_freep) struct stream *s = NULL;
	size_t zr;
	int r = stream_new(&s, fd, offset, len, packed, limits, e);

	if (r < 0)
		return r;
	s->zstd = ZSTD_createDCtx();
	s->out = malloc(ROOM_BYTES);
	if (!s->zstd || !s->out)
		return err_nomem(e);
	zr = ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
	if (ZSTD_isError(zr))
		return zstd_failed(zr, e);
	crc32_begin(&s->crc);
	s->crc_want = crc;
	s->between = true;
	s->hint = 1; /* no frame seen: an empty member is cut off too */
	s->next = zstd_next;
	*ret = TAKE_PTR(s);
	return 0;
}

static ssize_t archive_fill(struct archive *a, void *ctx, const void **ret)
{
	struct stream *s = ctx;
	ssize_t n = fill(s, &s->in_err);

	*ret = s->in;
	if (n < 0)
		archive_set_error(a, EIO, "%s", s->in_err.text);
	return n < 0 ? ARCHIVE_FATAL : n;
}

static int archive_failed(struct stream *s, struct err *e)
{
	const char *text = archive_error_string(s->archive);

	if (s->in_err.code < 0)
		return err_set(e, s->in_err.code, "%s", s->in_err.text);
	if (archive_errno(s->archive) == ENOMEM)
		return err_nomem(e);
	return err_set(e, -EBADMSG, "bzip2: %s", text ? text : "damaged");
}

/*
 * libarchive takes what follows the last bzip2 stream for padding and drops it;
 * here everything must have been used. archive_filter_bytes() counts what the
 * filter took from its input.
 */
static int bzip2_end(struct stream *s, struct err *e)
{
	int64_t used = archive_filter_bytes(s->archive, -1);

	if (used < 0 || (uint64_t)used != s->packed)
		return err_set(e, -EBADMSG, "something follows its bzip2 data, at byte %lld",
			       (long long)used);
	return 0;
}

static int bzip2_next(struct stream *s, const uint8_t **ret, size_t *ret_len, struct err *e)
{
	const void *bytes = NULL;
	size_t len = 0;
	int64_t offset;
	int r;

	do {
		r = archive_read_data_block(s->archive, &bytes, &len, &offset);
	} while (r == ARCHIVE_OK && len == 0);
	if (r == ARCHIVE_EOF) {
		*ret = NULL;
		*ret_len = 0;
		return bzip2_end(s, e);
	}
	if (r != ARCHIVE_OK)
		return archive_failed(s, e);
	*ret = bytes;
	*ret_len = len;
	return 0;
}

int stream_open_bzip2(struct stream **ret, int fd, uint64_t len, const struct pkg_limits *limits,
		      struct err *e)
{
	AUTO(stream_freep) struct stream *s = NULL;
	struct archive_entry *entry;
	char magic[4] = "";
	int r = stream_new(&s, fd, 0, len, len, limits, e);

	if (r < 0)
		return r;
	if (len < sizeof(magic))
		return err_set(e, -EBADMSG, "%llu bytes are no bzip2 data",
			       (unsigned long long)len);
	r = (int)sys_pread(fd, magic, sizeof(magic), 0);
	if (r < 0)
		return err_set(e, r, "read: %s", strerrordesc_np(-r));
	if (memcmp(magic, "BZh", 3) != 0)
		return err_set(e, -EBADMSG, "no bzip2 data: it starts with '%s'",
			       QUOTE(magic, sizeof(magic)));
	s->archive = archive_read_new();
	if (!s->archive)
		return err_nomem(e);
	if (archive_read_support_filter_bzip2(s->archive) != ARCHIVE_OK ||
	    archive_read_support_format_raw(s->archive) != ARCHIVE_OK)
		return err_set(e, -ENOSYS, "this libarchive has no bzip2 of its own");
	if (archive_read_open2(s->archive, s, NULL, archive_fill, NULL, NULL) != ARCHIVE_OK)
		return archive_failed(s, e);
	r = archive_read_next_header(s->archive, &entry);
	if (r == ARCHIVE_EOF)
		return err_set(e, -EBADMSG, "its bzip2 data is empty");
	if (r != ARCHIVE_OK)
		return archive_failed(s, e);
	/* bzip2 and the reading itself: a second layer of bzip2 is no package. */
	if (archive_filter_count(s->archive) != 2 ||
	    archive_filter_code(s->archive, 0) != ARCHIVE_FILTER_BZIP2)
		return err_set(e, -EBADMSG, "no tar in one layer of bzip2");
	s->next = bzip2_next;
	*ret = TAKE_PTR(s);
	return 0;
}

static int plain_next(struct stream *s, const uint8_t **ret, size_t *ret_len, struct err *e)
{
	(void)e;
	*ret = s->plain;
	*ret_len = s->plain_len;
	s->plain_len = 0;
	return 0;
}

int stream_open_plain(struct stream **ret, const void *bytes, size_t len,
		      const struct pkg_limits *limits, struct err *e)
{
	AUTO(stream_freep) struct stream *s = NULL;
	int r = stream_new(&s, -1, 0, 0, len, limits, e);

	if (r < 0)
		return r;
	s->plain = bytes;
	s->plain_len = len;
	s->next = plain_next;
	*ret = TAKE_PTR(s);
	return 0;
}

/* After each chunk, so that a bomb is stopped within one of it. */
static int check_bounds(const struct stream *s, struct err *e)
{
	uint64_t most;

	if (s->unpacked > s->limits.unpacked_max)
		return err_set(e, -EFBIG, "it unpacks to more than %llu bytes",
			       (unsigned long long)s->limits.unpacked_max);
	if (__builtin_mul_overflow(s->packed, s->limits.ratio, &most))
		return 0;
	if (s->unpacked > s->limits.free && s->unpacked > most)
		return err_set(e, -EFBIG, "it unpacks to more than %llu times its size",
			       (unsigned long long)s->limits.ratio);
	return 0;
}

int stream_next(struct stream *s, const uint8_t **ret, size_t *ret_len, struct err *e)
{
	int r;

	*ret = NULL;
	*ret_len = 0;
	if (s->ended)
		return 0;
	r = s->next(s, ret, ret_len, e);
	if (r < 0)
		return r;
	s->ended = *ret_len == 0;
	if (__builtin_add_overflow(s->unpacked, *ret_len, &s->unpacked))
		return err_set(e, -EFBIG, "it unpacks to more than 2^64 bytes");
	return check_bounds(s, e);
}
