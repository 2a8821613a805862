/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/room.h"

#include "base/limits.h"
#include "base/sys.h"
#include "base/url.h"
#include "fetch/answer.h"

#include <string.h>

static const char *header(const struct transfer *t, const char *name)
{
	struct curl_header *h;

	return curl_easy_header(t->easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value
										     : NULL;
}

static int64_t content_length(const struct transfer *t)
{
	curl_off_t length = -1;

	(void)curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
	return length;
}

static void note_validators(struct transfer *t)
{
	struct fetch_result *res = &t->result;

	answer_copy(header(t, "ETag"), res->etag, sizeof(res->etag));
	answer_copy(header(t, "Last-Modified"), res->last_modified, sizeof(res->last_modified));
	answer_copy(header(t, "Cache-Control"), res->cache_control, sizeof(res->cache_control));
}

/* Bytes in a coding nobody asked for are not the file; a known hash says more. */
static int check_encoding(struct transfer *t, bool hash_will_tell)
{
	const struct fetch_request *rq = &t->req->rq;
	const char *encoding = header(t, "Content-Encoding");

	if (encoding_is_plain(encoding, rq->url) ||
	    (hash_will_tell && (!digest_is_zero(&rq->sha256) || !md5_is_zero(&rq->md5))))
		return 0;
	return transfer_fail(t, VERDICT_FAILED, -EBADMSG,
			     "the server sent it encoded (%.40s), which was not asked for",
			     encoding);
}

static int accept_whole(struct transfer *t)
{
	int64_t length = content_length(t);
	int r = check_encoding(t, true);

	if (r < 0)
		return r;
	note_validators(t);
	t->result.ranged = false;
	t->resumed = false;
	return body_begin(t, 0, length < 0 ? OFFSET_UNKNOWN : (uint64_t)length,
			  length < 0 ? 0 : (uint64_t)length);
}

/* Does the part fit behind what is here? */
static int accept_rest(struct transfer *t, const struct content_range *cr, bool sound)
{
	const struct fetch_request *rq = &t->req->rq;
	char etag[sizeof(t->result.etag)];
	int r;

	answer_copy(header(t, "ETag"), etag, sizeof(etag));
	sound = sound && cr->first == t->first + t->written &&
		(t->end == OFFSET_UNKNOWN ? cr->has_total && cr->end == cr->total
					  : cr->end == t->end) &&
		(!cr->has_total || !t->result.total_bytes || cr->total == t->result.total_bytes) &&
		(!etag[0] || !t->result.etag[0] || strcmp(etag, t->result.etag) == 0);
	if (!sound) {
		t->req->no_resume = true;
		r = body_restart(t);
		return r < 0 ? r
			     : transfer_fail(
				       t, VERDICT_AGAIN, -EBADMSG,
				       "the file changed on the server, or its ranges are wrong");
	}
	t->end = cr->end;
	if (cr->has_total)
		t->result.total_bytes = cr->total;
	if (rq->size && cr->has_total && cr->total != rq->size)
		return transfer_fail(t, VERDICT_FAILED, -EBADMSG,
				     "the server's file has %llu bytes, not %llu",
				     (unsigned long long)cr->total, (unsigned long long)rq->size);
	return 0;
}

static int accept_part(struct transfer *t)
{
	const struct fetch_request *rq = &t->req->rq;
	const char *text = header(t, "Content-Range");
	int64_t length = content_length(t);
	struct content_range cr = { 0 };
	bool sound = text && content_range_parse(text, &cr) && cr.has_span &&
		     (length < 0 || (uint64_t)length == cr.end - cr.first);
	int r;

	if (!t->ranged_ask)
		return transfer_fail(t, VERDICT_FAILED, -EBADMSG,
				     "a part was sent (HTTP 206) though all was asked for");
	r = check_encoding(t, false);
	if (r < 0)
		return r;
	if (t->resumed)
		return accept_rest(t, &cr, sound);
	sound = sound && cr.has_total && cr.end == cr.total;
	if (rq->range == FETCH_FROM)
		sound = sound && cr.first == rq->first;
	else
		sound = sound && cr.end - cr.first == (rq->count < cr.total ? rq->count : cr.total);
	/* Who gives another part than asked for is asked for all of it. */
	if (!sound)
		return transfer_fail(t, VERDICT_WHOLE, -EBADMSG,
				     "another part was sent than was asked for");
	note_validators(t);
	t->result.ranged = true;
	return body_begin(t, cr.first, cr.end, cr.total);
}

/* The headers are all here. */
int transfer_judge_head(struct transfer *t)
{
	long version = 0;
	int r = 0;

	t->judged = true;
	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->status);
	(void)curl_easy_getinfo(t->easy, CURLINFO_HTTP_VERSION, &version);
	t->req->host->multiplexed = version == CURL_HTTP_VERSION_2_0;
	if (t->status == 206)
		r = accept_part(t);
	else if (status_code(t->status) == 0)
		r = accept_whole(t);
	else
		return 0;
	t->accepted = r == 0;
	return r;
}

