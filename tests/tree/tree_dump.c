/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree_dump STORE PREFIX NAME VERSION BUILD SUBDIR ARTIFACT [NAME ...]: takes
 * artifacts into a new store, makes a generation of them in this order, and
 * prints what its view shows, one line of JSON a path. Without the network and
 * the daemon: for comparing with other installers.
 */
#include "base/json.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/sys.h"
#include "env/generation.h"
#include "index/index.h"
#include "manifest/build.h"
#include "object/pack.h"
#include "pkg/pkg.h"
#include "synth/synth.h"
#include "tree/view.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

static struct err error;

#define MUST(call)                                                                                 \
	({                                                                                         \
		int must_ = (int)(call);                                                           \
		if (must_ < 0) {                                                                   \
			fprintf(stderr, "%s: %s\n", #call, error.text);                            \
			exit(1);                                                                   \
		}                                                                                  \
		must_;                                                                             \
	})

/* A file that came, for hard links to it. */
struct file {
	char *path; /* owned */
	uint64_t size;
	struct digest digest;
	struct extent extent;
	struct buf bytes; /* of small ones */
};

struct intake {
	struct manifest_builder *b;
	struct pack_writer *pack;
	struct spot_finder *finder;
	struct pkg_entry entry;
	char path[PATH_BYTES_MAX + 1], target[LINK_BYTES_MAX + 1];
	bool open;
	struct file *files; /* owned */
	size_t count, cap;
};

static int on_meta(void *ctx, const struct pkg_meta *meta, struct err *e)
{
	struct intake *in = ctx;

	return manifest_builder_meta(in->b, meta, e);
}

static int on_row(void *ctx, const struct pkg_row *row, struct err *e)
{
	struct intake *in = ctx;

	return manifest_builder_row(in->b, row, e);
}

static int open_finder(struct intake *in, const struct pkg_row *row, struct err *e)
{
	if (!row || !row->placeholder)
		return 0;
	return spot_finder_open(&in->finder, row->placeholder, row->placeholder_len, row->binary,
				e);
}

static int on_entry(void *ctx, const struct pkg_entry *entry, struct err *e)
{
	struct intake *in = ctx;
	struct file *f;
	int r;

	in->entry = *entry;
	memcpy(in->path, entry->path, entry->path_len);
	in->path[entry->path_len] = '\0';
	in->entry.path = in->path;
	if (entry->target) {
		memcpy(in->target, entry->target, entry->target_len);
		in->entry.target = in->target;
	}
	r = open_finder(in, manifest_builder_find(in->b, in->path, entry->path_len), e);
	if (r < 0 || entry->type != ENTRY_FILE)
		return r;
	r = GROW(in->files, in->cap, in->count + 1, PACKAGE_FILES_MAX, e);
	if (r < 0)
		return r;
	f = &in->files[in->count];
	buf_init(&f->bytes, 16 * MIB);
	f->path = strdup(in->path);
	if (entry->link_to) {
		for (size_t i = 0; i < in->count; i++) {
			const struct file *to = &in->files[i];

			if (strlen(to->path) != entry->link_to_len ||
			    memcmp(to->path, entry->link_to, entry->link_to_len) != 0)
				continue;
			f->size = to->size;
			f->digest = to->digest;
			f->extent = to->extent;
			if (in->finder)
				r = spot_finder_add(in->finder, to->bytes.bytes, to->bytes.len, e);
			in->count++;
			return r;
		}
		return err_set(e, -EBADMSG, "hard link to nothing");
	}
	in->open = true;
	return object_begin(in->pack, e);
}

static int on_bytes(void *ctx, const void *bytes, size_t len, struct err *e)
{
	struct intake *in = ctx;
	int r = object_write(in->pack, bytes, len, e);

	in->files[in->count].size += len;
	buf_add(&in->files[in->count].bytes, bytes, len);
	if (r == 0 && in->finder)
		r = spot_finder_add(in->finder, bytes, len, e);
	return r;
}

static int on_end(void *ctx, struct err *e)
{
	struct intake *in = ctx;
	struct payload p = {
		.path = in->path,
		.path_len = in->entry.path_len,
		.type = (enum entry_type)in->entry.type,
		.mode = in->entry.mode,
		.mtime_s = in->entry.mtime_s,
		.mtime_ns = in->entry.mtime_ns,
		.target = in->entry.target,
		.target_len = in->entry.target_len,
	};
	int r = 0;

	if (in->open) {
		r = object_end(in->pack, &in->files[in->count].digest, &in->files[in->count].extent,
			       e);
		in->count++;
		in->open = false;
	}
	if (r == 0 && in->entry.type == ENTRY_FILE) {
		p.size = in->files[in->count - 1].size;
		p.digest = in->files[in->count - 1].digest;
		p.extent = in->files[in->count - 1].extent;
		if (in->finder)
			r = spot_finder_end(in->finder, &p.spots, &p.spot_count, &p.shebang,
					    &p.shebang_len, e);
	}
	if (r == 0)
		r = manifest_builder_payload(in->b, &p, e);
	in->finder = spot_finder_free(in->finder);
	return r;
}

static void take(struct store *st, const char *artifact, uint64_t package,
		 const struct digest *sha256)
{
	AUTO(manifest_builder_freep) struct manifest_builder *b = NULL;
	AUTO(pack_writer_freep) struct pack_writer *pack = NULL;
	struct intake in = {};
	const struct pkg_sink sink = { &in, on_meta, on_row, on_entry, on_bytes, on_end };
	size_t len = strlen(artifact);
	bool conda = len > 6 && strcmp(artifact + len - 6, ".conda") == 0, made;
	AUTO_FD fd = sys_openat(AT_FDCWD, artifact, O_RDONLY, 0);
	struct stat sb;

	MUST(manifest_builder_open(&b, package, sha256, MANIFEST_PRESENT, &error));
	MUST(pack_writer_open(&pack, st, package, &error));
	in.b = b;
	in.pack = pack;
	MUST(sys_fstat(fd, &sb));
	MUST(pkg_read(fd, (uint64_t)sb.st_size, conda ? PKG_CONDA : PKG_TAR_BZ2, PKG_WHOLE, &sink,
		      &error));
	MUST(pack_publish(pack, &made, &error));
	MUST(manifest_publish(b, st, &error));
	for (size_t i = 0; i < in.count; i++) {
		free(in.files[i].path);
		buf_done(&in.files[i].bytes);
	}
	free(in.files);
}

static void hash_file(const char *path, struct digest *ret)
{
	AUTO_FD fd = sys_openat(AT_FDCWD, path, O_RDONLY, 0);
	struct hasher h;
	char room[65536];
	ssize_t n;

	MUST(fd);
	MUST(sha256_begin(&h, &error));
	while ((n = sys_read(fd, room, sizeof(room))) > 0)
		hasher_add(&h, room, (size_t)n);
	sha256_end(&h, ret);
}

static int no_rebuild(struct index *ix, struct store *st, struct err *e)
{
	(void)ix;
	(void)st;
	(void)e;
	return 0;
}

/* ---- printing ---- */

struct dump {
	struct view *v;
	struct packs *packs;
	char (*dirs)[VIEW_PATH_BYTES]; /* owned; those still to be listed */
	size_t count, cap;
	const char *dir;
};

static void print_bytes(struct dump *d, const struct node *n, struct jsonw *w)
{
	static char room[8 * MIB];
	struct hasher h;
	struct digest digest;
	uint64_t at = 0;
	ssize_t got;

	MUST(sha256_begin(&h, &error));
	while ((got = MUST(synth_read(d->v, d->packs, n, at, room, sizeof(room), &error))) > 0) {
		hasher_add(&h, room, (size_t)got);
		at += (uint64_t)got;
	}
	sha256_end(&h, &digest);
	if (node_kind(n->ino) == NODE_MADE && at < sizeof(room)) {
		jsonw_key(w, "text");
		jsonw_text_n(w, room, at);
	}
	jsonw_member_text(w, "sha256", DIGEST_HEX(&digest));
	jsonw_member_u64(w, "read", at);
}

static int on_name(void *ctx, const char *name, const struct node *n, uint64_t next)
{
	static const char *const types[] = { "", "dir", "file", "link" };
	struct dump *d = ctx;
	AUTO_BUF line = BUF(64 * MIB);
	struct jsonw w = JSONW(&line, 0);
	char path[VIEW_PATH_BYTES];

	(void)next;
	snprintf(path, sizeof(path), "%.3800s%s%.255s", d->dir, d->dir[0] ? "/" : "", name);
	jsonw_object(&w);
	jsonw_member_text(&w, "path", path);
	jsonw_member_text(&w, "type", types[n->type]);
	jsonw_member_u64(&w, "mode", n->mode);
	jsonw_member_u64(&w, "size", n->size);
	jsonw_key(&w, "mtime_s");
	jsonw_i64(&w, n->mtime_s);
	jsonw_member_u64(&w, "mtime_ns", n->mtime_ns);
	jsonw_member_u64(&w, "kind", node_kind(n->ino));
	if (n->failed)
		jsonw_member_u64(&w, "failed", (uint64_t)-n->failed);
	else if (n->type == ENTRY_FILE)
		print_bytes(d, n, &w);
	if (n->type == ENTRY_LINK)
		jsonw_member_text(&w, "target", view_target(d->v, n));
	jsonw_object_end(&w);
	puts(line.bytes);
	if (n->type == ENTRY_DIR) {
		MUST(GROW(d->dirs, d->cap, d->count + 1, PACKAGE_FILES_MAX, &error));
		strcpy(d->dirs[d->count++], path);
	}
	return 0;
}

static int on_conflict(void *ctx, const struct conflict *c)
{
	(void)ctx;
	fprintf(stderr, "conflict %s %s %s\n", c->path, c->winner, c->loser ? c->loser : "-");
	return 0;
}

static void dump(struct view *v, struct store *st)
{
	struct dump d = { .v = v, .dir = "" };
	AUTO(packs_freep) struct packs *packs = NULL;
	char dir[VIEW_PATH_BYTES];
	struct node n;

	MUST(packs_open(&packs, st, &error));
	d.packs = packs;
	MUST(view_list(v, view_root(v), 0, on_name, &d));
	while (d.count > 0) {
		strcpy(dir, d.dirs[--d.count]);
		d.dir = dir;
		MUST(view_resolve(v, dir, &n));
		MUST(view_list(v, n.ino, 0, on_name, &d));
	}
	MUST(view_conflicts(v, on_conflict, NULL, &error));
	free(d.dirs);
}

int main(int argc, char **argv)
{
	uint32_t count = (uint32_t)(argc - 3) / 5;
	AUTO(store_freep) struct store *st = NULL;
	AUTO(index_freep) struct index *ix = NULL;
	AUTO(generation_freep) struct generation *g = NULL;
	AUTO(view_freep) struct view *v = NULL;
	struct gen_package *packages;
	struct manifest **manifests;
	struct generation_spec spec = { .env = "ml",
					.platform = "linux-64",
					.request_json = "{\"specs\": []}",
					.count = count };
	uint64_t number;

	if (argc < 3 || (argc - 3) % 5 != 0) {
		fprintf(stderr,
			"usage: tree_dump STORE PREFIX [NAME VERSION BUILD SUBDIR ARTIFACT]...\n");
		return 2;
	}
	packages = calloc(count + 1, sizeof(*packages));
	manifests = calloc(count + 1, sizeof(*manifests));
	if (!packages || !manifests)
		return 1;
	MUST(store_open(&st, argv[1], STORE_WRITE, &error));
	MUST(index_open(&ix, st, no_rebuild, &error));
	for (uint32_t i = 0; i < count; i++) {
		char **a = argv + 3 + 5 * i;
		const char *slash = strrchr(a[4], '/');

		packages[i] = (struct gen_package){
			.name = a[0],
			.version = a[1],
			.build = a[2],
			.subdir = a[3],
			.fn = slash ? slash + 1 : a[4],
			.url = "https://h/c/x",
			.channel_url = "https://h/c",
			.record_json = "",
			.requested = "",
		};
		hash_file(a[4], &packages[i].sha256);
	}
	spec.packages = packages;
	MUST(generation_write(st, ix, &spec, &number, &error));
	MUST(generation_open(&g, st, number, &error));
	for (uint32_t i = 0; i < count; i++) {
		take(st, argv[3 + 5 * i + 4], packages[i].package, &packages[i].sha256);
		MUST(manifest_open(&manifests[i], st, packages[i].package, &error));
	}
	MUST(view_open(&v, g, manifests, argv[2], &error));
	dump(v, st);
	for (uint32_t i = 0; i < count; i++)
		manifest_free(manifests[i]);
	free(packages);
	free(manifests);
	return 0;
}
