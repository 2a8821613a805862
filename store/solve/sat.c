/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/sat.h"

#include "base/auto.h"
#include "base/map.h"

#include <solv/pool.h>
#include <solv/poolarch.h>
#include <solv/repo.h>
#include <solv/solver.h>

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Names of up to this many candidates exclude each other pair by pair. */
#define PAIRS_MAX 3
/* With more candidates a need excludes nothing by itself, which saves half of the rules. */
#define GUARDS_MAX 40000

/* What is being built. Solvables: candidates first, then helpers. */
struct build {
	const struct sat_problem *p;
	Pool *pool;
	Repo *repo;
	Id base;      /* solvable of candidate 0 */
	Id helper;    /* next free helper */
	Id *set_id;   /* [set_count]: the dependency that stands for a set, 0: none yet */
	Id *limit_id; /* [set_count]: the dependency on a set's guard */
	Id *range_id; /* [set_count]: the same for what needs it, when it is a range */
	Id *rung;     /* [cand_count]: the dependency on "this one or a later one", or 0 */
	uint32_t rules;
	/* Provider sets cannot be told before all dependencies have names. */
	struct provide {
		Id dep;
		uint32_t first, count; /* into members */
	} * provides;
	size_t provide_count, provide_cap;
	Id *members;
	size_t member_count, member_cap;
	uint32_t serial;
	int failed;
};

static void build_done(struct build *b)
{
	if (b->pool)
		pool_free(b->pool);
	free(b->set_id);
	free(b->limit_id);
	free(b->range_id);
	free(b->rung);
	free(b->provides);
	free(b->members);
}

/* A new dependency; its providers follow by provide_add(). */
static Id provide_begin(struct build *b)
{
	char text[16];
	struct err e;

	snprintf(text, sizeof(text), "=%o", b->serial++);
	if (GROW(b->provides, b->provide_cap, b->provide_count + 1, UINT32_MAX, &e) < 0) {
		b->failed = -ENOMEM;
		return 0;
	}
	struct provide *pr = &b->provides[b->provide_count++];
	pr->dep = pool_str2id(b->pool, text, 1);
	pr->first = (uint32_t)b->member_count;
	pr->count = 0;
	return pr->dep;
}

static void provide_add(struct build *b, Id solvable)
{
	struct err e;

	if (b->failed || GROW(b->members, b->member_cap, b->member_count + 1, INT32_MAX, &e) < 0) {
		b->failed = -ENOMEM;
		return;
	}
	b->members[b->member_count++] = solvable;
	b->provides[b->provide_count - 1].count++;
}

static Solvable *solvable_at(const struct build *b, Id id)
{
	return b->pool->solvables + id;
}

static void add_requires(struct build *b, Id solvable, Id dep)
{
	Solvable *s = solvable_at(b, solvable);

	s->requires = repo_addid(b->repo, s->requires, dep);
	b->rules++;
}

static void add_conflicts(struct build *b, Id solvable, Id dep, uint32_t providers)
{
	Solvable *s = solvable_at(b, solvable);

	s->conflicts = repo_addid(b->repo, s->conflicts, dep);
	b->rules += providers;
}

static Id new_helper(struct build *b, Id name)
{
	Solvable *s = solvable_at(b, b->helper);

	s->name = name;
	s->arch = ARCH_NOARCH;
	s->evr = pool_str2id(b->pool, "0", 1);
	return b->helper++;
}

/* Each of `ids` excludes those after it. */
static void exclude_pairs(struct build *b, Id first, uint32_t count)
{
	for (uint32_t i = 0; i + 1 < count; i++) {
		Id dep = provide_begin(b);

		for (uint32_t j = i + 1; j < count; j++)
			provide_add(b, first + (Id)j);
		add_conflicts(b, first + (Id)i, dep, count - i - 1);
	}
}

static uint32_t helpers_of(uint32_t k)
{
	return k > PAIRS_MAX ? k - 1 : 0;
}

/* Rungs of one name, the first candidate has none; each needs the one before. */
static void add_rungs(struct build *b, uint32_t first, uint32_t count)
{
	Id name = pool_str2id(b->pool, "rung", 1);

	for (uint32_t c = first + 1; c < first + count; c++) {
		Id helper = new_helper(b, name);

		b->rung[c] = provide_begin(b);
		provide_add(b, helper);
		if (c > first + 1)
			add_requires(b, helper, b->rung[c - 1]);
	}
}

