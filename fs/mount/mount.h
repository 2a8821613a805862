/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount: a store's environments as a file tree below one directory, served until
 * it is unmounted (docs/mount.md).
 *
 * Works as root (mount(2)) and for users (fusermount3). The process that serves
 * keeps nothing that the store does not hold: killed at any moment, it leaves a
 * sound store and a dead mount, which the next mount_run() there clears away.
 */
#ifndef ENVFS_MOUNT_MOUNT_H
#define ENVFS_MOUNT_MOUNT_H

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "channel/config.h"
#include "index/index.h"

#include <stdbool.h>

struct mount_options {
	const char *store;	     /* path; made if it is not there and can be */
	const char *dir;	     /* the mount point, an empty directory */
	bool make_dir;		     /* made if it is missing */
	bool foreground;	     /* serve in this process and return when it is unmounted */
	bool allow_other;	     /* other users may look: for root, or with user_allow_other */
	bool offline;		     /* fetch nothing: what is missing is EIO at once */
	int stall_ms;		     /* 0: config's, or 30000 */
	const struct config *config; /* borrowed; NULL: nothing configured */
	index_rebuild_fn *rebuild;   /* for a store whose index is gone (gc/rebuild.h) */
	enum log_level log_level;    /* 0: LOG_NOTE */
	bool owned;		     /* unmount when owner_fd can be read, or its other end is */
	int owner_fd;		     /* closed: a pidfd, or a pipe. Taken over */
};

/*
 * Comes back when the mount is up, or could not be made (then nothing is left of
 * it). In the foreground: when it is unmounted. Call it while the process has one
 * thread.
 */
int mount_run(const struct mount_options *o, struct err *e) MUST_CHECK;

/* /envs for root, ~/envs for others. */
int mount_default_dir(struct buf *ret, struct err *e) MUST_CHECK;

#endif
