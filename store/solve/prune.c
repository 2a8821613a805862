/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/prune.h"

#include <string.h>

/* A required name's needs are followed while their sets are smaller than this. */
#define UNION_MEMBERS_MAX 200000
/* Rounds of following required names, when not thorough. */
#define REQUIRED_ROUNDS_MAX 4

struct pruner {
	struct universe *u;
	bool *dirty; /* [name_count]: lost candidates since its specs were counted */
	const struct reach_how *how;
	uint32_t *mark;	   /* [cand_count] */
	uint32_t *seen;	   /* [name_count]: how many candidates of a required name need it */
	uint32_t *spec_of; /* [name_count]: the last candidate that was counted there, + 1 */
	size_t dirty_cap, mark_cap, seen_cap, spec_of_cap;
	uint32_t stamp;
	bool changed, more; /* more: candidates or names came, there is more to load */
};

static void pruner_done(struct pruner *p)
{
	free(p->dirty);
	free(p->mark);
	free(p->seen);
	free(p->spec_of);
}

static int pruner_grow(struct pruner *p, struct err *e)
{
	size_t names = p->u->name_count, cands = p->u->cand_count + 1;
	int r = GROW(p->dirty, p->dirty_cap, names, UINT32_MAX, e);

	if (r == 0)
		r = GROW(p->mark, p->mark_cap, cands, UINT32_MAX, e);
	if (r == 0)
		r = GROW(p->seen, p->seen_cap, names, UINT32_MAX, e);
	if (r == 0)
		r = GROW(p->spec_of, p->spec_of_cap, names, UINT32_MAX, e);
	return r;
}

static void drop(struct pruner *p, struct cand *c, enum drop reason, uint32_t why)
{
	c->drop = (uint8_t)reason;
	c->why = why;
	p->dirty[c->name] = true;
	p->changed = true;
}

static bool in_set(const struct universe *u, const struct uspec *s, uint32_t cand)
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

/* What was asked for, held against the candidates of a name that was just loaded. */
static void apply_demands(struct pruner *p, uint32_t name)
{
	struct universe *u = p->u;
	const struct uname *n = &u->names[name];

	for (uint32_t i = n->first; i < n->first + n->count; i++)
		for (uint32_t d = 0; d < u->demand_count; d++) {
			const struct demand *dm = &u->demands[d];
			const struct uspec *s = &u->specs[dm->spec];

			if (dm->soft || u->cands[i].drop != DROP_NO || s->name != name)
				continue;
			if (in_set(u, s, i) == (dm->kind == DEMAND_REMOVE))
				drop(p, &u->cands[i],
				     u->cands[i].hidden ? DROP_HIDDEN : DROP_DEMAND, d);
		}
	for (uint32_t i = n->first; i < n->first + n->count; i++) {
		bool admitted = !u->cands[i].hidden;

		for (uint32_t s = n->specs; s != NONE && !admitted; s = u->spec_next[s])
			admitted = u->specs[s].names_channel;
		if (!admitted && u->cands[i].drop == DROP_NO)
			drop(p, &u->cands[i], DROP_HIDDEN, NONE);
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
			drop(p, c, DROP_NEED, u->ids[i]);
			return;
		}
	}
	for (uint32_t i = c->limits; i < c->limits + c->limit_count; i++) {
		const struct uspec *s = &u->specs[u->ids[i]];

		if (s->ready && s->live == 0 && s->name != NONE && is_there(u, s->name)) {
			drop(p, c, DROP_LIMIT, u->ids[i]);
			return;
		}
	}
}

/* Until nothing depends on what is not there. */
static void settle(struct pruner *p)
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
			drop(p, &u->cands[i], limits ? DROP_LIMITED : DROP_UNWANTED, name);
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

static void follow_all(struct pruner *p, bool thorough)
{
	struct universe *u = p->u;

	for (int round = 0; thorough || round < REQUIRED_ROUNDS_MAX; round++) {
		p->changed = false;
		for (uint32_t n = 0; n < u->name_count; n++) {
			if (!u->names[n].required || !u->names[n].loaded || u->names[n].is_virtual)
				continue;
			follow_required(p, n, false);
			follow_required(p, n, true);
		}
		if (!p->changed)
			return;
		settle(p);
		if (prune_empty_name(u) != NONE)
			return;
	}
}

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

