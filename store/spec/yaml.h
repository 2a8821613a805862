/* SPDX-License-Identifier: Apache-2.0 */
/*
 * yaml: a small document that a user wrote, as a tree. What makes YAML large or
 * surprising is refused: anchors and aliases, tags, a second document, a key
 * that stands twice or is no text, more than YAML_BYTES_MAX bytes or
 * YAML_DEPTH_MAX levels. No type is guessed: a scalar is its text.
 */
#ifndef ENVFS_SPEC_YAML_H
#define ENVFS_SPEC_YAML_H

#include "base/auto.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

enum yaml_type { YAML_TEXT, YAML_LIST, YAML_MAP };

struct yaml_doc;
struct yaml; /* a node, borrowed from its document */

/* An empty document has no root: NULL. Faults name the line. */
int yaml_parse(struct yaml_doc **ret, const char *bytes, size_t len, struct err *e) MUST_CHECK;
struct yaml_doc *yaml_doc_free(struct yaml_doc *doc);
AUTO_FREE_FN(yaml_doc)
const struct yaml *yaml_root(const struct yaml_doc *doc);

/* All of these take NULL. */
enum yaml_type yaml_type(const struct yaml *y);	     /* YAML_TEXT for NULL */
const char *yaml_text(const struct yaml *y);	     /* NULL: not a text */
const char *yaml_key(const struct yaml *y);	     /* NULL: not in a map */
bool yaml_is_null(const struct yaml *y);	     /* missing, empty, or an unquoted null or ~ */
bool yaml_is_plain(const struct yaml *y);	     /* a text without quotes */
size_t yaml_line(const struct yaml *y);		     /* from 1 */
const struct yaml *yaml_first(const struct yaml *y); /* of a list or map */
const struct yaml *yaml_next(const struct yaml *y);
const struct yaml *yaml_get(const struct yaml *map, const char *key);

#endif
