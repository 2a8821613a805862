/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/url.h"
#include "conflicts.h"
#include "env/env.h"
#include "mounts.h"
#include "spec/matchspec.h"
#include "ui/say.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

void plan_done(struct plan *p)
{
	p->before = generation_free(p->before);
}

static int load_request(struct plan *p, struct err *e)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	const char *text = generation_request_json(p->before);
	struct texts *t = &p->app->texts;
	const struct json *root, *vars;
	struct json_iter it;
	int r = json_parse(&doc, text, strlen(text), e);

	if (r < 0)
		return err_wrap(e, r, "request of generation %" PRIu64,
				generation_number(p->before));
	root = json_root(doc);
	p->specs = texts_json(t, json_get(root, "specs"), &p->spec_count);
	p->channels = texts_json(t, json_get(root, "channels"), &p->channel_count);
	p->virtual_texts =
		texts_json(t, json_get(root, "virtual_packages"), &p->virtual_text_count);
	p->explicit_list = json_true(json_get(root, "explicit"));
	vars = json_get(root, "variables");
	p->variables = texts_alloc(t, json_len(vars), sizeof(*p->variables));
	it = json_iter(vars);
	for (const struct json *v = json_next(&it); v; v = json_next(&it))
		if (json_text(v))
			p->variables[p->variable_count++] =
				(struct variable){ texts_keep(t, it.key),
						   texts_keep(t, json_text(v)) };
	p->was = (struct request){ p->specs, p->channels, p->spec_count, p->channel_count,
				   p->explicit_list };
	return 0;
}

int plan_begin(struct plan *p, struct app *app, const char *env, struct err *e)
{
	int r;

	*p = (struct plan){ .app = app, .env = env };
	if (!env)
		return 0;
	r = env_current(app->store, env, &p->current, e);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = generation_open(&p->before, app->store, p->current, e);
	if (r == 0)
		r = load_request(p, e);
	return r;
}

int plan_begin_change(struct plan *p, struct app *app, const char *env, struct err *e)
{
	int r = plan_begin(p, app, env, e);

	if (r < 0 || p->before)
		return r;
	say_exception("EnvironmentLocationNotFound");
	return err_set(e, -ENOENT, "there is no environment '%s': 'envfs create' makes one", env);
}

int plan_virtuals(struct plan *p, struct err *e)
{
	int n = virtual_packages(p->virtuals, p->platform, e);

	if (n < 0)
		return n;
	p->virtual_count = p->virtual_text_count = (size_t)n;
	p->virtual_texts = texts_alloc(&p->app->texts, (size_t)n, sizeof(*p->virtual_texts));
	for (int i = 0; i < n; i++)
		p->virtual_texts[i] = texts_printf(&p->app->texts, "%s=%s=%s", p->virtuals[i].name,
						   p->virtuals[i].version, p->virtuals[i].build);
	return 0;
}

static const char *priority_text(enum channel_priority priority)
{
	return priority == PRIORITY_STRICT     ? "strict"
	       : priority == PRIORITY_FLEXIBLE ? "flexible"
					       : "disabled";
}

static void put_list(struct jsonw *w, const char *key, const char *const *list, size_t count)
{
	jsonw_key(w, key);
	jsonw_array(w);
	for (size_t i = 0; i < count; i++)
		jsonw_text(w, list[i]);
	jsonw_array_end(w);
}

static void put_request(const struct plan *p, struct buf *out)
{
	struct jsonw w = JSONW(out, 0);

	jsonw_object(&w);
	put_list(&w, "specs", p->specs, p->spec_count);
	put_list(&w, "channels", p->channels, p->channel_count);
	jsonw_member_text(&w, "channel_priority", priority_text(p->priority));
	jsonw_member_bool(&w, "explicit", p->explicit_list);
	jsonw_key(&w, "variables");
	jsonw_object(&w);
	for (size_t i = 0; i < p->variable_count; i++)
		jsonw_member_text(&w, p->variables[i].name, p->variables[i].value);
	jsonw_object_end(&w);
	put_list(&w, "virtual_packages", p->virtual_texts, p->virtual_text_count);
	put_list(&w, "pins", p->pins, p->pin_count);
	jsonw_member_text(&w, "command", p->app->opts->command_line);
	jsonw_object_end(&w);
}

