/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/paths.h"

#include "base/json.h"
#include "base/map.h"
#include "base/path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool below(const char *path, size_t len, const char *folder)
{
	size_t n = strlen(folder);

	return len >= n && memcmp(path, folder, n) == 0 && (len == n || path[n] == '/');
}

bool paths_is_hidden(const char *path, size_t len)
{
	return below(path, len, "info") || below(path, len, "conda-meta");
}

struct rows {
	const struct pkg_limits *limits;
	struct intern seen;
	paths_row_fn *fn;
	void *ctx;
};

static void rows_init(struct rows *rows, const struct pkg_limits *limits, paths_row_fn *fn,
		      void *ctx)
{
	*rows = (struct rows){ .limits = limits, .fn = fn, .ctx = ctx };
	intern_init(&rows->seen, limits->names_max);
}

static void rows_done(struct rows *rows)
{
	intern_done(&rows->seen);
}

static int rows_add(struct rows *rows, const struct pkg_row *row, struct err *e)
{
	uint32_t id, before = rows->seen.count;
	int r = pkg_refuse(path_check(row->path, row->path_len, e), e);

	if (r < 0)
		return r;
	r = intern_put(&rows->seen, row->path, row->path_len, &id, e);
	if (r < 0)
		return r;
	if (id < before)
		return err_set(e, -EBADMSG, "'%s' stands twice in it",
			       QUOTE(row->path, row->path_len));
	if (id >= rows->limits->files_max)
		return err_set(e, -EFBIG, "more than %llu rows",
			       (unsigned long long)rows->limits->files_max);
	if (paths_is_hidden(row->path, row->path_len))
		return 0;
	return rows->fn(rows->ctx, row, e);
}

/* paths.json */

static int path_type(const char *text, int *ret, struct err *e)
{
	if (!text || strcmp(text, "hardlink") == 0)
		*ret = PKG_FILE;
	else if (strcmp(text, "softlink") == 0)
		*ret = PKG_LINK;
	else if (strcmp(text, "directory") == 0)
		*ret = PKG_DIR;
	else
		return err_set(e, -EBADMSG, "path_type '%s' is none that a package may have",
			       QUOTE(text, strlen(text)));
	return 0;
}

static int file_mode(const char *text, size_t len, bool *ret, struct err *e)
{
	*ret = len == 6 && memcmp(text, "binary", len) == 0;
	if (*ret || len == 0 || (len == 4 && memcmp(text, "text", len) == 0))
		return 0;
	return err_set(e, -EBADMSG, "file mode '%s', neither text nor binary", QUOTE(text, len));
}

static int check_placeholder(const char *text, size_t len, struct err *e)
{
	if (len <= PLACEHOLDER_MAX && text_is_clean(text, len))
		return 0;
	return err_set(e, -EBADMSG, "the placeholder '%s' is too long or holds odd bytes",
		       QUOTE(text, len));
}

/* A member that must be a text where it is given. */
static int text_member(const struct json *object, const char *key, const char **ret, struct err *e)
{
	const struct json *j = json_get(object, key);

	*ret = json_text(j);
	if (!*ret && json_type(j) != JSON_NULL)
		return err_set(e, -EBADMSG, "'%s' is no text", key);
	return 0;
}

static int row_from_json(const struct json *j, struct pkg_row *ret, struct err *e)
{
	const struct json *size = json_get(j, "size_in_bytes");
	const char *type = NULL, *mode = NULL, *placeholder = NULL, *hash = NULL;
	int r = text_member(j, "path_type", &type, e);

	if (r == 0)
		r = path_type(type, &ret->type, e);
	if (r == 0)
		r = text_member(j, "file_mode", &mode, e);
	if (r == 0)
		r = file_mode(mode, mode ? strlen(mode) : 0, &ret->binary, e);
	if (r == 0)
		r = text_member(j, "prefix_placeholder", &placeholder, e);
	if (r == 0)
		r = text_member(j, "sha256", &hash, e);
	if (r < 0)
		return r;
	ret->no_link = json_true(json_get(j, "no_link"));
	if (placeholder && placeholder[0]) {
		ret->placeholder = placeholder;
		ret->placeholder_len = strlen(placeholder);
		r = check_placeholder(placeholder, ret->placeholder_len, e);
	}
	ret->has_digest = hash && hash[0];
	if (r == 0 && ret->has_digest &&
	    !hex_parse(hash, strlen(hash), ret->digest.bytes, DIGEST_BYTES))
		r = err_set(e, -EBADMSG, "sha256 '%s' is none", QUOTE(hash, strlen(hash)));
	ret->has_size = json_u64(size, &ret->size);
	if (r == 0 && !ret->has_size && json_type(size) != JSON_NULL)
		r = err_set(e, -EBADMSG, "size_in_bytes is no whole number");
	if (r == 0 && ret->has_size && ret->size > FILE_BYTES_MAX)
		r = err_set(e, -EFBIG, "size_in_bytes is %llu", (unsigned long long)ret->size);
	return r;
}

