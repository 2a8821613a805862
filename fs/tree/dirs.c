/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/impl.h"

#include <assert.h>

static struct dir **bucket(struct dirs *ds, uint64_t ino)
{
	return &ds->buckets[(ino * 0x9e3779b97f4a7c15ULL >> 32) % DIRS_BUCKETS];
}

struct dir *dir_free(struct dir *d)
{
	if (!d || atomic_fetch_sub(&d->refs, 1) > 1)
		return NULL;
	free(d->contributors);
	free(d->children);
	free(d);
	return NULL;
}

static void unlink_age(struct dirs *ds, struct dir *d)
{
	if (d->newer)
		d->newer->older = d->older;
	else
		ds->newest = d->older;
	if (d->older)
		d->older->newer = d->newer;
	else
		ds->oldest = d->newer;
	d->newer = d->older = NULL;
}

static void link_newest(struct dirs *ds, struct dir *d)
{
	d->older = ds->newest;
	if (ds->newest)
		ds->newest->newer = d;
	else
		ds->oldest = d;
	ds->newest = d;
}

static struct dir *find(struct dirs *ds, uint64_t ino)
{
	struct dir *d = *bucket(ds, ino);

	while (d && d->ino != ino)
		d = d->hash_next;
	return d;
}

struct dir *dirs_get(struct dirs *ds, uint64_t ino)
{
	struct dir *d;

	pthread_mutex_lock(&ds->lock);
	d = find(ds, ino);
	if (d) {
		atomic_fetch_add(&d->refs, 1);
		if (d != ds->newest) {
			unlink_age(ds, d);
			link_newest(ds, d);
		}
	}
	pthread_mutex_unlock(&ds->lock);
	return d;
}

static void drop(struct dirs *ds, struct dir *d)
{
	struct dir **at = bucket(ds, d->ino);

	while (*at != d)
		at = &(*at)->hash_next;
	*at = d->hash_next;
	d->hash_next = NULL;
	unlink_age(ds, d);
	ds->bytes -= d->bytes;
	dir_free(d);
}

void dirs_put(struct dirs *ds, struct dir *d)
{
	struct dir **at = bucket(ds, d->ino);

	pthread_mutex_lock(&ds->lock);
	/* Another thread may have made the same one at the same time. */
	if (!find(ds, d->ino)) {
		atomic_fetch_add(&d->refs, 1);
		d->bytes = sizeof(*d) + d->contributor_count * sizeof(*d->contributors) +
			   d->child_count * sizeof(*d->children);
		ds->bytes += d->bytes;
		d->hash_next = *at;
		*at = d;
		link_newest(ds, d);
		while (ds->bytes > VIEW_DIRS_BYTES_MAX && ds->oldest != d)
			drop(ds, ds->oldest);
	}
	pthread_mutex_unlock(&ds->lock);
}

void dirs_clear(struct dirs *ds)
{
	pthread_mutex_lock(&ds->lock);
	while (ds->oldest)
		drop(ds, ds->oldest);
	assert(ds->bytes == 0);
	pthread_mutex_unlock(&ds->lock);
}
