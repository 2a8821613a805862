/* SPDX-License-Identifier: Apache-2.0 */
#include "base/auto.h"
#include "base/limits.h"
#include "env/env.h"
#include "input.h"
#include "plan.h"
#include "ui/say.h"

#include <errno.h>
#include <string.h>

static void take_variables(struct plan *p, const struct envfile *f)
{
	struct texts *t = &p->app->texts;

	p->variable_count = f ? f->variable_count : 0;
	p->variables = texts_alloc(t, p->variable_count, sizeof(*p->variables));
	for (size_t i = 0; i < p->variable_count; i++)
		p->variables[i] = (struct variable){ texts_keep(t, f->variables[i].name),
						     texts_keep(t, f->variables[i].value) };
}

static int make(struct plan *p, const struct envfile *f, struct buf *why, struct err *e)
{
	take_variables(p, f);
	if (f && f->explicit_list && p->app->opts->rest_count > 0)
		return err_set(e, -EINVAL, "an @EXPLICIT list and specs cannot be mixed");
	if (f && f->explicit_list)
		return plan_explicit(p, f, e);
	return plan_solve_fresh(p, f, why, e);
}

/* -n, else what the file says. */
static const char *choose_name(const struct opts *o, const struct envfile *f)
{
	return o->name ? o->name : f ? f->name : NULL;
}

static int create(struct app *a, const struct envfile *f, struct buf *why, struct err *e)
{
	AUTO(plan_done) struct plan p = { 0 };
	const struct opts *o = a->opts;
	const char *env = choose_name(o, f);
	int r = env_name_check(env, e);

	if (r == 0)
		r = plan_begin(&p, a, env, e);
	if (r < 0)
		return r;
	if (p.before && !o->force)
		return err_set(e, -EEXIST,
			       "environment '%s' exists already: --force makes this its next "
			       "generation, 'envfs env remove %s' removes it",
			       env, env);
	r = make(&p, f, why, e);
	return r < 0 ? r : plan_carry_out(&p, true, e);
}

int cmd_create(const struct opts *o)
{
	AUTO(envfile_freep) struct envfile *f = NULL;
	AUTO_BUF why = BUF(MIB);
	struct app a = { 0 };
	struct err e = { 0 };
	int r = 0;

	if (!o->file && o->rest_count == 0)
		return say_usage("create: give -f FILE or specs: see 'envfs create --help'");
	if (o->file)
		r = input_read(&f, o->file, &e);
	if (r == 0 && !choose_name(o, f))
		return say_usage("create: give -n NAME%s", f ? " (the file names none)" : "");
	if (r == 0)
		r = app_open(&a, o, APP_WRITE | APP_SUPPLY, &e);
	if (r == 0)
		r = create(&a, f, &why, &e);
	app_done(&a);
	return r < 0 ? say_error(&e, why.bytes) : r;
}
