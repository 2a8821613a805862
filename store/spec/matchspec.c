/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From text to matchspec: the outer form here, what stands in brackets in
 * matchspec_brackets.c, each field's meaning in matchspec_field.c.
 */
#include "spec/matchspec.h"

#include "base/limits.h"
#include "base/path.h"
#include "base/url.h"
#include "spec/location.h"
#include "spec/matchspec_own.h"

#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

/* The text that is left to read, without blanks around it. */
struct rest {
	const char *text;
	size_t len;
};

static void trim(struct rest *t)
{
	while (t->len > 0 && *t->text == ' ') {
		t->text++;
		t->len--;
	}
	while (t->len > 0 && t->text[t->len - 1] == ' ')
		t->len--;
}

static const char *find(const struct rest *t, const char *what)
{
	return memmem(t->text, t->len, what, strlen(what));
}

static void cut(struct rest *t, const char *end)
{
	t->len = (size_t)(end - t->text);
	trim(t);
}

/* " if …" outside of brackets: a condition, which conda ignores, too. */
static void cut_condition(struct rest *t)
{
	const char *at = find(t, " if "), *open = memchr(t->text, '[', t->len),
		   *close = memrchr(t->text, ']', t->len);

	if (at && !(open && close && open < at && at < close))
		cut(t, at);
}

/* "mkl@": any package with that track_feature. */
static int read_feature(struct matchspec *s, struct rest t, struct err *e)
{
	int r = matchspec_set(s, FIELD_TRACK_FEATURES, t.text, t.len - 1, e);

	return r < 0 ? r : matchspec_set_name(s, "*", 1, e);
}

static bool is_subdir(const char *text, size_t len)
{
	for (size_t i = 0; subdirs_known[i]; i++)
		if (strlen(subdirs_known[i]) == len &&
		    strncasecmp(subdirs_known[i], text, len) == 0)
			return true;
	return false;
}

/* name, version and build of the file name, subdir and channel of what stands
 * before it; without a subdir the URL alone is asked for. */
static int read_url_parts(struct matchspec *s, const char *url, const struct buf *file,
			  struct err *e)
{
	size_t base_len = strlen(url), stem_len, name_len, version_len;
	const char *end = memrchr(url, '/', base_len),
		   *slash = memrchr(url, '/', (size_t)(end - url));
	int r = matchspec_set(s, FIELD_URL, url, base_len, e);

	if (r == 0)
		r = matchspec_set(s, FIELD_FN, file->bytes, file->len, e);
	if (r < 0)
		return r;
	if (!slash || !is_subdir(slash + 1, (size_t)(end - slash) - 1))
		return matchspec_set_name(s, "*", 1, e);
	if (!location_is_package(file->bytes, file->len, &stem_len) ||
	    !location_split_stem(file->bytes, stem_len, &name_len, &version_len))
		return err_set(e, -EINVAL,
			       "the file is not called NAME-VERSION-BUILD.conda or .tar.bz2");
	r = matchspec_set_channel(s, url, (size_t)(end - url), e);
	if (r == 0)
		r = matchspec_set_name(s, file->bytes, name_len, e);
	if (r == 0)
		r = matchspec_set(s, FIELD_VERSION, file->bytes + name_len + 1, version_len, e);
	if (r == 0)
		r = matchspec_set(s, FIELD_BUILD, file->bytes + name_len + version_len + 2,
				  stem_len - name_len - version_len - 2, e);
	return r;
}

static int read_url(struct matchspec *s, struct rest t, struct err *e)
{
	AUTO_BUF url = BUF(URL_BYTES_MAX);
	AUTO_BUF file = BUF(URL_BYTES_MAX);
	const char *name;
	size_t len;
	int r = location_url(t.text, t.len, &url, e);

	if (r < 0)
		return r;
	name = url_file_name(url.bytes, &len);
	location_unescape(name, len, &file);
	r = buf_end(&file, e);
	if (r == 0)
		r = path_check_name(file.bytes, file.len, e);
	return r < 0 ? r : read_url_parts(s, url.bytes, &file, e);
}

/*
 * "(optional)" and "(target=…)" at the end: conda reads and forgets them. Any
 * other parentheses belong to the version.
 */
static void cut_legacy_parens(struct rest *t)
{
	const char *open;
	struct rest inner;

	if (t->len == 0 || t->text[t->len - 1] != ')')
		return;
	open = memrchr(t->text, '(', t->len);
	if (!open)
		return;
	inner = (struct rest){ open + 1, t->len - (size_t)(open + 1 - t->text) - 1 };
	trim(&inner);
	if ((inner.len >= 8 && memcmp(inner.text, "optional", 8) == 0) ||
	    (inner.len >= 7 && memcmp(inner.text, "target=", 7) == 0))
		cut(t, open);
}

