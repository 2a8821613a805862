/* SPDX-License-Identifier: Apache-2.0 */
#include "index/index.h"

#include "index/db.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

int index_open(struct index **ret, struct store *st, index_rebuild_fn *rebuild, struct err *e)
{
	AUTO(index_freep) struct index *ix = calloc(1, sizeof(*ix));
	pthread_mutexattr_t attr;
	int r;

	if (!ix)
		return err_nomem(e);
	ix->st = st;
	ix->rebuild = rebuild;
	ix->lock_fd = -1;
	(void)pthread_mutexattr_init(&attr);
	(void)pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	(void)pthread_mutex_init(&ix->lock, &attr);
	(void)pthread_mutexattr_destroy(&attr);
	r = db_open(ix, e);
	if ((r == -ENOENT || r == -EBADMSG) && rebuild) {
		/* Looks again under the lock: another process may be making it. */
		r = db_begin(ix, e);
		if (r == 0)
			r = db_end(ix, false, e);
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(ix);
	return 0;
}

struct index *index_free(struct index *ix)
{
	if (!ix)
		return NULL;
	assert(ix->depth == 0);
	db_close(ix);
	(void)pthread_mutex_destroy(&ix->lock);
	free(ix);
	return NULL;
}

int index_rebuild(struct store *st, index_rebuild_fn *rebuild, struct err *e)
{
	AUTO(index_freep) struct index *ix = NULL;
	int r = index_open(&ix, st, rebuild, e), ended;

	if (r < 0)
		return r;
	ix->broken = true; /* whatever it holds */
	r = db_begin(ix, e);
	if (r < 0)
		return r;
	ended = db_end(ix, false, e);
	return ended;
}

static void leave(struct index *ix)
{
	(void)pthread_mutex_unlock(&ix->lock);
}

/* Takes the lock; outside a transaction, repairs first what is broken. */
static int enter(struct index *ix, struct err *e)
{
	int r = 0;

	(void)pthread_mutex_lock(&ix->lock);
	if (ix->depth == 0 && (!ix->db || (ix->broken && ix->rebuild))) {
		r = db_begin(ix, e);
		if (r == 0)
			r = db_end(ix, false, e);
		if (r < 0)
			leave(ix);
	}
	return r;
}

int index_begin(struct index *ix, struct err *e)
{
	int r = enter(ix, e);

	if (r < 0)
		return r;
	assert(ix->depth == 0);
	r = db_begin(ix, e);
	if (r < 0)
		leave(ix);
	return r; /* index_end() leaves */
}

int index_end(struct index *ix, bool commit, struct err *e)
{
	int r;

	assert(ix->depth == 1);
	r = db_end(ix, commit, e);
	leave(ix);
	return r;
}

int index_try(struct index *ix, op_fn *op, bool writes, void *arg, struct err *e)
{
	int r = enter(ix, e), ended;

	if (r < 0)
		return r;
	if (writes)
		r = db_begin(ix, e);
	if (r == 0) {
		r = op(ix, arg, e);
		if (writes) {
			ended = db_end(ix, r >= 0, r >= 0 ? e : NULL);
			r = r >= 0 && ended < 0 ? ended : r;
		}
	}
	leave(ix);
	return r;
}

int index_run(struct index *ix, op_fn *op, bool writes, void *arg, struct err *e)
{
	int r = index_try(ix, op, writes, arg, e);
	bool again = false;

	if (r == -EBADMSG && ix->rebuild) {
		(void)pthread_mutex_lock(&ix->lock);
		again = ix->depth == 0; /* a transaction cannot be gone through again here */
		leave(ix);
	}
	return again ? index_try(ix, op, writes, arg, e) : r;
}

static int op_counts(struct index *ix, void *arg, struct err *e)
{
	struct index_counts *ret = arg;
	AUTO_QUERY artifacts = db_query(ix, Q_ARTIFACT_COUNT);
	AUTO_QUERY objects = db_query(ix, Q_OBJECT_COUNT);
	int r = db_step(ix, artifacts, e);

	if (r == 1)
		r = db_step(ix, objects, e);
	if (r < 0)
		return r;
	*ret = (struct index_counts){
		.artifacts = (uint64_t)sqlite3_column_int64(artifacts, 0),
		.objects = (uint64_t)sqlite3_column_int64(objects, 0),
		.object_bytes = (uint64_t)sqlite3_column_double(objects, 1),
		.stored_bytes = (uint64_t)sqlite3_column_double(objects, 2),
	};
	return 0;
}

int index_counts(struct index *ix, struct index_counts *ret, struct err *e)
{
	return index_run(ix, op_counts, false, ret, e);
}

static int op_check(struct index *ix, void *arg, struct err *e)
{
	sqlite3_stmt *s = NULL;
	const char *said;
	int r = 0, rc = sqlite3_prepare_v2(ix->db, "PRAGMA integrity_check(1)", -1, &s, NULL);

	(void)arg;
	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : NULL;
	if (!said || strcmp(said, "ok") != 0)
		r = err_set(e, -EBADMSG, "index '%s/index.db': %s", ix->st->path,
			    said ? said : sqlite3_errmsg(ix->db));
	(void)sqlite3_finalize(s);
	return r;
}

int index_check(struct index *ix, struct err *e)
{
	return index_try(ix, op_check, false, NULL, e);
}
