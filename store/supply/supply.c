/* SPDX-License-Identifier: Apache-2.0 */
#include "supply/supply.h"

#include "base/limits.h"
#include "base/sys.h"
#include "base/url.h"
#include "manifest/manifest.h"
#include "supply/ingest.h"
#include "supply/item.h"
#include "supply/list.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define THREADS_MAX	  16
#define BUCKETS		  1024
#define WHOLE_MAX	  16 /* whole artifacts under way: descriptors and space in tmp/ */
#define LISTINGS_MAX	  64
#define FAILURES_MAX	  64
#define REFUSALS_MAX	  256
#define REFUSAL_SECONDS	  60
#define LOCK_RETRY_NS	  50000000L
#define OTHER_STALL_NS	  35000000000ULL /* a little more than fetch's patience */
#define PRIORITY_LISTING  10
#define PRIORITY_ARTIFACT 5

struct refusal {
	uint64_t package, when_ns;
	int code;
	char text[ERR_TEXT_BYTES];
};

struct supply {
	struct supply_options o; /* what it points to is borrowed */

	pthread_mutex_t mutex; /* protects all below, and the items */
	pthread_cond_t work;   /* a queue got something, or stopping */
	bool stopping;
	struct item *table[BUCKETS];
	size_t items, listing, whole; /* in the table; fetches under way of each kind */
	struct item_queue start_list, start_whole, fetched_list, fetched_whole, locked;
	struct supply_failure failures[FAILURES_MAX]; /* a ring */
	uint64_t failure_count;
	struct refusal refusals[REFUSALS_MAX]; /* a ring */
	uint64_t refusal_count;
	struct supply_totals totals;

	pthread_t threads[THREADS_MAX + 1];
	int thread_count;
};

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
static void enqueue(struct supply *s, struct item *it, enum item_phase phase)
{
	it->phase = phase;
	if (phase == ITEM_LOCKED)
		item_push(&s->locked, it);
	else if (phase == ITEM_FETCHED)
		item_push(it->whole ? &s->fetched_whole : &s->fetched_list, it);
	else
		item_push(it->doing == SUPPLY_LISTED && !it->whole_only ? &s->start_list
									: &s->start_whole,
			  it);
	(void)pthread_cond_broadcast(&s->work);
}

int supply_state(struct supply *s, uint64_t package)
{
	AUTO(manifest_freep) struct manifest *m = NULL;
	struct err ignored; /* a manifest that does not open is one to be made */

	if (manifest_open(&m, s->o.store, package, &ignored) < 0)
		return 0;
	return manifest_state(m) == MANIFEST_PRESENT ? SUPPLY_PRESENT : SUPPLY_LISTED;
}

static void remember_failure(struct supply *s, const struct item *it, int code,
			     const struct err *why)
{
	struct supply_failure *f = &s->failures[s->failure_count++ % FAILURES_MAX];

	*f = (struct supply_failure){ .package = it->artifact.package,
				      .when_ms = sys_wall_ms(),
				      .code = code };
	(void)snprintf(f->name, sizeof(f->name), "%s", it->artifact.name);
	(void)snprintf(f->text, sizeof(f->text), "%s", why->text);
	if (code != -EBADMSG && code != -EFBIG)
		return;
	struct refusal *r = &s->refusals[s->refusal_count++ % REFUSALS_MAX];
	*r = (struct refusal){ .package = it->artifact.package,
			       .when_ns = sys_now_ns(),
			       .code = code };
	(void)snprintf(r->text, sizeof(r->text), "%s", why->text);
}

/* 0, or what was said when this package was refused a short while ago. */
static int refused(struct supply *s, uint64_t package, struct err *e)
{
	uint64_t now = sys_now_ns();

	for (size_t i = 0; i < REFUSALS_MAX; i++) {
		const struct refusal *r = &s->refusals[i];

		if (r->package == package && now - r->when_ns < REFUSAL_SECONDS * 1000000000ULL)
			return err_set(e, r->code, "%s", r->text);
	}
	return 0;
}

static void release(struct supply *s, struct item *it)
{
	item_unlock(it, s->o.store);
	auto_close(&it->part_fd);
}

static void uncount(struct supply *s, struct item *it)
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

/*
 * The item has reached `have`, or failed with code. Who is satisfied is told;
 * when others want more it goes on, else it ends here.
 */
