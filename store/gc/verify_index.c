/* SPDX-License-Identifier: Apache-2.0 */
#include "gc/audit.h"

#include <errno.h>

struct index_run {
	struct audit *a;
	struct err *e;
};

static int take_object(void *ctx, const struct digest *digest, const struct index_place *p)
{
	const struct index_run *run = ctx;
	struct extent x = { p->pack, p->offset, p->stored, p->size };
	int r = hashes_add(&run->a->index_objects, object_hash(digest, &x), run->e);

	return r < 0 ? r : 0;
}

static int take_artifact(void *ctx, const struct index_artifact *artifact)
{
	const struct index_run *run = ctx;

	return pairings_add(&run->a->index_artifacts, artifact->package,
			    xxh64(&artifact->sha256, sizeof(artifact->sha256)), 0, run->e);
}

/* What could not be read is not compared with. */
static int read_failed(struct audit *a, int r, struct err *e)
{
	if (r == 0 || r == -ENOMEM)
		return r;
	a->index = index_free(a->index);
	/* SQLite has files beside a database that is only read. */
	if (r == -ENOSPC || r == -EDQUOT || r == -EROFS || r == -EACCES)
		return audit_note(a, "index", "was not looked at: %s", e->text);
	if (r == -EBADMSG)
		return audit_fault(a, "index", "%s; 'envfs verify --rebuild-index' makes it anew",
				   e->text);
	return r;
}

int audit_index_objects(struct audit *a, struct err *e)
{
	struct index_run run = { a, e };
	int r;

	if (a->st->read_only)
		return 0; /* an SQLite database in WAL mode cannot be read without writing */
	r = index_open(&a->index, a->st, NULL, e);
	if (r == -ENOENT)
		return audit_note(a, "index", "there is none; the next command makes it");
	if (r == 0)
		r = index_check(a->index, e);
	if (r == 0)
		r = index_each_object(a->index, take_object, &run, e);
	return read_failed(a, r, e);
}

int audit_index_numbers(struct audit *a, struct err *e)
{
	struct index_run run = { a, e };
	int r = 0;

	if (!a->index)
		return 0;
	r = index_each_artifact(a->index, take_artifact, &run, e);
	for (int c = 0; r == 0 && c < COUNTERS; c++)
		r = index_peek(a->index, (enum index_counter)c, &a->next[c], e);
	return read_failed(a, r, e);
}

static int compare_counters(struct audit *a)
{
	const struct {
		enum index_counter which;
		const char *kind;
		uint64_t last;
	} rows[] = {
		{ COUNTER_PACKAGE, "packs", numbers_last(&a->packs) },
		{ COUNTER_PACKAGE, "manifests", numbers_last(&a->manifests) },
		{ COUNTER_PACKAGE, "packages of generations",
		  a->packages.count ? a->packages.all[a->packages.count - 1].number : 0 },
		{ COUNTER_GENERATION, "generations", numbers_last(&a->gens) },
		{ COUNTER_PLACE, "places",
		  a->places.count ? a->places.all[a->places.count - 1].number : 0 },
		{ COUNTER_SLOT, "slots",
		  a->slots.count ? a->slots.all[a->slots.count - 1].number +
					   a->slots.all[a->slots.count - 1].with - 1
				 : 0 },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].last >= a->next[rows[i].which])
			r = audit_fault(a, "index",
					"would give number %llu, but %s go up to %llu already",
					(unsigned long long)a->next[rows[i].which], rows[i].kind,
					(unsigned long long)rows[i].last);
	return r;
}

/* Both are sorted by number. */
static int compare_artifacts(struct audit *a)
{
	struct pairings *in_index = &a->index_artifacts;
	size_t at = 0, unknown = 0;
	int r = 0;

	pairings_sort(in_index);
	for (size_t i = 0; r == 0 && i < a->packages.count; i++) {
		const struct pairing *p = &a->packages.all[i];

		while (at < in_index->count && in_index->all[at].number < p->number)
			at++;
		if (at == in_index->count || in_index->all[at].number != p->number)
			unknown++;
		else if (in_index->all[at].with != p->with)
			r = audit_fault(a, "index", "knows package %llu as another artifact",
					(unsigned long long)p->number);
	}
	if (r == 0 && unknown > 0)
		r = audit_fault(a, "index", "lacks the artifact of %zu packages", unknown);
	return r;
}

static int compare_objects(struct audit *a)
{
	size_t wrong = 0, missing;
	int r = 0;

	for (size_t i = 0; i < a->index_objects.cap; i++)
		if (a->index_objects.slots[i] &&
		    !hashes_has(&a->objects, a->index_objects.slots[i]))
			wrong++;
	if (wrong > 0)
		r = audit_fault(a, "index", "knows %zu objects in places where they are not",
				wrong);
	missing = a->digests.count - (a->index_objects.count - wrong);
	/* A process died between pack and index, or is about to write it. */
	if (r == 0 && wrong == 0 && missing > 0)
		r = audit_note(a, "index", "does not know %zu objects that are in packs", missing);
	return r;
}

int audit_index_compare(struct audit *a)
{
	int r;

	if (!a->index)
		return 0;
	r = compare_objects(a);
	if (r == 0)
		r = compare_artifacts(a);
	return r < 0 ? r : compare_counters(a);
}
