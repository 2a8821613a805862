/* SPDX-License-Identifier: Apache-2.0 */
/* list: a .conda's tail -> a listed manifest. supply/ only. */
#ifndef ENVFS_SUPPLY_LIST_H
#define ENVFS_SUPPLY_LIST_H

#include "supply/ingest.h"

/*
 * in->fd holds the last `have` bytes of the artifact's in->size. -EAGAIN: the
 * tail must reach from *ret_need_first on. -ENODATA: only the whole artifact
 * tells.
 */
int list_tail(const struct ingest *in, uint64_t have, uint64_t *ret_need_first, struct err *e)
	MUST_CHECK;

#endif
