/* SPDX-License-Identifier: Apache-2.0 */
#include "base/auto.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/url.h"
#include "channels.h"
#include "dist.h"
#include "spec/matchspec.h"
#include "spec/version.h"
#include "specs.h"
#include "ui/say.h"
#include "ui/table.h"

#include <errno.h>
#include <string.h>

#define FOUND_MAX 1000000

struct found {
	const struct solve_source *source;
	uint32_t record;
	struct record rec;
	struct version *version; /* owned; NULL: not one */
};

struct results {
	struct found *list; /* owned */
	size_t count, cap;
};

static void results_done(struct results *r)
{
	for (size_t i = 0; i < r->count; i++)
		r->list[i].version = version_free(r->list[i].version);
	free(r->list);
}

static int take(struct results *to, const struct solve_source *src, uint32_t i,
		const struct matchspec *m, struct err *e)
{
	AUTO_BUF url = BUF(URL_BYTES_MAX);
	AUTO(version_freep) struct version *version = NULL;
	struct record rec;
	struct err ignored; /* a version that does not parse matches by text only */
	int r;

	repodata_record(src->repodata, i, &rec);
	if (version_parse(&version, rec.version, strlen(rec.version), &ignored) < 0)
		version = NULL;
	r = repodata_url(src->repodata, i, &url, e);
	if (r < 0)
		return r;
	struct match_target target = {
		.name = rec.name,
		.version_text = rec.version,
		.build = rec.build,
		.version = version,
		.build_number = rec.build_number,
		.channel = src->channel->name,
		.channel_url = src->channel->url,
		.subdir = repodata_subdir(src->repodata),
		.fn = rec.fn,
		.url = url.bytes,
		.license = rec.license,
		.track_features = rec.track_features,
		.sha256 = &rec.sha256,
		.md5 = &rec.md5,
	};
	if (!matchspec_matches(m, &target))
		return 0;
	r = GROW(to->list, to->cap, to->count + 1, FOUND_MAX, e);
	if (r < 0)
		return r;
	to->list[to->count++] = (struct found){ src, i, rec, TAKE_PTR(version) };
	return 0;
}

static int by_version(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	int c = strcmp(x->rec.name, y->rec.name);

	if (c == 0 && x->version && y->version)
		c = version_cmp(x->version, y->version);
	if (c == 0)
		c = (x->rec.build_number > y->rec.build_number) -
		    (x->rec.build_number < y->rec.build_number);
	if (c == 0)
		c = strcmp(x->rec.fn, y->rec.fn);
	return c ? c : x->source->rank - y->source->rank;
}

static int look(const struct sources *src, const struct matchspec *m, struct results *to,
		struct err *e)
{
	bool exact = matchspec_name_is_exact(m);

	for (size_t s = 0; s < src->count; s++) {
		const struct repodata *rd = src->list[s].repodata;
		uint32_t first = 0, count = repodata_count(rd);

		if (exact)
			count = repodata_find(rd, matchspec_name(m), &first);
		for (uint32_t i = first; i < first + count; i++) {
			int r = take(to, &src->list[s], i, m, e);

			if (r < 0)
				return r;
		}
	}
	if (to->count > 0)
		qsort(to->list, to->count, sizeof(*to->list), by_version);
	return 0;
}

/* A record's own JSON with channel and url, as conda's search shows it. */
static int put_record(struct jsonw *w, const struct found *f, struct err *e)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	AUTO_BUF json = BUF(RECORD_BYTES_MAX);
	AUTO_BUF url = BUF(URL_BYTES_MAX);
	int r = repodata_record_json(f->source->repodata, f->record, &json, e);

	if (r == 0)
		r = repodata_url(f->source->repodata, f->record, &url, e);
	if (r == 0)
		r = json_parse(&doc, json.bytes, json.len, e);
	if (r < 0)
		return r;
	jsonw_object(w);
	record_json(w, json_root(doc), f->source->channel->url,
		    repodata_subdir(f->source->repodata), f->rec.fn, url.bytes);
	jsonw_object_end(w);
	return 0;
}

