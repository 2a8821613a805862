/* SPDX-License-Identifier: Apache-2.0 */
#include "mount/place.h"
#include "mount/runtime.h"
#include "mount/wire.h"

#include "base/limits.h"
#include "base/sys.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_below(void)
{
	static const struct {
		const char *name, *path, *dir;
		bool below;
	} cases[] = {
		{ "itself", "/envs", "/envs", true },
		{ "a child", "/envs/a", "/envs", true },
		{ "deeper", "/envs/a/b", "/envs", true },
		{ "a longer name is not below", "/envs2", "/envs", false },
		{ "a parent is not below", "/", "/envs", false },
		{ "everything is below the root", "/x", "/", true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		test_case = cases[i].name;
		CHECK_INT(path_is_below(cases[i].path, cases[i].dir), cases[i].below);
	}
}

static int count(void *ctx, const struct mounted *m)
{
	CHECK(m->dir[0] == '/');
	CHECK(m->type[0] != '\0');
	++*(int *)ctx;
	return 0;
}

static void test_mounted(void)
{
	struct mounted m;
	struct err e = { 0 };
	int mounts = 0;

	test_case = "mountinfo";
	CHECK_INT(mounted_each(count, &mounts, &e), 0);
	CHECK(mounts > 1);
	CHECK_INT(mounted_at("/proc", &m, &e), 0);
	CHECK_TEXT(m.type, "proc");
	CHECK_INT(mounted_at("/no/such/mount", &m, &e), -ENOENT);
}

static void test_wire(void)
{
	static const struct {
		const char *name, *bytes;
		size_t len;
		int want;
	} cases[] = {
		{ "a message", "\5\0\0\0hello", 9, 0 },
		{ "an empty one", "\0\0\0\0", 4, 0 },
		{ "cut in its head", "\5\0", 2, -EBADMSG },
		{ "cut in its body", "\5\0\0\0hel", 7, -EBADMSG },
		{ "nothing at all", "", 0, -EBADMSG },
		{ "too long", "\1\0\100\0", 4, -EBADMSG }, /* 4 MiB + 1 */
		{ "absurd", "\377\377\377\377x", 5, -EBADMSG },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		AUTO_BUF got = BUF(CONTROL_BYTES_MAX);
		struct err e = { 0 };
		int ends[2];

		test_case = cases[i].name;
		if (!CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0))
			return;
		CHECK_INT(write(ends[0], cases[i].bytes, cases[i].len), cases[i].len);
		(void)close(ends[0]);
		CHECK_INT(wire_receive(ends[1], &got, &e), cases[i].want);
		CHECK((cases[i].want < 0) == (e.text[0] != '\0'));
		if (cases[i].want == 0)
			CHECK(got.len == cases[i].len - 4 &&
			      memcmp(got.bytes, cases[i].bytes + 4, got.len) == 0);
		(void)close(ends[1]);
	}

	AUTO_BUF got = BUF(CONTROL_BYTES_MAX);
	struct err e = { 0 };
	int ends[2];

	test_case = "there and back";
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	CHECK_INT(wire_send(ends[0], "{\"op\":1}", 8, &e), 0);
	CHECK_INT(wire_receive(ends[1], &got, &e), 0);
	CHECK_TEXT(got.bytes, "{\"op\":1}");
	test_case = "nobody speaks";
	CHECK_INT(wire_set_timeout(ends[1], 20, &e), 0);
	CHECK_INT(wire_receive(ends[1], &got, &e), -ETIMEDOUT);
	test_case = "nobody listens any more";
	(void)close(ends[1]);
	CHECK_INT(wire_send(ends[0], "x", 1, &e), -EPIPE);
	(void)close(ends[0]);
}

/* A message of which a byte comes now and then: each is in time, all together are not. */
static void *dawdle(void *end)
{
	int fd = *(int *)end;

	(void)!write(fd, "\144\0\0\0", 4);
	for (int i = 0; i < 60; i++) {
		(void)usleep(50000);
		if (send(fd, "x", 1, MSG_NOSIGNAL) < 0)
			break;
	}
	return NULL;
}

static void test_dawdler(void)
{
	AUTO_BUF got = BUF(CONTROL_BYTES_MAX);
	struct err e = { 0 };
	pthread_t thread;
	uint64_t begun;
	int ends[2];

	test_case = "a dawdler";
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	CHECK_INT(wire_set_timeout(ends[1], 200, &e), 0);
	CHECK_INT(pthread_create(&thread, NULL, dawdle, &ends[0]), 0);
	begun = sys_now_ns();
	CHECK_INT(wire_receive(ends[1], &got, &e), -ETIMEDOUT);
	CHECK((sys_now_ns() - begun) / 1000000 < 1500);
	(void)close(ends[1]);
	(void)pthread_join(thread, NULL);
	(void)close(ends[0]);
}

static void test_runtime(void)
{
	char dir[] = "/tmp/envfs-test-XXXXXX", sock[RUNTIME_NAME_BYTES], other[RUNTIME_NAME_BYTES];
	struct runtime rt = { .dir = -1 };
	struct err e = { 0 };
	int fd = -1, peer = -1, lock = -1;

	if (!CHECK(mkdtemp(dir) != NULL))
		return;
	(void)setenv("ENVFS_RUNTIME", dir, 1);
	test_case = "a folder that others can write";
	(void)chmod(dir, 0777);
	CHECK_INT(runtime_open(&rt, 1, &e), -EPERM);
	test_case = "its own";
	(void)chmod(dir, 0700);
	CHECK_INT(runtime_open(&rt, 1, &e), 0);
	runtime_name("/envs", "sock", sock);
	runtime_name("/envs2", "sock", other);
	CHECK(strcmp(sock, other) != 0);

	test_case = "a socket";
	CHECK_INT(wire_connect(&rt, sock, &peer, &e), -ENOENT);
	CHECK_INT(wire_listen(&rt, sock, &fd, &e), 0);
	CHECK_INT(wire_connect(&rt, sock, &peer, &e), 0);
	(void)close(peer);
	(void)close(fd);
	test_case = "of a dead daemon";
	CHECK_INT(wire_connect(&rt, sock, &peer, &e), -ECONNREFUSED);
	test_case = "taken over";
	CHECK_INT(wire_listen(&rt, sock, &fd, &e), 0);
	(void)close(fd);

	test_case = "the lock";
	CHECK_INT(runtime_lock(&rt, "/envs", &lock, &e), 0);
	(void)close(lock);
	(void)unlinkat(rt.dir, sock, 0);
	runtime_name("/envs", "lock", sock);
	(void)unlinkat(rt.dir, sock, 0);
	runtime_done(&rt);
	CHECK_INT(rmdir(dir), 0);
}

int main(void)
{
	test_below();
	test_mounted();
	test_wire();
	test_dawdler();
	test_runtime();
	return test_end();
}
