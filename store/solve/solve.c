/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/solve.h"

#include "solve/encode.h"
#include "solve/explain.h"
#include "solve/prune.h"
#include "solve/rank.h"
#include "solve/remove.h"
#include "solve/universe.h"

#include "base/limits.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Candidates are opened lazily when there are more than ACTIVE_MAX, until it is LAZY_MAX. */
#define ACTIVE_MAX 20000
#define LAZY_MAX   8000

struct solution *solution_free(struct solution *s)
{
	if (s)
		free(s->list);
	free(s);
	return NULL;
}

static int add_demand(struct universe *u, int kind, const char *spec, size_t job, bool soft,
		      struct err *e)
{
	uint32_t id;
	int r = universe_spec(u, spec, &id, e);

	if (r < 0)
		return r;
	if (!u->specs[id].valid)
		return err_set(e, -EINVAL, "'%.200s' is no MatchSpec", spec);
	r = GROW(u->demands, u->demand_cap, u->demand_count + 1, SPECS_MAX * 2, e);
	if (r < 0)
		return r;
	u->demands[u->demand_count].kind = kind;
	u->demands[u->demand_count].spec = id;
	u->demands[u->demand_count].job = (uint32_t)job;
	u->demands[u->demand_count++].soft = soft;
	return 0;
}

/* "3.11" of "3.11.2"; 0 when the version has no two parts. */
static size_t minor_len(const char *version)
{
	size_t major = strspn(version, "0123456789");

	if (!major || version[major] != '.')
		return 0;
	size_t minor = strspn(version + major + 1, "0123456789");
	return minor ? major + 1 + minor : 0;
}

static int demand_python(struct universe *u, struct err *e)
{
	const struct solve_request *rq = u->rq;
	char spec[VERSION_BYTES_MAX + 16];
	uint32_t id;
	int r;

	for (size_t i = 0; i < rq->job_count; i++) {
		r = universe_spec(u, rq->jobs[i].spec, &id, e);
		if (r < 0)
			return r;
		if (rq->jobs[i].kind != JOB_KEEP && u->specs[id].name != NONE &&
		    strcmp(name_text(u, u->specs[id].name), "python") == 0)
			return 0;
	}
	for (size_t i = 0; i < rq->installed_count; i++) {
		const char *version = rq->installed[i].version;
		size_t len = minor_len(version);

		if (strcmp(rq->installed[i].name, "python") != 0 || !len || len > VERSION_BYTES_MAX)
			continue;
		snprintf(spec, sizeof(spec), "python %.*s.*", (int)len, version);
		return add_demand(u, DEMAND_PYTHON, spec, 0, false, e);
	}
	return 0;
}

static int add_demands(struct universe *u, struct err *e)
{
	const struct solve_request *rq = u->rq;
	bool removes = false;
	int r = 0;

	for (size_t i = 0; i < rq->job_count; i++)
		removes = removes || rq->jobs[i].kind == JOB_REMOVE;
	for (size_t i = 0; i < rq->job_count && r == 0; i++) {
		const struct solve_job *job = &rq->jobs[i];

		r = add_demand(u, job->kind == JOB_REMOVE ? DEMAND_REMOVE : DEMAND_JOB, job->spec,
			       i, removes && job->kind == JOB_KEEP, e);
		if (r < 0 || job->kind != JOB_UPDATE)
			continue;
		uint32_t name = u->specs[u->demands[u->demand_count - 1].spec].name;
		if (name != NONE)
			u->names[name].favor_installed = false;
	}
	for (size_t i = 0; i < rq->pin_count && r == 0; i++)
		r = add_demand(u, DEMAND_PIN, rq->pins[i], 0, false, e);
	return r == 0 && rq->keep_python_minor ? demand_python(u, e) : r;
}

