/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remove: what is left is a subset of what is there, so no channel is asked: the
 * named packages, what depends on them, and what nothing needs any more go.
 */
#include "base/auto.h"
#include "installed.h"
#include "plan.h"
#include "specs.h"
#include "ui/say.h"

#include <errno.h>
#include <string.h>

struct removal {
	struct plan *plan;
	struct solve_installed *installed; /* of all packages */
	uint32_t count;
	struct solve_job *jobs; /* what goes, then the requests */
	size_t named_count, job_count;
};

/* An explicit environment has no requests but what it holds. */
static void make_jobs(struct removal *rm)
{
	const struct plan *p = rm->plan;
	struct app *a = p->app;
	const struct opts *o = a->opts;
	size_t requests = p->explicit_list ? rm->count : p->spec_count;

	rm->jobs = texts_alloc(&a->texts, o->rest_count + requests, sizeof(*rm->jobs));
	rm->named_count = o->rest_count;
	for (size_t i = 0; i < o->rest_count; i++)
		rm->jobs[rm->job_count++] =
			(struct solve_job){ JOB_REMOVE, spec_shown(&a->texts, o->rest[i]) };
	for (size_t i = 0; i < requests; i++)
		rm->jobs[rm->job_count++] =
			(struct solve_job){ JOB_KEEP, p->explicit_list ? rm->installed[i].name
								       : p->specs[i] };
}

static int ask(const struct removal *rm, bool prune, struct solution **ret, struct err *e)
{
	struct solve_request rq = {
		.jobs = rm->jobs,
		.job_count = rm->job_count,
		.installed = rm->installed,
		.installed_count = rm->count,
		.add_pip = rm->plan->app->config->add_pip_as_python_dependency,
		.prune = prune,
	};
	int r = solve(ret, &rq, NULL, e);

	return r < 0 ? err_wrap(e, r, "environment '%s'", rm->plan->env) : 0;
}

static bool stays(const struct solution *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->list[i].name, name) == 0)
			return true;
	return false;
}

/* The first dependency of package i that goes; NULL: it was named itself. */
static int find_reason(const struct removal *rm, const struct solution *s, uint32_t i,
		       const char **ret, struct err *e)
{
	const struct solve_installed *in = &rm->installed[i];
	struct texts *t = &rm->plan->app->texts;
	const char *name;
	int r = 0;

	*ret = NULL;
	for (size_t k = 0; r == 0 && k < rm->named_count; k++) {
		r = spec_name(t, rm->jobs[k].spec, &name, e);
		if (r == 0 && strcmp(name, in->name) == 0)
			return 0;
	}
	for (size_t k = 0; r == 0 && k < in->depend_count && !*ret; k++) {
		r = spec_name(t, in->depends[k], &name, e);
		for (uint32_t j = 0; r == 0 && j < rm->count; j++)
			if (strcmp(rm->installed[j].name, name) == 0 && !stays(s, name))
				*ret = name;
	}
	return r;
}

/* Names what is taken along. */
static int say_dependents(const struct removal *rm, struct err *e)
{
	AUTO(solution_freep) struct solution *s = NULL;
	int r = ask(rm, false, &s, e);

	for (uint32_t i = 0; r == 0 && i < rm->count; i++) {
		const char *needs;

		if (stays(s, rm->installed[i].name))
			continue;
		r = find_reason(rm, s, i, &needs, e);
		if (r == 0 && needs)
			say_note("%s needs %s: it goes too", rm->installed[i].name, needs);
	}
	return r;
}

/* Requests whose package is gone are no requests any more. */
static int take_rest(struct removal *rm, const struct solution *s, struct err *e)
{
	struct plan *p = rm->plan;
	struct texts *t = &p->app->texts;
	const char **specs = texts_alloc(t, p->spec_count, sizeof(*specs));
	size_t n = 0;

	for (size_t i = 0; i < p->spec_count; i++) {
		const char *name;
		int r = spec_name(t, p->specs[i], &name, e);

		if (r < 0)
			return r;
		if (stays(s, name))
			specs[n++] = p->specs[i];
	}
	p->specs = specs;
	p->spec_count = n;
	p->packages = texts_alloc(t, s->count, sizeof(*p->packages));
	for (size_t i = 0; i < s->count; i++)
		generation_package(p->before, (uint32_t)s->list[i].installed,
				   &p->packages[p->count++]);
	return 0;
}

static int remove_packages(struct app *a, struct err *e)
{
	AUTO(plan_done) struct plan p = { 0 };
	AUTO(solution_freep) struct solution *s = NULL;
	struct removal rm = { .plan = &p };
	int r = plan_begin_change(&p, a, a->opts->name, e);

	if (r == 0)
		r = installed_load(a, p.before, &rm.installed, e);
	if (r < 0)
		return r;
	rm.count = generation_count(p.before);
	make_jobs(&rm);
	r = say_dependents(&rm, e);
	if (r == 0)
		r = ask(&rm, !a->opts->no_prune_deps, &s, e);
	if (r == 0)
		r = take_rest(&rm, s, e);
	if (r < 0)
		return r;
	p.platform = generation_platform(p.before);
	p.priority = a->config->channel_priority;
	return plan_carry_out(&p, false, e);
}

int cmd_remove(const struct opts *o)
{
	struct app a = { 0 };
	struct err e = { 0 };
	int r;

	if (!o->name)
		return say_usage("remove: which environment? give -n NAME");
	if (o->rest_count == 0)
		return say_usage(
			"remove: name packages; 'envfs env remove %s' removes the environment",
			o->name);
	r = app_open(&a, o, APP_WRITE | APP_SUPPLY, &e);
	if (r == 0)
		r = remove_packages(&a, &e);
	app_done(&a);
	return r < 0 ? say_error(&e, NULL) : r;
}
