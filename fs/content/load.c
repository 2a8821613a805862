/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading a generation. One thread of ours opens manifests and makes views, so
 * that no FUSE thread does; what is not listed yet is asked of supply, and its
 * answers put the generation back into the loader's line.
 *
 *	IDLE --load_begin--> LISTING --(all manifests open)--> READY
 *	  ^                     |  ^
 *	  +----- it failed -----+  +-- the last listing came: scan once more
 */
#include "base/limits.h"
#include "base/log.h"
#include "base/sys.h"
#include "content/content.h"
#include "content/inside.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

/* A listing that came need only be opened; one that is gone again is not asked for ever. */
#define ROUNDS_MAX 3

static void enqueue(struct content *c, struct loaded *l)
{
	l->queued = true;
	(void)pthread_cond_signal(&c->work);
}

void load_begin(struct content *c, struct loaded *l)
{
	if (l->state != LOADED_IDLE)
		return;
	l->state = LOADED_LISTING;
	l->attempt++;
	l->rounds = 0;
	enqueue(c, l);
}

/* Under the lock. The waiting are told by the caller, who drops the lock first. */
static void fail(struct loaded *l, int code)
{
	l->state = LOADED_IDLE;
	l->queued = false;
	l->failed_attempt = l->attempt;
	l->failed_code = code;
}

static void fail_and_tell(struct content *c, struct loaded *l, int code, const struct err *why)
{
	uint64_t number = l->number;

	content_failed(c, l->generation, code, why);
	(void)pthread_mutex_lock(&c->lock);
	fail(l, code);
	(void)pthread_mutex_unlock(&c->lock);
	c->woken(c->ctx, CONTENT_GENERATION, number);
}

/* The token that a scan or a listing holds is given back; the last one queues the generation. */
static void one_less(struct content *c, struct loaded *l)
{
	assert(l->pending > 0);
	if (--l->pending == 0)
		enqueue(c, l);
}

/* The next generation that waits for this package. Under the lock. */
static struct loaded *next_waiting(struct content *c, uint64_t package)
{
	for (size_t i = 0; i < c->loaded_count; i++) {
		struct loaded *l = c->loaded[i];
		uint32_t slot = loaded_slot(l, package);

		if (l->state != LOADED_LISTING || slot == UINT32_MAX || !l->counted[slot])
			continue;
		l->counted[slot] = false;
		return l;
	}
	return NULL;
}

/* What failed to be listed fails every generation that waits for it. */
static void settle_listed(struct content *c, uint64_t package, int code)
{
	struct package *p;
	struct loaded *l;

	(void)pthread_mutex_lock(&c->lock);
	p = package_get(c, package);
	assert(p && p->listing);
	p->listing = false;
	while ((l = next_waiting(c, package))) {
		uint64_t number = l->number;

		if (code == 0) {
			one_less(c, l);
			continue;
		}
		fail(l, code);
		(void)pthread_mutex_unlock(&c->lock);
		c->woken(c->ctx, CONTENT_GENERATION, number);
		(void)pthread_mutex_lock(&c->lock);
	}
	p = package_get(c, package); /* asked for anew, or gone, while the lock was dropped */
	if (p)
		package_tidy(c, p);
	(void)pthread_mutex_unlock(&c->lock);
}

void load_listed(void *ctx, uint64_t package, int code, const struct err *why)
{
	if (code < 0 && code != -ECANCELED)
		log_line(LOG_WARNING, "%s", why->text);
	settle_listed(ctx, package, code);
}

enum have { HAVE_IT, HAVE_TO_WAIT, HAVE_TO_ASK };

/* The package's manifest, from disk if nobody opened it yet. */
static int find_manifest(struct content *c, struct loaded *l, uint32_t slot, enum have *ret,
			 struct err *e)
{
	struct package *p = l->packages[slot];
	struct manifest *m = NULL;
	int r = 0;

	(void)pthread_mutex_lock(&c->lock);
	*ret = p->manifest ? HAVE_IT : HAVE_TO_WAIT;
	(void)pthread_mutex_unlock(&c->lock);
	if (*ret == HAVE_IT)
		return 0;
	r = manifest_open(&m, c->store, p->number, e);
	if (r < 0 && r != -ENOENT)
		return r;
	(void)pthread_mutex_lock(&c->lock);
	if (!p->manifest && m)
		p->manifest = TAKE_PTR(m);
	if (p->manifest) {
		*ret = HAVE_IT;
	} else {
		*ret = p->listing ? HAVE_TO_WAIT : HAVE_TO_ASK;
		p->listing = true;
		l->counted[slot] = true;
		l->pending++;
	}
	(void)pthread_mutex_unlock(&c->lock);
	manifest_free(m);
	return 0;
}

/* Every package: open, or asked for. *ret_missing: how many were not open yet; also one
 * whose listing is answered meanwhile is opened only by the next scan. */
