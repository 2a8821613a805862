/* SPDX-License-Identifier: Apache-2.0 */
/*
 * url: just what envfs needs to know of URLs (RFC 3986); libcurl does the rest.
 *
 * Credentials are a user part ("https://user:password@host/") or a conda token
 * ("https://host/t/TOKEN/channel"). They are never printed and never stored:
 * what is stored has passed url_strip(), what is printed url_redact().
 */
#ifndef ENVFS_BASE_URL_H
#define ENVFS_BASE_URL_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* An http, https or file URL, the former with a host, without control bytes or blanks, at
 * most URL_BYTES_MAX. */
int url_check(const char *url, struct err *e) MUST_CHECK;
bool url_is_file(const char *url);
bool url_has_credentials(const char *url);

/* The URL without its credentials. */
void url_strip(const char *url, struct buf *ret);
/* The URL with "***" for each of them, for messages. room is the caller's. */
const char *url_redact(const char *url, char *room, size_t room_len);
#define URL_SHOWN(url) url_redact((url), (char[1024]){ 0 }, 1024)

/* An absolute path as file:// URL, odd bytes percent-encoded; and back. */
int url_from_path(const char *path, struct buf *ret, struct err *e) MUST_CHECK;
int url_to_path(const char *url, struct buf *ret, struct err *e) MUST_CHECK;

/* What follows the last slash, without query and fragment; borrowed, not terminated. */
const char *url_file_name(const char *url, size_t *ret_len);

/* base with its last part replaced by ref, or ref itself when it is a URL. A
 * base that ends in a slash is kept whole. ref may start with "../" or "/". */
int url_join(const char *base, const char *ref, struct buf *ret, struct err *e) MUST_CHECK;

#endif
