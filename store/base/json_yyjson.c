/* SPDX-License-Identifier: Apache-2.0 */
/* json read by yyjson. */
#include "base/json.h"

#include "base/json_check.h"

#include <errno.h>

#include <yyjson.h>

static yyjson_val *node(const struct json *j)
{
	return (yyjson_val *)(uintptr_t)j;
}

int json_parse(struct json_doc **ret, const void *bytes, size_t len, struct err *e)
{
	yyjson_read_err why;
	yyjson_doc *doc;
	int r = json_check(bytes, len, e);

	if (r < 0)
		return r;
	/* Without YYJSON_READ_INSITU the text is not written to. */
	doc = yyjson_read_opts((char *)(uintptr_t)bytes, len, YYJSON_READ_NOFLAG, NULL, &why);
	if (!doc && why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
		return err_nomem(e);
	if (!doc)
		return err_set(e, -EINVAL, "not JSON, from byte %zu on: %s", why.pos, why.msg);
	*ret = (struct json_doc *)doc;
	return 0;
}

struct json_doc *json_doc_free(struct json_doc *doc)
{
	yyjson_doc_free((yyjson_doc *)doc);
	return NULL;
}

const struct json *json_root(const struct json_doc *doc)
{
	return (const struct json *)yyjson_doc_get_root((yyjson_doc *)(uintptr_t)doc);
}

enum json_type json_type(const struct json *j)
{
	if (!j)
		return JSON_NULL;
	switch (yyjson_get_type(node(j))) {
	case YYJSON_TYPE_BOOL:
		return JSON_BOOL;
	case YYJSON_TYPE_NUM:
		return JSON_NUMBER;
	case YYJSON_TYPE_STR:
		return JSON_STRING;
	case YYJSON_TYPE_ARR:
		return JSON_ARRAY;
	case YYJSON_TYPE_OBJ:
		return JSON_OBJECT;
	default:
		return JSON_NULL;
	}
}

const struct json *json_get(const struct json *object, const char *key)
{
	return (const struct json *)yyjson_obj_get(node(object), key);
}

const char *json_text(const struct json *j)
{
	return yyjson_get_str(node(j));
}

bool json_true(const struct json *j)
{
	return yyjson_is_true(node(j));
}

double json_number(const struct json *j)
{
	return yyjson_is_num(node(j)) ? yyjson_get_num(node(j)) : 0;
}

size_t json_len(const struct json *j)
{
	return yyjson_is_arr(node(j)) ? yyjson_arr_size(node(j)) : yyjson_obj_size(node(j));
}

struct json_iter json_iter(const struct json *j)
{
	bool object = yyjson_is_obj(node(j));

	return (struct json_iter){ .at = json_len(j) ? unsafe_yyjson_get_first(node(j)) : NULL,
				   .left = json_len(j),
				   .object = object };
}

const struct json *json_next(struct json_iter *it)
{
	yyjson_val *now = (yyjson_val *)(uintptr_t)it->at;

	if (it->left == 0)
		return NULL;
	it->left--;
	if (it->object) {
		it->key = unsafe_yyjson_get_str(now);
		now++;
	}
	it->at = it->left ? unsafe_yyjson_get_next(now) : NULL;
	return (const struct json *)now;
}
