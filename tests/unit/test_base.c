/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"
#include "base/path.h"
#include "base/store.h"
#include "base/sys.h"
#include "base/url.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

static void test_path(void)
{
	static const struct {
		const char *name, *path;
		size_t len; /* 0: strlen */
		int want;
	} cases[] = {
		{ "plain", "lib/python3.11/os.py", 0, 0 },
		{ "one part", "a", 0, 0 },
		{ "dots in names", "a/..b/c../...", 0, 0 },
		{ "unicode", "share/\xc3\xa9\xe2\x82\xac", 0, 0 },
		{ "empty", "", 0, -EINVAL },
		{ "absolute", "/etc/passwd", 0, -EINVAL },
		{ "parent", "a/../../etc", 0, -EINVAL },
		{ "parent at the end", "a/..", 0, -EINVAL },
		{ "only parent", "..", 0, -EINVAL },
		{ "dot", "./a", 0, -EINVAL },
		{ "empty part", "a//b", 0, -EINVAL },
		{ "slash at the end", "a/", 0, -EINVAL },
		{ "NUL", "a\0b", 3, -EINVAL },
		{ "newline", "a\nb", 0, -EINVAL },
		{ "DEL", "a\x7f", 0, -EINVAL },
		{ "latin-1", "a\xe9", 0, -EINVAL },
		{ "overlong UTF-8", "\xc0\xaf", 0, -EINVAL },
		{ "surrogate", "\xed\xa0\x80", 0, -EINVAL },
		{ "beyond Unicode", "\xf4\x90\x80\x80", 0, -EINVAL },
	};
	char deep[2 * (PATH_DEPTH_MAX + 1)], part[NAME_BYTES_MAX + 2];
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len = cases[i].len ? cases[i].len : strlen(cases[i].path);

		test_case = cases[i].name;
		CHECK_INT(path_check(cases[i].path, len, &e), cases[i].want);
	}
	test_case = "limits";
	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = i % 2 ? '/' : 'd';
	CHECK_INT(path_check(deep, 2 * PATH_DEPTH_MAX - 1, &e), 0);
	CHECK_INT(path_check(deep, 2 * PATH_DEPTH_MAX + 1, &e), -EINVAL);
	memset(part, 'x', sizeof(part));
	CHECK_INT(path_check(part, NAME_BYTES_MAX, &e), 0);
	CHECK_INT(path_check(part, NAME_BYTES_MAX + 1, &e), -EINVAL);
	CHECK_INT(path_check_name("a/b", 3, &e), -EINVAL);
	CHECK_INT(path_check_target("../../usr/lib/x", 15, &e), 0);
	CHECK_INT(path_check_target("", 0, &e), -EINVAL);
}

