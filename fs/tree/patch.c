/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/patch.h"

#include "base/limits.h"
#include "base/path.h"
#include "tree/shebang.h"

#include <assert.h>
#include <string.h>

int prefix_init(struct prefix *p, const char *text, struct err *e)
{
	size_t len = strlen(text);

	*p = (struct prefix){ .text = text, .len = len };
	if (len < 2 || len > PATH_BYTES_MAX || text[0] != '/' || !text_is_clean(text, len))
		return err_set(e, -EINVAL, "prefix '%s': an absolute path of clean text is needed",
			       QUOTE(text, len));
	for (uint32_t u = 0; u < SPOT_UNITS; u++) {
		p->units[u] = malloc(4 * len);
		if (!p->units[u]) {
			prefix_done(p);
			return err_nomem(e);
		}
		p->unit_len[u] = spot_encode(u, text, len, p->units[u]);
		assert(p->unit_len[u] > 0);
	}
	return 0;
}

void prefix_done(struct prefix *p)
{
	for (size_t u = 0; u < SPOT_UNITS; u++)
		free(p->units[u]);
	*p = (struct prefix){};
}

static void placeholder_lengths(const struct entry *en, size_t ret[SPOT_UNITS])
{
	uint8_t room[4 * PLACEHOLDER_MAX];

	for (uint32_t u = 0; u < SPOT_UNITS; u++)
		ret[u] = en->placeholder_len <= PLACEHOLDER_MAX
				 ? spot_encode(u, en->placeholder, en->placeholder_len, room)
				 : 0;
}

