/* SPDX-License-Identifier: Apache-2.0 */
/* What each field of a MatchSpec means: text in, matcher out. */
#include "spec/matchspec_own.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/path.h"
#include "base/url.h"
#include "spec/location.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const field_names[FIELD_COUNT] = {
	[FIELD_CHANNEL] = "channel",
	[FIELD_SUBDIR] = "subdir",
	[FIELD_NAME] = "name",
	[FIELD_VERSION] = "version",
	[FIELD_BUILD] = "build",
	[FIELD_BUILD_NUMBER] = "build_number",
	[FIELD_TRACK_FEATURES] = "track_features",
	[FIELD_FEATURES] = "features",
	[FIELD_URL] = "url",
	[FIELD_MD5] = "md5",
	[FIELD_SHA256] = "sha256",
	[FIELD_LICENSE] = "license",
	[FIELD_LICENSE_FAMILY] = "license_family",
	[FIELD_FN] = "fn",
	[FIELD_WHEN] = "when",
	[FIELD_EXTRAS] = "extras",
	[FIELD_FLAGS] = "flags",
};

const char *const subdirs_known[] = {
	"noarch",
	"emscripten-wasm32",
	"wasi-wasm32",
	"freebsd-64",
	"linux-32",
	"linux-64",
	"linux-aarch64",
	"linux-armv6l",
	"linux-armv7l",
	"linux-ppc64",
	"linux-ppc64le",
	"linux-riscv32",
	"linux-riscv64",
	"linux-s390x",
	"osx-64",
	"osx-arm64",
	"win-32",
	"win-64",
	"win-arm64",
	"zos-z",
	NULL,
};

int matchspec_set(struct matchspec *s, enum field field, const char *text, size_t len,
		  struct err *e)
{
	char *copy = strndup(text, len);

	if (!copy)
		return err_nomem(e);
	free(s->field[field]);
	s->field[field] = copy;
	return 0;
}

static void lower(char *text)
{
	for (; *text; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text - 'A' + 'a');
}

/* The first "/SUBDIR" that ends a part, as conda looks for it. */
static const char *find_subdir(const char *text, size_t len, size_t *ret_len)
{
	for (size_t at = 0; at < len; at++) {
		if (text[at] != '/')
			continue;
		for (size_t i = 0; subdirs_known[i]; i++) {
			size_t n = strlen(subdirs_known[i]);

			if (len - at - 1 >= n &&
			    strncasecmp(text + at + 1, subdirs_known[i], n) == 0 &&
			    (len - at - 1 == n || text[at + 1 + n] == '/')) {
				*ret_len = n;
				return text + at;
			}
		}
	}
	return NULL;
}

int matchspec_set_channel(struct matchspec *s, const char *text, size_t len, struct err *e)
{
	AUTO_BUF channel = BUF(URL_BYTES_MAX);
	size_t n = 0;
	const char *slash = find_subdir(text, len, &n);
	int r = 0;

	if (slash) {
		buf_add(&channel, text, (size_t)(slash - text));
		buf_add(&channel, slash + 1 + n, len - (size_t)(slash - text) - 1 - n);
		r = matchspec_set(s, FIELD_SUBDIR, slash + 1, n, e);
	} else {
		buf_add(&channel, text, len);
	}
	if (r == 0)
		r = buf_end(&channel, e);
	if (r < 0)
		return r;
	for (n = channel.len; n > 1 && channel.bytes[n - 1] == '/'; n--)
		;
	if (!location_is_path(channel.bytes, n))
		return matchspec_set(s, FIELD_CHANNEL, channel.bytes, n, e);
	AUTO_BUF url = BUF(URL_BYTES_MAX);
	r = location_url(channel.bytes, n, &url, e);
	return r < 0 ? r : matchspec_set(s, FIELD_CHANNEL, url.bytes, url.len, e);
}

