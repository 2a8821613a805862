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

static int look_at_request(struct view *v, struct err *e)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	const char *request = generation_request_json(v->g);
	int r = json_parse(&doc, request, strlen(request), e);

	if (r < 0)
		return err_wrap(e, r, "generation %llu: request",
				(unsigned long long)generation_number(v->g));
	v->has_state = json_len(json_get(json_root(doc), "variables")) > 0;
	return order_slots(v, json_true(json_get(json_root(doc), "explicit")), e);
}

/* A package that became present must not wait for a crowd of readers to pause. */
static void init_lock(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(lock, &attr);
	pthread_rwlockattr_destroy(&attr);
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
	init_lock(&v->lock);
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
		r = look_at_request(v, e);
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
