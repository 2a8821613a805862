/* SPDX-License-Identifier: Apache-2.0 */
#include "index/db.h"

#include "base/limits.h"
#include "base/sys.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define LOCK_NAME      "index"
#define FILE_NAME      "index.db"
#define NEW_NAME       "index.new" /* while it is made */
#define APPLICATION_ID 0x656e7666
#define SCHEMA_VERSION 1
#define BUSY_MS	       10000

static const char schema[] =
	"CREATE TABLE counter (which INTEGER PRIMARY KEY, next INTEGER NOT NULL,"
	" sum INTEGER NOT NULL);"
	"CREATE TABLE artifact (package INTEGER PRIMARY KEY, sha256 BLOB UNIQUE, md5 BLOB,"
	" size INTEGER NOT NULL, sum INTEGER NOT NULL);"
	"CREATE INDEX artifact_md5 ON artifact (md5) WHERE md5 IS NOT NULL;"
	"CREATE TABLE object (digest BLOB PRIMARY KEY, pack INTEGER NOT NULL,"
	" offset INTEGER NOT NULL, stored INTEGER NOT NULL, size INTEGER NOT NULL,"
	" sum INTEGER NOT NULL) WITHOUT ROWID;";

static const char *const queries[QUERIES] = {
	[Q_BEGIN] = "BEGIN",
	[Q_BEGIN_WRITE] = "BEGIN IMMEDIATE",
	[Q_COMMIT] = "COMMIT",
	[Q_ROLLBACK] = "ROLLBACK",
	[Q_COUNTER_GET] = "SELECT next, sum FROM counter WHERE which = ?1",
	[Q_COUNTER_PUT] = "INSERT INTO counter VALUES (?1, ?2, ?3)"
			  " ON CONFLICT (which) DO UPDATE SET next = ?2, sum = ?3",
	[Q_ARTIFACT_PUT] = "INSERT INTO artifact VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (package)"
			   " DO UPDATE SET sha256 = ?2, md5 = ?3, size = ?4, sum = ?5",
	[Q_ARTIFACT_BY_SHA256] =
		"SELECT package, sha256, md5, size, sum FROM artifact WHERE sha256 = ?1",
	[Q_ARTIFACT_BY_MD5] = "SELECT package, sha256, md5, size, sum FROM artifact"
			      " WHERE md5 = ?1 ORDER BY package",
	[Q_ARTIFACT_BY_NUMBER] =
		"SELECT package, sha256, md5, size, sum FROM artifact WHERE package = ?1",
	[Q_ARTIFACT_EACH] = "SELECT package, sha256, md5, size, sum FROM artifact ORDER BY package",
	[Q_OBJECT_PUT] = "INSERT INTO object VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
			 " ON CONFLICT (digest) DO NOTHING",
	[Q_OBJECT_GET] = "SELECT digest, pack, offset, stored, size, sum FROM object"
			 " WHERE digest = ?1",
	[Q_OBJECT_EACH] = "SELECT digest, pack, offset, stored, size, sum FROM object"
			  " ORDER BY digest",
	[Q_ARTIFACT_COUNT] = "SELECT count(*) FROM artifact",
	[Q_OBJECT_COUNT] = "SELECT count(*), total(size), total(stored) FROM object",
};

static int code_of(int rc)
{
	/* A file that ends where its pages are said to be; a real failure to read is another. */
	if (rc == SQLITE_IOERR_SHORT_READ)
		return -EBADMSG;
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		return -EACCES;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
	case SQLITE_ERROR: /* our statements are right: the schema is not */
	case SQLITE_MISMATCH:
		return -EBADMSG;
	default:
		return -EIO;
	}
}

static int fail(struct index *ix, int rc, const char *what, struct err *e)
{
	int code = code_of(rc);
	int why = ix->db && (code == -EIO || code == -EACCES) ? sqlite3_system_errno(ix->db) : 0;

	if (code == -EIO && (why == ENOSPC || why == EDQUOT || why == EROFS || why == EMFILE))
		code = -why;
	/* The WAL could not be made, and a second try for reading has hidden the reason. */
	if ((rc & 0xff) == SQLITE_CANTOPEN && sys_is_full(ix->st->dir)) {
		code = -ENOSPC;
		why = ENOSPC;
	}
	if (code == -EBADMSG)
		ix->broken = true;
	return err_set(e, code, "index '%s/" FILE_NAME "': %s: %s%s%s", ix->st->path, what,
		       ix->db ? sqlite3_errmsg(ix->db) : sqlite3_errstr(rc), why ? ": " : "",
		       why ? strerror(why) : "");
}

