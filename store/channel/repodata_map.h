/* SPDX-License-Identifier: Apache-2.0 */
/* repodata_map: opens an index that has no name in the store; used by repodata_*.c and tests. */
#ifndef ENVFS_CHANNEL_REPODATA_MAP_H
#define ENVFS_CHANNEL_REPODATA_MAP_H

#include "channel/repodata.h"

/* fd may be closed after. -EBADMSG: it is no index of this version, or damaged. */
int repodata_map(struct repodata **ret, int fd, struct err *e) MUST_CHECK;

#endif
