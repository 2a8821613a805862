/* SPDX-License-Identifier: Apache-2.0 */
/* conflicts: paths of an environment that several packages bring, and files that its prefix
 * is too long for. */
#ifndef ENVFS_CONFLICTS_H
#define ENVFS_CONFLICTS_H

#include "app.h"
#include "tree/view.h"

/* Calls fn for each. -ENODATA: the files of some package are not known yet. */
int conflicts_each(struct app *a, struct generation *g, const char *prefix, view_conflict_fn *fn,
		   void *ctx, struct err *e) MUST_CHECK;

/* One line, without its end. */
void conflict_print(const struct conflict *c, const char *prefix, struct buf *ret);

/* Says the first few of generation `number`, when all is known that it takes. */
void conflicts_say(struct app *a, const char *env, uint64_t number, const char *prefix);

#endif
