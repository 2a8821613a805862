/* SPDX-License-Identifier: Apache-2.0 */
/*
 * generation: an immutable, numbered state of one environment
 * (docs/formats/generation.md), mapped read-only: its packages in link order,
 * their artifacts and records, what was asked for, platform and virtual
 * packages. Checked whole when it is opened.
 */
#ifndef ENVFS_ENV_GENERATION_H
#define ENVFS_ENV_GENERATION_H

#include "base/auto.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/store.h"
#include "index/index.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct generation;

/* A package of a generation. Texts are NUL-terminated, in the map. */
struct gen_package {
	uint64_t package; /* number in the store */
	uint64_t place;	  /* scope of its patched files: the same in each generation of this
			     environment */
	struct digest sha256;
	struct md5 md5; /* zero: not known */
	uint64_t size;	/* 0: not known */
	const char *name, *version, *build, *subdir, *fn;
	const char *url;	 /* without credentials */
	const char *channel_url; /* base URL; "" when not known */
	const char *record_json; /* the patched repodata record; "" for what came from an explicit
				    list */
	const char *requested;	 /* the MatchSpec that asked for it by name; "" when only needed */
};

int generation_open(struct generation **ret, struct store *st, uint64_t number, struct err *e)
	MUST_CHECK;
struct generation *generation_ref(struct generation *g); /* counted, safe between threads */
struct generation *generation_free(struct generation *g);
AUTO_FREE_FN(generation)

uint64_t generation_number(const struct generation *g);
const char *
generation_env(const struct generation *g); /* the environment's name when it was written */
uint64_t generation_parent(const struct generation *g); /* the generation before it; 0: none */
int64_t generation_created_ms(const struct generation *g);
const char *generation_platform(const struct generation *g); /* "linux-64" */
/* Directory scopes: slot_base is the generation's own, slot_base + 1 + i its package i's. */
uint64_t generation_slot_base(const struct generation *g);
uint32_t generation_count(const struct generation *g);
void generation_package(const struct generation *g, uint32_t i, struct gen_package *ret);
/*
 * What was asked for and how, one JSON object (docs/formats/generation.md):
 * {"specs": [...], "channels": [...], "channel_priority": "...", "explicit": bool,
 *  "variables": {...}, "virtual_packages": ["__glibc=2.36=0", ...], "command": "...",
 *  "pins": [...]}
 */
const char *generation_request_json(const struct generation *g);

/* Writing. */
struct generation_spec {
	const char *env;
	uint64_t parent;
	const char *platform;
	const char *request_json;
	struct gen_package *packages; /* in link order; package and place are filled in here */
	uint32_t count;
};

/*
 * Gives numbers and places (those of the parent are kept), writes gens/NUMBER,
 * synced. The environment does not change yet. -EEXIST when two packages share
 * a name.
 */
int generation_write(struct store *st, struct index *ix, struct generation_spec *spec,
		     uint64_t *ret_number, struct err *e) MUST_CHECK;

/* Calls fn for every number in gens/. */
int generation_each(struct store *st, int (*fn)(void *ctx, uint64_t number), void *ctx,
		    struct err *e) MUST_CHECK;
/* What its header says the counters were: for rebuild. */
uint64_t generation_counter(const struct generation *g, enum index_counter which);

#endif
