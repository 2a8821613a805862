/* SPDX-License-Identifier: Apache-2.0 */
#include "gc/verify.h"

#include "base/le.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/sys.h"
#include "env/env.h"
#include "env/generation.h"
#include "gc/audit.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *audit_name(const char *kind, uint64_t number, char room[48])
{
	(void)snprintf(room, 48, "%s %llu", kind, (unsigned long long)number);
	return room;
}

PRINTF(4, 0)
static int tell(struct audit *a, enum finding_level level, const char *what, const char *fmt,
		va_list ap)
{
	char text[ERR_TEXT_BYTES];
	struct finding f = { .level = level, .what = what, .text = text };

	(void)vsnprintf(text, sizeof(text), fmt, ap);
	if (level == FINDING_FAULT)
		a->result->faults++;
	else
		a->result->notes++;
	return a->o->finding ? a->o->finding(a->o->ctx, &f) : 0;
}

int audit_fault(struct audit *a, const char *what, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = tell(a, FINDING_FAULT, what, fmt, ap);
	va_end(ap);
	return r;
}

int audit_note(struct audit *a, const char *what, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = tell(a, FINDING_NOTE, what, fmt, ap);
	va_end(ap);
	return r;
}

int audit_open_failed(struct audit *a, const char *what, int r, struct err *e)
{
	switch (r) {
	case -ENOMEM:
	case -EMFILE:
	case -ENFILE:
	case -EINTR:
		return r; /* says nothing about the store */
	default:
		return audit_fault(a, what, "%s", e->text);
	}
}

int pairings_add(struct pairings *p, uint64_t number, uint64_t with, uint64_t where, struct err *e)
{
	int r = GROW(p->all, p->cap, p->count + 1, STORE_PAIRINGS_MAX, e);

	if (r == 0)
		p->all[p->count++] = (struct pairing){ number, with, where };
	return r;
}

static int by_pairing(const void *left, const void *right)
{
	const struct pairing *a = left, *b = right;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return (a->with > b->with) - (a->with < b->with);
}

void pairings_sort(struct pairings *p)
{
	if (p->count > 0)
		qsort(p->all, p->count, sizeof(*p->all), by_pairing);
}

static void audit_done(struct audit *a)
{
	a->index = index_free(a->index);
	numbers_done(&a->gens);
	numbers_done(&a->manifests);
	numbers_done(&a->packs);
	hashes_done(&a->objects);
	hashes_done(&a->digests);
	hashes_done(&a->loaded);
	hashes_done(&a->used);
	hashes_done(&a->wanted);
	hashes_done(&a->index_objects);
	free(a->packages.all);
	free(a->places.all);
	free(a->slots.all);
	free(a->index_artifacts.all);
}

/* Where an environment points, and how each generation came to be. */
struct heads {
	struct env_list envs;
	uint64_t *current; /* owned; 0: its pointer does not hold */
};

static void heads_done(struct heads *h)
{
	env_list_done(&h->envs);
	free(h->current);
}

static int read_heads(struct audit *a, struct heads *h, struct err *e)
{
	int r = env_list(a->st, &h->envs, e);

	if (r < 0)
		return r;
	h->current = calloc(h->envs.count + 1, sizeof(*h->current));
	if (!h->current)
		return err_nomem(e);
	for (size_t i = 0; r == 0 && i < h->envs.count; i++) {
		char what[ENV_NAME_BYTES_MAX + 32];
		int got = env_current(a->st, h->envs.names[i], &h->current[i], e);

		(void)snprintf(what, sizeof(what), "environment '%s'", h->envs.names[i]);
		if (got < 0 && got != -ENOENT) /* removed just now */
			r = audit_open_failed(a, what, got, e);
	}
	a->result->environments = h->envs.count;
	return r;
}

static int strangers(struct audit *a, const char *folder, const struct numbers *n)
{
	if (n->strangers == 0)
		return 0;
	return audit_note(a, folder, "holds %zu names that are not envfs', '%s' for one",
			  n->strangers, n->stranger);
}

static int read_names(struct audit *a, struct err *e)
{
	struct {
		const char *folder;
		int dir;
		struct numbers *to;
	} parts[] = {
		{ "manifests", a->st->manifests, &a->manifests },
		{ "packs", a->st->packs, &a->packs },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(parts); i++) {
		r = numbers_load(parts[i].to, parts[i].dir, e);
		if (r == 0)
			r = strangers(a, parts[i].folder, parts[i].to);
	}
	return r;
}

static uint64_t place_hash(uint64_t package, const char *env)
{
	uint8_t parts[16];

	le64_put(parts, package);
	le64_put(parts + 8, xxh64(env, strlen(env)));
	return xxh64(parts, sizeof(parts));
}

static int audit_generation(struct audit *a, const struct generation *g, struct err *e)
{
	uint64_t number = generation_number(g);
	int r = pairings_add(&a->slots, generation_slot_base(g), (uint64_t)generation_count(g) + 1,
			     number, e);

	for (uint32_t i = 0; r == 0 && i < generation_count(g); i++) {
		struct gen_package p;

		generation_package(g, i, &p);
		r = pairings_add(&a->packages, p.package, xxh64(&p.sha256, sizeof(p.sha256)),
				 number, e);
		if (r == 0)
			r = pairings_add(&a->places, p.place,
					 place_hash(p.package, generation_env(g)), number, e);
		if (r == 0)
			r = hashes_add(&a->wanted, p.package, e);
		r = r > 0 ? 0 : r;
	}
	return r;
}

