/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside: what supply's own files share. See supply.h.
 *
 * Locks: supply's mutex is taken before the fetcher's, never after it (the
 * fetcher calls with none of its own held); waiters are called with none held.
 */
#ifndef ENVFS_SUPPLY_INSIDE_H
#define ENVFS_SUPPLY_INSIDE_H

#include "supply/ingest.h"
#include "supply/item.h"
#include "supply/supply.h"

#include <pthread.h>

#define THREADS_MAX	  16
#define BUCKETS		  1024
#define WHOLE_MAX	  16 /* whole artifacts under way: descriptors and space in tmp/ */
#define LISTINGS_MAX	  64
#define FAILURES_MAX	  64
#define REFUSALS_MAX	  256
#define LOCK_RETRY_NS	  50000000ULL
#define PRIORITY_LISTING  10
#define PRIORITY_ARTIFACT 5

struct refusal {
	uint64_t package, when_ns;
	int code;
	char text[ERR_TEXT_BYTES];
};

struct supply {
	struct supply_options o; /* what it points to is borrowed */
	uint64_t refusal_ns, other_stall_ns;

	pthread_mutex_t mutex; /* protects all below, and the items */
	pthread_cond_t work;   /* a queue got something, or stopping */
	_Atomic bool stopping; /* set under the mutex; an ingest looks without it */
	struct item *table[BUCKETS];
	size_t items, listing, whole; /* in the table; fetches under way of each kind */
	struct item_queue start_list, start_whole, fetched_list, fetched_whole, locked;
	uint64_t retry_ns;			      /* when those locked are tried again */
	struct supply_failure failures[FAILURES_MAX]; /* a ring */
	uint64_t failure_count;
	struct refusal refusals[REFUSALS_MAX]; /* a ring */
	uint64_t refusal_count;
	struct supply_totals totals;

	pthread_t threads[THREADS_MAX + 1];
	int thread_count;
};

/* supply.c */
void supply_enqueue(struct supply *s, struct item *it, enum item_phase phase); /* mutex held */
void supply_uncount(struct supply *s, struct item *it);			       /* mutex held */
/* The item has reached `have`, or failed with code. Who is satisfied is told; when others
 * want more it goes on, else it ends here. */
void supply_settle(struct supply *s, struct item *it, enum supply_want have, int code,
		   const struct err *why);
enum pkg_format supply_format(const char *url, bool *ret_known);

/* steps.c: what a thread does with an item that it took out of a queue. */
void step_start(struct supply *s, struct item *it);
void step_fetched(struct supply *s, struct item *it);
struct ingest ingest_of(struct supply *s, struct item *it, uint64_t size);
/* -ETIMEDOUT: the process that has the artifact's lock has not moved for too long. */
int check_other(struct supply *s, struct item *it, struct err *e) MUST_CHECK;

/* failure.c; the mutex is held. */
void failure_remember(struct supply *s, const struct item *it, int code, const struct err *why);
/* 0, or what was said when this package was refused a short while ago. */
int failure_refused(struct supply *s, uint64_t package, struct err *e) MUST_CHECK;

#endif
