/* SPDX-License-Identifier: Apache-2.0 */
/*
 * temp_store: a store in a temporary directory of its own, and a stream of
 * numbers that is the same in every run.
 */
#ifndef ENVFS_TESTS_TEMP_STORE_H
#define ENVFS_TESTS_TEMP_STORE_H

#include "base/auto.h"
#include "base/store.h"
#include "test.h"

#include <ftw.h>
#include <limits.h>
#include <stdint.h>

struct temp_store {
	char dir[PATH_MAX];
	struct store *st;
};

static inline int temp_remove_one(const char *path, const struct stat *sb, int type,
				  struct FTW *ftw)
{
	(void)sb;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline void temp_store_make(struct temp_store *t)
{
	const char *below = getenv("TMPDIR");
	struct err e = { 0 };

	/* Tests sync a lot; where that costs nothing is best. */
	if (!below)
		below = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	(void)snprintf(t->dir, sizeof(t->dir), "%s/envfs-test-XXXXXX", below);
	if (!mkdtemp(t->dir) || store_open(&t->st, t->dir, STORE_WRITE, &e) < 0) {
		fprintf(stderr, "no store in %s: %s\n", t->dir, e.text);
		exit(1);
	}
}

static inline void temp_store_done(struct temp_store *t)
{
	t->st = store_free(t->st);
	(void)nftw(t->dir, temp_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
#define AUTO_TEMP_STORE AUTO(temp_store_done) struct temp_store

/* splitmix64 */
static inline uint64_t test_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

/* Bytes of three sorts, by `kind`: 0 noise, 1 text that compresses, 2 zeros. */
static inline void test_fill(uint8_t *to, size_t len, unsigned int kind, uint64_t seed)
{
	static const char *const words[] = { "import ", "return ", "self.", "def ", "\n    ",
					     "lib/",	"python",  " = ",   "None", "0x" };

	for (size_t i = 0; i < len;) {
		uint64_t n = test_random(&seed);
		const char *word = words[n % ARRAY_LEN(words)];

		if (kind == 1)
			for (; *word && i < len; i++)
				to[i] = (uint8_t)*word++;
		else
			for (int k = 0; k < 8 && i < len; k++, n >>= 8)
				to[i++] = kind == 0 ? (uint8_t)n : 0;
	}
}

#endif
