/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest_walk.h"
#include "temp_store.h"

#include "base/le.h"
#include "base/limits.h"
#include "base/sys.h"
#include "manifest/build.h"
#include "manifest/layout.h"

#include <errno.h>
#include <fcntl.h>

#define PLACEHOLDER "/opt/placehold_placehold"

static const struct digest artifact = { { 0xab, 1, 2 } };

static const struct pkg_entry_point points[] = {
	{ "tool", "pkg.cli", "main" },
	{ "other-tool", "pkg.cli", "other.main" },
};
static const struct pkg_meta meta = {
	.name = "p",
	.version = "1",
	.build = "0",
	.subdir = "noarch",
	.index_json = "{\"name\": \"p\"}",
	.index_json_len = 13,
	.noarch = NOARCH_PYTHON,
	.entry_points = points,
	.entry_point_count = 2,
};

static struct digest digest_of(const char *path)
{
	struct digest d;

	CHECK_INT(sha256_of(path, strlen(path), &d, NULL), 0);
	return d;
}

/* A row and what the archive has for it; sizes and digests follow from the path. */
struct line {
	const char *path;
	enum entry_type type;
	const char *target, *placeholder;
	bool binary;
	enum entry_type row_type; /* 0: as type; 9: none given */
	bool no_row, no_payload;
};
#define TYPE_LEFT_OPEN 9

static struct pkg_row row_of(const struct line *l)
{
	struct pkg_row row = { .path = l->path,
			       .path_len = strlen(l->path),
			       .type = l->row_type ? l->row_type : l->type,
			       .placeholder = l->placeholder,
			       .placeholder_len = l->placeholder ? strlen(l->placeholder) : 0,
			       .binary = l->binary };

	if (row.type == TYPE_LEFT_OPEN)
		row.type = 0;
	if (row.type == ENTRY_FILE) {
		row.has_size = row.has_digest = true;
		row.size = 1000 + strlen(l->path);
		row.digest = digest_of(l->path);
	}
	return row;
}

static struct payload payload_of(const struct line *l)
{
	struct payload p = { .path = l->path,
			     .path_len = strlen(l->path),
			     .type = l->type,
			     .mode = 06777,
			     .mtime_s = 1500000000 + (int64_t)strlen(l->path),
			     .mtime_ns = 123456789,
			     .target = l->target,
			     .target_len = l->target ? strlen(l->target) : 0 };

	if (l->type == ENTRY_FILE) {
		p.size = 1000 + strlen(l->path);
		p.digest = digest_of(l->path);
		p.extent = (struct extent){ 3, 32 + strlen(l->path), p.size + 16, p.size };
	}
	return p;
}

static int build(struct store *st, const struct line *lines, size_t n, enum manifest_state state,
		 struct err *e)
{
	AUTO(manifest_builder_freep) struct manifest_builder *b = NULL;
	int r = manifest_builder_open(&b, 17, &artifact, state, e);

	if (r == 0)
		r = manifest_builder_meta(b, &meta, e);
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct pkg_row row = row_of(&lines[i]);

		if (!lines[i].no_row)
			r = manifest_builder_row(b, &row, e);
	}
	/* The archive has its own order. */
	for (size_t i = n; r == 0 && state == MANIFEST_PRESENT && i-- > 0;) {
		struct payload p = payload_of(&lines[i]);

		if (!lines[i].no_payload)
			r = manifest_builder_payload(b, &p, e);
	}
	return r < 0 ? r : manifest_publish(b, st, e);
}

