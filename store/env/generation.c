/* SPDX-License-Identifier: Apache-2.0 */
#include "env/generation.h"

#include "base/limits.h"
#include "base/path.h"
#include "base/sys.h"
#include "env/format.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct generation {
	_Atomic uint32_t refs;
	const void *map; /* owned */
	size_t map_len;
	const struct gen_header *head; /* into map */
	const struct gen_row *rows;
	const char *texts;
	size_t texts_len;
};

uint64_t gen_checksum(const void *bytes, uint64_t len)
{
	const size_t at = offsetof(struct gen_header, checksum);
	uint64_t parts[2] = { xxh64(bytes, at), xxh64((const char *)bytes + at + 8, len - at - 8) };

	return xxh64(parts, sizeof(parts));
}

static int check_texts(const struct generation *g, const uint32_t *offsets, size_t count,
		       struct err *e)
{
	for (size_t i = 0; i < count; i++)
		if (le32toh(offsets[i]) >= g->texts_len)
			return err_set(e, -EBADMSG, "a text offset lies outside the file");
	return 0;
}

static const char *text(const struct generation *g, uint32_t offset)
{
	return g->texts + le32toh(offset);
}

/* What becomes part of a path in conda-meta/ is one clean part. */
static int check_row(const struct generation *g, uint32_t i, struct err *e)
{
	static const enum pkg_text parts[] = { PKG_NAME, PKG_VERSION, PKG_BUILD, PKG_SUBDIR,
					       PKG_FN };
	const struct gen_row *row = &g->rows[i];
	int r = check_texts(g, row->texts, PKG_TEXTS, e);

	for (size_t k = 0; r == 0 && k < ARRAY_LEN(parts); k++) {
		const char *part = text(g, row->texts[parts[k]]);

		r = path_check_name(part, strlen(part), e);
	}
	if (r == 0 && (row->package == 0 || row->place == 0))
		r = err_set(e, -EBADMSG, "it has no number");
	return r < 0 ? err_wrap(e, -EBADMSG, "package %u", i) : 0;
}

static int check_header(struct generation *g, uint64_t number, struct err *e)
{
	const struct gen_header *h = g->map;
	uint64_t count, rows_end;

	if (g->map_len < sizeof(*h) + 1 || memcmp(h->magic, GEN_MAGIC, 8) != 0)
		return err_set(e, -EBADMSG, "not a generation file");
	if (le32toh(h->version) != GEN_VERSION)
		return err_set(e, -EPROTO, "has version %u, this envfs reads %d: use a newer envfs",
			       le32toh(h->version), GEN_VERSION);
	count = le32toh(h->count);
	rows_end = sizeof(*h) + count * sizeof(struct gen_row);
	if (count > LOCK_PACKAGES_MAX || le64toh(h->file_bytes) != g->map_len ||
	    rows_end >= g->map_len)
		return err_set(e, -EBADMSG, "is cut or has a wrong size");
	if (gen_checksum(g->map, g->map_len) != le64toh(h->checksum))
		return err_set(e, -EBADMSG, "its checksum does not hold");
	if (le64toh(h->number) != number)
		return err_set(e, -EBADMSG, "says it is %" PRIu64, le64toh(h->number));
	g->head = h;
	g->rows = (const struct gen_row *)(h + 1);
	g->texts = (const char *)g->map + rows_end;
	g->texts_len = g->map_len - rows_end;
	if (g->texts[0] != '\0' || g->texts[g->texts_len - 1] != '\0')
		return err_set(e, -EBADMSG, "its texts do not end");
	return check_texts(g, h->texts, GEN_TEXTS, e);
}

static int load(struct generation *g, struct store *st, uint64_t number, struct err *e)
{
	char name[24];
	int r;

	(void)snprintf(name, sizeof(name), "%" PRIu64, number);
	AUTO_FD fd = sys_open_beneath(st->gens, name, O_RDONLY);
	if (fd < 0)
		return err_set(e, fd, "%s", strerror(-fd));
	r = sys_map(fd, &g->map, &g->map_len);
	if (r < 0)
		return err_set(e, r, "%s", strerror(-r));
	if (g->map_len > GENERATION_BYTES_MAX)
		return err_set(e, -EFBIG, "%zu bytes are more than the %llu allowed", g->map_len,
			       GENERATION_BYTES_MAX);
	r = check_header(g, number, e);
	for (uint32_t i = 0; r == 0 && i < generation_count(g); i++)
		r = check_row(g, i, e);
	return r;
}

