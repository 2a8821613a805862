/* SPDX-License-Identifier: Apache-2.0 */
/*
 * world: a temporary store with a generation of small packages, made by the real
 * builders, for the tests of tree/ and synth/.
 */
#ifndef ENVFS_TESTS_WORLD_H
#define ENVFS_TESTS_WORLD_H

#include "temp_store.h"

#include "base/limits.h"
#include "env/generation.h"
#include "manifest/build.h"
#include "object/pack.h"
#include "tree/view.h"

#define WORLD_PACKAGES 16
#define WORLD_SECONDS  1500000000

/* A file, link or directory of a package. */
struct thing {
	const char *path;
	const char *bytes;    /* NULL: "<package>:<path>"; link's target with is_link */
	size_t len;	      /* 0: strlen(bytes) */
	enum entry_type type; /* 0: a file */
	const char *placeholder;
	bool binary, no_link, no_digest;
	uint32_t mode; /* 0: 0644 */
};

struct recipe {
	const char *name, *version; /* version NULL: "1" */
	const struct thing *things;
	size_t thing_count;
	int noarch;
	const struct pkg_entry_point *points;
	size_t point_count;
	const char *record_json, *index_json; /* NULL: none; a small one */
	bool listed;
};

struct world {
	struct temp_store ts;
	struct index *ix;
	struct packs *packs;
	uint32_t count;
	struct manifest *manifests[WORLD_PACKAGES];
	struct generation *g;
	struct view *v;
};

static inline struct err *world_err(void)
{
	static struct err e;

	return &e;
}

