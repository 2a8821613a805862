/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/info.h"

#include "base/json.h"
#include "base/path.h"
#include "pkg/link.h"
#include "pkg/paths.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const names[INFO_DOCUMENTS] = {
	[INFO_INDEX] = "info/index.json",      [INFO_PATHS] = "info/paths.json",
	[INFO_LINK] = "info/link.json",	       [INFO_FILES] = "info/files",
	[INFO_HAS_PREFIX] = "info/has_prefix", [INFO_NO_LINK] = "info/no_link",
};

void info_init(struct info *info, const struct pkg_limits *limits)
{
	*info = (struct info){ 0 };
	for (int i = 0; i < INFO_DOCUMENTS; i++)
		buf_init(&info->text[i], limits->document_max);
}

void info_done(struct info *info)
{
	for (int i = 0; i < INFO_DOCUMENTS; i++)
		buf_done(&info->text[i]);
}

int info_document_of(const char *path, size_t len)
{
	for (int i = 0; i < INFO_DOCUMENTS; i++)
		if (strlen(names[i]) == len && memcmp(names[i], path, len) == 0)
			return i;
	return -1;
}

int info_take(struct info *info, const struct tar_entry *entry, struct tar *tar, struct err *e)
{
	int which = info_document_of(entry->path, entry->path_len);
	struct buf *text;

	if (which < 0)
		return 0;
	text = &info->text[which];
	if (entry->type != TAR_FILE)
		return err_set(e, -EBADMSG, "'%s' is no regular file", names[which]);
	if (entry->size > text->max)
		return err_set(e, -EFBIG, "'%s' has %llu bytes, more than %zu", names[which],
			       (unsigned long long)entry->size, text->max);
	for (;;) {
		const uint8_t *bytes;
		size_t len;
		int r = tar_data(tar, &bytes, &len, e);

		if (r < 0)
			return r;
		if (len == 0)
			break;
		buf_add(text, bytes, len);
	}
	info->has[which] = true;
	return buf_end(text, e);
}

/* index.json: taken apart. Texts are borrowed from the document. */
struct index {
	struct json_doc *doc; /* owned */
	struct pkg_meta meta;
	char subdir_room[SUBDIR_BYTES_MAX + 2];
};

static void index_done(struct index *ix)
{
	(void)json_doc_free(ix->doc);
}

/* What stands in every name of a distribution (CEP 26): one alphabet, no empty text. */
static int check_word(const char *word, const char *what, const char *alphabet, size_t len_max,
		      struct err *e)
{
	size_t len = word ? strlen(word) : 0;

	if (!word)
		return err_set(e, -EBADMSG, "it has no %s", what);
	if (len == 0 || len > len_max)
		return err_set(e, -EBADMSG, "its %s '%s' has %zu bytes, not 1 to %zu", what,
			       QUOTE(word, len), len, len_max);
	if (strspn(word, alphabet) != len)
		return err_set(e, -EBADMSG, "its %s '%s' holds what no %s may", what,
			       QUOTE(word, len), what);
	return 0;
}

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

/* Packages before 2013 name platform and arch instead (conda models/records.py). What
 * is too long stays too long for check_word(). */
static const char *old_subdir(struct index *ix, const struct json *root)
{
	const char *platform = json_get_text(root, "platform"), *arch = json_get_text(root, "arch");

	if (!platform || !arch)
		return "noarch";
	if (strcmp(arch, "x86_64") == 0)
		arch = "64";
	else if (strcmp(arch, "x86") == 0)
		arch = "32";
	(void)snprintf(ix->subdir_room, sizeof(ix->subdir_room), "%s-%s", platform, arch);
	return ix->subdir_room;
}

int info_check_meta(const struct pkg_meta *meta, struct err *e)
{
	int r = check_word(meta->name, "name", LOWER UPPER DIGIT "._-", PACKAGE_NAME_MAX, e);

	if (r == 0 && (meta->name[0] == '.' || meta->name[0] == '-'))
		r = err_set(e, -EBADMSG, "its name '%s' starts with '%c'", meta->name,
			    meta->name[0]);
	if (r == 0)
		r = check_word(meta->version, "version", LOWER UPPER DIGIT "._+!",
			       VERSION_BYTES_MAX, e);
	if (r == 0)
		r = check_word(meta->build, "build", LOWER UPPER DIGIT "._+", BUILD_BYTES_MAX, e);
	if (r == 0)
		r = check_word(meta->subdir, "subdir", LOWER DIGIT "_-", SUBDIR_BYTES_MAX, e);
	return r;
}

