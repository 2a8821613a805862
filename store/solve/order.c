/* SPDX-License-Identifier: Apache-2.0 */
/* The part of solve that puts packages into link order. */
#include "solve/solve.h"

#include "base/map.h"

#include <string.h>

/* Which nodes a node waits for, and who waits for it. */
struct ordering {
	const struct link_node *nodes;
	size_t count;
	uint32_t *by_name;    /* [count]: nodes sorted by name */
	uint32_t *edge_first; /* [count + 1]: who waits for a node */
	uint32_t *edges;
	uint32_t *waits; /* [count]: for how many; UINT32_MAX: already placed */
	uint32_t *place; /* [count]: where a node is in by_name */
	uint32_t *ready; /* heap of places */
	size_t ready_count;
};

static void ordering_done(struct ordering *o)
{
	free(o->by_name);
	free(o->edge_first);
	free(o->edges);
	free(o->waits);
	free(o->place);
	free(o->ready);
}

static int by_node_name(const void *a, const void *b, void *ctx)
{
	const struct link_node *nodes = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int r = strcmp(nodes[x].name, nodes[y].name);

	return r ? r : (x > y) - (x < y);
}

/* A MatchSpec begins with the name, but for a channel, which ends with ':'. */
static size_t name_of_depend(const char *depend, const char **ret)
{
	size_t head = strcspn(depend, " \t<>=!~[");
	const char *colon = NULL;

	for (size_t i = 0; i < head; i++)
		if (depend[i] == ':')
			colon = depend + i;
	*ret = colon ? colon + 1 : depend;
	*ret += strspn(*ret, " \t");
	return strcspn(*ret, " \t<>=!~[");
}

static uint32_t find_node(const struct ordering *o, const char *name, size_t len)
{
	size_t lo = 0, hi = o->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const char *at = o->nodes[o->by_name[mid]].name;
		int r = strncmp(at, name, len);

		if (r == 0 && at[len])
			r = 1;
		if (r == 0)
			return o->by_name[mid];
		if (r < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return UINT32_MAX;
}

/* Calls for each distinct pair (node, what it waits for); fill NULL: counts only. */
static void each_edge(struct ordering *o, uint32_t *seen, uint32_t *fill)
{
	for (uint32_t i = 0; i < o->count; i++) {
		for (size_t d = 0; d < o->nodes[i].depend_count; d++) {
			const char *name;
			size_t len = name_of_depend(o->nodes[i].depends[d], &name);
			uint32_t on = find_node(o, name, len);

			if (on == UINT32_MAX || on == i || seen[on] == i + 1)
				continue;
			seen[on] = i + 1;
			if (fill) {
				o->edges[fill[on]++] = i;
				o->waits[i]++;
			} else {
				o->edge_first[on + 1]++;
			}
		}
	}
}

static int find_edges(struct ordering *o, struct err *e)
{
	AUTO_MEM uint32_t *seen = calloc(o->count + 1, sizeof(*seen));
	AUTO_MEM uint32_t *fill = NULL;

	if (!seen)
		return err_nomem(e);
	each_edge(o, seen, NULL);
	for (size_t i = 0; i < o->count; i++)
		o->edge_first[i + 1] += o->edge_first[i];
	fill = malloc((o->count + 1) * sizeof(*fill));
	o->edges = malloc(((size_t)o->edge_first[o->count] + 1) * sizeof(*o->edges));
	if (!fill || !o->edges)
		return err_nomem(e);
	memcpy(fill, o->edge_first, (o->count + 1) * sizeof(*fill));
	memset(seen, 0, (o->count + 1) * sizeof(*seen));
	each_edge(o, seen, fill);
	return 0;
}

/* Nodes that wait for nothing, by their place in by_name: a heap, the first on top. */
static void heap_push(struct ordering *o, uint32_t place)
{
	size_t i = o->ready_count++;

	while (i && o->ready[(i - 1) / 2] > place) {
		o->ready[i] = o->ready[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	o->ready[i] = place;
}

static uint32_t heap_pop(struct ordering *o)
{
	uint32_t top = o->ready[0], last = o->ready[--o->ready_count];
	size_t i = 0, child;

	for (child = 1; child < o->ready_count; i = child, child = 2 * i + 1) {
		if (child + 1 < o->ready_count && o->ready[child + 1] < o->ready[child])
			child++;
		if (o->ready[child] >= last)
			break;
		o->ready[i] = o->ready[child];
	}
	o->ready[i] = last;
	return top;
}

/* All that are left wait for each other: the one that waits for the least. */
static uint32_t break_cycle(const struct ordering *o)
{
	uint32_t best = UINT32_MAX;

	for (uint32_t i = 0; i < o->count; i++) {
		uint32_t waits = o->waits[o->by_name[i]];

		if (waits != UINT32_MAX &&
		    (best == UINT32_MAX || waits < o->waits[o->by_name[best]]))
			best = i;
	}
	return best;
}

int link_order(const struct link_node *nodes, size_t count, uint32_t *order, struct err *e)
{
	__attribute__((cleanup(ordering_done))) struct ordering o = { .nodes = nodes,
								      .count = count };
	int r;

	if (count >= UINT32_MAX)
		return err_set(e, -EFBIG, "there are too many packages to put in order");
	o.by_name = malloc((count + 1) * sizeof(*o.by_name));
	o.edge_first = calloc(count + 2, sizeof(*o.edge_first));
	o.waits = calloc(count + 1, sizeof(*o.waits));
	o.place = malloc((count + 1) * sizeof(*o.place));
	o.ready = malloc((count + 1) * sizeof(*o.ready));
	if (!o.by_name || !o.edge_first || !o.waits || !o.place || !o.ready)
		return err_nomem(e);
	for (uint32_t i = 0; i < count; i++)
		o.by_name[i] = i;
	if (count)
		qsort_r(o.by_name, count, sizeof(*o.by_name), by_node_name, (void *)nodes);
	r = find_edges(&o, e);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < count; i++) {
		o.place[o.by_name[i]] = i;
		if (o.waits[o.by_name[i]] == 0)
			heap_push(&o, i);
	}
	for (size_t i = 0; i < count; i++) {
		uint32_t n = o.by_name[o.ready_count ? heap_pop(&o) : break_cycle(&o)];

		order[i] = n;
		o.waits[n] = UINT32_MAX;
		for (uint32_t k = o.edge_first[n]; k < o.edge_first[n + 1]; k++) {
			uint32_t on = o.edges[k];

			if (o.waits[on] != UINT32_MAX && --o.waits[on] == 0)
				heap_push(&o, o.place[on]);
		}
	}
	return 0;
}
