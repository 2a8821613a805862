/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limits.h"
#include "base/sys.h"
#include "content/inside.h"

#include <assert.h>
#include <string.h>

static int by_key(const void *a, const void *b)
{
	const struct slot_of *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

/* Which slot has the key; UINT32_MAX: none. */
static uint32_t find_key(const struct slot_of *sorted, uint32_t count, uint64_t key)
{
	const struct slot_of want = { .key = key };
	const struct slot_of *at = bsearch(&want, sorted, count, sizeof(want), by_key);

	return at ? at->slot : UINT32_MAX;
}

uint32_t loaded_slot(const struct loaded *l, uint64_t package)
{
	return find_key(l->by_package, l->count, package);
}

static bool holds(const struct loaded *l, enum node_kind kind, uint64_t scope)
{
	switch (kind) {
	case NODE_FILE:
		return find_key(l->by_package, l->count, scope) != UINT32_MAX;
	case NODE_PATCHED:
		return find_key(l->by_place, l->count, scope) != UINT32_MAX;
	case NODE_DIR:
	case NODE_MADE:
	case NODE_MADE_DIR:
		return scope >= l->slot_base && scope - l->slot_base <= l->count;
	default:
		return false;
	}
}

struct loaded *loaded_by_number(struct content *c, uint64_t number)
{
	for (size_t i = 0; i < c->loaded_count; i++)
		if (c->loaded[i]->number == number)
			return c->loaded[i];
	return NULL;
}

/* Of several that have a file's package, one whose view is ready is best. */
struct loaded *loaded_by_ino(struct content *c, uint64_t ino)
{
	enum node_kind kind = node_kind(ino);
	uint64_t scope = node_scope(ino);
	struct loaded *best = NULL;

	if (c->hint && c->hint->state == LOADED_READY && holds(c->hint, kind, scope))
		return c->hint;
	for (size_t i = 0; i < c->loaded_count; i++) {
		if (!holds(c->loaded[i], kind, scope))
			continue;
		best = c->loaded[i];
		if (best->state == LOADED_READY)
			break;
	}
	c->hint = best;
	return best;
}

static int fill(struct content *c, struct loaded *l, struct err *e)
{
	struct gen_package gp;

	for (uint32_t i = 0; i < l->count; i++) {
		generation_package(l->generation, i, &gp);
		l->by_package[i] = (struct slot_of){ gp.package, i };
		l->by_place[i] = (struct slot_of){ gp.place, i };
		l->packages[i] = package_use(c, gp.package);
		if (!l->packages[i])
			return err_nomem(e);
	}
	qsort(l->by_package, l->count, sizeof(*l->by_package), by_key);
	qsort(l->by_place, l->count, sizeof(*l->by_place), by_key);
	return 0;
}

int loaded_open(struct loaded **ret, struct content *c, struct generation *g, struct err *e)
{
	struct loaded *l = calloc(1, sizeof(*l));
	size_t n = generation_count(g) + 1; /* an empty generation is one too */
	int r;

	if (!l)
		return err_nomem(e);
	l->generation = generation_ref(g);
	l->number = generation_number(g);
	l->slot_base = generation_slot_base(g);
	l->packages = calloc(n, sizeof(struct package *));
	l->by_package = calloc(n, sizeof(*l->by_package));
	l->by_place = calloc(n, sizeof(*l->by_place));
	l->counted = calloc(n, sizeof(*l->counted));
	if (!l->packages || !l->by_package || !l->by_place || !l->counted) {
		loaded_free(c, l);
		return err_nomem(e);
	}
	l->count = generation_count(g);
	r = fill(c, l, e);
	if (r < 0) {
		loaded_free(c, l);
		return r;
	}
	l->used_ns = sys_now_ns();
	*ret = l;
	return 0;
}

struct loaded *loaded_free(struct content *c, struct loaded *l)
{
	if (!l)
		return NULL;
	view_free(l->view);
	view_free(l->outdated);
	for (uint32_t i = 0; i < l->count; i++)
		if (l->packages[i])
			package_drop(c, l->packages[i]);
	generation_free(l->generation);
	free(l->packages);
	free(l->by_package);
	free(l->by_place);
	free(l->counted);
	free(l);
	return NULL;
}

void loaded_remove(struct content *c, size_t i)
{
	struct loaded *l = c->loaded[i];

	if (c->hint == l)
		c->hint = NULL;
	c->loaded_count--;
	memmove(c->loaded + i, c->loaded + i + 1, (c->loaded_count - i) * sizeof(struct loaded *));
	loaded_free(c, l);
}

/* Drops those used longest ago until `keep` are left. Requests that work with such a
 * view hold their own reference; those being listed are left alone. */
void loaded_evict(struct content *c, size_t keep)
{
	while (c->loaded_count > keep) {
		size_t oldest = SIZE_MAX;

		for (size_t i = 0; i < c->loaded_count; i++) {
			if (c->loaded[i]->state == LOADED_LISTING || c->loaded[i]->held)
				continue;
			if (oldest == SIZE_MAX ||
			    c->loaded[i]->used_ns < c->loaded[oldest]->used_ns)
				oldest = i;
		}
		if (oldest == SIZE_MAX)
			return;
		loaded_remove(c, oldest);
	}
}

int loaded_add(struct content *c, struct loaded *l, struct err *e)
{
	size_t at = 0;
	int r;

	loaded_evict(c, GENERATIONS_LOADED_MAX - 1);
	r = GROW(c->loaded, c->loaded_cap, c->loaded_count + 1, GENERATIONS_MAX, e);
	if (r < 0)
		return r;
	while (at < c->loaded_count && c->loaded[at]->slot_base < l->slot_base)
		at++;
	memmove(c->loaded + at + 1, c->loaded + at,
		(c->loaded_count - at) * sizeof(struct loaded *));
	c->loaded[at] = l;
	c->loaded_count++;
	return 0;
}