static int each_row(struct rows *rows, const struct json *paths, struct err *e)
{
	struct json_iter it = json_iter(paths);
	const struct json *j;

	for (size_t i = 0; (j = json_next(&it)); i++) {
		struct pkg_row row = { .path = json_get_text(j, "_path") };
		int r;

		if (!row.path)
			return err_set(e, -EBADMSG, "row %zu has no _path", i);
		row.path_len = strlen(row.path);
		r = row_from_json(j, &row, e);
		if (r < 0)
			return err_wrap(e, r, "'%s'", QUOTE(row.path, row.path_len));
		r = rows_add(rows, &row, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int paths_from_json(const char *bytes, size_t len, const struct pkg_limits *limits,
		    paths_row_fn *fn, void *ctx, struct err *e)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	AUTO(rows_done) struct rows rows;
	const struct json *root, *paths;
	uint64_t version;
	int r;

	rows_init(&rows, limits, fn, ctx);
	r = pkg_refuse(json_parse(&doc, bytes, len, e), e);
	if (r < 0)
		return r;
	root = json_root(doc);
	paths = json_get(root, "paths");
	if (!json_u64(json_get(root, "paths_version"), &version) || version != 1)
		return err_set(e, -EBADMSG, "its paths_version is not 1");
	if (json_type(paths) != JSON_ARRAY)
		return err_set(e, -EBADMSG, "it has no list of paths");
	return each_row(&rows, paths, e);
}

/* files, has_prefix, no_link */

/* What conda takes for blank (str.strip, str.split). */
static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct line {
	const char *text;
	size_t len;
};

/* The next line that is neither blank nor a comment, stripped. */
static bool next_line(const char **at, const char *end, struct line *ret)
{
	while (*at < end) {
		const char *start = *at, *stop = memchr(start, '\n', (size_t)(end - start));

		stop = stop ? stop : end;
		*at = stop < end ? stop + 1 : end;
		while (start < stop && is_blank(*start))
			start++;
		while (start < stop && is_blank(stop[-1]))
			stop--;
		if (start == stop || *start == '#')
			continue;
		*ret = (struct line){ start, (size_t)(stop - start) };
		return true;
	}
	return false;
}

/*
 * Splits as conda does (shlex without POSIX rules): a field that starts with a
 * quote goes on to the next one; quotes at either end are dropped. More than
 * three fields are counted, not kept.
 */
static int split(const struct line *line, struct line fields[3], size_t *ret_count, struct err *e)
{
	const char *at = line->text, *end = at + line->len;

	for (*ret_count = 0; at < end; (*ret_count)++) {
		const char *start = at, *stop;

		if (*at == '"' || *at == '\'') {
			const char *close = memchr(at + 1, *at, (size_t)(end - at - 1));

			if (!close)
				return err_set(e, -EBADMSG, "line '%s': a quote is not closed",
					       QUOTE(line->text, line->len));
			at = close + 1;
		} else {
			while (at < end && !is_blank(*at))
				at++;
		}
		stop = at;
		while (start < stop && (*start == '"' || *start == '\''))
			start++;
		while (start < stop && (stop[-1] == '"' || stop[-1] == '\''))
			stop--;
		if (*ret_count < 3)
			fields[*ret_count] = (struct line){ start, (size_t)(stop - start) };
		while (at < end && is_blank(*at))
			at++;
	}
	return 0;
}

/* What has_prefix and no_link say of a path. */
struct mark {
	struct line placeholder;
	bool binary, no_link;
};

struct marks {
	struct intern paths;
	struct mark *rows; /* owned */
	size_t cap, max;
};

static void marks_done(struct marks *m)
{
	intern_done(&m->paths);
	free(m->rows);
}

static int mark_of(struct marks *m, const struct line *path, struct mark **ret, struct err *e)
{
	uint32_t id;
	int r = pkg_refuse(path_check(path->text, path->len, e), e);

	if (r == 0)
		r = intern_put(&m->paths, path->text, path->len, &id, e);
	if (r == 0)
		r = GROW(m->rows, m->cap, (size_t)id + 1, m->max, e);
	if (r == 0)
		*ret = &m->rows[id];
	return r;
}

/* conda's PREFIX_PLACEHOLDER, for lines that name none. */
static const char first_placeholder[] = "/opt/anaconda1anaconda2"
					"anaconda3";

static int read_has_prefix(struct marks *m, const char *at, size_t len, struct err *e)
{
	const char *end = at + len;
	struct line line, fields[3];

	while (next_line(&at, end, &line)) {
		struct line placeholder = { first_placeholder, sizeof(first_placeholder) - 1 };
		bool binary = false;
		struct mark *mark;
		size_t count;
		int r = split(&line, fields, &count, e);

		if (r < 0)
			return r;
		if (count != 1 && count != 3)
			return err_set(e, -EBADMSG, "line '%s' has %zu fields, neither 1 nor 3",
				       QUOTE(line.text, line.len), count);
		if (count == 3) {
			placeholder = fields[0];
			r = fields[1].len == 0
				    ? err_set(e, -EBADMSG, "a line has no file mode")
				    : file_mode(fields[1].text, fields[1].len, &binary, e);
		}
		if (r == 0)
			r = check_placeholder(placeholder.text, placeholder.len, e);
		if (r == 0)
			r = mark_of(m, &fields[count - 1], &mark, e);
		if (r < 0)
			return r;
		mark->placeholder = placeholder;
		mark->binary = binary;
	}
	return 0;
}

static int read_no_link(struct marks *m, const char *at, size_t len, struct err *e)
{
	const char *end = at + len;
	struct line line;

	while (next_line(&at, end, &line)) {
		struct mark *mark;
		int r = mark_of(m, &line, &mark, e);

		if (r < 0)
			return r;
		mark->no_link = true;
	}
	return 0;
}

static int read_files(struct rows *rows, const struct marks *m, const char *at, size_t len,
		      struct err *e)
{
	const char *end = at + len;
	struct line line;

	while (next_line(&at, end, &line)) {
		struct pkg_row row = { .path = line.text, .path_len = line.len };
		int r = pkg_refuse(path_check(line.text, line.len, e), e);
		uint32_t id;

		if (r < 0)
			return r;
		id = intern_find(&m->paths, line.text, line.len);
		if (id != MAP_NONE) {
			const struct mark *mark = &m->rows[id];

			row.placeholder = mark->placeholder.len ? mark->placeholder.text : NULL;
			row.placeholder_len = mark->placeholder.len;
			row.binary = mark->binary;
			row.no_link = mark->no_link;
		}
		r = rows_add(rows, &row, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int paths_from_lines(const struct paths_lines *lines, const struct pkg_limits *limits,
		     paths_row_fn *fn, void *ctx, struct err *e)
{
	AUTO(marks_done) struct marks marks = { .max = limits->files_max };
	AUTO(rows_done) struct rows rows;
	int r = 0;

	rows_init(&rows, limits, fn, ctx);
	intern_init(&marks.paths, limits->names_max);
	if (lines->has_prefix)
		r = read_has_prefix(&marks, lines->has_prefix, lines->has_prefix_len, e);
	if (r < 0)
		return err_wrap(e, r, "info/has_prefix");
	if (lines->no_link)
		r = read_no_link(&marks, lines->no_link, lines->no_link_len, e);
	if (r < 0)
		return err_wrap(e, r, "info/no_link");
	if (lines->files)
		r = read_files(&rows, &marks, lines->files, lines->files_len, e);
	return r < 0 ? err_wrap(e, r, "info/files") : 0;
}
