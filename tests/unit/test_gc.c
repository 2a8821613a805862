/* SPDX-License-Identifier: Apache-2.0 */
#include "temp_store.h"

#include "base/limits.h"
#include "base/sys.h"
#include "env/env.h"
#include "env/generation.h"
#include "gc/rebuild.h"
#include "gc/verify.h"
#include "index/index.h"
#include "manifest/build.h"
#include "object/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>

/*
 * A small store: three packages that share a file, one of them only listed, two
 * generations of one environment. Written in the order that docs/formats/store.md gives.
 */
#define FILES 6

static void file_bytes(unsigned int package, unsigned int file, uint8_t *room, size_t *ret_len)
{
	/* File 0 is the same in each package, file 1 is empty. */
	uint64_t seed = file == 0 ? 1 : package * 100 + file;

	*ret_len = file == 1 ? 0 : 1000 + file * 60000;
	test_fill(room, *ret_len, file % 3, seed);
}

static struct digest artifact_digest(unsigned int package)
{
	struct digest d = { { 0xa0, (uint8_t)package } };

	return d;
}

static int known(void *ctx, const struct digest *digest, struct extent *ret, struct err *e)
{
	struct index_place p;
	int r = index_object_get(ctx, digest, &p, e);

	if (r == 0)
		*ret = (struct extent){ p.pack, p.offset, p.stored, p.size };
	return r == -ENOENT ? 0 : r < 0 ? r : 1;
}

static int put_file(struct pack_writer *w, struct manifest_builder *b, unsigned int package,
		    unsigned int file, struct err *e)
{
	AUTO_MEM uint8_t *room = malloc(MIB);
	char path[64];
	size_t len;
	int n = snprintf(path, sizeof(path), "lib/p%u/file%u", package, file), r;
	struct pkg_row row = { .path = path, .path_len = (size_t)n, .type = ENTRY_FILE };
	struct payload p = { .path = path,
			     .path_len = (size_t)n,
			     .type = ENTRY_FILE,
			     .mode = 0644,
			     .mtime_s = 1600000000 };

	file_bytes(package, file, room, &len);
	r = manifest_builder_row(b, &row, e);
	if (r < 0 || !w)
		return r;
	r = object_put_whole(w, room, len, &p.digest, &p.extent, e);
	p.size = len;
	return r < 0 ? r : manifest_builder_payload(b, &p, e);
}

static int put_objects(struct index *ix, const struct pack_writer *w, struct err *e)
{
	int r = index_begin(ix, e), ended;

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < pack_writer_count(w); i++) {
		struct digest d;
		struct extent x;

		pack_writer_object(w, i, &d, &x);
		r = index_object_put(
			ix, &d, &(struct index_place){ x.pack, x.offset, x.stored, x.size }, e);
	}
	ended = index_end(ix, r == 0, r == 0 ? e : NULL);
	return r < 0 ? r : ended;
}

static int put_package(struct store *st, struct index *ix, unsigned int package,
		       enum manifest_state state, struct err *e)
{
	AUTO(pack_writer_freep) struct pack_writer *w = NULL;
	AUTO(manifest_builder_freep) struct manifest_builder *b = NULL;
	struct index_artifact a = { .sha256 = artifact_digest(package), .size = 1234 };
	struct pkg_meta meta = { .index_json = "{}", .index_json_len = 2 };
	bool made;
	int r = index_artifact_number(ix, &a, e);

	if (r == 0)
		r = manifest_builder_open(&b, a.package, &a.sha256, state, e);
	if (r == 0)
		r = manifest_builder_meta(b, &meta, e);
	if (r == 0 && state == MANIFEST_PRESENT)
		r = pack_writer_open(&w, st, a.package, e);
	if (r < 0)
		return r;
	if (w)
		pack_writer_known(w, known, ix);
	for (unsigned int i = 0; r == 0 && i < FILES; i++)
		r = put_file(w, b, package, i, e);
	if (r == 0 && w)
		r = pack_publish(w, &made, e);
	if (r == 0)
		r = manifest_publish(b, st, e);
	return r < 0 || !w ? r : put_objects(ix, w, e);
}

