/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as served: patched files against conda's way, at every range; made files. */
#include "world.h"

#include "conda_way.h"

#include "base/json.h"
#include "synth/synth.h"

#include <errno.h>

#define THINGS(array) .things = array, .thing_count = ARRAY_LEN(array)
#define LONG_PREFIX                                                                                \
	"/a/mount/point/that/is/so/very/long/that/the/kernel/would/not/read/a/first/line/with/it/" \
	"in/a/script/envs/ml"

static struct packs *packs_of(struct world *w)
{
	if (!w->packs)
		MUST(packs_open(&w->packs, w->ts.st, world_err()));
	return w->packs;
}

/* The file's bytes; what does not agree with its size is a failure. */
static void whole(struct world *w, const char *path, struct buf *out)
{
	struct node n;
	ssize_t got;
	char *room;

	if (!CHECK_INT(view_resolve(w->v, path, &n), 0))
		return;
	CHECK(n.known && n.failed == 0);
	room = buf_room(out, n.size + 10);
	if (!CHECK(room != NULL))
		return;
	got = synth_read(w->v, packs_of(w), &n, 0, room, n.size + 10, world_err());
	if (!CHECK_INT(got, n.size))
		return;
	out->len += (size_t)got;
	out->bytes[out->len] = '\0';
}

static void check_range(struct world *w, const struct node *n, const struct buf *all, size_t at,
			size_t len)
{
	AUTO_MEM char *room = malloc(len + 1);
	size_t want = at >= all->len ? 0 : all->len - at < len ? all->len - at : len;
	ssize_t got = synth_read(w->v, packs_of(w), n, at, room, len, world_err());

	if (!CHECK(got == (ssize_t)want && memcmp(room, all->bytes + (want ? at : 0), want) == 0))
		fprintf(stderr, "  bytes %zu to %zu of %zu\n", at, at + len, all->len);
}

/* Every range of a small file, some of a large one. */
static void check_ranges(struct world *w, const char *path, const struct buf *all)
{
	struct node n;

	MUST(view_resolve(w->v, path, &n));
	if (all->len <= 40) {
		for (size_t at = 0; at <= all->len + 1; at++)
			for (size_t len = 0; len <= all->len + 2 - at; len++)
				check_range(w, &n, all, at, len);
		return;
	}
	for (size_t at = 0; at <= all->len; at += 1 + all->len / 60)
		check_range(w, &n, all, at, 1 + all->len / 7);
	for (int i = 0; i < 40; i++)
		check_range(w, &n, all, (size_t)rand() % all->len, (size_t)rand() % 50);
}

#define FILES 40
static void test_random_files(void)
{
	static const char *const prefixes[] = { "/e", "/envs/a", "/opt/a-prefix-as-long-as-th",
						LONG_PREFIX };

	for (unsigned round = 0; round < 12; round++) {
		static struct thing things[FILES];
		struct buf files[FILES];
		char paths[FILES][16], name[40];
		struct recipe r = { .name = "a", THINGS(things) };
		const char *prefix = prefixes[round % ARRAY_LEN(prefixes)];
		bool text_only = strlen(prefix) > strlen(PLACEHOLDER);
		AUTO_WORLD w;

		srand(round + 1);
		for (size_t i = 0; i < FILES; i++) {
			buf_init(&files[i], 1 * MIB);
			random_file(&files[i]);
			snprintf(paths[i], sizeof(paths[i]), "f%zu", i);
			things[i] = (struct thing){ .path = paths[i],
						    .bytes = files[i].bytes,
						    .len = files[i].len,
						    .placeholder = PLACEHOLDER,
						    .binary = !text_only && i % 2 };
		}
		world_of(&w, &r, 1, prefix);
		for (size_t i = 0; i < FILES; i++) {
			AUTO_BUF want = BUF(2 * MIB);
			AUTO_BUF got = BUF(2 * MIB);

			snprintf(name, sizeof(name), "round %u, file %zu", round, i);
			test_case = name;
			conda_way(&want, &files[i], prefix, things[i].binary);
			whole(&w, paths[i], &got);
			CHECK(got.len == want.len && memcmp(got.bytes, want.bytes, want.len) == 0);
			check_ranges(&w, paths[i], &got);
			buf_done(&files[i]);
		}
	}
}

