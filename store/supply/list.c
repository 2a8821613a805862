/* SPDX-License-Identifier: Apache-2.0 */
#include "supply/list.h"

#include "manifest/build.h"

static int on_meta(void *ctx, const struct pkg_meta *meta, struct err *e)
{
	return manifest_builder_meta(ctx, meta, e);
}

static int on_row(void *ctx, const struct pkg_row *row, struct err *e)
{
	return manifest_builder_row(ctx, row, e);
}

int list_tail(const struct ingest *in, uint64_t have, uint64_t *ret_need_first, struct err *e)
{
	AUTO(manifest_builder_freep) struct manifest_builder *build = NULL;
	int r = manifest_builder_open(&build, in->package, in->sha256, MANIFEST_LISTED, e);

	if (r < 0)
		return r;
	const struct pkg_sink sink = { .ctx = build, .meta = on_meta, .row = on_row };
	r = worker_list_tail(in->worker, in->fd, have, in->size, &sink, ret_need_first, e);
	return r < 0 ? r : manifest_publish(build, in->store, e);
}
