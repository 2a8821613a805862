/* SPDX-License-Identifier: Apache-2.0 */
/* What a fetcher does with requests: order, cancelling, credentials, files. */
#include "fetch_servers.h"

static void url_of(struct outcome *o, const char *path)
{
	(void)snprintf(o->url, sizeof(o->url), path[0] == '/' ? "%s%s" : "%.0s%s", base, path);
}

static uint64_t start_path(struct fetcher *f, const char *path, int priority, struct outcome *o)
{
	struct fetch_request rq = { .priority = priority };

	url_of(o, path);
	return start(f, &rq, o);
}

static int fetch_path(struct fetcher *f, const char *path, const struct fetch_request *more,
		      struct outcome *o)
{
	struct fetch_request rq = more ? *more : (struct fetch_request){ 0 };
	struct err e = { 0 };
	int code;

	url_of(o, path);
	o->fd = memory_file();
	rq.url = o->url;
	rq.fd = o->fd;
	code = fetch_wait(f, &rq, &o->result, &e);
	CHECK_INT(o->result.code, code);
	CHECK_TEXT(e.text, o->result.err.text);
	return code;
}

/* Requests in each state: on the wire, in the queue, in a pause, asking for a name. */
static void test_cancel(void)
{
	static const char *const paths[] = {
		"/f/silent/data",	"/f/slow-2/data",  "/f/stall-at-1000/data",
		"/f/status-503/data",	"/f/silent/small", "/f/silent/tiny",
		"http://slow.test/x",	"/f/silent/a",	   "/f/silent/b",
		"/f/silent/c",		"/f/silent/d",	   "/ok/data",
		"http://127.0.0.1:1/x",
	};
	struct outcome o[ARRAY_LEN(paths)] = { 0 };
	uint64_t ids[ARRAY_LEN(paths)], at;
	AUTO(fetcher_freep) struct fetcher *f = open_fetcher(NULL);

	test_case = "cancel";
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		ids[i] = start_path(f, paths[i], 0, &o[i]);
	(void)usleep(150000);
	at = sys_now_ns();
	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		fetch_cancel(f, ids[i]);
	fetch_cancel(f, 12345678); /* one that never was */
	wait_all();
	CHECK((sys_now_ns() - at) / 1000000 < 500);
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		test_case = paths[i];
		CHECK_INT(o[i].calls, 1);
		CHECK(o[i].result.code == -ECANCELED || (o[i].result.code == 0 && i == 11));
		close(o[i].fd);
	}
	test_case = "still works after";
	CHECK_INT(fetch_path(f, "/ok/data", NULL, &o[0]), 0);
	close(o[0].fd);
}

static void test_free(void)
{
	static const char *const paths[] = { "/f/silent/data", "/f/slow-2/data",
					     "/f/status-503/data", "http://slow.test/x",
					     "http://127.0.0.1:1/x" };
	struct outcome o[40] = { 0 };
	struct fetcher *f = open_fetcher(NULL);
	uint64_t at;

	test_case = "free";
	for (size_t i = 0; i < ARRAY_LEN(o); i++)
		(void)start_path(f, paths[i % ARRAY_LEN(paths)], 0, &o[i]);
	(void)usleep(100000);
	at = sys_now_ns();
	f = fetcher_free(f);
	CHECK((sys_now_ns() - at) / 1000000 < 1000);
	CHECK_INT(pending, 0);
	for (size_t i = 0; i < ARRAY_LEN(o); i++) {
		CHECK_INT(o[i].calls, 1);
		CHECK_INT(o[i].result.code, -ECANCELED);
		close(o[i].fd);
	}
	test_case = "free at once";
	f = fetcher_free(open_fetcher(NULL));
	CHECK(!f);
	f = open_fetcher(NULL);
	(void)start_path(f, "/ok/data", 0, &o[0]);
	f = fetcher_free(f);
	CHECK_INT(pending, 0);
	close(o[0].fd);
}

/* A done function that starts the next. */
struct relay {
	struct outcome o;
	struct fetcher *f;
	int left;
	uint64_t last_id;
	bool failed;
};