static const struct line sample[] = {
	{ .path = "lib/z", .type = ENTRY_FILE },
	{ .path = "lib/python3.11/os.py", .type = ENTRY_FILE },
	{ .path = "lib/python3.11/abc/__init__.py", .type = ENTRY_FILE },
	{ .path = "lib/libx.so", .type = ENTRY_LINK, .target = "libx.so.1" },
	{ .path = "lib/libx.so.1", .type = ENTRY_FILE },
	{ .path = "lib-x", .type = ENTRY_FILE },
	{ .path = "lib.x", .type = ENTRY_FILE },
	{ .path = "bin/\xc3\xa9t\xc3\xa9", .type = ENTRY_FILE },
	{ .path = "empty", .type = ENTRY_DIR },
	{ .path = "lib/python3.11", .type = ENTRY_DIR, .no_payload = true },
	{ .path = "bin/tool", .type = ENTRY_FILE, .placeholder = PLACEHOLDER },
	{ .path = "bin/abs", .type = ENTRY_LINK, .target = "/etc/../passwd" },
	{ .path = "not/listed", .type = ENTRY_FILE, .no_row = true },
};

static void test_tree(void)
{
	static const struct {
		const char *path;
		uint32_t number;
		enum entry_type type;
		uint32_t flags;
	} want[] = {
		{ "bin", 1, ENTRY_DIR, 0 },
		{ "empty", 2, ENTRY_DIR, ENTRY_LISTED_DIR },
		{ "lib", 3, ENTRY_DIR, 0 },
		{ "lib-x", 4, ENTRY_FILE, 0 },
		{ "lib.x", 5, ENTRY_FILE, 0 },
		{ "bin/abs", 6, ENTRY_LINK, 0 },
		{ "bin/tool", 7, ENTRY_FILE, ENTRY_TEXT },
		{ "bin/\xc3\xa9t\xc3\xa9", 8, ENTRY_FILE, 0 },
		{ "lib/libx.so", 9, ENTRY_LINK, 0 },
		{ "lib/libx.so.1", 10, ENTRY_FILE, 0 },
		{ "lib/python3.11", 11, ENTRY_DIR, ENTRY_LISTED_DIR },
		{ "lib/z", 12, ENTRY_FILE, 0 },
		{ "lib/python3.11/abc", 13, ENTRY_DIR, 0 },
		{ "lib/python3.11/os.py", 14, ENTRY_FILE, 0 },
		{ "lib/python3.11/abc/__init__.py", 15, ENTRY_FILE, 0 },
	};
	static const char *const missing[] = { "no",   "lib/",	     "lib/python3.11/os.p",
					       "info", "not/listed", "lib-x/y",
					       "/lib", "lib//z" };
	AUTO_TEMP_STORE ts;

	temp_store_make(&ts);
	for (int state = MANIFEST_LISTED; state <= MANIFEST_PRESENT; state++) {
		AUTO(manifest_freep) struct manifest *m = NULL;
		struct err e = { 0 };
		size_t json_len;

		test_case = state == MANIFEST_LISTED ? "listed" : "present";
		if (!CHECK_INT(build(ts.st, sample, ARRAY_LEN(sample), state, &e), 0) ||
		    !CHECK_INT(manifest_open(&m, ts.st, 17, &e), 0)) {
			fprintf(stderr, "  %s\n", e.text);
			return;
		}
		CHECK_INT(manifest_package(m), 17);
		CHECK_INT(manifest_state(m), state);
		CHECK_INT(manifest_noarch(m), NOARCH_PYTHON);
		CHECK_INT(manifest_count(m), 16);
		CHECK(digest_same(manifest_artifact(m), &artifact));
		CHECK_TEXT(manifest_index_json(m, &json_len), meta.index_json);
		CHECK_INT(json_len, 13);
		CHECK_INT(manifest_entry_point_count(m), 2);
		for (uint32_t i = 0; i < 2; i++) {
			struct entry_point p;

			manifest_entry_point(m, i, &p);
			CHECK_TEXT(p.command, points[i].command);
			CHECK_TEXT(p.module, points[i].module);
			CHECK_TEXT(p.function, points[i].function);
		}
		for (size_t i = 0; i < ARRAY_LEN(want); i++) {
			char path[PATH_BYTES_MAX + 1];
			struct entry en;

			CHECK_INT(manifest_resolve(m, want[i].path, strlen(want[i].path)),
				  want[i].number);
			manifest_entry(m, want[i].number, &en);
			CHECK_INT(en.type, want[i].type);
			CHECK_INT(en.flags & (ENTRY_LISTED_DIR | ENTRY_TEXT | ENTRY_BINARY),
				  want[i].flags);
			CHECK_INT(manifest_path(m, en.index, path), strlen(want[i].path));
			CHECK_TEXT(path, want[i].path);
		}
		for (size_t i = 0; i < ARRAY_LEN(missing); i++)
			if (!CHECK_INT(manifest_resolve(m, missing[i], strlen(missing[i])), 0))
				fprintf(stderr, "  %s\n", missing[i]);
	}
}

