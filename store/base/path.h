/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path: the one strict check for every name that comes from outside (tar,
 * paths.json, link.json, entry points, specs, locks).
 *
 * A path is relative, has no empty, "." or ".." part, no part longer than
 * NAME_BYTES_MAX, at most PATH_DEPTH_MAX parts and PATH_BYTES_MAX bytes, no NUL
 * or control byte, and is valid UTF-8. Anything else is -EINVAL with a
 * sentence that quotes the name with its odd bytes escaped.
 */
#ifndef ENVFS_BASE_PATH_H
#define ENVFS_BASE_PATH_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

int path_check(const char *path, size_t len, struct err *e) MUST_CHECK;

/* One part: what path_check() asks, and no slash. */
int path_check_name(const char *name, size_t len, struct err *e) MUST_CHECK;

/* A link's target: any bytes but NUL and control bytes, 1 to LINK_BYTES_MAX. It
 * may leave the prefix: it is data and never followed by envfs. */
int path_check_target(const char *target, size_t len, struct err *e) MUST_CHECK;

/* Whether the bytes are valid UTF-8 without control characters. */
bool text_is_clean(const char *text, size_t len);

/* Quotes text for a message: at most 120 bytes of it, odd bytes as \xNN. */
const char *text_quote(const char *text, size_t len, char *room, size_t room_len);
#define QUOTE_BYTES	 520
#define QUOTE(text, len) text_quote((text), (len), (char[QUOTE_BYTES]){ 0 }, QUOTE_BYTES)

#endif