/* Ends the test program: nothing that follows would mean anything. */
#define MUST(call)                                                                                 \
	({                                                                                         \
		int must_ = (call);                                                                \
		if (must_ < 0) {                                                                   \
			fprintf(stderr, "%s:%d: [%s] %s: %s\n", __FILE__, __LINE__, test_case,     \
				#call, world_err()->text);                                         \
			exit(1);                                                                   \
		}                                                                                  \
		must_;                                                                             \
	})

static inline void world_row(struct manifest_builder *b, const struct thing *t,
			     const struct digest *digest, size_t len)
{
	struct pkg_row row = {
		.path = t->path,
		.path_len = strlen(t->path),
		.type = t->type ? t->type : ENTRY_FILE,
		.binary = t->binary,
		.no_link = t->no_link,
		.placeholder = t->placeholder,
		.placeholder_len = t->placeholder ? strlen(t->placeholder) : 0,
		.has_digest = row.type == ENTRY_FILE && !t->no_digest,
		.has_size = row.type == ENTRY_FILE && !t->no_digest,
		.digest = *digest,
		.size = len,
	};

	row.has_digest = row.has_size = row.type == ENTRY_FILE && !t->no_digest;
	if (!row.has_digest)
		row.digest = (struct digest){};
	MUST(manifest_builder_row(b, &row, world_err()));
}

static inline void world_payload(struct manifest_builder *b, const struct thing *t, size_t index,
				 const char *bytes, size_t len, const struct digest *digest,
				 const struct extent *x)
{
	AUTO(spot_finder_freep) struct spot_finder *f = NULL;
	struct payload p = {
		.path = t->path,
		.path_len = strlen(t->path),
		.type = t->type ? t->type : ENTRY_FILE,
		.mode = t->mode ? t->mode : 0644,
		.mtime_s = WORLD_SECONDS + (int64_t)index,
		.mtime_ns = 123456789,
	};

	if (p.type == ENTRY_LINK) {
		p.target = bytes;
		p.target_len = len;
	} else if (p.type == ENTRY_FILE) {
		p.size = len;
		p.digest = *digest;
		p.extent = *x;
		if (t->placeholder) {
			MUST(spot_finder_open(&f, t->placeholder, strlen(t->placeholder), t->binary,
					      world_err()));
			MUST(spot_finder_add(f, bytes, len, world_err()));
			MUST(spot_finder_end(f, &p.spots, &p.spot_count, &p.shebang, &p.shebang_len,
					     world_err()));
		}
	}
	MUST(manifest_builder_payload(b, &p, world_err()));
}

static inline const char *world_bytes(const struct recipe *r, const struct thing *t, char *room,
				      size_t room_len, size_t *ret_len)
{
	if (!t->bytes) {
		*ret_len = (size_t)snprintf(room, room_len, "%s:%s", r->name, t->path);
		return room;
	}
	*ret_len = t->len ? t->len : strlen(t->bytes);
	return t->bytes;
}

/* Builds the package (its manifest, listed or present) and opens it. */
static inline struct manifest *world_package(struct world *w, const struct recipe *r,
					     uint64_t number, bool listed)
{
	AUTO(manifest_builder_freep) struct manifest_builder *b = NULL;
	AUTO(pack_writer_freep) struct pack_writer *pack = NULL;
	struct digest artifact = { { 1, (uint8_t)number } };
	struct manifest *m = NULL;
	char index[300], room[300];
	struct pkg_meta meta = {
		.name = r->name,
		.version = r->version ? r->version : "1",
		.build = "0",
		.subdir = "noarch",
		.index_json = r->index_json ? r->index_json : index,
		.noarch = r->noarch,
		.entry_points = r->points,
		.entry_point_count = r->point_count,
	};
	bool made;

	snprintf(index, sizeof(index),
		 "{\"name\": \"%s\", \"version\": \"%s\", \"build\": \"0\", \"build_number\": 0, "
		 "\"depends\": [], \"subdir\": \"noarch\", \"license\": \"MIT\"}",
		 meta.name, meta.version);
	meta.index_json_len = strlen(meta.index_json);
	MUST(manifest_builder_open(&b, number, &artifact,
				   listed ? MANIFEST_LISTED : MANIFEST_PRESENT, world_err()));
	MUST(manifest_builder_meta(b, &meta, world_err()));
	MUST(pack_writer_open(&pack, w->ts.st, number, world_err()));
	for (size_t pass = 0; pass < (listed ? 1 : 2); pass++)
		for (size_t i = 0; i < r->thing_count; i++) {
			const struct thing *t = &r->things[i];
			struct extent x = {};
			struct digest d;
			size_t len;
			const char *bytes = world_bytes(r, t, room, sizeof(room), &len);

			MUST(sha256_of(bytes, len, &d, world_err()));
			if (pass == 0) {
				world_row(b, t, &d, len);
				continue;
			}
			if (t->type == 0 || t->type == ENTRY_FILE) {
				MUST(object_begin(pack, world_err()));
				MUST(object_write(pack, bytes, len, world_err()));
				MUST(object_end(pack, &d, &x, world_err()));
			}
			world_payload(b, t, i, bytes, len, &d, &x);
		}
	if (!listed)
		MUST(pack_publish(pack, &made, world_err()));
	MUST(manifest_publish(b, w->ts.st, world_err()));
	MUST(manifest_open(&m, w->ts.st, number, world_err()));
	return m;
}

/* The view again, as after a restart: nothing kept but the files. */
static inline void world_reopen(struct world *w, const char *prefix)
{
	w->v = view_free(w->v);
	MUST(view_open(&w->v, w->g, w->manifests, prefix, world_err()));
}

/* A generation of these packages, in this order; request NULL: a usual one. */
static inline void world_generation(struct world *w, const struct recipe *recipes, uint32_t count,
				    const char *request)
{
	struct gen_package packages[WORLD_PACKAGES] = {};
	char fn[WORLD_PACKAGES][100], url[WORLD_PACKAGES][200];
	struct generation_spec spec = {
		.env = "ml",
		.parent = w->g ? generation_number(w->g) : 0,
		.platform = "linux-64",
		.request_json = request ? request : "{\"specs\": [\"a\", \"b >=1\"]}",
		.packages = packages,
		.count = count,
	};
	uint64_t number;

	w->v = view_free(w->v);
	for (uint32_t i = 0; i < count; i++) {
		const struct recipe *r = &recipes[i];
		const char *version = r->version ? r->version : "1";
		char key[200];

		snprintf(fn[i], sizeof(fn[i]), "%s-%s-0.conda", r->name, version);
		snprintf(url[i], sizeof(url[i]), "https://h/c/noarch/%.150s", fn[i]);
		snprintf(key, sizeof(key), "%p %.150s", (const void *)r->things, fn[i]);
		packages[i] = (struct gen_package){
			.size = 1000 + i,
			.name = r->name,
			.version = version,
			.build = "0",
			.subdir = "noarch",
			.fn = fn[i],
			.url = url[i],
			.channel_url = "https://h/c",
			.record_json = r->record_json ? r->record_json : "",
			.requested = i == 0 ? r->name : "",
		};
		MUST(sha256_of(key, strlen(key), &packages[i].sha256, world_err()));
	}
	MUST(generation_write(w->ts.st, w->ix, &spec, &number, world_err()));
	w->g = generation_free(w->g);
	MUST(generation_open(&w->g, w->ts.st, number, world_err()));
	for (uint32_t i = 0; i < w->count; i++)
		w->manifests[i] = manifest_free(w->manifests[i]);
	w->count = count;
	w->packs = packs_free(w->packs);
	for (uint32_t i = 0; i < count; i++)
		w->manifests[i] =
			world_package(w, &recipes[i], packages[i].package, recipes[i].listed);
}

/* A new store: there is nothing to find. */
static inline int world_rebuild(struct index *ix, struct store *st, struct err *e)
{
	(void)ix;
	(void)st;
	(void)e;
	return 0;
}

static inline void world_make(struct world *w)
{
	*w = (struct world){};
	temp_store_make(&w->ts);
	MUST(index_open(&w->ix, w->ts.st, world_rebuild, world_err()));
}

static inline void world_done(struct world *w)
{
	w->v = view_free(w->v);
	for (uint32_t i = 0; i < w->count; i++)
		manifest_free(w->manifests[i]);
	generation_free(w->g);
	packs_free(w->packs);
	index_free(w->ix);
	temp_store_done(&w->ts);
}
#define AUTO_WORLD AUTO(world_done) struct world

/* All at once, with a view. */
static inline void world_of(struct world *w, const struct recipe *recipes, uint32_t count,
			    const char *prefix)
{
	world_make(w);
	world_generation(w, recipes, count, NULL);
	world_reopen(w, prefix);
}

#endif
