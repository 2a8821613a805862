/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "base/limits.h"
#include "spec/matchspec.h"

#include "lines.h"
#include "test.h"

#include <strings.h>

static struct matchspec *parsed(const char *text, struct err *e)
{
	struct matchspec *s = NULL;

	if (matchspec_parse(&s, text, e) < 0)
		return NULL;
	return s;
}

static void check_canonical(const char *text, const char *want)
{
	struct err e = { 0 };
	AUTO(matchspec_freep) struct matchspec *s = parsed(text, &e), *again = NULL;
	AUTO_BUF b = BUF(2 * SPEC_BYTES_MAX);
	AUTO_BUF second = BUF(2 * SPEC_BYTES_MAX);

	test_case = text;
	if (!CHECK(s)) {
		fprintf(stderr, "  %s\n", e.text);
		return;
	}
	matchspec_print(s, &b);
	CHECK_TEXT(b.bytes, want);
	again = parsed(b.bytes, &e);
	if (!CHECK(again)) {
		fprintf(stderr, "  '%s': %s\n", b.bytes, e.text);
		return;
	}
	matchspec_print(again, &second);
	CHECK_TEXT(second.bytes, b.bytes);
}

static void check_refused(const char *text, const char *why)
{
	struct err e = { 0 };
	AUTO(matchspec_freep) struct matchspec *s = parsed(text, &e);

	test_case = text;
	CHECK(!s);
	CHECK_INT(e.code, -EINVAL);
	if (why && !CHECK(strcasestr(e.text, why)))
		fprintf(stderr, "  '%s' is not in '%s'\n", why, e.text);
}

/* "name-1.2-build" with or without an ending. */
static void check_match(const char *text, const char *dist, bool want)
{
	struct err e = { 0 };
	AUTO(matchspec_freep) struct matchspec *s = parsed(text, &e);
	struct match_target t = { 0 };
	char name[256], *version, *build, *end;

	test_case = text;
	(void)snprintf(name, sizeof(name), "%s", dist);
	end = strstr(name, ".tar.bz2");
	if (end)
		*end = '\0';
	build = strrchr(name, '-');
	*build++ = '\0';
	version = strrchr(name, '-');
	*version++ = '\0';
	t.name = name;
	t.version_text = version;
	t.build = build;
	if (CHECK(s))
		CHECK_INT(matchspec_matches(s, &t), want);
	else
		fprintf(stderr, "  %s\n", e.text);
}

