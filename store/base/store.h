/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store: the directory that holds everything (docs/formats/store.md), as a
 * set of descriptors. What is below is always reached through these.
 */
#ifndef ENVFS_BASE_STORE_H
#define ENVFS_BASE_STORE_H

#include "base/auto.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define STORE_FORMAT 1

struct store {
	char *path; /* owned; absolute */
	int dir;
	int packs, manifests, gens, envs;
	int channels; /* -1: a store that nobody has written to yet may lack it */
	int tmp;      /* -1 when read_only */
	bool read_only;
};

enum store_mode {
	STORE_READ,  /* never writes; the store must be there */
	STORE_WRITE, /* makes what is missing; -EROFS or -EACCES when it cannot be written */
	STORE_ANY,   /* as STORE_WRITE where that is possible, else as STORE_READ */
};

int store_open(struct store **ret, const char *path, enum store_mode mode, struct err *e)
	MUST_CHECK;
struct store *store_free(struct store *st);
AUTO_FREE_FN(store)

/* Removes what dead processes left in tmp/. */
int store_sweep(struct store *st, struct err *e) MUST_CHECK;

/*
 * A lock across processes, named by what it guards ("artifact-<sha256>",
 * "index"). Gone when the descriptor is closed or its process dies. Its file
 * stays in tmp/ until store_sweep() finds nobody holding it.
 * wait false: -EBUSY when another holds it.
 */
int store_lock(struct store *st, const char *name, bool wait, int *ret_fd, struct err *e)
	MUST_CHECK;
/* Drops the lock and its file. */
void store_unlock(struct store *st, const char *name, int *fd);

#endif
