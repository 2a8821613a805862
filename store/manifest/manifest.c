/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/manifest.h"

#include "base/le.h"
#include "base/limits.h"
#include "base/sys.h"
#include "manifest/layout.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static int open_bytes(struct manifest *m, uint64_t package, struct err *e)
{
	int r = manifest_layout(m, package, e);

	if (r == 0)
		r = manifest_check(m, e);
	return r < 0 ? err_wrap(e, r, "manifest %llu", (unsigned long long)package) : 0;
}

int manifest_of_bytes(struct manifest **ret, const void *bytes, size_t len, uint64_t package,
		      struct err *e)
{
	AUTO(manifest_freep) struct manifest *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return err_nomem(e);
	m->refs = 1;
	m->bytes = bytes;
	m->len = len;
	r = open_bytes(m, package, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(m);
	return 0;
}

static int map_file(struct manifest *m, struct store *st, uint64_t package, struct err *e)
{
	char name[24];
	const void *bytes;
	struct stat sb;
	int r;

	(void)snprintf(name, sizeof(name), "%llu", (unsigned long long)package);
	AUTO_FD fd = sys_openat(st->manifests, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (fd == -ENOENT)
		return err_set(e, -ENOENT,
			       "manifest %llu: there is none: the package is not listed",
			       (unsigned long long)package);
	r = fd < 0 ? fd : sys_fstat(fd, &sb);
	if (r == 0 && (!S_ISREG(sb.st_mode) || (uint64_t)sb.st_size > MANIFEST_BYTES_MAX))
		return err_set(e, -EBADMSG, "manifest %llu: is no file of a manifest's size",
			       (unsigned long long)package);
	if (r == 0)
		r = sys_map(fd, &bytes, &m->len);
	if (r < 0)
		return err_set(e, r, "manifest %llu: %s", (unsigned long long)package,
			       strerror(-r));
	m->bytes = bytes;
	m->mapped = true;
	return 0;
}

int manifest_open(struct manifest **ret, struct store *st, uint64_t package, struct err *e)
{
	AUTO(manifest_freep) struct manifest *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return err_nomem(e);
	m->refs = 1;
	r = map_file(m, st, package, e);
	if (r == 0)
		r = open_bytes(m, package, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(m);
	return 0;
}

struct manifest *manifest_ref(struct manifest *m)
{
	(void)atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
	return m;
}

struct manifest *manifest_free(struct manifest *m)
{
	if (!m || atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) > 1)
		return NULL;
	if (m->mapped)
		sys_unmap(m->bytes, m->len);
	free(m);
	return NULL;
}

uint64_t manifest_package(const struct manifest *m)
{
	return m->package;
}

enum manifest_state manifest_state(const struct manifest *m)
{
	return m->state;
}

uint32_t manifest_count(const struct manifest *m)
{
	return m->entry_count;
}

uint64_t manifest_bytes(const struct manifest *m)
{
	return m->file_bytes;
}

enum noarch_kind manifest_noarch(const struct manifest *m)
{
	return m->noarch;
}

const struct digest *manifest_artifact(const struct manifest *m)
{
	return (const struct digest *)(m->bytes + HEADER_ARTIFACT);
}

const char *manifest_index_json(const struct manifest *m, size_t *ret_len)
{
	if (ret_len)
		*ret_len = (size_t)m->index_json_len;
	return m->index_json;
}

uint32_t manifest_entry_point_count(const struct manifest *m)
{
	return m->point_count;
}

void manifest_entry_point(const struct manifest *m, uint32_t i, struct entry_point *ret)
{
	const uint8_t *row = m->points + (size_t)i * POINT_BYTES;

	assert(i < m->point_count);
	*ret = (struct entry_point){ .command = m->texts + le32_get(row),
				     .module = m->texts + le32_get(row + 8),
				     .function = m->texts + le32_get(row + 16) };
}

void manifest_spot(const struct manifest *m, uint64_t spot, struct spot *ret)
{
	const uint8_t *row = m->spots + spot * SPOT_BYTES;

	assert(spot < m->spot_count);
	*ret = (struct spot){ .offset = le64_get(row + SPOT_OFFSET),
			      .end = le64_get(row + SPOT_END),
			      .unit = le32_get(row + SPOT_UNIT) };
}

static void decode_file(const struct manifest *m, const uint8_t *row, struct entry *ret)
{
	uint32_t patch = le32_get(row + ENTRY_FIRST);

	ret->size = le64_get(row + ENTRY_SIZE);
	ret->paths_size = ret->flags & ENTRY_PATHS_SIZE ? ret->size : 0;
	if (m->state == MANIFEST_PRESENT) {
		const uint8_t *place = m->places + (size_t)ret->index * PLACE_BYTES;

		ret->extent = (struct extent){ .pack = le64_get(place + PLACE_PACK),
					       .offset = le64_get(place + PLACE_OFFSET),
					       .stored = le64_get(place + PLACE_STORED),
					       .size = ret->size };
	}
	if (patch != NO_PATCH) {
		const uint8_t *p = m->patches + (size_t)patch * PATCH_BYTES;

		ret->placeholder = m->texts + le32_get(p + PATCH_TEXT);
		ret->placeholder_len = le32_get(p + PATCH_TEXT_LEN);
		ret->spot_first = le64_get(p + PATCH_SPOT);
		ret->spot_count = (size_t)le64_get(p + PATCH_SPOTS);
		if (le32_get(p + PATCH_SHEBANG) != NO_TEXT) {
			ret->shebang = m->texts + le32_get(p + PATCH_SHEBANG);
			ret->shebang_len = le32_get(p + PATCH_SHEBANG_LEN);
		}
	}
}

void manifest_entry(const struct manifest *m, uint32_t index, struct entry *ret)
{
	const uint8_t *row = entry_row(m, index);

	assert(index < m->entry_count);
	*ret = (struct entry){
		.index = index,
		.parent = le32_get(row + ENTRY_PARENT),
		.name = m->texts + le32_get(row + ENTRY_NAME),
		.name_len = le16_get(row + ENTRY_NAME_LEN),
		.type = row[ENTRY_TYPE],
		.flags = row[ENTRY_FLAGS],
		.mode = le32_get(row + ENTRY_MODE),
		.mtime_s = (int64_t)le64_get(row + ENTRY_MTIME),
		.mtime_ns = le32_get(row + ENTRY_MTIME_NS),
		.digest = (const struct digest *)(m->digests + (size_t)index * DIGEST_BYTES),
	};
	if (ret->type == ENTRY_DIR) {
		ret->children = le32_get(row + ENTRY_FIRST);
		ret->child_count = le32_get(row + ENTRY_MORE);
	} else if (ret->type == ENTRY_LINK) {
		ret->paths_size = le64_get(row + ENTRY_SIZE);
		ret->size = le32_get(row + ENTRY_MORE);
		if (m->state == MANIFEST_PRESENT)
			ret->target = m->texts + le32_get(row + ENTRY_FIRST);
	} else {
		decode_file(m, row, ret);
	}
}

/* As strcmp() of the entry's name and name[0..len). */
static int compare(const struct manifest *m, uint32_t index, const char *name, size_t len)
{
	const uint8_t *row = entry_row(m, index);
	size_t have = le16_get(row + ENTRY_NAME_LEN);
	int c = memcmp(m->texts + le32_get(row + ENTRY_NAME), name, have < len ? have : len);

	return c ? c : (have > len) - (have < len);
}

uint32_t manifest_find(const struct manifest *m, uint32_t dir, const char *name, size_t len)
{
	const uint8_t *row = entry_row(m, dir);
	uint32_t low, high;

	assert(dir < m->entry_count);
	if (row[ENTRY_TYPE] != ENTRY_DIR)
		return 0;
	low = le32_get(row + ENTRY_FIRST);
	high = low + le32_get(row + ENTRY_MORE);
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int c = compare(m, mid, name, len);

		if (c == 0)
			return mid;
		if (c < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return 0;
}

uint32_t manifest_resolve(const struct manifest *m, const char *path, size_t len)
{
	uint32_t at = ENTRY_ROOT;

	if (len == 0)
		return ENTRY_ROOT;
	for (;;) {
		const char *slash = memchr(path, '/', len);
		size_t part = slash ? (size_t)(slash - path) : len;

		at = manifest_find(m, at, path, part);
		if (at == 0 || !slash)
			return at;
		path += part + 1;
		len -= part + 1;
	}
}

size_t manifest_path(const struct manifest *m, uint32_t index, char *room)
{
	size_t len = 0, at;

	for (uint32_t i = index; i != ENTRY_ROOT; i = le32_get(entry_row(m, i) + ENTRY_PARENT))
		len += le16_get(entry_row(m, i) + ENTRY_NAME_LEN) + (size_t)1;
	if (len > 0)
		len--; /* no slash before the first part */
	assert(len <= PATH_BYTES_MAX);
	room[len] = '\0';
	at = len;
	for (uint32_t i = index; i != ENTRY_ROOT; i = le32_get(entry_row(m, i) + ENTRY_PARENT)) {
		size_t n = le16_get(entry_row(m, i) + ENTRY_NAME_LEN);

		at -= n;
		memcpy(room + at, m->texts + le32_get(entry_row(m, i) + ENTRY_NAME), n);
		if (at > 0)
			room[--at] = '/';
	}
	return len;
}
