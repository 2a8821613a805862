/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rebuild: fills an empty index from the store's files, for index_open() and
 * index_rebuild(): objects from the packs' footers, artifacts from generations
 * and manifests, counters from all names and from the generations' headers.
 *
 * A file that is damaged adds nothing but its number; `envfs verify` reports it.
 */
#ifndef ENVFS_GC_REBUILD_H
#define ENVFS_GC_REBUILD_H

#include "index/index.h"

int rebuild_index(struct index *ix, struct store *st, struct err *e) MUST_CHECK;

#endif