static int put_generation(struct store *st, struct index *ix, unsigned int count, struct err *e)
{
	struct gen_package packages[3];
	struct generation_spec spec = { .env = "ml",
					.platform = "linux-64",
					.request_json = "{}",
					.packages = packages,
					.count = count };
	static const char *const names[] = { "a", "b", "c" };
	uint64_t number;
	int r = env_current(st, "ml", &spec.parent, NULL);

	if (r < 0 && r != -ENOENT)
		return r;
	for (unsigned int i = 0; i < count; i++)
		packages[i] = (struct gen_package){ .sha256 = artifact_digest(i + 1),
						    .size = 1234,
						    .name = names[i],
						    .version = "1",
						    .build = "0",
						    .subdir = "noarch",
						    .fn = "f.conda",
						    .url = "https://example.org/f.conda",
						    .channel_url = "",
						    .record_json = "",
						    .requested = "" };
	r = generation_write(st, ix, &spec, &number, e);
	return r < 0 ? r : env_switch(st, "ml", spec.parent, number, e);
}

/* Everything a command would do, or what is left of it after one died. */
static int work(struct store *st, struct err *e)
{
	AUTO(index_freep) struct index *ix = NULL;
	int r = store_sweep(st, e);

	if (r == 0)
		r = index_open(&ix, st, rebuild_index, e);
	if (r == 0)
		r = put_generation(st, ix, 2, e);
	if (r == 0)
		r = put_package(st, ix, 1, MANIFEST_PRESENT, e);
	if (r == 0)
		r = put_package(st, ix, 3, MANIFEST_LISTED, e);
	if (r == 0)
		r = put_package(st, ix, 2, MANIFEST_LISTED, e);
	if (r == 0)
		r = put_package(st, ix, 2, MANIFEST_PRESENT, e);
	return r < 0 ? r : put_generation(st, ix, 3, e);
}

struct findings {
	struct verify_result result;
	char text[8192]; /* all of them */
	uint64_t done, total;
};

static int take_finding(void *ctx, const struct finding *f)
{
	struct findings *all = ctx;
	size_t len = strlen(all->text);

	(void)snprintf(all->text + len, sizeof(all->text) - len, "%s %s: %s\n",
		       f->level == FINDING_FAULT ? "FAULT" : "note", f->what, f->text);
	return 0;
}

static void take_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct findings *all = ctx;

	CHECK(done >= all->done && done <= total);
	all->done = done;
	all->total = total;
}

static void verify(struct store *st, bool deep, struct findings *ret)
{
	struct verify_options o = {
		.deep = deep, .finding = take_finding, .progress = take_progress, .ctx = ret
	};
	struct err e = { 0 };

	*ret = (struct findings){ 0 };
	if (!CHECK_INT(verify_store(st, &o, &ret->result, &e), 0))
		fprintf(stderr, "  %s\n", e.text);
}

static bool is_sound(struct store *st)
{
	struct findings f;

	verify(st, true, &f);
	if (f.result.faults > 0)
		fprintf(stderr, "%s", f.text);
	return f.result.faults == 0;
}

/* Every file of every present package has its bytes. */
static void check_bytes(struct store *st)
{
	AUTO(packs_freep) struct packs *ps = NULL;
	AUTO_MEM uint8_t *want = malloc(MIB), *got = malloc(MIB);
	struct err e = { 0 };

	CHECK_INT(packs_open(&ps, st, &e), 0);
	for (uint64_t package = 1; package <= 3; package++) {
		AUTO(manifest_freep) struct manifest *m = NULL;

		if (!CHECK_INT(manifest_open(&m, st, package, &e), 0))
			return;
		for (unsigned int i = 0; i < FILES && manifest_state(m) == MANIFEST_PRESENT; i++) {
			char path[64];
			struct entry en;
			size_t len;
			/* Numbers were given in the order of the first generation. */
			int n = snprintf(path, sizeof(path), "lib/p%u/file%u",
					 (unsigned int)package, i);

			file_bytes((unsigned int)package, i, want, &len);
			manifest_entry(m, manifest_resolve(m, path, (size_t)n), &en);
			CHECK_INT(en.size, len);
			CHECK_INT(object_read(ps, &en.extent, 0, got, MIB, &e), len);
			CHECK(memcmp(got, want, len) == 0);
		}
	}
}