static void test_small_files(void)
{
	static const struct thing things[] = {
		{ .path = "text", .bytes = "a/p/p/pb", .placeholder = "/p" },
		{ .path = "only", .bytes = "/p", .placeholder = "/p" },
		{ .path = "binary",
		  .bytes = "a/pqrs/x:/pqrs\0\0b/pqrs",
		  .len = 22,
		  .placeholder = "/pqrs",
		  .binary = true },
		{ .path = "tight",
		  .bytes = "/pqrs\0/pqrs\0",
		  .len = 12,
		  .placeholder = "/pqrs",
		  .binary = true },
		{ .path = "plain", .bytes = "just bytes" },
		{ .path = "mixed", .bytes = "/p/\0p\0x/p", .len = 9, .placeholder = "/p" },
	};
	static const struct {
		const char *path, *want;
		size_t len;
	} want[] = {
		{ "text", "a/e1/e1/e1b", 11 },
		{ "only", "/e1", 3 },
		{ "binary", "a/e1/x:/e1\0\0\0\0\0\0b/e1\0\0", 22 },
		{ "tight", "/e1\0\0\0/e1\0\0\0", 12 },
		{ "plain", "just bytes", 10 },
		{ "mixed", "/e1/\0e\0001\0x/e1", 13 },
	};
	struct recipe r = { .name = "a", THINGS(things) };
	AUTO_WORLD w;

	world_of(&w, &r, 1, "/e1");
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		AUTO_BUF got = BUF(1 * MIB);

		test_case = want[i].path;
		whole(&w, want[i].path, &got);
		CHECK(got.len == want[i].len && memcmp(got.bytes, want[i].want, got.len) == 0);
		check_ranges(&w, want[i].path, &got);
	}
}

/* Several blocks, thousands of spots. */
static void test_large_file(void)
{
	AUTO_BUF file = BUF(4 * MIB);
	AUTO_BUF want = BUF(8 * MIB);
	AUTO_BUF got = BUF(8 * MIB);
	struct thing thing = { .path = "big", .placeholder = PLACEHOLDER };
	struct recipe r = { .name = "a", .things = &thing, .thing_count = 1 };

	for (int i = 0; i < 20000; i++)
		buf_addf(&file, "%d:%s/lib/%d\n", i, PLACEHOLDER, i * 7);
	for (int binary = 0; binary < 2; binary++) {
		AUTO_WORLD w;

		test_case = binary ? "large binary" : "large text";
		thing.bytes = file.bytes;
		thing.len = file.len;
		thing.binary = binary;
		buf_clear(&want);
		buf_clear(&got);
		conda_way(&want, &file, "/envs/a", binary);
		world_of(&w, &r, 1, "/envs/a");
		whole(&w, "big", &got);
		CHECK(got.len == want.len && memcmp(got.bytes, want.bytes, want.len) == 0);
		check_ranges(&w, "big", &got);
	}
}

