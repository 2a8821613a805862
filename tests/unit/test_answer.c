/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/auto.h"
#include "fetch/answer.h"

#include <errno.h>

static void test_content_range(void)
{
	static const struct {
		const char *text;
		bool good;
		struct content_range want;
	} cases[] = {
		{ "bytes 0-99/200", true, { true, true, 0, 100, 200 } },
		{ "bytes 0-0/1", true, { true, true, 0, 1, 1 } },
		{ "Bytes 5-9/*", true, { true, false, 5, 10, 0 } },
		{ "bytes */200", true, { false, true, 0, 0, 200 } },
		{ "bytes  1-2/3 ", true, { true, true, 1, 3, 3 } },
		{ "bytes 0-18446744073709551614/*", true, { true, false, 0, UINT64_MAX, 0 } },
		{ "bytes 0-18446744073709551615/*", false },
		{ "bytes 0-99999999999999999999/*", false },
		{ "bytes 0-99/99", false },
		{ "bytes 9-5/20", false },
		{ "bytes */*", false },
		{ "bytes 0-/20", false },
		{ "bytes -5/20", false },
		{ "bytes 0-5", false },
		{ "bytes 0-5/", false },
		{ "bytes 0-5/6x", false },
		{ "bytes 0-5/6, 7-8/9", false },
		{ "bytes=0-5/6", false },
		{ "bytes", false },
		{ "items 0-5/6", false },
		{ "bytes +1-5/6", false },
		{ "bytes 0x1-5/6", false },
		{ "", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct content_range got;
		const struct content_range *want = &cases[i].want;

		test_case = cases[i].text;
		if (!CHECK_INT(content_range_parse(cases[i].text, &got), cases[i].good) ||
		    !cases[i].good)
			continue;
		CHECK(got.has_span == want->has_span && got.has_total == want->has_total);
		CHECK(got.first == want->first && got.end == want->end && got.total == want->total);
	}
}

static void test_copy(void)
{
	char room[8];

	test_case = "copy";
	answer_copy("\"abc\"", room, sizeof(room));
	CHECK_TEXT(room, "\"abc\"");
	answer_copy("1234567", room, sizeof(room));
	CHECK_TEXT(room, "1234567");
	answer_copy("12345678", room, sizeof(room));
	CHECK_TEXT(room, "");
	answer_copy("a\nb", room, sizeof(room));
	CHECK_TEXT(room, "");
	answer_copy(NULL, room, sizeof(room));
	CHECK_TEXT(room, "");
	CHECK(etag_is_strong("\"a\"") && !etag_is_strong("W/\"a\"") && !etag_is_strong(""));
}

static void test_status(void)
{
	static const struct {
		long status;
		int code;
		bool passes;
	} cases[] = {
		{ 200, 0, false },	 { 206, 0, false },	  { 203, 0, false },
		{ 204, -EIO, false },	 { 400, -EIO, false },	  { 401, -EACCES, false },
		{ 403, -EACCES, false }, { 404, -ENOENT, false }, { 407, -EACCES, false },
		{ 408, -EIO, true },	 { 410, -ENOENT, false }, { 425, -EIO, true },
		{ 429, -EIO, true },	 { 500, -EIO, true },	  { 501, -EIO, false },
		{ 502, -EIO, true },	 { 503, -EIO, true },	  { 504, -EIO, true },
		{ 505, -EIO, false },	 { 599, -EIO, true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char name[20];

		(void)snprintf(name, sizeof(name), "status %ld", cases[i].status);
		test_case = name;
		CHECK_INT(status_code(cases[i].status), cases[i].code);
		CHECK_INT(status_passes(cases[i].status), cases[i].passes);
		CHECK(status_text(cases[i].status)[0]);
	}
}

static void test_encoding(void)
{
	static const struct {
		const char *encoding, *url;
		bool plain;
	} cases[] = {
		{ NULL, "https://h/a.conda", true },
		{ "", "https://h/a.conda", true },
		{ "identity", "https://h/a.conda", true },
		{ "gzip", "https://h/a.conda", false },
		{ "gzip", "https://h/repodata.json", false },
		{ "zstd", "https://h/repodata.json.zst", true },
		{ "zstd", "https://h/repodata.json.zst?a=.gz", true },
		{ "gzip", "https://h/repodata.json.zst", false },
		{ "x-bzip2", "https://h/a.tar.bz2", true },
		{ "GZIP", "https://h/a.TGZ", true },
		{ "gzip", "https://h/.gz", false },
		{ "br", "https://h/a.br", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		test_case = cases[i].url;
		CHECK_INT(encoding_is_plain(cases[i].encoding, cases[i].url), cases[i].plain);
	}
}

int main(void)
{
	test_content_range();
	test_copy();
	test_status();
	test_encoding();
	return test_end();
}
