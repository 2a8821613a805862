/* SPDX-License-Identifier: Apache-2.0 */
/*
 * names: the paths of one tar so far, and what stands at each. Holds the rules
 * that concern more than one entry: no path twice (directories excepted), and
 * nothing below a path that is a file or a link, whichever comes first.
 */
#ifndef ENVFS_PKG_NAMES_H
#define ENVFS_PKG_NAMES_H

#include "base/err.h"
#include "base/map.h"
#include "pkg/limits.h"

#include <stddef.h>
#include <stdint.h>

enum name_kind { NAME_NONE, NAME_DIR, NAME_FILE, NAME_LINK };

struct name_row {
	uint64_t size; /* of files */
	enum name_kind kind;
};

struct names {
	struct intern paths;
	struct name_row *rows; /* owned; by number of the path */
	size_t cap;
	uint64_t max;
};

void names_init(struct names *n, const struct pkg_limits *limits);
void names_done(struct names *n);

/* The path has passed path_check(). */
int names_add(struct names *n, const char *path, size_t len, enum name_kind kind, uint64_t size,
	      struct err *e) MUST_CHECK;

/* What is at the path; NULL: nothing. */
const struct name_row *names_find(const struct names *n, const char *path, size_t len);

#endif
