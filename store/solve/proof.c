/* SPDX-License-Identifier: Apache-2.0 */
/* The part of explain that tells what libsolv's proof is made of. */
#include "solve/explain.h"
#include "solve/explainer.h"

#include <string.h>

/* One clash of the proof in words, for all candidates of the name that have it. */
struct clash_line {
	uint32_t name, spec;
	bool said;
};

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int clash_order(const void *a, const void *b, void *ctx)
{
	const struct universe *u = ctx;
	const struct clash_line *p = a, *q = b;
	uint32_t x = u->names[p->name].depth, y = u->names[q->name].depth;
	int r = (x > y) - (x < y);

	if (!r)
		r = strcmp(name_text(u, p->name), name_text(u, q->name));
	return r ? r : strcmp(spec_text(u, p->spec), spec_text(u, q->spec));
}

/* The candidates that have this clash, ascending in the proof's order. */
static uint32_t clash_cands(const struct explainer *x, const struct encoding *c,
			    const struct sat_core *core, const struct clash_line *l,
			    uint32_t *cands)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < core->clash_count; i++) {
		uint32_t cand = c->cand_of[core->clashes[i].cand];

		if (core->clashes[i].need && x->u->cands[cand].name == l->name &&
		    c->spec_of[core->clashes[i].other] == l->spec)
			cands[count++] = cand;
	}
	if (count)
		qsort(cands, count, sizeof(*cands), by_number);
	return count;
}

/* Says a clash, and all later ones that the same candidates have, in one sentence. */
static int say_clash(struct explainer *x, const struct encoding *c, const struct sat_core *core,
		     struct clash_line *l, const struct clash_line *end, struct err *e)
{
	const struct universe *u = x->u;
	AUTO_MEM uint32_t *cands = malloc((core->clash_count + 1) * sizeof(*cands));
	AUTO_MEM uint32_t *others = malloc((core->clash_count + 1) * sizeof(*others));
	AUTO_BUF line = BUF(LINE_BYTES_MAX);
	bool many = false;
	int r;

	if (!cands || !others)
		return err_nomem(e);
	uint32_t count = clash_cands(x, c, core, l, cands);
	buf_addf(&line, "%s ", name_text(u, l->name));
	r = explainer_versions(u, &line, cands, count, &many, e);
	buf_addf(&line, " %s '%s'", many ? "need" : "needs", spec_text(u, l->spec));
	for (struct clash_line *k = l + 1; k < end && k->name == l->name; k++) {
		if (k->said || clash_cands(x, c, core, k, others) != count ||
		    memcmp(cands, others, count * sizeof(*cands)) != 0)
			continue;
		k->said = true;
		buf_addf(&line, " and '%s'", spec_text(u, k->spec));
	}
	buf_addc(&line, '.');
	explainer_say(x, &line);
	return r;
}

/* "'a', 'b' and python stays at …": the requests of the proof, and what else must hold. */
static uint32_t list_jobs(const struct universe *u, struct buf *line, const struct encoding *c,
			  const struct sat_core *core)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < core->job_count; i++) {
		uint32_t demand = c->demand_of[core->jobs[i]];

		if (demand != NONE)
			buf_addf(line, "%s'%s'", count++ ? ", " : "",
				 spec_text(u, u->demands[demand].spec));
	}
	for (uint32_t d = 0; d < u->demand_count; d++) {
		if (u->demands[d].kind == DEMAND_JOB || u->demands[d].kind == DEMAND_REMOVE)
			continue;
		buf_adds(line, count++ ? ", " : "");
		explainer_demand(u, line, d);
	}
	return count;
}

static void say_jobs(struct explainer *x, const struct encoding *c, const struct sat_core *core)
{
	AUTO_BUF line = BUF(LINE_BYTES_MAX), jobs = BUF(LINE_BYTES_MAX);

	if (list_jobs(x->u, &jobs, c, core) == 1)
		buf_addf(&line, "You asked for %s, but all that it needs cannot hold together.",
			 jobs.bytes);
	else
		buf_addf(&line, "These cannot hold together: %s.", jobs.bytes);
	explainer_say(x, &line);
}

int explain_core(const struct universe *u, const struct encoding *c, const struct sat_core *core,
		 struct buf *why, struct err *e)
{
	struct explainer x = { .u = u, .why = why };
	AUTO_MEM struct clash_line *lines = calloc(core->clash_count + 1, sizeof(*lines));
	uint32_t count = 0;
	int r = 0;

	if (!lines)
		return err_nomem(e);
	say_jobs(&x, c, core);
	for (uint32_t i = 0; i < core->clash_count; i++) {
		uint32_t spec = core->clashes[i].need ? c->spec_of[core->clashes[i].other] : NONE;
		uint32_t name = u->cands[c->cand_of[core->clashes[i].cand]].name;
		bool again = spec == NONE;

		for (uint32_t k = 0; k < count && !again; k++)
			again = lines[k].name == name && lines[k].spec == spec;
		if (!again)
			lines[count++] = (struct clash_line){ .name = name, .spec = spec };
	}
	if (count)
		qsort_r(lines, count, sizeof(*lines), clash_order, (void *)u);
	for (uint32_t i = 0; i < count && r == 0 && x.lines < EXPLAIN_LINES_MAX; i++)
		if (!lines[i].said)
			r = say_clash(&x, c, core, &lines[i], lines + count, e);
	return r == 0 ? buf_end(why, e) : r;
}
