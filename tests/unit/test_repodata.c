/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/store.h"
#include "base/sys.h"
#include "channel/repodata.h"
#include "channel/repodata_file.h"
#include "channel/repodata_map.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zstd.h>

#define URL "https://example.org/chan"

/* A store in a temporary folder, removed at the end. */
struct scratch {
	char dir[64];
	struct store *st;
};

static void scratch_begin(struct scratch *s)
{
	struct err e;

	(void)snprintf(s->dir, sizeof(s->dir), "/tmp/envfs-test-XXXXXX");
	if (!mkdtemp(s->dir) || store_open(&s->st, s->dir, STORE_WRITE, &e) < 0)
		abort();
}

static void scratch_end(struct scratch *s)
{
	char command[256];

	s->st = store_free(s->st);
	(void)snprintf(command, sizeof(command), "chmod -R u+w %s && rm -rf %s", s->dir, s->dir);
	if (system(command) != 0)
		abort();
}

static int memory_file(const void *bytes, size_t len)
{
	int fd = memfd_create("document", MFD_CLOEXEC);

	if (fd < 0 || sys_write(fd, bytes, len) < 0 || lseek(fd, 0, SEEK_SET) != 0)
		abort();
	return fd;
}

static int convert_bytes(struct scratch *s, const void *bytes, size_t len, bool bz2_only,
			 struct repodata **ret, struct err *e)
{
	AUTO_FD fd = memory_file(bytes, len);
	int r = repodata_convert(s->st, fd, URL, "linux-64", "k", bz2_only, e);

	return r < 0 ? r : repodata_open(ret, s->st, "k", e);
}

static int names_in(void *ctx, const char *name, unsigned char type)
{
	(void)name;
	(void)type;
	++*(int *)ctx;
	return 0;
}

#define REC(name, version, build)                                                                  \
	"\"name\":\"" name "\",\"version\":\"" version "\",\"build\":\"" build "\""
#define DOC(records) "{\"packages\":{" records "}}"

