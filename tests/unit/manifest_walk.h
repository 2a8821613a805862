/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest_walk: asks a manifest everything it can answer and checks what must
 * hold between the answers. For a manifest that opened, whoever wrote it.
 */
#ifndef ENVFS_TESTS_MANIFEST_WALK_H
#define ENVFS_TESTS_MANIFEST_WALK_H

#include "base/limits.h"
#include "base/path.h"
#include "manifest/manifest.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define WALK(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: entry %u: %s\n", __FILE__, __LINE__, i, #cond);    \
			return false;                                                              \
		}                                                                                  \
	} while (0)

static inline bool walk_spots(const struct manifest *m, const struct entry *en)
{
	uint64_t free_from = 0;
	uint32_t i = en->index;

	for (uint64_t k = 0; k < en->spot_count; k++) {
		struct spot s;

		manifest_spot(m, en->spot_first + k, &s);
		WALK(s.unit <= SPOT_UTF32BE && s.offset >= free_from && s.offset < en->size);
		WALK(en->flags & ENTRY_BINARY ? s.end > s.offset && s.end <= en->size : s.end == 0);
		free_from = s.offset + 1;
	}
	return true;
}

static inline bool walk_entry(const struct manifest *m, uint32_t i)
{
	char path[PATH_BYTES_MAX + 1], before[NAME_BYTES_MAX + 1] = "";
	struct entry en;
	size_t len;

	manifest_entry(m, i, &en);
	WALK(strlen(en.name) == en.name_len && en.name_len <= NAME_BYTES_MAX);
	len = manifest_path(m, i, path);
	WALK(strlen(path) == len);
	WALK(i == ENTRY_ROOT ? len == 0 : path_check(path, len, NULL) == 0);
	WALK(manifest_resolve(m, path, len) == i);
	WALK(manifest_find(m, i, "no such name \x01", 14) == 0);
	for (uint32_t c = 0; c < en.child_count; c++) {
		struct entry child;

		manifest_entry(m, en.children + c, &child);
		WALK(child.parent == i && strcmp(before, child.name) < 0);
		WALK(manifest_find(m, i, child.name, child.name_len) == en.children + c);
		(void)snprintf(before, sizeof(before), "%s", child.name);
	}
	WALK((en.mode & ~0777U) == 0 && en.mtime_ns < 1000000000);
	WALK(en.type == ENTRY_DIR || en.child_count == 0);
	WALK(en.type == ENTRY_FILE || (!en.placeholder && !en.shebang && en.spot_count == 0));
	WALK(en.type != ENTRY_LINK || manifest_state(m) == MANIFEST_LISTED ||
	     (en.target && path_check_target(en.target, en.size, NULL) == 0));
	WALK(!en.placeholder || strlen(en.placeholder) == en.placeholder_len);
	WALK(!en.shebang || en.shebang[en.shebang_len] == '\0');
	WALK(digest_is_zero(en.digest) || !digest_is_zero(en.digest));
	return walk_spots(m, &en);
}

static inline bool manifest_walk(const struct manifest *m)
{
	uint64_t bytes = 0;
	size_t len;
	uint32_t i = 0;

	for (; i < manifest_count(m); i++) {
		struct entry en;

		if (!walk_entry(m, i))
			return false;
		manifest_entry(m, i, &en);
		bytes += en.type == ENTRY_FILE ? en.size : 0;
	}
	WALK(bytes == manifest_bytes(m));
	for (uint32_t k = 0; k < manifest_entry_point_count(m); k++) {
		struct entry_point p;

		manifest_entry_point(m, k, &p);
		WALK(path_check_name(p.command, strlen(p.command), NULL) == 0);
		WALK(p.module[0] && p.function[0]);
	}
	WALK(manifest_index_json(m, &len)[len] == '\0');
	return true;
}

#endif
