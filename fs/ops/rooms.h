/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rooms: buffers for answers, kept for the next request: one of 128 KiB or more
 * from malloc would cost a mapping and its unmapping at each read.
 */
#ifndef ENVFS_OPS_ROOMS_H
#define ENVFS_OPS_ROOMS_H

#include "base/auto.h"
#include "base/err.h"

#include <stddef.h>

#define ROOM_BYTES (1024 * 1024) /* the most that the kernel asks for; touched as far as used */
#define ROOMS_KEPT 16

struct rooms;

int rooms_open(struct rooms **ret, struct err *e) MUST_CHECK;
struct rooms *rooms_free(struct rooms *rs);
AUTO_FREE_FN(rooms)

/* NULL when out of memory. */
char *room_take(struct rooms *rs);
void room_give(struct rooms *rs, char *room);

#endif