static void test_canonical(void)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "numpy", "numpy" },
		{ "NumPy", "numpy" },
		{ "  numpy\t # the comment", "numpy" },
		{ "numpy=1.7", "numpy=1.7" },
		{ "numpy =1.7", "numpy=1.7" },
		{ "numpy 1.7", "numpy==1.7" },
		{ "numpy==1.7", "numpy==1.7" },
		{ "numpy 1.7.*", "numpy=1.7" },
		{ "numpy=1.7=py3*_2", "numpy==1.7[build=py3*_2]" },
		{ "numpy 1.7 py_0", "numpy==1.7=py_0" },
		{ "numpy =1.7 py_0", "numpy==1.7=py_0" },
		{ "numpy >=1.0 , < 2.0 =py_0", "numpy[version='>=1.0,<2.0',build=py_0]" },
		{ "numpy >=1.8,(<2|>=1.7.1)", "numpy[version='>=1.8,(<2|>=1.7.1)']" },
		{ "numpy [version='>=1.7,<2|3.1', build=py*]",
		  "numpy[version='>=1.7,<2|3.1',build=py*]" },
		{ "numpy[version='=1.7']", "numpy=1.7" },
		{ "numpy[version=<2]", "numpy[version='<2']" },
		{ "numpy[version<2,>=1]", "numpy[version='<2,>=1']" },
		{ "numpy if python >=3", "numpy" },
		{ "numpy[build_number='>=3']", "numpy[build_number='>=3']" },
		{ "numpy[build_number=007]", "numpy[build_number=7]" },
		{ "conda-forge::numpy", "conda-forge::numpy" },
		{ "conda-forge:space:numpy", "conda-forge::numpy" },
		{ "https://conda.anaconda.org/conda-forge::numpy", "conda-forge::numpy" },
		{ "https://u:p@host.example:8080/t/TOK/ch/linux-64::numpy",
		  "https://host.example:8080/ch/linux-64::numpy" },
		{ "pkgs/main::*", "defaults::*" },
		{ "*/win-32::numpy[subdir=\"osx-64\"]", "numpy[subdir=osx-64]" },
		{ "numpy[subdir=osx-64,channel=c/linux-64]", "c/osx-64::numpy" },
		{ "numpy[channel='*forge']", "numpy[channel=*forge]" },
		{ "tensorflow[name=* version=* md5=253b922ecdb5a30884875948b8904983]",
		  "tensorflow[md5=253b922ecdb5a30884875948b8904983]" },
		{ "mkl@", "*[track_features=mkl]" },
		{ "*[features='b a,b']", "*[features='a b']" },
		{ "a[license=GPL*]", "a[license=gpl*]" },
		{ "conda-forge::foo[build=3](target=blarg,optional)", "conda-forge::foo[build=3]" },
		{ "https://conda.anaconda.org/ch/linux-64/x264-1%21164.3095-h16_2.tar.bz2",
		  "ch/linux-64::x264==1!164.3095=h16_2" },
		{ "https://conda.anaconda.org/ch/a-1-0.conda",
		  "*[url=https://conda.anaconda.org/ch/a-1-0.conda]" },
		{ "/some/file/on/disk/package-1.2.3-2.tar.bz2",
		  "*[url=file:///some/file/on/disk/package-1.2.3-2.tar.bz2]" },
		{ "/d/./noarch/../linux-64/a-1-0.conda", "file:///d/linux-64::a==1=0" },
		{ "pkg[when=__Win, extras=[b,'a c',b,], flags=cpu]",
		  "pkg[when=__win,extras=['a c', 'b'],flags=['cpu']]" },
		{ "pkg[when='python[version=\">=2\"] or (a and b)']",
		  "pkg[when='python[version=\">=2\"] or (a and b)']" },
		/* what conda's skipped table of "provides_features" is today */
		{ "numpy[build=py3*_2, track_features=mkl]",
		  "numpy[build=py3*_2,track_features=mkl]" },
		{ "numpy[build=py3*_2, track_features='mkl debug']",
		  "numpy[build=py3*_2,track_features='debug mkl']" },
		{ "numpy[track_features='mkl,debug', build=py3*_2]",
		  "numpy[build=py3*_2,track_features='debug mkl']" },
		{ "numpy[track_features='mkl,debug' build=py3*_2]",
		  "numpy[build=py3*_2,track_features='debug mkl']" },
		{ "numpy[features=\"mkl debug\" build_number=2]",
		  "numpy[build_number=2,features='debug mkl']" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check_canonical(cases[i].text, cases[i].want);
}

static void test_refused(void)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
		{ "", "no package name" },
		{ "   # only a comment", "no package name" },
		{ "=1.0", "no package name" },
		{ "foo=", "missing" },
		{ "foo==", "missing" },
		{ "foo>=", "version" },
		{ "foo 1.0=", "build should be" },
		{ "foo 1.0 py-27", "can be no build" },
		{ "foo 1.0 a b", "can be no build" },
		{ "foo 1.0 a|b,", "can be no build" },
		{ "foo 1.0 a:b", "can be no build" },
		{ "a/b:foo", "'::'" },
		{ "foo.CONDA", "artifact's file" },
		{ "space: foo 1.0", "no package name" },
		{ "channel:: foo 1.0", "no package name" },
		{ "foo 1.0 >=2", "version" },
		{ "foo 1..0", "empty part" },
		{ "foo/bar", "invalid characters" },
		{ "../foo", "invalid characters" },
		{ "f\xc3\xb6\xc3\xb6", "invalid characters" },
		{ "foo\x01", "control bytes" },
		{ "foo\xff", "control bytes" },
		{ "^(a*$", "not closed" },
		{ "foo[]", "nothing between" },
		{ "foo[build", "invalid characters" },
		{ "foo [build", "brackets" },
		{ "foo[build='a]", "not closed" },
		{ "foo[build=[a]]", "only 'extras'" },
		{ "foo[a=b]", "cannot match on" },
		{ "foo[build=1,junk]", "key-value" },
		{ "foo[junk,build=1]", "key-value" },
		{ "foo[version>=2,build=3]", NULL },
		{ "foo[build_number=a]", "build_number" },
		{ "foo[build_number='~=1']", "build_number" },
		{ "foo[build_number=99999999999999999999]", "build_number" },
		{ "foo[md5=xyz]", "hex digits" },
		{ "foo[url=gopher://x/a-1-0.conda]", "http" },
		{ "foo[when='a[when=b]']", "when" },
		{ "foo[when='(a']", "parentheses" },
		{ "foo[when='a) or (b']", "parentheses" },
		{ "foo[when='a or ']", "no condition" },
		{ "foo[extras=[a]", "unbalanced" },
		{ "foo[extras=[[a, b]", "unbalanced" },
		{ "https://host.example/linux-64/a-1.conda", "NAME-VERSION-BUILD" },
		{ "https://u:secret@host.example/ch:foo", "'::'" },
		{ "a/..::foo", "'..'" },
		{ "a//b::foo", "empty part" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check_refused(cases[i].text, cases[i].why);
	AUTO_BUF b = BUF(2 * SPEC_BYTES_MAX);
	buf_adds(&b, "foo ");
	while (b.len <= SPEC_BYTES_MAX)
		buf_addc(&b, '1');
	check_refused(b.bytes, "bytes");
}

