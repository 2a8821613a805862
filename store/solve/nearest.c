/* SPDX-License-Identifier: Apache-2.0 */
/* The part of solve that guesses what a misspelt name was to be. */
#include "solve/solve.h"

#include "base/limits.h"

#include <string.h>

/* Names further away than this (or than half of the name) are no guess. */
#define DISTANCE_MAX 3

struct guess {
	const char *name;
	unsigned int distance;
};

/* Edits (insert, drop, replace, swap of neighbours), or more than max. */
static unsigned int edit_distance(const char *a, const char *b, unsigned int max)
{
	unsigned int rows[3][PACKAGE_NAME_MAX + 2], *before = rows[0], *last = rows[1],
						    *now = rows[2];
	size_t n = strlen(a), m = strlen(b);

	if (n > PACKAGE_NAME_MAX || m > PACKAGE_NAME_MAX || (n > m ? n - m : m - n) > max)
		return max + 1;
	memset(before, 0, sizeof(rows[0]));
	for (size_t j = 0; j <= m; j++)
		last[j] = (unsigned int)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned int least = now[0] = (unsigned int)i;

		for (size_t j = 1; j <= m; j++) {
			unsigned int best = last[j - 1] + (a[i - 1] != b[j - 1]);

			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
			if (best < least)
				least = best;
		}
		if (least > max)
			return max + 1;
		unsigned int *free_row = before;
		before = last;
		last = now;
		now = free_row;
	}
	return last[m];
}

/* "python-foo" and "foo" are near, however long the difference. */
static bool is_part(const char *name, const char *want)
{
	size_t n = strlen(name), m = strlen(want);

	if (m < 3 || n <= m)
		return false;
	return (strncmp(name, want, m) == 0 && strchr("-_", name[m])) ||
	       (strcmp(name + n - m, want) == 0 && strchr("-_", name[n - m - 1]));
}

static bool closer(const struct guess *a, const struct guess *b)
{
	return a->distance != b->distance ? a->distance < b->distance
					  : strcmp(a->name, b->name) < 0;
}

static size_t insert_guess(struct guess *list, size_t count, size_t max, struct guess g)
{
	size_t at = count;

	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].name, g.name) == 0)
			return count;
	while (at && closer(&g, &list[at - 1]))
		at--;
	if (at >= max)
		return count;
	if (count == max)
		count--;
	memmove(list + at + 1, list + at, (count - at) * sizeof(*list));
	list[at] = g;
	return count + 1;
}

size_t nearest_names(const struct solve_source *sources, size_t count, const char *name,
		     const char **ret, size_t max)
{
	struct guess list[16];
	size_t found = 0, len = strlen(name);
	unsigned int limit = len / 2 < DISTANCE_MAX ? (unsigned int)(len + 1) / 2 : DISTANCE_MAX;

	if (max > ARRAY_LEN(list))
		max = ARRAY_LEN(list);
	for (size_t s = 0; s < count && max; s++) {
		uint32_t names = repodata_name_count(sources[s].repodata);

		for (uint32_t i = 0; i < names; i++) {
			const char *other = repodata_name(sources[s].repodata, i);
			struct guess g = { other, edit_distance(name, other, limit) };

			if (g.distance > limit && !is_part(other, name))
				continue;
			found = insert_guess(list, found, max, g);
		}
	}
	for (size_t i = 0; i < found; i++)
		ret[i] = list[i].name;
	return found;
}
