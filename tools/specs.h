/* SPDX-License-Identifier: Apache-2.0 */
/* specs: MatchSpecs as the command line and files give them. */
#ifndef ENVFS_SPECS_H
#define ENVFS_SPECS_H

#include "app.h"
#include "solve/solve.h"
#include "spec/envfile.h"

/* A spec as it may be kept and said: without the credentials of a channel's URL in it. */
const char *spec_shown(struct texts *t, const char *spec);

/* The package's name in it. */
int spec_name(struct texts *t, const char *spec, const char **ret, struct err *e) MUST_CHECK;

/* The specs of the command line, then those of the file (NULL: none), as jobs. */
struct solve_job *spec_jobs(struct app *a, const struct envfile *f, size_t *ret_count);

/* The channels that these specs name ("CHANNEL::SPEC"), as written, credentials and all. */
const char **spec_channels(struct app *a, const struct envfile *f, size_t *ret_count);

#endif
