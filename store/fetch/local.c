/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file URL is read in slices between the network's turns. What stands for an
 * entity tag is "file-<mtime in ns>-<size>"; a file that changes while it is
 * read is read again.
 */
#include "fetch/room.h"

#include "base/limits.h"
#include "base/sys.h"
#include "base/url.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static uint64_t mtime_ns(const struct stat *st)
{
	return (uint64_t)st->st_mtim.tv_sec * 1000000000ULL + (uint64_t)st->st_mtim.tv_nsec;
}

static int open_file(struct transfer *t)
{
	AUTO_BUF path = BUF(URL_BYTES_MAX);
	struct stat st;
	struct err e;
	int r = url_to_path(t->req->rq.url, &path, &e);

	if (r < 0)
		return transfer_fail(t, VERDICT_FAILED, r, "%s", e.text);
	/* A FIFO or a device must not hold up the thread. */
	t->file = sys_openat(AT_FDCWD, path.bytes, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	r = t->file < 0 ? t->file : sys_fstat(t->file, &st);
	if (r < 0)
		return transfer_fail(t, VERDICT_FAILED, r == -ENOTDIR ? -ENOENT : r, "%s",
				     strerror(-r));
	if (!S_ISREG(st.st_mode))
		return transfer_fail(t, VERDICT_FAILED, -EIO, "not a regular file");
	t->file_size = (uint64_t)st.st_size;
	t->file_mtime_ns = mtime_ns(&st);
	(void)snprintf(t->result.etag, sizeof(t->result.etag), "file-%llu-%llu",
		       (unsigned long long)t->file_mtime_ns, (unsigned long long)t->file_size);
	return 0;
}

int local_begin(struct transfer *t)
{
	const struct fetch_request *rq = &t->req->rq;
	uint64_t size, first = 0;
	int r = open_file(t);

	t->byte_ns = sys_now_ns();
	if (r < 0)
		return r;
	size = t->file_size;
	if (rq->etag && strcmp(rq->etag, t->result.etag) == 0) {
		t->result.not_modified = true;
		return 0;
	}
	if (rq->range == FETCH_FROM && rq->first >= size)
		return transfer_fail(t, VERDICT_FAILED, -EBADMSG,
				     "the file has only %llu bytes; asked for those from %llu on",
				     (unsigned long long)size, (unsigned long long)rq->first);
	if (rq->range == FETCH_FROM)
		first = rq->first;
	else if (rq->range == FETCH_TAIL && rq->count < size)
		first = size - rq->count;
	t->result.ranged = rq->range != FETCH_ALL;
	return body_begin(t, first, size, size);
}

static enum verdict finish(struct transfer *t)
{
	struct stat st;
	int r = sys_fstat(t->file, &st);

	if (r < 0 || (uint64_t)st.st_size != t->file_size || mtime_ns(&st) != t->file_mtime_ns)
		(void)transfer_fail(t, VERDICT_AGAIN, -EIO, "the file changed while it was read");
	else
		r = body_check(t);
	return t->fault.code ? t->verdict : VERDICT_DONE;
}

bool local_step(struct transfer *t, enum verdict *ret)
{
	uint64_t at, left;
	ssize_t n;

	*ret = VERDICT_DONE;
	if (t->result.not_modified)
		return true;
	at = t->first + t->written;
	left = t->end - at;
	if (left == 0) {
		*ret = finish(t);
		return true;
	}
	if (!t->f->local_room)
		t->f->local_room = malloc(LOCAL_SLICE_BYTES);
	if (!t->f->local_room) {
		(void)transfer_fail(t, VERDICT_FAILED, -ENOMEM, "out of memory");
		*ret = t->verdict;
		return true;
	}
	n = sys_pread(t->file, t->f->local_room,
		      left < LOCAL_SLICE_BYTES ? (size_t)left : LOCAL_SLICE_BYTES, at);
	if (n < 0)
		(void)transfer_fail(t, VERDICT_AGAIN, (int)n, "it cannot be read: %s",
				    strerror((int)-n));
	else if (n == 0)
		(void)transfer_fail(t, VERDICT_AGAIN, -EIO, "the file shrank while it was read");
	else if (body_take(t, t->f->local_room, (size_t)n) == 0)
		return false;
	*ret = t->verdict;
	return true;
}

void local_end(struct transfer *t)
{
	auto_close(&t->file);
}
