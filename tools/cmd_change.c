/* SPDX-License-Identifier: Apache-2.0 */
/* install and update: solve with what is there, write the next generation, switch. */
#include "base/auto.h"
#include "base/limits.h"
#include "channels.h"
#include "input.h"
#include "plan.h"
#include "spec/matchspec.h"
#include "specs.h"
#include "ui/say.h"

#include <errno.h>
#include <string.h>

/* -c options come before the channels that the environment has. */
static void choose_channels(struct plan *p, const struct envfile *f, struct ask *ask)
{
	struct app *a = p->app;
	const struct opts *o = a->opts;
	size_t file_count = f ? f->channel_count : 0, n = 0;
	const char **names;

	if (o->override_channels) {
		ask->channels = o->channels;
		ask->channel_count = o->channel_count;
		return;
	}
	if (o->channel_count + file_count == 0 && p->channel_count > 0)
		return; /* plan_solve() takes them */
	names = texts_alloc(&a->texts, o->channel_count + file_count + p->channel_count + 1,
			    sizeof(*names));
	for (size_t i = 0; i < o->channel_count; i++)
		names[n++] = o->channels[i];
	for (size_t i = 0; i < file_count; i++)
		names[n++] = texts_keep(&a->texts, f->channels[i]);
	for (size_t i = 0; i < p->channel_count; i++)
		names[n++] = p->channels[i];
	if (n == 0)
		names = channel_names(a, f, &n);
	ask->channels = names;
	ask->channel_count = n;
}

static int install(struct app *a, const struct envfile *f, struct buf *why, struct err *e)
{
	AUTO(plan_done) struct plan p = { 0 };
	const struct opts *o = a->opts;
	struct ask ask = { 0 };
	int r = plan_begin_change(&p, a, o->name, e);

	if (r < 0)
		return r;
	if (f && f->explicit_list)
		return err_set(
			e, -EINVAL,
			"an @EXPLICIT list is a whole environment: use 'envfs create --force'");
	ask.jobs = spec_jobs(a, f, &ask.job_count);
	ask.more_channels = spec_channels(a, f, &ask.more_count);
	choose_channels(&p, f, &ask);
	r = plan_solve(&p, &ask, why, e);
	return r < 0 ? r : plan_carry_out(&p, false, e);
}

static bool is_installed(const struct plan *p, const char *name)
{
	for (uint32_t i = 0; i < generation_count(p->before); i++) {
		struct gen_package g;

		generation_package(p->before, i, &g);
		if (strcmp(g.name, name) == 0)
			return true;
	}
	return false;
}

/* As in conda, only what is installed can be updated. A bare name keeps the limits
 * of its earlier request. */
static int update_job(struct plan *p, const char *text, struct solve_job *ret, struct err *e)
{
	AUTO(matchspec_freep) struct matchspec *m = NULL;
	int r = matchspec_parse(&m, text, e);

	if (r < 0)
		return r;
	if (!is_installed(p, matchspec_name(m)))
		return err_set(e, -ENOENT,
			       "'%s' is not in environment '%s': 'envfs install' adds it",
			       matchspec_name(m), p->env);
	*ret = (struct solve_job){ JOB_UPDATE, text };
	for (size_t i = 0; matchspec_is_bare(m) && i < p->spec_count; i++) {
		AUTO(matchspec_freep) struct matchspec *earlier = NULL;

		r = matchspec_parse(&earlier, p->specs[i], e);
		if (r < 0)
			return r;
		if (strcmp(matchspec_name(earlier), matchspec_name(m)) == 0)
			ret->spec = p->specs[i];
	}
	return 0;
}

static int update(struct app *a, const struct envfile *f, struct buf *why, struct err *e)
{
	AUTO(plan_done) struct plan p = { 0 };
	const struct opts *o = a->opts;
	struct solve_job *jobs = texts_alloc(&a->texts, o->rest_count, sizeof(*jobs));
	struct ask ask = { .jobs = jobs, .job_count = o->rest_count, .update_all = o->all };
	int r = plan_begin_change(&p, a, o->name, e);

	(void)f;
	for (size_t i = 0; r == 0 && i < o->rest_count; i++)
		r = update_job(&p, spec_shown(&a->texts, o->rest[i]), &jobs[i], e);
	if (r < 0)
		return r;
	ask.more_channels = spec_channels(a, NULL, &ask.more_count);
	choose_channels(&p, NULL, &ask);
	r = plan_solve(&p, &ask, why, e);
	return r < 0 ? r : plan_carry_out(&p, false, e);
}

static int change(const struct opts *o, int (*how)(struct app *a, const struct envfile *f,
						   struct buf *why, struct err *e))
{
	AUTO(envfile_freep) struct envfile *f = NULL;
	AUTO_BUF why = BUF(MIB);
	struct app a = { 0 };
	struct err e = { 0 };
	int r = 0;

	if (!o->name)
		return say_usage("which environment? give -n NAME");
	if (o->file)
		r = input_read(&f, o->file, &e);
	if (r == 0)
		r = app_open(&a, o, APP_WRITE | APP_SUPPLY, &e);
	if (r == 0)
		r = how(&a, f, &why, &e);
	app_done(&a);
	return r < 0 ? say_error(&e, why.bytes) : r;
}

int cmd_install(const struct opts *o)
{
	if (!o->file && o->rest_count == 0)
		return say_usage("install: give specs: see 'envfs install --help'");
	return change(o, install);
}

int cmd_update(const struct opts *o)
{
	if (!o->all == (o->rest_count == 0))
		return say_usage("update: give specs, or --all");
	return change(o, update);
}
