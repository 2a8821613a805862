/* SPDX-License-Identifier: Apache-2.0 */
/* names: the numbers that name the files of packs/, manifests/ and gens/. */
#ifndef ENVFS_GC_NAMES_H
#define ENVFS_GC_NAMES_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct numbers {
	uint64_t *all; /* owned; sorted */
	size_t count, cap;
	size_t strangers;   /* names that are no number */
	char stranger[256]; /* the first of them */
};

/* An open folder's names. */
int numbers_load(struct numbers *ret, int dir, struct err *e) MUST_CHECK;
void numbers_done(struct numbers *n);
bool numbers_has(const struct numbers *n, uint64_t number);
uint64_t numbers_last(const struct numbers *n); /* 0 when there is none */

/* A set of 64-bit hashes: what a store of millions of objects leaves room for. */
struct hashes {
	uint64_t *slots; /* owned; 0: free */
	size_t cap, count;
};

void hashes_done(struct hashes *h);
/* 1 when it is new, 0 when it was there. */
int hashes_add(struct hashes *h, uint64_t hash, struct err *e) MUST_CHECK;
bool hashes_has(const struct hashes *h, uint64_t hash);

#endif
