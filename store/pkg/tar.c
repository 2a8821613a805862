/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/tar.h"

#include "base/buf.h"
#include "base/path.h"
#include "pkg/names.h"
#include "pkg/pax.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * A header (POSIX.1-1988, and GNU tar's use of it):
 *
 *	  0 name[100]   100 mode[8]   108 uid[8]   116 gid[8]   124 size[12]   136 mtime[12]
 *	148 checksum[8] 156 type      157 link[100]
 *	257 "ustar\0" "00", or "ustar  \0" of GNU
 *	265 user[32]    297 group[32] 329 major[8] 337 minor[8] 345 prefix[155] 500 zeros[12]
 */
#define BLOCK	    512
#define NAME_AT	    0
#define NAME_LEN    100
#define MODE_AT	    100
#define SIZE_AT	    124
#define MTIME_AT    136
#define CHECKSUM_AT 148
#define TYPE_AT	    156
#define LINK_AT	    157
#define MAGIC_AT    257
#define PREFIX_AT   345
#define PREFIX_LEN  155
#define SIZE_USTAR  077777777777ULL /* the most that 11 octal digits say */
#define PATH_ROOM   (NAME_LEN + PREFIX_LEN + 2)

struct tar {
	struct stream *stream; /* borrowed */
	struct pkg_limits limits;
	const uint8_t *chunk;
	size_t chunk_left;
	uint64_t data_left, pad_left; /* of the current entry */
	uint64_t entries;
	bool ended;
	struct names names;
	struct buf pax;	      /* owned; the extended header before the entry */
	struct buf long_name; /* owned; GNU 'L' */
	struct buf long_link; /* owned; GNU 'K' */
	bool has_pax, has_long_name, has_long_link;
	char name_room[PATH_ROOM]; /* the header's own */
	char link_room[NAME_LEN + 1];
	struct buf path, target; /* owned; of the current entry, checked */
};

int tar_open(struct tar **ret, struct stream *s, const struct pkg_limits *limits, struct err *e)
{
	struct tar *t = calloc(1, sizeof(*t));

	if (!t)
		return err_nomem(e);
	t->stream = s;
	t->limits = *limits;
	names_init(&t->names, limits);
	buf_init(&t->pax, PAX_BYTES_MAX);
	buf_init(&t->long_name, PAX_BYTES_MAX);
	buf_init(&t->long_link, PAX_BYTES_MAX);
	buf_init(&t->path, PATH_BYTES_MAX + 1);
	buf_init(&t->target, LINK_BYTES_MAX + 1);
	*ret = t;
	return 0;
}

struct tar *tar_free(struct tar *t)
{
	if (!t)
		return NULL;
	names_done(&t->names);
	buf_done(&t->pax);
	buf_done(&t->long_name);
	buf_done(&t->long_link);
	buf_done(&t->path);
	buf_done(&t->target);
	free(t);
	return NULL;
}

/* Makes the chunk hold something; 0 at the end of the stream. */
static int more(struct tar *t, struct err *e)
{
	int r;

	if (t->chunk_left > 0)
		return 1;
	r = stream_next(t->stream, &t->chunk, &t->chunk_left, e);
	return r < 0 ? r : t->chunk_left > 0;
}

/* Up to len bytes in place; 0 at the end of the stream. */
static int take(struct tar *t, uint64_t len, const uint8_t **ret, size_t *ret_len, struct err *e)
{
	int r = more(t, e);

	if (r <= 0)
		return r;
	*ret = t->chunk;
	*ret_len = len < t->chunk_left ? (size_t)len : t->chunk_left;
	t->chunk += *ret_len;
	t->chunk_left -= *ret_len;
	return 1;
}

static int cut_off(struct err *e)
{
	return err_set(e, -EBADMSG, "tar: it is cut off");
}

static int skip(struct tar *t, uint64_t len, struct err *e)
{
	while (len > 0) {
		const uint8_t *bytes;
		size_t n;
		int r = take(t, len, &bytes, &n, e);

		if (r <= 0)
			return r < 0 ? r : cut_off(e);
		len -= n;
	}
	return 0;
}

