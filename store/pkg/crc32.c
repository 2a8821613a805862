/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/crc32.h"

#include <endian.h>
#include <string.h>

#define POLYNOMIAL 0xedb88320u

void crc32_begin(struct crc32 *c)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t sum = i;

		for (int bit = 0; bit < 8; bit++)
			sum = sum >> 1 ^ (sum & 1 ? POLYNOMIAL : 0);
		c->table[0][i] = sum;
	}
	for (int k = 1; k < 8; k++)
		for (uint32_t i = 0; i < 256; i++)
			c->table[k][i] =
				c->table[k - 1][i] >> 8 ^ c->table[0][c->table[k - 1][i] & 0xff];
	c->sum = 0xffffffffu;
}

void crc32_add(struct crc32 *c, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;
	uint32_t sum = c->sum;

	for (; len >= 8; at += 8, len -= 8) {
		uint32_t low, high;

		memcpy(&low, at, 4);
		memcpy(&high, at + 4, 4);
		low = le32toh(low) ^ sum;
		high = le32toh(high);
		sum = c->table[7][low & 0xff] ^ c->table[6][low >> 8 & 0xff] ^
		      c->table[5][low >> 16 & 0xff] ^ c->table[4][low >> 24] ^
		      c->table[3][high & 0xff] ^ c->table[2][high >> 8 & 0xff] ^
		      c->table[1][high >> 16 & 0xff] ^ c->table[0][high >> 24];
	}
	for (; len > 0; at++, len--)
		sum = sum >> 8 ^ c->table[0][(sum ^ *at) & 0xff];
	c->sum = sum;
}

uint32_t crc32_end(const struct crc32 *c)
{
	return ~c->sum;
}
