/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/say.h"

#include "base/json.h"
#include "base/limits.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Set once, before anything is said. */
static struct {
	bool json, quiet;
	int verbose;
} how;

void say_setup(const struct opts *o)
{
	how.json = o->json;
	how.quiet = o->quiet;
	how.verbose = o->verbose;
}

static void line(const char *head, const char *fmt, va_list ap)
{
	char text[8192];

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	fprintf(stderr, "%s%s\n", head, text);
}

#define SAY(head)                                                                                  \
	do {                                                                                       \
		va_list ap_;                                                                       \
		va_start(ap_, fmt);                                                                \
		line(head, fmt, ap_);                                                              \
		va_end(ap_);                                                                       \
	} while (0)

void say_note(const char *fmt, ...)
{
	if (!how.quiet && !how.json)
		SAY("");
}

void say_warning(const char *fmt, ...)
{
	if (!how.json)
		SAY("envfs: warning: ");
}

void say_detail(const char *fmt, ...)
{
	if (how.verbose > 0)
		SAY("  ");
}

int say_usage(const char *fmt, ...)
{
	SAY("envfs: ");
	return EXIT_USAGE;
}

int exit_code_of(int code)
{
	switch (code) {
	case 0:
		return EXIT_DONE;
	case -ENOENT:
		return EXIT_NOT_FOUND;
	case -EBADMSG:
		return EXIT_VERIFY;
	case -EBUSY:
	case -ESTALE:
		return EXIT_BUSY;
	case -ENONET:
	case -EHOSTUNREACH:
	case -ETIMEDOUT:
		return EXIT_OFFLINE;
	default:
		return EXIT_FAILED;
	}
}

/* conda's names for failures, which scripts look at. */
static const char *exception_name(int code)
{
	switch (code) {
	case -EDOM:
		return "UnsatisfiableError";
	case -ENOENT:
		return "PackagesNotFoundError";
	case -EBADMSG:
		return "ChecksumMismatchError";
	case -ENONET:
	case -EHOSTUNREACH:
	case -ETIMEDOUT:
		return "CondaHTTPError";
	default:
		return "CondaError";
	}
}

int say_error(const struct err *e, const char *more)
{
	AUTO_BUF out = BUF(MIB);
	struct jsonw w = JSONW(&out, 2);
	struct buf message = BUF(MIB);

	if (!how.json) {
		fprintf(stderr, "envfs: %s\n%s", e->text, more ? more : "");
		return exit_code_of(e->code);
	}
	buf_addf(&message, "%s%s%s", e->text, more && more[0] ? "\n" : "", more ? more : "");
	jsonw_object(&w);
	jsonw_member_bool(&w, "success", false);
	jsonw_member_text(&w, "error", message.bytes);
	jsonw_member_text(&w, "message", message.bytes);
	jsonw_member_text(&w, "exception_name", exception_name(e->code));
	jsonw_object_end(&w);
	buf_done(&message);
	(void)say_answer(&out);
	return exit_code_of(e->code);
}

int say_answer(const struct buf *text)
{
	struct err e;
	size_t len = text->len;

	if (buf_end(text, &e) < 0) {
		fprintf(stderr, "envfs: the answer is too long: %s\n", e.text);
		return EXIT_FAILED;
	}
	if (fwrite(text->bytes, 1, len, stdout) != len ||
	    (how.json && len > 0 && text->bytes[len - 1] != '\n' && putchar('\n') == EOF) ||
	    fflush(stdout) != 0) {
		fprintf(stderr, "envfs: standard output: %s\n", strerror(errno));
		return EXIT_FAILED;
	}
	return EXIT_DONE;
}

const char *size_text(unsigned long long bytes, char room[32])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	double n = (double)bytes;
	size_t u = 0;

	for (; n >= 999.5 && u + 1 < sizeof(units) / sizeof(units[0]); u++)
		n /= 1000;
	(void)snprintf(room, 32, u == 0 || n >= 9.95 ? "%.0f %s" : "%.1f %s", n, units[u]);
	return room;
}
