/* SPDX-License-Identifier: Apache-2.0 */
/* fetch: all packages present now, or said which are not and why. */
#include "base/auto.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/sys.h"
#include "input.h"
#include "installed.h"
#include "plan.h"
#include "ui/progress.h"
#include "ui/say.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

/* What supply's threads tell. */
struct tally {
	pthread_mutex_t mutex; /* protects the rest */
	pthread_cond_t cond;
	size_t left;
	struct outcome {
		const char *name;
		uint64_t package, size;
		int code;
		struct err why;
	} * list;
	size_t count;
};

static void on_done(void *ctx, uint64_t package, int code, const struct err *why)
{
	struct tally *t = ctx;

	(void)pthread_mutex_lock(&t->mutex);
	for (size_t i = 0; i < t->count; i++) {
		if (t->list[i].package != package)
			continue;
		t->list[i].code = code;
		t->list[i].why = *why;
	}
	t->left--;
	(void)pthread_cond_signal(&t->cond);
	(void)pthread_mutex_unlock(&t->mutex);
}

static void show(struct app *a, struct progress *bar, const struct tally *t, uint64_t total)
{
	struct supply_item items[64];
	size_t n = supply_items(a->supply, items, ARRAY_LEN(items));
	uint64_t bytes = 0;

	for (size_t i = 0; i < t->count; i++)
		if (t->list[i].code == 0)
			bytes += t->list[i].size;
	for (size_t i = 0; i < n; i++)
		bytes += items[i].bytes;
	progress_count(bar, t->count - t->left, t->count, bytes, total);
}

static void wait_for_all(struct app *a, struct tally *t)
{
	AUTO(progress_done) struct progress bar;
	uint64_t total = 0;

	for (size_t i = 0; i < t->count; i++)
		total += t->list[i].size;
	progress_init(&bar, a->opts, "fetching");
	(void)pthread_mutex_lock(&t->mutex);
	while (t->left > 0) {
		struct timespec until;

		(void)clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 200000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		(void)pthread_cond_timedwait(&t->cond, &t->mutex, &until);
		show(a, &bar, t, total);
	}
	(void)pthread_mutex_unlock(&t->mutex);
}

static int start(struct app *a, const struct gen_package *packages, uint32_t count, struct tally *t,
		 struct err *e)
{
	t->list = texts_alloc(&a->texts, count, sizeof(*t->list));
	t->count = count;
	for (uint32_t i = 0; i < count; i++) {
		struct supply_artifact art = artifact_of(&packages[i], &a->texts);
		int r;

		t->list[i] = (struct outcome){
			.name = art.name, .package = art.package, .size = art.size, .code = 1
		};
		(void)pthread_mutex_lock(&t->mutex);
		t->left++;
		(void)pthread_mutex_unlock(&t->mutex);
		r = supply_ask(a->supply, &art, SUPPLY_PRESENT, on_done, t, e);
		if (r < 0) {
			(void)pthread_mutex_lock(&t->mutex);
			t->left--;
			(void)pthread_mutex_unlock(&t->mutex);
			return r;
		}
	}
	return 0;
}

/* The worst outcome decides the exit code: a refusal before what the network did. */
static int tell(struct app *a, const struct tally *t)
{
	AUTO_BUF out = BUF(64 * MIB);
	struct jsonw w = JSONW(&out, 2);
	size_t failed = 0;
	int worst = 0;

	jsonw_object(&w);
	jsonw_key(&w, "failed");
	jsonw_array(&w);
	for (size_t i = 0; i < t->count; i++) {
		const struct outcome *o = &t->list[i];

		if (o->code == 0)
			continue;
		failed++;
		if (worst == 0 || o->code == -EBADMSG)
			worst = o->code;
		if (!a->opts->json)
			fprintf(stderr, "envfs: %s\n", o->why.text);
		jsonw_object(&w);
		jsonw_member_text(&w, "name", o->name);
		jsonw_member_text(&w, "error", o->why.text);
		jsonw_object_end(&w);
	}
	jsonw_array_end(&w);
	jsonw_member_u64(&w, "present", t->count - failed);
	jsonw_member_bool(&w, "success", failed == 0);
	jsonw_object_end(&w);
	if (a->opts->json && say_answer(&out) != EXIT_DONE)
		return EXIT_FAILED;
	say_note("%zu of %zu packages are present", t->count - failed, t->count);
	return exit_code_of(worst == -EFBIG ? -EBADMSG : worst);
}

static int fetch_all(struct app *a, const struct gen_package *packages, uint32_t count,
		     struct err *e)
{
	struct tally t = { .mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
	int r = start(a, packages, count, &t, e);

	wait_for_all(a, &t);
	return r < 0 ? r : tell(a, &t);
}

static int fetch_env(struct app *a, struct err *e)
{
	AUTO(generation_freep) struct generation *g = NULL;
	struct gen_package *packages;
	int r = app_generation(a, a->opts->name, &g, e);

	if (r < 0)
		return r;
	packages = texts_alloc(&a->texts, generation_count(g), sizeof(*packages));
	for (uint32_t i = 0; i < generation_count(g); i++)
		generation_package(g, i, &packages[i]);
	return fetch_all(a, packages, generation_count(g), e);
}

/* Packages of a list get their numbers without an environment. */
static int fetch_list(struct app *a, const struct envfile *f, struct err *e)
{
	AUTO(plan_done) struct plan p = { 0 };
	int r = plan_begin(&p, a, NULL, e);

	if (r == 0 && !f->explicit_list)
		r = err_set(e, -EINVAL,
			    "fetch -f needs an @EXPLICIT list: 'envfs lock' makes one of an "
			    "environment file");
	if (r == 0)
		r = plan_explicit(&p, f, e);
	if (r == 0)
		r = plan_complete(&p, e);
	for (uint32_t i = 0; r == 0 && i < p.count; i++) {
		struct gen_package *g = &p.packages[i];
		struct index_artifact art = { .sha256 = g->sha256, .md5 = g->md5, .size = g->size };

		r = index_artifact_number(a->index, &art, e);
		g->package = art.package;
	}
	return r < 0 ? r : fetch_all(a, p.packages, p.count, e);
}

int cmd_fetch(const struct opts *o)
{
	AUTO(envfile_freep) struct envfile *f = NULL;
	struct app a = { 0 };
	struct err e = { 0 };
	int r = 0;

	if (!o->name == !o->file)
		return say_usage("fetch: give -n NAME or -f LOCK");
	if (o->file)
		r = input_read(&f, o->file, &e);
	if (r == 0)
		r = app_open(&a, o, APP_WRITE | APP_SUPPLY, &e);
	if (r == 0)
		r = f ? fetch_list(&a, f, &e) : fetch_env(&a, &e);
	app_done(&a);
	return r < 0 ? say_error(&e, NULL) : r;
}
