/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/repodata_convert.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/path.h"
#include "base/url.h"
#include "channel/repodata_build.h"
#include "channel/scan.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* conda takes larger timestamps for milliseconds (it is the year 9999 in seconds). */
#define TIMESTAMP_SECONDS_MAX 253402300799ULL
#define REPODATA_VERSION_MAX  3

enum member_kind { TEXT, NUMBER, TIMESTAMP, LIST, HEX, NOARCH, FEATURES, REVOKED };

/* A member of a record that has a field of its own. */
static const struct member {
	const char *key;
	enum member_kind kind;
	size_t offset; /* in struct rdfile_record; for LIST of `depends` or `constrains` */
	size_t len;    /* HEX: bytes */
	uint32_t flag;
} members[] = {
#define FIELD(f) offsetof(struct rdfile_record, f)
	{ "build", TEXT, FIELD(build), 0, RDFILE_HAS_BUILD },
	{ "build_number", NUMBER, FIELD(build_number), 0, RDFILE_HAS_BUILD_NUMBER },
	{ "constrains", LIST, FIELD(constrains), 0, RDFILE_HAS_CONSTRAINS },
	{ "depends", LIST, FIELD(depends), 0, RDFILE_HAS_DEPENDS },
	{ "features", FEATURES, FIELD(features), 0, RDFILE_HAS_FEATURES },
	{ "license", TEXT, FIELD(license), 0, RDFILE_HAS_LICENSE },
	{ "md5", HEX, FIELD(md5), MD5_BYTES, RDFILE_HAS_MD5 },
	{ "name", TEXT, FIELD(name), 0, RDFILE_HAS_NAME },
	{ "noarch", NOARCH, FIELD(noarch), 0, RDFILE_HAS_NOARCH },
	{ "python_site_packages_path", TEXT, FIELD(site_packages), 0, RDFILE_HAS_SITE_PACKAGES },
	{ "revoked", REVOKED, 0, 0, RDFILE_REVOKED },
	{ "sha256", HEX, FIELD(sha256), DIGEST_BYTES, RDFILE_HAS_SHA256 },
	{ "size", NUMBER, FIELD(size), 0, RDFILE_HAS_SIZE },
	{ "subdir", TEXT, FIELD(subdir), 0, RDFILE_HAS_SUBDIR },
	{ "timestamp", TIMESTAMP, FIELD(timestamp_ms), 0, RDFILE_HAS_TIMESTAMP },
	{ "track_features", FEATURES, FIELD(track_features), 0, RDFILE_HAS_TRACK_FEATURES },
	{ "version", TEXT, FIELD(version), 0, RDFILE_HAS_VERSION },
#undef FIELD
};

static int by_key(const void *key, const void *member)
{
	return strcmp(key, ((const struct member *)member)->key);
}

/* One record under conversion. */
struct work {
	struct repodata_build *b;
	struct rdfile_record rec;
	uint32_t seen;	    /* flags of the members met: of a second one nothing counts */
	struct buf rest;    /* the members without a field, as published */
	struct buf scratch; /* for what is put together */
};

/* Where the bytes of each member stand in a record's text, which json_parse() has passed. */
struct raw {
	const char *at, *end;
};

static const char *blanks(const char *at, const char *end)
{
	while (at < end && (unsigned char)*at <= ' ')
		at++;
	return at;
}

static const char *string_end(const char *at, const char *end)
{
	for (at++; at < end && *at != '"'; at++)
		if (*at == '\\')
			at++;
	return at < end ? at + 1 : end;
}

static const char *value_end(const char *at, const char *end)
{
	int depth = 0;

	while (at < end) {
		char c = *at;

		if (c == '"') {
			at = string_end(at, end);
		} else {
			if (depth == 0 && (c == ',' || c == '}' || c == ']'))
				return at;
			depth += (c == '{' || c == '[') - (c == '}' || c == ']');
			at++;
		}
		if (depth == 0 && (c == '"' || c == '}' || c == ']'))
			return at;
	}
	return end;
}

