/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/impl.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void where_done(struct where *w)
{
	w->dir = dir_free(w->dir);
}

uint64_t where_ino(const struct view *v, const struct where *w)
{
	return w->dir ? w->dir->ino : node_make(NODE_DIR, slot_scope(v, w->slot), w->entry);
}

int where_root(struct view *v, struct where *ret)
{
	int r;

	*ret = (struct where){ .dir = dirs_get(&v->dirs, view_root(v)) };
	if (ret->dir)
		return 0;
	r = merge_root(v, NULL, &ret->dir);
	if (r == 0)
		dirs_put(&v->dirs, ret->dir);
	return r;
}

int where_find(struct view *v, const struct where *w, const char *name, size_t len,
	       struct child *ret)
{
	const struct manifest *m;
	struct entry en;
	uint32_t at;

	if (w->dir)
		return dir_find(v, w->dir, name, len, ret) ? 0 : -ENOENT;
	m = v->slots[w->slot].m;
	at = manifest_find(m, w->entry, name, len);
	if (at == 0)
		return -ENOENT;
	manifest_entry(m, at, &en);
	*ret = (struct child){ w->slot, at & ENTRY_INDEX_MAX,
			       en.type == ENTRY_DIR ? CHILD_SOLE : CHILD_ENTRY };
	return 0;
}

int where_enter(struct view *v, struct where *w, const struct child *c, const char *name)
{
	struct dir *d;
	int r;

	if (c->kind == CHILD_SOLE) {
		where_done(w);
		*w = (struct where){ .slot = c->slot, .entry = c->entry };
		return 0;
	}
	assert(w->dir && (c->kind == CHILD_SHARED || c->kind == CHILD_MADE_DIR));
	d = dirs_get(&v->dirs, child_ino(v, c));
	if (!d) {
		r = merge_child(v, w->dir, c, name, NULL, &d);
		if (r < 0)
			return r;
		dirs_put(&v->dirs, d);
	}
	where_done(w);
	w->dir = d;
	return 0;
}

static int made_dir_path(const struct view *v, uint32_t entry, char *room)
{
	const char *from = "", *last;
	size_t len;

	if (entry >= DIR_PART + v->map.depth)
		return -ESTALE;
	if (entry >= DIR_PART) {
		/* The parts lie as in the path, with a NUL for each '/'. */
		from = v->map.site_packages;
		last = v->map.parts[entry - DIR_PART];
		len = (size_t)(last - v->map.part_bytes) + strlen(last);
	} else {
		if (entry != DIR_ROOT)
			from = entry == DIR_META ? "conda-meta" : "bin";
		len = strlen(from);
	}
	memcpy(room, from, len);
	room[len] = '\0';
	return 0;
}

/* The view's path of a directory number; -ESTALE. */
static int number_path(const struct view *v, uint64_t ino, char *room)
{
	uint64_t base = slot_scope(v, OWN), scope = node_scope(ino);
	uint32_t entry = node_entry(ino);
	const struct slot *s;
	struct entry en;

	if (node_kind(ino) == NODE_MADE_DIR && scope == base)
		return made_dir_path(v, entry, room);
	if (node_kind(ino) != NODE_DIR || scope <= base || scope - base > v->count)
		return -ESTALE;
	s = &v->slots[scope - base - 1];
	if (entry == ENTRY_ROOT || entry >= manifest_count(s->m))
		return -ESTALE;
	manifest_entry(s->m, entry, &en);
	if (en.type != ENTRY_DIR)
		return -ESTALE;
	mapping_path(&v->map, &s->grafts, s->m, entry, room);
	return 0;
}

/*
 * From the root towards a directory number. The first directory of one package
 * alone ends it: all that is below it is that package's, so when it is
 * the number's own, the number is good.
 */
static int walk(struct view *v, uint64_t ino, char *path, struct where *w)
{
	char *rest = NULL;

	for (char *name = strtok_r(path, "/", &rest); name; name = strtok_r(NULL, "/", &rest)) {
		struct child c;
		int r = where_find(v, w, name, strlen(name), &c);

		if (r < 0 || c.kind == CHILD_ENTRY || c.kind == CHILD_MADE)
			return r == 0 || r == -ENOENT ? -ESTALE : r;
		r = where_enter(v, w, &c, name);
		if (r < 0)
			return r;
		if (c.kind == CHILD_SOLE) {
			if (node_kind(ino) != NODE_DIR || slot_scope(v, c.slot) != node_scope(ino))
				return -ESTALE;
			w->entry = node_entry(ino);
			return 0;
		}
	}
	return where_ino(v, w) == ino ? 0 : -ESTALE;
}

int where_open(struct view *v, uint64_t ino, struct where *ret)
{
	char path[VIEW_PATH_BYTES];
	int r;

	*ret = (struct where){ .dir = dirs_get(&v->dirs, ino) };
	if (ret->dir)
		return 0;
	r = number_path(v, ino, path);
	if (r == 0)
		r = where_root(v, ret);
	if (r == 0)
		r = walk(v, ino, path, ret);
	if (r < 0)
		where_done(ret);
	return r;
}
