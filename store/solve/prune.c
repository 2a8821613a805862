/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/pruner.h"

#include <string.h>

/* A required name's needs are followed while their sets are smaller than this. */
#define UNION_MEMBERS_MAX 200000
/* Rounds of following required names, when not thorough. */
#define REQUIRED_ROUNDS_MAX 4

void pruner_done(struct pruner *p)
{
	free(p->dirty);
	free(p->mark);
	free(p->seen);
	free(p->spec_of);
	free(p->dives);
	free(p->chosen);
}

int pruner_grow(struct pruner *p, struct err *e)
{
	size_t names = p->u->name_count, cands = p->u->cand_count + 1;
	int r = GROW(p->dirty, p->dirty_cap, names, UINT32_MAX, e);

	if (r == 0)
		r = GROW(p->mark, p->mark_cap, cands, UINT32_MAX, e);
	if (r == 0)
		r = GROW(p->seen, p->seen_cap, names, UINT32_MAX, e);
	if (r == 0)
		r = GROW(p->spec_of, p->spec_of_cap, names, UINT32_MAX, e);
	if (r == 0)
		r = GROW(p->dives, p->dives_cap, names, UINT32_MAX, e);
	if (r == 0)
		r = GROW(p->chosen, p->chosen_cap, names, UINT32_MAX, e);
	return r;
}

void pruner_drop(struct pruner *p, struct cand *c, enum drop reason, uint32_t why)
{
	c->drop = (uint8_t)reason;
	c->why = why;
	p->dirty[c->name] = true;
	p->changed = true;
}

bool pruner_in_set(const struct universe *u, const struct uspec *s, uint32_t cand)
{
	uint32_t lo = s->set, hi = s->set + s->set_count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (u->members[mid] < cand)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < s->set + s->set_count && u->members[lo] == cand;
}

void pruner_demands(struct pruner *p, uint32_t name)
{
	struct universe *u = p->u;
	const struct uname *n = &u->names[name];

	for (uint32_t i = n->first; i < n->first + n->count; i++)
		for (uint32_t d = 0; d < u->demand_count; d++) {
			const struct demand *dm = &u->demands[d];
			const struct uspec *s = &u->specs[dm->spec];

			if (dm->soft || u->cands[i].drop != DROP_NO || s->name != name)
				continue;
			if (pruner_in_set(u, s, i) == (dm->kind == DEMAND_REMOVE))
				pruner_drop(p, &u->cands[i],
					    u->cands[i].hidden ? DROP_HIDDEN : DROP_DEMAND, d);
		}
	for (uint32_t i = n->first; i < n->first + n->count; i++) {
		bool admitted = !u->cands[i].hidden;

		for (uint32_t s = n->specs; s != NONE && !admitted; s = u->spec_next[s])
			admitted = u->specs[s].names_channel;
		if (!admitted && u->cands[i].drop == DROP_NO)
			pruner_drop(p, &u->cands[i], DROP_HIDDEN, NONE);
	}
}

static void recount(struct pruner *p)
{
	struct universe *u = p->u;

	for (uint32_t n = 0; n < u->name_count; n++) {
		if (!p->dirty[n])
			continue;
		p->dirty[n] = false;
		for (uint32_t i = u->names[n].specs; i != NONE; i = u->spec_next[i]) {
			struct uspec *s = &u->specs[i];

			s->live = 0;
			for (uint32_t m = s->set; m < s->set + s->set_count; m++)
				s->live += u->cands[u->members[m]].drop == DROP_NO;
		}
	}
}

static bool is_there(const struct universe *u, uint32_t name)
{
	const struct uname *n = &u->names[name];

	return n->loaded && (n->required || (n->is_virtual && n->count));
}

static void check_cand(struct pruner *p, struct cand *c)
{
	const struct universe *u = p->u;

	for (uint32_t i = c->needs; i < c->needs + c->need_count; i++) {
		const struct uspec *s = &u->specs[u->ids[i]];

		if (s->ready && s->live == 0) {
			pruner_drop(p, c, DROP_NEED, u->ids[i]);
			return;
		}
	}
	for (uint32_t i = c->limits; i < c->limits + c->limit_count; i++) {
		const struct uspec *s = &u->specs[u->ids[i]];

		if (s->ready && s->live == 0 && s->name != NONE && is_there(u, s->name)) {
			pruner_drop(p, c, DROP_LIMIT, u->ids[i]);
			return;
		}
	}
}

void pruner_settle(struct pruner *p)
{
	struct universe *u = p->u;

	do {
		recount(p);
		p->changed = false;
		for (uint32_t i = 0; i < u->cand_count; i++)
			if (u->cands[i].drop == DROP_NO)
				check_cand(p, &u->cands[i]);
	} while (p->changed);
}

