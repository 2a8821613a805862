/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conda-meta/NAME-VERSION-BUILD.json, as CEP 32 and other clients want it
 * (docs/decisions/prefix.md, "conda-meta"). Written piece by piece into a sink:
 * a package of a million files needs no memory for it.
 */
#include "tree/impl.h"

#include "base/json.h"

#include <string.h>

/* One record's scalars and one path's object at a time. */
#define PIECE_BYTES_MAX (RECORD_BYTES_MAX * 4)

struct record {
	const struct view *v;
	uint32_t slot;
	const struct slot *s;
	struct buf piece;
	struct jsonw w;
	struct sink *sink;
	int failed;
};

/* Hands on what is written so far. */
static void flush(struct record *r, struct err *e)
{
	if (r->failed == 0)
		r->failed = buf_end(&r->piece, e);
	sink_add(r->sink, r->piece.bytes, r->piece.len);
	buf_clear(&r->piece);
}

/* Written here, whatever the record says of them. */
static bool is_ours(const char *key)
{
	static const char *const keys[] = {
		"build",
		"channel",
		"extracted_package_dir",
		"files",
		"fn",
		"link",
		"md5",
		"name",
		"package_tarball_full_path",
		"paths_data",
		"requested_spec",
		"requested_specs",
		"sha256",
		"size",
		"subdir",
		"url",
		"version",
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (strcmp(key, keys[i]) == 0)
			return true;
	return false;
}

/* What a repodata patch may have taken away on purpose. */
static bool is_patched_away(const char *key)
{
	static const char *const keys[] = { "constrains", "depends", "features", "track_features" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (strcmp(key, keys[i]) == 0)
			return true;
	return false;
}

/* The members of the repodata record, then those that only index.json has. */
static int write_fields(struct record *r, const struct gen_package *p, struct err *e)
{
	AUTO(json_doc_freep) struct json_doc *record = NULL;
	AUTO(json_doc_freep) struct json_doc *index = NULL;
	const struct json *value;
	const char *text;
	struct json_iter it;
	size_t len;
	int code = 0;

	if (p->record_json[0])
		code = json_parse(&record, p->record_json, strlen(p->record_json), e);
	text = manifest_index_json(r->s->m, &len);
	if (code == 0)
		code = json_parse(&index, text, len, e);
	if (code < 0)
		return err_wrap(e, code, "record of '%s'", p->name);
	if (record) {
		it = json_iter(json_root(record));
		while ((value = json_next(&it)))
			if (!is_ours(it.key)) {
				jsonw_key(&r->w, it.key);
				jsonw_value(&r->w, value);
			}
	}
	it = json_iter(json_root(index));
	while ((value = json_next(&it))) {
		if (is_ours(it.key) ||
		    (record && (is_patched_away(it.key) || json_get(json_root(record), it.key))))
			continue;
		jsonw_key(&r->w, it.key);
		jsonw_value(&r->w, value);
	}
	return 0;
}

static void write_origin(struct record *r, const struct gen_package *p)
{
	struct jsonw *w = &r->w;
	char md5[MD5_HEX_BYTES];

	jsonw_member_text(w, "name", p->name);
	jsonw_member_text(w, "version", p->version);
	jsonw_member_text(w, "build", p->build);
	jsonw_member_text(w, "subdir", p->subdir);
	jsonw_member_text(w, "channel", p->channel_url);
	jsonw_member_text(w, "fn", p->fn);
	jsonw_member_text(w, "url", p->url);
	if (!digest_is_zero(&p->sha256))
		jsonw_member_text(w, "sha256", DIGEST_HEX(&p->sha256));
	if (!md5_is_zero(&p->md5)) {
		hex_print(p->md5.bytes, MD5_BYTES, md5);
		jsonw_member_text(w, "md5", md5);
	}
	if (p->size > 0)
		jsonw_member_u64(w, "size", p->size);
	jsonw_member_text(w, "extracted_package_dir", "");
	jsonw_member_text(w, "package_tarball_full_path", "");
	jsonw_key(w, "link");
	jsonw_object(w);
	jsonw_member_text(w, "source", "");
	jsonw_member_u64(w, "type", 1);
	jsonw_object_end(w);
	if (!p->requested[0])
		return;
	jsonw_member_text(w, "requested_spec", p->requested);
	jsonw_key(w, "requested_specs");
	jsonw_array(w);
	jsonw_text(w, p->requested);
	jsonw_array_end(w);
}

/* Whether paths.json (or what stood for it) had a row of its own for this entry. */
static bool is_row(const struct entry *en)
{
	return en->type != ENTRY_DIR || (en->flags & ENTRY_LISTED_DIR);
}

static void write_path(struct record *r, const struct entry *en, const char *path)
{
	static const char *const types[] = {
		[ENTRY_DIR] = "directory",
		[ENTRY_FILE] = "hardlink",
		[ENTRY_LINK] = "softlink",
	};
	struct jsonw *w = &r->w;

	jsonw_object(w);
	jsonw_member_text(w, "_path", path);
	jsonw_member_text(w, "path_type", types[en->type]);
	if (en->flags & ENTRY_PATHS_DIGEST) {
		jsonw_member_text(w, "sha256", DIGEST_HEX(en->digest));
		if (!patch_applies(en))
			jsonw_member_text(w, "sha256_in_prefix", DIGEST_HEX(en->digest));
		if (en->type == ENTRY_FILE)
			jsonw_member_u64(w, "size_in_bytes", en->size);
	}
	if (en->placeholder) {
		jsonw_member_text(w, "file_mode", en->flags & ENTRY_BINARY ? "binary" : "text");
		jsonw_key(w, "prefix_placeholder");
		jsonw_text_n(w, en->placeholder, en->placeholder_len);
	}
	if (en->flags & ENTRY_NO_LINK)
		jsonw_member_bool(w, "no_link", true);
	jsonw_object_end(w);
}

static void write_entry_point_path(struct record *r, uint32_t index, bool whole)
{
	char path[NAME_BYTES_MAX + 8];
	struct entry_point ep;
	size_t len;

	manifest_entry_point(r->s->m, index, &ep);
	len = strlen(ep.command);
	if (len > NAME_BYTES_MAX)
		len = NAME_BYTES_MAX;
	memcpy(path, "bin/", 4);
	memcpy(path + 4, ep.command, len);
	path[4 + len] = '\0';
	if (!whole) {
		jsonw_text(&r->w, path);
		return;
	}
	jsonw_object(&r->w);
	jsonw_member_text(&r->w, "_path", path);
	jsonw_member_text(&r->w, "path_type", "unix_python_entry_point");
	jsonw_object_end(&r->w);
}

/* The array of names (`whole` false) or of objects. */
static void write_paths(struct record *r, bool whole, struct err *e)
{
	uint32_t count = manifest_count(r->s->m);

	jsonw_array(&r->w);
	for (uint32_t i = 1; i < count && r->failed == 0; i++) {
		char path[VIEW_PATH_BYTES];
		struct entry en;

		manifest_entry(r->s->m, i, &en);
		if (!is_row(&en))
			continue;
		mapping_path(&r->v->map, &r->s->grafts, r->s->m, i, path);
		if (whole)
			write_path(r, &en, path);
		else
			jsonw_text(&r->w, path);
		if (r->piece.len > 64 * KIB)
			flush(r, e);
	}
	for (uint32_t i = 0; i < r->s->grafts.entry_points; i++)
		write_entry_point_path(r, i, whole);
	jsonw_array_end(&r->w);
	flush(r, e);
}

int record_write(const struct view *v, uint32_t slot, struct sink *s, struct err *e)
{
	struct record r = { .v = v, .slot = slot, .s = &v->slots[slot], .sink = s };
	struct gen_package p;
	int code;

	generation_package(v->g, slot, &p);
	buf_init(&r.piece, PIECE_BYTES_MAX);
	r.w = (struct jsonw)JSONW(&r.piece, 2);
	jsonw_object(&r.w);
	code = write_fields(&r, &p, e);
	if (code == 0) {
		write_origin(&r, &p);
		flush(&r, e);
		jsonw_key(&r.w, "files");
		write_paths(&r, false, e);
		jsonw_key(&r.w, "paths_data");
		jsonw_object(&r.w);
		jsonw_member_u64(&r.w, "paths_version", 1);
		jsonw_key(&r.w, "paths");
		write_paths(&r, true, e);
		jsonw_object_end(&r.w);
		jsonw_object_end(&r.w);
		buf_addc(&r.piece, '\n');
		flush(&r, e);
		code = r.failed;
	}
	buf_done(&r.piece);
	return code;
}
