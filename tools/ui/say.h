/* SPDX-License-Identifier: Apache-2.0 */
/*
 * say: how envfs talks. Answers go to standard output, talk to standard error;
 * with --json the answer is JSON, failures too (in conda's shape).
 */
#ifndef ENVFS_UI_SAY_H
#define ENVFS_UI_SAY_H

#include "base/buf.h"
#include "base/err.h"
#include "verb.h"

#include <stdbool.h>

/* What --quiet, --json and --verbose mean from now on. */
void say_setup(const struct opts *o);

/* A note on standard error; not with --quiet or --json. */
void say_note(const char *fmt, ...) PRINTF(1, 2);
/* The same for what goes wrong but does not stop the command; not with --json. */
void say_warning(const char *fmt, ...) PRINTF(1, 2);
/* With -v. */
void say_detail(const char *fmt, ...) PRINTF(1, 2);

/* "envfs: …" and EXIT_USAGE. */
int say_usage(const char *fmt, ...) PRINTF(1, 2);
/* conda's name of the failure that is on its way to say_error(); else it follows from the code. */
void say_exception(const char *name);
/* Why the command failed, and the exit code that fits the error. `more`: further lines, or NULL. */
int say_error(const struct err *e, const char *more);
int exit_code_of(int code);

/* The answer: JSON text, or a table's text; a trailing newline is added to JSON. Failing to
 * write it is EXIT_FAILED. */
int say_answer(const struct buf *text);

/* "1.2 MB", "350 kB"; room of 32. */
const char *size_text(unsigned long long bytes, char room[32]);
#define SIZE_TEXT(bytes) size_text((bytes), (char[32]){ 0 })

#endif
