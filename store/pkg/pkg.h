/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkg: artifact formats -> a stream of checked entries. Pure: bytes come from a
 * descriptor that is already open, entries go to a sink; no path is opened, no
 * socket made. Sources: CEP 34 (contents), CEP 35 (.conda, .tar.bz2), CEP 17/20
 * (noarch python).
 *
 * What reaches the sink has passed: every name path_check() or more, every
 * limit of base/limits.h, the strict zip index (zip.h), the strict tar rules
 * (tar.h). A package that breaks one is -EBADMSG (or -EFBIG for a limit) with a
 * sentence; -EIO and the like are troubles of reading.
 */
#ifndef ENVFS_PKG_PKG_H
#define ENVFS_PKG_PKG_H

#include "base/err.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The numbers are those of manifest/manifest.h (enum entry_type, enum noarch_kind),
 * which stands above this room. */
enum pkg_type { PKG_UNKNOWN, PKG_DIR, PKG_FILE, PKG_LINK };
enum pkg_noarch { PKG_NOARCH_NONE, PKG_NOARCH_GENERIC, PKG_NOARCH_PYTHON };

/* What info/ says about the whole package. */
struct pkg_meta {
	const char *name, *version, *build, *subdir; /* from index.json, checked (CEP 26) */
	const char *index_json;			     /* as it is, valid JSON */
	size_t index_json_len;
	int noarch; /* enum pkg_noarch */
	/* "command = module:function" of link.json, split and checked: command a plain
	 * file name, module and function dotted identifiers. */
	const struct pkg_entry_point {
		const char *command, *module, *function;
	} * entry_points;
	size_t entry_point_count;
};

/* A row of paths.json (or of files/has_prefix/no_link where that is missing). */
struct pkg_row {
	const char *path;
	size_t path_len;
	int type; /* enum pkg_type; files-only packages: PKG_UNKNOWN, the payload decides */
	bool binary, no_link;
	const char *placeholder; /* NULL: none */
	size_t placeholder_len;
	bool has_digest, has_size;
	struct digest digest;
	uint64_t size;
};

/* An entry of the payload. For a hard link inside the tar, link_to is the path of
 * the earlier file whose content it shares, and no bytes follow. */
struct pkg_entry {
	const char *path;
	size_t path_len;
	int type; /* enum pkg_type */
	uint32_t mode;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint64_t size;
	const char *target; /* links: symlink's text */
	size_t target_len;
	const char *link_to; /* or NULL */
	size_t link_to_len;
};

/* Called in this order: meta once, row for each, then (whole packages) for each
 * payload entry: entry, bytes… (files that are no hard links), end. A sink that
 * returns < 0 stops the reading and its code comes back. */
struct pkg_sink {
	void *ctx;
	int (*meta)(void *ctx, const struct pkg_meta *meta, struct err *e);
	int (*row)(void *ctx, const struct pkg_row *row, struct err *e);
	int (*entry)(void *ctx, const struct pkg_entry *entry, struct err *e);
	int (*bytes)(void *ctx, const void *bytes, size_t len, struct err *e);
	int (*end)(void *ctx, struct err *e);
};

enum pkg_format { PKG_CONDA, PKG_TAR_BZ2 };

enum pkg_want {
	PKG_LIST,  /* meta and rows only */
	PKG_WHOLE, /* payload too */
};

/* Reads an artifact that is all there; fd is read with pread(2). */
int pkg_read(int fd, uint64_t size, enum pkg_format format, enum pkg_want want,
	     const struct pkg_sink *sink, struct err *e) MUST_CHECK;

/*
 * Lists a .conda of which only a tail is here: fd holds `have` bytes, the last
 * ones of an artifact of `size` bytes. When the info member is not wholly in
 * it, *ret_need_first says from which byte on the tail must reach, the answer
 * is -EAGAIN, and the sink was not called. A package without paths.json cannot
 * be listed so: -ENODATA, fetch it whole.
 */
int pkg_list_tail(int fd, uint64_t have, uint64_t size, const struct pkg_sink *sink,
		  uint64_t *ret_need_first, struct err *e) MUST_CHECK;

#endif
