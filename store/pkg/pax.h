/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pax: the records of a pax extended header, "LEN KEY=VALUE\n" each.
 *
 * Strict: lengths without leading zeros that fit exactly, no key twice, no NUL
 * in a path, numbers that are numbers. Records that would change what an entry
 * is in a way that is not built here (sparse files, other character sets) are
 * refused; those that change nothing here (owners, xattrs, comments) are
 * skipped.
 */
#ifndef ENVFS_PKG_PAX_H
#define ENVFS_PKG_PAX_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pax {
	const char *path, *linkpath; /* NULL: not given; borrowed, not terminated */
	size_t path_len, linkpath_len;
	bool has_size, has_mtime;
	uint64_t size;
	int64_t mtime_s;
	uint32_t mtime_ns;
};

/* A header for one entry. */
int pax_parse(struct pax *ret, const char *bytes, size_t len, struct err *e) MUST_CHECK;

/* A header for all that follow: it may hold comments, nothing that changes an entry. */
int pax_check_global(const char *bytes, size_t len, struct err *e) MUST_CHECK;

#endif
