/* SPDX-License-Identifier: Apache-2.0 */
/* mounts: the running mounts of a store, and where an environment appears. */
#ifndef ENVFS_MOUNTS_H
#define ENVFS_MOUNTS_H

#include "app.h"

#include <limits.h>
#include <stdbool.h>

/*
 * The mount point a command means: --mount, ENVFS_MOUNT, the default one when it
 * is a mount of this store, the store's only mount; else the default one with
 * *ret_running false.
 */
int mount_point(struct app *a, char ret[PATH_MAX], bool *ret_running, struct err *e) MUST_CHECK;
/* mount point + "/" + env; for messages and JSON. */
const char *env_prefix(struct app *a, const char *env);

/* Tells every mount of the store that env has changed, and with which credentials
 * its channels are read. A mount that does not answer sees it within a second
 * anyway, so that is only a detail. */
void mounts_tell_changed(struct app *a, const char *env);

/* Mounts at mount_dir for as long as this process lives, whatever it becomes. */
int mounts_start_for_me(struct app *a, const char *mount_dir, struct err *e) MUST_CHECK;

#endif
