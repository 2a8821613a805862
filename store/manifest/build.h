/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build: makes a manifest from what pkg/ tells of a package and puts it into
 * the store.
 *
 * Rows (what the package lists: paths.json, or has_prefix and files) come
 * first, then for a present manifest the payload (what the tar held). Rows
 * decide names and types; a payload entry without a row is dropped; a row that
 * the payload lacks refuses the package (-EBADMSG), and so does a row that is a
 * file where the payload has a link, or the reverse, or a file whose size or
 * SHA-256 is not what its row says. A path that is a directory of another path
 * and a file or link at once is refused.
 */
#ifndef ENVFS_MANIFEST_BUILD_H
#define ENVFS_MANIFEST_BUILD_H

#include "base/auto.h"
#include "base/err.h"
#include "manifest/manifest.h"
#include "pkg/pkg.h"

struct manifest_builder;

int manifest_builder_open(struct manifest_builder **ret, uint64_t package,
			  const struct digest *artifact, enum manifest_state state, struct err *e)
	MUST_CHECK;
struct manifest_builder *manifest_builder_free(struct manifest_builder *b);
AUTO_FREE_FN(manifest_builder)

int manifest_builder_meta(struct manifest_builder *b, const struct pkg_meta *meta, struct err *e)
	MUST_CHECK;
int manifest_builder_row(struct manifest_builder *b, const struct pkg_row *row, struct err *e)
	MUST_CHECK;

/* The row of a path (borrowed until the next call), or NULL: whether a payload
 * entry counts, and with which placeholder its spots are to be found. */
const struct pkg_row *manifest_builder_find(const struct manifest_builder *b, const char *path,
					    size_t len);

struct payload {
	const char *path;
	size_t path_len;
	enum entry_type type;
	uint32_t mode; /* as in the tar; cleaned here */
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint64_t size;
	struct digest digest; /* files */
	struct extent extent; /* files */
	const char *target;   /* links */
	size_t target_len;
	const struct spot *spots;
	size_t spot_count;
	const char *shebang; /* or NULL */
	size_t shebang_len;
};
int manifest_builder_payload(struct manifest_builder *b, const struct payload *p, struct err *e)
	MUST_CHECK;

/*
 * Nothing more comes: checks that the package is whole (each listed path has its
 * payload) and makes the file in memory. A package that is refused here has left
 * nothing in the store yet; so call it before its pack is published.
 */
int manifest_builder_end(struct manifest_builder *b, struct err *e) MUST_CHECK;

/* manifest_builder_end(), and writes manifests/PACKAGE atomically (synced), replacing a
 * listed one. */
int manifest_publish(struct manifest_builder *b, struct store *st, struct err *e) MUST_CHECK;

#endif
