/* SPDX-License-Identifier: Apache-2.0 */
#include "envs.h"

#include "env/generation.h"
#include "mounts.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

void env_look(struct app *a, const char *name, struct env_shown *ret)
{
	AUTO(generation_freep) struct generation *g = NULL;
	const char *active = getenv("CONDA_PREFIX");

	*ret = (struct env_shown){ .prefix = env_prefix(a, name) };
	ret->active = active && strcmp(active, ret->prefix) == 0;
	if (env_current(a->store, name, &ret->number, &ret->why) < 0 ||
	    generation_open(&g, a->store, ret->number, &ret->why) < 0)
		return;
	ret->packages = generation_count(g);
	ret->created_ms = generation_created_ms(g);
}

/* "2026-01-31T12:00:00+00:00", as Python writes it. */
static const char *iso_time(struct texts *t, int64_t ms)
{
	time_t when = (time_t)(ms / 1000);
	char text[40];
	struct tm tm;

	if (!ms || !gmtime_r(&when, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S+00:00", &tm))
		return NULL;
	return texts_keep(t, text);
}

static void details_json(struct jsonw *w, struct app *a, const char *name)
{
	struct env_shown s;
	const char *when;

	env_look(a, name, &s);
	when = iso_time(&a->texts, s.created_ms);
	jsonw_key(w, s.prefix);
	jsonw_object(w);
	jsonw_member_text(w, "name", name);
	jsonw_member_text(w, "created", when);
	jsonw_member_text(w, "last_modified", when);
	jsonw_member_bool(w, "active", s.active);
	jsonw_member_bool(w, "base", false);
	jsonw_member_bool(w, "frozen", true);
	jsonw_member_bool(w, "writable", false);
	jsonw_member_u64(w, "generation", s.number);
	jsonw_member_u64(w, "packages", s.packages);
	if (s.why.code < 0)
		jsonw_member_text(w, "error", s.why.text);
	jsonw_object_end(w);
}

void envs_json(struct jsonw *w, struct app *a, const struct env_list *l)
{
	jsonw_key(w, "envs");
	jsonw_array(w);
	for (size_t i = 0; i < l->count; i++)
		jsonw_text(w, env_prefix(a, l->names[i]));
	jsonw_array_end(w);
	jsonw_key(w, "envs_details");
	jsonw_object(w);
	for (size_t i = 0; i < l->count; i++)
		details_json(w, a, l->names[i]);
	jsonw_object_end(w);
}
