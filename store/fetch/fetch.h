/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fetch: bytes from http, https and file URLs; one libcurl-multi loop in one
 * thread of its own. The only user of libcurl.
 *
 * Each request is tried several times (options.tries) with growing, jittered
 * pauses for what may pass (no connection, reset, 408, 429 and its Retry-After,
 * 5xx, short answers), resuming by range where the server can; it ends with an
 * error when for stall_ms nothing has arrived, whatever the tries. Redirects at
 * most REDIRECTS_MAX, never to file:, credentials never to another host.
 * A request ends exactly once, by its done function, on the fetch thread.
 *
 * Errors: -ENOENT (404, 410, no such file), -EACCES (401, 403), -EHOSTUNREACH
 * (no way to the server), -ETIMEDOUT (no progress), -EBADMSG (wrong hash, size
 * or range), -EFBIG, -ECANCELED, -EINVAL (no such URL), -EIO (other), or what
 * writing to fd failed with (-ENOSPC …); the sentence has the URL without
 * credentials, what happened, and how often it was tried. docs/network.md says
 * what is asked of servers, and what is done about each failure.
 */
#ifndef ENVFS_FETCH_FETCH_H
#define ENVFS_FETCH_FETCH_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* From .condarc and the environment (channel/config.h). Strings are copied. */
struct fetch_options {
	int tries;	/* 0: 5 */
	int connect_ms; /* 0: 9150 (conda's remote_connect_timeout_secs) */
	int stall_ms;	/* 0: 30000; the whole of a request's patience without progress */
	const char *proxy_http, *proxy_https; /* NULL: none. environment is not looked at */
	const char *no_proxy;		      /* NULL: none */
	bool insecure;			      /* ssl_verify: false */
	const char *ca_file;		      /* NULL: the system's; read once, kept in memory */
	const char *client_cert, *client_key; /* NULL: none */
	const char *netrc_file;		      /* NULL: none */
};

struct fetcher;

int fetcher_open(struct fetcher **ret, const struct fetch_options *o, struct err *e) MUST_CHECK;
/* Cancels what is under way, waits for their done functions. */
struct fetcher *fetcher_free(struct fetcher *f);
AUTO_FREE_FN(fetcher)

/* Which part of the file. */
enum fetch_range {
	FETCH_ALL,
	FETCH_TAIL /* the last `count` bytes */,
	FETCH_FROM /* from `first` to the end */
};

struct fetch_result {
	int code; /* 0 or negative errno */
	struct err err;
	bool not_modified; /* 304: nothing was written */
	bool ranged; /* what was written is the part asked for; else the server gave all of it */
	uint64_t total_bytes;				       /* of the whole file, where known */
	uint64_t written_bytes;				       /* to fd */
	char etag[256], last_modified[64], cache_control[256]; /* "" when absent or longer */
};

struct fetch_request {
	const char *url; /* may carry credentials; copied */
	enum fetch_range range;
	uint64_t first, count;
	int fd;		    /* written from its offset 0 on; borrowed until done */
	uint64_t bytes_max; /* -EFBIG past it; 0: ARTIFACT_BYTES_MAX */
	/* Whole files: checked when all is here, before done. Zero digests: not checked. 0: not
	 * known. */
	struct digest sha256;
	struct md5 md5;
	uint64_t size;
	struct digest *ret_sha256;	  /* where not NULL: what it is, for whole files */
	const char *etag, *last_modified; /* conditional; NULL: not. copied */
	int priority;			  /* 0 to 15, larger first: listings before artifacts */
	void (*done)(void *ctx, const struct fetch_result *result);
	/* Or NULL. On the fetch thread, as bytes arrive. total 0: not known. */
	void (*progress)(void *ctx, uint64_t bytes, uint64_t total);
	void *ctx;
};

/*
 * Never blocks; an error is one of memory, or -ECANCELED while f is being freed;
 * then done is not called. May be called from a done function. *ret_id (or NULL)
 * is for cancelling.
 */
int fetch_start(struct fetcher *f, const struct fetch_request *rq, uint64_t *ret_id, struct err *e)
	MUST_CHECK;
void fetch_cancel(struct fetcher *f, uint64_t id);

/* Starts and waits, on any thread but the fetch thread; done, progress and ctx of rq are not used.
 */
int fetch_wait(struct fetcher *f, const struct fetch_request *rq, struct fetch_result *ret,
	       struct err *e) MUST_CHECK;

/* How many requests went out since it was opened: for -v and tests. */
uint64_t fetcher_request_count(const struct fetcher *f);
/* Tells each attempt to fn when it is over, on the fetch thread, credentials removed: for -v. */
void fetcher_trace(struct fetcher *f, void (*fn)(void *ctx, const char *line), void *ctx);

#endif
