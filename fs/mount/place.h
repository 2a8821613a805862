/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place: may something be mounted here? And what is mounted here now?
 */
#ifndef ENVFS_MOUNT_PLACE_H
#define ENVFS_MOUNT_PLACE_H

#include "base/err.h"
#include "mount/mount.h"

#include <limits.h>
#include <stdbool.h>

#define FILESYSTEM_TYPE "fuse.envfs"

/* A row of /proc/self/mountinfo. */
struct mounted {
	char dir[PATH_MAX];
	char type[64];
	unsigned int major, minor;
};

/* Calls fn for each mount, in the order they were made; a non-zero return stops and comes back. */
int mounted_each(int (*fn)(void *ctx, const struct mounted *m), void *ctx, struct err *e)
	MUST_CHECK;
/* What is on top at exactly this absolute path. -ENOENT: nothing is mounted there. */
int mounted_at(const char *dir, struct mounted *ret, struct err *e) MUST_CHECK;

/* Whether path is dir or below it; both absolute and without links. */
bool path_is_below(const char *path, const char *dir);

/*
 * Resolves o->dir into ret_dir, made if it may be, and checks it: a directory, not
 * mounted on, empty, apart from the store. A dead envfs mount is cleared away first.
 */
int place_prepare(const struct mount_options *o, char ret_dir[PATH_MAX], struct err *e) MUST_CHECK;

/* Nothing that the daemon reads may lie below its own mount point. */
int place_check_sources(const struct config *config, const char *dir, struct err *e) MUST_CHECK;

/* Takes away what is mounted at dir, if it is envfs'. -EBUSY: it is in use, and lazy is false.
 * 0 also when nothing is there any more. */
int place_unmount(const char *dir, bool lazy, struct err *e) MUST_CHECK;

#endif
