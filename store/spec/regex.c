/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program of steps, made in one pass over the text. Jumps are relative, so
 * that an atom's steps can be moved (to put a split before them) and copied (for
 * {m,n}) as they are.
 *
 *	a*	split +1 +3 | a | jump -2
 *	a?	split +1 +2 | a
 *	a+	a a*
 *	a|b	split +1 +3 | a | jump +2 | b
 */
#include "spec/regex.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/path.h"

#include <stdint.h>
#include <string.h>

enum step_op { STEP_BYTE, STEP_SET, STEP_SPLIT, STEP_JUMP, STEP_BEGIN, STEP_END, STEP_MATCH };

struct step {
	uint8_t op;
	uint8_t byte;
	int16_t x, y; /* SPLIT: two ways on; JUMP: x; SET: x is which */
};

struct set {
	uint64_t bits[4];
};

struct regex {
	struct step *steps; /* owned */
	struct set *sets;   /* owned */
	size_t count, cap, set_count, set_cap;
};

/* A group that is open; the first is the whole. */
struct group {
	size_t start;	    /* its first step */
	size_t alternative; /* the first step of the alternative that is being read */
	int pending;	    /* the last jump to its end, each names the one before in y; -1: none */
};

struct reader {
	struct regex *x; /* borrowed */
	const char *text;
	size_t len, at;
	struct group groups[REGEX_GROUPS_MAX + 1];
	size_t depth;
	size_t atom; /* the first step of what a '*' would repeat */
	bool has_atom;
};

static int fault(const struct reader *rd, struct err *e, const char *why)
{
	return err_set(e, -EINVAL, "regular expression '%s': %s", QUOTE(rd->text, rd->len), why);
}

static int room(struct reader *rd, size_t more, struct err *e)
{
	struct regex *x = rd->x;

	if (x->count + more > REGEX_STATES_MAX)
		return fault(rd, e, "too large when its repetitions are written out");
	return GROW(x->steps, x->cap, x->count + more, REGEX_STATES_MAX, e);
}

static int add(struct reader *rd, struct step step, struct err *e)
{
	int r = room(rd, 1, e);

	if (r == 0)
		rd->x->steps[rd->x->count++] = step;
	return r;
}

static int insert(struct reader *rd, size_t at, struct step step, struct err *e)
{
	struct regex *x = rd->x;
	int r = room(rd, 1, e);

	if (r < 0)
		return r;
	memmove(x->steps + at + 1, x->steps + at, (x->count - at) * sizeof(step));
	x->steps[at] = step;
	x->count++;
	return 0;
}

static int add_atom(struct reader *rd, struct step step, struct err *e)
{
	rd->atom = rd->x->count;
	rd->has_atom = true;
	return add(rd, step, e);
}

static int add_set(struct reader *rd, const struct set *set, struct err *e)
{
	struct regex *x = rd->x;
	int r = GROW(x->sets, x->set_cap, x->set_count + 1, REGEX_BYTES_MAX, e);

	if (r < 0)
		return r;
	x->sets[x->set_count] = *set;
	return add_atom(rd, (struct step){ .op = STEP_SET, .x = (int16_t)x->set_count++ }, e);
}

static void set_range(struct set *s, unsigned int from, unsigned int to)
{
	for (; from <= to; from++)
		s->bits[from / 64] |= 1ULL << (from % 64);
}

static void set_invert(struct set *s)
{
	for (size_t i = 0; i < 4; i++)
		s->bits[i] = ~s->bits[i];
}

static bool set_has(const struct set *s, unsigned char c)
{
	return s->bits[c / 64] >> (c % 64) & 1;
}

/* \d \w \s and their opposites. */
static bool set_class(struct set *s, char c)
{
	struct set one = { 0 };
	char lower = (char)(c | 0x20);

	if (lower == 'd' || lower == 'w')
		set_range(&one, '0', '9');
	if (lower == 'w') {
		set_range(&one, 'a', 'z');
		set_range(&one, 'A', 'Z');
		set_range(&one, '_', '_');
	}
	if (lower == 's') {
		set_range(&one, '\t', '\r');
		set_range(&one, ' ', ' ');
	}
	if (!one.bits[0])
		return false;
	if (c != lower)
		set_invert(&one);
	for (size_t i = 0; i < 4; i++)
		s->bits[i] |= one.bits[i];
	return true;
}

