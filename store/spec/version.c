/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/version.h"

#include "base/limits.h"
#include "base/path.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

/*
 * "1!2.0rc1+ab" is parts, each of atoms: [1] [2] [0 "rc" 1] and, behind the
 * '+', [0 "ab"]. Kinds are in the order in which different kinds compare.
 */
enum atom_kind { ATOM_TEXT, ATOM_NUMBER, ATOM_BIG, ATOM_POST };

struct atom {
	uint8_t kind;
	uint8_t from, len; /* TEXT and BIG: where in `lower` */
	uint64_t number;
};

#define PARTS_MAX     (VERSION_BYTES_MAX + 1)	  /* each takes a byte; and the epoch */
#define ATOMS_MAX     (2 * VERSION_BYTES_MAX + 2) /* a part may get a 0 in front */
#define NUMBER_DIGITS 19			  /* always fit 64 bits */

struct version {
	const struct atom *atoms;
	const uint8_t *starts; /* parts + 1: a part's first atom */
	const char *text;      /* as given, without blanks around it */
	const char *lower;     /* what the atoms point into: lower case, but "DEV" */
	uint8_t parts_main;    /* with the epoch */
	uint8_t parts;	       /* with the local ones */
};

/* Being built, on the stack. */
struct draft {
	char lower[VERSION_BYTES_MAX + 1];
	struct atom atoms[ATOMS_MAX];
	uint8_t starts[PARTS_MAX + 1];
	size_t atom_count, part_count, main_count;
};

struct slice {
	const struct version *v;
	size_t from, to; /* parts, or atoms */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void trim(const char **text, size_t *len)
{
	while (*len > 0 && is_blank(**text)) {
		(*text)++;
		(*len)--;
	}
	while (*len > 0 && is_blank((*text)[*len - 1]))
		(*len)--;
}

/* Lower case, '-' as '_', and every byte one that may be there. */
static bool lowered(char *lower, const char *text, size_t len)
{
	bool dashes = memchr(text, '-', len) && !memchr(text, '_', len);

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (c == '-' && dashes)
			c = '_';
		if (!c || (!is_digit(c) && !(c >= 'a' && c <= 'z') && !strchr("*.+!_", c)))
			return false;
		lower[i] = c;
	}
	lower[len] = '\0';
	return true;
}

static void add_number(struct draft *d, size_t from, size_t len)
{
	struct atom *a = &d->atoms[d->atom_count++];

	while (len > 1 && d->lower[from] == '0') {
		from++;
		len--;
	}
	*a = (struct atom){ .kind = ATOM_NUMBER, .from = (uint8_t)from, .len = (uint8_t)len };
	if (len > NUMBER_DIGITS) {
		a->kind = ATOM_BIG;
		return;
	}
	for (size_t i = from; i < from + len; i++)
		a->number = a->number * 10 + (uint64_t)(d->lower[i] - '0');
}

static void add_text(struct draft *d, size_t from, size_t len)
{
	struct atom *a = &d->atoms[d->atom_count++];

	*a = (struct atom){ .kind = ATOM_TEXT, .from = (uint8_t)from, .len = (uint8_t)len };
	if (len == 4 && memcmp(d->lower + from, "post", 4) == 0)
		a->kind = ATOM_POST;
	/* Upper case sorts before '_' and all letters, and after '*'. */
	if (len == 3 && memcmp(d->lower + from, "dev", 3) == 0)
		memcpy(d->lower + from, "DEV", 3);
}

/* One part: runs of digits, of stars, of anything else. */
static void add_part(struct draft *d, size_t from, size_t to)
{
	d->starts[d->part_count++] = (uint8_t)d->atom_count;
	if (!is_digit(d->lower[from]))
		d->atoms[d->atom_count++] = (struct atom){ .kind = ATOM_NUMBER };
	while (from < to) {
		bool digit = is_digit(d->lower[from]), star = d->lower[from] == '*';
		size_t end = from + 1;

		while (end < to && is_digit(d->lower[end]) == digit &&
		       (d->lower[end] == '*') == star)
			end++;
		if (digit)
			add_number(d, from, end - from);
		else
			add_text(d, from, end - from);
		from = end;
	}
}

/* Parts between '.' and '_'; a '_' at the very end stays with what it follows. */
static bool add_parts(struct draft *d, size_t from, size_t to, bool glue)
{
	size_t split_to = glue && to > from && d->lower[to - 1] == '_' ? to - 1 : to;

	for (size_t at = from;; at++) {
		if (at < split_to && d->lower[at] != '.' && d->lower[at] != '_')
			continue;
		if (at >= split_to)
			at = to;
		if (at == from)
			return false;
		add_part(d, from, at);
		if (at == to)
			return true;
		from = at + 1;
	}
}

