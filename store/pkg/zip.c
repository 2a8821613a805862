/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/zip.h"

#include "base/auto.h"
#include "base/path.h"
#include "base/sys.h"
#include "pkg/limits.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * All numbers are little-endian (APPNOTE.TXT 4.3).
 *
 *	local header       0 "PK\3\4"  4 version 6 flags 8 method 10 time 12 date 14 crc
 *	                   18 packed 22 size 26 name-len 28 extra-len 30 name, extra
 *	central record     0 "PK\1\2"  4 made-by 6 version 8 flags 10 method 12 time 14 date
 *	                   16 crc 20 packed 24 size 28 name-len 30 extra-len 32 comment-len
 *	                   34 disk 36 internal 38 external 42 header-offset 46 name, extra
 *	end record         0 "PK\5\6"  4 disk 6 disk 8 count 10 count 12 dir-size
 *	                   16 dir-offset 20 comment-len
 *	zip64 end record   0 "PK\6\6"  4 record-size (44) 12 made-by 14 version 16 disk 20 disk
 *	                   24 count 32 count 40 dir-size 48 dir-offset
 *	zip64 locator      0 "PK\6\7"  4 disk 8 offset of the zip64 end record 16 disks (1)
 *	data descriptor    ("PK\7\10") crc, packed, size; 4 bytes each, or 8 the latter two
 */
#define LOCAL_SIG	0x04034b50u
#define CENTRAL_SIG	0x02014b50u
#define END_SIG		0x06054b50u
#define END64_SIG	0x06064b50u
#define LOCATOR_SIG	0x07064b50u
#define DESCRIPTOR_SIG	0x08074b50u
#define LOCAL_BYTES	30
#define CENTRAL_BYTES	46
#define END_BYTES	22
#define END64_BYTES	56
#define LOCATOR_BYTES	20
#define DESCRIPTOR_MAX	24
#define FLAG_DESCRIPTOR 0x0008
#define FLAG_UTF8	0x0800
#define VERSION_MAX	45 /* zip64; what is beyond compresses or encrypts */
#define EXTRA_ZIP64	0x0001
#define EXTRA_UTF8_NAME 0x7075 /* another name for the member */
#define NONE32		0xffffffffu
#define NONE16		0xffffu

struct source {
	int fd;
	uint64_t base, size;
};

static uint16_t u16(const uint8_t *at)
{
	uint16_t n;

	memcpy(&n, at, sizeof(n));
	return le16toh(n);
}

static uint32_t u32(const uint8_t *at)
{
	uint32_t n;

	memcpy(&n, at, sizeof(n));
	return le32toh(n);
}

static uint64_t u64(const uint8_t *at)
{
	uint64_t n;

	memcpy(&n, at, sizeof(n));
	return le64toh(n);
}

static int get(const struct source *src, uint64_t offset, void *room, size_t len, struct err *e)
{
	uint64_t end;
	ssize_t n;

	if (__builtin_add_overflow(offset, len, &end) || offset < src->base || end > src->size)
		return err_set(e, -EBADMSG, "zip: something of %zu bytes at %llu is not inside it",
			       len, (unsigned long long)offset);
	n = sys_pread(src->fd, room, len, offset - src->base);
	if (n < 0)
		return err_set(e, (int)n, "read at %llu: %s", (unsigned long long)offset,
			       strerrordesc_np((int)-n));
	if ((size_t)n < len)
		return err_set(e, -EBADMSG, "the file is shorter than its size says");
	return 0;
}

/* The numbers that may stand in a zip64 extra field instead. */
struct wide {
	uint64_t size, packed, header;
};

/*
 * Reads the zip64 field. Its members are those of (size, packed, header) whose
 * 32 bits are all ones, in that order; some writers put size and packed there
 * without need, and then both places must agree or the needless one be zero.
 */
static int take_zip64(const uint8_t *at, size_t len, struct wide *wide, bool central, struct err *e)
{
	uint64_t *fields[3] = { &wide->size, &wide->packed, &wide->header };
	size_t count = central ? 3 : 2, wanted = 0;
	bool lax = len == 16 || (central && len == 24);

	for (size_t i = 0; i < count; i++)
		wanted += *fields[i] == NONE32;
	if (len == 8 * wanted) {
		for (size_t i = 0, k = 0; i < count; i++)
			if (*fields[i] == NONE32)
				*fields[i] = u64(at + 8 * k++);
		return 0;
	}
	for (size_t i = 0; lax && i < len / 8; i++) {
		uint64_t n = u64(at + 8 * i);

		/* Readers that go by the all-ones rule must come to the same. */
		lax = i < wanted ? *fields[i] == NONE32 : *fields[i] == n || n == 0;
		*fields[i] = i < wanted ? n : *fields[i];
	}
	return lax ? 0 : err_set(e, -EBADMSG, "its zip64 field does not fit its header");
}

