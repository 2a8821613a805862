/* SPDX-License-Identifier: Apache-2.0 */
#include "base/auto.h"
#include "base/json.h"
#include "base/limits.h"
#include "env/env.h"
#include "envs.h"
#include "mounts.h"
#include "ui/say.h"
#include "ui/table.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int list_json(struct app *a, const struct env_list *l)
{
	AUTO_BUF out = BUF(64 * MIB);
	struct jsonw w = JSONW(&out, 2);

	jsonw_object(&w);
	envs_json(&w, a, l);
	jsonw_object_end(&w);
	return say_answer(&out);
}

static const char *local_time(struct texts *t, int64_t ms)
{
	time_t when = (time_t)(ms / 1000);
	char text[32];
	struct tm tm;

	if (!localtime_r(&when, &tm) || !strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &tm))
		return "";
	return texts_keep(t, text);
}

static int list_text(struct app *a, const struct env_list *l)
{
	AUTO_BUF out = BUF(64 * MIB);
	AUTO(table_done) struct table t = { 0 };

	for (size_t i = 0; i < l->count; i++) {
		struct env_shown s;

		env_look(a, l->names[i], &s);
		table_add(&t, l->names[i],
			  s.why.code < 0 ? "damaged"
					 : texts_printf(&a->texts, "%u packages", s.packages),
			  s.why.code < 0 ? texts_keep(&a->texts, s.why.text)
					 : local_time(&a->texts, s.created_ms),
			  texts_printf(&a->texts, "%s%s", s.active ? "* " : "  ", s.prefix));
	}
	table_print(&t, "", &out);
	return say_answer(&out);
}

/* No store yet: no environments yet. */
static int list(struct app *a, struct err *e)
{
	struct env_list l = { 0 };
	char path[PATH_MAX];
	int r = store_path(a->opts, path, e);

	if (r < 0)
		return r;
	if (access(path, F_OK) == 0) {
		r = app_open(a, a->opts, APP_READ, e);
		if (r == 0)
			r = env_list(a->store, &l, e);
	}
	if (r == 0)
		r = a->opts->json ? list_json(a, &l) : list_text(a, &l);
	env_list_done(&l);
	return r;
}

static int remove_env(struct app *a, const char *name, struct err *e)
{
	AUTO_BUF out = BUF(MIB);
	struct jsonw w = JSONW(&out, 2);
	int r = app_open(a, a->opts, APP_WRITE, e);

	if (r == 0)
		r = env_remove(a->store, name, e);
	if (r == -ENOENT)
		say_exception("EnvironmentLocationNotFound");
	if (r < 0)
		return r;
	mounts_tell_changed(a, name);
	if (!a->opts->json) {
		say_note("%s is removed; its generations stay in the store", name);
		return EXIT_DONE;
	}
	jsonw_object(&w);
	jsonw_member_bool(&w, "success", true);
	jsonw_member_text(&w, "prefix", env_prefix(a, name));
	jsonw_object_end(&w);
	return say_answer(&out);
}

int cmd_env(const struct opts *o)
{
	const char *what = o->rest_count > 0 ? o->rest[0] : "";
	const char *name = o->rest_count > 1 ? o->rest[1] : o->name;
	struct app a = { .opts = o };
	struct err e = { 0 };
	bool removes = strcmp(what, "remove") == 0;
	int r;

	if ((!removes && strcmp(what, "list") != 0) || o->rest_count > (removes ? 2 : 1))
		return say_usage("env: 'envfs env list' or 'envfs env remove NAME'");
	if (removes && !name)
		return say_usage("env remove: which environment?");
	r = removes ? remove_env(&a, name, &e) : list(&a, &e);
	app_done(&a);
	return r < 0 ? say_error(&e, NULL) : r;
}
