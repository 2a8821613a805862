/* SPDX-License-Identifier: Apache-2.0 */
/* The part of universe that holds specs against candidates. */
#include "solve/universe.h"

#include "base/limits.h"

#include <string.h>

/* Candidates in all sets together: 2 GB. */
#define MEMBERS_MAX (512 * 1024 * 1024)

/* What only a spec with brackets or a channel can ask for. */
static void fill_record(const struct universe *u, const struct cand *c, struct match_target *t,
			struct record *rec)
{
	const struct solve_source *s = &u->rq->sources[c->from];

	repodata_record(s->repodata, c->record, rec);
	t->channel = s->channel->name;
	t->channel_url = s->channel->url;
	t->subdir = rec->subdir;
	t->fn = rec->fn;
	t->license = rec->license;
	t->track_features = rec->track_features;
	t->sha256 = digest_is_zero(&rec->sha256) ? NULL : &rec->sha256;
	t->md5 = md5_is_zero(&rec->md5) ? NULL : &rec->md5;
}

static void fill_installed(const struct universe *u, const struct cand *c, struct match_target *t)
{
	const struct solve_installed *in = &u->rq->installed[c->record];

	t->channel = t->channel_url = in->channel_url;
	for (size_t i = 0; i < u->rq->source_count; i++)
		if (in->channel_url && strcmp(u->rq->sources[i].channel->url, in->channel_url) == 0)
			t->channel = u->rq->sources[i].channel->name;
	t->subdir = in->subdir;
	t->fn = in->fn;
	t->url = in->url;
	t->track_features = in->track_features;
	t->sha256 = digest_is_zero(&in->sha256) ? NULL : &in->sha256;
}

/* The channel as the spec writes it, when it means that of the candidate. */
static void adopt_channel(const struct universe *u, const struct cand *c,
			  const struct matchspec *ms, struct match_target *t)
{
	const char *channel = matchspec_channel(ms);
	const struct solve_installed *in;

	if (!channel)
		return;
	if (c->from < FROM_VIRTUAL) {
		if (channel_is(u->rq->sources[c->from].channel, channel))
			t->channel = channel;
		return;
	}
	in = c->from == FROM_INSTALLED ? &u->rq->installed[c->record] : NULL;
	for (size_t i = 0; in && in->channel_url && i < u->rq->source_count; i++)
		if (strcmp(u->rq->sources[i].channel->url, in->channel_url) == 0 &&
		    channel_is(u->rq->sources[i].channel, channel))
			t->channel = channel;
}

static bool matches_in_full(const struct universe *u, const struct uspec *s, const struct cand *c)
{
	AUTO_BUF url = BUF(2 * URL_BYTES_MAX);
	struct record rec;
	struct match_target t = { .name = name_text(u, c->name),
				  .version_text = c->version_text,
				  .build = c->build,
				  .version = u->versions[c->version],
				  .build_number = c->build_number };

	if (!s->simple && c->from < FROM_VIRTUAL) {
		fill_record(u, c, &t, &rec);
		if (matchspec_url(s->ms) &&
		    repodata_url(u->rq->sources[c->from].repodata, c->record, &url, NULL) == 0)
			t.url = url.bytes;
	} else if (!s->simple && c->from == FROM_INSTALLED) {
		fill_installed(u, c, &t);
	}
	if (!s->simple)
		adopt_channel(u, c, s->ms, &t);
	return matchspec_matches(s->ms, &t);
}

static bool spec_admits(struct universe *u, uint32_t spec, uint32_t cand)
{
	const struct uspec *s = &u->specs[spec];
	const struct cand *c = &u->cands[cand];
	const struct version_spec *vs;

	if (!s->ms || (s->name != NONE && s->name != c->name) || matchspec_needs_v3(s->ms))
		return false;
	if (c->hidden && !matchspec_channel(s->ms))
		return false;
	if (matchspec_is_bare(s->ms))
		return true;
	vs = matchspec_version(s->ms);
	if (vs) {
		if (!u->versions[c->version])
			return false;
		if (u->seen_by[c->version] != spec + 1) {
			u->seen_by[c->version] = spec + 1;
			u->seen_match[c->version] =
				version_spec_matches(vs, u->versions[c->version]);
		}
		if (!u->seen_match[c->version])
			return false;
	}
	return (s->simple && !matchspec_build(s->ms)) || matches_in_full(u, s, c);
}

