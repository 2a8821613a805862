/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pattern: a string of a MatchSpec that may mean more than itself. As in conda
 * "^…$" is a regular expression, a '*' anywhere makes a glob (any bytes, none
 * included), anything else is only itself.
 *
 * Matching takes time linear in text times pattern for every pattern, and
 * allocates nothing: a regular expression is run as all its states at once. The
 * dialect is the part of Python's that needs no going back:
 *
 *	x  \x  .  [a-z]  [^a-z]  \d \w \s \D \W \S  (…)  (?:…)  |  ^  $
 *	*  +  ?  {m}  {m,}  {m,n}   (and a '?' behind them, which changes nothing)
 *
 * It works on bytes. Look-around, back references and flags are refused, and so
 * are patterns longer than REGEX_BYTES_MAX or that need more than
 * REGEX_STATES_MAX states.
 */
#ifndef ENVFS_SPEC_PATTERN_H
#define ENVFS_SPEC_PATTERN_H

#include "base/auto.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct pattern;

int pattern_parse(struct pattern **ret, const char *text, size_t len, struct err *e) MUST_CHECK;
/* A glob, whatever else stands in the text. */
int pattern_parse_glob(struct pattern **ret, const char *text, size_t len, struct err *e)
	MUST_CHECK;
struct pattern *pattern_free(struct pattern *p);
AUTO_FREE_FN(pattern)

/* Whether text is what the pattern means, from its first byte on. Only a regular
 * expression can end before the text does: "^a|b$" matches "ab", as in conda. */
bool pattern_matches(const struct pattern *p, const char *text);
/* The same with the text's letters taken as lower case. */
bool pattern_matches_lower(const struct pattern *p, const char *text);
bool pattern_is_literal(const struct pattern *p); /* matches only itself */
const char *pattern_text(const struct pattern *p);

#endif
