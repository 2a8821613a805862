/* SPDX-License-Identifier: Apache-2.0 */
/*
 * patch: how a file with a placeholder comes out under a prefix
 * (docs/decisions/prefix.md). Arithmetic over the manifest's spots: no byte of
 * the file is read here.
 *
 *	patch_measure    once: size, and whether anything changes (all spots are looked at)
 *	patch_open       then, for reading: O(1)
 *	patch_segment    what stands at a position of the output: O(log spots)
 */
#ifndef ENVFS_TREE_PATCH_H
#define ENVFS_TREE_PATCH_H

#include "base/buf.h"
#include "base/err.h"
#include "manifest/manifest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The prefix in all encodings; immutable once made. */
struct prefix {
	const char *text; /* borrowed */
	size_t len;
	uint8_t *units[SPOT_UNITS]; /* owned */
	size_t unit_len[SPOT_UNITS];
};

/* -EINVAL: not an absolute path of clean text. */
int prefix_init(struct prefix *p, const char *text, struct err *e) MUST_CHECK;
void prefix_done(struct prefix *p);

/* Whether the entry is one whose bytes may depend on the prefix. */
static inline bool patch_applies(const struct entry *en)
{
	return en->type == ENTRY_FILE && en->placeholder != NULL;
}

/* What is true of one entry of a present manifest under one prefix. */
struct patch_facts {
	uint64_t size; /* as served */
	bool changed;  /* any byte */
	bool mixed;    /* spots of several encodings */
};

/* -ENAMETOOLONG: the prefix is longer than a binary placeholder. -EBADMSG: spots
 * that cannot be. */
int patch_measure(const struct manifest *m, const struct entry *en, const struct prefix *prefix,
		  struct patch_facts *ret, struct err *e) MUST_CHECK;

struct patch {
	const struct manifest *m;    /* borrowed */
	const struct prefix *prefix; /* borrowed */
	struct entry en;
	struct patch_facts facts;
	size_t old_len[SPOT_UNITS]; /* of the placeholder in each encoding */
	struct buf head;	    /* owned; a rewritten first line, */
	size_t head_from;	    /* instead of so many bytes of the file */
	size_t first;		    /* the first spot behind it */
};

int patch_open(struct patch *p, const struct manifest *m, const struct entry *en,
	       const struct prefix *prefix, const struct patch_facts *facts, struct err *e)
	MUST_CHECK;
void patch_done(struct patch *p);

enum segment_kind { SEGMENT_FILE, SEGMENT_BYTES, SEGMENT_ZERO };
struct segment {
	enum segment_kind kind;
	uint64_t offset;      /* SEGMENT_FILE: in the original */
	const uint8_t *bytes; /* SEGMENT_BYTES: borrowed from the patch and its prefix */
	uint64_t len;	      /* > 0 */
};
/* at < facts.size */
void patch_segment(const struct patch *p, uint64_t at, struct segment *ret);

#endif
