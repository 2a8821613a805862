/* SPDX-License-Identifier: Apache-2.0 */
#include "index/db.h"

#include "base/le.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define ARTIFACT_ROW_BYTES (8 + DIGEST_BYTES + MD5_BYTES + 8)

static uint64_t artifact_sum(const struct index_artifact *a)
{
	uint8_t row[ARTIFACT_ROW_BYTES];

	le64_put(row, a->package);
	memcpy(row + 8, a->sha256.bytes, DIGEST_BYTES);
	memcpy(row + 8 + DIGEST_BYTES, a->md5.bytes, MD5_BYTES);
	le64_put(row + 8 + DIGEST_BYTES + MD5_BYTES, a->size);
	return xxh64(row, sizeof(row));
}

static int artifact_of_row(struct index *ix, sqlite3_stmt *s, struct index_artifact *ret,
			   struct err *e)
{
	ret->package = (uint64_t)sqlite3_column_int64(s, 0);
	ret->size = (uint64_t)sqlite3_column_int64(s, 3);
	if (!db_column_bytes(s, 1, ret->sha256.bytes, DIGEST_BYTES) ||
	    !db_column_bytes(s, 2, ret->md5.bytes, MD5_BYTES) ||
	    artifact_sum(ret) != (uint64_t)sqlite3_column_int64(s, 4))
		return db_damaged(ix, "the row of an artifact", e);
	return 0;
}

static int artifact_write(struct index *ix, const struct index_artifact *a, struct err *e)
{
	AUTO_QUERY s = db_query(ix, Q_ARTIFACT_PUT);
	int r = db_bound(
		sqlite3_bind_int64(s, 1, (sqlite3_int64)a->package) ||
			db_bind_bytes(s, 2, a->sha256.bytes, DIGEST_BYTES,
				      digest_is_zero(&a->sha256)) ||
			db_bind_bytes(s, 3, a->md5.bytes, MD5_BYTES, md5_is_zero(&a->md5)) ||
			sqlite3_bind_int64(s, 4, (sqlite3_int64)a->size) ||
			sqlite3_bind_int64(s, 5, (sqlite3_int64)artifact_sum(a)),
		e);

	return r < 0 ? r : db_step(ix, s, e);
}

struct artifact_key {
	enum db_query query;
	const struct digest *sha256;
	const struct md5 *md5;
	uint64_t package;
	struct index_artifact *ret;
};

static int op_artifact_get(struct index *ix, void *arg, struct err *e)
{
	const struct artifact_key *k = arg;
	AUTO_QUERY s = db_query(ix, k->query);
	int failed = k->sha256 ? db_bind_bytes(s, 1, k->sha256->bytes, DIGEST_BYTES, false)
		     : k->md5  ? db_bind_bytes(s, 1, k->md5->bytes, MD5_BYTES, false)
			       : sqlite3_bind_int64(s, 1, (sqlite3_int64)k->package);
	int r = db_bound(failed, e);

	if (r == 0)
		r = db_step(ix, s, e);
	if (r <= 0)
		return r < 0 ? r : -ENOENT;
	return artifact_of_row(ix, s, k->ret, e);
}

int index_artifact_by_md5(struct index *ix, const struct md5 *md5, struct index_artifact *ret,
			  struct err *e)
{
	struct artifact_key k = { .query = Q_ARTIFACT_BY_MD5, .md5 = md5, .ret = ret };

	return index_run(ix, op_artifact_get, false, &k, e);
}

int index_artifact_by_sha256(struct index *ix, const struct digest *sha256,
			     struct index_artifact *ret, struct err *e)
{
	struct artifact_key k = { .query = Q_ARTIFACT_BY_SHA256, .sha256 = sha256, .ret = ret };

	return index_run(ix, op_artifact_get, false, &k, e);
}

int index_artifact_by_number(struct index *ix, uint64_t package, struct index_artifact *ret,
			     struct err *e)
{
	struct artifact_key k = { .query = Q_ARTIFACT_BY_NUMBER, .package = package, .ret = ret };

	return index_run(ix, op_artifact_get, false, &k, e);
}