static int take_extra(const uint8_t *at, size_t len, struct wide *wide, bool central, struct err *e)
{
	bool has_zip64 = false;

	while (len > 0) {
		size_t n = len >= 4 ? u16(at + 2) : 0;
		int r = 0;

		if (len < 4 || n > len - 4)
			return err_set(e, -EBADMSG, "its extra field is malformed");
		if (u16(at) == EXTRA_UTF8_NAME)
			return err_set(e, -EBADMSG, "its extra field gives it another name");
		if (u16(at) == EXTRA_ZIP64) {
			if (has_zip64)
				return err_set(e, -EBADMSG, "it has two zip64 fields");
			has_zip64 = true;
			r = take_zip64(at + 4, n, wide, central, e);
		}
		if (r < 0)
			return r;
		at += 4 + n;
		len -= 4 + n;
	}
	if (wide->size == NONE32 || wide->packed == NONE32 || (central && wide->header == NONE32))
		return err_set(e, -EBADMSG, "it wants a zip64 field and has none");
	return 0;
}

static int check_name(const uint8_t *name, size_t len, struct err *e)
{
	const char *text = (const char *)name;

	if (len > 0 && text[len - 1] == '/')
		return err_set(e, -EBADMSG,
			       "'%s' is a folder; a .conda has its members at the root",
			       QUOTE(text, len));
	if (len > NAME_BYTES_MAX)
		return err_set(e, -EBADMSG, "the name '%s' is too long", QUOTE(text, len));
	return pkg_refuse(path_check(text, len, e), e);
}

/* One central record at *at, which moves past it. */
static int read_central(const uint8_t **at, const uint8_t *end, struct zip_member *ret,
			struct err *e)
{
	const uint8_t *h = *at;
	size_t left = (size_t)(end - h), name_len, extra_len;
	struct wide wide;
	int r;

	if (left < CENTRAL_BYTES || u32(h) != CENTRAL_SIG)
		return err_set(e, -EBADMSG, "zip: a central record is missing or cut off");
	name_len = u16(h + 28);
	extra_len = u16(h + 30);
	if (name_len + extra_len > left - CENTRAL_BYTES)
		return err_set(e, -EBADMSG, "zip: a central record is cut off");
	r = check_name(h + CENTRAL_BYTES, name_len, e);
	if (r < 0)
		return err_wrap(e, r, "zip member");
	*ret = (struct zip_member){
		.version = u16(h + 6),
		.flags = u16(h + 8),
		.method = u16(h + 10),
		.time = u16(h + 12),
		.date = u16(h + 14),
		.crc = u32(h + 16),
	};
	memcpy(ret->name, h + CENTRAL_BYTES, name_len);
	wide = (struct wide){ .packed = u32(h + 20), .size = u32(h + 24), .header = u32(h + 42) };
	r = take_extra(h + CENTRAL_BYTES + name_len, extra_len, &wide, true, e);
	if (r == 0 && u16(h + 32) != 0)
		r = err_set(e, -EBADMSG, "it has a comment");
	if (r == 0 && u16(h + 34) != 0)
		r = err_set(e, -EBADMSG, "it is on another disk");
	if (r < 0)
		return err_wrap(e, r, "zip member '%s'", ret->name);
	ret->size = wide.size;
	ret->header = wide.header;
	*at = h + CENTRAL_BYTES + name_len + extra_len;
	if (ret->method != 0)
		return err_set(e, -EBADMSG, "zip member '%s': compressed (method %u), not stored",
			       ret->name, ret->method);
	if (wide.packed != wide.size)
		return err_set(e, -EBADMSG, "zip member '%s': stored, with two sizes", ret->name);
	if (ret->flags & ~(FLAG_DESCRIPTOR | FLAG_UTF8))
		return err_set(e, -EBADMSG, "zip member '%s': flags 0x%04x are not accepted",
			       ret->name, ret->flags);
	if (ret->version > VERSION_MAX)
		return err_set(e, -EBADMSG, "zip member '%s': needs version %u of zip", ret->name,
			       ret->version);
	return 0;
}

