/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From rows to bytes: the rows are sorted so that each directory stands before
 * what is in it, which gives the tree in one walk; numbering it level by level
 * then puts the children of every directory together.
 */
#include "base/le.h"
#include "base/limits.h"
#include "base/path.h"
#include "manifest/plan.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NO_ROW UINT32_MAX

struct node {
	const char *name; /* in plan.paths */
	uint32_t name_len;
	uint32_t parent; /* a node */
	uint32_t row;	 /* NO_ROW: a directory that a path implies */
	uint32_t depth;
	uint32_t number;      /* the entry */
	uint32_t first, more; /* its children's entries */
};

struct tree {
	const struct plan *p;
	uint32_t *sorted;   /* owned; rows by path */
	struct node *nodes; /* owned; as the walk met them */
	size_t count, cap;
	uint32_t *order; /* owned; nodes by number */
};

static void tree_done(struct tree *t)
{
	free(t->sorted);
	free(t->nodes);
	free(t->order);
}

/* A slash sorts before every byte that a name can have. */
static int by_path(const void *left, const void *right, void *ctx)
{
	const struct plan *p = ctx;
	const struct plan_row *a = &p->rows[*(const uint32_t *)left];
	const struct plan_row *b = &p->rows[*(const uint32_t *)right];
	const unsigned char *s = (const unsigned char *)plan_path(p, a);
	const unsigned char *t = (const unsigned char *)plan_path(p, b);
	uint32_t n = a->path_len < b->path_len ? a->path_len : b->path_len;

	for (uint32_t i = 0; i < n; i++)
		if (s[i] != t[i])
			return s[i] == '/' ? -1 : t[i] == '/' ? 1 : s[i] < t[i] ? -1 : 1;
	return (a->path_len > b->path_len) - (a->path_len < b->path_len);
}

static int sort_rows(struct tree *t, struct err *e)
{
	t->sorted = malloc((t->p->row_count + 1) * sizeof(*t->sorted));
	if (!t->sorted)
		return err_nomem(e);
	for (size_t i = 0; i < t->p->row_count; i++)
		t->sorted[i] = (uint32_t)i;
	qsort_r(t->sorted, t->p->row_count, sizeof(*t->sorted), by_path, (void *)(uintptr_t)t->p);
	return 0;
}

static int add_node(struct tree *t, struct node node, struct err *e)
{
	int r = GROW(t->nodes, t->cap, t->count + 1, (size_t)ENTRY_INDEX_MAX + 1, e);

	if (r < 0)
		return err_wrap(e, r, "paths of the package");
	t->nodes[t->count++] = node;
	return 0;
}

/* The directories that are open where the walk stands; dirs[0] is the root. */
struct stack {
	uint32_t dirs[PATH_DEPTH_MAX + 1];
	uint32_t path_len[PATH_DEPTH_MAX + 1]; /* of dirs[i]'s path, with the slash after it */
	uint32_t depth;
	const char *path; /* a path below dirs[depth] */
};

static bool is_below(const char *path, uint32_t len, const char *dir, uint32_t dir_len)
{
	return len > dir_len && path[dir_len] == '/' && memcmp(path, dir, dir_len) == 0;
}

static int add_path(struct tree *t, struct stack *s, uint32_t row_index, struct err *e)
{
	const struct plan_row *row = &t->p->rows[row_index];
	const char *path = plan_path(t->p, row);
	uint32_t at;

	while (s->depth > 0 && !is_below(path, row->path_len, s->path, s->path_len[s->depth] - 1))
		s->depth--;
	s->path = path;
	at = s->path_len[s->depth];
	for (;;) {
		const char *slash = memchr(path + at, '/', row->path_len - at);
		uint32_t end = slash ? (uint32_t)(slash - path) : row->path_len;
		bool is_dir = slash || row->type == ENTRY_DIR;
		int r = add_node(t,
				 (struct node){ .name = path + at,
						.name_len = end - at,
						.parent = s->dirs[s->depth],
						.row = slash ? NO_ROW : row_index,
						.depth = s->depth + 1 },
				 e);

		if (r < 0)
			return r;
		if (is_dir && s->depth < PATH_DEPTH_MAX) {
			s->depth++;
			s->dirs[s->depth] = (uint32_t)t->count - 1;
			s->path_len[s->depth] = end + 1;
		}
		if (!slash)
			return 0;
		at = end + 1;
	}
}

