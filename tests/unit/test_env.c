/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/sys.h"
#include "env/env.h"
#include "env/generation.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>

static char dir[] = "/tmp/envfs-test-XXXXXX";

static int no_rebuild(struct index *ix, struct store *st, struct err *e)
{
	(void)ix;
	(void)st;
	(void)e;
	return 0;
}

static void test_names(void)
{
	static const struct {
		const char *name;
		int want;
	} cases[] = {
		{ "ml", 0 },
		{ "py3.11_x-y+z", 0 },
		{ "", -EINVAL },
		{ ".x", -EINVAL },
		{ "-x", -EINVAL },
		{ "a/b", -EINVAL },
		{ "..", -EINVAL },
		{ "a b", -EINVAL },
		{ "a:b", -EINVAL },
		{ "a#b", -EINVAL },
		{ "base", -EINVAL },
		{ "root", -EINVAL },
		{ "a\nb", -EINVAL },
		{ "\xc3\xa9", -EINVAL },
		{ "1234567890123456789012345678901234567890123456789012345678901234", 0 },
		{ "12345678901234567890123456789012345678901234567890123456789012345", -EINVAL },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		test_case = cases[i].name;
		CHECK_INT(env_name_check(cases[i].name, &e), cases[i].want);
	}
}

static struct gen_package package(const char *name, uint8_t hash)
{
	struct gen_package p = {
		.name = name,
		.version = "1.0",
		.build = "0",
		.subdir = "linux-64",
		.fn = "x-1.0-0.conda",
		.url = "https://h/c/linux-64/x-1.0-0.conda",
		.channel_url = "https://h/c",
		.record_json = "{}",
		.requested = "",
		.size = 17,
	};

	memset(p.sha256.bytes, hash, DIGEST_BYTES);
	return p;
}

static uint64_t write_one(struct store *st, struct index *ix, uint64_t parent,
			  struct gen_package *list, uint32_t count, int want)
{
	struct generation_spec spec = { .env = "ml",
					.parent = parent,
					.platform = "linux-64",
					.request_json = "{\"specs\":[\"a\"]}",
					.packages = list,
					.count = count };
	uint64_t number = 0;
	struct err e = { 0 };

	if (!CHECK_INT(generation_write(st, ix, &spec, &number, &e), want))
		fprintf(stderr, "%s\n", e.text);
	return number;
}

static void test_generations(struct store *st, struct index *ix)
{
	struct gen_package first[] = { package("a", 1), package("b", 2) };
	struct gen_package second[] = { package("b", 2), package("c", 3) };
	struct gen_package twice[] = { package("a", 1), package("a", 2) };
	struct gen_package secret = package("a", 1), odd = package("a/b", 1),
			   bare = package("a", 0);
	AUTO(generation_freep) struct generation *g = NULL;
	AUTO(generation_freep) struct generation *h = NULL;
	struct gen_package p, q;
	uint64_t one, two;
	struct err e;

	test_case = "write and read back";
	one = write_one(st, ix, 0, first, 2, 0);
	if (!CHECK_INT(generation_open(&g, st, one, &e), 0))
		return;
	CHECK_INT(generation_count(g), 2);
	CHECK_INT(generation_parent(g), 0);
	CHECK_TEXT(generation_env(g), "ml");
	CHECK_TEXT(generation_platform(g), "linux-64");
	CHECK_TEXT(generation_request_json(g), "{\"specs\":[\"a\"]}");
	generation_package(g, 1, &p);
	CHECK_TEXT(p.name, "b");
	CHECK_TEXT(p.url, "https://h/c/linux-64/x-1.0-0.conda");
	CHECK_INT(p.size, 17);
	CHECK_INT(p.sha256.bytes[31], 2);

	test_case = "numbers and places go on";
	two = write_one(st, ix, one, second, 2, 0);
	if (!CHECK_INT(generation_open(&h, st, two, &e), 0))
		return;
	CHECK(two > one);
	CHECK(generation_slot_base(h) >= generation_slot_base(g) + 3);
	generation_package(h, 0, &q);
	CHECK_INT(q.package, p.package);
	CHECK_INT(q.place, p.place);
	generation_package(h, 1, &q);
	CHECK(q.place != p.place && q.package != p.package);

	test_case = "a name twice";
	write_one(st, ix, 0, twice, 2, -EEXIST);
	test_case = "credentials";
	secret.url = "https://h/t/secret/c/x.conda";
	write_one(st, ix, 0, &secret, 1, -EINVAL);
	test_case = "a slash in a name";
	write_one(st, ix, 0, &odd, 1, -EINVAL);
	test_case = "no SHA-256";
	write_one(st, ix, 0, &bare, 1, -EINVAL);
	test_case = "absent";
	CHECK_INT(generation_open(&g, st, 999, &e), -ENOENT);
}

