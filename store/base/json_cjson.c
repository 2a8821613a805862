/* SPDX-License-Identifier: Apache-2.0 */
/* json read by cJSON. */
#include "base/json.h"

#include "base/json_check.h"

#include <errno.h>
#include <string.h>

#include <cjson/cJSON.h>

/* A struct json is a cJSON, a document is its root. */
static const cJSON *node(const struct json *j)
{
	return (const cJSON *)j;
}

int json_parse(struct json_doc **ret, const void *bytes, size_t len, struct err *e)
{
	const char *end = NULL;
	cJSON *root;
	int r = json_check(bytes, len, e);

	if (r < 0)
		return r;
	root = cJSON_ParseWithLengthOpts(bytes, len, &end, false);
	if (!root)
		return err_set(e, -EINVAL, "not JSON, from byte %zu on",
			       end ? (size_t)(end - (const char *)bytes) : 0);
	for (; end < (const char *)bytes + len; end++) {
		if (strchr(" \t\r\n", *end))
			continue;
		cJSON_Delete(root);
		return err_set(e, -EINVAL, "something follows the JSON value at byte %zu",
			       (size_t)(end - (const char *)bytes));
	}
	*ret = (struct json_doc *)root;
	return 0;
}

struct json_doc *json_doc_free(struct json_doc *doc)
{
	cJSON_Delete((cJSON *)doc);
	return NULL;
}

const struct json *json_root(const struct json_doc *doc)
{
	return (const struct json *)doc;
}

enum json_type json_type(const struct json *j)
{
	if (!j)
		return JSON_NULL;
	switch (node(j)->type & 0xff) {
	case cJSON_True:
	case cJSON_False:
		return JSON_BOOL;
	case cJSON_Number:
		return JSON_NUMBER;
	case cJSON_String:
		return JSON_STRING;
	case cJSON_Array:
		return JSON_ARRAY;
	case cJSON_Object:
		return JSON_OBJECT;
	default:
		return JSON_NULL;
	}
}

const struct json *json_get(const struct json *object, const char *key)
{
	if (json_type(object) != JSON_OBJECT)
		return NULL;
	return (const struct json *)cJSON_GetObjectItemCaseSensitive(node(object), key);
}

const char *json_text(const struct json *j)
{
	return json_type(j) == JSON_STRING ? node(j)->valuestring : NULL;
}

bool json_true(const struct json *j)
{
	return j && (node(j)->type & 0xff) == cJSON_True;
}

double json_number(const struct json *j)
{
	return json_type(j) == JSON_NUMBER ? node(j)->valuedouble : 0;
}

size_t json_len(const struct json *j)
{
	enum json_type type = json_type(j);

	return type == JSON_ARRAY || type == JSON_OBJECT ? (size_t)cJSON_GetArraySize(node(j)) : 0;
}

struct json_iter json_iter(const struct json *j)
{
	enum json_type type = json_type(j);
	bool some = type == JSON_ARRAY || type == JSON_OBJECT;

	return (struct json_iter){ .at = some ? node(j)->child : NULL,
				   .object = type == JSON_OBJECT };
}

const struct json *json_next(struct json_iter *it)
{
	const cJSON *now = it->at;

	if (!now)
		return NULL;
	it->key = it->object ? now->string : NULL;
	it->at = now->next;
	return (const struct json *)now;
}
