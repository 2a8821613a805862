/* SPDX-License-Identifier: Apache-2.0 */
#include "supply/ingest.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/path.h"
#include "manifest/build.h"
#include "manifest/spots.h"
#include "object/pack.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* A file of the payload that is stored, for hard links to it. */
struct stored {
	struct digest digest;
	struct extent extent;
	bool searched; /* for the placeholder below */
	bool binary;
	char *placeholder;  /* owned; NULL: none */
	struct spot *spots; /* owned */
	size_t spot_count;
	char *shebang; /* owned */
	size_t shebang_len;
};

/* The payload entry whose bytes are passing by. */
struct now {
	char path[PATH_BYTES_MAX + 1], target[LINK_BYTES_MAX + 1], link_to[PATH_BYTES_MAX + 1];
	struct pkg_entry entry;	    /* its texts are those above */
	struct spot_finder *finder; /* owned; NULL: no placeholder */
	bool object_open;
};

struct work {
	const struct ingest *in;
	struct pack_writer *pack;	/* owned */
	struct manifest_builder *build; /* owned */
	struct intern paths;		/* of stored[] */
	struct stored *stored;		/* owned */
	size_t stored_cap;
	struct now now;
};

static void work_done(struct work *w)
{
	for (uint32_t i = 0; i < w->paths.count; i++) {
		free(w->stored[i].placeholder);
		free(w->stored[i].spots);
		free(w->stored[i].shebang);
	}
	free(w->stored);
	intern_done(&w->paths);
	w->now.finder = spot_finder_free(w->now.finder);
	w->build = manifest_builder_free(w->build);
	w->pack = pack_writer_free(w->pack);
}

static int on_meta(void *ctx, const struct pkg_meta *meta, struct err *e)
{
	struct work *w = ctx;

	return manifest_builder_meta(w->build, meta, e);
}

static int on_row(void *ctx, const struct pkg_row *row, struct err *e)
{
	struct work *w = ctx;

	return manifest_builder_row(w->build, row, e);
}

static void keep_text(char *room, const char **text, size_t len)
{
	if (!*text)
		return;
	memcpy(room, *text, len);
	room[len] = '\0';
	*text = room;
}

static int on_entry(void *ctx, const struct pkg_entry *entry, struct err *e)
{
	struct work *w = ctx;
	struct now *now = &w->now;
	const struct pkg_row *row;
	int r = w->in->alive(w->in->ctx, e);

	if (r < 0)
		return r;
	now->entry = *entry;
	assert(entry->path_len <= PATH_BYTES_MAX && entry->target_len <= LINK_BYTES_MAX &&
	       entry->link_to_len <= PATH_BYTES_MAX);
	keep_text(now->path, &now->entry.path, entry->path_len);
	keep_text(now->target, &now->entry.target, entry->target_len);
	keep_text(now->link_to, &now->entry.link_to, entry->link_to_len);
	if (entry->type != ENTRY_FILE || entry->link_to)
		return 0;
	row = manifest_builder_find(w->build, now->entry.path, now->entry.path_len);
	if (row && row->placeholder) {
		r = spot_finder_open(&now->finder, row->placeholder, row->placeholder_len,
				     row->binary, e);
		if (r < 0)
			return r;
	}
	r = object_begin(w->pack, e);
	now->object_open = r == 0;
	return r;
}

static int on_bytes(void *ctx, const void *bytes, size_t len, struct err *e)
{
	struct work *w = ctx;
	int r = w->in->alive(w->in->ctx, e);

	if (r < 0)
		return r;
	if (!w->now.object_open)
		return err_set(e, -EBADMSG, "'%s': bytes follow what is no file", w->now.path);
	if (w->now.finder) {
		r = spot_finder_add(w->now.finder, bytes, len, e);
		if (r < 0)
			return err_wrap(e, r, "'%s'", w->now.path);
	}
	return object_write(w->pack, bytes, len, e);
}

/* Where another package brought the object before. */
static int known_object(void *ctx, const struct digest *digest, struct extent *ret, struct err *e)
{
	const struct work *w = ctx;
	struct index_place place;
	int r = index_object_get(w->in->index, digest, &place, e);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	*ret = (struct extent){ place.pack, place.offset, place.stored, place.size };
	return 1;
}

static int end_object(struct work *w, struct stored *s, struct err *e)
{
	w->now.object_open = false;
	return object_end(w->pack, &s->digest, &s->extent, e);
}

static int end_finder(struct work *w, struct stored *s, const struct pkg_row *row, struct err *e)
{
	const struct spot *spots = NULL;
	const char *line = NULL;
	int r = spot_finder_end(w->now.finder, &spots, &s->spot_count, &line, &s->shebang_len, e);

	if (r < 0)
		return r;
	s->placeholder = strndup(row->placeholder, row->placeholder_len);
	s->binary = row->binary;
	s->shebang = line ? strndup(line, s->shebang_len) : NULL;
	s->spots = malloc((s->spot_count + 1) * sizeof(*spots));
	if (!s->placeholder || !s->spots || (line && !s->shebang))
		return err_nomem(e);
	if (s->spot_count > 0)
		memcpy(s->spots, spots, s->spot_count * sizeof(*spots));
	w->now.finder = spot_finder_free(w->now.finder);
	return 0;
}

