/* SPDX-License-Identifier: Apache-2.0 */
/* audit: what a run of verify has gathered; for the verify_*.c of this room only. */
#ifndef ENVFS_GC_AUDIT_H
#define ENVFS_GC_AUDIT_H

#include "base/hash.h"
#include "gc/names.h"
#include "gc/verify.h"
#include "index/index.h"
#include "object/pack.h"

/* Something that has a number and must always go with the same thing. */
struct pairing {
	uint64_t number;
	uint64_t with;	/* a hash of the thing */
	uint64_t where; /* a generation or manifest that says so */
};
struct pairings {
	struct pairing *all; /* owned */
	size_t count, cap;
};

struct audit {
	struct store *st;
	const struct verify_options *o;
	struct verify_result *result;

	/* The names as they were at the start; read in the order opposite to that of writing. */
	struct numbers gens, manifests, packs;

	struct hashes objects; /* object_hash() of all that the packs have */
	struct hashes digests; /* their digests */
	struct hashes loaded;  /* packs whose footer has been read, or found bad */
	struct hashes used;    /* packs that a manifest needs */

	struct pairings packages; /* package -> artifact */
	struct pairings places;	  /* place -> package and environment */
	struct pairings slots;	  /* first slot, number of slots */
	struct hashes wanted;	  /* packages that are in a generation */

	struct index *index;	     /* owned; NULL: nothing to compare with */
	struct hashes index_objects; /* object_hash() of the index's rows */
	struct pairings index_artifacts;
	uint64_t next[COUNTERS];
	uint64_t pack_bytes_done;
};

/* An object in a place. */
uint64_t object_hash(const struct digest *digest, const struct extent *x);
int pairings_add(struct pairings *p, uint64_t number, uint64_t with, uint64_t where, struct err *e)
	MUST_CHECK;
/* By number, then by what it goes with. */
void pairings_sort(struct pairings *p);

/* 0, or what the caller of verify said to stop with. */
int audit_fault(struct audit *a, const char *what, const char *fmt, ...) PRINTF(3, 4) MUST_CHECK;
int audit_note(struct audit *a, const char *what, const char *fmt, ...) PRINTF(3, 4) MUST_CHECK;
/* A file that could not be opened: damage is reported, trouble comes back. */
int audit_open_failed(struct audit *a, const char *what, int r, struct err *e) MUST_CHECK;
/* "pack 12", in room. */
#define AUDIT_NAME(kind, number) audit_name((kind), (number), (char[48]){ 0 })
const char *audit_name(const char *kind, uint64_t number, char room[48]);

/* verify_bytes.c */
int audit_packs(struct audit *a, struct err *e) MUST_CHECK;
int audit_manifests(struct audit *a, struct err *e) MUST_CHECK;
/* verify_index.c: its objects are read before the names of packs, its numbers
 * after all names; both are compared with the files at the end. */
int audit_index_objects(struct audit *a, struct err *e) MUST_CHECK;
int audit_index_numbers(struct audit *a, struct err *e) MUST_CHECK;
int audit_index_compare(struct audit *a) MUST_CHECK;
/* verify_channels.c */
int audit_channels(struct audit *a, struct err *e) MUST_CHECK;

#endif
