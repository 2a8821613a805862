/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supply: makes packages listed and present. Puts fetch, pkg's worker, object,
 * manifest and index together: range requests for a .conda's list, whole
 * artifacts for the rest; SHA-256 before anything is read; objects into a pack,
 * then the manifest, then the index; a lock per artifact across processes, so
 * that each is fetched and stored once.
 *
 * Never blocks its caller: what is asked for is answered by a call to done, once
 * each, on a thread of supply's own. Any number of askers share one fetch. What
 * failed is forgotten at once (the next asker tries again), except refusals (a
 * wrong hash, a hostile archive), which are remembered for REFUSAL_SECONDS.
 */
#ifndef ENVFS_SUPPLY_SUPPLY_H
#define ENVFS_SUPPLY_SUPPLY_H

#include "base/auto.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/store.h"
#include "channel/channel.h"
#include "fetch/fetch.h"
#include "index/index.h"
#include "pkg/worker.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REFUSAL_SECONDS 60

struct supply;

/* What is wanted. package and sha256 are always known. Texts are copied. */
struct supply_artifact {
	uint64_t package;
	struct digest sha256;
	uint64_t size;	  /* 0: not known */
	const char *url;  /* without credentials */
	const char *name; /* for messages: "numpy-2.1.0-py312h_0" */
};

enum supply_want { SUPPLY_LISTED = 1, SUPPLY_PRESENT = 2 };

struct supply_options {
	struct store *store;		 /* borrowed; read-only: everything missing is -EROFS */
	struct index *index;		 /* borrowed; NULL on a read-only store */
	struct fetcher *fetcher;	 /* borrowed */
	struct worker *worker;		 /* borrowed */
	struct credentials *credentials; /* borrowed */
	bool offline;			 /* what is missing is -ENONET */
	int threads;			 /* ingest threads; 0: 2 */
	int stall_ms;			 /* fetch's; 0: 30000 */
	int refusal_ms;			 /* 0: REFUSAL_SECONDS */
};

int supply_open(struct supply **ret, const struct supply_options *o, struct err *e) MUST_CHECK;
/* Cancels everything; every done function has been called when it returns. */
struct supply *supply_free(struct supply *s);
AUTO_FREE_FN(supply)

/* code 0, or why not: -EBADMSG refused, -ENONET offline, -EROFS, and fetch.h's. */
typedef void supply_done_fn(void *ctx, uint64_t package, int code, const struct err *why);

/* What manifests/PACKAGE is now, without asking anybody: 0, SUPPLY_LISTED or SUPPLY_PRESENT. */
int supply_state(struct supply *s, uint64_t package);

int supply_ask(struct supply *s, const struct supply_artifact *a, enum supply_want want,
	       supply_done_fn *done, void *ctx, struct err *e) MUST_CHECK;

/* Asks and waits, for commands. */
int supply_wait(struct supply *s, const struct supply_artifact *a, enum supply_want want,
		struct err *e) MUST_CHECK;

/* What is under way, for status and progress. */
struct supply_item {
	uint64_t package;
	char name[200];
	enum supply_want want;
	uint64_t bytes, total;		  /* of the download; total 0: not known */
	bool ingesting;			  /* all is here and being stored */
	uint64_t started_ns, progress_ns; /* sys_now_ns() */
};
size_t supply_items(struct supply *s, struct supply_item *ret, size_t max);

/* The latest failures, newest first. */
struct supply_failure {
	uint64_t package;
	char name[200];
	int64_t when_ms;
	int code;
	char text[ERR_TEXT_BYTES];
};
size_t supply_failures(struct supply *s, struct supply_failure *ret, size_t max);

struct supply_totals {
	uint64_t requests, bytes_fetched, packages_listed, packages_present;
};
void supply_totals(struct supply *s, struct supply_totals *ret);

/*
 * An artifact of which only the URL (and perhaps an MD5) is known, from an old
 * lock: fetched whole into tmp/, checked, its SHA-256 and size told, its package
 * numbered and ingested at once. ret->url is the caller's, ret->name NULL.
 */
int supply_identify(struct supply *s, const char *url, const struct md5 *md5,
		    struct supply_artifact *ret, struct err *e) MUST_CHECK;

#endif
