/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that manifest.c relies on, in one pass over the file. The sum
 * finds rot; the rest is checked all the same, since anyone who may write the
 * store may make a sum.
 */
#include "base/le.h"
#include "base/limits.h"
#include "base/path.h"
#include "manifest/layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Adds count * size to *at; false when that leaves the numbers. */
static bool add_section(uint64_t *at, uint64_t count, uint64_t size)
{
	uint64_t bytes;

	return !__builtin_mul_overflow(count, size, &bytes) &&
	       !__builtin_add_overflow(*at, bytes, at);
}

static int find_sections(struct manifest *m, struct err *e)
{
	const struct {
		uint64_t count, size;
		const uint8_t **ret;
	} parts[] = {
		{ m->entry_count, ENTRY_BYTES, &m->entries },
		{ m->entry_count, DIGEST_BYTES, &m->digests },
		{ m->state == MANIFEST_PRESENT ? m->entry_count : 0, PLACE_BYTES, &m->places },
		{ m->patch_count, PATCH_BYTES, &m->patches },
		{ m->spot_count, SPOT_BYTES, &m->spots },
		{ m->point_count, POINT_BYTES, &m->points },
		{ m->text_bytes, 1, (const uint8_t **)&m->texts },
		{ m->index_json_len + 1, 1, (const uint8_t **)&m->index_json },
	};
	uint64_t at = HEADER_BYTES, body = m->len - SUM_BYTES;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (at <= body)
			*parts[i].ret = m->bytes + at;
		if (!add_section(&at, parts[i].count, parts[i].size) || at > body)
			return err_set(e, -EBADMSG, "is shorter than its header says");
	}
	if (body - at >= 8 || body % 8 != 0)
		return err_set(e, -EBADMSG, "is longer than its header says");
	while (at < body)
		if (m->bytes[at++] != 0)
			return err_set(e, -EBADMSG, "its padding is not zero");
	return 0;
}

static int read_header(struct manifest *m, uint64_t package, struct err *e)
{
	const uint8_t *h = m->bytes;
	uint32_t state = le32_get(h + HEADER_STATE), noarch = le32_get(h + HEADER_NOARCH);

	m->package = le64_get(h + HEADER_PACKAGE);
	m->entry_count = le32_get(h + HEADER_ENTRIES);
	m->patch_count = le32_get(h + HEADER_PATCHES);
	m->point_count = le32_get(h + HEADER_POINTS);
	m->spot_count = le64_get(h + HEADER_SPOTS);
	m->text_bytes = le64_get(h + HEADER_TEXTS);
	m->index_json_len = le64_get(h + HEADER_INDEX_JSON);
	m->file_bytes = le64_get(h + HEADER_FILE_BYTES);
	m->state = state;
	m->noarch = noarch;
	if (m->package != package)
		return err_set(e, -EBADMSG, "is of package %llu by its header",
			       (unsigned long long)m->package);
	if (state != MANIFEST_LISTED && state != MANIFEST_PRESENT)
		return err_set(e, -EBADMSG, "has the unknown state %u", state);
	if (noarch > NOARCH_PYTHON)
		return err_set(e, -EBADMSG, "has the unknown noarch kind %u", noarch);
	if (m->entry_count == 0 || m->entry_count - 1 > ENTRY_INDEX_MAX ||
	    m->patch_count > m->entry_count || m->spot_count > SPOTS_MAX ||
	    m->point_count > ENTRY_POINTS_MAX || m->text_bytes == 0 ||
	    m->text_bytes >= UINT32_MAX || m->index_json_len > INFO_MEMBER_BYTES_MAX)
		return err_set(e, -EBADMSG, "its header counts what cannot be");
	for (size_t i = HEADER_ZERO; i < HEADER_BYTES; i++)
		if (h[i])
			return err_set(e, -EBADMSG, "its header's rest is not zero");
	return 0;
}

int manifest_layout(struct manifest *m, uint64_t package, struct err *e)
{
	int r;

	if (m->len < HEADER_BYTES + SUM_BYTES || memcmp(m->bytes, MANIFEST_MAGIC, 8) != 0)
		return err_set(e, -EBADMSG, "does not start as a manifest does");
	if (le32_get(m->bytes + HEADER_VERSION) != MANIFEST_VERSION)
		return err_set(e, -EPROTO, "has version %u, this envfs reads %d: use a newer one",
			       le32_get(m->bytes + HEADER_VERSION), MANIFEST_VERSION);
	if (xxh64(m->bytes, m->len - SUM_BYTES) != le64_get(m->bytes + m->len - SUM_BYTES))
		return err_set(e, -EBADMSG, "its checksum does not match");
	r = read_header(m, package, e);
	if (r == 0)
		r = find_sections(m, e);
	if (r < 0)
		return r;
	if (m->texts[m->text_bytes - 1] != '\0' || m->index_json[m->index_json_len] != '\0')
		return err_set(e, -EBADMSG, "its texts have no end");
	return 0;
}

