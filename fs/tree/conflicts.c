/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only directories that several packages share can hold conflicts, so only
 * those are walked: depth first, with a stack of our own.
 */
#include "tree/impl.h"

#include "base/map.h"
#include "base/path.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX (PATH_DEPTH_MAX + SITE_PACKAGES_DEPTH_MAX + 1)

struct level {
	struct dir *dir; /* a reference */
	uint32_t next;	 /* child */
	size_t path_len; /* of its own path */
};

struct search {
	struct view *v;
	view_conflict_fn *fn;
	void *ctx;
	int stopped; /* what fn returned */
	struct conflict conflict;
	size_t path_len; /* of the directory that is being merged */
	struct level levels[DEPTH_MAX];
	size_t depth;
};

/* conflict.path: the directory's, and a name in it. */
static void set_path(struct search *s, size_t dir_len, const char *name)
{
	size_t len = strlen(name), at = dir_len;

	assert(dir_len + len + 2 <= sizeof(s->conflict.path));
	if (at > 0)
		s->conflict.path[at++] = '/';
	memcpy(s->conflict.path + at, name, len + 1);
}

static void on_loser(void *ctx, const char *name, uint32_t winner, uint32_t loser)
{
	struct search *s = ctx;

	if (s->stopped)
		return;
	set_path(s, s->path_len, name);
	s->conflict.winner = winner == OWN ? "envfs" : s->v->slots[winner].name;
	s->conflict.loser = s->v->slots[loser].name;
	s->stopped = s->fn(s->ctx, &s->conflict);
}

static int push(struct search *s, const struct dir *parent, const struct child *c, const char *name)
{
	const struct merge_hook hook = { on_loser, s };
	struct level *l = &s->levels[s->depth];
	int r;

	assert(s->depth < DEPTH_MAX);
	if (parent) {
		set_path(s, s->levels[s->depth - 1].path_len, name);
		s->path_len = strlen(s->conflict.path);
		r = merge_child(s->v, parent, c, name, &hook, &l->dir);
	} else {
		s->path_len = 0;
		r = merge_root(s->v, &hook, &l->dir);
	}
	if (r < 0)
		return r;
	l->next = 0;
	l->path_len = s->path_len;
	s->depth++;
	return 0;
}

static int walk_shared(struct search *s)
{
	int r = push(s, NULL, NULL, "");

	while (r == 0 && s->depth > 0 && !s->stopped) {
		struct level *l = &s->levels[s->depth - 1];
		const struct child *c;

		if (l->next == l->dir->child_count) {
			l->dir = dir_free(l->dir);
			s->depth--;
			if (s->depth > 0)
				s->conflict.path[s->levels[s->depth - 1].path_len] = '\0';
			continue;
		}
		c = &l->dir->children[l->next++];
		if (c->kind == CHILD_SHARED || c->kind == CHILD_MADE_DIR)
			r = push(s, l->dir, c, child_name(s->v, c));
	}
	while (s->depth > 0)
		dir_free(s->levels[--s->depth].dir);
	return r;
}

/* Whether reading this binary fails, or, while it is only listed, may fail. */
static bool too_long(struct view *v, uint32_t slot, const struct entry *en)
{
	struct patch_facts facts;

	if (!patch_applies(en) || !(en->flags & ENTRY_BINARY) ||
	    en->placeholder_len >= v->prefix.len)
		return false;
	return manifest_state(v->slots[slot].m) != MANIFEST_PRESENT ||
	       view_facts(v, slot, en, &facts, NULL) < 0;
}

static void prefixes(struct search *s)
{
	struct view *v = s->v;

	for (uint32_t i = 0; i < v->count && !s->stopped; i++) {
		const struct slot *slot = &v->slots[i];

		for (uint32_t k = 1; k < manifest_count(slot->m) && !s->stopped; k++) {
			struct entry en;
			struct node n;

			manifest_entry(slot->m, k, &en);
			if (!too_long(v, i, &en))
				continue;
			mapping_path(&v->map, &slot->grafts, slot->m, k, s->conflict.path);
			/* What another package hides is nobody's trouble. */
			if (node_resolve(v, s->conflict.path, &n) < 0 || n.slot != i ||
			    n.entry != k)
				continue;
			s->conflict.winner = slot->name;
			s->conflict.loser = NULL;
			s->stopped = s->fn(s->ctx, &s->conflict);
		}
	}
}

int view_conflicts(struct view *v, view_conflict_fn *fn, void *ctx, struct err *e)
{
	AUTO_MEM struct search *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_nomem(e);
	s->v = v;
	s->fn = fn;
	s->ctx = ctx;
	pthread_rwlock_rdlock(&v->lock);
	r = walk_shared(s);
	if (r == 0 && !s->stopped)
		prefixes(s);
	pthread_rwlock_unlock(&v->lock);
	if (r < 0)
		return err_set(e, r, "view of '%s': looking for conflicts: %s",
			       generation_env(v->g), strerror(-r));
	return s->stopped;
}
