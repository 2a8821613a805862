/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/room.h"

#include "base/limits.h"
#include "base/sys.h"
#include "base/url.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define PAUSE_MS_FIRST 250

static int copy(const char *text, const char **ret, struct err *e)
{
	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? err_nomem(e) : 0;
}

int request_new(struct fetcher *f, const struct fetch_request *rq, struct request **ret,
		struct err *e)
{
	struct request *r = calloc(1, sizeof(*r));

	(void)f;
	assert(rq->url && rq->fd >= 0);
	assert(rq->range != FETCH_TAIL || rq->count > 0);
	if (!r)
		return err_nomem(e);
	chain_init(&r->all);
	chain_init(&r->link);
	r->rq = *rq;
	r->rq.url = r->rq.etag = r->rq.last_modified = NULL;
	if (copy(rq->url, &r->rq.url, e) < 0 || copy(rq->etag, &r->rq.etag, e) < 0 ||
	    copy(rq->last_modified, &r->rq.last_modified, e) < 0) {
		(void)request_free(r);
		return -ENOMEM;
	}
	*ret = r;
	return 0;
}

struct request *request_free(struct request *r)
{
	if (!r)
		return NULL;
	assert(!r->host && !r->origin);
	(void)transfer_free(r->transfer);
	free((char *)r->rq.url);
	free((char *)r->rq.etag);
	free((char *)r->rq.last_modified);
	free(r->hop);
	free(r->why);
	free(r);
	return NULL;
}

const char *request_url(const struct request *r)
{
	return r->hop ? r->hop : r->rq.url;
}

static uint64_t stall_ns(const struct fetcher *f)
{
	return (uint64_t)f->o.stall_ms * NS_PER_MS;
}

/* Takes it out of whatever it is in. */
static void detach(struct fetcher *f, struct request *r)
{
	if (r->state == REQUEST_WAITING) {
		host_unqueue(f, r);
	} else if (r->state == REQUEST_RUNNING) {
		chain_out(&r->link);
		host_leave(f, r->host);
	} else {
		chain_out(&r->link);
	}
	r->state = REQUEST_NEW;
}

/* "…: HTTP 503, service unavailable (redirected to h; tried 5 times)" */
static int tell_end(const struct request *r, int code, const char *why, struct err *e)
{
	char notes[300] = "";
	size_t at = 0;

	if (r->hop && r->host)
		at = (size_t)snprintf(notes, 200, "; redirected to %.150s", r->host->key);
	if (r->tries > 1)
		(void)snprintf(notes + at, sizeof(notes) - at, "; tried %d times", r->tries);
	return err_set(e, code, "'%.400s': %s%s", URL_SHOWN(r->rq.url), why, notes);
}

void request_end(struct fetcher *f, struct request *r, int code, const char *why)
{
	struct fetch_result none = { 0 }, *res = r->transfer ? &r->transfer->result : &none;

	detach(f, r);
	if (r->transfer)
		transfer_end(r->transfer);
	res->code = code;
	if (code < 0) {
		res->written_bytes = r->transfer ? r->transfer->written : 0;
		(void)tell_end(r, code, why, &res->err);
	}
	pthread_mutex_lock(&f->lock);
	chain_out(&r->all);
	f->count--;
	pthread_mutex_unlock(&f->lock);
	host_drop(f, &r->host);
	host_drop(f, &r->origin);
	if (r->rq.done)
		r->rq.done(r->rq.ctx, res);
	(void)request_free(r);
}

void request_admit(struct fetcher *f, struct request *r)
{
	struct err e;
	int code = url_check(r->rq.url, &e);

	if (code == 0)
		code = host_hold(f, r->rq.url, &r->origin, &e);
	if (code < 0) {
		request_end(f, r, code, e.text);
		return;
	}
	r->host = r->origin;
	r->host->users++;
	host_queue(f, r, false);
}

void request_begin(struct fetcher *f, struct request *r)
{
	uint64_t since = host_still_since(r->host, r, sys_now_ns());
	struct err e;
	int code = 0;

	detach(f, r);
	/* Time in the queue is not its own, unless its host answered nobody meanwhile. */
	r->clock_ns = r->clock_ns ? r->clock_ns + (since - r->waited_ns) : since;
	r->state = REQUEST_RUNNING;
	chain_put_last(&f->running, &r->link);
	host_enter(f, r->host);
	atomic_fetch_add(&f->request_count, 1);
	r->clock_bytes = 0;
	if (!r->transfer)
		code = transfer_new(f, r, &r->transfer, &e);
	if (code == 0)
		code = transfer_begin(r->transfer, &e);
	r->fresh = false;
	if (code < 0)
		request_end(f, r, code, e.text);
	else if (r->host->local && local_begin(r->transfer) < 0)
		request_settle(f, r, r->transfer->verdict, &r->transfer->fault);
}

/* 250 ms, 500 ms, … each between half and one and a half of that. */
static uint64_t pause_ms(struct fetcher *f, const struct request *r, uint64_t asked_ms)
{
	uint64_t ms = PAUSE_MS_FIRST, jitter;

	if (asked_ms)
		return asked_ms;
	for (int i = 1; i < r->tries && ms < PAUSE_MS_MAX; i++)
		ms *= 2;
	f->dice = f->dice * 6364136223846793005ULL + 1442695040888963407ULL;
	jitter = (f->dice >> 33) % (ms + 1);
	return ms / 2 + jitter;
}

/*
 * Whether this attempt alone was worth it. Only what can be continued counts, and
 * only beyond what there was before: else a server without ranges that always
 * breaks at the same place would be asked for ever.
 */
