/* SPDX-License-Identifier: Apache-2.0 */
#include "env/generation.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/path.h"
#include "base/sys.h"
#include "base/url.h"
#include "env/format.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void auto_intern(struct intern *in)
{
	intern_done(in);
}

static int check_names(const struct generation_spec *spec, struct err *e)
{
	AUTO(auto_intern) struct intern names;

	intern_init(&names, LOCK_PACKAGES_MAX * (PACKAGE_NAME_MAX + 1ULL));
	if (spec->count > LOCK_PACKAGES_MAX)
		return err_set(e, -EFBIG, "%u packages, more than %d", spec->count,
			       LOCK_PACKAGES_MAX);
	for (uint32_t i = 0; i < spec->count; i++) {
		const struct gen_package *p = &spec->packages[i];
		const char *const parts[] = { p->name, p->version, p->build, p->subdir, p->fn };
		uint32_t id;
		int r = 0;

		for (size_t k = 0; r == 0 && k < ARRAY_LEN(parts); k++)
			r = path_check_name(parts[k], strlen(parts[k]), e);
		if (r == 0 && digest_is_zero(&p->sha256))
			r = err_set(e, -EINVAL, "its SHA-256 is not known");
		if (r == 0 && url_has_credentials(p->url))
			r = err_set(e, -EINVAL, "its URL holds credentials");
		if (r < 0)
			return err_wrap(e, r, "package '%s'", p->name);
		r = intern_put(&names, p->name, strlen(p->name), &id, e);
		if (r < 0)
			return r;
		if (id != i)
			return err_set(e, -EEXIST, "package '%s' stands in it twice: '%s' and '%s'",
				       p->name, spec->packages[id].fn, p->fn);
	}
	return 0;
}

static uint64_t parent_place(const struct generation *parent, uint64_t package)
{
	for (uint32_t i = 0; parent && i < generation_count(parent); i++) {
		struct gen_package p;

		generation_package(parent, i, &p);
		if (p.package == package)
			return p.place;
	}
	return 0;
}

/* Package numbers, places, slots and the generation's own number. */
static int take_numbers(struct index *ix, struct generation_spec *spec,
			const struct generation *parent, struct gen_header *h, struct err *e)
{
	uint64_t number, slot;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < spec->count; i++) {
		struct gen_package *p = &spec->packages[i];
		struct index_artifact a = { .sha256 = p->sha256, .md5 = p->md5, .size = p->size };

		r = index_artifact_number(ix, &a, e);
		p->package = a.package;
		p->place = r == 0 ? parent_place(parent, p->package) : 0;
		if (r == 0 && p->place == 0)
			r = index_take(ix, COUNTER_PLACE, 1, &p->place, e);
	}
	if (r == 0)
		r = index_take(ix, COUNTER_SLOT, spec->count + 1, &slot, e);
	if (r == 0)
		r = index_take(ix, COUNTER_GENERATION, 1, &number, e);
	for (int c = 0; r == 0 && c < COUNTERS; c++) {
		uint64_t next;

		r = index_peek(ix, (enum index_counter)c, &next, e);
		h->counters[c] = htole64(next);
	}
	if (r < 0)
		return r;
	h->number = htole64(number);
	h->slot_base = htole64(slot);
	return 0;
}

static uint32_t put_text(struct buf *texts, const char *text)
{
	size_t at = texts->len;

	if (!text || !text[0])
		return 0;
	buf_add(texts, text, strlen(text) + 1);
	return htole32((uint32_t)at);
}

static void put_row(struct buf *out, struct buf *texts, const struct gen_package *p)
{
	struct gen_row row = {
		.package = htole64(p->package),
		.place = htole64(p->place),
		.size = htole64(p->size),
		.texts = {
			[PKG_NAME] = put_text(texts, p->name),
			[PKG_VERSION] = put_text(texts, p->version),
			[PKG_BUILD] = put_text(texts, p->build),
			[PKG_SUBDIR] = put_text(texts, p->subdir),
			[PKG_FN] = put_text(texts, p->fn),
			[PKG_URL] = put_text(texts, p->url),
			[PKG_CHANNEL] = put_text(texts, p->channel_url),
			[PKG_RECORD] = put_text(texts, p->record_json),
			[PKG_REQUESTED] = put_text(texts, p->requested),
		},
	};

	memcpy(row.sha256, p->sha256.bytes, DIGEST_BYTES);
	memcpy(row.md5, p->md5.bytes, MD5_BYTES);
	buf_add(out, &row, sizeof(row));
}

static int put_file(struct store *st, const struct generation_spec *spec, struct gen_header *h,
		    struct err *e)
{
	AUTO_BUF out = BUF(GENERATION_BYTES_MAX);
	AUTO_BUF texts = BUF(GENERATION_BYTES_MAX);
	char name[24];
	int r;

	buf_addc(&texts, '\0');
	memcpy(h->magic, GEN_MAGIC, sizeof(h->magic));
	h->version = htole32(GEN_VERSION);
	h->count = htole32(spec->count);
	h->parent = htole64(spec->parent);
	h->created_ms = htole64((uint64_t)sys_wall_ms());
	h->texts[GEN_ENV] = put_text(&texts, spec->env);
	h->texts[GEN_PLATFORM] = put_text(&texts, spec->platform);
	h->texts[GEN_REQUEST] = put_text(&texts, spec->request_json);
	buf_add(&out, h, sizeof(*h));
	for (uint32_t i = 0; i < spec->count; i++)
		put_row(&out, &texts, &spec->packages[i]);
	r = buf_end(&texts, e);
	if (r < 0)
		return r;
	buf_add(&out, texts.bytes, texts.len);
	r = buf_end(&out, e);
	if (r < 0)
		return r;
	h->file_bytes = htole64(out.len);
	memcpy(out.bytes, h, sizeof(*h));
	h->checksum = htole64(gen_checksum(out.bytes, out.len));
	memcpy(out.bytes, h, sizeof(*h));
	(void)snprintf(name, sizeof(name), "%" PRIu64, le64toh(h->number));
	return sys_publish(st->tmp, st->gens, name, out.bytes, out.len, 0444, e);
}

int generation_write(struct store *st, struct index *ix, struct generation_spec *spec,
		     uint64_t *ret_number, struct err *e)
{
	AUTO(generation_freep) struct generation *parent = NULL;
	struct gen_header h = { 0 };
	int r = check_names(spec, e), ended;

	if (r == 0 && spec->parent)
		r = generation_open(&parent, st, spec->parent, e);
	if (r < 0)
		return r;
	/* The numbers are given away before the file is there: a crash in between
	 * leaves a gap, never one number for two generations. */
	r = index_begin(ix, e);
	if (r < 0)
		return r;
	r = take_numbers(ix, spec, parent, &h, e);
	ended = index_end(ix, r == 0, r == 0 ? e : NULL);
	if (r == 0)
		r = ended;
	if (r == 0)
		r = put_file(st, spec, &h, e);
	if (r < 0)
		return err_wrap(e, r, "new generation of '%s'", spec->env);
	*ret_number = le64toh(h.number);
	return 0;
}
