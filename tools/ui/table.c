/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/table.h"

#include "texts.h"

#include <stdlib.h>
#include <string.h>

void table_done(struct table *t)
{
	free(t->rows);
	*t = (struct table){ 0 };
}

void table_add(struct table *t, const char *a, const char *b, const char *c, const char *d)
{
	const char *row[TABLE_COLUMNS] = { a, b, c, d };

	if (t->count == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 64;
		t->rows = must_alloc(realloc(t->rows, t->cap * sizeof(*t->rows)));
	}
	memcpy(t->rows[t->count++], row, sizeof(row));
}

void table_print(const struct table *t, const char *indent, struct buf *ret)
{
	size_t widths[TABLE_COLUMNS] = { 0 };

	for (size_t i = 0; i < t->count; i++)
		for (size_t c = 0; c < TABLE_COLUMNS && t->rows[i][c]; c++)
			if (strlen(t->rows[i][c]) > widths[c])
				widths[c] = strlen(t->rows[i][c]);
	for (size_t i = 0; i < t->count; i++) {
		const char *const *row = t->rows[i];

		buf_adds(ret, indent);
		for (size_t c = 0; c < TABLE_COLUMNS && row[c]; c++) {
			bool last = c + 1 == TABLE_COLUMNS || !row[c + 1];

			/* Nothing trails a line. */
			if (last)
				buf_adds(ret, row[c]);
			else
				buf_addf(ret, "%-*s  ", (int)widths[c], row[c]);
		}
		buf_addc(ret, '\n');
	}
}
