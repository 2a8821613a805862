/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pin: a mount namespace of its own for this process, in which mount_dir/env
 * stays the generation that it is now, whatever happens to the name outside: a
 * tmpfs over the mount point, env in it, and an overlayfs there with the
 * generation's directory as its lower layer. As root, or in a user
 * namespace that maps the caller to itself. Call with one thread.
 *
 * All of the mount stays reachable below mount_dir/PIN_ALL, where a command that
 * is run in turn finds other environments.
 *
 * -EPERM, -ENOSYS, -ENOSPC, -EINVAL: this host does not allow it; nothing has
 * changed then but that the process may be in fresh namespaces.
 */
#ifndef ENVFS_PIN_H
#define ENVFS_PIN_H

#include "base/err.h"

#define PIN_ALL ".envfs"

int pin(const char *mount_dir, const char *env, struct err *e) MUST_CHECK;

#endif
