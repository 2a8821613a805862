/* SPDX-License-Identifier: Apache-2.0 */
#include "base/limits.h"
#include "base/path.h"
#include "base/sys.h"
#include "base/url.h"
#include "spec/envfile.h"

#include "test.h"

#include <fcntl.h>
#include <ftw.h>
#include <unistd.h>

static struct envfile *parsed(const char *text, const char *name, struct err *e)
{
	struct envfile *f = NULL;

	if (envfile_parse(&f, text, strlen(text), name, e) < 0)
		return NULL;
	return f;
}

static void check_refused(const char *what, const char *name, const char *text, int code,
			  const char *why)
{
	struct err e = { 0 };
	AUTO(envfile_freep) struct envfile *f = parsed(text, name, &e);

	test_case = what;
	CHECK(!f);
	CHECK_INT(e.code, code);
	CHECK(strncmp(e.text, name, strlen(name)) == 0);
	if (!CHECK(strstr(e.text, why)))
		fprintf(stderr, "  '%s' is not in '%s'\n", why, e.text);
}

static void test_yaml(void)
{
	static const char text[] = "\xef\xbb\xbf# a comment\r\n"
				   "name: ml # another\n"
				   "prefix: /somewhere/else\n"
				   "category: dev\n"
				   "channels:\n"
				   "  - conda-forge/label/dev\n"
				   "  - https://host.example/t/${SPEC_TEST_TOKEN}/ch\n"
				   "  - nodefaults\n"
				   "  - ${SPEC_TEST_UNSET}x\n"
				   "dependencies:\n"
				   "  - python=3.11\n"
				   "  - conda-forge::numpy >=1.20, <2\n"
				   "  - 'scipy   # not a YAML comment'\n"
				   "  - pip:\n"
				   "  - npm: []\n"
				   "variables:\n"
				   "  ONE: 1\n"
				   "  TRUE: true\n"
				   "  TEXT: \"a b\\n\"\n"
				   "  NONE:\n";
	struct err e = { 0 };

	CHECK(setenv("SPEC_TEST_TOKEN", "TOK", 1) == 0);
	AUTO(envfile_freep) struct envfile *f = parsed(text, "environment.yml", &e);
	test_case = "environment.yml";
	if (!CHECK(f)) {
		fprintf(stderr, "  %s\n", e.text);
		return;
	}
	CHECK(!f->explicit_list && f->nodefaults && f->has_channels);
	CHECK_TEXT(f->name, "ml");
	CHECK_TEXT(f->prefix_ignored, "/somewhere/else");
	if (CHECK_INT(f->channel_count, 3)) {
		CHECK_TEXT(f->channels[0], "conda-forge/label/dev");
		CHECK_TEXT(f->channels[1], "https://host.example/t/TOK/ch");
		CHECK_TEXT(f->channels[2], "${SPEC_TEST_UNSET}x");
	}
	if (CHECK_INT(f->spec_count, 3)) {
		CHECK_TEXT(f->specs[0], "python=3.11");
		CHECK_TEXT(f->specs[1], "conda-forge::numpy >=1.20, <2");
	}
	if (CHECK_INT(f->variable_count, 4)) {
		CHECK_TEXT(f->variables[0].value, "1");
		CHECK_TEXT(f->variables[1].name, "TRUE");
		CHECK_TEXT(f->variables[1].value, "true");
		CHECK_TEXT(f->variables[2].value, "a b\n");
		CHECK_TEXT(f->variables[3].value, "");
	}
	if (CHECK_INT(f->warning_count, 2)) {
		CHECK_TEXT(f->warnings[0], "line 4: 'category:' is not known and ignored");
		CHECK(strstr(f->warnings[1], "is not set"));
	}
	CHECK_INT(f->row_count, 0);
}

