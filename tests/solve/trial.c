/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trial [-p strict|flexible|disabled] [-a] [-k STORE] -c URL=FILE[,FILE…]… SPEC…
 *
 * Solves over repodata documents and prints the answer, one CHANNEL/SUBDIR/FILE a line, then
 * "# …" lines with counts, time and memory; for judge.py and for benches.
 * -a: pip comes with python. -k keeps the converted documents there (by URL), so that
 * the next run maps them. Virtual packages are this machine's and CONDA_OVERRIDE_*.
 */
#include "base/limits.h"
#include "base/sys.h"
#include "solve/solve.h"

#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define SOURCES_MAX 16

struct trial {
	struct store *st;
	struct repodata *repodata[SOURCES_MAX];
	struct channel channels[SOURCES_MAX];
	struct solve_source sources[SOURCES_MAX];
	size_t source_count;
	int rank;
};

static void die(const char *what, const struct err *e)
{
	fprintf(stderr, "trial: %s: %s\n", what, e->text);
	exit(1);
}

static void add_source(struct trial *t, const char *url, const char *file)
{
	size_t n = t->source_count++;
	struct err e = { 0 };
	char key[32];

	(void)snprintf(key, sizeof(key), "t%016llx", (unsigned long long)xxh64(file, strlen(file)));
	if (repodata_open(&t->repodata[n], t->st, key, &e) < 0) {
		AUTO_FD fd = sys_openat(AT_FDCWD, file, O_RDONLY, 0);

		if (fd < 0 ||
		    repodata_convert(t->st, fd, url,
				     strstr(file, "noarch") ? "noarch" : native_subdir(), key,
				     false, &e) < 0 ||
		    repodata_open(&t->repodata[n], t->st, key, &e) < 0)
			die(file, &e);
	}
	t->channels[n] = (struct channel){ .name = (char *)url,
					   .url = (char *)url,
					   .auth_url = (char *)url };
	t->sources[n] = (struct solve_source){ t->repodata[n], &t->channels[n], t->rank };
}

/* URL=FILE[,FILE…]; later ones have lower priority. */
static void add_channel(struct trial *t, char *arg)
{
	char *files = strchr(arg, '='), *save = NULL;

	if (!files)
		exit(2);
	*files++ = '\0';
	for (char *f = strtok_r(files, ",", &save); f && t->source_count < SOURCES_MAX;
	     f = strtok_r(NULL, ",", &save))
		add_source(t, arg, f);
	t->rank++;
}

static int print_answer(const struct trial *t, const struct solution *s)
{
	struct rusage ru;
	struct record rec;

	for (size_t i = 0; i < s->count; i++) {
		const struct solved *p = &s->list[i];

		repodata_record(t->repodata[p->source], p->record, &rec);
		printf("%s/%s/%s\n", t->channels[p->source].url, rec.subdir, rec.fn);
	}
	(void)getrusage(RUSAGE_SELF, &ru);
	printf("# names %u candidates %u left %u rules %u rounds %d\n", s->stats.names,
	       s->stats.candidates, s->stats.pruned, s->stats.rules, s->stats.rounds);
	printf("# maxrss %ld KiB\n", ru.ru_maxrss);
	return 0;
}

int main(int argc, char **argv)
{
	static struct trial t;
	struct solve_request rq = { .priority = PRIORITY_FLEXIBLE };
	struct virtual_package virtuals[VIRTUAL_MAX];
	struct solve_job jobs[256];
	AUTO(solution_freep) struct solution *s = NULL;
	AUTO_BUF why = BUF(MIB);
	struct err e = { 0 };
	char *channels[SOURCES_MAX];
	size_t channel_count = 0;
	const char *keep = NULL;
	int opt;

	while ((opt = getopt(argc, argv, "p:ak:c:")) != -1) {
		if (opt == 'p')
			rq.priority = strcmp(optarg, "strict") == 0	? PRIORITY_STRICT
				      : strcmp(optarg, "disabled") == 0 ? PRIORITY_DISABLED
									: PRIORITY_FLEXIBLE;
		else if (opt == 'a')
			rq.add_pip = true;
		else if (opt == 'k')
			keep = optarg;
		else if (opt == 'c' && channel_count < SOURCES_MAX)
			channels[channel_count++] = optarg;
		else
			return 2;
	}
	if (!keep || store_open(&t.st, keep, STORE_WRITE, &e) < 0)
		die("-k STORE is needed", &e);
	for (size_t i = 0; i < channel_count; i++)
		add_channel(&t, channels[i]);
	int count = virtual_packages(virtuals, native_subdir(), &e);
	if (count < 0)
		die("virtual packages", &e);
	for (int i = optind; i < argc && rq.job_count < ARRAY_LEN(jobs); i++)
		jobs[rq.job_count++] = (struct solve_job){ JOB_INSTALL, argv[i] };
	rq.sources = t.sources;
	rq.source_count = t.source_count;
	rq.jobs = jobs;
	rq.virtuals = virtuals;
	rq.virtual_count = (size_t)count;
	uint64_t start = sys_now_ns();
	int r = solve(&s, &rq, &why, &e);
	printf("# solve %.3f s\n", (double)(sys_now_ns() - start) / 1e9);
	if (r < 0)
		printf("! %s\n%s", e.text, why.bytes);
	else
		print_answer(&t, s);
	for (size_t i = 0; i < t.source_count; i++)
		repodata_free(t.repodata[i]);
	store_free(t.st);
	return r < 0;
}
