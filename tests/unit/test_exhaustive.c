/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exhaustive: small random universes, in which every choice of packages can be tried.
 * The solver has to agree on whether there is an answer, give one that holds, and give
 * the requests, by name, the best that any answer has. Both when all candidates take
 * part from the start and when they are opened lazily.
 */
#include "small_universe.h"

#define UNIVERSES    2000
#define NAMES	     6
#define VERSIONS_MAX 4
#define EDGES_MAX    3

/* A name's versions from low to high, 1 is the oldest. */
struct edge {
	int name, low, high;
	bool limit;
};

struct tiny {
	int number, versions[NAMES];
	struct edge edges[NAMES][VERSIONS_MAX + 1][EDGES_MAX];
	int edge_count[NAMES][VERSIONS_MAX + 1];
	struct edge requests[NAMES];
	int request_count;
};

/* xorshift: the same universes on every run. */
static unsigned next_random(uint64_t *state, unsigned below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (unsigned)(*state >> 33) % below;
}

static struct edge random_edge(uint64_t *state, const struct tiny *t, int name)
{
	struct edge e = { .name = name, .low = 1, .high = t->versions[name] };

	switch (next_random(state, 4)) {
	case 0:
		e.low = 1 + (int)next_random(state, (unsigned)e.high);
		break;
	case 1:
		e.high = 1 + (int)next_random(state, (unsigned)e.high);
		break;
	case 2:
		e.low = e.high = 1 + (int)next_random(state, (unsigned)e.high);
		break;
	default:
		break;
	}
	return e;
}

static void make_tiny(struct tiny *t, int number, uint64_t *state)
{
	*t = (struct tiny){ .number = number };
	for (int n = 0; n < NAMES; n++)
		t->versions[n] = 1 + (int)next_random(state, VERSIONS_MAX);
	for (int n = 0; n < NAMES; n++)
		for (int v = 1; v <= t->versions[n]; v++)
			for (unsigned i = next_random(state, EDGES_MAX + 1); i > 0; i--) {
				int other = (int)next_random(state, NAMES);
				if (other == n)
					continue;
				struct edge e = random_edge(state, t, other);

				e.limit = next_random(state, 4) == 0;
				t->edges[n][v][t->edge_count[n][v]++] = e;
			}
	for (int n = 0; n < NAMES; n++)
		if (next_random(state, 2) || n == 0)
			t->requests[t->request_count++] = random_edge(state, t, n);
}

/* "c17 >=2": names of different universes differ. */
static void add_spec(struct buf *b, const struct tiny *t, const struct edge *e)
{
	buf_addf(b, "%c%d", 'a' + e->name, t->number);
	if (e->low == e->high)
		buf_addf(b, " %d", e->low);
	else if (e->low > 1)
		buf_addf(b, " >=%d", e->low);
	else if (e->high < t->versions[e->name])
		buf_addf(b, " <%d", e->high + 1);
}

static void add_records(struct buf *b, const struct tiny *t)
{
	for (int n = 0; n < NAMES; n++)
		for (int v = 1; v <= t->versions[n]; v++) {
			buf_addf(b, "%c%d %d 0", 'a' + n, t->number, v);
			for (int limits = 0; limits < 2; limits++) {
				const char *sep = limits ? " ~ " : " : ";

				for (int i = 0; i < t->edge_count[n][v]; i++) {
					const struct edge *e = &t->edges[n][v][i];

					if (e->limit != limits)
						continue;
					buf_adds(b, sep);
					add_spec(b, t, e);
					sep = ", ";
				}
			}
			buf_addc(b, '\n');
		}
}

static bool edge_holds(const struct edge *e, const int *choice)
{
	int v = choice[e->name];

	return v ? v >= e->low && v <= e->high : e->limit;
}

static bool choice_holds(const struct tiny *t, const int *choice)
{
	for (int i = 0; i < t->request_count; i++)
		if (!edge_holds(&t->requests[i], choice))
			return false;
	for (int n = 0; n < NAMES; n++)
		for (int i = 0; choice[n] && i < t->edge_count[n][choice[n]]; i++)
			if (!edge_holds(&t->edges[n][choice[n]][i], choice))
				return false;
	return true;
}

static int compare_requests(const struct tiny *t, const int *a, const int *b)
{
	for (int i = 0; i < t->request_count; i++)
		if (a[t->requests[i].name] != b[t->requests[i].name])
			return a[t->requests[i].name] - b[t->requests[i].name];
	return 0;
}

/* Tries everything; false: there is no answer. */
static bool best_choice(const struct tiny *t, int *best)
{
	int choice[NAMES] = { 0 }, n = 0;
	bool found = false;

	while (n < NAMES) {
		if (choice_holds(t, choice) && (!found || compare_requests(t, choice, best) > 0)) {
			memcpy(best, choice, sizeof(choice));
			found = true;
		}
		for (n = 0; n < NAMES && choice[n] == t->versions[n]; n++)
			choice[n] = 0;
		if (n < NAMES)
			choice[n]++;
	}
	return found;
}

static void read_answer(const struct small *u, const struct solution *s, int *choice)
{
	struct record rec;

	memset(choice, 0, NAMES * sizeof(*choice));
	for (size_t i = 0; i < s->count; i++) {
		repodata_record(u->repodata[0], s->list[i].record, &rec);
		CHECK(choice[rec.name[0] - 'a'] == 0);
		choice[rec.name[0] - 'a'] = atoi(rec.version);
	}
}

static bool run(struct small *u, const struct tiny *t, uint32_t open_max)
{
	AUTO(solution_freep) struct solution *s = NULL;
	AUTO_BUF request = BUF(4 * KIB), why = BUF(MIB);
	int best[NAMES], got[NAMES];
	struct err e = { 0 };
	bool possible = best_choice(t, best);

	for (int i = 0; i < t->request_count; i++) {
		buf_adds(&request, i ? "; install " : "install ");
		add_spec(&request, t, &t->requests[i]);
	}
	u->rq = (struct solve_request){ .open_max = open_max };
	small_request(u, request.bytes, PRIORITY_FLEXIBLE);
	test_case = request.bytes;
	int r = solve(&s, &u->rq, &why, &e);
	CHECK(r == (possible ? 0 : -EDOM));
	CHECK(possible || why.len);
	if (r == 0) {
		read_answer(u, s, got);
		CHECK(choice_holds(t, got));
		CHECK(compare_requests(t, got, best) == 0);
	}
	free(u->job_text);
	u->job_text = NULL;
	test_case = "";
	return possible;
}

int main(void)
{
	struct small *u = malloc(sizeof(*u));
	struct tiny *tiny = calloc(UNIVERSES, sizeof(*tiny));
	AUTO_BUF channel = BUF(16 * MIB);
	uint64_t state = 7;
	int possible = 0;

	small_open(u);
	for (int i = 0; i < UNIVERSES; i++) {
		make_tiny(&tiny[i], i, &state);
		add_records(&channel, &tiny[i]);
	}
	small_channel(u, channel.bytes);
	for (int i = 0; i < UNIVERSES; i++) {
		possible += run(u, &tiny[i], 0);
		(void)run(u, &tiny[i], 1);
	}
	/* Universes that all have an answer, or none, would tell little. */
	CHECK(possible > UNIVERSES / 5 && possible < UNIVERSES * 4 / 5);
	small_done(u);
	free(tiny);
	free(u);
	return test_end();
}
