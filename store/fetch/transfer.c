/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/room.h"

#include "base/limits.h"
#include "base/sys.h"
#include "base/url.h"
#include "fetch/answer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

int transfer_new(struct fetcher *f, struct request *r, struct transfer **ret, struct err *e)
{
	struct transfer *t = calloc(1, sizeof(*t));

	if (!t)
		return err_nomem(e);
	t->f = f;
	t->req = r;
	t->file = -1;
	t->end = OFFSET_UNKNOWN;
	*ret = t;
	return 0;
}

struct transfer *transfer_free(struct transfer *t)
{
	if (!t)
		return NULL;
	transfer_end(t);
	hasher_done(&t->sha256);
	hasher_done(&t->md5);
	free(t);
	return NULL;
}

/* Gives up the attempt, keeps what has come. */
void transfer_end(struct transfer *t)
{
	if (t->easy) {
		(void)curl_multi_remove_handle(t->f->multi, t->easy);
		curl_easy_cleanup(t->easy);
	}
	t->easy = NULL;
	curl_slist_free_all(t->headers);
	t->headers = NULL;
	local_end(t);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	size_t len = size * count;

	if (!t->judged && transfer_judge_head(t) < 0)
		return 0;
	if (!t->accepted) {
		t->useless_bytes += len;
		return t->useless_bytes > USELESS_BYTES_MAX ? 0 : len;
	}
	return body_take(t, bytes, len) < 0 ? 0 : len;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
	struct transfer *t = arg;
	size_t len = size * count;

	(void)bytes;
	t->header_bytes += len;
	if (t->header_bytes <= HEADERS_BYTES_MAX)
		return len;
	(void)transfer_fail(t, VERDICT_FAILED, -EFBIG, "headers of more than %llu bytes",
			    HEADERS_BYTES_MAX);
	return 0;
}

bool transfer_may_resume(const struct transfer *t)
{
	const struct fetch_request *rq = &t->req->rq;

	return !t->req->host->local && t->started && t->written > 0 && !t->req->no_resume &&
	       (etag_is_strong(t->result.etag) || t->result.last_modified[0] ||
		(t->hashing && (!digest_is_zero(&rq->sha256) || !md5_is_zero(&rq->md5))));
}

/* "first-last" as curl wants it; "" for all. */
static void range_text(const struct transfer *t, char *ret, size_t room)
{
	const struct fetch_request *rq = &t->req->rq;
	unsigned long long at = t->first + t->written;

	ret[0] = '\0';
	if (t->resumed && t->end != OFFSET_UNKNOWN)
		(void)snprintf(ret, room, "%llu-%llu", at, (unsigned long long)t->end - 1);
	else if (t->resumed)
		(void)snprintf(ret, room, "%llu-", at);
	else if (rq->range == FETCH_TAIL && !t->req->whole)
		(void)snprintf(ret, room, "-%llu", (unsigned long long)rq->count);
	else if (rq->range == FETCH_FROM && !t->req->whole)
		(void)snprintf(ret, room, "%llu-", (unsigned long long)rq->first);
}

static bool add_header(struct transfer *t, const char *name, const char *value)
{
	char line[sizeof(t->result.etag) + 64];
	struct curl_slist *more;
	int n = snprintf(line, sizeof(line), "%s: %s", name, value);

	if (n < 0 || (size_t)n >= sizeof(line))
		return true; /* no validator of a server that we would have kept is so long */
	more = curl_slist_append(t->headers, line);
	if (more)
		t->headers = more;
	return more != NULL;
}

static bool add_conditions(struct transfer *t)
{
	const struct fetch_request *rq = &t->req->rq;
	const struct fetch_result *res = &t->result;

	t->conditional = !t->resumed && (rq->etag || rq->last_modified);
	if (t->resumed && etag_is_strong(res->etag))
		return add_header(t, "If-Range", res->etag);
	if (t->resumed && res->last_modified[0])
		return add_header(t, "If-Range", res->last_modified);
	if (t->conditional && rq->etag && !add_header(t, "If-None-Match", rq->etag))
		return false;
	return !t->conditional || !rq->last_modified ||
	       add_header(t, "If-Modified-Since", rq->last_modified);
}

/* SET() remembers the first that failed. */
#define SET(option, value)                                                                         \
	({                                                                                         \
		CURLcode code_ = curl_easy_setopt(t->easy, (option), (value));                     \
		if (code_ != CURLE_OK && t->refused == CURLE_OK)                                   \
			t->refused = code_;                                                        \
		failed |= code_ != CURLE_OK;                                                       \
	})

