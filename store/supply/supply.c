/* SPDX-License-Identifier: Apache-2.0 */
#include "supply/supply.h"

#include "base/limits.h"
#include "base/sys.h"
#include "base/url.h"
#include "manifest/manifest.h"
#include "supply/inside.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static struct item **bucket(struct supply *s, uint64_t package)
{
	return &s->table[package % BUCKETS];
}

static struct item *find(struct supply *s, uint64_t package)
{
	struct item *it = *bucket(s, package);

	while (it && it->artifact.package != package)
		it = it->next_in_table;
	return it;
}

static void drop(struct supply *s, struct item *it)
{
	struct item **at = bucket(s, it->artifact.package);

	while (*at != it)
		at = &(*at)->next_in_table;
	*at = it->next_in_table;
	s->items--;
}

/* Into the queue of its phase; the mutex is held. */
void supply_enqueue(struct supply *s, struct item *it, enum item_phase phase)
{
	it->phase = phase;
	if (phase == ITEM_LOCKED) {
		if (!s->locked.first)
			s->retry_ns = sys_now_ns() + LOCK_RETRY_NS;
		item_push(&s->locked, it);
	} else if (phase == ITEM_FETCHED) {
		item_push(it->whole ? &s->fetched_whole : &s->fetched_list, it);
	} else {
		item_push(it->doing == SUPPLY_LISTED && !it->whole_only ? &s->start_list
									: &s->start_whole,
			  it);
	}
	(void)pthread_cond_broadcast(&s->work);
}

enum pkg_format supply_format(const char *url, bool *ret_known)
{
	size_t len;
	const char *name = url_file_name(url, &len);

	*ret_known = true;
	if (len > 6 && memcmp(name + len - 6, ".conda", 6) == 0)
		return PKG_CONDA;
	if (len > 8 && memcmp(name + len - 8, ".tar.bz2", 8) == 0)
		return PKG_TAR_BZ2;
	*ret_known = false;
	return PKG_CONDA;
}

int supply_state(struct supply *s, uint64_t package)
{
	AUTO(manifest_freep) struct manifest *m = NULL;
	struct err ignored; /* a manifest that does not open is one to be made */

	if (manifest_open(&m, s->o.store, package, &ignored) < 0)
		return 0;
	return manifest_state(m) == MANIFEST_PRESENT ? SUPPLY_PRESENT : SUPPLY_LISTED;
}

static void release(struct supply *s, struct item *it)
{
	item_unlock(it, s->o.store);
	auto_close(&it->part_fd);
}

void supply_uncount(struct supply *s, struct item *it)
{
	if (!it->counted)
		return;
	if (it->whole)
		s->whole--;
	else
		s->listing--;
	it->counted = false;
}

static void answer(struct waiter *w, uint64_t package, int code, const struct err *why)
{
	while (w) {
		struct waiter *next = w->next;

		w->done(w->ctx, package, code, why);
		free(w);
		w = next;
	}
}

void supply_settle(struct supply *s, struct item *it, enum supply_want have, int code,
		   const struct err *why)
{
	static const struct err none;
	uint64_t package = it->artifact.package;
	struct waiter *told;
	bool over;

	release(s, it);
	(void)pthread_mutex_lock(&s->mutex);
	supply_uncount(s, it);
	if (code < 0)
		failure_remember(s, it, code, why);
	told = item_take_waiters(it, code < 0 ? SUPPLY_PRESENT : have);
	over = !it->waiters;
	if (over) {
		drop(s, it);
	} else {
		it->doing = it->want;
		atomic_store(&it->bytes, 0);
		atomic_store(&it->total, 0);
		supply_enqueue(s, it, ITEM_START);
	}
	(void)pthread_mutex_unlock(&s->mutex);
	answer(told, package, code, code < 0 ? why : &none);
	if (over)
		item_free(it);
}

/* The next piece of work, or NULL; the mutex is held. The first thread never
 * takes up an ingest, so that listings do not wait behind a large package. */
