/* SPDX-License-Identifier: Apache-2.0 */
#include "temp_store.h"

#include "base/sys.h"
#include "index/index.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

static struct digest digest_no(uint64_t n)
{
	struct digest d;

	CHECK_INT(sha256_of(&n, sizeof(n), &d, NULL), 0);
	return d;
}

static struct index_place place_no(uint64_t n)
{
	return (struct index_place){ n % 7 + 1, n * 100 + 32, n % 1000 + 17, n % 1000 + 1 };
}

static int rebuilds; /* how often the index was made anew in this process */

/* As if packs/ held these objects and gens/ these numbers. */
#define IN_FILES 300
static int from_files(struct index *ix, struct store *st, struct err *e)
{
	int r = 0;

	(void)st;
	rebuilds++;
	for (uint64_t n = 0; r == 0 && n < IN_FILES; n++) {
		struct digest d = digest_no(n);
		struct index_place p = place_no(n);

		r = index_object_put(ix, &d, &p, e);
	}
	if (r == 0)
		r = index_artifact_put(
			ix, &(struct index_artifact){ .package = 5, .sha256 = digest_no(5) }, e);
	/* The files of a store that was just filled name no number beyond the index. */
	if (r == 0 && rebuilds > 1)
		r = index_raise(ix, COUNTER_PACKAGE, 6, e);
	return r;
}

static int from_nothing(struct index *ix, struct store *st, struct err *e)
{
	(void)ix;
	(void)st;
	(void)e;
	rebuilds++;
	return 0;
}

static int count_artifact(void *ctx, const struct index_artifact *a)
{
	*(uint64_t *)ctx += a->package;
	return 0;
}

static int count_object(void *ctx, const struct digest *digest, const struct index_place *p)
{
	(void)digest;
	*(uint64_t *)ctx += p->size;
	return 0;
}