static bool in(char c, const char *set)
{
	return c && strchr(set, c);
}

static bool is_operator(char c)
{
	return in(c, "=<>!~");
}

static bool is_namespace(const char *at, const char *end)
{
	while (at < end && (isalnum((unsigned char)*at) || in(*at, "-_.")))
		at++;
	return at == end;
}

/* "channel:namespace:" or "namespace:" in front of the name. */
static int find_namespace(const struct rest *t, const char **ret_channel_end, const char **ret_name,
			  struct err *e)
{
	const char *first = t->text, *colon, *before;
	size_t end = 0;

	assert(first);
	while (end < t->len && !is_operator(first[end]) && !in(first[end], " ^("))
		end++;
	colon = end > 0 ? memrchr(first, ':', end) : NULL;
	if (!colon)
		return 0;
	if (find(t, "://"))
		return err_set(e, -EINVAL,
			       "a URL is an artifact's, ending in .conda or .tar.bz2, or a "
			       "channel's, with '::' and a name behind it");
	before = colon > first ? memrchr(first, ':', (size_t)(colon - first)) : NULL;
	if (!is_namespace(before ? before + 1 : first, colon))
		return err_set(e, -EINVAL, "between a channel and a name stands '::'");
	*ret_channel_end = before ? before : first;
	*ret_name = colon + 1;
	return 0;
}

/* "channel::" in front of the name, or one with a namespace, which is conda's for
 * a future use, and ignored. */
static int read_channel(struct matchspec *s, struct rest *t, struct err *e)
{
	const char *end = find(t, "::"), *name = end ? end + 2 : NULL;
	struct rest channel = { t->text, 0 };
	int r = end ? 0 : find_namespace(t, &end, &name, e);

	if (r < 0 || !name)
		return r;
	channel.len = (size_t)(end - t->text);
	trim(&channel);
	t->len -= (size_t)(name - t->text);
	t->text = name;
	return channel.len > 0 ? matchspec_set_channel(s, channel.text, channel.len, e) : 0;
}

/*
 * Where the build begins: behind the first blank between two things that no
 * operator joins, or behind the first '=' that belongs to none and is followed
 * by nothing but a build.
 *
 *	">=1.0 , < 2.0 py34_0"   "=1.2.3=0"   "1.2 =py*"   ">1.8,<2|==1.7"
 */
static const char *find_build(const struct rest *t)
{
	const char *end = t->text + t->len, *blank = NULL, *at, *next;
	char before = '\0'; /* the last byte that is no blank */

	for (at = t->text; at < end; at++) {
		if (*at == ' ') {
			for (next = at; next < end && *next == ' '; next++)
				;
			if (!in(before, "=!|,<>~(") && !in(*next, "|,)=<>~"))
				blank = blank ? blank : at;
			at = next - 1;
			continue;
		}
		if (*at == '=' && at > t->text && !in(at[-1], "=!|,<>~") &&
		    !memchr(at + 1, '=', (size_t)(end - at) - 1) && !blank)
			return at;
		before = *at;
	}
	return blank;
}

static int read_build(struct matchspec *s, const char *at, const char *end, struct err *e)
{
	bool equals = *at == '=';
	struct rest build = { at + 1, (size_t)(end - at) - 1 };
	bool bad;

	trim(&build);
	if (build.len == 0)
		return err_set(e, -EINVAL, "nothing behind the '%c' where the build should be",
			       *at);
	bad = in(build.text[0], "|,") || in(build.text[build.len - 1], "|,");
	for (size_t i = 0; i < build.len; i++)
		bad |= in(build.text[i], equals ? " -=<>~:'\"|," : " -=<>~:'\"");
	if (bad)
		return err_set(e, -EINVAL, "'%s' can be no build", QUOTE(build.text, build.len));
	return matchspec_set(s, FIELD_BUILD, build.text, build.len, e);
}

/* Version and build; blanks around operators go. */
static int read_version_build(struct matchspec *s, struct rest t, struct err *e)
{
	AUTO_BUF version = BUF(SPEC_BYTES_MAX);
	const char *build = find_build(&t), *end = build ? build : t.text + t.len;
	int r;

	for (const char *at = t.text; at < end; at++)
		if (*at != ' ')
			buf_addc(&version, *at);
	r = buf_end(&version, e);
	if (r == 0)
		r = matchspec_set_version(s, version.bytes, version.len, build != NULL, e);
	if (r == 0 && build)
		r = read_build(s, build, t.text + t.len, e);
	return r;
}

