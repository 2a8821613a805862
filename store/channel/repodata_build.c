/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/repodata_build.h"

#include "base/auto.h"
#include "base/limits.h"
#include "base/sys.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int repodata_build_init(struct repodata_build *b, struct err *e)
{
	uint32_t empty;
	int r;

	*b = (struct repodata_build){ 0 };
	intern_init(&b->strings, UINT32_MAX);
	intern_init(&b->removed, REPODATA_BYTES_MAX);
	r = repodata_build_string(b, "", 0, &empty, e);
	assert(r < 0 || empty == 0);
	return r;
}

void repodata_build_done(struct repodata_build *b)
{
	intern_done(&b->strings);
	intern_done(&b->removed);
	free(b->text_of_string);
	free(b->texts);
	free(b->lists);
	free(b->records);
	*b = (struct repodata_build){ 0 };
}

int repodata_build_string(struct repodata_build *b, const char *text, size_t len, uint32_t *ret,
			  struct err *e)
{
	uint32_t id;
	int r = intern_put(&b->strings, text, len, &id, e);

	if (r < 0)
		return r;
	*ret = (uint32_t)b->strings.offsets[id];
	return 0;
}

int repodata_build_text(struct repodata_build *b, const char *text, size_t len, struct err *e)
{
	uint32_t id;
	int r = intern_put(&b->strings, text, len, &id, e);

	if (r == 0)
		r = GROW(b->text_of_string, b->text_of_string_cap, (size_t)id + 1, UINT32_MAX, e);
	if (r == 0)
		r = GROW(b->lists, b->lists_cap, b->list_count + 1, UINT32_MAX, e);
	if (r < 0)
		return r;
	if (b->text_of_string[id] == 0) {
		r = GROW(b->texts, b->texts_cap, b->text_count + 1, UINT32_MAX - 1, e);
		if (r < 0)
			return r;
		b->texts[b->text_count++] = (uint32_t)b->strings.offsets[id];
		b->text_of_string[id] = (uint32_t)b->text_count;
	}
	b->lists[b->list_count++] = b->text_of_string[id] - 1;
	return 0;
}

int repodata_build_add(struct repodata_build *b, const struct rdfile_record *rec, struct err *e)
{
	int r = GROW(b->records, b->records_cap, b->record_count + 1, REPODATA_RECORDS_MAX, e);

	if (r < 0)
		return err_wrap(e, r, "records");
	b->records[b->record_count++] = *rec;
	return 0;
}

static const char *text_at(const struct repodata_build *b, uint32_t offset)
{
	return b->strings.bytes + offset;
}