static int parse(struct draft *d, const char *text, size_t len, struct err *e)
{
	const char *bang, *plus;
	size_t from = 0, to;

	if (len == 0)
		return err_set(e, -EINVAL, "version: empty");
	if (len > VERSION_BYTES_MAX)
		return err_set(e, -EINVAL, "version '%s': %zu bytes, more than %d",
			       QUOTE(text, len), len, VERSION_BYTES_MAX);
	if (!lowered(d->lower, text, len))
		return err_set(e, -EINVAL,
			       "version '%s': only letters, digits and '.', '_', '+', '!', '*' may "
			       "stand in it (and '-', if no '_' does)",
			       QUOTE(text, len));
	bang = strchr(d->lower, '!');
	if (bang) {
		from = (size_t)(bang - d->lower) + 1;
		if (strspn(d->lower, "0123456789") != from - 1 || from == 1 ||
		    strchr(bang + 1, '!'))
			return err_set(e, -EINVAL,
				       "version '%s': before '!' (once) stands a number",
				       QUOTE(text, len));
		add_part(d, 0, from - 1);
	} else {
		d->starts[d->part_count++] = 0;
		d->atoms[d->atom_count++] = (struct atom){ .kind = ATOM_NUMBER };
	}
	plus = strchr(d->lower + from, '+');
	to = plus ? (size_t)(plus - d->lower) : len;
	if (to == from)
		return err_set(e, -EINVAL, "version '%s': nothing where the version should be",
			       QUOTE(text, len));
	if (!add_parts(d, from, to, true))
		return err_set(e, -EINVAL, "version '%s': an empty part", QUOTE(text, len));
	d->main_count = d->part_count;
	if (plus && strchr(plus + 1, '+'))
		return err_set(e, -EINVAL, "version '%s': more than one '+'", QUOTE(text, len));
	if (plus && !add_parts(d, to + 1, len, false))
		return err_set(e, -EINVAL, "version '%s': an empty part behind the '+'",
			       QUOTE(text, len));
	d->starts[d->part_count] = (uint8_t)d->atom_count;
	return 0;
}

int version_parse(struct version **ret, const char *text, size_t len, struct err *e)
{
	struct draft d;
	struct version *v;
	struct atom *atoms;
	size_t atoms_bytes, starts_bytes;
	char *bytes;
	int r;

	assert(ret && text);
	d.atom_count = d.part_count = 0;
	trim(&text, &len);
	r = parse(&d, text, len, e);
	if (r < 0)
		return r;
	assert(d.atom_count <= ATOMS_MAX && d.part_count <= PARTS_MAX);
	atoms_bytes = d.atom_count * sizeof(*atoms);
	starts_bytes = d.part_count + 1;
	v = malloc(sizeof(*v) + atoms_bytes + starts_bytes + 2 * (len + 1));
	if (!v)
		return err_nomem(e);
	atoms = (struct atom *)(v + 1);
	memcpy(atoms, d.atoms, atoms_bytes);
	bytes = (char *)atoms + atoms_bytes;
	memcpy(bytes, d.starts, starts_bytes);
	*v = (struct version){ .atoms = atoms,
			       .starts = (const uint8_t *)bytes,
			       .text = bytes + starts_bytes,
			       .lower = bytes + starts_bytes + len + 1,
			       .parts_main = (uint8_t)d.main_count,
			       .parts = (uint8_t)d.part_count };
	memcpy(bytes + starts_bytes, text, len);
	bytes[starts_bytes + len] = '\0';
	memcpy(bytes + starts_bytes + len + 1, d.lower, len + 1);
	*ret = v;
	return 0;
}

struct version *version_free(struct version *v)
{
	free(v);
	return NULL;
}

static int bytes_cmp(const char *a, size_t a_len, const char *b, size_t b_len)
{
	int c = memcmp(a, b, a_len < b_len ? a_len : b_len);

	return c ? c : (a_len > b_len) - (a_len < b_len);
}

static int atom_cmp(const struct version *va, const struct atom *a, const struct version *vb,
		    const struct atom *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->kind == ATOM_NUMBER)
		return (a->number > b->number) - (a->number < b->number);
	if (a->kind == ATOM_POST)
		return 0;
	if (a->kind == ATOM_BIG && a->len != b->len)
		return a->len < b->len ? -1 : 1;
	return bytes_cmp(va->lower + a->from, a->len, vb->lower + b->from, b->len);
}