/* A bit of each byte of a generation file flipped: found, every one. */
static void test_damage(struct store *st)
{
	AUTO_BUF bytes = BUF(1 << 20);
	struct err e;

	test_case = "damage";
	CHECK_INT(sys_slurp(st->gens, "1", &bytes), 0);
	CHECK_INT(sys_unlinkat(st->gens, "1", 0), 0);
	for (size_t bit = 0; bit < bytes.len * 8; bit += 9) {
		struct generation *g = NULL;
		int r;

		bytes.bytes[bit / 8] = (char)(bytes.bytes[bit / 8] ^ 1 << bit % 8);
		{
			AUTO_FD fd = sys_openat(st->gens, "1", O_RDWR | O_CREAT | O_TRUNC, 0644);

			r = sys_write(fd, bytes.bytes, bytes.len);
		}
		CHECK_INT(r, 0);
		r = generation_open(&g, st, 1, &e);
		if (r != -EBADMSG && r != -EPROTO)
			CHECK_INT((int)bit, -1);
		g = generation_free(g);
		bytes.bytes[bit / 8] = (char)(bytes.bytes[bit / 8] ^ 1 << bit % 8);
	}
	test_case = "cut";
	for (size_t len = 0; len < bytes.len; len += 7) {
		struct generation *g = NULL;
		AUTO_FD fd = sys_openat(st->gens, "1", O_RDWR | O_CREAT | O_TRUNC, 0644);

		CHECK_INT(sys_write(fd, bytes.bytes, len), 0);
		CHECK(generation_open(&g, st, 1, &e) < 0);
	}
}

static void test_pointers(struct store *st)
{
	struct env_list l;
	uint64_t now;
	struct err e;

	test_case = "switch";
	CHECK_INT(env_current(st, "x", &now, &e), -ENOENT);
	CHECK_INT(env_switch(st, "x", 5, 6, &e), -ESTALE);
	CHECK_INT(env_switch(st, "x", 0, 6, &e), 0);
	CHECK_INT(env_switch(st, "x", 0, 7, &e), -EEXIST);
	CHECK_INT(env_switch(st, "x", 5, 7, &e), -ESTALE);
	CHECK_INT(env_switch(st, "x", 6, 7, &e), 0);
	CHECK_INT(env_current(st, "x", &now, &e), 0);
	CHECK_INT(now, 7);
	CHECK_INT(env_switch(st, "a", 0, 1, &e), 0);
	test_case = "list";
	CHECK_INT(env_list(st, &l, &e), 0);
	CHECK_INT(l.count, 2);
	CHECK_TEXT(l.names[0], "a");
	env_list_done(&l);
	test_case = "damaged pointer";
	AUTO_FD fd = sys_openat(st->envs, "a", O_WRONLY | O_TRUNC, 0);
	CHECK_INT(sys_write(fd, "generation 1 \n", 14), 0);
	CHECK_INT(env_current(st, "a", &now, &e), -EBADMSG);
	test_case = "remove";
	CHECK_INT(env_remove(st, "a", &e), 0);
	CHECK_INT(env_remove(st, "x", &e), 0);
	CHECK_INT(env_remove(st, "x", &e), -ENOENT);
}

struct removal {
	struct store *st;
	_Atomic bool done;
	int code;
};

static void *remove_it(void *removal)
{
	struct removal *rm = removal;

	rm->code = env_remove(rm->st, "locked", NULL);
	atomic_store(&rm->done, true);
	return NULL;
}

/* Who switches has looked at the pointer and is about to write it: a removal in between would
 * be undone. */
static void test_remove_waits(struct store *st)
{
	struct removal rm = { .st = st };
	pthread_t thread;
	int fd = -1;

	test_case = "remove waits for a switch";
	CHECK_INT(env_switch(st, "locked", 0, 7, NULL), 0);
	CHECK_INT(store_lock(st, "env-locked", true, &fd, NULL), 0);
	CHECK_INT(pthread_create(&thread, NULL, remove_it, &rm), 0);
	(void)usleep(100000);
	CHECK(!atomic_load(&rm.done));
	store_unlock(st, "env-locked", &fd);
	(void)pthread_join(thread, NULL);
	CHECK_INT(rm.code, 0);
	CHECK_INT(env_remove(st, "locked", NULL), -ENOENT);
}

int main(void)
{
	AUTO(store_freep) struct store *st = NULL;
	AUTO(index_freep) struct index *ix = NULL;
	char cmd[64];
	struct err e;

	CHECK(mkdtemp(dir) != NULL);
	CHECK_INT(store_open(&st, dir, STORE_WRITE, &e), 0);
	CHECK_INT(index_open(&ix, st, no_rebuild, &e), 0);
	test_names();
	test_generations(st, ix);
	test_pointers(st);
	test_damage(st);
	test_remove_waits(st);
	(void)snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	CHECK_INT(system(cmd), 0);
	return test_end();
}
