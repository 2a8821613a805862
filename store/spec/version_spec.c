/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A version expression is kept as its clauses and a program in reverse Polish:
 * "a,b|c" is a b AND c OR. Most have one clause, or one kind of operator, and
 * then the first answer that decides ends it.
 */
#include "spec/version.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/path.h"
#include "spec/pattern.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum clause_kind {
	CLAUSE_ANY,
	CLAUSE_EQ,
	CLAUSE_NE,
	CLAUSE_LT,
	CLAUSE_LE,
	CLAUSE_GT,
	CLAUSE_GE,
	CLAUSE_STARTS,
	CLAUSE_NOT_STARTS,
	CLAUSE_COMPATIBLE,
	CLAUSE_PATTERN,
};

struct clause {
	enum clause_kind kind;
	struct version *version; /* owned */
	struct version *start;	 /* owned; COMPATIBLE: `version` without its last part */
	struct pattern *pattern; /* owned */
	char *text;		 /* owned; as conda writes it */
};

enum { PROGRAM_AND = -1, PROGRAM_OR = -2 };

struct version_spec {
	char *text; /* owned */
	bool exact;
	bool has_and, has_or;
	struct clause *clauses; /* owned */
	int16_t *program;	/* owned: a clause's number, AND or OR */
	size_t clause_count, clause_cap, program_count, program_cap;
};

/* A level of parentheses leaves at most two operands waiting. */
#define OPERANDS_MAX (2 * VERSION_SPEC_DEPTH_MAX + 3)

static int fault(const char *text, size_t len, struct err *e, const char *why)
{
	return err_set(e, -EINVAL, "version expression '%s': %s", QUOTE(text, len), why);
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static void clause_done(struct clause *c)
{
	(void)version_free(c->version);
	(void)version_free(c->start);
	(void)pattern_free(c->pattern);
	free(c->text);
}

/* ~=1.2.3 is >=1.2.3 and =1.2 */
static int compatible(struct clause *c, const char *text, size_t len, struct err *e)
{
	const char *dot = memrchr(text, '.', len);

	if (!dot)
		return fault(text, len, e, "behind '~=' stands a version of two parts or more");
	return version_parse(&c->start, text, (size_t)(dot - text), e);
}

/* "<=1.2": the operator is told, and *at moved behind it. */
static int read_operator(enum clause_kind *ret, const char **at, size_t *len)
{
	static const struct {
		char text[3];
		enum clause_kind kind;
	} ops[] = {
		{ "==", CLAUSE_EQ },	{ "!=", CLAUSE_NE },	     { "<=", CLAUSE_LE },
		{ ">=", CLAUSE_GE },	{ "<", CLAUSE_LT },	     { ">", CLAUSE_GT },
		{ "=", CLAUSE_STARTS }, { "~=", CLAUSE_COMPATIBLE },
	};
	size_t i = 0, n;

	while (i < ARRAY_LEN(ops) &&
	       (*len < strlen(ops[i].text) || memcmp(*at, ops[i].text, strlen(ops[i].text)) != 0))
		i++;
	if (i == ARRAY_LEN(ops))
		return -EINVAL;
	n = strlen(ops[i].text);
	*at += n;
	*len -= n;
	*ret = ops[i].kind;
	if (*len == 0 || strchr("=<>!~", **at))
		return -EINVAL;
	for (size_t k = 0; k < *len; k++)
		if (is_blank((*at)[k]))
			return -EINVAL;
	return 0;
}

static int parse_relation(struct clause *c, const char *text, size_t len, struct err *e)
{
	const char *at = text;
	size_t left = len;
	int r;

	if (read_operator(&c->kind, &at, &left) < 0)
		return fault(text, len, e,
			     "an operator is one of = == != <= >= < > ~= and is followed by the "
			     "version at once");
	if (left >= 2 && memcmp(at + left - 2, ".*", 2) == 0) {
		if (c->kind == CLAUSE_COMPATIBLE)
			return fault(text, len, e, "'~=' takes no '.*'");
		if (c->kind == CLAUSE_NE)
			c->kind = CLAUSE_NOT_STARTS;
		left -= 2; /* says nothing more for the others */
	}
	r = version_parse(&c->version, at, left, e);
	if (r == 0 && c->kind == CLAUSE_COMPATIBLE)
		r = compatible(c, at, left, e);
	return r;
}

static size_t without(const char *text, size_t len, char c)
{
	while (len > 0 && text[len - 1] == c)
		len--;
	return len;
}

static int set_text(struct clause *c, const char *text, size_t len, struct err *e)
{
	free(c->text);
	c->text = strndup(text, len);
	return c->text ? 0 : err_nomem(e);
}

/* "1.7*" is the start of a version, and is written "1.7.*". */
static int parse_start(struct clause *c, const char *text, size_t len, struct err *e)
{
	size_t stem = without(text, without(text, len, '*'), '.');
	char *full;
	int r;

	c->kind = CLAUSE_STARTS;
	if (asprintf(&full, "%.*s.*", (int)stem, text) < 0)
		return err_nomem(e);
	r = set_text(c, full, stem + 2, e);
	free(full);
	return r < 0 ? r : version_parse(&c->version, text, stem, e);
}

static bool is_glob(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!(text[i] >= '0' && text[i] <= '9') && !(text[i] >= 'a' && text[i] <= 'z') &&
		    !(text[i] >= 'A' && text[i] <= 'Z') && !strchr("*._-+!", text[i]))
			return false;
	return true;
}