static void test_sound(void)
{
	AUTO_TEMP_STORE ts;
	struct findings f;
	struct err e = { 0 };

	temp_store_make(&ts);
	test_case = "an empty store";
	CHECK(is_sound(ts.st));
	test_case = "a sound store";
	if (!CHECK_INT(work(ts.st, &e), 0))
		fprintf(stderr, "  %s\n", e.text);
	verify(ts.st, true, &f);
	CHECK_TEXT(f.text, "");
	CHECK_INT(f.result.packs, 2);
	CHECK_INT(f.result.objects, 5 + 2); /* files of zeros are shared as well */
	CHECK_INT(f.result.manifests, 3);
	CHECK_INT(f.result.present, 2);
	CHECK_INT(f.result.generations, 2);
	CHECK_INT(f.result.environments, 1);
	CHECK(f.total > 0 && f.done == f.total);
	check_bytes(ts.st);
}

static uint64_t fill_sum;

static int sum_object(void *ctx, const struct digest *digest, const struct index_place *p)
{
	uint64_t h[3] = { xxh64(digest, sizeof(*digest)), p->pack, p->offset + p->stored };

	(void)ctx;
	fill_sum += xxh64(h, sizeof(h));
	return 0;
}

static int sum_artifact(void *ctx, const struct index_artifact *a)
{
	(void)ctx;
	fill_sum += xxh64(a, sizeof(*a));
	return 0;
}

/* All answers of the index in one number, and its counters. */
static uint64_t index_answers(struct store *st, uint64_t next[COUNTERS])
{
	AUTO(index_freep) struct index *ix = NULL;
	struct err e = { 0 };

	fill_sum = 0;
	CHECK_INT(index_open(&ix, st, rebuild_index, &e), 0);
	CHECK_INT(index_each_object(ix, sum_object, NULL, &e), 0);
	CHECK_INT(index_each_artifact(ix, sum_artifact, NULL, &e), 0);
	for (int c = 0; c < COUNTERS; c++)
		CHECK_INT(index_peek(ix, c, &next[c], &e), 0);
	return fill_sum;
}

static void test_rebuild(void)
{
	AUTO_TEMP_STORE ts;
	uint64_t before[COUNTERS], after[COUNTERS], sum;
	struct err e = { 0 };

	temp_store_make(&ts);
	CHECK_INT(work(ts.st, &e), 0);
	sum = index_answers(ts.st, before);

	test_case = "made anew: the same answers and numbers";
	CHECK_INT(index_rebuild(ts.st, rebuild_index, &e), 0);
	CHECK(index_answers(ts.st, after) == sum);
	CHECK_INT(memcmp(before, after, sizeof(before)), 0);
	CHECK(is_sound(ts.st));

	test_case = "removed: the same answers, higher numbers";
	CHECK_INT(sys_unlinkat(ts.st->dir, "index.db", 0), 0);
	CHECK(index_answers(ts.st, after) == sum);
	for (int c = 0; c < COUNTERS; c++)
		CHECK(after[c] >= before[c]);
	CHECK(is_sound(ts.st));

	test_case = "with damaged files: their numbers count";
	AUTO_FD fd = sys_openat(ts.st->packs, "900", O_WRONLY | O_CREAT, 0644);
	CHECK(fd >= 0);
	CHECK_INT(sys_publish(ts.st->tmp, ts.st->gens, "800", "x", 1, 0644, &e), 0);
	CHECK_INT(sys_publish(ts.st->tmp, ts.st->manifests, "1000", "x", 1, 0644, &e), 0);
	CHECK_INT(sys_unlinkat(ts.st->dir, "index.db", 0), 0);
	CHECK(index_answers(ts.st, after) == sum);
	CHECK(after[COUNTER_PACKAGE] > 1000);
	CHECK(after[COUNTER_GENERATION] > 800);
}