/* A candidate stands on its rung, and the next one is not reached. */
static void stand_on_rung(struct build *b, uint32_t c, uint32_t end)
{
	if (b->rung[c])
		add_requires(b, b->base + (Id)c, b->rung[c]);
	if (c + 1 < end && b->rung[c + 1])
		add_conflicts(b, b->base + (Id)c, b->rung[c + 1], 1);
}

static Id dep_of_set(struct build *b, uint32_t set)
{
	const struct sat_problem *p = b->p;

	if (b->set_id[set])
		return b->set_id[set];
	b->set_id[set] = provide_begin(b);
	for (uint32_t i = p->set_first[set]; i < p->set_first[set + 1]; i++)
		provide_add(b, b->base + (Id)p->set_members[i]);
	return b->set_id[set];
}

/* Whether the candidates of a set are neighbours on a ladder, and not all of its name. */
static bool is_range(const struct build *b, uint32_t set)
{
	const struct sat_problem *p = b->p;
	uint32_t first = p->set_first[set], count = p->set_first[set + 1] - first;
	uint32_t name = p->set_name[set];

	if (!count || name == UINT32_MAX)
		return false;
	uint32_t all = p->name_first[name + 1] - p->name_first[name];
	return all > PAIRS_MAX && count < all &&
	       p->set_members[first + count - 1] - p->set_members[first] + 1 == count;
}

/* A range excludes all that is above it by one rung. */
static void exclude_outside(struct build *b, Id guard, uint32_t set)
{
	const struct sat_problem *p = b->p;
	uint32_t name = p->set_name[set], m = p->set_first[set], outside = 0;
	uint32_t end = p->name_first[name + 1];
	Id conflict;

	if (is_range(b, set) && p->set_members[p->set_first[set + 1] - 1] + 1 < end) {
		end = p->set_members[p->set_first[set + 1] - 1] + 1;
		add_conflicts(b, guard, b->rung[end], 1);
	}
	conflict = provide_begin(b);
	for (uint32_t c = p->name_first[name]; c < end; c++) {
		while (m < p->set_first[set + 1] && p->set_members[m] < c)
			m++;
		if (m < p->set_first[set + 1] && p->set_members[m] == c)
			continue;
		provide_add(b, b->base + (Id)c);
		outside++;
	}
	add_conflicts(b, guard, conflict, outside);
}

/* A guard excludes what is of the name and not in the set; who limits, needs it. It needs
 * no rung itself: limits that contradict each other hold where the name is not there. */
static Id dep_of_limit(struct build *b, uint32_t set)
{
	if (b->limit_id[set])
		return b->limit_id[set];
	Id guard = new_helper(b, pool_str2id(b->pool, "guard", 1));
	exclude_outside(b, guard, set);
	b->limit_id[set] = provide_begin(b);
	provide_add(b, guard);
	return b->limit_id[set];
}

/* The same by two rungs, for what needs a range, so that one of it will be there. */
static Id dep_of_range(struct build *b, uint32_t set)
{
	const struct sat_problem *p = b->p;
	uint32_t low = p->set_members[p->set_first[set]];
	uint32_t high = p->set_members[p->set_first[set + 1] - 1] + 1;

	if (b->range_id[set])
		return b->range_id[set];
	Id guard = new_helper(b, pool_str2id(b->pool, "range", 1));
	if (b->rung[low])
		add_requires(b, guard, b->rung[low]);
	if (high < p->name_first[p->set_name[set] + 1])
		add_conflicts(b, guard, b->rung[high], 1);
	b->range_id[set] = provide_begin(b);
	provide_add(b, guard);
	return b->range_id[set];
}

static void add_candidates(struct build *b)
{
	const struct sat_problem *p = b->p;
	char text[16];

	for (uint32_t n = 0; n < p->name_count; n++) {
		snprintf(text, sizeof(text), "%o", n);
		Id name = pool_str2id(b->pool, text, 1);
		for (uint32_t c = p->name_first[n]; c < p->name_first[n + 1]; c++) {
			Solvable *s = solvable_at(b, b->base + (Id)c);

			snprintf(text, sizeof(text), "%o", p->rank[c] + 1);
			s->name = name;
			s->arch = ARCH_NOARCH;
			s->evr = pool_str2id(b->pool, text, 1);
		}
	}
}