/* The next member, key to the end of its value. */
static void raw_next(struct raw *r, const char **ret_key, const char **ret_value,
		     const char **ret_end)
{
	r->at = blanks(r->at, r->end);
	if (r->at < r->end && (*r->at == '{' || *r->at == ','))
		r->at = blanks(r->at + 1, r->end);
	*ret_key = r->at;
	r->at = blanks(string_end(r->at, r->end), r->end);
	if (r->at < r->end)
		r->at = blanks(r->at + 1, r->end); /* the colon */
	*ret_value = r->at;
	r->at = value_end(r->at, r->end);
	*ret_end = r->at;
	while (*ret_end > *ret_value && (unsigned char)(*ret_end)[-1] <= ' ')
		(*ret_end)--;
}

/* A member without the blanks between its parts, so that equal ones become one string. */
static void add_compact(struct buf *b, const char *at, const char *end)
{
	while (at < end) {
		const char *from = at;

		while (at < end && (unsigned char)*at > ' ')
			at = *at == '"' ? string_end(at, end) : at + 1;
		buf_add(b, from, (size_t)(at - from));
		at = blanks(at, end);
	}
}

static int set_text(struct work *w, size_t offset, const char *text, size_t len, struct err *e)
{
	return repodata_build_string(w->b, text, len, (uint32_t *)((char *)&w->rec + offset), e);
}

/* Integers as such, as 1.0 or "1". Whether the field says just what was published. */
static int take_number(struct work *w, const struct member *m, const struct json *v,
		       const char *raw, size_t raw_len)
{
	uint64_t n = 0;
	char *end;
	bool same = false;

	if (json_u64(v, &n))
		same = raw_len <= 16 && strspn(raw, "0123456789") >= raw_len;
	else if (json_text(v) && isdigit((unsigned char)json_text(v)[0])) {
		errno = 0;
		n = strtoull(json_text(v), &end, 10);
		if (*end || errno)
			n = 0;
	}
	if (m->kind == TIMESTAMP && n <= TIMESTAMP_SECONDS_MAX) {
		n *= 1000;
		w->rec.flags |= RDFILE_TIMESTAMP_SECONDS;
	}
	memcpy((char *)&w->rec + m->offset, &n, sizeof(n));
	return same;
}

static int take_hex(struct work *w, const struct member *m, const struct json *v)
{
	uint8_t hash[DIGEST_BYTES];
	const char *text = json_text(v);

	if (!text || !hex_parse(text, strlen(text), hash, m->len))
		return 0;
	memcpy((char *)&w->rec + m->offset, hash, m->len);
	return strspn(text, "0123456789abcdef") == 2 * m->len;
}

/* A list of texts; null is an empty one. -EINVAL: the record is of no use. */
static int take_list(struct work *w, const struct member *m, const struct json *v, struct err *e)
{
	uint32_t at[2] = { (uint32_t)w->b->list_count, 0 };
	struct json_iter it = json_iter(v);
	const struct json *item;
	int r;

	if (json_type(v) != JSON_ARRAY && json_type(v) != JSON_NULL)
		return err_set(e, -EINVAL, "'%s' is not a list", m->key);
	while ((item = json_next(&it))) {
		const char *text = json_text(item);

		if (!text)
			return err_set(e, -EINVAL, "'%s' holds what is not a text", m->key);
		if (!text_is_clean(text, strlen(text)))
			return err_set(e, -EINVAL, "'%s' holds control bytes", m->key);
		r = repodata_build_text(w->b, text, strlen(text), e);
		if (r < 0)
			return r;
		at[1]++;
	}
	memcpy((char *)&w->rec + m->offset, at, sizeof(at));
	return json_type(v) == JSON_ARRAY;
}

static int take_text(struct work *w, const struct member *m, const struct json *v, struct err *e)
{
	const char *text = json_text(v);
	int r;

	if (!text)
		return 0;
	r = set_text(w, m->offset, text, strlen(text), e);
	return r < 0 ? r : 1;
}

/* "a,b", "a b" or ["a", "b"] become "a b". */
static int take_features(struct work *w, const struct member *m, const struct json *v,
			 struct err *e)
{
	struct json_iter it = json_iter(v);
	const struct json *item = json_type(v) == JSON_STRING ? v : json_next(&it);
	int r;

	buf_clear(&w->scratch);
	for (; item; item = item == v ? NULL : json_next(&it)) {
		const char *text = json_text(item) ? json_text(item) : "";

		for (size_t len; *text; text += len) {
			text += strspn(text, " ,\t\n");
			len = strcspn(text, " ,\t\n");
			if (len > 0 && w->scratch.len > 0)
				buf_addc(&w->scratch, ' ');
			buf_add(&w->scratch, text, len);
		}
	}
	r = buf_end(&w->scratch, e);
	if (r == 0)
		r = set_text(w, m->offset, w->scratch.bytes, w->scratch.len, e);
	if (r < 0)
		return r;
	return json_text(v) && strcmp(json_text(v), w->scratch.bytes) == 0;
}

