/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/scan.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/sys.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define CHUNK_BYTES (256 * KIB)
#define NO_HOLD	    SIZE_MAX

static const char zstd_magic[4] = { '\x28', '\xb5', '\x2f', '\xfd' };

struct scan {
	int fd;		    /* borrowed */
	ZSTD_DStream *zstd; /* owned; NULL: the document is plain */
	char *packed;	    /* owned; CHUNK_BYTES, for zstd */
	ZSTD_inBuffer in;
	bool frame_open; /* a zstd frame has begun and not ended */
	bool more;	 /* zstd filled the room it had, and may hold more */
	bool eof;
	char *bytes; /* owned; the window */
	size_t cap, at, end;
	size_t hold; /* bytes from here on are kept by a refill; NO_HOLD: none */
	uint64_t dropped, bytes_max;
	size_t value_max;
	int depth;
	uint64_t filled; /* bit d: depth d has a member already */
	struct buf key;
};

static int bad(const struct scan *s, const char *what, struct err *e)
{
	return err_set(e, -EINVAL, "not JSON at byte %llu: %s", (unsigned long long)scan_offset(s),
		       what);
}

uint64_t scan_offset(const struct scan *s)
{
	return s->dropped + s->at;
}

static int read_packed(struct scan *s, size_t *ret, struct err *e)
{
	ZSTD_outBuffer out = { s->bytes + s->end, s->cap - s->end, 0 };

	while (out.pos == 0) {
		size_t left;

		if (s->in.pos == s->in.size && !s->more) {
			ssize_t n = sys_read(s->fd, s->packed, CHUNK_BYTES);

			if (n < 0)
				return err_set(e, (int)n, "read: %s", strerror((int)-n));
			if (n == 0 && s->frame_open)
				return err_set(e, -EBADMSG, "the zstd stream ends early");
			if (n == 0)
				break;
			s->in = (ZSTD_inBuffer){ s->packed, (size_t)n, 0 };
		}
		left = ZSTD_decompressStream(s->zstd, &out, &s->in);
		if (ZSTD_isError(left))
			return err_set(e, -EBADMSG, "zstd: %s", ZSTD_getErrorName(left));
		s->frame_open = left != 0;
		s->more = out.pos == out.size;
	}
	*ret = out.pos;
	return 0;
}

static int read_plain(struct scan *s, size_t *ret, struct err *e)
{
	ssize_t n = sys_read(s->fd, s->bytes + s->end, s->cap - s->end);

	if (n < 0)
		return err_set(e, (int)n, "read: %s", strerror((int)-n));
	*ret = (size_t)n;
	return 0;
}

/* Makes room for another chunk: what is held moves to the front. */
static int make_room(struct scan *s, struct err *e)
{
	size_t keep = s->hold == NO_HOLD ? s->at : s->hold;
	char *grown;

	if (s->end - keep > s->value_max)
		return err_set(e, -EFBIG, "a value of more than %zu bytes at byte %llu",
			       s->value_max, (unsigned long long)(s->dropped + keep));
	memmove(s->bytes, s->bytes + keep, s->end - keep);
	s->dropped += keep;
	s->at -= keep;
	s->end -= keep;
	if (s->hold != NO_HOLD)
		s->hold = 0;
	if (s->cap - s->end >= CHUNK_BYTES)
		return 0;
	grown = realloc(s->bytes, s->cap * 2);
	if (!grown)
		return err_nomem(e);
	s->bytes = grown;
	s->cap *= 2;
	return 0;
}

/* More bytes into the window: their number, 0 at the end. */
static int refill(struct scan *s, struct err *e)
{
	size_t n = 0;
	int r;

	if (s->eof)
		return 0;
	r = make_room(s, e);
	if (r < 0)
		return r;
	r = s->zstd ? read_packed(s, &n, e) : read_plain(s, &n, e);
	if (r < 0)
		return r;
	s->eof = n == 0;
	s->end += n;
	if (s->dropped + s->end > s->bytes_max)
		return err_set(e, -EFBIG, "more than the %llu bytes that are allowed",
			       (unsigned long long)s->bytes_max);
	return n > 0;
}

static int start_zstd(struct scan *s, struct err *e)
{
	size_t r;

	s->packed = malloc(CHUNK_BYTES);
	s->zstd = ZSTD_createDStream();
	if (!s->packed || !s->zstd)
		return err_nomem(e);
	r = ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG_MAX);
	if (ZSTD_isError(r))
		return err_set(e, -EINVAL, "zstd: %s", ZSTD_getErrorName(r));
	assert(s->end <= CHUNK_BYTES);
	memcpy(s->packed, s->bytes, s->end);
	s->in = (ZSTD_inBuffer){ s->packed, s->end, 0 };
	s->at = s->end = 0;
	s->eof = false;
	return 0;
}