static int grow_tree(struct tree *t, struct err *e)
{
	struct stack s = { 0 };
	int r = add_node(t, (struct node){ .name = "", .row = NO_ROW }, e);

	for (size_t i = 0; r == 0 && i < t->p->row_count; i++) {
		const struct plan_row *row = &t->p->rows[t->sorted[i]], *left;

		/* What is below a file or link stands right behind it. */
		left = i > 0 ? &t->p->rows[t->sorted[i - 1]] : NULL;
		if (left && left->type != ENTRY_DIR &&
		    is_below(plan_path(t->p, row), row->path_len, plan_path(t->p, left),
			     left->path_len))
			return err_set(e, -EBADMSG, "'%s' is %s, and there are paths below it",
				       QUOTE(plan_path(t->p, left), left->path_len),
				       left->type == ENTRY_LINK ? "a link" : "a file");
		r = add_path(t, &s, t->sorted[i], e);
	}
	return r;
}

/* Level by level, within a level as the walk met them. */
static int number_nodes(struct tree *t, struct err *e)
{
	uint32_t next[PATH_DEPTH_MAX + 2] = { 0 };

	t->order = malloc(t->count * sizeof(*t->order));
	if (!t->order)
		return err_nomem(e);
	for (size_t i = 0; i < t->count; i++)
		if (t->nodes[i].depth + 1 < ARRAY_LEN(next))
			next[t->nodes[i].depth + 1]++;
	for (size_t d = 1; d < ARRAY_LEN(next); d++)
		next[d] += next[d - 1];
	for (size_t i = 0; i < t->count; i++) {
		struct node *n = &t->nodes[i], *up = &t->nodes[n->parent];

		n->number = next[n->depth]++;
		t->order[n->number] = (uint32_t)i;
		if (i == 0)
			continue;
		if (up->more++ == 0)
			up->first = n->number;
	}
	return 0;
}

static const struct plan_row *node_row(const struct tree *t, const struct node *n)
{
	return n->row == NO_ROW ? NULL : &t->p->rows[n->row];
}

/* What an entry has to say in each section; sections are written one by one. */
struct writer {
	const struct tree *t;
	struct buf *out;
	struct intern texts;
	uint32_t patches;
	uint64_t spots, file_bytes;
};

static void writer_done(struct writer *w)
{
	intern_done(&w->texts);
}

static int put_text(struct writer *w, const char *text, size_t len, uint32_t *ret, struct err *e)
{
	uint32_t id;
	int r = intern_put(&w->texts, text, len, &id, e);

	if (r < 0)
		return err_wrap(e, r, "texts of the package");
	*ret = (uint32_t)w->texts.offsets[id];
	return 0;
}

static uint32_t row_flags(const struct plan *p, const struct plan_row *row)
{
	uint32_t flags = row->no_link ? ENTRY_NO_LINK : 0;

	if (row->type == ENTRY_DIR)
		return ENTRY_LISTED_DIR;
	if (row->has_digest)
		flags |= ENTRY_HAS_DIGEST | ENTRY_PATHS_DIGEST;
	if (row->has_size)
		flags |= ENTRY_PATHS_SIZE;
	if (row->type == ENTRY_FILE && p->state == MANIFEST_PRESENT)
		flags |= ENTRY_HAS_DIGEST;
	if (row->type == ENTRY_FILE && row->placeholder != MAP_NONE)
		flags |= row->binary ? ENTRY_BINARY : ENTRY_TEXT;
	return flags;
}

