/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who wins (docs/formats/nodes.md): at each name the last package that has it
 * decides; a file hides all else, a directory is merged from all packages that
 * have a directory there.
 */
#include "tree/impl.h"

#include "base/map.h"

#include <assert.h>
#include <string.h>

#define RANK_LOWEST  0 /* packages: their own, from 1 */
#define RANK_HIGHEST UINT32_MAX

struct candidate {
	const char *name;
	uint32_t rank, turn; /* the last by these wins */
	uint32_t slot, entry;
	enum child_kind kind; /* any package's directory: CHILD_SOLE */
};

struct merge {
	struct view *v;
	struct candidate *all; /* owned */
	size_t count, cap;
	int failed;
};

static void add(struct merge *m, const char *name, uint32_t rank, uint32_t slot, uint32_t entry,
		enum child_kind kind)
{
	if (m->failed)
		return;
	m->failed = GROW(m->all, m->cap, m->count + 1, UINT32_MAX - 1, NULL);
	if (m->failed)
		return;
	m->all[m->count] = (struct candidate){ name, rank, (uint32_t)m->count, slot, entry, kind };
	m->count++;
}

static int by_name_then_rank(const void *left, const void *right)
{
	const struct candidate *a = left, *b = right;
	int r = strcmp(a->name, b->name);

	if (r != 0)
		return r;
	if (a->rank != b->rank)
		return a->rank < b->rank ? -1 : 1;
	return a->turn < b->turn ? -1 : a->turn > b->turn;
}

static bool is_mapped_away(const struct grafts *g, uint32_t entry)
{
	return entry != 0 && (entry == g->site_packages || entry == g->scripts);
}

/* What the packages have in their own directory. */
static void add_entries(struct merge *m, const struct dir *d)
{
	for (uint32_t i = 0; i < d->contributor_count; i++) {
		const struct contributor *c = &d->contributors[i];
		const struct slot *s = &m->v->slots[c->slot];
		struct entry en, child;

		if (c->entry == VIRTUAL)
			continue;
		manifest_entry(s->m, c->entry, &en);
		for (uint32_t k = 0; k < en.child_count; k++) {
			manifest_entry(s->m, en.children + k, &child);
			if (is_mapped_away(&s->grafts, child.index))
				continue;
			add(m, child.name, s->rank, c->slot, child.index,
			    child.type == ENTRY_DIR ? CHILD_SOLE : CHILD_ENTRY);
		}
	}
}

/* What mapping puts there, after the packages' own: it wins within one package. */
static void add_mapped(struct merge *m, const struct dir *d, bool root)
{
	const struct mapping *map = &m->v->map;
	bool on_path = d->part != NO_PART && d->part < map->depth;

	for (uint32_t i = 0; i < m->v->count; i++) {
		const struct grafts *g = &m->v->slots[i].grafts;
		uint32_t rank = m->v->slots[i].rank;

		if (on_path && g->site_packages)
			add(m, map->parts[d->part], rank, i,
			    d->part + 1 == map->depth ? g->site_packages : VIRTUAL, CHILD_SOLE);
		if (root && g->scripts)
			add(m, "bin", rank, i, g->scripts, CHILD_SOLE);
		if (root && g->entry_points)
			add(m, "bin", rank, i, VIRTUAL, CHILD_SOLE);
		for (uint32_t k = 0; d->bin && k < g->entry_points; k++) {
			struct entry_point ep;

			manifest_entry_point(m->v->slots[i].m, k, &ep);
			add(m, ep.command, rank, i, MADE_ENTRY_POINT + k, CHILD_MADE);
		}
	}
	if (on_path && d->part + 1 == map->depth)
		add(m, "EXTERNALLY-MANAGED", RANK_LOWEST, OWN, MADE_EXTERNALLY_MANAGED, CHILD_MADE);
	if (root)
		add(m, "conda-meta", RANK_HIGHEST, OWN, DIR_META, CHILD_MADE_DIR);
}

static void add_meta(struct merge *m)
{
	add(m, "history", RANK_HIGHEST, OWN, MADE_HISTORY, CHILD_MADE);
	add(m, "frozen", RANK_HIGHEST, OWN, MADE_FROZEN, CHILD_MADE);
	if (m->v->has_state)
		add(m, "state", RANK_HIGHEST, OWN, MADE_STATE, CHILD_MADE);
	for (uint32_t i = 0; i < m->v->count; i++)
		add(m, m->v->slots[i].record_name, m->v->slots[i].rank, i, MADE_RECORD, CHILD_MADE);
}

