/* SPDX-License-Identifier: Apache-2.0 */
/* A spec a line, and @EXPLICIT lists (CEP 23). */
#include "spec/envfile_own.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/path.h"
#include "base/url.h"
#include "spec/location.h"
#include "spec/matchspec.h"

#include <string.h>

int envfile_read_list(struct envfile_draft *d, const char *bytes, size_t len, struct err *e)
{
	struct lines l = { .at = bytes, .end = bytes + len };
	int r;

	while (lines_next(&l)) {
		if (l.len == 0 || l.text[0] == '#')
			continue;
		r = l.text[0] == '-' ? err_set(e, -EINVAL,
					       "'%s': options of pip's requirements files are not "
					       "known here",
					       QUOTE(l.text, l.len))
				     : envfile_add_spec(d, l.text, l.len, e);
		if (r < 0)
			return err_wrap(e, r, "line %zu", l.number);
	}
	return 0;
}

/* The names seen so far, by row. */
struct names {
	struct map map;
	struct envfile *f; /* borrowed */
};

static void names_done(struct names *n)
{
	map_done(&n->map);
}

struct piece {
	const char *text;
	size_t len;
};

/* The name in a row's URL, which was checked. */
static struct piece name_in(const char *url)
{
	struct piece file = { 0 };
	size_t stem = 0, version;

	file.text = url_file_name(url, &file.len);
	if (!location_is_package(file.text, file.len, &stem) ||
	    !location_split_stem(file.text, stem, &file.len, &version))
		file.len = 0;
	return file;
}

static bool same_name(const void *ctx, uint32_t value, const void *key)
{
	const struct names *n = ctx;
	const struct piece *asked = key;
	struct piece has = name_in(n->f->rows[value].url);

	return has.len == asked->len && memcmp(has.text, asked->text, has.len) == 0;
}

static int take_name(struct names *n, const struct explicit_row *row, uint32_t number,
		     struct err *e)
{
	struct piece name = name_in(row->url);
	uint64_t hash = xxh64(name.text, name.len);
	uint32_t other = map_get(&n->map, hash, same_name, n, &name);

	if (other != MAP_NONE)
		return err_set(
			e, -EINVAL,
			"'%.*s' again: line %zu has an artifact of that name already, and an "
			"environment holds one",
			(int)name.len, name.text, n->f->rows[other].line);
	return map_put(&n->map, hash, number, e);
}

static bool starts_with(struct piece p, const char *start)
{
	return p.len >= strlen(start) && memcmp(p.text, start, strlen(start)) == 0;
}

/* "HEX", "sha256:HEX", "sha256=HEX", "md5:HEX", and "sha256HEX" as some write it. */
static int read_hash(struct explicit_row *row, struct piece p, struct err *e)
{
	static const char *const kinds[] = { "sha256", "md5" };
	size_t want = 0;
	struct piece hex = p;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!starts_with(p, kinds[i]))
			continue;
		want = i == 0 ? 2 * DIGEST_BYTES : 2 * MD5_BYTES;
		hex.text += strlen(kinds[i]);
		hex.len -= strlen(kinds[i]);
		if (hex.len > 0 && (hex.text[0] == ':' || hex.text[0] == '=')) {
			hex.text++;
			hex.len--;
		}
	}
	if (!want || hex.len == want) {
		if (hex_parse(hex.text, hex.len, row->sha256.bytes, DIGEST_BYTES) ||
		    hex_parse(hex.text, hex.len, row->md5.bytes, MD5_BYTES))
			return 0;
	}
	return err_set(e, -EINVAL,
		       "behind the '#' stands '%s': an MD5 (32 hex digits) or a SHA-256 (64 hex "
		       "digits, with or without 'sha256:') is wanted",
		       QUOTE(p.text, p.len));
}

static bool is_build(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		      c == '_' || c == '.' || c == '+'))
			return false;
	}
	return len <= BUILD_BYTES_MAX;
}

/* NAME-VERSION-BUILD.conda, each of them as it may be. */
static int check_file(const char *url, struct err *e)
{
	AUTO(version_freep) struct version *v = NULL;
	AUTO_BUF plain = BUF(URL_BYTES_MAX);
	size_t len, stem, name, version;
	const char *file = url_file_name(url, &len);
	int r;

	location_unescape(file, len, &plain);
	r = buf_end(&plain, e);
	if (r < 0)
		return r;
	if (!location_is_package(plain.bytes, plain.len, &stem))
		return err_set(e, -EINVAL, "the URL's file is no .conda or .tar.bz2");
	if (plain.len > FILE_NAME_MAX)
		return err_set(e, -EINVAL, "the file's name has %zu bytes, more than %d", plain.len,
			       FILE_NAME_MAX);
	if (!location_split_stem(plain.bytes, stem, &name, &version))
		return err_set(e, -EINVAL,
			       "'%s' is not called NAME-VERSION-BUILD.conda or .tar.bz2",
			       QUOTE(plain.bytes, plain.len));
	if (memcmp(file, plain.bytes, name) != 0)
		return err_set(e, -EINVAL, "'%s': '%%' in the package's name", QUOTE(file, len));
	r = package_name_check(plain.bytes, name, e);
	if (r == 0)
		r = version_parse(&v, plain.bytes + name + 1, version, e);
	if (r < 0)
		return r;
	if (!is_build(plain.bytes + name + version + 2, stem - name - version - 2))
		return err_set(e, -EINVAL,
			       "'%s': its build may hold letters, digits, '_', '.', '+'",
			       QUOTE(plain.bytes, plain.len));
	return 0;
}