int db_damaged(struct index *ix, const char *what, struct err *e)
{
	ix->broken = true;
	return err_set(e, -EBADMSG, "index '%s/" FILE_NAME "': %s is damaged", ix->st->path, what);
}

static int run(struct index *ix, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(ix->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : fail(ix, rc, "setting up", e);
}

/* A number that SQL gives. */
static int ask(struct index *ix, const char *sql, sqlite3_int64 *ret, struct err *e)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(ix->db, sql, -1, &s, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_step(s);
	*ret = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
	(void)sqlite3_finalize(s);
	return rc == SQLITE_ROW ? 0 : fail(ix, rc == SQLITE_DONE ? SQLITE_CORRUPT : rc, sql, e);
}

static int count_pages(void *ctx, sqlite3 *db, const char *name, int pages)
{
	struct index *ix = ctx;

	(void)db;
	(void)name;
	ix->wal_pages = pages;
	return SQLITE_OK;
}

void db_close(struct index *ix)
{
	for (size_t i = 0; i < QUERIES; i++) {
		(void)sqlite3_finalize(ix->queries[i]);
		ix->queries[i] = NULL;
	}
	if (ix->db) {
		int rc = sqlite3_close(ix->db);

		assert(rc == SQLITE_OK);
		(void)rc;
	}
	ix->db = NULL;
}

static int connect(struct index *ix, const char *name, int flags, struct err *e)
{
	char path[PATH_MAX + 16];
	int rc;

	db_hook_faults();
	(void)snprintf(path, sizeof(path), "%s/%s", ix->st->path, name);
	rc = sqlite3_open_v2(path, &ix->db, flags | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_NOFOLLOW,
			     NULL);
	if (rc != SQLITE_OK)
		return fail(ix, rc, "open", e);
	(void)sqlite3_extended_result_codes(ix->db, 1);
	(void)sqlite3_busy_timeout(ix->db, BUSY_MS);
	/* Checkpoints only under the writers' lock: docs/formats/index.md. */
	(void)sqlite3_db_config(ix->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_db_config(ix->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_wal_hook(ix->db, count_pages, ix);
	return run(ix, "PRAGMA cache_size = -2048; PRAGMA mmap_size = 0; PRAGMA trusted_schema = 0",
		   e);
}

static int prepare(struct index *ix, struct err *e)
{
	for (size_t i = 0; i < QUERIES; i++) {
		int rc = sqlite3_prepare_v3(ix->db, queries[i], -1, SQLITE_PREPARE_PERSISTENT,
					    &ix->queries[i], NULL);

		if (rc != SQLITE_OK)
			return fail(ix, rc, "its schema", e);
	}
	return 0;
}

static int check_version(struct index *ix, struct err *e)
{
	sqlite3_int64 id, version;
	int r = ask(ix, "PRAGMA application_id", &id, e);

	if (r == 0)
		r = ask(ix, "PRAGMA user_version", &version, e);
	if (r < 0)
		return r;
	if (id != APPLICATION_ID || version != SCHEMA_VERSION)
		return db_damaged(ix, "its version number", e);
	return 0;
}

static int remember_file(struct index *ix, struct err *e)
{
	struct stat sb;
	int r = sys_fstatat(ix->st->dir, FILE_NAME, &sb, AT_SYMLINK_NOFOLLOW);

	if (r < 0)
		return err_set(e, r, "index '%s/" FILE_NAME "': %s", ix->st->path, strerror(-r));
	ix->dev = sb.st_dev;
	ix->ino = sb.st_ino;
	return 0;
}

static int check_counters(struct index *ix, struct err *e)
{
	for (int c = 0; c < COUNTERS; c++) {
		uint64_t next;
		int r = counter_get(ix, (enum index_counter)c, &next, e);

		if (r == 0)
			r = counter_check(ix, (enum index_counter)c, next, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int db_open(struct index *ix, struct err *e)
{
	struct stat sb;
	int r = sys_fstatat(ix->st->dir, FILE_NAME, &sb, AT_SYMLINK_NOFOLLOW);

	if (r < 0)
		return err_set(e, r, "index '%s/" FILE_NAME "': %s", ix->st->path, strerror(-r));
	if (!S_ISREG(sb.st_mode) || sb.st_size == 0)
		return db_damaged(ix, "the file", e);
	ix->broken = false;
	r = connect(ix, FILE_NAME, SQLITE_OPEN_READWRITE, e);
	if (r == 0)
		r = check_version(ix, e);
	if (r == 0)
		r = run(ix, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL", e);
	if (r == 0)
		r = prepare(ix, e);
	if (r == 0)
		r = check_counters(ix, e);
	if (r == 0)
		r = remember_file(ix, e);
	if (r < 0)
		db_close(ix);
	return r;
}

struct counters {
	uint64_t next[COUNTERS]; /* 0: not known */
	bool fresh;		 /* there was no index */
};

/* The old index's counters, as far as their rows hold. */
static void salvage(struct index *ix, struct counters *ret)
{
	sqlite3_stmt *s = NULL;

	if (connect(ix, FILE_NAME, SQLITE_OPEN_READWRITE, NULL) == 0 &&
	    check_version(ix, NULL) == 0 &&
	    sqlite3_prepare_v2(ix->db, "SELECT which, next, sum FROM counter", -1, &s, NULL) ==
		    SQLITE_OK)
		while (sqlite3_step(s) == SQLITE_ROW) {
			uint64_t which = (uint64_t)sqlite3_column_int64(s, 0);
			uint64_t n = (uint64_t)sqlite3_column_int64(s, 1);

			if (which < COUNTERS &&
			    counter_sum(which, n) == (uint64_t)sqlite3_column_int64(s, 2))
				ret->next[which] = n;
		}
	(void)sqlite3_finalize(s);
	db_close(ix);
}

/* A database and what SQLite keeps beside it. The database goes first: a WAL
 * without one is nothing, one beside a database that is not its own is trouble. */
static int remove_files(struct index *ix, const char *name, struct err *e)
{
	static const char *const ends[] = { "", "-wal", "-shm", "-journal" };

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		char file[32];
		int r;

		(void)snprintf(file, sizeof(file), "%s%s", name, ends[i]);
		r = sys_unlinkat(ix->st->dir, file, 0);
		if (r == -EISDIR || r == -EPERM)
			r = sys_unlinkat(ix->st->dir, file, AT_REMOVEDIR);
		if (r < 0 && r != -ENOENT)
			return err_set(e, r, "index: removal of '%s/%s': %s", ix->st->path, file,
				       strerror(-r));
	}
	return 0;
}

/* What the files say, what the old index said, and a gap where it is lost. */
static int raise_counters(struct index *ix, const struct counters *old, struct err *e)
{
	uint64_t now[COUNTERS] = { 0 };
	bool used = !old->fresh;
	int r = 0;

	for (int c = 0; r == 0 && c < COUNTERS; c++) {
		r = index_peek(ix, (enum index_counter)c, &now[c], e);
		used |= now[c] > 1;
	}
	for (int c = 0; r == 0 && c < COUNTERS; c++) {
		uint64_t next = old->next[c] ? old->next[c] : used ? now[c] + INDEX_GAP : 1;

		r = index_raise(ix, (enum index_counter)c, next, e);
	}
	return r;
}

static int fill(struct index *ix, const struct counters *old, struct err *e)
{
	char last[128];
	int r = run(ix,
		    "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = FULL;"
		    " PRAGMA cache_size = -32768",
		    e);

	if (r == 0)
		r = run(ix, schema, e);
	if (r == 0)
		r = prepare(ix, e);
	if (r == 0)
		r = run(ix, "BEGIN IMMEDIATE", e);
	if (r < 0)
		return r;
	ix->depth = 1;
	r = ix->rebuild(ix, ix->st, e);
	if (r == 0)
		r = raise_counters(ix, old, e);
	ix->depth = 0;
	if (r < 0)
		return r;
	(void)snprintf(last, sizeof(last),
		       "COMMIT; PRAGMA application_id = %d; PRAGMA user_version = %d",
		       APPLICATION_ID, SCHEMA_VERSION);
	return run(ix, last, e);
}

/* Filled and synced; a process that dies in here leaves none, never half of one. */
static int put_in_place(struct index *ix, struct err *e)
{
	int r = remove_files(ix, FILE_NAME, e);

	if (r < 0)
		return r;
	r = sys_renameat(ix->st->dir, NEW_NAME, ix->st->dir, FILE_NAME);
	if (r == 0)
		r = sys_fsync(ix->st->dir);
	return r < 0 ? err_set(e, r, "index '%s/" FILE_NAME "': rename: %s", ix->st->path,
			       strerror(-r))
		     : 0;
}

int db_rebuild(struct index *ix, struct err *e)
{
	struct counters old = { 0 };
	struct stat sb;
	int r;

	assert(ix->rebuild);
	assert(ix->depth == 0);
	db_close(ix);
	old.fresh = sys_fstatat(ix->st->dir, FILE_NAME, &sb, AT_SYMLINK_NOFOLLOW) == -ENOENT;
	if (!old.fresh)
		salvage(ix, &old);
	r = remove_files(ix, NEW_NAME, e);
	if (r == 0)
		r = connect(ix, NEW_NAME, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, e);
	if (r == 0) {
		ix->broken = false;
		r = fill(ix, &old, e);
	}
	db_close(ix);
	if (r == 0)
		r = put_in_place(ix, e);
	return r < 0 ? err_wrap(e, r, "making the index anew") : db_open(ix, e);
}

/* Another process may have made the index anew since this one opened it. */
static bool is_still_there(const struct index *ix)
{
	struct stat sb;

	return ix->db && sys_fstatat(ix->st->dir, FILE_NAME, &sb, AT_SYMLINK_NOFOLLOW) == 0 &&
	       sb.st_dev == ix->dev && sb.st_ino == ix->ino;
}

static int begin_locked(struct index *ix, struct err *e)
{
	sqlite3_stmt *s;
	int r = 0;

	if (!is_still_there(ix)) {
		db_close(ix);
		r = db_open(ix, e);
		if ((r == -EBADMSG || r == -ENOENT) && ix->rebuild)
			r = db_rebuild(ix, e);
	} else if (ix->broken && ix->rebuild) {
		r = db_rebuild(ix, e);
	}
	if (r < 0)
		return r;
	s = db_query(ix, Q_BEGIN_WRITE);
	r = db_step(ix, s, e);
	db_done(&s);
	return r;
}

int db_begin(struct index *ix, struct err *e)
{
	int r;

	if (ix->depth > 0) {
		ix->depth++;
		return 0;
	}
	r = store_lock(ix->st, LOCK_NAME, true, &ix->lock_fd, e);
	if (r < 0)
		return r;
	r = begin_locked(ix, e);
	if (r < 0)
		store_unlock(ix->st, LOCK_NAME, &ix->lock_fd);
	else
		ix->depth = 1;
	return r;
}

int db_end(struct index *ix, bool commit, struct err *e)
{
	sqlite3_stmt *s;
	int r;

	assert(ix->depth > 0);
	if (--ix->depth > 0)
		return 0;
	s = db_query(ix, commit && !ix->broken ? Q_COMMIT : Q_ROLLBACK);
	r = db_step(ix, s, e);
	db_done(&s);
	if (r == 0 && commit && ix->broken)
		r = db_damaged(ix, "something that the transaction needed", e);
	/* While the lock is here: the next one shall not meet it again. Where even that fails
	 * (a full disk), there is no connection until it goes better. */
	if (ix->broken && ix->rebuild) {
		int made = db_rebuild(ix, r == 0 ? e : NULL);

		ix->broken = made < 0;
		r = r < 0 ? r : made;
	}
	if (ix->db && !sqlite3_get_autocommit(ix->db)) /* a commit that failed leaves it open */
		(void)sqlite3_exec(ix->db, "ROLLBACK", NULL, NULL, NULL);
	if (r == 0 && ix->db && ix->wal_pages > INDEX_WAL_PAGES) {
		/* A reader may hold part of it back: then the next one comes further. */
		(void)sqlite3_wal_checkpoint_v2(ix->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
						NULL);
		ix->wal_pages = 0;
	}
	store_unlock(ix->st, LOCK_NAME, &ix->lock_fd);
	return r;
}

sqlite3_stmt *db_query(struct index *ix, enum db_query q)
{
	assert(ix->queries[q]);
	return ix->queries[q];
}

int db_step(struct index *ix, sqlite3_stmt *s, struct err *e)
{
	int rc = sqlite3_step(s);

	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : fail(ix, rc, sqlite3_sql(s), e);
}

int db_bound(int failed, struct err *e)
{
	return failed ? err_nomem(e) : 0;
}

int db_bind_bytes(sqlite3_stmt *s, int at, const uint8_t *bytes, size_t len, bool null)
{
	return null ? sqlite3_bind_null(s, at)
		    : sqlite3_bind_blob(s, at, bytes, (int)len, SQLITE_STATIC);
}

bool db_column_bytes(sqlite3_stmt *s, int column, uint8_t *to, size_t len)
{
	memset(to, 0, len);
	if (sqlite3_column_type(s, column) == SQLITE_NULL)
		return true;
	if (sqlite3_column_type(s, column) != SQLITE_BLOB ||
	    (size_t)sqlite3_column_bytes(s, column) != len)
		return false;
	memcpy(to, sqlite3_column_blob(s, column), len);
	return true;
}
