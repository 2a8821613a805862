/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A pack whose checksums are made right wherever they can be, so that what lies
 * behind them (extents, tables, zstd) is reached: refused, or read without harm.
 */
#include "base/hash.h"
#include "base/le.h"
#include "base/sys.h"
#include "object/block.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define OBJECTS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void mend_object(uint8_t *pack, uint64_t footer, const uint8_t *row)
{
	uint64_t offset = le64_get(row + FOOTER_OFFSET), stored = le64_get(row + FOOTER_STORED);
	uint64_t n = block_count(le64_get(row + FOOTER_SIZE)), begin = 0;
	uint8_t *table;

	if (n > OBJECTS_MAX || offset > footer || stored > footer - offset ||
	    stored < n * BLOCK_ROW_BYTES)
		return;
	table = pack + offset + stored - n * BLOCK_ROW_BYTES;
	for (uint64_t i = 0; i < n; i++, table += BLOCK_ROW_BYTES) {
		uint64_t end = le64_get(table + ROW_END) & ~ROW_ZSTD;

		if (end < begin || end > stored)
			return;
		le64_put(table + ROW_SUM, block_sum(pack + offset + begin, (size_t)(end - begin),
						    le64_get(pack + HEADER_PACK), offset, i));
		begin = end;
	}
}

static void mend(uint8_t *pack, size_t len)
{
	uint8_t *t = pack + len - PACK_TRAILER_BYTES;
	uint64_t count = le64_get(t + TRAILER_COUNT), at = le64_get(t + TRAILER_FOOTER);

	le64_put(pack + HEADER_SUM, xxh64(pack, HEADER_SUM));
	if (count > OBJECTS_MAX || at > len - PACK_TRAILER_BYTES ||
	    count * FOOTER_ROW_BYTES > len - PACK_TRAILER_BYTES - at)
		return;
	for (uint64_t i = 0; i < count; i++)
		mend_object(pack, at, pack + at + i * FOOTER_ROW_BYTES);
	le64_put(t + TRAILER_FOOTER_SUM, xxh64(pack + at, (size_t)count * FOOTER_ROW_BYTES));
	le64_put(t + TRAILER_SUM, xxh64(t, TRAILER_SUM));
}

static int ignore(void *ctx, const struct digest *digest, const struct extent *x,
		  const struct err *wrong)
{
	(void)ctx;
	(void)digest;
	(void)x;
	(void)wrong;
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct err e;
	uint8_t *copy;
	int fd, r = -1;

	if (len < PACK_HEADER_BYTES + PACK_TRAILER_BYTES)
		return 0;
	copy = malloc(len);
	fd = memfd_create("pack", MFD_CLOEXEC);
	if (copy && fd >= 0) {
		memcpy(copy, data, len);
		mend(copy, len);
		r = sys_write(fd, copy, len);
	}
	if (r == 0)
		r = pack_check_fd(fd, le64_get(copy + HEADER_PACK), true, ignore, NULL, &e);
	if (r > 0)
		abort(); /* 0 or negative, nothing else */
	if (fd >= 0)
		(void)sys_close(fd);
	free(copy);
	return 0;
}
