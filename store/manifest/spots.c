/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/spots.h"

#include "base/limits.h"
#include "base/map.h"

#include <assert.h>
#include <string.h>

#define WINDOW_BYTES (256 * KIB)
#define NEEDLE_MAX   (4 * PLACEHOLDER_MAX)

/*
 * One encoding's own pass over the file. Offsets are the file's.
 *
 * Outside a C string (`open` false, always so for text) the next occurrence is
 * looked for from `next` on. Inside one, `nul` is the first place of a
 * character not yet known to be none, so what ends at or before `nul` is inside.
 */
struct pass {
	uint8_t *needle; /* owned */
	size_t needle_len;
	uint32_t unit_bytes;
	uint64_t next, nul;
	bool open;
	size_t open_first;  /* the first spot of the open C string */
	struct spot *spots; /* owned */
	size_t count, cap;
};

struct spot_finder {
	bool binary;
	struct pass passes[SPOT_UNITS];
	uint8_t *window;    /* owned; WINDOW_BYTES */
	uint64_t window_at; /* the file's offset of window[0] */
	size_t window_len;
	uint8_t *line; /* owned; text: the file's first bytes, to SHEBANG_BYTES_MAX */
	size_t line_len;
	struct spot *merged; /* owned */
	size_t merged_count;
};

uint32_t spot_unit_bytes(enum spot_unit unit)
{
	return unit == SPOT_UTF8 ? 1 : unit <= SPOT_UTF16BE ? 2 : 4;
}

/* Takes one code point off *text; UINT32_MAX: not UTF-8. */
static uint32_t code_point(const uint8_t **text, const uint8_t *end)
{
	const uint8_t *s = *text;
	uint32_t c = s[0];
	int more = c < 0x80 ? 0 : c < 0xc2 ? -1 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : -1;

	if (more < 0 || end - s <= more)
		return UINT32_MAX;
	if (more > 0)
		c &= 0x3fu >> more;
	for (int i = 1; i <= more; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return UINT32_MAX;
		c = c << 6 | (s[i] & 0x3fu);
	}
	if ((more == 2 && c < 0x800) || (more == 3 && c < 0x10000) || c > 0x10ffff ||
	    (c >= 0xd800 && c < 0xe000))
		return UINT32_MAX;
	*text = s + more + 1;
	return c;
}

static size_t put_unit(uint8_t *room, uint32_t value, uint32_t unit_bytes, bool big)
{
	for (uint32_t i = 0; i < unit_bytes; i++)
		room[big ? unit_bytes - 1 - i : i] = (uint8_t)(value >> 8 * i);
	return unit_bytes;
}

size_t spot_encode(enum spot_unit unit, const char *text, size_t len, uint8_t *room)
{
	const uint8_t *s = (const uint8_t *)text, *end = s + len;
	bool big = unit == SPOT_UTF16BE || unit == SPOT_UTF32BE;
	uint32_t unit_bytes = spot_unit_bytes(unit);
	size_t at = 0;

	if (unit == SPOT_UTF8) {
		memcpy(room, text, len);
		return len;
	}
	while (s < end) {
		uint32_t c = code_point(&s, end);

		if (c == UINT32_MAX)
			return 0;
		if (unit_bytes == 2 && c >= 0x10000) {
			at += put_unit(room + at, 0xd800 + ((c - 0x10000) >> 10), 2, big);
			c = 0xdc00 + ((c - 0x10000) & 0x3ff);
		}
		at += put_unit(room + at, c, unit_bytes, big);
	}
	return at;
}

int spot_finder_open(struct spot_finder **ret, const char *placeholder, size_t placeholder_len,
		     bool binary, struct err *e)
{
	AUTO(spot_finder_freep) struct spot_finder *f = NULL;
	uint8_t room[NEEDLE_MAX];

	if (placeholder_len == 0 || placeholder_len > PLACEHOLDER_MAX)
		return err_set(e, -EINVAL, "a placeholder of %zu bytes; 1 to %d are allowed",
			       placeholder_len, PLACEHOLDER_MAX);
	f = calloc(1, sizeof(*f));
	if (!f)
		return err_nomem(e);
	f->binary = binary;
	f->window = malloc(WINDOW_BYTES);
	f->line = binary ? NULL : malloc(SHEBANG_BYTES_MAX);
	if (!f->window || (!binary && !f->line))
		return err_nomem(e);
	for (uint32_t u = 0; u < SPOT_UNITS; u++) {
		struct pass *p = &f->passes[u];

		p->unit_bytes = spot_unit_bytes(u);
		p->needle_len = spot_encode(u, placeholder, placeholder_len, room);
		p->needle = malloc(p->needle_len + 1);
		if (!p->needle)
			return err_nomem(e);
		memcpy(p->needle, room, p->needle_len);
	}
	*ret = TAKE_PTR(f);
	return 0;
}