/* One kind of damage, and what verify has to say of it. */
struct damage {
	const char *name;
	const char *file;
	enum { FLIP, CUT, REMOVE, COPY, SQL, WRITE } how;
	long at;	  /* FLIP, CUT: from the end when negative */
	const char *text; /* COPY: to where; SQL; WRITE: the content */
	bool needs_deep;
	const char *want; /* in the findings */
};

static void do_damage(struct temp_store *ts, const struct damage *d)
{
	char path[2 * PATH_MAX], to[2 * PATH_MAX], byte;
	struct stat sb = { 0 };
	struct err e = { 0 };

	(void)snprintf(path, sizeof(path), "%s/%s", ts->dir, d->file);
	(void)snprintf(to, sizeof(to), "%s", d->text ? d->text : "");
	if (d->how == FLIP || d->how == CUT)
		CHECK_INT(sys_fstatat(ts->st->dir, d->file, &sb, 0), 0);
	long at = d->at < 0 ? (long)sb.st_size + d->at : d->at;
	switch (d->how) {
	case FLIP: {
		CHECK_INT(chmod(path, 0644), 0);
		AUTO_FD fd = sys_openat(AT_FDCWD, path, O_RDWR, 0);

		CHECK_INT(sys_pread(fd, &byte, 1, (uint64_t)at), 1);
		byte ^= 4;
		CHECK_INT(sys_pwrite(fd, &byte, 1, (uint64_t)at), 0);
		break;
	}
	case CUT:
		CHECK_INT(truncate(path, at), 0);
		break;
	case REMOVE:
		CHECK_INT(unlink(path), 0);
		break;
	case COPY: {
		AUTO_BUF bytes = BUF(16 * MIB);

		CHECK_INT(sys_slurp(ts->st->dir, d->file, &bytes), 0);
		CHECK_INT(
			sys_publish(ts->st->tmp, ts->st->dir, to, bytes.bytes, bytes.len, 0644, &e),
			0);
		break;
	}
	case SQL: {
		sqlite3 *db = NULL;

		CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
		CHECK_INT(sqlite3_exec(db, d->text, NULL, NULL, NULL), SQLITE_OK);
		CHECK_INT(sqlite3_close(db), SQLITE_OK);
		break;
	}
	case WRITE:
		CHECK_INT(sys_publish(ts->st->tmp, ts->st->dir, d->file, d->text, strlen(d->text),
				      0644, &e),
			  0);
		break;
	}
}