static int check_known(struct universe *u, struct buf *why, struct err *e)
{
	int r = 0, unknown = 0;

	for (size_t i = 0; i < u->demand_count && r == 0; i++) {
		const struct demand *d = &u->demands[i];
		const struct uspec *s = &u->specs[d->spec];
		uint32_t count = s->name == NONE ? s->set_count : u->names[s->name].count;

		if (d->kind != DEMAND_JOB || d->soft || count)
			continue;
		AUTO_BUF text = BUF(64 * KIB);
		r = explain_unknown(u, d->spec, &text, e);
		if (r == 0 && why)
			buf_add(why, text.bytes, text.len);
		if (r == 0 && !unknown++)
			err_set(e, -ENOENT, "%.*s", (int)strcspn(text.bytes, "\n"), text.bytes);
	}
	return r < 0 ? r : unknown ? -ENOENT : 0;
}

/* A universe that was reached; DEMANDs that nothing can meet are told by check_known(). */
static int open_reached(struct universe *u, const struct solve_request *rq,
			const struct reach_how *how, struct err *e)
{
	int r = universe_open(u, rq, e);

	if (r == 0)
		r = add_demands(u, e);
	return r == 0 ? reach(u, how, e) : r;
}

/* The whole story, from a universe of its own. */
static int explain(const struct solve_request *rq, struct buf *why, struct err *e)
{
	AUTO(universe_done) struct universe u = { 0 };
	AUTO(encoding_done) struct encoding c = { 0 };
	AUTO(sat_core_done) struct sat_core core = { 0 };
	AUTO_MEM bool *chosen = NULL;
	AUTO_BUF text = BUF(64 * KIB);
	uint32_t rules;
	int r;

	r = open_reached(&u, rq, &(struct reach_how){ .thorough = true }, e);
	if (r < 0)
		return r;
	uint32_t empty = prune_empty_name(&u);
	if (empty != NONE) {
		r = explain_empty(&u, empty, &text, e);
	} else {
		r = rank_all(&u, e);
		if (r == 0)
			r = prune_reduce(&u, e);
		if (r == 0)
			r = encode(&c, &u, e);
		chosen = calloc((size_t)c.p.cand_count + 1, sizeof(*chosen));
		if (r == 0 && !chosen)
			return err_nomem(e);
		if (r == 0)
			r = sat_solve(&c.p, chosen, &rules, &core, e);
		if (r > 0)
			return err_set(e, -EIO, "the solver contradicts itself");
		if (r == 0)
			r = explain_core(&u, &c, &core, &text, e);
	}
	if (r < 0)
		return r;
	if (why)
		buf_add(why, text.bytes, text.len);
	return err_set(e, -EDOM, "%.*s", (int)strcspn(text.bytes, "\n"), text.bytes);
}

static void count_stats(const struct universe *u, struct solution *s)
{
	uint32_t left = 0;

	s->stats.names = 0;
	for (size_t i = 0; i < u->name_count; i++)
		s->stats.names += u->names[i].loaded && u->names[i].count;
	for (size_t i = 0; i < u->cand_count; i++)
		left += u->cands[i].drop == DROP_NO;
	s->stats.candidates = (uint32_t)u->cand_count;
	s->stats.pruned = left;
}

/* What is left of the universe, solved: 1 and the choice, or 0. */
static int solve_reached(const struct universe *u, bool *picked, struct solution *s, struct err *e)
{
	AUTO(encoding_done) struct encoding c = { 0 };
	AUTO_MEM bool *chosen = NULL;
	int r;

	r = encode(&c, u, e);
	if (r < 0)
		return r;
	chosen = calloc((size_t)c.p.cand_count + 1, sizeof(*chosen));
	if (!chosen)
		return err_nomem(e);
	count_stats(u, s);
	r = sat_solve(&c.p, chosen, &s->stats.rules, NULL, e);
	if (r <= 0)
		return r;
	for (uint32_t i = 0; i < c.p.cand_count; i++)
		picked[c.cand_of[i]] = chosen[i];
	return 1;
}

