/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/room.h"

#include "base/limits.h"
#include "base/sys.h"
#include "base/url.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define TICK_MS	     25
#define IDLE_MS	     3600000
#define TICK_PARTS   200 /* of the patience: what a clock may be late */
#define STEPS_A_TURN 8	 /* local slices before the network's turn */

/* What the callers ordered since last time. */
static bool take_orders(struct fetcher *f)
{
	struct chain news, cancelled;
	bool stop;

	chain_init(&news);
	chain_init(&cancelled);
	pthread_mutex_lock(&f->lock);
	stop = f->stop;
	CHAIN_EACH (at, &f->orders) {
		chain_out(at);
		chain_put_last(&news, at);
	}
	pthread_mutex_unlock(&f->lock);
	CHAIN_EACH (at, &news) {
		struct request *r = CHAIN_THING(at, struct request, link);

		chain_out(at);
		request_admit(f, r);
	}
	return !stop;
}

/* One that is to be ended, or NULL. Its done function may call us: no lock is held then. */
static struct request *next_cancelled(struct fetcher *f, bool every)
{
	struct request *found = NULL;

	pthread_mutex_lock(&f->lock);
	if (f->cancels || every)
		CHAIN_EACH (at, &f->all) {
			struct request *r = CHAIN_THING(at, struct request, all);

			if (r->cancelled || every) {
				found = r;
				break;
			}
		}
	if (!found)
		f->cancels = false;
	else if (found->state == REQUEST_NEW)
		chain_out(&found->link); /* from the orders, which are under this lock */
	pthread_mutex_unlock(&f->lock);
	return found;
}

static void end_cancelled(struct fetcher *f, bool every)
{
	struct request *r;

	while ((r = next_cancelled(f, every)))
		request_end(f, r, -ECANCELED, "cancelled");
}

static void start_some(struct fetcher *f)
{
	struct request *r;

	while ((r = host_next(f)))
		request_begin(f, r);
}

static void settle_answers(struct fetcher *f)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(f->multi, &left))) {
		struct transfer *t = NULL;
		CURLcode result = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		assert(t && t->easy == m->easy_handle);
		request_settle(f, t->req, transfer_judge(t, result), &t->fault);
	}
}

static void step_local(struct fetcher *f)
{
	for (int i = 0; i < STEPS_A_TURN && f->local_running > 0; i++)
		CHAIN_EACH (at, &f->running) {
			struct request *r = CHAIN_THING(at, struct request, link);
			enum verdict v;

			if (r->host->local && local_step(r->transfer, &v))
				request_settle(f, r, v, &r->transfer->fault);
		}
}

static void tick_each(struct fetcher *f, struct chain *c, uint64_t now)
{
	CHAIN_EACH (at, c)
		request_tick(f, CHAIN_THING(at, struct request, link), now);
}

static void tick(struct fetcher *f)
{
	uint64_t now = sys_now_ns();

	if (now < f->ticked_ns + TICK_MS * NS_PER_MS)
		return;
	f->ticked_ns = now;
	tick_each(f, &f->running, now);
	tick_each(f, &f->paused, now);
	/* Not the queue of a host that moves: it may be long. */
	for (struct host *h = f->hosts, *next; h; h = next) {
		next = h->next;
		if (h->waiting_count == 0 ||
		    now < h->progress_ns + (uint64_t)f->o.stall_ms * NS_PER_MS)
			continue;
		h->users++; /* until all its queues are looked at */
		for (int i = 0; i < PRIORITY_COUNT; i++)
			tick_each(f, &h->waiting[i], now);
		next = h->next;
		host_drop(f, &h);
	}
}

static int wait_ms(const struct fetcher *f)
{
	if (f->busy || f->local_running > 0)
		return 0;
	if (chain_is_empty(&f->running) && chain_is_empty(&f->paused) && f->waiting_count == 0)
		return IDLE_MS;
	return TICK_MS;
}

static void *run(void *arg)
{
	struct fetcher *f = arg;
	int n;

	while (take_orders(f)) {
		end_cancelled(f, false);
		f->busy = false;
		start_some(f);
		(void)curl_multi_perform(f->multi, &n);
		settle_answers(f);
		step_local(f);
		tick(f);
		(void)curl_multi_poll(f->multi, NULL, 0, wait_ms(f), NULL);
	}
	end_cancelled(f, true);
	return NULL;
}

