/* SPDX-License-Identifier: Apache-2.0 */
/* The finder against tables, and against conda's way (a pass over all bytes for each encoding). */
#include "manifest/spots.h"

#include "base/buf.h"
#include "base/limits.h"

#include "conda_way.h"
#include "test.h"

#include <errno.h>

#define PREFIX "/envs/a"

/* Bytes with their length, for literals that hold NULs. */
#define B(literal) literal, sizeof(literal) - 1

static void find(const char *placeholder, bool binary, const void *bytes, size_t len, size_t piece,
		 struct spot_finder **f, const struct spot **spots, size_t *count)
{
	const char *line;
	size_t line_len;
	struct err e;

	CHECK_INT(spot_finder_open(f, placeholder, strlen(placeholder), binary, &e), 0);
	for (size_t at = 0; at < len; at += piece)
		CHECK_INT(spot_finder_add(*f, (const char *)bytes + at,
					  len - at < piece ? len - at : piece, &e),
			  0);
	CHECK_INT(spot_finder_end(*f, spots, count, &line, &line_len, &e), 0);
}

static void test_table(void)
{
	static const struct {
		const char *name, *placeholder;
		bool binary;
		const char *bytes;
		size_t len;
		struct spot want[4];
		size_t count;
	} cases[] = {
		{ "empty file", "/p", true, B(""), {}, 0 },
		{ "text twice", "/p", false, B("a/p/p"), { { 1 }, { 3 } }, 2 },
		{ "overlapping itself: from the left", "/a/a", false, B("/a/a/a"), { { 0 } }, 1 },
		{ "text does not end at a NUL", "/p", false, B("/p\0/p"), { { 0 }, { 3 } }, 2 },
		{ "text, UTF-16 little", "/p", false, B("x/\0p\0"), { { 1, 0, SPOT_UTF16LE } }, 1 },
		{ "text, UTF-16 big", "/p", false, B("xy\0/\0p"), { { 2, 0, SPOT_UTF16BE } }, 1 },
		{ "text, UTF-32 little",
		  "/p",
		  false,
		  B("/\0\0\0p\0\0\0"),
		  { { 0, 0, SPOT_UTF32LE } },
		  1 },
		{ "text, UTF-32 big",
		  "/p",
		  false,
		  B("\0\0\0/\0\0\0p"),
		  { { 0, 0, SPOT_UTF32BE } },
		  1 },
		{ "C string ends at its NUL", "/p", true, B("a/p/b\0/"), { { 1, 5 } }, 1 },
		{ "C string ends with the file", "/p", true, B("a/p/b"), { { 1, 5 } }, 1 },
		{ "two in one C string", "/p", true, B("/p:/p\0\0"), { { 0, 5 }, { 3, 5 } }, 2 },
		{ "two C strings", "/p", true, B("/p\0/p\0"), { { 0, 2 }, { 3, 5 } }, 2 },
		{ "cut by the NUL", "/pp", true, B("/p\0p"), {}, 0 },
		{ "UTF-16 little, own NUL",
		  "/p",
		  true,
		  B("/\0p\0x\0\0\0y\0"),
		  { { 0, 6, SPOT_UTF16LE } },
		  1 },
		{ "UTF-16: half a NUL is none",
		  "/p",
		  true,
		  B("\0/\0p\1\0\0x\0\0"),
		  { { 0, 8, SPOT_UTF16BE } },
		  1 },
		{ "UTF-32 little, own NUL",
		  "/p",
		  true,
		  B("/\0\0\0p\0\0\0x\0\0\0\0\0\0\0z"),
		  { { 0, 12, SPOT_UTF32LE } },
		  1 },
		{ "UTF-16 before UTF-8: ends where that begins",
		  "/p",
		  true,
		  B("/\0p\0x/p\0"),
		  { { 0, 5, SPOT_UTF16LE }, { 5, 7 } },
		  2 },
		{ "little end wins over big end a byte before",
		  "/p",
		  true,
		  B("\0/\0p\0\0\0"),
		  { { 1, 5, SPOT_UTF16LE } },
		  1 },
		{ "not ASCII, UTF-16",
		  "/\xc3\xa9",
		  false,
		  B("/\0\xe9\0"),
		  { { 0, 0, SPOT_UTF16LE } },
		  1 },
		{ "not UTF-8: as bytes only", "/\xff", false, B("a/\xff"), { { 1 } }, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		test_case = cases[i].name;
		for (size_t piece = 1; piece <= 8; piece++) {
			AUTO(spot_finder_freep) struct spot_finder *f = NULL;
			const struct spot *spots;
			size_t count;

			find(cases[i].placeholder, cases[i].binary, cases[i].bytes, cases[i].len,
			     piece, &f, &spots, &count);
			if (!CHECK_INT(count, cases[i].count))
				continue;
			for (size_t s = 0; s < count; s++) {
				CHECK_INT(spots[s].offset, cases[i].want[s].offset);
				CHECK_INT(spots[s].end, cases[i].want[s].end);
				CHECK_INT(spots[s].unit, cases[i].want[s].unit);
			}
		}
	}
}

static void test_refused(void)
{
	static char long_one[PLACEHOLDER_MAX + 2];
	struct spot_finder *f = NULL;
	struct err e;

	memset(long_one, 'p', sizeof(long_one) - 1);
	test_case = "empty placeholder";
	CHECK_INT(spot_finder_open(&f, "", 0, false, &e), -EINVAL);
	test_case = "placeholder too long";
	CHECK_INT(spot_finder_open(&f, long_one, PLACEHOLDER_MAX + 1, false, &e), -EINVAL);
	test_case = "longest placeholder, at the border of two windows";
	CHECK_INT(spot_finder_open(&f, long_one, PLACEHOLDER_MAX, true, &e), 0);
	AUTO(spot_finder_freep) struct spot_finder *owned = f;
	AUTO_MEM char *file = calloc(1, 300 * KIB);
	size_t at = 256 * KIB - 7, count, line_len;
	const struct spot *spots;
	const char *line;

	if (!CHECK(file != NULL))
		return;
	memcpy(file + at, long_one, PLACEHOLDER_MAX);
	CHECK_INT(spot_finder_add(f, file, 300 * KIB, &e), 0);
	CHECK_INT(spot_finder_end(f, &spots, &count, &line, &line_len, &e), 0);
	CHECK_INT(count, 1);
	CHECK(count == 1 && spots[0].offset == at && spots[0].end == at + PLACEHOLDER_MAX);
}

static void test_line(void)
{
	static char long_line[SHEBANG_BYTES_MAX + 100];
	static const struct {
		const char *name, *bytes;
		bool binary;
		const char *want;
	} cases[] = {
		{ "a shebang", "#!/p/bin/sh -e\necho", false, "#!/p/bin/sh -e" },
		{ "no newline", "#!/p/bin/sh", false, "#!/p/bin/sh" },
		{ "no shebang", "# !/p/bin/sh\n", false, NULL },
		{ "too short", "#", false, NULL },
		{ "binary has none", "#!/p/bin/sh\n", true, NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(spot_finder_freep) struct spot_finder *f = NULL;
		const struct spot *spots;
		size_t count, len;
		const char *line;
		struct err e;

		test_case = cases[i].name;
		CHECK_INT(spot_finder_open(&f, "/p", 2, cases[i].binary, &e), 0);
		for (const char *c = cases[i].bytes; *c; c++)
			CHECK_INT(spot_finder_add(f, c, 1, &e), 0);
		CHECK_INT(spot_finder_end(f, &spots, &count, &line, &len, &e), 0);
		CHECK((line == NULL) == (cases[i].want == NULL));
		if (line && cases[i].want)
			CHECK(len == strlen(cases[i].want) && !memcmp(line, cases[i].want, len));
	}
	test_case = "a very long line is cut";
	AUTO(spot_finder_freep) struct spot_finder *f = NULL;
	const struct spot *spots;
	size_t count, len;
	const char *line;
	struct err e;

	memset(long_line, 'x', sizeof(long_line));
	memcpy(long_line, "#!/", 3);
	CHECK_INT(spot_finder_open(&f, "/p", 2, false, &e), 0);
	CHECK_INT(spot_finder_add(f, long_line, sizeof(long_line), &e), 0);
	CHECK_INT(spot_finder_end(f, &spots, &count, &line, &len, &e), 0);
	CHECK_INT(len, SHEBANG_BYTES_MAX);
}

/* What the spots say comes out. */
static void apply(struct buf *out, const struct buf *in, bool binary, const struct spot *spots,
		  size_t count)
{
	uint8_t with[4 * sizeof(PREFIX)];
	size_t at = 0, pad = 0;

	for (size_t i = 0; i < count; i++) {
		uint32_t w = spot_unit_bytes(spots[i].unit);

		buf_add(out, in->bytes + at, spots[i].offset - at);
		buf_add(out, with, spot_encode(spots[i].unit, PREFIX, strlen(PREFIX), with));
		at = spots[i].offset + w * strlen(PLACEHOLDER);
		pad += w * (strlen(PLACEHOLDER) - strlen(PREFIX));
		if (binary && (i + 1 == count || spots[i + 1].end != spots[i].end)) {
			buf_add(out, in->bytes + at, spots[i].end - at);
			buf_add_zero(out, pad);
			at = spots[i].end;
			pad = 0;
		}
	}
	buf_add(out, in->bytes + at, in->len - at);
}

static void test_random(void)
{
	for (unsigned seed = 1; seed <= 4000; seed++) {
		AUTO_BUF file = BUF(1 * MIB);
		AUTO_BUF want = BUF(1 * MIB);
		AUTO_BUF got = BUF(1 * MIB);
		AUTO(spot_finder_freep) struct spot_finder *f = NULL;
		bool binary = seed % 2;
		const struct spot *spots;
		char name[40];
		size_t count;

		srand(seed);
		snprintf(name, sizeof(name), "random file %u", seed);
		test_case = name;
		random_file(&file);
		conda_way(&want, &file, PREFIX, binary);
		find(PLACEHOLDER, binary, file.bytes, file.len, 1 + (size_t)rand() % 40, &f, &spots,
		     &count);
		apply(&got, &file, binary, spots, count);
		CHECK(got.len == want.len && memcmp(got.bytes, want.bytes, want.len) == 0);
	}
}

int main(void)
{
	test_table();
	test_refused();
	test_line();
	test_random();
	return test_end();
}