/* Drops what neither a request nor a requirement of the rest needs. */
static int sweep(const struct universe *u, bool *picked, struct err *e)
{
	AUTO_MEM bool *needed = calloc(u->cand_count + 1, sizeof(*needed));
	AUTO_MEM bool *wanted = calloc(u->name_count + 1, sizeof(*wanted));
	bool changed = true;

	if (!needed || !wanted)
		return err_nomem(e);
	for (size_t d = 0; d < u->demand_count; d++) {
		const struct uspec *s = &u->specs[u->demands[d].spec];

		if (u->demands[d].kind != DEMAND_JOB)
			continue;
		for (uint32_t m = s->set; m < s->set + s->set_count; m++)
			needed[u->members[m]] = picked[u->members[m]];
	}
	for (size_t i = 0; i < u->cand_count; i++)
		if (u->cands[i].from == FROM_INSTALLED && !u->rq->prune)
			wanted[u->cands[i].name] = true;
	while (changed) {
		changed = false;
		for (size_t i = 0; i < u->cand_count; i++) {
			const struct cand *c = &u->cands[i];

			if (!picked[i] || (!needed[i] && !wanted[c->name]))
				continue;
			needed[i] = true;
			picked[i] = false; /* followed once; set again below */
			changed = true;
			for (uint32_t k = 0; k < c->need_count; k++) {
				uint32_t name = u->specs[u->ids[c->needs + k]].name;

				if (name != NONE)
					wanted[name] = true;
			}
			if (u->rq->add_pip && c->from == FROM_INSTALLED &&
			    strcmp(name_text(u, c->name), "python") == 0)
				for (size_t p = 0; p < u->name_count; p++)
					if (strcmp(name_text(u, (uint32_t)p), "pip") == 0)
						wanted[p] = true;
		}
	}
	memcpy(picked, needed, u->cand_count * sizeof(*picked));
	return 0;
}

/* What link_order() wants to know of a package, with memory for it. */
struct chosen {
	struct link_node *nodes; /* owned */
	const char **texts;	 /* owned: all depends */
	size_t count, text_count, text_cap;
};

static void chosen_done(struct chosen *c)
{
	free(c->nodes);
	free(c->texts);
}

static int chosen_depends(struct chosen *c, const struct solve_request *rq,
			  const struct solution *s, size_t i, struct err *e)
{
	const struct solved *p = &s->list[i];
	struct record rec;
	size_t count;
	int r;

	if (p->installed >= 0)
		count = rq->installed[p->installed].depend_count;
	else {
		repodata_record(rq->sources[p->source].repodata, p->record, &rec);
		count = rec.depend_count;
	}
	r = GROW(c->texts, c->text_cap, c->text_count + count, UINT32_MAX, e);
	if (r < 0)
		return r;
	for (size_t d = 0; d < count; d++)
		c->texts[c->text_count++] =
			p->installed >= 0
				? rq->installed[p->installed].depends[d]
				: repodata_text(rq->sources[p->source].repodata, rec.depends[d]);
	c->nodes[i].name = p->name;
	c->nodes[i].depend_count = count;
	return 0;
}

static int put_in_order(struct solution *s, const struct solve_request *rq, struct err *e)
{
	AUTO(chosen_done) struct chosen c = { 0 };
	AUTO_MEM uint32_t *order = calloc(s->count + 1, sizeof(*order));
	AUTO_MEM struct solved *list = calloc(s->count + 1, sizeof(*list));
	size_t text = 0;
	int r;

	c.nodes = calloc(s->count + 1, sizeof(*c.nodes));
	if (!order || !list || !c.nodes)
		return err_nomem(e);
	for (size_t i = 0; i < s->count; i++) {
		r = chosen_depends(&c, rq, s, i, e);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < s->count; i++) {
		c.nodes[i].depends = c.texts + text;
		text += c.nodes[i].depend_count;
	}
	r = link_order(c.nodes, s->count, order, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < s->count; i++)
		list[i] = s->list[order[i]];
	free(s->list);
	s->list = TAKE_PTR(list);
	return 0;
}

static int collect(struct solution *s, const struct universe *u, const bool *picked, struct err *e)
{
	s->list = calloc(u->cand_count + 1, sizeof(*s->list));
	if (!s->list)
		return err_nomem(e);
	for (size_t i = 0; i < u->cand_count; i++) {
		const struct cand *c = &u->cands[i];
		struct solved *p = &s->list[s->count];
		struct record rec;

		if (!picked[i] || c->from == FROM_VIRTUAL)
			continue;
		p->installed = -1;
		if (c->from == FROM_INSTALLED) {
			p->installed = c->record;
			p->name = u->rq->installed[c->record].name;
		} else {
			p->source = c->from;
			p->record = c->record;
			repodata_record(u->rq->sources[c->from].repodata, c->record, &rec);
			p->name = rec.name;
		}
		s->count++;
	}
	return put_in_order(s, u->rq, e);
}

