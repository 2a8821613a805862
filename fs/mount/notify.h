/* SPDX-License-Identifier: Apache-2.0 */
/*
 * notify: tells the kernel to forget what it knows of an environment's name. On a
 * thread of its own: the kernel takes the directory's lock for it, which a request
 * that is being answered may hold.
 */
#ifndef ENVFS_MOUNT_NOTIFY_H
#define ENVFS_MOUNT_NOTIFY_H

#include "base/auto.h"
#include "base/err.h"
#include "tree/view.h"

#include <fuse3/fuse_lowlevel.h>

struct notify;

int notify_open(struct notify **ret, struct fuse_session *se, struct err *e) MUST_CHECK;
/* From here on names are dropped; returns when the kernel is told nothing any more. To be
 * called while requests are still answered: the kernel may hold a directory until then. */
void notify_stop(struct notify *n);
struct notify *notify_free(struct notify *n);
AUTO_FREE_FN(notify)

/* /NAME, all that is cached below it, and the root's listing. When too many wait, it
 * is dropped: they expire by themselves within a second. */
void notify_name(struct notify *n, const char *name);

/* The same, and the listing of each directory that this view had: the kernel keeps those
 * with the directory's number, whatever becomes of its name. Takes a reference. */
void notify_stale(struct notify *n, const char *name, struct view *old);

#endif