static void test_values(void)
{
	AUTO_TEMP_STORE ts;
	AUTO(manifest_freep) struct manifest *listed = NULL, *m = NULL, *second = NULL;
	struct err e = { 0 };
	struct digest tool = digest_of("bin/tool");
	struct entry en;
	uint32_t n;

	temp_store_make(&ts);
	test_case = "values";
	CHECK_INT(build(ts.st, sample, ARRAY_LEN(sample), MANIFEST_LISTED, &e), 0);
	CHECK_INT(manifest_open(&listed, ts.st, 17, &e), 0);
	CHECK_INT(build(ts.st, sample, ARRAY_LEN(sample), MANIFEST_PRESENT, &e), 0);
	CHECK_INT(manifest_open(&m, ts.st, 17, &e), 0);

	n = manifest_resolve(m, "bin/tool", 8);
	manifest_entry(m, n, &en);
	CHECK_TEXT(en.name, "tool");
	CHECK_INT(en.mode, 0755); /* from 06777 */
	CHECK_INT(en.mtime_s, 1500000008);
	CHECK_INT(en.mtime_ns, 123456789);
	CHECK_INT(en.size, 1008);
	CHECK_INT(en.paths_size, 1008);
	CHECK_INT(en.flags, ENTRY_TEXT | ENTRY_HAS_DIGEST | ENTRY_PATHS_DIGEST | ENTRY_PATHS_SIZE);
	CHECK(digest_same(en.digest, &tool));
	CHECK_INT(en.extent.pack, 3);
	CHECK_INT(en.extent.offset, 40);
	CHECK_INT(en.extent.stored, 1024);
	CHECK_INT(en.extent.size, 1008);
	CHECK_TEXT(en.placeholder, PLACEHOLDER);
	CHECK_INT(en.placeholder_len, strlen(PLACEHOLDER));
	manifest_entry(listed, n, &en);
	CHECK_INT(en.mode, 0755);
	CHECK_INT(en.mtime_s, 0);
	CHECK_INT(en.size, 1008);
	CHECK_INT(en.extent.pack, 0);
	CHECK_TEXT(en.placeholder, PLACEHOLDER);
	CHECK(digest_same(en.digest, &tool));

	n = manifest_resolve(m, "bin/abs", 7);
	manifest_entry(m, n, &en);
	CHECK_TEXT(en.target, "/etc/../passwd");
	CHECK_INT(en.size, 14);
	CHECK_INT(en.mode, 0777);
	manifest_entry(listed, n, &en);
	CHECK(!en.target);
	CHECK_INT(en.size, 0);

	manifest_entry(m, ENTRY_ROOT, &en);
	CHECK_TEXT(en.name, "");
	CHECK_INT(en.children, 1);
	CHECK_INT(en.child_count, 5);
	CHECK_INT(en.mode, 0755);
	CHECK_INT(manifest_bytes(m), manifest_bytes(listed));

	test_case = "references";
	second = manifest_ref(m);
	m = manifest_free(m);
	CHECK_INT(manifest_count(second), 16);
}