static int copy(const char **text, struct err *e)
{
	if (*text)
		*text = strdup(*text);
	return *text || !e ? 0 : err_nomem(e);
}

static int copy_options(struct fetch_options *to, const struct fetch_options *from, struct err *e)
{
	const char **texts[] = { &to->proxy_http,  &to->proxy_https, &to->no_proxy,  &to->ca_file,
				 &to->client_cert, &to->client_key,  &to->netrc_file };
	int r = 0;

	*to = *from;
	to->tries = from->tries > 0 ? from->tries : 5;
	to->connect_ms = from->connect_ms > 0 ? from->connect_ms : 9150;
	to->stall_ms = from->stall_ms > 0 ? from->stall_ms : 30000;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		r = copy(texts[i], *texts[i] && r == 0 ? e : NULL) < 0 ? -ENOMEM : r;
	return r;
}

static void free_options(struct fetch_options *o)
{
	const char *texts[] = { o->proxy_http,	o->proxy_https, o->no_proxy,  o->ca_file,
				o->client_cert, o->client_key,	o->netrc_file };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		free((char *)texts[i]);
}

/* No signal is ever handled on the thread. */
static int start_thread(struct fetcher *f, struct err *e)
{
	sigset_t all, old;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&f->thread, NULL, run, f);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r != 0)
		return err_set(e, -r, "the fetch thread cannot be started: %s", strerror(r));
	f->thread_runs = true;
	return 0;
}

int fetcher_open(struct fetcher **ret, const struct fetch_options *o, struct err *e)
{
	static const struct fetch_options usual;
	AUTO(fetcher_freep) struct fetcher *f = NULL;
	int r;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, -EIO, "libcurl cannot be started");
	f = calloc(1, sizeof(*f));
	if (!f) {
		curl_global_cleanup();
		return err_nomem(e);
	}
	f->trust.ca.fd = f->trust.netrc.fd = -1;
	chain_init(&f->orders);
	chain_init(&f->all);
	chain_init(&f->running);
	chain_init(&f->paused);
	(void)pthread_mutex_init(&f->lock, NULL);
	f->next_id = 1;
	f->dice = sys_now_ns() ^ (uint64_t)getpid() << 32;
	r = copy_options(&f->o, o ? o : &usual, e);
	if (r == 0)
		r = trust_load(&f->trust, &f->o, e);
	if (r < 0)
		return r;
	f->multi = curl_multi_init();
	if (!f->multi ||
	    curl_multi_setopt(f->multi, CURLMOPT_MAX_HOST_CONNECTIONS,
			      (long)HOST_CONNECTIONS_MAX) != CURLM_OK ||
	    curl_multi_setopt(f->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)CONNECTIONS_MAX) !=
		    CURLM_OK ||
	    curl_multi_setopt(f->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX) != CURLM_OK)
		return err_nomem(e);
	r = start_thread(f, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(f);
	return 0;
}

static void wake(struct fetcher *f)
{
	(void)curl_multi_wakeup(f->multi);
}

struct fetcher *fetcher_free(struct fetcher *f)
{
	if (!f)
		return NULL;
	if (f->thread_runs) {
		assert(!pthread_equal(pthread_self(), f->thread));
		pthread_mutex_lock(&f->lock);
		f->stop = true;
		pthread_mutex_unlock(&f->lock);
		wake(f);
		(void)pthread_join(f->thread, NULL);
	}
	assert(!f->hosts);
	(void)curl_multi_cleanup(f->multi);
	trust_done(&f->trust);
	free_options(&f->o);
	free(f->local_room);
	(void)pthread_mutex_destroy(&f->lock);
	free(f);
	curl_global_cleanup();
	return NULL;
}

