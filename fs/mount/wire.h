/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire: a message of the control socket, there and back; both sides use it.
 */
#ifndef ENVFS_MOUNT_WIRE_H
#define ENVFS_MOUNT_WIRE_H

#include "base/buf.h"
#include "base/err.h"
#include "mount/runtime.h"

/* Reads and writes on this socket give up after so long. */
int wire_set_timeout(int fd, int timeout_ms, struct err *e) MUST_CHECK;
int wire_send(int fd, const void *bytes, size_t len, struct err *e) MUST_CHECK;
/* -EBADMSG for what is too long or cut short; -ETIMEDOUT. */
int wire_receive(int fd, struct buf *ret, struct err *e) MUST_CHECK;

/* Sockets are reached through the folder's descriptor: no path is too long, no folder
 * exchanged. */
int wire_listen(const struct runtime *rt, const char *name, int *ret_fd, struct err *e) MUST_CHECK;
/* -ECONNREFUSED: its daemon is dead. */
int wire_connect(const struct runtime *rt, const char *name, int *ret_fd, struct err *e) MUST_CHECK;

#endif