/* The first spot from `from` on whose offset is >= offset. */
static size_t spot_at_or_after(const struct manifest *m, const struct entry *en, uint64_t offset)
{
	size_t lo = 0, hi = en->spot_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		struct spot s;

		manifest_spot(m, en->spot_first + mid, &s);
		if (s.offset < offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Whether a spot can follow what came before it: `free_from` is the first byte no
 * earlier spot has, `open_end` the end of the C string that is open, or 0. */
static bool spot_fits(const struct entry *en, const struct spot *s, size_t old_len,
		      uint64_t free_from, uint64_t open_end)
{
	if (s->unit >= SPOT_UNITS || old_len == 0 || s->offset < free_from ||
	    s->offset > en->size || old_len > en->size - s->offset)
		return false;
	if (!(en->flags & ENTRY_BINARY))
		return true;
	if (s->end > en->size || s->end < s->offset + old_len)
		return false;
	return s->end == open_end || s->offset >= open_end;
}

int patch_measure(const struct manifest *m, const struct entry *en, const struct prefix *prefix,
		  struct patch_facts *ret, struct err *e)
{
	bool binary = en->flags & ENTRY_BINARY;
	size_t old_len[SPOT_UNITS], head_from = 0;
	uint64_t free_from = 0, open_end = 0, counts[SPOT_UNITS] = {};
	AUTO_BUF head = BUF(SHEBANG_OUT_BYTES);
	uint32_t units = 0;
	int r;

	*ret = (struct patch_facts){ .size = en->size };
	placeholder_lengths(en, old_len);
	r = shebang_rewrite(en, prefix->text, &head, &head_from, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < en->spot_count; i++) {
		struct spot s;

		manifest_spot(m, en->spot_first + i, &s);
		if (s.unit >= SPOT_UNITS ||
		    !spot_fits(en, &s, old_len[s.unit], free_from, open_end))
			return err_set(e, -EBADMSG, "'%s': spot %zu cannot be", en->name, i);
		free_from = s.offset + old_len[s.unit];
		open_end = s.end;
		if (s.offset < head_from)
			continue;
		if (binary && prefix->unit_len[s.unit] > old_len[s.unit])
			return err_set(e, -ENAMETOOLONG,
				       "'%s': the prefix '%s' is longer than the %zu bytes that "
				       "the package left for it; use a shorter mount point",
				       en->name, prefix->text, en->placeholder_len);
		counts[s.unit]++;
	}
	for (size_t u = 0; u < SPOT_UNITS; u++) {
		units += counts[u] > 0;
		if (!binary)
			ret->size += counts[u] * (prefix->unit_len[u] - old_len[u]);
	}
	if (head_from > 0)
		ret->size += head.len - head_from;
	ret->mixed = units > 1;
	ret->changed = units > 0 || head_from > 0;
	return 0;
}

int patch_open(struct patch *p, const struct manifest *m, const struct entry *en,
	       const struct prefix *prefix, const struct patch_facts *facts, struct err *e)
{
	int r;

	*p = (struct patch){ .m = m, .prefix = prefix, .en = *en, .facts = *facts };
	buf_init(&p->head, SHEBANG_OUT_BYTES);
	placeholder_lengths(en, p->old_len);
	r = shebang_rewrite(en, prefix->text, &p->head, &p->head_from, e);
	if (r < 0)
		patch_done(p);
	else
		p->first = spot_at_or_after(m, en, p->head_from);
	return r;
}

void patch_done(struct patch *p)
{
	buf_done(&p->head);
}

/*
 * Spots [lo, hi) that move what follows them. Output positions: those before
 * the first are the original's plus `shift`, the run's bytes end at `end`.
 */
struct run {
	size_t lo, hi;
	int64_t shift;
	uint64_t end;
};

static void get_spot(const struct patch *p, size_t i, struct spot *ret)
{
	manifest_spot(p->m, p->en.spot_first + i, ret);
}

/* What a spot of that encoding adds to the positions behind it. */
static int64_t growth(const struct patch *p, uint32_t unit)
{
	return (int64_t)p->prefix->unit_len[unit] - (int64_t)p->old_len[unit];
}

/* The sum of growth() over the run's spots before `i`. */
static int64_t grown_before(const struct patch *p, const struct run *run, size_t i)
{
	struct spot s;
	int64_t sum = 0;

	if (i == run->lo)
		return 0;
	if (!p->facts.mixed) {
		get_spot(p, run->lo, &s);
		return growth(p, s.unit) * (int64_t)(i - run->lo);
	}
	for (size_t k = run->lo; k < i; k++) {
		get_spot(p, k, &s);
		sum += growth(p, s.unit);
	}
	return sum;
}

static uint64_t out_start(const struct patch *p, const struct run *run, size_t i)
{
	struct spot s;

	get_spot(p, i, &s);
	return (uint64_t)((int64_t)s.offset + run->shift + grown_before(p, run, i));
}

/* How many of the run's spots start at or before `at`. Of one encoding: by halves.
 * Mixed (hardly ever): one after the other, in one pass. */
static size_t spots_until(const struct patch *p, const struct run *run, uint64_t at)
{
	size_t lo = run->lo, hi = run->hi;
	int64_t sum = run->shift;

	if (p->facts.mixed) {
		for (; lo < hi; lo++) {
			struct spot s;

			get_spot(p, lo, &s);
			if ((uint64_t)((int64_t)s.offset + sum) > at)
				break;
			sum += growth(p, s.unit);
		}
		return lo - run->lo;
	}
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (out_start(p, run, mid) <= at)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo - run->lo;
}

static void run_segment(const struct patch *p, const struct run *run, uint64_t at,
			struct segment *ret)
{
	size_t n = spots_until(p, run, at), next = run->lo + n;
	uint64_t limit = next < run->hi ? out_start(p, run, next) : run->end;
	uint64_t start, within;
	struct spot s;

	ret->kind = SEGMENT_FILE;
	ret->len = limit - at;
	if (n == 0) {
		ret->offset = (uint64_t)((int64_t)at - run->shift);
		return;
	}
	get_spot(p, next - 1, &s);
	start = out_start(p, run, next - 1);
	within = at - start;
	if (within < p->prefix->unit_len[s.unit]) {
		ret->kind = SEGMENT_BYTES;
		ret->bytes = p->prefix->units[s.unit] + within;
		ret->len = p->prefix->unit_len[s.unit] - within;
		return;
	}
	ret->offset = s.offset + p->old_len[s.unit] + within - p->prefix->unit_len[s.unit];
}

/* The first spot whose C string ends behind `end` (or at it, with `at_it`). */
static size_t string_bound(const struct patch *p, uint64_t end, bool at_it)
{
	size_t lo = p->first, hi = p->en.spot_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		struct spot s;

		get_spot(p, mid, &s);
		if (s.end < end || (s.end == end && !at_it))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Binary: outside of C strings with spots nothing moves. */
static void binary_segment(const struct patch *p, uint64_t at, struct segment *ret)
{
	/* The first spot behind `at`: the one before it is the candidate. */
	size_t next = spot_at_or_after(p->m, &p->en, at + 1);
	struct run run = {};
	struct spot s;

	*ret = (struct segment){ .kind = SEGMENT_FILE, .offset = at, .len = p->facts.size - at };
	if (next < p->en.spot_count) {
		get_spot(p, next, &s);
		ret->len = s.offset - at;
	}
	if (next == 0)
		return;
	get_spot(p, next - 1, &s);
	if (at >= s.end)
		return;
	run.lo = string_bound(p, s.end, true);
	run.hi = string_bound(p, s.end, false);
	run.end = (uint64_t)((int64_t)s.end + grown_before(p, &run, run.hi));
	if (at < run.end) {
		run_segment(p, &run, at, ret);
		return;
	}
	ret->kind = SEGMENT_ZERO;
	ret->len = s.end - at;
}

void patch_segment(const struct patch *p, uint64_t at, struct segment *ret)
{
	struct run run = {
		.lo = p->first,
		.hi = p->en.spot_count,
		.shift = (int64_t)p->head.len - (int64_t)p->head_from,
		.end = p->facts.size,
	};

	assert(at < p->facts.size);
	*ret = (struct segment){};
	if (at < p->head.len)
		*ret = (struct segment){
			.kind = SEGMENT_BYTES,
			.bytes = (const uint8_t *)p->head.bytes + at,
			.len = p->head.len - at,
		};
	else if (p->en.flags & ENTRY_BINARY)
		binary_segment(p, at, ret);
	else
		run_segment(p, &run, at, ret);
	assert(ret->len > 0);
}
