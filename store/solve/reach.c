/* SPDX-License-Identifier: Apache-2.0 */
/* The part of prune that loads names and opens candidates, wave by wave. */
#include "solve/pruner.h"

#include <string.h>

/* Of each name so many are opened on a guess between two solves, when lazy. */
#define DIVES_MAX 3

static bool is_large(const struct pruner *p)
{
	return p->how->active_max && p->u->active_count > p->how->active_max;
}

static int activate(struct pruner *p, uint32_t cand, struct err *e)
{
	int r = universe_activate(p->u, cand, e);

	p->more = true;
	return r == 0 ? pruner_grow(p, e) : r;
}

/* All that the demands leave of a name; when lazy, only what is there anyway. */
static int activate_name(struct pruner *p, uint32_t name, struct err *e)
{
	struct universe *u = p->u;
	uint32_t first = u->names[name].first, count = u->names[name].count;
	int r = 0;

	for (uint32_t c = first; c < first + count && r == 0 && !is_large(p); c++)
		if (u->cands[c].drop == DROP_NO &&
		    (!p->how->lazy || u->cands[c].from >= FROM_VIRTUAL))
			r = activate(p, c, e);
	return r;
}

static int load_name(struct pruner *p, uint32_t name, uint32_t depth, struct err *e)
{
	int r;

	if (p->u->names[name].loaded)
		return 0;
	p->more = true;
	r = universe_load(p->u, name, depth, e);
	if (r == 0)
		r = pruner_grow(p, e);
	if (r < 0)
		return r;
	pruner_demands(p, name);
	return activate_name(p, name, e);
}

static int load_pattern(struct pruner *p, uint32_t spec, struct err *e)
{
	int r = universe_pattern(p->u, spec, e);

	if (r == 0)
		r = pruner_grow(p, e);
	for (uint32_t n = 0; n < p->u->name_count && r == 0; n++)
		if (p->u->names[n].loaded) {
			pruner_demands(p, n);
			r = activate_name(p, n, e);
		}
	return r;
}

static int load_roots(struct pruner *p, struct err *e)
{
	struct universe *u = p->u;
	uint32_t name;
	int r = 0;

	for (uint32_t d = 0; d < u->demand_count && r == 0; d++) {
		const struct demand *dm = &u->demands[d];
		uint32_t spec = dm->spec;

		if (dm->kind != DEMAND_JOB)
			continue;
		if (u->specs[spec].name == NONE)
			r = load_pattern(p, spec, e);
		else
			r = load_name(p, u->specs[spec].name, 0, e);
		if (r == 0 && u->specs[spec].name != NONE && !dm->soft) {
			u->names[u->specs[spec].name].required = true;
			u->names[u->specs[spec].name].required_by = u->specs[spec].name;
		}
	}
	for (size_t i = 0; i < u->rq->installed_count && r == 0; i++) {
		const char *text = u->rq->installed[i].name;

		r = universe_name(u, text, strlen(text), &name, e);
		if (r == 0)
			r = load_name(p, name, 1, e);
	}
	return r == 0 ? pruner_grow(p, e) : r;
}

/* What this machine has is there without being needed, so that limits hold for it. */
static int load_limited_virtuals(struct pruner *p, uint32_t cand, uint32_t depth, struct err *e)
{
	struct universe *u = p->u;
	int r = 0;

	for (uint32_t k = 0; k < u->cands[cand].limit_count && r == 0; k++) {
		uint32_t spec = u->ids[u->cands[cand].limits + k], name = u->specs[spec].name;

		if (name == NONE || strncmp(name_text(u, name), "__", 2) != 0)
			continue;
		r = load_name(p, name, depth, e);
		if (r == 0)
			r = universe_ready(u, spec, e);
	}
	return r;
}

/* Loads what a candidate needs. */
static int expand(struct pruner *p, uint32_t cand, uint32_t depth, struct err *e)
{
	struct universe *u = p->u;
	int r = 0;

	u->cands[cand].expanded = true;
	for (uint32_t k = 0; k < u->cands[cand].need_count && r == 0; k++) {
		uint32_t spec = u->ids[u->cands[cand].needs + k], name = u->specs[spec].name;

		if (name != NONE)
			r = load_name(p, name, depth, e);
		if (r == 0)
			r = universe_ready(u, spec, e);
	}
	return r == 0 ? load_limited_virtuals(p, cand, depth, e) : r;
}

/* Opens a candidate and those that only what they need can tell from it, so that ranks
 * are right: they stand beside it. */
static int activate_alike(struct pruner *p, uint32_t cand, uint32_t *ret_end, struct err *e)
{
	struct universe *u = p->u;
	const struct uname *n = &u->names[u->cands[cand].name];
	uint32_t c = cand, first = n->first, end = n->first + n->count;
	int r = 0;

	while (c > first && cand_prefer(u, &u->cands[c - 1], &u->cands[cand]) == 0)
		c--;
	for (; c < end && r == 0 && cand_prefer(u, &u->cands[c], &u->cands[cand]) == 0; c++)
		if (u->cands[c].drop == DROP_NO && !u->cands[c].active)
			r = activate(p, c, e);
	*ret_end = c;
	return r;
}

