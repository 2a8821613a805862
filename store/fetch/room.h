/* SPDX-License-Identifier: Apache-2.0 */
/*
 * room: what the files of fetch/ share. Nothing outside includes this.
 *
 *	fetcher.c   the thread, its orders, its clock
 *	host.c      who is asked: how many at once, in which order
 *	request.c   a request's life: attempts, pauses, redirects, its end
 *	transfer.c  one attempt over HTTP: what is asked
 *	judge.c     what its answer means
 *	body.c      bytes that arrive: into the file, the hashes, the limits
 *	local.c     one attempt at a file URL
 *	trust.c     certificates and netrc, read once
 *
 * Unless a member says otherwise it is the fetch thread's own.
 */
#ifndef ENVFS_FETCH_ROOM_H
#define ENVFS_FETCH_ROOM_H

#include "fetch/chain.h"
#include "fetch/fetch.h"

#include <pthread.h>
#include <stdatomic.h>

#include <curl/curl.h>

#define PRIORITY_COUNT 16
#define NS_PER_MS      1000000ULL
#define OFFSET_UNKNOWN UINT64_MAX

/* One scheme, host and port; or "file:". */
struct host {
	struct host *next;
	char *key;			      /* owned; "https://conda.anaconda.org:443" */
	struct chain waiting[PRIORITY_COUNT]; /* of request.link */
	size_t waiting_count;
	int running;
	int users; /* requests that hold it */
	bool local;
	bool multiplexed;     /* its latest answer came over HTTP/2 */
	uint64_t progress_ns; /* when something last came from it */
	uint64_t full_ns;     /* when it last had all the attempts it may have at once */
};

enum request_state { REQUEST_NEW, REQUEST_WAITING, REQUEST_RUNNING, REQUEST_PAUSED };

struct request {
	struct chain all;  /* in fetcher.all; under fetcher.lock */
	bool cancelled;	   /* under fetcher.lock */
	struct chain link; /* in fetcher.orders (under fetcher.lock), a host, running or paused */
	uint64_t id;
	struct fetch_request rq; /* its texts are owned */
	enum request_state state;
	struct host *origin; /* of rq.url; held */
	struct host *host;   /* that is asked now; held */
	char *hop;	     /* owned; where a redirect led to, NULL: nowhere */
	int hops;
	struct transfer *transfer; /* owned; NULL while nothing has come */
	int tries;
	uint64_t kept_bytes; /* how far attempts have come that were or can be continued */
	bool whole;	     /* ranges are no use here: ask for all of it */
	bool no_resume;	     /* what was continued did not fit: from the start only */
	bool fresh;	     /* on a new connection: the old one may be dead */
	uint64_t waited_ns;  /* since when it is in its host's queue */
	uint64_t clock_ns;   /* since when nothing has come; 0: never started */
	uint64_t clock_bytes;
	uint64_t due_ns; /* when paused */
	int code;	 /* the latest attempt's fault */
	char *why;	 /* owned; may be NULL */
};

/* What is to be done after an attempt. */
enum verdict {
	VERDICT_DONE,
	VERDICT_FAILED, /* no use trying again */
	VERDICT_AGAIN,	/* after a pause */
	VERDICT_MOVED,	/* the URL is in request.hop now */
	VERDICT_WHOLE,	/* at once, without a range */
};

struct transfer {
	struct fetcher *f;   /* borrowed */
	struct request *req; /* borrowed */
	/* What is in fd: written bytes, which are the file's from `first` on. */
	uint64_t written, first;
	uint64_t end; /* of what is wanted, in the file; or OFFSET_UNKNOWN */
	bool started; /* an answer was accepted: the members above count */
	bool hashing;
	struct hasher sha256, md5;
	struct fetch_result result;
	/* The attempt. */
	CURL *easy;
	struct curl_slist *headers;
	CURLcode refused; /* an option that this libcurl does not take */
	char curl_text[CURL_ERROR_SIZE];
	bool conditional, resumed, ranged_ask;
	bool judged, accepted; /* the headers were looked at; the body is wanted */
	enum verdict verdict;  /* when fault.code is set */
	struct err fault;
	uint64_t header_bytes, useless_bytes;
	uint64_t attempt_ns, byte_ns, attempt_bytes;
	uint64_t pause_ms; /* Retry-After */
	long status;
	/* A file URL. */
	int file;
	uint64_t file_size, file_mtime_ns;
};

