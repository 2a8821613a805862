/* SPDX-License-Identifier: Apache-2.0 */
/* The part of prune that drops what no answer misses. */
#include "solve/prune.h"

#include <string.h>

/* Sets that became the same can make more candidates the same; it ends soon. */
#define SAME_ROUNDS_MAX 6

struct reducer {
	struct universe *u;
	bool *used;	   /* [spec_count]: something that is left asks for it */
	bool *admitted;	   /* [cand_count] */
	uint64_t *look[2]; /* [cand_count]: all that could tell a candidate from another */
	struct map map;
	uint32_t dropped;
};

static void reducer_done(struct reducer *d)
{
	free(d->used);
	free(d->admitted);
	free(d->look[0]);
	free(d->look[1]);
	map_done(&d->map);
}

static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static bool alive(const struct universe *u, uint32_t cand)
{
	return u->cands[cand].drop == DROP_NO;
}

static void count_live(struct universe *u)
{
	for (size_t i = 0; i < u->spec_count; i++) {
		struct uspec *s = &u->specs[i];

		s->live = 0;
		for (uint32_t m = s->set; m < s->set + s->set_count; m++)
			s->live += alive(u, u->members[m]);
	}
}

/* Limits count only for names that can be there. */
static bool limit_matters(const struct universe *u, const struct uspec *s)
{
	return s->name != NONE && s->ready && u->names[s->name].loaded &&
	       !u->names[s->name].is_virtual;
}

static void mark_used(struct reducer *d)
{
	struct universe *u = d->u;

	memset(d->used, 0, u->spec_count * sizeof(*d->used));
	for (uint32_t c = 0; c < u->cand_count; c++) {
		if (!alive(u, c))
			continue;
		for (uint32_t k = 0; k < u->cands[c].need_count; k++)
			d->used[u->ids[u->cands[c].needs + k]] = true;
		for (uint32_t k = 0; k < u->cands[c].limit_count; k++) {
			uint32_t spec = u->ids[u->cands[c].limits + k];

			if (limit_matters(u, &u->specs[spec]))
				d->used[spec] = true;
		}
	}
	for (size_t i = 0; i < u->demand_count; i++)
		d->used[u->demands[i].spec] = true;
}

static void drop_unreached(struct reducer *d)
{
	struct universe *u = d->u;
	bool again;

	do {
		again = false;
		memset(d->admitted, 0, u->cand_count * sizeof(*d->admitted));
		for (uint32_t c = 0; c < u->cand_count; c++)
			for (uint32_t k = 0; alive(u, c) && k < u->cands[c].need_count; k++)
				d->used[u->ids[u->cands[c].needs + k]] = true;
		for (size_t i = 0; i < u->spec_count; i++) {
			const struct uspec *s = &u->specs[i];

			for (uint32_t m = s->set; d->used[i] && m < s->set + s->set_count; m++)
				d->admitted[u->members[m]] = true;
		}
		for (uint32_t c = 0; c < u->cand_count; c++) {
			if (!alive(u, c) || d->admitted[c] || u->cands[c].from == FROM_INSTALLED ||
			    u->cands[c].from == FROM_VIRTUAL)
				continue;
			u->cands[c].drop = DROP_UNREACHED;
			d->dropped++;
			again = true;
		}
		if (again)
			mark_used(d);
	} while (again);
}

static uint64_t set_hash(const struct universe *u, const struct uspec *s)
{
	uint64_t hash = s->name;

	for (uint32_t m = s->set; m < s->set + s->set_count; m++)
		if (alive(u, u->members[m]))
			hash = mix(hash ^ u->members[m]);
	return hash;
}

static bool same_set(const void *ctx, uint32_t value, const void *key)
{
	const struct universe *u = ctx;
	const struct uspec *a = &u->specs[value], *b = key;
	uint32_t i = a->set, j = b->set;

	if (a->live != b->live || a->name != b->name)
		return false;
	for (uint32_t n = 0; n < a->live; n++, i++, j++) {
		while (!alive(u, u->members[i]))
			i++;
		while (!alive(u, u->members[j]))
			j++;
		if (u->members[i] != u->members[j])
			return false;
	}
	return true;
}