/* Whether a directory is merged even when one package alone has it: something may
 * be made or mapped into it. */
static bool is_special(const struct view *v, const struct dir *d, bool root, const char *name)
{
	if (root && strcmp(name, "bin") == 0)
		return true;
	return d->part != NO_PART && d->part < v->map.depth &&
	       strcmp(name, v->map.parts[d->part]) == 0;
}

/* The number of a directory that only mapping invents. */
static struct child invented(const struct dir *d, bool root, const char *name, const struct view *v)
{
	bool part = d->part != NO_PART && d->part < v->map.depth &&
		    strcmp(name, v->map.parts[d->part]) == 0;

	assert(part || root);
	return (struct child){ OWN, part ? DIR_PART + d->part : DIR_BIN, CHILD_MADE_DIR };
}

/* One name: candidates [0, n), the last of which decides. */
static struct child decide(const struct merge *m, const struct dir *d, bool root,
			   const struct candidate *c, size_t n, const struct merge_hook *hook)
{
	const struct candidate *last = &c[n - 1], *first = NULL;
	bool dir = last->kind == CHILD_SOLE;
	uint32_t told = OWN;
	size_t dirs = 0;

	for (size_t i = 0; i < n; i++) {
		bool loses = dir ? c[i].kind != CHILD_SOLE : i + 1 < n;

		if (c[i].kind == CHILD_SOLE && dir) {
			dirs++;
			if (c[i].entry != VIRTUAL &&
			    (!first || (c[i].slot == first->slot && c[i].entry < first->entry)))
				first = &c[i];
		}
		if (loses && hook && c[i].slot != OWN && c[i].slot != last->slot &&
		    c[i].slot != told) {
			told = c[i].slot;
			hook->fn(hook->ctx, c[i].name, last->slot, c[i].slot);
		}
	}
	if (!dir)
		return (struct child){ last->slot, last->entry & ENTRY_INDEX_MAX, last->kind };
	if (!first)
		return invented(d, root, last->name, m->v);
	return (struct child){ first->slot, first->entry & ENTRY_INDEX_MAX,
			       dirs > 1 || is_special(m->v, d, root, last->name) ? CHILD_SHARED
										 : CHILD_SOLE };
}

static void *shrink(void *array, size_t count, size_t size)
{
	void *less = realloc(array, (count + 1) * size);

	return less ? less : array;
}

/* Fills the children of d, whose contributors are known. */
static int merge(struct view *v, struct dir *d, const struct merge_hook *hook)
{
	bool root = node_kind(d->ino) == NODE_MADE_DIR && node_entry(d->ino) == DIR_ROOT;
	struct merge m = { .v = v };
	size_t n = 0;

	if (d->meta) {
		add_meta(&m);
	} else {
		add_entries(&m, d);
		add_mapped(&m, d, root);
	}
	AUTO_MEM struct candidate *all = m.all;
	if (m.failed)
		return m.failed;
	d->children = malloc((m.count + 1) * sizeof(*d->children));
	if (!d->children)
		return -ENOMEM;
	if (m.count > 0)
		qsort(all, m.count, sizeof(*all), by_name_then_rank);
	for (size_t i = 0; i < m.count; i += n) {
		n = 1;
		while (i + n < m.count && strcmp(all[i + n].name, all[i].name) == 0)
			n++;
		d->children[d->child_count++] = decide(&m, d, root, all + i, n, hook);
	}
	/* Many packages bring the same names. */
	d->children = shrink(d->children, d->child_count, sizeof(*d->children));
	return 0;
}

static struct dir *dir_new(uint64_t ino, uint64_t parent, size_t contributors_max)
{
	struct dir *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->refs = 1;
	d->ino = ino;
	d->parent = parent;
	d->part = NO_PART;
	d->contributors = malloc((contributors_max + 1) * sizeof(*d->contributors));
	if (!d->contributors)
		return dir_free(d);
	return d;
}

int merge_root(struct view *v, const struct merge_hook *hook, struct dir **ret)
{
	AUTO(dir_freep) struct dir *d = dir_new(view_root(v), NODE_ROOT, v->count);
	int r;

	if (!d)
		return -ENOMEM;
	d->part = 0;
	for (uint32_t i = 0; i < v->count; i++)
		d->contributors[d->contributor_count++] = (struct contributor){ i, ENTRY_ROOT };
	r = merge(v, d, hook);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(d);
	return 0;
}

static void contribute(struct dir *d, uint32_t slot, uint32_t entry)
{
	d->contributors[d->contributor_count++] = (struct contributor){ slot, entry };
}