static void settle(struct supply *s, struct item *it, enum supply_want have, int code,
		   const struct err *why)
{
	static const struct err none;
	uint64_t package = it->artifact.package;
	struct waiter *told;
	bool over;

	release(s, it);
	(void)pthread_mutex_lock(&s->mutex);
	uncount(s, it);
	if (code < 0)
		remember_failure(s, it, code, why);
	else if (have == SUPPLY_PRESENT)
		s->totals.packages_present++;
	else
		s->totals.packages_listed++;
	told = item_take_waiters(it, code < 0 ? SUPPLY_PRESENT : have);
	over = !it->waiters;
	if (over) {
		drop(s, it);
	} else {
		it->doing = it->want;
		enqueue(s, it, ITEM_START);
	}
	(void)pthread_mutex_unlock(&s->mutex);
	answer(told, package, code, code < 0 ? why : &none);
	if (over)
		item_free(it);
}

static void on_progress(void *ctx, uint64_t bytes, uint64_t total)
{
	struct item *it = ctx;

	atomic_store(&it->bytes, bytes);
	atomic_store(&it->total, total);
	item_touch(it);
}

static void on_fetched(void *ctx, const struct fetch_result *result)
{
	struct item *it = ctx;
	struct supply *s = it->supply;

	(void)pthread_mutex_lock(&s->mutex);
	it->result = *result;
	s->totals.requests++;
	s->totals.bytes_fetched += result->written_bytes;
	enqueue(s, it, ITEM_FETCHED);
	(void)pthread_mutex_unlock(&s->mutex);
}

static enum pkg_format format_of(const char *url, bool *ret_known)
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

static int check_may(struct supply *s, struct item *it, struct err *e)
{
	bool known;
	int r;

	if (s->o.store->read_only || !s->o.index)
		return err_set(e, -EROFS, "'%s' is not in the store, and the store is read-only",
			       it->artifact.name);
	if (s->o.offline && !url_is_file(it->artifact.url))
		return err_set(e, -ENONET, "'%s' is not in the store, and envfs is offline",
			       it->artifact.name);
	(void)format_of(it->artifact.url, &known);
	if (!known)
		return err_set(e, -EBADMSG, "'%s' is neither a .conda nor a .tar.bz2",
			       it->artifact.name);
	(void)pthread_mutex_lock(&s->mutex);
	r = s->stopping ? err_set(e, -ECANCELED, "envfs is stopping")
			: refused(s, it->artifact.package, e);
	(void)pthread_mutex_unlock(&s->mutex);
	return r;
}

/* Sends the request for the tail or the whole; the answer comes to on_fetched(). */
static int request(struct supply *s, struct item *it, struct err *e)
{
	AUTO_BUF url = BUF(URL_BYTES_MAX * 2);
	struct fetch_request rq = {
		.range = it->whole	  ? FETCH_ALL
			 : it->tail_first ? FETCH_FROM
					  : FETCH_TAIL,
		.first = it->tail_first,
		.count = TAIL_BYTES,
		.size = it->artifact.size,
		.bytes_max = it->artifact.size ? it->artifact.size : ARTIFACT_BYTES_MAX,
		.sha256 = it->artifact.sha256,
		.priority = it->whole ? PRIORITY_ARTIFACT : PRIORITY_LISTING,
		.done = on_fetched,
		.progress = on_progress,
		.ctx = it,
	};
	int r = item_open_part(it, s->o.store, e);

	if (r == 0)
		r = credentials_apply(s->o.credentials, it->artifact.url, &url, e);
	if (r < 0)
		return r;
	rq.url = url.bytes;
	rq.fd = it->part_fd;
	/* From fetch_start() on the item belongs to on_fetched(), which waits for the
	 * mutex; so whoever stops finds either no request or one it can cancel. */
	(void)pthread_mutex_lock(&s->mutex);
	r = s->stopping ? err_set(e, -ECANCELED, "envfs is stopping")
			: fetch_start(s->o.fetcher, &rq, &it->fetch_id, e);
	if (r == 0)
		it->phase = ITEM_FETCHING;
	(void)pthread_mutex_unlock(&s->mutex);
	return r;
}

/* Another process fetches it: look again soon, but not for ever. */
static void wait_for_other(struct supply *s, struct item *it)
{
	struct err why;

	if (!item_other_moves(it, s->o.store, OTHER_STALL_NS)) {
		err_set(&why, -ETIMEDOUT,
			"'%s': another process has been fetching it without progress",
			it->artifact.name);
		settle(s, it, 0, -ETIMEDOUT, &why);
		return;
	}
	(void)pthread_mutex_lock(&s->mutex);
	uncount(s, it);
	enqueue(s, it, ITEM_LOCKED);
	(void)pthread_mutex_unlock(&s->mutex);
}

