/* SPDX-License-Identifier: Apache-2.0 */
/* Caching of repodata, against a real server (tests/lib/faultserver.py) and local folders. */
#include "temp_store.h"
#include "fetch_servers.h"

#include "channel/repodata.h"
#include "channel/repodata_state.h"

#include <utime.h>

#define RECORD(name)                                                                               \
	"\"" name "-1-0.conda\":{\"name\":\"" name "\",\"version\":\"1\",\"build\":\"0\"}"
#define DOC(name) "{\"packages.conda\":{" RECORD(name) "}}"
/* The same as a zstd frame that holds it raw. */
static size_t as_zstd(const char *text, uint8_t *room)
{
	size_t len = strlen(text);
	uint32_t block = (uint32_t)(1 | len << 3); /* last, raw */
	const uint8_t head[] = {
		0x28, 0xb5, 0x2f, 0xfd, 0x60, (uint8_t)(len - 256), (uint8_t)((len - 256) >> 8)
	};

	memcpy(room, head, sizeof(head));
	memcpy(room + sizeof(head), &block, 3);
	memcpy(room + sizeof(head) + 3, text, len);
	return sizeof(head) + 3 + len;
}

static struct fetcher *fetcher;
static struct server server;

/* What one getting gave. */
struct got {
	int r;
	char name[64]; /* of its one package; "" when there is none */
	bool stale;
	int64_t age_s;
	int requests; /* that went out for it */
	struct err err, why;
};

static struct got get_with(struct temp_store *t, const char *auth_url,
			   const struct repodata_options *o)
{
	AUTO_BUF url = BUF(4096);
	struct got g = { 0 };
	uint64_t before = fetcher ? fetcher_request_count(fetcher) : 0;
	AUTO(repodata_freep) struct repodata *rd = NULL;

	url_strip(auth_url, &url);
	const struct channel ch = { .name = url.bytes,
				    .url = url.bytes,
				    .auth_url = (char *)(uintptr_t)auth_url };
	struct repodata_want w = { .channel = &ch, .subdir = "linux-64" };

	g.r = repodata_get_all(&w, 1, t->st, o, &g.err);
	g.stale = w.ret_stale;
	g.age_s = w.ret_age_s;
	g.why = w.ret_why;
	g.requests = fetcher ? (int)(fetcher_request_count(fetcher) - before) : 0;
	rd = w.ret;
	if (g.r == 0 && rd && repodata_count(rd) > 0)
		(void)snprintf(g.name, sizeof(g.name), "%s", repodata_name(rd, 0));
	return g;
}

static struct got get(struct temp_store *t, const char *auth_url, long ttl)
{
	return get_with(t, auth_url, &(struct repodata_options){ .fetcher = fetcher, .ttl = ttl });
}

static void check_got(struct got g, int r, const char *name, bool stale, int requests)
{
	if (!CHECK_INT(g.r, r))
		fprintf(stderr, "  %s\n", g.err.text);
	CHECK_TEXT(g.name, name);
	CHECK_INT(g.stale, stale);
	if (requests >= 0)
		CHECK_INT(g.requests, requests);
}

/* A file of the channel, dated so many seconds ago; NULL: none. */
static void put(const char *name, const void *bytes, size_t len, int age_s)
{
	char path[64];
	struct utimbuf times = { time(NULL) - age_s, time(NULL) - age_s };

	(void)snprintf(path, sizeof(path), "root/chan/linux-64/%s", name);
	if (!bytes) {
		(void)unlink(in_dir(path));
		return;
	}
	write_file(in_dir(path), bytes, len);
	if (utime(in_dir(path), &times) < 0)
		abort();
}

static void put_plain(const char *text, int age_s)
{
	put("repodata.json", text, text ? strlen(text) : 0, age_s);
}

