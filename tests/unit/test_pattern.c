/* SPDX-License-Identifier: Apache-2.0 */
#include "spec/pattern.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/sys.h"

#include "test.h"

#include <regex.h>

static void check(const char *pattern, const char *text, int want)
{
	AUTO(pattern_freep) struct pattern *p = NULL;
	struct err e = { 0 };
	int r = pattern_parse(&p, pattern, strlen(pattern), &e);

	test_case = pattern;
	if (r < 0) {
		CHECK(want < 0 && e.text[0]);
		if (want >= 0)
			fprintf(stderr, "  %s\n", e.text);
		return;
	}
	CHECK_TEXT(pattern_text(p), pattern);
	if (!CHECK_INT(pattern_matches(p, text), want))
		fprintf(stderr, "  against '%s'\n", text);
}

static void test_cases(void)
{
	static const struct {
		const char *pattern, *text;
		int want;
	} cases[] = {
		{ "py27_0", "py27_0", 1 },
		{ "py27_0", "py27_01", 0 },
		{ "py27_01", "py27_0", 0 },
		{ "", "", 1 },
		{ "*", "", 1 },
		{ "py*", "py", 1 },
		{ "*_0", "py27_0", 1 },
		{ "*_0", "py27_01", 0 },
		{ "a*b*c", "aXbbYc", 1 },
		{ "a*b*c", "aXcYb", 0 },
		{ "*.7.*", "1.7.1", 1 },
		{ "a.c*", "abc", 0 },
		{ "^abc$", "abc", 1 },
		{ "^abc$", "abcd", 0 },
		{ "^abc$", "ab", 0 },
		{ "^$", "", 1 },
		{ "^$", "a", 0 },
		{ "^a.c$", "abc", 1 },
		{ "^a\\.c$", "abc", 0 },
		{ "^a*$", "aaaa", 1 },
		{ "^a*$", "", 1 },
		{ "^a+$", "", 0 },
		{ "^a+b$", "aaab", 1 },
		{ "^ab?c$", "ac", 1 },
		{ "^ab?c$", "abbc", 0 },
		{ "^(ab|cd)+$", "abcdab", 1 },
		{ "^(ab|cd)+$", "abcda", 0 },
		{ "^(?:ab|cd|)e$", "e", 1 },
		{ "^((a|b)*c)?$", "abbac", 1 },
		{ "^a{3}$", "aaa", 1 },
		{ "^a{3}$", "aa", 0 },
		{ "^a{2,}$", "aaaaa", 1 },
		{ "^a{2,}$", "a", 0 },
		{ "^a{,2}$", "aaa", 0 },
		{ "^a{,2}$", "", 1 },
		{ "^a{0}b$", "b", 1 },
		{ "^(ab){1,3}$", "ababab", 1 },
		{ "^(ab){1,3}$", "abababab", 0 },
		{ "^(ab){0,2}$", "abab", 1 },
		{ "^[a-c_]+$", "ab_c", 1 },
		{ "^[^a-c]+$", "xyz", 1 },
		{ "^[^a-c]+$", "xaz", 0 },
		{ "^[]a]+$", "]a", 1 },
		{ "^[a-]+$", "a-", 1 },
		{ "^[\\d.]+$", "1.2", 1 },
		{ "^\\d+\\w\\s$", "12_ ", 1 },
		{ "^\\D$", "1", 0 },
		{ "^a|b$", "axx", 1 }, /* Python's match() need not reach the end */
		{ "^a|b$", "b", 1 },
		{ "^a|b$", "bx", 0 },
		{ "^(a*)*$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", 0 },
		{ "^(a|a)*$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", 0 },
		{ "^(a?){20}a{20}$", "aaaaaaaaaaaaaaaaaaaa", 1 },
		{ "^a??b*?c+?$", "bbcc", 1 },
		{ "^()*$", "", 1 },
		{ "^(()|a)+$", "aa", 1 },
		{ "^(a$", "", -1 },
		{ "^a)$", "", -1 },
		{ "^*$", "", -1 },
		{ "^a**$", "", -1 },
		{ "^(?=a)$", "", -1 },
		{ "^(?i)a$", "", -1 },
		{ "^(a)\\1$", "", -1 },
		{ "^[a$", "", -1 },
		{ "^[z-a]$", "", -1 },
		{ "^a{2,1}$", "", -1 },
		{ "^a{x}$", "", -1 },
		{ "^a{1$", "", -1 },
		{ "^(((a{99}){99}){99}){99}$", "", -1 },
		{ "^((((((((((((((((((a))))))))))))))))))$", "", -1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check(cases[i].pattern, cases[i].text, cases[i].want);
}

/* A pattern that ends in an escaped dollar is none, and its '$' a plain one. */
static void test_escaped_end(void)
{
	check("^a\\$", "a$", 1);
	check("^a\\$", "ab", 0);
}

static void test_limits(void)
{
	AUTO_BUF b = BUF(4 * SPEC_BYTES_MAX);
	uint64_t begin = sys_now_ns();

	buf_addc(&b, '^');
	while (b.len < REGEX_BYTES_MAX)
		buf_addc(&b, 'a');
	buf_addc(&b, '$');
	check(b.bytes, "", -1);
	/* The worst glob and the worst regex take no second. */
	buf_clear(&b);
	for (int i = 0; i < 500; i++)
		buf_adds(&b, "*a");
	buf_adds(&b, "*b");
	AUTO_BUF text = BUF(SPEC_BYTES_MAX);
	for (int i = 0; i < 4000; i++)
		buf_addc(&text, 'a');
	check(b.bytes, text.bytes, 0);
	check("^(a?){100}(a*)*(a|aa)+(a+)+b$", text.bytes, 0);
	test_case = "time";
	CHECK(sys_now_ns() - begin < 5000000000ULL);
}

static void test_lower(void)
{
	AUTO(pattern_freep) struct pattern *exact = NULL, *glob = NULL, *regex = NULL;

	test_case = "lower";
	CHECK(pattern_parse(&exact, "gpl", 3, NULL) == 0 && pattern_matches_lower(exact, "GPL"));
	CHECK(pattern_parse(&glob, "*gpl*", 5, NULL) == 0 && pattern_matches_lower(glob, "LGPLv3"));
	CHECK(pattern_parse(&regex, "^.gpl$", 6, NULL) == 0 &&
	      pattern_matches_lower(regex, "LGPL"));
	CHECK(!pattern_matches(exact, "GPL") && !pattern_matches(glob, "LGPLv3"));
	CHECK(pattern_is_literal(exact) && !pattern_is_literal(glob) && !pattern_is_literal(regex));
}

/* Every pattern that this grammar makes, against the C library's matcher. */
static void test_against_posix(void)
{
	static const char *const pieces[] = { "a", "b", "(ab|b)", "[ab]", ".", "(a|)", "(a|b{2})" };
	static const char *const repeats[] = { "", "*", "+", "?", "{2}", "{1,2}", "{0,2}" };
	unsigned int seed = 1;
	int differ = 0;

	for (int round = 0; round < 3000; round++) {
		AUTO(pattern_freep) struct pattern *p = NULL;
		char pattern[128] = "^", text[9] = "";
		size_t len = 1;
		regex_t posix;

		for (int i = 0; i < 4; i++) {
			seed = seed * 1103515245u + 12345u;
			len += (size_t)snprintf(pattern + len, sizeof(pattern) - len, "%s%s",
						pieces[(seed >> 16) % ARRAY_LEN(pieces)],
						repeats[(seed >> 24) % ARRAY_LEN(repeats)]);
		}
		pattern[len++] = '$';
		if (!CHECK(regcomp(&posix, pattern, REG_EXTENDED | REG_NOSUB) == 0) ||
		    !CHECK(pattern_parse(&p, pattern, len, NULL) == 0))
			return;
		for (int i = 0; i < 20; i++) {
			seed = seed * 1103515245u + 12345u;
			for (int k = 0; k < 8; k++)
				text[k] = "abab"[(seed >> (16 + k)) & 3];
			text[(seed >> 28) % 9] = '\0';
			differ += pattern_matches(p, text) !=
				  (regexec(&posix, text, 0, NULL, 0) == 0);
		}
		regfree(&posix);
	}
	test_case = "against regexec";
	CHECK_INT(differ, 0);
}

int main(void)
{
	test_cases();
	test_escaped_end();
	test_limits();
	test_lower();
	test_against_posix();
	return test_end();
}
