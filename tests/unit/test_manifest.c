/* SPDX-License-Identifier: Apache-2.0 */
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

int main(void)
{
	test_tree();
	test_values();
	return test_end();
}
