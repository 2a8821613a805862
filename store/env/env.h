/* SPDX-License-Identifier: Apache-2.0 */
/*
 * env: environments, a name and the pointer to its current generation
 * (STORE/envs/NAME, one small file, switched by rename).
 */
#ifndef ENVFS_ENV_ENV_H
#define ENVFS_ENV_ENV_H

#include "base/err.h"
#include "base/store.h"

#include <stddef.h>
#include <stdint.h>

/* Letters, digits, '-', '_', '.', '+'; not starting with '.', '-'; at most ENV_NAME_BYTES_MAX;
 * not "base" or "root" (conda's own). */
int env_name_check(const char *name, struct err *e) MUST_CHECK;

/* The current generation. -ENOENT when there is no such environment. */
int env_current(struct store *st, const char *name, uint64_t *ret, struct err *e) MUST_CHECK;

/*
 * Moves the pointer, atomically and synced. `expected` is the generation that
 * must be current (0: the environment must not exist): -EEXIST or -ESTALE when
 * it is not, so that two commands at once cannot lose one's work.
 */
int env_switch(struct store *st, const char *name, uint64_t expected, uint64_t number,
	       struct err *e) MUST_CHECK;
int env_remove(struct store *st, const char *name, struct err *e) MUST_CHECK;

/* All names, sorted. */
struct env_list {
	char **names;
	size_t count;
};
int env_list(struct store *st, struct env_list *ret, struct err *e) MUST_CHECK;
void env_list_done(struct env_list *l);

#endif