static void test_url(void)
{
	static const struct {
		const char *url, *redacted, *stripped;
	} cases[] = {
		{ "https://h/c/linux-64/a.conda", "https://h/c/linux-64/a.conda",
		  "https://h/c/linux-64/a.conda" },
		{ "https://h/t/tk-123/c/x", "https://h/t/***/c/x", "https://h/c/x" },
		{ "https://u:p@h/c", "https://***@h/c", "https://h/c" },
		{ "https://u:p@h/t/tok", "https://***@h/t/***", "https://h" },
		{ "https://h/c?x=a@b", "https://h/c?x=a@b", "https://h/c?x=a@b" },
		{ "file:///srv/t/c/x", "file:///srv/t/c/x", "file:///srv/t/c/x" },
	};
	static const struct {
		const char *base, *ref, *want;
	} joins[] = {
		{ "https://h/c/linux-64/repodata.json", "a.conda", "https://h/c/linux-64/a.conda" },
		{ "https://h/c/linux-64/", "../x/a", "https://h/c/x/a" },
		{ "https://h/c/d/e", "/x", "https://h/x" },
		{ "https://h/c", "https://o/x", "https://o/x" },
		{ "https://h", "x", "https://h/x" },
		{ "https://h/a", "../../x", NULL },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_BUF b = BUF(4096);

		test_case = cases[i].url;
		CHECK_TEXT(URL_SHOWN(cases[i].url), cases[i].redacted);
		url_strip(cases[i].url, &b);
		CHECK_TEXT(b.bytes, cases[i].stripped);
	}
	for (size_t i = 0; i < ARRAY_LEN(joins); i++) {
		AUTO_BUF b = BUF(4096);
		int r;

		test_case = joins[i].ref;
		r = url_join(joins[i].base, joins[i].ref, &b, &e);
		CHECK_INT(r, joins[i].want ? 0 : -EINVAL);
		if (r == 0)
			CHECK_TEXT(b.bytes, joins[i].want);
	}
	AUTO_BUF url = BUF(4096);
	AUTO_BUF path = BUF(4096);
	test_case = "file URL and back";
	CHECK_INT(url_from_path("/tmp/a b%c#", &url, &e), 0);
	CHECK_TEXT(url.bytes, "file:///tmp/a%20b%25c%23");
	CHECK_INT(url_to_path(url.bytes, &path, &e), 0);
	CHECK_TEXT(path.bytes, "/tmp/a b%c#");
	CHECK_INT(url_check("ftp://x/y", &e), -EINVAL);
	CHECK_INT(url_check("https://x/y z", &e), -EINVAL);
	CHECK_INT(url_check("https:///linux-64/a.conda", &e), -EINVAL); /* not the host linux-64 */
	CHECK_INT(url_check("https://user:word@/a.conda", &e), -EINVAL);
	CHECK_INT(url_check("http://", &e), -EINVAL);
	CHECK_INT(url_check("http://x", &e), 0);
	CHECK_INT(url_check("http://[::1]:80/a", &e), 0);
}

static void test_json(void)
{
	static const struct {
		const char *name, *text;
		int want;
	} cases[] = {
		{ "object", "{\"a\": [1, true, null, \"x\"]}", 0 },
		{ "blank after", "{} \n", 0 },
		{ "something after", "{} x", -EINVAL },
		{ "cut", "{\"a\":", -EINVAL },
		{ "empty", "", -EINVAL },
		{ "\\u0000", "\"a\\u0000b\"", -EINVAL },
		{ "escaped backslash before u0000", "\"a\\\\u0000b\"", 0 },
		{ "raw newline in string", "\"a\nb\"", -EINVAL },
		{ "32 deep", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
		  0 },
		{ "numbers", "[0, -0, 10, 1.5, 1e9, 1E+9, 0.1e-2, 12345678901234567890123]", 0 },
		{ "leading zero", "[01]", -EINVAL },
		{ "minus alone", "[-]", -EINVAL },
		{ "plus", "[+1]", -EINVAL },
		{ "point at the end", "[1.]", -EINVAL },
		{ "point at the start", "[.5]", -EINVAL },
		{ "exponent without digits", "[1e]", -EINVAL },
		{ "two points", "[1.2.3]", -EINVAL },
		{ "hexadecimal", "[0x10]", -EINVAL },
		{ "not a number", "[NaN]", -EINVAL },
		{ "form feed for a blank", "[\f1]", -EINVAL },
		{ "control byte for a blank", "[\0011]", -EINVAL },
		{ "comma at the end", "[1,]", -EINVAL },
		{ "no comma", "[1 2]", -EINVAL },
		{ "odd escape", "\"\\x41\"", -EINVAL },
		{ "UTF-8", "\"\xc3\xa9\xf0\x9f\x98\x80\"", 0 },
		{ "latin-1", "\"a\xe9z\"", -EINVAL },
		{ "overlong", "\"\xc0\xaf\"", -EINVAL },
		{ "UTF-8 cut by the quote", "\"\xc3\"", -EINVAL },
		{ "UTF-8 outside of strings", "[\xc2\xa0]", -EINVAL },
		{ "33 deep", "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
		  -EINVAL },
	};
	static const char round[] =
		"{\"a\":[1,-2,1699280294368,true,null,\"x\\\"\\n\"],\"b\":{},\"c\":[]}";
	AUTO_BUF out = BUF(4096);
	struct jsonw w = JSONW(&out, 0);
	struct err e;
	uint64_t n;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(json_doc_freep) struct json_doc *doc = NULL;

		test_case = cases[i].name;
		CHECK_INT(json_parse(&doc, cases[i].text, strlen(cases[i].text), &e),
			  cases[i].want);
	}
	test_case = "round trip";
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	CHECK_INT(json_parse(&doc, round, strlen(round), &e), 0);
	jsonw_value(&w, json_root(doc));
	CHECK_INT(buf_end(&out, &e), 0);
	CHECK_TEXT(out.bytes, round);
	CHECK_INT(json_len(json_get(json_root(doc), "a")), 6);
	struct json_iter it = json_iter(json_get(json_root(doc), "a"));
	(void)json_next(&it);
	CHECK(!json_u64(json_next(&it), &n));
	CHECK(json_u64(json_next(&it), &n) && n == 1699280294368);
}

