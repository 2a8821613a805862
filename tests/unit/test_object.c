/* SPDX-License-Identifier: Apache-2.0 */
#include "temp_store.h"

#include "base/limits.h"
#include "base/sys.h"
#include "object/block.h"
#include "object/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/wait.h>

#define B ((size_t)OBJECT_BLOCK_BYTES)

struct thing {
	uint8_t *bytes;
	size_t len;
	struct digest digest;
	struct extent x;
};

static void thing_make(struct thing *t, size_t len, unsigned int kind, uint64_t seed)
{
	*t = (struct thing){ .bytes = malloc(len + 1), .len = len };
	test_fill(t->bytes, len, kind, seed);
}

static void things_done(struct thing *t, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(t[i].bytes);
}

/* In pieces of odd sizes, as a tar brings them. */
static int put_pieces(struct pack_writer *w, struct thing *t, size_t piece, struct err *e)
{
	int r = object_begin(w, e);

	for (size_t at = 0; r == 0 && at < t->len; at += piece)
		r = object_write(w, t->bytes + at, t->len - at < piece ? t->len - at : piece, e);
	return r < 0 ? r : object_end(w, &t->digest, &t->x, e);
}

static bool reads_as(struct packs *ps, const struct thing *t, uint64_t offset, size_t len)
{
	size_t want = offset >= t->len ? 0 : t->len - offset < len ? t->len - offset : len;
	AUTO_MEM uint8_t *room = malloc(len + 1);
	struct err e = { 0 };
	ssize_t n = object_read(ps, &t->x, offset, room, len, &e);

	if (n < 0)
		fprintf(stderr, "  %s\n", e.text);
	return n == (ssize_t)want && memcmp(room, t->bytes + (want ? offset : 0), want) == 0;
}

