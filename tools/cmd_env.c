/* SPDX-License-Identifier: Apache-2.0 */
#include "base/auto.h"
#include "base/json.h"
#include "base/limits.h"
#include "env/env.h"
#include "env/generation.h"
#include "mounts.h"
#include "ui/say.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

/* One environment as list shows it; a damaged one is shown as that. */
struct shown {
	uint64_t number;
	uint32_t packages;
	int64_t created_ms;
	struct err why; /* code 0: all is well */
};

static struct shown look(struct app *a, const char *name)
{
	AUTO(generation_freep) struct generation *g = NULL;
	struct shown s = { 0 };

	if (env_current(a->store, name, &s.number, &s.why) < 0 ||
	    generation_open(&g, a->store, s.number, &s.why) < 0)
		return s;
	s.packages = generation_count(g);
	s.created_ms = generation_created_ms(g);
	return s;
}

static int list_json(struct app *a, const struct env_list *l)
{
	AUTO_BUF out = BUF(64 * MIB);
	struct jsonw w = JSONW(&out, 2);

	jsonw_object(&w);
	jsonw_key(&w, "envs");
	jsonw_array(&w);
	for (size_t i = 0; i < l->count; i++)
		jsonw_text(&w, env_prefix(a, l->names[i]));
	jsonw_array_end(&w);
	jsonw_key(&w, "envs_details");
	jsonw_object(&w);
	for (size_t i = 0; i < l->count; i++) {
		struct shown s = look(a, l->names[i]);

		jsonw_key(&w, env_prefix(a, l->names[i]));
		jsonw_object(&w);
		jsonw_member_text(&w, "name", l->names[i]);
		jsonw_member_bool(&w, "active", false);
		jsonw_member_bool(&w, "base", false);
		jsonw_member_bool(&w, "frozen", true);
		jsonw_member_bool(&w, "writable", false);
		jsonw_member_u64(&w, "generation", s.number);
		jsonw_member_u64(&w, "packages", s.packages);
		jsonw_member_u64(&w, "created_ms", (uint64_t)s.created_ms);
		if (s.why.code < 0)
			jsonw_member_text(&w, "error", s.why.text);
		jsonw_object_end(&w);
	}
	jsonw_object_end(&w);
	jsonw_object_end(&w);
	return say_answer(&out);
}

static int list_text(struct app *a, const struct env_list *l)
{
	AUTO_BUF out = BUF(64 * MIB);

	for (size_t i = 0; i < l->count; i++) {
		struct shown s = look(a, l->names[i]);
		time_t when = (time_t)(s.created_ms / 1000);
		char day[32] = "";
		struct tm tm;

		if (s.why.code < 0) {
			buf_addf(&out, "%-24s damaged: %s\n", l->names[i], s.why.text);
			continue;
		}
		if (localtime_r(&when, &tm))
			(void)strftime(day, sizeof(day), "%Y-%m-%d %H:%M", &tm);
		buf_addf(&out, "%-24s generation %-6" PRIu64 " %5u packages  %s  %s\n", l->names[i],
			 s.number, s.packages, day, env_prefix(a, l->names[i]));
	}
	return say_answer(&out);
}

static int list(struct app *a, struct err *e)
{
	struct env_list l;
	int r = env_list(a->store, &l, e);

	if (r == 0)
		r = a->opts->json ? list_json(a, &l) : list_text(a, &l);
	env_list_done(&l);
	return r;
}

static int remove_env(struct app *a, const char *name, struct err *e)
{
	AUTO_BUF out = BUF(MIB);
	struct jsonw w = JSONW(&out, 2);
	int r = env_remove(a->store, name, e);

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
	struct app a = { 0 };
	struct err e = { 0 };
	bool removes = strcmp(what, "remove") == 0;
	int r;

	if ((!removes && strcmp(what, "list") != 0) || o->rest_count > (removes ? 2 : 1))
		return say_usage("env: 'envfs env list' or 'envfs env remove NAME'");
	if (removes && !name)
		return say_usage("env remove: which environment?");
	r = app_open(&a, o, removes ? APP_WRITE : APP_READ, &e);
	if (r == 0)
		r = removes ? remove_env(&a, name, &e) : list(&a, &e);
	app_done(&a);
	return r < 0 ? say_error(&e, NULL) : r;
}