static int moved(struct transfer *t)
{
	struct request *r = t->req;
	char *to = NULL;
	struct err e;

	(void)curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &to);
	if (!to)
		return transfer_fail(t, VERDICT_FAILED, -EIO, "HTTP %ld without a target",
				     t->status);
	if (url_check(to, &e) < 0 || url_is_file(to))
		return transfer_fail(t, VERDICT_FAILED, -EIO,
				     "redirected to something that is neither http nor https");
	if (strncmp(r->host->key, "https:", 6) == 0 && strncasecmp(to, "https:", 6) != 0)
		return transfer_fail(t, VERDICT_FAILED, -EIO,
				     "redirected from https to plain http; not followed");
	if (r->hops >= REDIRECTS_MAX)
		return transfer_fail(t, VERDICT_FAILED, -EIO, "redirected more than %d times",
				     REDIRECTS_MAX);
	to = strdup(to);
	if (!to)
		return transfer_fail(t, VERDICT_FAILED, -ENOMEM, "out of memory");
	free(r->hop);
	r->hop = to;
	r->hops++;
	return transfer_fail(t, VERDICT_MOVED, -EIO, "redirected");
}

static int no_such_range(struct transfer *t)
{
	int r;

	if (t->resumed) {
		t->req->no_resume = true;
		r = body_restart(t);
		return r < 0 ? r
			     : transfer_fail(t, VERDICT_AGAIN, -EBADMSG,
					     "the file became shorter on the server");
	}
	/* Some servers say so of a tail that is longer than the file. */
	if (t->ranged_ask && t->req->rq.range == FETCH_TAIL)
		return transfer_fail(t, VERDICT_WHOLE, -EBADMSG, "HTTP 416 for the file's tail");
	return transfer_fail(t, VERDICT_FAILED, -EBADMSG,
			     "HTTP 416: the file is shorter than that");
}

static int cut_short(struct transfer *t)
{
	return transfer_fail(t, VERDICT_AGAIN, -EIO, "the answer ended after %llu of %llu bytes",
			     (unsigned long long)t->written,
			     (unsigned long long)(t->end - t->first));
}

static int complete(struct transfer *t)
{
	if (!t->judged && transfer_judge_head(t) < 0)
		return t->fault.code;
	if (t->end != OFFSET_UNKNOWN && t->first + t->written < t->end)
		return cut_short(t);
	return body_check(t);
}

static int judge_status(struct transfer *t)
{
	curl_off_t seconds = 0;

	switch (t->status) {
	case 200:
	case 203:
	case 206:
		return complete(t);
	case 301:
	case 302:
	case 303:
	case 307:
	case 308:
		return moved(t);
	case 304:
		if (!t->conditional)
			break;
		note_validators(t);
		t->result.not_modified = true;
		return 0;
	case 416:
		return no_such_range(t);
	default:
		break;
	}
	if (t->status < 100)
		return transfer_fail(t, VERDICT_FAILED, -EIO, "the answer is not HTTP");
	if (!status_passes(t->status))
		return transfer_fail(t, VERDICT_FAILED, status_code(t->status) ?: -EIO,
				     "HTTP %ld, %s", t->status, status_text(t->status));
	(void)curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &seconds);
	if (seconds > 0 && seconds < INT32_MAX)
		t->pause_ms = (uint64_t)seconds * 1000;
	return transfer_fail(t, VERDICT_AGAIN, -EIO, "HTTP %ld, %s", t->status,
			     status_text(t->status));
}

/* It broke before there was an answer, or in the middle. */
static int judge_break(struct transfer *t, CURLcode result)
{
	const char *text = t->curl_text[0] ? t->curl_text : curl_easy_strerror(result);

	if (t->accepted && t->end != OFFSET_UNKNOWN && result == CURLE_PARTIAL_FILE)
		return cut_short(t);
	switch (result) {
	case CURLE_OUT_OF_MEMORY:
		return transfer_fail(t, VERDICT_FAILED, -ENOMEM, "out of memory");
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
	case CURLE_INTERFACE_FAILED:
	case CURLE_PROXY:
		return transfer_fail(t, VERDICT_AGAIN, -EHOSTUNREACH, "%s", text);
	case CURLE_OPERATION_TIMEDOUT:
		return transfer_fail(t, VERDICT_AGAIN, -EHOSTUNREACH, "no connection within %d ms",
				     t->f->o.connect_ms);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return transfer_fail(t, VERDICT_FAILED, -EIO, "TLS: %s", text);
	case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9 */
	case CURLE_WEIRD_SERVER_REPLY:
		/* On a kept connection it may be the rest of the answer before. */
		if (!transfer_is_reused(t))
			return transfer_fail(t, VERDICT_FAILED, -EIO, "%s", text);
		t->req->fresh = true;
		return transfer_fail(t, VERDICT_AGAIN, -EIO, "%s", text);
	case CURLE_URL_MALFORMAT:
	case CURLE_BAD_FUNCTION_ARGUMENT:
		return transfer_fail(t, VERDICT_FAILED, -EIO, "%s", text);
	default:
		return transfer_fail(t, VERDICT_AGAIN, -EIO, "%s", text);
	}
}

enum verdict transfer_judge(struct transfer *t, CURLcode result)
{
	(void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &t->status);
	if (!t->fault.code) {
		bool all_here =
			t->accepted && t->end != OFFSET_UNKNOWN && t->first + t->written == t->end;

		if (result == CURLE_OK || all_here || (t->judged && !t->accepted))
			(void)judge_status(t);
		else
			(void)judge_break(t, result);
	}
	return t->fault.code ? t->verdict : VERDICT_DONE;
}