/* The descriptor behind a member's data: one of four forms, each with the central numbers. */
static int read_descriptor(const struct source *src, struct zip_member *m, uint64_t next,
			   struct err *e)
{
	uint64_t len = next - m->end;
	uint8_t h[DESCRIPTOR_MAX], *at = h;
	bool ok;
	int r;

	if (next < m->end || (len != 12 && len != 16 && len != 20 && len != 24))
		return err_set(e, -EBADMSG, "its data descriptor is missing");
	r = get(src, m->end, h, (size_t)len, e);
	if (r < 0)
		return r;
	if (len == 16 || len == 24) {
		if (u32(h) != DESCRIPTOR_SIG)
			return err_set(e, -EBADMSG, "its data descriptor has no signature");
		at += 4;
	}
	ok = u32(at) == m->crc;
	ok = ok && (len < 20 ? u32(at + 4) == m->size && u32(at + 8) == m->size
			     : u64(at + 4) == m->size && u64(at + 12) == m->size);
	if (!ok)
		return err_set(e, -EBADMSG, "its data descriptor differs from the central record");
	m->end = next;
	return 0;
}

static int check_same(const uint8_t *h, const struct zip_member *m, const struct wide *wide,
		      struct err *e)
{
	bool later = m->flags & FLAG_DESCRIPTOR; /* crc and sizes may be left for then */
	uint32_t crc = u32(h + 14);

	if (u16(h + 4) != m->version || u16(h + 6) != m->flags || u16(h + 8) != m->method ||
	    u16(h + 10) != m->time || u16(h + 12) != m->date)
		return err_set(e, -EBADMSG, "local header and central record differ");
	if (later && crc == 0 && wide->size == 0 && wide->packed == 0)
		return 0;
	if (crc != m->crc || wide->size != m->size || wide->packed != m->size)
		return err_set(e, -EBADMSG,
			       "local header and central record differ in size or CRC-32");
	return 0;
}

/* Checks the local header and finds the data. `next` is where the next thing starts. */
static int read_local(const struct source *src, struct zip_member *m, uint64_t next, struct err *e)
{
	AUTO_MEM uint8_t *rest = NULL;
	uint8_t h[LOCAL_BYTES];
	size_t name_len, extra_len;
	struct wide wide;
	int r = get(src, m->header, h, sizeof(h), e);

	if (r < 0)
		return r;
	if (u32(h) != LOCAL_SIG)
		return err_set(e, -EBADMSG, "no local header where its record points");
	name_len = u16(h + 26);
	extra_len = u16(h + 28);
	rest = malloc(name_len + extra_len + 1);
	if (!rest)
		return err_nomem(e);
	r = get(src, m->header + LOCAL_BYTES, rest, name_len + extra_len, e);
	if (r < 0)
		return r;
	if (name_len != strlen(m->name) || memcmp(rest, m->name, name_len) != 0)
		return err_set(e, -EBADMSG, "its local header calls it '%s'",
			       QUOTE((const char *)rest, name_len));
	wide = (struct wide){ .packed = u32(h + 18), .size = u32(h + 22) };
	r = take_extra(rest + name_len, extra_len, &wide, false, e);
	if (r == 0)
		r = check_same(h, m, &wide, e);
	if (r < 0)
		return r;
	m->data = m->header + LOCAL_BYTES + name_len + extra_len;
	if (__builtin_add_overflow(m->data, m->size, &m->end) || m->end > next)
		return err_set(e, -EBADMSG, "it overlaps what follows it");
	return m->flags & FLAG_DESCRIPTOR ? read_descriptor(src, m, next, e) : 0;
}

/* Offset of the member that is before base: its place is all that can be checked. */
static int check_place(const struct zip_member *m, uint64_t next, struct err *e)
{
	uint64_t end;

	if (__builtin_add_overflow(m->header, LOCAL_BYTES + strlen(m->name), &end) ||
	    __builtin_add_overflow(end, m->size, &end) || end > next)
		return err_set(e, -EBADMSG, "it overlaps what follows it");
	return 0;
}