static bool came_further(struct request *r)
{
	const struct transfer *t = r->transfer;

	if (!transfer_may_resume(t) || t->written < r->kept_bytes + RETRY_FREE_BYTES)
		return false;
	r->kept_bytes = t->written;
	return true;
}

static void try_again(struct fetcher *f, struct request *r)
{
	struct transfer *t = r->transfer;
	uint64_t now = sys_now_ns(), end = r->clock_ns + stall_ns(f), pause, most;

	if (came_further(r))
		r->tries = 0;
	r->tries++;
	if (r->tries >= f->o.tries || now >= end) {
		request_end(f, r, r->code, r->why ?: "out of memory");
		return;
	}
	/* However long a server wants us to wait, one more try fits into our patience. */
	pause = pause_ms(f, r, t->pause_ms) * NS_PER_MS;
	most = (end - now) / 4 * 3;
	detach(f, r);
	free(r->hop); /* such targets often expire */
	r->hop = NULL;
	r->hops = 0;
	r->host->users--;
	r->host = r->origin;
	r->host->users++;
	if (t->started && t->written > 0)
		transfer_end(t);
	else
		r->transfer = transfer_free(t);
	r->state = REQUEST_PAUSED;
	r->due_ns = now + (pause < most ? pause : most);
	chain_put_last(&f->paused, &r->link);
}

static void go_elsewhere(struct fetcher *f, struct request *r)
{
	struct host *to;
	struct err e;
	int code = host_hold(f, request_url(r), &to, &e);

	if (code < 0) {
		request_end(f, r, code, e.text);
		return;
	}
	detach(f, r);
	transfer_end(r->transfer);
	host_drop(f, &r->host);
	r->host = to;
	host_queue(f, r, true);
}

/* The attempt is over. */
void request_settle(struct fetcher *f, struct request *r, enum verdict v, const struct err *why)
{
	char *text;

	fetcher_tell(f, r->transfer, v == VERDICT_DONE ? NULL : why->text);
	if (r->transfer->status >= 100)
		r->host->progress_ns = f->progress_ns = sys_now_ns();
	if (v == VERDICT_FAILED || v == VERDICT_AGAIN) {
		r->code = why->code;
		text = strdup(why->text);
		free(r->why);
		r->why = text;
	}
	switch (v) {
	case VERDICT_DONE:
		r->tries++;
		request_end(f, r, 0, NULL);
		break;
	case VERDICT_FAILED:
		r->tries++;
		request_end(f, r, r->code, r->why ?: "out of memory");
		break;
	case VERDICT_AGAIN:
		try_again(f, r);
		break;
	case VERDICT_WHOLE:
		r->whole = true;
		__attribute__((fallthrough));
	case VERDICT_MOVED:
		go_elsewhere(f, r);
		break;
	}
}

static void end_stalled(struct fetcher *f, struct request *r)
{
	char why[400];
	bool reached = transfer_is_connected(r->transfer) || (r->code && r->code != -EHOSTUNREACH);

	(void)snprintf(why, sizeof(why), "%s for %d ms%s%.300s",
		       reached ? "nothing has come" : "no way to the server", f->o.stall_ms,
		       r->why ? "; before that: " : "", r->why ?: "");
	r->tries++;
	fetcher_tell(f, r->transfer, why);
	request_end(f, r, reached ? -ETIMEDOUT : -EHOSTUNREACH, why);
}

/*
 * One byte in two seconds is progress; less is none. A connection that falls
 * silent in the middle, or that was used before and gives no answer, may be dead
 * without our knowing: a third of the patience, then a new one.
 */
static void tick_running(struct fetcher *f, struct request *r, uint64_t now)
{
	struct transfer *t = r->transfer;
	uint64_t floor = (uint64_t)f->o.stall_ms / 2000, got = t->attempt_bytes - r->clock_bytes;
	struct err silent = { .code = -ETIMEDOUT };

	if (got > floor) {
		r->clock_ns = t->byte_ns;
		r->clock_bytes = t->attempt_bytes;
	}
	if (r->host->local)
		return;
	if (now >= r->clock_ns + stall_ns(f)) {
		end_stalled(f, r);
		return;
	}
	if (now < t->byte_ns + stall_ns(f) / 3 || (!t->accepted && !transfer_is_reused(t)))
		return;
	(void)snprintf(silent.text, sizeof(silent.text), "nothing has come for %d ms",
		       f->o.stall_ms / 3);
	r->fresh = true;
	request_settle(f, r, VERDICT_AGAIN, &silent);
}

/* In the queue it is the others that must not stand still. */
static void tick_waiting(struct fetcher *f, struct request *r, uint64_t now)
{
	uint64_t since = host_still_since(r->host, r, now);
	bool by_host = since < now;
	char why[300];

	if (!by_host)
		since = f->progress_ns > r->waited_ns ? f->progress_ns : r->waited_ns;
	if (r->host->local || now < since + stall_ns(f))
		return;
	(void)snprintf(why, sizeof(why), "waited behind others; nothing has come%s%.150s for %d ms",
		       by_host ? " from " : "", by_host ? r->host->key : "", f->o.stall_ms);
	request_end(f, r, -ETIMEDOUT, why);
}

void request_tick(struct fetcher *f, struct request *r, uint64_t now)
{
	if (r->state == REQUEST_RUNNING) {
		tick_running(f, r, now);
	} else if (r->state == REQUEST_WAITING) {
		tick_waiting(f, r, now);
	} else if (r->state == REQUEST_PAUSED && now >= r->due_ns) {
		chain_out(&r->link);
		/* The pause counts against its patience, unlike the time in the queue. */
		host_queue(f, r, true);
	}
}
