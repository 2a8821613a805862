/* SPDX-License-Identifier: Apache-2.0 */
#include "content/content.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/sys.h"
#include "content/inside.h"
#include "env/env.h"
#include "synth/synth.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int content_open(struct content **ret, const struct content_options *o, struct err *e)
{
	AUTO(content_freep) struct content *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return err_nomem(e);
	c->store = o->store;
	c->supply = o->supply;
	c->packs = o->packs;
	c->woken = o->woken;
	c->stale = o->stale;
	c->ctx = o->ctx;
	(void)pthread_mutex_init(&c->lock, NULL);
	(void)pthread_cond_init(&c->work, NULL);
	c->mount_point = strdup(o->mount_point);
	if (!c->mount_point)
		return err_nomem(e);
	r = pthread_create(&c->loader, NULL, load_run, c);
	if (r != 0)
		return err_set(e, -r, "a thread for loading: %s", strerror(r));
	c->loader_runs = true;
	*ret = TAKE_PTR(c);
	return 0;
}

void content_stop(struct content *c)
{
	(void)pthread_mutex_lock(&c->lock);
	c->stopping = true;
	(void)pthread_cond_signal(&c->work);
	(void)pthread_mutex_unlock(&c->lock);
	if (c->loader_runs)
		(void)pthread_join(c->loader, NULL);
	c->loader_runs = false;
}

struct content *content_free(struct content *c)
{
	if (!c)
		return NULL;
	content_stop(c);
	for (size_t i = 0; i < c->loaded_count; i++)
		loaded_free(c, c->loaded[i]);
	free(c->loaded);
	free(c->heads);
	free(c->heads_by_slot);
	map_done(&c->heads_by_number);
	free(c->mount_point);
	(void)pthread_cond_destroy(&c->work);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
	return NULL;
}

/* What failed counts for those who waited for that attempt; the next asker begins another. */
static int outcome(bool running, uint64_t now, uint64_t failed, int code, uint64_t waited)
{
	if (running && now <= waited)
		return -EINPROGRESS;
	return failed >= waited && failed != 0 ? code : 0;
}

int content_settled(struct content *c, const struct content_wait *w)
{
	const struct loaded *l;
	const struct package *p;
	int r = 0; /* what is no longer there is asked for anew */

	(void)pthread_mutex_lock(&c->lock);
	if (w->kind == CONTENT_GENERATION) {
		l = loaded_by_number(c, w->number);
		if (l)
			r = outcome(l->state == LOADED_LISTING, l->attempt, l->failed_attempt,
				    l->failed_code, w->attempt);
	} else {
		p = package_get(c, w->number);
		if (p)
			r = outcome(p->fetching, p->attempt, p->failed_attempt, p->failed_code,
				    w->attempt);
	}
	(void)pthread_mutex_unlock(&c->lock);
	return r;
}

static struct content_head told(const struct head *h)
{
	return (struct content_head){
		.ino = node_make(NODE_MADE_DIR, h->slot_base, 0),
		.generation = h->number,
		.created_ms = h->created_ms,
		.packages = h->count,
	};
}

int content_environment(struct content *c, const char *name, struct content_head *ret,
			struct err *e)
{
	uint64_t number;
	struct head h;
	int r = env_current(c->store, name, &number, e);

	if (r < 0)
		return r;
	r = head_by_number(c, number, &h, e);
	if (r == -ENOENT) /* the environment is there all the same */
		return err_set(e, -EIO, "its generation %" PRIu64 " is missing from the store",
			       number);
	if (r == 0)
		*ret = told(&h);
	return r;
}

int content_head(struct content *c, uint64_t ino, struct content_head *ret)
{
	uint64_t number;
	struct head h;
	int r;

	if (node_kind(ino) != NODE_MADE_DIR || node_entry(ino) != 0)
		return -ENOENT;
	r = head_by_ino(c, ino, &number);
	if (r == 0)
		r = head_by_number(c, number, &h, NULL);
	if (r < 0)
		return r;
	*ret = told(&h);
	return ret->ino == ino ? 0 : -ENOENT;
}

/* The generation among the loaded ones, opened if need be. Returns with the lock held
 * when it returns 0. */
static int load_number(struct content *c, uint64_t number, struct loaded **ret, struct err *e)
{
	AUTO(generation_freep) struct generation *g = NULL;
	struct loaded *l;
	int r;

	(void)pthread_mutex_lock(&c->lock);
	*ret = loaded_by_number(c, number);
	if (*ret)
		return 0;
	(void)pthread_mutex_unlock(&c->lock);
	r = generation_open(&g, c->store, number, e);
	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&c->lock);
	*ret = loaded_by_number(c, number); /* another thread was faster */
	if (*ret)
		return 0;
	r = loaded_open(&l, c, g, e);
	if (r == 0) {
		r = loaded_add(c, l, e);
		if (r < 0)
			loaded_free(c, l);
	}
	if (r < 0) {
		(void)pthread_mutex_unlock(&c->lock);
		return r;
	}
	*ret = l;
	return 0;
}