/*
 * What has no SHA-256 gets one: from what the store knows of that MD5, else by
 * fetching the artifact, which is said.
 */
static int complete_hash(struct plan *p, struct gen_package *g, struct err *e)
{
	struct index_artifact known;
	struct supply_artifact art;
	int r = -ENOENT;

	if (!md5_is_zero(&g->md5))
		r = index_artifact_by_md5(p->app->index, &g->md5, &known, e);
	if (r == 0) {
		g->sha256 = known.sha256;
		g->size = known.size;
		return 0;
	}
	if (r != -ENOENT)
		return r;
	say_note("%s has no SHA-256 in the list or in cached repodata: fetching it", g->fn);
	r = supply_identify(p->app->supply, g->url, &g->md5, &art, e);
	if (r < 0)
		return r;
	g->sha256 = art.sha256;
	g->size = art.size;
	return 0;
}

int plan_complete(struct plan *p, struct err *e)
{
	for (uint32_t i = 0; i < p->count; i++) {
		struct gen_package *g = &p->packages[i];
		int r = digest_is_zero(&g->sha256) ? complete_hash(p, g, e) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static int commit(struct plan *p, struct err *e)
{
	AUTO_BUF request = BUF(GENERATION_BYTES_MAX);
	struct generation_spec spec = {
		.env = p->env,
		.parent = p->current,
		.platform = p->platform,
		.packages = p->packages,
		.count = p->count,
	};
	int r = plan_complete(p, e);

	if (r < 0)
		return r;
	put_request(p, &request);
	r = buf_end(&request, e);
	spec.request_json = request.bytes;
	if (r == 0)
		r = generation_write(p->app->store, p->app->index, &spec, &p->number, e);
	if (r == 0)
		r = env_switch(p->app->store, p->env, p->current, p->number, e);
	if (r == 0)
		mounts_tell_changed(p->app, p->env);
	return r;
}

static bool has_text(const char *const *list, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], text) == 0)
			return true;
	return false;
}

/* Requests are a set, channels are in order. */
static bool request_changes(const struct plan *p)
{
	const struct request *was = &p->was;

	if (was->explicit_list != p->explicit_list || was->spec_count != p->spec_count ||
	    was->channel_count != p->channel_count)
		return true;
	for (size_t i = 0; i < p->spec_count; i++)
		if (!has_text(was->specs, was->spec_count, p->specs[i]))
			return true;
	for (size_t i = 0; i < p->channel_count; i++)
		if (strcmp(was->channels[i], p->channels[i]) != 0)
			return true;
	return false;
}

int plan_carry_out(struct plan *p, bool always, struct err *e)
{
	const char *prefix = env_prefix(p->app, p->env);
	bool needed = always || plan_changes(p) || request_changes(p);
	int r = needed && !p->app->opts->dry_run ? commit(p, e) : 0;

	if (r == 0 && p->number)
		conflicts_say(p->app, p->env, p->number, prefix);
	return r < 0 ? r : plan_show(p, prefix);
}

void package_print_explicit(const struct gen_package *p, struct buf *ret)
{
	struct explicit_row row = { .url = (char *)(uintptr_t)p->url, .sha256 = p->sha256 };

	explicit_print(&row, ret);
}

static void print_head(const char *platform, struct buf *ret)
{
	buf_addf(ret,
		 "# This file may be used to create an environment using:\n"
		 "# $ envfs create -n <env> -f <this file>\n"
		 "# platform: %s\n@EXPLICIT\n",
		 platform);
}

void plan_print_explicit(const struct plan *p, struct buf *ret)
{
	print_head(p->platform, ret);
	for (uint32_t i = 0; i < p->count; i++) {
		package_print_explicit(&p->packages[i], ret);
		buf_addc(ret, '\n');
	}
}

void generation_print_explicit(const struct generation *g, struct buf *ret)
{
	print_head(generation_platform(g), ret);
	for (uint32_t i = 0; i < generation_count(g); i++) {
		struct gen_package p;

		generation_package(g, i, &p);
		package_print_explicit(&p, ret);
		buf_addc(ret, '\n');
	}
}
