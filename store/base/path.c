/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"

#include "base/limits.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Length of the UTF-8 sequence at s, or 0 when it is none (RFC 3629). */
static size_t utf8_len(const unsigned char *s, size_t left)
{
	size_t n = s[0] < 0x80	 ? 1
		   : s[0] < 0xc2 ? 0
		   : s[0] < 0xe0 ? 2
		   : s[0] < 0xf0 ? 3
		   : s[0] < 0xf5 ? 4
				 : 0;

	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

bool text_is_clean(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;

	for (size_t i = 0; i < len;) {
		size_t n = utf8_len(s + i, len - i);

		if (n == 0 || s[i] < 0x20 || s[i] == 0x7f)
			return false;
		i += n;
	}
	return true;
}

const char *text_quote(const char *text, size_t len, char *room, size_t room_len)
{
	size_t shown = len < 120 ? len : 120, at = 0;

	for (size_t i = 0; i < shown && at + 8 < room_len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x20 || c == 0x7f || (c >= 0x80 && !text_is_clean(text, len)))
			at += (size_t)snprintf(room + at, room_len - at, "\\x%02x", c);
		else
			room[at++] = (char)c;
	}
	if (shown < len)
		at += (size_t)snprintf(room + at, room_len - at, "...");
	room[at] = '\0';
	return room;
}

static int check_part(const char *part, size_t len, struct err *e)
{
	if (len == 0)
		return err_set(e, -EINVAL, "has an empty part");
	if ((len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.'))
		return err_set(e, -EINVAL, "has a '%.*s' part", (int)len, part);
	if (len > NAME_BYTES_MAX)
		return err_set(e, -EINVAL, "has a part of %zu bytes, more than %d", len,
			       NAME_BYTES_MAX);
	return 0;
}

static int check_parts(const char *path, size_t len, struct err *e)
{
	size_t start = 0, depth = 0;

	if (len == 0)
		return err_set(e, -EINVAL, "is empty");
	if (len > PATH_BYTES_MAX)
		return err_set(e, -EINVAL, "has %zu bytes, more than %d", len, PATH_BYTES_MAX);
	if (path[0] == '/')
		return err_set(e, -EINVAL, "is absolute");
	if (memchr(path, '\0', len))
		return err_set(e, -EINVAL, "holds a NUL byte");
	if (!text_is_clean(path, len))
		return err_set(e, -EINVAL, "holds control bytes or is not UTF-8");
	for (size_t i = 0; i <= len; i++) {
		int r;

		if (i < len && path[i] != '/')
			continue;
		r = check_part(path + start, i - start, e);
		if (r < 0)
			return r;
		start = i + 1;
		if (++depth > PATH_DEPTH_MAX)
			return err_set(e, -EINVAL, "has more than %d parts", PATH_DEPTH_MAX);
	}
	return 0;
}

int path_check(const char *path, size_t len, struct err *e)
{
	int r = check_parts(path, len, e);

	return r < 0 ? err_wrap(e, r, "path '%s'", QUOTE(path, len)) : 0;
}

int path_check_name(const char *name, size_t len, struct err *e)
{
	int r = check_parts(name, len, e);

	if (r < 0)
		return err_wrap(e, r, "name '%s'", QUOTE(name, len));
	if (memchr(name, '/', len))
		return err_set(e, -EINVAL, "name '%s': holds a slash", QUOTE(name, len));
	return 0;
}

int path_check_target(const char *target, size_t len, struct err *e)
{
	if (len == 0 || len > LINK_BYTES_MAX)
		return err_set(e, -EINVAL, "link target '%s': %zu bytes, not 1 to %d",
			       QUOTE(target, len), len, LINK_BYTES_MAX);
	if (!text_is_clean(target, len))
		return err_set(e, -EINVAL, "link target '%s': holds control bytes or is not UTF-8",
			       QUOTE(target, len));
	return 0;
}