/* A text of the pool: there, ended by a NUL right after its length, clean. */
static bool text_holds(const struct manifest *m, uint32_t at, uint64_t len)
{
	return (uint64_t)at + len < m->text_bytes && m->texts[at + len] == '\0' &&
	       text_is_clean(m->texts + at, (size_t)len);
}

/* Almost every name is plain ASCII; the full check is for the others. */
static int check_name(const char *name, size_t len, struct err *e)
{
	const unsigned char *s = (const unsigned char *)name;
	bool plain = len > 0 && len <= NAME_BYTES_MAX && s[0] != '.';

	for (size_t i = 0; i < len && plain; i++)
		plain = s[i] > 0x20 && s[i] < 0x7f && s[i] != '/';
	return plain ? 0 : path_check_name(name, len, e);
}

/* What is known of a directory while its children are checked. */
struct spot_on_way {
	uint16_t path_len;
	uint8_t depth;
};

struct walk {
	const struct manifest *m;
	struct spot_on_way *ways; /* owned; one for each entry */
	uint32_t next_child;	  /* the first entry that no directory owns yet */
	uint32_t next_patch;
	uint64_t next_spot;
	uint64_t file_bytes;
};

static void walk_done(struct walk *w)
{
	free(w->ways);
}

/* name, parent, order among its siblings. */
static int check_place(struct walk *w, uint32_t i, struct err *e)
{
	const struct manifest *m = w->m;
	const uint8_t *row = entry_row(m, i), *up;
	uint32_t parent = le32_get(row + ENTRY_PARENT), at = le32_get(row + ENTRY_NAME);
	size_t len = le16_get(row + ENTRY_NAME_LEN), path_len;
	int r;

	if ((uint64_t)at + len >= m->text_bytes || m->texts[at + len] != '\0')
		return err_set(e, -EBADMSG, "its name lies outside the texts");
	if (i == ENTRY_ROOT) {
		if (len > 0 || parent != ENTRY_ROOT || row[ENTRY_TYPE] != ENTRY_DIR)
			return err_set(e, -EBADMSG, "is no root directory");
		return 0;
	}
	r = check_name(m->texts + at, len, e);
	if (r < 0)
		return -EBADMSG;
	/* Directories before i have claimed their children already, in runs. */
	up = entry_row(m, parent < i ? parent : 0);
	if (parent >= i || up[ENTRY_TYPE] != ENTRY_DIR || i < le32_get(up + ENTRY_FIRST) ||
	    i - le32_get(up + ENTRY_FIRST) >= le32_get(up + ENTRY_MORE))
		return err_set(e, -EBADMSG, "is no child of its parent %u", parent);
	if (i > le32_get(up + ENTRY_FIRST)) {
		const uint8_t *left = entry_row(m, i - 1);

		if (strcmp(m->texts + le32_get(left + ENTRY_NAME), m->texts + at) >= 0)
			return err_set(e, -EBADMSG, "'%s' is out of order", m->texts + at);
	}
	path_len = w->ways[parent].path_len + (parent != ENTRY_ROOT) + len;
	if (path_len > PATH_BYTES_MAX || w->ways[parent].depth >= PATH_DEPTH_MAX)
		return err_set(e, -EBADMSG, "'%s': its path is too long or too deep",
			       m->texts + at);
	w->ways[i] =
		(struct spot_on_way){ (uint16_t)path_len, (uint8_t)(w->ways[parent].depth + 1) };
	return 0;
}

