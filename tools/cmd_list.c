/* SPDX-License-Identifier: Apache-2.0 */
#include "base/auto.h"
#include "base/json.h"
#include "base/limits.h"
#include "conflicts.h"
#include "dist.h"
#include "mounts.h"
#include "plan.h"
#include "ui/say.h"
#include "ui/table.h"

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
	AUTO(table_done) struct table t = { 0 };

	buf_addf(out, "# packages in environment at %s:\n#\n", env_prefix(a, a->opts->name));
	table_add(&t, "# Name", "Version", "Build", "Channel");
	for (uint32_t i = 0; i < generation_count(g); i++)
		table_add(&t, list[i].name, list[i].version, list[i].build,
			  channel_shown(list[i].channel_url));
	table_print(&t, "", out);
}

struct shown {
	struct buf *out;
	struct jsonw w;
	bool json;
	const char *prefix;
};

static int put_conflict(void *ctx, const struct conflict *c)
{
	struct shown *to = ctx;

	if (!to->json) {
		conflict_print(c, to->prefix, to->out);
		buf_addc(to->out, '\n');
		return 0;
	}
	jsonw_object(&to->w);
	jsonw_member_text(&to->w, "path", c->path);
	jsonw_member_text(&to->w, "winner", c->winner);
	jsonw_member_text(&to->w, "loser", c->loser);
	jsonw_object_end(&to->w);
	return 0;
}

static int put_conflicts(struct app *a, struct generation *g, struct buf *out, struct err *e)
{
	struct shown to = { .out = out,
			    .w = JSONW(out, 2),
			    .json = a->opts->json,
			    .prefix = env_prefix(a, a->opts->name) };
	int r;

	if (to.json)
		jsonw_array(&to.w);
	r = conflicts_each(a, g, to.prefix, put_conflict, &to, e);
	if (to.json)
		jsonw_array_end(&to.w);
	if (r == -ENODATA)
		return err_set(e, r, "%s: look below %s once, or run 'envfs fetch -n %s'",
			       texts_keep(&a->texts, e->text), to.prefix, a->opts->name);
	return r;
}

static void put_explicit(const struct generation *g, bool json, struct buf *out)
{
	struct jsonw w = JSONW(out, 2);

	if (!json) {
		generation_print_explicit(g, out);
		return;
	}
	jsonw_array(&w);
	for (uint32_t i = 0; i < generation_count(g); i++) {
		AUTO_BUF row = BUF(2 * URL_BYTES_MAX);
		struct gen_package p;

		generation_package(g, i, &p);
		package_print_explicit(&p, &row);
		jsonw_text(&w, row.bytes);
	}
	jsonw_array_end(&w);
}

static int list(struct app *a, struct err *e)
{
	AUTO(generation_freep) struct generation *g = NULL;
	AUTO_BUF out = BUF(GENERATION_BYTES_MAX);
	const struct opts *o = a->opts;
	int r = app_generation(a, o->name, &g, e);

	if (r < 0)
		return r;
	if (o->conflicts)
		r = put_conflicts(a, g, &out, e);
	else if (o->explicit_list)
		put_explicit(g, o->json, &out);
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
