/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf: bytes that grow up to a limit given at birth.
 *
 * Adding never fails on the spot: the first failure (out of memory, or past
 * the limit) is remembered, what follows is dropped, and buf_end() tells it.
 * The bytes are always followed by a NUL that is not counted.
 */
#ifndef ENVFS_BASE_BUF_H
#define ENVFS_BASE_BUF_H

#include "base/err.h"

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *bytes; /* owned; "" until something is added */
	size_t len;
	size_t cap;
	size_t max;
	int failed; /* 0 or negative errno */
};

extern char buf_empty[1];

/* For a buffer that is a local: AUTO_BUF b = BUF(max); */
#define AUTO_BUF __attribute__((cleanup(buf_done))) struct buf
#define BUF(bytes_max)                                                                             \
	{                                                                                          \
		.bytes = buf_empty, .max = (bytes_max)                                             \
	}

void buf_init(struct buf *b, size_t max);
void buf_done(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory and forgets a failure */

void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_adds(struct buf *b, const char *text);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_addv(struct buf *b, const char *fmt, va_list ap) PRINTF(2, 0);
void buf_add_zero(struct buf *b, size_t len);

/* Room for len more bytes at the end, to be filled and counted by the caller;
 * NULL when there is none. */
void *buf_room(struct buf *b, size_t len);

/* 0, or why not all is in it. */
int buf_end(const struct buf *b, struct err *e) MUST_CHECK;

/* The bytes as the caller's own memory; the buffer is empty after. NULL when
 * out of memory. */
char *buf_take(struct buf *b);

#endif
