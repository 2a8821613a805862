/* SPDX-License-Identifier: Apache-2.0 */
#include "conflicts.h"

#include "base/auto.h"
#include "base/limits.h"
#include "manifest/manifest.h"
#include "ui/say.h"

#include <errno.h>

#define SAID_MAX 5

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
			return err_set(e, -ENODATA, "the files of '%s' are not known yet", p.name);
		if (r < 0)
			return r;
	}
	return 0;
}

int conflicts_each(struct app *a, struct generation *g, const char *prefix, view_conflict_fn *fn,
		   void *ctx, struct err *e)
{
	struct manifest **list = texts_alloc(&a->texts, generation_count(g), sizeof(*list));
	AUTO(view_freep) struct view *v = NULL;
	int r = open_manifests(a, g, list, e);

	if (r == 0)
		r = view_open(&v, g, list, prefix, e);
	if (r == 0)
		r = view_conflicts(v, fn, ctx, e);
	for (uint32_t i = 0; i < generation_count(g); i++)
		list[i] = manifest_free(list[i]);
	return r;
}

void conflict_print(const struct conflict *c, const char *prefix, struct buf *ret)
{
	if (c->loser)
		buf_addf(ret, "%s: from %s, hides that of %s", c->path, c->winner, c->loser);
	else
		buf_addf(ret,
			 "%s: of %s, cannot be read: the prefix '%s' is longer than its "
			 "placeholder",
			 c->path, c->winner, prefix);
}

struct said {
	const char *prefix;
	size_t count;
};

static int say_one(void *ctx, const struct conflict *c)
{
	struct said *s = ctx;
	AUTO_BUF line = BUF(4 * VIEW_PATH_BYTES);

	if (s->count++ < SAID_MAX) {
		conflict_print(c, s->prefix, &line);
		say_warning("%s", line.bytes);
	}
	return 0;
}

void conflicts_say(struct app *a, const char *env, uint64_t number, const char *prefix)
{
	AUTO(generation_freep) struct generation *g = NULL;
	struct said s = { .prefix = prefix };
	struct err e; /* what cannot be told now is told by `list --conflicts` and the mount */

	if (generation_open(&g, a->store, number, &e) < 0 ||
	    conflicts_each(a, g, prefix, say_one, &s, &e) < 0)
		return;
	if (s.count > SAID_MAX)
		say_warning("%zu more such paths: 'envfs list -n %s --conflicts' shows them",
			    s.count - SAID_MAX, env);
}
