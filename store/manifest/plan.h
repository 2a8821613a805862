/* SPDX-License-Identifier: Apache-2.0 */
/* plan: what build.c has collected and write.c turns into bytes; for this room only. */
#ifndef ENVFS_MANIFEST_PLAN_H
#define ENVFS_MANIFEST_PLAN_H

#include "base/buf.h"
#include "base/map.h"
#include "manifest/build.h"
#include "manifest/layout.h"

/* A row and, for a present manifest, what the payload had under its path. */
struct plan_row {
	uint32_t path, path_len; /* in plan.paths */
	enum entry_type type;	 /* 0: the payload decides */
	bool binary, no_link, has_digest, has_size, has_payload;
	uint32_t placeholder; /* in plan.texts; MAP_NONE: none */
	struct digest row_digest;
	uint64_t row_size;

	uint32_t mode, mtime_ns;
	int64_t mtime_s;
	struct digest digest;
	struct extent extent;
	uint64_t size;
	uint32_t target, shebang;	 /* in plan.texts; MAP_NONE: none */
	uint64_t spot_first, spot_count; /* in plan.spots, in the order of the payload */
};

struct plan {
	uint64_t package;
	struct digest artifact;
	enum manifest_state state;
	enum noarch_kind noarch;
	bool has_meta;
	struct buf index_json;
	struct point {
		uint32_t parts[3]; /* in texts */
	} * points;		   /* owned */
	size_t point_count, point_cap;
	struct buf paths;      /* each path, no end between them */
	struct intern texts;   /* placeholders, targets, first lines, entry points */
	struct plan_row *rows; /* owned */
	size_t row_count, row_cap;
	struct map by_path;
	struct spot *spots; /* owned */
	size_t spot_count, spot_cap;
};

static inline const char *plan_path(const struct plan *p, const struct plan_row *row)
{
	return p->paths.bytes + row->path;
}

/* The manifest's bytes. */
int plan_write(const struct plan *p, struct buf *ret, struct err *e) MUST_CHECK;

#endif