static int parse_clause(struct clause *c, const char *text, size_t len, struct err *e)
{
	int r = set_text(c, text, len, e);

	if (r < 0)
		return r;
	if (text[0] == '^' || text[len - 1] == '$') {
		if (text[0] != '^' || text[len - 1] != '$')
			return fault(text, len, e,
				     "a regular expression begins with ^ and ends with $");
		c->kind = CLAUSE_PATTERN;
		return pattern_parse(&c->pattern, text, len, e);
	}
	if (strchr("=<>!~", text[0]))
		return parse_relation(c, text, len, e);
	c->kind = CLAUSE_ANY;
	if (without(text, len, '*') == 0)
		return set_text(c, "*", 1, e);
	if (memchr(text, '*', without(text, len, '*'))) {
		if (!is_glob(text, len))
			return fault(text, len, e, "a byte that no version has");
		c->kind = CLAUSE_PATTERN;
		return pattern_parse_glob(&c->pattern, text, len, e);
	}
	if (text[len - 1] == '*')
		return parse_start(c, text, len, e);
	c->kind = CLAUSE_EQ;
	return version_parse(&c->version, text, len, e);
}

/* Shunting yard. */
struct yard {
	struct version_spec *s; /* borrowed */
	const char *text;
	size_t len, at;
	char ops[2 * OPERANDS_MAX];
	size_t op_count, depth;
};

static int emit(struct yard *y, int code, struct err *e)
{
	struct version_spec *s = y->s;
	int r = GROW(s->program, s->program_cap, s->program_count + 1, 2 * VERSION_CLAUSES_MAX, e);

	if (r == 0)
		s->program[s->program_count++] = (int16_t)code;
	return r;
}

static int apply(struct yard *y, const char *which, struct err *e)
{
	int r = 0;

	while (r == 0 && y->op_count > 0 && strchr(which, y->ops[y->op_count - 1])) {
		bool and = y->ops[--y->op_count] == ',';

		y->s->has_and |= and;
		y->s->has_or |= !and;
		r = emit(y, and? PROGRAM_AND : PROGRAM_OR, e);
	}
	return r;
}

/* The clause that starts here ends before the next of "()|,"; a regular
 * expression, behind its '$'. */
