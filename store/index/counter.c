/* SPDX-License-Identifier: Apache-2.0 */
#include "index/db.h"

#include "base/le.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

uint64_t counter_sum(uint64_t which, uint64_t next)
{
	uint8_t row[16];

	le64_put(row, which);
	le64_put(row + 8, next);
	return xxh64(row, sizeof(row));
}

int counter_get(struct index *ix, enum index_counter which, uint64_t *ret, struct err *e)
{
	AUTO_QUERY s = db_query(ix, Q_COUNTER_GET);
	int r = db_bound(sqlite3_bind_int(s, 1, (int)which), e);

	if (r == 0)
		r = db_step(ix, s, e);
	if (r < 0)
		return r;
	*ret = r ? (uint64_t)sqlite3_column_int64(s, 0) : 1;
	if (r && (counter_sum(which, *ret) != (uint64_t)sqlite3_column_int64(s, 1) || *ret == 0 ||
		  *ret > NUMBER_MAX))
		return db_damaged(ix, "a counter", e);
	return 0;
}

static int counter_put(struct index *ix, enum index_counter which, uint64_t next, struct err *e)
{
	AUTO_QUERY s = db_query(ix, Q_COUNTER_PUT);
	int r = db_bound(sqlite3_bind_int(s, 1, (int)which) ||
				 sqlite3_bind_int64(s, 2, (sqlite3_int64)next) ||
				 sqlite3_bind_int64(s, 3, (sqlite3_int64)counter_sum(which, next)),
			 e);

	return r < 0 ? r : db_step(ix, s, e);
}

/*
 * Files are named after a number only once the index has given it for good. A
 * file with a number that is still to come means that the index has forgotten
 * something: a WAL that was cut reads as one that ends earlier.
 */
int counter_check(struct index *ix, enum index_counter which, uint64_t next, struct err *e)
{
	const struct store *st = ix->st;
	const int dirs[][3] = { [COUNTER_PACKAGE] = { st->packs, st->manifests, -1 },
				[COUNTER_GENERATION] = { st->gens, -1 } };
	char name[24];

	if (which > COUNTER_GENERATION)
		return 0;
	(void)snprintf(name, sizeof(name), "%llu", (unsigned long long)next);
	for (const int *dir = dirs[which]; *dir >= 0; dir++) {
		struct stat sb;

		if (sys_fstatat(*dir, name, &sb, AT_SYMLINK_NOFOLLOW) == 0)
			return db_damaged(ix, "a counter, which is behind the files: it", e);
	}
	return 0;
}

int op_take(struct index *ix, void *arg, struct err *e)
{
	struct counter_arg *a = arg;
	uint64_t next;
	int r = counter_get(ix, a->which, &a->ret, e);

	if (r == 0)
		r = counter_check(ix, a->which, a->ret, e);
	if (r < 0)
		return r;
	if (__builtin_add_overflow(a->ret, a->count, &next) || next > NUMBER_MAX)
		return err_set(e, -EOVERFLOW, "index: there are no %llu numbers left",
			       (unsigned long long)a->count);
	return counter_put(ix, a->which, next, e);
}

static int op_peek(struct index *ix, void *arg, struct err *e)
{
	struct counter_arg *a = arg;

	return counter_get(ix, a->which, &a->ret, e);
}

static int op_raise(struct index *ix, void *arg, struct err *e)
{
	struct counter_arg *a = arg;
	int r = counter_get(ix, a->which, &a->ret, e);

	if (r < 0 || a->ret >= a->raise_to)
		return r;
	if (a->raise_to > NUMBER_MAX)
		return err_set(e, -EOVERFLOW, "index: %llu is no number to go on from",
			       (unsigned long long)a->raise_to);
	return counter_put(ix, a->which, a->raise_to, e);
}

int index_take(struct index *ix, enum index_counter which, uint64_t count, uint64_t *ret,
	       struct err *e)
{
	struct counter_arg a = { .which = which, .count = count };
	int r = index_run(ix, op_take, true, &a, e);

	if (r == 0)
		*ret = a.ret;
	return r;
}

int index_peek(struct index *ix, enum index_counter which, uint64_t *ret, struct err *e)
{
	struct counter_arg a = { .which = which };
	int r = index_run(ix, op_peek, false, &a, e);

	if (r == 0)
		*ret = a.ret;
	return r;
}

int index_raise(struct index *ix, enum index_counter which, uint64_t next, struct err *e)
{
	struct counter_arg a = { .which = which, .raise_to = next };

	return index_run(ix, op_raise, true, &a, e);
}
