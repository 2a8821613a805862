/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about nodes: what a name, a number or a path is, and what is below it. */
#include "tree/impl.h"

#include "base/limits.h"

#include <errno.h>
#include <string.h>

/* The slot with that package (or place); OWN: none. */
static uint32_t find_slot(const struct view *v, bool place, uint64_t number)
{
	const uint32_t *order = place ? v->by_place : v->by_package;
	uint32_t lo = 0, hi = v->count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct slot *s = &v->slots[order[mid]];
		uint64_t at = place ? s->place : s->package;

		if (at == number)
			return order[mid];
		if (at < number)
			lo = mid + 1;
		else
			hi = mid;
	}
	return OWN;
}

int view_facts(struct view *v, uint32_t slot, const struct entry *en, struct patch_facts *ret,
	       struct err *e)
{
	struct fact *f = &v->facts[(slot * 31 + en->index) % VIEW_FACTS];
	bool known;
	int r = 0;

	pthread_mutex_lock(&v->keep_lock);
	known = f->used && f->slot == slot && f->entry == en->index;
	if (known) {
		*ret = f->facts;
		r = f->failed;
	}
	pthread_mutex_unlock(&v->keep_lock);
	/* A failure is worked out again, for its sentence. */
	if (known && (r == 0 || !e))
		return r;
	r = patch_measure(v->slots[slot].m, en, &v->prefix, ret, e);
	pthread_mutex_lock(&v->keep_lock);
	*f = (struct fact){ true, slot, en->index, r, *ret };
	pthread_mutex_unlock(&v->keep_lock);
	return r;
}

static void made_times(const struct view *v, struct node *ret)
{
	ret->known = true;
	ret->mtime_s = v->created_s;
	ret->mtime_ns = v->created_ns;
}

static void node_of_dir(const struct view *v, uint64_t ino, uint32_t slot, uint32_t entry,
			struct node *ret)
{
	*ret = (struct node){
		.ino = ino, .type = ENTRY_DIR, .slot = slot, .entry = entry, .mode = 0755
	};
	made_times(v, ret);
}

static void node_of_made(struct view *v, uint32_t slot, uint32_t entry, struct node *ret)
{
	*ret = (struct node){
		.ino = node_make(NODE_MADE, slot_scope(v, slot), entry),
		.type = ENTRY_FILE,
		.slot = slot,
		.entry = entry,
		.mode = slot != OWN && entry >= MADE_ENTRY_POINT ? 0755 : 0644,
	};
	made_times(v, ret);
	if (made_size(v, slot, entry, &ret->size, NULL) < 0)
		ret->failed = -EIO;
}

static void node_of_entry(struct view *v, uint64_t ino, uint32_t slot, const struct entry *en,
			  struct node *ret)
{
	struct patch_facts facts;

	*ret = (struct node){
		.ino = ino,
		.type = en->type,
		.known = manifest_state(v->slots[slot].m) == MANIFEST_PRESENT,
		.slot = slot,
		.entry = en->index,
		.mode = en->type == ENTRY_LINK ? 0777 : en->mode,
		.size = en->size,
		.mtime_s = en->mtime_s,
		.mtime_ns = en->mtime_ns,
	};
	if (!ret->known || !patch_applies(en))
		return;
	if (view_facts(v, slot, en, &facts, NULL) < 0) {
		ret->failed = -EIO;
		return;
	}
	ret->size = facts.size;
	/* A pyc that was made from the original must not be taken for its. */
	ret->mtime_s += facts.changed;
}

static void node_of_child(struct view *v, const struct child *c, struct node *ret)
{
	struct entry en;

	if (c->kind == CHILD_MADE) {
		node_of_made(v, c->slot, c->entry, ret);
	} else if (c->kind == CHILD_ENTRY) {
		manifest_entry(v->slots[c->slot].m, c->entry, &en);
		node_of_entry(v, child_ino(v, c), c->slot, &en, ret);
	} else {
		node_of_dir(v, child_ino(v, c), c->slot, c->entry, ret);
	}
}

static int lookup(struct view *v, uint64_t dir, const char *name, struct node *ret)
{
	struct where w;
	struct child c;
	int r = where_open(v, dir, &w);

	if (r < 0)
		return r;
	r = where_find(v, &w, name, strlen(name), &c);
	if (r == 0)
		node_of_child(v, &c, ret);
	where_done(&w);
	return r;
}

int view_lookup(struct view *v, uint64_t dir, const char *name, struct node *ret)
{
	int r;

	pthread_rwlock_rdlock(&v->lock);
	r = lookup(v, dir, name, ret);
	pthread_rwlock_unlock(&v->lock);
	return r;
}

/* A file's number: its package or place is in this generation, or it means nothing. */
static int node_of_file(struct view *v, uint64_t ino, struct node *ret)
{
	bool patched = node_kind(ino) == NODE_PATCHED;
	uint32_t slot = find_slot(v, patched, node_scope(ino));
	struct entry en;

	if (slot == OWN || node_entry(ino) >= manifest_count(v->slots[slot].m))
		return -ESTALE;
	manifest_entry(v->slots[slot].m, node_entry(ino), &en);
	if (en.type == ENTRY_DIR || patch_applies(&en) != patched)
		return -ESTALE;
	node_of_entry(v, ino, slot, &en, ret);
	return 0;
}

