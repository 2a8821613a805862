/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link: link.json of noarch packages: the kind, and entry points.
 *
 * An entry point becomes a file bin/COMMAND with MODULE and FUNCTION written
 * into its Python text, so all three are checked to the letter: command a plain
 * file name that does not start with a dot and holds no backslash; module and
 * function ASCII identifiers joined by dots, none of them a keyword. A command
 * that is given twice: the last counts, as the file that is written last does.
 */
#ifndef ENVFS_PKG_LINK_H
#define ENVFS_PKG_LINK_H

#include "base/auto.h"
#include "base/err.h"
#include "base/json.h"
#include "pkg/pkg.h"

#include <stddef.h>

struct link;

int link_parse(struct link **ret, const char *bytes, size_t len, struct err *e) MUST_CHECK;
struct link *link_free(struct link *link);
AUTO_FREE_FN(link)

int link_noarch(const struct link *link); /* enum pkg_noarch */
const struct pkg_entry_point *link_entry_points(const struct link *link, size_t *ret_count);

int link_check_point(const struct pkg_entry_point *point, struct err *e) MUST_CHECK;

/* "python", "generic" (or true, its first name, also as a text), or nothing. */
int noarch_of(const struct json *j, int *ret, struct err *e) MUST_CHECK;

#endif