static void test_documents(struct scratch *s)
{
	static const struct {
		const char *name, *text;
		int want;
		int shown, skipped;
	} cases[] = {
		{ "empty file", "", 0, 0, 0 },
		{ "blanks", " \n\t", 0, 0, 0 },
		{ "empty object", "{}", 0, 0, 0 },
		{ "no packages", "{\"info\":{\"subdir\":\"linux-64\"}}", 0, 0, 0 },
		{ "null packages", "{\"packages\":null,\"packages.conda\":{}}", 0, 0, 0 },
		{ "one record", DOC("\"a-1-0.conda\":{" REC("a", "1", "0") "}"), 0, 1, 0 },
		{ "blanks everywhere",
		  " { \"packages\" : { \"a-1-0.conda\" :\t{ " REC("a", "1", "0") " } } } ", 0, 1,
		  0 },
		{ "unknown members",
		  "{\"x\":[{\"]\":\"}\\\"\"},1],\"v3\":{\"conda\":{\"a\":{}}},\"y\":-1e3}", 0, 0,
		  0 },
		{ "key with an escape",
		  "{\"pack\\u0061ges\":{\"a-1-0.conda\":{" REC("a", "1", "0") "}}}", 0, 1, 0 },
		{ "HTML", "<!DOCTYPE html><html></html>", -EINVAL, 0, 0 },
		{ "array", "[]", -EINVAL, 0, 0 },
		{ "text", "\"packages\"", -EINVAL, 0, 0 },
		{ "ends in a record", "{\"packages\":{\"a-1-0.conda\":{\"name\":\"a\"", -EINVAL, 0,
		  0 },
		{ "ends in a string", "{\"packages\":{\"a-1-0.con", -EINVAL, 0, 0 },
		{ "ends after a record", DOC("\"a-1-0.conda\":{" REC("a", "1", "0") "}"), 0, 1, 0 },
		{ "ends after a comma", "{\"packages\":{},", -EINVAL, 0, 0 },
		{ "comma before the end", "{\"packages\":{},}", -EINVAL, 0, 0 },
		{ "no comma", "{\"packages\":{} \"info\":{}}", -EINVAL, 0, 0 },
		{ "no colon", "{\"packages\" {}}", -EINVAL, 0, 0 },
		{ "no value", "{\"packages\":}", -EINVAL, 0, 0 },
		{ "key is no text", "{packages:{}}", -EINVAL, 0, 0 },
		{ "something follows", "{} {}", -EINVAL, 0, 0 },
		{ "packages is a list", "{\"packages\":[]}", -EINVAL, 0, 0 },
		{ "NUL byte", "{\"a\":\1}", -EINVAL, 0, 0 },
		{ "control byte in a key", "{\"a\nb\":1}", -EINVAL, 0, 0 },
		{ "too deep, skipped",
		  "{\"x\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
		  "]]]]]]]}",
		  -EINVAL, 0, 0 },
		{ "version of the future", "{\"repodata_version\":4}", -EPROTO, 0, 0 },
		{ "version 2", "{\"repodata_version\":2}", 0, 0, 0 },
		{ "base_url to local files", "{\"info\":{\"base_url\":\"file:///etc\"}}", -EINVAL,
		  0, 0 },
		{ "base_url of another kind", "{\"info\":{\"base_url\":\"ftp://x/\"}}", -EINVAL, 0,
		  0 },

		{ "path in the file name", DOC("\"../a-1-0.conda\":{" REC("a", "1", "0") "}"), 0, 0,
		  1 },
		{ "file name is no archive", DOC("\"a-1-0.whl\":{" REC("a", "1", "0") "}"), 0, 0,
		  1 },
		{ "backslash in the file name",
		  DOC("\"a\\\\b-1-0.conda\":{" REC("a", "1", "0") "}"), 0, 0, 1 },
		{ "NUL in the file name", DOC("\"a-1-0\\u0000.conda\":{" REC("a", "1", "0") "}"), 0,
		  0, 1 },
		{ "NUL in the build", DOC("\"a-1-0.conda\":{" REC("a", "1", "0\\u0000") "}"), 0, 0,
		  1 },
		{ "slash in the name", DOC("\"a-1-0.conda\":{" REC("a/b", "1", "0") "}"), 0, 0, 1 },
		{ "blank in the version", DOC("\"a-1-0.conda\":{" REC("a", "1 2", "0") "}"), 0, 0,
		  1 },
		{ "path in the subdir",
		  DOC("\"a-1-0.conda\":{" REC("a", "1", "0") ",\"subdir\":\"../x\"}"), 0, 0, 1 },
		{ "no name", DOC("\"a-1-0.conda\":{\"version\":\"1\",\"build\":\"0\"}"), 0, 0, 1 },
		{ "version is a number",
		  DOC("\"a-1-0.conda\":{\"name\":\"a\",\"version\":1,\"build\":\"0\"}"), 0, 0, 1 },
		{ "record is a list", DOC("\"a-1-0.conda\":[]"), 0, 0, 1 },
		{ "record is null", DOC("\"a-1-0.conda\":null"), 0, 0, 1 },
		{ "record is not JSON", DOC("\"a-1-0.conda\":{nonsense}"), 0, 0, 1 },
		{ "depends is a text",
		  DOC("\"a-1-0.conda\":{" REC("a", "1", "0") ",\"depends\":\"b\"}"), 0, 0, 1 },
		{ "depends holds a number",
		  DOC("\"a-1-0.conda\":{" REC("a", "1", "0") ",\"depends\":[\"b\",1]}"), 0, 0, 1 },
		{ "escape sequence in depends",
		  DOC("\"a-1-0.conda\":{" REC("a", "1", "0") ",\"depends\":[\"b\\u001b[2J\"]}"), 0,
		  0, 1 },
		{ "a bad one between good ones",
		  DOC("\"a-1-0.conda\":{" REC(
			  "a", "1",
			  "0") ",\"depends\":[\"x\"]},"
			       "\"b-1-0.conda\":{" REC("b", "1",
						       "0") ",\"depends\":[\"y\",1]},"
							    "\"c-1-0.conda\":{" REC(
								    "c", "1",
								    "0") ",\"depends\":[\"z\"]}"),
		  0, 2, 1 },
		{ "twice the same file name",
		  DOC("\"a-1-0.conda\":{" REC("a", "1", "0") "},\"a-1-0.conda\":{" REC("a", "1",
										       "0") "}"),
		  0, 1, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(repodata_freep) struct repodata *rd = NULL;
		struct err e = { 0 };
		int left = 0, r;

		test_case = cases[i].name;
		r = convert_bytes(s, cases[i].text, strlen(cases[i].text), false, &rd, &e);
		if (!CHECK_INT(r, cases[i].want))
			fprintf(stderr, "  %s\n", e.text);
		CHECK_INT(sys_each_name(s->st->tmp, names_in, &left), 0);
		CHECK_INT(left, 0);
		if (r < 0)
			continue;
		CHECK_INT(repodata_count(rd), cases[i].shown);
		CHECK_INT(repodata_skipped(rd, NULL), cases[i].skipped);
		CHECK_INT(repodata_verify(rd, &e), 0);
	}
}

static void test_order_and_twins(struct scratch *s)
{
	static const char text[] =
		"{\"removed\":[\"c-1-0.conda\",7],"
		"\"packages\":{"
		"\"b-2-0.tar.bz2\":{" REC(
			"b", "2",
			"0") ",\"md5\":\"00112233445566778899aabbccddeeff\"},"
			     "\"b-1-0.tar.bz2\":{" REC(
				     "b", "1",
				     "0") ",\"depends\":[\"c\",\"a >=1\"]},"
					  "\"a-1-0.tar.bz2\":{" REC(
						  "a", "1",
						  "0") "}},"
						       "\"packages.conda\":{"
						       "\"c-1-0.conda\":{" REC(
							       "c", "1",
							       "0") "},"
								    "\"b-2-0.conda\":{" REC(
									    "b", "2",
									    "0") ",\"depends\":["
										 "\"a >=1\"]}}}";
	static const struct {
		const char *name;
		bool bz2_only;
		const char *shown, *hidden;
	} cases[] = {
		{ ".conda wins over its twin", false, "a-1-0.tar.bz2 b-1-0.tar.bz2 b-2-0.conda ",
		  "b-2-0.tar.bz2 c-1-0.conda " },
		{ "use_only_tar_bz2", true, "a-1-0.tar.bz2 b-1-0.tar.bz2 b-2-0.tar.bz2 ",
		  "b-2-0.conda c-1-0.conda " },
	};
	struct md5 md5 = { 0 };
	struct err e;

	(void)hex_parse("00112233445566778899aabbccddeeff", 32, md5.bytes, 16);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(repodata_freep) struct repodata *rd = NULL;
		AUTO_BUF shown = BUF(4096), hidden = BUF(4096), url = BUF(4096);
		struct record rec;
		uint32_t first;

		test_case = cases[i].name;
		if (!CHECK_INT(convert_bytes(s, text, strlen(text), cases[i].bz2_only, &rd, &e), 0))
			continue;
		for (uint32_t n = 0; n < repodata_total(rd); n++) {
			repodata_record(rd, n, &rec);
			buf_addf(n < repodata_count(rd) ? &shown : &hidden, "%s ", rec.fn);
		}
		CHECK_TEXT(shown.bytes, cases[i].shown);
		CHECK_TEXT(hidden.bytes, cases[i].hidden);
		CHECK_INT(repodata_name_count(rd), 2);
		CHECK_TEXT(repodata_name(rd, 0), "a");
		CHECK_INT(repodata_find(rd, "b", &first), 2);
		CHECK_INT(first, 1);
		CHECK_INT(repodata_find(rd, "c", &first), 0);
		CHECK_INT(repodata_find(rd, "", &first), 0);
		CHECK_INT(repodata_find(rd, "zz", &first), 0);
		repodata_record(rd, 1, &rec);
		CHECK_INT(rec.depend_count, 2);
		CHECK_INT(repodata_text_count(rd), 2);
		CHECK_TEXT(repodata_text(rd, rec.depends[0]), "c");
		CHECK_TEXT(repodata_text(rd, rec.depends[1]), "a >=1");
		/* What is not offered can still be found. */
		CHECK(repodata_find_artifact(rd, NULL, NULL, "c-1-0.conda") >= repodata_count(rd));
		CHECK_INT(repodata_find_artifact(rd, NULL, NULL, "d-1-0.conda"), -1);
		repodata_record(rd, (uint32_t)repodata_find_artifact(rd, NULL, &md5, NULL), &rec);
		CHECK_TEXT(rec.fn, "b-2-0.tar.bz2");
		/* The name of one and a hash that differs is nobody. */
		md5.bytes[15]++;
		CHECK_INT(repodata_find_artifact(rd, NULL, &md5, "b-2-0.tar.bz2"), -1);
		md5.bytes[15]--;
		CHECK_INT(repodata_url(rd, 0, &url, &e), 0);
		CHECK_TEXT(url.bytes, URL "/linux-64/a-1-0.tar.bz2");
		CHECK_TEXT(repodata_channel_url(rd), URL);
		CHECK_TEXT(repodata_subdir(rd), "linux-64");
	}
}

