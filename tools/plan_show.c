/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include "base/json.h"
#include "base/limits.h"
#include "dist.h"
#include "supply/supply.h"
#include "ui/say.h"

#include <inttypes.h>
#include <stdio.h>
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

static void show_rows(const struct plan *p)
{
	struct gen_package old;

	for (uint32_t i = 0; p->before && i < generation_count(p->before); i++) {
		generation_package(p->before, i, &old);
		if (!after_of(p, old.name))
			printf("  - %-28s %-16s %-24s %s\n", old.name, old.version, old.build,
			       channel_shown(old.channel_url));
	}
	for (uint32_t i = 0; i < p->count; i++) {
		const struct gen_package *g = &p->packages[i];
		bool had = before_of(p, g->name, &old);

		if (!had)
			printf("  + %-28s %-16s %-24s %s\n", g->name, g->version, g->build,
			       channel_shown(g->channel_url));
		else if (!same_artifact(&old, g))
			printf("  ~ %-28s %s %s -> %s %s  %s\n", g->name, old.version, old.build,
			       g->version, g->build, channel_shown(g->channel_url));
	}
}

static int show_text(const struct plan *p, bool dry_run, const char *prefix)
{
	struct counts c = count_changes(p);

	if (p->app->opts->quiet)
		return EXIT_DONE;
	show_rows(p);
	printf("%s%s: %u packages", dry_run ? "dry run: " : "", prefix, p->count);
	if (p->before)
		printf(" (%u new, %u changed, %u removed)", c.added, c.changed, c.removed);
	if (c.bytes > 0)
		printf("; artifacts of %s, fetched when touched", SIZE_TEXT(c.bytes));
	printf("\n");
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
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

static int show_json(const struct plan *p, bool dry_run, const char *prefix)
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
	jsonw_member_bool(&w, "dry_run", dry_run);
	jsonw_member_text(&w, "prefix", prefix);
	jsonw_member_bool(&w, "success", true);
	jsonw_member_u64(&w, "generation", p->number);
	jsonw_object_end(&w);
	return say_answer(&out);
}

int plan_show(const struct plan *p, bool dry_run, const char *prefix)
{
	return p->app->opts->json ? show_json(p, dry_run, prefix) : show_text(p, dry_run, prefix);
}
