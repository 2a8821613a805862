/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/pkg.h"

#include "base/json.h"
#include "base/path.h"
#include "base/sys.h"
#include "pkg/info.h"
#include "pkg/paths.h"
#include "pkg/read.h"
#include "pkg/stream.h"
#include "pkg/tar.h"
#include "pkg/zip.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define METADATA_BYTES_MAX (64 * KIB)

/* One artifact being read. */
struct reading {
	const struct pkg_limits *limits;
	int fd;
	uint64_t base, size; /* fd holds the artifact from base on */
	const struct pkg_sink *sink;
};

static int tell_bytes(const struct pkg_sink *sink, struct tar *tar, struct err *e)
{
	for (;;) {
		const uint8_t *bytes;
		size_t len;
		int r = tar_data(tar, &bytes, &len, e);

		if (r < 0 || len == 0)
			return r;
		r = sink->bytes(sink->ctx, bytes, len, e);
		if (r < 0)
			return r;
	}
}

/* One entry of the payload, as the sink sees it. */
static int tell_entry(const struct pkg_sink *sink, const struct tar_entry *from, struct tar *tar,
		      struct err *e)
{
	static const int types[] = {
		[TAR_DIR] = PKG_DIR,
		[TAR_FILE] = PKG_FILE,
		[TAR_SYMLINK] = PKG_LINK,
		[TAR_HARDLINK] = PKG_FILE,
	};
	struct pkg_entry entry = {
		.path = from->path,
		.path_len = from->path_len,
		.type = types[from->type],
		.mode = from->mode,
		.mtime_s = from->mtime_s,
		.mtime_ns = from->mtime_ns,
		.size = from->size,
	};
	int r;

	if (from->type == TAR_SYMLINK) {
		entry.target = from->target;
		entry.target_len = from->target_len;
	}
	if (from->type == TAR_HARDLINK) {
		if (paths_is_hidden(from->target, from->target_len))
			return err_set(
				e, -EBADMSG,
				"'%s' is a hard link to '%s', which is not part of the payload",
				from->path, from->target);
		entry.link_to = from->target;
		entry.link_to_len = from->target_len;
	}
	r = sink->entry(sink->ctx, &entry, e);
	if (r == 0 && from->type == TAR_FILE)
		r = tell_bytes(sink, tar, e);
	return r < 0 ? r : sink->end(sink->ctx, e);
}

/*
 * Tells the payload of a tar. `early` is what an earlier pass over the same tar
 * has read of info/, or NULL where that is another archive: a document that the
 * earlier pass did not see came too late to count.
 */
static int tell_payload(const struct pkg_sink *sink, const struct info *early, struct tar *tar,
			struct err *e)
{
	struct tar_entry entry;

	for (;;) {
		int r = tar_next(tar, &entry, e), which;

		if (r <= 0)
			return r;
		if (!paths_is_hidden(entry.path, entry.path_len)) {
			r = tell_entry(sink, &entry, tar, e);
			if (r < 0)
				return r;
			continue;
		}
		which = early ? info_document_of(entry.path, entry.path_len) : -1;
		/* Beside paths.json only link.json decides anything. */
		if (which == INFO_LINK && !early->has[which])
			return err_set(
				e, -EBADMSG,
				"'%s' stands behind the payload of a package that is not noarch",
				entry.path);
	}
}

/* Collects info/ from a tar; with may_stop only until what decides is here. */
static int collect(struct info *info, struct tar *tar, bool may_stop, struct err *e)
{
	struct tar_entry entry;

	for (;;) {
		int r = tar_next(tar, &entry, e);

		if (r <= 0)
			return r;
		if (may_stop && !paths_is_hidden(entry.path, entry.path_len)) {
			if (info_is_enough(info))
				return 0;
			may_stop = false;
		}
		r = info_take(info, &entry, tar, e);
		if (r < 0)
			return r;
	}
}

