/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session: the connection with the kernel: mounted, served by a bounded number of
 * threads, ended. libfuse 3.14 and later.
 */
#ifndef ENVFS_MOUNT_SESSION_H
#define ENVFS_MOUNT_SESSION_H

#include "base/auto.h"
#include "base/err.h"
#include "ops/ops.h"

#include <fuse3/fuse_lowlevel.h>
#include <stdbool.h>

#define SESSION_THREADS_MAX 10 /* none of them ever waits for the network */

struct session;

/* dir is borrowed. Mounted `ro,nosuid,nodev,default_permissions`. */
int session_open(struct session **ret, struct ops *o, const char *dir, bool allow_other,
		 struct err *e) MUST_CHECK;
/* Unmounts, if that is still to do. */
struct session *session_free(struct session *s);
AUTO_FREE_FN(session)

struct fuse_session *session_fuse(struct session *s);

/* Serves until it is unmounted or session_end() is called; in the thread that opened it. */
int session_serve(struct session *s, struct err *e) MUST_CHECK;
/* From another thread; returns when session_serve() has ended. */
void session_end(struct session *s);

#endif
