/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a converted index. All of it is untrusted: every offset is checked when followed. */
#include "channel/repodata.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/sys.h"
#include "channel/repodata_file.h"
#include "channel/repodata_map.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct repodata {
	const void *map; /* owned */
	size_t len;
	struct rdfile_header header; /* a copy: checked once, it cannot change after */
	const char *strings;
	const uint32_t *texts, *lists;
	const struct rdfile_name *names;
	const struct rdfile_record *records;
	_Atomic bool damaged;
};

static size_t element_bytes(enum rdfile_section_id id)
{
	switch (id) {
	case RDFILE_STRINGS:
		return 1;
	case RDFILE_TEXTS:
	case RDFILE_LISTS:
		return sizeof(uint32_t);
	case RDFILE_NAMES:
		return sizeof(struct rdfile_name);
	case RDFILE_RECORDS:
		return sizeof(struct rdfile_record);
	default:
		return sizeof(struct rdfile_lookup);
	}
}

static size_t section_count(const struct repodata *rd, enum rdfile_section_id id)
{
	return rd->header.sections[id].bytes / element_bytes(id);
}

static const void *section(const struct repodata *rd, enum rdfile_section_id id)
{
	return (const char *)rd->map + rd->header.sections[id].offset;
}

static void set_damaged(const struct repodata *rd)
{
	/* The only thing of a repodata that changes; a hint that nothing else depends on. */
	atomic_store_explicit((_Atomic bool *)(uintptr_t)&rd->damaged, true, memory_order_relaxed);
}

static const char *string(const struct repodata *rd, uint32_t offset)
{
	if (offset < rd->header.sections[RDFILE_STRINGS].bytes)
		return rd->strings + offset;
	set_damaged(rd);
	return "";
}

/* Sets rd->strings once they are known to lie inside. */
static int check_sections(struct repodata *rd, struct err *e)
{
	const struct rdfile_header *h = &rd->header;

	for (enum rdfile_section_id id = 0; id < RDFILE_SECTIONS; id++) {
		const struct rdfile_section *s = &h->sections[id];
		uint64_t end;

		if (__builtin_add_overflow(s->offset, s->bytes, &end) || end > rd->len ||
		    s->offset % RDFILE_ALIGN != 0 || s->bytes % element_bytes(id) != 0)
			return err_set(e, -EBADMSG, "section %u lies outside", id);
	}
	if (section_count(rd, RDFILE_RECORDS) != h->records || h->shown > h->records ||
	    section_count(rd, RDFILE_TEXTS) != h->texts ||
	    section_count(rd, RDFILE_NAMES) != (uint64_t)h->names + 1)
		return err_set(e, -EBADMSG, "its counts do not agree");
	rd->strings = section(rd, RDFILE_STRINGS);
	if (h->sections[RDFILE_STRINGS].bytes == 0 ||
	    rd->strings[h->sections[RDFILE_STRINGS].bytes - 1] != '\0')
		return err_set(e, -EBADMSG, "its strings do not end");
	return 0;
}

static int check_header(struct repodata *rd, struct err *e)
{
	const struct rdfile_header *h = &rd->header;

	if (rd->len < sizeof(*h))
		return err_set(e, -EBADMSG, "too short");
	memcpy(&rd->header, rd->map, sizeof(*h));
	if (h->magic != RDFILE_MAGIC || h->version != RDFILE_VERSION ||
	    h->header_bytes != sizeof(*h))
		return err_set(e, -EBADMSG, "another format or version");
	if (h->xxh != xxh64(h, offsetof(struct rdfile_header, xxh)))
		return err_set(e, -EBADMSG, "its header is damaged");
	if (h->file_bytes != rd->len)
		return err_set(e, -EBADMSG, "cut off");
	return check_sections(rd, e);
}

