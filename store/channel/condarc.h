/* SPDX-License-Identifier: Apache-2.0 */
/*
 * condarc: one .condarc file as a small tree, with conda's markers (#!final, #!top,
 * #!bottom) on the lines that have them. Used by channel/ only; the only user of libyaml
 * here. Also made from a variable's text, so that both merge alike.
 *
 * YAML as configuration needs it: maps, lists, scalars. Anchors, aliases and tags of
 * one's own are refused, nesting ends at YAML_DEPTH_MAX.
 */
#ifndef ENVFS_CHANNEL_CONDARC_H
#define ENVFS_CHANNEL_CONDARC_H

#include "base/auto.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum condarc_kind { CONDARC_NULL, CONDARC_TEXT, CONDARC_LIST, CONDARC_MAP };
enum condarc_mark { MARK_NONE, MARK_FINAL, MARK_TOP, MARK_BOTTOM };

struct condarc_node {
	enum condarc_kind kind;
	enum condarc_mark mark;
	char *key;	      /* owned; in a map, else NULL */
	char *text;	      /* owned; of CONDARC_TEXT */
	uint32_t first, next; /* indices, 0: none */
};

struct condarc;

int condarc_parse(struct condarc **ret, const char *text, size_t len, struct err *e) MUST_CHECK;
/* An empty one, to put values into. */
int condarc_new(struct condarc **ret, struct err *e) MUST_CHECK;
int condarc_put_text(struct condarc *c, const char *key, const char *text, struct err *e)
	MUST_CHECK;
/* The parts of text between delimiters, without blanks around them and without empty ones. */
int condarc_put_list(struct condarc *c, const char *key, const char *text, char delimiter,
		     struct err *e) MUST_CHECK;
struct condarc *condarc_free(struct condarc *c);
AUTO_FREE_FN(condarc)

/* The value of a key of the file; NULL when there is none, or it is null. */
const struct condarc_node *condarc_get(const struct condarc *c, const char *key);
/* The first child of a list or map, and the one after; NULL at the end. */
const struct condarc_node *condarc_first(const struct condarc *c, const struct condarc_node *n);
const struct condarc_node *condarc_next(const struct condarc *c, const struct condarc_node *n);

#endif
