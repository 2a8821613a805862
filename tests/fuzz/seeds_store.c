/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the seeds of fuzz_manifest and fuzz_pack:
 *
 *	seeds_store tests/fuzz/corpus
 */
#include "../unit/temp_store.h"

#include "base/limits.h"
#include "base/sys.h"
#include "manifest/build.h"
#include "object/pack.h"

#include <fcntl.h>

#define TRY(call)                                                                                  \
	do {                                                                                       \
		if ((call) < 0) {                                                                  \
			fprintf(stderr, "%s: %s\n", #call, e.text);                                \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static void copy_out(int dir, const char *name, const char *to, const char *kind, const char *as)
{
	AUTO_BUF bytes = BUF(MIB);
	struct err e = { 0 };
	char path[PATH_MAX];

	TRY(sys_slurp(dir, name, &bytes));
	(void)snprintf(path, sizeof(path), "%s/%s/%s", to, kind, as);
	AUTO_FD fd = sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	TRY(fd);
	TRY(sys_write(fd, bytes.bytes, bytes.len));
}

static void make_manifest(struct temp_store *ts, const char *to, enum manifest_state state,
			  bool full, const char *as)
{
	static const struct {
		const char *path, *target, *placeholder;
		bool binary;
	} files[] = {
		{ "bin/tool", NULL, "/opt/placehold", false },
		{ "lib/libx.so", "libx.so.1", NULL, false },
		{ "lib/libx.so.1", NULL, "/opt/placehold", true },
		{ "lib/python3.11/site-packages/x/__init__.py", NULL, NULL, false },
	};
	static const struct pkg_entry_point points[] = { { "tool", "x.cli", "main" } };
	static const struct spot spots[] = { { 5, 60, SPOT_UTF8, 0 }, { 30, 60, SPOT_UTF8, 0 } };
	struct pkg_meta meta = { .index_json = "{}",
				 .index_json_len = 2,
				 .noarch = full ? NOARCH_PYTHON : NOARCH_NONE,
				 .entry_points = points,
				 .entry_point_count = full };
	AUTO(manifest_builder_freep) struct manifest_builder *b = NULL;
	struct digest artifact = { { 1 } };
	struct err e = { 0 };

	TRY(manifest_builder_open(&b, 1, &artifact, state, &e));
	TRY(manifest_builder_meta(b, &meta, &e));
	for (size_t i = 0; full && i < ARRAY_LEN(files); i++) {
		const char *ph = files[i].placeholder;
		struct pkg_row row = { .path = files[i].path,
				       .path_len = strlen(files[i].path),
				       .type = files[i].target ? ENTRY_LINK : ENTRY_FILE,
				       .placeholder = ph,
				       .placeholder_len = ph ? strlen(ph) : 0,
				       .binary = files[i].binary };
		struct payload p = { .path = row.path,
				     .path_len = row.path_len,
				     .type = (enum entry_type)row.type,
				     .target = files[i].target,
				     .target_len = files[i].target ? strlen(files[i].target) : 0,
				     .size = 100,
				     .extent = { 1, 32, 116, 100 },
				     .spots = files[i].binary ? spots : NULL,
				     .spot_count = files[i].binary ? 2 : 0,
				     .shebang = ph && !files[i].binary ? "#!/bin/sh" : NULL,
				     .shebang_len = 9 };

		TRY(manifest_builder_row(b, &row, &e));
		if (state == MANIFEST_PRESENT)
			TRY(manifest_builder_payload(b, &p, &e));
	}
	TRY(manifest_publish(b, ts->st, &e));
	copy_out(ts->st->manifests, "1", to, "manifest", as);
}

static void make_pack(struct temp_store *ts, const char *to, uint64_t number, size_t first,
		      size_t second, const char *as)
{
	AUTO(pack_writer_freep) struct pack_writer *w = NULL;
	AUTO_MEM uint8_t *room = malloc(MIB);
	struct err e = { 0 };
	struct digest d;
	struct extent x;
	bool made;
	char name[24];

	TRY(pack_writer_open(&w, ts->st, number, &e));
	test_fill(room, first, 2, 1);
	TRY(object_put_whole(w, room, first, &d, &x, &e));
	test_fill(room, second, 0, 2);
	TRY(object_put_whole(w, room, second, &d, &x, &e));
	TRY(pack_publish(w, &made, &e));
	(void)snprintf(name, sizeof(name), "%llu", (unsigned long long)number);
	copy_out(ts->st->packs, name, to, "pack", as);
}

int main(int argc, char **argv)
{
	AUTO_TEMP_STORE ts;

	if (argc != 2) {
		fprintf(stderr, "usage: seeds_store tests/fuzz/corpus\n");
		return 2;
	}
	temp_store_make(&ts);
	make_manifest(&ts, argv[1], MANIFEST_LISTED, true, "listed");
	make_manifest(&ts, argv[1], MANIFEST_PRESENT, true, "present");
	make_manifest(&ts, argv[1], MANIFEST_PRESENT, false, "empty");
	make_pack(&ts, argv[1], 1, 300, 40, "small");
	make_pack(&ts, argv[1], 2, 2 * OBJECT_BLOCK_BYTES + 100, 500, "blocks");
	return 0;
}
