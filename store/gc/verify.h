/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verify: whether the store holds together: every environment leads to a
 * generation, every generation and manifest is whole, every file of a present
 * package has its bytes in a pack, every pack is what its footer says, the index agrees
 * with the files, and cached repodata is what it was.
 *
 * It only reads, takes no lock, and may run beside anything else: what comes
 * while it runs is not looked at or found whole.
 */
#ifndef ENVFS_GC_VERIFY_H
#define ENVFS_GC_VERIFY_H

#include "base/err.h"
#include "base/store.h"

#include <stdbool.h>
#include <stdint.h>

enum finding_level {
	FINDING_NOTE,  /* garbage, or a cache that lags: nothing is lost */
	FINDING_FAULT, /* something is damaged or missing */
};

struct finding {
	enum finding_level level;
	const char *what; /* "pack 12", "environment 'ml'", "index" */
	const char *text; /* a sentence; it may name `what` again */
};

struct verify_options {
	bool deep; /* read every block, compare every object's SHA-256 */
	/* Both may be NULL. finding: what is wrong, one by one; < 0 stops, and comes back. */
	int (*finding)(void *ctx, const struct finding *f);
	/* Bytes of packs that have been looked at, of how many. */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *ctx;
};

struct verify_result {
	uint64_t faults, notes;
	uint64_t packs, objects, object_bytes, pack_bytes;
	uint64_t manifests, present; /* of which are present */
	uint64_t generations, environments;
};

/* 0 when it could look at everything, whatever it found. */
int verify_store(struct store *st, const struct verify_options *o, struct verify_result *ret,
		 struct err *e) MUST_CHECK;

#endif