static void on_relay(void *ctx, const struct fetch_result *result)
{
	struct relay *y = ctx;
	struct fetch_request rq = { .url = y->o.url, .fd = y->o.fd, .done = on_relay, .ctx = y };

	y->failed |= result->code != 0;
	fetch_cancel(y->f, y->last_id); /* itself: over already */
	if (--y->left > 0 && fetch_start(y->f, &rq, &y->last_id, NULL) == 0)
		return;
	on_done(&y->o, result);
}

static void test_relay(void)
{
	AUTO(fetcher_freep) struct fetcher *f = open_fetcher(NULL);
	struct relay y = { .f = f, .left = 30 };
	struct fetch_request rq = { .url = y.o.url, .done = on_relay, .ctx = &y };

	test_case = "done starts the next";
	url_of(&y.o, "/ok/small");
	rq.fd = y.o.fd = memory_file();
	pthread_mutex_lock(&lock);
	pending++;
	pthread_mutex_unlock(&lock);
	CHECK_INT(fetch_start(f, &rq, NULL, NULL), 0);
	wait_all();
	CHECK_INT(y.left, 0);
	CHECK(!y.failed);
	CHECK_INT(fetcher_request_count(f), 30);
	CHECK(holds(y.o.fd, 0, SMALL_BYTES, 0));
	close(y.o.fd);
}

static void test_priority(void)
{
	struct outcome busy[HOST_CONNECTIONS_MAX] = { 0 }, low[40] = { 0 }, high[4] = { 0 };
	AUTO(fetcher_freep) struct fetcher *f = open_fetcher(NULL);
	uint64_t first_low = UINT64_MAX;
	int after = 0;

	test_case = "priority";
	for (size_t i = 0; i < ARRAY_LEN(busy); i++)
		(void)start_path(f, "/f/pause-at-4/tiny?busy", 0, &busy[i]);
	(void)usleep(50000);
	for (size_t i = 0; i < ARRAY_LEN(low); i++)
		(void)start_path(f, "/f/pause-at-4/tiny?low", 1, &low[i]);
	for (size_t i = 0; i < ARRAY_LEN(high); i++)
		(void)start_path(f, "/ok/tiny?high", 9, &high[i]);
	wait_all();
	for (size_t i = 0; i < ARRAY_LEN(low); i++) {
		CHECK_INT(low[i].result.code, 0);
		first_low = low[i].ended_ns < first_low ? low[i].ended_ns : first_low;
		close(low[i].fd);
	}
	for (size_t i = 0; i < ARRAY_LEN(high); i++) {
		CHECK_INT(high[i].result.code, 0);
		after += high[i].ended_ns > first_low;
		close(high[i].fd);
	}
	CHECK_INT(after, 0);
	for (size_t i = 0; i < ARRAY_LEN(busy); i++)
		close(busy[i].fd);
}

/* A host that says nothing: what waits behind its eight must not wait longer than they. */
static void test_dead_host(void)
{
	struct outcome o[60] = { 0 };
	AUTO(fetcher_freep) struct fetcher *f = open_fetcher(NULL);
	uint64_t at = sys_now_ns();

	test_case = "a host that is dead";
	for (size_t i = 0; i < ARRAY_LEN(o); i++)
		(void)start_path(f, "/f/silent/data", 0, &o[i]);
	wait_all();
	CHECK((sys_now_ns() - at) / 1000000 < STALL_MS + 2500);
	for (size_t i = 0; i < ARRAY_LEN(o); i++) {
		CHECK_INT(o[i].result.code, -ETIMEDOUT);
		close(o[i].fd);
	}
}

static void test_conditional(void)
{
	AUTO(fetcher_freep) struct fetcher *f = open_fetcher(NULL);
	struct outcome o = { 0 };
	char etag[256], modified[64];
	struct fetch_request rq = { .etag = etag };

	test_case = "conditional";
	CHECK_INT(fetch_path(f, "/ok/data", NULL, &o), 0);
	CHECK(!o.result.not_modified);
	CHECK(o.result.etag[0] == '"' && o.result.last_modified[0]);
	(void)snprintf(etag, sizeof(etag), "%s", o.result.etag);
	(void)snprintf(modified, sizeof(modified), "%s", o.result.last_modified);
	close(o.fd);
	CHECK_INT(fetch_path(f, "/ok/data", &rq, &o), 0);
	CHECK(o.result.not_modified);
	CHECK_INT(o.result.written_bytes, 0);
	CHECK_TEXT(o.result.etag, etag);
	close(o.fd);
	rq = (struct fetch_request){ .last_modified = modified };
	CHECK_INT(fetch_path(f, "/ok/data", &rq, &o), 0);
	CHECK(o.result.not_modified);
	close(o.fd);
	rq = (struct fetch_request){ .etag = "\"another\"", .last_modified = modified };
	CHECK_INT(fetch_path(f, "/ok/data", &rq, &o), 0);
	CHECK(!o.result.not_modified);
	CHECK(holds(o.fd, WHOLE, 0));
	close(o.fd);
	test_case = "conditional, and cut in the middle";
	CHECK_INT(fetch_path(f, "/f/short-at-80000/data", &rq, &o), 0);
	CHECK(holds(o.fd, WHOLE, 0));
	close(o.fd);
}

