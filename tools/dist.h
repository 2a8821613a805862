/* SPDX-License-Identifier: Apache-2.0 */
/* dist: a package as conda's JSON and its tables show it. */
#ifndef ENVFS_DIST_H
#define ENVFS_DIST_H

#include "base/json.h"
#include "env/generation.h"

/* "conda-forge", "pkgs/main", or the URL's last part. Borrowed from the URL. */
const char *channel_shown(const char *channel_url);
uint64_t build_number_of(const struct gen_package *p);
/* One object: base_url, build_number, build_string, channel, dist_name, name, platform,
 * version, and ours: fn, md5, sha256, size, url. */
void dist_json(struct jsonw *w, const struct gen_package *p);
/* The members (no braces) of a repodata record, and where it is: channel, fn, url. */
void record_json(struct jsonw *w, const struct json *record, const char *channel,
		 const char *subdir, const char *fn, const char *url);
/* The whole record, as conda's FETCH has it: with these fields of dist_json() that it lacks. */
void dist_record_json(struct jsonw *w, const struct gen_package *p);

#endif
