/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch_servers: what the tests of fetch share. The servers of tests/lib are
 * started here, on 127.0.0.1; names are resolved below, never by a name server.
 */
#ifndef ENVFS_TESTS_FETCH_SERVERS_H
#define ENVFS_TESTS_FETCH_SERVERS_H

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
#define STALL_MS    4000
#define TRIES	    3

/* first, len: which of the bytes of data */
#define WHOLE	 0, DATA_BYTES
#define ANYTHING 0, (size_t)-1
#define EMPTY	 0, 0

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

static inline bool server_start(struct server *s, const char *const argv[])
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

static inline void server_stop(struct server *s)
{
	close(s->in);
	(void)waitpid(s->pid, NULL, 0);
}

static inline const char *in_dir(const char *name)
{
	static char path[200];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static inline void append_file(const char *path, const void *bytes, size_t len)
{
	AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0 || sys_write(fd, bytes, len) < 0)
		abort();
}

static inline void write_file(const char *path, const void *bytes, size_t len)
{
	(void)unlink(path);
	append_file(path, bytes, len);
}

static inline void make_files(void)
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
	/* Nothing of the environment may be looked at. */
	(void)setenv("http_proxy", "http://127.0.0.1:1", 1);
	(void)setenv("https_proxy", "http://127.0.0.1:1", 1);
	(void)setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
	if (!mkdtemp(dir) || mkdir(in_dir("root"), 0755) < 0)
		abort();
	(void)chmod(dir, 0755);
	write_file(in_dir("root/data"), data, DATA_BYTES);
	write_file(in_dir("root/small"), data, SMALL_BYTES);
	write_file(in_dir("root/tiny"), data, TINY_BYTES);
	write_file(in_dir("root/empty"), data, 0);
	for (int i = 0; i < 25; i++)
		append_file(in_dir("root/large"), data, DATA_BYTES);
	CHECK(sha256_of(data, DATA_BYTES, &data_sha256, NULL) == 0);
	CHECK(md5_begin(&h, NULL) == 0);
	hasher_add(&h, data, DATA_BYTES);
	md5_end(&h, &data_md5);
}

static inline int memory_file(void)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	if (fd < 0)
		abort();
	return fd;
}

/* What is in fd: data's bytes from `first` on, each `plus` larger. */
static inline bool holds(int fd, size_t first, size_t len, int plus)
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

static inline void on_done(void *ctx, const struct fetch_result *result)
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

static inline void on_progress(void *ctx, uint64_t bytes, uint64_t total)
{
	struct outcome *o = ctx;

	o->backwards |= bytes == 0 || (total && bytes > total);
	o->bytes = bytes;
	o->total = total;
}

static inline void wait_all(void)
{
	pthread_mutex_lock(&lock);
	while (pending > 0)
		(void)pthread_cond_wait(&cond, &lock);
	pthread_mutex_unlock(&lock);
}

static inline uint64_t start(struct fetcher *f, struct fetch_request *rq, struct outcome *o)
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

static inline struct fetcher *open_fetcher(const struct fetch_options *more)
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
static inline int requests_logged(const char *log, const char *mark)
{
	AUTO_BUF text = BUF(16 * MIB);
	int count = 0;

	if (sys_slurp(AT_FDCWD, log, &text) < 0)
		return -1;
	for (const char *at = text.bytes; (at = strstr(at, mark)); at++)
		count++;
	return count;
}

static inline int requests_settled(const char *log, const char *mark, int want)
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

static inline bool start_faultserver(struct server *s)
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

static inline void remove_files(void)
{
	static const char *const names[] = { "root/data", "root/large", "root/small",
					     "root/tiny", "root/empty", "root",
					     "log",	  "ca.pem",	"" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)remove(in_dir(names[i]));
}

#endif