static int put_json(const struct results *found, struct buf *out, struct err *e)
{
	struct jsonw w = JSONW(out, 2);
	int r = 0;

	jsonw_object(&w);
	for (size_t i = 0; r == 0 && i < found->count; i++) {
		const char *name = found->list[i].rec.name;

		if (i == 0 || strcmp(name, found->list[i - 1].rec.name) != 0) {
			if (i > 0)
				jsonw_array_end(&w);
			jsonw_key(&w, name);
			jsonw_array(&w);
		}
		r = put_record(&w, &found->list[i], e);
	}
	if (found->count > 0)
		jsonw_array_end(&w);
	jsonw_object_end(&w);
	return r;
}

static void put_text(const struct results *found, struct buf *out)
{
	AUTO(table_done) struct table t = { 0 };

	table_add(&t, "# Name", "Version", "Build", "Channel");
	for (size_t i = 0; i < found->count; i++) {
		const struct found *f = &found->list[i];

		table_add(&t, f->rec.name, f->rec.version, f->rec.build,
			  channel_shown(f->source->channel->url));
	}
	table_print(&t, "", out);
}

#define NEWEST_MAX 5

/* The versions that there are of the name, newest first. */
static int other_versions(const struct sources *src, const struct matchspec *m, struct buf *ret,
			  struct err *e)
{
	AUTO(matchspec_freep) struct matchspec *bare = NULL;
	AUTO(results_done) struct results all = { 0 };
	size_t said = 0;
	int r = matchspec_parse(&bare, matchspec_name(m), e);

	if (r == 0)
		r = look(src, bare, &all, e);
	for (size_t i = all.count; r == 0 && i-- > 0 && said <= NEWEST_MAX;) {
		const char *version = all.list[i].rec.version;

		if (i + 1 < all.count && strcmp(version, all.list[i + 1].rec.version) == 0)
			continue;
		if (said++ < NEWEST_MAX)
			buf_addf(ret, "%s%s", said > 1 ? ", " : "", version);
		else
			buf_adds(ret, ", ...");
	}
	return r;
}

static int nothing_found(const struct sources *src, const struct matchspec *m, const char *text,
			 struct err *e)
{
	const char *near[3];
	AUTO_BUF names = BUF(KIB);
	AUTO_BUF versions = BUF(64 * KIB);
	size_t n;

	if (matchspec_name_is_exact(m)) {
		int r = other_versions(src, m, &versions, e);

		if (r < 0)
			return r;
		if (versions.len > 0)
			return err_set(e, -ENOENT, "no package matches '%s'; of %s there are: %s",
				       text, matchspec_name(m), versions.bytes);
	}
	n = nearest_names(src->list, src->count, matchspec_name(m), near, ARRAY_LEN(near));
	for (size_t i = 0; i < n; i++)
		buf_addf(&names, "%s%s", i ? ", " : "", near[i]);
	return err_set(e, -ENOENT, "no package matches '%s'%s%s", text, n ? "; near it are: " : "",
		       names.bytes);
}

static int search(struct app *a, struct err *e)
{
	AUTO(sources_done) struct sources src = { 0 };
	AUTO(matchspec_freep) struct matchspec *m = NULL;
	AUTO(results_done) struct results found = { 0 };
	AUTO_BUF out = BUF(GIB);
	const struct opts *o = a->opts;
	const char *platform = o->platform ? o->platform : native_subdir();
	const char *spec = spec_shown(&a->texts, o->rest[0]);
	struct channel_choice which = { 0 };
	int r = matchspec_parse(&m, spec, e);

	if (r == 0)
		r = subdir_check(platform, e);
	if (r < 0)
		return r;
	which.names = channel_names(a, NULL, &which.count);
	which.more = spec_channels(a, NULL, &which.more_count);
	r = sources_open(&src, a, &which, platform, e);
	if (r == 0)
		r = look(&src, m, &found, e);
	if (r == 0 && found.count == 0)
		r = nothing_found(&src, m, spec, e);
	if (r < 0)
		return r;
	if (o->json)
		r = put_json(&found, &out, e);
	else
		put_text(&found, &out);
	return r < 0 ? r : say_answer(&out);
}

int cmd_search(const struct opts *o)
{
	struct app a = { 0 };
	struct err e = { 0 };
	int r;

	if (o->rest_count != 1)
		return say_usage("search: give one SPEC, e.g. 'numpy>=2'");
	r = app_open(&a, o, APP_STORE_ANY | APP_CONFIG, &e);
	if (r == 0)
		r = search(&a, &e);
	app_done(&a);
	return r < 0 ? say_error(&e, NULL) : r;
}
