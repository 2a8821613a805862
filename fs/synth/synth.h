/* SPDX-License-Identifier: Apache-2.0 */
/*
 * synth: the bytes of a node that is known: an object as it is, an object with
 * its prefix replaced (COMPAT §2: text, binary, shebang), or a file that is
 * made (entry points, conda-meta/). Reads packs, never the network, waits for
 * nothing.
 */
#ifndef ENVFS_SYNTH_SYNTH_H
#define ENVFS_SYNTH_SYNTH_H

#include "base/err.h"
#include "object/pack.h"
#include "tree/view.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Bytes [offset, offset+len) of what the file has as served; fewer only at its end. */
ssize_t synth_read(struct view *v, struct packs *ps, const struct node *n, uint64_t offset,
		   void *room, size_t len, struct err *e) MUST_CHECK;

/* For a package entry under a prefix, the view's part of the arithmetic: its size
 * as served (-ENAMETOOLONG: the prefix is longer than a binary placeholder). */
int patched_size(const struct manifest *m, const struct entry *en, const char *prefix,
		 uint64_t *ret) MUST_CHECK;

#endif
