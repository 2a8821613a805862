/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct map_slot {
	uint32_t hash;	/* the low half; the place comes from the same bits */
	uint32_t value; /* MAP_NONE: free */
};

uint32_t map_get(const struct map *m, uint64_t hash, map_same_fn *same, const void *ctx,
		 const void *key)
{
	if (m->cap == 0)
		return MAP_NONE;
	for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
		const struct map_slot *s = &m->slots[i];

		if (s->value == MAP_NONE)
			return MAP_NONE;
		if (s->hash == (uint32_t)hash && same(ctx, s->value, key))
			return s->value;
	}
}

static void place(struct map_slot *slots, size_t cap, uint32_t hash, uint32_t value)
{
	size_t i = hash & (cap - 1);

	while (slots[i].value != MAP_NONE)
		i = (i + 1) & (cap - 1);
	slots[i] = (struct map_slot){ hash, value };
}

int map_put(struct map *m, uint64_t hash, uint32_t value, struct err *e)
{
	assert(value != MAP_NONE);
	if (m->len + 1 > m->cap / 4 * 3) {
		size_t cap = m->cap ? m->cap * 2 : 16;
		struct map_slot *slots = cap > UINT32_MAX ? NULL : malloc(cap * sizeof(*slots));

		if (!slots)
			return err_nomem(e);
		memset(slots, 0xff, cap * sizeof(*slots));
		for (size_t i = 0; i < m->cap; i++)
			if (m->slots[i].value != MAP_NONE)
				place(slots, cap, m->slots[i].hash, m->slots[i].value);
		free(m->slots);
		m->slots = slots;
		m->cap = cap;
	}
	place(m->slots, m->cap, (uint32_t)hash, value);
	m->len++;
	return 0;
}

void map_done(struct map *m)
{
	free(m->slots);
	*m = (struct map){ 0 };
}

struct text {
	const char *bytes;
	size_t len;
};

static bool intern_same(const void *ctx, uint32_t value, const void *key)
{
	const struct intern *in = ctx;
	const struct text *t = key;
	const char *have = in->bytes + in->offsets[value];

	return strncmp(have, t->bytes, t->len) == 0 && have[t->len] == '\0';
}

void intern_init(struct intern *in, size_t bytes_max)
{
	*in = (struct intern){ .max = bytes_max };
}

void intern_done(struct intern *in)
{
	map_done(&in->map);
	free(in->bytes);
	free(in->offsets);
	*in = (struct intern){ 0 };
}

uint32_t intern_find(const struct intern *in, const char *text, size_t len)
{
	struct text key = { text, len };

	return map_get(&in->map, xxh64(text, len), intern_same, in, &key);
}

int intern_put(struct intern *in, const char *text, size_t len, uint32_t *ret, struct err *e)
{
	size_t offsets_cap = in->offsets_cap;
	uint32_t id = intern_find(in, text, len);
	int r;

	if (id != MAP_NONE) {
		*ret = id;
		return 0;
	}
	if (memchr(text, '\0', len))
		return err_set(e, -EINVAL, "text holds a NUL byte");
	r = GROW(in->bytes, in->cap, in->len + len + 1, in->max, e);
	if (r == 0)
		r = GROW(in->offsets, offsets_cap, (size_t)in->count + 1, UINT32_MAX - 1, e);
	in->offsets_cap = (uint32_t)offsets_cap;
	if (r < 0)
		return r;
	r = map_put(&in->map, xxh64(text, len), in->count, e);
	if (r < 0)
		return r;
	memcpy(in->bytes + in->len, text, len);
	in->bytes[in->len + len] = '\0';
	in->offsets[in->count] = in->len;
	in->len += len + 1;
	*ret = in->count++;
	return 0;
}

const char *intern_text(const struct intern *in, uint32_t id)
{
	assert(id < in->count);
	return in->bytes + in->offsets[id];
}

int grow_array(void **mem, size_t *cap, size_t need, size_t size, size_t max, struct err *e)
{
	size_t want = *cap ? *cap : 16, bytes;
	void *grown;

	if (need <= *cap)
		return 0;
	if (need > max)
		return err_set(e, -EFBIG, "more than the %zu that are allowed", max);
	while (want < need)
		want += want / 2;
	if (want > max)
		want = max;
	if (__builtin_mul_overflow(want, size, &bytes))
		return err_nomem(e);
	grown = realloc(*mem, bytes);
	if (!grown)
		return err_nomem(e);
	memset((char *)grown + *cap * size, 0, (want - *cap) * size);
	*mem = grown;
	*cap = want;
	return 0;
}