/* "https://host/t/a-1-0.conda" has its file where a token stands, and one token
 * is enough. */
static int check_stripped(const char *url, struct err *e)
{
	AUTO_BUF b = BUF(URL_BYTES_MAX);
	struct err why;
	int r;

	url_strip(url, &b);
	r = buf_end(&b, e);
	if (r == 0 && (url_has_credentials(b.bytes) || check_file(b.bytes, &why) < 0))
		r = err_set(e, -EINVAL, "'%s': behind '/t/' stands a token, then the channel",
			    URL_SHOWN(url));
	return r;
}

/* The hash behind the '#' of a URL; of a path behind the last one, unless that
 * belongs to a folder's name. */
static void split_hash(struct piece *location, struct piece *ret_hash)
{
	bool url = location_is_url(location->text, location->len);
	const char *hash = url ? memchr(location->text, '#', location->len)
			       : memrchr(location->text, '#', location->len);

	*ret_hash = (struct piece){ 0 };
	if (!hash)
		return;
	if (!url && memchr(hash, '/', location->len - (size_t)(hash - location->text)))
		return;
	ret_hash->text = hash + 1;
	ret_hash->len = location->len - (size_t)(hash + 1 - location->text);
	location->len = (size_t)(hash - location->text);
}

static int read_row(struct envfile_draft *d, struct names *names, const struct lines *l,
		    struct err *e)
{
	struct envfile *f = d->f;
	struct explicit_row *row;
	struct piece location = { l->text, l->len }, hash;
	const char *comment = memmem(l->text, l->len, " #", 2);
	AUTO_BUF url = BUF(URL_BYTES_MAX);
	int r;

	if (comment)
		location.len = (size_t)(comment - l->text);
	while (location.len > 0 && location.text[location.len - 1] == ' ')
		location.len--;
	split_hash(&location, &hash);
	r = location_url(location.text, location.len, &url, e);
	if (r == 0)
		r = check_file(url.bytes, e);
	if (r == 0 && url_has_credentials(url.bytes))
		r = check_stripped(url.bytes, e);
	if (r == 0)
		r = GROW(f->rows, d->row_cap, f->row_count + 1, LOCK_PACKAGES_MAX, e);
	if (r < 0)
		return r;
	row = &f->rows[f->row_count];
	*row = (struct explicit_row){ .url = buf_take(&url), .line = l->number };
	if (!row->url)
		return err_nomem(e);
	f->row_count++;
	if (hash.text)
		r = read_hash(row, hash, e);
	return r < 0 ? r : take_name(names, row, (uint32_t)f->row_count - 1, e);
}

/* "# platform: linux-64"; conda-lock writes "# pip NAME @ URL" for what it leaves out. */
static int read_comment(struct envfile_draft *d, struct lines l, size_t *pips, struct err *e)
{
	static const char platform[] = "platform:";
	struct piece p;

	while (l.len > 0 && (*l.text == '#' || *l.text == ' ')) {
		l.text++;
		l.len--;
	}
	p = (struct piece){ l.text, l.len };
	*pips += starts_with(p, "pip ") && memmem(p.text, p.len, " @ ", 3);
	if (d->f->platform || !starts_with(p, platform))
		return 0;
	for (p.text += strlen(platform), p.len -= strlen(platform); p.len > 0 && *p.text == ' ';) {
		p.text++;
		p.len--;
	}
	for (size_t i = 0; subdirs_known[i]; i++)
		if (strlen(subdirs_known[i]) == p.len &&
		    memcmp(subdirs_known[i], p.text, p.len) == 0)
			d->f->platform = strdup(subdirs_known[i]);
	if (!d->f->platform)
		return envfile_warn(d, e, "line %zu: platform '%s' is not known", l.number,
				    QUOTE(p.text, p.len));
	return 0;
}

int envfile_read_explicit(struct envfile_draft *d, const char *bytes, size_t len, struct err *e)
{
	struct lines l = { .at = bytes, .end = bytes + len };
	AUTO(names_done) struct names names = { .f = d->f };
	size_t pips = 0;
	int r = 0;

	d->f->explicit_list = true;
	while (r == 0 && lines_next(&l)) {
		if (l.len == 0 || (l.len == 9 && memcmp(l.text, "@EXPLICIT", 9) == 0))
			continue;
		if (l.text[0] == '#') {
			r = read_comment(d, l, &pips, e);
			continue;
		}
		r = read_row(d, &names, &l, e);
		if (r < 0)
			return err_wrap(e, r, "line %zu", l.number);
	}
	if (r == 0 && pips > 0)
		r = envfile_warn(d, e,
				 "%zu packages of pip stand in its comments and are not installed",
				 pips);
	return r;
}

void explicit_print(const struct explicit_row *row, struct buf *ret)
{
	char hex[MD5_HEX_BYTES];

	url_strip(row->url, ret);
	if (!digest_is_zero(&row->sha256)) {
		buf_addf(ret, "#%s", DIGEST_HEX(&row->sha256));
	} else if (!md5_is_zero(&row->md5)) {
		hex_print(row->md5.bytes, MD5_BYTES, hex);
		buf_addf(ret, "#%s", hex);
	}
}
