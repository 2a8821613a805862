/* SPDX-License-Identifier: Apache-2.0 */
#include "dist.h"

#include "base/auto.h"
#include "base/limits.h"
#include "texts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *channel_shown(const char *channel_url)
{
	static const char *const aliases[] = { "https://conda.anaconda.org/",
					       "https://repo.anaconda.com/" };
	const char *slash = strrchr(channel_url, '/');

	for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
		if (strncmp(channel_url, aliases[i], strlen(aliases[i])) == 0)
			return channel_url + strlen(aliases[i]);
	return slash && slash[1] ? slash + 1 : channel_url;
}

uint64_t build_number_of(const struct gen_package *p)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	const char *at = p->build + strlen(p->build);
	uint64_t n = 0;
	struct err e;

	if (p->record_json[0] &&
	    json_parse(&doc, p->record_json, strlen(p->record_json), &e) == 0 &&
	    json_u64(json_get(json_root(doc), "build_number"), &n))
		return n;
	while (at > p->build && isdigit((unsigned char)at[-1]))
		at--;
	return strtoull(at, NULL, 10);
}

void dist_json(struct jsonw *w, const struct gen_package *p)
{
	char dist[256], md5[MD5_HEX_BYTES];

	(void)snprintf(dist, sizeof(dist), "%s-%s-%s", p->name, p->version, p->build);
	jsonw_object(w);
	jsonw_member_text(w, "base_url", p->channel_url);
	jsonw_member_u64(w, "build_number", build_number_of(p));
	jsonw_member_text(w, "build_string", p->build);
	jsonw_member_text(w, "channel", channel_shown(p->channel_url));
	jsonw_member_text(w, "dist_name", dist);
	jsonw_member_text(w, "fn", p->fn);
	if (!md5_is_zero(&p->md5)) {
		hex_print(p->md5.bytes, MD5_BYTES, md5);
		jsonw_member_text(w, "md5", md5);
	}
	jsonw_member_text(w, "name", p->name);
	jsonw_member_text(w, "platform", p->subdir);
	if (!digest_is_zero(&p->sha256))
		jsonw_member_text(w, "sha256", DIGEST_HEX(&p->sha256));
	if (p->size)
		jsonw_member_u64(w, "size", p->size);
	jsonw_member_text(w, "url", p->url);
	jsonw_member_text(w, "version", p->version);
	jsonw_object_end(w);
}

void record_json(struct jsonw *w, const struct json *record, const char *channel,
		 const char *subdir, const char *fn, const char *url)
{
	static const char *const ours[] = { "channel", "fn", "url", "subdir" };
	struct json_iter it = json_iter(record);
	char text[URL_BYTES_MAX];

	for (const struct json *v = json_next(&it); v; v = json_next(&it)) {
		bool skip = false;

		for (size_t i = 0; i < ARRAY_LEN(ours); i++)
			skip = skip || strcmp(it.key, ours[i]) == 0;
		if (skip)
			continue;
		jsonw_key(w, it.key);
		jsonw_value(w, v);
	}
	(void)snprintf(text, sizeof(text), "%s/%s", channel, subdir);
	jsonw_member_text(w, "channel", text);
	jsonw_member_text(w, "fn", fn);
	jsonw_member_text(w, "subdir", subdir);
	jsonw_member_text(w, "url", url);
}

void dist_record_json(struct jsonw *w, const struct gen_package *p)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	char dist[256];
	struct err e; /* it was checked when the generation was opened or written */

	if (!p->record_json[0] ||
	    json_parse(&doc, p->record_json, strlen(p->record_json), &e) < 0) {
		dist_json(w, p);
		return;
	}
	(void)snprintf(dist, sizeof(dist), "%s-%s-%s", p->name, p->version, p->build);
	jsonw_object(w);
	record_json(w, json_root(doc), p->channel_url, p->subdir, p->fn, p->url);
	jsonw_member_text(w, "base_url", p->channel_url);
	jsonw_member_text(w, "build_string", p->build);
	jsonw_member_text(w, "dist_name", dist);
	jsonw_object_end(w);
}
