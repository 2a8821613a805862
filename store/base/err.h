/* SPDX-License-Identifier: Apache-2.0 */
/*
 * err: why something failed, as one sentence that helps.
 *
 * Every function that can fail returns 0 (or a count) or a negative errno, and
 * takes a `struct err *` last, which may be NULL. Who finds the fault writes
 * the sentence with err_set(); callers put their context in front with
 * err_wrap(). Nothing is allocated. Only tools/ prints, only the daemon logs.
 */
#ifndef ENVFS_BASE_ERR_H
#define ENVFS_BASE_ERR_H

#define MUST_CHECK     __attribute__((warn_unused_result))
#define PRINTF(f, a)   __attribute__((format(printf, f, a)))

#define ERR_TEXT_BYTES 1024

struct err {
	int code; /* negative errno, 0 while nothing failed */
	char text[ERR_TEXT_BYTES];
};

/* Both return code, so that a failing path is one statement. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF(3, 4);
int err_wrap(struct err *e, int code, const char *fmt, ...) PRINTF(3, 4);

/* Takes the code from errno and ends the sentence with what errno says. */
int err_sys(struct err *e, const char *fmt, ...) PRINTF(2, 3);

/* Out of memory: the sentence needs no place. */
int err_nomem(struct err *e);

#endif
