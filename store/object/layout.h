/* SPDX-License-Identifier: Apache-2.0 */
/* layout: the bytes of a pack (docs/formats/pack.md); used inside this room only. */
#ifndef ENVFS_OBJECT_LAYOUT_H
#define ENVFS_OBJECT_LAYOUT_H

#include "base/limits.h"

#include <stddef.h>
#include <stdint.h>

#define PACK_VERSION	   1

#define PACK_MAGIC	   "envfsPAK"
#define PACK_HEADER_BYTES  32
#define HEADER_VERSION	   8
#define HEADER_BLOCK_BYTES 12
#define HEADER_PACK	   16
#define HEADER_SUM	   24

#define PACK_END_MAGIC	   "envfsEND"
#define PACK_TRAILER_BYTES 40
#define TRAILER_COUNT	   8
#define TRAILER_FOOTER	   16
#define TRAILER_FOOTER_SUM 24
#define TRAILER_SUM	   32

#define FOOTER_ROW_BYTES   56
#define FOOTER_OFFSET	   32
#define FOOTER_STORED	   40
#define FOOTER_SIZE	   48

#define BLOCK_ROW_BYTES	   16
#define ROW_END		   0
#define ROW_SUM		   8
#define ROW_ZSTD	   (1ULL << 63)

static inline uint64_t block_count(uint64_t size)
{
	return size / OBJECT_BLOCK_BYTES + (size % OBJECT_BLOCK_BYTES > 0);
}

/* Bytes of block `index` when read; size is at most FILE_BYTES_MAX here. */
static inline size_t block_len(uint64_t size, uint64_t index)
{
	uint64_t left = size - index * OBJECT_BLOCK_BYTES;

	return left < OBJECT_BLOCK_BYTES ? (size_t)left : (size_t)OBJECT_BLOCK_BYTES;
}

#endif
