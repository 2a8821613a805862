/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void PRINTF(4, 0) put(struct err *e, int code, const char *tail, const char *fmt, va_list ap)
{
	char head[ERR_TEXT_BYTES];
	int n;

	e->code = code;
	n = vsnprintf(head, sizeof(head), fmt, ap);
	if (n < 0)
		head[0] = '\0';
	n = tail[0] ? snprintf(e->text, sizeof(e->text), "%s: %s", head, tail)
		    : snprintf(e->text, sizeof(e->text), "%s", head);
	if (n >= (int)sizeof(e->text))
		memcpy(e->text + sizeof(e->text) - 4, "...", 4);
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	assert(code < 0);
	if (!e)
		return code;
	va_start(ap, fmt);
	put(e, code, "", fmt, ap);
	va_end(ap);
	return code;
}

int err_wrap(struct err *e, int code, const char *fmt, ...)
{
	char tail[ERR_TEXT_BYTES];
	va_list ap;

	assert(code < 0);
	if (!e)
		return code;
	memcpy(tail, e->text, sizeof(tail));
	va_start(ap, fmt);
	put(e, code, tail, fmt, ap);
	va_end(ap);
	return code;
}

int err_sys(struct err *e, const char *fmt, ...)
{
	int code = errno > 0 ? -errno : -EIO;
	va_list ap;

	if (!e)
		return code;
	va_start(ap, fmt);
	put(e, code, strerror(-code), fmt, ap);
	va_end(ap);
	return code;
}

int err_nomem(struct err *e)
{
	return err_set(e, -ENOMEM, "out of memory");
}
