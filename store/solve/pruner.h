/* SPDX-License-Identifier: Apache-2.0 */
/* pruner: what reach.c (loads, opens) and prune.c (drops) work on together. */
#ifndef ENVFS_SOLVE_PRUNER_H
#define ENVFS_SOLVE_PRUNER_H

#include "solve/prune.h"

struct pruner {
	struct universe *u;
	bool *dirty; /* [name_count]: lost candidates since its specs were counted */
	const struct reach_how *how;
	uint32_t *mark;		  /* [cand_count] */
	uint32_t *seen;		  /* [name_count]: how many candidates of a required name need it */
	uint32_t *spec_of;	  /* [name_count]: the last candidate that was counted there, + 1 */
	uint32_t *dives, *chosen; /* [name_count], when lazy: opened on a guess, and the last one */
	size_t dives_cap, chosen_cap, dirty_cap, mark_cap, seen_cap, spec_of_cap;
	uint32_t stamp;
	bool changed, more; /* more: candidates or names came, there is more to load */
};

void pruner_done(struct pruner *p);
/* After names or candidates came. */
int pruner_grow(struct pruner *p, struct err *e) MUST_CHECK;
bool pruner_in_set(const struct universe *u, const struct uspec *s, uint32_t cand);
void pruner_drop(struct pruner *p, struct cand *c, enum drop reason, uint32_t why);
/* What was asked for, held against the candidates of a name that was just loaded. */
void pruner_demands(struct pruner *p, uint32_t name);
/* Until nothing depends on what is not there. */
void pruner_settle(struct pruner *p);
/* Follows what must be there in any case. */
void pruner_follow(struct pruner *p);

#endif