static void put_zst(const char *name, int age_s)
{
	char text[600];
	uint8_t room[700];
	size_t len;

	if (!name) {
		put("repodata.json.zst", NULL, 0, 0);
		return;
	}
	(void)snprintf(text, sizeof(text),
		       "{\"packages.conda\":{\"%s-1-0.conda\":{\"name\":\"%s\",\"version\":\"1\","
		       "\"build\":\"0\"}}%300s}",
		       name, name, "");
	len = as_zstd(text, room);
	put("repodata.json.zst", room, len, age_s);
}

/* A URL of the channel with these faults, another one each time it is called. */
static const char *chan(const char *faults)
{
	static char url[300];

	(void)snprintf(url, sizeof(url), "%s/%s%s/chan", base, faults ? "f/" : "ok",
		       faults ? faults : "");
	return url;
}

static int count_names(void *ctx, const char *name, unsigned char type)
{
	(void)name;
	(void)type;
	++*(int *)ctx;
	return 0;
}

static void check_tidy(struct temp_store *t, int channel_files)
{
	int in_tmp = 0, in_channels = 0;

	CHECK_INT(sys_each_name(t->st->tmp, count_names, &in_tmp), 0);
	CHECK_INT(sys_each_name(t->st->channels, count_names, &in_channels), 0);
	CHECK_INT(in_tmp, 0);
	CHECK_INT(in_channels, channel_files);
}

static void test_requests(void)
{
	AUTO_TEMP_STORE t = { 0 };

	temp_store_make(&t);
	put_zst(NULL, 0);
	put_plain(DOC("plain"), 1000);
	test_case = "no .zst: the plain one";
	check_got(get(&t, chan(NULL), 1), 0, "plain", false, 2);
	check_tidy(&t, 2);
	test_case = "asked again: not modified, .zst is not looked for";
	check_got(get(&t, chan(NULL), 1), 0, "plain", false, 1);
	CHECK_INT(requests_settled(in_dir("log"), "\"status\": 304", 1), 1);
	test_case = "another one";
	put_plain(DOC("newer"), 500);
	check_got(get(&t, chan(NULL), 1), 0, "newer", false, 1);
	test_case = "ttl: seconds";
	put_plain(DOC("newest"), 400);
	check_got(get(&t, chan(NULL), 1000), 0, "newer", false, 0);
	check_got(get(&t, chan(NULL), 0), 0, "newest", false, 1);
	test_case = "an older one is not taken";
	put_plain(DOC("older"), 900);
	struct got g = get(&t, chan(NULL), 1);
	check_got(g, 0, "newest", true, 1);
	CHECK(strstr(g.why.text, "older than the cached one"));
	test_case = "HTML instead";
	put_plain("<html>Please log in</html>", 300);
	g = get(&t, chan(NULL), 1);
	check_got(g, -EINVAL, "", false, 1);
	CHECK(strstr(g.err.text, "HTML") && strstr(g.err.text, "repodata.json"));
	test_case = "ends early";
	put_plain("{\"packages\":{", 200);
	check_got(get(&t, chan(NULL), 1), -EINVAL, "", false, 1);
	test_case = "what was cached is still there";
	g = get_with(&t, chan(NULL),
		     &(struct repodata_options){ .offline = true, .fetcher = fetcher });
	check_got(g, 0, "newest", true, 0);
	CHECK(g.age_s >= 0 && g.age_s < 60);
	check_tidy(&t, 2);
	test_case = "it is gone";
	put_plain(NULL, 0);
	g = get(&t, chan(NULL), 1);
	check_got(g, -ENOENT, "", false, 1);
	CHECK(strstr(g.err.text, "no repodata at"));
	test_case = "it is back";
	put_plain(DOC("back"), 100);
	check_got(get(&t, chan(NULL), 1), 0, "back", false, 1);
}