/* Opens the best of a set: candidates stand in about the order of preference. Of each
 * name only so many between two solves, and none when the last one that was opened will do. */
static int dive_set(struct pruner *p, uint32_t spec, struct err *e)
{
	struct universe *u = p->u;
	const struct uspec *s = &u->specs[spec];
	uint32_t first = s->set, count = s->ready ? s->set_count : 0, end;

	if (s->name != NONE && (p->dives[s->name] >= DIVES_MAX ||
				(p->dives[s->name] && pruner_in_set(u, s, p->chosen[s->name]))))
		return 0;
	for (uint32_t m = first; m < first + count; m++) {
		uint32_t c = u->members[m];

		if (u->cands[c].drop != DROP_NO)
			continue;
		if (s->name != NONE) {
			p->dives[s->name]++;
			p->chosen[s->name] = c;
		}
		return u->cands[c].active ? 0 : activate_alike(p, c, &end, e);
	}
	return 0;
}

/* A guess at what the answer will be, so that few candidates are picked unopened. */
static int dive(struct pruner *p, struct err *e)
{
	struct universe *u = p->u;
	uint32_t cands = (uint32_t)u->cand_count;
	int r = 0;

	for (uint32_t d = 0; d < u->demand_count && r == 0; d++)
		if (u->demands[d].kind == DEMAND_JOB)
			r = dive_set(p, u->demands[d].spec, e);
	for (uint32_t c = 0; c < cands && r == 0; c++) {
		if (!u->cands[c].expanded || u->cands[c].dived || u->cands[c].drop != DROP_NO)
			continue;
		u->cands[c].dived = true;
		for (uint32_t k = 0; r == 0 && k < u->cands[c].need_count; k++)
			r = dive_set(p, u->ids[u->cands[c].needs + k], e);
	}
	return r;
}

static int ready_limits(struct universe *u, struct err *e)
{
	int r = 0;

	for (uint32_t c = 0; c < u->cand_count && r == 0; c++)
		for (uint32_t k = 0; k < u->cands[c].limit_count && r == 0; k++)
			r = universe_ready(u, u->ids[u->cands[c].limits + k], e);
	return r;
}

static int load_waves(struct pruner *p, struct err *e)
{
	struct universe *u = p->u;
	int r = 0;

	p->more = true;
	for (uint32_t depth = 1 + u->waves; p->more && r == 0 && !is_large(p); depth++) {
		u->waves++;
		pruner_settle(p);
		if (depth <= 3 && !p->how->lazy)
			pruner_follow(p);
		p->more = false;
		if (p->how->lazy)
			r = dive(p, e);
		uint32_t cands = (uint32_t)u->cand_count;
		for (uint32_t c = 0; c < cands && r == 0 && !is_large(p); c++)
			if (u->cands[c].active && !u->cands[c].expanded &&
			    u->cands[c].drop == DROP_NO)
				r = expand(p, c, depth, e);
	}
	return r;
}

int reach(struct universe *u, const struct reach_how *how, struct err *e)
{
	AUTO(pruner_done) struct pruner p = { .u = u, .how = how };
	int r;

	r = pruner_grow(&p, e);
	for (uint32_t n = 0; n < u->name_count && r == 0; n++)
		p.dirty[n] = true; /* what came back is to be counted */
	if (r == 0 && !u->waves)
		r = load_roots(&p, e);
	if (r == 0)
		r = load_waves(&p, e);
	if (r < 0 || is_large(&p))
		return r;
	r = ready_limits(u, e);
	if (r < 0)
		return r;
	pruner_settle(&p);
	pruner_follow(&p);
	return 0;
}

/* The candidate and the next ones of its name, one more each time. */
static int open_next(struct pruner *p, uint32_t cand, struct err *e)
{
	struct universe *u = p->u;
	struct uname *n = &u->names[u->cands[cand].name];
	uint32_t end = n->first + n->count, many = ++n->opened;
	int r = 0;

	for (uint32_t c = cand; c < end && many && r == 0;) {
		if (u->cands[c].drop != DROP_NO || u->cands[c].active) {
			c++;
			continue;
		}
		many--;
		r = activate_alike(p, c, &c, e);
	}
	return r;
}

static void revive(struct universe *u)
{
	for (uint32_t c = 0; c < u->cand_count; c++)
		if (u->cands[c].drop == DROP_SAME || u->cands[c].drop == DROP_UNREACHED)
			u->cands[c].drop = DROP_NO;
}

int reach_open(struct universe *u, const bool *picked, bool *ret_all_open, struct err *e)
{
	AUTO(pruner_done) struct pruner p = { .u = u, .how = &(struct reach_how){ .lazy = true } };
	int r = 0;

	*ret_all_open = true;
	revive(u);
	for (uint32_t c = 0; c < u->cand_count && r == 0; c++) {
		if (!picked[c] || u->cands[c].active)
			continue;
		*ret_all_open = false;
		r = open_next(&p, c, e);
	}
	return r;
}

bool reach_was_large(const struct universe *u, const struct reach_how *how)
{
	return how->active_max && u->active_count > how->active_max;
}