static void test_calls(void)
{
	AUTO_TEMP_STORE ts;
	AUTO(index_freep) struct index *ix = NULL;
	struct index_artifact a = { .sha256 = digest_no(1) }, b = { .sha256 = digest_no(2) }, got;
	struct md5 md5 = { { 1, 2, 3 } };
	struct index_place place = place_no(9), back;
	struct index_counts counts;
	struct digest d = digest_no(9);
	struct err e = { 0 };
	uint64_t n = 0, sum = 0;

	temp_store_make(&ts);
	test_case = "a new store";
	rebuilds = 0;
	CHECK_INT(index_open(&ix, ts.st, from_nothing, &e), 0);
	CHECK_INT(rebuilds, 1);

	test_case = "counters";
	for (int c = 0; c < COUNTERS; c++) {
		CHECK_INT(index_peek(ix, c, &n, &e), 0);
		CHECK_INT(n, 1);
		CHECK_INT(index_take(ix, c, 10, &n, &e), 0);
		CHECK_INT(n, 1);
		CHECK_INT(index_take(ix, c, 1, &n, &e), 0);
		CHECK_INT(n, 11);
		CHECK_INT(index_raise(ix, c, 5, &e), 0); /* never back */
		CHECK_INT(index_peek(ix, c, &n, &e), 0);
		CHECK_INT(n, 12);
		CHECK_INT(index_raise(ix, c, 100, &e), 0);
		CHECK_INT(index_take(ix, c, 1, &n, &e), 0);
		CHECK_INT(n, 100);
		CHECK_INT(index_take(ix, c, INT64_MAX, &n, &e), -EOVERFLOW);
		CHECK_INT(index_take(ix, c, UINT64_MAX, &n, &e), -EOVERFLOW);
		CHECK_INT(index_raise(ix, c, UINT64_MAX, &e), -EOVERFLOW);
		CHECK_INT(index_peek(ix, c, &n, &e), 0);
		CHECK_INT(n, 101);
	}

	test_case = "artifacts";
	CHECK_INT(index_artifact_by_sha256(ix, &a.sha256, &got, &e), -ENOENT);
	CHECK_INT(index_artifact_by_md5(ix, &md5, &got, &e), -ENOENT);
	CHECK_INT(index_artifact_by_number(ix, 101, &got, &e), -ENOENT);
	CHECK_INT(index_artifact_number(ix, &a, &e), 0);
	CHECK_INT(a.package, 101);
	CHECK_INT(index_artifact_number(ix, &b, &e), 0);
	CHECK_INT(b.package, 102);
	a = (struct index_artifact){ .sha256 = digest_no(1), .md5 = md5, .size = 77 };
	CHECK_INT(index_artifact_number(ix, &a, &e), 0);
	CHECK_INT(a.package, 101);
	CHECK_INT(index_artifact_by_md5(ix, &md5, &got, &e), 0);
	CHECK_INT(got.package, 101);
	CHECK_INT(got.size, 77);
	a = (struct index_artifact){ .sha256 = digest_no(1), .size = 5 }; /* what is known stays */
	CHECK_INT(index_artifact_number(ix, &a, &e), 0);
	CHECK_INT(a.size, 77);
	CHECK_INT(memcmp(&a.md5, &md5, sizeof(md5)), 0);
	CHECK_INT(index_artifact_by_number(ix, 102, &got, &e), 0);
	CHECK(digest_same(&got.sha256, &b.sha256));
	CHECK(md5_is_zero(&got.md5));
	CHECK_INT(index_each_artifact(ix, count_artifact, &sum, &e), 0);
	CHECK_INT(sum, 203);
	got = (struct index_artifact){ .package = 500, .sha256 = digest_no(1) };
	CHECK_INT(index_artifact_put(ix, &got, &e), -EEXIST);

	test_case = "objects";
	CHECK_INT(index_object_get(ix, &d, &back, &e), -ENOENT);
	CHECK_INT(index_object_put(ix, &d, &place, &e), 0);
	CHECK_INT(index_object_put(ix, &d, &(struct index_place){ 1, 2, 3, 4 }, &e), 0);
	CHECK_INT(index_object_get(ix, &d, &back, &e), 0);
	CHECK_INT(memcmp(&back, &place, sizeof(place)), 0);
	sum = 0;
	CHECK_INT(index_each_object(ix, count_object, &sum, &e), 0);
	CHECK_INT(sum, place.size);
	CHECK_INT(index_counts(ix, &counts, &e), 0);
	CHECK_INT(counts.artifacts, 2);
	CHECK_INT(counts.objects, 1);
	CHECK_INT(counts.object_bytes, place.size);
	CHECK_INT(counts.stored_bytes, place.stored);
	CHECK_INT(index_check(ix, &e), 0);

	test_case = "transactions";
	CHECK_INT(index_begin(ix, &e), 0);
	CHECK_INT(index_take(ix, COUNTER_SLOT, 50, &n, &e), 0);
	d = digest_no(10);
	CHECK_INT(index_object_put(ix, &d, &place, &e), 0);
	CHECK_INT(index_object_get(ix, &d, &back, &e), 0);
	CHECK_INT(index_end(ix, false, &e), 0);
	CHECK_INT(index_object_get(ix, &d, &back, &e), -ENOENT);
	CHECK_INT(index_peek(ix, COUNTER_SLOT, &n, &e), 0);
	CHECK_INT(n, 101);
	CHECK_INT(index_begin(ix, &e), 0);
	CHECK_INT(index_object_put(ix, &d, &place, &e), 0);
	CHECK_INT(index_end(ix, true, &e), 0);
	CHECK_INT(index_object_get(ix, &d, &back, &e), 0);
	CHECK_INT(rebuilds, 1);

	test_case = "without a rebuild function";
	ix = index_free(ix);
	CHECK_INT(index_open(&ix, ts.st, NULL, &e), 0);
	ix = index_free(ix);
	CHECK_INT(sys_unlinkat(ts.st->dir, "index.db", 0), 0);
	CHECK_INT(index_open(&ix, ts.st, NULL, &e), -ENOENT);
}

struct damage {
	const char *name, *file;
	enum { OVERWRITE, CUT, GROW_FILE, REMOVE, MAKE_DIR, MAKE_LINK, SQL } how;
	long at; /* negative: from the end */
	const char *bytes;
};