static void step_start(struct supply *s, struct item *it)
{
	struct err why = { 0 };
	enum supply_want have = (enum supply_want)supply_state(s, it->artifact.package);
	int r;

	if (have >= it->doing) {
		settle(s, it, have, 0, NULL);
		return;
	}
	r = check_may(s, it, &why);
	if (r == 0)
		r = item_lock(it, s->o.store, &why);
	if (r == -EBUSY) {
		wait_for_other(s, it);
		return;
	}
	if (r == 0) {
		/* Whoever had the lock may have made it meanwhile. */
		have = (enum supply_want)supply_state(s, it->artifact.package);
		if (have >= it->doing) {
			settle(s, it, have, 0, NULL);
			return;
		}
		r = request(s, it, &why);
	}
	if (r < 0)
		settle(s, it, 0, r, &why);
}

static struct ingest ingest_of(struct supply *s, struct item *it, uint64_t size)
{
	bool known;

	return (struct ingest){
		.store = s->o.store,
		.index = s->o.index,
		.worker = s->o.worker,
		.package = it->artifact.package,
		.sha256 = &it->artifact.sha256,
		.fd = it->part_fd,
		.size = size,
		.format = format_of(it->artifact.url, &known),
	};
}

static void step_whole(struct supply *s, struct item *it)
{
	struct ingest in = ingest_of(s, it, it->result.written_bytes);
	struct err why = { 0 };
	int r;

	item_touch(it);
	r = ingest_whole(&in, &why);
	if (r < 0)
		err_wrap(&why, r, "'%s'", it->artifact.name);
	settle(s, it, SUPPLY_PRESENT, r, &why);
}

/* The bytes of a ranged answer that happen to be the whole file. */
static int is_all(struct item *it, bool *ret, struct err *e)
{
	AUTO(hasher_done) struct hasher h = { 0 };
	struct digest digest;
	char *room;
	int r = 0;

	*ret = false;
	if (it->result.written_bytes != it->result.total_bytes)
		return 0;
	r = sha256_begin(&h, e);
	if (r < 0)
		return r;
	AUTO_MEM char *block = malloc(TAIL_BYTES);
	room = block;
	if (!room)
		return err_nomem(e);
	for (uint64_t at = 0; at < it->result.written_bytes;) {
		ssize_t n = sys_pread(it->part_fd, room, TAIL_BYTES, at);

		if (n <= 0)
			return err_set(e, n < 0 ? (int)n : -EIO, "'%s': read back: %s",
				       it->artifact.name, strerror(n < 0 ? (int)-n : EIO));
		hasher_add(&h, room, (size_t)n);
		at += (uint64_t)n;
	}
	sha256_end(&h, &digest);
	if (!digest_same(&digest, &it->artifact.sha256))
		return err_set(e, -EBADMSG, "'%s': its SHA-256 is %s, not %s as it should be",
			       it->artifact.name, DIGEST_HEX(&digest),
			       DIGEST_HEX(&it->artifact.sha256));
	*ret = true;
	return 0;
}

/* Starts over with the lock kept: a longer range, or all of it. */
static void again(struct supply *s, struct item *it)
{
	struct err why = { 0 };
	int r;

	(void)pthread_mutex_lock(&s->mutex);
	if (it->whole_only && !it->whole) {
		uncount(s, it);
		it->whole = it->counted = true;
		s->whole++;
	}
	(void)pthread_mutex_unlock(&s->mutex);
	r = request(s, it, &why);
	if (r < 0)
		settle(s, it, 0, r, &why);
}

static void step_list(struct supply *s, struct item *it)
{
	struct ingest in = ingest_of(s, it, it->result.total_bytes);
	struct err why = { 0 };
	uint64_t need_first = 0;
	bool all = !it->result.ranged;
	int r = 0;

	if (it->artifact.size && it->result.total_bytes &&
	    it->artifact.size != it->result.total_bytes)
		r = err_set(&why, -EBADMSG, "'%s': the server's file has %llu bytes, not %llu",
			    it->artifact.name, (unsigned long long)it->result.total_bytes,
			    (unsigned long long)it->artifact.size);
	if (r == 0 && !all)
		r = is_all(it, &all, &why);
	if (r == 0 && all) {
		step_whole(s, it);
		return;
	}
	if (r == 0)
		r = list_tail(&in, it->result.written_bytes, &need_first, &why);
	if (r == -EAGAIN && need_first < in.size - it->result.written_bytes) {
		it->tail_first = need_first;
		it->whole_only = need_first == 0;
		again(s, it);
		return;
	}
	if (r == -ENODATA) {
		it->whole_only = true;
		again(s, it);
		return;
	}
	if (r < 0)
		err_wrap(&why, r, "'%s'", it->artifact.name);
	settle(s, it, SUPPLY_LISTED, r, &why);
}

