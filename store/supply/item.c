/* SPDX-License-Identifier: Apache-2.0 */
#include "supply/item.h"

#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define TOUCH_NS 1000000000ULL

void item_push(struct item_queue *q, struct item *it)
{
	it->next_in_queue = NULL;
	if (q->last)
		q->last->next_in_queue = it;
	else
		q->first = it;
	q->last = it;
}

struct item *item_pop(struct item_queue *q)
{
	struct item *it = q->first;

	if (!it)
		return NULL;
	q->first = it->next_in_queue;
	if (!q->first)
		q->last = NULL;
	it->next_in_queue = NULL;
	return it;
}

struct item *item_new(struct supply *s, const struct supply_artifact *a)
{
	struct item *it = calloc(1, sizeof(*it));

	if (!it)
		return NULL;
	it->supply = s;
	it->artifact = *a;
	it->artifact.url = strdup(a->url);
	it->artifact.name = strdup(a->name);
	it->lock_fd = it->part_fd = -1;
	it->started_ns = sys_now_ns();
	atomic_init(&it->progress_ns, it->started_ns);
	(void)snprintf(it->lock_name, sizeof(it->lock_name), "artifact-%s", DIGEST_HEX(&a->sha256));
	if (!it->artifact.url || !it->artifact.name)
		return item_free(it);
	return it;
}

struct item *item_free(struct item *it)
{
	while (it->waiters) {
		struct waiter *w = it->waiters;

		it->waiters = w->next;
		free(w);
	}
	auto_close(&it->part_fd);
	auto_close(&it->lock_fd);
	free((char *)(uintptr_t)it->artifact.url);
	free((char *)(uintptr_t)it->artifact.name);
	free(it);
	return NULL;
}

int item_wait(struct item *it, enum supply_want want, supply_done_fn *done, void *ctx,
	      struct err *e)
{
	struct waiter *w = malloc(sizeof(*w));

	if (!w)
		return err_nomem(e);
	*w = (struct waiter){ it->waiters, want, done, ctx };
	it->waiters = w;
	if (want > it->want)
		it->want = want;
	return 0;
}

struct waiter *item_take_waiters(struct item *it, enum supply_want have)
{
	struct waiter *taken = NULL, **at = &it->waiters;

	while (*at) {
		struct waiter *w = *at;

		if (w->want > have) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		w->next = taken;
		taken = w;
	}
	return taken;
}

int item_lock(struct item *it, struct store *st, struct err *e)
{
	return store_lock(st, it->lock_name, false, &it->lock_fd, e);
}

void item_unlock(struct item *it, struct store *st)
{
	store_unlock(st, it->lock_name, &it->lock_fd);
}

void item_touch(struct item *it)
{
	uint64_t now = sys_now_ns();

	atomic_store(&it->progress_ns, now);
	if (it->lock_fd < 0 || now - it->touched_ns < TOUCH_NS)
		return;
	it->touched_ns = now;
	/* Only a sign for others; the work does not depend on it. */
	if (sys_futimens(it->lock_fd, NULL) < 0)
		return;
}

bool item_other_moves(struct item *it, struct store *st, uint64_t stall_ns)
{
	char file[96];
	struct stat there;
	uint64_t now = sys_now_ns();

	(void)snprintf(file, sizeof(file), "lock-%s", it->lock_name);
	if (sys_fstatat(st->tmp, file, &there, AT_SYMLINK_NOFOLLOW) < 0)
		return true; /* it is gone: the next try gets it */
	if (it->other_ns == 0 || there.st_mtim.tv_sec != it->other_mtime.tv_sec ||
	    there.st_mtim.tv_nsec != it->other_mtime.tv_nsec) {
		it->other_ns = now;
		it->other_mtime = there.st_mtim;
		atomic_store(&it->progress_ns, now);
	}
	return now - it->other_ns < stall_ns;
}

int item_open_part(struct item *it, struct store *st, struct err *e)
{
	static _Atomic unsigned int counter;
	char name[64];

	auto_close(&it->part_fd);
	it->part_fd = sys_openat(st->tmp, ".", O_TMPFILE | O_RDWR, 0600);
	if (it->part_fd >= 0)
		return 0;
	if (it->part_fd != -EOPNOTSUPP && it->part_fd != -EISDIR)
		return err_set(e, it->part_fd, "new file in '%s/tmp': %s", st->path,
			       strerror(-it->part_fd));
	/* A file system without O_TMPFILE: named for an instant. */
	(void)snprintf(name, sizeof(name), "part-%d-%u", (int)getpid(),
		       atomic_fetch_add(&counter, 1));
	it->part_fd = sys_openat(st->tmp, name, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (it->part_fd < 0)
		return err_set(e, it->part_fd, "new file in '%s/tmp': %s", st->path,
			       strerror(-it->part_fd));
	(void)sys_unlinkat(st->tmp, name, 0);
	return 0;
}
