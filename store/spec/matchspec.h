/* SPDX-License-Identifier: Apache-2.0 */
/*
 * matchspec: what a user or a package asks for (CEP 29; conda is the judge, and
 * where it is not, docs/decisions/versions-and-specs.md says why).
 *
 *	name  name=1.2  name 1.2.*  name >=1.2,<2|3.1 build*  name=1.2=build
 *	channel/subdir::name[version='>=1.2', build_number='>3', md5=…]
 *	https://host/channel/subdir/name-1.2-build.conda
 *
 * A '#' starts a comment, " if " a condition that is ignored, both as in conda.
 */
#ifndef ENVFS_SPEC_MATCHSPEC_H
#define ENVFS_SPEC_MATCHSPEC_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "spec/version.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct matchspec;

int matchspec_parse(struct matchspec **ret, const char *text, struct err *e) MUST_CHECK;
struct matchspec *matchspec_free(struct matchspec *s);
AUTO_FREE_FN(matchspec)

/* NULL: not asked. The name is lower case, and never NULL: "*" is any. */
const char *matchspec_name(const struct matchspec *s);
bool matchspec_name_is_exact(const struct matchspec *s); /* no glob or regex */
const char *
matchspec_channel(const struct matchspec *s); /* as given: a name or a URL, without subdir */
const char *matchspec_subdir(const struct matchspec *s);
const char *matchspec_url(const struct matchspec *s);
const struct version_spec *matchspec_version(const struct matchspec *s);
const char *matchspec_build(const struct matchspec *s);
bool matchspec_is_bare(const struct matchspec *s); /* nothing but a name */
/* when=, extras=, flags= are understood and kept, but nothing in repodata without
 * v3 can satisfy them: a spec with one says so here. (matches() looks at neither
 * of them.) */
bool matchspec_needs_v3(const struct matchspec *s);
const char *matchspec_when(const struct matchspec *s);	 /* "__unix and python >=3" */
const char *matchspec_extras(const struct matchspec *s); /* in order: "a,b" */
const char *matchspec_flags(const struct matchspec *s);

/* What a spec is held against. NULL or zero: not known, and then a spec that asks
 * for it does not match. */
struct match_target {
	const char *name, *version_text, *build;
	const struct version *version; /* parsed version_text, or NULL: parsed here */
	uint64_t build_number;
	const char *channel;	       /* the channel's canonical name: "conda-forge", or its URL */
	const char *channel_url;       /* base URL, no credentials, no slash at the end */
	const char *subdir, *fn, *url; /* url without credentials */
	const char *license, *license_family, *track_features, *features;
	const struct digest *sha256;
	const struct md5 *md5;
};
/* Allocates nothing, unless t->version is left for it to parse. */
bool matchspec_matches(const struct matchspec *s, const struct match_target *t);

/* conda's canonical string form. */
void matchspec_print(const struct matchspec *s, struct buf *ret);

/* The subdirs that conda knows, "noarch" first, NULL last. */
extern const char *const subdirs_known[];

/* Names as packages have them (CEP 26): [a-z0-9._-], no two of "._-" in a row,
 * "_" or "__" in front, at most PACKAGE_NAME_MAX. */
int package_name_check(const char *name, size_t len, struct err *e) MUST_CHECK;

#endif
