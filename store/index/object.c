/* SPDX-License-Identifier: Apache-2.0 */
#include "index/db.h"

#include "base/le.h"

#include <errno.h>
#include <string.h>

#define OBJECT_ROW_BYTES (DIGEST_BYTES + 4 * 8)

static uint64_t object_sum(const struct digest *digest, const struct index_place *p)
{
	uint8_t row[OBJECT_ROW_BYTES];

	memcpy(row, digest->bytes, DIGEST_BYTES);
	le64_put(row + DIGEST_BYTES, p->pack);
	le64_put(row + DIGEST_BYTES + 8, p->offset);
	le64_put(row + DIGEST_BYTES + 16, p->stored);
	le64_put(row + DIGEST_BYTES + 24, p->size);
	return xxh64(row, sizeof(row));
}

static int object_of_row(struct index *ix, sqlite3_stmt *s, struct digest *ret_digest,
			 struct index_place *ret, struct err *e)
{
	bool good = db_column_bytes(s, 0, ret_digest->bytes, DIGEST_BYTES);

	*ret = (struct index_place){ .pack = (uint64_t)sqlite3_column_int64(s, 1),
				     .offset = (uint64_t)sqlite3_column_int64(s, 2),
				     .stored = (uint64_t)sqlite3_column_int64(s, 3),
				     .size = (uint64_t)sqlite3_column_int64(s, 4) };
	if (!good || object_sum(ret_digest, ret) != (uint64_t)sqlite3_column_int64(s, 5))
		return db_damaged(ix, "the row of an object", e);
	return 0;
}

struct object_arg {
	const struct digest *digest;
	const struct index_place *put;
	struct index_place *ret;
};

static int op_object_get(struct index *ix, void *arg, struct err *e)
{
	const struct object_arg *a = arg;
	AUTO_QUERY s = db_query(ix, Q_OBJECT_GET);
	struct digest digest;
	int r = db_bound(db_bind_bytes(s, 1, a->digest->bytes, DIGEST_BYTES, false), e);

	if (r == 0)
		r = db_step(ix, s, e);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	return object_of_row(ix, s, &digest, a->ret, e);
}

int index_object_get(struct index *ix, const struct digest *digest, struct index_place *ret,
		     struct err *e)
{
	struct object_arg a = { .digest = digest, .ret = ret };

	return index_run(ix, op_object_get, false, &a, e);
}

static int op_object_put(struct index *ix, void *arg, struct err *e)
{
	const struct object_arg *a = arg;
	const struct index_place *p = a->put;
	AUTO_QUERY s = db_query(ix, Q_OBJECT_PUT);
	int r = db_bound(db_bind_bytes(s, 1, a->digest->bytes, DIGEST_BYTES, false) ||
				 sqlite3_bind_int64(s, 2, (sqlite3_int64)p->pack) ||
				 sqlite3_bind_int64(s, 3, (sqlite3_int64)p->offset) ||
				 sqlite3_bind_int64(s, 4, (sqlite3_int64)p->stored) ||
				 sqlite3_bind_int64(s, 5, (sqlite3_int64)p->size) ||
				 sqlite3_bind_int64(s, 6, (sqlite3_int64)object_sum(a->digest, p)),
			 e);

	return r < 0 ? r : db_step(ix, s, e);
}

int index_object_put(struct index *ix, const struct digest *digest, const struct index_place *place,
		     struct err *e)
{
	struct object_arg a = { .digest = digest, .put = place };

	if (place->pack > NUMBER_MAX || place->offset > NUMBER_MAX || place->stored > NUMBER_MAX ||
	    place->size > NUMBER_MAX)
		return err_set(e, -EINVAL, "an object in a place that cannot be");
	return index_run(ix, op_object_put, true, &a, e);
}

struct each_object {
	int (*fn)(void *ctx, const struct digest *digest, const struct index_place *place);
	void *ctx;
};

static int op_each_object(struct index *ix, void *arg, struct err *e)
{
	const struct each_object *each = arg;
	AUTO_QUERY s = db_query(ix, Q_OBJECT_EACH);
	int r;

	while ((r = db_step(ix, s, e)) == 1) {
		struct index_place place;
		struct digest digest;

		r = object_of_row(ix, s, &digest, &place, e);
		if (r == 0)
			r = each->fn(each->ctx, &digest, &place);
		if (r != 0)
			break;
	}
	return r;
}

int index_each_object(struct index *ix,
		      int (*fn)(void *ctx, const struct digest *digest,
				const struct index_place *place),
		      void *ctx, struct err *e)
{
	struct each_object each = { fn, ctx };

	return index_try(ix, op_each_object, false, &each, e);
}