static void test_map(void)
{
	struct intern in;
	struct err e;
	uint32_t id;

	test_case = "intern";
	intern_init(&in, 1 << 20);
	for (int round = 0; round < 2; round++)
		for (uint32_t i = 0; i < 5000; i++) {
			char text[16];
			int n = snprintf(text, sizeof(text), "k%u", i);

			if (intern_put(&in, text, (size_t)n, &id, &e) < 0 || id != i)
				CHECK(false);
		}
	CHECK_INT(in.count, 5000);
	CHECK_TEXT(intern_text(&in, 4999), "k4999");
	CHECK_INT(intern_find(&in, "k77", 3), 77);
	CHECK(intern_find(&in, "no", 2) == MAP_NONE);
	intern_done(&in);
}

static void test_buf(void)
{
	AUTO_BUF b = BUF(4);
	struct err e;

	test_case = "buf";
	buf_adds(&b, "abcd");
	CHECK_INT(buf_end(&b, &e), 0);
	buf_addc(&b, 'e');
	CHECK_INT(buf_end(&b, &e), -EFBIG);
	CHECK_TEXT(b.bytes, "abcd");
}

static void test_hash(void)
{
	struct digest d;
	uint8_t bytes[2];
	struct err e;

	test_case = "hash";
	CHECK_INT(sha256_of("abc", 3, &d, &e), 0);
	CHECK_TEXT(DIGEST_HEX(&d),
		   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	CHECK(!hex_parse("abc", 3, bytes, 2));
	CHECK(!hex_parse("abcg", 4, bytes, 2));
	CHECK(hex_parse("abCD", 4, bytes, 2) && bytes[1] == 0xcd);
}

static void test_store(void)
{
	char dir[] = "/tmp/envfs-test-XXXXXX", path[64], cmd[96];
	AUTO(store_freep) struct store *st = NULL;
	AUTO(store_freep) struct store *again = NULL;
	int a = -1, b = -1;
	struct err e;

	test_case = "store";
	CHECK(mkdtemp(dir) != NULL);
	(void)snprintf(path, sizeof(path), "%s/deep/er", dir);
	CHECK_INT(store_open(&st, path, STORE_READ, &e), -ENOENT);
	CHECK_INT(store_open(&st, "", STORE_WRITE, &e), -ENOENT);
	if (!CHECK_INT(store_open(&st, path, STORE_WRITE, &e), 0))
		fprintf(stderr, "%s\n", e.text);
	CHECK_INT(store_open(&again, path, STORE_READ, &e), 0);
	CHECK_INT(store_lock(st, "x", false, &a, &e), 0);
	CHECK_INT(store_lock(st, "x", false, &b, &e), -EBUSY);
	CHECK_INT(store_sweep(st, &e), 0);
	CHECK_INT(store_lock(st, "x", false, &b, &e), -EBUSY);
	store_unlock(st, "x", &a);
	CHECK_INT(store_lock(st, "x", false, &b, &e), 0);
	store_unlock(st, "x", &b);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	CHECK_INT(system(cmd), 0);
}

static void test_log_rate(void)
{
	char path[] = "/tmp/envfs-test-XXXXXX";
	int out = mkstemp(path), saved = dup(STDERR_FILENO), lines = 0;
	AUTO_BUF text = BUF(4 * MIB);

	test_case = "log rate";
	CHECK(out >= 0 && saved >= 0 && dup2(out, STDERR_FILENO) >= 0);
	for (int i = 0; i < 20000; i++)
		log_line(LOG_WARNING, "again\nand again");
	(void)usleep(1100000);
	log_line(LOG_WARNING, "the last");
	(void)dup2(saved, STDERR_FILENO);
	(void)close(saved);
	(void)close(out);
	CHECK_INT(sys_slurp(AT_FDCWD, path, &text), 0);
	for (const char *at = text.bytes; (at = strchr(at, '\n')); at++)
		lines++;
	/* The 20,000 may have taken more than a second on a slow machine. */
	CHECK(lines >= LOG_LINES_A_SECOND + 2 && lines < 10 * LOG_LINES_A_SECOND);
	CHECK(strncmp(text.bytes, "<4>again and again\n", 19) == 0);
	CHECK(strstr(text.bytes, "lines were dropped"));
	CHECK(strstr(text.bytes, "\n<4>the last\n"));
	(void)unlink(path);
}

#define LOCKERS	   3
#define RACE_NS	   300000000ULL
#define RACE_PATHS "/dev/shm/envfs-test-XXXXXX", "/tmp/envfs-test-XXXXXX"

struct lock_race {
	struct store *st;
	uint64_t end_ns;
	_Atomic int holders, most;
	_Atomic uint64_t rounds, failed;
};

static void *take_turns(void *race)
{
	struct lock_race *l = race;

	while (sys_now_ns() < l->end_ns) {
		int fd = -1, now;

		if (store_lock(l->st, "race", true, &fd, NULL) < 0) {
			atomic_fetch_add(&l->failed, 1);
			continue;
		}
		now = atomic_fetch_add(&l->holders, 1) + 1;
		if (now > atomic_load(&l->most))
			atomic_store(&l->most, now);
		sched_yield();
		atomic_fetch_sub(&l->holders, 1);
		atomic_fetch_add(&l->rounds, 1);
		store_unlock(l->st, "race", &fd);
	}
	return NULL;
}

static void *sweep_always(void *race)
{
	struct lock_race *l = race;

	while (sys_now_ns() < l->end_ns)
		if (store_sweep(l->st, NULL) < 0)
			atomic_fetch_add(&l->failed, 1);
	return NULL;
}

/* A lock is held by one, also while its file is swept and made anew all the time. */
static void test_lock_race(void)
{
	char places[][32] = { RACE_PATHS }, cmd[96];
	char *dir = places[access("/dev/shm", W_OK) == 0 ? 0 : 1];
	struct lock_race l = { 0 };
	pthread_t threads[LOCKERS + 2];

	test_case = "locks and sweeps";
	CHECK(mkdtemp(dir) != NULL);
	CHECK_INT(store_open(&l.st, dir, STORE_WRITE, NULL), 0);
	l.end_ns = sys_now_ns() + RACE_NS;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		CHECK_INT(pthread_create(&threads[i], NULL, i < LOCKERS ? take_turns : sweep_always,
					 &l),
			  0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		(void)pthread_join(threads[i], NULL);
	CHECK_INT(l.most, 1);
	CHECK_INT(l.failed, 0);
	CHECK(l.rounds > 10);
	l.st = store_free(l.st);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	CHECK_INT(system(cmd), 0);
}

int main(void)
{
	test_path();
	test_url();
	test_json();
	test_map();
	test_buf();
	test_hash();
	test_store();
	test_lock_race();
	test_log_rate();
	return test_end();
}
