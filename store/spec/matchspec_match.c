/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a MatchSpec, and writing it as conda does. */
#include "spec/matchspec_own.h"

#include "base/path.h"
#include "spec/location.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define CHANNEL_ALIAS "https://conda.anaconda.org/" /* whose channels go by name */

const char *matchspec_name(const struct matchspec *s)
{
	return s->field[FIELD_NAME];
}

bool matchspec_name_is_exact(const struct matchspec *s)
{
	return pattern_is_literal(s->name);
}

const char *matchspec_channel(const struct matchspec *s)
{
	return s->field[FIELD_CHANNEL];
}

const char *matchspec_subdir(const struct matchspec *s)
{
	return s->field[FIELD_SUBDIR];
}

const char *matchspec_url(const struct matchspec *s)
{
	return s->field[FIELD_URL];
}

const struct version_spec *matchspec_version(const struct matchspec *s)
{
	return s->version;
}

const char *matchspec_build(const struct matchspec *s)
{
	return s->field[FIELD_BUILD];
}

const char *matchspec_when(const struct matchspec *s)
{
	return s->field[FIELD_WHEN];
}

const char *matchspec_extras(const struct matchspec *s)
{
	return s->field[FIELD_EXTRAS];
}

const char *matchspec_flags(const struct matchspec *s)
{
	return s->field[FIELD_FLAGS];
}

bool matchspec_is_bare(const struct matchspec *s)
{
	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (i != FIELD_NAME && s->field[i])
			return false;
	return matchspec_name_is_exact(s);
}

bool matchspec_needs_v3(const struct matchspec *s)
{
	return s->field[FIELD_WHEN] || s->field[FIELD_EXTRAS] || s->field[FIELD_FLAGS];
}

static bool version_fits(const struct matchspec *s, const struct match_target *t)
{
	AUTO(version_freep) struct version *parsed = NULL;
	const struct version *v = t->version;

	if (!v && t->version_text) {
		if (version_parse(&parsed, t->version_text, strlen(t->version_text), NULL) < 0)
			return false;
		v = parsed;
	}
	return v && version_spec_matches(s->version, v);
}

/* What conda calls the channel of a URL: its path, of a file URL the last part. */
static const char *channel_name_of(const char *url)
{
	const char *host = strstr(url, "://"), *name;

	if (!host)
		return NULL;
	name = strncasecmp(url, "file:", 5) == 0 ? strrchr(url, '/') : strchr(host + 3, '/');
	return name ? name + 1 : NULL;
}

static bool channel_fits(const struct matchspec *s, const struct match_target *t)
{
	const char *asked = s->field[FIELD_CHANNEL], *name;

	if (!pattern_is_literal(s->channel))
		return strcmp(asked, "*") == 0 ||
		       (t->channel && pattern_matches(s->channel, t->channel));
	if (s->channel_url) {
		if (t->channel_url && strcmp(s->channel_url, t->channel_url) == 0)
			return true;
		if (strncmp(s->channel_url, CHANNEL_ALIAS, strlen(CHANNEL_ALIAS)) != 0)
			return false;
		asked = s->channel_url + strlen(CHANNEL_ALIAS);
	}
	if (t->channel && strcmp(asked, t->channel) == 0)
		return true;
	name = t->channel_url ? channel_name_of(t->channel_url) : NULL;
	return name && strcmp(asked, name) == 0;
}

static bool number_fits(const struct matchspec *s, uint64_t number)
{
	switch (s->number_op) {
	case NUMBER_ANY:
		return true;
	case NUMBER_EQ:
		return number == s->number;
	case NUMBER_NE:
		return number != s->number;
	case NUMBER_LT:
		return number < s->number;
	case NUMBER_LE:
		return number <= s->number;
	case NUMBER_GT:
		return number > s->number;
	case NUMBER_GE:
		return number >= s->number;
	}
	return false;
}

static bool is_joint(char c)
{
	return c == ' ' || c == ',';
}