static int index_parse(struct index *ix, const struct buf *text, struct err *e)
{
	const struct json *root;
	int r = pkg_refuse(json_parse(&ix->doc, text->bytes, text->len, e), e);

	if (r < 0)
		return r;
	root = json_root(ix->doc);
	if (json_type(root) != JSON_OBJECT)
		return err_set(e, -EBADMSG, "it is no JSON object");
	ix->meta.name = json_get_text(root, "name");
	ix->meta.version = json_get_text(root, "version");
	ix->meta.build = json_get_text(root, "build");
	ix->meta.subdir = json_get_text(root, "subdir");
	if (!ix->meta.subdir)
		ix->meta.subdir = old_subdir(ix, root);
	ix->meta.index_json = text->bytes;
	ix->meta.index_json_len = text->len;
	r = noarch_of(json_get(root, "noarch"), &ix->meta.noarch, e);
	return r < 0 ? r : info_check_meta(&ix->meta, e);
}

bool info_is_enough(const struct info *info)
{
	AUTO(index_done) struct index ix = { 0 };

	if (!info->has[INFO_INDEX] || !info->has[INFO_PATHS])
		return false;
	/* A damaged index.json is told when it is parsed for good. */
	if (info->has[INFO_LINK] || index_parse(&ix, &info->text[INFO_INDEX], NULL) < 0)
		return true;
	return ix.meta.noarch == PKG_NOARCH_NONE && strcmp(ix.meta.subdir, "noarch") != 0;
}

static int tell_meta(const struct info *info, const struct pkg_sink *sink, struct err *e)
{
	AUTO(index_done) struct index ix = { 0 };
	AUTO(link_freep) struct link *link = NULL;
	const struct buf *text = &info->text[INFO_LINK];
	struct pkg_meta *meta = &ix.meta;
	int r = index_parse(&ix, &info->text[INFO_INDEX], e);

	if (r < 0)
		return err_wrap(e, r, "info/index.json");
	if (info->has[INFO_LINK]) {
		r = link_parse(&link, text->bytes, text->len, e);
		if (r < 0)
			return err_wrap(e, r, "info/link.json");
	}
	if (link && meta->noarch == PKG_NOARCH_NONE)
		meta->noarch = link_noarch(link);
	if (link && meta->noarch == PKG_NOARCH_PYTHON)
		meta->entry_points = link_entry_points(link, &meta->entry_point_count);
	return sink->meta(sink->ctx, meta, e);
}

static int tell_rows(const struct info *info, const struct pkg_limits *limits,
		     const struct pkg_sink *sink, struct err *e)
{
	const struct buf *text = info->text;
	struct paths_lines lines = { 0 };
	int r;

	if (info->has[INFO_PATHS]) {
		r = paths_from_json(text[INFO_PATHS].bytes, text[INFO_PATHS].len, limits, sink->row,
				    sink->ctx, e);
		return r < 0 ? err_wrap(e, r, "info/paths.json") : 0;
	}
	if (info->has[INFO_FILES]) {
		lines.files = text[INFO_FILES].bytes;
		lines.files_len = text[INFO_FILES].len;
	}
	if (info->has[INFO_HAS_PREFIX]) {
		lines.has_prefix = text[INFO_HAS_PREFIX].bytes;
		lines.has_prefix_len = text[INFO_HAS_PREFIX].len;
	}
	if (info->has[INFO_NO_LINK]) {
		lines.no_link = text[INFO_NO_LINK].bytes;
		lines.no_link_len = text[INFO_NO_LINK].len;
	}
	return paths_from_lines(&lines, limits, sink->row, sink->ctx, e);
}

int info_tell(const struct info *info, const struct pkg_limits *limits, bool needs_paths,
	      const struct pkg_sink *sink, struct err *e)
{
	int r;

	if (!info->has[INFO_INDEX])
		return err_set(e, -EBADMSG, "it has no info/index.json");
	if (needs_paths && !info->has[INFO_PATHS])
		return err_set(e, -ENODATA, "it has no info/paths.json");
	r = tell_meta(info, sink, e);
	return r < 0 ? r : tell_rows(info, limits, sink, e);
}
