/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crc32: the checksum of zip members (ISO 3309), eight bytes at a time. The
 * tables are made anew for each archive: 8 KiB, and no global state.
 */
#ifndef ENVFS_PKG_CRC32_H
#define ENVFS_PKG_CRC32_H

#include <stddef.h>
#include <stdint.h>

struct crc32 {
	uint32_t table[8][256];
	uint32_t sum;
};

void crc32_begin(struct crc32 *c);
void crc32_add(struct crc32 *c, const void *bytes, size_t len);
uint32_t crc32_end(const struct crc32 *c);

#endif
