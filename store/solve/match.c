/* SPDX-License-Identifier: Apache-2.0 */
/* The part of universe that holds specs against candidates. */
#include "solve/universe.h"

#include "base/limits.h"

#include <ctype.h>
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

/* Whether the spec admits a candidate whose version fits. */
static bool spec_admits(const struct universe *u, const struct uspec *s, const struct cand *c)
{
	if (c->hidden && !s->names_channel)
		return false;
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

/* One comparison, ">=1.8": the ages that it admits are those from or up to a bound. */
struct bound {
	bool upper, inclusive;
	const char *version;
	size_t len;
};

/* Takes the next of comma-separated comparisons; false when it is anything else. */
static bool next_bound(const char **text, struct bound *ret)
{
	const char *s = *text + strspn(*text, " ");

	if (*s != '<' && *s != '>')
		return false;
	ret->upper = *s++ == '<';
	ret->inclusive = *s == '=';
	s += ret->inclusive;
	s += strspn(s, " ");
	ret->version = s;
	ret->len = strcspn(s, ", ");
	for (size_t i = 0; i < ret->len; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("._+!-", s[i]))
			return false;
	s += ret->len;
	s += strspn(s, " ");
	if (!ret->len || (*s && *s != ','))
		return false;
	*text = *s ? s + 1 : s;
	return true;
}

/* The first age whose version is not less than v; after: the first that is more. */
static uint32_t first_age(const struct universe *u, const struct uname *n, const struct version *v,
			  bool after)
{
	uint32_t lo = 0, hi = n->version_count;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		const struct version *at = u->versions[u->sorted[n->versions + mid]];
		int r = at ? version_cmp(at, v) : -1;

		if (r < 0 || (r == 0 && after))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* Most version specs are ranges, which need no look at each version. */
static bool find_range(const struct universe *u, const struct uname *n,
		       const struct version_spec *vs, uint32_t *lo, uint32_t *hi)
{
	const char *text = version_spec_text(vs);
	struct bound b;

	*lo = 0;
	*hi = n->version_count;
	/* What cannot be parsed is older than all, and no version spec admits it. */
	while (*lo < *hi && !u->versions[u->sorted[n->versions + *lo]])
		++*lo;
	do {
		AUTO(version_freep) struct version *v = NULL;

		if (!next_bound(&text, &b) || version_parse(&v, b.version, b.len, NULL) < 0)
			return false;
		uint32_t age = first_age(u, n, v, b.upper == b.inclusive);
		if (b.upper && age < *hi)
			*hi = age;
		if (!b.upper && age > *lo)
			*lo = age;
	} while (*text);
	return true;
}

/* Fills universe.fits: which ages of the name the spec admits. 0: the spec is no range,
 * and versions that are equal (1.0, 1.0.0) may differ to it. */
static int fit_versions(struct universe *u, const struct version_spec *vs, const struct uname *n,
			struct err *e)
{
	uint32_t lo, hi;
	int r;

	if (!find_range(u, n, vs, &lo, &hi))
		return 0;
	r = GROW(u->fits, u->fits_cap, n->version_count, UINT32_MAX, e);
	for (uint32_t i = 0; i < n->version_count && r == 0; i++)
		u->fits[i] = i >= lo && i < hi;
	return r < 0 ? r : 1;
}

static int match_name(struct universe *u, uint32_t spec, uint32_t name, struct err *e)
{
	const struct version_spec *vs = matchspec_version(u->specs[spec].ms);
	uint32_t first = u->names[name].first, count = u->names[name].count, last = NONE;
	int r = vs ? fit_versions(u, vs, &u->names[name], e) : 0;
	bool range = r > 0, fits = !vs;

	for (uint32_t c = first; c < first + count && r >= 0; c++) {
		const struct cand *cand = &u->cands[c];

		if (range) {
			fits = u->fits[cand->age];
		} else if (vs && cand->version != last) {
			last = cand->version;
			fits = u->versions[last] && version_spec_matches(vs, u->versions[last]);
		}
		if (fits && spec_admits(u, &u->specs[spec], cand))
			r = add_member(u, spec, c, e);
	}
	return r < 0 ? r : 0;
}

int universe_ready(struct universe *u, uint32_t spec, struct err *e)
{
	struct uspec *s = &u->specs[spec];
	int r = 0;

	if (s->ready || (s->name != NONE && !u->names[s->name].loaded))
		return 0;
	s->ready = true;
	s->set = (uint32_t)u->member_count;
	/* A pattern as a dependency, like what is no MatchSpec, admits nothing. */
	if (s->ms && s->name != NONE && !matchspec_needs_v3(s->ms))
		r = match_name(u, spec, s->name, e);
	u->specs[spec].ms = matchspec_free(u->specs[spec].ms);
	return r;
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
	for (uint32_t n = 0; n < u->name_count && r == 0; n++)
		if (u->names[n].loaded && !matchspec_needs_v3(u->specs[spec].ms))
			r = match_name(u, spec, n, e);
	return r;
}