static struct item *next_item(struct supply *s, bool first_thread)
{
	struct item *it = NULL;

	if (!first_thread)
		it = item_pop(&s->fetched_whole);
	if (!it)
		it = item_pop(&s->fetched_list);
	if (!it && (s->listing < LISTINGS_MAX || s->stopping)) {
		it = item_pop(&s->start_list);
		if (it) {
			it->whole = false;
			it->counted = true;
			s->listing++;
		}
	}
	if (!it && (s->whole < WHOLE_MAX || s->stopping)) {
		it = item_pop(&s->start_whole);
		if (it) {
			it->whole = it->counted = true;
			s->whole++;
		}
	}
	return it;
}

/* Those that another process had are tried again when it is time; the mutex is held. */
static void retry_locked(struct supply *s)
{
	struct item_queue due = s->locked;

	if (!due.first || (!s->stopping && sys_now_ns() < s->retry_ns))
		return;
	s->locked = (struct item_queue){ 0 };
	for (struct item *it = item_pop(&due); it; it = item_pop(&due))
		supply_enqueue(s, it, ITEM_START);
}

static void wait_for_work(struct supply *s)
{
	struct timespec until = { .tv_sec = (time_t)(s->retry_ns / 1000000000),
				  .tv_nsec = (long)(s->retry_ns % 1000000000) };

	if (s->locked.first)
		(void)pthread_cond_timedwait(&s->work, &s->mutex, &until);
	else
		(void)pthread_cond_wait(&s->work, &s->mutex);
}

struct thread_arg {
	struct supply *s;
	bool first;
};

static void *run(void *arg)
{
	struct thread_arg a = *(struct thread_arg *)arg;
	struct supply *s = a.s;

	free(arg);
	(void)pthread_mutex_lock(&s->mutex);
	for (;;) {
		struct item *it;

		retry_locked(s);
		it = next_item(s, a.first);
		if (!it) {
			if (s->stopping && s->items == 0)
				break;
			wait_for_work(s);
			continue;
		}
		bool fetched = it->phase == ITEM_FETCHED;

		it->phase = ITEM_WORKING;
		(void)pthread_mutex_unlock(&s->mutex);
		if (fetched)
			step_fetched(s, it);
		else
			step_start(s, it);
		(void)pthread_mutex_lock(&s->mutex);
		(void)pthread_cond_broadcast(&s->work);
	}
	(void)pthread_mutex_unlock(&s->mutex);
	return NULL;
}

static int start_threads(struct supply *s, int want, struct err *e)
{
	for (int i = 0; i <= want; i++) {
		struct thread_arg *arg = malloc(sizeof(*arg));
		int r;

		if (!arg)
			return err_nomem(e);
		*arg = (struct thread_arg){ s, i == 0 };
		r = pthread_create(&s->threads[i], NULL, run, arg);
		if (r != 0) {
			free(arg);
			return err_set(e, -r, "start of a thread: %s", strerror(r));
		}
		s->thread_count++;
	}
	return 0;
}