int repodata_map(struct repodata **ret, int fd, struct err *e)
{
	AUTO(repodata_freep) struct repodata *rd = calloc(1, sizeof(*rd));
	int r;

	if (!rd)
		return err_nomem(e);
	r = sys_map(fd, &rd->map, &rd->len);
	if (r < 0)
		return err_set(e, r, "%s", strerror(-r));
	r = check_header(rd, e);
	if (r < 0)
		return r;
	rd->texts = section(rd, RDFILE_TEXTS);
	rd->lists = section(rd, RDFILE_LISTS);
	rd->names = section(rd, RDFILE_NAMES);
	rd->records = section(rd, RDFILE_RECORDS);
	*ret = TAKE_PTR(rd);
	return 0;
}

int repodata_open(struct repodata **ret, struct store *st, const char *key, struct err *e)
{
	char name[NAME_BYTES_MAX];
	int r;

	(void)snprintf(name, sizeof(name), "%s.idx", key);
	if (st->channels < 0)
		return err_set(e, -ENOENT, "channel index '%s': none", name);
	AUTO_FD fd = sys_openat(st->channels, name, O_RDONLY | O_NOFOLLOW, 0);
	if (fd < 0)
		return err_set(e, fd, "channel index '%s': %s", name, strerror(-fd));
	r = repodata_map(ret, fd, e);
	return r < 0 ? err_wrap(e, r, "channel index '%s'", name) : 0;
}

struct repodata *repodata_free(struct repodata *rd)
{
	if (!rd)
		return NULL;
	sys_unmap(rd->map, rd->len);
	free(rd);
	return NULL;
}

const char *repodata_channel_url(const struct repodata *rd)
{
	return string(rd, rd->header.channel_url);
}

const char *repodata_subdir(const struct repodata *rd)
{
	return string(rd, rd->header.subdir);
}

uint32_t repodata_count(const struct repodata *rd)
{
	return rd->header.shown;
}

uint32_t repodata_total(const struct repodata *rd)
{
	return rd->header.records;
}

uint32_t repodata_skipped(const struct repodata *rd, const char **ret_why)
{
	if (ret_why)
		*ret_why = string(rd, rd->header.skipped_why);
	return rd->header.skipped;
}

bool repodata_damaged(const struct repodata *rd)
{
	return atomic_load_explicit(&rd->damaged, memory_order_relaxed);
}

int repodata_verify(const struct repodata *rd, struct err *e)
{
	int r = 0;

	for (enum rdfile_section_id id = 0; id < RDFILE_SECTIONS && r == 0; id++) {
		const struct rdfile_section *s = &rd->header.sections[id];

		if (xxh64(section(rd, id), s->bytes) != s->xxh)
			r = err_set(e, -EBADMSG, "channel index of '%s/%s': section %u is damaged",
				    repodata_channel_url(rd), repodata_subdir(rd), id);
	}
	/* A solve reads a few pages of it; the rest should not count as its memory. */
	sys_map_forget(rd->map, rd->len);
	return r;
}

/* A list of text ids; an id that is none would lead a caller's table astray. */
static bool list(const struct repodata *rd, uint32_t first, uint32_t count, const uint32_t **ret)
{
	size_t have = section_count(rd, RDFILE_LISTS);

	*ret = rd->lists;
	if (first > have || count > have - first)
		return false;
	*ret = rd->lists + first;
	for (uint32_t i = 0; i < count; i++)
		if ((*ret)[i] >= rd->header.texts)
			return false;
	return true;
}

void repodata_record(const struct repodata *rd, uint32_t i, struct record *ret)
{
	static const struct record damaged = {
		.fn = "",
		.name = "",
		.version = "",
		.build = "",
		.subdir = "",
		.noarch = "",
		.track_features = "",
		.features = "",
		.license = "",
		.python_site_packages_path = "",
		.rest_json = "",
		.revoked = true,
	};
	const struct rdfile_record *rec;

	assert(i < rd->header.records);
	rec = &rd->records[i];
	*ret = (struct record){
		.fn = string(rd, rec->fn),
		.name = string(rd, rec->name),
		.version = string(rd, rec->version),
		.build = string(rd, rec->build),
		.subdir = string(rd, rec->subdir),
		.noarch = string(rd, rec->noarch),
		.build_number = rec->build_number,
		.size = rec->size,
		.timestamp_ms = rec->timestamp_ms,
		.track_features = string(rd, rec->track_features),
		.features = string(rd, rec->features),
		.license = string(rd, rec->license),
		.python_site_packages_path = string(rd, rec->site_packages),
		.depend_count = rec->depend_count,
		.constrain_count = rec->constrain_count,
		.revoked = rec->flags & RDFILE_REVOKED,
		.rest_json = string(rd, rec->rest),
	};
	memcpy(ret->sha256.bytes, rec->sha256, sizeof(rec->sha256));
	memcpy(ret->md5.bytes, rec->md5, sizeof(rec->md5));
	if (!list(rd, rec->depends, rec->depend_count, &ret->depends) ||
	    !list(rd, rec->constrains, rec->constrain_count, &ret->constrains)) {
		set_damaged(rd);
		*ret = damaged;
	}
}