static void test_zst(void)
{
	AUTO_TEMP_STORE t = { 0 };

	temp_store_make(&t);
	put_zst("packed", 1000);
	put_plain(DOC("plain"), 1000);
	test_case = ".zst first";
	check_got(get(&t, chan(NULL), 1), 0, "packed", false, 1);
	test_case = ".zst not modified";
	check_got(get(&t, chan(NULL), 1), 0, "packed", false, 1);
	test_case = ".zst has gone: the plain one, unconditionally";
	put_zst(NULL, 0);
	check_got(get(&t, chan(NULL), 1), 0, "plain", false, 2);
	test_case = ".zst is damaged: the plain one";
	put_zst("packed", 900);
	put("repodata.json.zst", "\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff", 10, 900);
	put_plain(DOC("good"), 800);
	AUTO_TEMP_STORE other = { 0 };
	temp_store_make(&other);
	check_got(get(&other, chan(NULL), 1), 0, "good", false, 2);
	test_case = ".zst is a page: the plain one";
	put("repodata.json.zst", "<html>", 6, 900);
	AUTO_TEMP_STORE third = { 0 };
	temp_store_make(&third);
	check_got(get(&third, chan(NULL), 1), 0, "good", false, 2);
	check_got(get(&third, chan(NULL), 1), 0, "good", false, 1);
	put_zst(NULL, 0);
}

static void test_max_age(void)
{
	AUTO_TEMP_STORE t = { 0 };
	struct repodata_state s;
	char key[REPODATA_KEY_BYTES];
	struct err e;

	temp_store_make(&t);
	put_plain(DOC("a"), 1000);
	test_case = "max-age";
	check_got(get(&t, chan("max-age-3600"), 1), 0, "a", false, 2);
	check_got(get(&t, chan("max-age-3600"), 1), 0, "a", false, 0);
	test_case = "the clock was set back";
	CHECK_INT(repodata_key(chan("max-age-3600"), "linux-64", false, key, &e), 0);
	repodata_state_load(&s, t.st, key);
	s.checked_ms += 1000LL * 86400 * 3650;
	CHECK_INT(repodata_state_save(&s, t.st, key, "https://x", &e), 0);
	check_got(get(&t, chan("max-age-3600"), 1), 0, "a", false, 1);
	check_got(get(&t, chan("max-age-3600"), 1), 0, "a", false, 0);
	test_case = "it went on by fifty years";
	repodata_state_load(&s, t.st, key);
	s.checked_ms -= 1000LL * 86400 * 18250;
	CHECK_INT(repodata_state_save(&s, t.st, key, "https://x", &e), 0);
	check_got(get(&t, chan("max-age-3600"), 1), 0, "a", false, 1);
	test_case = "damaged state";
	AUTO_BUF name = BUF(100);
	buf_addf(&name, "%s.state", key);
	CHECK_INT(sys_publish(t.st->tmp, t.st->channels, name.bytes, "{\"etag", 6, 0644, &e), 0);
	check_got(get(&t, chan("max-age-3600"), 1), 0, "a", false, 2);
	test_case = "damaged index: fetched anew";
	AUTO_BUF whole = BUF(MIB);
	buf_clear(&name);
	buf_addf(&name, "%s.idx", key);
	CHECK_INT(sys_slurp(t.st->channels, name.bytes, &whole), 0);
	whole.bytes[whole.len / 2] ^= 1;
	CHECK_INT(sys_publish(t.st->tmp, t.st->channels, name.bytes, whole.bytes, whole.len, 0644,
			      &e),
		  0);
	check_got(get(&t, chan("max-age-3600"), 1), 0, "a", false, 1);
	check_got(get(&t, chan("max-age-3600"), 1), 0, "a", false, 0);
}

