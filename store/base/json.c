/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of json that no library is needed for: the strict pre-check and writing. */
#include "base/json.h"

#include "base/json_check.h"
#include "base/limits.h"
#include "base/path.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Length of the number at the start of text (RFC 8259 6), 0 when it is none. Text ends in
 * a byte that is no part of a number, or at len. */
static size_t number_len(const char *text, size_t len)
{
	size_t at = len > 0 && text[0] == '-', digits = at;

	while (at < len && is_digit(text[at]))
		at++;
	if (at == digits || (at > digits + 1 && text[digits] == '0'))
		return 0;
	if (at < len && text[at] == '.') {
		digits = ++at;
		while (at < len && is_digit(text[at]))
			at++;
		if (at == digits)
			return 0;
	}
	if (at < len && (text[at] == 'e' || text[at] == 'E')) {
		at++;
		at += at < len && (text[at] == '+' || text[at] == '-');
		digits = at;
		while (at < len && is_digit(text[at]))
			at++;
		if (at == digits)
			return 0;
	}
	return at;
}

static bool is_number_byte(char c)
{
	return is_digit(c) || c == '.' || c == '-' || c == '+' || (c | 0x20) == 'e';
}

/* From the byte behind the opening quote to the one behind the closing quote, or to the end. */
static int check_string(const char *text, size_t len, size_t *at, struct err *e)
{
	for (size_t i = *at; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"') {
			*at = i + 1;
			return 0;
		}
		if (c < 0x20)
			return err_set(e, -EINVAL, "JSON holds a %s in a string at %zu",
				       c == 0 ? "NUL byte" : "control byte", i);
		if (c == '\\') {
			if (len - i > 5 && memcmp(text + i, "\\u0000", 6) == 0)
				return err_set(e, -EINVAL, "JSON holds \\u0000 at %zu", i);
			i++;
		} else if (c >= 0x80) {
			size_t from = i;

			while (i + 1 < len && (unsigned char)text[i + 1] >= 0x80)
				i++;
			if (!text_is_clean(text + from, i + 1 - from))
				return err_set(e, -EINVAL, "JSON is not UTF-8 at %zu", from);
		}
	}
	*at = len;
	return 0;
}

/* What the libraries are lenient about, or differ in: depth, blanks, numbers, UTF-8, NUL. */
int json_check(const char *text, size_t len, struct err *e)
{
	int depth = 0, r;

	if (len > JSON_BYTES_MAX)
		return err_set(e, -EFBIG, "JSON of %zu bytes, more than 2 GiB", len);
	for (size_t i = 0; i < len;) {
		char c = text[i];
		size_t number;

		if (c == '"') {
			i++;
			r = check_string(text, len, &i, e);
			if (r < 0)
				return r;
			continue;
		}
		if (is_digit(c) || c == '-') {
			number = number_len(text + i, len - i);
			if (number == 0 || (i + number < len && is_number_byte(text[i + number])))
				return err_set(e, -EINVAL, "JSON holds no number at %zu", i);
			i += number;
			continue;
		}
		if (c == '\0')
			return err_set(e, -EINVAL, "JSON holds a NUL byte at %zu", i);
		if ((unsigned char)c < 0x20 && c != '\n' && c != '\t' && c != '\r')
			return err_set(e, -EINVAL, "JSON holds a control byte at %zu", i);
		depth += (c == '{' || c == '[') - (c == '}' || c == ']');
		if (depth > JSON_DEPTH_MAX)
			return err_set(e, -EINVAL, "JSON is more than %d deep", JSON_DEPTH_MAX);
		i++;
	}
	return 0;
}

bool json_i64(const struct json *j, int64_t *ret)
{
	double n = json_number(j);

	if (json_type(j) != JSON_NUMBER || n != floor(n) || fabs(n) > 9007199254740992.0)
		return false;
	*ret = (int64_t)n;
	return true;
}

bool json_u64(const struct json *j, uint64_t *ret)
{
	int64_t n;

	if (!json_i64(j, &n) || n < 0)
		return false;
	*ret = (uint64_t)n;
	return true;
}

const char *json_get_text(const struct json *object, const char *key)
{
	return json_text(json_get(object, key));
}

static void line(struct jsonw *w)
{
	if (w->indent <= 0)
		return;
	buf_addc(w->out, '\n');
	for (int i = 0; i < w->depth * w->indent; i++)
		buf_addc(w->out, ' ');
}

/* What stands before a value or a key: a comma, a line break. */
static void before(struct jsonw *w)
{
	if (w->after_key) {
		w->after_key = false;
		return;
	}
	if (w->depth == 0)
		return;
	if (w->filled & 1ULL << w->depth)
		buf_addc(w->out, ',');
	w->filled |= 1ULL << w->depth;
	line(w);
}

