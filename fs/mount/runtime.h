/* SPDX-License-Identifier: Apache-2.0 */
/*
 * runtime: where running daemons leave their sockets and logs: $ENVFS_RUNTIME, else
 * /run/envfs for root, else $XDG_RUNTIME_DIR/envfs, else /tmp/envfs-UID. It must
 * belong to this user and be writable by nobody else, or it is refused.
 *
 * HASH.sock, HASH.log and HASH.lock, HASH being that of the mount point.
 */
#ifndef ENVFS_MOUNT_RUNTIME_H
#define ENVFS_MOUNT_RUNTIME_H

#include "base/err.h"

#include <limits.h>

struct runtime {
	int dir; /* owned */
	char path[PATH_MAX];
};

/* make: made if it is not there; else -ENOENT. */
int runtime_open(struct runtime *ret, int make, struct err *e) MUST_CHECK;
void runtime_done(struct runtime *rt);
#define AUTO_RUNTIME __attribute__((cleanup(runtime_done))) struct runtime

/* "HASH.sock" for (mount point, "sock"). */
#define RUNTIME_NAME_BYTES 32
void runtime_name(const char *mount_point, const char *suffix, char ret[RUNTIME_NAME_BYTES]);

/* Held while a daemon starts, so that two do not take one mount point. */
int runtime_lock(const struct runtime *rt, const char *mount_point, int *ret_fd, struct err *e)
	MUST_CHECK;

#endif
