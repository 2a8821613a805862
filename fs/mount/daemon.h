/* SPDX-License-Identifier: Apache-2.0 */
/*
 * daemon: all that one mount consists of, and the thread that listens to signals,
 * to the control socket and to its owner.
 */
#ifndef ENVFS_MOUNT_DAEMON_H
#define ENVFS_MOUNT_DAEMON_H

#include "base/json.h"
#include "base/store.h"
#include "channel/channel.h"
#include "content/content.h"
#include "fetch/fetch.h"
#include "mount/mount.h"
#include "mount/notify.h"
#include "mount/runtime.h"
#include "mount/session.h"
#include "object/pack.h"
#include "ops/ops.h"
#include "pkg/worker.h"
#include "supply/supply.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

struct daemon {
	const struct mount_options *options; /* borrowed */
	char dir[PATH_MAX];		     /* the mount point, real */
	int64_t started_ms;
	/* All owned; in the order in which they are made. */
	struct store *store;
	struct index *index; /* NULL: the store is read-only */
	struct worker *worker;
	struct credentials *credentials;
	struct fetcher *fetcher;
	struct packs *packs;
	struct supply *supply;
	struct ops *ops;
	struct content *content;
	struct session *session;
	struct notify *notify;
	/* The listening thread. */
	struct runtime runtime;
	int lock;	/* runtime_lock(), until the mount is up */
	int listener;	/* the control socket */
	uint64_t inode; /* of its name: another daemon may have taken the name over */
	int signals;	/* signalfd */
	int ended;	/* eventfd: serving is over */
	bool listens;
	pthread_t thread;
};

/* Makes all of it, and mounts. What was made is the caller's to end, also on failure. */
int daemon_begin(struct daemon *d, const struct mount_options *o, struct err *e) MUST_CHECK;
void daemon_end(struct daemon *d);

/* server.c */
int server_begin(struct daemon *d, struct err *e) MUST_CHECK;
void server_end(struct daemon *d); /* serving is over: ends the thread */
/* Signals that the listening thread takes are blocked in all others. */
void server_block_signals(void);

/* answer.c: one request of the control socket. *ret_stop: the daemon is to end. */
void answer_request(struct daemon *d, const struct json *request, struct buf *ret, bool *ret_stop);

/* status.c */
void status_write(struct daemon *d, struct jsonw *w);

/* Parked requests are refused, then it is unmounted. -EBUSY: programs use it; all goes on. */
int daemon_unmount(struct daemon *d, bool lazy, struct err *e) MUST_CHECK;

/* detach.c: the process that serves, apart from the command that started it. */
struct detach {
	int report; /* pipe to the parent; -1 in the foreground */
};
/* In the parent: returns 1 with *ret_code and e as the child reported. In the child: 0. */
int detach_begin(struct detach *t, int *ret_code, struct err *e) MUST_CHECK;
/* Tells the parent how it went, once. */
void detach_report(struct detach *t, int code, const struct err *e);
/* A daemon's surroundings: no environment, /, no standard input and output. */
void detach_scrub(void);
int detach_stdio(const struct runtime *rt, const char *dir, struct err *e) MUST_CHECK;
/* The log is cut when it has grown past LOG_BYTES_MAX. */
void detach_trim_log(void);

#endif