static void test_match(void)
{
	static const struct {
		const char *spec, *dist;
		bool want;
	} cases[] = {
		{ "numpy", "numpy-1.7.1-py27_0", true },
		{ "numpy", "scipy-1.7.1-py27_0", false },
		{ "num*", "numpy-1.7.1-py27_0", true },
		{ "^num(py|ba).*$", "numba-1.7.1-py27_0", true },
		{ "*", "numpy-1.7.1-py27_0", true },
		{ "numpy 1.7", "numpy-1.7.1-py27_0", false },
		{ "numpy=1.7", "numpy-1.7.1-py27_0", true },
		{ "numpy 1.7.1 py27*", "numpy-1.7.1-py27_0", true },
		{ "numpy 1.7.1 PY27_0", "numpy-1.7.1-py27_0", false },
		{ "numpy[build='^py[0-9]+_0$']", "numpy-1.7.1-py27_0", true },
		{ "numpy >=1.8|1.7*", "numpy-1.7.1-py27_0", true },
		{ "numpy[subdir=linux-64]", "numpy-1.7.1-py27_0", false },
		{ "numpy[build_number=0]", "numpy-1.7.1-py27_0", true },
		{ "numpy[build_number='>0']", "numpy-1.7.1-py27_0", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check_match(cases[i].spec, cases[i].dist, cases[i].want);
}

static void test_match_fields(void)
{
	static const struct digest sha256 = { { 0xab } };
	static const struct md5 md5 = { { 0xcd } };
	static const struct match_target t = {
		.name = "numpy",
		.version_text = "1.11.0",
		.build = "py34_7",
		.build_number = 7,
		.channel = "conda-forge",
		.channel_url = "https://conda.anaconda.org/conda-forge",
		.subdir = "linux-64",
		.fn = "numpy-1.11.0-py34_7.conda",
		.url = "https://conda.anaconda.org/conda-forge/linux-64/numpy-1.11.0-py34_7.conda",
		.license = "LGPLv3+",
		.license_family = "LGPL",
		.track_features = "mkl debug",
		.sha256 = &sha256,
		.md5 = &md5,
	};
	static const struct match_target main_channel = {
		.name = "a",
		.channel = "defaults",
		.channel_url = "https://repo.anaconda.com/pkgs/main"
	};
	static const struct match_target file_channel = { .name = "a",
							  .channel = "file:///srv/distr",
							  .channel_url = "file:///srv/distr" };
	static const struct {
		const char *spec;
		const struct match_target *t;
		bool want;
	} cases[] = {
		{ "conda-forge::numpy", &t, true },
		{ "conda-forge/linux-64::numpy", &t, true },
		{ "conda-forge/osx-64::numpy", &t, false },
		{ "bioconda::numpy", &t, false },
		{ "*::numpy", &t, true },
		{ "conda-*::numpy", &t, true },
		{ "https://conda.anaconda.org/conda-forge::numpy", &t, true },
		{ "https://u:p@conda.anaconda.org/t/TOK/conda-forge/::numpy", &t, true },
		{ "https://host.example/conda-forge::numpy", &t, false },
		{ "defaults::a", &main_channel, true },
		{ "pkgs/main::a", &main_channel, true },
		{ "main::a", &main_channel, false },
		{ "https://repo.anaconda.com/pkgs/main::a", &main_channel, true },
		{ "https://repo.anaconda.com/pkgs/r::a", &main_channel, false },
		{ "distr::a", &file_channel, true },
		{ "srv/distr::a", &file_channel, false },
		{ "/srv/distr::a", &file_channel, true },
		{ "/srv/../srv/distr/::a", &file_channel, true },
		{ "*[license='*gpl*']", &t, true },
		{ "*[license=lgplv3+]", &t, true },
		{ "*[license_family=LGPL]", &t, true },
		{ "*[license_family=GPL]", &t, false },
		{ "*[track_features='debug,mkl']", &t, true },
		{ "*[track_features=mkl]", &t, false },
		{ "*[features=mkl]", &t, false },
		{ "*[build_number='<8']", &t, true },
		{ "*[build_number='!=7']", &t, false },
		{ "*[build_number='*']", &t, true },
		{ "*[sha256=ab00000000000000000000000000000000000000000000000000000000000000]", &t,
		  true },
		{ "*[sha256=ab]", &t, false },
		{ "*[md5=CD000000000000000000000000000000]", &t, true },
		{ "*[md5=cd000000000000000000000000000001]", &t, false },
		{ "*[fn=numpy-1.11.0-py34_7.conda]", &t, true },
		{ "https://conda.anaconda.org/conda-forge/linux-64/numpy-1.11.0-py34_7.conda", &t,
		  true },
		{ "https://u:p@conda.anaconda.org/conda-forge/linux-64/numpy-1.11.0-py34_7.conda",
		  &t, true },
		{ "https://conda.anaconda.org/conda-forge/linux-64/numpy-1.11.0-py34_7.tar.bz2", &t,
		  false },
		{ "numpy ~=1.10", &t, true },
		{ "a >=1", &main_channel, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = { 0 };
		AUTO(matchspec_freep) struct matchspec *s = parsed(cases[i].spec, &e);

		test_case = cases[i].spec;
		if (CHECK(s))
			CHECK_INT(matchspec_matches(s, cases[i].t), cases[i].want);
		else
			fprintf(stderr, "  %s\n", e.text);
	}
}

static void test_questions(void)
{
	AUTO(matchspec_freep)
	struct matchspec *s = parsed("https://u:p@h.example/ch/linux-64::Foo >=1 b*", NULL);
	AUTO(matchspec_freep) struct matchspec *bare = parsed("foo", NULL);
	AUTO(matchspec_freep) struct matchspec *any = parsed("*", NULL);
	AUTO(matchspec_freep) struct matchspec *v3 = parsed("foo[extras=[b,a]]", NULL);

	test_case = "questions";
	if (!CHECK(s && bare && any && v3))
		return;
	CHECK_TEXT(matchspec_name(s), "foo");
	CHECK_TEXT(matchspec_channel(s), "https://u:p@h.example/ch");
	CHECK_TEXT(matchspec_subdir(s), "linux-64");
	CHECK_TEXT(matchspec_build(s), "b*");
	CHECK_TEXT(matchspec_url(s), NULL);
	CHECK_TEXT(version_spec_text(matchspec_version(s)), ">=1");
	CHECK(matchspec_name_is_exact(s) && !matchspec_is_bare(s) && !matchspec_needs_v3(s));
	CHECK(matchspec_is_bare(bare) && !matchspec_version(bare));
	CHECK(!matchspec_is_bare(any) && !matchspec_name_is_exact(any));
	CHECK(matchspec_needs_v3(v3) && !matchspec_is_bare(v3));
	CHECK_TEXT(matchspec_extras(v3), "a,b");
}

static void test_names(void)
{
	static const struct {
		const char *name;
		bool good;
	} cases[] = {
		{ "numpy", true },
		{ "my-package", true },
		{ "r-base", true },
		{ "_openmp_mutex", true },
		{ "__glibc", true },
		{ "_", true },
		{ "7zip", true },
		{ "a.b_c-d", true },
		{ "a-", true },
		{ "", false },
		{ "Numpy", false },
		{ "__", false },
		{ "___a", false },
		{ "a--b", false },
		{ "a._b", false },
		{ ".a", false },
		{ "-a", false },
		{ "a/b", false },
		{ "..", false },
		{ "a b", false },
		{ "a23456789012345678901234567890123456789012345678901234567890123x", true },
		{ "a23456789012345678901234567890123456789012345678901234567890123xy", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		test_case = cases[i].name;
		CHECK_INT(package_name_check(cases[i].name, strlen(cases[i].name), NULL) == 0,
			  cases[i].good);
	}
}

static void canonical_case(const struct json *j)
{
	/* conda skips this test of its own: the "provides_features" form is gone. */
	if (strcmp(json_get_text(j, "test"), "test_key_value_features_canonical_string_forms") != 0)
		check_canonical(json_get_text(j, "spec"), json_get_text(j, "canonical"));
}

static void invalid_case(const struct json *j)
{
	const char *text = json_get_text(j, "invalid_spec");
	AUTO(matchspec_freep) struct matchspec *s = NULL;

	/* A spec of repodata v3, valid as the tables themselves say elsewhere: conda
	 * expects (one day) that it cannot be matched without a solver. */
	if (strcmp(text, "pkg[when=__unix]") != 0) {
		check_refused(text, NULL);
		return;
	}
	s = parsed(text, NULL);
	CHECK(s && matchspec_needs_v3(s));
}

static void match_case(const struct json *j)
{
	check_match(json_get_text(j, "spec"), json_get_text(j, "dist"),
		    json_true(json_get(j, "match")));
}

static const char *item(const struct json *values, size_t n)
{
	struct json_iter it = json_iter(values);
	const struct json *j = json_next(&it);

	while (n-- > 0)
		j = json_next(&it);
	return json_text(j);
}

static void parses(const struct json *v)
{
	struct err e = { 0 };
	AUTO(matchspec_freep) struct matchspec *s = parsed(json_text(v), &e);

	if (!CHECK(s))
		fprintf(stderr, "  %s\n", e.text);
}

static void canonical(const struct json *v)
{
	check_canonical(item(v, 0), item(v, 1));
}

/* The sentence is conda's where it has one; two of its own tests of it fail there. */
static void refused(const struct json *v)
{
	if (json_type(v) == JSON_STRING)
		check_refused(json_text(v), NULL);
	else
		check_refused(item(v, 0), strstr(item(v, 0), "]{") ? NULL : item(v, 1));
}

static void refused_with_spec(const struct json *v)
{
	check_refused(json_text(v), json_text(v));
}

static void refused_when(const struct json *v)
{
	char spec[64];

	(void)snprintf(spec, sizeof(spec), "pkg[when=%s]", json_text(v));
	check_refused(spec, NULL);
}

static void round_when(const struct json *v)
{
	char spec[256];
	AUTO(matchspec_freep) struct matchspec *s = NULL;

	(void)snprintf(spec, sizeof(spec), "pkg[when='%s']", json_text(v));
	check_canonical(spec, spec);
	s = parsed(spec, NULL);
	CHECK_TEXT(s ? matchspec_when(s) : NULL, json_text(v));
}

static void name_is(const struct json *v)
{
	AUTO(matchspec_freep) struct matchspec *s = parsed(json_text(v), NULL);

	CHECK_TEXT(s ? matchspec_name(s) : NULL, json_text(v));
}

static void build_is(const struct json *v)
{
	AUTO(matchspec_freep) struct matchspec *s = parsed(item(v, 0), NULL);

	CHECK_TEXT(s ? matchspec_build(s) : NULL, item(v, 1));
	CHECK_TEXT(s ? version_spec_text(matchspec_version(s)) : NULL, "1.2.3");
}

static void version_is(const struct json *v)
{
	AUTO(matchspec_freep) struct matchspec *s = parsed(item(v, 0), NULL);
	AUTO(version_spec_freep) struct version_spec *want = NULL;

	if (CHECK(s && version_spec_parse(&want, item(v, 1), strlen(item(v, 1)), NULL) == 0))
		CHECK_TEXT(version_spec_text(matchspec_version(s)), version_spec_text(want));
}

static void name_version_are(const struct json *v)
{
	AUTO(matchspec_freep) struct matchspec *s = parsed(item(v, 0), NULL);

	if (!CHECK(s))
		return;
	CHECK_TEXT(matchspec_name(s), item(v, 1));
	CHECK_TEXT(matchspec_version(s) ? version_spec_text(matchspec_version(s)) : NULL,
		   item(v, 2));
}

static void hash_is(const struct json *v)
{
	char spec[64];

	(void)snprintf(spec, sizeof(spec), "python[%s=deadbeef]", json_text(v));
	check_canonical(spec, spec);
	(void)snprintf(spec, sizeof(spec), "*[%s=FFBADD11]", json_text(v));
	check_canonical(spec, spec);
}

/* build, version, "python VERSION BUILD" */
static void build_form(const struct json *v)
{
	AUTO(matchspec_freep) struct matchspec *s = parsed(item(v, 2), NULL);
	const char *version = item(v, 1) ? item(v, 1) : item(v, 0) ? "*" : NULL;

	if (!CHECK(s))
		return;
	CHECK_TEXT(matchspec_build(s), item(v, 0));
	CHECK_TEXT(matchspec_version(s) ? version_spec_text(matchspec_version(s)) : NULL, version);
}

/* The canonical form without its channel and with one '='. */
static void env_form(const struct json *v)
{
	AUTO(matchspec_freep) struct matchspec *s = parsed(item(v, 0), NULL);
	AUTO_BUF b = BUF(SPEC_BYTES_MAX);
	char *text, *equals;

	if (!CHECK(s))
		return;
	matchspec_print(s, &b);
	text = strstr(b.bytes, "::");
	text = text ? text + 2 : b.bytes;
	equals = strstr(text, "==");
	if (equals)
		memmove(equals, equals + 1, strlen(equals));
	CHECK_TEXT(text, item(v, 1));
}

static void v3_parts(const struct json *v)
{
	AUTO(matchspec_freep) struct matchspec *s = parsed(item(v, 0), NULL);
	struct json_iter it = json_iter(v);
	const struct json *want, *one;

	(void)json_next(&it);
	want = json_next(&it);
	if (!CHECK(s))
		return;
	CHECK_TEXT(matchspec_when(s), json_get_text(want, "when"));
	for (int flags = 0; flags < 2; flags++) {
		AUTO_BUF b = BUF(256);

		for (it = json_iter(json_get(want, flags ? "flags" : "extras"));
		     (one = json_next(&it));)
			buf_addf(&b, "%s%s", b.len ? "," : "", json_text(one));
		CHECK_TEXT(flags ? matchspec_flags(s) : matchspec_extras(s), b.bytes);
	}
}

static void params_case(const struct json *j)
{
	static const struct {
		const char *test;
		void (*fn)(const struct json *values);
	} tests[] = {
		{ "test_simple", canonical },
		{ "test_pip_style", canonical },
		{ "test_invalid_package_name_rejected", refused },
		{ "test_valid_package_names", name_is },
		{ "test_boolean_operator_in_space_separated_build", build_is },
		{ "test_version_with_parentheses", version_is },
		{ "test_hash_merge_with_name", hash_is },
		{ "test_hash_merge_wo_name", hash_is },
		{ "test_invalid_version_reports_spec", refused_with_spec },
		{ "test_conda_build_form", build_form },
		{ "test_conda_env_form", env_form },
		{ "test_match_spec_repodata_v3", v3_parts },
		{ "test_parse_spec_str_with_precompiled_regex", name_version_are },
		{ "test_bad_brackets", refused },
		{ "test_when_empty_value_raises", refused_when },
		{ "test_when_roundtrip_boolean", round_when },
		{ "test_extras_flags_empty_value_raises", refused },
		{ "test_parse_ecosystem_corpus", parses },
	};

	for (size_t i = 0; i < ARRAY_LEN(tests); i++) {
		if (strcmp(tests[i].test, json_get_text(j, "test")) == 0) {
			tests[i].fn(json_get(j, "values"));
			return;
		}
	}
	CHECK(!"a test that is not known");
}

static void canonical_or_params_case(const struct json *j)
{
	if (json_get(j, "canonical"))
		canonical_case(j);
	else
		params_case(j);
}

static void json_line(const char *line, void *ctx)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	void (**fn)(const struct json *) = ctx;

	test_case = line;
	if (CHECK(json_parse(&doc, line, strlen(line), NULL) == 0))
		(*fn)(json_root(doc));
}

static void test_suites(const char *data)
{
	static const struct {
		const char *name;
		void (*fn)(const struct json *);
		int lines;
	} files[] = {
		{ "suites/cases/conda-matchspec-match.jsonl", match_case, 40 },
		{ "suites/cases/conda-matchspec-invalid.jsonl", invalid_case, 11 },
		{ "suites/cases/conda-matchspec-canonical-and-params.jsonl",
		  canonical_or_params_case, 190 },
	};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		void (*fn)(const struct json *) = files[i].fn;
		size_t n = each_line(data, files[i].name, json_line, &fn);

		test_case = files[i].name;
		CHECK_INT(n, files[i].lines);
	}
}

int main(void)
{
	test_canonical();
	test_refused();
	test_match();
	test_match_fields();
	test_questions();
	test_names();
	if (test_data())
		test_suites(test_data());
	return test_end();
}