/* The next word at or behind *at, NULL at the end. */
static const char *next_word(const char **at, size_t *ret_len)
{
	const char *word;

	while (is_joint(**at))
		(*at)++;
	word = *at;
	while (**at && !is_joint(**at))
		(*at)++;
	*ret_len = (size_t)(*at - word);
	return *ret_len > 0 ? word : NULL;
}

static bool words_hold(const char *words, const char *word, size_t len)
{
	const char *one;
	size_t n;

	while ((one = next_word(&words, &n)))
		if (n == len && memcmp(one, word, len) == 0)
			return true;
	return false;
}

static bool words_all_in(const char *a, const char *b)
{
	const char *one;
	size_t n;

	while ((one = next_word(&a, &n)))
		if (!words_hold(b, one, n))
			return false;
	return true;
}

/* The same words, in whatever order. */
static bool words_fit(const char *asked, const char *has)
{
	return has && words_all_in(asked, has) && words_all_in(has, asked);
}

static bool text_fits(const char *asked, const char *has)
{
	return has && strcmp(asked, has) == 0;
}

static bool field_fits(const struct matchspec *s, enum field field, const struct match_target *t)
{
	switch (field) {
	case FIELD_CHANNEL:
		return channel_fits(s, t);
	case FIELD_SUBDIR:
		return text_fits(s->field[field], t->subdir);
	case FIELD_NAME:
		return t->name && pattern_matches_lower(s->name, t->name);
	case FIELD_VERSION:
		return version_fits(s, t);
	case FIELD_BUILD:
		return t->build && pattern_matches(s->build, t->build);
	case FIELD_BUILD_NUMBER:
		return number_fits(s, t->build_number);
	case FIELD_TRACK_FEATURES:
		return words_fit(s->field[field], t->track_features);
	case FIELD_FEATURES:
		return words_fit(s->field[field], t->features);
	case FIELD_URL:
		return text_fits(s->url, t->url);
	case FIELD_MD5:
		return s->md5_whole && t->md5 && memcmp(&s->md5, t->md5, sizeof(s->md5)) == 0;
	case FIELD_SHA256:
		return s->sha256_whole && t->sha256 && digest_same(&s->sha256, t->sha256);
	case FIELD_LICENSE:
		return t->license && pattern_matches_lower(s->license, t->license);
	case FIELD_LICENSE_FAMILY:
		return t->license_family &&
		       pattern_matches_lower(s->license_family, t->license_family);
	case FIELD_FN:
		return text_fits(s->field[field], t->fn);
	case FIELD_WHEN:
	case FIELD_EXTRAS:
	case FIELD_FLAGS:
	case FIELD_COUNT:
		return true;
	}
	return false;
}

bool matchspec_matches(const struct matchspec *s, const struct match_target *t)
{
	/* Cheap and telling first. */
	if (!field_fits(s, FIELD_NAME, t))
		return false;
	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (s->field[i] && i != FIELD_NAME && !field_fits(s, (enum field)i, t))
			return false;
	return true;
}

/* Everything that goes into the brackets. */
struct pairs {
	struct buf *out; /* borrowed */
	bool any;
};

static void pair(struct pairs *p, const char *key, const char *value, const char *quote)
{
	buf_addf(p->out, "%s%s=%s%s%s", p->any ? "," : "[", key, quote, value, quote);
	p->any = true;
}

/* A channel's name where conda has one for the URL. */
static void print_channel(const struct matchspec *s, struct buf *ret)
{
	const char *name = s->channel_url ? s->channel_url : s->field[FIELD_CHANNEL];

	if (s->channel_url && strncmp(name, CHANNEL_ALIAS, strlen(CHANNEL_ALIAS)) == 0)
		name += strlen(CHANNEL_ALIAS);
	else if (strcmp(name, "pkgs/main") == 0 || strcmp(name, "pkgs/r") == 0)
		name = "defaults";
	buf_adds(ret, name);
}