int matchspec_set_version(struct matchspec *s, const char *text, size_t len, bool has_build,
			  struct err *e)
{
	size_t equals = 0;
	int r;

	while (equals < len && text[equals] == '=')
		equals++;
	if (equals == len)
		return err_set(e, -EINVAL, "a version is missing behind '%.*s'", (int)len, text);
	if (equals == 0)
		return matchspec_set(s, FIELD_VERSION, text, len, e);
	if (equals >= 2 && !has_build)
		return matchspec_set(s, FIELD_VERSION, text + equals, len - equals, e);
	for (size_t i = equals; i < len; i++)
		if (strchr("=,|", text[i]))
			return matchspec_set(s, FIELD_VERSION, text, len, e);
	r = matchspec_set(s, FIELD_VERSION, text + equals, len - equals, e);
	if (r < 0 || has_build || text[len - 1] == '*')
		return r;
	AUTO_BUF b = BUF(SPEC_BYTES_MAX + 1);
	buf_add(&b, text + equals, len - equals);
	buf_addc(&b, '*');
	return matchspec_set(s, FIELD_VERSION, b.bytes, b.len, e);
}

static bool is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_name_joint(char c)
{
	return c == '.' || c == '_' || c == '-';
}

int package_name_check(const char *name, size_t len, struct err *e)
{
	bool virtual = len > 1 && name[0] == '_' && name[1] == '_';
	size_t i = virtual ? 2 : 0;

	if (len == 0)
		return err_set(e, -EINVAL, "no package name");
	if (len > PACKAGE_NAME_MAX)
		return err_set(e, -EINVAL, "package name '%s': %zu bytes, more than %d",
			       QUOTE(name, len), len, PACKAGE_NAME_MAX);
	for (size_t k = 0; k < len; k++)
		if (!is_name_byte(name[k]) && !is_name_joint(name[k]))
			return err_set(e, -EINVAL,
				       "package name '%s': invalid characters; a name has lower "
				       "case letters, digits and '.', '_', '-'",
				       QUOTE(name, len));
	if (i == len || !(is_name_byte(name[i]) || (name[i] == '_' && !virtual)))
		return err_set(e, -EINVAL,
			       "invalid package name '%s': it begins with a letter, a digit or '_'",
			       QUOTE(name, len));
	for (i++; i + 1 < len; i++)
		if (is_name_joint(name[i]) && is_name_joint(name[i + 1]))
			return err_set(e, -EINVAL,
				       "invalid package name '%s': two of '.', '_', '-' in a row",
				       QUOTE(name, len));
	return 0;
}

