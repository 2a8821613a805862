/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/wire.h"

#include "base/path.h"
#include "pkg/info.h"
#include "pkg/limits.h"
#include "pkg/link.h"
#include "pkg/paths.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum frame { FRAME_META = 1, FRAME_ROW, FRAME_ENTRY, FRAME_BYTES, FRAME_END, FRAME_DONE };

struct head {
	uint32_t kind, len;
};

#define ROOM_BYTES  (256 * KIB)
#define SMALL_BYTES (16 * KIB) /* less than this is cheaper copied than sent alone */
/* Meta: index.json and the entry points; all others: two paths and a placeholder. */
#define META_BYTES_MAX	(INFO_MEMBER_BYTES_MAX + ENTRY_POINTS_MAX * (3 * KIB))
#define OTHER_BYTES_MAX (16 * KIB)

/* Writing */

static int send_all(int fd, struct iovec *iov, size_t count, struct err *e)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = count };

	while (msg.msg_iovlen > 0) {
		ssize_t n = sendmsg(fd, &msg, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "answer of the parser");
		while (msg.msg_iovlen > 0 && (size_t)n >= msg.msg_iov->iov_len) {
			n -= (ssize_t)msg.msg_iov->iov_len;
			msg.msg_iov++;
			msg.msg_iovlen--;
		}
		if (msg.msg_iovlen > 0) {
			msg.msg_iov->iov_base = (char *)msg.msg_iov->iov_base + n;
			msg.msg_iov->iov_len -= (size_t)n;
		}
	}
	return 0;
}

/* Sends what is kept, and then len bytes from where they are. */
static int flush_with(struct wire_writer *w, const void *bytes, size_t len, struct err *e)
{
	struct iovec iov[2] = {
		{ .iov_base = w->out.bytes, .iov_len = w->out.len },
		{ .iov_base = (void *)(uintptr_t)bytes, .iov_len = len },
	};
	int r = buf_end(&w->out, e);

	if (r == 0)
		r = send_all(w->fd, iov, 2, e);
	buf_clear(&w->out);
	return r;
}

static void put_head(struct wire_writer *w, enum frame kind, size_t len)
{
	struct head head = { (uint32_t)kind, (uint32_t)len };

	assert(len <= UINT32_MAX);
	buf_add(&w->out, &head, sizeof(head));
}

static void put_u64(struct buf *b, uint64_t n)
{
	buf_add(b, &n, sizeof(n));
}

static void put_text(struct buf *b, const char *text, size_t len)
{
	put_u64(b, len);
	buf_add(b, text, len);
	buf_addc(b, '\0');
}

static void put_string(struct buf *b, const char *text)
{
	put_text(b, text, strlen(text));
}

/* A frame whose payload is in b. */
static int put_frame(struct wire_writer *w, enum frame kind, const struct buf *b, struct err *e)
{
	int r = buf_end(b, e);

	if (r < 0)
		return r;
	put_head(w, kind, b->len);
	if (b->len > SMALL_BYTES)
		return flush_with(w, b->bytes, b->len, e);
	buf_add(&w->out, b->bytes, b->len);
	return w->out.len >= ROOM_BYTES ? flush_with(w, NULL, 0, e) : buf_end(&w->out, e);
}

static int write_meta(void *ctx, const struct pkg_meta *meta, struct err *e)
{
	struct wire_writer *w = ctx;
	AUTO_BUF b = BUF(META_BYTES_MAX);

	put_string(&b, meta->name);
	put_string(&b, meta->version);
	put_string(&b, meta->build);
	put_string(&b, meta->subdir);
	put_text(&b, meta->index_json, meta->index_json_len);
	put_u64(&b, (uint64_t)meta->noarch);
	put_u64(&b, meta->entry_point_count);
	for (size_t i = 0; i < meta->entry_point_count; i++) {
		put_string(&b, meta->entry_points[i].command);
		put_string(&b, meta->entry_points[i].module);
		put_string(&b, meta->entry_points[i].function);
	}
	return put_frame(w, FRAME_META, &b, e);
}

static int write_row(void *ctx, const struct pkg_row *row, struct err *e)
{
	struct wire_writer *w = ctx;
	AUTO_BUF b = BUF(OTHER_BYTES_MAX);

	put_text(&b, row->path, row->path_len);
	put_u64(&b, (uint64_t)row->type);
	put_u64(&b, row->binary);
	put_u64(&b, row->no_link);
	put_text(&b, row->placeholder ? row->placeholder : "",
		 row->placeholder ? row->placeholder_len : 0);
	put_u64(&b, row->has_digest);
	buf_add(&b, row->digest.bytes, DIGEST_BYTES);
	put_u64(&b, row->has_size);
	put_u64(&b, row->size);
	return put_frame(w, FRAME_ROW, &b, e);
}

