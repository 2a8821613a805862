/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limits.h"
#include "base/log.h"
#include "base/path.h"
#include "content/inside.h"
#include "env/generation.h"

#include <string.h>

static bool same_number(const void *ctx, uint32_t value, const void *key)
{
	const struct content *c = ctx;

	return c->heads[value].number == *(const uint64_t *)key;
}

static uint32_t find_number(const struct content *c, uint64_t number)
{
	return map_get(&c->heads_by_number, xxh64(&number, sizeof(number)), same_number, c,
		       &number);
}

/* The last of heads_by_slot that starts at or before this slot, plus one; 0: none. */
static size_t find_slot(const struct content *c, uint64_t slot)
{
	size_t low = 0, high = c->head_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (c->heads[c->heads_by_slot[mid]].slot_base <= slot)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static int remember(struct content *c, const struct head *h, struct err *e)
{
	size_t at = find_slot(c, h->slot_base), n = c->head_count;
	int r;

	if (find_number(c, h->number) != MAP_NONE)
		return 0;
	r = GROW(c->heads, c->heads_cap, n + 1, GENERATIONS_MAX, e);
	if (r == 0)
		r = GROW(c->heads_by_slot, c->by_slot_cap, n + 1, GENERATIONS_MAX, e);
	if (r < 0)
		return r;
	c->heads[n] = *h;
	r = map_put(&c->heads_by_number, xxh64(&h->number, sizeof(h->number)), (uint32_t)n, e);
	if (r < 0)
		return r;
	memmove(c->heads_by_slot + at + 1, c->heads_by_slot + at,
		(n - at) * sizeof(*c->heads_by_slot));
	c->heads_by_slot[at] = (uint32_t)n;
	c->head_count++;
	return 0;
}

static struct head head_of(const struct generation *g)
{
	return (struct head){
		.number = generation_number(g),
		.slot_base = generation_slot_base(g),
		.created_ms = generation_created_ms(g),
		.count = generation_count(g),
	};
}

int head_by_number(struct content *c, uint64_t number, struct head *ret, struct err *e)
{
	AUTO(generation_freep) struct generation *g = NULL;
	uint32_t at;
	int r;

	(void)pthread_mutex_lock(&c->lock);
	at = find_number(c, number);
	if (at != MAP_NONE)
		*ret = c->heads[at];
	(void)pthread_mutex_unlock(&c->lock);
	if (at != MAP_NONE)
		return 0;
	r = generation_open(&g, c->store, number, e);
	if (r < 0)
		return r;
	*ret = head_of(g);
	(void)pthread_mutex_lock(&c->lock);
	r = remember(c, ret, e);
	(void)pthread_mutex_unlock(&c->lock);
	return r;
}

static bool in_slots(const struct head *h, uint64_t scope)
{
	return scope >= h->slot_base && scope - h->slot_base <= h->count;
}

static bool holds(const struct generation *g, uint64_t ino)
{
	enum node_kind kind = node_kind(ino);
	uint64_t scope = node_scope(ino);
	const struct head h = head_of(g);
	struct gen_package gp;

	if (kind != NODE_FILE && kind != NODE_PATCHED)
		return in_slots(&h, scope);
	for (uint32_t i = 0; i < h.count; i++) {
		generation_package(g, i, &gp);
		if ((kind == NODE_FILE ? gp.package : gp.place) == scope)
			return true;
	}
	return false;
}

struct search {
	struct content *c;
	uint64_t ino;
	uint64_t found;
};

static int search_one(void *ctx, uint64_t number)
{
	struct search *s = ctx;
	AUTO(generation_freep) struct generation *g = NULL;
	struct err why = { 0 };
	struct head h;

	if (generation_open(&g, s->c->store, number, &why) < 0) {
		log_line(LOG_WARNING, "generation %llu: %s", (unsigned long long)number, why.text);
		return 0; /* another may be the one */
	}
	h = head_of(g);
	(void)pthread_mutex_lock(&s->c->lock);
	if (remember(s->c, &h, &why) < 0)
		log_line(LOG_WARNING, "%s", why.text);
	(void)pthread_mutex_unlock(&s->c->lock);
	if (!holds(g, s->ino))
		return 0;
	s->found = number;
	return 1;
}

/*
 * A number of a view that was dropped long ago or of a daemon before this one:
 * rare. Directories' are found by range among the generations seen; files' need a
 * look into each generation, since many may have the package.
 */
int head_by_ino(struct content *c, uint64_t ino, uint64_t *ret_number)
{
	struct search s = { .c = c, .ino = ino };
	enum node_kind kind = node_kind(ino);
	struct err why = { 0 };
	size_t at;
	int r;

	if (kind == NODE_DIR || kind == NODE_MADE || kind == NODE_MADE_DIR) {
		(void)pthread_mutex_lock(&c->lock);
		at = find_slot(c, node_scope(ino));
		if (at > 0 && in_slots(&c->heads[c->heads_by_slot[at - 1]], node_scope(ino)))
			s.found = c->heads[c->heads_by_slot[at - 1]].number;
		(void)pthread_mutex_unlock(&c->lock);
	} else if (kind != NODE_FILE && kind != NODE_PATCHED) {
		return -ESTALE;
	}
	if (!s.found) {
		r = generation_each(c->store, search_one, &s, &why);
		if (r < 0) {
			log_line(LOG_ERROR, "%s", why.text);
			return r;
		}
	}
	*ret_number = s.found;
	return s.found ? 0 : -ESTALE;
}