/* A name with a '*' is a glob or, between '^' and '$', a regular expression. */
int matchspec_set_name(struct matchspec *s, const char *text, size_t len, struct err *e)
{
	int r = matchspec_set(s, FIELD_NAME, text, len, e);
	char *name = s->field[FIELD_NAME];
	size_t stem;

	if (r < 0)
		return r;
	lower(name);
	if (location_is_package(name, len, &stem))
		r = err_set(e, -EINVAL, "'%s' is an artifact's file, not a name", QUOTE(name, len));
	else if (!strchr(name, '*'))
		r = package_name_check(name, len, e);
	else if (name[0] != '^' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-*") != len)
		r = err_set(e, -EINVAL, "package name '%s': invalid characters in the glob",
			    QUOTE(name, len));
	return r < 0 ? r : pattern_parse(&s->name, name, len, e);
}

static int finish_channel(struct matchspec *s, struct err *e)
{
	AUTO_BUF b = BUF(URL_BYTES_MAX);
	const char *channel = s->field[FIELD_CHANNEL];
	size_t len = strlen(channel);
	int r;

	r = pattern_parse(&s->channel, channel, len, e);
	if (r < 0 || !pattern_is_literal(s->channel))
		return r;
	if (!location_is_url(channel, len)) {
		if (strpbrk(channel, " #:[]'\"\\"))
			return err_set(e, -EINVAL, "channel '%s': invalid characters",
				       QUOTE(channel, len));
		r = path_check(channel, len, e);
		return r < 0 ? err_wrap(e, r, "channel") : 0;
	}
	r = url_check(channel, e);
	if (r < 0)
		return r;
	url_strip(channel, &b);
	r = buf_end(&b, e);
	if (r < 0)
		return r;
	while (b.len > 0 && b.bytes[b.len - 1] == '/')
		b.len--;
	s->channel_url = strndup(b.bytes, b.len);
	return s->channel_url ? 0 : err_nomem(e);
}

static int finish_url(struct matchspec *s, struct err *e)
{
	AUTO_BUF b = BUF(URL_BYTES_MAX);
	int r = url_check(s->field[FIELD_URL], e);

	if (r < 0)
		return r;
	url_strip(s->field[FIELD_URL], &b);
	r = buf_end(&b, e);
	if (r < 0)
		return r;
	s->url = buf_take(&b);
	return s->url ? 0 : err_nomem(e);
}

static int finish_number(struct matchspec *s, struct err *e)
{
	static const struct {
		char text[3];
		enum number_op op;
	} ops[] = {
		{ "==", NUMBER_EQ }, { "!=", NUMBER_NE }, { "<=", NUMBER_LE }, { ">=", NUMBER_GE },
		{ "<", NUMBER_LT },  { ">", NUMBER_GT },  { "=", NUMBER_EQ },  { "", NUMBER_EQ },
	};
	const char *text = s->field[FIELD_BUILD_NUMBER];
	size_t i = 0, len;

	if (strcmp(text, "*") == 0)
		return 0; /* NUMBER_ANY */
	while (strncmp(text, ops[i].text, strlen(ops[i].text)) != 0)
		i++;
	text += strlen(ops[i].text);
	len = strspn(text, "0123456789");
	if (len == 0 || len > 18 || text[len])
		return err_set(
			e, -EINVAL,
			"build_number '%s': a number, with one of = == != <= >= < > before it "
			"or nothing",
			QUOTE(s->field[FIELD_BUILD_NUMBER], strlen(s->field[FIELD_BUILD_NUMBER])));
	s->number_op = ops[i].op;
	s->number = strtoull(text, NULL, 10);
	return 0;
}

/* A piece of a hash is what no package has, but a spec that can be written. */
static int finish_hash(const char *what, const char *hex, uint8_t *ret, size_t bytes,
		       bool *ret_whole, struct err *e)
{
	size_t len = strlen(hex);

	if (strspn(hex, "0123456789abcdefABCDEF") != len || len > 2 * bytes)
		return err_set(e, -EINVAL, "%s '%s': not %zu hex digits", what, QUOTE(hex, len),
			       2 * bytes);
	*ret_whole = hex_parse(hex, len, ret, bytes);
	return 0;
}

static int text_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The words of a list, each once, in order. joints stand between them in text,
 * joint will. */
static int sort_words(struct matchspec *s, enum field field, const char *joints, char joint,
		      struct err *e)
{
	AUTO_MEM char *copy = TAKE_PTR(s->field[field]);
	AUTO_MEM char **words = NULL;
	AUTO_BUF b = BUF(SPEC_BYTES_MAX);
	size_t count = 0, cap = 0;
	char *state = NULL;
	int r;

	for (char *word = strtok_r(copy, joints, &state); word;
	     word = strtok_r(NULL, joints, &state)) {
		r = GROW(words, cap, count + 1, SPEC_BYTES_MAX, e);
		if (r < 0)
			return r;
		words[count++] = word;
	}
	if (count > 0)
		qsort(words, count, sizeof(*words), text_cmp);
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && strcmp(words[i - 1], words[i]) == 0)
			continue;
		if (b.len > 0)
			buf_addc(&b, joint);
		buf_adds(&b, words[i]);
	}
	r = buf_end(&b, e);
	return r < 0 ? r : matchspec_set(s, field, b.bytes, b.len, e);
}