static int write_entry(void *ctx, const struct pkg_entry *entry, struct err *e)
{
	struct wire_writer *w = ctx;
	AUTO_BUF b = BUF(OTHER_BYTES_MAX);

	put_text(&b, entry->path, entry->path_len);
	put_u64(&b, (uint64_t)entry->type);
	put_u64(&b, entry->mode);
	put_u64(&b, (uint64_t)entry->mtime_s);
	put_u64(&b, entry->mtime_ns);
	put_u64(&b, entry->size);
	put_text(&b, entry->target ? entry->target : "", entry->target ? entry->target_len : 0);
	put_text(&b, entry->link_to ? entry->link_to : "", entry->link_to ? entry->link_to_len : 0);
	return put_frame(w, FRAME_ENTRY, &b, e);
}

static int write_bytes(void *ctx, const void *bytes, size_t len, struct err *e)
{
	struct wire_writer *w = ctx;

	put_head(w, FRAME_BYTES, len);
	if (len >= SMALL_BYTES)
		return flush_with(w, bytes, len, e);
	buf_add(&w->out, bytes, len);
	return w->out.len >= ROOM_BYTES ? flush_with(w, NULL, 0, e) : buf_end(&w->out, e);
}

static int write_end(void *ctx, struct err *e)
{
	struct wire_writer *w = ctx;

	put_head(w, FRAME_END, 0);
	return buf_end(&w->out, e);
}

void wire_writer_init(struct wire_writer *w, int fd)
{
	*w = (struct wire_writer){
		.sink = { w, write_meta, write_row, write_entry, write_bytes, write_end },
		.fd = fd,
	};
	buf_init(&w->out, 4 * ROOM_BYTES);
}

void wire_writer_done(struct wire_writer *w)
{
	buf_done(&w->out);
}

int wire_writer_end(struct wire_writer *w, int code, uint64_t need_first, const char *text,
		    struct err *e)
{
	AUTO_BUF b = BUF(OTHER_BYTES_MAX);
	int r;

	put_u64(&b, (uint64_t)-code);
	put_u64(&b, need_first);
	put_string(&b, text);
	r = put_frame(w, FRAME_DONE, &b, e);
	return r < 0 ? r : flush_with(w, NULL, 0, e);
}

/* Reading */

struct reader {
	int fd;
	enum pkg_want want;
	const struct pkg_sink *sink;
	struct buf in; /* owned */
	size_t at;     /* what is before it was used */
	bool has_meta, in_entry, has_bytes, done, sink_ended;
	uint64_t rows, entries;
	uint64_t left;	/* of the current file */
	uint64_t total; /* of all files */
	uint64_t need_first;
	int code;
};

/* A frame's payload. A field that is not there marks it bad; one check at the end. */
struct payload {
	const char *at;
	size_t left;
	bool bad;
};

static uint64_t take_u64(struct payload *p)
{
	uint64_t n = 0;

	if (p->left < sizeof(n)) {
		p->bad = true;
		return 0;
	}
	memcpy(&n, p->at, sizeof(n));
	p->at += sizeof(n);
	p->left -= sizeof(n);
	return n;
}

static const char *take_text(struct payload *p, size_t *ret_len)
{
	uint64_t len = take_u64(p);
	const char *text = p->at;

	if (p->bad || len >= p->left || text[len] != '\0') {
		p->bad = true;
		*ret_len = 0;
		return "";
	}
	p->at += len + 1;
	p->left -= len + 1;
	*ret_len = (size_t)len;
	return text;
}

/* A text without a NUL in it. */
static const char *take_string(struct payload *p)
{
	size_t len;
	const char *text = take_text(p, &len);

	p->bad |= strlen(text) != len;
	return text;
}

static int broken(struct err *e, const char *what)
{
	return err_set(e, -EBADMSG, "the parser's answer is broken: %s", what);
}

/* What the sink answered; its failures are kept apart from ours. */
static int sunk(struct reader *rd, int r)
{
	rd->sink_ended |= r < 0;
	return r;
}

static int read_meta(struct reader *rd, struct payload *p, struct err *e)
{
	AUTO_MEM struct pkg_entry_point *points = NULL;
	struct pkg_meta meta = { 0 };
	uint64_t noarch, count;
	int r;

	if (rd->has_meta)
		return broken(e, "meta twice");
	meta.name = take_string(p);
	meta.version = take_string(p);
	meta.build = take_string(p);
	meta.subdir = take_string(p);
	meta.index_json = take_text(p, &meta.index_json_len);
	noarch = take_u64(p);
	count = take_u64(p);
	if (p->bad || noarch > PKG_NOARCH_PYTHON || count > ENTRY_POINTS_MAX)
		return broken(e, "meta");
	points = calloc(count + 1, sizeof(*points));
	if (!points)
		return err_nomem(e);
	for (size_t i = 0; i < count; i++) {
		points[i].command = take_string(p);
		points[i].module = take_string(p);
		points[i].function = take_string(p);
		r = p->bad ? broken(e, "meta") : link_check_point(&points[i], e);
		if (r < 0)
			return r;
	}
	meta.noarch = (int)noarch;
	meta.entry_points = points;
	meta.entry_point_count = (size_t)count;
	r = p->left > 0 ? broken(e, "meta") : info_check_meta(&meta, e);
	if (r < 0)
		return r;
	rd->has_meta = true;
	return sunk(rd, rd->sink->meta(rd->sink->ctx, &meta, e));
}

