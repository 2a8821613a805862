/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control: how commands talk with the daemons that serve mounts. One socket a mount
 * (runtime.h); only the same user and root are answered. A message is 4 bytes of
 * length, little-endian, and that many bytes of JSON, at most CONTROL_BYTES_MAX; one
 * request and one reply a connection (docs/mount.md).
 *
 * No call here waits longer than CONTROL_TIMEOUT_MS for a daemon that is hung, and
 * the sockets of dead ones are removed in passing.
 */
#ifndef ENVFS_MOUNT_CONTROL_H
#define ENVFS_MOUNT_CONTROL_H

#include "base/err.h"
#include "base/json.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CONTROL_TIMEOUT_MS 3000

/* A mount that is served. */
struct served {
	char *dir, *store; /* absolute, without links */
	pid_t pid;
};
struct served_list {
	struct served *list;
	size_t count;
};
/* All mounts of this user; sorted by dir. */
int served_find(struct served_list *ret, struct err *e) MUST_CHECK;
void served_done(struct served_list *l);

/*
 * The mount meant by dir, or, dir being NULL, the only one of this store.
 * -ENOENT: there is none. -EEXIST: the store is mounted more than once.
 */
int served_one(const char *dir, const char *store, struct served *ret, struct err *e) MUST_CHECK;
void served_free(struct served *s); /* what is in it */

/* What the daemon at this mount point says of itself (docs/mount.md). */
int control_status(const char *dir, struct json_doc **ret, struct err *e) MUST_CHECK;

/* Unmounts, parked requests first, and waits until the daemon has let go of the mount
 * point. -EBUSY: programs use it, and lazy is false. */
int control_stop(const char *dir, bool lazy, struct err *e) MUST_CHECK;

/* An environment of this store was made, switched or removed: every mount of it is told.
 * Returns how many were; those that do not answer see it by themselves within a second. */
int control_changed(const char *store, const char *name);

/* Lends URLs with credentials to the mounts of this store, in memory only. */
int control_credentials(const char *store, const char *const *auth_urls, size_t count);

/* One request to one mount, as JSON text; the reply's "ok" was true. */
int control_call(const char *dir, const char *request, size_t len, struct json_doc **ret,
		 struct err *e) MUST_CHECK;

#endif