/* What needs a range excludes the rest at once, not only when one of it is chosen. */
static void add_needs(struct build *b, uint32_t c)
{
	const struct sat_problem *p = b->p;

	for (uint32_t i = p->need_first[c]; i < p->need_first[c + 1]; i++) {
		add_requires(b, b->base + (Id)c, dep_of_set(b, p->needs[i]));
		if (p->cand_count <= GUARDS_MAX && is_range(b, p->needs[i]))
			add_requires(b, b->base + (Id)c, dep_of_range(b, p->needs[i]));
	}
	for (uint32_t i = p->limit_first[c]; i < p->limit_first[c + 1]; i++)
		add_requires(b, b->base + (Id)c, dep_of_limit(b, p->limits[i]));
}

static void add_rules(struct build *b)
{
	const struct sat_problem *p = b->p;

	for (uint32_t n = 0; n < p->name_count && !b->failed; n++) {
		uint32_t first = p->name_first[n], count = p->name_first[n + 1] - first;

		if (count > PAIRS_MAX)
			add_rungs(b, first, count);
	}
	/* libsolv keeps a solvable's dependencies together when they come together. */
	for (uint32_t n = 0; n < p->name_count && !b->failed; n++) {
		uint32_t first = p->name_first[n], end = p->name_first[n + 1];

		for (uint32_t c = first; c < end; c++) {
			add_needs(b, c);
			stand_on_rung(b, c, end);
		}
		if (end - first <= PAIRS_MAX && end > first)
			exclude_pairs(b, b->base + (Id)first, end - first);
	}
}

/* A soft job may take a helper of the lowest rank of the same name instead. */
static void add_jobs(struct build *b, Queue *jobs)
{
	const struct sat_problem *p = b->p;

	for (uint32_t j = 0; j < p->job_count && !b->failed; j++) {
		uint32_t set = p->jobs[j].set, first = p->set_first[set];
		bool soft = p->jobs[j].soft, empty = first == p->set_first[set + 1];
		Id dep = soft ? 0 : dep_of_set(b, set);

		if (soft && !empty) {
			Id name = solvable_at(b, b->base + (Id)p->set_members[first])->name;
			Id helper = new_helper(b, name);

			dep = provide_begin(b);
			for (uint32_t i = first; i < p->set_first[set + 1]; i++)
				provide_add(b, b->base + (Id)p->set_members[i]);
			provide_add(b, helper);
		}
		/* Nothing to be had; the jobs keep their numbers. */
		if (soft && empty)
			queue_push2(jobs, SOLVER_NOOP, 0);
		else
			queue_push2(jobs, SOLVER_INSTALL | SOLVER_SOLVABLE_PROVIDES, dep);
		b->rules++;
	}
}

static int set_provides(struct build *b, struct err *e)
{
	if (b->failed)
		return err_nomem(e);
	pool_createwhatprovides(b->pool);
	for (size_t i = 0; i < b->provide_count; i++) {
		struct provide *pr = &b->provides[i];
		Queue q;

		queue_init_buffer(&q, b->members + pr->first, (int)pr->count);
		q.count = (int)pr->count;
		pool_set_whatprovides(b->pool, pr->dep, pool_queuetowhatprovides(b->pool, &q));
	}
	return 0;
}

static int build_open(struct build *b, const struct sat_problem *p, Queue *jobs, struct err *e)
{
	uint64_t helpers = p->job_count + 2 * (uint64_t)p->set_count;

	for (uint32_t n = 0; n < p->name_count; n++)
		helpers += helpers_of(p->name_first[n + 1] - p->name_first[n]);
	if (p->cand_count + helpers > INT32_MAX / 4)
		return err_set(e, -EFBIG, "there are too many packages to choose from");
	b->p = p;
	b->set_id = calloc((size_t)p->set_count + 1, sizeof(*b->set_id));
	b->limit_id = calloc((size_t)p->set_count + 1, sizeof(*b->limit_id));
	b->range_id = calloc((size_t)p->set_count + 1, sizeof(*b->range_id));
	b->rung = calloc((size_t)p->cand_count + 1, sizeof(*b->rung));
	b->pool = pool_create();
	if (!b->set_id || !b->limit_id || !b->range_id || !b->rung || !b->pool)
		return err_nomem(e);
	b->repo = repo_create(b->pool, "channels");
	b->base = repo_add_solvable_block(b->repo, (int)(p->cand_count + helpers));
	b->helper = b->base + (Id)p->cand_count;
	add_candidates(b);
	add_rules(b);
	add_jobs(b, jobs);
	/* Helpers that were not used up are no solvables. */
	Id end = b->base + (Id)(p->cand_count + helpers);
	if (b->helper < end)
		repo_free_solvable_block(b->repo, b->helper, (int)(end - b->helper), 1);
	return set_provides(b, e);
}