static int add_member(struct universe *u, uint32_t spec, uint32_t cand, struct err *e)
{
	int r = GROW(u->members, u->member_cap, u->member_count + 1, MEMBERS_MAX, e);

	if (r < 0)
		return r;
	u->members[u->member_count++] = cand;
	u->specs[spec].set_count++;
	u->specs[spec].live += u->cands[cand].drop == DROP_NO;
	return 0;
}

static int match_range(struct universe *u, uint32_t spec, uint32_t first, uint32_t count,
		       struct err *e)
{
	int r;

	r = GROW(u->seen_by, u->seen_cap, u->version_count, UINT32_MAX, e);
	if (r == 0)
		r = GROW(u->seen_match, u->match_cap, u->version_count, UINT32_MAX, e);
	for (uint32_t c = first; c < first + count && r == 0; c++)
		if (spec_admits(u, spec, c))
			r = add_member(u, spec, c, e);
	return r;
}

int universe_ready(struct universe *u, uint32_t spec, struct err *e)
{
	struct uspec *s = &u->specs[spec];

	if (s->ready)
		return 0;
	if (s->name == NONE) { /* a dependency that is no MatchSpec, or a pattern */
		s->ready = true;
		s->set = (uint32_t)u->member_count;
		return 0;
	}
	const struct uname *n = &u->names[s->name];
	if (!n->loaded)
		return 0;
	s->ready = true;
	s->set = (uint32_t)u->member_count;
	return match_range(u, spec, n->first, n->count, e);
}

/* Loads the names of the records that a pattern matches. */
static int pattern_source(struct universe *u, uint32_t spec, uint32_t source, struct err *e)
{
	const struct repodata *rd = u->rq->sources[source].repodata;
	const struct matchspec *ms = u->specs[spec].ms;
	uint32_t name, count = repodata_count(rd);
	AUTO_BUF url = BUF(2 * URL_BYTES_MAX);
	struct record rec;
	int r = 0;

	for (uint32_t i = 0; i < count && r == 0; i++) {
		struct cand c = { .from = source, .record = i };
		struct match_target t = { 0 };

		fill_record(u, &c, &t, &rec);
		adopt_channel(u, &c, ms, &t);
		t.name = rec.name;
		t.version_text = rec.version;
		t.build = rec.build;
		t.build_number = rec.build_number;
		buf_clear(&url);
		if (matchspec_url(ms) && repodata_url(rd, i, &url, NULL) == 0)
			t.url = url.bytes;
		if (strncmp(rec.name, "__", 2) == 0 || !matchspec_matches(ms, &t))
			continue;
		r = universe_name(u, rec.name, strlen(rec.name), &name, e);
		if (r == 0)
			r = universe_load(u, name, 0, e);
	}
	return r;
}

int universe_pattern(struct universe *u, uint32_t spec, struct err *e)
{
	uint32_t name;
	int r = 0;

	if (!u->specs[spec].ms)
		return 0;
	for (uint32_t s = 0; s < u->rq->source_count && r == 0; s++)
		r = pattern_source(u, spec, s, e);
	for (size_t i = 0; i < u->rq->installed_count && r == 0; i++) {
		r = universe_name(u, u->rq->installed[i].name, strlen(u->rq->installed[i].name),
				  &name, e);
		if (r == 0)
			r = universe_load(u, name, 0, e);
	}
	if (r < 0)
		return r;
	u->specs[spec].ready = true;
	u->specs[spec].set = (uint32_t)u->member_count;
	return match_range(u, spec, 0, (uint32_t)u->cand_count, e);
}