static int check_path(const char *path, size_t len, struct err *e)
{
	int r = pkg_refuse(path_check(path, len, e), e);

	return r == 0 && paths_is_hidden(path, len) ? broken(e, "a path that is never shown") : r;
}

static int read_row(struct reader *rd, struct payload *p, struct err *e)
{
	struct pkg_row row = { 0 };
	uint64_t type, binary, no_link, has_digest, has_size;
	int r;

	row.path = take_text(p, &row.path_len);
	type = take_u64(p);
	binary = take_u64(p);
	no_link = take_u64(p);
	row.placeholder = take_text(p, &row.placeholder_len);
	has_digest = take_u64(p);
	if (p->left < DIGEST_BYTES)
		return broken(e, "row");
	memcpy(row.digest.bytes, p->at, DIGEST_BYTES);
	p->at += DIGEST_BYTES;
	p->left -= DIGEST_BYTES;
	has_size = take_u64(p);
	row.size = take_u64(p);
	if (p->bad || p->left > 0 || type > PKG_LINK || binary > 1 || no_link > 1 ||
	    has_digest > 1 || has_size > 1 || row.size > FILE_BYTES_MAX ||
	    row.placeholder_len > PLACEHOLDER_MAX ||
	    !text_is_clean(row.placeholder, row.placeholder_len))
		return broken(e, "row");
	if (!rd->has_meta || rd->entries > 0 || ++rd->rows > PACKAGE_FILES_MAX)
		return broken(e, "a row out of turn");
	r = check_path(row.path, row.path_len, e);
	if (r < 0)
		return r;
	row.type = (int)type;
	row.binary = binary;
	row.no_link = no_link;
	row.has_digest = has_digest;
	row.has_size = has_size;
	row.placeholder = row.placeholder_len > 0 ? row.placeholder : NULL;
	return sunk(rd, rd->sink->row(rd->sink->ctx, &row, e));
}

static int check_links(struct pkg_entry *entry, struct err *e)
{
	int r = 0;

	if ((entry->type == PKG_LINK) != (entry->target_len > 0) ||
	    (entry->link_to_len > 0 && entry->type != PKG_FILE) ||
	    (entry->size > 0 && entry->type != PKG_FILE))
		return broken(e, "entry");
	if (entry->target_len > 0)
		r = pkg_refuse(path_check_target(entry->target, entry->target_len, e), e);
	else
		entry->target = NULL;
	if (r == 0 && entry->link_to_len > 0)
		r = check_path(entry->link_to, entry->link_to_len, e);
	else
		entry->link_to = NULL;
	return r;
}

static int read_entry(struct reader *rd, struct payload *p, struct err *e)
{
	struct pkg_entry entry = { 0 };
	uint64_t type, mode, mtime_ns;
	int r;

	entry.path = take_text(p, &entry.path_len);
	type = take_u64(p);
	mode = take_u64(p);
	entry.mtime_s = (int64_t)take_u64(p);
	mtime_ns = take_u64(p);
	entry.size = take_u64(p);
	entry.target = take_text(p, &entry.target_len);
	entry.link_to = take_text(p, &entry.link_to_len);
	if (p->bad || p->left > 0 || type < PKG_DIR || type > PKG_LINK || mode > 07777 ||
	    mtime_ns >= 1000000000 || entry.size > FILE_BYTES_MAX)
		return broken(e, "entry");
	if (!rd->has_meta || rd->in_entry || rd->want != PKG_WHOLE ||
	    ++rd->entries > PACKAGE_FILES_MAX)
		return broken(e, "an entry out of turn");
	entry.type = (int)type;
	entry.mode = (uint32_t)mode;
	entry.mtime_ns = (uint32_t)mtime_ns;
	r = check_path(entry.path, entry.path_len, e);
	if (r == 0)
		r = check_links(&entry, e);
	if (r < 0)
		return r;
	rd->in_entry = true;
	rd->left = entry.link_to ? 0 : entry.size;
	return sunk(rd, rd->sink->entry(rd->sink->ctx, &entry, e));
}

static int read_end(struct reader *rd, struct payload *p, struct err *e)
{
	if (p->left > 0 || !rd->in_entry || rd->left > 0)
		return broken(e, "an end out of turn");
	rd->in_entry = false;
	return sunk(rd, rd->sink->end(rd->sink->ctx, e));
}