static int scan(struct content *c, struct loaded *l, uint32_t *ret_missing, struct err *e)
{
	*ret_missing = 0;
	for (uint32_t i = 0; i < l->count; i++) {
		struct err why = { 0 };
		enum have have;
		int r = find_manifest(c, l, i, &have, e);

		if (r < 0)
			return r;
		*ret_missing += have != HAVE_IT;
		if (have != HAVE_TO_ASK)
			continue;
		r = package_ask(c, l->generation, i, SUPPLY_LISTED, &why);
		if (r < 0) {
			content_failed(c, l->generation, r, &why);
			settle_listed(c, l->packages[i]->number, r);
		}
	}
	return 0;
}

static struct manifest **take_manifests(struct content *c, struct loaded *l, struct err *e)
{
	struct manifest **ms = calloc((size_t)l->count + 1, sizeof(struct manifest *));

	if (!ms) {
		(void)err_nomem(e);
		return NULL;
	}
	(void)pthread_mutex_lock(&c->lock);
	for (uint32_t i = 0; i < l->count; i++)
		ms[i] = manifest_ref(l->packages[i]->manifest);
	(void)pthread_mutex_unlock(&c->lock);
	return ms;
}

static void drop_manifests(struct manifest **ms, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		manifest_free(ms[i]);
	free(ms);
}

static int make_view(struct content *c, struct loaded *l, struct view **ret,
		     struct manifest *const *ms, struct err *e)
{
	AUTO_BUF prefix = BUF(PATH_BYTES_MAX);
	AUTO(view_freep) struct view *v = NULL;
	int r;

	buf_addf(&prefix, "%s/%s", c->mount_point, generation_env(l->generation));
	r = buf_end(&prefix, e);
	if (r == 0)
		r = view_open(&v, l->generation, ms, prefix.bytes, e);
	if (r < 0)
		return r;
	assert(view_root(v) == node_make(NODE_MADE_DIR, l->slot_base, 0));
	*ret = TAKE_PTR(v);
	return 0;
}

/* Under the lock: the view is brought up to what arrived while it was made. False: what
 * arrived has other names, so another view is needed. */
static bool catch_up(struct loaded *l, struct view *v, struct manifest *const *ms)
{
	for (uint32_t i = 0; i < l->count; i++) {
		struct manifest *now = l->packages[i]->manifest;

		if (now == ms[i])
			continue;
		if (!same_names(ms[i], now))
			return false;
		view_replace(v, i, now);
	}
	return true;
}

/* All manifests are open. */
static int finish(struct content *c, struct loaded *l, struct err *e)
{
	struct manifest **ms = take_manifests(c, l, e);
	AUTO(view_freep) struct view *v = NULL;
	bool ready = false;
	int r = ms ? make_view(c, l, &v, ms, e) : -ENOMEM;

	if (r == 0) {
		(void)pthread_mutex_lock(&c->lock);
		ready = catch_up(l, v, ms);
		l->queued = false;
		if (ready) {
			l->view = TAKE_PTR(v);
			l->state = LOADED_READY;
			l->used_ns = sys_now_ns();
		} else {
			enqueue(c, l);
		}
		(void)pthread_mutex_unlock(&c->lock);
	}
	if (ready)
		c->woken(c->ctx, CONTENT_GENERATION, l->number);
	if (ms)
		drop_manifests(ms, l->count);
	return r;
}

/* One turn of the loader, which holds the generation meanwhile. */
static void load_one(struct content *c, struct loaded *l)
{
	struct err why = { 0 };
	uint32_t missing;
	bool complete;
	int r;

	if (l->rounds++ >= ROUNDS_MAX) {
		r = err_set(&why, -EIO,
			    "what was listed is gone again: is the store being changed "
			    "by hand?");
		fail_and_tell(c, l, r, &why);
		return;
	}
	(void)pthread_mutex_lock(&c->lock);
	memset(l->counted, 0, (size_t)l->count * sizeof(*l->counted));
	l->pending = 1;
	(void)pthread_mutex_unlock(&c->lock);
	r = scan(c, l, &missing, &why);
	(void)pthread_mutex_lock(&c->lock);
	complete = r == 0 && l->state == LOADED_LISTING && missing == 0;
	if (r == 0 && !complete && l->state == LOADED_LISTING)
		one_less(c, l);
	(void)pthread_mutex_unlock(&c->lock);
	if (complete)
		r = finish(c, l, &why);
	if (r < 0)
		fail_and_tell(c, l, r, &why);
}

static struct loaded *next_queued(struct content *c)
{
	for (size_t i = 0; i < c->loaded_count; i++)
		if (c->loaded[i]->queued)
			return c->loaded[i];
	return NULL;
}

void *load_run(void *content)
{
	struct content *c = content;

	(void)pthread_mutex_lock(&c->lock);
	while (!c->stopping) {
		struct loaded *l = next_queued(c);

		if (!l) {
			(void)pthread_cond_wait(&c->work, &c->lock);
			continue;
		}
		l->queued = false;
		if (l->state != LOADED_LISTING)
			continue;
		l->held = true;
		(void)pthread_mutex_unlock(&c->lock);
		load_one(c, l);
		(void)pthread_mutex_lock(&c->lock);
		l->held = false;
	}
	(void)pthread_mutex_unlock(&c->lock);
	return NULL;
}
