/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/room.h"

#include "base/limits.h"
#include "base/sys.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int transfer_fail(struct transfer *t, enum verdict v, int code, const char *fmt, ...)
{
	char text[ERR_TEXT_BYTES];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	t->verdict = v;
	return err_set(&t->fault, code, "%s", text);
}

static uint64_t bytes_max(const struct transfer *t)
{
	return t->req->rq.bytes_max ? t->req->rq.bytes_max : ARTIFACT_BYTES_MAX;
}

static bool is_whole(const struct transfer *t)
{
	return t->first == 0 && (t->end == OFFSET_UNKNOWN || t->end == t->result.total_bytes);
}

/* Hashes run only over what is the file from its first byte to its last. */
static int hash_begin(struct transfer *t)
{
	const struct fetch_request *rq = &t->req->rq;
	bool sha256 = !digest_is_zero(&rq->sha256) || rq->ret_sha256, md5 = !md5_is_zero(&rq->md5);
	struct err e;
	int r = 0;

	hasher_done(&t->sha256);
	hasher_done(&t->md5);
	t->hashing = is_whole(t) && (sha256 || md5);
	if (t->hashing && sha256)
		r = sha256_begin(&t->sha256, &e);
	if (r == 0 && t->hashing && md5)
		r = md5_begin(&t->md5, &e);
	if (r < 0)
		return transfer_fail(t, VERDICT_FAILED, r, "%s", e.text);
	return 0;
}

/* Forgets what is in fd. */
int body_restart(struct transfer *t)
{
	int r = t->written > 0 ? sys_ftruncate(t->req->rq.fd, 0) : 0;

	t->started = false;
	t->written = t->first = 0;
	t->end = OFFSET_UNKNOWN;
	if (r < 0)
		return transfer_fail(t, VERDICT_FAILED, r, "its file cannot be emptied: %s",
				     strerror(-r));
	return 0;
}

/* The answer is the file's bytes from first to end, of total (0: not known). */
int body_begin(struct transfer *t, uint64_t first, uint64_t end, uint64_t total)
{
	const struct fetch_request *rq = &t->req->rq;
	int r = body_restart(t);

	if (r < 0)
		return r;
	if (rq->size && total && total != rq->size)
		return transfer_fail(t, VERDICT_FAILED, -EBADMSG,
				     "the server's file has %llu bytes, not %llu",
				     (unsigned long long)total, (unsigned long long)rq->size);
	if (end != OFFSET_UNKNOWN && end - first > bytes_max(t))
		return transfer_fail(
			t, VERDICT_FAILED, -EFBIG, "%llu bytes, more than the limit of %llu",
			(unsigned long long)(end - first), (unsigned long long)bytes_max(t));
	t->first = first;
	t->end = end;
	t->result.total_bytes = total;
	t->started = true;
	return hash_begin(t);
}

static int too_long(struct transfer *t, uint64_t written)
{
	const struct fetch_request *rq = &t->req->rq;

	if (t->end != OFFSET_UNKNOWN && written > t->end - t->first)
		return transfer_fail(t, VERDICT_FAILED, -EBADMSG,
				     "more than the %llu bytes that the server told",
				     (unsigned long long)(t->end - t->first));
	if (rq->size && is_whole(t) && written > rq->size)
		return transfer_fail(t, VERDICT_FAILED, -EBADMSG, "more than its %llu bytes",
				     (unsigned long long)rq->size);
	if (written > bytes_max(t))
		return transfer_fail(t, VERDICT_FAILED, -EFBIG, "more than the limit of %llu bytes",
				     (unsigned long long)bytes_max(t));
	return 0;
}

int body_take(struct transfer *t, const void *bytes, size_t len)
{
	struct request *req = t->req;
	uint64_t written;
	int r;

	assert(t->started);
	if (__builtin_add_overflow(t->written, len, &written))
		return transfer_fail(t, VERDICT_FAILED, -EFBIG, "more bytes than can be counted");
	r = too_long(t, written);
	if (r < 0)
		return r;
	r = sys_pwrite(req->rq.fd, bytes, len, t->written);
	if (r < 0)
		return transfer_fail(t, VERDICT_FAILED, r, "its bytes cannot be written: %s",
				     strerror(-r));
	if (t->sha256.ctx)
		hasher_add(&t->sha256, bytes, len);
	if (t->md5.ctx)
		hasher_add(&t->md5, bytes, len);
	t->written = written;
	t->attempt_bytes += len;
	t->byte_ns = sys_now_ns();
	req->host->progress_ns = t->f->progress_ns = t->byte_ns;
	if (req->rq.progress)
		req->rq.progress(req->rq.ctx, t->written,
				 t->end == OFFSET_UNKNOWN ? 0 : t->end - t->first);
	return 0;
}

static int wrong_hash(struct transfer *t, const char *kind)
{
	/* Parts of two answers may not fit together: once more, in one piece. */
	if (t->resumed) {
		t->req->no_resume = true;
		return transfer_fail(t, VERDICT_AGAIN, -EBADMSG,
				     "wrong %s after it was continued; asked for anew", kind);
	}
	return transfer_fail(t, VERDICT_FAILED, -EBADMSG,
			     "wrong %s: the %llu bytes that came are not the file asked for", kind,
			     (unsigned long long)t->written);
}

/* All is here: is it what was asked for? */
int body_check(struct transfer *t)
{
	const struct fetch_request *rq = &t->req->rq;
	struct digest sha256;
	struct md5 md5;

	if (rq->size && is_whole(t) && t->written != rq->size)
		return transfer_fail(t, VERDICT_AGAIN, -EBADMSG, "%llu bytes, not %llu",
				     (unsigned long long)t->written, (unsigned long long)rq->size);
	if (t->sha256.ctx) {
		sha256_end(&t->sha256, &sha256);
		if (!digest_is_zero(&rq->sha256) && !digest_same(&sha256, &rq->sha256))
			return wrong_hash(t, "SHA-256");
		if (rq->ret_sha256)
			*rq->ret_sha256 = sha256;
	}
	if (t->md5.ctx) {
		md5_end(&t->md5, &md5);
		if (memcmp(md5.bytes, rq->md5.bytes, MD5_BYTES) != 0)
			return wrong_hash(t, "MD5");
	}
	t->result.written_bytes = t->written;
	if (is_whole(t))
		t->result.total_bytes = t->written;
	return 0;
}