static int core_add_clash(struct sat_core *core, size_t *cap, uint32_t cand, uint32_t other,
			  bool need, struct err *e)
{
	if (GROW(core->clashes, *cap, core->clash_count + 1, UINT32_MAX, e) < 0)
		return err_nomem(e);
	core->clashes[core->clash_count++] =
		(struct sat_clash){ .cand = cand, .other = other, .need = need };
	return 0;
}

static uint32_t set_of_dep(const struct build *b, Id dep)
{
	for (uint32_t s = 0; s < b->p->set_count; s++)
		if (b->set_id[s] == dep)
			return s;
	return UINT32_MAX;
}

static int core_rule(struct build *b, Solver *solv, Id rule, struct sat_core *core,
		     size_t *jobs_cap, size_t *cap, struct err *e)
{
	Id from = 0, to = 0, dep = 0;
	SolverRuleinfo info = solver_ruleinfo(solv, rule, &from, &to, &dep);
	Id end = b->base + (Id)b->p->cand_count;

	if ((info & SOLVER_RULE_TYPEMASK) == SOLVER_RULE_JOB) {
		int job = solver_rule2jobidx(solv, rule);

		if (job <= 0)
			return 0;
		if (GROW(core->jobs, *jobs_cap, core->job_count + 1, UINT32_MAX, e) < 0)
			return err_nomem(e);
		core->jobs[core->job_count++] = (uint32_t)(job - 1) / 2;
		return 0;
	}
	if (from < b->base || from >= end)
		return 0;
	if (info == SOLVER_RULE_PKG_REQUIRES) {
		uint32_t set = set_of_dep(b, dep);

		return set == UINT32_MAX ? 0
					 : core_add_clash(core, cap, (uint32_t)(from - b->base),
							  set, true, e);
	}
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int core_fill(struct build *b, Solver *solv, struct sat_core *core, struct err *e)
{
	size_t jobs_cap = 0, cap = 0;
	Queue rules;
	int r = 0;

	queue_init(&rules);
	/* The first problem is enough: the sentences are about one conflict. */
	solver_findallproblemrules(solv, 1, &rules);
	for (int i = 0; i < rules.count && r == 0; i++)
		r = core_rule(b, solv, rules.elements[i], core, &jobs_cap, &cap, e);
	queue_free(&rules);
	if (r < 0)
		return r;
	uint32_t kept = 0;
	if (core->job_count)
		qsort(core->jobs, core->job_count, sizeof(*core->jobs), by_number);
	for (uint32_t i = 0; i < core->job_count; i++)
		if (!kept || core->jobs[kept - 1] != core->jobs[i])
			core->jobs[kept++] = core->jobs[i];
	core->job_count = kept;
	return 0;
}

int sat_solve(const struct sat_problem *p, bool *chosen, uint32_t *ret_rules, struct sat_core *core,
	      struct err *e)
{
	__attribute__((cleanup(build_done))) struct build b = { 0 };
	Queue jobs;
	int r;

	queue_init(&jobs);
	r = build_open(&b, p, &jobs, e);
	if (r < 0) {
		queue_free(&jobs);
		return r;
	}
	Solver *solv = solver_create(b.pool);
	int problems = solver_solve(solv, &jobs);
	*ret_rules = b.rules;
	if (problems == 0)
		for (uint32_t c = 0; c < p->cand_count; c++)
			chosen[c] = solver_get_decisionlevel(solv, b.base + (Id)c) > 0;
	else if (core)
		r = core_fill(&b, solv, core, e);
	solver_free(solv);
	queue_free(&jobs);
	return r < 0 ? r : problems == 0;
}

void sat_core_done(struct sat_core *core)
{
	free(core->jobs);
	free(core->clashes);
	*core = (struct sat_core){ 0 };
}
