/* SPDX-License-Identifier: Apache-2.0 */
#include "mount/daemon.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/sys.h"
#include "mount/place.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int open_store(struct daemon *d, struct err *e)
{
	int r = store_open(&d->store, d->options->store, STORE_ANY, e);

	if (r < 0)
		return r;
	if (d->store->read_only) {
		log_line(LOG_NOTE, "store '%s' cannot be written: only what it has is served",
			 d->store->path);
		return 0;
	}
	r = store_sweep(d->store, e);
	return r < 0 ? r : index_open(&d->index, d->store, d->options->rebuild, e);
}

static int open_network(struct daemon *d, struct err *e)
{
	const struct config *config = d->options->config;
	struct fetch_options fo = { 0 };
	struct supply_options so = {
		.store = d->store,
		.index = d->index,
		.worker = d->worker,
		.offline = d->options->offline || (config && config->offline),
	};
	int r;

	if (config)
		fo = config->fetch;
	if (d->options->stall_ms > 0)
		fo.stall_ms = d->options->stall_ms;
	r = credentials_open(&d->credentials, e);
	if (r == 0 && config)
		r = credentials_add_config(d->credentials, config, e);
	if (r == 0)
		r = fetcher_open(&d->fetcher, &fo, e);
	if (r < 0)
		return r;
	so.fetcher = d->fetcher;
	so.stall_ms = fo.stall_ms;
	so.credentials = d->credentials;
	return supply_open(&d->supply, &so, e);
}

/* Names that a verified package does not bear out are forgotten like switched ones. */
static void on_stale(void *ctx, const char *environment, struct view *old)
{
	struct daemon *d = ctx;

	if (d->notify)
		notify_stale(d->notify, environment, old);
}

static void on_woken(void *ctx, enum content_wait_kind kind, uint64_t number)
{
	struct daemon *d = ctx;

	ops_woken(d->ops, kind, number);
}

static int open_tree(struct daemon *d, struct err *e)
{
	struct content_options co = {
		.store = d->store,
		.supply = d->supply,
		.mount_point = d->dir,
		.woken = on_woken,
		.stale = on_stale,
		.ctx = d,
	};
	int r = packs_open(&d->packs, d->store, e);

	if (r < 0)
		return r;
	co.packs = d->packs;
	r = ops_open(&d->ops, d->store, e);
	if (r == 0)
		r = content_open(&d->content, &co, e);
	if (r == 0)
		ops_serve(d->ops, d->content);
	return r;
}

int daemon_begin(struct daemon *d, const struct mount_options *o, struct err *e)
{
	int r;

	d->options = o;
	d->started_ms = sys_wall_ms();
	r = place_prepare(o, d->dir, e);
	if (r == 0)
		r = place_check_sources(o->config, d->dir, e);
	if (r == 0)
		r = runtime_open(&d->runtime, 1, e);
	if (r == 0)
		r = runtime_lock(&d->runtime, d->dir, &d->lock, e);
	if (r == 0) /* again, under the lock */
		r = place_prepare(o, d->dir, e);
	if (r == 0)
		r = open_store(d, e);
	if (r < 0)
		return r;
	/* Paths and the environment were needed until here. */
	detach_scrub();
	if (!o->foreground)
		r = detach_stdio(&d->runtime, d->dir, e);
	/* The parser is forked off before there are threads; it takes none of our signals and
	 * nothing of the caller's. */
	if (r == 0)
		r = worker_start(&d->worker, e);
	if (r < 0)
		return r;
	server_block_signals();
	r = open_network(d, e);
	if (r == 0)
		r = open_tree(d, e);
	if (r == 0)
		r = session_open(&d->session, d->ops, d->dir, o->allow_other, e);
	if (r == 0)
		r = notify_open(&d->notify, session_fuse(d->session), e);
	if (r == 0)
		r = server_begin(d, e);
	auto_close(&d->lock);
	return r;
}

/* What answers requests goes last: until then a parked one can still be refused. Supply's
 * threads give notices until they are gone. */
void daemon_end(struct daemon *d)
{
	if (d->ops)
		park_close(ops_park(d->ops));
	server_end(d);
	if (d->notify)
		notify_stop(d->notify);
	d->session = session_free(d->session);
	if (d->content)
		content_stop(d->content);
	d->supply = supply_free(d->supply);
	d->notify = notify_free(d->notify);
	d->content = content_free(d->content);
	d->ops = ops_free(d->ops);
	d->packs = packs_free(d->packs);
	d->fetcher = fetcher_free(d->fetcher);
	d->credentials = credentials_free(d->credentials);
	d->worker = worker_free(d->worker);
	d->index = index_free(d->index);
	d->store = store_free(d->store);
	auto_close(&d->lock);
	runtime_done(&d->runtime);
}

#define BUSY_TRIES    20
#define BUSY_PAUSE_MS 50

/*
 * Who waits for a package holds the mount, so the parked are refused first; they need
 * a moment to close what they had open.
 */
int daemon_unmount(struct daemon *d, bool lazy, struct err *e)
{
	const struct timespec pause = { .tv_nsec = BUSY_PAUSE_MS * 1000000L };
	bool waited = park_count(ops_park(d->ops)) > 0;
	int r;

	park_close(ops_park(d->ops));
	r = place_unmount(d->dir, false, e);
	for (int i = 0; r == -EBUSY && waited && i < BUSY_TRIES; i++) {
		(void)nanosleep(&pause, NULL);
		r = place_unmount(d->dir, false, e);
	}
	if (r < 0 && lazy)
		r = place_unmount(d->dir, true, e);
	if (r < 0)
		park_reopen(ops_park(d->ops));
	return r;
}
