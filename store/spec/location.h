/* SPDX-License-Identifier: Apache-2.0 */
/*
 * location: what a user writes where conda wants a URL or a path.
 */
#ifndef ENVFS_SPEC_LOCATION_H
#define ENVFS_SPEC_LOCATION_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* $NAME and ${NAME} of the environment put in; what is not set stays as it is. */
int location_expand(const char *text, size_t len, struct buf *ret, struct err *e) MUST_CHECK;

/* "/x", "./x", "../x", "~", "~/x": a path for sure, not a channel's name. */
bool location_is_path(const char *text, size_t len);
bool location_is_url(const char *text, size_t len); /* has "://" behind a scheme */

/*
 * The URL: as it is, blanks of a file URL encoded; or the path's, "~" and
 * variables put in, relative ones from the current folder, "." and ".." taken out.
 */
int location_url(const char *text, size_t len, struct buf *ret, struct err *e) MUST_CHECK;

/* A part of a URL, its %XX put back. */
void location_unescape(const char *text, size_t len, struct buf *ret);

/* Whether it ends in .conda or .tar.bz2, and where that begins. */
bool location_is_package(const char *text, size_t len, size_t *ret_stem_len);

/* "name-1.2-build" cut at its last two dashes; false: there are none, or an
 * empty piece. */
bool location_split_stem(const char *stem, size_t len, size_t *ret_name_len,
			 size_t *ret_version_len);

#endif