static int node_of(struct view *v, uint64_t ino, struct node *ret)
{
	uint64_t base = slot_scope(v, OWN), scope = node_scope(ino);
	uint32_t slot = scope == base ? OWN : (uint32_t)(scope - base - 1);
	struct where w;
	int r;

	switch (node_kind(ino)) {
	case NODE_FILE:
	case NODE_PATCHED:
		return node_of_file(v, ino, ret);
	case NODE_MADE:
		if (scope < base || scope - base > v->count ||
		    !made_exists(v, slot, node_entry(ino)))
			return -ESTALE;
		node_of_made(v, slot, node_entry(ino), ret);
		return 0;
	case NODE_DIR:
	case NODE_MADE_DIR:
		r = where_open(v, ino, &w);
		if (r < 0)
			return r;
		where_done(&w);
		node_of_dir(v, ino, slot, node_entry(ino), ret);
		return 0;
	default:
		return -ESTALE;
	}
}

int view_node(struct view *v, uint64_t ino, struct node *ret)
{
	int r;

	pthread_rwlock_rdlock(&v->lock);
	r = node_of(v, ino, ret);
	pthread_rwlock_unlock(&v->lock);
	return r;
}

/* Calls fn for the children of w from position `from` on. */
static int list(struct view *v, const struct where *w, uint64_t from, view_list_fn *fn, void *ctx)
{
	struct entry en = {};
	uint64_t count;
	int r = 0;

	if (!w->dir)
		manifest_entry(v->slots[w->slot].m, w->entry, &en);
	count = w->dir ? w->dir->child_count : en.child_count;
	for (uint64_t i = from; r == 0 && i < count; i++) {
		struct entry child;
		struct node n;

		if (w->dir) {
			const struct child *c = &w->dir->children[i];

			node_of_child(v, c, &n);
			r = fn(ctx, child_name(v, c), &n, i + 1);
		} else {
			struct child c = { w->slot, (en.children + (uint32_t)i) & ENTRY_INDEX_MAX,
					   CHILD_ENTRY };

			manifest_entry(v->slots[w->slot].m, c.entry, &child);
			if (child.type == ENTRY_DIR)
				c.kind = CHILD_SOLE;
			node_of_child(v, &c, &n);
			r = fn(ctx, child.name, &n, i + 1);
		}
	}
	return r;
}

int view_list(struct view *v, uint64_t dir, uint64_t from, view_list_fn *fn, void *ctx)
{
	struct where w;
	int r;

	pthread_rwlock_rdlock(&v->lock);
	r = where_open(v, dir, &w);
	if (r == 0) {
		r = list(v, &w, from, fn, ctx);
		where_done(&w);
	}
	pthread_rwlock_unlock(&v->lock);
	return r;
}

/* Goes from the root to the last part of a path. */
static int resolve(struct view *v, const char *path, struct where *w, struct node *ret)
{
	int r = where_root(v, w);

	if (r < 0)
		return r;
	node_of_dir(v, view_root(v), OWN, DIR_ROOT, ret);
	while (*path) {
		size_t len = strcspn(path, "/");
		char name[NAME_BYTES_MAX + 1];
		struct child c;

		if (ret->type != ENTRY_DIR)
			return -ENOTDIR;
		if (len > NAME_BYTES_MAX)
			return -ENOENT;
		memcpy(name, path, len);
		name[len] = '\0';
		r = where_find(v, w, name, len, &c);
		if (r < 0)
			return r;
		node_of_child(v, &c, ret);
		if (ret->type == ENTRY_DIR) {
			r = where_enter(v, w, &c, name);
			if (r < 0)
				return r;
		}
		path += len;
		if (*path == '/')
			path++;
	}
	return 0;
}

int node_resolve(struct view *v, const char *path, struct node *ret)
{
	struct where w = {};
	int r = resolve(v, path, &w, ret);

	where_done(&w);
	return r;
}

int view_resolve(struct view *v, const char *path, struct node *ret)
{
	int r;

	pthread_rwlock_rdlock(&v->lock);
	r = node_resolve(v, path, ret);
	pthread_rwlock_unlock(&v->lock);
	return r;
}

static uint64_t parent_of(struct view *v, uint64_t dir)
{
	char path[VIEW_PATH_BYTES];
	struct node n;
	struct where w;
	uint64_t ino = NODE_ROOT;
	char *slash;
	const struct slot *s;

	if (where_open(v, dir, &w) < 0)
		return NODE_ROOT;
	if (w.dir) {
		ino = w.dir->parent;
	} else {
		s = &v->slots[w.slot];
		mapping_path(&v->map, &s->grafts, s->m, w.entry, path);
		slash = strrchr(path, '/');
		if (slash)
			*slash = '\0';
		else
			path[0] = '\0';
		if (node_resolve(v, path, &n) == 0)
			ino = n.ino;
	}
	where_done(&w);
	return ino;
}

uint64_t view_parent(struct view *v, uint64_t dir)
{
	uint64_t ino;

	pthread_rwlock_rdlock(&v->lock);
	ino = parent_of(v, dir);
	pthread_rwlock_unlock(&v->lock);
	return ino;
}