/* The user part goes to no host but the one it was given for. */
static bool set_url(struct transfer *t)
{
	struct request *r = t->req;
	char *url = NULL, *user = NULL, *password = NULL;
	CURLU *origin = curl_url(), *u = curl_url();
	bool failed = !origin || !u ||
		      curl_url_set(origin, CURLUPART_URL, r->rq.url, 0) != CURLUE_OK ||
		      curl_url_set(u, CURLUPART_URL, request_url(r), 0) != CURLUE_OK;

	if (!failed) {
		(void)curl_url_get(origin, CURLUPART_USER, &user, CURLU_URLDECODE);
		(void)curl_url_get(origin, CURLUPART_PASSWORD, &password, CURLU_URLDECODE);
		failed = curl_url_set(u, CURLUPART_USER, NULL, 0) != CURLUE_OK ||
			 curl_url_set(u, CURLUPART_PASSWORD, NULL, 0) != CURLUE_OK ||
			 curl_url_get(u, CURLUPART_URL, &url, 0) != CURLUE_OK;
	}
	if (!failed) {
		SET(CURLOPT_URL, url);
		SET(CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
	}
	if (!failed && r->host == r->origin && user) {
		SET(CURLOPT_USERNAME, user);
		SET(CURLOPT_PASSWORD, password ? password : "");
	} else if (!failed && r->host == r->origin && t->f->trust.netrc.fd >= 0) {
		SET(CURLOPT_NETRC_FILE, t->f->trust.netrc.path);
		SET(CURLOPT_NETRC, (long)CURL_NETRC_OPTIONAL);
	}
	curl_free(url);
	curl_free(user);
	curl_free(password);
	curl_url_cleanup(origin);
	curl_url_cleanup(u);
	return !failed;
}

static bool set_trust(struct transfer *t)
{
	struct trust *trust = &t->f->trust;
	long verify = !t->f->o.insecure;
	bool failed = false;

	/* NULL where there is none: not even the built-in paths are read later. */
	SET(CURLOPT_CAINFO, trust->ca.fd >= 0 ? trust->ca.path : NULL);
	SET(CURLOPT_PROXY_CAINFO, trust->ca.fd >= 0 ? trust->ca.path : NULL);
	SET(CURLOPT_CAPATH, NULL);
	SET(CURLOPT_PROXY_CAPATH, NULL);
	SET(CURLOPT_CA_CACHE_TIMEOUT, -1L); /* parsed once */
	if (trust->cert.len > 0 && t->req->host == t->req->origin) {
		SET(CURLOPT_SSLCERT_BLOB, &trust->cert);
		SET(CURLOPT_SSLKEY_BLOB, &trust->key);
	}
	SET(CURLOPT_SSL_VERIFYPEER, verify);
	SET(CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
	SET(CURLOPT_PROXY_SSL_VERIFYPEER, verify);
	SET(CURLOPT_PROXY_SSL_VERIFYHOST, verify ? 2L : 0L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	return !failed;
}

static bool set_way(struct transfer *t)
{
	const struct fetch_options *o = &t->f->o;
	bool tls = strncmp(t->req->host->key, "https:", 6) == 0, failed = false;
	const char *proxy = tls ? o->proxy_https : o->proxy_http;

	/* "" and not NULL: the environment is not asked. */
	SET(CURLOPT_PROXY, proxy ? proxy : "");
	SET(CURLOPT_NOPROXY, o->no_proxy ? o->no_proxy : "");
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	/* Refused by a libcurl that was built without: then it is 1.1. */
	(void)curl_easy_setopt(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	/* Rather a stream of a connection that is about to be there than one more. */
	SET(CURLOPT_PIPEWAIT, tls ? 1L : 0L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)o->connect_ms);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_NOSIGNAL, 1L);
	/* A name server that does not answer must not hold up the thread. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_FRESH_CONNECT, t->req->fresh ? 1L : 0L);
	return !failed;
}

static bool set_all(struct transfer *t)
{
	char range[64];
	bool failed = false;

	range_text(t, range, sizeof(range));
	t->ranged_ask = range[0] != '\0';
	if (!add_conditions(t) || !set_url(t) || !set_trust(t) || !set_way(t))
		return false;
	SET(CURLOPT_RANGE, range[0] ? range : NULL);
	SET(CURLOPT_HTTPHEADER, t->headers);
	SET(CURLOPT_USERAGENT, "envfs/" ENVFS_VERSION);
	SET(CURLOPT_ACCEPT_ENCODING, NULL);
	SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
	SET(CURLOPT_FOLLOWLOCATION, 0L); /* request.c does */
	SET(CURLOPT_BUFFERSIZE, 64L * 1024);
	SET(CURLOPT_ERRORBUFFER, t->curl_text);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, t);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, t);
	SET(CURLOPT_PRIVATE, t);
	return !failed;
}

int transfer_begin(struct transfer *t, struct err *e)
{
	int r;

	assert(!t->easy);
	t->resumed = transfer_may_resume(t);
	t->conditional = t->ranged_ask = t->judged = t->accepted = false;
	memset(&t->fault, 0, sizeof(t->fault));
	t->header_bytes = t->useless_bytes = t->attempt_bytes = t->pause_ms = 0;
	t->status = 0;
	t->curl_text[0] = '\0';
	t->attempt_ns = t->byte_ns = sys_now_ns();
	if (!t->resumed) {
		memset(&t->result, 0, sizeof(t->result));
		r = body_restart(t);
		if (r < 0)
			return err_set(e, r, "%s", t->fault.text);
	}
	if (t->req->host->local)
		return 0;
	t->easy = curl_easy_init();
	t->refused = CURLE_OK;
	if (t->easy && set_all(t) && curl_multi_add_handle(t->f->multi, t->easy) == CURLM_OK)
		return 0;
	if (t->refused == CURLE_OK || t->refused == CURLE_OUT_OF_MEMORY)
		return err_nomem(e);
	return err_set(e, -EIO, "libcurl %s lacks what is needed: %s",
		       curl_version_info(CURLVERSION_NOW)->version, curl_easy_strerror(t->refused));
}

bool transfer_is_connected(const struct transfer *t)
{
	curl_off_t us = 0;

	return t->easy &&
	       curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T, &us) == CURLE_OK && us > 0;
}

bool transfer_is_reused(const struct transfer *t)
{
	long count = 1;

	return transfer_is_connected(t) &&
	       curl_easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &count) == CURLE_OK && count == 0;
}
