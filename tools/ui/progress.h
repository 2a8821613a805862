/* SPDX-License-Identifier: Apache-2.0 */
/*
 * progress: one line on a terminal that is rewritten: what, how much, rate, time
 * left. Silent when standard error is no terminal, and with --quiet or --json.
 */
#ifndef ENVFS_UI_PROGRESS_H
#define ENVFS_UI_PROGRESS_H

#include "verb.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define PROGRESS_PARTS 64

struct progress {
	bool on;
	pthread_mutex_t mutex; /* progress_set() comes from the fetch thread */
	const char *title;
	struct {
		char what[100];
		uint64_t bytes, total;
	} parts[PROGRESS_PARTS]; /* sums are shown */
	size_t part_count;
	uint64_t started_ns, shown_ns;
	bool drawn;
};

void progress_init(struct progress *p, const struct opts *o, const char *title);
/* How far `what` is; total 0: not known. Draws at most ten times a second. */
void progress_set(struct progress *p, const char *what, uint64_t bytes, uint64_t total);
/* The same with the sums known, and a count of things: "12 of 40". */
void progress_count(struct progress *p, uint64_t done, uint64_t count, uint64_t bytes,
		    uint64_t total);
/* Removes the line. */
void progress_done(struct progress *p);

#endif
