/* SPDX-License-Identifier: Apache-2.0 */
/*
 * installed: the packages of a generation with what they depend on: from the
 * record that the generation holds, else (explicit lists) from the package's own
 * index.json, for which it is listed first.
 */
#ifndef ENVFS_INSTALLED_H
#define ENVFS_INSTALLED_H

#include "app.h"
#include "env/generation.h"
#include "solve/solve.h"

/* Texts live in a->texts and g. */
int installed_load(struct app *a, const struct generation *g, struct solve_installed **ret,
		   struct err *e) MUST_CHECK;

struct supply_artifact artifact_of(const struct gen_package *p, struct texts *texts);

#endif
