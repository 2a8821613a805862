/* SPDX-License-Identifier: Apache-2.0 */
/* texts: strings that live as long as the command. Out of memory ends it: tools/ may. */
#ifndef ENVFS_TEXTS_H
#define ENVFS_TEXTS_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>

struct texts {
	void **list; /* owned */
	size_t count, cap;
};

void texts_done(struct texts *t);
const char *texts_keep(struct texts *t, const char *text); /* NULL keeps NULL */
const char *texts_printf(struct texts *t, const char *fmt, ...) PRINTF(2, 3);
/* The texts of a JSON array; what else is in it is left out. */
struct json;
const char **texts_json(struct texts *t, const struct json *list, size_t *ret_count);
/* Zeroed memory for `count` things. */
void *texts_alloc(struct texts *t, size_t count, size_t size);

/* malloc and realloc that end the command when there is no memory. */
void *must_alloc(void *memory);

#endif
