/* SPDX-License-Identifier: Apache-2.0 */
/*
 * info: the documents of info/ that decide something, kept while the tar goes
 * by, and then told to a sink: meta, and the rows.
 *
 * noarch is what index.json says, else link.json's type (conda core/link.py).
 * Entry points are checked whatever the kind and told for noarch: python only.
 */
#ifndef ENVFS_PKG_INFO_H
#define ENVFS_PKG_INFO_H

#include "base/buf.h"
#include "base/err.h"
#include "pkg/limits.h"
#include "pkg/pkg.h"
#include "pkg/tar.h"

#include <stdbool.h>
#include <stddef.h>

enum info_document {
	INFO_INDEX,
	INFO_PATHS,
	INFO_LINK,
	INFO_FILES,
	INFO_HAS_PREFIX,
	INFO_NO_LINK,
	INFO_DOCUMENTS
};

struct info {
	struct buf text[INFO_DOCUMENTS]; /* owned */
	bool has[INFO_DOCUMENTS];
};

void info_init(struct info *info, const struct pkg_limits *limits);
void info_done(struct info *info);

/* Which document the path is; -1: none of them. */
int info_document_of(const char *path, size_t len);

/* Reads the entry's bytes when it is one of the documents, else nothing. */
int info_take(struct info *info, const struct tar_entry *entry, struct tar *tar, struct err *e)
	MUST_CHECK;

/*
 * Whether what stands behind in the archive can be left unread: index.json and
 * paths.json are here, and so is link.json if the package is of a kind that has
 * one.
 */
bool info_is_enough(const struct info *info);

/* Name, version, build and subdir (CEP 26, and what old packages have). */
int info_check_meta(const struct pkg_meta *meta, struct err *e) MUST_CHECK;

/* The sink's meta and row. -ENODATA, and nothing told, where paths.json is
 * missing and needs_paths is set. */
int info_tell(const struct info *info, const struct pkg_limits *limits, bool needs_paths,
	      const struct pkg_sink *sink, struct err *e) MUST_CHECK;

#endif
