/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From listed to present: the package's new manifest takes the old one's place in
 * every view, and who waits for it is told.
 */
#include "base/log.h"
#include "content/inside.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

bool same_names(const struct manifest *a, const struct manifest *b)
{
	if (manifest_count(a) != manifest_count(b) || manifest_noarch(a) != manifest_noarch(b) ||
	    manifest_entry_point_count(a) != manifest_entry_point_count(b))
		return false;
	for (uint32_t i = 0; i < manifest_count(a); i++) {
		struct entry x, y;

		manifest_entry(a, i, &x);
		manifest_entry(b, i, &y);
		if (x.parent != y.parent || x.type != y.type || strcmp(x.name, y.name) != 0 ||
		    !x.placeholder != !y.placeholder)
			return false;
	}
	for (uint32_t i = 0; i < manifest_entry_point_count(a); i++) {
		struct entry_point x, y;

		manifest_entry_point(a, i, &x);
		manifest_entry_point(b, i, &y);
		if (strcmp(x.command, y.command) != 0)
			return false;
	}
	return true;
}

/* Views that were made from a list which does not hold: their generations are made anew when
 * next asked for. Under the lock. */
static void outdate_views(struct content *c, uint64_t package)
{
	for (size_t i = 0; i < c->loaded_count; i++) {
		struct loaded *l = c->loaded[i];

		if (l->state != LOADED_READY || loaded_slot(l, package) == UINT32_MAX)
			continue;
		view_free(l->outdated);
		l->outdated = TAKE_PTR(l->view);
		l->state = LOADED_IDLE;
	}
}

/* Under the lock; NULL: none is left. */
static struct view *take_outdated(struct content *c)
{
	for (size_t i = 0; i < c->loaded_count; i++)
		if (c->loaded[i]->outdated)
			return TAKE_PTR(c->loaded[i]->outdated);
	return NULL;
}

static void tell_outdated(struct content *c, uint64_t package)
{
	struct view *v;

	(void)pthread_mutex_lock(&c->lock);
	while ((v = take_outdated(c))) {
		const char *name = generation_env(view_generation(v));

		(void)pthread_mutex_unlock(&c->lock);
		log_line(LOG_WARNING,
			 "environment '%s': package %" PRIu64 " has other files than its server's "
			 "list said; the package counts",
			 name, package);
		c->stale(c->ctx, name, v);
		view_free(v);
		(void)pthread_mutex_lock(&c->lock);
	}
	(void)pthread_mutex_unlock(&c->lock);
}

static void replace_in_views(struct content *c, uint64_t package, struct manifest *m)
{
	for (size_t i = 0; i < c->loaded_count; i++) {
		uint32_t slot = loaded_slot(c->loaded[i], package);

		if (slot != UINT32_MAX && c->loaded[i]->view)
			view_replace(c->loaded[i]->view, slot, m);
	}
}

/* The new manifest for the old. *ret_differs: it has other names. */
static int take_over(struct content *c, uint64_t package, bool *ret_differs, struct err *e)
{
	AUTO(manifest_freep) struct manifest *m = NULL, *old = NULL;
	struct package *p;
	int r = manifest_open(&m, c->store, package, e);

	if (r == 0 && manifest_state(m) != MANIFEST_PRESENT)
		r = err_set(e, -EIO,
			    "package %" PRIu64 ": it arrived, but its manifest does not "
			    "say so",
			    package);
	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&c->lock);
	p = package_get(c, package);
	old = p->manifest;
	p->manifest = manifest_ref(m);
	*ret_differs = old && !same_names(old, m);
	if (*ret_differs)
		outdate_views(c, package);
	else
		replace_in_views(c, package, m);
	(void)pthread_mutex_unlock(&c->lock);
	return 0;
}

static void settle_present(struct content *c, uint64_t package, int code)
{
	struct package *p;

	(void)pthread_mutex_lock(&c->lock);
	p = package_get(c, package);
	assert(p && p->fetching);
	p->fetching = false;
	if (code < 0) {
		p->failed_attempt = p->attempt;
		p->failed_code = code;
	}
	package_tidy(c, p);
	(void)pthread_mutex_unlock(&c->lock);
	c->woken(c->ctx, CONTENT_PACKAGE, package);
}

void present_done(void *ctx, uint64_t package, int code, const struct err *why)
{
	struct content *c = ctx;
	struct err e = { 0 };
	bool differs = false;

	if (code == 0) {
		code = take_over(c, package, &differs, &e);
		why = &e;
	}
	if (code < 0 && code != -ECANCELED)
		log_line(LOG_WARNING, "%s", why->text);
	if (differs)
		tell_outdated(c, package);
	settle_present(c, package, code);
}

int content_present(struct content *c, struct view *v, uint32_t slot, struct content_wait *ret_wait)
{
	struct generation *g = view_generation(v);
	struct gen_package gp;
	struct err why = { 0 };
	struct package *p;
	bool ask;
	int r;

	if (slot >= generation_count(g))
		return -EIO; /* a made file that cannot be made */
	generation_package(g, slot, &gp);
	(void)pthread_mutex_lock(&c->lock);
	p = c->stopping ? NULL : package_use(c, gp.package);
	if (!p) {
		r = c->stopping ? -ESHUTDOWN : -ENOMEM;
		(void)pthread_mutex_unlock(&c->lock);
		return r;
	}
	ask = !p->fetching;
	if (ask) {
		p->fetching = true;
		p->attempt++;
	}
	*ret_wait = (struct content_wait){ CONTENT_PACKAGE, p->number, p->attempt };
	package_drop(c, p); /* fetching keeps it */
	(void)pthread_mutex_unlock(&c->lock);
	if (!ask)
		return -EINPROGRESS;
	r = package_ask(c, g, slot, SUPPLY_PRESENT, &why);
	if (r < 0) {
		content_failed(c, g, r, &why);
		settle_present(c, gp.package, r);
	}
	return -EINPROGRESS;
}
