/* SPDX-License-Identifier: Apache-2.0 */
/*
 * synth: the bytes of a node that is known: an object as it is, an object with
 * its prefix replaced (docs/decisions/prefix.md), or a file that is made (entry
 * points, conda-meta/). Reads packs, never the network, waits for nothing.
 *
 * A read of a patched file costs O(log spots) for each piece of it that it
 * touches, and reads only those bytes of the object that it shows.
 */
#ifndef ENVFS_SYNTH_SYNTH_H
#define ENVFS_SYNTH_SYNTH_H

#include "base/err.h"
#include "object/pack.h"
#include "tree/view.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Bytes [offset, offset+len) of what the file has as served; fewer only at its
 * end. -EIO: the node's `failed`, with the reason. -ESTALE: the node is not known, or no file.
 */
ssize_t synth_read(struct view *v, struct packs *ps, const struct node *n, uint64_t offset,
		   void *room, size_t len, struct err *e) MUST_CHECK;

#endif
