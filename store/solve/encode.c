/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/encode.h"

#include <string.h>

/* A growing list of numbers. */
struct list {
	uint32_t *at; /* owned */
	size_t count, cap;
};

struct encoder {
	const struct universe *u;
	struct encoding *c;
	struct list names; /* of the universe, in the order they are numbered */
	struct list name_first, rank, cands;
	struct list set_first, members, set_name, specs;
	struct list need_first, needs, limit_first, limits;
	struct list demands;
	struct sat_job *jobs;
	size_t job_count, job_cap;
	uint32_t *name_of; /* [universe.name_count]: its number, or NONE */
	uint32_t *set_of;  /* [spec_count]: the set of a canonical spec, or NONE */
};

static void encoder_done(struct encoder *n)
{
	struct list *lists[] = { &n->names,	 &n->name_first, &n->rank,	  &n->cands,
				 &n->set_first,	 &n->members,	 &n->set_name,	  &n->specs,
				 &n->need_first, &n->needs,	 &n->limit_first, &n->limits,
				 &n->demands };

	for (size_t i = 0; i < ARRAY_LEN(lists); i++)
		free(lists[i]->at);
	free(n->jobs);
	free(n->name_of);
	free(n->set_of);
}

void encoding_done(struct encoding *c)
{
	free((void *)c->p.name_first);
	free((void *)c->p.rank);
	free((void *)c->p.set_first);
	free((void *)c->p.set_members);
	free((void *)c->p.set_name);
	free((void *)c->p.need_first);
	free((void *)c->p.needs);
	free((void *)c->p.limit_first);
	free((void *)c->p.limits);
	free((void *)c->p.jobs);
	free(c->cand_of);
	free(c->spec_of);
	free(c->demand_of);
	free(c->number_of);
	*c = (struct encoding){ 0 };
}

static int push(struct list *l, uint32_t value, struct err *e)
{
	int r = GROW(l->at, l->cap, l->count + 1, UINT32_MAX, e);

	if (r == 0)
		l->at[l->count++] = value;
	return r;
}

static uint32_t live_in(const struct universe *u, const struct uname *n)
{
	uint32_t live = 0;

	for (uint32_t i = n->first; n->loaded && i < n->first + n->count; i++)
		live += u->cands[i].drop == DROP_NO;
	return live;
}

static int by_depth(const void *a, const void *b, void *ctx)
{
	const struct universe *u = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	const char *p = name_text(u, x), *q = name_text(u, y);
	if (u->names[x].depth != u->names[y].depth)
		return u->names[x].depth > u->names[y].depth ? -1 : 1;
	return strcmp(p, q);
}