static void do_damage(struct temp_store *ts, const struct damage *d)
{
	struct stat sb = { 0 };
	char path[PATH_MAX + 64];

	(void)snprintf(path, sizeof(path), "%s/%s", ts->dir, d->file);
	if (sys_fstatat(ts->st->dir, d->file, &sb, 0) < 0)
		sb.st_size = 0; /* not there yet */
	switch (d->how) {
	case OVERWRITE: {
		AUTO_FD fd = sys_openat(ts->st->dir, d->file, O_WRONLY | O_CREAT, 0644);
		long at = d->at < 0 ? (long)sb.st_size + d->at : d->at;

		CHECK(fd >= 0);
		CHECK_INT(sys_pwrite(fd, d->bytes, strlen(d->bytes), (uint64_t)at), 0);
		break;
	}
	case CUT:
	case GROW_FILE:
		CHECK_INT(truncate(path, d->at < 0 ? sb.st_size + d->at : d->at), 0);
		break;
	case REMOVE:
		CHECK_INT(unlink(path), 0);
		break;
	case MAKE_DIR:
		CHECK_INT(unlink(path), 0);
		CHECK_INT(mkdir(path, 0755), 0);
		break;
	case MAKE_LINK:
		CHECK_INT(unlink(path), 0);
		CHECK_INT(symlink("/etc/passwd", path), 0);
		break;
	case SQL: {
		sqlite3 *db = NULL;

		CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
		CHECK_INT(sqlite3_exec(db, d->bytes, NULL, NULL, NULL), SQLITE_OK);
		CHECK_INT(sqlite3_close(db), SQLITE_OK);
		break;
	}
	}
}

/* Whatever was done to the files: all that the store's files know is there, and
 * no number comes twice. */
static void check_whole(struct temp_store *ts, const uint64_t taken[COUNTERS])
{
	AUTO(index_freep) struct index *ix = NULL;
	struct err e = { 0 };
	struct index_place place;
	uint64_t n;
	int missing = 0;

	if (!CHECK_INT(index_open(&ix, ts->st, from_files, &e), 0)) {
		fprintf(stderr, "  %s\n", e.text);
		return;
	}
	for (uint64_t i = 0; i < IN_FILES; i++) {
		struct digest d = digest_no(i);
		struct index_place want = place_no(i);

		int r = index_object_get(ix, &d, &place, &e);

		missing += r == -ENOENT;
		if (!CHECK(r == 0 || r == -ENOENT) ||
		    !CHECK(r < 0 || memcmp(&place, &want, sizeof(want)) == 0)) {
			fprintf(stderr, "  %s\n", e.text);
			return;
		}
	}
	/* A key that is not its own any more: its object is stored again, no harm. */
	CHECK(missing <= 1);
	for (int c = 0; c < COUNTERS; c++) {
		CHECK_INT(index_take(ix, c, 1, &n, &e), 0);
		CHECK(n >= taken[c]);
	}
	CHECK_INT(index_check(ix, &e), 0);
}

static void fill_and_take(struct temp_store *ts, uint64_t taken[COUNTERS])
{
	AUTO(index_freep) struct index *ix = NULL;
	struct err e = { 0 };

	rebuilds = 0;
	CHECK_INT(index_open(&ix, ts->st, from_files, &e), 0);
	for (int c = 0; c < COUNTERS; c++) {
		CHECK_INT(index_take(ix, c, 20, &taken[c], &e), 0);
		taken[c] += 20;
	}
}

