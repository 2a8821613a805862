/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch against tests/lib/faultserver.py and tests/lib/nginx.py, both started
 * here, on 127.0.0.1. Names are resolved below, never by a name server.
 */
#include "test.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/sys.h"
#include "base/url.h"
#include "fetch/answer.h"
#include "fetch/fetch.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define DATA_BYTES  200000
#define SMALL_BYTES 100
#define TINY_BYTES  8
#define STALL_MS    2500
#define TRIES	    3

static char dir[64], base[64];
static char data[DATA_BYTES];
static struct digest data_sha256;
static struct md5 data_md5;

/* libcurl's name server: "nowhere.test" is not known, "slow.test" answers after a minute. */
__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
						       const struct addrinfo *hints,
						       struct addrinfo **res)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	if (node && strcmp(node, "slow.test") == 0)
		sleep(60);
	if (node && strstr(node, ".test"))
		return EAI_NONAME;
	return real(node, service, hints, res);
}

/* A server of tests/lib as a child; it ends when its standard input does. */
struct server {
	pid_t pid;
	int in;
	char line[600]; /* what it printed first */
};

static bool server_start(struct server *s, const char *const argv[])
{
	int in[2], out[2];
	size_t len = 0;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return false;
	s->pid = fork();
	if (s->pid == 0) {
		(void)dup2(in[0], 0);
		(void)dup2(out[1], 1);
		(void)unsetenv("LD_PRELOAD");
		(void)execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	s->in = in[1];
	while (len + 1 < sizeof(s->line)) {
		ssize_t n = read(out[0], s->line + len, 1);

		if (n <= 0 || s->line[len] == '\n')
			break;
		len++;
	}
	s->line[len] = '\0';
	close(out[0]);
	return len > 0;
}

static void server_stop(struct server *s)
{
	close(s->in);
	(void)waitpid(s->pid, NULL, 0);
}

static const char *in_dir(const char *name)
{
	static char path[200];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void write_file(const char *path, const void *bytes, size_t len)
{
	AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || sys_write(fd, bytes, len) < 0)
		abort();
}

static void make_files(void)
{
	uint64_t x = 88172645463325252ULL;
	struct hasher h;

	for (size_t i = 0; i < DATA_BYTES; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		data[i] = (char)x;
	}
	(void)snprintf(dir, sizeof(dir), "/tmp/test_fetch.XXXXXX");
	if (!mkdtemp(dir) || mkdir(in_dir("root"), 0755) < 0)
		abort();
	(void)chmod(dir, 0755);
	write_file(in_dir("root/data"), data, DATA_BYTES);
	write_file(in_dir("root/small"), data, SMALL_BYTES);
	write_file(in_dir("root/tiny"), data, TINY_BYTES);
	write_file(in_dir("root/empty"), data, 0);
	CHECK(sha256_of(data, DATA_BYTES, &data_sha256, NULL) == 0);
	CHECK(md5_begin(&h, NULL) == 0);
	hasher_add(&h, data, DATA_BYTES);
	md5_end(&h, &data_md5);
}

static int memory_file(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	if (fd < 0)
		abort();
	return fd;
}

/* What is in fd: data's bytes from `first` on, each `plus` larger. */
static bool holds(int fd, size_t first, size_t len, int plus)
{
	static char room[DATA_BYTES + 4096];
	ssize_t n = sys_pread(fd, room, sizeof(room), 0);

	if (n != (ssize_t)len) {
		fprintf(stderr, "  holds %zd bytes, not %zu\n", n, len);
		return false;
	}
	for (size_t i = 0; i < len; i++)
		if ((uint8_t)room[i] != (uint8_t)(data[first + i] + plus))
			return false;
	return true;
}

enum check { NOTHING = 0, SHA = 1, MD5 = 2, SIZE = 4, BAD_SHA = 8, BAD_SIZE = 16 };

#define WHOLE	 0, DATA_BYTES
#define ANYTHING 0, (size_t)-1
#define EMPTY	 0, 0

/*
 * requests: how many the server must have seen; negative: at least so many
 * (libcurl itself asks again when a kept connection turns out to be closed).
 */
static const struct faulty {
	const char *name, *path;
	int want;
	int requests;
	size_t first, len; /* what must have been written */
	unsigned int checks;
	enum fetch_range range;
	uint64_t from, count;
	bool ranged;
	uint64_t bytes_max;
	int plus;
	const char *text; /* in the error's sentence */
} cases[] = {
	{ "all of it", "/ok/data", 0, 1, WHOLE, SHA | MD5 | SIZE },
	{ "nothing is checked", "/ok/data", 0, 1, WHOLE },
	{ "empty", "/ok/empty", 0, 1, EMPTY },
	{ "exactly the limit", "/ok/data", 0, 1, WHOLE, .bytes_max = DATA_BYTES },
	{ "more than the limit", "/ok/data", -EFBIG, 1, EMPTY, .bytes_max = DATA_BYTES - 1 },
	{ "more than the limit, not announced", "/f/no-length/data", -EFBIG, 1, ANYTHING,
	  .bytes_max = DATA_BYTES - 1 },
	{ "wrong SHA-256", "/ok/data", -EBADMSG, 1, ANYTHING, BAD_SHA, .text = "SHA-256" },
	{ "wrong size", "/ok/data", -EBADMSG, 1, EMPTY, BAD_SIZE, .text = "has 200000 bytes" },
	{ "chunked", "/f/chunked/data", 0, 1, WHOLE, SHA | SIZE },
	{ "no length", "/f/no-length/data", 0, 1, WHOLE, SHA | SIZE },
	{ "token", "/t/good/ok/data", 0, 1, WHOLE },
	{ "wrong token", "/t/SECRET/ok/data", -EACCES, 1, ANYTHING, .text = "/t/***" },

	{ "tail", "/ok/data", 0, 1, DATA_BYTES - 1000, 1000, .range = FETCH_TAIL, .count = 1000,
	  .ranged = true },
	{ "tail of all", "/ok/small", 0, 1, 0, SMALL_BYTES, .range = FETCH_TAIL, .count = 65536,
	  .ranged = true },
	{ "tail of all, hashed", "/ok/data", 0, 1, WHOLE, SHA | SIZE, .range = FETCH_TAIL,
	  .count = 1 << 20, .ranged = true },
	{ "tail of all, wrong hash", "/ok/data", -EBADMSG, 1, ANYTHING, BAD_SHA,
	  .range = FETCH_TAIL, .count = 1 << 20 },
	{ "tail, size known", "/ok/data", 0, 1, DATA_BYTES - 1000, 1000, SIZE | SHA,
	  .range = FETCH_TAIL, .count = 1000, .ranged = true },
	{ "tail, wrong size", "/ok/data", -EBADMSG, 1, EMPTY, BAD_SIZE, .range = FETCH_TAIL,
	  .count = 1000 },
	{ "tail too long for the server", "/f/tail-416/data", 0, 2, WHOLE, SHA, .range = FETCH_TAIL,
	  .count = 1 << 20 },
	{ "from", "/ok/data", 0, 1, 150000, 50000, .range = FETCH_FROM, .from = 150000,
	  .ranged = true },
	{ "from the end", "/ok/data", -EBADMSG, 1, EMPTY, .range = FETCH_FROM, .from = DATA_BYTES,
	  .text = "416" },
	{ "range ignored", "/f/no-range/data", 0, 1, WHOLE, SHA, .range = FETCH_TAIL,
	  .count = 1000 },
	{ "range ignored, wrong hash", "/f/no-range/data", -EBADMSG, 1, ANYTHING, BAD_SHA,
	  .range = FETCH_TAIL, .count = 1000 },
	{ "range ignored, too much", "/f/no-range/data", -EFBIG, 1, EMPTY, .range = FETCH_TAIL,
	  .count = 1000, .bytes_max = 2000 },
	{ "another range", "/f/wrong-range/data", 0, 2, WHOLE, SHA, .range = FETCH_TAIL,
	  .count = 1000 },
	{ "another range, from", "/f/wrong-range/data", 0, 2, WHOLE, .range = FETCH_FROM,
	  .from = 1000 },
	{ "no Content-Range", "/f/no-content-range/data", 0, 2, WHOLE, .range = FETCH_TAIL,
	  .count = 1000 },
	{ "Content-Range without total", "/f/star-total/data", 0, 2, WHOLE, .range = FETCH_TAIL,
	  .count = 1000 },
	{ "a part unasked", "/f/part-unasked/data", -EBADMSG, 1, EMPTY, .text = "206" },
	{ "part too long", "/f/long-part/data", -EBADMSG, 1, ANYTHING, .range = FETCH_TAIL,
	  .count = 1000 },

	{ "400", "/f/status-400/data", -EIO, 1, EMPTY, .text = "HTTP 400" },
	{ "401", "/f/status-401/data", -EACCES, 1, EMPTY },
	{ "403", "/f/status-403/data", -EACCES, 1, EMPTY },
	{ "404", "/f/status-404/data", -ENOENT, 1, EMPTY, .text = "not found" },
	{ "404 of a file", "/ok/nosuch", -ENOENT, 1, EMPTY },
	{ "410", "/f/status-410/data", -ENOENT, 1, EMPTY },
	{ "304 unasked", "/f/status-304/data", -EIO, 1, EMPTY },
	{ "501", "/f/status-501/data", -EIO, 1, EMPTY },
	{ "500 always", "/f/status-500/data", -EIO, TRIES, EMPTY, .text = "tried 3 times" },
	{ "503 twice", "/f/status-503-times-2/data", 0, 3, WHOLE, SHA },
	{ "502 once", "/f/status-502-times-1/data", 0, 2, WHOLE },
	{ "504 once", "/f/status-504-times-1/data", 0, 2, WHOLE },
	{ "408 once", "/f/status-408-times-1/data", 0, 2, WHOLE },
	{ "429 once", "/f/status-429-times-1/data", 0, 2, WHOLE },
	{ "Retry-After a second", "/f/retry-after-1-times-1/data", 0, 2, WHOLE },
	{ "Retry-After a date", "/f/retry-date-1-times-1/data", 0, 2, WHOLE },
	{ "Retry-After an hour", "/f/retry-after-3600/data", -EIO, TRIES, EMPTY,
	  .text = "HTTP 503" },
	{ "endless page", "/f/endless-page/data", -ENOENT, 1, EMPTY },

	{ "closed", "/f/close/data", -EIO, -TRIES, EMPTY },
	{ "closed once", "/f/close-times-1/data", 0, 2, WHOLE },
	{ "reset", "/f/reset/data", -EIO, -TRIES, EMPTY },
	{ "reset once", "/f/reset-times-1/data", 0, 2, WHOLE },
	{ "reset in the middle", "/f/reset-at-80000/data", 0, 3, WHOLE, SHA },
	{ "cut in the middle", "/f/short-at-80000/data", 0, 3, WHOLE, SHA },
	{ "cut, nothing to check", "/f/short-at-80000/data", 0, 3, WHOLE },
	{ "cut tail", "/f/short-at-8000/data", 0, 3, DATA_BYTES - 20000, 20000, .range = FETCH_TAIL,
	  .count = 20000, .ranged = true },
	{ "cut, no ranges", "/f/short-at-80000,no-range/data", -EIO, TRIES, ANYTHING, SHA,
	  .text = "80000 of 200000" },
	{ "cut once, no ranges", "/f/short-at-80000-times-1,no-range/data", 0, 2, WHOLE, SHA },
	{ "cut, weak etag", "/f/short-at-80000,weak-etag/data", 0, 3, WHOLE, SHA },
	{ "cut, hash but no validators", "/f/short-at-80000,no-validators/data", 0, 3, WHOLE, SHA },
	{ "cut, no validators, no hash", "/f/short-at-80000,no-validators/data", -EIO, TRIES,
	  ANYTHING },
	{ "cut, no length", "/f/short-at-80000,no-length/data", 0, 3, WHOLE, SHA | SIZE },
	{ "cut, wrong range after", "/f/short-at-80000-times-1,wrong-range/data", 0, 3, WHOLE,
	  SHA },
	{ "changed meanwhile", "/f/short-at-80000-times-1,change/data", 0, 3, WHOLE, .plus = 3 },
	{ "changed, server says so", "/f/short-at-80000-times-1,change-honest/data", 0, 2, WHOLE,
	  .plus = 2 },
	{ "changed, hash known", "/f/short-at-80000-times-1,change/data", -EBADMSG, 3, ANYTHING,
	  SHA },
	{ "changed silently", "/f/short-at-80000-times-1,change,no-validators/data", -EBADMSG, 3,
	  ANYTHING, SHA },
	{ "stalled in the middle", "/f/stall-at-1000/data", -ETIMEDOUT, TRIES, ANYTHING, SHA,
	  .text = "nothing has come" },
	{ "stalled once", "/f/stall-at-80000-times-1/data", 0, 2, WHOLE, SHA },
	{ "half a second's silence", "/f/pause-at-80000/data", 0, 1, WHOLE },
	{ "silent", "/f/silent/data", -ETIMEDOUT, -1, EMPTY },
	{ "slow headers", "/f/slow-headers/data", -ETIMEDOUT, -1, EMPTY },
	{ "slow is no stall", "/f/slow-2/tiny", 0, 1, 0, TINY_BYTES },
	{ "not HTTP", "/f/garbage/data", -EIO, -1, EMPTY },
	{ "header bomb", "/f/header-bomb/data", -EFBIG, 1, EMPTY, .text = "headers" },

	{ "longer than known", "/f/long/data", -EBADMSG, 1, ANYTHING, SIZE },
	{ "longer than the limit", "/f/long/data", -EFBIG, 1, ANYTHING,
	  .bytes_max = DATA_BYTES + 500 },
	{ "longer, hash known", "/f/long/data", -EBADMSG, 1, ANYTHING, SHA },
	{ "length too large", "/f/length-plus-10/data", -EIO, TRIES, ANYTHING },
	{ "length too large, size known", "/f/length-plus-10/data", -EBADMSG, 1, EMPTY, SIZE },
	{ "length too small", "/f/length-minus-10/data", -EBADMSG, 1, ANYTHING, SHA },
	{ "wrong bytes", "/f/wrong-bytes/data", -EBADMSG, 1, ANYTHING, SHA },
	{ "wrong bytes, MD5", "/f/wrong-bytes/data", -EBADMSG, 1, ANYTHING, MD5, .text = "MD5" },
	{ "gzip unasked", "/f/gzip/data", -EBADMSG, 1, EMPTY, .text = "encoded" },
	{ "gzip unasked, hash known", "/f/gzip/data", -EBADMSG, 1, ANYTHING, SHA },
	{ "gzip unasked, part", "/f/gzip/data", -EBADMSG, 1, EMPTY, .range = FETCH_TAIL,
	  .count = 100 },
	{ "login page", "/f/html/data", -EBADMSG, 1, ANYTHING, SHA },
	{ "login page, size known", "/f/html/data", -EBADMSG, 1, EMPTY, SIZE },

	{ "redirects", "/f/redirect-5/data", 0, 6, WHOLE, SHA },
	{ "too many redirects", "/f/redirect-6/data", -EIO, 6, EMPTY, .text = "more than 5" },
	{ "redirect loop", "/f/redirect-loop/data", -EIO, 6, EMPTY },
	{ "redirect to a file", "/f/redirect-file/data", -EIO, 1, EMPTY, .text = "neither" },
	{ "redirect to nothing", "/f/redirect-none/data", -EIO, 1, EMPTY },
	{ "redirect to another host", "/f/redirect-host/data", 0, 2, WHOLE, SHA },
	{ "redirected tail", "/f/redirect-1/data", 0, 2, DATA_BYTES - 1000, 1000,
	  .range = FETCH_TAIL, .count = 1000, .ranged = true },

	{ "refused", "http://127.0.0.1:1/x", -EHOSTUNREACH, 0, EMPTY },
	{ "no such host", "http://nowhere.test/x", -EHOSTUNREACH, 0, EMPTY },
	{ "slow name server", "http://slow.test/x", -EHOSTUNREACH, 0, EMPTY },
	{ "neither http nor file", "ftp://127.0.0.1/x", -EINVAL, 0, EMPTY },
	{ "blank in the URL", "http://127.0.0.1/a b", -EINVAL, 0, EMPTY },
};

/* One request and what became of it. */
struct outcome {
	int fd, calls;
	char url[300];
	struct digest sha256;
	struct fetch_result result;
	uint64_t started_ns, ended_ns, bytes, total;
	bool backwards;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int pending; /* under lock */

static void on_done(void *ctx, const struct fetch_result *result)
{
	struct outcome *o = ctx;

	o->ended_ns = sys_now_ns();
	pthread_mutex_lock(&lock);
	o->calls++;
	o->result = *result;
	pending--;
	pthread_cond_signal(&cond);
	pthread_mutex_unlock(&lock);
}

static void on_progress(void *ctx, uint64_t bytes, uint64_t total)
{
	struct outcome *o = ctx;

	o->backwards |= bytes == 0 || (total && bytes > total);
	o->bytes = bytes;
	o->total = total;
}

static void wait_all(void)
{
	pthread_mutex_lock(&lock);
	while (pending > 0)
		(void)pthread_cond_wait(&cond, &lock);
	pthread_mutex_unlock(&lock);
}

static uint64_t start(struct fetcher *f, struct fetch_request *rq, struct outcome *o)
{
	uint64_t id = 0;

	o->fd = memory_file();
	o->started_ns = sys_now_ns();
	rq->url = o->url;
	rq->fd = o->fd;
	rq->done = on_done;
	rq->progress = on_progress;
	rq->ctx = o;
	pthread_mutex_lock(&lock);
	pending++;
	pthread_mutex_unlock(&lock);
	CHECK_INT(fetch_start(f, rq, &id, NULL), 0);
	return id;
}

static struct fetcher *open_fetcher(const struct fetch_options *more)
{
	struct fetch_options o = more ? *more : (struct fetch_options){ 0 };
	struct fetcher *f = NULL;
	struct err e = { 0 };

	o.connect_ms = 700;
	o.stall_ms = STALL_MS;
	o.tries = TRIES;
	if (!CHECK_INT(fetcher_open(&f, &o, &e), 0))
		fprintf(stderr, "%s\n", e.text);
	return f;
}

/* The server writes its line when the request is over for it: give it a moment. */
static int requests_logged(const char *log, const char *mark)
{
	AUTO_BUF text = BUF(16 * MIB);
	int count = 0;

	if (sys_slurp(AT_FDCWD, log, &text) < 0)
		return -1;
	for (const char *at = text.bytes; (at = strstr(at, mark)); at++)
		count++;
	return count;
}

static int requests_settled(const char *log, const char *mark, int want)
{
	int got = -1;

	for (int i = 0; i < 40; i++) {
		got = requests_logged(log, mark);
		if (got >= (want < 0 ? -want : want))
			break;
		(void)usleep(25000);
	}
	return got;
}

static void check_outcome(const struct faulty *c, const struct outcome *o)
{
	const struct fetch_result *res = &o->result;
	uint64_t took_ms = (o->ended_ns - o->started_ns) / 1000000;

	test_case = c->name;
	if (!CHECK_INT(res->code, c->want))
		fprintf(stderr, "  %s\n", res->err.text);
	CHECK_INT(o->calls, 1);
	if (c->len != (size_t)-1)
		CHECK(holds(o->fd, c->first, c->len, c->plus));
	CHECK(!o->backwards);
	/* Its place in the queue included. */
	CHECK(took_ms < 12 * STALL_MS);
	if (c->want == 0) {
		CHECK_INT(res->written_bytes, c->len);
		CHECK_INT(res->ranged, c->ranged);
		CHECK(c->len == 0 || o->bytes == c->len);
		if ((c->checks & SHA) && c->len == DATA_BYTES)
			CHECK(digest_same(&o->sha256, &data_sha256));
		CHECK_TEXT(res->err.text, "");
	} else {
		CHECK(res->err.code == c->want);
		CHECK(strlen(res->err.text) > 20);
		CHECK(!strstr(res->err.text, "SECRET"));
		if (c->text && !CHECK(strstr(res->err.text, c->text)))
			fprintf(stderr, "  %s\n", res->err.text);
	}
}

/* All at once: what one host's queue does to them is tried as well. */
static void test_faults(void)
{
	static struct outcome outcomes[ARRAY_LEN(cases)];
	AUTO(fetcher_freep) struct fetcher *f = open_fetcher(NULL);
	char mark[40];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct faulty *c = &cases[i];
		struct outcome *o = &outcomes[i];
		struct fetch_request rq = { .range = c->range,
					    .first = c->from,
					    .count = c->count,
					    .bytes_max = c->bytes_max,
					    .ret_sha256 = &o->sha256 };

		test_case = c->name;
		if (c->checks & (SHA | BAD_SHA))
			rq.sha256 = data_sha256;
		if (c->checks & BAD_SHA)
			rq.sha256.bytes[31] ^= 1;
		if (c->checks & MD5)
			rq.md5 = data_md5;
		if (c->checks & (SIZE | BAD_SIZE))
			rq.size = DATA_BYTES + (c->checks & BAD_SIZE ? 1 : 0);
		if (c->path[0] == '/')
			(void)snprintf(o->url, sizeof(o->url), "%s%s?case=%zu;", base, c->path, i);
		else
			(void)snprintf(o->url, sizeof(o->url), "%s", c->path);
		(void)start(f, &rq, o);
	}
	wait_all();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct faulty *c = &cases[i];
		int got;

		check_outcome(c, &outcomes[i]);
		close(outcomes[i].fd);
		(void)snprintf(mark, sizeof(mark), "?case=%zu;", i);
		got = requests_settled(in_dir("log"), mark, c->requests);
		if (c->requests >= 0)
			CHECK_INT(got, c->requests);
		else
			CHECK(got >= -c->requests);
	}
}

static bool start_faultserver(struct server *s)
{
	const char *lib = getenv("ENVFS_TESTS_LIB");
	char script[400], root[200], log[200];

	(void)snprintf(script, sizeof(script), "%s/faultserver.py", lib ? lib : "tests/lib");
	(void)snprintf(root, sizeof(root), "%s", in_dir("root"));
	(void)snprintf(log, sizeof(log), "%s", in_dir("log"));
	if (!server_start(s, (const char *[]){ "python3", script, "--root", root, "--log", log,
					       "--stdin", NULL }))
		return false;
	(void)snprintf(base, sizeof(base), "http://127.0.0.1:%d", atoi(s->line));
	return true;
}

int main(void)
{
	struct server s;

	make_files();
	if (!start_faultserver(&s)) {
		printf("skipped: python3 is needed for the server\n");
		return 77;
	}
	test_faults();
	server_stop(&s);
	return test_end();
}