static int number_names(struct encoder *n, struct err *e)
{
	const struct universe *u = n->u;
	int r = 0;

	for (uint32_t i = 0; i < u->name_count && r == 0; i++) {
		n->name_of[i] = NONE;
		if (!u->names[i].is_virtual && live_in(u, &u->names[i]))
			r = push(&n->names, i, e);
	}
	if (r < 0)
		return r;
	if (n->names.count)
		qsort_r(n->names.at, n->names.count, sizeof(uint32_t), by_depth, (void *)u);
	for (uint32_t i = 0; i < n->names.count && r == 0; i++) {
		const struct uname *name = &u->names[n->names.at[i]];

		n->name_of[n->names.at[i]] = i;
		r = push(&n->name_first, (uint32_t)n->cands.count, e);
		for (uint32_t c = name->first; c < name->first + name->count && r == 0; c++) {
			if (u->cands[c].drop != DROP_NO)
				continue;
			n->c->number_of[c] = (uint32_t)n->cands.count;
			r = push(&n->cands, c, e);
			if (r == 0)
				r = push(&n->rank, u->cands[c].rank, e);
		}
	}
	return r == 0 ? push(&n->name_first, (uint32_t)n->cands.count, e) : r;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int set_begin(struct encoder *n, uint32_t name, uint32_t spec, struct err *e)
{
	int r = push(&n->set_first, (uint32_t)n->members.count, e);

	if (r == 0)
		r = push(&n->set_name, name, e);
	return r == 0 ? push(&n->specs, spec, e) : r;
}

static int set_of_spec(struct encoder *n, uint32_t spec, uint32_t *ret, struct err *e)
{
	const struct universe *u = n->u;
	uint32_t canon = u->specs[spec].canon;
	const struct uspec *s = &u->specs[canon];
	size_t first = n->members.count;
	int r;

	if (n->set_of[canon] != NONE) {
		*ret = n->set_of[canon];
		return 0;
	}
	n->set_of[canon] = *ret = (uint32_t)n->specs.count;
	r = set_begin(n, s->name == NONE ? NONE : n->name_of[s->name], spec, e);
	for (uint32_t m = s->set; m < s->set + s->set_count && r == 0; m++)
		if (n->c->number_of[u->members[m]] != NONE)
			r = push(&n->members, n->c->number_of[u->members[m]], e);
	if (r == 0 && s->name == NONE && n->members.count > first)
		qsort(n->members.at + first, n->members.count - first, sizeof(uint32_t), by_number);
	return r;
}

static int set_of_name(struct encoder *n, uint32_t name, uint32_t *ret, struct err *e)
{
	uint32_t number = n->name_of[name];
	int r;

	*ret = (uint32_t)n->specs.count;
	r = set_begin(n, number, NONE, e);
	for (uint32_t c = n->name_first.at[number]; c < n->name_first.at[number + 1] && r == 0; c++)
		r = push(&n->members, c, e);
	return r;
}

/* Needs or limits of one candidate, each set once. */
static int push_sets(struct encoder *n, uint32_t first, uint32_t count, bool limits, struct err *e)
{
	const struct universe *u = n->u;
	struct list *l = limits ? &n->limits : &n->needs;
	size_t start = l->count;
	uint32_t set;
	int r = 0;

	for (uint32_t i = first; i < first + count && r == 0; i++) {
		const struct uspec *s = &u->specs[u->ids[i]];
		bool again = false;

		if (s->name != NONE && u->names[s->name].is_virtual)
			continue;
		if (limits && (s->name == NONE || !s->ready || n->name_of[s->name] == NONE ||
			       s->live == live_in(u, &u->names[s->name])))
			continue;
		r = set_of_spec(n, u->ids[i], &set, e);
		for (size_t j = start; j < l->count && !again; j++)
			again = l->at[j] == set;
		if (r == 0 && !again)
			r = push(l, set, e);
	}
	return r;
}

static int number_sets(struct encoder *n, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < n->cands.count && r == 0; i++) {
		const struct cand *c = &n->u->cands[n->cands.at[i]];

		r = push(&n->need_first, (uint32_t)n->needs.count, e);
		if (r == 0)
			r = push_sets(n, c->needs, c->need_count, false, e);
		if (r == 0)
			r = push(&n->limit_first, (uint32_t)n->limits.count, e);
		if (r == 0)
			r = push_sets(n, c->limits, c->limit_count, true, e);
	}
	if (r == 0)
		r = push(&n->need_first, (uint32_t)n->needs.count, e);
	return r == 0 ? push(&n->limit_first, (uint32_t)n->limits.count, e) : r;
}

static int add_job(struct encoder *n, uint32_t set, bool soft, uint32_t demand, struct err *e)
{
	int r = GROW(n->jobs, n->job_cap, n->job_count + 1, UINT32_MAX, e);

	if (r < 0)
		return r;
	n->jobs[n->job_count++] = (struct sat_job){ .set = set, .soft = soft };
	return push(&n->demands, demand, e);
}

static int job_class(const struct universe *u, uint32_t demand)
{
	return u->rq->jobs[u->demands[demand].job].kind == JOB_KEEP;
}

static int by_job(const void *a, const void *b, void *ctx)
{
	const struct universe *u = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int r = job_class(u, x) - job_class(u, y);

	return r ? r : strcmp(spec_text(u, u->demands[x].spec), spec_text(u, u->demands[y].spec));
}