static void test_damage(void)
{
	static const struct damage cases[] = {
		{ "removed", "index.db", REMOVE, 0, NULL },
		{ "empty", "index.db", CUT, 0, NULL },
		{ "one byte", "index.db", CUT, 1, NULL },
		{ "header only", "index.db", CUT, 100, NULL },
		{ "half a page", "index.db", CUT, 2048, NULL },
		{ "one page", "index.db", CUT, 4096, NULL },
		{ "two pages", "index.db", CUT, 8192, NULL },
		{ "the last page gone", "index.db", CUT, -4096, NULL },
		{ "the last byte gone", "index.db", CUT, -1, NULL },
		{ "garbage at the start", "index.db", OVERWRITE, 0, "this is no database at all" },
		{ "page size", "index.db", OVERWRITE, 16, "\x07\x77" },
		{ "format version", "index.db", OVERWRITE, 18, "\x09\x09" },
		{ "the schema's page", "index.db", OVERWRITE, 100, "\x55\x55\x55\x55\x55\x55" },
		{ "the schema's text", "index.db", OVERWRITE, 4000, "CREATE GARBAGE" },
		{ "a page of data", "index.db", OVERWRITE, 20480, "\x01\x02\x03\x04\x05" },
		{ "another page of data", "index.db", OVERWRITE, -4096, "\x01\x02\x03\x04\x05" },
		{ "a value", "index.db", OVERWRITE, -30, "\x11" },
		{ "a directory", "index.db", MAKE_DIR, 0, NULL },
		{ "a link", "index.db", MAKE_LINK, 0, NULL },
		{ "WAL of garbage", "index.db-wal", OVERWRITE, 0,
		  "garbage garbage garbage garbage" },
		{ "WAL cut to nothing", "index.db-wal", CUT, 0, NULL },
		{ "SHM of garbage", "index.db-shm", OVERWRITE, 0, "garbage garbage garbage" },
		{ "a journal of garbage", "index.db-journal", OVERWRITE, 0, "garbage garbage" },
		{ "another version", "index.db", SQL, 0, "PRAGMA user_version = 2" },
		{ "no version", "index.db", SQL, 0, "PRAGMA user_version = 0" },
		{ "another program's", "index.db", SQL, 0, "PRAGMA application_id = 1" },
		{ "a table gone", "index.db", SQL, 0, "DROP TABLE object" },
		{ "a table's rows of another kind", "index.db", SQL, 0,
		  "UPDATE object SET stored = \"x\"" },
		{ "a column gone", "index.db", SQL, 0, "ALTER TABLE artifact DROP COLUMN size" },
		{ "wrong places", "index.db", SQL, 0, "UPDATE object SET offset = offset + 1" },
		{ "a counter set back", "index.db", SQL, 0,
		  "UPDATE counter SET next = 1 WHERE which = 0" },
		{ "a counter negative", "index.db", SQL, 0, "UPDATE counter SET next = -1" },
		{ "short digests", "index.db", SQL, 0,
		  "UPDATE OR IGNORE object SET digest = x'00'" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_TEMP_STORE ts;
		uint64_t taken[COUNTERS];

		temp_store_make(&ts);
		test_case = cases[i].name;
		fill_and_take(&ts, taken);
		/* A WAL that is cut forgets what it held; what stands in file names is found. */
		if (strcmp(cases[i].file, "index.db-wal") == 0)
			memset(taken, 0, sizeof(taken));
		do_damage(&ts, &cases[i]);
		check_whole(&ts, taken);
	}
}

/* Any bit anywhere: no wrong place is ever told. */
static void test_flips(void)
{
	AUTO_TEMP_STORE ts;
	uint64_t taken[COUNTERS], seed = 7;
	struct err e = { 0 };
	AUTO_BUF whole = BUF(1 << 24);

	temp_store_make(&ts);
	fill_and_take(&ts, taken);
	CHECK_INT(sys_slurp(ts.st->dir, "index.db", &whole), 0);
	test_case = "flipped bits";
	for (int i = 0; i < 150; i++) {
		AUTO(index_freep) struct index *ix = NULL;
		size_t at = test_random(&seed) % whole.len;

		(void)sys_unlinkat(ts.st->dir, "index.db-wal", 0);
		(void)sys_unlinkat(ts.st->dir, "index.db-shm", 0);
		whole.bytes[at] = (char)(whole.bytes[at] ^ (1 << (i % 8)));
		CHECK_INT(sys_publish(ts.st->tmp, ts.st->dir, "index.db", whole.bytes, whole.len,
				      0644, &e),
			  0);
		whole.bytes[at] = (char)(whole.bytes[at] ^ (1 << (i % 8)));
		if (!CHECK_INT(index_open(&ix, ts.st, from_files, &e), 0))
			continue;
		for (uint64_t n = 0; n < IN_FILES; n += 3) {
			struct digest d = digest_no(n);
			struct index_place want = place_no(n), place;
			int r = index_object_get(ix, &d, &place, &e);

			CHECK(r == -ENOENT || (r == 0 && memcmp(&place, &want, sizeof(want)) == 0));
		}
	}
}

/* A counter that fell behind the files is noticed before a number comes twice. */
static void test_behind(void)
{
	static const char *const files[] = { "packs/1", "manifests/1", "gens/1" };

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		AUTO_TEMP_STORE ts;
		AUTO(index_freep) struct index *ix = NULL;
		struct err e = { 0 };

		temp_store_make(&ts);
		test_case = files[i];
		CHECK_INT(index_open(&ix, ts.st, from_nothing, &e), 0);
		ix = index_free(ix);
		AUTO_FD fd = sys_openat(ts.st->dir, files[i], O_WRONLY | O_CREAT, 0644);
		CHECK(fd >= 0);
		CHECK_INT(index_open(&ix, ts.st, NULL, &e), -EBADMSG);
		CHECK(strstr(e.text, "behind the files"));
	}
}

/* Two processes, each with two threads, take numbers; one removes the index
 * once in a while. */