static int put_entry(struct writer *w, const struct node *n, struct err *e)
{
	const struct plan *p = w->t->p;
	const struct plan_row *row = node_row(w->t, n);
	enum entry_type type = row ? row->type : ENTRY_DIR;
	uint32_t name = 0, first = n->first, more = n->more, mode = DIR_MODE, flags = 0;
	uint8_t bytes[ENTRY_BYTES] = { 0 };
	int r = put_text(w, n->name, n->name_len, &name, e);

	if (row)
		flags = row_flags(p, row);
	if (r == 0 && type == ENTRY_LINK) {
		first = 0;
		mode = LINK_MODE;
		if (row->target != MAP_NONE) {
			const char *target = intern_text(&p->texts, row->target);

			more = (uint32_t)strlen(target);
			r = put_text(w, target, more, &first, e);
		}
		le64_put(bytes + ENTRY_SIZE, row->row_size);
	} else if (type == ENTRY_FILE) {
		uint64_t size = p->state == MANIFEST_PRESENT ? row->size : row->row_size;

		first = flags & (ENTRY_TEXT | ENTRY_BINARY) ? w->patches++ : NO_PATCH;
		mode = p->state == MANIFEST_PRESENT ? row->mode : FILE_MODE;
		w->file_bytes += size;
		le64_put(bytes + ENTRY_SIZE, size);
	}
	if (type != ENTRY_DIR) {
		le64_put(bytes + ENTRY_MTIME, (uint64_t)row->mtime_s);
		le32_put(bytes + ENTRY_MTIME_NS, row->mtime_ns);
	}
	le32_put(bytes + ENTRY_NAME, name);
	le16_put(bytes + ENTRY_NAME_LEN, (uint16_t)n->name_len);
	bytes[ENTRY_TYPE] = (uint8_t)type;
	bytes[ENTRY_FLAGS] = (uint8_t)flags;
	le32_put(bytes + ENTRY_PARENT, w->t->nodes[n->parent].number);
	le32_put(bytes + ENTRY_FIRST, first);
	le32_put(bytes + ENTRY_MORE, more);
	le32_put(bytes + ENTRY_MODE, mode);
	buf_add(w->out, bytes, sizeof(bytes));
	return r;
}

static void put_digest(struct writer *w, const struct node *n)
{
	const struct plan_row *row = node_row(w->t, n);

	if (row && row->type == ENTRY_FILE && w->t->p->state == MANIFEST_PRESENT)
		buf_add(w->out, row->digest.bytes, DIGEST_BYTES);
	else if (row && row->type != ENTRY_DIR && row->has_digest)
		buf_add(w->out, row->row_digest.bytes, DIGEST_BYTES);
	else
		buf_add_zero(w->out, DIGEST_BYTES);
}

static void put_place(struct writer *w, const struct node *n)
{
	const struct plan_row *row = node_row(w->t, n);
	uint8_t bytes[PLACE_BYTES] = { 0 };

	if (row && row->type == ENTRY_FILE && row->size > 0) {
		le64_put(bytes + PLACE_PACK, row->extent.pack);
		le64_put(bytes + PLACE_OFFSET, row->extent.offset);
		le64_put(bytes + PLACE_STORED, row->extent.stored);
	}
	buf_add(w->out, bytes, sizeof(bytes));
}

static bool is_patched(const struct plan_row *row)
{
	return row && row->type == ENTRY_FILE && row->placeholder != MAP_NONE;
}

static int put_patch(struct writer *w, const struct plan_row *row, struct err *e)
{
	const struct plan *p = w->t->p;
	const char *text = intern_text(&p->texts, row->placeholder), *line;
	uint32_t at, len = (uint32_t)strlen(text), shebang = NO_TEXT, shebang_len = 0;
	uint8_t bytes[PATCH_BYTES];
	int r = put_text(w, text, len, &at, e);

	if (r == 0 && row->shebang != MAP_NONE) {
		line = intern_text(&p->texts, row->shebang);
		shebang_len = (uint32_t)strlen(line);
		r = put_text(w, line, shebang_len, &shebang, e);
	}
	if (r < 0)
		return r;
	le32_put(bytes + PATCH_TEXT, at);
	le32_put(bytes + PATCH_TEXT_LEN, len);
	le64_put(bytes + PATCH_SPOT, w->spots);
	le64_put(bytes + PATCH_SPOTS, row->spot_count);
	le32_put(bytes + PATCH_SHEBANG, shebang);
	le32_put(bytes + PATCH_SHEBANG_LEN, shebang_len);
	w->spots += row->spot_count;
	buf_add(w->out, bytes, sizeof(bytes));
	return 0;
}

static void put_spots(struct writer *w, const struct plan_row *row)
{
	for (uint64_t i = 0; i < row->spot_count; i++) {
		const struct spot *s = &w->t->p->spots[row->spot_first + i];
		uint8_t bytes[SPOT_BYTES] = { 0 };

		le64_put(bytes + SPOT_OFFSET, s->offset);
		le64_put(bytes + SPOT_END, s->end);
		le32_put(bytes + SPOT_UNIT, s->unit);
		buf_add(w->out, bytes, sizeof(bytes));
	}
}