static void test_shebangs(void)
{
	static const struct {
		const char *name, *prefix, *bytes, *want;
		bool binary;
	} cases[] = {
		{ "short", "/envs/ml", "#!/OPT/bin/python3.11 -E\nx /OPT\n",
		  "#!/envs/ml/bin/python3.11 -E\nx /envs/ml\n", false },
		{ "python, too long", LONG_PREFIX "/1234567890",
		  "#!/OPT/bin/python3.11 -E\nx /OPT\n",
		  "#!/bin/sh\n'''exec' \"" LONG_PREFIX
		  "/1234567890/bin/python3.11\" -E \"$0\" \"$@\" "
		  "#'''\nx " LONG_PREFIX "/1234567890\n",
		  false },
		{ "python3, too long, no newline", LONG_PREFIX "/123456789012",
		  "#!/OPT/bin/python3",
		  "#!/bin/sh\n'''exec' \"" LONG_PREFIX
		  "/123456789012/bin/python3\" \"$0\" \"$@\" #'''",
		  false },
		{ "perl, too long", LONG_PREFIX "/12345678901", "#! /OPT/bin/perl -w\n/OPT",
		  "#!/usr/bin/env perl -w\n" LONG_PREFIX "/12345678901", false },
		{ "pythonw is no python", LONG_PREFIX "/12345678901", "#!/OPT/bin/pythonw\n",
		  "#!/usr/bin/env pythonw\n", false },
		{ "python3. is no python", LONG_PREFIX "/12345678901", "#!/OPT/bin/python3.\n",
		  "#!/usr/bin/env python3.\n", false },
		{ "127 bytes are allowed", LONG_PREFIX, "#!/OPT/bin/perl -1234567\n",
		  "#!" LONG_PREFIX "/bin/perl -1234567\n", false },
		{ "128 are not", LONG_PREFIX, "#!/OPT/bin/perl -12345678\n",
		  "#!/usr/bin/env perl -12345678\n", false },
		{ "a prefix with a blank, python", "/my envs/ml", "#!/OPT/bin/python -I /OPT\n",
		  "#!/bin/sh\n'''exec' \"/my envs/ml/bin/python\" -I /my envs/ml \"$0\" \"$@\" "
		  "#'''\n",
		  false },
		{ "a prefix with a blank, not in this line", "/my envs/ml", "#!/bin/sh\n/OPT\n",
		  "#!/bin/sh\n/my envs/ml\n", false },
		{ "no path", LONG_PREFIX "/1234567890123456", "#!p/OPT/bin/perl\n",
		  "#!p" LONG_PREFIX "/1234567890123456/bin/perl\n", false },
		{ "long without any placeholder", "/envs/ml",
		  "#!/usr/bin/perl -" LONG_PREFIX LONG_PREFIX "\nx",
		  "#!/usr/bin/env perl -" LONG_PREFIX LONG_PREFIX "\nx", false },
		{ "an escaped blank belongs to the path", "/envs/ml",
		  "#!/OPT/a\\ b/python3 -" LONG_PREFIX LONG_PREFIX "\n",
		  "#!/bin/sh\n'''exec' \"/envs/ml/a\\ b/python3\" -" LONG_PREFIX LONG_PREFIX
		  " \"$0\" \"$@\" #'''\n",
		  false },
		{ "binaries have no shebang", "/e",
		  "#!/OPT/bin/python -" LONG_PREFIX LONG_PREFIX "\n",
		  "#!/e/bin/python -" LONG_PREFIX LONG_PREFIX "\n", true },
	};

	AUTO_WORLD w;

	world_make(&w);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct thing thing = { .path = "x",
				       .bytes = cases[i].bytes,
				       .placeholder = "/OPT",
				       .binary = cases[i].binary };
		struct recipe r = { .name = "a", .things = &thing, .thing_count = 1 };
		AUTO_BUF got = BUF(1 * MIB);
		struct node n;

		test_case = cases[i].name;
		world_generation(&w, &r, 1, NULL);
		world_reopen(&w, cases[i].prefix);
		whole(&w, "x", &got);
		CHECK_TEXT(got.bytes, cases[i].want);
		check_ranges(&w, "x", &got);
		CHECK_INT(view_resolve(w.v, "x", &n), 0);
		CHECK_INT(n.mtime_s, WORLD_SECONDS + 1);
	}
}

static void test_failures(void)
{
	static const struct thing things[] = {
		{ .path = "tight",
		  .bytes = "x/p\0y",
		  .len = 5,
		  .placeholder = "/p",
		  .binary = true },
		{ .path = "d/plain", .bytes = "plain" },
		{ .path = "link", .type = ENTRY_LINK, .bytes = "tight" },
		{ .path = "empty", .bytes = "", .placeholder = "/p" },
	};
	struct recipe r = { .name = "a", THINGS(things) };
	struct manifest *listed;
	AUTO_BUF got = BUF(100);
	struct node n;
	char room[20];
	AUTO_WORLD w;

	world_of(&w, &r, 1, "/envs/ml");
	test_case = "a prefix that is too long is EIO, with the reason";
	MUST(view_resolve(w.v, "tight", &n));
	CHECK_INT(n.failed, -EIO);
	CHECK_INT(synth_read(w.v, packs_of(&w), &n, 0, room, 10, world_err()), -EIO);
	CHECK(strstr(world_err()->text, "longer than") != NULL);
	test_case = "a directory has no bytes";
	MUST(view_resolve(w.v, "d", &n));
	CHECK_INT(synth_read(w.v, packs_of(&w), &n, 0, room, 10, world_err()), -ESTALE);
	test_case = "a link has no bytes";
	MUST(view_resolve(w.v, "link", &n));
	CHECK_INT(synth_read(w.v, packs_of(&w), &n, 0, room, 10, world_err()), -ESTALE);
	test_case = "an empty file with a placeholder";
	whole(&w, "empty", &got);
	CHECK_INT(got.len, 0);
	test_case = "a listed file has no bytes yet";
	listed = world_package(&w, &r, manifest_package(w.manifests[0]), true);
	w.v = view_free(w.v);
	MUST(view_open(&w.v, w.g, &listed, "/envs/ml", world_err()));
	MUST(view_resolve(w.v, "d/plain", &n));
	CHECK_INT(synth_read(w.v, packs_of(&w), &n, 0, room, 10, world_err()), -ESTALE);
	manifest_free(listed);
}

