/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/rank.h"

#include <string.h>

/* Ages of versions without track_features begin here. */
#define AGE_PLAIN (1U << 30)

struct ranking {
	struct universe *u;
	uint32_t *order;  /* [cand_count]: candidates of one name */
	uint32_t *age;	  /* [cand_count]: 1 for the oldest version, then up; features first */
	uint32_t *newest; /* [spec_count]: the highest age in the set; 0: nothing */
	uint32_t *names;  /* of dependencies that a group shares */
	size_t name_count, name_cap;
	uint32_t *table; /* [candidate of the group][name_count + 1] */
	size_t table_cap;
};

static void ranking_done(struct ranking *k)
{
	free(k->order);
	free(k->age);
	free(k->newest);
	free(k->names);
	free(k->table);
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int simple_cmp(const struct ranking *k, uint32_t x, uint32_t y)
{
	return cand_prefer(k->u, &k->u->cands[x], &k->u->cands[y]);
}

static uint32_t newest_of(struct ranking *k, uint32_t spec)
{
	const struct universe *u = k->u;
	const struct uspec *s = &u->specs[spec];

	if (k->newest[spec] == NONE) {
		k->newest[spec] = 0;
		for (uint32_t m = s->set; m < s->set + s->set_count; m++) {
			uint32_t c = u->members[m];

			if (u->cands[c].drop == DROP_NO && k->age[c] > k->newest[spec])
				k->newest[spec] = k->age[c];
		}
	}
	return k->newest[spec];
}

/* How new a dependency can be with this candidate; 0 when it has none of that name. */
static uint32_t reach_of(struct ranking *k, uint32_t cand, uint32_t name)
{
	const struct universe *u = k->u;
	const struct cand *c = &u->cands[cand];
	uint32_t least = NONE;

	for (uint32_t i = c->needs; i < c->needs + c->need_count; i++)
		if (u->specs[u->ids[i]].name == name && newest_of(k, u->ids[i]) < least)
			least = newest_of(k, u->ids[i]);
	return least == NONE ? 0 : least;
}

static int by_name(const void *a, const void *b, void *ctx)
{
	const struct universe *u = ctx;
	const char *x = name_text(u, *(const uint32_t *)a), *y = name_text(u, *(const uint32_t *)b);
	int python = (strcmp(y, "python") == 0) - (strcmp(x, "python") == 0);

	return python ? python : strcmp(x, y);
}

static int share_names(struct ranking *k, const uint32_t *group, uint32_t count, struct err *e)
{
	const struct universe *u = k->u;
	const struct cand *c = &u->cands[group[0]];

	k->name_count = 0;
	for (uint32_t i = c->needs; i < c->needs + c->need_count; i++) {
		uint32_t name = u->specs[u->ids[i]].name;
		bool shared = name != NONE && u->names[name].loaded && !u->names[name].is_virtual;

		for (size_t j = 0; j < k->name_count && shared; j++)
			shared = k->names[j] != name;
		for (uint32_t g = 1; g < count && shared; g++)
			shared = reach_of(k, group[g], name) > 0;
		if (!shared)
			continue;
		int r = GROW(k->names, k->name_cap, k->name_count + 1, UINT32_MAX, e);
		if (r < 0)
			return r;
		k->names[k->name_count++] = name;
	}
	if (k->name_count)
		qsort_r(k->names, k->name_count, sizeof(*k->names), by_name, (void *)u);
	return 0;
}

/* Build strings as versions, so that py310 is more than py39; else as texts. */
static int build_cmp(const char *a, const char *b)
{
	AUTO(version_freep) struct version *x = NULL, *y = NULL;

	if (version_parse(&x, a, strlen(a), NULL) == 0 &&
	    version_parse(&y, b, strlen(b), NULL) == 0 && version_cmp(x, y) != 0)
		return version_cmp(x, y);
	return strcmp(a, b);
}

struct group {
	struct ranking *k;
	const uint32_t *members; /* in the order of the table's rows */
};

static int by_all(const void *a, const void *b, void *ctx)
{
	const struct ranking *k = ((struct group *)ctx)->k;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	uint32_t x = ((struct group *)ctx)->members[i], y = ((struct group *)ctx)->members[j];
	const struct cand *p = &k->u->cands[x], *q = &k->u->cands[y];
	size_t columns = k->name_count + 1;
	int r = 0;

	for (size_t n = 0; n < columns && !r; n++)
		r = compare(k->table[j * columns + n], k->table[i * columns + n]);
	if (!r)
		r = compare(q->timestamp_ms, p->timestamp_ms);
	if (!r)
		r = build_cmp(q->build, p->build);
	if (!r)
		r = (q->from == FROM_INSTALLED) - (p->from == FROM_INSTALLED);
	return r ? r : compare(x, y);
}

/* How many dependencies need no track_features, then how new each can be. */
static void fill_row(struct ranking *k, uint32_t *row, uint32_t cand)
{
	row[0] = 0;
	for (size_t n = 0; n < k->name_count; n++) {
		row[n + 1] = reach_of(k, cand, k->names[n]);
		row[0] += row[n + 1] > AGE_PLAIN;
	}
}

/* Sorts candidates between which simple_cmp() sees no difference. */
static int sort_group(struct ranking *k, uint32_t *group, uint32_t count, struct err *e)
{
	AUTO_MEM uint32_t *rows = NULL, *members = NULL;
	int r;

	if (count < 2)
		return 0;
	r = share_names(k, group, count, e);
	if (r == 0)
		r = GROW(k->table, k->table_cap, (k->name_count + 1) * count, UINT32_MAX, e);
	if (r < 0)
		return r;
	rows = malloc(count * sizeof(*rows));
	members = malloc(count * sizeof(*members));
	if (!rows || !members)
		return err_nomem(e);
	memcpy(members, group, count * sizeof(*members));
	for (uint32_t i = 0; i < count; i++) {
		rows[i] = i;
		fill_row(k, k->table + i * (k->name_count + 1), group[i]);
	}
	struct group ctx = { k, members };
	qsort_r(rows, count, sizeof(*rows), by_all, &ctx);
	for (uint32_t i = 0; i < count; i++)
		group[i] = members[rows[i]];
	return 0;
}

/* Survivors of a name: universe_load() sorted them, but for what they need. */
static uint32_t live_of(struct ranking *k, const struct uname *n)
{
	uint32_t count = 0;

	for (uint32_t i = n->first; n->loaded && i < n->first + n->count; i++)
		if (k->u->cands[i].drop == DROP_NO)
			k->order[count++] = i;
	return count;
}

/* universe_load() has told the ages; here those without track_features are above. */
static void set_age(struct ranking *k, uint32_t cand)
{
	const struct cand *c = &k->u->cands[cand];

	k->age[cand] = 1 + c->age + (c->features ? 0 : AGE_PLAIN);
}

static int rank_name(struct ranking *k, const struct uname *n, struct err *e)
{
	uint32_t count = live_of(k, n), end;
	int r = 0;

	for (uint32_t i = 0; i < count && r == 0; i = end) {
		for (end = i + 1; end < count; end++)
			if (simple_cmp(k, k->order[i], k->order[end]) != 0)
				break;
		r = sort_group(k, k->order + i, end - i, e);
	}
	for (uint32_t i = 0; i < count; i++)
		k->u->cands[k->order[i]].rank = count - 1 - i;
	return r;
}

int rank_all(struct universe *u, struct err *e)
{
	__attribute__((cleanup(ranking_done))) struct ranking k = { .u = u };
	int r = 0;

	k.order = calloc(u->cand_count + 1, sizeof(*k.order));
	k.age = calloc(u->cand_count + 1, sizeof(*k.age));
	k.newest = malloc((u->spec_count + 1) * sizeof(*k.newest));
	if (!k.order || !k.age || !k.newest)
		return err_nomem(e);
	memset(k.newest, 0xff, (u->spec_count + 1) * sizeof(*k.newest));
	for (uint32_t c = 0; c < u->cand_count; c++)
		set_age(&k, c);
	for (uint32_t n = 0; n < u->name_count && r == 0; n++)
		r = rank_name(&k, &u->names[n], e);
	return r;
}
