/* SPDX-License-Identifier: Apache-2.0 */
/*
 * app: what a command stands on, opened as far as the verb needs it: store,
 * index, configuration, network, parser, supply.
 */
#ifndef ENVFS_APP_H
#define ENVFS_APP_H

#include "base/err.h"
#include "base/store.h"
#include "channel/channel.h"
#include "channel/config.h"
#include "env/generation.h"
#include "fetch/fetch.h"
#include "index/index.h"
#include "pkg/worker.h"
#include "supply/supply.h"
#include "texts.h"
#include "verb.h"

#include <limits.h>
#include <stdbool.h>

enum app_need {
	APP_READ = 1,	    /* the store, for reading */
	APP_WRITE = 2,	    /* the store and its index, for writing */
	APP_CONFIG = 4,	    /* .condarc, credentials, fetcher */
	APP_SUPPLY = 8,	    /* parser and supply; implies APP_CONFIG; ingests when APP_WRITE */
	APP_STORE_ANY = 16, /* the store: written where it can be, read where not; the index where
			       written */
};

struct app {
	const struct opts *opts;
	struct store *store;
	struct index *index; /* NULL: read-only */
	struct config *config;
	struct credentials *credentials;
	struct fetcher *fetcher;
	struct worker *worker;
	struct supply *supply;
	bool offline;
	const char **auth_urls; /* with credentials: lent to the mounts, never stored */
	size_t auth_url_count, auth_url_cap;
	struct texts texts;
};

/* Call while the program has one thread. */
int app_open(struct app *a, const struct opts *o, int needs, struct err *e) MUST_CHECK;
void app_done(struct app *a);

/* The current generation of env. */
int app_generation(struct app *a, const char *env, struct generation **ret, struct err *e)
	MUST_CHECK;

/* The store alone, without its index. */
int open_files(const struct opts *o, enum store_mode mode, struct store **ret, struct err *e)
	MUST_CHECK;

/* Remembers the credentials of a channel's or artifact's URL, if it has some. */
int app_add_credentials(struct app *a, const char *auth_url, struct err *e) MUST_CHECK;

/* Where the store is: --store, ENVFS_STORE, the default. Absolute. */
int store_path(const struct opts *o, char ret[PATH_MAX], struct err *e) MUST_CHECK;
/* An absolute path, without asking whether it is there. */
int absolute_path(const char *path, char ret[PATH_MAX], struct err *e) MUST_CHECK;
/* /envs or ~/envs. */
int default_mount(char ret[PATH_MAX], struct err *e) MUST_CHECK;

#endif
