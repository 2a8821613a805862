/* SPDX-License-Identifier: Apache-2.0 */
#include "gc/names.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/sys.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Decimal, no sign, no leading zero, from 1. */
static bool parse(const char *name, uint64_t *ret)
{
	uint64_t n = 0;

	if (name[0] < '1' || name[0] > '9')
		return false;
	for (; *name; name++)
		if (*name < '0' || *name > '9' || __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*name - '0'), &n))
			return false;
	*ret = n;
	return n <= INT64_MAX;
}

static int add_name(void *ctx, const char *name, unsigned char type)
{
	struct numbers *n = ctx;
	uint64_t number;
	int r;

	(void)type;
	if (!parse(name, &number)) {
		if (n->strangers++ == 0)
			(void)snprintf(n->stranger, sizeof(n->stranger), "%s", name);
		return 0;
	}
	r = GROW(n->all, n->cap, n->count + 1, STORE_FILES_MAX, NULL);
	if (r == 0)
		n->all[n->count++] = number;
	return r;
}

static int by_number(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

int numbers_load(struct numbers *ret, int dir, struct err *e)
{
	int r;

	*ret = (struct numbers){ 0 };
	r = sys_each_name(dir, add_name, ret);
	if (r < 0) {
		numbers_done(ret);
		return err_set(e, r, "list of names: %s", strerror(-r));
	}
	if (ret->count > 0)
		qsort(ret->all, ret->count, sizeof(*ret->all), by_number);
	return 0;
}

void numbers_done(struct numbers *n)
{
	free(n->all);
	*n = (struct numbers){ 0 };
}

bool numbers_has(const struct numbers *n, uint64_t number)
{
	return n->count > 0 &&
	       bsearch(&number, n->all, n->count, sizeof(*n->all), by_number) != NULL;
}

uint64_t numbers_last(const struct numbers *n)
{
	return n->count > 0 ? n->all[n->count - 1] : 0;
}

void hashes_done(struct hashes *h)
{
	free(h->slots);
	*h = (struct hashes){ 0 };
}

static uint64_t *find_slot(uint64_t *slots, size_t cap, uint64_t hash)
{
	size_t i = hash & (cap - 1);

	while (slots[i] && slots[i] != hash)
		i = (i + 1) & (cap - 1);
	return &slots[i];
}

static int grow(struct hashes *h, struct err *e)
{
	size_t cap = h->cap ? h->cap * 2 : 1024;
	uint64_t *slots = calloc(cap, sizeof(*slots));

	if (!slots)
		return err_nomem(e);
	for (size_t i = 0; i < h->cap; i++)
		if (h->slots[i])
			*find_slot(slots, cap, h->slots[i]) = h->slots[i];
	free(h->slots);
	h->slots = slots;
	h->cap = cap;
	return 0;
}

int hashes_add(struct hashes *h, uint64_t hash, struct err *e)
{
	uint64_t *slot;

	if (h->count >= h->cap / 4 * 3) {
		int r = grow(h, e);

		if (r < 0)
			return r;
	}
	hash += hash == 0;
	slot = find_slot(h->slots, h->cap, hash);
	if (*slot)
		return 0;
	*slot = hash;
	h->count++;
	return 1;
}

bool hashes_has(const struct hashes *h, uint64_t hash)
{
	hash += hash == 0;
	return h->cap > 0 && *find_slot(h->slots, h->cap, hash) != 0;
}
