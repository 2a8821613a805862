/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rank: which candidate of a name is to be preferred (docs/decisions/solver.md).
 *
 * What is installed, where that is favoured; fewer track_features; the channel,
 * unless priority is disabled; version; the channel, if it is; build number; none of
 * the deprecated `features`; then the build whose dependencies can do without
 * track_features and can be newest (python first, else by name), the newest timestamp, the build
 * string as a version, and last the order of sources.
 */
#ifndef ENVFS_SOLVE_RANK_H
#define ENVFS_SOLVE_RANK_H

#include "solve/universe.h"

/* Fills cand.rank of all survivors: distinct within a name, the best is highest. */
int rank_all(struct universe *u, struct err *e) MUST_CHECK;

#endif