static int by_name_and_fn(const void *left, const void *right, void *ctx)
{
	const struct rdfile_record *l = left, *r = right;
	const struct repodata_build *b = ctx;
	int order = l->name == r->name ? 0 : strcmp(text_at(b, l->name), text_at(b, r->name));

	if (order == 0 && l->fn != r->fn)
		order = strcmp(text_at(b, l->fn), text_at(b, r->fn));
	/* Twice the same file name: any order will do that is always the same. */
	return order ? order : memcmp(l, r, sizeof(*l));
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* Whether records[first, first + count), which are sorted by file name, hold the .conda
 * of this .tar.bz2. */
static bool has_conda_twin(const struct repodata_build *b, size_t first, size_t count,
			   const char *fn)
{
	char twin[NAME_BYTES_MAX + 1];
	size_t stem = strlen(fn) - strlen(".tar.bz2");

	assert(stem + sizeof(".conda") <= sizeof(twin));
	memcpy(twin, fn, stem);
	memcpy(twin + stem, ".conda", sizeof(".conda"));
	while (count > 0) {
		size_t half = count / 2;
		int order = strcmp(twin, text_at(b, b->records[first + half].fn));

		if (order == 0)
			return true;
		if (order > 0) {
			first += half + 1;
			count -= half + 1;
		} else {
			count = half;
		}
	}
	return false;
}

static bool is_shown(const struct repodata_build *b, size_t first, size_t count, size_t i)
{
	const char *fn = text_at(b, b->records[i].fn);

	if (b->removed.count > 0 && intern_find(&b->removed, fn, strlen(fn)) != MAP_NONE)
		return false;
	if (ends_with(fn, ".conda"))
		return !b->use_only_tar_bz2;
	return b->use_only_tar_bz2 || !has_conda_twin(b, first, count, fn);
}

/* Sorts, drops the later of records with the same file name, and moves those that are not
 * shown behind the others, both parts in order. */
static int arrange(struct repodata_build *b, size_t *ret_shown, struct err *e)
{
	size_t kept = 0, shown = 0, hidden = 0;
	struct rdfile_record *aside = NULL;
	size_t aside_cap = 0;
	int r = 0;

	if (b->record_count > 0)
		qsort_r(b->records, b->record_count, sizeof(*b->records), by_name_and_fn, b);
	for (size_t i = 0; i < b->record_count; i++)
		if (kept == 0 || b->records[i].fn != b->records[kept - 1].fn)
			b->records[kept++] = b->records[i];
	b->record_count = kept;
	/* Decided before anything moves, as the search for a twin needs the order. */
	for (size_t first = 0, next; first < kept; first = next) {
		for (next = first; next < kept && b->records[next].name == b->records[first].name;)
			next++;
		for (size_t i = first; i < next; i++)
			if (!is_shown(b, first, next - first, i))
				b->records[i].flags |= RDFILE_HIDDEN;
	}
	for (size_t i = 0; i < kept && r == 0; i++) {
		if (!(b->records[i].flags & RDFILE_HIDDEN)) {
			b->records[shown++] = b->records[i];
			continue;
		}
		r = GROW(aside, aside_cap, hidden + 1, kept, e);
		if (r == 0)
			aside[hidden++] = b->records[i];
	}
	if (r == 0 && hidden > 0)
		memcpy(b->records + shown, aside, hidden * sizeof(*aside));
	free(aside);
	*ret_shown = shown;
	return r;
}

/* The table of names of the records that are shown; the last one ends the one before. */
static int make_names(const struct repodata_build *b, size_t shown, struct rdfile_name **ret,
		      size_t *ret_count, struct err *e)
{
	size_t count = 0;
	struct rdfile_name *names;

	for (size_t i = 0; i < shown; i++)
		count += i == 0 || b->records[i].name != b->records[i - 1].name;
	names = calloc(count + 1, sizeof(*names));
	if (!names)
		return err_nomem(e);
	*ret = names;
	*ret_count = count;
	for (size_t i = 0; i < shown; i++)
		if (i == 0 || b->records[i].name != b->records[i - 1].name)
			*names++ = (struct rdfile_name){ b->records[i].name, (uint32_t)i };
	*names = (struct rdfile_name){ 0, (uint32_t)shown };
	return 0;
}

uint32_t rdfile_key(const void *hash)
{
	uint32_t key;

	memcpy(&key, hash, sizeof(key));
	return key;
}

static int by_key(const void *left, const void *right)
{
	const struct rdfile_lookup *l = left, *r = right;

	if (l->key != r->key)
		return l->key < r->key ? -1 : 1;
	return l->record < r->record ? -1 : l->record > r->record;
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

static int make_lookup(const struct repodata_build *b, enum rdfile_section_id kind,
		       struct rdfile_lookup **ret, size_t *ret_count, struct err *e)
{
	struct rdfile_lookup *list = calloc(b->record_count + 1, sizeof(*list));
	size_t count = 0;

	if (!list)
		return err_nomem(e);
	for (size_t i = 0; i < b->record_count; i++) {
		const struct rdfile_record *rec = &b->records[i];
		const char *fn = text_at(b, rec->fn);
		uint64_t hash = kind == RDFILE_BY_FN ? xxh64(fn, strlen(fn)) : 0;
		const void *from = kind == RDFILE_BY_SHA256 ? (const void *)rec->sha256
				   : kind == RDFILE_BY_MD5  ? (const void *)rec->md5
							    : (const void *)&hash;

		if (kind == RDFILE_BY_SHA256 && all_zero(rec->sha256, sizeof(rec->sha256)))
			continue;
		if (kind == RDFILE_BY_MD5 && all_zero(rec->md5, sizeof(rec->md5)))
			continue;
		list[count++] = (struct rdfile_lookup){ rdfile_key(from), (uint32_t)i };
	}
	qsort(list, count, sizeof(*list), by_key);
	*ret = list;
	*ret_count = count;
	return 0;
}

/* What goes into each section. */
struct parts {
	const void *bytes[RDFILE_SECTIONS];
	size_t len[RDFILE_SECTIONS];
	struct rdfile_name *names;	  /* owned */
	struct rdfile_lookup *lookups[3]; /* owned */
};

static void parts_done(struct parts *p)
{
	free(p->names);
	for (size_t i = 0; i < 3; i++)
		free(p->lookups[i]);
}

static void part(struct parts *p, enum rdfile_section_id id, const void *bytes, size_t len)
{
	p->bytes[id] = bytes;
	p->len[id] = len;
}

static int make_parts(const struct repodata_build *b, size_t shown, struct parts *p,
		      size_t *ret_names, struct err *e)
{
	size_t count;
	int r = make_names(b, shown, &p->names, ret_names, e);

	if (r < 0)
		return r;
	part(p, RDFILE_STRINGS, b->strings.bytes, b->strings.len);
	part(p, RDFILE_TEXTS, b->texts, b->text_count * sizeof(*b->texts));
	part(p, RDFILE_LISTS, b->lists, b->list_count * sizeof(*b->lists));
	part(p, RDFILE_NAMES, p->names, (*ret_names + 1) * sizeof(*p->names));
	part(p, RDFILE_RECORDS, b->records, b->record_count * sizeof(*b->records));
	for (enum rdfile_section_id id = RDFILE_BY_SHA256; id <= RDFILE_BY_FN; id++) {
		struct rdfile_lookup **list = &p->lookups[id - RDFILE_BY_SHA256];

		r = make_lookup(b, id, list, &count, e);
		if (r < 0)
			return r;
		part(p, id, *list, count * sizeof(**list));
	}
	return 0;
}

static int write_parts(int fd, struct rdfile_header *h, const struct parts *p, struct err *e)
{
	static const char zero[RDFILE_ALIGN];
	uint64_t at = sizeof(*h);
	int r;

	for (size_t i = 0; i < RDFILE_SECTIONS; i++) {
		h->sections[i] =
			(struct rdfile_section){ at, p->len[i],
						 xxh64(p->bytes[i] ? p->bytes[i] : "", p->len[i]) };
		at += (p->len[i] + RDFILE_ALIGN - 1) / RDFILE_ALIGN * RDFILE_ALIGN;
	}
	h->file_bytes = at;
	h->xxh = xxh64(h, offsetof(struct rdfile_header, xxh));
	r = sys_write(fd, h, sizeof(*h));
	for (size_t i = 0; i < RDFILE_SECTIONS && r == 0; i++) {
		size_t gap = (RDFILE_ALIGN - p->len[i] % RDFILE_ALIGN) % RDFILE_ALIGN;

		r = sys_write(fd, p->bytes[i], p->len[i]);
		if (r == 0)
			r = sys_write(fd, zero, gap);
	}
	return r < 0 ? err_set(e, r, "write of the index: %s", strerror(-r)) : 0;
}

int repodata_build_write(struct repodata_build *b, int fd, struct err *e)
{
	AUTO(parts_done) struct parts p = { 0 };
	size_t shown, names;
	int r = arrange(b, &shown, e);

	if (r == 0)
		r = make_parts(b, shown, &p, &names, e);
	if (r < 0)
		return r;
	struct rdfile_header h = {
		.magic = RDFILE_MAGIC,
		.version = RDFILE_VERSION,
		.header_bytes = sizeof(h),
		.records = (uint32_t)b->record_count,
		.shown = (uint32_t)shown,
		.names = (uint32_t)names,
		.texts = (uint32_t)b->text_count,
		.skipped = b->skipped,
		.skipped_why = b->skipped_why,
		.channel_url = b->channel_url,
		.subdir = b->subdir,
		.base_url = b->base_url,
	};
	return write_parts(fd, &h, &p, e);
}
