/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/location.h"

#include "base/limits.h"
#include "base/path.h"
#include "base/url.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* The value of the variable that starts at '$', and how long its name with all signs is. */
static const char *variable(const char *text, size_t len, size_t *ret_len)
{
	char name[NAME_BYTES_MAX + 1];
	bool braces = len > 1 && text[1] == '{';
	size_t from = braces ? 2 : 1, end = from;

	while (end < len && (braces ? text[end] != '}' : is_name_byte(text[end])))
		end++;
	if (end == from || end - from > NAME_BYTES_MAX || (braces && end == len))
		return NULL;
	memcpy(name, text + from, end - from);
	name[end - from] = '\0';
	*ret_len = end + braces;
	return getenv(name);
}

int location_expand(const char *text, size_t len, struct buf *ret, struct err *e)
{
	const char *value;
	size_t used;

	for (size_t i = 0; i < len; i += used) {
		used = 1;
		value = text[i] == '$' ? variable(text + i, len - i, &used) : NULL;
		if (value) {
			buf_adds(ret, value);
		} else {
			used = 1;
			buf_addc(ret, text[i]);
		}
	}
	return buf_end(ret, e);
}

bool location_is_path(const char *text, size_t len)
{
	size_t dots = 0;

	if (len > 0 && text[0] == '~')
		return len == 1 || text[1] == '/';
	while (dots < len && dots < 2 && text[dots] == '.')
		dots++;
	return len > 0 && ((dots < len && text[dots] == '/') || (dots > 0 && dots == len));
}

bool location_is_url(const char *text, size_t len)
{
	size_t i = 0;

	while (i < len && (is_name_byte(text[i]) || text[i] == '+'))
		i++;
	return i > 0 && len - i >= 3 && memcmp(text + i, "://", 3) == 0;
}

/* Adds the path's parts behind what is there; ".." takes one away. */
static void add_parts(struct buf *path, const char *text, size_t len)
{
	for (size_t from = 0, to; from < len; from = to + 1) {
		const char *slash = memchr(text + from, '/', len - from);

		to = slash ? (size_t)(slash - text) : len;
		if (to == from || (to - from == 1 && text[from] == '.'))
			continue;
		if (to - from == 2 && memcmp(text + from, "..", 2) == 0) {
			const char *last = memrchr(path->bytes, '/', path->len);

			if (last)
				path->len = (size_t)(last - path->bytes);
			if (path->cap)
				path->bytes[path->len] = '\0';
			continue;
		}
		buf_addc(path, '/');
		buf_add(path, text + from, to - from);
	}
}

static int path_url(const char *text, size_t len, struct buf *ret, struct err *e)
{
	AUTO_BUF expanded = BUF(PATH_MAX);
	AUTO_BUF path = BUF(PATH_MAX);
	const char *home = getenv("HOME");
	char here[PATH_MAX];
	size_t skip = 0;
	int r = location_expand(text, len, &expanded, e);

	if (r < 0)
		return r;
	if (expanded.bytes[0] == '~' && (!expanded.bytes[1] || expanded.bytes[1] == '/') && home) {
		add_parts(&path, home, strlen(home));
		skip = 1;
	} else if (expanded.bytes[0] != '/') {
		if (!getcwd(here, sizeof(here)))
			return err_sys(e, "'%s': the current folder", QUOTE(text, len));
		add_parts(&path, here, strlen(here));
	}
	add_parts(&path, expanded.bytes + skip, expanded.len - skip);
	r = buf_end(&path, e);
	if (r < 0)
		return err_wrap(e, r, "'%s'", QUOTE(text, len));
	return url_from_path(path.len > 0 ? path.bytes : "/", ret, e);
}

int location_url(const char *text, size_t len, struct buf *ret, struct err *e)
{
	size_t before = ret->len;
	bool file;

	if (!text_is_clean(text, len))
		return err_set(e, -EINVAL, "'%s': holds bytes that no URL or path may hold",
			       QUOTE(text, len));
	if (!location_is_url(text, len))
		return path_url(text, len, ret, e);
	file = len > 7 && strncasecmp(text, "file://", 7) == 0;
	for (size_t i = 0; i < len; i++) {
		if (file && text[i] == ' ')
			buf_adds(ret, "%20");
		else
			buf_addc(ret, text[i]);
	}
	if (ret->failed)
		return buf_end(ret, e);
	return url_check(ret->bytes + before, e);
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void location_unescape(const char *text, size_t len, struct buf *ret)
{
	for (size_t i = 0; i < len; i++) {
		int high = -1, low = -1;

		if (text[i] == '%' && i + 2 < len) {
			high = hex_value(text[i + 1]);
			low = hex_value(text[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			buf_addc(ret, (char)(high * 16 + low));
			i += 2;
		} else {
			buf_addc(ret, text[i]);
		}
	}
}

bool location_is_package(const char *text, size_t len, size_t *ret_stem_len)
{
	static const char *const endings[] = { ".conda", ".tar.bz2" };

	for (size_t i = 0; i < ARRAY_LEN(endings); i++) {
		size_t n = strlen(endings[i]);

		if (len > n && memcmp(text + len - n, endings[i], n) == 0) {
			*ret_stem_len = len - n;
			return true;
		}
	}
	return false;
}

bool location_split_stem(const char *stem, size_t len, size_t *ret_name_len,
			 size_t *ret_version_len)
{
	const char *build = memrchr(stem, '-', len), *version;

	version = build ? memrchr(stem, '-', (size_t)(build - stem)) : NULL;
	if (!version)
		return false;
	*ret_name_len = (size_t)(version - stem);
	*ret_version_len = (size_t)(build - version) - 1;
	return *ret_name_len > 0 && *ret_version_len > 0 && build + 1 < stem + len;
}