/* A file's bytes in memory, for what takes only paths. fd -1: none. */
struct memory_file {
	int fd;
	char path[40]; /* "/proc/self/fd/N" */
};

/* Read once, at open. */
struct trust {
	struct memory_file ca, netrc;
	struct curl_blob cert, key; /* owned; len 0: none */
};

struct fetcher {
	/* Never changed after open. */
	struct fetch_options o; /* its texts are owned */
	struct trust trust;
	CURLM *multi;
	pthread_t thread;
	bool thread_runs;
	/* Shared. */
	pthread_mutex_t lock;
	struct chain orders; /* under lock: new requests */
	struct chain all;    /* under lock: all requests that have not ended */
	size_t count;	     /* under lock: of all */
	uint64_t next_id;    /* under lock */
	bool stop, cancels;  /* under lock: something is for the thread to see */
	void (*trace)(void *ctx, const char *line); /* under lock */
	void *trace_ctx;			    /* under lock */
	_Atomic uint64_t request_count;
	/* The thread's. */
	struct host *hosts;
	struct chain running, paused;
	int remote_running, local_running;
	size_t waiting_count;
	uint64_t progress_ns, ticked_ns;
	uint64_t dice;
	void *local_room; /* owned; a slice of a local file */
	bool busy;	  /* go on without waiting */
};

/* host.c */
int host_hold(struct fetcher *f, const char *url, struct host **ret, struct err *e) MUST_CHECK;
void host_drop(struct fetcher *f, struct host **h);
void host_queue(struct fetcher *f, struct request *r, bool first);
void host_unqueue(struct fetcher *f, struct request *r);
struct request *host_next(struct fetcher *f);	    /* NULL: none may start now */
void host_enter(struct fetcher *f, struct host *h); /* an attempt begins, is over */
void host_leave(struct fetcher *f, struct host *h);
/* Since when r has waited for nothing but a host that does not move; now, if for others. */
uint64_t host_still_since(const struct host *h, const struct request *r, uint64_t now);

/* request.c */
int request_new(struct fetcher *f, const struct fetch_request *rq, struct request **ret,
		struct err *e) MUST_CHECK;
struct request *request_free(struct request *r);
const char *request_url(const struct request *r);
void request_admit(struct fetcher *f, struct request *r);
void request_begin(struct fetcher *f, struct request *r);
void request_settle(struct fetcher *f, struct request *r, enum verdict v, const struct err *why);
void request_end(struct fetcher *f, struct request *r, int code, const char *why);
/* Looks at its clock. */
void request_tick(struct fetcher *f, struct request *r, uint64_t now);

/* transfer.c; begin hands the attempt to curl, end takes it away again. */
int transfer_new(struct fetcher *f, struct request *r, struct transfer **ret, struct err *e)
	MUST_CHECK;
struct transfer *transfer_free(struct transfer *t);
int transfer_begin(struct transfer *t, struct err *e) MUST_CHECK;
void transfer_end(struct transfer *t);
bool transfer_may_resume(const struct transfer *t);
bool transfer_is_connected(const struct transfer *t);
bool transfer_is_reused(const struct transfer *t);

/* judge.c; head: all headers are here, the first of the body comes. judge: it is over. */
int transfer_judge_head(struct transfer *t) MUST_CHECK;
enum verdict transfer_judge(struct transfer *t, CURLcode result);

/* body.c */
/* Each remembers the fault and returns its code. */
int transfer_fail(struct transfer *t, enum verdict v, int code, const char *fmt, ...) PRINTF(4, 5);
int body_begin(struct transfer *t, uint64_t first, uint64_t end, uint64_t total) MUST_CHECK;
int body_restart(struct transfer *t) MUST_CHECK;
int body_take(struct transfer *t, const void *bytes, size_t len) MUST_CHECK;
int body_check(struct transfer *t) MUST_CHECK;

/* local.c */
int local_begin(struct transfer *t) MUST_CHECK;
/* One slice. True when the attempt is over; then *ret is the verdict. */
bool local_step(struct transfer *t, enum verdict *ret);
void local_end(struct transfer *t);

/* trust.c */
int trust_load(struct trust *t, const struct fetch_options *o, struct err *e) MUST_CHECK;
void trust_done(struct trust *t);

/* fetcher.c */
void fetcher_tell(struct fetcher *f, const struct transfer *t, const char *what);

#endif
