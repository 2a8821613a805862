/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "base/limits.h"
#include "spec/version.h"

#include "lines.h"
#include "test.h"

static struct version *parsed(const char *text)
{
	struct version *v = NULL;

	if (version_parse(&v, text, strlen(text), NULL) < 0)
		return NULL;
	return v;
}

static int sign(int n)
{
	return (n > 0) - (n < 0);
}

static void check_order(const char *a, const char *b, int want)
{
	AUTO(version_freep) struct version *va = parsed(a), *vb = parsed(b);
	char name[256];

	(void)snprintf(name, sizeof(name), "%s ? %s", a, b);
	test_case = name;
	if (CHECK(va && vb)) {
		CHECK_INT(sign(version_cmp(va, vb)), want);
		CHECK_INT(sign(version_cmp(vb, va)), -want);
	}
	test_case = "";
}

static void check_starts(const char *v, const char *start, bool want)
{
	AUTO(version_freep) struct version *a = parsed(v), *b = parsed(start);

	test_case = v;
	if (CHECK(a && b))
		CHECK_INT(version_starts_with(a, b), want);
}

static void check_parts(const char *text, const char *want)
{
	AUTO(version_freep) struct version *v = parsed(text);
	AUTO_BUF b = BUF(4096);

	test_case = text;
	if (!CHECK(v))
		return;
	version_print_parts(v, &b);
	CHECK_TEXT(b.bytes, want);
}

static void check_match(const char *text, const char *version, int want)
{
	AUTO(version_spec_freep) struct version_spec *s = NULL;
	AUTO(version_freep) struct version *v = parsed(version);
	struct err e = { 0 };

	test_case = text;
	if (version_spec_parse(&s, text, strlen(text), &e) < 0) {
		if (want >= 0)
			fprintf(stderr, "%s\n", e.text);
		CHECK(want < 0);
		CHECK(e.text[0]);
		return;
	}
	CHECK(v);
	CHECK_INT(v ? version_spec_matches(s, v) : -2, want);
}

static void test_order(void)
{
	static const char *const ascending[] = {
		"0.4.1.rc", "0.4.1",	 "0.5a1",    "0.5C1",	"0.5",
		"0.960923", "1.0",	 "1.1dev1",  "1.1_",	"1.1a1",
		"1.1",	    "1.1.post1", "1.1post1", "1.2+abc", "1.2",
		"1.2+5",    "1996.7",	 "1!0.4",    "2!0",	"99999999999999999999!0",
	};

	for (size_t i = 0; i < ARRAY_LEN(ascending); i++)
		for (size_t k = 0; k < ARRAY_LEN(ascending); k++)
			check_order(ascending[i], ascending[k], sign((int)i - (int)k));
	check_order("1.1.0rc", "1.1.rc", 0);
	check_order("1.1.rc", "1.1rc", 1);
	check_order("1.0.RC-1", "1.0.rc_1", 0);
	check_order("1.2", "1.2.0.0+0", 0);
	check_order("1.007", "1.7", 0);
	check_order("1.18446744073709551616", "1.18446744073709551617", -1);
	check_order("1.0018446744073709551616", "1.18446744073709551616", 0);
	check_order("1.9999999999999999999", "1.10000000000000000000", -1);
	check_order("1post", "1.99999999999999999999999", 1);
	check_order("1.10000000000000000000", "1.a", 1);
}

static void test_starts(void)
{
	check_starts("1.8.3", "1.8", true);
	check_starts("1.80", "1.8", false);
	check_starts("0.4.1p1", "0.4.1p", true);
	check_starts("0.4.1+1.3", "0.4.1+1", true);
	check_starts("0.4.1", "0.4.1+1.3", false);
	check_starts("1", "1.0", true);
	check_starts("1.post1", "1.post", true);
	check_starts("1.1_", "1.1", true);
	check_starts("1!1.8", "1.8", false);
}