struct told {
	_Atomic int lines, secrets;
};

static void on_trace(void *ctx, const char *line)
{
	struct told *told = ctx;

	atomic_fetch_add(&told->lines, 1);
	atomic_fetch_add(&told->secrets, strstr(line, "SECRET") != NULL);
}

static void test_credentials(void)
{
	static const struct {
		const char *name, *url; /* %s: the server without "http://" */
		int want;
		bool netrc;
	} cases[] = {
		{ "in the URL", "http://user:SECRET@%s/f/basic-user/data", 0 },
		{ "percent signs", "http://us%%65r:SECRE%%54@%s/f/basic-user/data", 0 },
		{ "wrong", "http://user:SECRETs@%s/f/basic-user/data", -EACCES },
		{ "none", "http://%s/f/basic-user/data", -EACCES },
		{ "kept within the host",
		  "http://user:SECRET@%s/f/basic-user,status-503-times-1/data", 0 },
		{ "not for another host",
		  "http://user:SECRET@%s/f/basic-user,redirect-host,expect-none/data", 0 },
		{ "netrc", "http://%s/f/basic-who/data", 0, true },
		{ "the URL before netrc", "http://user:SECRET@%s/f/basic-user/data", 0, true },
		{ "netrc not for another host",
		  "http://%s/f/basic-who,redirect-host,expect-none/data", 0, true },
		{ "token in a sentence", "http://%s/t/SECRET/ok/data", -EACCES },
	};
	static const char netrc[] = "machine 127.0.0.1 login who password SECRET\n"
				    "default login anyone password SECRET\n";
	struct told told = { 0 };
	char path[200];

	(void)snprintf(path, sizeof(path), "%s", in_dir("netrc"));
	write_file(path, netrc, sizeof(netrc) - 1);
	AUTO(fetcher_freep) struct fetcher *plain = open_fetcher(NULL);
	AUTO(fetcher_freep)
	struct fetcher *with_netrc = open_fetcher(&(struct fetch_options){ .netrc_file = path });
	(void)unlink(path); /* it is in memory */
	fetcher_trace(plain, on_trace, &told);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct outcome o = { 0 };
		char url[300];

		test_case = cases[i].name;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(url, sizeof(url), cases[i].url, base + strlen("http://"));
#pragma GCC diagnostic pop
		CHECK_INT(fetch_path(cases[i].netrc ? with_netrc : plain, url, NULL, &o),
			  cases[i].want);
		CHECK(!strstr(o.result.err.text, "SECRET"));
		close(o.fd);
	}
	CHECK(atomic_load(&told.lines) >= 7);
	CHECK_INT(atomic_load(&told.secrets), 0);
}

static void test_proxy(void)
{
	AUTO(fetcher_freep)
	struct fetcher *f = open_fetcher(&(struct fetch_options){ .proxy_http = base });
	AUTO(fetcher_freep)
	struct fetcher *but = open_fetcher(
		&(struct fetch_options){ .proxy_http = base, .no_proxy = "nowhere.test" });
	struct outcome o = { 0 };

	test_case = "proxy";
	CHECK_INT(fetch_path(f, "http://nowhere.test/ok/data", NULL, &o), 0);
	CHECK(holds(o.fd, WHOLE, 0));
	close(o.fd);
	test_case = "no_proxy";
	CHECK_INT(fetch_path(but, "http://nowhere.test/ok/data", NULL, &o), -EHOSTUNREACH);
	close(o.fd);
}

