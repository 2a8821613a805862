/* SPDX-License-Identifier: Apache-2.0 */
/* config_value: the small values that a configuration is made of; used by config.c only. */
#ifndef ENVFS_CHANNEL_CONFIG_VALUE_H
#define ENVFS_CHANNEL_CONFIG_VALUE_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "channel/config.h"

#include <stdbool.h>
#include <stddef.h>

struct config_list {
	char **items; /* owned */
	size_t count;
};

struct config_list *config_list_new(void);
struct config_list *config_list_free(struct config_list *l);
AUTO_FREE_FN(config_list)
int config_list_add(char ***items, size_t *count, const char *text, struct err *e) MUST_CHECK;
/* Whether text is among the first `count`. */
bool config_list_has(const struct config_list *l, const char *text, size_t count);
void config_list_done(char **items, size_t count);

/* Adds the pair, or gives the one of this name another value. */
int config_pair_set(struct config_pair **pairs, size_t *count, const char *name, const char *value,
		    struct err *e) MUST_CHECK;
void config_pairs_done(struct config_pair *pairs, size_t count);
/* The multichannel of this name, made or emptied. */
int config_multi_set(struct config *c, const char *name, struct config_multi **ret, struct err *e)
	MUST_CHECK;

/* $NAME and ${NAME} as Python's expandvars: what is not set stays as it stands. tilde: a
 * leading "~" or "~/" is $HOME. */
int config_expand(const char *text, bool tilde, struct buf *ret, struct err *e) MUST_CHECK;
/* conda's words for true and false; false when it is neither. */
bool config_bool(const char *text, bool *ret);
/* *owned becomes a copy of text, or NULL of NULL, and *ret the same. */
int config_copy(char **owned, const char *text, const char **ret, struct err *e) MUST_CHECK;

#endif