static uint32_t live_count(const struct universe *u, const struct uname *n)
{
	uint32_t live = 0;

	for (uint32_t i = n->first; i < n->first + n->count; i++)
		live += u->cands[i].drop == DROP_NO;
	return live;
}

/* Of a candidate's specs for one name, the one that admits least. */
static uint32_t tightest(const struct universe *u, const struct cand *c, bool limits, uint32_t name)
{
	uint32_t first = limits ? c->limits : c->needs;
	uint32_t count = limits ? c->limit_count : c->need_count, best = NONE;

	for (uint32_t i = first; i < first + count; i++) {
		const struct uspec *s = &u->specs[u->ids[i]];

		if (s->name == name && s->ready && (best == NONE || s->live < u->specs[best].live))
			best = u->ids[i];
	}
	return best;
}

/* Drops what no candidate of the required name admits of `other`. */
static void keep_union(struct pruner *p, uint32_t name, uint32_t other, bool limits)
{
	struct universe *u = p->u;
	const struct uname *n = &u->names[name], *o = &u->names[other];
	uint32_t stamp = ++p->stamp, last = NONE;
	uint64_t work = 0;

	for (uint32_t i = n->first; i < n->first + n->count; i++) {
		if (u->cands[i].drop != DROP_NO)
			continue;
		uint32_t spec = tightest(u, &u->cands[i], limits, other);
		if (spec == NONE)
			return;
		if (spec == last)
			continue;
		last = spec;
		const struct uspec *s = &u->specs[spec];
		work += s->set_count;
		if (work > UNION_MEMBERS_MAX || s->set_count == o->count)
			return;
		for (uint32_t m = s->set; m < s->set + s->set_count; m++)
			p->mark[u->members[m]] = stamp;
	}
	for (uint32_t i = o->first; i < o->first + o->count; i++)
		if (u->cands[i].drop == DROP_NO && p->mark[i] != stamp)
			pruner_drop(p, &u->cands[i], limits ? DROP_LIMITED : DROP_UNWANTED, name);
}

/* Counts for each name how many candidates of a required one ask for it. */
static void count_asked(struct pruner *p, const struct uname *n, bool limits)
{
	struct universe *u = p->u;

	for (uint32_t i = n->first; i < n->first + n->count; i++) {
		const struct cand *c = &u->cands[i];
		uint32_t first = limits ? c->limits : c->needs;
		uint32_t count = limits ? c->limit_count : c->need_count;

		if (c->drop != DROP_NO)
			continue;
		for (uint32_t k = first; k < first + count; k++) {
			uint32_t name = u->specs[u->ids[k]].name;

			if (name == NONE || p->spec_of[name] == i + 1)
				continue;
			p->spec_of[name] = i + 1;
			p->seen[name]++;
		}
	}
}

static void follow_required(struct pruner *p, uint32_t name, bool limits)
{
	struct universe *u = p->u;
	const struct uname *n = &u->names[name];
	uint32_t live = live_count(u, n), i = n->first;

	if (!live)
		return;
	memset(p->seen, 0, u->name_count * sizeof(*p->seen));
	memset(p->spec_of, 0, u->name_count * sizeof(*p->spec_of));
	count_asked(p, n, limits);
	while (u->cands[i].drop != DROP_NO)
		i++;
	const struct cand *c = &u->cands[i];
	uint32_t first = limits ? c->limits : c->needs;
	uint32_t count = limits ? c->limit_count : c->need_count;
	for (uint32_t k = first; k < first + count; k++) {
		uint32_t other = u->specs[u->ids[k]].name;

		if (other == NONE || other == name || p->seen[other] != live)
			continue;
		p->seen[other] = 0;
		if (!limits && !u->names[other].required) {
			u->names[other].required = true;
			u->names[other].required_by = name;
			p->changed = true;
		}
		if (u->names[other].loaded && !u->names[other].is_virtual)
			keep_union(p, name, other, limits);
	}
}

void pruner_follow(struct pruner *p)
{
	struct universe *u = p->u;

	for (int round = 0; p->how->thorough || round < REQUIRED_ROUNDS_MAX; round++) {
		p->changed = false;
		for (uint32_t n = 0; n < u->name_count; n++) {
			if (!u->names[n].required || !u->names[n].loaded || u->names[n].is_virtual)
				continue;
			follow_required(p, n, false);
			follow_required(p, n, true);
		}
		if (!p->changed)
			return;
		pruner_settle(p);
		if (prune_empty_name(u) != NONE)
			return;
	}
}

uint32_t prune_empty_name(const struct universe *u)
{
	for (uint32_t n = 0; n < u->name_count; n++)
		if (u->names[n].required && u->names[n].loaded && !live_count(u, &u->names[n]))
			return n;
	return NONE;
}