static void open_(struct jsonw *w, char c)
{
	before(w);
	buf_addc(w->out, c);
	w->depth++;
	assert(w->depth < 64);
	w->filled &= ~(1ULL << w->depth);
}

static void close_(struct jsonw *w, char c)
{
	bool filled = w->filled & 1ULL << w->depth;

	assert(w->depth > 0);
	w->depth--;
	if (filled)
		line(w);
	buf_addc(w->out, c);
}

void jsonw_object(struct jsonw *w)
{
	open_(w, '{');
}

void jsonw_object_end(struct jsonw *w)
{
	close_(w, '}');
}

void jsonw_array(struct jsonw *w)
{
	open_(w, '[');
}

void jsonw_array_end(struct jsonw *w)
{
	close_(w, ']');
}

static void quoted(struct jsonw *w, const char *text, size_t len)
{
	size_t start = 0;

	buf_addc(w->out, '"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		buf_add(w->out, text + start, i - start);
		start = i + 1;
		if (c == '"' || c == '\\')
			buf_addf(w->out, "\\%c", c);
		else if (c == '\n')
			buf_adds(w->out, "\\n");
		else if (c == '\t')
			buf_adds(w->out, "\\t");
		else
			buf_addf(w->out, "\\u%04x", c);
	}
	buf_add(w->out, text + start, len - start);
	buf_addc(w->out, '"');
}

void jsonw_key(struct jsonw *w, const char *key)
{
	before(w);
	quoted(w, key, strlen(key));
	buf_adds(w->out, w->indent > 0 ? ": " : ":");
	w->after_key = true;
}

void jsonw_text_n(struct jsonw *w, const char *text, size_t len)
{
	before(w);
	quoted(w, text, len);
}

void jsonw_text(struct jsonw *w, const char *text)
{
	if (text)
		jsonw_text_n(w, text, strlen(text));
	else
		jsonw_null(w);
}

void jsonw_u64(struct jsonw *w, uint64_t n)
{
	before(w);
	buf_addf(w->out, "%llu", (unsigned long long)n);
}

void jsonw_i64(struct jsonw *w, int64_t n)
{
	before(w);
	buf_addf(w->out, "%lld", (long long)n);
}

void jsonw_double(struct jsonw *w, double n)
{
	before(w);
	if (!isfinite(n))
		buf_adds(w->out, "null");
	else if (n == floor(n) && fabs(n) < 9007199254740992.0)
		buf_addf(w->out, "%.0f", n);
	else
		buf_addf(w->out, "%.17g", n);
}

void jsonw_bool(struct jsonw *w, bool b)
{
	before(w);
	buf_adds(w->out, b ? "true" : "false");
}

void jsonw_null(struct jsonw *w)
{
	before(w);
	buf_adds(w->out, "null");
}

static void scalar(struct jsonw *w, const struct json *j)
{
	switch (json_type(j)) {
	case JSON_BOOL:
		jsonw_bool(w, json_true(j));
		break;
	case JSON_NUMBER:
		jsonw_double(w, json_number(j));
		break;
	case JSON_STRING:
		jsonw_text(w, json_text(j));
		break;
	default:
		jsonw_null(w);
	}
}

void jsonw_value(struct jsonw *w, const struct json *j)
{
	struct json_iter stack[JSON_DEPTH_MAX + 1];
	int depth = 0;

	for (;;) {
		enum json_type type = json_type(j);

		if (type == JSON_ARRAY || type == JSON_OBJECT) {
			assert(depth <= JSON_DEPTH_MAX);
			stack[depth++] = json_iter(j);
			if (type == JSON_OBJECT)
				jsonw_object(w);
			else
				jsonw_array(w);
		} else {
			scalar(w, j);
		}
		for (;; depth--) {
			if (depth == 0)
				return;
			j = json_next(&stack[depth - 1]);
			if (j)
				break;
			if (stack[depth - 1].object)
				jsonw_object_end(w);
			else
				jsonw_array_end(w);
		}
		if (stack[depth - 1].object)
			jsonw_key(w, stack[depth - 1].key);
	}
}

void jsonw_member_text(struct jsonw *w, const char *key, const char *text)
{
	jsonw_key(w, key);
	jsonw_text(w, text);
}

void jsonw_member_u64(struct jsonw *w, const char *key, uint64_t n)
{
	jsonw_key(w, key);
	jsonw_u64(w, n);
}

void jsonw_member_bool(struct jsonw *w, const char *key, bool b)
{
	jsonw_key(w, key);
	jsonw_bool(w, b);
}