static void test_files(void)
{
	static const struct {
		const char *name, *file;
		int want;
		size_t first, len;
		enum fetch_range range;
		uint64_t from, count, bytes_max;
		bool ranged;
	} cases[] = {
		{ "file", "root/data", 0, WHOLE },
		{ "empty file", "root/empty", 0, EMPTY },
		{ "percent signs", "root/da%74a", 0, WHOLE },
		{ "tail of a file", "root/data", 0, DATA_BYTES - 10, 10, FETCH_TAIL, 0, 10, 0,
		  true },
		{ "tail of all", "root/small", 0, 0, SMALL_BYTES, FETCH_TAIL, 0, 65536, 0, true },
		{ "from", "root/data", 0, 100, DATA_BYTES - 100, FETCH_FROM, 100, 0, 0, true },
		{ "from the end", "root/data", -EBADMSG, EMPTY, FETCH_FROM, DATA_BYTES },
		{ "too much", "root/data", -EFBIG, EMPTY, .bytes_max = 100 },
		{ "missing", "root/nosuch", -ENOENT, EMPTY },
		{ "below a file", "root/data/x", -ENOENT, EMPTY },
		{ "folder", "root", -EIO, EMPTY },
		{ "FIFO", "fifo", -EIO, EMPTY },
		{ "bad percent sign", "root/%zz", -EINVAL, EMPTY },
	};
	AUTO(fetcher_freep) struct fetcher *f = open_fetcher(NULL);
	struct outcome o = { 0 };
	struct fetch_request rq = { 0 };
	char url[300], etag[256];

	CHECK(mkfifo(in_dir("fifo"), 0600) == 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct digest sha256 = { 0 };

		test_case = cases[i].name;
		rq = (struct fetch_request){ .range = cases[i].range,
					     .first = cases[i].from,
					     .count = cases[i].count,
					     .bytes_max = cases[i].bytes_max,
					     .ret_sha256 = &sha256 };
		(void)snprintf(url, sizeof(url), "file://%s/%s", dir, cases[i].file);
		CHECK_INT(fetch_path(f, url, &rq, &o), cases[i].want);
		CHECK(holds(o.fd, cases[i].first, cases[i].len, 0));
		CHECK_INT(o.result.ranged, cases[i].ranged);
		if (cases[i].len == DATA_BYTES)
			CHECK(digest_same(&sha256, &data_sha256));
		close(o.fd);
	}
	test_case = "etag of a file";
	(void)snprintf(url, sizeof(url), "file://%s/root/data", dir);
	CHECK_INT(fetch_path(f, url, NULL, &o), 0);
	CHECK(strncmp(o.result.etag, "file-", 5) == 0);
	(void)snprintf(etag, sizeof(etag), "%s", o.result.etag);
	rq = (struct fetch_request){ .etag = etag };
	close(o.fd);
	CHECK_INT(fetch_path(f, url, &rq, &o), 0);
	CHECK(o.result.not_modified && o.result.written_bytes == 0);
	close(o.fd);
	write_file(in_dir("root/data"), data, DATA_BYTES); /* a new time */
	CHECK_INT(fetch_path(f, url, &rq, &o), 0);
	CHECK(!o.result.not_modified && holds(o.fd, WHOLE, 0));
	close(o.fd);
	test_case = "a file with the wrong hash";
	rq = (struct fetch_request){ .sha256 = { { 1 } } };
	CHECK_INT(fetch_path(f, url, &rq, &o), -EBADMSG);
	close(o.fd);
	test_case = "another host's file";
	CHECK_INT(fetch_path(f, "file://elsewhere/data", NULL, &o), -EINVAL);
	close(o.fd);
	(void)unlink(in_dir("fifo"));
}

#define LARGE_BYTES (25 * DATA_BYTES) /* 5 MB */

/* An attempt that comes a MiB further is free, but a server cannot make us ask for ever. */
static void test_far(void)
{
	static const struct {
		const char *name, *path;
		int want;
		uint64_t requests;
		bool hash;
	} cases[] = {
		{ "comes further each time", "/f/short-at-1100000/large", 0, 5, true },
		{ "never comes further", "/f/short-at-1100000,no-range/large", -EIO, TRIES, true },
		{ "cannot be continued", "/f/short-at-1100000,no-validators/large", -EIO, TRIES },
		{ "comes too little further", "/f/short-at-300000/large", -EIO, TRIES },
	};
	struct digest sha256;
	struct hasher h;

	CHECK_INT(sha256_begin(&h, NULL), 0);
	for (int i = 0; i < LARGE_BYTES / DATA_BYTES; i++)
		hasher_add(&h, data, DATA_BYTES);
	sha256_end(&h, &sha256);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(fetcher_freep) struct fetcher *f = open_fetcher(NULL);
		struct outcome o = { 0 };
		struct fetch_request rq = { 0 };

		test_case = cases[i].name;
		if (cases[i].hash)
			rq.sha256 = sha256;
		CHECK_INT(fetch_path(f, cases[i].path, &rq, &o), cases[i].want);
		CHECK_INT(fetcher_request_count(f), cases[i].requests);
		close(o.fd);
	}
}