static int take_noarch(struct work *w, const struct member *m, const struct json *v, struct err *e)
{
	const char *text = json_text(v);
	bool known = text && (strcmp(text, "python") == 0 || strcmp(text, "generic") == 0);
	int r;

	if (!known && !json_true(v))
		return 0;
	/* `true` is how it was written before there were kinds. */
	r = set_text(w, m->offset, known ? text : "generic", strlen(known ? text : "generic"), e);
	return r < 0 ? r : known;
}

/* Into its field. 1: the field says just what was published; 0: it stays in `rest` too. */
static int take(struct work *w, const struct member *m, const struct json *v, const char *raw,
		size_t raw_len, struct err *e)
{
	switch (m->kind) {
	case TEXT:
		return take_text(w, m, v, e);
	case NUMBER:
	case TIMESTAMP:
		return take_number(w, m, v, raw, raw_len);
	case LIST:
		return take_list(w, m, v, e);
	case HEX:
		return take_hex(w, m, v);
	case NOARCH:
		return take_noarch(w, m, v, e);
	case FEATURES:
		return take_features(w, m, v, e);
	case REVOKED:
		w->rec.flags |= json_true(v) ? RDFILE_REVOKED : 0;
		return 0;
	}
	return 0;
}

static int take_member(struct work *w, const char *key, const struct json *v, struct raw *raw,
		       struct err *e)
{
	const struct member *m =
		bsearch(key, members, ARRAY_LEN(members), sizeof(members[0]), by_key);
	const char *key_at, *value_at, *end;
	int r = 0;

	raw_next(raw, &key_at, &value_at, &end);
	if (m) {
		if (w->seen & m->flag)
			return 0;
		w->seen |= m->flag;
		r = take(w, m, v, value_at, (size_t)(end - value_at), e);
		if (r < 0)
			return r;
		if (r > 0)
			w->rec.flags |= m->flag;
	}
	if (r == 0) {
		buf_addc(&w->rest, w->rest.len > 0 ? ',' : '{');
		add_compact(&w->rest, key_at, end);
	}
	return 0;
}

static bool made_of(const char *text, size_t max, const char *more)
{
	size_t len = strlen(text);

	if (len == 0 || len > max)
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr(more, text[i]))
			return false;
	return true;
}

static bool is_archive(const char *fn, size_t len)
{
	return (len > 6 && memcmp(fn + len - 6, ".conda", 6) == 0) ||
	       (len > 8 && memcmp(fn + len - 8, ".tar.bz2", 8) == 0);
}

/* Names, versions and builds become parts of paths and URLs. CEP 26's limits, doubled,
 * and what older channels have used. */
static int check_record(const struct work *w, const char *fn, size_t fn_len, struct err *e)
{
	const char *strings = w->b->strings.bytes;
	const char *name = strings + w->rec.name, *version = strings + w->rec.version;
	const char *build = strings + w->rec.build, *subdir = strings + w->rec.subdir;
	int r = path_check_name(fn, fn_len, e);

	if (r < 0)
		return r;
	if (memchr(fn, '\\', fn_len))
		return err_set(e, -EINVAL, "its file name holds a backslash");
	if (!is_archive(fn, fn_len))
		return err_set(e, -EINVAL, "neither .conda nor .tar.bz2");
	if (!made_of(name, 2 * PACKAGE_NAME_MAX, "._-+"))
		return err_set(e, -EINVAL, "its name is '%s'", QUOTE(name, strlen(name)));
	if (!made_of(version, 2 * VERSION_BYTES_MAX, "._-+!"))
		return err_set(e, -EINVAL, "its version is '%s'", QUOTE(version, strlen(version)));
	if (!made_of(build, 2 * BUILD_BYTES_MAX, "._-+"))
		return err_set(e, -EINVAL, "its build is '%s'", QUOTE(build, strlen(build)));
	if (!made_of(subdir, SUBDIR_BYTES_MAX, "_-"))
		return err_set(e, -EINVAL, "its subdir is '%s'", QUOTE(subdir, strlen(subdir)));
	return 0;
}