/* 1 and a block, 0 at the end of the stream. */
static int read_block(struct tar *t, uint8_t block[BLOCK], struct err *e)
{
	size_t have = 0;

	while (have < BLOCK) {
		const uint8_t *bytes;
		size_t n;
		int r = take(t, BLOCK - have, &bytes, &n, e);

		if (r <= 0)
			return r < 0 || have == 0 ? r : cut_off(e);
		memcpy(block + have, bytes, n);
		have += n;
	}
	return 1;
}

static bool all_zero(const uint8_t *bytes, size_t len)
{
	return len == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0);
}

/* After the first zero block: another, and then zeros to the end. */
static int read_end(struct tar *t, struct err *e)
{
	uint8_t block[BLOCK];
	int r = read_block(t, block, e);

	if (r <= 0)
		return r < 0 ? r : cut_off(e);
	if (!all_zero(block, BLOCK))
		return err_set(e, -EBADMSG, "tar: a lone block of zeros stands in the middle");
	for (;;) {
		const uint8_t *bytes;
		size_t n;

		r = take(t, UINT64_MAX, &bytes, &n, e);
		if (r < 0)
			return r;
		if (r == 0)
			break;
		if (!all_zero(bytes, n))
			return err_set(e, -EBADMSG, "tar: something follows its end");
	}
	if (t->has_pax || t->has_long_name || t->has_long_link)
		return err_set(e, -EBADMSG, "tar: an extended header has no entry");
	t->ended = true;
	return 0;
}

/* Octal digits, or GNU's big-endian binary with the top bit set. Blank is 0. */
static int read_number(const uint8_t *field, size_t len, const char *what, uint64_t *ret,
		       struct err *e)
{
	size_t i = 0;

	*ret = 0;
	if (field[0] == 0x80) {
		for (i = 1; i < len; i++) {
			if (*ret >> 56)
				return err_set(e, -EBADMSG, "tar: %s does not fit", what);
			*ret = *ret << 8 | field[i];
		}
		return 0;
	}
	while (i < len && field[i] == ' ')
		i++;
	for (; i < len && field[i] >= '0' && field[i] <= '7'; i++)
		*ret = *ret << 3 | (uint64_t)(field[i] - '0'); /* 12 digits at most */
	for (; i < len; i++)
		if (field[i] != ' ' && field[i] != '\0')
			return err_set(e, -EBADMSG, "tar: %s is no number", what);
	return 0;
}

/* mtime alone may be before 1970: GNU's binary with all bits set in front. */
static int read_mtime(const uint8_t *field, int64_t *ret, struct err *e)
{
	uint64_t n = UINT64_MAX;
	int r;

	if (field[0] == 0xff) {
		for (size_t i = 1; i < 12; i++) {
			if (i < 4 && field[i] != 0xff)
				return err_set(e, -EBADMSG, "tar: mtime does not fit");
			n = n << 8 | field[i];
		}
		*ret = (int64_t)n;
		return *ret < 0 ? 0 : err_set(e, -EBADMSG, "tar: mtime does not fit");
	}
	r = read_number(field, 12, "mtime", &n, e);
	if (r == 0 && n > INT64_MAX / 2)
		return err_set(e, -EBADMSG, "tar: mtime does not fit");
	*ret = (int64_t)n;
	return r;
}

/* Text up to the first NUL or the field's end, as everybody takes it: the writer of
 * rattler-build leaves the rest of a longer name behind the NUL. */
static size_t read_text(const uint8_t *field, size_t len, char *room)
{
	size_t n = strnlen((const char *)field, len);

	memcpy(room, field, n);
	room[n] = '\0';
	return n;
}