static int solve_removal(struct solution *s, const struct solve_request *rq, struct err *e)
{
	AUTO_MEM bool *keep = calloc(rq->installed_count + 1, sizeof(*keep));
	int r;

	s->list = calloc(rq->installed_count + 1, sizeof(*s->list));
	if (!keep || !s->list)
		return err_nomem(e);
	r = remove_solve(rq, keep, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < rq->installed_count; i++)
		if (keep[i])
			s->list[s->count++] = (struct solved){ .installed = (int64_t)i,
							       .name = rq->installed[i].name };
	s->stats.candidates = s->stats.names = (uint32_t)rq->installed_count;
	s->stats.pruned = (uint32_t)s->count;
	return put_in_order(s, rq, e);
}

/* 1: solved, picked is filled. 0: no answer. */
static int solve_once(struct universe *u, bool **picked, struct solution *s, struct buf *why,
		      struct err *e)
{
	int r;

	s->stats.rounds++;
	r = check_known(u, why, e);
	if (r < 0 || prune_empty_name(u) != NONE)
		return r;
	r = rank_all(u, e);
	if (r == 0)
		r = prune_reduce(u, e);
	if (r < 0)
		return r;
	free(*picked);
	*picked = calloc(u->cand_count + 1, sizeof(**picked));
	return *picked ? solve_reached(u, *picked, s, e) : err_nomem(e);
}

/*
 * What an unopened candidate needs is taken to be nothing. So no answer means that there
 * is none, and an answer of opened candidates is one, as good as if all were open. When
 * that leads on and on, all are opened.
 */
static int solve_lazily(struct universe *u, const struct solve_request *rq, bool **picked,
			struct solution *s, struct buf *why, struct err *e)
{
	static const struct reach_how lazy = { .lazy = true }, all = { .lazy = false };
	bool all_open = false;
	int r = open_reached(u, rq, &lazy, e);

	while (r == 0 && u->active_count < LAZY_MAX) {
		r = solve_once(u, picked, s, why, e);
		if (r <= 0)
			return r;
		r = reach_open(u, *picked, &all_open, e);
		if (r < 0 || all_open)
			return r < 0 ? r : 1;
		r = reach(u, &lazy, e);
	}
	universe_done(u);
	if (r == 0)
		r = open_reached(u, rq, &all, e);
	return r == 0 ? solve_once(u, picked, s, why, e) : r;
}

static int solve_rounds(struct solution *s, const struct solve_request *rq, struct buf *why,
			struct err *e)
{
	struct reach_how how = { .active_max = ACTIVE_MAX };
	AUTO(universe_done) struct universe u = { 0 };
	AUTO_MEM bool *picked = NULL;
	int r;

	r = open_reached(&u, rq, &how, e);
	if (r < 0)
		return r;
	if (reach_was_large(&u, &how)) {
		universe_done(&u);
		r = solve_lazily(&u, rq, &picked, s, why, e);
	} else {
		r = solve_once(&u, &picked, s, why, e);
	}
	if (r == 0)
		return explain(rq, why, e);
	if (r > 0)
		r = sweep(&u, picked, e);
	return r < 0 ? r : collect(s, &u, picked, e);
}

int solve(struct solution **ret, const struct solve_request *rq, struct buf *why, struct err *e)
{
	AUTO(solution_freep) struct solution *s = calloc(1, sizeof(*s));
	struct err local = { 0 };
	int r;

	if (!s)
		return err_nomem(e);
	e = e ? e : &local;
	if (remove_only(rq)) {
		r = solve_removal(s, rq, e);
		if (r == -ENOENT && why)
			buf_addf(why, "%s.\n", e->text);
	} else {
		r = solve_rounds(s, rq, why, e);
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}