/* What one answer left behind on a kept connection is not the next one's fault. */
static void test_leftover(void)
{
	AUTO(fetcher_freep) struct fetcher *f = open_fetcher(NULL);
	struct outcome o = { 0 };

	test_case = "leftover";
	CHECK_INT(fetch_path(f, "/f/leftover/data", NULL, &o), 0);
	close(o.fd);
	CHECK_INT(fetch_path(f, "/ok/data", NULL, &o), 0);
	CHECK(holds(o.fd, WHOLE, 0));
	close(o.fd);
	CHECK_INT(fetcher_request_count(f), 3);
}

static void touch(void *ctx, uint64_t bytes, uint64_t total)
{
	struct timespec now[2] = { { .tv_nsec = UTIME_NOW }, { .tv_nsec = UTIME_NOW } };

	(void)bytes;
	(void)total;
	(void)utimensat(AT_FDCWD, ((struct outcome *)ctx)->url + strlen("file://"), now, 0);
}

static void test_file_changes(void)
{
	AUTO(fetcher_freep) struct fetcher *f = open_fetcher(NULL);
	struct outcome o = { .fd = memory_file() };
	struct fetch_request rq = { .url = o.url, .fd = o.fd, .done = on_done, .ctx = &o };

	test_case = "a file that always changes";
	(void)snprintf(o.url, sizeof(o.url), "file://%s", in_dir("root/large"));
	pthread_mutex_lock(&lock);
	pending++;
	pthread_mutex_unlock(&lock);
	rq.progress = touch;
	CHECK_INT(fetch_start(f, &rq, NULL, NULL), 0);
	wait_all();
	CHECK_INT(o.result.code, -EIO);
	CHECK(strstr(o.result.err.text, "changed while"));
	CHECK_INT(fetcher_request_count(f), TRIES);
	close(o.fd);
}

static void test_full_disk(void)
{
	AUTO(fetcher_freep) struct fetcher *f = open_fetcher(NULL);
	AUTO_FD full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	struct outcome o = { 0 };
	struct fetch_request rq = { .url = o.url, .fd = full };
	struct err e = { 0 };

	test_case = "full disk";
	url_of(&o, "/ok/data");
	CHECK_INT(fetch_wait(f, &rq, NULL, &e), -ENOSPC);
	CHECK(strstr(e.text, "cannot be written"));
	CHECK_INT(fetcher_request_count(f), 1);
}

static void test_options(void)
{
	static const struct {
		const char *name;
		struct fetch_options o;
	} cases[] = {
		{ "no such certificates", { .ca_file = "/nonexistent/ca.pem" } },
		{ "no such netrc", { .netrc_file = "/nonexistent/netrc" } },
		{ "no such client certificate", { .client_cert = "/nonexistent/cert" } },
	};
	struct fetcher *f = NULL;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		test_case = cases[i].name;
		CHECK_INT(fetcher_open(&f, &cases[i].o, &e), -ENOENT);
		CHECK(strstr(e.text, "/nonexistent/"));
	}
	test_case = "defaults";
	CHECK_INT(fetcher_open(&f, NULL, &e), 0);
	f = fetcher_free(f);
}

int main(void)
{
	struct server s;

	make_files();
	if (!start_faultserver(&s)) {
		printf("skipped: python3 is needed for the server\n");
		return 77;
	}
	test_options();
	test_cancel();
	test_free();
	test_relay();
	test_priority();
	test_dead_host();
	test_conditional();
	test_credentials();
	test_proxy();
	test_files();
	test_far();
	test_leftover();
	test_file_changes();
	test_full_disk();
	server_stop(&s);
	remove_files();
	return test_end();
}