static int read_locals(const struct source *src, struct zip *zip, struct err *e)
{
	uint64_t expected = 0;

	for (size_t i = 0; i < zip->count; i++) {
		struct zip_member *m = &zip->members[i];
		uint64_t next = i + 1 < zip->count ? zip->members[i + 1].header : zip->directory;
		int r;

		if (src->base == 0 && m->header != expected)
			r = err_set(e, -EBADMSG, "%llu bytes in front of it belong to nothing",
				    (unsigned long long)(m->header - expected));
		else if (m->header >= src->base)
			r = read_local(src, m, next, e);
		else
			r = check_place(m, next, e);
		/* Behind the last member that cannot be checked, all must be without gaps. */
		if (r == 0 && m->data > 0 && m->end != next)
			r = err_set(e, -EBADMSG, "%llu bytes behind it belong to nothing",
				    (unsigned long long)(next - m->end));
		if (r < 0)
			return err_wrap(e, r, "zip member '%s'", m->name);
		expected = m->end;
	}
	return 0;
}

static int by_header(const void *a, const void *b)
{
	const struct zip_member *x = a, *y = b;

	return x->header < y->header ? -1 : x->header > y->header;
}

/* Which part of a .conda the name is; '?' for none, 0 for a second reading of one. */
static char kind_of(const char *name)
{
	static const char tail[] = ".tar.zst";
	size_t len = strlen(name);
	bool info = strncmp(name, "info-", 5) == 0, pkg = strncmp(name, "pkg-", 4) == 0;

	if (strcmp(name, "metadata.json") == 0)
		return 'm';
	if (!info && !pkg)
		return '?';
	/* conda takes the first that starts so, whatever its end. */
	if (len < 5 + sizeof(tail) || strcmp(name + len - (sizeof(tail) - 1), tail) != 0)
		return '\0';
	return info ? 'i' : 'p';
}

static int find_parts(struct zip *zip, struct err *e)
{
	for (size_t i = 0; i < zip->count; i++) {
		const struct zip_member *m = &zip->members[i];
		char kind = kind_of(m->name);
		const struct zip_member **part = kind == 'm'   ? &zip->metadata
						 : kind == 'i' ? &zip->info
							       : &zip->pkg;

		for (size_t k = 0; k < i; k++)
			if (strcmp(zip->members[k].name, m->name) == 0)
				return err_set(e, -EBADMSG, "zip member '%s' stands twice in it",
					       m->name);
		if (kind == '?')
			continue;
		if (kind == '\0')
			return err_set(e, -EBADMSG, "zip member '%s' is no .tar.zst", m->name);
		if (*part)
			return err_set(e, -EBADMSG, "zip members '%s' and '%s': only one may be",
				       (*part)->name, m->name);
		*part = m;
	}
	if (!zip->info || !zip->pkg)
		return err_set(e, -EBADMSG,
			       "zip: there is no %s-*.tar.zst at its root, so no .conda",
			       zip->info ? "pkg" : "info");
	if (strcmp(zip->info->name + 5, zip->pkg->name + 4) != 0)
		return err_set(e, -EBADMSG, "zip members '%s' and '%s' are of two packages",
			       zip->info->name, zip->pkg->name);
	return 0;
}

struct directory {
	uint64_t offset, size, count, end; /* end: where the end records start */
};

static int read_end64(const struct source *src, struct directory *ret, struct err *e)
{
	uint8_t locator[LOCATOR_BYTES], h[END64_BYTES];
	uint64_t at = src->size - END_BYTES - LOCATOR_BYTES - END64_BYTES;
	int r;

	if (src->size < src->base + END_BYTES + LOCATOR_BYTES + END64_BYTES)
		return err_set(e, -EBADMSG, "zip: its zip64 records are missing");
	r = get(src, at, h, sizeof(h), e);
	if (r == 0)
		r = get(src, at + END64_BYTES, locator, sizeof(locator), e);
	if (r < 0)
		return r;
	if (u32(locator) != LOCATOR_SIG || u32(locator + 4) != 0 || u64(locator + 8) != at ||
	    u32(locator + 16) != 1 || u32(h) != END64_SIG || u64(h + 4) != END64_BYTES - 12 ||
	    u32(h + 16) != 0 || u32(h + 20) != 0 || u64(h + 24) != u64(h + 32))
		return err_set(e, -EBADMSG, "zip: its zip64 end records do not hold together");
	*ret = (struct directory){
		.count = u64(h + 32),
		.size = u64(h + 40),
		.offset = u64(h + 48),
		.end = at,
	};
	return 0;
}