/* Under the lock: the view, or what to wait for. */
static int view_of(struct content *c, struct loaded *l, struct view **ret,
		   struct content_wait *ret_wait)
{
	l->used_ns = sys_now_ns();
	if (l->state == LOADED_READY) {
		*ret = view_ref(l->view);
		return 0;
	}
	if (c->stopping)
		return -ESHUTDOWN;
	load_begin(c, l);
	*ret_wait = (struct content_wait){ CONTENT_GENERATION, l->number, l->attempt };
	return -EINPROGRESS;
}

int content_view(struct content *c, uint64_t ino, struct view **ret, struct content_wait *ret_wait)
{
	struct err why = { 0 };
	struct loaded *l;
	uint64_t number;
	int r;

	(void)pthread_mutex_lock(&c->lock);
	l = loaded_by_ino(c, ino);
	if (!l) {
		(void)pthread_mutex_unlock(&c->lock);
		r = head_by_ino(c, ino, &number);
		if (r == 0)
			r = load_number(c, number, &l, &why);
		if (r < 0) {
			if (why.text[0])
				log_line(LOG_ERROR, "%s", why.text);
			return r;
		}
	}
	r = view_of(c, l, ret, ret_wait);
	(void)pthread_mutex_unlock(&c->lock);
	return r;
}

ssize_t content_read(struct content *c, struct view *v, const struct node *n, uint64_t offset,
		     void *room, size_t len, struct err *e)
{
	return synth_read(v, c->packs, n, offset, room, len, e);
}

void content_announce(struct content *c, const char *name)
{
	struct err why = { 0 };
	struct loaded *l;
	uint64_t number;
	int r = env_current(c->store, name, &number, &why);

	if (r == -ENOENT)
		return; /* it was removed: nothing to load */
	if (r == 0)
		r = load_number(c, number, &l, &why);
	if (r < 0) {
		content_complain(c, name, r, &why);
		return;
	}
	l->used_ns = sys_now_ns();
	if (!c->stopping)
		load_begin(c, l);
	(void)pthread_mutex_unlock(&c->lock);
}

void content_trim(struct content *c)
{
	uint64_t now = sys_now_ns();
	size_t i = 0;

	(void)pthread_mutex_lock(&c->lock);
	while (i < c->loaded_count) {
		struct loaded *l = c->loaded[i];

		if (l->state == LOADED_LISTING || l->held ||
		    now - l->used_ns < VIEW_IDLE_SECONDS * 1000000000ULL)
			i++;
		else
			loaded_remove(c, i);
	}
	(void)pthread_mutex_unlock(&c->lock);
}

size_t content_each(struct content *c, struct content_loaded *ret, size_t max)
{
	size_t n;

	(void)pthread_mutex_lock(&c->lock);
	n = c->loaded_count < max ? c->loaded_count : max;
	for (size_t i = 0; i < n; i++) {
		const struct loaded *l = c->loaded[i];

		ret[i] = (struct content_loaded){
			.generation = l->number,
			.packages = l->count,
			.ready = l->state == LOADED_READY,
		};
		(void)snprintf(ret[i].environment, sizeof(ret[i].environment), "%s",
			       generation_env(l->generation));
		for (uint32_t k = 0; k < l->count; k++) {
			const struct manifest *m = l->packages[k]->manifest;

			ret[i].listed += m != NULL;
			ret[i].present += m && manifest_state(m) == MANIFEST_PRESENT;
		}
	}
	(void)pthread_mutex_unlock(&c->lock);
	return n;
}

/* The lock is held. */
static bool just_said(const struct content *c, const char *environment, const char *text)
{
	const struct content_failure *last;

	if (c->failure_count == 0)
		return false;
	last = &c->failures[(c->failure_count - 1) % FAILURES_KEPT];
	return sys_wall_ms() - last->when_ms < 1000 && strcmp(last->name, environment) == 0 &&
	       strcmp(last->text, text) == 0;
}

void content_complain(struct content *c, const char *environment, int code, const struct err *why)
{
	bool said;

	(void)pthread_mutex_lock(&c->lock);
	said = just_said(c, environment, why->text);
	if (!said) {
		struct content_failure *f = &c->failures[c->failure_count++ % FAILURES_KEPT];

		*f = (struct content_failure){ .when_ms = sys_wall_ms(), .code = code };
		(void)snprintf(f->name, sizeof(f->name), "%s", environment);
		(void)snprintf(f->text, sizeof(f->text), "%s", why->text);
	}
	(void)pthread_mutex_unlock(&c->lock);
	if (!said)
		log_line(LOG_ERROR, "environment '%s': %s", environment, why->text);
}

void content_failed(struct content *c, const struct generation *g, int code, const struct err *why)
{
	struct err full;

	err_set(&full, code, "generation %" PRIu64 ": %s", generation_number(g), why->text);
	content_complain(c, generation_env(g), code, &full);
}

size_t content_failures(struct content *c, struct content_failure *ret, size_t max)
{
	size_t n;

	(void)pthread_mutex_lock(&c->lock);
	n = c->failure_count < FAILURES_KEPT ? c->failure_count : FAILURES_KEPT;
	n = n < max ? n : max;
	for (size_t i = 0; i < n; i++)
		ret[i] = c->failures[(c->failure_count - 1 - i) % FAILURES_KEPT];
	(void)pthread_mutex_unlock(&c->lock);
	return n;
}