/* One byte, or a class of them (then *ret is -1), of a [set]. */
static int set_item(struct reader *rd, struct set *set, int *ret, struct err *e)
{
	char c = rd->text[rd->at++];

	*ret = (unsigned char)c;
	if (c != '\\')
		return 0;
	if (rd->at >= rd->len)
		return fault(rd, e, "ends in a backslash");
	c = rd->text[rd->at++];
	*ret = (unsigned char)c;
	if (set_class(set, c))
		*ret = -1;
	else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
		return fault(rd, e, "holds a backslash sequence that is not supported");
	return 0;
}

static int read_set(struct reader *rd, struct err *e)
{
	struct set set = { 0 };
	bool invert = rd->at < rd->len && rd->text[rd->at] == '^', first = true;
	int from, to, r;

	rd->at += invert;
	for (;; first = false) {
		if (rd->at >= rd->len)
			return fault(rd, e, "a '[' that is not closed");
		if (rd->text[rd->at] == ']' && !first)
			break;
		r = set_item(rd, &set, &from, e);
		if (r < 0)
			return r;
		to = from;
		if (rd->at + 1 < rd->len && rd->text[rd->at] == '-' &&
		    rd->text[rd->at + 1] != ']') {
			rd->at++;
			r = set_item(rd, &set, &to, e);
			if (r < 0)
				return r;
			if (from < 0 || to < from)
				return fault(rd, e, "a range in [] that goes backwards");
		}
		if (from >= 0)
			set_range(&set, (unsigned int)from, (unsigned int)to);
	}
	rd->at++;
	if (invert)
		set_invert(&set);
	return add_set(rd, &set, e);
}

static int read_escape(struct reader *rd, struct err *e)
{
	struct set set = { 0 };
	int byte, r;

	rd->at--;
	r = set_item(rd, &set, &byte, e);
	if (r < 0)
		return r;
	if (byte < 0)
		return add_set(rd, &set, e);
	return add_atom(rd, (struct step){ .op = STEP_BYTE, .byte = (uint8_t)byte }, e);
}

static int open_group(struct reader *rd, struct err *e)
{
	if (rd->at < rd->len && rd->text[rd->at] == '?') {
		if (rd->at + 1 >= rd->len || rd->text[rd->at + 1] != ':')
			return fault(rd, e, "of '(?…' only '(?:' is supported");
		rd->at += 2;
	}
	if (rd->depth >= REGEX_GROUPS_MAX)
		return fault(rd, e, "groups are nested too deep");
	rd->groups[++rd->depth] = (struct group){ rd->x->count, rd->x->count, -1 };
	rd->has_atom = false;
	return 0;
}

/* The alternatives' jumps get their place. */
static void end_group(struct reader *rd)
{
	struct group *g = &rd->groups[rd->depth];

	while (g->pending >= 0) {
		struct step *jump = &rd->x->steps[g->pending];
		int before = jump->y;

		jump->x = (int16_t)((int)rd->x->count - g->pending);
		g->pending = before;
	}
	rd->atom = g->start;
	rd->has_atom = true;
}

static int close_group(struct reader *rd, struct err *e)
{
	if (rd->depth == 0)
		return fault(rd, e, "a ')' without its '('");
	end_group(rd);
	rd->depth--;
	return 0;
}

static int next_alternative(struct reader *rd, struct err *e)
{
	struct group *g = &rd->groups[rd->depth];
	size_t len = rd->x->count - g->alternative;
	int r = insert(rd, g->alternative,
		       (struct step){ .op = STEP_SPLIT, .x = 1, .y = (int16_t)(len + 2) }, e);

	if (r == 0)
		r = add(rd, (struct step){ .op = STEP_JUMP, .y = (int16_t)g->pending }, e);
	if (r < 0)
		return r;
	g->pending = (int)rd->x->count - 1;
	g->alternative = rd->x->count;
	rd->has_atom = false;
	return 0;
}

