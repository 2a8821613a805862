/* SPDX-License-Identifier: Apache-2.0 */
/*
 * explain: why a request has no answer, in sentences, one a line, at most
 * EXPLAIN_LINES_MAX. Works on a universe that was reached thoroughly, so that each
 * candidate that cannot be taken carries its reason; it follows these from the
 * package that had to be there and of which nothing was left. Where only the search
 * found the contradiction, it tells what libsolv's proof is made of.
 */
#ifndef ENVFS_SOLVE_EXPLAIN_H
#define ENVFS_SOLVE_EXPLAIN_H

#include "solve/encode.h"
#include "solve/universe.h"

#define EXPLAIN_LINES_MAX 15

/* Of a required name of which nothing is left. */
int explain_empty(const struct universe *u, uint32_t name, struct buf *why, struct err *e)
	MUST_CHECK;
/* Of a proof; candidates and sets are those of the encoding. */
int explain_core(const struct universe *u, const struct encoding *c, const struct sat_core *core,
		 struct buf *why, struct err *e) MUST_CHECK;
/* Of a requested name that no source has. */
int explain_unknown(const struct universe *u, uint32_t spec, struct buf *why, struct err *e)
	MUST_CHECK;

#endif