int scan_open(struct scan **ret, int fd, uint64_t bytes_max, size_t value_max, struct err *e)
{
	AUTO(scan_freep) struct scan *s = calloc(1, sizeof(*s));
	int r = 1;

	if (!s)
		return err_nomem(e);
	s->fd = fd;
	s->hold = NO_HOLD;
	s->bytes_max = bytes_max;
	s->value_max = value_max;
	buf_init(&s->key, value_max);
	s->cap = CHUNK_BYTES;
	s->bytes = malloc(s->cap);
	if (!s->bytes)
		return err_nomem(e);
	while (r > 0 && s->end < sizeof(zstd_magic)) {
		size_t n = 0;

		r = read_plain(s, &n, e);
		if (r < 0)
			return r;
		s->end += n;
		r = n > 0;
	}
	if (s->end >= sizeof(zstd_magic) && memcmp(s->bytes, zstd_magic, sizeof(zstd_magic)) == 0) {
		r = start_zstd(s, e);
		if (r < 0)
			return r;
	}
	*ret = TAKE_PTR(s);
	return 0;
}

struct scan *scan_free(struct scan *s)
{
	if (!s)
		return NULL;
	(void)ZSTD_freeDStream(s->zstd);
	free(s->packed);
	free(s->bytes);
	buf_done(&s->key);
	free(s);
	return NULL;
}

int scan_peek(struct scan *s, struct err *e)
{
	for (;;) {
		int r;

		for (; s->at < s->end; s->at++) {
			char c = s->bytes[s->at];

			if (c == '\0')
				return bad(s, "a NUL byte", e);
			if (c != ' ' && c != '\n' && c != '\r' && c != '\t')
				return (unsigned char)c;
		}
		r = refill(s, e);
		if (r <= 0)
			return r;
	}
}

/* Consumes the one byte that must stand next. */
static int expect(struct scan *s, char want, struct err *e)
{
	char what[] = "expected '.'";
	int c = scan_peek(s, e);

	if (c < 0)
		return c;
	if (c != want) {
		what[10] = want;
		return c == 0 ? bad(s, "it ends early", e) : bad(s, what, e);
	}
	s->at++;
	return 0;
}

static int enter(struct scan *s, char open, struct err *e)
{
	int r = expect(s, open, e);

	if (r < 0)
		return r;
	if (s->depth >= JSON_DEPTH_MAX)
		return err_set(e, -EINVAL, "JSON is more than %d deep", JSON_DEPTH_MAX);
	s->depth++;
	s->filled &= ~(1ULL << s->depth);
	return 0;
}

int scan_object(struct scan *s, struct err *e)
{
	return enter(s, '{', e);
}

int scan_array(struct scan *s, struct err *e)
{
	return enter(s, '[', e);
}

/* 1 when something stands before the closing byte (its comma is consumed), else 0. */
static int next_in(struct scan *s, char close, struct err *e)
{
	int c = scan_peek(s, e), r;

	assert(s->depth > 0);
	if (c < 0)
		return c;
	if (c == close) {
		s->at++;
		s->depth--;
		return 0;
	}
	if (s->filled & 1ULL << s->depth) {
		r = expect(s, ',', e);
		if (r < 0)
			return r;
		c = scan_peek(s, e);
		if (c < 0)
			return c;
	}
	if (c == 0)
		return bad(s, "it ends early", e);
	if (c == close)
		return bad(s, "a comma before the end", e);
	s->filled |= 1ULL << s->depth;
	return 1;
}

int scan_element(struct scan *s, struct err *e)
{
	return next_in(s, ']', e);
}

/* Key text with its quotes, decoded; the rare kind that has escapes. What cannot be decoded
 * is left as it is: with its backslashes it is nobody's name. */
static int decode(struct scan *s, const char *text, size_t len, struct err *e)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	int r = json_parse(&doc, text, len, e);

	buf_clear(&s->key);
	if (r == -EINVAL)
		buf_add(&s->key, text + 1, len - 2);
	else if (r == 0)
		buf_adds(&s->key, json_text(json_root(doc)));
	return r == -EINVAL ? 0 : r;
}