static int read_done(struct reader *rd, struct payload *p, struct err *e)
{
	uint64_t code = take_u64(p);
	const char *text;

	rd->need_first = take_u64(p);
	text = take_string(p);
	if (p->bad || p->left > 0 || code > 4095 || (code == 0 && (!rd->has_meta || rd->in_entry)))
		return broken(e, "an end out of turn");
	if (code == EAGAIN && rd->has_meta)
		return broken(e, "it asks for more after it has answered");
	rd->done = true;
	rd->code = -(int)code;
	if (code > 0)
		(void)err_set(e, rd->code, "%s",
			      text_is_clean(text, strlen(text)) ? text : QUOTE(text, strlen(text)));
	return 0;
}

static int read_frame(struct reader *rd, const struct head *head, struct err *e)
{
	struct payload p = { .at = rd->in.bytes + rd->at, .left = head->len };

	switch (head->kind) {
	case FRAME_META:
		return read_meta(rd, &p, e);
	case FRAME_ROW:
		return read_row(rd, &p, e);
	case FRAME_ENTRY:
		return read_entry(rd, &p, e);
	case FRAME_END:
		return read_end(rd, &p, e);
	case FRAME_DONE:
		return read_done(rd, &p, e);
	default:
		return broken(e, "a frame of no kind");
	}
}

/* Makes at least `want` bytes stand at rd->at. 1: they do; 0: the socket ended. */
static int need(struct reader *rd, size_t want, struct err *e)
{
	while (rd->in.len - rd->at < want) {
		ssize_t n;
		size_t room;
		char *to;

		if (rd->at > 0) {
			memmove(rd->in.bytes, rd->in.bytes + rd->at, rd->in.len - rd->at);
			rd->in.len -= rd->at;
			rd->at = 0;
		}
		room = want > ROOM_BYTES ? want - rd->in.len : ROOM_BYTES - rd->in.len;
		to = buf_room(&rd->in, room);
		if (!to)
			return err_nomem(e);
		n = recv(rd->fd, to, room, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, "answer of the parser");
		if (n == 0)
			return 0;
		rd->in.len += (size_t)n;
	}
	return 1;
}

/* Hands on a BYTES frame in the pieces in which it comes. */
static int read_bytes(struct reader *rd, uint32_t len, struct err *e)
{
	if (!rd->in_entry || len > rd->left)
		return broken(e, "bytes out of turn");
	rd->total += len;
	if (rd->total > PACKAGE_BYTES_MAX)
		return broken(e, "too many bytes");
	rd->left -= len;
	while (len > 0) {
		size_t n;
		int r = need(rd, 1, e);

		if (r <= 0)
			return r < 0 ? r : -ENODATA;
		n = rd->in.len - rd->at < len ? rd->in.len - rd->at : len;
		r = sunk(rd, rd->sink->bytes(rd->sink->ctx, rd->in.bytes + rd->at, n, e));
		if (r < 0)
			return r;
		rd->at += n;
		len -= (uint32_t)n;
	}
	return 0;
}

/* 1: read on; 0: it was the last frame, or the socket ended. */
static int step(struct reader *rd, struct err *e)
{
	struct head head;
	int r = need(rd, sizeof(head), e);

	if (r <= 0)
		return r;
	memcpy(&head, rd->in.bytes + rd->at, sizeof(head));
	rd->at += sizeof(head);
	if (head.kind == FRAME_BYTES) {
		r = read_bytes(rd, head.len, e);
		return r == -ENODATA && !rd->sink_ended ? 0 : r < 0 ? r : 1;
	}
	if (head.len > (head.kind == FRAME_META ? META_BYTES_MAX : OTHER_BYTES_MAX))
		return broken(e, "a frame that is too long");
	r = need(rd, head.len, e);
	if (r <= 0)
		return r;
	r = read_frame(rd, &head, e);
	rd->at += head.len;
	return r < 0 ? r : !rd->done;
}

static void reader_done(struct reader *rd)
{
	buf_done(&rd->in);
}

enum wire_end wire_read(int fd, enum pkg_want want, const struct pkg_sink *sink, int *ret_code,
			uint64_t *ret_need_first, struct err *e)
{
	AUTO(reader_done) struct reader rd = { .fd = fd, .want = want, .sink = sink };
	int r;

	buf_init(&rd.in, META_BYTES_MAX + ROOM_BYTES);
	do {
		r = step(&rd, e);
	} while (r > 0);
	*ret_code = r < 0 ? r : rd.code;
	*ret_need_first = rd.need_first;
	if (r < 0)
		return rd.sink_ended ? WIRE_SINK_ENDED : WIRE_BROKEN;
	return rd.done ? WIRE_DONE : WIRE_CUT;
}