/* Specs with the same survivors get the first of them as their canon. */
static int find_canons(struct reducer *d, struct err *e)
{
	struct universe *u = d->u;

	map_done(&d->map);
	for (uint32_t i = 0; i < u->spec_count; i++) {
		struct uspec *s = &u->specs[i];

		s->canon = i;
		if (!d->used[i])
			continue;
		uint64_t hash = set_hash(u, s);
		uint32_t first = map_get(&d->map, hash, same_set, u, s);
		if (first != MAP_NONE) {
			s->canon = first;
			continue;
		}
		int r = map_put(&d->map, hash, i, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static void look_add(struct reducer *d, uint32_t cand, uint64_t what)
{
	d->look[0][cand] += mix(what);
	d->look[1][cand] += mix(what ^ 0xa5a5a5a5a5a5a5a5);
}

enum { LOOK_NEED = 1, LOOK_LIMIT, LOOK_MEMBER };

/* Each different canon once; a set that is all of a name limits nothing. */
static void look_at(struct reducer *d, uint32_t cand, uint32_t first, uint32_t count, uint64_t kind)
{
	struct universe *u = d->u;

	for (uint32_t i = first; i < first + count; i++) {
		const struct uspec *s = &u->specs[u->ids[i]];
		bool again = false;

		if (s->name != NONE && u->names[s->name].is_virtual)
			continue;
		if (kind == LOOK_LIMIT && !limit_matters(u, s))
			continue;
		for (uint32_t j = first; j < i && !again; j++)
			again = u->specs[u->ids[j]].canon == s->canon;
		if (!again)
			look_add(d, cand, kind << 32 | s->canon);
	}
}

static void look_at_all(struct reducer *d)
{
	struct universe *u = d->u;

	memset(d->look[0], 0, u->cand_count * sizeof(**d->look));
	memset(d->look[1], 0, u->cand_count * sizeof(**d->look));
	for (uint32_t c = 0; c < u->cand_count; c++) {
		const struct cand *cand = &u->cands[c];

		if (!alive(u, c))
			continue;
		look_at(d, c, cand->needs, cand->need_count, LOOK_NEED);
		look_at(d, c, cand->limits, cand->limit_count, LOOK_LIMIT);
	}
	for (uint32_t i = 0; i < u->spec_count; i++) {
		const struct uspec *s = &u->specs[i];

		if (!d->used[i] || s->canon != i)
			continue;
		for (uint32_t m = s->set; m < s->set + s->set_count; m++)
			look_add(d, u->members[m], (uint64_t)LOOK_MEMBER << 32 | i);
	}
}

static int by_look(const void *a, const void *b, void *ctx)
{
	const struct reducer *d = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	for (int i = 0; i < 2; i++)
		if (d->look[i][x] != d->look[i][y])
			return d->look[i][x] < d->look[i][y] ? -1 : 1;
	return d->u->cands[x].rank > d->u->cands[y].rank ? -1 : 1;
}

static void drop_same(struct reducer *d, const struct uname *n, uint32_t *order)
{
	struct universe *u = d->u;
	uint32_t count = 0;

	for (uint32_t c = n->first; n->loaded && c < n->first + n->count; c++)
		if (alive(u, c))
			order[count++] = c;
	if (count < 2)
		return;
	qsort_r(order, count, sizeof(*order), by_look, d);
	for (uint32_t i = 1, best = 0; i < count; i++) {
		if (d->look[0][order[i]] != d->look[0][order[best]] ||
		    d->look[1][order[i]] != d->look[1][order[best]]) {
			best = i;
			continue;
		}
		u->cands[order[i]].drop = DROP_SAME;
		d->dropped++;
	}
}

static int reducer_open(struct reducer *d, struct err *e)
{
	const struct universe *u = d->u;

	d->used = calloc(u->spec_count + 1, sizeof(*d->used));
	d->admitted = calloc(u->cand_count + 1, sizeof(*d->admitted));
	d->look[0] = calloc(u->cand_count + 1, sizeof(**d->look));
	d->look[1] = calloc(u->cand_count + 1, sizeof(**d->look));
	if (!d->used || !d->admitted || !d->look[0] || !d->look[1])
		return err_nomem(e);
	return 0;
}

int prune_reduce(struct universe *u, struct err *e)
{
	__attribute__((cleanup(reducer_done))) struct reducer d = { .u = u };
	AUTO_MEM uint32_t *order = NULL;
	int r;

	r = reducer_open(&d, e);
	if (r < 0)
		return r;
	order = malloc((u->cand_count + 1) * sizeof(*order));
	if (!order)
		return err_nomem(e);
	for (int round = 0; round < SAME_ROUNDS_MAX; round++) {
		d.dropped = 0;
		mark_used(&d);
		drop_unreached(&d);
		count_live(u);
		r = find_canons(&d, e);
		if (r < 0)
			return r;
		look_at_all(&d);
		for (uint32_t n = 0; n < u->name_count; n++)
			drop_same(&d, &u->names[n], order);
		if (!d.dropped)
			return 0;
	}
	mark_used(&d);
	count_live(u);
	return find_canons(&d, e);
}
