/* SPDX-License-Identifier: Apache-2.0 */
/*
 * version: conda's version order (CEP 33; where conda differs, conda is the
 * judge, docs/decisions/). A parsed version is one block of memory, compared
 * without allocating.
 */
#ifndef ENVFS_SPEC_VERSION_H
#define ENVFS_SPEC_VERSION_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct version;

int version_parse(struct version **ret, const char *text, size_t len, struct err *e) MUST_CHECK;
struct version *version_free(struct version *v);
AUTO_FREE_FN(version)

int version_cmp(const struct version *a, const struct version *b); /* <0, 0, >0 */
/* conda's VersionOrder.startswith: "1.8" is the start of "1.8.3" */
bool version_starts_with(const struct version *v, const struct version *start);
const char *version_text(const struct version *v); /* as given, without blanks around it */
/* The parts before any '+' as JSON: [[0], [1], [0, "rc", 1]]; for tests and for who wonders. */
void version_print_parts(const struct version *v, struct buf *ret);

/* A version expression: ">=1.8,<2|1.7.*", "=1.8", "~=2.2.1", "^1\.8.*$", "*". */
struct version_spec;

int version_spec_parse(struct version_spec **ret, const char *text, size_t len, struct err *e)
	MUST_CHECK;
struct version_spec *version_spec_free(struct version_spec *s);
AUTO_FREE_FN(version_spec)
bool version_spec_matches(const struct version_spec *s, const struct version *v);
bool version_spec_is_exact(const struct version_spec *s);
const char *version_spec_text(const struct version_spec *s);

#endif