/* What is missing counts as the number 0. */
static int atoms_cmp(struct slice a, struct slice b)
{
	static const struct atom zero = { .kind = ATOM_NUMBER };
	int c;

	while (a.from < a.to || b.from < b.to) {
		c = atom_cmp(a.v, a.from < a.to ? &a.v->atoms[a.from++] : &zero, b.v,
			     b.from < b.to ? &b.v->atoms[b.from++] : &zero);
		if (c != 0)
			return c;
	}
	return 0;
}

/* The atoms of one part, or none where the part is missing. */
static struct slice part(struct slice parts, size_t at)
{
	if (at >= parts.to)
		return (struct slice){ parts.v, 0, 0 };
	return (struct slice){ parts.v, parts.v->starts[at], parts.v->starts[at + 1] };
}

static int parts_cmp(struct slice a, struct slice b)
{
	int c = 0;

	for (; c == 0 && (a.from < a.to || b.from < b.to); a.from++, b.from++)
		c = atoms_cmp(part(a, a.from), part(b, b.from));
	return c;
}

static struct slice parts_main(const struct version *v)
{
	return (struct slice){ v, 0, v->parts_main };
}

static struct slice parts_local(const struct version *v)
{
	return (struct slice){ v, v->parts_main, v->parts };
}

/* The part's only atom, when that is a number; else NULL. */
static const struct atom *plain(const struct version *v, size_t part)
{
	const struct atom *a = &v->atoms[v->starts[part]];

	return v->starts[part + 1] - v->starts[part] == 1 && a->kind == ATOM_NUMBER ? a : NULL;
}

int version_cmp(const struct version *a, const struct version *b)
{
	size_t both = a->parts_main < b->parts_main ? a->parts_main : b->parts_main, at;
	struct slice rest_a = parts_main(a), rest_b = parts_main(b);
	int c;

	/* Nearly all that is ever compared ends here: a solve asks millions of times. */
	for (at = 0; at < both; at++) {
		const struct atom *x = plain(a, at), *y = plain(b, at);

		if (!x || !y)
			break;
		if (x->number != y->number)
			return x->number < y->number ? -1 : 1;
	}
	rest_a.from = rest_b.from = at;
	c = parts_cmp(rest_a, rest_b);
	return c ? c : parts_cmp(parts_local(a), parts_local(b));
}

static struct slice cut(struct slice s, size_t len)
{
	if (s.to - s.from > len)
		s.to = s.from + len;
	return s;
}

bool version_starts_with(const struct version *v, const struct version *start)
{
	static const struct atom zero = { .kind = ATOM_NUMBER };
	struct slice a = parts_main(v), b = parts_main(start);
	const struct atom *last, *mine;
	size_t n;

	if (start->parts > start->parts_main) {
		if (parts_cmp(a, b) != 0)
			return false;
		a = parts_local(v);
		b = parts_local(start);
	}
	n = b.to - b.from - 1;
	if (parts_cmp(cut(a, n), cut(b, n)) != 0)
		return false;
	a = part(a, a.from + n);
	b = part(b, b.from + n);
	n = b.to - b.from - 1;
	if (atoms_cmp(cut(a, n), cut(b, n)) != 0)
		return false;
	last = &start->atoms[b.to - 1];
	mine = a.to - a.from > n ? &v->atoms[a.from + n] : &zero;
	if (last->kind != ATOM_TEXT)
		return atom_cmp(v, mine, start, last) == 0;
	return mine->kind == ATOM_TEXT && mine->len >= last->len &&
	       memcmp(v->lower + mine->from, start->lower + last->from, last->len) == 0;
}

const char *version_text(const struct version *v)
{
	return v->text;
}

void version_print_parts(const struct version *v, struct buf *ret)
{
	buf_addc(ret, '[');
	for (size_t p = 0; p < v->parts_main; p++) {
		buf_adds(ret, p ? ", [" : "[");
		for (size_t i = v->starts[p]; i < v->starts[p + 1]; i++) {
			const struct atom *a = &v->atoms[i];
			const char *quote = a->kind == ATOM_TEXT ? "\"" : "";

			buf_adds(ret, i > v->starts[p] ? ", " : "");
			if (a->kind == ATOM_POST)
				buf_adds(ret, "\"post\"");
			else if (a->kind == ATOM_NUMBER)
				buf_addf(ret, "%llu", (unsigned long long)a->number);
			else
				buf_addf(ret, "%s%.*s%s", quote, a->len, v->lower + a->from, quote);
		}
		buf_addc(ret, ']');
	}
	buf_addc(ret, ']');
}
