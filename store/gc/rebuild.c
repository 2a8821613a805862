/* SPDX-License-Identifier: Apache-2.0 */
#include "gc/rebuild.h"

#include "base/store.h"
#include "env/generation.h"
#include "gc/names.h"
#include "manifest/manifest.h"
#include "object/pack.h"

#include <errno.h>

/* What cannot be used is left out; what cannot be done stops. */
static bool is_damage(int r)
{
	return r == -EBADMSG || r == -EPROTO || r == -EFBIG || r == -ENOENT || r == -ELOOP;
}

struct pack_ctx {
	struct index *ix;
	struct err *e;
};

static int put_object(void *ctx, const struct digest *digest, const struct extent *x,
		      const struct err *wrong)
{
	const struct pack_ctx *p = ctx;

	(void)wrong; /* not deep */
	return index_object_put(p->ix, digest,
				&(struct index_place){ x->pack, x->offset, x->stored, x->size },
				p->e);
}

static int add_packs(struct index *ix, struct store *st, struct err *e)
{
	AUTO(numbers_done) struct numbers packs = { 0 };
	struct pack_ctx ctx = { ix, e };
	int r = numbers_load(&packs, st->packs, e);

	/* Ascending, so that of two copies the older one counts. */
	for (size_t i = 0; r == 0 && i < packs.count; i++) {
		r = pack_check(st, packs.all[i], false, put_object, &ctx, e);
		if (is_damage(r))
			r = 0;
	}
	return r < 0 ? r : index_raise(ix, COUNTER_PACKAGE, numbers_last(&packs) + 1, e);
}

/* Two packages of one artifact are a fault that verify reports; the lower number stays. */
static int put_artifact(struct index *ix, const struct index_artifact *a, struct err *e)
{
	int r = index_artifact_put(ix, a, e);

	if (r == -EEXIST || r == -EINVAL)
		r = 0;
	return r < 0 ? r : index_raise(ix, COUNTER_PACKAGE, a->package + 1, e);
}

static int add_generation(struct index *ix, const struct generation *g, struct err *e)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < generation_count(g); i++) {
		struct gen_package p;

		generation_package(g, i, &p);
		if (p.package >= INT64_MAX || p.place >= INT64_MAX)
			continue;
		r = put_artifact(ix,
				 &(struct index_artifact){ .package = p.package,
							   .sha256 = p.sha256,
							   .md5 = p.md5,
							   .size = p.size },
				 e);
		if (r == 0)
			r = index_raise(ix, COUNTER_PLACE, p.place + 1, e);
	}
	for (int c = 0; r == 0 && c < COUNTERS; c++) {
		uint64_t next = generation_counter(g, (enum index_counter)c);

		if (next < INT64_MAX)
			r = index_raise(ix, (enum index_counter)c, next, e);
	}
	return r;
}

static int add_generations(struct index *ix, struct store *st, struct err *e)
{
	AUTO(numbers_done) struct numbers gens = { 0 };
	int r = numbers_load(&gens, st->gens, e);

	for (size_t i = 0; r == 0 && i < gens.count; i++) {
		AUTO(generation_freep) struct generation *g = NULL;

		r = generation_open(&g, st, gens.all[i], e);
		if (r == 0)
			r = add_generation(ix, g, e);
		else if (is_damage(r))
			r = 0;
	}
	return r < 0 ? r : index_raise(ix, COUNTER_GENERATION, numbers_last(&gens) + 1, e);
}

static int add_manifests(struct index *ix, struct store *st, struct err *e)
{
	AUTO(numbers_done) struct numbers manifests = { 0 };
	int r = numbers_load(&manifests, st->manifests, e);

	for (size_t i = 0; r == 0 && i < manifests.count; i++) {
		AUTO(manifest_freep) struct manifest *m = NULL;

		r = manifest_open(&m, st, manifests.all[i], e);
		if (r == 0)
			r = put_artifact(
				ix,
				&(struct index_artifact){ .package = manifests.all[i],
							  .sha256 = *manifest_artifact(m) },
				e);
		else if (is_damage(r))
			r = 0;
	}
	return r < 0 ? r : index_raise(ix, COUNTER_PACKAGE, numbers_last(&manifests) + 1, e);
}

int rebuild_index(struct index *ix, struct store *st, struct err *e)
{
	int r = add_packs(ix, st, e);

	if (r == 0)
		r = add_generations(ix, st, e);
	if (r == 0)
		r = add_manifests(ix, st, e);
	return r < 0 ? err_wrap(e, r, "rebuilding the index of store '%s'", st->path) : 0;
}
