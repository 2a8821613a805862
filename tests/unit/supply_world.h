/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supply_world: packages of tests/lib/makepkg.py behind tests/lib/faultserver.py,
 * and a store with all that supply needs.
 */
#ifndef ENVFS_TESTS_SUPPLY_WORLD_H
#define ENVFS_TESTS_SUPPLY_WORLD_H

#include "fetch_servers.h"
#include "index/index.h"
#include "manifest/manifest.h"
#include "pkg/worker.h"
#include "supply/supply.h"
#include "temp_store.h"

#include <errno.h>
#include <fcntl.h>

/* big, wide: much larger than the tail; wide's list is larger than it too. huge takes some
 * time to be stored. */
static const char make_packages[] =
	"import random, sys\n"
	"sys.path.insert(0, sys.argv[1])\n"
	"import makepkg\n"
	"def noise(count, seed): return random.Random(seed).randbytes(count)\n"
	"run = {'data': '#!@PREFIX@/bin/sh\\n', 'prefix': 'text'}\n"
	"c = makepkg.make_channel(sys.argv[2], [\n"
	" {'name': 'big', 'files': {'lib/big.dat': noise(400000, 1), 'share/note': 'big'}},\n"
	" {'name': 'wide', 'files': {'lib/wide.dat': noise(300000, 2)},\n"
	"  'info': {'test/data.bin': noise(90000, 3)}},\n"
	" {'name': 'tiny', 'files': {'bin/tiny': '#!/bin/sh\\n'}},\n"
	" {'name': 'old', 'format': 'tar.bz2', 'files': {'lib/old.dat': noise(150000, 4)}},\n"
	" {'name': 'twin', 'files': {'lib/copy.dat': noise(400000, 1),\n"
	"                            'lib/own.dat': noise(1000, 5)}},\n"
	" {'name': 'links', 'files': {'bin/run': run,\n"
	"  'bin/run-too': {'hardlink': 'bin/run', 'prefix': 'text', 'mode': 0o755},\n"
	"  'bin/run-as-is': {'hardlink': 'bin/run', 'mode': 0o755},\n"
	"  'lib/plain': 'plain', 'lib/plain-too': {'hardlink': 'lib/plain'},\n"
	"  'lib/hidden': {'data': 'hidden', 'listed': False}}},\n"
	" {'name': 'badlink', 'files': {'lib/plain': 'plain',\n"
	"  'lib/too': {'hardlink': 'lib/plain', 'prefix': 'text'}}},\n"
	" {'name': 'lacking', 'files': {'lib/a': 'a', 'lib/b': {'data': 'b', 'packed': False}}},\n"
	" {'name': 'huge', 'files': {'lib/huge%d' % i: bytes([i]) * 3000000 for i in range(20)}},\n"
	"])\n"
	"for name, r in c.records.items():\n"
	"  print(r['name'], name, r['sha256'], r['md5'], r['size'])\n"
	"print('neither', 'neither-1.0-0.zip', '11' * 32, '22' * 16, 99)\n";

struct made {
	char name[32], file[64];
	struct digest sha256;
	struct md5 md5;
	uint64_t size;
};
static struct made made[16];
static size_t made_count;
static struct worker *worker;

static inline const struct made *made_find(const char *name)
{
	for (size_t i = 0; i < made_count; i++)
		if (strcmp(made[i].name, name) == 0)
			return &made[i];
	abort();
}

static inline bool read_made(const char *text)
{
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		struct made *m = &made[made_count];
		char sha256[65], md5[33];
		unsigned long long size;

		if (sscanf(line, "%31s %63s %64s %32s %llu", m->name, m->file, sha256, md5,
			   &size) != 5 ||
		    !hex_parse(sha256, 64, m->sha256.bytes, DIGEST_BYTES) ||
		    !hex_parse(md5, 32, m->md5.bytes, MD5_BYTES))
			return false;
		m->size = size;
		made_count++;
		if (!line[strcspn(line, "\n")])
			break;
	}
	return made_count == 10;
}

static inline bool make_channel(void)
{
	const char *lib = getenv("ENVFS_TESTS_LIB");
	AUTO_BUF out = BUF(MIB);
	char list[200], script[200], command[900];

	(void)snprintf(list, sizeof(list), "%s", in_dir("made"));
	(void)snprintf(script, sizeof(script), "%s", in_dir("make.py"));
	write_file(script, make_packages, sizeof(make_packages) - 1);
	(void)snprintf(command, sizeof(command), "python3 -B '%s' '%s' '%s' > '%s'", script,
		       lib ? lib : "tests/lib", in_dir("root"), list);
	return system(command) == 0 && sys_slurp(AT_FDCWD, list, &out) == 0 && read_made(out.bytes);
}

