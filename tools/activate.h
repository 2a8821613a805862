/* SPDX-License-Identifier: Apache-2.0 */
/*
 * activate: the environment variables of an active environment (CEP 32), read
 * through its prefix: PATH, CONDA_*, etc/conda/env_vars.d, conda-meta/state; and
 * the scripts of etc/conda/activate.d, which a shell must source.
 */
#ifndef ENVFS_ACTIVATE_H
#define ENVFS_ACTIVATE_H

#include "base/err.h"
#include "texts.h"

struct scripts {
	const char **list; /* absolute, in order; in the texts */
	size_t count;
};

/* Sets them in this process. */
int activate(const char *prefix, const char *name, struct texts *t, struct scripts *ret,
	     struct err *e) MUST_CHECK;

#endif
