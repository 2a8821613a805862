/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/build.h"

#include "base/limits.h"
#include "base/path.h"
#include "base/sys.h"
#include "manifest/plan.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PATHS_BYTES_MAX UINT32_MAX
#define TEXTS_BYTES_MAX (UINT32_MAX - 1)

struct manifest_builder {
	struct plan plan;
	struct pkg_row found; /* what manifest_builder_find() lends */
	struct buf whole;     /* owned; the file, once manifest_builder_end() made it */
};

int manifest_builder_open(struct manifest_builder **ret, uint64_t package,
			  const struct digest *artifact, enum manifest_state state, struct err *e)
{
	struct manifest_builder *b = calloc(1, sizeof(*b));

	if (!b)
		return err_nomem(e);
	b->plan.package = package;
	b->plan.artifact = *artifact;
	b->plan.state = state;
	buf_init(&b->plan.index_json, INFO_MEMBER_BYTES_MAX);
	buf_init(&b->plan.paths, PATHS_BYTES_MAX);
	buf_init(&b->whole, MANIFEST_BYTES_MAX);
	intern_init(&b->plan.texts, TEXTS_BYTES_MAX);
	*ret = b;
	return 0;
}

struct manifest_builder *manifest_builder_free(struct manifest_builder *b)
{
	if (!b)
		return NULL;
	buf_done(&b->plan.index_json);
	buf_done(&b->plan.paths);
	buf_done(&b->whole);
	intern_done(&b->plan.texts);
	map_done(&b->plan.by_path);
	free(b->plan.points);
	free(b->plan.rows);
	free(b->plan.spots);
	free(b);
	return NULL;
}

int manifest_builder_meta(struct manifest_builder *b, const struct pkg_meta *meta, struct err *e)
{
	struct plan *p = &b->plan;
	int r;

	assert(!p->has_meta);
	if (meta->noarch < NOARCH_NONE || meta->noarch > NOARCH_PYTHON)
		return err_set(e, -EINVAL, "unknown noarch kind %d", meta->noarch);
	p->noarch = (enum noarch_kind)meta->noarch;
	buf_add(&p->index_json, meta->index_json, meta->index_json_len);
	r = buf_end(&p->index_json, e);
	if (r < 0)
		return err_wrap(e, r, "index.json");
	for (size_t i = 0; i < meta->entry_point_count; i++) {
		const char *const texts[] = { meta->entry_points[i].command,
					      meta->entry_points[i].module,
					      meta->entry_points[i].function };

		r = GROW(p->points, p->point_cap, p->point_count + 1, ENTRY_POINTS_MAX, e);
		for (size_t k = 0; r == 0 && k < ARRAY_LEN(texts); k++)
			r = intern_put(&p->texts, texts[k], strlen(texts[k]),
				       &p->points[p->point_count].parts[k], e);
		if (r < 0)
			return err_wrap(e, r, "entry points");
		p->point_count++;
	}
	p->has_meta = true;
	return 0;
}

struct path_key {
	const char *path;
	size_t len;
};

static bool same_path(const void *ctx, uint32_t value, const void *key)
{
	const struct plan *p = ctx;
	const struct plan_row *row = &p->rows[value];
	const struct path_key *k = key;

	return row->path_len == k->len && memcmp(plan_path(p, row), k->path, k->len) == 0;
}

static struct plan_row *find_row(const struct plan *p, const char *path, size_t len)
{
	struct path_key key = { path, len };
	uint32_t i = map_get(&p->by_path, xxh64(path, len), same_path, p, &key);

	return i == MAP_NONE ? NULL : &p->rows[i];
}

static bool is_info(const char *path, size_t len)
{
	return len >= 4 && memcmp(path, "info", 4) == 0 && (len == 4 || path[4] == '/');
}

int manifest_builder_row(struct manifest_builder *b, const struct pkg_row *row, struct err *e)
{
	struct plan *p = &b->plan;
	struct plan_row new = { .path = (uint32_t)p->paths.len,
				.path_len = (uint32_t)row->path_len,
				.type = (enum entry_type)row->type,
				.binary = row->binary,
				.no_link = row->no_link,
				.has_digest = row->has_digest,
				.has_size = row->has_size,
				.placeholder = MAP_NONE,
				.target = MAP_NONE,
				.shebang = MAP_NONE };
	int r = path_check(row->path, row->path_len, e);

	if (r < 0)
		return r;
	if (is_info(row->path, row->path_len))
		return 0;
	if (row->type == 0 && p->state == MANIFEST_LISTED)
		return err_set(e, -ENODATA, "'%s': its type is known only from the whole package",
			       QUOTE(row->path, row->path_len));
	if (find_row(p, row->path, row->path_len))
		return err_set(e, -EBADMSG, "'%s' is listed twice",
			       QUOTE(row->path, row->path_len));
	if (row->has_digest)
		new.row_digest = row->digest;
	if (row->has_size)
		new.row_size = row->size;
	r = GROW(p->rows, p->row_cap, p->row_count + 1, PACKAGE_FILES_MAX, e);
	if (r < 0)
		return err_wrap(e, r, "files of the package");
	if (row->placeholder && row->placeholder_len > 0) {
		r = intern_put(&p->texts, row->placeholder, row->placeholder_len, &new.placeholder,
			       e);
		if (r < 0)
			return err_wrap(e, r, "placeholder");
	}
	buf_add(&p->paths, row->path, row->path_len);
	r = buf_end(&p->paths, e);
	if (r == 0)
		r = map_put(&p->by_path, xxh64(row->path, row->path_len), (uint32_t)p->row_count,
			    e);
	if (r < 0)
		return err_wrap(e, r, "files of the package");
	p->rows[p->row_count++] = new;
	return 0;
}