/* Opens all; ret_parent[i] is the parent of a->gens.all[i]. */
static int audit_generations(struct audit *a, uint64_t *ret_parent, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->gens.count; i++) {
		AUTO(generation_freep) struct generation *g = NULL;
		int got = generation_open(&g, a->st, a->gens.all[i], e);

		if (got < 0) {
			r = got == -ENOENT
				    ? 0
				    : audit_open_failed(a, AUDIT_NAME("generation", a->gens.all[i]),
							got, e);
			continue;
		}
		a->result->generations++;
		ret_parent[i] = generation_parent(g);
		r = audit_generation(a, g, e);
	}
	return r;
}

static size_t find_number(const struct numbers *n, uint64_t number)
{
	size_t low = 0, high = n->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (n->all[mid] < number)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n->count && n->all[low] == number ? low : SIZE_MAX;
}

/* Marks what an environment leads to, back through its history. */
static void mark_history(const struct audit *a, const uint64_t *parents, bool *marks,
			 uint64_t number)
{
	for (;;) {
		size_t i = find_number(&a->gens, number);

		if (i == SIZE_MAX || marks[i])
			return;
		marks[i] = true;
		number = parents[i];
	}
}

static int audit_heads(struct audit *a, const struct heads *h, const uint64_t *parents,
		       struct err *e)
{
	AUTO_MEM bool *marks = calloc(a->gens.count + 1, sizeof(*marks));
	size_t unreached = 0;
	int r = 0;

	if (!marks)
		return err_nomem(e);
	for (size_t i = 0; r == 0 && i < h->envs.count; i++) {
		char what[ENV_NAME_BYTES_MAX + 32];

		if (h->current[i] == 0)
			continue;
		(void)snprintf(what, sizeof(what), "environment '%s'", h->envs.names[i]);
		if (find_number(&a->gens, h->current[i]) == SIZE_MAX)
			r = audit_fault(a, what, "its generation %llu is missing",
					(unsigned long long)h->current[i]);
		mark_history(a, parents, marks, h->current[i]);
	}
	for (size_t i = 0; i < a->gens.count; i++)
		unreached += !marks[i];
	if (r == 0 && unreached > 0)
		r = audit_note(a, "generations", "%zu belong to no environment any more",
			       unreached);
	return r;
}

/* One number, one thing. */
static int check_pairings(struct audit *a, struct pairings *p, const char *kind, const char *text)
{
	int r = 0;

	pairings_sort(p);
	for (size_t i = 1; r == 0 && i < p->count; i++) {
		const struct pairing *left = &p->all[i - 1], *right = &p->all[i];

		if (left->number == right->number && left->with != right->with)
			r = audit_fault(a, AUDIT_NAME(kind, left->number), "%s (see %llu and %llu)",
					text, (unsigned long long)left->where,
					(unsigned long long)right->where);
	}
	return r;
}

/* Two generations whose directory scopes overlap would give one number twice. */
static int check_slots(struct audit *a)
{
	struct pairings *p = &a->slots;
	int r = 0;

	pairings_sort(p);
	for (size_t i = 1; r == 0 && i < p->count; i++) {
		const struct pairing *left = &p->all[i - 1], *right = &p->all[i];

		if (right->number - left->number < left->with)
			r = audit_fault(a, AUDIT_NAME("generation", right->where),
					"shares node numbers with generation %llu",
					(unsigned long long)left->where);
	}
	return r;
}

static int audit_all(struct audit *a, struct err *e)
{
	AUTO(heads_done) struct heads heads = { 0 };
	AUTO_MEM uint64_t *parents = NULL;
	int r = read_heads(a, &heads, e);

	/* What is written last is read first, so that nothing seems to be missing which came
	 * while we looked. Only the index's numbers are older than the files they name. */
	if (r == 0)
		r = numbers_load(&a->gens, a->st->gens, e);
	if (r == 0)
		r = strangers(a, "gens", &a->gens);
	if (r == 0)
		r = audit_index_objects(a, e);
	if (r == 0)
		r = read_names(a, e);
	if (r == 0)
		r = audit_index_numbers(a, e);
	if (r < 0)
		return r;
	parents = calloc(a->gens.count + 1, sizeof(*parents));
	if (!parents)
		return err_nomem(e);
	r = audit_generations(a, parents, e);
	if (r == 0)
		r = audit_heads(a, &heads, parents, e);
	if (r == 0)
		r = audit_packs(a, e);
	if (r == 0)
		r = audit_manifests(a, e);
	if (r == 0)
		r = check_pairings(a, &a->packages, "package",
				   "stands for two different artifacts");
	if (r == 0)
		r = check_pairings(a, &a->places, "place",
				   "stands for two different packages or environments");
	if (r == 0)
		r = check_slots(a);
	if (r == 0)
		r = audit_index_compare(a);
	return r < 0 ? r : audit_channels(a, e);
}

int verify_store(struct store *st, const struct verify_options *o, struct verify_result *ret,
		 struct err *e)
{
	AUTO(audit_done) struct audit a = { .st = st, .o = o, .result = ret };
	struct err own = { 0 };
	int r;

	*ret = (struct verify_result){ 0 };
	r = audit_all(&a, &own);
	if (r < 0 && e)
		*e = own;
	return r;
}
