/* SPDX-License-Identifier: Apache-2.0 */
#include "channels.h"

#include "base/auto.h"
#include "base/limits.h"
#include "base/url.h"
#include "spec/envfile.h"
#include "ui/progress.h"
#include "ui/say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool has(const char **list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

const char **channel_names(struct app *a, const struct envfile *f, size_t *ret_count)
{
	const struct opts *o = a->opts;
	const struct config *c = a->config;
	const char **names;
	size_t n = 0, file_count = f && !o->override_channels ? f->channel_count : 0;
	bool own = o->channel_count + file_count > 0;

	names = texts_alloc(&a->texts, o->channel_count + file_count + c->channel_count + 1,
			    sizeof(*names));
	for (size_t i = 0; i < o->channel_count; i++)
		if (!has(names, n, o->channels[i]))
			names[n++] = o->channels[i];
	for (size_t i = 0; i < file_count; i++)
		if (!has(names, n, f->channels[i]))
			names[n++] = texts_keep(&a->texts, f->channels[i]);
	/* conda adds the configured ones after those of the command line and the file. */
	if (!o->override_channels && !(f && f->nodefaults)) {
		for (size_t i = 0; i < c->channel_count; i++)
			if (!has(names, n, c->channels[i]))
				names[n++] = c->channels[i];
		if (c->channel_count == 0 && !own)
			names[n++] = "defaults";
	}
	*ret_count = n;
	return names;
}

static void show_download(void *ctx, const char *what, uint64_t bytes, uint64_t total)
{
	progress_set(ctx, what, bytes, total);
}

static void say_stale(const struct repodata_want *w)
{
	if (!w->ret || !w->ret_stale)
		return;
	say_warning("%s/%s: not asked anew; its cached repodata is %lld minutes old",
		    w->channel->name, w->subdir, (long long)(w->ret_age_s / 60));
}

/* What a spec names as its channel; of a folder, its last part is a name too. */
static bool is_meant(const struct channel *ch, const char *text)
{
	return channel_is(ch, text) ||
	       (url_is_file(ch->url) && strcmp(strrchr(ch->url, '/') + 1, text) == 0);
}

static int resolve(struct sources *s, struct app *a, const struct channel_choice *which,
		   struct err *e)
{
	const char **all = texts_alloc(&a->texts, which->count + which->more_count, sizeof(*all));
	size_t n = which->count;
	int r = channels_resolve(&s->channels, a->config, which->names, which->count, e);

	for (size_t i = 0; i < which->count; i++)
		all[i] = which->names[i];
	for (size_t i = 0; r == 0 && i < which->more_count; i++) {
		size_t k = 0;

		while (k < s->channels.count && !is_meant(&s->channels.list[k], which->more[i]))
			k++;
		if (k == s->channels.count && !strpbrk(which->more[i], "*^$"))
			all[n++] = which->more[i];
	}
	if (r < 0 || n == which->count)
		return r;
	channels_done(&s->channels);
	return channels_resolve(&s->channels, a->config, all, n, e);
}

static int make_wants(struct sources *s, struct app *a, const char *platform, struct err *e)
{
	s->wants = must_alloc(calloc(s->channels.count * 2, sizeof(*s->wants)));
	s->list = must_alloc(calloc(s->channels.count * 2, sizeof(*s->list)));
	for (size_t i = 0; i < s->channels.count; i++) {
		struct channel *ch = &s->channels.list[i];
		int r = app_add_credentials(a, ch->auth_url, e);

		if (r < 0)
			return r;
		s->wants[2 * i] = (struct repodata_want){ .channel = ch, .subdir = platform };
		s->wants[2 * i + 1] = (struct repodata_want){ .channel = ch, .subdir = "noarch" };
	}
	return 0;
}

int sources_open(struct sources *s, struct app *a, const struct channel_choice *which,
		 const char *platform, struct err *e)
{
	AUTO(progress_done) struct progress bar;
	struct repodata_options ro = {
		.fetcher = a->fetcher,
		.offline = a->offline,
		.ttl = a->config->repodata_ttl,
		.use_only_tar_bz2 = a->config->use_only_tar_bz2,
		.progress = show_download,
		.ctx = &bar,
	};
	int r;

	*s = (struct sources){ 0 };
	progress_init(&bar, a->opts, "repodata");
	if (which->count + which->more_count == 0)
		return err_set(
			e, -EINVAL,
			"no channel is given: use -c CHANNEL, or 'channels:' in the file or in "
			".condarc");
	r = resolve(s, a, which, e);
	if (r == 0)
		r = make_wants(s, a, platform, e);
	if (r < 0)
		return r;
	r = repodata_get_all(s->wants, s->channels.count * 2, a->store, &ro, e);
	if (r == -EHOSTUNREACH && a->offline)
		say_exception("OfflineError");
	if (r < 0)
		return r;
	for (size_t i = 0; i < s->channels.count * 2; i++) {
		say_stale(&s->wants[i]);
		if (s->wants[i].ret)
			s->list[s->count++] =
				(struct solve_source){ s->wants[i].ret, s->wants[i].channel,
						       (int)(i / 2) };
	}
	return 0;
}

void sources_done(struct sources *s)
{
	for (size_t i = 0; s->wants && i < s->channels.count * 2; i++)
		s->wants[i].ret = repodata_free(s->wants[i].ret);
	free(s->wants);
	free(s->list);
	channels_done(&s->channels);
	*s = (struct sources){ 0 };
}