static int number_demands(struct encoder *n, struct err *e)
{
	const struct universe *u = n->u;
	AUTO_MEM uint32_t *order = calloc(u->demand_count + 1, sizeof(*order));
	uint32_t count = 0, set;
	int r = 0;

	if (!order)
		return err_nomem(e);
	for (uint32_t d = 0; d < u->demand_count; d++)
		if (u->demands[d].kind == DEMAND_JOB)
			order[count++] = d;
	if (count)
		qsort_r(order, count, sizeof(*order), by_job, (void *)u);
	for (uint32_t i = 0; i < count && r == 0; i++) {
		const struct demand *d = &u->demands[order[i]];
		uint32_t name = u->specs[d->spec].name;

		if (name != NONE && u->names[name].is_virtual)
			continue;
		r = set_of_spec(n, d->spec, &set, e);
		if (r == 0)
			r = add_job(n, set, d->soft, order[i], e);
	}
	return r;
}

static int by_text(const void *a, const void *b, void *ctx)
{
	return strcmp(name_text(ctx, *(const uint32_t *)a), name_text(ctx, *(const uint32_t *)b));
}

static int number_installed(struct encoder *n, struct err *e)
{
	const struct universe *u = n->u;
	AUTO_MEM uint32_t *order = calloc(u->rq->installed_count + 1, sizeof(*order));
	uint32_t count = 0, set;
	int r = 0;

	if (!order)
		return err_nomem(e);
	for (uint32_t i = 0; i < u->name_count; i++) {
		const struct uname *name = &u->names[i];
		bool installed = false;

		for (uint32_t c = name->first; name->loaded && c < name->first + name->count; c++)
			installed = installed || u->cands[c].from == FROM_INSTALLED;
		if (installed && n->name_of[i] != NONE && count < u->rq->installed_count)
			order[count++] = i;
	}
	if (count)
		qsort_r(order, count, sizeof(*order), by_text, (void *)u);
	for (uint32_t i = 0; i < count && r == 0; i++) {
		r = set_of_name(n, order[i], &set, e);
		if (r == 0)
			r = add_job(n, set, true, NONE, e);
	}
	return r;
}

static void hand_over(struct encoder *n)
{
	struct encoding *c = n->c;

	c->p = (struct sat_problem){
		.name_count = (uint32_t)n->names.count,
		.name_first = TAKE_PTR(n->name_first.at),
		.cand_count = (uint32_t)n->cands.count,
		.rank = TAKE_PTR(n->rank.at),
		.set_count = (uint32_t)n->specs.count,
		.set_first = TAKE_PTR(n->set_first.at),
		.set_members = TAKE_PTR(n->members.at),
		.set_name = TAKE_PTR(n->set_name.at),
		.need_first = TAKE_PTR(n->need_first.at),
		.needs = TAKE_PTR(n->needs.at),
		.limit_first = TAKE_PTR(n->limit_first.at),
		.limits = TAKE_PTR(n->limits.at),
		.jobs = TAKE_PTR(n->jobs),
		.job_count = (uint32_t)n->job_count,
	};
	c->cand_of = TAKE_PTR(n->cands.at);
	c->spec_of = TAKE_PTR(n->specs.at);
	c->demand_of = TAKE_PTR(n->demands.at);
}

int encode(struct encoding *ret, const struct universe *u, struct err *e)
{
	__attribute__((cleanup(encoder_done))) struct encoder n = { .u = u, .c = ret };
	int r;

	*ret = (struct encoding){ 0 };
	ret->number_of = malloc((u->cand_count + 1) * sizeof(*ret->number_of));
	n.name_of = malloc((u->name_count + 1) * sizeof(*n.name_of));
	n.set_of = malloc((u->spec_count + 1) * sizeof(*n.set_of));
	if (!ret->number_of || !n.name_of || !n.set_of)
		return err_nomem(e);
	memset(ret->number_of, 0xff, (u->cand_count + 1) * sizeof(*ret->number_of));
	memset(n.set_of, 0xff, (u->spec_count + 1) * sizeof(*n.set_of));
	r = number_names(&n, e);
	if (r == 0)
		r = number_sets(&n, e);
	if (r == 0)
		r = number_demands(&n, e);
	if (r == 0)
		r = number_installed(&n, e);
	if (r == 0)
		r = push(&n.set_first, (uint32_t)n.members.count, e);
	if (r == 0)
		hand_over(&n);
	return r;
}