static void test_damage(void)
{
	static const struct damage cases[] = {
		{ "a bit of a pack's block", "packs/1", FLIP, 5000, NULL, true,
		  "FAULT pack 1: object" },
		{ "a bit of a pack's header", "packs/1", FLIP, 17, NULL, false, "FAULT pack 1:" },
		{ "a bit of a pack's footer", "packs/2", FLIP, -100, NULL, false, "FAULT pack 2:" },
		{ "a bit of a pack's trailer", "packs/2", FLIP, -3, NULL, false, "FAULT pack 2:" },
		{ "a pack cut short", "packs/2", CUT, -1, NULL, false, "FAULT pack 2:" },
		{ "a pack empty", "packs/1", CUT, 0, NULL, false, "FAULT pack 1:" },
		{ "a pack missing", "packs/1", REMOVE, 0, NULL, false,
		  "FAULT manifest 1: 5 of its files are in no pack, 'lib/p1/file0'" },
		{ "a shared pack missing", "packs/1", REMOVE, 0, NULL, false,
		  "FAULT manifest 2: 3 of its files" },
		{ "one pack in place of another", "packs/2", COPY, 0, "packs/1", false,
		  "is pack 2 by its header" },
		{ "a bit of a manifest", "manifests/1", FLIP, 300, NULL, false,
		  "FAULT manifest 1:" },
		{ "a manifest cut short", "manifests/2", CUT, -8, NULL, false,
		  "FAULT manifest 2:" },
		{ "a manifest under another number", "manifests/1", COPY, 0, "manifests/2", false,
		  "FAULT manifest 2:" },
		{ "a bit of a generation", "gens/1", FLIP, 200, NULL, false,
		  "FAULT generation 1:" },
		{ "a generation cut short", "gens/2", CUT, 100, NULL, false,
		  "FAULT generation 2:" },
		{ "a generation missing", "gens/2", REMOVE, 0, NULL, false,
		  "FAULT environment 'ml': its generation 2 is missing" },
		{ "a pointer of garbage", "envs/ml", WRITE, 0, "garbage", false,
		  "FAULT environment 'ml'" },
		{ "a pointer too far", "envs/ml", WRITE, 0, "generation 77\n", false,
		  "FAULT environment 'ml': its generation 77 is missing" },
		{ "an index of garbage", "index.db", WRITE, 0, "garbage garbage", false,
		  "FAULT index" },
		{ "a wrong place in the index", "index.db", SQL, 0, "UPDATE object SET offset = 32",
		  false, "FAULT index" },
		{ "a counter that is behind", "index.db", SQL, 0, "DELETE FROM counter", false,
		  "FAULT index" },
		{ "an artifact that is not there", "index.db", SQL, 0,
		  "DELETE FROM artifact WHERE package = 2", false,
		  "FAULT index: lacks the artifact of" },
		{ "an object that the index lacks", "index.db", SQL, 0,
		  "DELETE FROM object WHERE pack = 2", false,
		  "note index: does not know 2 objects" },
		{ "no index", "index.db", REMOVE, 0, NULL, false, "note index" },
		{ "an environment removed", "envs/ml", REMOVE, 0, NULL, false,
		  "note generations: 2 belong to no environment" },
		{ "generations removed", "gens/2", REMOVE, 0, NULL, false,
		  "note manifests: 1 are of packages in no generation" },
		{ "a package removed", "manifests/2", REMOVE, 0, NULL, false,
		  "note packs: 1 are needed by no package" },
		{ "a stranger", "packs/readme", WRITE, 0, "x", false,
		  "note packs: holds 1 names that are not envfs', 'readme'" },
		{ "a number with a zero before", "gens/01", WRITE, 0, "x", false, "note gens" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_TEMP_STORE ts;
		struct findings f;
		struct err e = { 0 };

		temp_store_make(&ts);
		test_case = cases[i].name;
		CHECK_INT(work(ts.st, &e), 0);
		do_damage(&ts, &cases[i]);
		verify(ts.st, cases[i].needs_deep, &f);
		if (!CHECK(strstr(f.text, cases[i].want)))
			fprintf(stderr, "  want '%s' in\n%s", cases[i].want, f.text);
		CHECK((f.result.faults > 0) == (strstr(f.text, "FAULT") != NULL));
	}
}

static int stop_at_once(void *ctx, const struct finding *f)
{
	(void)ctx;
	(void)f;
	return -ECANCELED;
}

static void test_stop(void)
{
	AUTO_TEMP_STORE ts;
	struct verify_options o = { .deep = true, .finding = stop_at_once };
	struct verify_result result;
	struct err e = { 0 };

	temp_store_make(&ts);
	test_case = "the caller stops it";
	CHECK_INT(work(ts.st, &e), 0);
	do_damage(&ts, &(struct damage){ .file = "packs/1", .how = FLIP, .at = 5000 });
	CHECK_INT(verify_store(ts.st, &o, &result, &e), -ECANCELED);
	CHECK_INT(result.faults, 1);
}

/* Two processes bring packages that share files, at the same moment: whoever is
 * later either finds the other's copy or keeps one of its own. */
static void test_two_writers(void)
{
	test_case = "two writers";
	for (int round = 0; round < 5; round++) {
		AUTO_TEMP_STORE ts;
		AUTO(index_freep) struct index *ix = NULL;
		struct err e = { 0 };
		pid_t pids[2];

		temp_store_make(&ts);
		CHECK_INT(index_open(&ix, ts.st, rebuild_index, &e), 0);
		CHECK_INT(put_generation(ts.st, ix, 3, &e), 0);
		ix = index_free(ix);
		for (unsigned int i = 0; i < 2; i++) {
			pids[i] = fork();
			if (pids[i] == 0) {
				struct index *mine = NULL;

				_exit(index_open(&mine, ts.st, rebuild_index, NULL) < 0 ||
				      put_package(ts.st, mine, i + 1, MANIFEST_PRESENT, NULL) < 0);
			}
		}
		for (unsigned int i = 0; i < 2; i++) {
			int status = -1;

			CHECK(waitpid(pids[i], &status, 0) == pids[i] && status == 0);
		}
		CHECK_INT(index_open(&ix, ts.st, rebuild_index, &e), 0);
		CHECK_INT(put_package(ts.st, ix, 3, MANIFEST_LISTED, &e), 0);
		CHECK(is_sound(ts.st));
		check_bytes(ts.st);
	}
}

/* This program again, with a fault at its n-th system call; the wait status. */
static int run_with_fault(const char *dir, const char *fault, FILE *talk)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		if (fault)
			(void)setenv("ENVFS_FAULT", fault, 1);
		if (talk)
			(void)dup2(fileno(talk), 2);
		(void)execl("/proc/self/exe", "test_gc", "--work", dir, (char *)NULL);
		_exit(127);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	return status;
}

