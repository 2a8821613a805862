/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of an item's way: see item.h. */
#include "base/limits.h"
#include "base/sys.h"
#include "base/url.h"
#include "supply/ingest.h"
#include "supply/inside.h"
#include "supply/list.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

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
	supply_enqueue(s, it, ITEM_FETCHED);
	(void)pthread_mutex_unlock(&s->mutex);
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
	(void)supply_format(it->artifact.url, &known);
	if (!known)
		return err_set(e, -EBADMSG, "'%s' is neither a .conda nor a .tar.bz2",
			       it->artifact.name);
	(void)pthread_mutex_lock(&s->mutex);
	r = s->stopping ? err_set(e, -ECANCELED, "envfs is stopping")
			: failure_refused(s, it->artifact.package, e);
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

int check_other(struct supply *s, struct item *it, struct err *e)
{
	if (item_other_moves(it, s->o.store, s->other_stall_ns))
		return 0;
	return err_set(e, -ETIMEDOUT, "'%s': another process has been fetching it without progress",
		       it->artifact.name);
}

/* Another process fetches it: look again soon, but not for ever. */
static void wait_for_other(struct supply *s, struct item *it)
{
	struct err why;
	int r = check_other(s, it, &why);

	if (r < 0) {
		supply_settle(s, it, 0, r, &why);
		return;
	}
	(void)pthread_mutex_lock(&s->mutex);
	supply_uncount(s, it);
	supply_enqueue(s, it, ITEM_LOCKED);
	(void)pthread_mutex_unlock(&s->mutex);
}

void step_start(struct supply *s, struct item *it)
{
	struct err why = { 0 };
	enum supply_want have = (enum supply_want)supply_state(s, it->artifact.package);
	int r;

	if (have >= it->doing) {
		supply_settle(s, it, have, 0, NULL);
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
			supply_settle(s, it, have, 0, NULL);
			return;
		}
		r = request(s, it, &why);
	}
	if (r < 0)
		supply_settle(s, it, 0, r, &why);
}

/* Storing a large package takes longer than other processes wait for one that does not
 * move; and who stops does not wait for its end. */
static int on_alive(void *ctx, struct err *e)
{
	struct item *it = ctx;

	item_touch(it);
	if (it->supply && atomic_load(&it->supply->stopping))
		return err_set(e, -ECANCELED, "envfs is stopping");
	return 0;
}

struct ingest ingest_of(struct supply *s, struct item *it, uint64_t size)
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
		.format = supply_format(it->artifact.url, &known),
		.alive = on_alive,
		.ctx = it,
	};
}

static void count_made(struct supply *s, uint64_t *total)
{
	(void)pthread_mutex_lock(&s->mutex);
	(*total)++;
	(void)pthread_mutex_unlock(&s->mutex);
}

static void step_whole(struct supply *s, struct item *it)
{
	struct ingest in = ingest_of(s, it, it->result.written_bytes);
	struct err why = { 0 };
	int r;

	r = ingest_whole(&in, &why);
	if (r < 0)
		err_wrap(&why, r, "'%s'", it->artifact.name);
	else
		count_made(s, &s->totals.packages_present);
	supply_settle(s, it, SUPPLY_PRESENT, r, &why);
}

/* The bytes of a ranged answer that happen to be the whole file. */
static int is_all(struct item *it, bool *ret, struct err *e)
{
	AUTO(hasher_done) struct hasher h = { 0 };
	struct digest digest;
	int r = 0;

	*ret = false;
	if (it->result.written_bytes != it->result.total_bytes)
		return 0;
	r = sha256_begin(&h, e);
	if (r < 0)
		return r;
	AUTO_MEM char *room = malloc(TAIL_BYTES);
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
		supply_uncount(s, it);
		it->whole = it->counted = true;
		s->whole++;
	}
	(void)pthread_mutex_unlock(&s->mutex);
	r = request(s, it, &why);
	if (r < 0)
		supply_settle(s, it, 0, r, &why);
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
	else
		count_made(s, &s->totals.packages_listed);
	supply_settle(s, it, SUPPLY_LISTED, r, &why);
}

void step_fetched(struct supply *s, struct item *it)
{
	struct err why = { 0 };

	if (it->result.code < 0) {
		err_wrap(&it->result.err, it->result.code, "'%s'", it->artifact.name);
		supply_settle(s, it, 0, it->result.code, &it->result.err);
	} else if (on_alive(it, &why) < 0) {
		supply_settle(s, it, 0, why.code, &why);
	} else if (it->whole) {
		step_whole(s, it);
	} else {
		step_list(s, it);
	}
}
