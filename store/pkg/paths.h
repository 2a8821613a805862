/* SPDX-License-Identifier: Apache-2.0 */
/*
 * paths: what a package says it holds, as rows: from paths.json, or from files,
 * has_prefix and no_link where that is missing (packages before 2017).
 *
 * Every path has passed path_check(); no path comes twice. Rows below info/ and
 * conda-meta/ are left out: the first is never linked, the second is made by
 * envfs itself, and a package must have neither (CEP 34). conda would link such
 * rows without a word, so they are no reason to refuse a package.
 */
#ifndef ENVFS_PKG_PATHS_H
#define ENVFS_PKG_PATHS_H

#include "base/err.h"
#include "pkg/limits.h"
#include "pkg/pkg.h"

#include <stdbool.h>
#include <stddef.h>

typedef int paths_row_fn(void *ctx, const struct pkg_row *row, struct err *e);

int paths_from_json(const char *bytes, size_t len, const struct pkg_limits *limits,
		    paths_row_fn *fn, void *ctx, struct err *e) MUST_CHECK;

/* A text that is missing is NULL; without `files` there are no rows (as in conda). */
struct paths_lines {
	const char *files, *has_prefix, *no_link;
	size_t files_len, has_prefix_len, no_link_len;
};
int paths_from_lines(const struct paths_lines *lines, const struct pkg_limits *limits,
		     paths_row_fn *fn, void *ctx, struct err *e) MUST_CHECK;

/* Whether a path is one of those that are left out. */
bool paths_is_hidden(const char *path, size_t len);

#endif
