/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json: reading and writing JSON (RFC 8259) behind one header; yyjson where the
 * system has it, else cJSON.
 *
 * Reading is strict: one value and nothing after it, at most JSON_DEPTH_MAX
 * deep, no raw control bytes in strings, no \u0000. A key that stands twice:
 * the first counts. Values belong to their document.
 */
#ifndef ENVFS_BASE_JSON_H
#define ENVFS_BASE_JSON_H

#include "base/buf.h"
#include "base/err.h"
#include "base/auto.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_doc;
struct json; /* a value, borrowed from its document */

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

int json_parse(struct json_doc **ret, const void *bytes, size_t len, struct err *e) MUST_CHECK;
struct json_doc *json_doc_free(struct json_doc *doc);
AUTO_FREE_FN(json_doc)
const struct json *json_root(const struct json_doc *doc);

/* All of these take NULL and answer as for a missing value. */
enum json_type json_type(const struct json *j);				 /* JSON_NULL for NULL */
const struct json *json_get(const struct json *object, const char *key); /* NULL: absent */
const char *json_text(const struct json *j);				 /* NULL: no string */
const char *json_get_text(const struct json *object, const char *key);
bool json_true(const struct json *j); /* is it `true` */
/* Whether it is an integer >= 0 (up to 2^53), and which. */
bool json_u64(const struct json *j, uint64_t *ret);
bool json_i64(const struct json *j, int64_t *ret);
size_t json_len(const struct json *j); /* elements or members */

struct json_iter {
	const void *at;
	size_t left;
	bool object;
	const char *key; /* of the value last given, in an object */
};
struct json_iter json_iter(const struct json *j);   /* array or object; else gives nothing */
const struct json *json_next(struct json_iter *it); /* NULL at the end */

/* Writing. One struct, no failure until buf_end(). Commas, quoting and, when
 * indent > 0, line breaks come by themselves. */
struct jsonw {
	struct buf *out; /* borrowed */
	int indent;
	int depth;
	uint64_t filled; /* bit d: depth d has a member already */
	bool after_key;
};

#define JSONW(buf, spaces)                                                                         \
	{                                                                                          \
		.out = (buf), .indent = (spaces)                                                   \
	}
void jsonw_object(struct jsonw *w);
void jsonw_object_end(struct jsonw *w);
void jsonw_array(struct jsonw *w);
void jsonw_array_end(struct jsonw *w);
void jsonw_key(struct jsonw *w, const char *key);
void jsonw_text(struct jsonw *w, const char *text); /* NULL writes null */
void jsonw_text_n(struct jsonw *w, const char *text, size_t len);
void jsonw_u64(struct jsonw *w, uint64_t n);
void jsonw_i64(struct jsonw *w, int64_t n);
void jsonw_double(struct jsonw *w, double n);
void jsonw_bool(struct jsonw *w, bool b);
void jsonw_null(struct jsonw *w);
void jsonw_value(struct jsonw *w, const struct json *j); /* a copy of what was read */
/* key and value in one: */
void jsonw_member_text(struct jsonw *w, const char *key, const char *text);
void jsonw_member_u64(struct jsonw *w, const char *key, uint64_t n);
void jsonw_member_bool(struct jsonw *w, const char *key, bool b);

#endif
