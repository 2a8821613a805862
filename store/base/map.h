/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map: hash -> number, open addressing. The keys stay with the caller: they
 * are looked at through `same`, which says whether the thing numbered `value`
 * has the key. MAP_NONE is no value.
 *
 * intern: each distinct string once, known by a small number from then on.
 */
#ifndef ENVFS_BASE_MAP_H
#define ENVFS_BASE_MAP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAP_NONE UINT32_MAX

struct map_slot;
struct map {
	struct map_slot *slots; /* owned */
	size_t cap, len;
};

typedef bool map_same_fn(const void *ctx, uint32_t value, const void *key);

uint32_t map_get(const struct map *m, uint64_t hash, map_same_fn *same, const void *ctx,
		 const void *key);
/* The key must not be in it yet. */
int map_put(struct map *m, uint64_t hash, uint32_t value, struct err *e) MUST_CHECK;
void map_done(struct map *m);

struct intern {
	struct map map;
	char *bytes; /* owned; all strings, each with its NUL */
	size_t len, cap, max;
	size_t *offsets; /* owned */
	uint32_t count, offsets_cap;
};

void intern_init(struct intern *in, size_t bytes_max);
void intern_done(struct intern *in);
int intern_put(struct intern *in, const char *text, size_t len, uint32_t *ret, struct err *e)
	MUST_CHECK;
/* MAP_NONE when it was never put. */
uint32_t intern_find(const struct intern *in, const char *text, size_t len);
/* Good until the next put. */
const char *intern_text(const struct intern *in, uint32_t id);

/*
 * Makes *mem hold at least `need` elements of `size` bytes, growing by halves;
 * -EFBIG past `max`. New elements are zero.
 */
int grow_array(void **mem, size_t *cap, size_t need, size_t size, size_t max, struct err *e)
	MUST_CHECK;
#define GROW(array, cap, need, max, e)                                                             \
	({                                                                                         \
		void *mem_ = (array);                                                              \
		int r_ = grow_array(&mem_, &(cap), (need), sizeof(*(array)), (max), (e));          \
		(array) = mem_;                                                                    \
		r_;                                                                                \
	})

#endif