/* What real documents do to members, and what becomes of it. */
static void test_members(struct scratch *s)
{
	static const struct {
		const char *name, *member; /* in the record */
		uint64_t build_number, size, timestamp_ms;
		const char *noarch, *track_features, *rest;
		bool revoked, has_sha256;
	} cases[] = {
		{ "plain", "\"build_number\":3,\"size\":7,\"timestamp\":1578324546123", 3, 7,
		  1578324546123, "", "", "", false, false },
		{ "seconds", "\"timestamp\":1578324546", 0, 0, 1578324546000, "", "", "", false,
		  false },
		{ "floats", "\"build_number\":3.0,\"size\":7e2", 3, 700, 0, "", "",
		  "{\"build_number\":3.0,\"size\":7e2}", false, false },
		{ "number as a text", "\"build_number\":\"12\"", 12, 0, 0, "", "",
		  "{\"build_number\":\"12\"}", false, false },
		{ "negative", "\"build_number\":-1", 0, 0, 0, "", "", "{\"build_number\":-1}",
		  false, false },
		{ "beyond 2^53", "\"size\":18446744073709551615", 0, 0, 0, "", "",
		  "{\"size\":18446744073709551615}", false, false },
		{ "nulls",
		  "\"depends\":null,\"constrains\":null,\"license\":null,\"sha256\":null,"
		  "\"noarch\":null,"
		  "\"track_features\":null,\"timestamp\":null",
		  0, 0, 0, "", "",
		  "{\"depends\":null,\"constrains\":null,\"license\":null,\"sha256\":null,"
		  "\"noarch\":null,"
		  "\"track_features\":null,\"timestamp\":null}",
		  false, false },
		{ "noarch true", "\"noarch\":true", 0, 0, 0, "generic", "", "{\"noarch\":true}",
		  false, false },
		{ "noarch python", "\"noarch\":\"python\"", 0, 0, 0, "python", "", "", false,
		  false },
		{ "features as text", "\"track_features\":\"a b\"", 0, 0, 0, "", "a b", "", false,
		  false },
		{ "features with commas", "\"track_features\":\" a,b \"", 0, 0, 0, "", "a b",
		  "{\"track_features\":\" a,b \"}", false, false },
		{ "features as a list", "\"track_features\":[\"a\",\"b\"]", 0, 0, 0, "", "a b",
		  "{\"track_features\":[\"a\",\"b\"]}", false, false },
		{ "revoked", "\"revoked\":true", 0, 0, 0, "", "", "{\"revoked\":true}", true,
		  false },
		{ "upper-case hash",
		  "\"sha256\":\"ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789\"",
		  0, 0, 0, "", "",
		  "{\"sha256\":"
		  "\"ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789\"}",
		  false, true },
		{ "short hash", "\"sha256\":\"abcd\"", 0, 0, 0, "", "", "{\"sha256\":\"abcd\"}",
		  false, false },
		{ "others as published",
		  "\"x\" : [1, {\"y\":\"\\u00e9\\\"}\"}],\"big\":12345678901234567890123", 0, 0, 0,
		  "", "", "{\"x\":[1,{\"y\":\"\\u00e9\\\"}\"}],\"big\":12345678901234567890123}",
		  false, false },
		{ "a member twice", "\"size\":1,\"size\":2", 0, 1, 0, "", "", "", false, false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(repodata_freep) struct repodata *rd = NULL;
		AUTO_BUF text = BUF(4096), json = BUF(4096);
		struct record rec;
		struct err e;

		test_case = cases[i].name;
		buf_addf(&text, DOC("\"a-1-0.conda\":{" REC("a", "1", "0") ",%s}"),
			 cases[i].member);
		if (!CHECK_INT(convert_bytes(s, text.bytes, text.len, false, &rd, &e), 0) ||
		    !CHECK_INT(repodata_count(rd), 1))
			continue;
		repodata_record(rd, 0, &rec);
		CHECK_INT(rec.build_number, cases[i].build_number);
		CHECK_INT(rec.size, cases[i].size);
		CHECK_INT(rec.timestamp_ms, cases[i].timestamp_ms);
		CHECK_TEXT(rec.noarch, cases[i].noarch);
		CHECK_TEXT(rec.track_features, cases[i].track_features);
		CHECK_TEXT(rec.rest_json, cases[i].rest);
		CHECK_INT(rec.revoked, cases[i].revoked);
		CHECK_INT(!digest_is_zero(&rec.sha256), cases[i].has_sha256);
		CHECK_TEXT(rec.subdir, "linux-64");
		CHECK_INT(repodata_record_json(rd, 0, &json, &e), 0);
		AUTO(json_doc_freep) struct json_doc *doc = NULL;
		CHECK_INT(json_parse(&doc, json.bytes, json.len, &e), 0);
	}
}

static void test_base_url(struct scratch *s)
{
	static const struct {
		const char *name, *base, *want;
	} cases[] = {
		{ "absolute", "https://cdn.example.org/x/",
		  "https://cdn.example.org/x/a-1-0.conda" },
		{ "without its slash", "https://cdn.example.org/x",
		  "https://cdn.example.org/x/a-1-0.conda" },
		{ "relative", "../files", "https://example.org/chan/files/a-1-0.conda" },
		{ "from the root", "/pkgs", "https://example.org/pkgs/a-1-0.conda" },
		{ "credentials are not kept", "https://u:p@cdn.example.org/t/tk-1/x",
		  "https://cdn.example.org/x/a-1-0.conda" },
		{ "empty", "", URL "/linux-64/a-1-0.conda" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(repodata_freep) struct repodata *rd = NULL;
		AUTO_BUF text = BUF(4096), url = BUF(4096);
		struct err e;

		test_case = cases[i].name;
		buf_addf(&text,
			 "{\"packages\":{\"a-1-0.conda\":{" REC(
				 "a", "1", "0") "}},"
						"\"info\":{\"base_url\":\"%s\"}}",
			 cases[i].base);
		if (!CHECK_INT(convert_bytes(s, text.bytes, text.len, false, &rd, &e), 0))
			continue;
		CHECK_INT(repodata_url(rd, 0, &url, &e), 0);
		CHECK_TEXT(url.bytes, cases[i].want);
	}
}

/* Two frames, the second cut off or damaged; and a document of many windows. */
static void test_zstd(struct scratch *s)
{
	AUTO_BUF text = BUF(64 * MIB);
	AUTO_BUF packed = BUF(64 * MIB);
	const uint32_t count = 20000;
	struct err e;
	size_t half, n;

	test_case = "zstd";
	buf_adds(&text, "{\"packages.conda\":{");
	for (uint32_t i = 0; i < count; i++)
		buf_addf(&text,
			 "%s\"p%u-1-0.conda\":{\"name\":\"p%u\",\"version\":\"1\",\"build\":\"0\"}",
			 i ? "," : "", i, i);
	buf_adds(&text, "}}");
	half = text.len / 2;
	for (int part = 0; part < 2; part++) {
		size_t from = part ? half : 0, len = part ? text.len - half : half;
		size_t room = ZSTD_compressBound(len);
		void *to = buf_room(&packed, room);

		n = ZSTD_compress(to, room, text.bytes + from, len, 3);
		if (!CHECK(!ZSTD_isError(n)))
			return;
		packed.len += n;
	}
	const struct {
		const char *name;
		size_t len;
		size_t damaged_at; /* 0: nowhere */
		int want;
	} cases[] = {
		{ "two frames", packed.len, 0, 0 },
		{ "cut off in a frame", packed.len - 5, 0, -EBADMSG },
		{ "cut off between frames", packed.len - n, 0, -EINVAL },
		{ "damaged", packed.len, packed.len / 2 + 100, -EBADMSG },
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(repodata_freep) struct repodata *rd = NULL;
		size_t at = cases[i].damaged_at;
		int r;

		test_case = cases[i].name;
		if (at)
			memset(packed.bytes + at, 0xff, 8);
		r = convert_bytes(s, packed.bytes, cases[i].len, false, &rd, &e);
		CHECK_INT(r, cases[i].want);
		if (r == 0)
			CHECK_INT(repodata_count(rd), count);
	}
}

static void test_large_value(struct scratch *s)
{
	AUTO_BUF text = BUF(2 * RECORD_BYTES_MAX);
	AUTO(repodata_freep) struct repodata *rd = NULL;
	struct err e;

	buf_adds(&text, "{\"packages\":{\"a-1-0.conda\":{\"x\":\"");
	buf_add_zero(&text, RECORD_BYTES_MAX);
	memset(text.bytes + text.len - RECORD_BYTES_MAX, 'x', RECORD_BYTES_MAX);
	buf_adds(&text, "\"}}}");
	test_case = "record too large";
	CHECK_INT(convert_bytes(s, text.bytes, text.len, false, &rd, &e), -EFBIG);
	CHECK(strstr(e.text, "repodata.json"));
	test_case = "too large, but of no interest";
	buf_clear(&text);
	buf_adds(&text, "{\"x\":\"");
	buf_add_zero(&text, RECORD_BYTES_MAX + 1);
	memset(text.bytes + text.len - RECORD_BYTES_MAX - 1, 'x', RECORD_BYTES_MAX + 1);
	buf_adds(&text, "\"}");
	CHECK_INT(convert_bytes(s, text.bytes, text.len, false, &rd, &e), 0);
}

/* A damaged index is told or stays harmless. */
static void test_damage(struct scratch *s)
{
	static const char text[] = DOC("\"a-1-0.conda\":{" REC(
		"a", "1", "0") ",\"depends\":[\"b\",\"c\"],\"constrains\":[\"d\"]}");
	AUTO(repodata_freep) struct repodata *rd = NULL;
	AUTO_BUF whole = BUF(MIB);
	struct rdfile_header h;
	struct err e;

	test_case = "damage";
	if (!CHECK_INT(convert_bytes(s, text, strlen(text), false, &rd, &e), 0))
		return;
	CHECK_INT(sys_slurp(s->st->channels, "k.idx", &whole), 0);
	memcpy(&h, whole.bytes, sizeof(h));
	for (size_t i = 0; i < sizeof(h); i++) {
		AUTO(repodata_freep) struct repodata *odd = NULL;

		whole.bytes[i] ^= 0x40;
		AUTO_FD fd = memory_file(whole.bytes, whole.len);
		CHECK_INT(repodata_map(&odd, fd, &e), -EBADMSG);
		whole.bytes[i] ^= 0x40;
	}
	test_case = "cut off";
	for (size_t len = 0; len < whole.len; len++) {
		AUTO(repodata_freep) struct repodata *odd = NULL;
		AUTO_FD fd = memory_file(whole.bytes, len);

		CHECK_INT(repodata_map(&odd, fd, &e), -EBADMSG);
	}
	test_case = "any byte behind the header";
	for (size_t i = sizeof(h); i < whole.len; i++) {
		AUTO(repodata_freep) struct repodata *odd = NULL;
		AUTO_BUF json = BUF(MIB);
		struct record rec;
		uint32_t first;
		int r;

		whole.bytes[i] ^= 0x80;
		AUTO_FD fd = memory_file(whole.bytes, whole.len);
		CHECK_INT(repodata_map(&odd, fd, &e),
			  i == h.sections[0].offset + h.sections[0].bytes - 1 ? -EBADMSG : 0);
		whole.bytes[i] ^= 0x80;
		if (!odd)
			continue;
		repodata_record(odd, 0, &rec);
		for (uint32_t n = 0; n < rec.depend_count; n++)
			CHECK(strlen(repodata_text(odd, rec.depends[n])) < whole.len);
		(void)repodata_find(odd, "a", &first);
		(void)repodata_find_artifact(odd, NULL, NULL, "a-1-0.conda");
		r = repodata_record_json(odd, 0, &json, &e);
		CHECK(r == 0 || r == -EBADMSG);
	}
	test_case = "a list that points out of the texts";
	*(uint32_t *)(void *)(whole.bytes + h.sections[RDFILE_LISTS].offset + 4) = 1000;
	AUTO_FD fd = memory_file(whole.bytes, whole.len);
	AUTO(repodata_freep) struct repodata *odd = NULL;
	struct record rec;
	if (!CHECK_INT(repodata_map(&odd, fd, &e), 0))
		return;
	CHECK(!repodata_damaged(odd));
	repodata_record(odd, 0, &rec);
	CHECK(rec.revoked && rec.depend_count == 0);
	CHECK_TEXT(rec.name, "");
	CHECK(repodata_damaged(odd));
	CHECK_INT(repodata_verify(odd, &e), -EBADMSG);
}

/* One line a record, for the comparison with another reader (compare_repodata.py). */
static int dump(const char *path)
{
	AUTO(repodata_freep) struct repodata *rd = NULL;
	AUTO_FD fd = sys_openat(AT_FDCWD, path, O_RDONLY, 0);
	struct scratch s;
	struct err e;
	int r;

	scratch_begin(&s);
	r = repodata_convert(s.st, fd, URL, "linux-64", "k", false, &e);
	if (r == 0)
		r = repodata_open(&rd, s.st, "k", &e);
	if (r < 0)
		fprintf(stderr, "%s\n", e.text);
	for (uint32_t i = 0; r == 0 && i < repodata_total(rd); i++) {
		AUTO_BUF json = BUF(2 * RECORD_BYTES_MAX);
		struct record rec;

		repodata_record(rd, i, &rec);
		r = repodata_record_json(rd, i, &json, &e);
		printf("%d\t%s\t%s\n", i < repodata_count(rd), rec.fn, json.bytes);
	}
	scratch_end(&s);
	return r < 0;
}

int main(int argc, char **argv)
{
	struct scratch s;

	if (argc == 3 && strcmp(argv[1], "dump") == 0)
		return dump(argv[2]);
	scratch_begin(&s);
	test_documents(&s);
	test_order_and_twins(&s);
	test_members(&s);
	test_base_url(&s);
	test_zstd(&s);
	test_large_value(&s);
	test_damage(&s);
	scratch_end(&s);
	return test_end();
}
