/* SPDX-License-Identifier: Apache-2.0 */
/*
 * db: the SQLite connection below index.c: opening and checking, transactions
 * under the writers' lock, cached statements, errors. For this room only.
 */
#ifndef ENVFS_INDEX_DB_H
#define ENVFS_INDEX_DB_H

#include "index/index.h"

#include <pthread.h>
#include <sqlite3.h>
#include <sys/types.h>

enum db_query {
	Q_BEGIN,
	Q_BEGIN_WRITE,
	Q_COMMIT,
	Q_ROLLBACK,
	Q_COUNTER_GET,
	Q_COUNTER_PUT,
	Q_ARTIFACT_PUT,
	Q_ARTIFACT_BY_SHA256,
	Q_ARTIFACT_BY_MD5,
	Q_ARTIFACT_BY_NUMBER,
	Q_ARTIFACT_EACH,
	Q_OBJECT_PUT,
	Q_OBJECT_GET,
	Q_OBJECT_EACH,
	Q_ARTIFACT_COUNT,
	Q_OBJECT_COUNT,
	QUERIES,
};

struct index {
	struct store *st;	   /* borrowed */
	index_rebuild_fn *rebuild; /* NULL: damage is reported, not repaired */
	pthread_mutex_t lock;	   /* recursive; protects all below; held through a transaction */
	sqlite3 *db;
	sqlite3_stmt *queries[QUERIES];
	dev_t dev; /* the file that is open */
	ino_t ino;
	int depth;   /* of index_begin, and of the calls inside; 0: no transaction */
	int lock_fd; /* the writers' lock, or -1 */
	int wal_pages;
	bool broken; /* damage was met: rebuild before anything else */
};

/* Opens index.db, which must hold: -ENOENT, or -EBADMSG when it does not. */
int db_open(struct index *ix, struct err *e) MUST_CHECK;
void db_close(struct index *ix);

/* Under the writers' lock: removes what is there and fills a new one. */
int db_rebuild(struct index *ix, struct err *e) MUST_CHECK;

/* A transaction that writes, under the writers' lock; nests. */
int db_begin(struct index *ix, struct err *e) MUST_CHECK;
int db_end(struct index *ix, bool commit, struct err *e) MUST_CHECK;

/* A cached statement, ready to be bound. Give it back with db_done(). */
sqlite3_stmt *db_query(struct index *ix, enum db_query q);
static inline void db_done(sqlite3_stmt **s)
{
	(void)sqlite3_reset(*s);
	(void)sqlite3_clear_bindings(*s);
}
#define AUTO_QUERY __attribute__((cleanup(db_done))) sqlite3_stmt *

/* 1 a row, 0 the end, or a negative errno with a sentence. */
int db_step(struct index *ix, sqlite3_stmt *s, struct err *e) MUST_CHECK;

/* What is in a row is not what was put there. Returns -EBADMSG. */
int db_damaged(struct index *ix, const char *what, struct err *e) MUST_CHECK;

/* Binding returns SQLite's codes, which are 0 or mean that memory ran out. */
int db_bound(int failed, struct err *e) MUST_CHECK;
int db_bind_bytes(sqlite3_stmt *s, int at, const uint8_t *bytes, size_t len, bool null);
/* A blob of exactly this length, or NULL as zeros; false when it is neither. */
bool db_column_bytes(sqlite3_stmt *s, int column, uint8_t *to, size_t len);

/* SQLite's integers are signed; numbers that would not fit are refused. */
#define NUMBER_MAX INT64_MAX

/* One call: what it asks, and whether that writes. index_run() makes a damaged
 * index anew and tries once more; index_try() does not. */
typedef int op_fn(struct index *ix, void *arg, struct err *e);
int index_try(struct index *ix, op_fn *op, bool writes, void *arg, struct err *e) MUST_CHECK;
int index_run(struct index *ix, op_fn *op, bool writes, void *arg, struct err *e) MUST_CHECK;

/* counter.c, for the others. */
struct counter_arg {
	enum index_counter which;
	uint64_t count, raise_to, ret;
};

uint64_t counter_sum(uint64_t which, uint64_t next);
int counter_get(struct index *ix, enum index_counter which, uint64_t *ret, struct err *e)
	MUST_CHECK;
int counter_check(struct index *ix, enum index_counter which, uint64_t next, struct err *e)
	MUST_CHECK;
int op_take(struct index *ix, void *arg, struct err *e) MUST_CHECK;

/* Puts SQLite's own system calls behind base/sys.h's fault hook, where that is on (fault.c). */
void db_hook_faults(void);

#endif