/* What a package may not be. */
static void test_refusals(void)
{
	static const struct {
		const char *name;
		struct line lines[3];
		enum manifest_state state;
		int want;
		const char *text;
	} cases[] = {
		{ "a row without payload",
		  { { .path = "a", .type = ENTRY_FILE },
		    { .path = "b", .type = ENTRY_FILE, .no_payload = true } },
		  MANIFEST_PRESENT,
		  -EBADMSG,
		  "lists 'b', but its archive has no such entry" },
		{ "a link without payload",
		  { { .path = "b", .type = ENTRY_LINK, .target = "x", .no_payload = true } },
		  MANIFEST_PRESENT,
		  -EBADMSG,
		  "no such entry" },
		{ "a payload without row is dropped",
		  { { .path = "a", .type = ENTRY_FILE },
		    { .path = "b", .type = ENTRY_FILE, .no_row = true } },
		  MANIFEST_PRESENT,
		  0,
		  "" },
		{ "a file that is a link in the archive",
		  { { .path = "a", .type = ENTRY_LINK, .row_type = ENTRY_FILE, .target = "x" } },
		  MANIFEST_PRESENT,
		  -EBADMSG,
		  "is a link in the archive" },
		{ "a link that is a file in the archive",
		  { { .path = "a", .type = ENTRY_FILE, .row_type = ENTRY_LINK } },
		  MANIFEST_PRESENT,
		  -EBADMSG,
		  "is a file in the archive" },
		{ "a directory that is a file in the archive",
		  { { .path = "a", .type = ENTRY_FILE, .row_type = ENTRY_DIR } },
		  MANIFEST_PRESENT,
		  -EBADMSG,
		  "is a file in the archive" },
		{ "a directory that the archive lacks",
		  { { .path = "a", .type = ENTRY_DIR, .no_payload = true } },
		  MANIFEST_PRESENT,
		  0,
		  "" },
		{ "a file and a directory at once",
		  { { .path = "a/b", .type = ENTRY_FILE }, { .path = "a", .type = ENTRY_FILE } },
		  MANIFEST_PRESENT,
		  -EBADMSG,
		  "'a' is a file, and there are paths below it" },
		{ "a link and a directory at once",
		  { { .path = "lib64/b/c", .type = ENTRY_FILE },
		    { .path = "lib64", .type = ENTRY_LINK, .target = "lib" },
		    { .path = "lib64-x", .type = ENTRY_FILE } },
		  MANIFEST_LISTED,
		  -EBADMSG,
		  "'lib64' is a link, and there are paths below it" },
		{ "listed twice",
		  { { .path = "a", .type = ENTRY_FILE }, { .path = "a", .type = ENTRY_FILE } },
		  MANIFEST_LISTED,
		  -EBADMSG,
		  "'a' is listed twice" },
		{ "in the archive twice",
		  { { .path = "a", .type = ENTRY_FILE },
		    { .path = "a", .type = ENTRY_FILE, .no_row = true } },
		  MANIFEST_PRESENT,
		  -EBADMSG,
		  "is in the archive twice" },
		{ "a type that only the archive knows",
		  { { .path = "a", .type = ENTRY_FILE, .row_type = TYPE_LEFT_OPEN } },
		  MANIFEST_PRESENT,
		  0,
		  "" },
		{ "the same, a link",
		  { { .path = "a",
		      .type = ENTRY_LINK,
		      .row_type = TYPE_LEFT_OPEN,
		      .target = "b" } },
		  MANIFEST_PRESENT,
		  0,
		  "" },
		{ "the same, while only listed",
		  { { .path = "a", .type = ENTRY_FILE, .row_type = TYPE_LEFT_OPEN } },
		  MANIFEST_LISTED,
		  -ENODATA,
		  "only from the whole package" },
		{ "info is left out",
		  { { .path = "info/index.json", .type = ENTRY_FILE },
		    { .path = "info", .type = ENTRY_DIR },
		    { .path = "information", .type = ENTRY_FILE } },
		  MANIFEST_PRESENT,
		  0,
		  "" },
		{ "nothing at all",
		  { { .path = "x", .no_row = true, .no_payload = true } },
		  MANIFEST_PRESENT,
		  0,
		  "" },
		{ "up",
		  { { .path = "a/../b", .type = ENTRY_FILE } },
		  MANIFEST_LISTED,
		  -EINVAL,
		  "'..'" },
		{ "absolute",
		  { { .path = "/a", .type = ENTRY_FILE } },
		  MANIFEST_LISTED,
		  -EINVAL,
		  "absolute" },
		{ "an empty part",
		  { { .path = "a//b", .type = ENTRY_FILE } },
		  MANIFEST_LISTED,
		  -EINVAL,
		  "empty part" },
		{ "an empty target",
		  { { .path = "a", .type = ENTRY_LINK, .target = "" } },
		  MANIFEST_PRESENT,
		  -EBADMSG,
		  "target" },
		{ "a target with a line end",
		  { { .path = "a", .type = ENTRY_LINK, .target = "b\nc" } },
		  MANIFEST_PRESENT,
		  -EBADMSG,
		  "target" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_TEMP_STORE ts;
		AUTO(manifest_freep) struct manifest *m = NULL;
		struct err e = { 0 };
		size_t n = 0;

		temp_store_make(&ts);
		test_case = cases[i].name;
		while (n < ARRAY_LEN(cases[i].lines) && cases[i].lines[n].path)
			n++;
		CHECK_INT(build(ts.st, cases[i].lines, n, cases[i].state, &e), cases[i].want);
		if (!CHECK(strstr(e.text, cases[i].text)))
			fprintf(stderr, "  %s\n", e.text);
		/* What is refused leaves nothing behind. */
		if (cases[i].want < 0)
			CHECK_INT(manifest_open(&m, ts.st, 17, &e), -ENOENT);
		else if (CHECK_INT(manifest_open(&m, ts.st, 17, &e), 0))
			CHECK(manifest_walk(m));
	}
}

/* A file that is not what its row says. */
static void test_row_against_payload(void)
{
	AUTO(manifest_builder_freep) struct manifest_builder *b = NULL;
	const struct line line = { .path = "a", .type = ENTRY_FILE };
	struct pkg_row row = row_of(&line);
	struct payload good = payload_of(&line), bad;
	struct err e = { 0 };

	test_case = "rows and payload";
	CHECK_INT(manifest_builder_open(&b, 1, &artifact, MANIFEST_PRESENT, &e), 0);
	CHECK_INT(manifest_builder_row(b, &row, &e), 0);
	bad = good;
	bad.size++;
	CHECK_INT(manifest_builder_payload(b, &bad, &e), -EBADMSG);
	CHECK(strstr(e.text, "has 1002 bytes, the package's list says 1001"));
	bad = good;
	bad.digest.bytes[31] ^= 1;
	CHECK_INT(manifest_builder_payload(b, &bad, &e), -EBADMSG);
	CHECK(strstr(e.text, "SHA-256"));
	bad = good;
	bad.mtime_ns = 1000000000;
	CHECK_INT(manifest_builder_payload(b, &bad, &e), -EBADMSG);
	bad = good;
	bad.spots = &(struct spot){ 1, 0, 0, 0 };
	bad.spot_count = 1;
	CHECK_INT(manifest_builder_payload(b, &bad, &e), -EINVAL);
	CHECK_INT(manifest_builder_payload(b, &good, &e), 0);
}

/* Placeholders, spots and first lines come back as they went in; spots that
 * cannot be are never published. */
static void test_spots(void)
{
	static const struct spot text[] = { { 3, 0, SPOT_UTF8, 0 }, { 100, 0, SPOT_UTF16LE, 0 } };
	static const struct spot binary[] = { { 0, 90, SPOT_UTF8, 0 },
					      { 30, 90, SPOT_UTF8, 0 },
					      { 400, 1002, SPOT_UTF8, 0 } };
	static const struct {
		const char *name;
		bool binary;
		struct spot spots[2];
		size_t count;
	} bad[] = {
		{ "past the end", false, { { 990, 0, SPOT_UTF8, 0 } }, 1 },
		{ "far past the end", false, { { UINT64_MAX, 0, SPOT_UTF8, 0 } }, 1 },
		{ "wide, past the end", false, { { 960, 0, SPOT_UTF16LE, 0 } }, 1 },
		{ "overlapping", false, { { 3, 0, SPOT_UTF8, 0 }, { 10, 0, SPOT_UTF8, 0 } }, 2 },
		{ "out of order", false, { { 100, 0, SPOT_UTF8, 0 }, { 3, 0, SPOT_UTF8, 0 } }, 2 },
		{ "unknown unit", false, { { 3, 0, 5, 0 } }, 1 },
		{ "an end in text", false, { { 3, 50, SPOT_UTF8, 0 } }, 1 },
		{ "no end in binary", true, { { 3, 0, SPOT_UTF8, 0 } }, 1 },
		{ "an end too early", true, { { 3, 20, SPOT_UTF8, 0 } }, 1 },
		{ "an end too late", true, { { 3, 1003, SPOT_UTF8, 0 } }, 1 },
	};
	AUTO_TEMP_STORE ts;

	temp_store_make(&ts);
	for (size_t i = 0; i <= ARRAY_LEN(bad); i++) {
		AUTO(manifest_builder_freep) struct manifest_builder *b = NULL;
		AUTO(manifest_freep) struct manifest *m = NULL;
		const struct line lines[] = {
			{ .path = "bb", .type = ENTRY_FILE, .placeholder = PLACEHOLDER },
			{ .path = "aa",
			  .type = ENTRY_FILE,
			  .placeholder = PLACEHOLDER,
			  .binary = i == ARRAY_LEN(bad) || bad[i].binary },
		};
		struct err e = { 0 };

		test_case = i == ARRAY_LEN(bad) ? "good spots" : bad[i].name;
		CHECK_INT(manifest_builder_open(&b, 5, &artifact, MANIFEST_PRESENT, &e), 0);
		CHECK_INT(manifest_builder_meta(b, &meta, &e), 0);
		for (size_t k = 0; k < 2; k++) {
			struct pkg_row row = row_of(&lines[k]);
			struct payload p = payload_of(&lines[k]);

			CHECK_INT(manifest_builder_row(b, &row, &e), 0);
			p.spots = k == 0 ? text : i == ARRAY_LEN(bad) ? binary : bad[i].spots;
			p.spot_count = k == 0 ? 2 : i == ARRAY_LEN(bad) ? 3 : bad[i].count;
			p.shebang = k == 0 ? "#!/opt/\xff odd" : "#!nul\0nul";
			p.shebang_len = k == 0 ? 12 : 9;
			CHECK_INT(manifest_builder_payload(b, &p, &e), 0);
		}
		if (i < ARRAY_LEN(bad)) {
			CHECK_INT(manifest_publish(b, ts.st, &e), -EBADMSG);
			CHECK(strstr(e.text, "spot"));
			continue;
		}
		CHECK_INT(manifest_publish(b, ts.st, &e), 0);
		CHECK_INT(manifest_open(&m, ts.st, 5, &e), 0);
		CHECK(manifest_walk(m));
		for (size_t k = 0; k < 2; k++) {
			const struct spot *want = k == 0 ? text : binary;
			struct entry en;
			struct spot s;

			manifest_entry(m, manifest_resolve(m, lines[k].path, 2), &en);
			CHECK_INT(en.spot_count, k == 0 ? 2 : 3);
			for (size_t n = 0; n < en.spot_count; n++) {
				manifest_spot(m, en.spot_first + n, &s);
				CHECK_INT(memcmp(&s, &want[n], sizeof(s)), 0);
			}
			CHECK_TEXT(en.shebang, k == 0 ? "#!/opt/\xff odd" : NULL);
		}
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Random trees: every path is found, nothing else is, numbers stay from listed
 * to present, and the order of the rows does not matter. */
static void test_random_trees(void)
{
	static const char *const parts[] = { "a",   "b",	"a-",  "a.", "A",  "bin",
					     "lib", "\xc3\xa9", "x y", "a0", "zz", "_" };
	enum { PATHS = 120 };
	uint64_t seed = 5;

	test_case = "random trees";
	for (int round = 0; round < 40; round++) {
		AUTO_TEMP_STORE ts;
		AUTO(manifest_freep) struct manifest *listed = NULL, *m = NULL;
		char texts[PATHS][64], other[64], *sorted[PATHS];
		struct line lines[PATHS] = { 0 };
		struct err e = { 0 };
		size_t n = 0;

		for (size_t i = 0; i < PATHS; i++) {
			int depth = 1 + (int)(test_random(&seed) % 5), at = 0;

			/* Directories and files never share a name here. */
			for (int d = 0; d < depth; d++)
				at += snprintf(texts[i] + at, sizeof(texts[i]) - (size_t)at,
					       "%s%s%s", d ? "/" : "",
					       parts[test_random(&seed) % ARRAY_LEN(parts)],
					       d == depth - 1 ? "f" : "");
			sorted[i] = texts[i];
		}
		qsort(sorted, PATHS, sizeof(*sorted), by_text);
		for (size_t i = 0; i < PATHS; i++)
			if (i == 0 || strcmp(sorted[i], sorted[i - 1]) != 0)
				lines[n++] = (struct line){ .path = sorted[i], .type = ENTRY_FILE };
		temp_store_make(&ts);
		CHECK_INT(build(ts.st, lines, n, MANIFEST_LISTED, &e), 0);
		CHECK_INT(manifest_open(&listed, ts.st, 17, &e), 0);
		for (size_t i = n; i-- > 1;) {
			size_t k = test_random(&seed) % (i + 1);
			struct line swap = lines[i];

			lines[i] = lines[k];
			lines[k] = swap;
		}
		CHECK_INT(build(ts.st, lines, n, MANIFEST_PRESENT, &e), 0);
		CHECK_INT(manifest_open(&m, ts.st, 17, &e), 0);
		CHECK(manifest_walk(listed) && manifest_walk(m));
		CHECK_INT(manifest_count(listed), manifest_count(m));
		for (size_t i = 0; i < n; i++) {
			size_t len = strlen(lines[i].path);
			uint32_t index = manifest_resolve(m, lines[i].path, len);
			struct entry en;

			CHECK(index > 0);
			CHECK_INT(manifest_resolve(listed, lines[i].path, len), index);
			manifest_entry(m, index, &en);
			CHECK_INT(en.mtime_s, 1500000000 + (int64_t)len);
			/* No name ends in g. */
			(void)snprintf(other, sizeof(other), "%.*sg", (int)len - 1, lines[i].path);
			CHECK_INT(manifest_resolve(m, other, len), 0);
		}
	}
}

static void publish_bytes(struct temp_store *ts, const struct buf *bytes, size_t len)
{
	struct err e = { 0 };

	CHECK_INT(sys_publish(ts->st->tmp, ts->st->manifests, "17", bytes->bytes, len, 0644, &e),
		  0);
}

static bool is_refused(struct temp_store *ts)
{
	AUTO(manifest_freep) struct manifest *m = NULL;
	struct err e = { 0 };
	int r = manifest_open(&m, ts->st, 17, &e);

	return (r == -EBADMSG || r == -EPROTO) && strstr(e.text, "manifest 17");
}

static void test_damage(void)
{
	AUTO_TEMP_STORE ts;
	AUTO_BUF bytes = BUF(MIB);
	struct err e = { 0 };
	uint64_t seed = 11;
	int opened = 0;

	temp_store_make(&ts);
	CHECK_INT(build(ts.st, sample, ARRAY_LEN(sample), MANIFEST_PRESENT, &e), 0);
	CHECK_INT(sys_slurp(ts.st->manifests, "17", &bytes), 0);
	test_case = "every flipped bit";
	for (size_t at = 0; at < bytes.len; at++) {
		char was = bytes.bytes[at];

		bytes.bytes[at] = (char)(was ^ (1 << (at % 8)));
		publish_bytes(&ts, &bytes, bytes.len);
		if (!CHECK(is_refused(&ts)))
			fprintf(stderr, "  at %zu\n", at);
		bytes.bytes[at] = was;
	}
	test_case = "every cut";
	for (size_t len = 0; len < bytes.len; len += 1 + len / 16) {
		publish_bytes(&ts, &bytes, len);
		CHECK(is_refused(&ts));
	}
	test_case = "too much";
	buf_add_zero(&bytes, 8);
	publish_bytes(&ts, &bytes, bytes.len);
	CHECK(is_refused(&ts));
	bytes.len -= 8;

	test_case = "a hand that makes the sum right again";
	for (int i = 0; i < 30000; i++) {
		size_t at = test_random(&seed) % (bytes.len - SUM_BYTES);
		AUTO(manifest_freep) struct manifest *m = NULL;
		char was = bytes.bytes[at];
		uint64_t sum;

		if (i % 2)
			at = at % (HEADER_BYTES + 16 * ENTRY_BYTES);
		was = bytes.bytes[at];
		bytes.bytes[at] = (char)test_random(&seed);
		sum = xxh64(bytes.bytes, bytes.len - SUM_BYTES);
		le64_put(bytes.bytes + bytes.len - SUM_BYTES, sum);
		if (manifest_of_bytes(&m, bytes.bytes, bytes.len, 17, &e) == 0) {
			opened++;
			CHECK(manifest_walk(m));
		}
		bytes.bytes[at] = was;
	}
	CHECK(opened > 100); /* a digest or a time may be anything */
	test_case = "no file";
	CHECK_INT(sys_unlinkat(ts.st->manifests, "17", 0), 0);
	AUTO(manifest_freep) struct manifest *m = NULL;
	CHECK_INT(manifest_open(&m, ts.st, 17, &e), -ENOENT);
	test_case = "a link in its place";
	CHECK_INT(symlinkat("/etc/passwd", ts.st->manifests, "17"), 0);
	CHECK_INT(manifest_open(&m, ts.st, 17, &e), -ELOOP);
}

/* The same package gives the same bytes; many entries open fast. */
static void test_large(void)
{
	enum { COUNT = 20000 };
	AUTO_TEMP_STORE ts;
	AUTO(manifest_freep) struct manifest *m = NULL;
	AUTO_BUF first = BUF(16 * MIB), second = BUF(16 * MIB);
	AUTO_MEM struct line *lines = calloc(COUNT, sizeof(*lines));
	AUTO_MEM char *texts = malloc(COUNT * 64);
	struct err e = { 0 };
	uint64_t start;

	temp_store_make(&ts);
	test_case = "20,000 entries";
	for (size_t i = 0; i < COUNT; i++) {
		(void)snprintf(texts + i * 64, 64,
			       "lib/python3.11/site-packages/p%zu/module_%zu.py", i / 50, i);
		lines[i] = (struct line){ .path = texts + i * 64, .type = ENTRY_FILE };
	}
	CHECK_INT(build(ts.st, lines, COUNT, MANIFEST_PRESENT, &e), 0);
	CHECK_INT(sys_slurp(ts.st->manifests, "17", &first), 0);
	CHECK_INT(build(ts.st, lines, COUNT, MANIFEST_PRESENT, &e), 0);
	CHECK_INT(sys_slurp(ts.st->manifests, "17", &second), 0);
	CHECK(first.len == second.len && memcmp(first.bytes, second.bytes, first.len) == 0);
	start = sys_now_ns();
	CHECK_INT(manifest_open(&m, ts.st, 17, &e), 0);
	printf("opened %u entries, %zu bytes in %llu us\n", manifest_count(m), first.len,
	       (unsigned long long)(sys_now_ns() - start) / 1000);
	CHECK(manifest_walk(m));
}

int main(void)
{
	test_refusals();
	test_row_against_payload();
	test_spots();
	test_random_trees();
	test_damage();
	test_large();
	test_tree();
	test_values();
	return test_end();
}
