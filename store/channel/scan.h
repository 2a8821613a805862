/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scan: cuts one large JSON document into its members while it streams in.
 *
 * Used by channel/ only. The document may be plain or zstd (told by its magic).
 * A pull scanner: the caller walks into an object with scan_object(), asks for
 * each key with scan_member(), and takes its value whole with scan_value(),
 * drops it with scan_skip(), or walks into it. Arrays likewise. No more than one value is
 * held, whatever the document's size.
 *
 * The scanner itself checks how members are strung together, strings, escapes
 * and depth. A value that is taken is only known to be cut off rightly: it goes
 * through json_parse() before anybody believes it.
 *
 * Errors: -EINVAL not JSON (with the place), -EBADMSG the compressed stream is
 * damaged or ends early, -EFBIG past a limit, or what reading says.
 */
#ifndef ENVFS_CHANNEL_SCAN_H
#define ENVFS_CHANNEL_SCAN_H

#include "base/auto.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scan;

/* fd is borrowed and read from where it stands. bytes_max limits the plain document,
 * value_max each value that is taken. */
int scan_open(struct scan **ret, int fd, uint64_t bytes_max, size_t value_max, struct err *e)
	MUST_CHECK;
struct scan *scan_free(struct scan *s);
AUTO_FREE_FN(scan)

/* The next byte that is not blank, not consumed: '{', '[', '"', …; 0 at the end. */
int scan_peek(struct scan *s, struct err *e) MUST_CHECK;
/* Walk into an object or array that stands next. */
int scan_object(struct scan *s, struct err *e) MUST_CHECK;
int scan_array(struct scan *s, struct err *e) MUST_CHECK;
/* 1 and the next key, decoded, good until the next call but one for its value; 0 when
 * the object has ended. A value must be taken before the next key. */
int scan_member(struct scan *s, const char **ret_key, size_t *ret_len, struct err *e) MUST_CHECK;
/* 1 when another element of the array stands next, 0 when it has ended. */
int scan_element(struct scan *s, struct err *e) MUST_CHECK;
/* The value's text; good until the next call. */
int scan_value(struct scan *s, const char **ret, size_t *ret_len, struct err *e) MUST_CHECK;
int scan_skip(struct scan *s, struct err *e) MUST_CHECK;
/* -EINVAL when anything but blanks follows. */
int scan_end(struct scan *s, struct err *e) MUST_CHECK;
/* Bytes of the plain document so far. */
uint64_t scan_offset(const struct scan *s);

#endif
