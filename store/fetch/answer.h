/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer: what the headers of an HTTP answer mean. Pure; the bytes are a
 * stranger's.
 */
#ifndef ENVFS_FETCH_ANSWER_H
#define ENVFS_FETCH_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "bytes 0-99/200", "bytes 0-99/" "*", "bytes *" "/200" (RFC 9110 14.4). */
struct content_range {
	bool has_span, has_total;
	uint64_t first, end; /* end: past the last byte */
	uint64_t total;
};

/* False for what is not of that form, or contradicts itself. */
bool content_range_parse(const char *text, struct content_range *ret);

/* Copies a header's text; "" when it is too long for room or holds control bytes. */
void answer_copy(const char *text, char *ret, size_t room);

/* Whether an entity tag may be used with If-Range: not empty, not weak. */
bool etag_is_strong(const char *etag);

/* "not found", "server error"; never NULL. */
const char *status_text(long status);

/* Whether the same request may well succeed later. */
bool status_passes(long status);

/* 0 for what is no failure, else a negative errno. */
int status_code(long status);

/* Whether bytes with this Content-Encoding are the file itself: none, or that
 * of a compressed file's own name ("x.json.zst" and zstd). */
bool encoding_is_plain(const char *encoding, const char *url);

#endif
