/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar: a strict reader of ustar, pax and GNU tars from a stream.
 *
 * Why an own one: what makes an archive hostile is where readers differ (a pax
 * size beside another ustar size, a damaged pax record, a record given twice, a
 * prefix field in a GNU header, one zero block in the middle), and a tolerant
 * library hides just these. So everything on which libarchive, Python's tarfile
 * and GNU tar do not agree is refused here, and the rest is the same in all four
 * (docs/security.md; tests compare them).
 *
 * Accepted: regular files, directories, symlinks, hard links to an earlier file
 * of the same archive; pax `path`, `linkpath`, `size`, `mtime` (others are
 * skipped); GNU long names. Refused: devices, fifos, sparse files, anything
 * else; what names.h and path_check() refuse; an archive without its two zero
 * blocks, or with anything but zeros after them.
 *
 * A leading "./" is dropped from names and hard-link targets, a directory loses
 * its trailing slash, and an entry for the root itself is skipped.
 */
#ifndef ENVFS_PKG_TAR_H
#define ENVFS_PKG_TAR_H

#include "base/auto.h"
#include "base/err.h"
#include "pkg/limits.h"
#include "pkg/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tar_type { TAR_DIR, TAR_FILE, TAR_SYMLINK, TAR_HARDLINK };

struct tar_entry {
	enum tar_type type;
	const char *path; /* NUL-terminated, like target; good until the next tar_next() */
	size_t path_len;
	const char *target; /* symlink: its text; hard link: path of the earlier file */
	size_t target_len;
	uint32_t mode; /* 07777 */
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint64_t size; /* hard links: of the file they share */
};

struct tar;

/* The stream is borrowed. */
int tar_open(struct tar **ret, struct stream *s, const struct pkg_limits *limits, struct err *e)
	MUST_CHECK;
struct tar *tar_free(struct tar *t);
AUTO_FREE_FN(tar)

/* 1 and the next entry (what is left of the former's bytes is skipped), 0 at
 * the end, which is the end of the stream too. */
int tar_next(struct tar *t, struct tar_entry *ret, struct err *e) MUST_CHECK;

/* The next piece of the entry's bytes; *ret_len is 0 when there are no more. */
int tar_data(struct tar *t, const uint8_t **ret, size_t *ret_len, struct err *e) MUST_CHECK;

#endif