int fetch_start(struct fetcher *f, const struct fetch_request *rq, uint64_t *ret_id, struct err *e)
{
	struct request *r;
	int code = request_new(f, rq, &r, e);
	uint64_t id = 0;

	if (code < 0)
		return code;
	pthread_mutex_lock(&f->lock);
	if (f->stop) {
		code = -ECANCELED;
	} else if (f->count >= REQUESTS_MAX) {
		code = -ENOMEM;
	} else {
		id = r->id = f->next_id++;
		f->count++;
		chain_put_last(&f->all, &r->all);
		chain_put_last(&f->orders, &r->link);
	}
	pthread_mutex_unlock(&f->lock);
	if (code < 0) {
		(void)request_free(r);
		return err_set(e, code, "'%s': %s", URL_SHOWN(rq->url),
			       code == -ECANCELED ? "cancelled" : "too many requests at once");
	}
	wake(f);
	if (ret_id)
		*ret_id = id;
	return 0;
}

void fetch_cancel(struct fetcher *f, uint64_t id)
{
	pthread_mutex_lock(&f->lock);
	CHAIN_EACH (at, &f->all) {
		struct request *r = CHAIN_THING(at, struct request, all);

		if (r->id != id)
			continue;
		r->cancelled = f->cancels = true;
		break;
	}
	pthread_mutex_unlock(&f->lock);
	wake(f);
}

struct waiter {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool done;		    /* under lock */
	struct fetch_result result; /* under lock until done */
};

static void on_waited(void *ctx, const struct fetch_result *result)
{
	struct waiter *w = ctx;

	pthread_mutex_lock(&w->lock);
	w->result = *result;
	w->done = true;
	pthread_cond_signal(&w->cond);
	pthread_mutex_unlock(&w->lock);
}

int fetch_wait(struct fetcher *f, const struct fetch_request *rq, struct fetch_result *ret,
	       struct err *e)
{
	struct waiter w = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
	struct fetch_request mine = *rq;
	int r;

	assert(!pthread_equal(pthread_self(), f->thread));
	mine.done = on_waited;
	mine.progress = NULL;
	mine.ctx = &w;
	r = fetch_start(f, &mine, NULL, e);
	if (r < 0)
		return r;
	pthread_mutex_lock(&w.lock);
	while (!w.done)
		(void)pthread_cond_wait(&w.cond, &w.lock);
	pthread_mutex_unlock(&w.lock);
	(void)pthread_cond_destroy(&w.cond);
	(void)pthread_mutex_destroy(&w.lock);
	if (ret)
		*ret = w.result;
	if (w.result.code < 0 && e)
		*e = w.result.err;
	return w.result.code;
}

uint64_t fetcher_request_count(const struct fetcher *f)
{
	return atomic_load(&f->request_count);
}

void fetcher_trace(struct fetcher *f, void (*fn)(void *ctx, const char *line), void *ctx)
{
	pthread_mutex_lock(&f->lock);
	f->trace = fn;
	f->trace_ctx = ctx;
	pthread_mutex_unlock(&f->lock);
}

/* "GET https://…/a.conda last 65536: HTTP 206, 65536 bytes in 120 ms" */
void fetcher_tell(struct fetcher *f, const struct transfer *t, const char *what)
{
	const struct fetch_request *rq = &t->req->rq;
	char line[ERR_TEXT_BYTES * 2], part[100] = "", status[40] = "";
	void (*fn)(void *ctx, const char *line);
	void *ctx;

	pthread_mutex_lock(&f->lock);
	fn = f->trace;
	ctx = f->trace_ctx;
	pthread_mutex_unlock(&f->lock);
	if (!fn)
		return;
	if (t->resumed)
		(void)snprintf(part, sizeof(part), " continued");
	else if (rq->range == FETCH_TAIL && !t->req->whole)
		(void)snprintf(part, sizeof(part), " last %llu", (unsigned long long)rq->count);
	else if (rq->range == FETCH_FROM && !t->req->whole)
		(void)snprintf(part, sizeof(part), " from %llu", (unsigned long long)rq->first);
	if (t->status)
		(void)snprintf(status, sizeof(status), "HTTP %ld, ", t->status);
	(void)snprintf(line, sizeof(line), "GET %s%s%s: %s%llu bytes in %llu ms%s%s",
		       URL_SHOWN(rq->url), t->req->hops ? " (redirected)" : "", part, status,
		       (unsigned long long)t->attempt_bytes,
		       (unsigned long long)((sys_now_ns() - t->attempt_ns) / NS_PER_MS),
		       what ? "; " : "", what ?: "");
	fn(ctx, line);
}
