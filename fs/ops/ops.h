/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ops: FUSE's low-level callbacks. Thin: one question to content/ and a view, one
 * answer, or the request is parked (park.h). No thread of libfuse ever waits.
 *
 * What is present may be cached by the kernel for ever: entries, negative ones,
 * attributes, listings, links. A file whose package is only listed is answered by
 * LOOKUP at once, with a guessed mode and no attribute timeout; GETATTR, READLINK
 * and READ of it are parked until the package is present. The mount's root is read
 * from the store each time and believed for ROOT_SECONDS.
 */
#ifndef ENVFS_OPS_OPS_H
#define ENVFS_OPS_OPS_H

#include "base/auto.h"
#include "base/err.h"
#include "base/store.h"
#include "content/content.h"
#include "ops/park.h"

#include <fuse3/fuse_lowlevel.h>
#include <stdint.h>

struct ops;

/* content comes later, by ops_serve(): the two know each other. */
int ops_open(struct ops **ret, struct store *st, struct err *e) MUST_CHECK;
struct ops *ops_free(struct ops *o);
AUTO_FREE_FN(ops)
void ops_serve(struct ops *o, struct content *c);

/* For fuse_session_new(), with the struct ops as its userdata. */
extern const struct fuse_lowlevel_ops ops_table;

/* content's woken(). */
void ops_woken(void *ops, enum content_wait_kind kind, uint64_t number);

struct park *ops_park(struct ops *o);

struct ops_counts {
	uint64_t requests; /* of all kinds since the start, FORGET aside */
};
void ops_counts(struct ops *o, struct ops_counts *ret);

#endif