/* The parser process comes first: it is forked off. */
static inline bool world_open(struct server *s)
{
	struct err e = { 0 };

	make_files();
	if (worker_start(&worker, &e) < 0 || !make_channel() || !start_faultserver(s)) {
		fprintf(stderr, "no world: %s\n", e.text);
		return false;
	}
	return true;
}

static inline void world_close(struct server *s)
{
	server_stop(s);
	worker = worker_free(worker);
	(void)nftw(dir, temp_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* What the server logged since log_mark(). */
static size_t log_from;

static inline void read_log(struct buf *ret)
{
	buf_clear(ret);
	if (sys_slurp(AT_FDCWD, in_dir("log"), ret) < 0)
		abort();
}

static inline void log_mark(void)
{
	AUTO_BUF text = BUF(16 * MIB);

	read_log(&text);
	log_from = text.len;
}

static inline int log_look(const char *file, uint64_t *ret_bytes)
{
	AUTO_BUF text = BUF(16 * MIB);
	int count = 0;

	*ret_bytes = 0;
	read_log(&text);
	for (char *line = text.bytes + log_from, *end; line && *line; line = end) {
		const char *bytes;

		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		if (!strstr(line, file))
			continue;
		count++;
		bytes = strstr(line, "\"bytes\": ");
		*ret_bytes += bytes ? strtoull(bytes + 9, NULL, 10) : 0;
	}
	return count;
}

/* Its line comes when the request is over for the server: a moment is given for `want`. */
static inline int log_count(const char *file, int want)
{
	uint64_t bytes;
	int count = 0;

	for (int i = 0; i < 40; i++) {
		count = log_look(file, &bytes);
		if (count >= want)
			break;
		(void)usleep(25000);
	}
	return count;
}

static inline uint64_t log_bytes(const char *file)
{
	uint64_t bytes;

	(void)log_look(file, &bytes);
	return bytes;
}

/* A store and what supply works with. */
struct rig {
	struct temp_store t;
	struct index *index;
	struct fetcher *fetcher;
	struct credentials *credentials;
	struct supply_options options;
	struct supply *supply;
	char url[600];
	pthread_mutex_t mutex; /* protects the rest, and the answers */
	pthread_cond_t cond;
	size_t asked, answered;
};

struct answer {
	struct rig *rig;
	struct supply_artifact artifact;
	bool more; /* its done function asks for SUPPLY_PRESENT too */
	int calls, code;
};

static inline int rig_rebuild(struct index *ix, struct store *st, struct err *e)
{
	(void)ix;
	(void)st;
	(void)e;
	return 0;
}

static inline void rig_open_in(struct rig *g, const struct supply_options *more)
{
	struct err e = { 0 };

	*g = (struct rig){ .t = g->t,
			   .mutex = PTHREAD_MUTEX_INITIALIZER,
			   .cond = PTHREAD_COND_INITIALIZER };
	g->fetcher = open_fetcher(NULL);
	if (index_open(&g->index, g->t.st, rig_rebuild, &e) < 0 ||
	    credentials_open(&g->credentials, &e) < 0) {
		fprintf(stderr, "no rig: %s\n", e.text);
		exit(1);
	}
	g->options = more ? *more : (struct supply_options){ 0 };
	g->options.store = g->t.st;
	g->options.index = g->index;
	g->options.fetcher = g->fetcher;
	g->options.worker = worker;
	g->options.credentials = g->credentials;
	if (!CHECK_INT(supply_open(&g->supply, &g->options, &e), 0))
		exit(1);
}

static inline void rig_open(struct rig *g, const struct supply_options *more)
{
	temp_store_make(&g->t);
	rig_open_in(g, more);
}

static inline void rig_done(struct rig *g)
{
	g->supply = supply_free(g->supply);
	g->credentials = credentials_free(g->credentials);
	g->fetcher = fetcher_free(g->fetcher);
	g->index = index_free(g->index);
	temp_store_done(&g->t);
}

/* way: "file", or what stands before the path at the server. The URL is the rig's. */
static inline struct supply_artifact rig_artifact(struct rig *g, const struct made *m,
						  const char *way)
{
	struct index_artifact known = { .sha256 = m->sha256 };

	CHECK_INT(index_artifact_number(g->index, &known, NULL), 0);
	if (strcmp(way, "file") == 0)
		(void)snprintf(g->url, sizeof(g->url), "file://%s/linux-64/%s", in_dir("root"),
			       m->file);
	else
		(void)snprintf(g->url, sizeof(g->url), "%s%s/linux-64/%s", base, way, m->file);
	return (struct supply_artifact){ .package = known.package,
					 .sha256 = m->sha256,
					 .size = m->size,
					 .url = g->url,
					 .name = m->name };
}

static inline void rig_answered(void *ctx, uint64_t package, int code, const struct err *why)
{
	struct answer *a = ctx;
	struct rig *g = a->rig;
	bool more;

	(void)why;
	(void)pthread_mutex_lock(&g->mutex);
	a->calls += package == a->artifact.package ? 1 : 100;
	a->code = code;
	more = a->more;
	a->more = false;
	(void)pthread_mutex_unlock(&g->mutex);
	if (more && supply_ask(g->supply, &a->artifact, SUPPLY_PRESENT, rig_answered, a, NULL) == 0)
		return;
	(void)pthread_mutex_lock(&g->mutex);
	g->answered++;
	(void)pthread_cond_signal(&g->cond);
	(void)pthread_mutex_unlock(&g->mutex);
}

static inline void rig_ask(struct rig *g, const struct supply_artifact *a, enum supply_want want,
			   struct answer *answer)
{
	answer->rig = g;
	answer->artifact = *a;
	(void)pthread_mutex_lock(&g->mutex);
	g->asked++;
	(void)pthread_mutex_unlock(&g->mutex);
	CHECK_INT(supply_ask(g->supply, a, want, rig_answered, answer, NULL), 0);
}

static inline void rig_wait_all(struct rig *g)
{
	(void)pthread_mutex_lock(&g->mutex);
	while (g->answered < g->asked)
		(void)pthread_cond_wait(&g->cond, &g->mutex);
	(void)pthread_mutex_unlock(&g->mutex);
}

static inline int print_name(void *ctx, const char *name, unsigned char type)
{
	(void)ctx;
	(void)type;
	fprintf(stderr, "  left in tmp/: %s\n", name);
	return strcmp(name, "lock-index") == 0 ? 0 : 1;
}

/* Nothing is under way and nothing is left behind. */
static inline void rig_check_tidy(struct rig *g)
{
	struct supply_item item;

	if (g->supply)
		CHECK_INT(supply_items(g->supply, &item, 1), 0);
	CHECK_INT(sys_each_name(g->t.st->tmp, print_name, NULL), 0);
}

static inline bool entry_find(const struct manifest *m, const char *path, struct entry *ret)
{
	uint32_t i = manifest_resolve(m, path, strlen(path));

	*ret = (struct entry){ 0 };
	if (i == 0)
		return false;
	manifest_entry(m, i, ret);
	return true;
}

/* A process that has an artifact's lock. */
enum other_does { OTHER_UNLOCKS, OTHER_DIES, OTHER_HANGS, OTHER_MOVES };
struct other {
	pid_t pid;
};

static inline _Noreturn void be_other(struct store *st, const char *name, enum other_does does,
				      int ready)
{
	int fd = -1;

	if (store_lock(st, name, false, &fd, NULL) < 0)
		_exit(1);
	(void)!write(ready, "", 1);
	for (int i = 0; i < 8 && does == OTHER_MOVES; i++) {
		(void)usleep(200000);
		(void)futimens(fd, NULL);
	}
	while (does == OTHER_HANGS)
		(void)pause();
	(void)usleep(300000);
	if (does == OTHER_DIES)
		(void)raise(SIGKILL);
	store_unlock(st, name, &fd);
	_exit(0);
}

/* To be called while there are no threads. */
static inline bool other_start(struct other *o, struct store *st, const struct made *m,
			       enum other_does does)
{
	char name[80], byte;
	int ends[2];
	bool ok;

	(void)snprintf(name, sizeof(name), "artifact-%s", DIGEST_HEX(&m->sha256));
	if (pipe2(ends, O_CLOEXEC) < 0)
		return false;
	o->pid = fork();
	if (o->pid == 0)
		be_other(st, name, does, ends[1]);
	(void)close(ends[1]);
	ok = o->pid > 0 && read(ends[0], &byte, 1) == 1;
	(void)close(ends[0]);
	return ok;
}

static inline void other_stop(struct other *o)
{
	(void)kill(o->pid, SIGKILL);
	(void)waitpid(o->pid, NULL, 0);
}

#endif
