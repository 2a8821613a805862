/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sat: the part of solving that libsolv does, in numbers only. Candidates are
 * numbered by name, sets are lists of candidates; what they mean is the caller's
 * business (universe.h). This is the only noun that knows libsolv.
 *
 * At most one candidate of a name is chosen. Plain libsolv writes k*k/2 rules for
 * that; here a large name is laid out as a ladder: rung i is "candidate i or a later
 * one", each candidate needs its rung and excludes the next, which costs 3*k rules. A
 * set that is a range of candidates is then two rungs, and what libsolv learns from a
 * conflict is about ranges too, not about single candidates.
 *
 * Decisions are made in the order of the jobs, each taking its highest rank that
 * still works, then along requirements, those of higher-numbered candidates first.
 */
#ifndef ENVFS_SOLVE_SAT_H
#define ENVFS_SOLVE_SAT_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct sat_job {
	uint32_t set;
	bool soft; /* wanted, but dropped when impossible */
};

struct sat_problem {
	uint32_t name_count;
	const uint32_t *name_first; /* [name_count + 1]: candidates of a name are together */
	uint32_t cand_count;
	const uint32_t *rank; /* [cand_count], higher is preferred; distinct within a name */

	uint32_t set_count;
	const uint32_t *set_first;   /* [set_count + 1] into set_members */
	const uint32_t *set_members; /* candidates, ascending; one name a set but for jobs */

	const uint32_t
		*need_first; /* [cand_count + 1] into needs: sets, one of each must be chosen */
	const uint32_t *needs;
	const uint32_t *limit_first; /* as needs: nothing of the set's name outside of the set */
	const uint32_t *limits;
	const uint32_t *set_name; /* [set_count]; used for limits */

	const struct sat_job *jobs;
	uint32_t job_count;
};

/* Why there is no answer: what libsolv's proof is made of. */
struct sat_core {
	uint32_t *jobs; /* owned; indexes of jobs, ascending */
	uint32_t job_count;
	struct sat_clash {
		uint32_t cand, other; /* other: a set when need, else a candidate or UINT32_MAX */
		bool need;
	} * clashes; /* owned */
	uint32_t clash_count;
};

/* chosen[cand_count] is filled; *ret_rules: how many rules the problem came to.
 * 1: solved. 0: cannot be (core is filled; NULL: not wanted). */
int sat_solve(const struct sat_problem *p, bool *chosen, uint32_t *ret_rules, struct sat_core *core,
	      struct err *e) MUST_CHECK;
void sat_core_done(struct sat_core *core);

#endif
