/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/answer.h"

#include "base/auto.h"
#include "base/path.h"
#include "base/url.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

static bool number(const char **at, uint64_t *ret)
{
	const char *start = *at;
	uint64_t n = 0;

	for (; **at >= '0' && **at <= '9'; (*at)++)
		if (__builtin_mul_overflow(n, (uint64_t)10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(**at - '0'), &n))
			return false;
	*ret = n;
	return *at > start;
}

static bool span(const char **at, struct content_range *ret)
{
	uint64_t last;

	if (**at == '*') {
		(*at)++;
		return true;
	}
	if (!number(at, &ret->first) || *(*at)++ != '-' || !number(at, &last))
		return false;
	ret->has_span = true;
	return last >= ret->first && !__builtin_add_overflow(last, (uint64_t)1, &ret->end);
}

bool content_range_parse(const char *text, struct content_range *ret)
{
	const char *at = text;

	memset(ret, 0, sizeof(*ret));
	if (strncasecmp(at, "bytes", 5) != 0 || at[5] != ' ')
		return false;
	at += 5 + strspn(at + 5, " ");
	if (!span(&at, ret) || *at++ != '/')
		return false;
	if (*at == '*') {
		at++;
	} else {
		if (!number(&at, &ret->total))
			return false;
		ret->has_total = true;
	}
	at += strspn(at, " \t");
	if (*at || (!ret->has_span && !ret->has_total))
		return false;
	return !ret->has_span || !ret->has_total || ret->end <= ret->total;
}

void answer_copy(const char *text, char *ret, size_t room)
{
	size_t len = text ? strlen(text) : 0;

	ret[0] = '\0';
	if (len > 0 && len < room && text_is_clean(text, len))
		memcpy(ret, text, len + 1);
}

bool etag_is_strong(const char *etag)
{
	return etag[0] && strncmp(etag, "W/", 2) != 0;
}

const char *status_text(long status)
{
	static const struct {
		long status;
		const char *text;
	} texts[] = {
		{ 400, "bad request" },
		{ 401, "credentials are needed or not accepted" },
		{ 403, "forbidden" },
		{ 404, "not found" },
		{ 407, "the proxy wants credentials" },
		{ 408, "request timeout" },
		{ 410, "gone" },
		{ 416, "range not satisfiable" },
		{ 429, "too many requests" },
		{ 500, "internal server error" },
		{ 502, "bad gateway" },
		{ 503, "service unavailable" },
		{ 504, "gateway timeout" },
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].status == status)
			return texts[i].text;
	return status >= 500 ? "server error" : "not what was asked for";
}

bool status_passes(long status)
{
	return status == 408 || status == 425 || status == 429 ||
	       (status >= 500 && status != 501 && status != 505);
}

int status_code(long status)
{
	switch (status) {
	case 200:
	case 203:
	case 206:
		return 0;
	case 404:
	case 410:
		return -ENOENT;
	case 401:
	case 403:
	case 407:
		return -EACCES;
	default:
		return -EIO;
	}
}

bool encoding_is_plain(const char *encoding, const char *url)
{
	static const struct {
		const char *encoding, *ending;
	} own[] = {
		{ "gzip", ".gz" },    { "x-gzip", ".gz" }, { "gzip", ".tgz" },
		{ "x-gzip", ".tgz" }, { "bzip2", ".bz2" }, { "x-bzip2", ".bz2" },
		{ "zstd", ".zst" },
	};
	size_t len;
	const char *name = url_file_name(url, &len);

	if (!encoding || !encoding[0] || strcasecmp(encoding, "identity") == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		size_t end = strlen(own[i].ending);

		if (strcasecmp(encoding, own[i].encoding) == 0 && len > end &&
		    strncasecmp(name + len - end, own[i].ending, end) == 0)
			return true;
	}
	return false;
}
