/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits: those of base/limits.h that bound one package, as a value, so that
 * tests can reach them without a package of 64 GiB.
 */
#ifndef ENVFS_PKG_LIMITS_H
#define ENVFS_PKG_LIMITS_H

#include "base/err.h"
#include "base/limits.h"

#include <errno.h>
#include <stdint.h>

struct pkg_limits {
	uint64_t artifact_max;	  /* packed */
	uint64_t unpacked_max;	  /* all that comes out of the decompressor */
	uint64_t file_max;	  /* one file */
	uint64_t files_max;	  /* entries of one tar, rows of one list */
	uint64_t names_max;	  /* bytes of all paths */
	uint64_t ratio, free;	  /* unpacked to packed, after so many bytes */
	uint64_t document_max;	  /* one document of info/ */
	uint64_t info_packed_max; /* the info- member */
};

#define PKG_LIMITS                                                                                 \
	((struct pkg_limits){                                                                      \
		.artifact_max = ARTIFACT_BYTES_MAX,                                                \
		.unpacked_max = PACKAGE_BYTES_MAX,                                                 \
		.file_max = FILE_BYTES_MAX,                                                        \
		.files_max = PACKAGE_FILES_MAX,                                                    \
		.names_max = NAMES_BYTES_MAX,                                                      \
		.ratio = RATIO_MAX,                                                                \
		.free = RATIO_FREE_BYTES,                                                          \
		.document_max = INFO_MEMBER_BYTES_MAX,                                             \
		.info_packed_max = INFO_PACKED_BYTES_MAX,                                          \
	})

/* What path_check(), json_parse() and the like call invalid makes the package a
 * bad one. Not for what a sink answers: that goes back as it is. */
static inline int pkg_refuse(int r, struct err *e)
{
	if (r != -EINVAL)
		return r;
	if (e)
		e->code = -EBADMSG;
	return -EBADMSG;
}

#endif
