/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkg_dump: what pkg/ tells of an artifact, one JSON value a line, for comparison
 * with other readers (compare.py).
 *
 *	pkg_dump [-l] [-w] [-t BYTES] ARTIFACT...
 *
 * -l lists only; -w reads through the worker; -t lists a .conda from its last
 * BYTES only, reading more when that is asked for. Each artifact ends with
 * {"end": CODE, "why": TEXT}.
 */
#include "base/auto.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/sys.h"
#include "pkg/pkg.h"
#include "pkg/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

struct dump {
	struct hasher hash;
	bool hashing;
	uint64_t bytes;
};

static void print(struct buf *b)
{
	struct err e;

	if (buf_end(b, &e) < 0)
		abort();
	puts(b->bytes);
}

static int dump_meta(void *ctx, const struct pkg_meta *m, struct err *e)
{
	AUTO_BUF b = BUF(64 << 20);
	struct jsonw w = JSONW(&b, 0);

	(void)ctx;
	(void)e;
	jsonw_object(&w);
	jsonw_key(&w, "meta");
	jsonw_array(&w);
	jsonw_text(&w, m->name);
	jsonw_text(&w, m->version);
	jsonw_text(&w, m->build);
	jsonw_text(&w, m->subdir);
	jsonw_u64(&w, (uint64_t)m->noarch);
	jsonw_array_end(&w);
	jsonw_key(&w, "entry_points");
	jsonw_array(&w);
	for (size_t i = 0; i < m->entry_point_count; i++) {
		const struct pkg_entry_point *p = &m->entry_points[i];
		AUTO_BUF text = BUF(4096);

		buf_addf(&text, "%s = %s:%s", p->command, p->module, p->function);
		jsonw_text(&w, text.bytes);
	}
	jsonw_array_end(&w);
	jsonw_key(&w, "index_json");
	jsonw_text_n(&w, m->index_json, m->index_json_len);
	jsonw_object_end(&w);
	print(&b);
	return 0;
}

static int dump_row(void *ctx, const struct pkg_row *row, struct err *e)
{
	AUTO_BUF b = BUF(1 << 20);
	struct jsonw w = JSONW(&b, 0);

	(void)ctx;
	(void)e;
	jsonw_object(&w);
	jsonw_key(&w, "row");
	jsonw_text_n(&w, row->path, row->path_len);
	jsonw_member_u64(&w, "type", (uint64_t)row->type);
	jsonw_member_bool(&w, "binary", row->binary);
	jsonw_member_bool(&w, "no_link", row->no_link);
	jsonw_key(&w, "placeholder");
	if (row->placeholder)
		jsonw_text_n(&w, row->placeholder, row->placeholder_len);
	else
		jsonw_null(&w);
	jsonw_member_text(&w, "sha256", row->has_digest ? DIGEST_HEX(&row->digest) : NULL);
	jsonw_key(&w, "size");
	if (row->has_size)
		jsonw_u64(&w, row->size);
	else
		jsonw_null(&w);
	jsonw_object_end(&w);
	print(&b);
	return 0;
}

static int dump_entry(void *ctx, const struct pkg_entry *entry, struct err *e)
{
	AUTO_BUF b = BUF(1 << 20);
	struct jsonw w = JSONW(&b, 0);
	struct dump *d = ctx;

	jsonw_object(&w);
	jsonw_key(&w, "entry");
	jsonw_text_n(&w, entry->path, entry->path_len);
	jsonw_member_u64(&w, "type", (uint64_t)entry->type);
	jsonw_member_u64(&w, "mode", entry->mode);
	jsonw_key(&w, "mtime");
	jsonw_array(&w);
	jsonw_i64(&w, entry->mtime_s);
	jsonw_u64(&w, entry->mtime_ns);
	jsonw_array_end(&w);
	jsonw_member_u64(&w, "size", entry->size);
	jsonw_key(&w, "target");
	if (entry->target)
		jsonw_text_n(&w, entry->target, entry->target_len);
	else
		jsonw_null(&w);
	jsonw_key(&w, "link_to");
	if (entry->link_to)
		jsonw_text_n(&w, entry->link_to, entry->link_to_len);
	else
		jsonw_null(&w);
	jsonw_object_end(&w);
	print(&b);
	d->bytes = 0;
	d->hashing = entry->type == PKG_FILE && !entry->link_to;
	return d->hashing ? sha256_begin(&d->hash, e) : 0;
}

