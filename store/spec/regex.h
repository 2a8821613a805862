/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex: the regular expressions of pattern.h, compiled to a small program.
 */
#ifndef ENVFS_SPEC_REGEX_H
#define ENVFS_SPEC_REGEX_H

#include "base/auto.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct regex;

int regex_parse(struct regex **ret, const char *text, size_t len, struct err *e) MUST_CHECK;
struct regex *regex_free(struct regex *x);
AUTO_FREE_FN(regex)
bool regex_matches(const struct regex *x, const char *text, bool lower);

#endif
