/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest: a verified artifact -> objects in a pack, a present manifest, rows in
 * the index; in this order, each durable before the next. supply/ only.
 */
#ifndef ENVFS_SUPPLY_INGEST_H
#define ENVFS_SUPPLY_INGEST_H

#include "base/err.h"
#include "base/hash.h"
#include "base/store.h"
#include "index/index.h"
#include "pkg/worker.h"

#include <stdint.h>

struct ingest {
	struct store *store;
	struct index *index;
	struct worker *worker;
	uint64_t package;
	const struct digest *sha256; /* of the artifact; checked by the caller */
	int fd;			     /* all of it */
	uint64_t size;
	enum pkg_format format;
	/* Called again and again while bytes arrive; what it returns below 0 ends it. */
	int (*alive)(void *ctx, struct err *e);
	void *ctx;
};

/* The artifact's lock is held by the caller. -EBADMSG and -EFBIG: refused. */
int ingest_whole(const struct ingest *in, struct err *e) MUST_CHECK;

#endif
