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
	const char *exception; /* what say_exception() told */
} how;

void say_setup(const struct opts *o)
{
	how.json = o->json;
	how.quiet = o->quiet;
	how.verbose = o->verbose;
}

static void PRINTF(2, 0) line(const char *head, const char *fmt, va_list ap)
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

void say_exception(const char *name)
{
	how.exception = name;
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
	if (how.exception)
		return how.exception;
	switch (code) {
	case -EDOM:
		return "UnsatisfiableError";
	case -ENOENT:
		return "PackagesNotFoundError";
	case -EBADMSG:
		return "ChecksumMismatchError";
	case -ENONET:
		return "OfflineError";
	case -EHOSTUNREACH:
	case -ETIMEDOUT:
		return "CondaHTTPError";
	case -EINVAL:
	case -EEXIST:
		return "CondaValueError";
	default:
		return "CondaError";
	}
}

/* As conda's own dump of an exception, with `success` and our exit code. */
static void put_failure(const char *message, const char *name, int exit_code)
{
	AUTO_BUF out = BUF(MIB);
	AUTO_BUF text = BUF(MIB);
	struct jsonw w = JSONW(&out, 2);

	jsonw_object(&w);
	jsonw_member_bool(&w, "success", false);
	buf_addf(&text, "%s: %s", name, message);
	jsonw_member_text(&w, "error", text.bytes);
	jsonw_member_text(&w, "message", message);
	jsonw_member_text(&w, "exception_name", name);
	buf_clear(&text);
	buf_addf(&text, "<class 'conda.exceptions.%s'>", name);
	jsonw_member_text(&w, "exception_type", text.bytes);
	jsonw_member_u64(&w, "exit_code", (uint64_t)exit_code);
	jsonw_object_end(&w);
	(void)say_answer(&out);
}

int say_usage(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (how.json)
		put_failure(text, "ArgumentError", EXIT_USAGE);
	else
		fprintf(stderr, "envfs: %s\n", text);
	return EXIT_USAGE;
}

int say_error(const struct err *e, const char *more)
{
	AUTO_BUF message = BUF(MIB);
	size_t len = strlen(e->text);

	/* The solver's sentences begin with the error's own. */
	if (more && strncmp(more, e->text, len) == 0)
		more += len + (more[len] == '\n');
	buf_adds(&message, e->text);
	if (more && more[0])
		buf_addf(&message, "\n%s", more);
	while (message.len > 0 && message.bytes[message.len - 1] == '\n')
		message.bytes[--message.len] = '\0';
	if (how.json)
		put_failure(message.bytes, exception_name(e->code), exit_code_of(e->code));
	else
		fprintf(stderr, "envfs: %s\n", message.bytes);
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