int generation_open(struct generation **ret, struct store *st, uint64_t number, struct err *e)
{
	AUTO(generation_freep) struct generation *g = calloc(1, sizeof(*g));
	int r;

	if (!g)
		return err_nomem(e);
	atomic_init(&g->refs, 1);
	r = load(g, st, number, e);
	if (r < 0)
		return err_wrap(e, r, "generation %" PRIu64, number);
	*ret = TAKE_PTR(g);
	return 0;
}

struct generation *generation_ref(struct generation *g)
{
	atomic_fetch_add(&g->refs, 1);
	return g;
}

struct generation *generation_free(struct generation *g)
{
	if (!g || atomic_fetch_sub(&g->refs, 1) != 1)
		return NULL;
	sys_unmap(g->map, g->map_len);
	free(g);
	return NULL;
}

uint64_t generation_number(const struct generation *g)
{
	return le64toh(g->head->number);
}

const char *generation_env(const struct generation *g)
{
	return text(g, g->head->texts[GEN_ENV]);
}

uint64_t generation_parent(const struct generation *g)
{
	return le64toh(g->head->parent);
}

int64_t generation_created_ms(const struct generation *g)
{
	return (int64_t)le64toh(g->head->created_ms);
}

const char *generation_platform(const struct generation *g)
{
	return text(g, g->head->texts[GEN_PLATFORM]);
}

const char *generation_request_json(const struct generation *g)
{
	return text(g, g->head->texts[GEN_REQUEST]);
}

uint64_t generation_slot_base(const struct generation *g)
{
	return le64toh(g->head->slot_base);
}

uint32_t generation_count(const struct generation *g)
{
	return le32toh(g->head->count);
}

uint64_t generation_counter(const struct generation *g, enum index_counter which)
{
	assert(which < COUNTERS);
	return le64toh(g->head->counters[which]);
}

void generation_package(const struct generation *g, uint32_t i, struct gen_package *ret)
{
	const struct gen_row *row;

	assert(i < generation_count(g));
	row = &g->rows[i];
	*ret = (struct gen_package){
		.package = le64toh(row->package),
		.place = le64toh(row->place),
		.size = le64toh(row->size),
		.name = text(g, row->texts[PKG_NAME]),
		.version = text(g, row->texts[PKG_VERSION]),
		.build = text(g, row->texts[PKG_BUILD]),
		.subdir = text(g, row->texts[PKG_SUBDIR]),
		.fn = text(g, row->texts[PKG_FN]),
		.url = text(g, row->texts[PKG_URL]),
		.channel_url = text(g, row->texts[PKG_CHANNEL]),
		.record_json = text(g, row->texts[PKG_RECORD]),
		.requested = text(g, row->texts[PKG_REQUESTED]),
	};
	memcpy(ret->sha256.bytes, row->sha256, DIGEST_BYTES);
	memcpy(ret->md5.bytes, row->md5, MD5_BYTES);
}

struct each {
	int (*fn)(void *ctx, uint64_t number);
	void *ctx;
};

static int each_name(void *ctx, const char *name, unsigned char type)
{
	const struct each *each = ctx;
	char again[24], *end;
	uint64_t number = strtoull(name, &end, 10);

	(void)type;
	(void)snprintf(again, sizeof(again), "%" PRIu64, number);
	if (*end || strcmp(again, name) != 0)
		return 0; /* not one of ours: verify reports it */
	return each->fn(each->ctx, number);
}

int generation_each(struct store *st, int (*fn)(void *ctx, uint64_t number), void *ctx,
		    struct err *e)
{
	struct each each = { fn, ctx };
	int r = sys_each_name(st->gens, each_name, &each);

	if (r < 0 && e && !e->code)
		return err_set(e, r, "store '%s': list of generations: %s", st->path, strerror(-r));
	return r;
}
