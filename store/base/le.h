/* SPDX-License-Identifier: Apache-2.0 */
/*
 * le: numbers as they stand in files: little-endian, at any alignment.
 */
#ifndef ENVFS_BASE_LE_H
#define ENVFS_BASE_LE_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t le16_get(const void *at)
{
	uint16_t n;

	memcpy(&n, at, sizeof(n));
	return le16toh(n);
}

static inline uint32_t le32_get(const void *at)
{
	uint32_t n;

	memcpy(&n, at, sizeof(n));
	return le32toh(n);
}

static inline uint64_t le64_get(const void *at)
{
	uint64_t n;

	memcpy(&n, at, sizeof(n));
	return le64toh(n);
}

static inline void le16_put(void *at, uint16_t n)
{
	n = htole16(n);
	memcpy(at, &n, sizeof(n));
}

static inline void le32_put(void *at, uint32_t n)
{
	n = htole32(n);
	memcpy(at, &n, sizeof(n));
}

static inline void le64_put(void *at, uint64_t n)
{
	n = htole64(n);
	memcpy(at, &n, sizeof(n));
}

#endif