static int check_dir(struct walk *w, uint32_t i, const uint8_t *row, struct err *e)
{
	uint32_t first = le32_get(row + ENTRY_FIRST), count = le32_get(row + ENTRY_MORE);

	if (le64_get(row + ENTRY_SIZE) || le64_get(row + ENTRY_MTIME) ||
	    le32_get(row + ENTRY_MTIME_NS) || le32_get(row + ENTRY_MODE) != DIR_MODE ||
	    (row[ENTRY_FLAGS] & ~ENTRY_LISTED_DIR))
		return err_set(e, -EBADMSG, "has what a directory has not");
	if (count == 0)
		return first == 0 ? 0 : err_set(e, -EBADMSG, "has no children but a first one");
	if (first != w->next_child || first <= i || count > w->m->entry_count - first)
		return err_set(e, -EBADMSG, "its children are not where they should be");
	w->next_child += count;
	return 0;
}

static int check_link(struct walk *w, const uint8_t *row, struct err *e)
{
	uint32_t at = le32_get(row + ENTRY_FIRST), len = le32_get(row + ENTRY_MORE);

	if ((row[ENTRY_FLAGS] & (ENTRY_TEXT | ENTRY_BINARY | ENTRY_LISTED_DIR)) ||
	    le32_get(row + ENTRY_MODE) != LINK_MODE)
		return err_set(e, -EBADMSG, "has what a link has not");
	if (w->m->state == MANIFEST_LISTED)
		return at == 0 && len == 0 ? 0 : err_set(e, -EBADMSG, "has a target too early");
	if (!text_holds(w->m, at, len) || path_check_target(w->m->texts + at, len, NULL) < 0)
		return err_set(e, -EBADMSG, "its target does not hold");
	return 0;
}

/* Bytes that a UTF-8 text has in another encoding. */
static uint64_t encoded_len(const char *text, uint32_t len, uint32_t unit)
{
	uint64_t points = 0, pairs = 0;

	if (unit == SPOT_UTF8)
		return len;
	for (uint32_t i = 0; i < len; i++) {
		points += ((unsigned char)text[i] & 0xc0) != 0x80;
		pairs += (unsigned char)text[i] >= 0xf0;
	}
	return unit <= SPOT_UTF16BE ? 2 * (points + pairs) : 4 * points;
}

static int check_spots(const struct manifest *m, const uint8_t *patch, bool binary, uint64_t size,
		       struct err *e)
{
	uint64_t first = le64_get(patch + PATCH_SPOT), count = le64_get(patch + PATCH_SPOTS);
	const char *text = m->texts + le32_get(patch + PATCH_TEXT);
	uint32_t text_len = le32_get(patch + PATCH_TEXT_LEN);
	uint64_t lens[SPOT_UTF32BE + 1], free_from = 0;

	for (uint32_t unit = 0; count > 0 && unit <= SPOT_UTF32BE; unit++)
		lens[unit] = encoded_len(text, text_len, unit);
	for (uint64_t s = first; s < first + count; s++) {
		const uint8_t *row = m->spots + s * SPOT_BYTES;
		uint64_t at = le64_get(row + SPOT_OFFSET), end = le64_get(row + SPOT_END);
		uint32_t unit = le32_get(row + SPOT_UNIT);

		if (unit > SPOT_UTF32BE || le32_get(row + SPOT_ZERO) || at < free_from ||
		    at > size || size - at < lens[unit] ||
		    (binary ? end < at + lens[unit] || end > size : end != 0))
			return err_set(e, -EBADMSG, "spot %llu does not hold",
				       (unsigned long long)(s - first));
		free_from = at + lens[unit];
	}
	return 0;
}

static int check_patch(struct walk *w, const uint8_t *row, struct err *e)
{
	const struct manifest *m = w->m;
	uint32_t patch = le32_get(row + ENTRY_FIRST), len, at;
	const uint8_t *p;
	uint64_t spots;

	if (patch != w->next_patch || patch >= m->patch_count)
		return err_set(e, -EBADMSG, "its patch is not the next one");
	w->next_patch++;
	p = m->patches + (size_t)patch * PATCH_BYTES;
	len = le32_get(p + PATCH_TEXT_LEN);
	if (len == 0 || len > PLACEHOLDER_MAX || !text_holds(m, le32_get(p + PATCH_TEXT), len))
		return err_set(e, -EBADMSG, "its placeholder does not hold");
	spots = le64_get(p + PATCH_SPOTS);
	if (le64_get(p + PATCH_SPOT) != w->next_spot || spots > m->spot_count - w->next_spot ||
	    (spots > 0 && m->state == MANIFEST_LISTED))
		return err_set(e, -EBADMSG, "its spots are not the next ones");
	w->next_spot += spots;
	at = le32_get(p + PATCH_SHEBANG);
	len = le32_get(p + PATCH_SHEBANG_LEN);
	/* Bytes of a file, so no rule but where they end. */
	if (at == NO_TEXT
		    ? len != 0
		    : m->state == MANIFEST_LISTED || len < 2 || len > SHEBANG_MAX ||
			      (uint64_t)at + len >= m->text_bytes || m->texts[at + len] != '\0')
		return err_set(e, -EBADMSG, "its first line does not hold");
	return check_spots(m, p, row[ENTRY_FLAGS] & ENTRY_BINARY, le64_get(row + ENTRY_SIZE), e);
}

