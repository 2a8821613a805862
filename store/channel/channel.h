/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel: from what a user writes ("conda-forge", "defaults", a path, a URL with
 * a token) to base URLs (CEP 26).
 *
 * Two URLs: `url` has no credentials, is stored and printed; `auth_url` is for
 * fetching only and stays in memory. credentials_*() lend them to artifacts:
 * a stored artifact URL gets those of the longest channel URL that it starts
 * with, so that each host's own configuration supplies them.
 */
#ifndef ENVFS_CHANNEL_CHANNEL_H
#define ENVFS_CHANNEL_CHANNEL_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "channel/config.h"

#include <stdbool.h>
#include <stddef.h>

struct channel {
	char *name;	/* canonical: "conda-forge", "pkgs/main", or the URL */
	char *url;	/* no slash at the end, no credentials */
	char *auth_url; /* the same with them */
	char *multi;	/* the multichannel that has it ("defaults"), or NULL */
};

struct channels {
	struct channel *list;
	size_t count;
};

/* The channels of `names`, in order, each once; multichannels ("defaults") become
 * several. Relative paths are relative to the current folder. A subdir at the end
 * ("conda-forge/linux-64") is dropped. No names at all: those of the configuration, and
 * where it has none, "defaults". */
int channels_resolve(struct channels *ret, const struct config *c, const char *const *names,
		     size_t count, struct err *e) MUST_CHECK;
void channels_done(struct channels *cs);
/* Whether what a MatchSpec names as its channel means this one: by canonical name, by the
 * name of its multichannel, by URL or path; a subdir at the end is not looked at. */
bool channel_is(const struct channel *ch, const char *spec_channel);

struct credentials;

int credentials_open(struct credentials **ret, struct err *e) MUST_CHECK;
struct credentials *credentials_free(struct credentials *c);
AUTO_FREE_FN(credentials)
/* Remembers those of a URL that has some; safe between threads. */
int credentials_add(struct credentials *c, const char *auth_url, struct err *e) MUST_CHECK;
/* All channels that the configuration names. */
int credentials_add_config(struct credentials *c, const struct config *cfg, struct err *e)
	MUST_CHECK;
/* url with what is known for it; url itself when nothing is. */
int credentials_apply(struct credentials *c, const char *url, struct buf *ret, struct err *e)
	MUST_CHECK;

#endif
