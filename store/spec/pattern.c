/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/pattern.h"

#include "base/limits.h"
#include "spec/regex.h"

#include <string.h>

struct pattern {
	struct regex *regex; /* owned; NULL: a glob or itself */
	bool glob;
	char text[];
};

static int parse(struct pattern **ret, const char *text, size_t len, bool regex, bool glob,
		 struct err *e)
{
	AUTO(pattern_freep) struct pattern *p = NULL;
	int r = 0;

	if (len > SPEC_BYTES_MAX)
		return err_set(e, -EINVAL, "a pattern of %zu bytes, more than %d", len,
			       SPEC_BYTES_MAX);
	p = malloc(sizeof(*p) + len + 1);
	if (!p)
		return err_nomem(e);
	p->regex = NULL;
	p->glob = glob;
	memcpy(p->text, text, len);
	p->text[len] = '\0';
	if (regex)
		r = regex_parse(&p->regex, text, len, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(p);
	return 0;
}

int pattern_parse(struct pattern **ret, const char *text, size_t len, struct err *e)
{
	bool regex = len >= 2 && text[0] == '^' && text[len - 1] == '$';

	return parse(ret, text, len, regex, !regex && memchr(text, '*', len), e);
}

int pattern_parse_glob(struct pattern **ret, const char *text, size_t len, struct err *e)
{
	return parse(ret, text, len, false, true, e);
}

struct pattern *pattern_free(struct pattern *p)
{
	if (p)
		(void)regex_free(p->regex);
	free(p);
	return NULL;
}

static char lower_of(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Only the last star ever needs to be taken again: at most text times glob steps. */
static bool glob_matches(const char *glob, const char *text, bool lower)
{
	const char *star = NULL, *resume = NULL;

	while (*text) {
		if (*glob == '*') {
			star = glob++;
			resume = text;
		} else if (*glob && *glob == (lower ? lower_of(*text) : *text)) {
			glob++;
			text++;
		} else if (star) {
			glob = star + 1;
			text = ++resume;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return !*glob;
}

static bool matches(const struct pattern *p, const char *text, bool lower)
{
	const char *at = p->text;

	if (p->regex)
		return regex_matches(p->regex, text, lower);
	if (p->glob)
		return glob_matches(p->text, text, lower);
	while (*at && *at == (lower ? lower_of(*text) : *text)) {
		at++;
		text++;
	}
	return !*at && !*text;
}

bool pattern_matches(const struct pattern *p, const char *text)
{
	return matches(p, text, false);
}

bool pattern_matches_lower(const struct pattern *p, const char *text)
{
	return matches(p, text, true);
}

bool pattern_is_literal(const struct pattern *p)
{
	return !p->regex && !p->glob;
}

const char *pattern_text(const struct pattern *p)
{
	return p->text;
}