static int take_record(struct work *w, const char *fn, size_t fn_len, const char *text, size_t len,
		       struct err *e)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	struct raw raw = { text, text + len };
	struct json_iter it;
	const struct json *v;
	int r = json_parse(&doc, text, len, e);

	if (r < 0)
		return r;
	if (json_type(json_root(doc)) != JSON_OBJECT)
		return err_set(e, -EINVAL, "not an object");
	w->rec = (struct rdfile_record){ .subdir = w->b->subdir };
	w->seen = 0;
	buf_clear(&w->rest);
	it = json_iter(json_root(doc));
	while ((v = json_next(&it))) {
		r = take_member(w, it.key, v, &raw, e);
		if (r < 0)
			return r;
	}
	if (w->rest.len > 0)
		buf_addc(&w->rest, '}');
	r = buf_end(&w->rest, e);
	if (r == 0)
		r = check_record(w, fn, fn_len, e);
	if (r == 0)
		r = repodata_build_string(w->b, fn, fn_len, &w->rec.fn, e);
	if (r == 0)
		r = repodata_build_string(w->b, w->rest.bytes, w->rest.len, &w->rec.rest, e);
	return r < 0 ? r : repodata_build_add(w->b, &w->rec, e);
}

/* A record of no use is counted, and the first one's reason kept. */
static int skip_record(struct repodata_build *b, const char *fn, size_t fn_len,
		       const struct err *why, struct err *e)
{
	AUTO_BUF text = BUF(2 * ERR_TEXT_BYTES);

	if (b->skipped++ > 0)
		return 0;
	buf_addf(&text, "'%s': %s", QUOTE(fn, fn_len), why->text);
	if (buf_end(&text, NULL) < 0)
		return err_nomem(e);
	return repodata_build_string(b, text.bytes, text.len, &b->skipped_why, e);
}

static int take_records(struct work *w, struct scan *s, struct err *e)
{
	int r = scan_peek(s, e);

	if (r == 'n') /* null: no such packages */
		return scan_skip(s, e);
	if (r >= 0)
		r = scan_object(s, e);
	while (r >= 0) {
		const char *fn, *text;
		size_t fn_len, len, lists = w->b->list_count;
		struct err why;

		r = scan_member(s, &fn, &fn_len, e);
		if (r <= 0)
			return r;
		r = scan_value(s, &text, &len, e);
		if (r < 0)
			return r;
		r = take_record(w, fn, fn_len, text, len, &why);
		if (r == -EINVAL) {
			w->b->list_count = lists;
			r = skip_record(w->b, fn, fn_len, &why, e);
		} else if (r < 0) {
			return err_set(e, r, "record '%s': %s", QUOTE(fn, fn_len), why.text);
		}
	}
	return r;
}

static int take_removed(struct repodata_build *b, struct scan *s, struct err *e)
{
	int r = scan_peek(s, e);

	if (r >= 0 && r != '[')
		return scan_skip(s, e);
	if (r >= 0)
		r = scan_array(s, e);
	while (r >= 0) {
		AUTO(json_doc_freep) struct json_doc *doc = NULL;
		const char *text;
		uint32_t id;
		size_t len;

		r = scan_element(s, e);
		if (r <= 0)
			return r;
		r = scan_value(s, &text, &len, e);
		if (r == 0)
			r = json_parse(&doc, text, len, e);
		if (r < 0)
			return r;
		text = json_text(json_root(doc));
		if (text)
			r = intern_put(&b->removed, text, strlen(text), &id, e);
	}
	return r;
}

/* CEP 15: absolute, or relative to where the document is. It may not lead from a server
 * to this machine's files. */
static int take_base_url(struct repodata_build *b, const char *base, const char *document,
			 struct err *e)
{
	AUTO_BUF joined = BUF(URL_BYTES_MAX);
	AUTO_BUF plain = BUF(URL_BYTES_MAX);
	int r = url_join(document, base, &joined, e);

	if (r == 0)
		r = url_check(joined.bytes, e);
	if (r == 0 && url_is_file(joined.bytes) && !url_is_file(document))
		r = err_set(e, -EINVAL, "it leads to local files");
	if (r < 0)
		return err_wrap(e, r, "info.base_url '%s'", URL_SHOWN(base));
	url_strip(joined.bytes, &plain);
	if (plain.len > 0 && plain.bytes[plain.len - 1] != '/')
		buf_addc(&plain, '/');
	r = buf_end(&plain, e);
	return r < 0 ? r : repodata_build_string(b, plain.bytes, plain.len, &b->base_url, e);
}

