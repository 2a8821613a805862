/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/link.h"

#include "base/map.h"
#include "base/path.h"
#include "pkg/limits.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct link {
	int noarch;
	struct pkg_entry_point *points; /* owned; their texts too, one allocation each */
	size_t count, cap;
	struct intern commands; /* number of a command is its index in points */
};

struct link *link_free(struct link *link)
{
	if (!link)
		return NULL;
	for (size_t i = 0; i < link->count; i++)
		free((void *)(uintptr_t)link->points[i].command);
	free(link->points);
	intern_done(&link->commands);
	free(link);
	return NULL;
}

int link_noarch(const struct link *link)
{
	return link->noarch;
}

const struct pkg_entry_point *link_entry_points(const struct link *link, size_t *ret_count)
{
	*ret_count = link->count;
	return link->points;
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcasecmp(text, *words) == 0)
			return true;
	return false;
}

/* conda's NoarchType.coerce() and boolify(), with all their words. */
int noarch_of(const struct json *j, int *ret, struct err *e)
{
	static const char *const generic[] = { "generic", "true", "yes", "on", "y", NULL };
	static const char *const none[] = { "false", "no", "off", "n", "non", "none", "", NULL };
	const char *text = json_text(j);

	*ret = PKG_NOARCH_NONE;
	if (json_type(j) == JSON_NULL || (text && is_one_of(text, none)) ||
	    (json_type(j) == JSON_BOOL && !json_true(j)))
		return 0;
	if (json_true(j) || (text && is_one_of(text, generic)))
		*ret = PKG_NOARCH_GENERIC;
	else if (text && strcasecmp(text, "python") == 0)
		*ret = PKG_NOARCH_PYTHON;
	else
		return err_set(e, -EBADMSG, "noarch '%s' is a kind that nobody knows",
			       text ? QUOTE(text, strlen(text)) : "?");
	return 0;
}

static bool is_keyword(const char *word, size_t len)
{
	static const char words[][9] = {
		"False",  "None",   "True",    "and",	   "as",       "assert", "async",
		"await",  "break",  "class",   "continue", "def",      "del",	 "elif",
		"else",	  "except", "finally", "for",	   "from",     "global", "if",
		"import", "in",	    "is",      "lambda",   "nonlocal", "not",	 "or",
		"pass",	  "raise",  "return",  "try",	   "while",    "with",	 "yield",
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i]) == len && memcmp(words[i], word, len) == 0)
			return true;
	return false;
}

static bool is_identifier(const char *word, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = word[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';

		if (!letter && (i == 0 || c < '0' || c > '9'))
			return false;
	}
	return len > 0 && !is_keyword(word, len);
}

static bool is_dotted(const char *text)
{
	for (;;) {
		size_t len = strcspn(text, ".");

		if (!is_identifier(text, len))
			return false;
		if (text[len] == '\0')
			return true;
		text += len + 1;
	}
}

/* Blanks off both ends, in place. */
static char *strip(char *text)
{
	size_t len;

	text += strspn(text, " \t");
	for (len = strlen(text); len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'); len--)
		text[len - 1] = '\0';
	return text;
}

int link_check_point(const struct pkg_entry_point *point, struct err *e)
{
	int r = path_check_name(point->command, strlen(point->command), e);

	if (r < 0)
		return err_wrap(e, -EBADMSG, "its command");
	if (point->command[0] == '.' || strchr(point->command, '\\'))
		return err_set(e, -EBADMSG, "its command '%s' is no plain file name",
			       point->command);
	if (!is_dotted(point->module))
		return err_set(e, -EBADMSG, "its module '%s' is no dotted Python name",
			       QUOTE(point->module, strlen(point->module)));
	if (!is_dotted(point->function))
		return err_set(e, -EBADMSG, "its function '%s' is no dotted Python name",
			       QUOTE(point->function, strlen(point->function)));
	return 0;
}

/* Splits "command = module:function" in place, from the right as conda does. */
static int split(char *text, struct pkg_entry_point *ret, struct err *e)
{
	char *colon = strrchr(text, ':'), *equals;

	if (colon)
		*colon = '\0';
	equals = strrchr(text, '=');
	if (!colon || !equals)
		return err_set(e, -EBADMSG, "it is not COMMAND = MODULE:FUNCTION");
	*equals = '\0';
	*ret = (struct pkg_entry_point){ strip(text), strip(equals + 1), strip(colon + 1) };
	return link_check_point(ret, e);
}

static int add(struct link *link, const char *text, struct err *e)
{
	AUTO_MEM char *own = strdup(text);
	struct pkg_entry_point point;
	uint32_t id;
	int r;

	if (!own)
		return err_nomem(e);
	r = split(own, &point, e);
	if (r < 0)
		return err_wrap(e, r, "entry point '%s'", QUOTE(text, strlen(text)));
	/* The command stands first in the allocation, so that one pointer frees all. */
	memmove(own, point.command, strlen(point.command) + 1);
	point.command = own;
	r = intern_put(&link->commands, own, strlen(own), &id, e);
	if (r == 0)
		r = GROW(link->points, link->cap, (size_t)id + 1, ENTRY_POINTS_MAX, e);
	if (r < 0)
		return r;
	if (id < link->count)
		free((void *)(uintptr_t)link->points[id].command);
	else
		link->count = (size_t)id + 1;
	link->points[id] = point;
	own = NULL;
	return 0;
}

static int add_all(struct link *link, const struct json *list, struct err *e)
{
	struct json_iter it = json_iter(list);
	const struct json *j;

	if (json_type(list) != JSON_ARRAY && json_type(list) != JSON_NULL)
		return err_set(e, -EBADMSG, "entry_points is no list");
	while ((j = json_next(&it))) {
		const char *text = json_text(j);
		int r = text ? add(link, text, e)
			     : err_set(e, -EBADMSG, "an entry point is no text");

		if (r < 0)
			return r;
	}
	return 0;
}

int link_parse(struct link **ret, const char *bytes, size_t len, struct err *e)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	AUTO(link_freep) struct link *link = calloc(1, sizeof(*link));
	const struct json *noarch;
	int r;

	if (!link)
		return err_nomem(e);
	intern_init(&link->commands, ENTRY_POINTS_MAX * (NAME_BYTES_MAX + 1ULL));
	r = pkg_refuse(json_parse(&doc, bytes, len, e), e);
	if (r < 0)
		return r;
	if (json_type(json_root(doc)) != JSON_OBJECT)
		return err_set(e, -EBADMSG, "it is no JSON object");
	noarch = json_get(json_root(doc), "noarch");
	r = noarch_of(json_get(noarch, "type"), &link->noarch, e);
	if (r == 0)
		r = add_all(link, json_get(noarch, "entry_points"), e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(link);
	return 0;
}