static void test_parse(void)
{
	static const struct {
		const char *name, *text;
	} bad[] = {
		{ "empty", "" },
		{ "blanks", "  " },
		{ "no such byte", "3.5&1" },
		{ "two local parts", "5.5++" },
		{ "two pluses", "5+5+5" },
		{ "an empty part", "5.5..mw" },
		{ "dot first", ".5" },
		{ "dot last", "5." },
		{ "only an epoch", "1!" },
		{ "no epoch", "!1" },
		{ "epoch no number", "a!1.0" },
		{ "two epochs", "1!2!3" },
		{ "only local", "+1" },
		{ "empty local", "1+" },
		{ "dash and underscore", "1-2_3" },
		{ "not ASCII", "1.\xc3\xa9" },
		{ "65 bytes",
		  "1.2345678901234567890123456789012345678901234567890123456789012345" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO(version_freep) struct version *v = NULL;
		struct err e = { 0 };

		test_case = bad[i].name;
		CHECK_INT(version_parse(&v, bad[i].text, strlen(bad[i].text), &e), -EINVAL);
		CHECK(!v && e.text[0]);
	}
	test_case = "a NUL inside";
	{
		AUTO(version_freep) struct version *v = NULL;

		CHECK_INT(version_parse(&v, "1\0002", 3, NULL), -EINVAL);
	}
	check_parts("  1!2.0-1 ", "[[1], [2], [0], [1]]");
	check_parts("1.dev.post_", "[[0], [1], [0, \"DEV\"], [0, \"post_\"]]");
	check_parts("1__", "[[0], [1], [0, \"_\"]]");
	check_parts("1.0_", "[[0], [1], [0, \"_\"]]");
	check_parts("0*.*a", "[[0], [0, \"*\"], [0, \"*\", \"a\"]]");
	check_parts("1.00.020", "[[0], [1], [0], [20]]");
	check_parts("123456789012345678901234567890", "[[0], [123456789012345678901234567890]]");
	test_case = "the text stays";
	{
		AUTO(version_freep) struct version *v = parsed(" 1.0-RC ");

		CHECK_TEXT(v ? version_text(v) : NULL, "1.0-RC");
	}
}

static void test_spec(void)
{
	check_match("==1.7", "1.7.0", 1);
	check_match("1.7", "1.7.0", 1);
	check_match(">1.7", "1.7.0", 0);
	check_match("!=3.3.*", "3.3.1", 0);
	check_match("!=3.3", "3.3.1", 1);
	check_match("=3.3.*", "3.3.1", 1);
	check_match("==3.3.*", "3.3", 1);
	check_match("1.2.3+4*", "1.2.3+4.5.6", 1);
	check_match("~=1.10", "1.11.0", 1);
	check_match("~=1.10.0", "1.11.0", 0);
	check_match("~=1", "1.1", -1);
	check_match("~=1.2.*", "1.2", -1);
	check_match("*", "0", 1);
	check_match("*.7.*", "1.7.1", 1);
	check_match("1.*.3", "1.2.4", 0);
	check_match("^1\\.[78]$", "1.8", 1);
	check_match("^1\\.[78]$", "1.9", 0);
	check_match("^1.8", "1.8", -1);
	check_match("1.8$", "1.8", -1);
	check_match("^(1|2)$|3", "2", 1);
	check_match(">1,<2|==3", "3", 1);
	check_match(">1,<2|==3", "2", 0);
	check_match("==3|>1,<2", "1.5", 1);
	check_match("(==3|>1),<2", "3", 0);
	check_match("((1.5|((1.6|1.7), 1.8), 1.9 |2.0))|2.1", "2.1", 1);
	check_match("1|2|3|4", "4", 1);
	check_match(">1,>2,>3,>4", "4", 0);
	check_match("", "1", -1);
	check_match(" ", "1", -1);
	check_match("1,", "1", -1);
	check_match(",1", "1", -1);
	check_match("1,,2", "1", -1);
	check_match("1||2", "1", -1);
	check_match("(1", "1", -1);
	check_match("1)", "1", -1);
	check_match("()", "1", -1);
	check_match("1(2)", "1", -1);
	check_match("(1)(2)", "1", -1);
	check_match(">= 1", "1", -1);
	check_match("=>1", "1", -1);
	check_match("<>1", "1", -1);
	check_match("!1", "1", -1);
	check_match(">=", "1", -1);
	check_match("1.0@x", "1", -1);
	check_match("1.*:2*3", "1", -1);
}

static void test_spec_text(void)
{
	static const struct {
		const char *text, *want;
		bool exact;
	} cases[] = {
		{ "1.7*", "1.7.*", false },
		{ "1.7.**", "1.7.*", false },
		{ "***", "*", false },
		{ "1.7", "1.7", true },
		{ "==1.7", "==1.7", true },
		{ "1.2.3,>4.5.6", "1.2.3,>4.5.6", false },
		{ "1.2.3,4.5.6|<=7.8.9", "1.2.3,4.5.6|<=7.8.9", false },
		{ "(1.2.3|4.5.6),<=7.8.9", "(1.2.3|4.5.6),<=7.8.9", false },
		{ "((1.5|((1.6|1.7), 1.8), 1.9 |2.0))|2.1", "1.5|(1.6|1.7),1.8,1.9|2.0|2.1",
		  false },
		{ "(((1.5)))", "1.5", true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(version_spec_freep) struct version_spec *s = NULL;

		test_case = cases[i].text;
		if (!CHECK(version_spec_parse(&s, cases[i].text, strlen(cases[i].text), NULL) == 0))
			continue;
		CHECK_TEXT(version_spec_text(s), cases[i].want);
		CHECK_INT(version_spec_is_exact(s), cases[i].exact);
	}
}

/* Depth, clauses and length end in a sentence, at their limit and not before. */
static void test_spec_limits(void)
{
	AUTO_BUF b = BUF(2 * SPEC_BYTES_MAX);

	for (int depth = VERSION_SPEC_DEPTH_MAX; depth <= VERSION_SPEC_DEPTH_MAX + 1; depth++) {
		buf_clear(&b);
		for (int i = 0; i < depth; i++)
			buf_adds(&b, "1|2,(");
		buf_adds(&b, "3");
		for (int i = 0; i < depth; i++)
			buf_addc(&b, ')');
		check_match(b.bytes, "1", depth > VERSION_SPEC_DEPTH_MAX ? -1 : 1);
	}
	for (int n = VERSION_CLAUSES_MAX; n <= VERSION_CLAUSES_MAX + 1; n++) {
		buf_clear(&b);
		for (int i = 1; i < n; i++)
			buf_adds(&b, "2|");
		buf_adds(&b, "1");
		check_match(b.bytes, "1", n > VERSION_CLAUSES_MAX ? -1 : 1);
	}
	buf_clear(&b);
	for (int i = 0; i <= SPEC_BYTES_MAX; i++)
		buf_addc(&b, '(');
	check_match(b.bytes, "1", -1);
}

static void check_not_after(const char *a, const char *b)
{
	AUTO(version_freep) struct version *va = parsed(a), *vb = parsed(b);

	test_case = a;
	if (CHECK(va && vb))
		CHECK(version_cmp(va, vb) <= 0 && version_cmp(vb, va) >= 0);
}

static void order_case(const struct json *j)
{
	const char *kind = json_get_text(j, "kind"), *op = json_get_text(j, "op");
	const struct json *versions = json_get(j, "versions"), *a, *b;
	bool result = json_true(json_get(j, "result"));

	if (kind && strcmp(kind, "ascending") == 0) {
		for (struct json_iter i = json_iter(versions); (a = json_next(&i));)
			for (struct json_iter k = i; (b = json_next(&k));)
				check_not_after(json_text(a), json_text(b));
	} else if (kind && strcmp(kind, "invalid-version") == 0) {
		AUTO(version_freep) struct version *v = parsed(json_get_text(j, "version"));

		CHECK(!v);
	} else if (op && strcmp(op, "startswith") == 0) {
		check_starts(json_get_text(j, "a"), json_get_text(j, "b"), result);
	} else if (op) {
		AUTO(version_freep) struct version *va = parsed(json_get_text(j, "a"));
		AUTO(version_freep) struct version *vb = parsed(json_get_text(j, "b"));

		if (CHECK(va && vb))
			CHECK_INT((version_cmp(va, vb) == 0) == (strcmp(op, "Eq") == 0), result);
	} else {
		CHECK(!"a kind of case that is not known");
	}
}

static void parse_case(const struct json *j)
{
	AUTO_BUF want = BUF(4096);
	struct jsonw w = JSONW(&want, 0);
	AUTO_BUF plain = BUF(4096);

	jsonw_value(&w, json_get(j, "parsed"));
	for (const char *c = want.bytes; *c; c++) {
		buf_addc(&plain, *c);
		if (*c == ',')
			buf_addc(&plain, ' ');
	}
	check_parts(json_get_text(j, "version"), plain.bytes);
}

static void spec_case(const struct json *j)
{
	check_match(json_get_text(j, "spec"), json_get_text(j, "version"),
		    json_true(json_get(j, "match")));
}

static void json_line(const char *line, void *ctx)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	void (**fn)(const struct json *) = ctx;

	test_case = line;
	if (CHECK(json_parse(&doc, line, strlen(line), NULL) == 0))
		(*fn)(json_root(doc));
}

/* "0.0rc1=[[0], [0], [0, 'rc', 1]]" */
static void rattler_line(const char *line, void *ctx)
{
	const char *equals = strchr(line, '=');
	AUTO_BUF version = BUF(256);
	AUTO_BUF want = BUF(4096);
	size_t *count = ctx;

	if (line[0] == '#' || !equals)
		return;
	buf_add(&version, line, (size_t)(equals - line));
	for (const char *c = equals + 1; *c; c++) {
		if (strncmp(c, "inf", 3) == 0) {
			buf_adds(&want, "\"post\"");
			c += 2;
		} else {
			buf_addc(&want, *c == '\'' ? '"' : *c);
		}
	}
	check_parts(version.bytes, want.bytes);
	(*count)++;
}

static void test_suites(const char *data)
{
	void (*fn)(const struct json *) = order_case;
	size_t count = 0;

	CHECK_INT(each_line(data, "suites/cases/conda-version-order.jsonl", json_line, &fn), 29);
	fn = parse_case;
	CHECK_INT(each_line(data, "suites/cases/conda-version-parse.jsonl", json_line, &fn), 51);
	fn = spec_case;
	CHECK_INT(each_line(data, "suites/cases/conda-version-spec.jsonl", json_line, &fn), 47);
	(void)each_line(data, "suites/rattler/parsed_versions.txt", rattler_line, &count);
	test_case = "";
	CHECK_INT(count, 28530);
}

int main(void)
{
	test_order();
	test_starts();
	test_parse();
	test_spec();
	test_spec_text();
	test_spec_limits();
	if (test_data())
		test_suites(test_data());
	return test_end();
}
