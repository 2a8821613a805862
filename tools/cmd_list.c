/* SPDX-License-Identifier: Apache-2.0 */
#include "base/auto.h"
#include "base/json.h"
#include "base/limits.h"
#include "dist.h"
#include "env/env.h"
#include "mounts.h"
#include "plan.h"
#include "tree/view.h"
#include "ui/say.h"

#include <errno.h>
#include <string.h>

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct gen_package *)a)->name, ((const struct gen_package *)b)->name);
}

/* By name, as conda lists; kept in a->texts. */
static struct gen_package *sorted(struct app *a, const struct generation *g)
{
	uint32_t count = generation_count(g);
	struct gen_package *list = texts_alloc(&a->texts, count, sizeof(*list));

	for (uint32_t i = 0; i < count; i++)
		generation_package(g, i, &list[i]);
	if (count > 0)
		qsort(list, count, sizeof(*list), by_name);
	return list;
}

static void put_json(struct app *a, const struct generation *g, struct buf *out)
{
	const struct gen_package *list = sorted(a, g);
	struct jsonw w = JSONW(out, 2);

	jsonw_array(&w);
	for (uint32_t i = 0; i < generation_count(g); i++)
		dist_json(&w, &list[i]);
	jsonw_array_end(&w);
}

static void put_text(struct app *a, const struct generation *g, struct buf *out)
{
	const struct gen_package *list = sorted(a, g);

	buf_addf(out, "# packages in environment at %s:\n#\n# %-26s %-18s %-24s Channel\n",
		 env_prefix(a, a->opts->name), "Name", "Version", "Build");
	for (uint32_t i = 0; i < generation_count(g); i++)
		buf_addf(out, "%-28s %-18s %-24s %s\n", list[i].name, list[i].version,
			 list[i].build, channel_shown(list[i].channel_url));
}

struct conflicts {
	struct buf *out;
	struct jsonw w;
	bool json;
	const char *prefix;
};

static int put_conflict(void *ctx, const struct conflict *c)
{
	struct conflicts *to = ctx;

	if (to->json) {
		jsonw_object(&to->w);
		jsonw_member_text(&to->w, "path", c->path);
		jsonw_member_text(&to->w, "winner", c->winner);
		jsonw_member_text(&to->w, "loser", c->loser);
		jsonw_object_end(&to->w);
	} else if (c->loser) {
		buf_addf(to->out, "%s: from %s, hides that of %s\n", c->path, c->winner, c->loser);
	} else {
		buf_addf(to->out,
			 "%s: of %s, cannot be served: the prefix '%s' is longer than its "
			 "placeholder\n",
			 c->path, c->winner, to->prefix);
	}
	return 0;
}

/* Opens the manifests; all must be listed, at least. */
static int open_manifests(struct app *a, const struct generation *g, struct manifest **list,
			  struct err *e)
{
	for (uint32_t i = 0; i < generation_count(g); i++) {
		struct gen_package p;
		int r;

		generation_package(g, i, &p);
		r = manifest_open(&list[i], a->store, p.package, e);
		if (r == -ENOENT)
			return err_set(
				e, -ENODATA,
				"the files of '%s' are not known yet: look below %s once, or "
				"run 'envfs fetch -n %s'",
				p.name, env_prefix(a, a->opts->name), a->opts->name);
		if (r < 0)
			return r;
	}
	return 0;
}

static int put_conflicts(struct app *a, struct generation *g, struct buf *out, struct err *e)
{
	struct manifest **list = texts_alloc(&a->texts, generation_count(g), sizeof(*list));
	struct conflicts to = { .out = out,
				.w = JSONW(out, 2),
				.json = a->opts->json,
				.prefix = env_prefix(a, a->opts->name) };
	AUTO(view_freep) struct view *v = NULL;
	int r = open_manifests(a, g, list, e);

	if (to.json)
		jsonw_array(&to.w);
	if (r == 0)
		r = view_open(&v, g, list, to.prefix, e);
	if (r == 0)
		r = view_conflicts(v, put_conflict, &to, e);
	if (to.json)
		jsonw_array_end(&to.w);
	for (uint32_t i = 0; i < generation_count(g); i++)
		list[i] = manifest_free(list[i]);
	return r;
}

static int list(struct app *a, struct err *e)
{
	AUTO(generation_freep) struct generation *g = NULL;
	AUTO_BUF out = BUF(GENERATION_BYTES_MAX);
	const struct opts *o = a->opts;
	uint64_t number;
	int r = env_current(a->store, o->name, &number, e);

	if (r == 0)
		r = generation_open(&g, a->store, number, e);
	if (r < 0)
		return r;
	if (o->conflicts)
		r = put_conflicts(a, g, &out, e);
	else if (o->explicit_list)
		generation_print_explicit(g, &out);
	else if (o->json)
		put_json(a, g, &out);
	else
		put_text(a, g, &out);
	return r < 0 ? r : say_answer(&out);
}

int cmd_list(const struct opts *o)
{
	struct app a = { 0 };
	struct err e = { 0 };
	int r;

	if (!o->name)
		return say_usage("list: which environment? give -n NAME");
	r = app_open(&a, o, APP_READ, &e);
	if (r == 0)
		r = list(&a, &e);
	app_done(&a);
	return r < 0 ? say_error(&e, NULL) : r;
}
