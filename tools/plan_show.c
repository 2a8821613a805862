/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include "base/json.h"
#include "base/limits.h"
#include "dist.h"
#include "mounts.h"
#include "supply/supply.h"
#include "ui/say.h"
#include "ui/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The package of this name before, if there was one. */
static bool before_of(const struct plan *p, const char *name, struct gen_package *ret)
{
	for (uint32_t i = 0; p->before && i < generation_count(p->before); i++) {
		generation_package(p->before, i, ret);
		if (strcmp(ret->name, name) == 0)
			return true;
	}
	return false;
}

static const struct gen_package *after_of(const struct plan *p, const char *name)
{
	for (uint32_t i = 0; i < p->count; i++)
		if (strcmp(p->packages[i].name, name) == 0)
			return &p->packages[i];
	return NULL;
}

static bool same_artifact(const struct gen_package *a, const struct gen_package *b)
{
	if (!digest_is_zero(&a->sha256) && !digest_is_zero(&b->sha256))
		return digest_same(&a->sha256, &b->sha256);
	return strcmp(a->fn, b->fn) == 0 && strcmp(a->channel_url, b->channel_url) == 0;
}

struct counts {
	uint32_t added, changed, removed;
	uint64_t bytes; /* of artifacts that are new here */
};

static struct counts count_changes(const struct plan *p)
{
	struct counts c = { 0 };
	struct gen_package old;

	for (uint32_t i = 0; i < p->count; i++) {
		bool had = before_of(p, p->packages[i].name, &old);

		if (had && same_artifact(&old, &p->packages[i]))
			continue;
		c.bytes += p->packages[i].size;
		if (had)
			c.changed++;
		else
			c.added++;
	}
	for (uint32_t i = 0; p->before && i < generation_count(p->before); i++) {
		generation_package(p->before, i, &old);
		c.removed += !after_of(p, old.name);
	}
	return c;
}

bool plan_changes(const struct plan *p)
{
	struct counts c = count_changes(p);

	return c.added || c.changed || c.removed;
}

static int by_name(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;

	return strcmp(x[0] + 2, y[0] + 2);
}

static void add_row(const struct plan *p, struct table *t, char sign, const struct gen_package *old,
		    const struct gen_package *g)
{
	struct texts *k = &p->app->texts;
	bool same_version = strcmp(old->version, g->version) == 0;

	table_add(t, texts_printf(k, "%c %s", sign, g->name),
		  same_version ? g->version : texts_printf(k, "%s -> %s", old->version, g->version),
		  strcmp(old->build, g->build) == 0
			  ? g->build
			  : texts_printf(k, "%s -> %s", old->build, g->build),
		  channel_shown(g->channel_url));
}

static void show_rows(const struct plan *p, struct buf *out)
{
	AUTO(table_done) struct table t = { 0 };
	struct gen_package old;

	for (uint32_t i = 0; p->before && i < generation_count(p->before); i++) {
		generation_package(p->before, i, &old);
		if (!after_of(p, old.name))
			add_row(p, &t, '-', &old, &old);
	}
	for (uint32_t i = 0; i < p->count; i++) {
		const struct gen_package *g = &p->packages[i];
		bool had = before_of(p, g->name, &old);

		if (!had)
			add_row(p, &t, '+', g, g);
		else if (!same_artifact(&old, g))
			add_row(p, &t, '~', &old, g);
	}
	if (t.count > 0)
		qsort(t.rows, t.count, sizeof(*t.rows), by_name);
	table_print(&t, "  ", out);
}

/* What a new user does next, when nothing is mounted. */
static void show_hint(const struct plan *p, struct buf *out)
{
	char dir[PATH_MAX];
	struct err ignored; /* no hint then */
	bool running;

	if (!p->before && p->number && mount_point(p->app, dir, &running, &ignored) == 0 &&
	    !running)
		buf_addf(out,
			 "not mounted: 'envfs mount' does that; 'envfs run -n %s -- COMMAND' needs "
			 "no mount\n",
			 p->env);
}

static int show_text(const struct plan *p, const char *prefix)
{
	AUTO_BUF out = BUF(GENERATION_BYTES_MAX);
	struct counts c = count_changes(p);
	bool changes = c.added || c.changed || c.removed;

	if (p->app->opts->quiet)
		return EXIT_DONE;
	show_rows(p, &out);
	buf_addf(&out, "%s%s: %u package%s", p->app->opts->dry_run ? "dry run: " : "", prefix,
		 p->count, p->count == 1 ? "" : "s");
	if (p->before && changes)
		buf_addf(&out, " (%u new, %u changed, %u removed)", c.added, c.changed, c.removed);
	if (p->before && !changes)
		buf_adds(&out, ", all that was asked for is there already");
	if (c.bytes > 0)
		buf_addf(&out, "; artifacts of %s, fetched when touched", SIZE_TEXT(c.bytes));
	buf_addc(&out, '\n');
	show_hint(p, &out);
	return say_answer(&out);
}

static void put_links(const struct plan *p, struct jsonw *w, bool fetch)
{
	struct gen_package old;

	jsonw_array(w);
	for (uint32_t i = 0; i < p->count; i++) {
		const struct gen_package *g = &p->packages[i];

		if (before_of(p, g->name, &old) && same_artifact(&old, g))
			continue;
		/* FETCH: what is not here yet; a number means that the store has seen it. */
		if (fetch && g->package && p->app->supply &&
		    supply_state(p->app->supply, g->package) == SUPPLY_PRESENT)
			continue;
		if (fetch)
			dist_record_json(w, g);
		else
			dist_json(w, g);
	}
	jsonw_array_end(w);
}

static void put_unlinks(const struct plan *p, struct jsonw *w)
{
	jsonw_array(w);
	for (uint32_t i = 0; p->before && i < generation_count(p->before); i++) {
		const struct gen_package *after;
		struct gen_package old;

		generation_package(p->before, i, &old);
		after = after_of(p, old.name);
		if (!after || !same_artifact(&old, after))
			dist_json(w, &old);
	}
	jsonw_array_end(w);
}

static int show_json(const struct plan *p, const char *prefix)
{
	AUTO_BUF out = BUF(GENERATION_BYTES_MAX);
	struct jsonw w = JSONW(&out, 2);

	jsonw_object(&w);
	if (plan_changes(p) || !p->before) {
		jsonw_key(&w, "actions");
		jsonw_object(&w);
		jsonw_key(&w, "FETCH");
		put_links(p, &w, true);
		jsonw_key(&w, "LINK");
		put_links(p, &w, false);
		jsonw_key(&w, "UNLINK");
		put_unlinks(p, &w);
		jsonw_member_text(&w, "PREFIX", prefix);
		jsonw_object_end(&w);
	} else {
		jsonw_member_text(&w, "message", "All requested packages already installed.");
	}
	if (p->app->opts->dry_run)
		jsonw_member_bool(&w, "dry_run", true);
	jsonw_member_text(&w, "prefix", prefix);
	jsonw_member_bool(&w, "success", true);
	jsonw_member_u64(&w, "generation", p->number ? p->number : p->current);
	jsonw_object_end(&w);
	return say_answer(&out);
}

int plan_show(const struct plan *p, const char *prefix)
{
	return p->app->opts->json ? show_json(p, prefix) : show_text(p, prefix);
}