int supply_open(struct supply **ret, const struct supply_options *o, struct err *e)
{
	AUTO(supply_freep) struct supply *s = calloc(1, sizeof(*s));
	int threads = o->threads > 0 ? o->threads : 2, r;
	pthread_condattr_t attr;

	if (!s)
		return err_nomem(e);
	s->o = *o;
	s->refusal_ns = o->refusal_ms > 0 ? (uint64_t)o->refusal_ms * 1000000
					  : REFUSAL_SECONDS * 1000000000ULL;
	/* A little more than fetch's patience: the other process is to give up first. */
	s->other_stall_ns = (uint64_t)(o->stall_ms > 0 ? o->stall_ms : 30000) * 7 / 6 * 1000000;
	(void)pthread_mutex_init(&s->mutex, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&s->work, &attr);
	(void)pthread_condattr_destroy(&attr);
	r = start_threads(s, threads < THREADS_MAX ? threads : THREADS_MAX, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

struct supply *supply_free(struct supply *s)
{
	if (!s)
		return NULL;
	(void)pthread_mutex_lock(&s->mutex);
	s->stopping = true;
	for (size_t b = 0; b < BUCKETS; b++)
		for (struct item *it = s->table[b]; it; it = it->next_in_table)
			if (it->phase == ITEM_FETCHING && it->fetch_id)
				fetch_cancel(s->o.fetcher, it->fetch_id);
	(void)pthread_cond_broadcast(&s->work);
	(void)pthread_mutex_unlock(&s->mutex);
	for (int i = 0; i < s->thread_count; i++)
		(void)pthread_join(s->threads[i], NULL);
	(void)pthread_cond_destroy(&s->work);
	(void)pthread_mutex_destroy(&s->mutex);
	free(s);
	return NULL;
}

int supply_ask(struct supply *s, const struct supply_artifact *a, enum supply_want want,
	       supply_done_fn *done, void *ctx, struct err *e)
{
	struct item *it;
	bool fresh = false, known;
	int r = 0;

	assert(a->package != 0 && !digest_is_zero(&a->sha256));
	(void)pthread_mutex_lock(&s->mutex);
	it = find(s, a->package);
	if (s->stopping) {
		r = err_set(e, -ECANCELED, "envfs is stopping");
	} else if (!it) {
		it = item_new(s, a);
		fresh = true;
		r = it ? 0 : err_nomem(e);
	}
	if (r == 0)
		r = item_wait(it, want, done, ctx, e);
	if (r == 0 && fresh) {
		/* Only a .conda tells its list by its tail. */
		it->whole_only = supply_format(a->url, &known) == PKG_TAR_BZ2;
		it->doing = want;
		it->next_in_table = *bucket(s, a->package);
		*bucket(s, a->package) = it;
		s->items++;
		supply_enqueue(s, it, ITEM_START);
	}
	(void)pthread_mutex_unlock(&s->mutex);
	if (r < 0 && fresh && it)
		item_free(it);
	return r;
}

struct sync {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool done;
	int code;
	struct err err;
};

static void on_sync(void *ctx, uint64_t package, int code, const struct err *why)
{
	struct sync *y = ctx;

	(void)package;
	(void)pthread_mutex_lock(&y->mutex);
	y->done = true;
	y->code = code;
	y->err = *why;
	(void)pthread_cond_signal(&y->cond);
	(void)pthread_mutex_unlock(&y->mutex);
}

int supply_wait(struct supply *s, const struct supply_artifact *a, enum supply_want want,
		struct err *e)
{
	struct sync y = { .mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
	int r = supply_ask(s, a, want, on_sync, &y, e);

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&y.mutex);
	while (!y.done)
		(void)pthread_cond_wait(&y.cond, &y.mutex);
	(void)pthread_mutex_unlock(&y.mutex);
	(void)pthread_cond_destroy(&y.cond);
	(void)pthread_mutex_destroy(&y.mutex);
	if (y.code < 0 && e)
		*e = y.err;
	return y.code;
}

size_t supply_items(struct supply *s, struct supply_item *ret, size_t max)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&s->mutex);
	for (size_t b = 0; b < BUCKETS; b++)
		for (struct item *it = s->table[b]; it && n < max; it = it->next_in_table) {
			struct supply_item *o = &ret[n++];

			*o = (struct supply_item){
				.package = it->artifact.package,
				.want = it->want,
				.bytes = atomic_load(&it->bytes),
				.total = it->artifact.size ? it->artifact.size
							   : atomic_load(&it->total),
				.ingesting = it->whole && it->phase == ITEM_WORKING,
				.started_ns = it->started_ns,
				.progress_ns = atomic_load(&it->progress_ns),
			};
			(void)snprintf(o->name, sizeof(o->name), "%s", it->artifact.name);
		}
	(void)pthread_mutex_unlock(&s->mutex);
	return n;
}

void supply_totals(struct supply *s, struct supply_totals *ret)
{
	(void)pthread_mutex_lock(&s->mutex);
	*ret = s->totals;
	(void)pthread_mutex_unlock(&s->mutex);
}
