/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remove: what is left is a subset of what is there, so nothing has to be solved
 * and no channel is asked: the named packages, what depends on them, and what
 * nothing needs any more go.
 */
#include "base/auto.h"
#include "base/limits.h"
#include "channels.h"
#include "installed.h"
#include "plan.h"
#include "spec/matchspec.h"
#include "ui/say.h"

#include <errno.h>
#include <string.h>

struct removal {
	struct plan *plan;
	struct solve_installed *installed; /* of all packages */
	uint32_t count;
	const char ***needs; /* per package: names it depends on, NULL at the end */
	bool *gone;
};

static int load_needs(struct removal *rm, struct err *e)
{
	struct app *a = rm->plan->app;
	struct texts *t = &a->texts;

	rm->needs = texts_alloc(t, rm->count, sizeof(*rm->needs));
	for (uint32_t i = 0; i < rm->count; i++) {
		const struct solve_installed *in = &rm->installed[i];
		bool pip =
			a->config->add_pip_as_python_dependency && strcmp(in->name, "python") == 0;

		rm->needs[i] = texts_alloc(t, in->depend_count + 2, sizeof(**rm->needs));
		for (size_t k = 0; k < in->depend_count; k++) {
			AUTO(matchspec_freep) struct matchspec *m = NULL;
			int r = matchspec_parse(&m, in->depends[k], e);

			if (r < 0)
				return err_wrap(e, r, "package '%s'", in->name);
			rm->needs[i][k] = texts_keep(t, matchspec_name(m));
		}
		/* python keeps pip, but pip's going does not take python along. */
		if (pip)
			rm->needs[i][in->depend_count] = "pip";
	}
	return 0;
}

static int mark_named(struct removal *rm, const char *text, struct err *e)
{
	AUTO(matchspec_freep) struct matchspec *m = NULL;
	bool found = false;
	int r = matchspec_parse(&m, text, e);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < rm->count; i++) {
		const struct solve_installed *in = &rm->installed[i];
		struct match_target target = {
			.name = in->name,
			.version_text = in->version,
			.build = in->build,
			.build_number = in->build_number,
			.subdir = in->subdir,
			.channel = in->channel_url,
			.channel_url = in->channel_url,
			.fn = in->fn,
			.url = in->url,
		};

		if (matchspec_matches(m, &target))
			rm->gone[i] = found = true;
	}
	if (!found)
		return err_set(e, -ENOENT, "no package of environment '%s' matches '%s'",
			       rm->plan->env, text);
	return 0;
}

static bool is_gone(const struct removal *rm, const char *name)
{
	for (uint32_t i = 0; i < rm->count; i++)
		if (strcmp(rm->installed[i].name, name) == 0)
			return rm->gone[i];
	return false;
}

/* Names what is taken along. */
static void mark_dependents(struct removal *rm)
{
	for (bool more = true; more;) {
		more = false;
		for (uint32_t i = 0; i < rm->count; i++) {
			for (size_t k = 0; !rm->gone[i] && k < rm->installed[i].depend_count; k++) {
				if (!is_gone(rm, rm->needs[i][k]))
					continue;
				rm->gone[i] = more = true;
				say_note("%s needs %s: it goes too", rm->installed[i].name,
					 rm->needs[i][k]);
			}
		}
	}
}

static void mark_needed(struct removal *rm, bool *needed, const char *name)
{
	for (uint32_t i = 0; i < rm->count; i++)
		if (!rm->gone[i] && strcmp(rm->installed[i].name, name) == 0)
			needed[i] = true;
}

/* What neither a request nor a needed package names. */
static int prune(struct removal *rm, struct err *e)
{
	struct plan *p = rm->plan;
	bool *needed = texts_alloc(&p->app->texts, rm->count, sizeof(*needed));
	bool *seen = texts_alloc(&p->app->texts, rm->count, sizeof(*seen));

	if (p->explicit_list)
		return 0; /* all of it was asked for */
	for (size_t i = 0; i < p->spec_count; i++) {
		AUTO(matchspec_freep) struct matchspec *m = NULL;
		int r = matchspec_parse(&m, p->specs[i], e);

		if (r < 0)
			return r;
		mark_needed(rm, needed, matchspec_name(m));
	}
	for (bool more = true; more;) {
		more = false;
		for (uint32_t i = 0; i < rm->count; i++) {
			if (!needed[i] || seen[i])
				continue;
			seen[i] = more = true;
			for (const char **name = rm->needs[i]; *name; name++)
				mark_needed(rm, needed, *name);
		}
	}
	for (uint32_t i = 0; i < rm->count; i++)
		rm->gone[i] = rm->gone[i] || !needed[i];
	return 0;
}

/* Requests whose package is gone are no requests any more. */
static int keep_requests(struct removal *rm, struct err *e)
{
	struct plan *p = rm->plan;
	size_t n = 0;

	for (size_t i = 0; i < p->spec_count; i++) {
		AUTO(matchspec_freep) struct matchspec *m = NULL;
		int r = matchspec_parse(&m, p->specs[i], e);

		if (r < 0)
			return r;
		if (!is_gone(rm, matchspec_name(m)))
			p->specs[n++] = p->specs[i];
	}
	p->spec_count = n;
	return 0;
}

static void keep_packages(struct removal *rm)
{
	struct plan *p = rm->plan;

	p->packages = texts_alloc(&p->app->texts, rm->count, sizeof(*p->packages));
	for (uint32_t i = 0; i < rm->count; i++)
		if (!rm->gone[i])
			generation_package(p->before, i, &p->packages[p->count++]);
}

static int remove_packages(struct app *a, struct err *e)
{
	AUTO(plan_done) struct plan p = { 0 };
	const struct opts *o = a->opts;
	struct removal rm = { .plan = &p };
	int r = plan_begin_change(&p, a, o->name, e);

	if (r == 0)
		r = installed_load(a, p.before, &rm.installed, e);
	if (r < 0)
		return r;
	rm.count = generation_count(p.before);
	rm.gone = texts_alloc(&a->texts, rm.count, sizeof(*rm.gone));
	r = load_needs(&rm, e);
	for (size_t i = 0; r == 0 && i < o->rest_count; i++)
		r = mark_named(&rm, spec_shown(&a->texts, o->rest[i]), e);
	if (r < 0)
		return r;
	mark_dependents(&rm);
	r = keep_requests(&rm, e);
	if (r == 0 && !o->no_prune_deps)
		r = prune(&rm, e);
	if (r < 0)
		return r;
	keep_packages(&rm);
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