/* ---- made files ---- */

static const struct pkg_entry_point points[] = {
	{ "tool", "pkg.cli", "main" },
	{ "other", "pkg.cli", "cls.run" },
};
static const struct thing python_things[] = {
	{ .path = "bin/python3.11",
	  .bytes = "x/opt/placeholder\0",
	  .len = 18,
	  .placeholder = "/opt/placeholder",
	  .binary = true,
	  .mode = 0755 },
	{ .path = "bin/python", .type = ENTRY_LINK, .bytes = "python3.11" },
	{ .path = "lib/python3.11/empty", .type = ENTRY_DIR },
};
static const struct thing pure_things[] = {
	{ .path = "site-packages/p/__init__.py" },
	{ .path = "python-scripts/run",
	  .bytes = "#!/opt/placeholder/bin/python\n",
	  .placeholder = "/opt/placeholder" },
	{ .path = "etc/copied", .no_link = true },
	{ .path = "etc/unhashed", .no_digest = true },
};
static const struct recipe made_recipes[] = {
	{ .name = "python",
	  .version = "3.11.2",
	  THINGS(python_things),
	  .record_json = "{\"name\": \"python\", \"version\": \"3.11.2\", \"build\": \"0\", "
			 "\"build_number\": 7, \"depends\": [\"zlib\"], \"subdir\": \"noarch\", "
			 "\"timestamp\": 1700000000000, \"sha256\": \"not this\", \"size\": 1}",
	  .index_json = "{\"name\": \"python\", \"version\": \"3.11.2\", \"build\": \"0\", "
			"\"build_number\": 0, \"depends\": [\"wrong\"], \"constrains\": "
			"[\"gone\"], \"license\": \"PSF\", \"arch\": \"x86_64\"}" },
	{ .name = "p",
	  THINGS(pure_things),
	  .noarch = NOARCH_PYTHON,
	  .points = points,
	  .point_count = 2 },
};
#define REQUEST                                                                                    \
	"{\"specs\": [\"python=3.11\", \"p[version='>=1']\"], \"command\": \"envfs create\\n-n "   \
	"ml\", "                                                                                   \
	"\"variables\": {\"A\": \"1\", \"B\": \"x y\"}}"

static void made_world(struct world *w, const char *prefix)
{
	world_make(w);
	world_generation(w, made_recipes, 2, REQUEST);
	world_reopen(w, prefix);
}

#define ENTRY_POINT_BODY(import, call)                                                             \
	"# -*- coding: utf-8 -*-\n"                                                                \
	"import re\n"                                                                              \
	"import sys\n"                                                                             \
	"\n"                                                                                       \
	"from pkg.cli import " import "\n"                                                         \
	"\n"                                                                                       \
	"if __name__ == '__main__':\n"                                                             \
	"    sys.argv[0] = re.sub(r'(-script\\.pyw?|\\.exe)?$', '', sys.argv[0])\n"                \
	"    sys.exit(" call "())\n"

