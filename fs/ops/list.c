/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listing a directory of a view. Positions: 1 follows ".", 2 follows "..", and 2 more
 * than the view's own from there on.
 */
#include "base/limits.h"
#include "ops/inside.h"

#include <assert.h>
#include <string.h>

size_t list_entry(const struct ask *a, char *at, size_t room, const char *name,
		  const struct fuse_entry_param *entry, uint64_t next)
{
	assert(strlen(name) <= NAME_BYTES_MAX);
	if (a->kind == ASK_READDIRPLUS)
		return fuse_add_direntry_plus(a->request, at, room, name, entry, (off_t)next);
	return fuse_add_direntry(a->request, at, room, name, &entry->attr, (off_t)next);
}

struct listing {
	const struct ops *ops;
	const struct ask *ask;
	char *room;
	size_t len, size;
};

/* Non-zero: it did not fit. */
static int add(struct listing *l, const char *name, const struct fuse_entry_param *entry,
	       uint64_t next)
{
	size_t need = list_entry(l->ask, l->room + l->len, l->size - l->len, name, entry, next);

	if (need > l->size - l->len)
		return 1;
	l->len += need;
	return 0;
}

static int add_dots(struct listing *l, struct view *v)
{
	struct fuse_entry_param entry = { .attr = { .st_mode = S_IFDIR } };

	entry.attr.st_ino = l->ask->ino;
	if (l->ask->offset < 1 && add(l, ".", &entry, 1))
		return 1;
	entry.attr.st_ino = view_parent(v, l->ask->ino);
	return l->ask->offset < 2 && add(l, "..", &entry, 2);
}

/* What is not known is named without attributes (node 0): the kernel asks when it must,
 * and a plain listing fetches nothing. */
static int add_node(void *ctx, const char *name, const struct node *n, uint64_t next)
{
	struct listing *l = ctx;
	struct fuse_entry_param entry = { 0 };

	node_stat(l->ops, n, &entry.attr);
	if (n->known) {
		entry.ino = n->ino;
		entry.entry_timeout = FOREVER;
		entry.attr_timeout = FOREVER;
	}
	return add(l, name, &entry, next + 2);
}

int list_directory(struct ops *o, const struct ask *a, struct view *v)
{
	struct listing l = { .ops = o, .ask = a };
	int r;

	l.size = a->size < ROOM_BYTES ? a->size : ROOM_BYTES;
	l.room = room_take(o->rooms);
	if (!l.room)
		return -ENOMEM;
	r = add_dots(&l, v);
	if (r == 0)
		r = view_list(v, a->ino, a->offset > 2 ? a->offset - 2 : 0, add_node, &l);
	if (r >= 0)
		(void)fuse_reply_buf(a->request, l.room, l.len);
	room_give(o->rooms, l.room);
	return r < 0 ? r : 0;
}