int scan_member(struct scan *s, const char **ret_key, size_t *ret_len, struct err *e)
{
	const char *text;
	size_t len;
	int r = next_in(s, '}', e);

	if (r <= 0)
		return r;
	if (s->bytes[s->at] != '"')
		return bad(s, "expected a key", e);
	r = scan_value(s, &text, &len, e);
	if (r < 0)
		return r;
	if (memchr(text, '\\', len)) {
		r = decode(s, text, len, e);
		if (r < 0)
			return r;
	} else {
		buf_clear(&s->key);
		buf_add(&s->key, text + 1, len - 2);
	}
	r = buf_end(&s->key, e);
	if (r == 0)
		r = expect(s, ':', e);
	if (r < 0)
		return r;
	*ret_key = s->key.bytes;
	*ret_len = s->key.len;
	return 1;
}

/* What ends or nests a value; other bytes are passed over. */
enum { PLAIN, QUOTE_BYTE, OPEN, CLOSE, BLANK, ESCAPE, CONTROL };
static const unsigned char kinds[256] = {
	[0 ... 8] = CONTROL, ['\t'] = BLANK,	    ['\n'] = BLANK,  [11 ... 12] = CONTROL,
	['\r'] = BLANK,	     [14 ... 31] = CONTROL, [' '] = BLANK,   ['"'] = QUOTE_BYTE,
	['{'] = OPEN,	     ['['] = OPEN,	    ['}'] = CLOSE,   [']'] = CLOSE,
	[','] = BLANK,	     [':'] = BLANK,	    ['\\'] = ESCAPE,
};

/* Where the cutting of one value stands; a refill may come between any two bytes. */
struct cut {
	int depth;
	bool in_string, escaped, in_word;
};

/* Consumes bytes of the window: 1 when the value has ended before s->at. */
static int cut_some(struct scan *s, struct cut *c, struct err *e)
{
	const unsigned char *b = (const unsigned char *)s->bytes;

	while (s->at < s->end) {
		unsigned char kind = kinds[b[s->at]];

		if (c->in_string) {
			s->at++;
			if (c->escaped) {
				c->escaped = false;
				continue;
			}
			if (kind == PLAIN || kind == OPEN || kind == CLOSE)
				continue;
			if (kind == CONTROL || b[s->at - 1] < 0x20)
				return bad(s, "a control byte in a string", e);
			c->escaped = kind == ESCAPE;
			c->in_string = kind != QUOTE_BYTE;
			if (!c->in_string && c->depth == 0)
				return 1;
			continue;
		}
		if (c->in_word && c->depth == 0 && kind != PLAIN)
			return 1;
		if (kind == CONTROL || kind == ESCAPE)
			return bad(s, "an odd byte", e);
		c->in_string = kind == QUOTE_BYTE;
		c->in_word = kind == PLAIN;
		c->depth += (kind == OPEN) - (kind == CLOSE);
		if (c->depth < 0 || (c->depth == 0 && kind == BLANK))
			return bad(s, "expected a value", e);
		if (s->depth + c->depth > JSON_DEPTH_MAX)
			return err_set(e, -EINVAL, "JSON is more than %d deep", JSON_DEPTH_MAX);
		s->at++;
		if (kind == CLOSE && c->depth == 0)
			return 1;
	}
	return 0;
}

static int cut(struct scan *s, bool keep, struct err *e)
{
	struct cut c = { 0 };
	int r = scan_peek(s, e);

	if (r < 0)
		return r;
	if (keep)
		s->hold = s->at;
	for (;;) {
		r = cut_some(s, &c, e);
		if (r != 0)
			return r < 0 ? r : 0;
		r = refill(s, e);
		if (r < 0)
			return r;
		if (r == 0 && c.in_word && c.depth == 0)
			return 0;
		if (r == 0)
			return bad(s, "it ends early", e);
	}
}

int scan_value(struct scan *s, const char **ret, size_t *ret_len, struct err *e)
{
	int r = cut(s, true, e);
	size_t start = s->hold;

	s->hold = NO_HOLD;
	if (r < 0)
		return r;
	if (s->at - start > s->value_max)
		return err_set(e, -EFBIG, "a value of more than %zu bytes at byte %llu",
			       s->value_max, (unsigned long long)(s->dropped + start));
	*ret = s->bytes + start;
	*ret_len = s->at - start;
	return 0;
}

int scan_skip(struct scan *s, struct err *e)
{
	return cut(s, false, e);
}

int scan_end(struct scan *s, struct err *e)
{
	int c = scan_peek(s, e);

	if (c < 0)
		return c;
	return c == 0 ? 0 : bad(s, "something follows the document", e);
}
