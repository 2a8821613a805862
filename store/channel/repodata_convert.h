/* SPDX-License-Identifier: Apache-2.0 */
/* repodata_convert: from a repodata.json to an index; used by repodata_*.c only. */
#ifndef ENVFS_CHANNEL_REPODATA_CONVERT_H
#define ENVFS_CHANNEL_REPODATA_CONVERT_H

#include "base/err.h"

#include <stdbool.h>

/* Reads the document from `from` to its end and writes its index to `to`. The URL has no
 * credentials. -EINVAL, -EBADMSG: no repodata; the sentence says where. */
int repodata_convert_fd(int from, int to, const char *channel_url, const char *subdir,
			bool use_only_tar_bz2, struct err *e) MUST_CHECK;

#endif