static int check_header(const uint8_t *h, struct err *e)
{
	uint64_t sum = 0, want;
	int r = read_number(h + CHECKSUM_AT, 8, "checksum", &want, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= CHECKSUM_AT && i < CHECKSUM_AT + 8 ? ' ' : h[i];
	if (sum != want)
		return err_set(e, -EBADMSG, "tar: a header's checksum is wrong");
	if (memcmp(h + MAGIC_AT,
		   "ustar\0"
		   "00",
		   8) == 0)
		return 0;
	if (memcmp(h + MAGIC_AT, "ustar  ", 8) != 0)
		return err_set(e, -EBADMSG, "tar: a header is neither ustar nor GNU");
	/* GNU keeps other things here, which Python's tarfile takes for a prefix. */
	if (!all_zero(h + PREFIX_AT, PREFIX_LEN))
		return err_set(e, -EBADMSG, "tar: a GNU header has something in the prefix field");
	return 0;
}

/* The bytes of an extended header. */
static int read_extended(struct tar *t, uint64_t size, bool *has, struct buf *ret, const char *what,
			 struct err *e)
{
	uint64_t left = size;

	if (*has)
		return err_set(e, -EBADMSG, "tar: two %s headers for one entry", what);
	if (size == 0 || size > PAX_BYTES_MAX)
		return err_set(e, size ? -EFBIG : -EBADMSG, "tar: a %s header of %llu bytes", what,
			       (unsigned long long)size);
	buf_clear(ret);
	while (left > 0) {
		const uint8_t *bytes;
		size_t n;
		int r = take(t, left, &bytes, &n, e);

		if (r <= 0)
			return r < 0 ? r : cut_off(e);
		buf_add(ret, bytes, n);
		left -= n;
	}
	*has = true;
	return buf_end(ret, e) < 0 ? -ENOMEM : skip(t, -size % BLOCK, e);
}

/* 'L' and 'K': a text and its NUL. */
static int check_long(const struct buf *b, struct err *e)
{
	if (b->len < 2 || memchr(b->bytes, '\0', b->len) != b->bytes + b->len - 1)
		return err_set(e, -EBADMSG, "tar: a GNU long name is not one text with a NUL");
	return 0;
}

static int read_global(struct tar *t, uint64_t size, struct err *e)
{
	AUTO_BUF text = BUF(PAX_BYTES_MAX);
	bool has = t->has_pax || t->has_long_name || t->has_long_link;
	int r;

	if (has)
		return err_set(e, -EBADMSG, "tar: a global header between a header and its entry");
	r = read_extended(t, size, &has, &text, "global pax", e);
	return r < 0 ? r : pax_check_global(text.bytes, text.len, e);
}

/* 1: it was one, read on. */
static int read_if_extended(struct tar *t, const uint8_t *h, struct err *e)
{
	uint64_t size;
	int r;

	if (!memchr("xgLK", h[TYPE_AT], 4))
		return 0;
	r = read_number(h + SIZE_AT, 12, "size", &size, e);
	if (r < 0)
		return r;
	switch (h[TYPE_AT]) {
	case 'x':
		r = read_extended(t, size, &t->has_pax, &t->pax, "pax", e);
		break;
	case 'g':
		r = read_global(t, size, e);
		break;
	case 'L':
		r = read_extended(t, size, &t->has_long_name, &t->long_name, "GNU long name", e);
		r = r < 0 ? r : check_long(&t->long_name, e);
		break;
	default:
		r = read_extended(t, size, &t->has_long_link, &t->long_link, "GNU long link", e);
		r = r < 0 ? r : check_long(&t->long_link, e);
		break;
	}
	return r < 0 ? r : 1;
}

static int entry_type(uint8_t flag, enum tar_type *ret, struct err *e)
{
	switch (flag) {
	case '\0':
	case '0':
		*ret = TAR_FILE;
		return 0;
	case '1':
		*ret = TAR_HARDLINK;
		return 0;
	case '2':
		*ret = TAR_SYMLINK;
		return 0;
	case '5':
		*ret = TAR_DIR;
		return 0;
	case '3':
	case '4':
		return err_set(e, -EBADMSG, "a device has no place in a package");
	case '6':
		return err_set(e, -EBADMSG, "a fifo has no place in a package");
	case 'S':
		return err_set(e, -EBADMSG, "sparse files are not accepted");
	default:
		return err_set(e, -EBADMSG, "entries of tar type 0x%02x are not accepted", flag);
	}
}

/* The name as it is given: pax, GNU long name, or prefix and name. */
static int raw_name(struct tar *t, const uint8_t *h, const struct pax *pax, const char **ret,
		    size_t *ret_len, struct err *e)
{
	size_t len = 0;

	if (pax->path && t->has_long_name)
		return err_set(e, -EBADMSG, "tar: a pax path and a GNU long name for one entry");
	if (pax->path) {
		*ret = pax->path;
		*ret_len = pax->path_len;
		return 0;
	}
	if (t->has_long_name) {
		*ret = t->long_name.bytes;
		*ret_len = t->long_name.len - 1;
		return 0;
	}
	if (h[MAGIC_AT + 5] == '\0')
		len = read_text(h + PREFIX_AT, PREFIX_LEN, t->name_room);
	if (len > 0)
		t->name_room[len++] = '/';
	*ret_len = len + read_text(h + NAME_AT, NAME_LEN, t->name_room + len);
	*ret = t->name_room;
	return 0;
}

static int raw_target(struct tar *t, const uint8_t *h, const struct pax *pax, const char **ret,
		      size_t *ret_len, struct err *e)
{
	if (pax->linkpath && t->has_long_link)
		return err_set(e, -EBADMSG,
			       "tar: a pax linkpath and a GNU long link for one entry");
	if (pax->linkpath) {
		*ret = pax->linkpath;
		*ret_len = pax->linkpath_len;
	} else if (t->has_long_link) {
		*ret = t->long_link.bytes;
		*ret_len = t->long_link.len - 1;
	} else {
		*ret_len = read_text(h + LINK_AT, NAME_LEN, t->link_room);
		*ret = t->link_room;
	}
	return 0;
}

static void drop_dot_slash(const char **name, size_t *len)
{
	if (*len > 2 && memcmp(*name, "./", 2) == 0) {
		*name += 2;
		*len -= 2;
	}
}

/* The checked path into t->path; 1: it is the root, to be skipped. */
static int take_path(struct tar *t, const char *name, size_t len, enum tar_type type, struct err *e)
{
	int r;

	if (type == TAR_DIR) {
		if (len > 1 && name[len - 1] == '/')
			len--;
		if (len == 1 && name[0] == '.')
			return 1;
	}
	drop_dot_slash(&name, &len);
	r = path_check(name, len, e);
	if (r < 0)
		return r;
	buf_clear(&t->path);
	buf_add(&t->path, name, len);
	return buf_end(&t->path, e);
}

static int take_target(struct tar *t, const char *name, size_t len, enum tar_type type,
		       struct err *e)
{
	int r;

	if (type == TAR_HARDLINK)
		drop_dot_slash(&name, &len);
	r = type == TAR_HARDLINK ? path_check(name, len, e) : path_check_target(name, len, e);
	if (r < 0)
		return err_wrap(e, r, "its target");
	buf_clear(&t->target);
	buf_add(&t->target, name, len);
	return buf_end(&t->target, e);
}

/* The size, which must be one thing whichever header is asked. */
static int entry_size(const uint8_t *h, const struct pax *pax, enum tar_type type, uint64_t *ret,
		      struct err *e)
{
	uint64_t own;
	int r = read_number(h + SIZE_AT, 12, "size", &own, e);

	if (r < 0)
		return r;
	*ret = pax->has_size ? pax->size : own;
	/* Where the ustar field cannot say it, writers leave zero there. */
	if (*ret != own && !(own == 0 && pax->size > SIZE_USTAR))
		return err_set(e, -EBADMSG, "its pax header says %llu bytes, its ustar header %llu",
			       (unsigned long long)pax->size, (unsigned long long)own);
	if (*ret > 0 && type != TAR_FILE)
		return err_set(e, -EBADMSG, "it is no file and has %llu bytes all the same",
			       (unsigned long long)*ret);
	return 0;
}

static int add_name(struct tar *t, struct tar_entry *entry, struct err *e)
{
	const struct name_row *earlier;
	enum name_kind kind = entry->type == TAR_DIR	   ? NAME_DIR
			      : entry->type == TAR_SYMLINK ? NAME_LINK
							   : NAME_FILE;

	if (entry->type == TAR_HARDLINK) {
		earlier = names_find(&t->names, entry->target, entry->target_len);
		if (!earlier || earlier->kind != NAME_FILE)
			return err_set(e, -EBADMSG, "it is a hard link to '%s', which is no %s",
				       QUOTE(entry->target, entry->target_len),
				       earlier ? "file" : "earlier entry");
		entry->size = earlier->size;
	}
	return names_add(&t->names, entry->path, entry->path_len, kind, entry->size, e);
}

/* Everything about the entry but its name, which is in t->path already. */
static int take_entry(struct tar *t, const uint8_t *h, const struct pax *pax, enum tar_type type,
		      struct tar_entry *ret, struct err *e)
{
	const char *target = NULL;
	size_t target_len = 0;
	uint64_t mode = 0;
	int r = read_number(h + MODE_AT, 8, "mode", &mode, e);

	*ret = (struct tar_entry){
		.type = type,
		.path = t->path.bytes,
		.path_len = t->path.len,
		.mode = mode & 07777,
		.mtime_s = pax->mtime_s,
		.mtime_ns = pax->mtime_ns,
	};
	if (r == 0 && !pax->has_mtime)
		r = read_mtime(h + MTIME_AT, &ret->mtime_s, e);
	if (r == 0)
		r = entry_size(h, pax, type, &ret->size, e);
	if (r == 0)
		r = raw_target(t, h, pax, &target, &target_len, e);
	if (r < 0)
		return r;
	if (ret->size > t->limits.file_max)
		return err_set(e, -EFBIG, "it has %llu bytes, more than %llu",
			       (unsigned long long)ret->size,
			       (unsigned long long)t->limits.file_max);
	t->data_left = ret->size;
	t->pad_left = -ret->size % BLOCK;
	if (type == TAR_SYMLINK || type == TAR_HARDLINK) {
		r = take_target(t, target, target_len, type, e);
		if (r < 0)
			return r;
		ret->target = t->target.bytes;
		ret->target_len = t->target.len;
	}
	return add_name(t, ret, e);
}

/* 1: an entry; 0: one to be skipped. */
static int read_entry(struct tar *t, const uint8_t *h, struct tar_entry *ret, struct err *e)
{
	struct pax pax = { 0 };
	enum tar_type type = TAR_FILE;
	const char *name = NULL;
	size_t len = 0;
	int r = t->has_pax ? pax_parse(&pax, t->pax.bytes, t->pax.len, e) : 0;

	if (r == 0)
		r = raw_name(t, h, &pax, &name, &len, e);
	if (r < 0)
		return r;
	if (++t->entries > t->limits.files_max)
		return err_set(e, -EFBIG, "tar: more than %llu entries",
			       (unsigned long long)t->limits.files_max);
	r = entry_type(h[TYPE_AT], &type, e);
	if (r < 0)
		return err_wrap(e, r, "'%s'", QUOTE(name, len));
	r = take_path(t, name, len, type, e);
	if (r == 0) {
		r = take_entry(t, h, &pax, type, ret, e);
		if (r < 0)
			r = err_wrap(e, r, "'%s'", QUOTE(name, len));
	}
	t->has_pax = t->has_long_name = t->has_long_link = false;
	if (r == 1) {
		uint64_t size;

		r = entry_size(h, &pax, type, &size, e);
		return r < 0 ? err_wrap(e, r, "'.'") : 0;
	}
	return r < 0 ? r : 1;
}

static int tar_step(struct tar *t, struct tar_entry *ret, struct err *e)
{
	uint8_t h[BLOCK];
	int r = skip(t, t->data_left + t->pad_left, e);

	t->data_left = t->pad_left = 0;
	while (r >= 0) {
		r = read_block(t, h, e);
		if (r <= 0)
			return r < 0 ? r : cut_off(e);
		if (all_zero(h, BLOCK))
			return read_end(t, e);
		r = check_header(h, e);
		if (r == 0)
			r = read_if_extended(t, h, e);
		if (r < 0)
			return r;
		if (r == 1)
			continue;
		r = read_entry(t, h, ret, e);
		if (r == 1)
			return 1;
	}
	return r;
}

int tar_next(struct tar *t, struct tar_entry *ret, struct err *e)
{
	return t->ended ? 0 : pkg_refuse(tar_step(t, ret, e), e);
}

int tar_data(struct tar *t, const uint8_t **ret, size_t *ret_len, struct err *e)
{
	int r;

	*ret = NULL;
	*ret_len = 0;
	if (t->data_left == 0)
		return 0;
	r = take(t, t->data_left, ret, ret_len, e);
	if (r <= 0)
		return r < 0 ? r : cut_off(e);
	t->data_left -= *ret_len;
	return 0;
}