static size_t clause_end(const struct yard *y)
{
	size_t end = y->at;

	if (y->text[end] == '^') {
		const char *dollar = memchr(y->text + end, '$', y->len - end);

		if (dollar)
			return (size_t)(dollar - y->text) + 1;
	}
	while (end < y->len && !strchr("()|,", y->text[end]))
		end++;
	return end;
}

static int read_clause(struct yard *y, struct err *e)
{
	struct version_spec *s = y->s;
	size_t end = clause_end(y), len = end - y->at;
	const char *text = y->text + y->at;
	int r;

	while (is_blank(text[len - 1]))
		len--;
	y->at = end;
	r = GROW(s->clauses, s->clause_cap, s->clause_count + 1, VERSION_CLAUSES_MAX, e);
	if (r < 0)
		return fault(y->text, y->len, e, "too many clauses");
	s->clause_count++;
	r = parse_clause(&s->clauses[s->clause_count - 1], text, len, e);
	return r < 0 ? r : emit(y, (int)s->clause_count - 1, e);
}

static int read_operand(struct yard *y, bool *ret_operand, struct err *e)
{
	switch (y->text[y->at]) {
	case '(':
		if (++y->depth > VERSION_SPEC_DEPTH_MAX)
			return fault(y->text, y->len, e, "parentheses are nested too deep");
		y->ops[y->op_count++] = '(';
		y->at++;
		return 0;
	case ')':
	case '|':
	case ',':
		return fault(y->text, y->len, e, "a version is missing");
	default:
		*ret_operand = true;
		return read_clause(y, e);
	}
}

static int read_joint(struct yard *y, bool *ret_operand, struct err *e)
{
	char c = y->text[y->at++];
	int r;

	if (c != ')' && c != '|' && c != ',')
		return fault(y->text, y->len, e,
			     "between two clauses stands a ',' (and) or '|' (or)");
	r = apply(y, c == ',' ? "," : ",|", e);
	if (r < 0)
		return r;
	if (c == ')') {
		if (y->depth == 0)
			return fault(y->text, y->len, e, "a ')' without its '('");
		y->depth--;
		y->op_count--;
		return 0;
	}
	y->ops[y->op_count++] = c;
	*ret_operand = false;
	return 0;
}

static int compile(struct version_spec *s, const char *text, size_t len, struct err *e)
{
	struct yard y = { .s = s, .text = text, .len = len };
	bool operand = false; /* behind one: what follows joins */
	int r = 0;

	while (r == 0) {
		while (y.at < len && is_blank(text[y.at]))
			y.at++;
		if (y.at == len)
			break;
		r = operand ? read_joint(&y, &operand, e) : read_operand(&y, &operand, e);
	}
	if (r < 0)
		return r;
	if (!operand)
		return fault(text, len, e, "a version is missing");
	if (y.depth > 0)
		return fault(text, len, e, "a '(' that is not closed");
	return apply(&y, ",|", e);
}

/*
 * conda's text: the clauses as they are understood, without needless
 * parentheses. (conda forgets the needed ones, too.)
 */
struct piece {
	char *text; /* owned */
	char op;    /* what joins its parts; 0: one clause */
};

struct pieces {
	struct piece at[OPERANDS_MAX];
	size_t count;
};

static void pieces_done(struct pieces *p)
{
	while (p->count > 0)
		free(p->at[--p->count].text);
}

static void add_piece(struct buf *b, const struct piece *p, char op)
{
	bool inner = p->op == '|' && op == ',';

	buf_adds(b, inner ? "(" : "");
	buf_adds(b, p->text);
	buf_adds(b, inner ? ")" : "");
}

static int join(struct pieces *p, char op, struct err *e)
{
	AUTO_BUF b = BUF(2 * SPEC_BYTES_MAX);
	struct piece *left, *right;
	int r;

	assert(p->count >= 2);
	left = &p->at[p->count - 2];
	right = &p->at[p->count - 1];
	add_piece(&b, left, op);
	buf_addc(&b, op);
	add_piece(&b, right, op);
	r = buf_end(&b, e);
	if (r < 0)
		return r;
	free(right->text);
	free(left->text);
	p->count--;
	*left = (struct piece){ buf_take(&b), op };
	return left->text ? 0 : err_nomem(e);
}

