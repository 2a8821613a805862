/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/impl.h"

#include "base/json.h"
#include "base/map.h"
#include "base/path.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The slots sorted by a number of theirs. */
static int by_key(const void *left, const void *right, void *ctx)
{
	const uint64_t *keys = ctx;
	uint64_t a = keys[*(const uint32_t *)left], b = keys[*(const uint32_t *)right];

	return a < b ? -1 : a > b;
}

static int sort_slots(struct view *v, bool place, uint32_t **ret, struct err *e)
{
	AUTO_MEM uint64_t *keys = malloc((v->count + 1) * sizeof(*keys));
	AUTO_MEM uint32_t *order = malloc((v->count + 1) * sizeof(*order));

	if (!keys || !order)
		return err_nomem(e);
	for (uint32_t i = 0; i < v->count; i++) {
		order[i] = i;
		keys[i] = place ? v->slots[i].place : v->slots[i].package;
	}
	qsort_r(order, v->count, sizeof(*order), by_key, keys);
	*ret = TAKE_PTR(order);
	return 0;
}

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

static int set_slots(struct view *v, struct manifest *const *manifests, struct err *e)
{
	struct buf names;
	AUTO_MEM size_t *offsets = malloc((v->count + 1) * sizeof(*offsets));
	int r;

	if (!offsets)
		return err_nomem(e);
	buf_init(&names, (size_t)v->count * (NAME_BYTES_MAX + 1));
	for (uint32_t i = 0; i < v->count; i++) {
		struct slot *s = &v->slots[i];
		struct gen_package p;

		generation_package(v->g, i, &p);
		assert(manifest_package(manifests[i]) == p.package);
		s->m = manifest_ref(manifests[i]);
		s->package = p.package;
		s->place = p.place;
		s->name = p.name;
		mapping_grafts(&v->map, s->m, &s->grafts);
		offsets[i] = names.len;
		buf_addf(&names, "%s-%s-%s.json", p.name, p.version, p.build);
		r = path_check_name(names.bytes + offsets[i], names.len - offsets[i], e);
		if (r < 0) {
			buf_done(&names);
			return err_wrap(e, -EBADMSG, "package %u of the generation", i);
		}
		buf_addc(&names, '\0');
	}
	r = buf_end(&names, e);
	if (r < 0) {
		buf_done(&names);
		return r;
	}
	v->record_names = buf_take(&names);
	if (!v->record_names)
		return err_nomem(e);
	for (uint32_t i = 0; i < v->count; i++)
		v->slots[i].record_name = v->record_names + offsets[i];
	return 0;
}

static int look_for_state(struct view *v, struct err *e)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	const char *request = generation_request_json(v->g);
	int r = json_parse(&doc, request, strlen(request), e);

	if (r < 0)
		return err_wrap(e, r, "generation %llu: request",
				(unsigned long long)generation_number(v->g));
	v->has_state = json_len(json_get(json_root(doc), "variables")) > 0;
	return 0;
}

int view_open(struct view **ret, struct generation *g, struct manifest *const *manifests,
	      const char *prefix, struct err *e)
{
	AUTO(view_freep) struct view *v = calloc(1, sizeof(*v));
	int64_t ms = generation_created_ms(g);
	int r;

	if (!v)
		return err_nomem(e);
	v->refs = 1;
	v->g = generation_ref(g);
	pthread_rwlock_init(&v->lock, NULL);
	pthread_mutex_init(&v->dirs.lock, NULL);
	pthread_mutex_init(&v->keep_lock, NULL);
	v->created_s = ms / 1000 - (ms % 1000 < 0);
	v->created_ns = (uint32_t)(ms - v->created_s * 1000) * 1000000;
	v->count = generation_count(g);
	v->slots = calloc(v->count + 1, sizeof(*v->slots));
	v->prefix_text = strdup(prefix);
	if (!v->slots || !v->prefix_text)
		return err_nomem(e);
	r = prefix_init(&v->prefix, v->prefix_text, e);
	if (r == 0)
		r = mapping_init(&v->map, g, manifests, e);
	if (r == 0)
		r = set_slots(v, manifests, e);
	if (r == 0)
		r = sort_slots(v, false, &v->by_package, e);
	if (r == 0)
		r = sort_slots(v, true, &v->by_place, e);
	if (r == 0)
		r = look_for_state(v, e);
	if (r < 0)
		return err_wrap(e, r, "view of '%s'", generation_env(g));
	*ret = TAKE_PTR(v);
	return 0;
}

struct view *view_ref(struct view *v)
{
	atomic_fetch_add(&v->refs, 1);
	return v;
}

struct view *view_free(struct view *v)
{
	if (!v || atomic_fetch_sub(&v->refs, 1) > 1)
		return NULL;
	dirs_clear(&v->dirs);
	for (uint32_t i = 0; v->slots && i < v->count; i++)
		manifest_free(v->slots[i].m);
	for (size_t i = 0; i < v->retired_count; i++)
		manifest_free(v->retired[i]);
	for (size_t i = 0; i < TEXTS; i++)
		free(v->texts[i].bytes);
	prefix_done(&v->prefix);
	pthread_rwlock_destroy(&v->lock);
	pthread_mutex_destroy(&v->dirs.lock);
	pthread_mutex_destroy(&v->keep_lock);
	generation_free(v->g);
	free(v->retired);
	free(v->slots);
	free(v->by_package);
	free(v->by_place);
	free(v->record_names);
	free(v->prefix_text);
	free(v);
	return NULL;
}

