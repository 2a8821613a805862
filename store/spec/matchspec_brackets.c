/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "key=value, key='value' key=[a, b]": what stands between a MatchSpec's
 * brackets. Separators are ',' and blanks. A value in quotes ends at its quote
 * followed by a separator, so that it may hold quotes itself.
 */
#include "spec/matchspec_own.h"

#include "base/path.h"

#include <string.h>

struct scan {
	const char *text;
	size_t len, at;
};

struct piece {
	const char *text;
	size_t len;
	bool list;
};

static bool is_key_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

static bool at_separator(const struct scan *sc, size_t at)
{
	return at >= sc->len || sc->text[at] == ',' || sc->text[at] == ' ';
}

static void skip(struct scan *sc, const char *set)
{
	while (sc->at < sc->len && strchr(set, sc->text[sc->at]))
		sc->at++;
}

static int fault(const struct scan *sc, struct err *e, const char *why)
{
	return err_set(e, -EINVAL, "in the brackets '[%s]': %s", QUOTE(sc->text, sc->len), why);
}

static int read_key(struct scan *sc, struct piece *ret, struct err *e)
{
	size_t from = sc->at;

	while (sc->at < sc->len && is_key_byte(sc->text[sc->at]))
		sc->at++;
	*ret = (struct piece){ sc->text + from, sc->at - from, false };
	skip(sc, " ");
	if (ret->len == 0 || sc->at >= sc->len || sc->text[sc->at] != '=')
		return err_set(e, -EINVAL,
			       "no key-value pairs found in square brackets '[%s]', did you mean "
			       "'extras=[%s]'?",
			       QUOTE(sc->text, sc->len), QUOTE(sc->text, sc->len));
	sc->at++;
	skip(sc, " ");
	return 0;
}

/* "[…]" without brackets in it and with a separator behind; false: not that. */
static bool read_list(struct scan *sc, struct piece *ret)
{
	size_t end = sc->at + 1;

	while (end < sc->len && sc->text[end] != '[' && sc->text[end] != ']')
		end++;
	if (end >= sc->len || sc->text[end] != ']' || !at_separator(sc, end + 1))
		return false;
	*ret = (struct piece){ sc->text + sc->at + 1, end - sc->at - 1, true };
	sc->at = end + 1;
	return true;
}

static int read_quoted(struct scan *sc, struct piece *ret, struct err *e)
{
	char quote = sc->text[sc->at];
	size_t end = sc->at + 1;

	while (end < sc->len && !(sc->text[end] == quote && at_separator(sc, end + 1)))
		end++;
	if (end >= sc->len)
		return fault(sc, e, "a quote that is not closed");
	*ret = (struct piece){ sc->text + sc->at + 1, end - sc->at - 1, false };
	sc->at = end + 1;
	return 0;
}

static int read_value(struct scan *sc, struct piece *ret, struct err *e)
{
	char c = sc->at < sc->len ? sc->text[sc->at] : '\0';
	size_t from = sc->at;
	int r = 0;

	if (c == '[' && read_list(sc, ret)) {
		;
	} else if (c == '\'' || c == '"') {
		r = read_quoted(sc, ret, e);
	} else {
		while (!at_separator(sc, sc->at))
			sc->at++;
		*ret = (struct piece){ sc->text + from, sc->at - from, false };
	}
	if (r == 0 && ret->len == 0)
		r = fault(sc, e, "a key or a value is missing");
	if (r == 0 && memmem(ret->text, ret->len, "][", 2))
		r = fault(sc, e, "only one bracket section can stand in a spec");
	return r;
}

static int find_field(const struct piece *key, enum field *ret)
{
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		if (strlen(field_names[i]) == key->len &&
		    memcmp(field_names[i], key->text, key->len) == 0) {
			*ret = (enum field)i;
			return 0;
		}
	}
	return -ENOENT;
}

static bool is_key(const struct piece *key, const char *name)
{
	return key->len == strlen(name) && memcmp(key->text, name, key->len) == 0;
}