/* All that the demands leave of a name; in a narrow round only what is there anyway. */
static int activate_name(struct pruner *p, uint32_t name, struct err *e)
{
	struct universe *u = p->u;
	uint32_t first = u->names[name].first, count = u->names[name].count;
	int r = 0;

	for (uint32_t c = first; c < first + count && r == 0 && !is_large(p); c++)
		if (u->cands[c].drop == DROP_NO &&
		    (!p->how->keep || u->cands[c].from >= FROM_VIRTUAL))
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
	apply_demands(p, name);
	return activate_name(p, name, e);
}

static int load_pattern(struct pruner *p, uint32_t spec, struct err *e)
{
	int r = universe_pattern(p->u, spec, e);

	if (r == 0)
		r = pruner_grow(p, e);
	for (uint32_t n = 0; n < p->u->name_count && r == 0; n++)
		if (p->u->names[n].loaded) {
			apply_demands(p, n);
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

/* A narrow round: the first survivors of a set take part. Candidates are in about the
 * order of preference, so these are its best. */
static int activate_best(struct pruner *p, uint32_t spec, struct err *e)
{
	struct universe *u = p->u;
	const struct uspec *s = &u->specs[spec];
	uint32_t first = s->set, count = s->ready ? s->set_count : 0, kept = 0;
	int r = 0;

	for (uint32_t m = first; m < first + count && kept < p->how->keep && r == 0; m++) {
		const struct cand *c = &u->cands[u->members[m]];

		if (c->drop != DROP_NO)
			continue;
		kept++;
		if (!c->active)
			r = activate(p, u->members[m], e);
	}
	return r;
}

static int activate_more(struct pruner *p, struct err *e)
{
	struct universe *u = p->u;
	int r = 0;

	for (uint32_t d = 0; d < u->demand_count && r == 0; d++)
		if (u->demands[d].kind == DEMAND_JOB)
			r = activate_best(p, u->demands[d].spec, e);
	for (uint32_t c = 0; c < u->cand_count && r == 0; c++)
		for (uint32_t k = 0;
		     u->cands[c].drop == DROP_NO && r == 0 && k < u->cands[c].need_count; k++)
			r = activate_best(p, u->ids[u->cands[c].needs + k], e);
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

static void leave_out(struct pruner *p, bool *ret_left_out)
{
	struct universe *u = p->u;

	*ret_left_out = false;
	for (uint32_t c = 0; c < u->cand_count; c++)
		if (u->cands[c].drop == DROP_NO && !u->cands[c].active) {
			drop(p, &u->cands[c], DROP_NARROW, NONE);
			*ret_left_out = true;
		}
}

int reach(struct universe *u, const struct reach_how *how, bool *ret_left_out, struct err *e)
{
	__attribute__((cleanup(pruner_done))) struct pruner p = { .u = u, .how = how };
	int r;

	*ret_left_out = p.more = true;
	r = load_roots(&p, e);
	for (uint32_t depth = 1; p.more && r == 0 && !is_large(&p); depth++) {
		settle(&p);
		if (depth <= 3 && !how->keep)
			follow_all(&p, how->thorough);
		p.more = false;
		if (how->keep)
			r = activate_more(&p, e);
		uint32_t cands = (uint32_t)u->cand_count;
		for (uint32_t c = 0; c < cands && r == 0 && !is_large(&p); c++)
			if (u->cands[c].active && !u->cands[c].expanded &&
			    u->cands[c].drop == DROP_NO)
				r = expand(&p, c, depth, e);
	}
	if (r < 0 || is_large(&p))
		return r;
	r = ready_limits(u, e);
	if (r < 0)
		return r;
	leave_out(&p, ret_left_out);
	settle(&p);
	follow_all(&p, how->thorough);
	return 0;
}

bool reach_was_large(const struct universe *u, const struct reach_how *how)
{
	return how->active_max && u->active_count > how->active_max;
}

uint32_t prune_empty_name(const struct universe *u)
{
	for (uint32_t n = 0; n < u->name_count; n++)
		if (u->names[n].required && u->names[n].loaded && !live_count(u, &u->names[n]))
			return n;
	return NONE;
}