static void *take_some(void *arg)
{
	struct index *ix = arg;
	struct err e = { 0 };

	for (int i = 0; i < 40; i++) {
		uint64_t n;
		int r = index_begin(ix, &e);

		if (r == 0)
			r = index_take(ix, COUNTER_PLACE, 1, &n, &e);
		if (r == 0)
			r = index_artifact_number(
				ix, &(struct index_artifact){ .sha256 = digest_no(n) }, &e);
		if (r == 0)
			r = index_end(ix, true, &e);
		if (r < 0) {
			fprintf(stderr, "  %s\n", e.text);
			return ix;
		}
	}
	return NULL;
}

static void test_two_processes(void)
{
	AUTO_TEMP_STORE ts;
	AUTO(index_freep) struct index *ix = NULL;
	struct index_counts counts;
	struct err e = { 0 };
	uint64_t n;
	pid_t pids[3];

	temp_store_make(&ts);
	test_case = "processes and threads";
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			struct index *mine = NULL;
			pthread_t other;
			void *failed = NULL, *also;

			if (index_open(&mine, ts.st, from_nothing, NULL) < 0 ||
			    pthread_create(&other, NULL, take_some, mine) != 0)
				_exit(1);
			also = take_some(mine);
			(void)pthread_join(other, &failed);
			_exit(failed || also);
		}
	}
	for (size_t i = 0; i < ARRAY_LEN(pids); i++) {
		int status = -1;

		CHECK(waitpid(pids[i], &status, 0) == pids[i] && status == 0);
	}
	CHECK_INT(index_open(&ix, ts.st, NULL, &e), 0);
	CHECK_INT(index_peek(ix, COUNTER_PLACE, &n, &e), 0);
	CHECK_INT(n, 1 + 3 * 2 * 40);
	CHECK_INT(index_counts(ix, &counts, &e), 0);
	CHECK_INT(counts.artifacts, 3 * 2 * 40);
	CHECK_INT(index_check(ix, &e), 0);
}

/* While one process has it open, another makes it anew. */
static void test_rebuilt_elsewhere(void)
{
	AUTO_TEMP_STORE ts;
	AUTO(index_freep) struct index *ix = NULL;
	struct err e = { 0 };
	uint64_t n, m;
	int status;

	temp_store_make(&ts);
	test_case = "rebuilt by another";
	CHECK_INT(index_open(&ix, ts.st, from_files, &e), 0);
	CHECK_INT(index_take(ix, COUNTER_SLOT, 10, &n, &e), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct index *other = NULL;
		uint64_t k;

		_exit(index_rebuild(ts.st, from_files, NULL) < 0 ||
		      index_open(&other, ts.st, NULL, NULL) < 0 ||
		      index_take(other, COUNTER_SLOT, 10, &k, NULL) < 0 || k != n + 10);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK_INT(index_take(ix, COUNTER_SLOT, 1, &m, &e), 0);
	CHECK_INT(m, n + 20);
}

/* Killed at any moment: it opens, and what was committed is there. */
static void test_kills(void)
{
	AUTO_TEMP_STORE ts;
	uint64_t last = 0, seed = 3;

	temp_store_make(&ts);
	test_case = "kill -9";
	for (int round = 0; round < 25; round++) {
		AUTO(index_freep) struct index *ix = NULL;
		struct err e = { 0 };
		uint64_t told = 0, n;
		int pipes[2], status;

		CHECK_INT(pipe(pipes), 0);
		pid_t pid = fork();
		if (pid == 0) {
			struct index *mine = NULL;

			if (index_open(&mine, ts.st, from_nothing, NULL) < 0)
				_exit(1);
			for (;;) {
				if (index_take(mine, COUNTER_SLOT, 1, &n, NULL) < 0 ||
				    write(pipes[1], &n, sizeof(n)) != sizeof(n))
					_exit(1);
			}
		}
		(void)close(pipes[1]);
		(void)usleep(10000 + (useconds_t)(test_random(&seed) % 20000));
		(void)kill(pid, SIGKILL);
		CHECK(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status));
		while (read(pipes[0], &n, sizeof(n)) == sizeof(n)) {
			CHECK(n > last);
			told = last = n;
		}
		(void)close(pipes[0]);
		CHECK_INT(index_open(&ix, ts.st, from_nothing, &e), 0);
		CHECK_INT(index_check(ix, &e), 0);
		CHECK_INT(index_take(ix, COUNTER_SLOT, 1, &n, &e), 0);
		CHECK(n > told);
		last = n;
	}
}

int main(void)
{
	test_calls();
	test_damage();
	test_flips();
	test_behind();
	test_two_processes();
	test_rebuilt_elsewhere();
	test_kills();
	return test_end();
}