static int put_point(struct writer *w, const struct point *point, struct err *e)
{
	uint8_t bytes[POINT_BYTES];

	for (size_t k = 0; k < ARRAY_LEN(point->parts); k++) {
		const char *text = intern_text(&w->t->p->texts, point->parts[k]);
		uint32_t at;
		int r = put_text(w, text, strlen(text), &at, e);

		if (r < 0)
			return r;
		le32_put(bytes + k * 8, at);
		le32_put(bytes + k * 8 + 4, (uint32_t)strlen(text));
	}
	buf_add(w->out, bytes, sizeof(bytes));
	return 0;
}

static int put_sections(struct writer *w, struct err *e)
{
	const struct tree *t = w->t;
	const struct plan *p = t->p;
	int r = 0;

	for (size_t i = 0; r == 0 && i < t->count; i++)
		r = put_entry(w, &t->nodes[t->order[i]], e);
	for (size_t i = 0; i < t->count; i++)
		put_digest(w, &t->nodes[t->order[i]]);
	for (size_t i = 0; p->state == MANIFEST_PRESENT && i < t->count; i++)
		put_place(w, &t->nodes[t->order[i]]);
	for (size_t i = 0; r == 0 && i < t->count; i++) {
		const struct plan_row *row = node_row(t, &t->nodes[t->order[i]]);

		if (is_patched(row))
			r = put_patch(w, row, e);
	}
	for (size_t i = 0; i < t->count; i++) {
		const struct plan_row *row = node_row(t, &t->nodes[t->order[i]]);

		if (is_patched(row))
			put_spots(w, row);
	}
	for (size_t i = 0; r == 0 && i < p->point_count; i++)
		r = put_point(w, &p->points[i], e);
	return r;
}

/* The counts are known last, so the header is filled in last. */
static void fill_header(const struct writer *w)
{
	const struct plan *p = w->t->p;
	char *h = w->out->bytes;

	memcpy(h, MANIFEST_MAGIC, 8);
	le32_put(h + HEADER_VERSION, MANIFEST_VERSION);
	le32_put(h + HEADER_STATE, p->state);
	le64_put(h + HEADER_PACKAGE, p->package);
	memcpy(h + HEADER_ARTIFACT, p->artifact.bytes, DIGEST_BYTES);
	le32_put(h + HEADER_NOARCH, p->noarch);
	le32_put(h + HEADER_ENTRIES, (uint32_t)w->t->count);
	le32_put(h + HEADER_PATCHES, w->patches);
	le32_put(h + HEADER_POINTS, (uint32_t)p->point_count);
	le64_put(h + HEADER_SPOTS, w->spots);
	le64_put(h + HEADER_TEXTS, w->texts.len);
	le64_put(h + HEADER_INDEX_JSON, p->index_json.len);
	le64_put(h + HEADER_FILE_BYTES, w->file_bytes);
}

static int write_tree(const struct tree *t, struct buf *ret, struct err *e)
{
	AUTO(writer_done) struct writer w = { .t = t, .out = ret };
	uint8_t sum[SUM_BYTES];
	int r;

	intern_init(&w.texts, UINT32_MAX - 1);
	buf_add_zero(ret, HEADER_BYTES);
	r = put_sections(&w, e);
	if (r < 0)
		return r;
	buf_add(ret, w.texts.bytes, w.texts.len);
	buf_add(ret, t->p->index_json.bytes, t->p->index_json.len + 1);
	if (ret->len % 8 != 0)
		buf_add_zero(ret, 8 - ret->len % 8);
	r = buf_end(ret, e);
	if (r < 0)
		return r;
	fill_header(&w);
	le64_put(sum, xxh64(ret->bytes, ret->len));
	buf_add(ret, sum, sizeof(sum));
	return buf_end(ret, e);
}

int plan_write(const struct plan *p, struct buf *ret, struct err *e)
{
	AUTO(tree_done) struct tree t = { .p = p };
	int r = sort_rows(&t, e);

	if (r == 0)
		r = grow_tree(&t, e);
	if (r == 0)
		r = number_nodes(&t, e);
	if (r == 0)
		r = write_tree(&t, ret, e);
	return r < 0 ? err_wrap(e, r, "manifest %llu", (unsigned long long)p->package) : 0;
}
