/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include "base/limits.h"
#include "base/url.h"
#include "channels.h"
#include "installed.h"
#include "specs.h"
#include "ui/say.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* The jobs of one solve, and whose name each bears. */
struct jobs {
	struct solve_job *list;
	const char **names;
	size_t count;
};

static int add_job(struct texts *t, struct jobs *j, enum solve_job_kind kind, const char *spec,
		   struct err *e)
{
	int r = spec_name(t, spec, &j->names[j->count], e);

	if (r < 0)
		return r;
	j->list[j->count++] = (struct solve_job){ kind, spec };
	return 0;
}

static bool named(const struct jobs *j, const char *name)
{
	for (size_t i = 0; i < j->count; i++)
		if (strcmp(j->names[i], name) == 0)
			return true;
	return false;
}

/* New jobs, then the earlier requests that none of them replaces; under --all too these are
 * only kept: Python is not asked for by them. What holds after is p->specs. */
static int make_jobs(struct plan *p, const struct ask *ask, struct jobs *ret, struct err *e)
{
	struct texts *t = &p->app->texts;
	size_t earlier = ask->fresh ? 0 : p->spec_count;
	uint32_t held =
		p->explicit_list && p->before && !ask->fresh ? generation_count(p->before) : 0;
	size_t max = ask->job_count + earlier + held;
	const char **specs = texts_alloc(t, max, sizeof(*specs));
	size_t n = 0;
	int r = 0;

	ret->list = texts_alloc(t, max, sizeof(*ret->list));
	ret->names = texts_alloc(t, max, sizeof(*ret->names));
	for (size_t i = 0; r == 0 && i < ask->job_count; i++) {
		r = add_job(t, ret, ask->jobs[i].kind, ask->jobs[i].spec, e);
		specs[n++] = ask->jobs[i].spec;
	}
	for (size_t i = 0; r == 0 && i < earlier; i++) {
		const char *name;

		r = spec_name(t, p->specs[i], &name, e);
		if (r < 0 || named(ret, name))
			continue;
		r = add_job(t, ret, JOB_KEEP, p->specs[i], e);
		specs[n++] = p->specs[i];
	}
	/* An explicit environment has no requests but what it holds. */
	for (uint32_t i = 0; r == 0 && i < held; i++) {
		struct gen_package g;

		generation_package(p->before, i, &g);
		if (named(ret, g.name))
			continue;
		r = add_job(t, ret, JOB_KEEP, g.name, e);
		specs[n++] = g.name;
	}
	p->specs = specs;
	p->spec_count = n;
	return r;
}

static const char *request_of(const struct plan *p, const struct jobs *jobs, const char *name)
{
	for (size_t i = 0; i < p->spec_count && i < jobs->count; i++)
		if (strcmp(jobs->names[i], name) == 0)
			return jobs->list[i].spec;
	return "";
}

static int package_of_record(struct plan *p, const struct solve_source *src, uint32_t record,
			     struct gen_package *ret, struct err *e)
{
	AUTO_BUF url = BUF(URL_BYTES_MAX);
	AUTO_BUF json = BUF(RECORD_BYTES_MAX);
	struct texts *t = &p->app->texts;
	struct record rec;
	int r;

	repodata_record(src->repodata, record, &rec);
	r = repodata_url(src->repodata, record, &url, e);
	if (r == 0)
		r = repodata_record_json(src->repodata, record, &json, e);
	if (r < 0)
		return err_wrap(e, r, "record '%s'", rec.fn);
	*ret = (struct gen_package){
		.sha256 = rec.sha256,
		.md5 = rec.md5,
		.size = rec.size,
		.name = texts_keep(t, rec.name),
		.version = texts_keep(t, rec.version),
		.build = texts_keep(t, rec.build),
		.subdir = texts_keep(t, repodata_subdir(src->repodata)),
		.fn = texts_keep(t, rec.fn),
		.url = texts_keep(t, url.bytes),
		.channel_url = texts_keep(t, src->channel->url),
		.record_json = texts_keep(t, json.bytes),
	};
	return 0;
}

