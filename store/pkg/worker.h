/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker: pkg/ in a process of its own. Forked before the program starts
 * threads; for each job it forks once more, so that one archive cannot reach
 * another's memory and nothing large stays behind. Its processes have no
 * network and open no path (seccomp; every descriptor but the sockets closed),
 * and die with their parent.
 *
 * The caller hands over an open descriptor of the artifact and gets what pkg.h
 * promises: the same sink, called in the caller's process and thread. What
 * comes over the socket is checked again (lengths, order), since a parser that
 * was taken over may say anything.
 */
#ifndef ENVFS_PKG_WORKER_H
#define ENVFS_PKG_WORKER_H

#include "base/auto.h"
#include "base/err.h"
#include "pkg/pkg.h"

struct worker;

/* Call while the process has one thread, and after it has become a daemon: the
 * parser's processes end with the one that called this. */
int worker_start(struct worker **ret, struct err *e) MUST_CHECK;
struct worker *worker_free(struct worker *w);
AUTO_FREE_FN(worker)

/* As in pkg.h; many threads may have jobs at once. A parser that dies is
 * -EBADMSG ("the parser of … died of signal N"). */
int worker_read(struct worker *w, int fd, uint64_t size, enum pkg_format format, enum pkg_want want,
		const struct pkg_sink *sink, struct err *e) MUST_CHECK;
int worker_list_tail(struct worker *w, int fd, uint64_t have, uint64_t size,
		     const struct pkg_sink *sink, uint64_t *ret_need_first, struct err *e)
	MUST_CHECK;

#endif
