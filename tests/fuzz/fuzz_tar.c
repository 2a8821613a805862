/* SPDX-License-Identifier: Apache-2.0 */
/* A tar and the documents of info/ in it. Checksums are put right first, or no
 * change of a header would ever get past them. */
#include "base/path.h"
#include "pkg/info.h"
#include "pkg/stream.h"
#include "pkg/tar.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void put_checksums_right(uint8_t *bytes, size_t len)
{
	for (size_t at = 0; len - at >= 512; at += 512) {
		uint8_t *h = bytes + at;
		unsigned int sum = 0;
		char text[8];

		if (memcmp(h + 257, "ustar", 5) != 0)
			continue;
		memset(h + 148, ' ', 8);
		for (size_t i = 0; i < 512; i++)
			sum += h[i];
		(void)snprintf(text, sizeof(text), "%06o", sum & 0777777);
		memcpy(h + 148, text, 7);
	}
}

static void check(const struct tar_entry *entry)
{
	struct err e;

	if (path_check(entry->path, entry->path_len, &e) < 0 ||
	    strlen(entry->path) != entry->path_len || entry->mtime_ns > 999999999 ||
	    entry->mode > 07777 ||
	    (entry->type == TAR_HARDLINK && path_check(entry->target, entry->target_len, &e) < 0) ||
	    (entry->type == TAR_SYMLINK &&
	     path_check_target(entry->target, entry->target_len, &e) < 0))
		__builtin_trap();
}

static int no_meta(void *ctx, const struct pkg_meta *meta, struct err *e)
{
	(void)ctx;
	(void)meta;
	(void)e;
	return 0;
}

static int no_row(void *ctx, const struct pkg_row *row, struct err *e)
{
	(void)ctx;
	if (path_check(row->path, row->path_len, e) < 0)
		__builtin_trap();
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const struct pkg_sink sink = { .meta = no_meta, .row = no_row };
	struct pkg_limits limits = PKG_LIMITS;
	AUTO_MEM uint8_t *own = malloc(len + 1);
	AUTO(stream_freep) struct stream *stream = NULL;
	AUTO(tar_freep) struct tar *tar = NULL;
	AUTO(info_done) struct info info;
	struct tar_entry entry;
	struct err e;
	int r;

	info_init(&info, &limits);
	if (!own)
		return 0;
	if (len > 0)
		memcpy(own, bytes, len);
	put_checksums_right(own, len);
	if (stream_open_plain(&stream, own, len, &limits, &e) < 0 ||
	    tar_open(&tar, stream, &limits, &e) < 0)
		return 0;
	while ((r = tar_next(tar, &entry, &e)) > 0) {
		check(&entry);
		if (info_take(&info, &entry, tar, &e) < 0)
			return 0;
	}
	if (r == 0)
		(void)!info_tell(&info, &limits, false, &sink, &e);
	return 0;
}
