/* SPDX-License-Identifier: Apache-2.0 */
#include "mount/notify.h"

#include "base/limits.h"
#include "tree/node.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NOTICES_MAX 256

struct notify {
	struct fuse_session *se; /* borrowed */
	pthread_mutex_t lock;	 /* protects the rest */
	pthread_cond_t work;
	char names[NOTICES_MAX][ENV_NAME_BYTES_MAX + 1]; /* a ring */
	size_t first, count;
	bool stopping;
	pthread_t thread;
};

/* Errors mean that the kernel knew nothing of it, or is gone. */
static void tell(struct fuse_session *se, const char *name)
{
	(void)fuse_lowlevel_notify_inval_entry(se, NODE_ROOT, name, strlen(name));
	(void)fuse_lowlevel_notify_inval_inode(se, NODE_ROOT, 0, 0);
}

static void *run(void *notify)
{
	struct notify *n = notify;
	char name[ENV_NAME_BYTES_MAX + 1];

	(void)pthread_mutex_lock(&n->lock);
	while (!n->stopping) {
		if (n->count == 0) {
			(void)pthread_cond_wait(&n->work, &n->lock);
			continue;
		}
		memcpy(name, n->names[n->first], sizeof(name));
		n->first = (n->first + 1) % NOTICES_MAX;
		n->count--;
		(void)pthread_mutex_unlock(&n->lock);
		tell(n->se, name);
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

struct notify *notify_free(struct notify *n)
{
	if (!n)
		return NULL;
	(void)pthread_mutex_lock(&n->lock);
	n->stopping = true;
	(void)pthread_cond_signal(&n->work);
	(void)pthread_mutex_unlock(&n->lock);
	(void)pthread_join(n->thread, NULL);
	(void)pthread_cond_destroy(&n->work);
	(void)pthread_mutex_destroy(&n->lock);
	free(n);
	return NULL;
}

void notify_name(struct notify *n, const char *name)
{
	(void)pthread_mutex_lock(&n->lock);
	if (n->count < NOTICES_MAX && strlen(name) <= ENV_NAME_BYTES_MAX) {
		(void)snprintf(n->names[(n->first + n->count) % NOTICES_MAX], sizeof(n->names[0]),
			       "%s", name);
		n->count++;
		(void)pthread_cond_signal(&n->work);
	}
	(void)pthread_mutex_unlock(&n->lock);
}
