/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include "base/limits.h"
#include "base/url.h"
#include "spec/location.h"
#include "ui/say.h"

#include <errno.h>
#include <string.h>

/* ".../CHANNEL/SUBDIR/FILE": the channel's URL and the subdir. */
static void split_url(struct texts *t, const char *url, const char **ret_channel,
		      const char **ret_subdir)
{
	size_t name_len;
	const char *name = url_file_name(url, &name_len), *end = name - 1, *start = end;
	struct err ignored; /* no subdir that conda knows: the channel is not known then */
	const char *subdir;

	*ret_channel = "";
	*ret_subdir = "noarch";
	while (start > url && start[-1] != '/')
		start--;
	if (start <= url + 8)
		return;
	subdir = texts_printf(t, "%.*s", (int)(end - start), start);
	if (subdir_check(subdir, &ignored) < 0)
		return;
	*ret_subdir = subdir;
	*ret_channel = texts_printf(t, "%.*s", (int)(start - 1 - url), url);
}

static int package_of_row(struct plan *p, const struct explicit_row *row, struct gen_package *ret,
			  struct err *e)
{
	AUTO_BUF url = BUF(URL_BYTES_MAX);
	struct texts *t = &p->app->texts;
	size_t len, stem_len, name_len, version_len;
	int r;

	url_strip(row->url, &url);
	r = buf_end(&url, e);
	if (r == 0)
		r = app_add_credentials(p->app, row->url, e);
	if (r < 0)
		return r;
	*ret = (struct gen_package){ .sha256 = row->sha256,
				     .md5 = row->md5,
				     .url = texts_keep(t, url.bytes),
				     .record_json = "",
				     .requested = "" };
	const char *fn = url_file_name(ret->url, &len);
	if (!location_is_package(fn, len, &stem_len) ||
	    !location_split_stem(fn, stem_len, &name_len, &version_len))
		return err_set(
			e, -EINVAL,
			"'%.*s' is no artifact's name (NAME-VERSION-BUILD.conda or .tar.bz2)",
			(int)len, fn);
	ret->fn = texts_printf(t, "%.*s", (int)len, fn);
	ret->name = texts_printf(t, "%.*s", (int)name_len, fn);
	ret->version = texts_printf(t, "%.*s", (int)version_len, fn + name_len + 1);
	ret->build = texts_printf(t, "%.*s", (int)(stem_len - name_len - version_len - 2),
				  fn + name_len + version_len + 2);
	split_url(t, ret->url, &ret->channel_url, &ret->subdir);
	return 0;
}

/* Where the row's channel is cached, what its repodata says of the artifact. */
static void complete_from_cache(struct plan *p, struct gen_package *g)
{
	AUTO(repodata_freep) struct repodata *rd = NULL;
	struct channel ch = { .name = (char *)(uintptr_t)g->channel_url,
			      .url = (char *)(uintptr_t)g->channel_url,
			      .auth_url = (char *)(uintptr_t)g->channel_url };
	struct repodata_options o = { .offline = true };
	struct record rec;
	struct err ignored; /* not cached: the artifact itself will tell */
	int64_t i, age;
	bool stale;

	if (!g->channel_url[0] ||
	    repodata_get(&rd, p->app->store, &ch, g->subdir, &o, &stale, &age, &ignored) < 0)
		return;
	i = repodata_find_artifact(rd, NULL, md5_is_zero(&g->md5) ? NULL : &g->md5, g->fn);
	if (i < 0)
		return;
	repodata_record(rd, (uint32_t)i, &rec);
	if (!md5_is_zero(&g->md5) && memcmp(&rec.md5, &g->md5, sizeof(g->md5)) != 0)
		return;
	g->sha256 = rec.sha256;
	g->size = rec.size;
}

static int check_platform(struct plan *p, const struct envfile *f)
{
	p->platform = p->app->opts->platform ? p->app->opts->platform
		      : f->platform	     ? texts_keep(&p->app->texts, f->platform)
					     : native_subdir();
	if (strcmp(p->platform, native_subdir()) != 0 && !p->app->opts->platform)
		say_warning("the list is for %s, this machine is %s", p->platform, native_subdir());
	return 0;
}

int plan_explicit(struct plan *p, const struct envfile *f, struct err *e)
{
	struct texts *t = &p->app->texts;
	int r = check_platform(p, f);

	p->explicit_list = true;
	p->specs = NULL;
	p->spec_count = p->channel_count = 0;
	p->packages = texts_alloc(t, f->row_count, sizeof(*p->packages));
	for (size_t i = 0; r == 0 && i < f->row_count; i++) {
		struct gen_package *g = &p->packages[p->count++];

		r = package_of_row(p, &f->rows[i], g, e);
		if (r < 0)
			return err_wrap(e, r, "%s: line %zu", p->app->opts->file, f->rows[i].line);
		if (digest_is_zero(&g->sha256))
			complete_from_cache(p, g);
	}
	p->channels = texts_alloc(t, f->row_count, sizeof(*p->channels));
	for (uint32_t i = 0; i < p->count; i++) {
		const char *url = p->packages[i].channel_url;
		size_t k = 0;

		while (k < p->channel_count && strcmp(p->channels[k], url) != 0)
			k++;
		if (k == p->channel_count && url[0])
			p->channels[p->channel_count++] = url;
	}
	return r < 0 ? r : plan_virtuals(p, e);
}
