/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prune: from the request to the candidates that can be part of an answer.
 *
 * reach() loads names wave by wave and takes away, at once, what the demands rule
 * out and what depends on nothing that is left; so names that only such candidates
 * mention are never loaded. prune_required() also follows what must be there in any
 * case. Both are sound: what they drop is in no answer, and each drop has its reason.
 *
 * prune_reduce() then drops what no answer misses: candidates that nothing admits,
 * and all but the preferred one of those that nothing can tell apart: what they
 * need, what they limit, and which sets they are in are the same once sets with the
 * same survivors count as one. It wants ranks (rank.h).
 */
#ifndef ENVFS_SOLVE_PRUNE_H
#define ENVFS_SOLVE_PRUNE_H

#include "solve/universe.h"

struct reach_how {
	bool thorough;	     /* follow required names to the end (for explanations) */
	bool lazy;	     /* open only the best of each set; the rest by reach_open() */
	uint32_t active_max; /* gives up when more candidates are opened; 0: never */
};

/* Can be called again after reach_open(). */
int reach(struct universe *u, const struct reach_how *how, struct err *e) MUST_CHECK;
bool reach_was_large(const struct universe *u, const struct reach_how *how);
/*
 * Of a lazy universe and its answer: opens what was picked unopened (and some that
 * come next in preference), and takes back what prune_reduce() dropped. All open: the
 * answer holds; nothing was changed in vain.
 */
int reach_open(struct universe *u, const bool *picked, bool *ret_all_open, struct err *e)
	MUST_CHECK;
int prune_reduce(struct universe *u, struct err *e) MUST_CHECK;

/* A required name of which nothing is left; NONE when there is none. */
uint32_t prune_empty_name(const struct universe *u);

#endif