static int dump_bytes(void *ctx, const void *bytes, size_t len, struct err *e)
{
	struct dump *d = ctx;

	(void)e;
	d->bytes += len;
	hasher_add(&d->hash, bytes, len);
	return 0;
}

static int dump_end(void *ctx, struct err *e)
{
	struct dump *d = ctx;
	struct digest digest;

	(void)e;
	if (!d->hashing)
		return 0;
	sha256_end(&d->hash, &digest);
	d->hashing = false;
	printf("{\"sha256\":\"%s\",\"bytes\":%llu}\n", DIGEST_HEX(&digest),
	       (unsigned long long)d->bytes);
	return 0;
}

/* A file that holds the last `have` bytes of fd. */
static int make_tail(int fd, uint64_t size, uint64_t have, int *ret)
{
	char path[] = "/tmp/envfs-tail-XXXXXX";
	AUTO_MEM char *bytes = malloc(have + 1);
	AUTO_FD tail = mkostemp(path, O_CLOEXEC);

	if (!bytes || tail < 0 || unlink(path) < 0)
		return -errno;
	if (sys_pread(fd, bytes, have, size - have) != (ssize_t)have)
		return -EIO;
	*ret = TAKE_FD(tail);
	return sys_write(*ret, bytes, have);
}

static int list_tail(struct worker *w, int fd, uint64_t size, uint64_t have,
		     const struct pkg_sink *sink, struct err *e)
{
	for (int round = 0; round < 4; round++) {
		uint64_t need = UINT64_MAX;
		AUTO_FD tail = -1;
		int r;

		have = have < size ? have : size;
		r = make_tail(fd, size, have, &tail);
		if (r < 0)
			return err_set(e, r, "tail");
		r = w ? worker_list_tail(w, tail, have, size, sink, &need, e)
		      : pkg_list_tail(tail, have, size, sink, &need, e);
		if (r != -EAGAIN)
			return r;
		if (need >= size - have)
			return err_set(e, -EPROTO, "asked for what was there");
		have = size - need;
	}
	return err_set(e, -EPROTO, "asked too often");
}

static int dump(struct worker *worker, const char *path, enum pkg_want want, uint64_t tail)
{
	struct dump d = { 0 };
	struct pkg_sink sink = { &d, dump_meta, dump_row, dump_entry, dump_bytes, dump_end };
	const char *dot = strrchr(path, '.');
	enum pkg_format format = dot && strcmp(dot, ".conda") == 0 ? PKG_CONDA : PKG_TAR_BZ2;
	AUTO_BUF b = BUF(1 << 20);
	struct jsonw w = JSONW(&b, 0);
	struct err e = { 0 };
	struct stat st;
	AUTO_FD fd = sys_openat(AT_FDCWD, path, O_RDONLY, 0);
	int r;

	if (fd < 0 || sys_fstat(fd, &st) < 0)
		return 2;
	if (tail)
		r = list_tail(worker, fd, (uint64_t)st.st_size, tail, &sink, &e);
	else if (worker)
		r = worker_read(worker, fd, (uint64_t)st.st_size, format, want, &sink, &e);
	else
		r = pkg_read(fd, (uint64_t)st.st_size, format, want, &sink, &e);
	hasher_done(&d.hash);
	jsonw_object(&w);
	jsonw_key(&w, "end");
	jsonw_i64(&w, r);
	jsonw_member_text(&w, "why", r < 0 ? e.text : "");
	jsonw_object_end(&w);
	print(&b);
	return 0;
}

int main(int argc, char **argv)
{
	enum pkg_want want = PKG_WHOLE;
	AUTO(worker_freep) struct worker *worker = NULL;
	struct err e = { 0 };
	uint64_t tail = 0;
	int opt, r = 0;

	while ((opt = getopt(argc, argv, "lwt:")) != -1) {
		if (opt == 'l')
			want = PKG_LIST;
		else if (opt == 'w')
			r = worker_start(&worker, &e);
		else if (opt == 't')
			tail = strtoull(optarg, NULL, 10);
		else
			return 2;
	}
	if (r < 0)
		fprintf(stderr, "pkg_dump: %s\n", e.text);
	for (int i = optind; r == 0 && i < argc; i++)
		r = dump(worker, argv[i], want, tail);
	return r == 0 ? 0 : 1;
}