/* "a, 'b',c" as "a,b,c"; an item may hold blanks. */
static int set_list(struct matchspec *s, enum field field, const struct piece *v,
		    const struct scan *sc, struct err *e)
{
	AUTO_BUF b = BUF(2 * v->len + 2);

	if (!v->list && (memchr(v->text, '[', v->len) || memchr(v->text, ']', v->len)))
		return fault(sc, e, "a list has unbalanced brackets");
	for (size_t from = 0, to; from <= v->len; from = to + 1) {
		const char *comma = memchr(v->text + from, ',', v->len - from);
		size_t end;

		end = to = comma ? (size_t)(comma - v->text) : v->len;
		while (from < end && v->text[from] == ' ')
			from++;
		while (end > from && v->text[end - 1] == ' ')
			end--;
		if (end > from + 1 && (v->text[from] == '\'' || v->text[from] == '"') &&
		    v->text[end - 1] == v->text[from]) {
			from++;
			end--;
		}
		if (end == from && to == v->len && b.len > 0)
			break; /* a comma at the end */
		if (end == from)
			return fault(sc, e, "a list has an empty item");
		buf_adds(&b, b.len ? "," : "");
		buf_add(&b, v->text + from, end - from);
	}
	return b.failed ? buf_end(&b, e) : matchspec_set(s, field, b.bytes, b.len, e);
}

static int set_value(struct matchspec *s, enum field field, const struct piece *v,
		     const struct scan *sc, bool inner, struct err *e)
{
	switch (field) {
	case FIELD_NAME: /* the one outside of the brackets counts */
		return 0;
	case FIELD_EXTRAS:
	case FIELD_FLAGS:
		return set_list(s, field, v, sc, e);
	case FIELD_WHEN:
		if (inner)
			return fault(sc, e, "a condition cannot hold a 'when' itself");
		break;
	default:
		break;
	}
	if (v->list)
		return fault(sc, e, "only 'extras' and 'flags' take lists");
	if (field == FIELD_CHANNEL)
		return matchspec_set_channel(s, v->text, v->len, e);
	if (field == FIELD_VERSION)
		return matchspec_set_version(s, v->text, v->len, false, e);
	return matchspec_set(s, field, v->text, v->len, e);
}

/* "[version<2]": conda took it by accident once, so people wrote it. */
static bool is_bare_version(const struct scan *sc)
{
	return sc->len > 7 && memcmp(sc->text, "version", 7) == 0 && strchr("<>!~", sc->text[7]);
}

static int read_pair(struct matchspec *s, struct scan *sc, uint32_t *seen, bool inner,
		     struct err *e)
{
	struct piece key, value;
	enum field field;
	int r = read_key(sc, &key, e);

	if (r == 0)
		r = read_value(sc, &value, e);
	if (r < 0)
		return r;
	if (is_key(&key, "optional") || is_key(&key, "target"))
		return 0; /* conda's own, says nothing about a package */
	if (find_field(&key, &field) < 0)
		return err_set(e, -EINVAL, "cannot match on '%s'", QUOTE(key.text, key.len));
	if (*seen & 1U << field)
		return err_set(e, -EINVAL, "each key can only be specified once, '%s' stands twice",
			       field_names[field]);
	*seen |= 1U << field;
	return set_value(s, field, &value, sc, inner, e);
}

/* A subdir of its own beats the one in a channel, whichever comes first. */
static int read_pairs(struct matchspec *s, struct scan *sc, bool inner, struct err *e)
{
	AUTO_MEM char *subdir = NULL;
	uint32_t seen = 0;
	int r = 0;

	for (skip(sc, ", "); r == 0 && sc->at < sc->len; skip(sc, ", ")) {
		uint32_t before = seen;

		r = read_pair(s, sc, &seen, inner, e);
		if (r == 0 && (seen & ~before) == 1U << FIELD_SUBDIR) {
			free(subdir);
			subdir = strdup(s->field[FIELD_SUBDIR]);
			if (!subdir)
				return err_nomem(e);
		}
	}
	return r == 0 && subdir ? matchspec_set(s, FIELD_SUBDIR, subdir, strlen(subdir), e) : r;
}

int matchspec_read_brackets(struct matchspec *s, const char *text, size_t len, bool inner,
			    struct err *e)
{
	struct scan sc = { text, len, 0 };

	if (is_bare_version(&sc))
		return matchspec_set_version(s, text + 7, len - 7, false, e);
	return read_pairs(s, &sc, inner, e);
}