const struct pkg_row *manifest_builder_find(const struct manifest_builder *b, const char *path,
					    size_t len)
{
	const struct plan *p = &b->plan;
	const struct plan_row *row = find_row(p, path, len);
	struct pkg_row *found = (struct pkg_row *)&b->found;

	if (!row)
		return NULL;
	*found = (struct pkg_row){ .path = plan_path(p, row),
				   .path_len = row->path_len,
				   .type = row->type,
				   .binary = row->binary,
				   .no_link = row->no_link,
				   .has_digest = row->has_digest,
				   .has_size = row->has_size,
				   .digest = row->row_digest,
				   .size = row->row_size };
	if (row->placeholder != MAP_NONE) {
		found->placeholder = intern_text(&p->texts, row->placeholder);
		found->placeholder_len = strlen(found->placeholder);
	}
	return found;
}

static const char *type_name(enum entry_type type)
{
	return type == ENTRY_DIR ? "a directory" : type == ENTRY_LINK ? "a link" : "a file";
}

static int take_file(struct plan *p, struct plan_row *row, const struct payload *in, struct err *e)
{
	int r;

	if (row->has_size && row->row_size != in->size)
		return err_set(e, -EBADMSG, "has %llu bytes, the package's list says %llu",
			       (unsigned long long)in->size, (unsigned long long)row->row_size);
	if (row->has_digest && !digest_same(&row->row_digest, &in->digest))
		return err_set(e, -EBADMSG, "is not what the package's list says by its SHA-256");
	if (row->placeholder == MAP_NONE && (in->spot_count > 0 || in->shebang))
		return err_set(e, -EINVAL, "has spots but no placeholder");
	row->size = in->size;
	row->digest = in->digest;
	row->extent = in->extent;
	row->spot_first = p->spot_count;
	row->spot_count = in->spot_count;
	if (in->spot_count > 0) {
		r = GROW(p->spots, p->spot_cap, p->spot_count + in->spot_count, SPOTS_MAX, e);
		if (r < 0)
			return err_wrap(e, r, "prefix spots of the package");
		memcpy(p->spots + p->spot_count, in->spots, in->spot_count * sizeof(*in->spots));
		p->spot_count += in->spot_count;
	}
	/* The kernel reads a first line up to a NUL: with one in it, it names no program. */
	if (in->shebang && in->shebang_len >= 2 && in->shebang_len <= SHEBANG_MAX &&
	    !memchr(in->shebang, '\0', in->shebang_len))
		return intern_put(&p->texts, in->shebang, in->shebang_len, &row->shebang, e);
	return 0;
}

static int take_payload(struct plan *p, struct plan_row *row, const struct payload *in,
			struct err *e)
{
	int r = 0;

	if (row->has_payload)
		return err_set(e, -EBADMSG, "is in the archive twice");
	if (row->type != 0 && row->type != in->type)
		return err_set(e, -EBADMSG, "is %s in the archive, the package's list says %s",
			       type_name(in->type), type_name(row->type));
	if (in->mtime_ns >= NSEC_PER_SEC)
		return err_set(e, -EBADMSG, "has a time of %u nanoseconds", in->mtime_ns);
	if (in->type == ENTRY_FILE)
		r = take_file(p, row, in, e);
	else if (in->type == ENTRY_LINK)
		r = intern_put(&p->texts, in->target, in->target_len, &row->target, e);
	if (r < 0)
		return r;
	row->type = in->type;
	row->mode = in->mode & MODE_KEPT;
	row->mtime_s = in->mtime_s;
	row->mtime_ns = in->mtime_ns;
	row->has_payload = true;
	return 0;
}

int manifest_builder_payload(struct manifest_builder *b, const struct payload *in, struct err *e)
{
	struct plan *p = &b->plan;
	struct plan_row *row = find_row(p, in->path, in->path_len);
	int r;

	assert(p->state == MANIFEST_PRESENT);
	if (!row)
		return 0;
	r = take_payload(p, row, in, e);
	return r < 0 ? err_wrap(e, r, "'%s'", QUOTE(in->path, in->path_len)) : 0;
}

/* Directories need no entry in the archive, all else does. */
static int check_complete(const struct plan *p, struct err *e)
{
	if (!p->has_meta)
		return err_set(e, -EINVAL, "nothing was said of its info/");
	for (size_t i = 0; p->state == MANIFEST_PRESENT && i < p->row_count; i++) {
		const struct plan_row *row = &p->rows[i];

		if (!row->has_payload && row->type != ENTRY_DIR)
			return err_set(e, -EBADMSG,
				       "the package lists '%s', but its archive has no such entry",
				       QUOTE(plan_path(p, row), row->path_len));
	}
	return 0;
}

int manifest_builder_end(struct manifest_builder *b, struct err *e)
{
	AUTO(manifest_freep) struct manifest *check = NULL;
	int r;

	if (b->whole.len > 0)
		return 0;
	r = check_complete(&b->plan, e);
	if (r == 0)
		r = plan_write(&b->plan, &b->whole, e);
	/* What a reader would refuse must not get its name. */
	return r < 0 ? r
		     : manifest_of_bytes(&check, b->whole.bytes, b->whole.len, b->plan.package, e);
}

int manifest_publish(struct manifest_builder *b, struct store *st, struct err *e)
{
	char name[24];
	int r = manifest_builder_end(b, e);

	if (r < 0)
		return r;
	(void)snprintf(name, sizeof(name), "%llu", (unsigned long long)b->plan.package);
	r = sys_publish(st->tmp, st->manifests, name, b->whole.bytes, b->whole.len, 0444, e);
	return r < 0 ? err_wrap(e, r, "manifests") : 0;
}