static int write_text(struct version_spec *s, struct err *e)
{
	AUTO(pieces_done) struct pieces p = { .count = 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->program_count; i++) {
		int code = s->program[i];

		if (code < 0) {
			r = join(&p, code == PROGRAM_AND ? ',' : '|', e);
			continue;
		}
		assert(p.count < OPERANDS_MAX);
		p.at[p.count++] = (struct piece){ strdup(s->clauses[code].text), 0 };
		if (!p.at[p.count - 1].text)
			r = err_nomem(e);
	}
	if (r < 0)
		return r;
	s->text = TAKE_PTR(p.at[0].text);
	return 0;
}

int version_spec_parse(struct version_spec **ret, const char *text, size_t len, struct err *e)
{
	AUTO(version_spec_freep) struct version_spec *s = NULL;
	int r;

	assert(ret && text);
	if (len > SPEC_BYTES_MAX)
		return fault(text, len, e, "too long");
	if (memchr(text, '\0', len))
		return fault(text, len, e, "holds a NUL");
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_nomem(e);
	r = compile(s, text, len, e);
	if (r == 0)
		r = write_text(s, e);
	if (r < 0)
		return r;
	s->exact = s->clause_count == 1 && s->clauses[0].kind == CLAUSE_EQ;
	*ret = TAKE_PTR(s);
	return 0;
}

struct version_spec *version_spec_free(struct version_spec *s)
{
	if (!s)
		return NULL;
	for (size_t i = 0; i < s->clause_count; i++)
		clause_done(&s->clauses[i]);
	free(s->clauses);
	free(s->program);
	free(s->text);
	free(s);
	return NULL;
}

static bool clause_matches(const struct clause *c, const struct version *v)
{
	switch (c->kind) {
	case CLAUSE_ANY:
		return true;
	case CLAUSE_EQ:
		return version_cmp(v, c->version) == 0;
	case CLAUSE_NE:
		return version_cmp(v, c->version) != 0;
	case CLAUSE_LT:
		return version_cmp(v, c->version) < 0;
	case CLAUSE_LE:
		return version_cmp(v, c->version) <= 0;
	case CLAUSE_GT:
		return version_cmp(v, c->version) > 0;
	case CLAUSE_GE:
		return version_cmp(v, c->version) >= 0;
	case CLAUSE_STARTS:
		return version_starts_with(v, c->version);
	case CLAUSE_NOT_STARTS:
		return !version_starts_with(v, c->version);
	case CLAUSE_COMPATIBLE:
		return version_cmp(v, c->version) >= 0 && version_starts_with(v, c->start);
	case CLAUSE_PATTERN:
		return pattern_matches(c->pattern, version_text(v));
	}
	return false;
}

static bool run(const struct version_spec *s, const struct version *v)
{
	bool stack[OPERANDS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < s->program_count; i++) {
		int code = s->program[i];

		if (code >= 0) {
			stack[n++] = clause_matches(&s->clauses[code], v);
			continue;
		}
		n--;
		stack[n - 1] =
			code == PROGRAM_AND ? stack[n - 1] && stack[n] : stack[n - 1] || stack[n];
	}
	return stack[0];
}

bool version_spec_matches(const struct version_spec *s, const struct version *v)
{
	if (s->has_and && s->has_or)
		return run(s, v);
	for (size_t i = 0; i < s->clause_count; i++)
		if (clause_matches(&s->clauses[i], v) == s->has_or)
			return s->has_or;
	return !s->has_or;
}

bool version_spec_is_exact(const struct version_spec *s)
{
	return s->exact;
}

const char *version_spec_text(const struct version_spec *s)
{
	return s->text;
}