static void step_fetched(struct supply *s, struct item *it)
{
	if (it->result.code < 0) {
		err_wrap(&it->result.err, it->result.code, "'%s'", it->artifact.name);
		settle(s, it, 0, it->result.code, &it->result.err);
	} else if (it->whole) {
		step_whole(s, it);
	} else {
		step_list(s, it);
	}
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

static void wait_for_work(struct supply *s)
{
	struct timespec until;

	if (!s->locked.first) {
		(void)pthread_cond_wait(&s->work, &s->mutex);
		return;
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += LOCK_RETRY_NS;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	if (pthread_cond_timedwait(&s->work, &s->mutex, &until) != ETIMEDOUT && !s->stopping)
		return;
	for (struct item *it = item_pop(&s->locked); it; it = item_pop(&s->locked))
		enqueue(s, it, ITEM_START);
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
		struct item *it = next_item(s, a.first);

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
		it->whole_only = format_of(a->url, &known) == PKG_TAR_BZ2;
		it->doing = want;
		it->next_in_table = *bucket(s, a->package);
		*bucket(s, a->package) = it;
		s->items++;
		enqueue(s, it, ITEM_START);
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

size_t supply_failures(struct supply *s, struct supply_failure *ret, size_t max)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&s->mutex);
	for (uint64_t i = s->failure_count; i > 0 && n < max && n < FAILURES_MAX; i--)
		ret[n++] = s->failures[(i - 1) % FAILURES_MAX];
	(void)pthread_mutex_unlock(&s->mutex);
	return n;
}

void supply_totals(struct supply *s, struct supply_totals *ret)
{
	(void)pthread_mutex_lock(&s->mutex);
	*ret = s->totals;
	(void)pthread_mutex_unlock(&s->mutex);
}

/* Stores what supply_identify() fetched, unless another did so meanwhile. */
static int store_identified(struct supply *s, struct item *part, uint64_t size, struct err *e)
{
	struct ingest in = ingest_of(s, part, size);
	int r;

	(void)snprintf(part->lock_name, sizeof(part->lock_name), "artifact-%s",
		       DIGEST_HEX(&part->artifact.sha256));
	r = store_lock(s->o.store, part->lock_name, true, &part->lock_fd, e);
	if (r < 0)
		return r;
	if (supply_state(s, part->artifact.package) != SUPPLY_PRESENT)
		r = ingest_whole(&in, e);
	item_unlock(part, s->o.store);
	return r;
}

static int identify(struct supply *s, struct item *part, const struct md5 *md5, struct err *e)
{
	AUTO_BUF auth = BUF(URL_BYTES_MAX * 2);
	struct fetch_request rq = { .md5 = *md5,
				    .ret_sha256 = &part->artifact.sha256,
				    .priority = PRIORITY_ARTIFACT };
	struct index_artifact known = { .md5 = *md5 };
	struct fetch_result result;
	int r = credentials_apply(s->o.credentials, part->artifact.url, &auth, e);

	if (r == 0)
		r = item_open_part(part, s->o.store, e);
	if (r < 0)
		return r;
	rq.url = auth.bytes;
	rq.fd = part->part_fd;
	r = fetch_wait(s->o.fetcher, &rq, &result, e);
	if (r < 0)
		return r;
	known.sha256 = part->artifact.sha256;
	known.size = part->artifact.size = result.written_bytes;
	r = index_artifact_number(s->o.index, &known, e);
	if (r < 0)
		return r;
	part->artifact.package = known.package;
	return store_identified(s, part, result.written_bytes, e);
}

int supply_identify(struct supply *s, const char *url, const struct md5 *md5,
		    struct supply_artifact *ret, struct err *e)
{
	struct item part = { .lock_fd = -1, .part_fd = -1, .artifact.url = url };
	bool known;
	int r;

	if (s->o.store->read_only || !s->o.index)
		return err_set(e, -EROFS, "'%s' has no SHA-256 and the store is read-only",
			       URL_SHOWN(url));
	if (s->o.offline && !url_is_file(url))
		return err_set(e, -ENONET, "'%s' has no SHA-256 and envfs is offline",
			       URL_SHOWN(url));
	(void)format_of(url, &known);
	if (!known)
		return err_set(e, -EBADMSG, "'%s' is neither a .conda nor a .tar.bz2",
			       URL_SHOWN(url));
	r = identify(s, &part, md5, e);
	auto_close(&part.part_fd);
	auto_close(&part.lock_fd);
	if (r < 0)
		return err_wrap(e, r, "'%s'", URL_SHOWN(url));
	*ret = part.artifact;
	ret->url = url;
	return 0;
}