struct spot_finder *spot_finder_free(struct spot_finder *f)
{
	if (!f)
		return NULL;
	for (size_t u = 0; u < SPOT_UNITS; u++) {
		free(f->passes[u].needle);
		free(f->passes[u].spots);
	}
	free(f->window);
	free(f->line);
	free(f->merged);
	free(f);
	return NULL;
}

static size_t spots_total(const struct spot_finder *f)
{
	size_t total = 0;

	for (size_t u = 0; u < SPOT_UNITS; u++)
		total += f->passes[u].count;
	return total;
}

/* The next occurrence that ends at or before `limit`, as a spot; false: none,
 * and p->next stands where one can still begin. */
static int find_next(struct spot_finder *f, enum spot_unit unit, uint64_t limit, bool *ret_found,
		     struct err *e)
{
	struct pass *p = &f->passes[unit];
	const uint8_t *from, *hit;
	int r;

	*ret_found = false;
	if (p->next + p->needle_len > limit)
		return 0;
	from = f->window + (p->next - f->window_at);
	hit = memmem(from, limit - p->next, p->needle, p->needle_len);
	if (!hit) {
		p->next = limit - (p->needle_len - 1);
		return 0;
	}
	if (spots_total(f) >= SPOTS_MAX)
		return err_set(e, -EFBIG, "more than %d places hold the placeholder", SPOTS_MAX);
	r = GROW(p->spots, p->cap, p->count + 1, SPOTS_MAX, e);
	if (r < 0)
		return r;
	p->spots[p->count++] = (struct spot){
		.offset = p->next + (uint64_t)(hit - from),
		.unit = unit,
	};
	p->next += (uint64_t)(hit - from) + p->needle_len;
	*ret_found = true;
	return 0;
}

/* Moves p->nul to the C string's NUL, or as far as is known; true: found. */
static bool find_nul(const struct spot_finder *f, struct pass *p, uint64_t end)
{
	static const uint8_t zero[4];

	if (p->unit_bytes == 1) {
		const uint8_t *from = f->window + (p->nul - f->window_at);
		const uint8_t *hit = memchr(from, 0, end - p->nul);

		p->nul = hit ? p->nul + (uint64_t)(hit - from) : end;
		return hit != NULL;
	}
	for (; p->nul + p->unit_bytes <= end; p->nul += p->unit_bytes)
		if (memcmp(f->window + (p->nul - f->window_at), zero, p->unit_bytes) == 0)
			return true;
	return false;
}

static void close_string(struct pass *p, uint64_t end)
{
	for (size_t i = p->open_first; i < p->count; i++)
		p->spots[i].end = end;
	p->open = false;
}

/* All occurrences up to `limit`. */
static int find_all(struct spot_finder *f, enum spot_unit unit, uint64_t limit, struct err *e)
{
	bool found = true;

	while (found) {
		int r = find_next(f, unit, limit, &found, e);

		if (r < 0)
			return r;
	}
	return 0;
}

/* One encoding over what the window holds; `last`: the file ends with it. */
static int run_pass(struct spot_finder *f, enum spot_unit unit, bool last, struct err *e)
{
	struct pass *p = &f->passes[unit];
	uint64_t end = f->window_at + f->window_len;
	bool found;
	int r;

	if (p->needle_len == 0)
		return 0;
	if (!f->binary)
		return find_all(f, unit, end, e);
	for (;;) {
		if (!p->open) {
			r = find_next(f, unit, end, &found, e);
			if (r < 0 || !found)
				return r;
			p->open = true;
			p->open_first = p->count - 1;
			p->nul = p->next;
		}
		found = find_nul(f, p, end);
		r = find_all(f, unit, last && !found ? end : p->nul, e);
		if (r < 0)
			return r;
		if (!found) {
			if (last)
				close_string(p, end);
			return 0;
		}
		close_string(p, p->nul);
		p->next = p->nul + p->unit_bytes;
	}
}