static void test_made_texts(void)
{
	static const struct {
		const char *path, *prefix, *want;
		uint32_t mode;
	} cases[] = {
		{ "bin/tool", "/envs/ml",
		  "#!/envs/ml/bin/python3.11\n" ENTRY_POINT_BODY("main", "main"), 0755 },
		{ "bin/other", "/envs/ml",
		  "#!/envs/ml/bin/python3.11\n" ENTRY_POINT_BODY("cls", "cls.run"), 0755 },
		{ "bin/tool", "/my envs/ml",
		  "#!/bin/sh\n'''exec' \"/my envs/ml/bin/python3.11\" \"$0\" \"$@\" "
		  "#'''\n" ENTRY_POINT_BODY("main", "main"),
		  0755 },
		{ "conda-meta/state", "/envs/ml",
		  "{\n  \"env_vars\": {\n    \"A\": \"1\",\n    \"B\": \"x y\"\n  }\n}\n", 0644 },
	};
	AUTO_BUF history = BUF(1 * MIB);
	AUTO_BUF managed = BUF(1 * MIB);
	AUTO_BUF frozen = BUF(1 * MIB);
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	struct node n;
	AUTO_WORLD w;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_BUF got = BUF(1 * MIB);
		AUTO_WORLD own;

		test_case = cases[i].path;
		made_world(&own, cases[i].prefix);
		whole(&own, cases[i].path, &got);
		CHECK_TEXT(got.bytes, cases[i].want);
		check_ranges(&own, cases[i].path, &got);
		MUST(view_resolve(own.v, cases[i].path, &n));
		CHECK_INT(n.mode, cases[i].mode);
	}
	made_world(&w, "/envs/ml");
	test_case = "history";
	whole(&w, "conda-meta/history", &history);
	CHECK(strncmp(history.bytes, "==> 20", 6) == 0);
	CHECK_TEXT(strchr(history.bytes, '\n'),
		   " <==\n# cmd: envfs create -n ml\n"
		   "+https://h/c/noarch::python-3.11.2-0\n+https://h/c/noarch::p-1-0\n"
		   "# update specs: [\"python=3.11\",\"p[version='>=1']\"]\n" +
			   4);
	test_case = "frozen";
	whole(&w, "conda-meta/frozen", &frozen);
	CHECK_INT(json_parse(&doc, frozen.bytes, frozen.len, world_err()), 0);
	CHECK(json_get_text(json_root(doc), "message") != NULL);
	test_case = "EXTERNALLY-MANAGED";
	whole(&w, "lib/python3.11/EXTERNALLY-MANAGED", &managed);
	CHECK(strncmp(managed.bytes, "[externally-managed]\nError=", 27) == 0);
}

static const struct json *path_row(const struct json *root, const char *path)
{
	struct json_iter it = json_iter(json_get(json_get(root, "paths_data"), "paths"));
	const struct json *row;

	while ((row = json_next(&it)))
		if (strcmp(json_get_text(row, "_path"), path) == 0)
			return row;
	return NULL;
}

/* Keys of an object, and what plain values it has. */
static void row_text(const struct json *row, struct buf *out)
{
	struct json_iter it = json_iter(row);
	const struct json *value;

	while ((value = json_next(&it))) {
		uint64_t n;

		buf_addf(out, "%s", it.key);
		if (json_true(value))
			buf_adds(out, "=true");
		else if (json_u64(value, &n))
			buf_addf(out, "=%llu", (unsigned long long)n);
		else if (json_text(value) && strlen(json_text(value)) < 60)
			buf_addf(out, "=%s", json_text(value));
		buf_addc(out, ' ');
	}
}