/* "{m}", "{m,}", "{m,n}" behind the '{'. */
static int read_bounds(struct reader *rd, size_t *ret_min, size_t *ret_max, struct err *e)
{
	size_t n[2] = { 0, 0 }, i = 0, digits = 0;

	for (; rd->at < rd->len && rd->text[rd->at] != '}'; rd->at++) {
		char c = rd->text[rd->at];

		if (c == ',' && i == 0) {
			i = 1;
			digits = 0;
		} else if (c >= '0' && c <= '9' && n[i] < REGEX_STATES_MAX) {
			n[i] = n[i] * 10 + (size_t)(c - '0');
			digits++;
		} else {
			return fault(rd, e, "a '{' must be followed by numbers and a '}'");
		}
	}
	if (rd->at >= rd->len || (i == 0 && digits == 0))
		return fault(rd, e, "a '{' must be followed by numbers and a '}'");
	rd->at++;
	*ret_min = n[0];
	*ret_max = i == 0 ? n[0] : digits ? n[1] : SIZE_MAX;
	if (*ret_max < *ret_min)
		return fault(rd, e, "a {m,n} that goes backwards");
	return 0;
}

static int star(struct reader *rd, size_t at, struct err *e)
{
	int len = (int)(rd->x->count - at);
	int r = insert(rd, at, (struct step){ .op = STEP_SPLIT, .x = 1, .y = (int16_t)(len + 2) },
		       e);

	return r < 0 ? r : add(rd, (struct step){ .op = STEP_JUMP, .x = (int16_t)(-len - 1) }, e);
}

static int copy_atom(struct reader *rd, size_t len, struct err *e)
{
	int r = room(rd, len, e);

	if (r < 0)
		return r;
	memcpy(rd->x->steps + rd->x->count, rd->x->steps + rd->atom, len * sizeof(struct step));
	rd->x->count += len;
	return 0;
}

/* The atom, once there now, min to max times. */
static int repeat(struct reader *rd, size_t min, size_t max, struct err *e)
{
	size_t len = rd->x->count - rd->atom, have = min > 1 ? min : 1, at = rd->atom;
	int r = 0;

	if (max == 0) {
		rd->x->count = rd->atom;
		return 0;
	}
	for (size_t i = 1; r == 0 && i < min; i++)
		r = copy_atom(rd, len, e);
	if (r == 0 && max == SIZE_MAX) {
		if (min > 0) {
			at = rd->x->count;
			r = copy_atom(rd, len, e);
		}
		return r < 0 ? r : star(rd, at, e);
	}
	for (size_t i = have; r == 0 && i < max; i++) {
		r = add(rd, (struct step){ .op = STEP_SPLIT, .x = 1, .y = (int16_t)(len + 1) }, e);
		if (r == 0)
			r = copy_atom(rd, len, e);
	}
	if (r == 0 && min == 0)
		r = insert(rd, at,
			   (struct step){ .op = STEP_SPLIT, .x = 1, .y = (int16_t)(len + 1) }, e);
	return r;
}

static int read_repeat(struct reader *rd, char c, struct err *e)
{
	size_t min = c == '+', max = c == '?' ? 1 : SIZE_MAX;
	int r = 0;

	if (!rd->has_atom)
		return fault(rd, e, "a repetition of nothing");
	if (c == '{')
		r = read_bounds(rd, &min, &max, e);
	if (r == 0)
		r = repeat(rd, min, max, e);
	if (r == 0 && rd->at < rd->len && rd->text[rd->at] == '?')
		rd->at++; /* the shorter match first: the same for yes or no */
	rd->has_atom = false;
	return r;
}

