/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char buf_empty[1]; /* never written: the NUL of every empty buffer */

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){ .bytes = buf_empty, .max = max };
}

void buf_done(struct buf *b)
{
	if (b->cap > 0)
		free(b->bytes);
	*b = (struct buf){ .bytes = buf_empty };
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	b->failed = 0;
	if (b->cap > 0)
		b->bytes[0] = '\0';
}

void *buf_room(struct buf *b, size_t len)
{
	size_t need, cap;
	char *bytes;

	if (b->failed)
		return NULL;
	if (__builtin_add_overflow(b->len, len, &need) || need > b->max) {
		b->failed = -EFBIG;
		return NULL;
	}
	if (need < b->cap)
		return b->bytes + b->len;
	cap = b->cap ? b->cap : 64;
	while (cap <= need)
		cap += cap / 2 + 64;
	bytes = realloc(b->cap ? b->bytes : NULL, cap);
	if (!bytes) {
		b->failed = -ENOMEM;
		return NULL;
	}
	b->bytes = bytes;
	b->cap = cap;
	b->bytes[b->len] = '\0';
	return b->bytes + b->len;
}

void buf_add(struct buf *b, const void *bytes, size_t len)
{
	char *room = buf_room(b, len);

	if (!room)
		return;
	if (len > 0)
		memcpy(room, bytes, len);
	b->len += len;
	b->bytes[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *text)
{
	buf_add(b, text, strlen(text));
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_add_zero(struct buf *b, size_t len)
{
	char *room = buf_room(b, len);

	if (!room)
		return;
	memset(room, 0, len);
	b->len += len;
	b->bytes[b->len] = '\0';
}

void buf_addv(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char *room;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	assert(n >= 0);
	room = buf_room(b, (size_t)n + 1);
	if (!room)
		return;
	(void)vsnprintf(room, (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_addv(b, fmt, ap);
	va_end(ap);
}

int buf_end(const struct buf *b, struct err *e)
{
	if (b->failed == -EFBIG)
		return err_set(e, -EFBIG, "more than the %zu bytes that are allowed", b->max);
	if (b->failed)
		return err_nomem(e);
	return 0;
}

char *buf_take(struct buf *b)
{
	char *bytes;

	if (b->failed)
		return NULL;
	bytes = b->cap > 0 ? b->bytes : strdup("");
	if (b->cap > 0)
		b->bytes[b->len] = '\0';
	*b = (struct buf){ .bytes = buf_empty, .max = b->max };
	return bytes;
}