static void test_round_trip(void)
{
	static const struct {
		const char *name;
		size_t len;
		unsigned int kind;
		size_t piece;
	} cases[] = {
		{ "empty", 0, 0, 1 },
		{ "one byte", 1, 0, 1 },
		{ "a page of noise", 4096, 0, 100 },
		{ "a page of text", 4096, 1, 4096 },
		{ "one less than a block", B - 1, 1, 7777 },
		{ "a block", B, 1, B },
		{ "a block of noise", B, 0, B },
		{ "one more than a block", B + 1, 0, B + 1 },
		{ "two blocks", 2 * B, 1, 65536 },
		{ "as much as memory holds", OBJECT_WHOLE_BYTES, 1, 1000003 },
		{ "one byte more", OBJECT_WHOLE_BYTES + 1, 0, 1000003 },
		{ "one byte more at once", OBJECT_WHOLE_BYTES + 1, 1, OBJECT_WHOLE_BYTES + 1 },
		{ "streamed text", 3 * OBJECT_WHOLE_BYTES + 4711, 1, 131071 },
		{ "streamed noise", 2 * OBJECT_WHOLE_BYTES + 1, 0, 3 * B },
		{ "many rows of zeros", 60 * B + 5, 2, B },
	};
	AUTO_TEMP_STORE ts;
	AUTO(pack_writer_freep) struct pack_writer *w = NULL;
	AUTO(packs_freep) struct packs *ps = NULL;
	struct thing things[ARRAY_LEN(cases)];
	struct err e = { 0 };
	bool made = false;

	temp_store_make(&ts);
	test_case = "open";
	CHECK_INT(pack_writer_open(&w, ts.st, 7, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct digest want;

		test_case = cases[i].name;
		thing_make(&things[i], cases[i].len, cases[i].kind, 100 + i);
		CHECK_INT(put_pieces(w, &things[i], cases[i].piece, &e), 0);
		CHECK_INT(sha256_of(things[i].bytes, things[i].len, &want, &e), 0);
		CHECK(digest_same(&want, &things[i].digest));
		CHECK_INT(things[i].x.size, cases[i].len);
		CHECK(cases[i].len == 0 || cases[i].kind == 0 ||
		      things[i].x.stored < cases[i].len / 2);
	}
	test_case = "publish";
	CHECK_INT(pack_writer_count(w), ARRAY_LEN(cases) - 1);
	CHECK_INT(pack_publish(w, &made, &e), 0);
	CHECK(made);
	CHECK_INT(pack_check(ts.st, 7, true, NULL, NULL, &e), 0);
	CHECK_INT(packs_open(&ps, ts.st, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct thing *t = &things[i];
		uint64_t seed = i;

		test_case = cases[i].name;
		CHECK(reads_as(ps, t, 0, t->len + 10));
		CHECK(reads_as(ps, t, t->len, 10));
		CHECK(reads_as(ps, t, UINT64_MAX, 10));
		for (int k = 0; k < 30; k++)
			CHECK(reads_as(ps, t, test_random(&seed) % (t->len + 2),
				       test_random(&seed) % (3 * B)));
	}
	things_done(things, ARRAY_LEN(things));
}

static int count_names(void *ctx, const char *name, unsigned char type)
{
	(void)name;
	(void)type;
	++*(int *)ctx;
	return 0;
}

static int names_in(int dir)
{
	int n = 0;

	return sys_each_name(dir, count_names, &n) < 0 ? -1 : n;
}

struct elsewhere {
	struct digest digest;
	struct extent x;
	int asked;
};

static int known_elsewhere(void *ctx, const struct digest *digest, struct extent *ret,
			   struct err *e)
{
	struct elsewhere *k = ctx;

	(void)e;
	k->asked++;
	if (!digest_same(digest, &k->digest))
		return 0;
	*ret = k->x;
	return 1;
}

static void test_same_bytes(void)
{
	AUTO_TEMP_STORE ts;
	AUTO(pack_writer_freep) struct pack_writer *w = NULL;
	AUTO(packs_freep) struct packs *ps = NULL;
	struct thing a, big, b, again, c;
	struct elsewhere k = { .x = { 1, 32, 1000, 2000 } };
	struct err e = { 0 };
	bool made = false;

	temp_store_make(&ts);
	thing_make(&a, 3000, 1, 1);
	thing_make(&big, OBJECT_WHOLE_BYTES + 3 * B, 0, 2);
	thing_make(&b, 5000, 0, 3);
	thing_make(&c, 2000, 0, 4);
	test_case = "dropping";
	CHECK_INT(pack_writer_open(&w, ts.st, 2, &e), 0);
	CHECK_INT(put_pieces(w, &a, 1000, &e), 0);
	CHECK_INT(object_drop(w, &e), 0);
	CHECK_INT(object_drop(w, &e), 0);
	CHECK_INT(pack_writer_count(w), 0);
	CHECK_INT(put_pieces(w, &a, 1000, &e), 0);
	CHECK_INT(put_pieces(w, &big, 1000000, &e), 0);
	CHECK_INT(object_drop(w, &e), 0);
	CHECK_INT(pack_writer_count(w), 1);

	test_case = "twice in one pack";
	again = a;
	CHECK_INT(object_put_whole(w, a.bytes, a.len, &again.digest, &again.x, &e), 0);
	CHECK_INT(memcmp(&again.x, &a.x, sizeof(a.x)), 0);
	CHECK_INT(object_drop(w, &e), 0); /* not the first one's bytes */
	CHECK_INT(pack_writer_count(w), 1);

	test_case = "known elsewhere";
	CHECK_INT(sha256_of(c.bytes, c.len, &k.digest, &e), 0);
	pack_writer_known(w, known_elsewhere, &k);
	CHECK_INT(put_pieces(w, &c, 77, &e), 0);
	CHECK_INT(memcmp(&c.x, &k.x, sizeof(c.x)), 0);
	CHECK_INT(pack_writer_count(w), 1);
	CHECK_INT(put_pieces(w, &b, 5000, &e), 0);
	CHECK_INT(k.asked, 2);
	CHECK_INT(pack_writer_count(w), 2);

	test_case = "what was dropped is gone";
	CHECK_INT(pack_publish(w, &made, &e), 0);
	CHECK_INT(pack_check(ts.st, 2, true, NULL, NULL, &e), 0);
	CHECK_INT(packs_open(&ps, ts.st, &e), 0);
	CHECK(reads_as(ps, &a, 0, 10000));
	CHECK(reads_as(ps, &b, 0, 10000));
	CHECK_INT(names_in(ts.st->tmp), 0);

	test_case = "a pack without objects";
	w = pack_writer_free(w);
	CHECK_INT(pack_writer_open(&w, ts.st, 3, &e), 0);
	CHECK_INT(put_pieces(w, &big, 1000000, &e), 0);
	CHECK_INT(object_drop(w, &e), 0);
	CHECK_INT(names_in(ts.st->tmp), 1);
	CHECK_INT(pack_publish(w, &made, &e), 0);
	CHECK(!made);
	w = pack_writer_free(w);
	CHECK_INT(names_in(ts.st->tmp), 0);
	CHECK_INT(names_in(ts.st->packs), 1);
	free(a.bytes);
	free(big.bytes);
	free(b.bytes);
	free(c.bytes);
}

/* What a process left that died between pack and manifest. */
static void test_adoption(void)
{
	AUTO_TEMP_STORE ts;
	AUTO(pack_writer_freep) struct pack_writer *w = NULL;
	AUTO(packs_freep) struct packs *ps = NULL;
	struct thing a, b, again;
	struct stat first, second;
	struct err e = { 0 };
	bool made = false;

	temp_store_make(&ts);
	thing_make(&a, 3 * B, 1, 1);
	thing_make(&b, 300000, 0, 2);
	test_case = "the first";
	CHECK_INT(pack_writer_open(&w, ts.st, 5, &e), 0);
	CHECK_INT(put_pieces(w, &a, 1000, &e), 0);
	CHECK_INT(pack_publish(w, &made, &e), 0);
	w = pack_writer_free(w);
	CHECK_INT(sys_fstatat(ts.st->packs, "5", &first, 0), 0);

	test_case = "the same again: nothing is written";
	again = a;
	CHECK_INT(pack_writer_open(&w, ts.st, 5, &e), 0);
	CHECK_INT(put_pieces(w, &again, 99999, &e), 0);
	CHECK_INT(memcmp(&again.x, &a.x, sizeof(a.x)), 0);
	CHECK_INT(pack_publish(w, &made, &e), 0);
	CHECK(made);
	CHECK_INT(pack_writer_count(w), 1);
	w = pack_writer_free(w);
	CHECK_INT(sys_fstatat(ts.st->packs, "5", &second, 0), 0);
	CHECK_INT(first.st_ino, second.st_ino);

	test_case = "with more: the first keeps its place";
	CHECK_INT(pack_writer_open(&w, ts.st, 5, &e), 0);
	CHECK_INT(put_pieces(w, &b, 99999, &e), 0);
	CHECK_INT(put_pieces(w, &again, 99999, &e), 0);
	CHECK_INT(memcmp(&again.x, &a.x, sizeof(a.x)), 0);
	CHECK_INT(pack_publish(w, &made, &e), 0);
	CHECK_INT(pack_writer_count(w), 2);
	CHECK_INT(pack_check(ts.st, 5, true, NULL, NULL, &e), 0);
	CHECK_INT(packs_open(&ps, ts.st, &e), 0);
	CHECK(reads_as(ps, &a, 0, a.len));
	CHECK(reads_as(ps, &b, 0, b.len));
	w = pack_writer_free(w);

	test_case = "a broken one is replaced";
	AUTO_FD fd = sys_openat(ts.st->packs, "6", O_WRONLY | O_CREAT, 0644);
	CHECK_INT(sys_write(fd, "nonsense", 8), 0);
	CHECK_INT(pack_writer_open(&w, ts.st, 6, &e), 0);
	CHECK_INT(put_pieces(w, &b, 99999, &e), 0);
	CHECK_INT(pack_publish(w, &made, &e), 0);
	CHECK_INT(pack_check(ts.st, 6, true, NULL, NULL, &e), 0);
	free(a.bytes);
	free(b.bytes);
}

static void test_sweep(void)
{
	AUTO_TEMP_STORE ts;
	AUTO(pack_writer_freep) struct pack_writer *w = NULL;
	struct thing a;
	struct err e = { 0 };
	bool made = false;
	int status;

	temp_store_make(&ts);
	thing_make(&a, 2 * OBJECT_WHOLE_BYTES, 0, 1);
	test_case = "a pack on its way is not swept";
	CHECK_INT(pack_writer_open(&w, ts.st, 1, &e), 0);
	CHECK_INT(put_pieces(w, &a, 1000000, &e), 0);
	CHECK_INT(names_in(ts.st->tmp), 1);
	pid_t pid = fork();
	if (pid == 0) {
		_exit(store_sweep(ts.st, NULL) == 0 ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK_INT(names_in(ts.st->tmp), 1);
	CHECK_INT(pack_publish(w, &made, &e), 0);

	test_case = "that of a dead process is";
	pid = fork();
	if (pid == 0) {
		struct pack_writer *mine = NULL;

		_exit(pack_writer_open(&mine, ts.st, 2, NULL) < 0 ||
		      put_pieces(mine, &a, 1000000, NULL) < 0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK_INT(names_in(ts.st->tmp), 1);
	CHECK_INT(store_sweep(ts.st, &e), 0);
	CHECK_INT(names_in(ts.st->tmp), 0);
	free(a.bytes);
}

/* A pack of a few small objects, as bytes. */
static struct buf small_pack(struct temp_store *ts, struct thing *things, size_t n)
{
	AUTO(pack_writer_freep) struct pack_writer *w = NULL;
	struct buf bytes = BUF(16 * MIB);
	struct err e = { 0 };
	bool made = false;

	CHECK_INT(pack_writer_open(&w, ts->st, 1, &e), 0);
	for (size_t i = 0; i < n; i++)
		CHECK_INT(put_pieces(w, &things[i], 50000, &e), 0);
	CHECK_INT(pack_publish(w, &made, &e), 0);
	CHECK_INT(sys_slurp(ts->st->packs, "1", &bytes), 0);
	return bytes;
}

static void put_pack(struct temp_store *ts, const void *bytes, size_t len)
{
	struct err e = { 0 };

	CHECK_INT(sys_publish(ts->st->tmp, ts->st->packs, "1", bytes, len, 0644, &e), 0);
}

/* What a damaged pack serves: the right bytes or -EBADMSG, nothing else. */
static bool serves_no_wrong_byte(struct temp_store *ts, const struct thing *things, size_t n)
{
	AUTO(packs_freep) struct packs *ps = NULL;
	struct err e = { 0 };
	bool good = packs_open(&ps, ts->st, &e) == 0;

	for (size_t i = 0; good && i < n; i++) {
		AUTO_MEM uint8_t *room = malloc(things[i].len);
		ssize_t got = object_read(ps, &things[i].x, 0, room, things[i].len, &e);

		good = got == -EBADMSG || (got == -EPROTO) ||
		       (got == (ssize_t)things[i].len &&
			memcmp(room, things[i].bytes, things[i].len) == 0);
	}
	return good;
}

static int take_wrong(void *ctx, const struct digest *digest, const struct extent *x,
		      const struct err *wrong)
{
	(void)digest;
	(void)x;
	*(bool *)ctx |= wrong->code < 0;
	return 0;
}

static bool deep_check_finds(struct temp_store *ts)
{
	bool wrong = false;

	return pack_check(ts->st, 1, true, take_wrong, &wrong, NULL) < 0 || wrong;
}

static void test_damage(void)
{
	AUTO_TEMP_STORE ts;
	struct thing things[5];
	uint64_t seed = 42;

	temp_store_make(&ts);
	thing_make(&things[0], 100, 1, 1);
	thing_make(&things[1], B + 1000, 1, 2);
	thing_make(&things[2], 900, 0, 3);
	thing_make(&things[3], 2 * B, 2, 4);
	thing_make(&things[4], 3000, 1, 5);
	AUTO_BUF whole = small_pack(&ts, things, ARRAY_LEN(things));
	AUTO_BUF bad = BUF(whole.len);

	test_case = "every flipped bit is found";
	for (int i = 0; i < 1500; i++) {
		/* header, tables and footer get their share: half of the flips near the ends */
		size_t at = test_random(&seed) % whole.len;

		if (i % 4 == 0)
			at = test_random(&seed) % 200;
		if (i % 4 == 1)
			at = whole.len - 1 - test_random(&seed) % 400;
		buf_clear(&bad);
		buf_add(&bad, whole.bytes, whole.len);
		bad.bytes[at] = (char)(bad.bytes[at] ^ (1 << (i % 8)));
		put_pack(&ts, bad.bytes, bad.len);
		if (!CHECK(deep_check_finds(&ts)) || !CHECK(serves_no_wrong_byte(&ts, things, 5))) {
			fprintf(stderr, "  at %zu of %zu\n", at, whole.len);
			break;
		}
	}
	test_case = "every cut is found";
	for (size_t len = 0; len < whole.len; len += 1 + test_random(&seed) % 300) {
		put_pack(&ts, whole.bytes, len);
		CHECK(deep_check_finds(&ts));
		CHECK(serves_no_wrong_byte(&ts, things, 5));
	}
	test_case = "and what is too much";
	buf_clear(&bad);
	bad.max = whole.len + 1;
	buf_add(&bad, whole.bytes, whole.len);
	buf_addc(&bad, '\0');
	put_pack(&ts, bad.bytes, bad.len);
	CHECK(deep_check_finds(&ts));
	things_done(things, 5);
}

static void test_bad_extents(void)
{
	AUTO_TEMP_STORE ts;
	AUTO(packs_freep) struct packs *ps = NULL;
	struct thing t[2];
	struct err e = { 0 };
	uint8_t room[64];

	temp_store_make(&ts);
	thing_make(&t[0], 3 * B, 1, 1);
	thing_make(&t[1], 3 * B, 1, 2);
	AUTO_BUF whole = small_pack(&ts, t, 2);
	const struct extent good = t[0].x, other = t[1].x;
	const struct {
		const char *name;
		struct extent x;
	} cases[] = {
		{ "no such pack", { 2, good.offset, good.stored, good.size } },
		{ "pack 0", { 0, good.offset, good.stored, good.size } },
		{ "offset in the header", { 1, 0, good.stored, good.size } },
		{ "offset one off", { 1, good.offset + 1, good.stored, good.size } },
		{ "offset past the end", { 1, whole.len, good.stored, good.size } },
		{ "offset overflows", { 1, UINT64_MAX - 10, good.stored, good.size } },
		{ "stored too small", { 1, good.offset, 48, good.size } },
		{ "stored zero", { 1, good.offset, 0, good.size } },
		{ "stored one less", { 1, good.offset, good.stored - 1, good.size } },
		{ "stored past the end", { 1, other.offset, other.stored + whole.len, good.size } },
		{ "stored overflows", { 1, good.offset, UINT64_MAX, good.size } },
		{ "size of one block", { 1, good.offset, good.stored, 100 } },
		{ "size of more blocks", { 1, good.offset, good.stored, 5 * B } },
		{ "size beyond all", { 1, good.offset, good.stored, UINT64_MAX } },
		{ "another's end", { 1, good.offset, good.stored + other.stored, good.size } },
	};

	CHECK_INT(packs_open(&ps, ts.st, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		test_case = cases[i].name;
		e.text[0] = '\0';
		CHECK_INT(object_read(ps, &cases[i].x, 0, room, sizeof(room), &e), -EBADMSG);
		CHECK(strstr(e.text, "pack"));
	}
	things_done(t, 2);
}

struct reader {
	struct packs *ps;
	const struct thing *things;
	size_t count;
	uint64_t seed;
	int wrong;
};

static void *read_around(void *arg)
{
	struct reader *r = arg;

	for (int i = 0; i < 300; i++) {
		const struct thing *t = &r->things[test_random(&r->seed) % r->count];

		r->wrong += !reads_as(r->ps, t, test_random(&r->seed) % t->len,
				      test_random(&r->seed) % (2 * B));
	}
	return NULL;
}

/* More packs than descriptors are kept, more threads than reads at once. */
static void test_many(void)
{
	enum { PACKS = PACKS_OPEN_MAX + 20, THREADS = 2 * PACK_READS_MAX };
	AUTO_TEMP_STORE ts;
	AUTO(packs_freep) struct packs *ps = NULL;
	struct thing things[PACKS];
	struct reader readers[THREADS];
	pthread_t threads[THREADS];
	struct err e = { 0 };
	bool made;

	temp_store_make(&ts);
	test_case = "many packs, many threads";
	for (size_t i = 0; i < PACKS; i++) {
		AUTO(pack_writer_freep) struct pack_writer *w = NULL;

		thing_make(&things[i], 1 + i * 1777, i % 3, i);
		CHECK_INT(pack_writer_open(&w, ts.st, i + 1, &e), 0);
		CHECK_INT(object_put_whole(w, things[i].bytes, things[i].len, &things[i].digest,
					   &things[i].x, &e),
			  0);
		CHECK_INT(pack_publish(w, &made, &e), 0);
	}
	CHECK_INT(packs_open(&ps, ts.st, &e), 0);
	for (size_t i = 0; i < THREADS; i++) {
		readers[i] = (struct reader){ ps, things, PACKS, i, 0 };
		CHECK_INT(pthread_create(&threads[i], NULL, read_around, &readers[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], NULL);
		CHECK_INT(readers[i].wrong, 0);
	}
	things_done(things, PACKS);
}

int main(void)
{
	test_round_trip();
	test_same_bytes();
	test_adoption();
	test_sweep();
	test_damage();
	test_bad_extents();
	test_many();
	return test_end();
}