static int read_positional(struct matchspec *s, struct rest t, struct err *e)
{
	struct rest name = { t.text, 0 };
	int r;

	while (name.len < t.len && t.text[name.len] != ' ' && !is_operator(t.text[name.len]))
		name.len++;
	if (name.len == 0)
		return err_set(e, -EINVAL, "no package name");
	r = matchspec_set_name(s, name.text, name.len, e);
	if (r < 0)
		return r;
	t.text += name.len;
	t.len -= name.len;
	trim(&t);
	if (memchr(t.text, '[', t.len))
		return err_set(e, -EINVAL, "brackets that are not closed, or more than one pair");
	return t.len > 0 ? read_version_build(s, t, e) : 0;
}

/*
 * The brackets' inside, which is taken out of the text: from the first '[' to
 * the last ']'. What stands behind them (nothing, usually) joins what is before.
 */
static int cut_brackets(struct rest *t, char *joined, struct rest *ret, struct err *e)
{
	const char *open = memchr(t->text, '[', t->len), *close = memrchr(t->text, ']', t->len);
	size_t before, behind;

	*ret = (struct rest){ "", 0 };
	if (!open || !close || close < open)
		return 0;
	*ret = (struct rest){ open + 1, (size_t)(close - open) - 1 };
	before = (size_t)(open - t->text);
	behind = (size_t)(t->text + t->len - close) - 1;
	memcpy(joined, t->text, before);
	memcpy(joined + before, close + 1, behind);
	*t = (struct rest){ joined, before + behind };
	trim(ret);
	trim(t);
	if (ret->len == 0)
		return err_set(e, -EINVAL, "nothing between the brackets");
	return 0;
}

static int read_all(struct matchspec *s, struct rest t, bool inner, struct err *e)
{
	AUTO_MEM char *joined = malloc(t.len + 1);
	struct rest brackets;
	size_t stem_len;
	int r;

	if (!joined)
		return err_nomem(e);
	trim(&t);
	if (t.len > 1 && t.text[t.len - 1] == '@' && !memchr(t.text, '#', t.len))
		return read_feature(s, t, e);
	if (memchr(t.text, '#', t.len))
		cut(&t, memchr(t.text, '#', t.len));
	cut_condition(&t);
	if (location_is_package(t.text, t.len, &stem_len))
		return read_url(s, t, e);
	r = cut_brackets(&t, joined, &brackets, e);
	if (r < 0)
		return r;
	cut_legacy_parens(&t);
	r = read_channel(s, &t, e);
	if (r == 0)
		r = read_positional(s, t, e);
	if (r == 0 && brackets.len > 0)
		r = matchspec_read_brackets(s, brackets.text, brackets.len, inner, e);
	return r;
}

static int parse(struct matchspec **ret, const char *text, size_t len, bool inner, struct err *e)
{
	AUTO(matchspec_freep) struct matchspec *s = NULL;
	AUTO_MEM char *copy = NULL;
	int r = 0;

	if (len > SPEC_BYTES_MAX)
		return err_set(e, -EINVAL, "MatchSpec '%s': %zu bytes, more than %d",
			       QUOTE(text, len), len, SPEC_BYTES_MAX);
	copy = strndup(text, len);
	s = calloc(1, sizeof(*s));
	if (!copy || !s)
		return err_nomem(e);
	for (char *tab = copy; (tab = strchr(tab, '\t'));)
		*tab = ' ';
	if (strlen(copy) != len || !text_is_clean(copy, len))
		r = err_set(e, -EINVAL, "control bytes, or not UTF-8");
	if (r == 0)
		r = read_all(s, (struct rest){ copy, len }, inner, e);
	if (r == 0)
		r = matchspec_finish(s, e);
	if (r < 0 && memmem(text, len, "://", 3))
		return err_wrap(e, r, "MatchSpec '%s'", URL_SHOWN(copy));
	if (r < 0)
		return err_wrap(e, r, "MatchSpec '%s'", QUOTE(text, len));
	*ret = TAKE_PTR(s);
	return 0;
}

int matchspec_parse(struct matchspec **ret, const char *text, struct err *e)
{
	assert(ret && text);
	return parse(ret, text, strlen(text), false, e);
}

int matchspec_parse_inner(struct matchspec **ret, const char *text, size_t len, struct err *e)
{
	return parse(ret, text, len, true, e);
}