/* True: it went outside, and is exact. */
static bool print_version(const struct matchspec *s, struct buf *ret, bool *ret_inside)
{
	const char *text = version_spec_text(s->version);
	size_t len = strlen(text);

	if (strpbrk(text, "><$^|,")) {
		*ret_inside = true;
	} else if (strncmp(text, "!=", 2) == 0 || strncmp(text, "~=", 2) == 0) {
		*ret_inside = s->build != NULL;
		if (!s->build)
			buf_adds(ret, text);
	} else if (len > 2 && strcmp(text + len - 2, ".*") == 0) {
		buf_addf(ret, "=%.*s", (int)len - 2, text);
	} else if (strcmp(text, "*") == 0) {
		;
	} else if (text[len - 1] == '*') {
		buf_addf(ret, "=%.*s", (int)len - 1, text);
	} else {
		buf_addf(ret, "%s%s", strncmp(text, "==", 2) == 0 ? "" : "==", text);
		return true;
	}
	return false;
}

static void print_build(const struct matchspec *s, struct pairs *p)
{
	const char *build = s->field[FIELD_BUILD];

	pair(p, "build", build, strpbrk(build, "><$^|,") ? "'" : "");
}

/* ['a', 'b'] */
static void print_list(struct pairs *p, const char *key, const char *list)
{
	pair(p, key, "", "");
	for (const char *at = list; *at; at += *at == ',') {
		size_t n = strcspn(at, ",");

		buf_addf(p->out, "%s'%.*s'", at == list ? "[" : ", ", (int)n, at);
		at += n;
	}
	buf_addc(p->out, ']');
}

static void print_number(const struct matchspec *s, struct pairs *p)
{
	const char *value = s->field[FIELD_BUILD_NUMBER];
	char plain[24];

	if (s->number_op == NUMBER_EQ && value[0] != '=') {
		(void)snprintf(plain, sizeof(plain), "%llu", (unsigned long long)s->number);
		value = plain;
	}
	pair(p, "build_number", value, strchr(value, '=') ? "'" : "");
}

static void print_rest(const struct matchspec *s, struct pairs *p)
{
	if (s->field[FIELD_BUILD_NUMBER])
		print_number(s, p);
	for (size_t i = FIELD_TRACK_FEATURES; i < FIELD_COUNT; i++) {
		const char *value = i == FIELD_URL ? s->url : s->field[i];

		if (!value || (i == FIELD_FN && s->url) || (i == FIELD_URL && s->channel))
			continue;
		if (i == FIELD_EXTRAS || i == FIELD_FLAGS)
			print_list(p, field_names[i], value);
		else
			pair(p, field_names[i], value, strpbrk(value, ", =") ? "'" : "");
	}
}

void matchspec_print(const struct matchspec *s, struct buf *ret)
{
	struct pairs p = { .out = ret };
	bool channel = s->channel && pattern_is_literal(s->channel);
	const char *subdir = s->field[FIELD_SUBDIR];
	AUTO_BUF head = BUF(ret->max);
	bool exact = false, inside = false;

	if (channel) {
		print_channel(s, &head);
		if (subdir)
			buf_addf(&head, "/%s", subdir);
		buf_adds(&head, "::");
	}
	buf_adds(&head, s->field[FIELD_NAME]);
	if (s->version)
		exact = print_version(s, &head, &inside);
	if (exact && s->build && !strpbrk(s->field[FIELD_BUILD], "><$^|,*"))
		buf_addf(&head, "=%s", s->field[FIELD_BUILD]);
	else
		exact = false;
	buf_add(ret, head.bytes, head.len);
	if (s->channel && !channel && strcmp(s->field[FIELD_CHANNEL], "*") != 0)
		pair(&p, "channel", s->field[FIELD_CHANNEL],
		     strpbrk(s->field[FIELD_CHANNEL], ", =") ? "'" : "");
	if (subdir && !channel)
		pair(&p, "subdir", subdir, "");
	if (inside)
		pair(&p, "version", version_spec_text(s->version), "'");
	if (s->build && !exact)
		print_build(s, &p);
	print_rest(s, &p);
	if (p.any)
		buf_addc(ret, ']');
}