static void test_records(void)
{
	static const struct {
		const char *record, *path, *want;
	} rows[] = {
		{ "conda-meta/python-3.11.2-0.json", "bin/python3.11",
		  "_path=bin/python3.11 path_type=hardlink sha256 size_in_bytes=18 "
		  "file_mode=binary prefix_placeholder=/opt/placeholder " },
		{ "conda-meta/python-3.11.2-0.json", "bin/python",
		  "_path=bin/python path_type=softlink " },
		{ "conda-meta/python-3.11.2-0.json", "lib/python3.11/empty",
		  "_path=lib/python3.11/empty path_type=directory " },
		{ "conda-meta/p-1-0.json", "lib/python3.11/site-packages/p/__init__.py",
		  "_path=lib/python3.11/site-packages/p/__init__.py path_type=hardlink sha256 "
		  "sha256_in_prefix size_in_bytes=29 " },
		{ "conda-meta/p-1-0.json", "bin/run",
		  "_path=bin/run path_type=hardlink sha256 size_in_bytes=30 file_mode=text "
		  "prefix_placeholder=/opt/placeholder " },
		{ "conda-meta/p-1-0.json", "etc/copied",
		  "_path=etc/copied path_type=hardlink sha256 sha256_in_prefix size_in_bytes=12 "
		  "no_link=true " },
		{ "conda-meta/p-1-0.json", "etc/unhashed",
		  "_path=etc/unhashed path_type=hardlink " },
		{ "conda-meta/p-1-0.json", "bin/other",
		  "_path=bin/other path_type=unix_python_entry_point " },
	};
	AUTO_WORLD w;

	made_world(&w, "/envs/ml");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		AUTO(json_doc_freep) struct json_doc *doc = NULL;
		AUTO_BUF text = BUF(1 * MIB);
		AUTO_BUF row = BUF(1 * MIB);

		test_case = rows[i].path;
		whole(&w, rows[i].record, &text);
		check_ranges(&w, rows[i].record, &text);
		MUST(json_parse(&doc, text.bytes, text.len, world_err()));
		row_text(path_row(json_root(doc), rows[i].path), &row);
		CHECK_TEXT(row.bytes, rows[i].want);
	}
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	AUTO_BUF text = BUF(1 * MIB);
	const struct json *root;
	struct gen_package p;
	uint64_t n = 0;

	test_case = "fields of a record";
	whole(&w, "conda-meta/python-3.11.2-0.json", &text);
	MUST(json_parse(&doc, text.bytes, text.len, world_err()));
	root = json_root(doc);
	generation_package(w.g, 0, &p);
	CHECK(json_u64(json_get(root, "build_number"), &n) && n == 7);
	CHECK(json_u64(json_get(root, "timestamp"), &n) && n == 1700000000000);
	CHECK(json_u64(json_get(root, "size"), &n) && n == 1000);
	CHECK_TEXT(json_get_text(root, "sha256"), DIGEST_HEX(&p.sha256));
	CHECK_TEXT(json_get_text(root, "license"), "PSF");
	CHECK_TEXT(json_get_text(root, "fn"), "python-3.11.2-0.conda");
	CHECK_TEXT(json_get_text(root, "url"), "https://h/c/noarch/python-3.11.2-0.conda");
	CHECK_TEXT(json_get_text(root, "channel"), "https://h/c");
	CHECK_TEXT(json_get_text(root, "requested_spec"), "python");
	CHECK_INT(json_len(json_get(root, "requested_specs")), 1);
	CHECK_INT(json_len(json_get(root, "files")), 3);
	CHECK(json_get(root, "constrains") == NULL);
	CHECK_INT(json_len(json_get(root, "depends")), 1);
	CHECK(json_u64(json_get(json_get(root, "link"), "type"), &n) && n == 1);
}

/* A record says the same from the list alone, and what is kept of texts is bounded. */
static void test_listed_records(void)
{
	struct manifest *listed[2];
	AUTO_WORLD w;

	made_world(&w, "/envs/ml");
	for (size_t i = 0; i < 2; i++)
		listed[i] =
			world_package(&w, &made_recipes[i], manifest_package(w.manifests[i]), true);
	for (size_t i = 0; i < 2; i++) {
		const char *path = i ? "conda-meta/p-1-0.json" : "conda-meta/python-3.11.2-0.json";
		AUTO_BUF before = BUF(1 * MIB);
		AUTO_BUF after = BUF(1 * MIB);
		struct view *v = NULL;

		test_case = path;
		whole(&w, path, &after);
		MUST(view_open(&v, w.g, listed, "/envs/ml", world_err()));
		view_free(w.v);
		w.v = v;
		whole(&w, path, &before);
		CHECK_TEXT(before.bytes, after.bytes);
		view_replace(v, (uint32_t)i, w.manifests[i]);
		buf_clear(&after);
		whole(&w, path, &after);
		CHECK_TEXT(before.bytes, after.bytes);
	}
	for (size_t i = 0; i < 2; i++)
		manifest_free(listed[i]);
}

int main(void)
{
	test_small_files();
	test_random_files();
	test_large_file();
	test_shebangs();
	test_failures();
	test_made_texts();
	test_records();
	test_listed_records();
	return test_end();
}