static int read_one(struct reader *rd, struct err *e)
{
	char c = rd->text[rd->at++];
	struct set any = { 0 };

	switch (c) {
	case '(':
		return open_group(rd, e);
	case ')':
		return close_group(rd, e);
	case '|':
		return next_alternative(rd, e);
	case '*':
	case '+':
	case '?':
	case '{':
		return read_repeat(rd, c, e);
	case '[':
		return read_set(rd, e);
	case '\\':
		return read_escape(rd, e);
	case '^':
	case '$':
		rd->has_atom = false;
		return add(rd, (struct step){ .op = c == '^' ? STEP_BEGIN : STEP_END }, e);
	case '.':
		set_range(&any, '\n', '\n');
		set_invert(&any);
		return add_set(rd, &any, e);
	default:
		return add_atom(rd, (struct step){ .op = STEP_BYTE, .byte = (uint8_t)c }, e);
	}
}

int regex_parse(struct regex **ret, const char *text, size_t len, struct err *e)
{
	AUTO(regex_freep) struct regex *x = calloc(1, sizeof(*x));
	struct reader rd = { .x = x, .text = text, .len = len, .groups = { { 0, 0, -1 } } };
	int r = 0;

	if (!x)
		return err_nomem(e);
	if (len > REGEX_BYTES_MAX)
		return fault(&rd, e, "too long");
	while (r == 0 && rd.at < len)
		r = read_one(&rd, e);
	if (r == 0 && rd.depth > 0)
		r = fault(&rd, e, "a '(' that is not closed");
	if (r < 0)
		return r;
	end_group(&rd);
	r = add(&rd, (struct step){ .op = STEP_MATCH }, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(x);
	return 0;
}

struct regex *regex_free(struct regex *x)
{
	if (x) {
		free(x->steps);
		free(x->sets);
	}
	free(x);
	return NULL;
}

/* The steps that wait for the text's next byte. */
struct states {
	uint16_t steps[REGEX_STATES_MAX];
	size_t count;
};

struct run {
	const struct regex *x;
	const char *text, *at;
	uint64_t seen[REGEX_STATES_MAX / 64];
	uint16_t stack[REGEX_STATES_MAX];
	size_t stacked;
};

static void push(struct run *u, size_t step)
{
	if (u->seen[step / 64] >> (step % 64) & 1)
		return;
	u->seen[step / 64] |= 1ULL << (step % 64);
	u->stack[u->stacked++] = (uint16_t)step;
}

/* Follows all ways from a step to those that take a byte; true: to the match. */
static bool follow(struct run *u, size_t from, struct states *ret)
{
	push(u, from);
	while (u->stacked > 0) {
		size_t i = u->stack[--u->stacked];
		const struct step *s = &u->x->steps[i];

		switch ((enum step_op)s->op) {
		case STEP_MATCH:
			u->stacked = 0;
			return true;
		case STEP_SPLIT:
			push(u, i + (size_t)s->x);
			push(u, i + (size_t)s->y);
			break;
		case STEP_JUMP:
			push(u, i + (size_t)s->x);
			break;
		case STEP_BEGIN:
			if (u->at == u->text)
				push(u, i + 1);
			break;
		case STEP_END:
			if (!*u->at)
				push(u, i + 1);
			break;
		case STEP_BYTE:
		case STEP_SET:
			ret->steps[ret->count++] = (uint16_t)i;
			break;
		}
	}
	return false;
}

static bool takes(const struct regex *x, const struct step *s, unsigned char c)
{
	return s->op == STEP_BYTE ? s->byte == c : set_has(&x->sets[s->x], c);
}

bool regex_matches(const struct regex *x, const char *text, bool lower)
{
	struct states states[2];
	struct states *now = &states[0], *next = &states[1], *swap;
	struct run u;
	char c;

	u.x = x;
	u.text = u.at = text;
	u.stacked = now->count = 0;
	memset(u.seen, 0, sizeof(u.seen));
	if (follow(&u, 0, now))
		return true;
	while (*u.at && now->count > 0) {
		c = *u.at++;
		if (lower && c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		next->count = 0;
		memset(u.seen, 0, sizeof(u.seen));
		for (size_t i = 0; i < now->count; i++)
			if (takes(x, &x->steps[now->steps[i]], (unsigned char)c) &&
			    follow(&u, (size_t)now->steps[i] + 1, next))
				return true;
		swap = now;
		now = next;
		next = swap;
	}
	return false;
}