/* Runs all passes, then drops what none of them needs any more. */
static int run_passes(struct spot_finder *f, bool last, struct err *e)
{
	uint64_t end = f->window_at + f->window_len, keep = end;
	int r;

	for (uint32_t u = 0; u < SPOT_UNITS; u++) {
		const struct pass *p = &f->passes[u];

		r = run_pass(f, u, last, e);
		if (r < 0)
			return r;
		if (p->needle_len > 0 && p->next < keep)
			keep = p->next;
		if (p->open && p->nul < keep)
			keep = p->nul;
	}
	assert(keep >= f->window_at && end - keep < NEEDLE_MAX + 4);
	memmove(f->window, f->window + (keep - f->window_at), end - keep);
	f->window_at = keep;
	f->window_len = end - keep;
	return 0;
}

int spot_finder_add(struct spot_finder *f, const void *bytes, size_t len, struct err *e)
{
	const uint8_t *from = bytes;

	assert(!f->merged);
	if (!f->binary && f->line_len < SHEBANG_BYTES_MAX) {
		size_t n = SHEBANG_BYTES_MAX - f->line_len;

		if (n > len)
			n = len;
		memcpy(f->line + f->line_len, bytes, n);
		f->line_len += n;
	}
	while (len > 0) {
		size_t n = WINDOW_BYTES - f->window_len;

		if (n > len)
			n = len;
		memcpy(f->window + f->window_len, from, n);
		f->window_len += n;
		from += n;
		len -= n;
		if (f->window_len == WINDOW_BYTES) {
			int r = run_passes(f, false, e);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

/*
 * Merges a later encoding's spots into those of the earlier ones: both are
 * sorted. A later one that overlaps an earlier one is dropped; in the C string
 * of an earlier one it joins that; else its C string ends where that begins.
 */
static int merge_pass(struct spot_finder *f, const struct pass *p, struct err *e)
{
	size_t total = f->merged_count + p->count, at = 0, n = 0;
	uint64_t bytes_end = 0, string_end = 0;
	struct spot *out;

	if (p->count == 0)
		return 0;
	out = malloc(total * sizeof(*out));
	if (!out)
		return err_nomem(e);
	for (size_t i = 0; i < p->count; i++) {
		struct spot s = p->spots[i];
		uint64_t begin;

		for (; at < f->merged_count && f->merged[at].offset <= s.offset; at++) {
			const struct spot *earlier = &f->merged[at];

			bytes_end = earlier->offset + f->passes[earlier->unit].needle_len;
			string_end = f->binary ? earlier->end : bytes_end;
			out[n++] = *earlier;
		}
		begin = at < f->merged_count ? f->merged[at].offset : UINT64_MAX;
		if (s.offset < bytes_end || begin < s.offset + p->needle_len)
			continue;
		if (s.offset < string_end && s.offset + p->needle_len > string_end)
			continue;
		if (s.offset < string_end)
			s.end = string_end;
		else if (f->binary && begin < s.end)
			s.end = begin;
		out[n++] = s;
	}
	for (; at < f->merged_count; at++)
		out[n++] = f->merged[at];
	free(f->merged);
	f->merged = out;
	f->merged_count = n;
	return 0;
}

static void first_line(const struct spot_finder *f, const char **ret, size_t *ret_len)
{
	const uint8_t *end;

	*ret = NULL;
	*ret_len = 0;
	if (f->line_len < 2 || memcmp(f->line, "#!", 2) != 0)
		return;
	end = memchr(f->line, '\n', f->line_len);
	*ret = (const char *)f->line;
	*ret_len = end ? (size_t)(end - f->line) : f->line_len;
}

int spot_finder_end(struct spot_finder *f, const struct spot **ret, size_t *ret_count,
		    const char **ret_line, size_t *ret_line_len, struct err *e)
{
	int r = run_passes(f, true, e);

	for (size_t u = 0; r == 0 && u < SPOT_UNITS; u++)
		r = merge_pass(f, &f->passes[u], e);
	if (r < 0)
		return r;
	*ret = f->merged;
	*ret_count = f->merged_count;
	first_line(f, ret_line, ret_line_len);
	return 0;
}
