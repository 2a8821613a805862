/* SPDX-License-Identifier: Apache-2.0 */
/*
 * park: requests that wait for what is being fetched, so that no thread does.
 *
 * A parked request is asked again when what it waits for is settled, and refused
 * when that failed. Its caller may be a process that was sent a signal: the
 * kernel says so once (INTERRUPT), whether the signal kills or not, so from then
 * on the process is looked at every PARK_LOOK_MS: one that is dying is refused
 * with EINTR, one that only handles the signal goes on waiting. A caller that
 * cannot be seen (pid 0, another pid namespace) waits until what it waits for is
 * settled, which supply bounds.
 *
 * Answering happens on threads of park's own, never on those that report or park.
 */
#ifndef ENVFS_OPS_PARK_H
#define ENVFS_OPS_PARK_H

#include "base/auto.h"
#include "base/err.h"
#include "content/content.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define PARK_LOOK_MS 50
#define PARK_THREADS 2

/* A request of the kernel, as far as it matters to answer it. */
enum ask_kind { ASK_LOOKUP, ASK_GETATTR, ASK_READLINK, ASK_READ, ASK_READDIR, ASK_READDIRPLUS };
struct ask {
	enum ask_kind kind;
	void *request; /* fuse_req_t */
	pid_t pid;     /* 0: not visible from here */
	uint64_t ino;
	uint64_t offset;
	size_t size;
	const char *name; /* ASK_LOOKUP; else NULL */
};

/* How park gets at the world: ops.c's calls, or a test's. All are called without
 * park's lock, each request is answered exactly once. */
struct park_calls {
	/* Answers it, or says what it waits for now: -EINPROGRESS. */
	int (*again)(void *ctx, const struct ask *a, struct content_wait *ret);
	void (*refuse)(void *ctx, const struct ask *a, int code);
	int (*settled)(void *ctx, const struct content_wait *w); /* content_settled() */
	/* From here on park_interrupted(token) is called, also at once, when the caller got a
	 * signal; after unwatch it no longer is, nor still running. */
	void (*watch)(void *ctx, const struct ask *a, void *token);
	void (*unwatch)(void *ctx, const struct ask *a);
};

struct park;

int park_open(struct park **ret, const struct park_calls *calls, void *ctx, struct err *e)
	MUST_CHECK;
/* Refuses what is left. */
struct park *park_free(struct park *p);
AUTO_FREE_FN(park)

/* Takes over the request (name is copied). -EAGAIN: PARKED_MAX wait already;
 * -ENOMEM; -EIO: closed. It is the caller's to answer then. */
int park_add(struct park *p, const struct ask *a, const struct content_wait *w) MUST_CHECK;
void park_woken(struct park *p, enum content_wait_kind kind, uint64_t number);
void park_interrupted(void *token);

/* Refuses all that wait and all that come, with -EIO, and returns when nothing waits. */
void park_close(struct park *p);
void park_reopen(struct park *p);

/* What waits, for status: one row for each thing waited for. */
struct park_row {
	enum content_wait_kind kind;
	uint64_t number;
	uint32_t requests;
	uint64_t since_ns; /* the oldest */
};
size_t park_rows(struct park *p, struct park_row *ret, size_t max);
size_t park_count(struct park *p);

/* Whether the process of this /proc/PID/status is dying: of SIGKILL, or of a signal
 * pending that ends it by default and that it neither blocks, ignores nor handles. */
bool park_is_dying(const char *status_text);

#endif
