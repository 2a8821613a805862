/* SPDX-License-Identifier: Apache-2.0 */
/*
 * remove: what is left of an environment when packages go. No channel is asked and
 * nothing is replaced: what is removed takes along what needs it, and with `prune`
 * what no request and nothing else needs any more.
 */
#ifndef ENVFS_SOLVE_REMOVE_H
#define ENVFS_SOLVE_REMOVE_H

#include "solve/solve.h"

/* Whether the request only removes (and keeps). */
bool remove_only(const struct solve_request *rq);
int remove_solve(const struct solve_request *rq, bool *keep, struct err *e) MUST_CHECK;

#endif