/* .tar.bz2: once for info/, and once more for the payload. */
static int read_bz2(const struct reading *rd, enum pkg_want want, struct err *e)
{
	AUTO(info_done) struct info info;
	int r;

	info_init(&info, rd->limits);
	for (int pass = 0; pass < (want == PKG_WHOLE ? 2 : 1); pass++) {
		AUTO(stream_freep) struct stream *stream = NULL;
		AUTO(tar_freep) struct tar *tar = NULL;

		r = stream_open_bzip2(&stream, rd->fd, rd->size, rd->limits, e);
		if (r == 0)
			r = tar_open(&tar, stream, rd->limits, e);
		if (r < 0)
			return r;
		if (pass > 0) {
			r = tell_payload(rd->sink, &info, tar, e);
		} else {
			r = collect(&info, tar, true, e);
			if (r == 0)
				r = info_tell(&info, rd->limits, false, rd->sink, e);
		}
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_metadata(const struct reading *rd, const struct zip_member *m, struct err *e)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	char text[METADATA_BYTES_MAX];
	uint64_t version;
	ssize_t n;
	int r;

	if (m->size > sizeof(text))
		return err_set(e, -EFBIG, "it has %llu bytes", (unsigned long long)m->size);
	n = sys_pread(rd->fd, text, (size_t)m->size, m->data - rd->base);
	if (n < 0)
		return err_set(e, (int)n, "read: %s", strerrordesc_np((int)-n));
	r = pkg_refuse(json_parse(&doc, text, (size_t)n, e), e);
	if (r < 0)
		return r;
	if (!json_u64(json_get(json_root(doc), "conda_pkg_format_version"), &version) ||
	    version != 2)
		return err_set(e, -EBADMSG, "its conda_pkg_format_version is not 2");
	return 0;
}

static int open_member(const struct reading *rd, const struct zip_member *m,
		       struct stream **ret_stream, struct tar **ret_tar, struct err *e)
{
	int r = stream_open_zstd(ret_stream, rd->fd, m->data - rd->base, m->size, m->crc, rd->size,
				 rd->limits, e);

	return r < 0 ? r : tar_open(ret_tar, *ret_stream, rd->limits, e);
}

static int read_info_member(const struct reading *rd, const struct zip_member *m, bool needs_paths,
			    struct err *e)
{
	AUTO(info_done) struct info info;
	AUTO(stream_freep) struct stream *stream = NULL;
	AUTO(tar_freep) struct tar *tar = NULL;
	int r;

	info_init(&info, rd->limits);
	if (m->size > rd->limits->info_packed_max)
		return err_set(e, -EFBIG, "zip member '%s': %llu bytes, more than %llu", m->name,
			       (unsigned long long)m->size,
			       (unsigned long long)rd->limits->info_packed_max);
	r = open_member(rd, m, &stream, &tar, e);
	if (r == 0)
		r = collect(&info, tar, false, e);
	if (r < 0)
		return err_wrap(e, r, "zip member '%s'", m->name);
	return info_tell(&info, rd->limits, needs_paths, rd->sink, e);
}

static int read_pkg_member(const struct reading *rd, const struct zip_member *m, struct err *e)
{
	AUTO(stream_freep) struct stream *stream = NULL;
	AUTO(tar_freep) struct tar *tar = NULL;
	int r = open_member(rd, m, &stream, &tar, e);

	if (r == 0)
		r = tell_payload(rd->sink, NULL, tar, e);
	return r < 0 ? err_wrap(e, r, "zip member '%s'", m->name) : 0;
}

static int read_conda(const struct reading *rd, enum pkg_want want, struct err *e)
{
	struct zip zip;
	int r = zip_read(&zip, rd->fd, 0, rd->size, NULL, e);

	if (r < 0)
		return r;
	/* The first writers of .conda left it empty. */
	if (zip.metadata && zip.metadata->size > 0) {
		r = check_metadata(rd, zip.metadata, e);
		if (r < 0)
			return err_wrap(e, r, "metadata.json");
	}
	r = read_info_member(rd, zip.info, false, e);
	return r < 0 || want == PKG_LIST ? r : read_pkg_member(rd, zip.pkg, e);
}

int pkg_read_within(const struct pkg_limits *limits, int fd, uint64_t size, enum pkg_format format,
		    enum pkg_want want, const struct pkg_sink *sink, struct err *e)
{
	struct reading rd = { .limits = limits, .fd = fd, .size = size, .sink = sink };

	assert(fd >= 0);
	if (size > limits->artifact_max)
		return err_set(e, -EFBIG, "the artifact has %llu bytes, more than %llu",
			       (unsigned long long)size, (unsigned long long)limits->artifact_max);
	return format == PKG_CONDA ? read_conda(&rd, want, e) : read_bz2(&rd, want, e);
}

int pkg_read(int fd, uint64_t size, enum pkg_format format, enum pkg_want want,
	     const struct pkg_sink *sink, struct err *e)
{
	struct pkg_limits limits = PKG_LIMITS;

	return pkg_read_within(&limits, fd, size, format, want, sink, e);
}

/* The end records of the largest kind, so that none of them is cut by the tail. */
#define END_RECORDS_BYTES 98

int pkg_list_tail(int fd, uint64_t have, uint64_t size, const struct pkg_sink *sink,
		  uint64_t *ret_need_first, struct err *e)
{
	struct pkg_limits limits = PKG_LIMITS;
	struct reading rd = { .limits = &limits, .fd = fd, .size = size, .sink = sink };
	struct zip zip;
	int r;

	assert(fd >= 0);
	assert(have <= size);
	if (size > limits.artifact_max)
		return err_set(e, -EFBIG, "the artifact has %llu bytes, more than %llu",
			       (unsigned long long)size, (unsigned long long)limits.artifact_max);
	rd.base = size - have;
	if (have < END_RECORDS_BYTES && rd.base > 0) {
		*ret_need_first = size > TAIL_BYTES ? size - TAIL_BYTES : 0;
		return err_set(e, -EAGAIN, "zip: the end records are before the tail");
	}
	r = zip_read(&zip, fd, rd.base, size, ret_need_first, e);
	return r < 0 ? r : read_info_member(&rd, zip.info, true, e);
}
