/* SPDX-License-Identifier: Apache-2.0 */
/* channels: which channels a command means, and their repodata. */
#ifndef ENVFS_CHANNELS_H
#define ENVFS_CHANNELS_H

#include "app.h"
#include "solve/solve.h"

/* The repodata of some channels, for platform and noarch. */
struct sources {
	struct channels channels;    /* owned */
	struct repodata_want *wants; /* owned, and what they got */
	struct solve_source *list;   /* owned */
	size_t count;
};

/* Which channels: `names`, then those of `more` that are not among them. */
struct channel_choice {
	const char *const *names, *const *more;
	size_t count, more_count;
};

/* Says what was stale. */
int sources_open(struct sources *s, struct app *a, const struct channel_choice *which,
		 const char *platform, struct err *e) MUST_CHECK;
void sources_done(struct sources *s);

/*
 * -c options, then the file's channels (unless --override-channels), then those of
 * .condarc when neither the file has `nodefaults` nor anything else named one. Kept in a->texts.
 */
struct envfile;
const char **channel_names(struct app *a, const struct envfile *f, size_t *ret_count);

#endif