static void test_yaml_forms(void)
{
	static const struct {
		const char *name, *text;
		size_t specs, channels, warnings;
	} cases[] = {
		{ "flow", "{name: x, dependencies: [a, 'b=1'], channels: [c]}", 2, 1, 0 },
		{ "a document's marks", "---\ndependencies: [a]\n...\n", 1, 0, 0 },
		{ "no dependencies to speak of", "dependencies:\n", 0, 0, 0 },
		{ "no channels to speak of", "channels:\ndependencies: [a]\n", 1, 0, 0 },
		{ "a name that can be none", "name: a b\ndependencies: [a]\n", 1, 0, 1 },
		{ "conda's own name", "name: base\ndependencies: [a]\n", 1, 0, 1 },
		{ "a name that leaves", "name: ..\ndependencies: [a]\n", 1, 0, 1 },
		{ "many blanks", "dependencies:\n  - a   >=    1.5.0,  < 2.0.0\n", 1, 0, 0 },
		{ "brackets", "dependencies:\n  - a[build='b*']\n  - \"b[md5=abc]\"\n", 2, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = { 0 };
		AUTO(envfile_freep) struct envfile *f = parsed(cases[i].text, "x.yml", &e);

		test_case = cases[i].name;
		if (!CHECK(f)) {
			fprintf(stderr, "  %s\n", e.text);
			continue;
		}
		CHECK_INT(f->spec_count, cases[i].specs);
		CHECK_INT(f->channel_count, cases[i].channels);
		CHECK_INT(f->warning_count, cases[i].warnings);
		CHECK(!f->name || f->warning_count == 0);
	}
}

static void test_yaml_refused(void)
{
	static const struct {
		const char *name, *text;
		int code;
		const char *why;
	} cases[] = {
		{ "pip", "dependencies:\n  - a\n  - pip:\n    - b\n", -EOPNOTSUPP,
		  "line 4: 'pip:' lists are not supported yet" },
		{ "npm", "dependencies: [{npm: [b]}]\n", -EOPNOTSUPP, "line 1: 'npm:' lists" },
		{ "pip beside another", "dependencies: [{pip: [], cargo: [b]}]\n", -EINVAL,
		  "'cargo:' is no known kind" },
		{ "a colon for an equals", "dependencies:\n  - numpy: 1.2\n", -EINVAL,
		  "numpy=1.2" },
		{ "selector", "dependencies:\n  - sel(linux): a\n", -EOPNOTSUPP, "selector" },
		{ "no dependencies", "name: x\n", -EINVAL, "no 'dependencies:'" },
		{ "empty", "", -EINVAL, "empty" },
		{ "only a comment", "# nothing\n\n", -EINVAL, "empty" },
		{ "a list", "- a\n- b\n", -EINVAL, "at its top" },
		{ "a text", "a\n", -EINVAL, "at its top" },
		{ "anchor", "dependencies: &x [a]\n", -EINVAL, "line 1: anchors" },
		{ "anchor on a key", "&x dependencies: [a]\n", -EINVAL, "line 1: anchors" },
		{ "alias", "channels: &x [a]\ndependencies: *x\n", -EINVAL, "anchors" },
		{ "alias without an anchor", "dependencies: *x\n", -EINVAL, "aliases" },
		{ "tag", "dependencies: [!!str a]\n", -EINVAL, "tags" },
		{ "tag on a list", "dependencies: !!python/object:os.system [a]\n", -EINVAL,
		  "tags" },
		{ "twice", "name: a\nname: b\ndependencies: [a]\n", -EINVAL,
		  "line 2: the key 'name' stands twice" },
		{ "two documents", "dependencies: [a]\n---\ndependencies: [a]\n", -EINVAL,
		  "second document" },
		{ "braces", "name: {{ x }}\ndependencies: [a]\n", -EINVAL, "no text" },
		{ "not YAML", "dependencies: [a\n", -EINVAL, "not valid YAML" },
		{ "a tab", "dependencies:\n\t- a\n", -EINVAL, "not valid YAML" },
		{ "control bytes", "dependencies: [a\x01]\n", -EINVAL, "line 1: control bytes" },
		{ "not UTF-8", "dependencies: [a\xff]\n", -EINVAL, "UTF-8" },
		{ "a spec", "dependencies:\n  - a\n  - a b c d\n", -EINVAL, "line 3: MatchSpec" },
		{ "a number", "dependencies: [3.5]\n", -EINVAL, "a spec like" },
		{ "nothing", "dependencies:\n  -\n  - a\n", -EINVAL, "line 2: a dependency" },
		{ "a list in it", "dependencies: [[a]]\n", -EINVAL, "a list in the list" },
		{ "dependencies as text", "dependencies: a\n", -EINVAL,
		  "'dependencies' is a list" },
		{ "channels as text", "channels: a\ndependencies: [a]\n", -EINVAL,
		  "'channels' is a list" },
		{ "a channel that leaves", "channels: [a/../b]\ndependencies: [a]\n", -EINVAL,
		  "'..'" },
		{ "a channel as a map", "channels: [{a: b}]\ndependencies: [a]\n", -EINVAL,
		  "a channel is" },
		{ "a name as a list", "name: [a]\ndependencies: [a]\n", -EINVAL,
		  "'name' is a text" },
		{ "variables as a list", "variables: [a]\ndependencies: [a]\n", -EINVAL,
		  "'variables' is a map" },
		{ "a variable as a list", "variables: {A: [a]}\ndependencies: [a]\n", -EINVAL,
		  "'A' is a text" },
		{ "a variable's name", "variables: {A B: a}\ndependencies: [a]\n", -EINVAL,
		  "can be no variable" },
		{ "PATH", "variables: {PATH: a}\ndependencies: [a]\n", -EINVAL,
		  "can be no variable" },
		{ "conda-lock", "version: 1\nmetadata: {}\npackage: []\n", -EOPNOTSUPP,
		  "lock file" },
		{ "pixi", "version: 6\nenvironments: {}\npackages: []\n", -EOPNOTSUPP,
		  "lock file" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		check_refused(cases[i].name, "my.yml", cases[i].text, cases[i].code, cases[i].why);
}

static void test_limits(void)
{
	AUTO_BUF b = BUF(4 * YAML_BYTES_MAX);

	buf_adds(&b, "dependencies: [a]\nname: ");
	for (int i = 0; i < YAML_DEPTH_MAX; i++)
		buf_addc(&b, '[');
	check_refused("depth", "deep.yml", b.bytes, -EINVAL, "nested too deep");
	buf_clear(&b);
	buf_adds(&b, "dependencies: [a]\nname: '");
	while (b.len <= YAML_BYTES_MAX)
		buf_addc(&b, 'x');
	check_refused("size", "large.yml", b.bytes, -EFBIG, "bytes of YAML");
	buf_clear(&b);
	for (int i = 0; i <= SPECS_MAX; i++)
		buf_adds(&b, "a\n");
	check_refused("specs", "many.txt", b.bytes, -EFBIG, "line 10001: more than 10000 specs");
	/* Keys are told apart without looking at each pair of them. */
	buf_clear(&b);
	buf_adds(&b, "dependencies: [a]\nx:\n");
	for (int i = 0; b.len < YAML_BYTES_MAX - 20; i++)
		buf_addf(&b, " %d:\n", i);
	AUTO(envfile_freep) struct envfile *f = parsed(b.bytes, "keys.yml", NULL);
	test_case = "keys";
	CHECK(f && f->warning_count == 1);
	buf_clear(&b);
	buf_adds(&b, "dependencies: [a]\n");
	for (int i = 0; i < 2 * ENVFILE_WARNINGS_MAX; i++)
		buf_addf(&b, "k%d: 1\n", i);
	AUTO(envfile_freep) struct envfile *g = parsed(b.bytes, "warn.yml", NULL);
	test_case = "warnings";
	CHECK(g && g->warning_count == ENVFILE_WARNINGS_MAX);
}

static void test_list(void)
{
	struct err e = { 0 };
	AUTO(envfile_freep)
	struct envfile *f = parsed("# specs\n\n  numpy >=1.2 # why\r\nconda-forge::scipy\n"
				   "https://host.example/ch/linux-64/a-1-0.conda\n",
				   "specs.txt", &e);

	test_case = "a list of specs";
	if (CHECK(f)) {
		CHECK(!f->explicit_list && !f->has_channels);
		CHECK_INT(f->spec_count, 3);
	}
	check_refused("no specs", "x.txt", "# nothing\n", -EINVAL, "empty");
	check_refused("pip's options", "x.txt", "a\n-r b.txt\n", -EINVAL, "line 2: '-r b.txt'");
	check_refused("a URL", "x.txt", "http://u:secret@host.example/x\n", -EINVAL,
		      "'http://***@host.example/x'");
	check_refused("a bad spec", "x.txt", "a\n\na==\n", -EINVAL, "line 3");
	AUTO(envfile_freep) struct envfile *yaml = parsed("dependencies:\n - a\n", "x.txt", &e);
	test_case = "the content decides";
	CHECK(yaml && yaml->spec_count == 1);
}

#define HEX32 "0123456789abcdef0123456789ABCDEF"
#define HOST  "https://host.example/ch/linux-64/"

static void test_explicit(void)
{
	static const struct {
		const char *name, *line, *url;
		int sha256, md5;
	} cases[] = {
		{ "no hash", HOST "a-1-0.conda", HOST "a-1-0.conda", 0, 0 },
		{ "md5", HOST "a-1-0.tar.bz2#" HEX32, HOST "a-1-0.tar.bz2", 0, 1 },
		{ "sha256", HOST "a-1-0.conda#" HEX32 HEX32, HOST "a-1-0.conda", 1, 0 },
		{ "sha256:", HOST "a-1-0.conda#sha256:" HEX32 HEX32, HOST "a-1-0.conda", 1, 0 },
		{ "sha256=", HOST "a-1-0.conda#sha256=" HEX32 HEX32, HOST "a-1-0.conda", 1, 0 },
		{ "sha256 alone", HOST "a-1-0.conda#sha256" HEX32 HEX32, HOST "a-1-0.conda", 1, 0 },
		{ "md5=", HOST "a-1-0.conda#md5=" HEX32, HOST "a-1-0.conda", 0, 1 },
		{ "a comment", HOST "a-1-0.conda#" HEX32 "  # why", HOST "a-1-0.conda", 0, 1 },
		{ "dashes", HOST "a-b-c-1.0_1-py27_0.conda", HOST "a-b-c-1.0_1-py27_0.conda", 0,
		  0 },
		{ "an epoch", HOST "x264-1%21164.3095-h16_2.tar.bz2",
		  HOST "x264-1%21164.3095-h16_2.tar.bz2", 0, 0 },
		{ "a path", "/srv/ch/noarch/../linux-64/a-1-0.conda",
		  "file:///srv/ch/linux-64/a-1-0.conda", 0, 0 },
		{ "a path with a sign", "/srv/c#h/a-1-0.conda", "file:///srv/c%23h/a-1-0.conda", 0,
		  0 },
		{ "home", "~/a-1-0.conda#" HEX32, "file:///home/x/a-1-0.conda", 0, 1 },
		{ "a variable", "$SPEC_TEST_DIR/a-1-0.conda", "file:///srv/dir/a-1-0.conda", 0, 0 },
		{ "a file URL", "file:///srv/a b/a-1-0.conda", "file:///srv/a%20b/a-1-0.conda", 0,
		  0 },
	};

	CHECK(setenv("HOME", "/home/x", 1) == 0 && setenv("SPEC_TEST_DIR", "/srv/dir", 1) == 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_BUF b = BUF(4096);
		struct err e = { 0 };

		buf_addf(&b, "# platform: linux-64\n@EXPLICIT\n\n%s\r\n", cases[i].line);
		AUTO(envfile_freep) struct envfile *f = parsed(b.bytes, "x.txt", &e);
		test_case = cases[i].name;
		if (!CHECK(f && f->row_count == 1)) {
			fprintf(stderr, "  %s\n", e.text);
			continue;
		}
		CHECK(f->explicit_list);
		CHECK_TEXT(f->platform, "linux-64");
		CHECK_TEXT(f->rows[0].url, cases[i].url);
		CHECK_INT(f->rows[0].line, 4);
		CHECK_INT(!digest_is_zero(&f->rows[0].sha256), cases[i].sha256);
		CHECK_INT(!md5_is_zero(&f->rows[0].md5), cases[i].md5);
	}
}

static void test_explicit_relative(void)
{
	AUTO(envfile_freep)
	struct envfile *f = parsed("@EXPLICIT\n./sub/../a-1-0.conda\n", "x", NULL);
	char here[4096];
	AUTO_BUF want = BUF(8192);

	test_case = "relative to the current folder";
	if (!CHECK(f && f->row_count == 1 && getcwd(here, sizeof(here))))
		return;
	buf_addf(&want, "%s/a-1-0.conda", here);
	AUTO_BUF url = BUF(8192);
	CHECK(url_from_path(want.bytes, &url, NULL) == 0);
	CHECK_TEXT(f->rows[0].url, url.bytes);
}

static void test_explicit_refused(void)
{
	static const struct {
		const char *name, *lines, *why;
	} cases[] = {
		{ "one name twice", HOST "a-1-0.conda\n#\n" HOST "a-2-0.conda\n",
		  "line 4: 'a' again: line 2" },
		{ "once in each subdir",
		  HOST "a-1-0.conda\nhttps://h.example/noarch/a-1-0.tar.bz2\n",
		  "line 3: 'a' again" },
		{ "a spec", "numpy=1.2\n", "no .conda or .tar.bz2" },
		{ "a wheel", HOST "a-1-py3-none-any.whl\n", "no .conda or .tar.bz2" },
		{ "no build", HOST "a-1.conda\n", "NAME-VERSION-BUILD" },
		{ "no name", HOST "-1-0.conda\n", "NAME-VERSION-BUILD" },
		{ "a name in capitals", HOST "A-1-0.conda\n", "invalid characters" },
		{ "a name that leaves", HOST "..-1-0.conda\n", "invalid package name" },
		{ "a name with a slash", HOST "a%2fb-1-0.conda\n", "package" },
		{ "a name in disguise", HOST "%61-1-0.conda\n", "'%'" },
		{ "a version", HOST "a-1..0-0.conda\n", "an empty part" },
		{ "a build", HOST "a-1-0!.conda\n", "its build" },
		{ "a short hash", HOST "a-1-0.conda#abc\n", "behind the '#'" },
		{ "no hex", HOST "a-1-0.conda#" HEX32 "x\n", "behind the '#'" },
		{ "md5 as sha256", HOST "a-1-0.conda#sha256:" HEX32 "\n", "behind the '#'" },
		{ "sha256 as md5", HOST "a-1-0.conda#md5:" HEX32 HEX32 "\n", "behind the '#'" },
		{ "a hash with a slash", HOST "a-1-0.conda#/t/b-1-0.conda\n", "behind the '#'" },
		{ "a file as token", "https://host.example/t/a-1-0.conda\n", "a token" },
		{ "a scheme", "gopher://host.example/a-1-0.conda\n", "not http, https or file" },
		{ "blanks", HOST "a -1-0.conda\n", "blank" },
		{ "credentials stay hidden", "https://u:p@host.example/a b-1-0.conda\n", "***@" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_BUF b = BUF(4096);

		buf_addf(&b, "@EXPLICIT\n%s", cases[i].lines);
		check_refused(cases[i].name, "lock.txt", b.bytes, -EINVAL, cases[i].why);
	}
}

static void test_explicit_print(void)
{
	static const char text[] = "@EXPLICIT\n"
				   "https://u:p@host.example/t/TOK/ch/a-1-0.conda#" HEX32 HEX32 "\n"
				   "https://host.example/b-1-0.conda#" HEX32 "\n"
				   "https://host.example/c-1-0.conda\n"
				   "# pip d @ https://host.example/d.whl\n"
				   "# platform: atari-st\n";
	AUTO(envfile_freep) struct envfile *f = parsed(text, "x.lock", NULL);
	AUTO_BUF b = BUF(4096);

	test_case = "printing";
	if (!CHECK(f && f->row_count == 3))
		return;
	for (size_t i = 0; i < 3; i++) {
		explicit_print(&f->rows[i], &b);
		buf_addc(&b, '\n');
	}
	CHECK_TEXT(b.bytes, "https://host.example/ch/a-1-0.conda#"
			    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
			    "https://host.example/b-1-0.conda#0123456789abcdef0123456789abcdef\n"
			    "https://host.example/c-1-0.conda\n");
	CHECK_INT(f->warning_count, 2);
	CHECK_TEXT(f->platform, NULL);
}

/* Every file of specs/ and locks/: how many of each kind are accepted is known,
 * and what is refused is so for one of a few reasons. */
static struct {
	size_t yaml, list, explicit_list, pip, lock, selector, other, rows;
} seen;

static int one_file(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
	AUTO(envfile_freep) struct envfile *f = NULL;
	AUTO_BUF b = BUF(64 * MIB);
	struct err e = { 0 };

	(void)st;
	(void)walk;
	if (kind != FTW_F || sys_slurp(AT_FDCWD, path, &b) < 0)
		return 0;
	test_case = path;
	if (envfile_parse(&f, b.bytes, b.len, "file", &e) == 0) {
		*(f->explicit_list     ? &seen.explicit_list
		  : strstr(path, ".y") ? &seen.yaml
				       : &seen.list) += 1;
		seen.rows += f->row_count;
		return 0;
	}
	*(strstr(e.text, "'pip:'")	 ? &seen.pip
	  : strstr(e.text, "lock file")	 ? &seen.lock
	  : strstr(e.text, "a selector") ? &seen.selector
					 : &seen.other) += 1;
	return 0;
}

static void test_real(const char *data)
{
	static const char *const folders[] = { "specs", "locks" };
	char path[4096];

	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", data, folders[i]);
		CHECK(nftw(path, one_file, 16, FTW_PHYS) == 0);
	}
	test_case = "real files";
	CHECK_INT(seen.yaml, 266);
	CHECK_INT(seen.list, 6);
	CHECK_INT(seen.explicit_list, 23);
	CHECK_INT(seen.rows, 5754);
	CHECK_INT(seen.pip, 33);
	CHECK_INT(seen.lock, 97);
	CHECK_INT(seen.selector, 4);
	CHECK_INT(seen.other, 13);
}

int main(void)
{
	test_yaml();
	test_yaml_forms();
	test_yaml_refused();
	test_limits();
	test_list();
	test_explicit();
	test_explicit_relative();
	test_explicit_refused();
	test_explicit_print();
	if (test_data())
		test_real(test_data());
	return test_end();
}
