/* SPDX-License-Identifier: Apache-2.0 */
/* repodata_store: an index under its name in the store; used by repodata_*.c only. */
#ifndef ENVFS_CHANNEL_REPODATA_STORE_H
#define ENVFS_CHANNEL_REPODATA_STORE_H

#include "base/err.h"
#include "base/store.h"

/* A new file in tmp/, locked against the sweep. *ret_name has room for NAME_BYTES_MAX + 1. */
int repodata_part(struct store *st, const char *key, int *ret_fd, char *ret_name, struct err *e)
	MUST_CHECK;
/* Syncs it and gives it its name in channels/. */
int repodata_publish(struct store *st, int fd, const char *part, const char *name, struct err *e)
	MUST_CHECK;

#endif