uint32_t repodata_name_count(const struct repodata *rd)
{
	return rd->header.names;
}

const char *repodata_name(const struct repodata *rd, uint32_t i)
{
	assert(i < rd->header.names);
	return string(rd, rd->names[i].name);
}

uint32_t repodata_find(const struct repodata *rd, const char *name, uint32_t *ret_first)
{
	uint32_t low = 0, high = rd->header.names, first, next;

	*ret_first = 0;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (strcmp(repodata_name(rd, middle), name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == rd->header.names || strcmp(repodata_name(rd, low), name) != 0)
		return 0;
	first = rd->names[low].first;
	next = rd->names[low + 1].first;
	if (first > next || next > rd->header.shown) {
		set_damaged(rd);
		return 0;
	}
	*ret_first = first;
	return next - first;
}

uint32_t repodata_text_count(const struct repodata *rd)
{
	return rd->header.texts;
}

const char *repodata_text(const struct repodata *rd, uint32_t id)
{
	assert(id < rd->header.texts);
	return string(rd, rd->texts[id]);
}

int repodata_url(const struct repodata *rd, uint32_t i, struct buf *ret, struct err *e)
{
	const char *fn;

	assert(i < rd->header.records);
	buf_adds(ret, string(rd, rd->header.base_url));
	for (fn = string(rd, rd->records[i].fn); *fn; fn++) {
		if (isalnum((unsigned char)*fn) || strchr("-._+!~@,=", *fn))
			buf_addc(ret, *fn);
		else
			buf_addf(ret, "%%%02X", (unsigned char)*fn);
	}
	return buf_end(ret, e);
}

static void write_list(struct jsonw *w, const struct repodata *rd, const char *key,
		       const uint32_t *ids, uint32_t count)
{
	jsonw_key(w, key);
	jsonw_array(w);
	for (uint32_t i = 0; i < count; i++)
		jsonw_text(w, repodata_text(rd, ids[i]));
	jsonw_array_end(w);
}

static void write_hex(struct jsonw *w, const char *key, const uint8_t *bytes, size_t len)
{
	char hex[DIGEST_HEX_BYTES];

	hex_print(bytes, len, hex);
	jsonw_member_text(w, key, hex);
}

int repodata_record_json(const struct repodata *rd, uint32_t i, struct buf *ret, struct err *e)
{
	struct jsonw w = JSONW(ret, 0);
	struct record rec;
	uint32_t has;
	uint64_t timestamp;

	repodata_record(rd, i, &rec);
	if (!rec.name[0])
		return err_set(e, -EBADMSG, "channel index of '%s/%s': record %u is damaged",
			       repodata_channel_url(rd), repodata_subdir(rd), i);
	has = rd->records[i].flags;
	timestamp = has & RDFILE_TIMESTAMP_SECONDS ? rec.timestamp_ms / 1000 : rec.timestamp_ms;
	jsonw_object(&w);
	if (has & RDFILE_HAS_BUILD)
		jsonw_member_text(&w, "build", rec.build);
	if (has & RDFILE_HAS_BUILD_NUMBER)
		jsonw_member_u64(&w, "build_number", rec.build_number);
	if (has & RDFILE_HAS_CONSTRAINS)
		write_list(&w, rd, "constrains", rec.constrains, rec.constrain_count);
	if (has & RDFILE_HAS_DEPENDS)
		write_list(&w, rd, "depends", rec.depends, rec.depend_count);
	if (has & RDFILE_HAS_FEATURES)
		jsonw_member_text(&w, "features", rec.features);
	if (has & RDFILE_HAS_LICENSE)
		jsonw_member_text(&w, "license", rec.license);
	if (has & RDFILE_HAS_MD5)
		write_hex(&w, "md5", rec.md5.bytes, MD5_BYTES);
	if (has & RDFILE_HAS_NAME)
		jsonw_member_text(&w, "name", rec.name);
	if (has & RDFILE_HAS_NOARCH)
		jsonw_member_text(&w, "noarch", rec.noarch);
	if (has & RDFILE_HAS_SITE_PACKAGES)
		jsonw_member_text(&w, "python_site_packages_path", rec.python_site_packages_path);
	if (has & RDFILE_HAS_SHA256)
		write_hex(&w, "sha256", rec.sha256.bytes, DIGEST_BYTES);
	if (has & RDFILE_HAS_SIZE)
		jsonw_member_u64(&w, "size", rec.size);
	if (has & RDFILE_HAS_SUBDIR)
		jsonw_member_text(&w, "subdir", rec.subdir);
	if (has & RDFILE_HAS_TIMESTAMP)
		jsonw_member_u64(&w, "timestamp", timestamp);
	if (has & RDFILE_HAS_TRACK_FEATURES)
		jsonw_member_text(&w, "track_features", rec.track_features);
	if (has & RDFILE_HAS_VERSION)
		jsonw_member_text(&w, "version", rec.version);
	/* The others join as they are. */
	if (rec.rest_json[0] == '{') {
		buf_adds(ret, ret->bytes[ret->len - 1] == '{' ? "" : ",");
		buf_adds(ret, rec.rest_json + 1);
	} else {
		jsonw_object_end(&w);
	}
	return buf_end(ret, e);
}

/* What an artifact is looked for by. */
struct wanted {
	const struct digest *sha256; /* NULL: not known */
	const struct md5 *md5;
	const char *fn;
};

/* Same hash, or same file name; and no hash that both know may differ. */
static bool is_wanted(const struct repodata *rd, const struct wanted *w, uint32_t i)
{
	const struct rdfile_record *rec;
	bool same = false;

	if (i >= rd->header.records)
		return false;
	rec = &rd->records[i];
	if (w->sha256 && !digest_is_zero((const struct digest *)rec->sha256)) {
		if (memcmp(rec->sha256, w->sha256->bytes, sizeof(rec->sha256)) != 0)
			return false;
		same = true;
	}
	if (w->md5 && !md5_is_zero((const struct md5 *)rec->md5)) {
		if (memcmp(rec->md5, w->md5->bytes, sizeof(rec->md5)) != 0)
			return false;
		same = true;
	}
	return same || (w->fn && strcmp(string(rd, rec->fn), w->fn) == 0);
}

static int64_t look_up(const struct repodata *rd, enum rdfile_section_id by, const void *hash,
		       const struct wanted *w)
{
	const struct rdfile_lookup *table = section(rd, by);
	size_t low = 0, count = section_count(rd, by), high = count;
	uint32_t key = rdfile_key(hash);

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (table[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < count && table[low].key == key; low++)
		if (is_wanted(rd, w, table[low].record))
			return table[low].record;
	return -1;
}

int64_t repodata_find_artifact(const struct repodata *rd, const struct digest *sha256,
			       const struct md5 *md5, const char *fn)
{
	struct wanted w = {
		.sha256 = sha256 && !digest_is_zero(sha256) ? sha256 : NULL,
		.md5 = md5 && !md5_is_zero(md5) ? md5 : NULL,
		.fn = fn,
	};
	uint64_t hash = fn ? xxh64(fn, strlen(fn)) : 0;
	int64_t found = w.sha256 ? look_up(rd, RDFILE_BY_SHA256, w.sha256, &w) : -1;

	if (found < 0 && w.md5)
		found = look_up(rd, RDFILE_BY_MD5, w.md5, &w);
	if (found < 0 && fn)
		found = look_up(rd, RDFILE_BY_FN, &hash, &w);
	return found;
}
