/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/shebang.h"

#include <string.h>

/* "#!", blanks, an absolute path up to a blank that no backslash escapes, the rest. */
struct parts {
	const char *path, *options;
	size_t path_len, options_len;
};

static bool split(const char *line, size_t len, struct parts *ret)
{
	size_t at = 2, end;

	while (at < len && line[at] == ' ')
		at++;
	if (at == len || line[at] != '/')
		return false;
	for (end = at; end < len && !memchr(" \t\r\n", line[end], 4); end++)
		if (line[end] == '\\' && end + 1 < len && line[end + 1] == ' ')
			end++;
	*ret = (struct parts){ line + at, line + end, end - at, len - end };
	return true;
}

/* python, python3, python3.11 */
static bool is_python(const char *name, size_t len)
{
	size_t digits = 0, dots = 0;

	if (len < 6 || memcmp(name, "python", 6) != 0)
		return false;
	for (size_t i = 6; i < len; i++) {
		if (name[i] >= '0' && name[i] <= '9') {
			digits++;
		} else if (name[i] == '.' && digits > 0 && dots == 0) {
			dots++;
			digits = 0;
		} else {
			return false;
		}
	}
	return len == 6 || digits > 0;
}

/* The line in a form that the kernel and the shell read whatever its length; false: it is
 * none that can be. */
static bool add_long_form(struct buf *out, const char *line, size_t len)
{
	const char *name, *slash;
	struct parts p;
	size_t name_len;

	if (!split(line, len, &p))
		return false;
	slash = memrchr(p.path, '/', p.path_len);
	name = slash + 1;
	name_len = p.path_len - (size_t)(name - p.path);
	if (is_python(name, name_len)) {
		buf_adds(out, "#!/bin/sh\n'''exec' \"");
		buf_add(out, p.path, p.path_len);
		buf_addc(out, '"');
		buf_add(out, p.options, p.options_len);
		buf_adds(out, " \"$0\" \"$@\" #'''");
	} else {
		buf_adds(out, "#!/usr/bin/env ");
		buf_add(out, name, name_len);
		buf_add(out, p.options, p.options_len);
	}
	return true;
}

static void add_replaced(struct buf *out, const char *text, size_t len, const struct entry *en,
			 const char *prefix)
{
	while (len > 0) {
		const char *hit = memmem(text, len, en->placeholder, en->placeholder_len);
		size_t n = hit ? (size_t)(hit - text) : len;

		buf_add(out, text, n);
		if (!hit)
			return;
		buf_adds(out, prefix);
		text += n + en->placeholder_len;
		len -= n + en->placeholder_len;
	}
}

int shebang_rewrite(const struct entry *en, const char *prefix, struct buf *out, size_t *ret_from,
		    struct err *e)
{
	AUTO_BUF line = BUF(SHEBANG_OUT_BYTES);
	bool done = false;
	int r;

	*ret_from = 0;
	if (!en->shebang || !(en->flags & ENTRY_TEXT) || en->shebang_len >= SHEBANG_BYTES_MAX)
		return 0;
	if (strchr(prefix, ' ')) {
		/* First the form, while no blank of the prefix can end the path too soon. */
		if (memmem(en->shebang, en->shebang_len, en->placeholder, en->placeholder_len) &&
		    add_long_form(&line, en->shebang, en->shebang_len)) {
			add_replaced(out, line.bytes, line.len, en, prefix);
			done = true;
		}
	} else {
		add_replaced(&line, en->shebang, en->shebang_len, en, prefix);
		done = line.len > SHEBANG_LINE_MAX && add_long_form(out, line.bytes, line.len);
	}
	r = buf_end(&line, e);
	if (r == 0)
		r = buf_end(out, e);
	if (r == 0 && done)
		*ret_from = en->shebang_len;
	return r;
}

void shebang_python(struct buf *out, const char *prefix, const char *python_minor)
{
	size_t len = strlen("#!/bin/python") + strlen(prefix) + strlen(python_minor);

	if (len > SHEBANG_LINE_MAX || strchr(prefix, ' '))
		buf_addf(out, "#!/bin/sh\n'''exec' \"%s/bin/python%s\" \"$0\" \"$@\" #'''\n",
			 prefix, python_minor);
	else
		buf_addf(out, "#!%s/bin/python%s\n", prefix, python_minor);
}
