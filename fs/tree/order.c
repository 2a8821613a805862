/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which package wins: the later in link order. A solved generation lists its
 * packages in that order. An @EXPLICIT list may stand in any: what was linked
 * after what is then worked out from the packages' own index.json, so that the
 * same artifacts give the same tree in whatever order they were listed.
 */
#include "tree/impl.h"

#include "base/json.h"
#include "base/limits.h"
#include "solve/solve.h"

#include <errno.h>
#include <string.h>

/* The depends of each package, borrowed from its parsed index.json. */
struct graph {
	struct link_node *nodes; /* owned, and their depends */
	struct json_doc **docs;	 /* owned */
	uint32_t *order;	 /* owned */
	uint32_t count;
};

static void graph_done(struct graph *gr)
{
	for (uint32_t i = 0; gr->nodes && i < gr->count; i++)
		free((void *)(uintptr_t)gr->nodes[i].depends);
	for (uint32_t i = 0; gr->docs && i < gr->count; i++)
		gr->docs[i] = json_doc_free(gr->docs[i]);
	free(gr->nodes);
	free(gr->docs);
	free(gr->order);
}

static int load_node(struct graph *gr, uint32_t i, const struct slot *s, struct err *e)
{
	const struct json *depends;
	struct json_iter it;
	const char **list, *text;
	size_t len;
	int r;

	text = manifest_index_json(s->m, &len);
	r = json_parse(&gr->docs[i], text, len, e);
	if (r < 0)
		return err_wrap(e, r, "index.json of '%s'", s->name);
	depends = json_get(json_root(gr->docs[i]), "depends");
	list = calloc(json_len(depends) + 1, sizeof(*list));
	if (!list)
		return err_nomem(e);
	gr->nodes[i] = (struct link_node){ .name = s->name, .depends = list };
	it = json_iter(depends);
	for (const struct json *v = json_next(&it); v; v = json_next(&it))
		if (json_text(v))
			list[gr->nodes[i].depend_count++] = json_text(v);
	return 0;
}

static int rank_by_depends(struct view *v, struct err *e)
{
	AUTO(graph_done) struct graph gr = { .count = v->count };
	int r = 0;

	gr.nodes = calloc(v->count + 1, sizeof(*gr.nodes));
	gr.docs = calloc(v->count + 1, sizeof(*gr.docs));
	gr.order = calloc(v->count + 1, sizeof(*gr.order));
	if (!gr.nodes || !gr.docs || !gr.order)
		return err_nomem(e);
	for (uint32_t i = 0; r == 0 && i < v->count; i++)
		r = load_node(&gr, i, &v->slots[i], e);
	if (r == 0)
		r = link_order(gr.nodes, v->count, gr.order, e);
	for (uint32_t k = 0; r == 0 && k < v->count; k++)
		v->slots[gr.order[k]].rank = k + 1;
	return r;
}

int order_slots(struct view *v, bool explicit_list, struct err *e)
{
	if (explicit_list)
		return rank_by_depends(v, e);
	for (uint32_t i = 0; i < v->count; i++)
		v->slots[i].rank = i + 1;
	return 0;
}