/* info and repodata_version. */
static int take_head(struct repodata_build *b, struct scan *s, const char *key,
		     const char *document, struct err *e)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	const char *text, *base;
	uint64_t version;
	size_t len;
	bool info = strcmp(key, "info") == 0;
	int r = scan_value(s, &text, &len, e);

	if (r == 0)
		r = json_parse(&doc, text, len, e);
	if (r < 0)
		return err_wrap(e, r, "'%s'", info ? "info" : "repodata_version");
	if (!info) {
		if (json_u64(json_root(doc), &version) && version > REPODATA_VERSION_MAX)
			return err_set(e, -EPROTO,
				       "repodata_version %llu, this envfs reads up to %d: a newer "
				       "envfs is needed",
				       (unsigned long long)version, REPODATA_VERSION_MAX);
		return 0;
	}
	base = json_get_text(json_root(doc), "base_url");
	return base && base[0] ? take_base_url(b, base, document, e) : 0;
}

static int take_document(struct work *w, struct scan *s, const char *document, struct err *e)
{
	int r = scan_peek(s, e);

	if (r == 0) /* an empty file is {} */
		return 0;
	if (r == '<')
		return err_set(e, -EINVAL,
			       "not JSON but what looks like HTML: is this a channel, "
			       "or does a login page or proxy stand before it?");
	if (r > 0)
		r = scan_object(s, e);
	while (r >= 0) {
		const char *key;
		size_t len;

		r = scan_member(s, &key, &len, e);
		if (r < 0)
			return r;
		if (r == 0)
			return scan_end(s, e);
		if (strcmp(key, "packages") == 0 || strcmp(key, "packages.conda") == 0)
			r = take_records(w, s, e);
		else if (strcmp(key, "removed") == 0)
			r = take_removed(w->b, s, e);
		else if (strcmp(key, "info") == 0 || strcmp(key, "repodata_version") == 0)
			r = take_head(w->b, s, key, document, e);
		else
			r = scan_skip(s, e);
	}
	return r;
}

/* What the index says of itself. */
static int describe(struct repodata_build *b, const char *channel_url, const char *subdir,
		    const char *document, struct err *e)
{
	const char *slash = strrchr(document, '/');
	int r = repodata_build_string(b, channel_url, strlen(channel_url), &b->channel_url, e);

	assert(slash);
	if (r == 0)
		r = repodata_build_string(b, subdir, strlen(subdir), &b->subdir, e);
	if (r == 0)
		r = repodata_build_string(b, document, (size_t)(slash + 1 - document), &b->base_url,
					  e);
	return r;
}

static void work_done(struct work *w)
{
	buf_done(&w->rest);
	buf_done(&w->scratch);
}

int repodata_convert_fd(int from, int to, const char *channel_url, const char *subdir,
			bool use_only_tar_bz2, struct err *e)
{
	AUTO(repodata_build_done) struct repodata_build b = { 0 };
	AUTO(scan_freep) struct scan *s = NULL;
	AUTO(work_done) struct work w = { .b = &b };
	AUTO_BUF document = BUF(URL_BYTES_MAX + SUBDIR_BYTES_MAX + 32);
	int r = repodata_build_init(&b, e);

	assert(!url_has_credentials(channel_url));
	buf_init(&w.rest, 2 * RECORD_BYTES_MAX);
	buf_init(&w.scratch, 2 * RECORD_BYTES_MAX);
	b.use_only_tar_bz2 = use_only_tar_bz2;
	buf_addf(&document, "%s/%s/repodata.json", channel_url, subdir);
	if (r == 0)
		r = buf_end(&document, e);
	if (r == 0)
		r = describe(&b, channel_url, subdir, document.bytes, e);
	if (r == 0)
		r = scan_open(&s, from, REPODATA_BYTES_MAX, RECORD_BYTES_MAX, e);
	if (r == 0)
		r = take_document(&w, s, document.bytes, e);
	if (r < 0)
		return err_wrap(e, r, "'%s'", document.bytes);
	return repodata_build_write(&b, to, e);
}
