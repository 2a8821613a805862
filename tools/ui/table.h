/* SPDX-License-Identifier: Apache-2.0 */
/* table: rows of texts, printed in columns as wide as their longest. */
#ifndef ENVFS_UI_TABLE_H
#define ENVFS_UI_TABLE_H

#include "base/buf.h"

#include <stddef.h>

#define TABLE_COLUMNS 4

struct table {
	const char *(*rows)[TABLE_COLUMNS]; /* owned; the texts are borrowed */
	size_t count, cap;
};

void table_done(struct table *t);
/* NULL ends the texts early. */
void table_add(struct table *t, const char *a, const char *b, const char *c, const char *d);
/* Each line begins with indent. */
void table_print(const struct table *t, const char *indent, struct buf *ret);

#endif