static int check_file(struct walk *w, uint32_t i, const uint8_t *row, struct err *e)
{
	const struct manifest *m = w->m;
	uint32_t flags = row[ENTRY_FLAGS], kinds = flags & (ENTRY_TEXT | ENTRY_BINARY);
	uint64_t size = le64_get(row + ENTRY_SIZE);

	if (size > FILE_BYTES_MAX || __builtin_add_overflow(w->file_bytes, size, &w->file_bytes))
		return err_set(e, -EBADMSG, "its size cannot be");
	if (le32_get(row + ENTRY_MORE) || (le32_get(row + ENTRY_MODE) & ~(uint32_t)MODE_KEPT) ||
	    (flags & ENTRY_LISTED_DIR) || kinds == (ENTRY_TEXT | ENTRY_BINARY))
		return err_set(e, -EBADMSG, "has what a file has not");
	if (m->state == MANIFEST_PRESENT) {
		const uint8_t *place = m->places + (size_t)i * PLACE_BYTES;
		bool none = !le64_get(place + PLACE_PACK) && !le64_get(place + PLACE_OFFSET) &&
			    !le64_get(place + PLACE_STORED);

		if (!(flags & ENTRY_HAS_DIGEST) ||
		    (size > 0) != (le64_get(place + PLACE_PACK) > 0) || (size == 0 && !none))
			return err_set(e, -EBADMSG, "its place does not hold");
	}
	if (kinds)
		return check_patch(w, row, e);
	return le32_get(row + ENTRY_FIRST) == NO_PATCH
		       ? 0
		       : err_set(e, -EBADMSG, "has a patch but no placeholder");
}

static int check_entry(struct walk *w, uint32_t i, struct err *e)
{
	const uint8_t *row = entry_row(w->m, i);
	int r = check_place(w, i, e);

	if (r < 0)
		return r;
	if (le32_get(row + ENTRY_ZERO) || (row[ENTRY_FLAGS] & ~FLAGS_KNOWN) ||
	    le32_get(row + ENTRY_MTIME_NS) >= NSEC_PER_SEC)
		return err_set(e, -EBADMSG, "has flags or times that cannot be");
	switch (row[ENTRY_TYPE]) {
	case ENTRY_DIR:
		return check_dir(w, i, row, e);
	case ENTRY_FILE:
		return check_file(w, i, row, e);
	case ENTRY_LINK:
		return check_link(w, row, e);
	default:
		return err_set(e, -EBADMSG, "has the unknown type %u", row[ENTRY_TYPE]);
	}
}

static int check_points(const struct manifest *m, struct err *e)
{
	for (uint32_t i = 0; i < m->point_count; i++) {
		const uint8_t *row = m->points + (size_t)i * POINT_BYTES;

		for (size_t k = 0; k < POINT_BYTES; k += 8)
			if (le32_get(row + k + 4) == 0 ||
			    !text_holds(m, le32_get(row + k), le32_get(row + k + 4)))
				return err_set(e, -EBADMSG, "entry point %u does not hold", i);
		if (check_name(m->texts + le32_get(row), le32_get(row + 4), e) < 0)
			return err_wrap(e, -EBADMSG, "entry point %u", i);
	}
	return 0;
}

int manifest_check(const struct manifest *m, struct err *e)
{
	AUTO(walk_done) struct walk w = { .m = m, .next_child = 1 };

	w.ways = calloc(m->entry_count, sizeof(*w.ways));
	if (!w.ways)
		return err_nomem(e);
	for (uint32_t i = 0; i < m->entry_count; i++) {
		int r = check_entry(&w, i, e);

		if (r < 0)
			return err_wrap(e, r, "entry %u", i);
	}
	if (w.next_child != m->entry_count || w.next_patch != m->patch_count ||
	    w.next_spot != m->spot_count || w.file_bytes != m->file_bytes)
		return err_set(e, -EBADMSG, "its counts do not add up");
	return check_points(m, e);
}