/* The next " and " or " or " from at on, or the end. */
static const char *find_joint(const char *at, size_t *ret_len)
{
	const char *and = strstr(at, " and "), * or = strstr(at, " or ");

	*ret_len = 0;
	if (!and&&! or)
		return at + strlen(at);
	if (and&&(! or || and < or)) {
		*ret_len = 5;
		return and;
	}
	*ret_len = 4;
	return or ;
}

/* MatchSpecs joined by "and" and "or", in parentheses or not. */
static int check_when(const char *text, struct err *e)
{
	size_t joint;
	int depth = 0, r;

	for (const char *at = text, *end;; at = end + joint) {
		AUTO(matchspec_freep) struct matchspec *inner = NULL;
		const char *from = at, *to;

		end = to = find_joint(at, &joint);
		for (; from < to && (*from == ' ' || *from == '('); from++)
			depth += *from == '(';
		for (; to > from && (to[-1] == ' ' || to[-1] == ')'); to--)
			depth -= to[-1] == ')';
		if (from == to)
			return err_set(e, -EINVAL, "'when' holds no condition");
		if (depth < 0)
			break;
		r = matchspec_parse_inner(&inner, from, (size_t)(to - from), e);
		if (r < 0)
			return err_wrap(e, r, "'when'");
		if (!joint)
			break;
	}
	if (depth != 0)
		return err_set(e, -EINVAL, "'when' has unbalanced parentheses");
	return 0;
}

static int finish_pattern(struct matchspec *s, enum field field, struct pattern **ret,
			  struct err *e)
{
	return pattern_parse(ret, s->field[field], strlen(s->field[field]), e);
}

static int finish_one(struct matchspec *s, enum field field, struct err *e)
{
	char *text = s->field[field];

	switch (field) {
	case FIELD_CHANNEL:
		return finish_channel(s, e);
	case FIELD_VERSION:
		return version_spec_parse(&s->version, text, strlen(text), e);
	case FIELD_BUILD:
		return finish_pattern(s, field, &s->build, e);
	case FIELD_BUILD_NUMBER:
		return finish_number(s, e);
	case FIELD_TRACK_FEATURES:
	case FIELD_FEATURES:
		return sort_words(s, field, ", ", ' ', e);
	case FIELD_EXTRAS:
	case FIELD_FLAGS:
		return sort_words(s, field, ",", ',', e);
	case FIELD_URL:
		return finish_url(s, e);
	case FIELD_MD5:
		return finish_hash("md5", text, s->md5.bytes, MD5_BYTES, &s->md5_whole, e);
	case FIELD_SHA256:
		return finish_hash("sha256", text, s->sha256.bytes, DIGEST_BYTES, &s->sha256_whole,
				   e);
	case FIELD_LICENSE:
		lower(text);
		return finish_pattern(s, field, &s->license, e);
	case FIELD_LICENSE_FAMILY:
		lower(text);
		return finish_pattern(s, field, &s->license_family, e);
	case FIELD_WHEN:
		lower(text);
		return check_when(text, e);
	case FIELD_NAME: /* was done when it was read */
	case FIELD_SUBDIR:
	case FIELD_FN:
	case FIELD_COUNT:
		return 0;
	}
	return 0;
}

int matchspec_finish(struct matchspec *s, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < FIELD_COUNT; i++)
		if (s->field[i])
			r = finish_one(s, (enum field)i, e);
	return r;
}

struct matchspec *matchspec_free(struct matchspec *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < FIELD_COUNT; i++)
		free(s->field[i]);
	(void)pattern_free(s->name);
	(void)pattern_free(s->channel);
	(void)pattern_free(s->build);
	(void)pattern_free(s->license);
	(void)pattern_free(s->license_family);
	(void)version_spec_free(s->version);
	free(s->url);
	free(s->channel_url);
	free(s);
	return NULL;
}
