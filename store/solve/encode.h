/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode: what is left of a universe, as numbers for sat.h.
 *
 * Candidates are numbered so that libsolv, which follows requirements from high
 * numbers to low, goes from what was asked for to what that needs, by name.
 * Jobs stand in this order: what is new or to be updated, earlier requests, and
 * then what is installed, softly; each by name. So a new request gets its best
 * first, and what is there stays where that is possible.
 */
#ifndef ENVFS_SOLVE_ENCODE_H
#define ENVFS_SOLVE_ENCODE_H

#include "solve/sat.h"
#include "solve/universe.h"

struct encoding {
	struct sat_problem p; /* its arrays are owned here */
	uint32_t *cand_of;    /* [p.cand_count]: candidate of the universe */
	uint32_t *spec_of;    /* [p.set_count]: spec, or NONE: all of a name */
	uint32_t *demand_of;  /* [p.job_count]: demand, or NONE: what is installed */
	uint32_t *number_of;  /* [universe.cand_count]: its number here, or NONE */
};

int encode(struct encoding *ret, const struct universe *u, struct err *e) MUST_CHECK;
void encoding_done(struct encoding *c);

#endif