static int count_calls(void)
{
	AUTO_TEMP_STORE ts;
	int calls = 0;
	FILE *talk = tmpfile();

	temp_store_make(&ts);
	CHECK_INT(run_with_fault(ts.dir, "count", talk), 0);
	rewind(talk);
	CHECK_INT(fscanf(talk, "fault: %d calls", &calls), 1);
	(void)fclose(talk);
	return calls;
}

/* Before each call in turn: what is left is sound, and the work can be done. */
static void test_kills(void)
{
	int calls = count_calls();

	test_case = "kill -9 at each call";
	CHECK(calls > 50);
	for (int n = 1; n <= calls; n++) {
		AUTO_TEMP_STORE ts;
		char fault[32];
		int status;

		temp_store_make(&ts);
		(void)snprintf(fault, sizeof(fault), "%d:kill", n);
		status = run_with_fault(ts.dir, fault, NULL);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		if (!CHECK(is_sound(ts.st)) || n % 8 != 0)
			continue;
		CHECK_INT(run_with_fault(ts.dir, NULL, NULL), 0);
		CHECK(is_sound(ts.st));
		check_bytes(ts.st);
	}
}

static void test_faults(void)
{
	static const char *const errors[] = { "ENOSPC", "EIO", "EMFILE", "ENOMEM" };
	int calls = count_calls();
	FILE *talk = tmpfile();

	test_case = "a failing call";
	for (int n = 1; n <= calls; n += 3) {
		AUTO_TEMP_STORE ts;
		char fault[32];
		int status;

		temp_store_make(&ts);
		(void)snprintf(fault, sizeof(fault), "%d%s:%s", n, n % 2 ? "+" : "",
			       errors[(n / 3) % 4]);
		status = run_with_fault(ts.dir, fault, talk);
		/* Done all the same, or told in a sentence. */
		if (!CHECK(WIFEXITED(status) && WEXITSTATUS(status) <= 1) ||
		    !CHECK(is_sound(ts.st)))
			fprintf(stderr, "  %s\n", fault);
	}
	(void)fclose(talk);
}

static int work_main(const char *dir)
{
	AUTO(store_freep) struct store *st = NULL;
	struct err e = { 0 };
	int r = store_open(&st, dir, STORE_WRITE, &e);

	if (r == 0)
		r = work(st, &e);
	if (r < 0)
		fprintf(stderr, "%s\n", e.text);
	/* A sentence is owed with every error. */
	return r == 0 ? 0 : e.text[0] ? 1 : 2;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "--work") == 0)
		return work_main(argv[2]);
	test_sound();
	test_rebuild();
	test_damage();
	test_stop();
	test_two_writers();
	test_kills();
	test_faults();
	return test_end();
}