/* Whether both say the same of names, types, placeholders and what is made. */
static bool same_tree(const struct manifest *a, const struct manifest *b)
{
	uint32_t count = manifest_count(a), points = manifest_entry_point_count(a);
	struct entry_point p, q;
	struct entry x, y;

	if (manifest_count(b) != count || manifest_entry_point_count(b) != points ||
	    manifest_noarch(a) != manifest_noarch(b))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		manifest_entry(a, i, &x);
		manifest_entry(b, i, &y);
		if (x.type != y.type || x.children != y.children ||
		    x.child_count != y.child_count || strcmp(x.name, y.name) != 0 ||
		    patch_applies(&x) != patch_applies(&y))
			return false;
	}
	for (uint32_t i = 0; i < points; i++) {
		manifest_entry_point(a, i, &p);
		manifest_entry_point(b, i, &q);
		if (strcmp(p.command, q.command) != 0 || strcmp(p.module, q.module) != 0 ||
		    strcmp(p.function, q.function) != 0)
			return false;
	}
	return true;
}

void view_replace(struct view *v, uint32_t slot, struct manifest *m)
{
	struct slot *s = &v->slots[slot];
	bool same;

	assert(slot < v->count && manifest_package(m) == s->package);
	pthread_rwlock_wrlock(&v->lock);
	if (m == s->m ||
	    GROW(v->retired, v->retired_cap, v->retired_count + 1, SIZE_MAX, NULL) < 0) {
		/* Out of memory: what is there stays good, only the news is missed. */
		pthread_rwlock_unlock(&v->lock);
		return;
	}
	same = same_tree(s->m, m);
	v->retired[v->retired_count++] = s->m;
	s->m = manifest_ref(m);
	pthread_mutex_lock(&v->keep_lock);
	for (size_t i = 0; i < VIEW_FACTS; i++)
		if (v->facts[i].slot == slot)
			v->facts[i].used = false;
	pthread_mutex_unlock(&v->keep_lock);
	if (!same) {
		mapping_grafts(&v->map, m, &s->grafts);
		dirs_clear(&v->dirs);
		made_forget(v, slot);
	}
	pthread_rwlock_unlock(&v->lock);
}

struct generation *view_generation(const struct view *v)
{
	return v->g;
}

const char *view_prefix(const struct view *v)
{
	return v->prefix_text;
}

uint64_t view_root(const struct view *v)
{
	return node_make(NODE_MADE_DIR, slot_scope(v, OWN), DIR_ROOT);
}

struct manifest *view_manifest(struct view *v, uint32_t slot)
{
	struct manifest *m;

	assert(slot < v->count);
	pthread_rwlock_rdlock(&v->lock);
	m = v->slots[slot].m;
	pthread_rwlock_unlock(&v->lock);
	return m;
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

int view_resolve(struct view *v, const char *path, struct node *ret)
{
	struct where w = {};
	int r;

	pthread_rwlock_rdlock(&v->lock);
	r = resolve(v, path, &w, ret);
	where_done(&w);
	pthread_rwlock_unlock(&v->lock);
	return r;
}

static uint64_t parent_of(struct view *v, uint64_t dir)
{
	char path[VIEW_PATH_BYTES];
	struct node n;
	struct where w, at = {};
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
		if (resolve(v, path, &at, &n) == 0)
			ino = n.ino;
		where_done(&at);
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

const char *view_target(struct view *v, const struct node *n)
{
	const struct manifest *m;
	struct entry en;

	if (n->type != ENTRY_LINK || !n->known || n->slot >= v->count)
		return NULL;
	m = view_manifest(v, n->slot);
	if (n->entry >= manifest_count(m))
		return NULL;
	manifest_entry(m, n->entry, &en);
	return en.target;
}

int view_entry(struct view *v, const struct node *n, struct entry *ret, struct manifest **ret_m)
{
	struct manifest *m;

	if (!n->known || n->type == ENTRY_DIR || n->slot >= v->count ||
	    node_kind(n->ino) == NODE_MADE)
		return -ESTALE;
	m = view_manifest(v, n->slot);
	if (n->entry >= manifest_count(m) || manifest_state(m) != MANIFEST_PRESENT)
		return -ESTALE;
	manifest_entry(m, n->entry, ret);
	if (ret->type != n->type)
		return -ESTALE;
	*ret_m = m;
	return 0;
}

int view_patch(struct view *v, const struct node *n, struct patch *ret, struct err *e)
{
	struct patch_facts facts;
	struct manifest *m;
	struct entry en;
	int r = view_entry(v, n, &en, &m);

	if (r < 0 || !patch_applies(&en))
		return err_set(e, -ESTALE, "no patched file has this number any more");
	pthread_rwlock_rdlock(&v->lock);
	r = view_facts(v, n->slot, &en, &facts, e);
	pthread_rwlock_unlock(&v->lock);
	if (r < 0)
		return r;
	return patch_open(ret, m, &en, &v->prefix, &facts, e);
}

ssize_t view_made(struct view *v, const struct node *n, uint64_t offset, void *room, size_t len,
		  struct err *e)
{
	ssize_t r;

	pthread_rwlock_rdlock(&v->lock);
	if (node_kind(n->ino) != NODE_MADE || !made_exists(v, n->slot, n->entry))
		r = err_set(e, -ESTALE, "no made file has this number any more");
	else
		r = made_read(v, n->slot, n->entry, offset, room, len, e);
	pthread_rwlock_unlock(&v->lock);
	return r;
}
