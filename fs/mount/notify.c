/* SPDX-License-Identifier: Apache-2.0 */
#include "mount/notify.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/map.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NOTICES_MAX 256

struct notice {
	char name[ENV_NAME_BYTES_MAX + 1];
	struct view *old; /* owned; NULL: only the name */
};

struct notify {
	struct fuse_session *se; /* borrowed */
	pthread_mutex_t lock;	 /* protects the rest */
	pthread_cond_t work;
	struct notice notices[NOTICES_MAX]; /* a ring */
	size_t first, count;
	bool stopping, joined;
	pthread_t thread;
};

/* Directories still to be looked into. */
struct walk {
	uint64_t *dirs; /* owned */
	size_t count, cap;
	struct err err;
};

static int push(struct walk *w, uint64_t dir)
{
	int r = GROW(w->dirs, w->cap, w->count + 1, NODES_MAX, &w->err);

	if (r == 0)
		w->dirs[w->count++] = dir;
	return r;
}

static int push_if_dir(void *walk, const char *name, const struct node *n, uint64_t next)
{
	(void)name;
	(void)next;
	return n->type == ENTRY_DIR ? push(walk, n->ino) : 0;
}

/* Errors of the kernel mean that it knew nothing of it, or is gone. */
static void forget_listings(struct fuse_session *se, struct view *v)
{
	struct walk w = { 0 };
	int r = push(&w, view_root(v));

	while (r >= 0 && w.count > 0) {
		uint64_t dir = w.dirs[--w.count];

		(void)fuse_lowlevel_notify_inval_inode(se, dir, 0, 0);
		r = view_list(v, dir, 0, push_if_dir, &w);
	}
	if (r < 0)
		log_line(LOG_ERROR, "old listings of '%s' may stay: %s", view_prefix(v),
			 w.err.code ? w.err.text : strerror(-r));
	free(w.dirs);
}

static void tell(struct fuse_session *se, const struct notice *nt)
{
	if (nt->old)
		forget_listings(se, nt->old);
	(void)fuse_lowlevel_notify_inval_entry(se, NODE_ROOT, nt->name, strlen(nt->name));
	(void)fuse_lowlevel_notify_inval_inode(se, NODE_ROOT, 0, 0);
}

/* Under the lock. */
static struct notice take_first(struct notify *n)
{
	struct notice first = n->notices[n->first];

	n->notices[n->first].old = NULL;
	n->first = (n->first + 1) % NOTICES_MAX;
	n->count--;
	return first;
}

static void *run(void *notify)
{
	struct notify *n = notify;

	(void)pthread_mutex_lock(&n->lock);
	while (!n->stopping) {
		struct notice nt;

		if (n->count == 0) {
			(void)pthread_cond_wait(&n->work, &n->lock);
			continue;
		}
		nt = take_first(n);
		(void)pthread_mutex_unlock(&n->lock);
		tell(n->se, &nt);
		view_free(nt.old);
		(void)pthread_mutex_lock(&n->lock);
	}
	(void)pthread_mutex_unlock(&n->lock);
	return NULL;
}

int notify_open(struct notify **ret, struct fuse_session *se, struct err *e)
{
	struct notify *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return err_nomem(e);
	n->se = se;
	(void)pthread_mutex_init(&n->lock, NULL);
	(void)pthread_cond_init(&n->work, NULL);
	r = pthread_create(&n->thread, NULL, run, n);
	if (r != 0) {
		free(n);
		return err_set(e, -r, "a thread for notices: %s", strerror(r));
	}
	*ret = n;
	return 0;
}

void notify_stop(struct notify *n)
{
	if (n->joined)
		return;
	(void)pthread_mutex_lock(&n->lock);
	n->stopping = true;
	(void)pthread_cond_signal(&n->work);
	(void)pthread_mutex_unlock(&n->lock);
	(void)pthread_join(n->thread, NULL);
	n->joined = true;
	while (n->count > 0)
		view_free(take_first(n).old);
}

struct notify *notify_free(struct notify *n)
{
	if (!n)
		return NULL;
	notify_stop(n);
	(void)pthread_cond_destroy(&n->work);
	(void)pthread_mutex_destroy(&n->lock);
	free(n);
	return NULL;
}

void notify_stale(struct notify *n, const char *name, struct view *old)
{
	(void)pthread_mutex_lock(&n->lock);
	if (!n->stopping && n->count < NOTICES_MAX && strlen(name) <= ENV_NAME_BYTES_MAX) {
		struct notice *nt = &n->notices[(n->first + n->count) % NOTICES_MAX];

		(void)snprintf(nt->name, sizeof(nt->name), "%s", name);
		nt->old = old ? view_ref(old) : NULL;
		n->count++;
		(void)pthread_cond_signal(&n->work);
	} else if (!n->stopping) {
		log_line(LOG_WARNING, "too many notices: '%s' expires by itself", name);
	}
	(void)pthread_mutex_unlock(&n->lock);
}

void notify_name(struct notify *n, const char *name)
{
	notify_stale(n, name, NULL);
}
