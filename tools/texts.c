/* SPDX-License-Identifier: Apache-2.0 */
#include "texts.h"

#include "base/json.h"
#include "verb.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *must_alloc(void *memory)
{
	if (memory)
		return memory;
	fprintf(stderr, "envfs: out of memory\n");
	exit(EXIT_FAILED);
}

static void *keep(struct texts *t, void *memory)
{
	if (t->count == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->list = must_alloc(realloc(t->list, t->cap * sizeof(*t->list)));
	}
	return t->list[t->count++] = must_alloc(memory);
}

void texts_done(struct texts *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->list[i]);
	free(t->list);
	*t = (struct texts){ 0 };
}

const char *texts_keep(struct texts *t, const char *text)
{
	return text ? keep(t, strdup(text)) : NULL;
}

const char *texts_printf(struct texts *t, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	return keep(t, n < 0 ? NULL : text);
}

void *texts_alloc(struct texts *t, size_t count, size_t size)
{
	return keep(t, calloc(count ? count : 1, size));
}

const char **texts_json(struct texts *t, const struct json *j, size_t *ret_count)
{
	const char **list = texts_alloc(t, json_len(j) + 1, sizeof(*list));
	struct json_iter it = json_iter(j);
	size_t n = 0;

	for (const struct json *v = json_next(&it); v; v = json_next(&it))
		if (json_text(v))
			list[n++] = texts_keep(t, json_text(v));
	*ret_count = n;
	return list;
}