static int take_solution(struct plan *p, const struct solution *s, const struct sources *src,
			 const struct jobs *jobs, struct err *e)
{
	p->packages = texts_alloc(&p->app->texts, s->count, sizeof(*p->packages));
	p->count = (uint32_t)s->count;
	for (size_t i = 0; i < s->count; i++) {
		const struct solved *one = &s->list[i];
		int r = 0;

		if (one->installed >= 0)
			generation_package(p->before, (uint32_t)one->installed, &p->packages[i]);
		else
			r = package_of_record(p, &src->list[one->source], one->record,
					      &p->packages[i], e);
		if (r < 0)
			return r;
		p->packages[i].requested = request_of(p, jobs, p->packages[i].name);
	}
	return 0;
}

static int choose_platform(struct plan *p, const struct ask *ask, struct err *e)
{
	const char *given = p->app->opts->platform;

	p->platform = given			 ? given
		      : p->before && !ask->fresh ? generation_platform(p->before)
						 : native_subdir();
	return subdir_check(p->platform, e);
}

/* Which channels bound the next solve too: canonical URLs. */
static void keep_channels(struct plan *p, const struct sources *src)
{
	struct texts *t = &p->app->texts;

	p->channels = texts_alloc(t, src->channels.count, sizeof(*p->channels));
	p->channel_count = src->channels.count;
	for (size_t i = 0; i < src->channels.count; i++)
		p->channels[i] = texts_keep(t, src->channels.list[i].url);
}

static int solve_with(struct plan *p, const struct ask *ask, const struct sources *src,
		      struct buf *why, struct err *e)
{
	AUTO(solution_freep) struct solution *solution = NULL;
	struct solve_installed *installed = NULL;
	struct jobs jobs = { 0 };
	bool over = p->before && !ask->fresh;
	int r = make_jobs(p, ask, &jobs, e);

	if (r == 0 && over)
		r = installed_load(p->app, p->before, &installed, e);
	if (r < 0)
		return r;
	struct solve_request rq = {
		.sources = src->list,
		.source_count = src->count,
		.jobs = jobs.list,
		.job_count = jobs.count,
		.installed = installed,
		.installed_count = over ? generation_count(p->before) : 0,
		.pins = p->pins,
		.pin_count = p->pin_count,
		.virtuals = p->virtuals,
		.virtual_count = p->virtual_count,
		.priority = p->priority,
		.update_all = ask->update_all,
		.keep_python_minor = over,
		.add_pip = p->app->config->add_pip_as_python_dependency,
		.prune = ask->prune,
	};
	r = solve(&solution, &rq, why, e);
	if (r < 0)
		return r;
	say_detail("solve: %u names, %u candidates (%u after pruning), %u rules, round %d",
		   solution->stats.names, solution->stats.candidates, solution->stats.pruned,
		   solution->stats.rules, solution->stats.rounds);
	return take_solution(p, solution, src, &jobs, e);
}

int plan_solve(struct plan *p, const struct ask *ask, struct buf *why, struct err *e)
{
	AUTO(sources_done) struct sources src = { 0 };
	const struct config *c = p->app->config;
	struct channel_choice which = { ask->channels, ask->more_channels, ask->channel_count,
					ask->more_count };
	int r = choose_platform(p, ask, e);

	if (r < 0)
		return r;
	if (which.count == 0 && p->before && !ask->fresh) {
		which.names = p->channels;
		which.count = p->channel_count;
	}
	p->priority = p->app->opts->priority >= 0 ? (enum channel_priority)p->app->opts->priority
						  : c->channel_priority;
	r = sources_open(&src, p->app, &which, p->platform, e);
	if (r == 0)
		r = plan_virtuals(p, e);
	if (r < 0)
		return r;
	p->pins = (const char **)c->pinned_packages;
	p->pin_count = c->pinned_package_count;
	r = solve_with(p, ask, &src, why, e);
	keep_channels(p, &src);
	if (r == 0)
		p->explicit_list = false;
	return r;
}

int plan_solve_fresh(struct plan *p, const struct envfile *f, struct buf *why, struct err *e)
{
	struct app *a = p->app;
	struct ask ask = { .fresh = true };

	ask.jobs = spec_jobs(a, f, &ask.job_count);
	ask.channels = channel_names(a, f, &ask.channel_count);
	ask.more_channels = spec_channels(a, f, &ask.more_count);
	return plan_solve(p, &ask, why, e);
}