/* Fills in what is not known yet; true when that changed anything. */
static bool learn(struct index_artifact *known, const struct index_artifact *news)
{
	bool changed = false;

	if (digest_is_zero(&known->sha256) && !digest_is_zero(&news->sha256)) {
		known->sha256 = news->sha256;
		changed = true;
	}
	if (md5_is_zero(&known->md5) && !md5_is_zero(&news->md5)) {
		known->md5 = news->md5;
		changed = true;
	}
	if (known->size == 0 && news->size > 0) {
		known->size = news->size;
		changed = true;
	}
	return changed;
}

static int op_artifact_number(struct index *ix, void *arg, struct err *e)
{
	struct index_artifact *io = arg, known;
	struct artifact_key k = { .query = Q_ARTIFACT_BY_SHA256,
				  .sha256 = &io->sha256,
				  .ret = &known };
	struct counter_arg c = { .which = COUNTER_PACKAGE, .count = 1 };
	int r = op_artifact_get(ix, &k, e);

	if (r == -ENOENT) {
		r = op_take(ix, &c, e);
		if (r < 0)
			return r;
		io->package = c.ret;
		return artifact_write(ix, io, e);
	}
	if (r < 0)
		return r;
	r = learn(&known, io) ? artifact_write(ix, &known, e) : 0;
	if (r == 0)
		*io = known;
	return r;
}

int index_artifact_number(struct index *ix, struct index_artifact *io, struct err *e)
{
	struct index_artifact known;

	assert(!digest_is_zero(&io->sha256));
	if (io->size > NUMBER_MAX)
		return err_set(e, -EINVAL, "an artifact of %llu bytes",
			       (unsigned long long)io->size);
	/* Most are known, with nothing new to tell: no need to wait for writers. */
	if (index_artifact_by_sha256(ix, &io->sha256, &known, NULL) == 0 && !learn(&known, io)) {
		*io = known;
		return 0;
	}
	return index_run(ix, op_artifact_number, true, io, e);
}

static int op_artifact_put(struct index *ix, void *arg, struct err *e)
{
	const struct index_artifact *a = arg;
	struct index_artifact known = *a, other;
	struct artifact_key by_number = { .query = Q_ARTIFACT_BY_NUMBER,
					  .package = a->package,
					  .ret = &known };
	struct artifact_key by_sha256 = { .query = Q_ARTIFACT_BY_SHA256,
					  .sha256 = &a->sha256,
					  .ret = &other };
	int r = digest_is_zero(&a->sha256) ? -ENOENT : op_artifact_get(ix, &by_sha256, e);

	if (r == 0 && other.package != a->package)
		return err_set(e, -EEXIST, "artifact %s is package %llu and %llu",
			       DIGEST_HEX(&a->sha256), (unsigned long long)other.package,
			       (unsigned long long)a->package);
	if (r == 0 || r == -ENOENT)
		r = op_artifact_get(ix, &by_number, e);
	if (r == -ENOENT)
		return artifact_write(ix, a, e);
	return r == 0 && learn(&known, a) ? artifact_write(ix, &known, e) : r;
}

int index_artifact_put(struct index *ix, const struct index_artifact *a, struct err *e)
{
	if (a->package == 0 || a->package > NUMBER_MAX || a->size > NUMBER_MAX)
		return err_set(e, -EINVAL, "an artifact with number %llu and %llu bytes",
			       (unsigned long long)a->package, (unsigned long long)a->size);
	return index_run(ix, op_artifact_put, true, (void *)(uintptr_t)a, e);
}

struct each_artifact {
	int (*fn)(void *ctx, const struct index_artifact *a);
	void *ctx;
};

static int op_each_artifact(struct index *ix, void *arg, struct err *e)
{
	const struct each_artifact *each = arg;
	AUTO_QUERY s = db_query(ix, Q_ARTIFACT_EACH);
	int r;

	while ((r = db_step(ix, s, e)) == 1) {
		struct index_artifact a;

		r = artifact_of_row(ix, s, &a, e);
		if (r == 0)
			r = each->fn(each->ctx, &a);
		if (r != 0)
			break;
	}
	return r;
}

int index_each_artifact(struct index *ix, int (*fn)(void *ctx, const struct index_artifact *a),
			void *ctx, struct err *e)
{
	struct each_artifact each = { fn, ctx };

	return index_try(ix, op_each_artifact, false, &each, e);
}