static void test_unreachable(void)
{
	static const char *const faults[] = { "status-500",  "status-429", "close",
					      "reset-at-20", "garbage",	   "short-at-20" };
	AUTO_TEMP_STORE t = { 0 };
	struct err e;

	temp_store_make(&t);
	put_plain(DOC("a"), 1000);
	test_case = "never seen";
	struct got g = get(&t, "http://nowhere.test/chan", 1);
	check_got(g, -EHOSTUNREACH, "", false, -1);
	CHECK(strstr(g.err.text, "nowhere.test"));
	test_case = "offline, never seen";
	g = get_with(&t, "http://nowhere.test/chan", &(struct repodata_options){ .offline = true });
	check_got(g, -EHOSTUNREACH, "", false, 0);
	CHECK(strstr(g.err.text, "offline"));
	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		char key[2][REPODATA_KEY_BYTES], from[64], to[64];

		test_case = faults[i];
		/* As if it had been well once: the well channel's files under its key. */
		put_plain(DOC("a"), 1000 - (int)i);
		check_got(get(&t, chan(NULL), 1), 0, "a", false, -1);
		CHECK_INT(repodata_key(chan(NULL), "linux-64", false, key[0], &e), 0);
		CHECK_INT(repodata_key(chan(faults[i]), "linux-64", false, key[1], &e), 0);
		AUTO_FD fd = memory_file();
		CHECK_INT(sys_write(fd, DOC("a"), strlen(DOC("a"))), 0);
		CHECK_INT(sys_rewind(fd), 0);
		CHECK_INT(
			repodata_convert(t.st, fd, chan(faults[i]), "linux-64", key[1], false, &e),
			0);
		(void)snprintf(from, sizeof(from), "%s.state", key[0]);
		(void)snprintf(to, sizeof(to), "%s.state", key[1]);
		CHECK_INT(sys_linkat(t.st->channels, from, t.st->channels, to), 0);
		put_plain(DOC("another"), 500);
		g = get(&t, chan(faults[i]), 1);
		check_got(g, 0, "a", true, -1);
		CHECK(g.why.code < 0 && g.why.text[0]);
	}
	test_case = "forbidden";
	check_got(get(&t, chan("status-403"), 1), -EACCES, "", false, 2);
}

static void test_subdirs(void)
{
	AUTO_TEMP_STORE t = { 0 };
	const char *url = chan(NULL);
	const struct channel ch = { .name = (char *)(uintptr_t) "chan",
				    .url = (char *)(uintptr_t)url,
				    .auth_url = (char *)(uintptr_t)url };
	static const char none[] = "http://127.0.0.1:1/none";
	const struct channel dead = { .name = (char *)(uintptr_t)none,
				      .url = (char *)(uintptr_t)none,
				      .auth_url = (char *)(uintptr_t)none };
	const struct repodata_options o = { .fetcher = fetcher, .ttl = 1 };
	struct repodata_want w[] = { { .channel = &ch, .subdir = "linux-64" },
				     { .channel = &ch, .subdir = "noarch" },
				     { .channel = &ch, .subdir = "linux-64" } };
	struct err e;

	temp_store_make(&t);
	put_plain(DOC("a"), 1000);
	test_case = "a missing one, and one twice";
	CHECK_INT(repodata_get_all(w, 3, t.st, &o, &e), 0);
	CHECK(w[0].ret && !w[1].ret && w[2].ret);
	w[0].ret = repodata_free(w[0].ret);
	w[2].ret = repodata_free(w[2].ret);
	test_case = "missing, and offline";
	CHECK_INT(repodata_get_all(w, 2, t.st, &(struct repodata_options){ .offline = true }, &e),
		  0);
	CHECK(w[0].ret && !w[1].ret);
	w[0].ret = repodata_free(w[0].ret);
	test_case = "one of two channels cannot be reached";
	w[1].channel = &dead;
	CHECK_INT(repodata_get_all(w, 2, t.st, &o, &e), -EHOSTUNREACH);
	CHECK(!w[0].ret && !w[1].ret);
	check_tidy(&t, 3);
}

static int find_token(const char *path, const struct stat *sb, int type, struct FTW *ftw)
{
	AUTO_BUF text = BUF(MIB);

	(void)sb;
	(void)ftw;
	if (type != FTW_F)
		return 0;
	CHECK_INT(sys_slurp(AT_FDCWD, path, &text), 0);
	CHECK(!memmem(text.bytes, text.len, "good", 4) &&
	      !memmem(text.bytes, text.len, "SECRET", 6));
	return 0;
}

