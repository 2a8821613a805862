/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/pax.h"

#include "base/path.h"

#include <errno.h>
#include <string.h>

struct record {
	const char *key, *value;
	size_t key_len, value_len;
};

static bool key_is(const struct record *rec, const char *key)
{
	return strlen(key) == rec->key_len && memcmp(rec->key, key, rec->key_len) == 0;
}

static bool key_starts(const struct record *rec, const char *start)
{
	return strlen(start) <= rec->key_len && memcmp(rec->key, start, strlen(start)) == 0;
}

/* The record at *at, which moves past it. */
static int next_record(const char *bytes, size_t len, size_t *at, struct record *ret, struct err *e)
{
	const char *start = bytes + *at, *equals;
	size_t left = len - *at, n = 0, i = 0;

	for (; i < left && i < 8 && start[i] >= '0' && start[i] <= '9'; i++)
		n = n * 10 + (size_t)(start[i] - '0');
	/* "5 a=\n" is the shortest there is. */
	if (i == 0 || start[0] == '0' || i >= left || start[i] != ' ' || n > left || n < i + 4 ||
	    start[n - 1] != '\n')
		return err_set(e, -EBADMSG, "pax header: record at byte %zu is malformed", *at);
	i++;
	equals = memchr(start + i, '=', n - 1 - i);
	if (!equals || equals == start + i)
		return err_set(e, -EBADMSG, "pax header: record at byte %zu has no key", *at);
	*ret = (struct record){
		.key = start + i,
		.key_len = (size_t)(equals - start) - i,
		.value = equals + 1,
		.value_len = (size_t)(start + n - 1 - (equals + 1)),
	};
	if (!text_is_clean(ret->key, ret->key_len))
		return err_set(e, -EBADMSG, "pax header: key at byte %zu holds odd bytes", *at);
	*at += n;
	return 0;
}

static int take_text(const char **ret, size_t *ret_len, const struct record *rec, struct err *e)
{
	if (*ret)
		return err_set(e, -EBADMSG, "pax header: '%.*s' is given twice", (int)rec->key_len,
			       rec->key);
	if (rec->value_len == 0 || memchr(rec->value, '\0', rec->value_len))
		return err_set(e, -EBADMSG, "pax header: '%.*s' is empty or holds a NUL byte",
			       (int)rec->key_len, rec->key);
	*ret = rec->value;
	*ret_len = rec->value_len;
	return 0;
}

/* Decimal digits at *at, at least one; false when there are none or too many. */
static bool take_digits(const struct record *rec, size_t *at, uint64_t *ret)
{
	size_t start = *at;

	*ret = 0;
	for (; *at < rec->value_len && rec->value[*at] >= '0' && rec->value[*at] <= '9'; (*at)++)
		if (__builtin_mul_overflow(*ret, 10, ret) ||
		    __builtin_add_overflow(*ret, (uint64_t)(rec->value[*at] - '0'), ret))
			return false;
	return *at > start;
}

static int take_size(struct pax *pax, const struct record *rec, struct err *e)
{
	size_t at = 0;

	if (pax->has_size)
		return err_set(e, -EBADMSG, "pax header: 'size' is given twice");
	if (!take_digits(rec, &at, &pax->size) || at < rec->value_len)
		return err_set(e, -EBADMSG, "pax header: size '%s' is no number",
			       QUOTE(rec->value, rec->value_len));
	pax->has_size = true;
	return 0;
}

/* "[-]SECONDS[.FRACTION]", digits past the ninth dropped. */
static int take_mtime(struct pax *pax, const struct record *rec, struct err *e)
{
	bool minus = rec->value_len > 0 && rec->value[0] == '-', ok;
	size_t at = minus;
	uint64_t seconds;
	uint32_t ns = 0;

	if (pax->has_mtime)
		return err_set(e, -EBADMSG, "pax header: 'mtime' is given twice");
	ok = take_digits(rec, &at, &seconds) && seconds <= INT64_MAX / 2;
	if (ok && at < rec->value_len && rec->value[at] == '.') {
		uint32_t unit = 100000000;

		for (at++; at < rec->value_len && rec->value[at] >= '0' && rec->value[at] <= '9';
		     at++, unit /= 10)
			ns += (uint32_t)(rec->value[at] - '0') * unit;
	}
	if (!ok || at < rec->value_len)
		return err_set(e, -EBADMSG, "pax header: mtime '%s' is no time",
			       QUOTE(rec->value, rec->value_len));
	pax->mtime_s = minus ? -(int64_t)seconds - (ns > 0) : (int64_t)seconds;
	pax->mtime_ns = minus && ns > 0 ? 1000000000 - ns : ns;
	pax->has_mtime = true;
	return 0;
}

/* Records that make an entry another than its header says, to those who know them. */
static int check_other(const struct record *rec, struct err *e)
{
	static const char utf8[] = "ISO-IR 10646 2000 UTF-8";

	if (key_starts(rec, "GNU.sparse.") || key_is(rec, "SCHILY.realsize"))
		return err_set(e, -EBADMSG, "pax header: '%.*s': sparse files are not accepted",
			       (int)rec->key_len, rec->key);
	if (key_is(rec, "SCHILY.filetype") || key_is(rec, "LIBARCHIVE.symlinktype"))
		return err_set(e, -EBADMSG, "pax header: '%.*s' is not accepted", (int)rec->key_len,
			       rec->key);
	if ((key_is(rec, "hdrcharset") || key_is(rec, "charset")) &&
	    (rec->value_len != sizeof(utf8) - 1 || memcmp(rec->value, utf8, sizeof(utf8) - 1) != 0))
		return err_set(e, -EBADMSG, "pax header: character set '%s', only UTF-8 will do",
			       QUOTE(rec->value, rec->value_len));
	return 0;
}

int pax_parse(struct pax *ret, const char *bytes, size_t len, struct err *e)
{
	*ret = (struct pax){ 0 };
	for (size_t at = 0; at < len;) {
		struct record rec;
		int r = next_record(bytes, len, &at, &rec, e);

		if (r < 0)
			return r;
		if (key_is(&rec, "path"))
			r = take_text(&ret->path, &ret->path_len, &rec, e);
		else if (key_is(&rec, "linkpath"))
			r = take_text(&ret->linkpath, &ret->linkpath_len, &rec, e);
		else if (key_is(&rec, "size"))
			r = take_size(ret, &rec, e);
		else if (key_is(&rec, "mtime"))
			r = take_mtime(ret, &rec, e);
		else
			r = check_other(&rec, e);
		if (r < 0)
			return r;
	}
	return 0;
}

int pax_check_global(const char *bytes, size_t len, struct err *e)
{
	for (size_t at = 0; at < len;) {
		struct record rec;
		int r = next_record(bytes, len, &at, &rec, e);

		if (r < 0)
			return r;
		if (!key_is(&rec, "comment"))
			return err_set(e, -EBADMSG,
				       "global pax header: '%s' would hold for all that follow",
				       QUOTE(rec.key, rec.key_len));
	}
	return 0;
}
