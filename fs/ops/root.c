/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The mount's root: the environments of the store, read each time it is asked for
 * and believed by the kernel for ROOT_SECONDS, so that a change shows within that
 * time even when nobody gives notice.
 */
#include "base/buf.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/sys.h"
#include "env/env.h"
#include "ops/inside.h"

#include <string.h>
#include <time.h>

void head_stat(const struct ops *o, const struct content_head *h, struct stat *ret)
{
	*ret = (struct stat){
		.st_ino = h->ino,
		.st_mode = S_IFDIR | 0755,
		.st_nlink = 1,
		.st_uid = o->uid,
		.st_gid = o->gid,
		.st_blksize = 4096,
		.st_mtim = { .tv_sec = h->created_ms / 1000,
			     .tv_nsec = h->created_ms % 1000 * 1000000 },
	};
	ret->st_ctim = ret->st_atim = ret->st_mtim;
}

int root_lookup(struct ops *o, const struct ask *a)
{
	struct fuse_entry_param entry = { .entry_timeout = ROOT_SECONDS, .attr_timeout = FOREVER };
	struct content_head head;
	struct err why = { 0 };
	int r = env_name_check(a->name, NULL);

	r = r < 0 ? -ENOENT : content_environment(o->content, a->name, &head, &why);
	if (r < 0 && r != -ENOENT) {
		content_complain(o->content, a->name, r, &why);
		return -EIO;
	}
	if (r == 0) {
		entry.ino = head.ino;
		head_stat(o, &head, &entry.attr);
	}
	(void)fuse_reply_entry(a->request, &entry);
	return 0;
}

/*
 * The kernel keeps the listing while the mtime stays. One that is younger than the
 * clock's grain may be followed by another change at the same instant: then it is
 * told as now, which no later answer repeats.
 */
int root_getattr(struct ops *o, const struct ask *a)
{
	struct timespec now;
	struct stat st, envs;
	int r = sys_fstat(o->store->envs, &envs);

	if (r < 0)
		return -EIO;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	st = (struct stat){
		.st_ino = NODE_ROOT,
		.st_mode = S_IFDIR | 0755,
		.st_nlink = 1,
		.st_uid = o->uid,
		.st_gid = o->gid,
		.st_blksize = 4096,
		.st_mtim = now.tv_sec - envs.st_mtim.tv_sec < 2 ? now : envs.st_mtim,
	};
	st.st_ctim = st.st_atim = st.st_mtim;
	(void)fuse_reply_attr(a->request, &st, ROOT_SECONDS);
	return 0;
}

int head_getattr(struct ops *o, const struct ask *a)
{
	struct content_head head;
	struct stat st;
	int r = content_head(o->content, a->ino, &head);

	if (r < 0)
		return r;
	head_stat(o, &head, &st);
	(void)fuse_reply_attr(a->request, &st, FOREVER);
	return 0;
}

/* Positions are hashes of names, so that one does not shift when another comes or goes. */
struct placed {
	uint64_t position;
	const char *name;
};

static int by_position(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;

	return x->position < y->position ? -1 : x->position > y->position;
}

#define POSITION_DOT	1
#define POSITION_DOTDOT 2

static size_t place_all(const struct env_list *names, struct placed *ret)
{
	size_t n = 0;

	ret[n++] = (struct placed){ POSITION_DOT, "." };
	ret[n++] = (struct placed){ POSITION_DOTDOT, ".." };
	for (size_t i = 0; i < names->count; i++) {
		uint64_t h = xxh64(names->names[i], strlen(names->names[i])) >> 1;

		ret[n++] = (struct placed){ h > POSITION_DOTDOT ? h : POSITION_DOTDOT + 1,
					    names->names[i] };
	}
	qsort(ret, n, sizeof(*ret), by_position);
	return n;
}

/* Numbers of environments are not told here: that would open every generation. */
static size_t fill_list(const struct ask *a, const struct placed *all, size_t count, char *room,
			size_t size)
{
	size_t len = 0;

	for (size_t i = 0; i < count; i++) {
		struct fuse_entry_param entry = { 0 };
		size_t need;

		if (all[i].position <= a->offset)
			continue;
		entry.attr.st_mode = S_IFDIR;
		entry.attr.st_ino = all[i].position <= POSITION_DOTDOT ? NODE_ROOT : 0xffffffff;
		need = list_entry(a, room + len, size - len, all[i].name, &entry, all[i].position);
		if (need > size - len)
			break;
		len += need;
	}
	return len;
}

int root_list(struct ops *o, const struct ask *a)
{
	AUTO(env_list_done) struct env_list names = { 0 };
	AUTO_MEM struct placed *all = NULL;
	struct err why = { 0 };
	char *room;
	size_t size = a->size < ROOM_BYTES ? a->size : ROOM_BYTES, len;
	int r = env_list(o->store, &names, &why);

	if (r < 0) {
		log_line(LOG_ERROR, "%s", why.text);
		return -EIO;
	}
	all = calloc(names.count + 2, sizeof(*all));
	room = all ? room_take(o->rooms) : NULL;
	if (!room)
		return -ENOMEM;
	len = fill_list(a, all, place_all(&names, all), room, size);
	(void)fuse_reply_buf(a->request, room, len);
	room_give(o->rooms, room);
	return 0;
}
