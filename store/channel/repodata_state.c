/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/repodata_state.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/sys.h"
#include "base/url.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define KEY_HEX_DIGITS 40

int repodata_key(const char *channel_url, const char *subdir, bool use_only_tar_bz2,
		 char ret[REPODATA_KEY_BYTES], struct err *e)
{
	AUTO_BUF text = BUF(2 * URL_BYTES_MAX);
	char hex[DIGEST_HEX_BYTES];
	struct digest d;
	int r;

	assert(!url_has_credentials(channel_url));
	buf_addf(&text, "%s/%s", channel_url, subdir);
	r = buf_end(&text, e);
	if (r == 0)
		r = sha256_of(text.bytes, text.len, &d, e);
	if (r < 0)
		return r;
	hex_print(d.bytes, DIGEST_BYTES, hex);
	(void)snprintf(ret, REPODATA_KEY_BYTES, "%.*s%s", KEY_HEX_DIGITS, hex,
		       use_only_tar_bz2 ? "-bz2" : "");
	return 0;
}

static void get_text(const struct json *j, const char *key, char *ret, size_t room)
{
	const char *text = json_get_text(j, key);

	(void)snprintf(ret, room, "%s", text && strlen(text) < room ? text : "");
}

static void get_i64(const struct json *j, const char *key, int64_t *ret)
{
	if (!json_i64(json_get(j, key), ret))
		*ret = 0;
}

void repodata_state_load(struct repodata_state *ret, struct store *st, const char *key)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	AUTO_BUF text = BUF(STATE_BYTES_MAX);
	char name[NAME_BYTES_MAX + 1];
	const char *mtime;
	const struct json *j;

	*ret = (struct repodata_state){ 0 };
	(void)snprintf(name, sizeof(name), "%s.state", key);
	if (st->channels < 0 || sys_slurp(st->channels, name, &text) < 0 ||
	    json_parse(&doc, text.bytes, text.len, NULL) < 0)
		return;
	j = json_root(doc);
	get_text(j, "file", ret->file, sizeof(ret->file));
	get_text(j, "etag", ret->etag, sizeof(ret->etag));
	get_text(j, "last_modified", ret->last_modified, sizeof(ret->last_modified));
	get_text(j, "cache_control", ret->cache_control, sizeof(ret->cache_control));
	get_i64(j, "checked_ms", &ret->checked_ms);
	get_i64(j, "no_zst_ms", &ret->no_zst_ms);
	ret->missing = json_true(json_get(j, "missing"));
	/* Nanoseconds are past what every JSON reader keeps exactly. */
	mtime = json_get_text(j, "mtime_ns");
	ret->mtime_ns = mtime ? strtoull(mtime, NULL, 10) : 0;
	if (!json_u64(json_get(j, "size"), &ret->size))
		ret->size = 0;
}

int repodata_state_save(const struct repodata_state *s, struct store *st, const char *key,
			const char *url, struct err *e)
{
	AUTO_BUF text = BUF(STATE_BYTES_MAX);
	char name[NAME_BYTES_MAX + 1], mtime[32];
	struct jsonw w = JSONW(&text, 1);
	int r;

	assert(!url_has_credentials(url));
	(void)snprintf(name, sizeof(name), "%s.state", key);
	(void)snprintf(mtime, sizeof(mtime), "%llu", (unsigned long long)s->mtime_ns);
	jsonw_object(&w);
	jsonw_member_text(&w, "url", url);
	jsonw_member_text(&w, "file", s->file);
	jsonw_member_text(&w, "etag", s->etag);
	jsonw_member_text(&w, "last_modified", s->last_modified);
	jsonw_member_text(&w, "cache_control", s->cache_control);
	jsonw_key(&w, "checked_ms");
	jsonw_i64(&w, s->checked_ms);
	jsonw_key(&w, "no_zst_ms");
	jsonw_i64(&w, s->no_zst_ms);
	jsonw_member_bool(&w, "missing", s->missing);
	jsonw_member_text(&w, "mtime_ns", mtime);
	jsonw_member_u64(&w, "size", s->size);
	jsonw_object_end(&w);
	buf_addc(&text, '\n');
	r = buf_end(&text, e);
	return r < 0 ? r : sys_publish(st->tmp, st->channels, name, text.bytes, text.len, 0644, e);
}

/* Directives are names with perhaps "=value", between commas (RFC 9111 5.2). */
int64_t cache_control_max_age(const char *text)
{
	int64_t age = 0;

	while (*text) {
		size_t len;
		char *end;
		long long n;

		text += strspn(text, " ,\t");
		len = strcspn(text, ",");
		if (strncasecmp(text, "no-cache", 8) == 0 || strncasecmp(text, "no-store", 8) == 0)
			return 0;
		if (strncasecmp(text, "max-age=", 8) == 0) {
			const char *digits = text + 8 + (text[8] == '"');

			n = isdigit((unsigned char)*digits) ? strtoll(digits, &end, 10) : 0;
			age = n < MAX_AGE_S_MAX ? n : MAX_AGE_S_MAX;
		}
		text += len;
	}
	return age;
}

int64_t repodata_state_age_s(const struct repodata_state *s, int64_t now_ms)
{
	return now_ms > s->checked_ms ? (now_ms - s->checked_ms) / 1000 : 0;
}

bool repodata_state_is_fresh(const struct repodata_state *s, long ttl, int64_t now_ms)
{
	int64_t allowed = ttl == 1 ? cache_control_max_age(s->cache_control) : ttl;

	/* A time in the future says that the clock was set back: nothing is known then. */
	return s->file[0] && s->checked_ms <= now_ms && repodata_state_age_s(s, now_ms) < allowed;
}

static bool http_date(const char *text, time_t *ret)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);

	if (!end || *end)
		return false;
	*ret = timegm(&tm);
	return *ret != (time_t)-1;
}

bool http_date_before(const char *one, const char *other)
{
	time_t a, b;

	return http_date(one, &a) && http_date(other, &b) && a < b;
}