/* Whether a 32- or 16-bit field says the same as the zip64 one, or leaves it to that. */
static bool agrees(uint64_t field, uint64_t none, uint64_t wide)
{
	return field == none || field == wide;
}

static int read_end(const struct source *src, struct directory *ret, struct err *e)
{
	uint8_t h[END_BYTES], sig[4] = { 0 };
	uint64_t end, at;
	bool wide;
	int r;

	if (src->size < END_BYTES)
		return err_set(e, -EBADMSG, "zip: %llu bytes are no archive",
			       (unsigned long long)src->size);
	at = src->size - END_BYTES;
	r = get(src, at, h, sizeof(h), e);
	if (r < 0)
		return r;
	if (u32(h) != END_SIG || u16(h + 20) != 0)
		return err_set(e, -EBADMSG,
			       "zip: it does not end with an end record without comment");
	if (at >= src->base + LOCATOR_BYTES) {
		r = get(src, at - LOCATOR_BYTES, sig, sizeof(sig), e);
		if (r < 0)
			return r;
	}
	*ret = (struct directory){
		.count = u16(h + 10),
		.size = u32(h + 12),
		.offset = u32(h + 16),
		.end = at,
	};
	wide = u32(sig) == LOCATOR_SIG;
	if (wide)
		r = read_end64(src, ret, e);
	if (r < 0)
		return r;
	if (u16(h + 4) != 0 || u16(h + 6) != 0 || u16(h + 8) != u16(h + 10) ||
	    !agrees(u16(h + 10), wide ? NONE16 : ret->count, ret->count) ||
	    !agrees(u32(h + 12), wide ? NONE32 : ret->size, ret->size) ||
	    !agrees(u32(h + 16), wide ? NONE32 : ret->offset, ret->offset))
		return err_set(e, -EBADMSG, "zip: its end records differ");
	if (__builtin_add_overflow(ret->offset, ret->size, &end) || end != ret->end)
		return err_set(e, -EBADMSG,
			       "zip: its central records do not end where its end record starts");
	if (ret->count == 0 || ret->count > ZIP_MEMBERS_MAX)
		return err_set(e, ret->count ? -EFBIG : -EBADMSG, "zip: %llu members, not 1 to %d",
			       (unsigned long long)ret->count, ZIP_MEMBERS_MAX);
	if (ret->size > ZIP_DIRECTORY_MAX)
		return err_set(e, -EFBIG, "zip: central records of %llu bytes",
			       (unsigned long long)ret->size);
	return 0;
}

static int read_records(const struct source *src, const struct directory *dir, struct zip *zip,
			struct err *e)
{
	AUTO_MEM uint8_t *bytes = malloc((size_t)dir->size + 1);
	const uint8_t *at = bytes, *end;
	int r;

	if (!bytes)
		return err_nomem(e);
	end = bytes + dir->size;
	r = get(src, dir->offset, bytes, (size_t)dir->size, e);
	for (; r == 0 && zip->count < dir->count; zip->count++)
		r = read_central(&at, end, &zip->members[zip->count], e);
	if (r < 0)
		return r;
	if (at != end)
		return err_set(e, -EBADMSG, "zip: more central records than its end record counts");
	qsort(zip->members, zip->count, sizeof(zip->members[0]), by_header);
	return 0;
}

int zip_read(struct zip *ret, int fd, uint64_t base, uint64_t size, uint64_t *ret_need,
	     struct err *e)
{
	struct source src = { fd, base, size };
	struct directory dir = { 0 };
	int r;

	assert(base == 0 || ret_need);
	*ret = (struct zip){ 0 };
	r = read_end(&src, &dir, e);
	if (r < 0)
		return r;
	if (dir.offset < base) {
		*ret_need = dir.offset;
		return err_set(e, -EAGAIN, "zip: the central records are before the tail");
	}
	ret->directory = dir.offset;
	r = read_records(&src, &dir, ret, e);
	if (r == 0)
		r = find_parts(ret, e);
	if (r < 0)
		return r;
	if (ret->info->header < base) {
		*ret_need = ret->info->header;
		return err_set(e, -EAGAIN, "zip: the info- member is before the tail");
	}
	return read_locals(&src, ret, e);
}
