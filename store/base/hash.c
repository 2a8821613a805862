/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <openssl/evp.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* Fetched once: EVP_sha256() would look the algorithm up anew at each use. */
static EVP_MD *sha256_md, *md5_md;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fetch_algorithms(void)
{
	sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
	md5_md = EVP_MD_fetch(NULL, "MD5", NULL);
}

static int begin(struct hasher *h, EVP_MD **md, const char *name, struct err *e)
{
	EVP_MD_CTX *ctx;

	h->ctx = NULL;
	(void)pthread_once(&once, fetch_algorithms);
	if (!*md)
		return err_set(e, -ENOSYS, "OpenSSL offers no %s here", name);
	ctx = EVP_MD_CTX_new();
	if (!ctx || EVP_DigestInit_ex2(ctx, *md, NULL) != 1) {
		EVP_MD_CTX_free(ctx);
		return err_nomem(e);
	}
	h->ctx = ctx;
	return 0;
}

int sha256_begin(struct hasher *h, struct err *e)
{
	return begin(h, &sha256_md, "SHA-256", e);
}

int md5_begin(struct hasher *h, struct err *e)
{
	return begin(h, &md5_md, "MD5", e);
}

void hasher_add(struct hasher *h, const void *bytes, size_t len)
{
	int r = EVP_DigestUpdate(h->ctx, bytes, len);

	assert(r == 1);
	(void)r;
}

static void end(struct hasher *h, uint8_t *ret, unsigned int len)
{
	unsigned int got = 0;
	int r = EVP_DigestFinal_ex(h->ctx, ret, &got);

	assert(r == 1 && got == len);
	(void)r;
	hasher_done(h);
}

void sha256_end(struct hasher *h, struct digest *ret)
{
	end(h, ret->bytes, DIGEST_BYTES);
}

void md5_end(struct hasher *h, struct md5 *ret)
{
	end(h, ret->bytes, MD5_BYTES);
}

void hasher_done(struct hasher *h)
{
	EVP_MD_CTX_free(h->ctx);
	h->ctx = NULL;
}

int sha256_of(const void *bytes, size_t len, struct digest *ret, struct err *e)
{
	struct hasher h;
	int r = sha256_begin(&h, e);

	if (r < 0)
		return r;
	hasher_add(&h, bytes, len);
	sha256_end(&h, ret);
	return 0;
}

bool digest_same(const struct digest *a, const struct digest *b)
{
	return memcmp(a->bytes, b->bytes, DIGEST_BYTES) == 0;
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i])
			return false;
	return true;
}

bool digest_is_zero(const struct digest *d)
{
	return all_zero(d->bytes, DIGEST_BYTES);
}

bool md5_is_zero(const struct md5 *m)
{
	return all_zero(m->bytes, MD5_BYTES);
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool hex_parse(const char *hex, size_t hex_len, uint8_t *ret, size_t len)
{
	if (hex_len != 2 * len)
		return false;
	for (size_t i = 0; i < len; i++) {
		int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

void hex_print(const uint8_t *bytes, size_t len, char *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		ret[2 * i] = digits[bytes[i] >> 4];
		ret[2 * i + 1] = digits[bytes[i] & 15];
	}
	ret[2 * len] = '\0';
}

uint64_t xxh64(const void *bytes, size_t len)
{
	return XXH3_64bits(bytes, len);
}