static void test_credentials(void)
{
	AUTO_TEMP_STORE t = { 0 };
	AUTO_BUF url = BUF(1000);
	struct got g;

	temp_store_make(&t);
	put_plain(DOC("a"), 1000);
	test_case = "token";
	buf_addf(&url, "%s/t/good/ok/chan", base);
	check_got(get(&t, url.bytes, 1), 0, "a", false, 2);
	CHECK_INT(nftw(t.dir, find_token, 16, FTW_PHYS), 0);
	test_case = "wrong token";
	buf_clear(&url);
	buf_addf(&url, "%s/t/tk-1/ok/other", base);
	g = get(&t, url.bytes, 1);
	check_got(g, -EACCES, "", false, 2);
	CHECK(!strstr(g.err.text, "tk-1"));
	test_case = "password";
	buf_clear(&url);
	buf_addf(&url, "http://me:SECRET@%s/f/basic-me/chan", base + strlen("http://"));
	check_got(get(&t, url.bytes, 1), 0, "a", false, 2);
	CHECK_INT(nftw(t.dir, find_token, 16, FTW_PHYS), 0);
}

static void test_read_only(void)
{
	AUTO_TEMP_STORE t = { 0 };
	struct temp_store ro = { 0 };
	struct err e;

	temp_store_make(&t);
	put_plain(DOC("a"), 1000);
	ro = t;
	test_case = "read-only store, nothing cached";
	CHECK_INT(store_open(&ro.st, t.dir, STORE_READ, &e), 0);
	check_got(get(&ro, chan(NULL), 1), 0, "a", false, 2);
	check_tidy(&t, 0);
	test_case = "read-only store, cached";
	check_got(get(&t, chan(NULL), 1), 0, "a", false, 2);
	check_got(get(&ro, chan(NULL), 1), 0, "a", false, 1);
	test_case = "read-only store, another one on the server";
	put_plain(DOC("b"), 500);
	check_got(get(&ro, chan(NULL), 1), 0, "b", false, 1);
	check_got(get_with(&ro, chan(NULL), &(struct repodata_options){ .offline = true }), 0, "a",
		  true, 0);
	check_tidy(&t, 2);
	ro.st = store_free(ro.st);
}

/* Two processes want the same at once: one downloads, the other finds it fresh. */
static void test_two_at_once(void)
{
	AUTO_TEMP_STORE t = { 0 };
	pid_t child[2];
	int status, before;

	temp_store_make(&t);
	put_plain(DOC("a"), 1000);
	test_case = "two at once";
	before = requests_settled(in_dir("log"), "max-age-3601", 0);
	for (int i = 0; i < 2; i++) {
		child[i] = fork();
		if (child[i] == 0) {
			AUTO(fetcher_freep) struct fetcher *own = open_fetcher(NULL);
			const struct repodata_options o = { .fetcher = own, .ttl = 1 };
			struct temp_store mine = t;
			struct err e;
			bool ok = store_open(&mine.st, t.dir, STORE_WRITE, &e) == 0 &&
				  strcmp(get_with(&mine, chan("max-age-3601,pause-at-10"), &o).name,
					 "a") == 0;

			store_free(mine.st);
			own = fetcher_free(own);
			_exit(!ok);
		}
	}
	for (int i = 0; i < 2; i++) {
		CHECK(waitpid(child[i], &status, 0) == child[i]);
		CHECK_INT(status, 0);
	}
	CHECK_INT(requests_settled(in_dir("log"), "max-age-3601", before + 2) - before, 2);
	check_tidy(&t, 2);
}

