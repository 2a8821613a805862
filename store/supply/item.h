/* SPDX-License-Identifier: Apache-2.0 */
/*
 * item: a package that somebody wants, from the first asker to the answer; and
 * the queues it moves through. supply/ only.
 *
 *	START -> (lock, range request) -> FETCHING -> FETCHED -> LISTED, answer
 *	START -> (lock, whole)         -> FETCHING -> FETCHED -> ingested, answer
 *	START -> LOCKED (another process has it) -> START
 *
 * Everything here is protected by supply's mutex, but for what the one thread
 * that took the item out of a queue works with.
 */
#ifndef ENVFS_SUPPLY_ITEM_H
#define ENVFS_SUPPLY_ITEM_H

#include "fetch/fetch.h"
#include "supply/supply.h"

#include <stdatomic.h>

enum item_phase { ITEM_START, ITEM_LOCKED, ITEM_FETCHING, ITEM_FETCHED, ITEM_WORKING };

struct waiter {
	struct waiter *next;
	enum supply_want want;
	supply_done_fn *done;
	void *ctx;
};

struct item {
	struct item *next_in_table, *next_in_queue;
	struct supply *supply;
	struct supply_artifact artifact; /* texts owned */
	struct waiter *waiters;		 /* owned */
	enum supply_want want;		 /* the most that a waiter asks for */
	enum supply_want doing;
	enum item_phase phase;
	bool whole;	     /* what is fetched is the whole artifact */
	bool whole_only;     /* a range does not tell its list */
	bool counted;	     /* among the whole fetches under way */
	uint64_t tail_first; /* listing: the range's start; 0: the usual tail */
	char lock_name[80];
	int lock_fd, part_fd;
	uint64_t fetch_id;
	struct fetch_result result;
	_Atomic uint64_t bytes, total, progress_ns;
	uint64_t started_ns, touched_ns;
	uint64_t other_ns;	     /* LOCKED: when the other process last showed progress */
	struct timespec other_mtime; /* of its lock file then */
};

struct item_queue {
	struct item *first, *last;
};

void item_push(struct item_queue *q, struct item *it);
struct item *item_pop(struct item_queue *q); /* NULL: empty */

/* A copy of a, nobody waiting yet. NULL: out of memory. */
struct item *item_new(struct supply *s, const struct supply_artifact *a);
struct item *item_free(struct item *it); /* closes its descriptors */
int item_wait(struct item *it, enum supply_want want, supply_done_fn *done, void *ctx,
	      struct err *e) MUST_CHECK;

/* The waiters who want no more than `have`; the rest stay. */
struct waiter *item_take_waiters(struct item *it, enum supply_want have);

/* The artifact's lock: -EBUSY when another process has it. */
int item_lock(struct item *it, struct store *st, struct err *e) MUST_CHECK;
void item_unlock(struct item *it, struct store *st);
/* Shows other processes that something moves: at most once a second. */
void item_touch(struct item *it);
/* Whether the process that has the lock has shown progress within stall_ns. */
bool item_other_moves(struct item *it, struct store *st, uint64_t stall_ns);

/* A nameless file for its bytes. */
int item_open_part(struct item *it, struct store *st, struct err *e) MUST_CHECK;

#endif
