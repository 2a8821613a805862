/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/names.h"

#include "base/path.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

void names_init(struct names *n, const struct pkg_limits *limits)
{
	*n = (struct names){ .max = limits->files_max };
	intern_init(&n->paths, limits->names_max);
}

void names_done(struct names *n)
{
	intern_done(&n->paths);
	free(n->rows);
	*n = (struct names){ 0 };
}

const struct name_row *names_find(const struct names *n, const char *path, size_t len)
{
	uint32_t id = intern_find(&n->paths, path, len);

	return id == MAP_NONE ? NULL : &n->rows[id];
}

/* The row of a path, made if there is none. */
static int row_of(struct names *n, const char *path, size_t len, struct name_row **ret,
		  struct err *e)
{
	uint32_t id;
	int r = intern_put(&n->paths, path, len, &id, e);

	if (r < 0)
		return r;
	/* Parents that no entry names count too, so that depth costs what it should. */
	r = GROW(n->rows, n->cap, (size_t)id + 1, 2 * n->max, e);
	if (r < 0)
		return r;
	*ret = &n->rows[id];
	return 0;
}

/* Marks the parents as directories, from the nearest up to the first that is one already. */
static int add_parents(struct names *n, const char *path, size_t len, struct err *e)
{
	for (;;) {
		struct name_row *row;
		int r;

		while (len > 0 && path[len - 1] != '/')
			len--;
		if (len == 0)
			return 0;
		len--;
		r = row_of(n, path, len, &row, e);
		if (r < 0)
			return r;
		if (row->kind == NAME_DIR)
			return 0;
		if (row->kind != NAME_NONE)
			return err_set(e, -EBADMSG, "it stands below '%s', which is a %s",
				       QUOTE(path, len), row->kind == NAME_LINK ? "link" : "file");
		row->kind = NAME_DIR;
	}
}

int names_add(struct names *n, const char *path, size_t len, enum name_kind kind, uint64_t size,
	      struct err *e)
{
	struct name_row *row;
	int r = add_parents(n, path, len, e);

	if (r < 0)
		return r;
	r = row_of(n, path, len, &row, e);
	if (r < 0)
		return r;
	if (row->kind == NAME_DIR && kind == NAME_DIR)
		return 0;
	if (row->kind == NAME_DIR || (row->kind != NAME_NONE && kind == NAME_DIR))
		return err_set(e, -EBADMSG, "it is a directory and a %s at once",
			       row->kind == NAME_LINK || kind == NAME_LINK ? "link" : "file");
	if (row->kind != NAME_NONE)
		return err_set(e, -EBADMSG, "it stands twice in the archive");
	*row = (struct name_row){ .size = size, .kind = kind };
	return 0;
}