static bool same_placeholder(const struct stored *s, const struct pkg_row *row)
{
	if (!row || !row->placeholder)
		return true; /* what the target has found is not used */
	return s->placeholder && s->binary == row->binary &&
	       strlen(s->placeholder) == row->placeholder_len &&
	       memcmp(s->placeholder, row->placeholder, row->placeholder_len) == 0;
}

static int put_file(struct work *w, const struct stored *s, const struct pkg_row *row,
		    struct err *e)
{
	const struct pkg_entry *en = &w->now.entry;
	bool patched = row && row->placeholder;
	struct payload p = {
		.path = en->path,
		.path_len = en->path_len,
		.type = ENTRY_FILE,
		.mode = en->mode,
		.mtime_s = en->mtime_s,
		.mtime_ns = en->mtime_ns,
		.size = s->extent.size,
		.digest = s->digest,
		.extent = s->extent,
		.spots = patched ? s->spots : NULL,
		.spot_count = patched ? s->spot_count : 0,
		.shebang = patched && !row->binary ? s->shebang : NULL,
		.shebang_len = s->shebang_len,
	};

	return manifest_builder_payload(w->build, &p, e);
}

static int end_hard_link(struct work *w, const struct pkg_row *row, struct err *e)
{
	const struct pkg_entry *en = &w->now.entry;
	uint32_t id = intern_find(&w->paths, en->link_to, en->link_to_len);

	if (id == MAP_NONE)
		return err_set(e, -EBADMSG,
			       "'%s' is a hard link to '%s', which is no file before it",
			       QUOTE(en->path, en->path_len), QUOTE(en->link_to, en->link_to_len));
	if (!same_placeholder(&w->stored[id], row))
		return err_set(e, -EBADMSG, "'%s' is a hard link to '%s' with another placeholder",
			       QUOTE(en->path, en->path_len), QUOTE(en->link_to, en->link_to_len));
	return put_file(w, &w->stored[id], row, e);
}

static int end_file(struct work *w, const struct pkg_row *row, struct err *e)
{
	const struct pkg_entry *en = &w->now.entry;
	struct stored *s;
	uint32_t id;
	int r = GROW(w->stored, w->stored_cap, w->paths.count + 1ULL, PACKAGE_FILES_MAX, e);

	if (r < 0)
		return r;
	id = w->paths.count;
	s = &w->stored[id];
	*s = (struct stored){ 0 };
	r = intern_put(&w->paths, en->path, en->path_len, &id, e);
	if (r < 0)
		return r;
	if (s != &w->stored[id])
		return err_set(e, -EBADMSG, "'%s' stands in the archive twice",
			       QUOTE(en->path, en->path_len));
	r = end_object(w, s, e);
	if (r == 0 && w->now.finder)
		r = end_finder(w, s, row, e);
	return r < 0 ? r : put_file(w, s, row, e);
}

static int on_end(void *ctx, struct err *e)
{
	struct work *w = ctx;
	const struct pkg_entry *en = &w->now.entry;
	const struct pkg_row *row = manifest_builder_find(w->build, en->path, en->path_len);

	if (en->type == ENTRY_FILE)
		return en->link_to ? end_hard_link(w, row, e) : end_file(w, row, e);
	struct payload p = {
		.path = en->path,
		.path_len = en->path_len,
		.type = (enum entry_type)en->type,
		.mode = en->mode,
		.mtime_s = en->mtime_s,
		.mtime_ns = en->mtime_ns,
		.target = en->target,
		.target_len = en->target_len,
		.size = en->target_len,
	};
	return manifest_builder_payload(w->build, &p, e);
}

static int index_objects(struct work *w, struct err *e)
{
	int r = index_begin(w->in->index, e), ended;

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < pack_writer_count(w->pack); i++) {
		struct digest digest;
		struct extent x;

		pack_writer_object(w->pack, i, &digest, &x);
		r = index_object_put(w->in->index, &digest,
				     &(struct index_place){ x.pack, x.offset, x.stored, x.size },
				     e);
	}
	ended = index_end(w->in->index, r == 0, r == 0 ? e : NULL);
	return r < 0 ? r : ended;
}

int ingest_whole(const struct ingest *in, struct err *e)
{
	AUTO(work_done) struct work w = { .in = in };
	const struct pkg_sink sink = { &w, on_meta, on_row, on_entry, on_bytes, on_end };
	bool made;
	int r;

	intern_init(&w.paths, (size_t)PACKAGE_FILES_MAX * 512);
	r = manifest_builder_open(&w.build, in->package, in->sha256, MANIFEST_PRESENT, e);
	if (r == 0)
		r = pack_writer_open(&w.pack, in->store, in->package, e);
	if (r < 0)
		return r;
	pack_writer_known(w.pack, known_object, &w);
	r = worker_read(in->worker, in->fd, in->size, in->format, PKG_WHOLE, &sink, e);
	if (r == 0)
		r = manifest_builder_end(w.build, e);
	if (r == 0)
		r = pack_publish(w.pack, &made, e);
	if (r == 0)
		r = manifest_publish(w.build, in->store, e);
	if (r == 0)
		r = index_objects(&w, e);
	return r;
}