static void test_local(void)
{
	AUTO_TEMP_STORE t = { 0 };
	AUTO_BUF url = BUF(1000);
	const struct repodata_options o = { .offline = true };
	char key[REPODATA_KEY_BYTES], idx[64];
	struct stat before, after;
	struct err e;

	temp_store_make(&t);
	CHECK_INT(url_from_path(in_dir("root/chan"), &url, &e), 0);
	CHECK_INT(repodata_key(url.bytes, "linux-64", false, key, &e), 0);
	(void)snprintf(idx, sizeof(idx), "%s.idx", key);
	put_plain(DOC("a"), 1000);
	test_case = "a folder, offline too";
	check_got(get_with(&t, url.bytes, &o), 0, "a", false, 0);
	CHECK_INT(sys_fstatat(t.st->channels, idx, &before, 0), 0);
	test_case = "unchanged: not converted again";
	check_got(get_with(&t, url.bytes, &o), 0, "a", false, 0);
	CHECK_INT(sys_fstatat(t.st->channels, idx, &after, 0), 0);
	CHECK(before.st_ino == after.st_ino);
	test_case = "changed, the size is the same";
	put_plain(DOC("b"), 900);
	check_got(get_with(&t, url.bytes, &o), 0, "b", false, 0);
	test_case = "an older file is taken: it is what is there";
	put_plain(DOC("c"), 5000);
	check_got(get_with(&t, url.bytes, &o), 0, "c", false, 0);
	test_case = "compressed only";
	put_plain(NULL, 0);
	put_zst("packed", 100);
	check_got(get_with(&t, url.bytes, &o), 0, "packed", false, 0);
	put_zst(NULL, 0);
	test_case = "no such subdir";
	check_got(get_with(&t, url.bytes, &o), -ENOENT, "", false, 0);
	check_tidy(&t, 2);
}

static void test_pure(void)
{
	static const struct {
		const char *text;
		int64_t want;
	} ages[] = { { "", 0 },
		     { "max-age=60", 60 },
		     { "public, max-age=1200", 1200 },
		     { "MAX-AGE=5,x", 5 },
		     { "max-age=\"7\"", 7 },
		     { "no-cache, max-age=60", 0 },
		     { "max-age=60, no-store", 0 },
		     { "max-age=99999999999999999999", 86400 },
		     { "max-age=-1", 0 },
		     { "max-age=", 0 },
		     { "s-maxage=60", 0 },
		     { ",,,", 0 } };
	static const struct {
		const char *one, *other;
		bool want;
	} dates[] = {
		{ "Tue, 01 Jul 2025 10:00:00 GMT", "Wed, 02 Jul 2025 09:00:00 GMT", true },
		{ "Wed, 02 Jul 2025 09:00:00 GMT", "Tue, 01 Jul 2025 10:00:00 GMT", false },
		{ "Tue, 01 Jul 2025 10:00:00 GMT", "Tue, 01 Jul 2025 10:00:00 GMT", false },
		{ "", "Tue, 01 Jul 2025 10:00:00 GMT", false },
		{ "Tue, 01 Jul 2025 10:00:00 GMT", "soon", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(ages); i++) {
		test_case = ages[i].text;
		CHECK_INT(cache_control_max_age(ages[i].text), ages[i].want);
	}
	test_case = "dates";
	for (size_t i = 0; i < ARRAY_LEN(dates); i++)
		CHECK_INT(http_date_before(dates[i].one, dates[i].other), dates[i].want);
}

int main(void)
{
	char command[200];

	make_files();
	if (mkdir(in_dir("root/chan"), 0755) < 0 || mkdir(in_dir("root/chan/linux-64"), 0755) < 0 ||
	    !start_faultserver(&server))
		return 1;
	test_pure();
	test_two_at_once(); /* before there are threads */
	fetcher = open_fetcher(NULL);
	test_requests();
	test_zst();
	test_max_age();
	test_unreachable();
	test_subdirs();
	test_credentials();
	test_read_only();
	test_local();
	fetcher = fetcher_free(fetcher);
	server_stop(&server);
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) != 0 || test_end();
}
