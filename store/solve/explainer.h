/* SPDX-License-Identifier: Apache-2.0 */
/* explainer: what explain.c and proof.c write their sentences with. */
#ifndef ENVFS_SOLVE_EXPLAINER_H
#define ENVFS_SOLVE_EXPLAINER_H

#include "base/limits.h"
#include "solve/explain.h"

#define LINE_BYTES_MAX (4 * KIB)
/* Versions and specs that a sentence names before it says "and N more". */
#define NAMED_MAX	4
#define AVAILABLE_MAX	8
#define NAMES_ASKED_MAX 16

struct topic {
	uint32_t name, spec; /* spec NONE: all that was not ruled out by a demand */
};

struct explainer {
	const struct universe *u;
	struct buf *why;
	struct topic topics[EXPLAIN_LINES_MAX * 2];
	uint32_t topic_count, next;
	uint32_t asked[NAMES_ASKED_MAX]; /* names whose versions are worth telling */
	uint32_t asked_count;
	uint32_t lines;
};

/* Adds a line, unless it stands there already. */
void explainer_say(struct explainer *x, struct buf *line);
/* "1.0", "1.0 and 1.1", "1.0 to 3.0 (17 versions)"; *ret_many: more than one. */
int explainer_versions(const struct universe *u, struct buf *b, const uint32_t *cands,
		       uint32_t count, bool *ret_many, struct err *e) MUST_CHECK;
/* "you also asked for 'b=1.5'" */
void explainer_demand(const struct universe *u, struct buf *b, uint32_t demand);

#endif