/* Who has it: in the parent's order, so by slot. */
static void add_contributors(const struct view *v, const struct dir *parent, const char *name,
			     struct dir *d)
{
	size_t len = strlen(name);
	uint32_t next = 0;

	for (uint32_t i = 0; i < v->count; i++) {
		const struct slot *s = &v->slots[i];

		for (; next < parent->contributor_count && parent->contributors[next].slot == i;
		     next++) {
			uint32_t at = parent->contributors[next].entry;
			struct entry en;

			if (at != VIRTUAL)
				at = manifest_find(s->m, at, name, len);
			if (at == 0 || at == VIRTUAL || is_mapped_away(&s->grafts, at))
				continue;
			manifest_entry(s->m, at, &en);
			if (en.type == ENTRY_DIR)
				contribute(d, i, at);
		}
		if (d->part != NO_PART && s->grafts.site_packages)
			contribute(d, i,
				   d->part == v->map.depth ? s->grafts.site_packages : VIRTUAL);
		if (d->bin && s->grafts.scripts)
			contribute(d, i, s->grafts.scripts);
		if (d->bin && s->grafts.entry_points)
			contribute(d, i, VIRTUAL);
	}
}

int merge_child(struct view *v, const struct dir *parent, const struct child *c, const char *name,
		const struct merge_hook *hook, struct dir **ret)
{
	bool root = parent->ino == view_root(v);
	AUTO(dir_freep) struct dir *d = NULL;
	int r;

	assert(c->kind == CHILD_SHARED || c->kind == CHILD_MADE_DIR);
	d = dir_new(child_ino(v, c), parent->ino, parent->contributor_count + 3 * (size_t)v->count);
	if (!d)
		return -ENOMEM;
	d->meta = c->kind == CHILD_MADE_DIR && c->entry == DIR_META;
	d->bin = root && strcmp(name, "bin") == 0;
	if (parent->part != NO_PART && parent->part < v->map.depth &&
	    strcmp(name, v->map.parts[parent->part]) == 0)
		d->part = parent->part + 1;
	if (!d->meta)
		add_contributors(v, parent, name, d);
	d->contributors = shrink(d->contributors, d->contributor_count, sizeof(*d->contributors));
	r = merge(v, d, hook);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(d);
	return 0;
}

const char *child_name(const struct view *v, const struct child *c)
{
	const struct slot *s = c->slot == OWN ? NULL : &v->slots[c->slot];
	struct entry_point ep;
	struct entry en;

	switch (c->kind) {
	case CHILD_MADE_DIR:
		return c->entry == DIR_META  ? "conda-meta"
		       : c->entry == DIR_BIN ? "bin"
					     : v->map.parts[c->entry - DIR_PART];
	case CHILD_MADE:
		if (!s)
			return made_own_name(c->entry);
		if (c->entry == MADE_RECORD)
			return s->record_name;
		manifest_entry_point(s->m, c->entry - MADE_ENTRY_POINT, &ep);
		return ep.command;
	default:
		if (c->entry == s->grafts.site_packages && c->entry != 0)
			return v->map.parts[v->map.depth - 1];
		if (c->entry == s->grafts.scripts && c->entry != 0)
			return "bin";
		manifest_entry(s->m, c->entry, &en);
		return en.name;
	}
}

uint64_t child_ino(const struct view *v, const struct child *c)
{
	struct entry en;

	switch (c->kind) {
	case CHILD_MADE:
		return node_make(NODE_MADE, slot_scope(v, c->slot), c->entry);
	case CHILD_MADE_DIR:
		return node_make(NODE_MADE_DIR, slot_scope(v, OWN), c->entry);
	case CHILD_SOLE:
	case CHILD_SHARED:
		return node_make(NODE_DIR, slot_scope(v, c->slot), c->entry);
	default:
		manifest_entry(v->slots[c->slot].m, c->entry, &en);
		if (patch_applies(&en))
			return node_make(NODE_PATCHED, v->slots[c->slot].place, c->entry);
		return node_make(NODE_FILE, v->slots[c->slot].package, c->entry);
	}
}

bool dir_find(const struct view *v, const struct dir *d, const char *name, size_t len,
	      struct child *ret)
{
	size_t lo = 0, hi = d->child_count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const char *at = child_name(v, &d->children[mid]);
		int r = strncmp(at, name, len);

		if (r == 0 && at[len] == '\0') {
			*ret = d->children[mid];
			return true;
		}
		if (r < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return false;
}
