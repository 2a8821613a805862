/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash: SHA-256 is identity and trust; MD5 only checks what old lock files say;
 * XXH3 is for tables and bit rot, never for identity.
 */
#ifndef ENVFS_BASE_HASH_H
#define ENVFS_BASE_HASH_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES	 32
#define DIGEST_HEX_BYTES 65 /* with the NUL */
#define MD5_BYTES	 16
#define MD5_HEX_BYTES	 33

struct digest {
	uint8_t bytes[DIGEST_BYTES];
};

struct md5 {
	uint8_t bytes[MD5_BYTES];
};

/* A running hash; one struct serves both kinds. */
struct hasher {
	void *ctx; /* owned */
};

int sha256_begin(struct hasher *h, struct err *e) MUST_CHECK;
int md5_begin(struct hasher *h, struct err *e) MUST_CHECK;
void hasher_add(struct hasher *h, const void *bytes, size_t len);
/* Ends, leaves h as after done: begin again before the next use. */
void sha256_end(struct hasher *h, struct digest *ret);
void md5_end(struct hasher *h, struct md5 *ret);
void hasher_done(struct hasher *h);

int sha256_of(const void *bytes, size_t len, struct digest *ret, struct err *e) MUST_CHECK;

bool digest_same(const struct digest *a, const struct digest *b);
bool digest_is_zero(const struct digest *d); /* all zero: not known */
bool md5_is_zero(const struct md5 *m);

/* Exactly 2*len lower- or upper-case hex digits. */
bool hex_parse(const char *hex, size_t hex_len, uint8_t *ret, size_t len);
void hex_print(const uint8_t *bytes, size_t len, char *ret); /* 2*len digits and a NUL */
#define DIGEST_HEX(d)                                                                              \
	({                                                                                         \
		static _Thread_local char hex_[DIGEST_HEX_BYTES];                                  \
		hex_print((d)->bytes, DIGEST_BYTES, hex_);                                         \
		(const char *)hex_;                                                                \
	})

uint64_t xxh64(const void *bytes, size_t len); /* XXH3, 64 bits, seed 0 */

#endif
