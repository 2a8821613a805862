/* SPDX-License-Identifier: Apache-2.0 */
/* envs: the environments of a store as `env list` and `info` show them. */
#ifndef ENVFS_ENVS_H
#define ENVFS_ENVS_H

#include "app.h"
#include "base/json.h"
#include "env/env.h"

/* One environment; a damaged one is shown as that. */
struct env_shown {
	const char *prefix; /* kept in a->texts */
	uint64_t number;
	uint32_t packages;
	int64_t created_ms;
	bool active;
	struct err why; /* code 0: all is well */
};

void env_look(struct app *a, const char *name, struct env_shown *ret);

/* The members `envs` and `envs_details`, as conda has them, with ours added. */
void envs_json(struct jsonw *w, struct app *a, const struct env_list *l);

#endif
