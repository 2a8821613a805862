/* SPDX-License-Identifier: Apache-2.0 */
/* What a parser that was taken over may answer to the one that asked it. */
#include "base/path.h"
#include "pkg/wire.h"

#include <stdint.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

struct state {
	bool has_meta, in_entry, is_file;
	uint64_t left;
};

static int meta(void *ctx, const struct pkg_meta *m, struct err *e)
{
	struct state *s = ctx;

	(void)m;
	(void)e;
	if (s->has_meta)
		__builtin_trap();
	s->has_meta = true;
	return 0;
}

static int row(void *ctx, const struct pkg_row *r, struct err *e)
{
	struct state *s = ctx;

	if (!s->has_meta || path_check(r->path, r->path_len, e) < 0)
		__builtin_trap();
	return 0;
}

static int entry(void *ctx, const struct pkg_entry *en, struct err *e)
{
	struct state *s = ctx;

	if (!s->has_meta || s->in_entry || path_check(en->path, en->path_len, e) < 0)
		__builtin_trap();
	s->in_entry = true;
	s->left = en->type == PKG_FILE && !en->link_to ? en->size : 0;
	return 0;
}

static int bytes_(void *ctx, const void *bytes, size_t len, struct err *e)
{
	struct state *s = ctx;

	(void)bytes;
	(void)e;
	if (!s->in_entry || len > s->left)
		__builtin_trap();
	s->left -= len;
	return 0;
}

static int end(void *ctx, struct err *e)
{
	struct state *s = ctx;

	(void)e;
	if (!s->in_entry || s->left > 0)
		__builtin_trap();
	s->in_entry = false;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct state s = { 0 };
	const struct pkg_sink sink = { &s, meta, row, entry, bytes_, end };
	uint64_t need;
	struct err e;
	int pair[2], code;

	if (len > 65536 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return 0;
	if (send(pair[0], bytes, len, MSG_NOSIGNAL) != (ssize_t)len)
		__builtin_trap();
	(void)close(pair[0]);
	(void)!wire_read(pair[1], PKG_WHOLE, &sink, &code, &need, &e);
	(void)close(pair[1]);
	return 0;
}
