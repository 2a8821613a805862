/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/universe.h"

#include "base/limits.h"

#include <assert.h>
#include <string.h>

/* All texts of a solve; a channel's dependency texts come to about 20 MB. */
#define TEXTS_BYTES_MAX (512 * MIB)
#define CANDS_MAX	REPODATA_RECORDS_MAX
#define IDS_MAX		(64 * CANDS_MAX)

int universe_open(struct universe *u, const struct solve_request *rq, struct err *e)
{
	uint32_t first;

	*u = (struct universe){ .rq = rq };
	intern_init(&u->texts, TEXTS_BYTES_MAX);
	intern_init(&u->version_texts, TEXTS_BYTES_MAX);
	u->source_specs = calloc(rq->source_count + 1, sizeof(*u->source_specs));
	if (!u->source_specs)
		return err_nomem(e);
	for (size_t i = 0; i < rq->source_count; i++) {
		const struct repodata *rd = rq->sources[i].repodata;

		u->source_specs[i] =
			calloc((size_t)repodata_text_count(rd) + 1, sizeof(**u->source_specs));
		if (!u->source_specs[i])
			return err_nomem(e);
		if (rq->add_pip && repodata_find(rd, "pip", &first) > 0)
			u->pip_known = true;
	}
	return 0;
}

void universe_done(struct universe *u)
{
	for (size_t i = 0; i < u->spec_count; i++)
		matchspec_free(u->specs[i].ms);
	for (size_t i = 0; i < u->version_count; i++)
		version_free(u->versions[i]);
	for (size_t i = 0; u->source_specs && i < u->rq->source_count; i++)
		free(u->source_specs[i]);
	free(u->source_specs);
	free(u->names);
	free(u->name_of_text);
	free(u->spec_of_text);
	free(u->specs);
	free(u->spec_next);
	free(u->cands);
	free(u->ids);
	free(u->members);
	free(u->versions);
	free(u->demands);
	free(u->sorted);
	free(u->fits);
	intern_done(&u->texts);
	intern_done(&u->version_texts);
	*u = (struct universe){ 0 };
}

const char *universe_text(const struct universe *u, uint32_t text)
{
	return intern_text(&u->texts, text);
}

int universe_name(struct universe *u, const char *name, size_t len, uint32_t *ret, struct err *e)
{
	uint32_t text;
	int r;

	r = intern_put(&u->texts, name, len, &text, e);
	if (r < 0)
		return r;
	r = GROW(u->name_of_text, u->name_of_cap, (size_t)text + 1, UINT32_MAX, e);
	if (r < 0)
		return r;
	if (!u->name_of_text[text]) {
		r = GROW(u->names, u->name_cap, u->name_count + 1, UINT32_MAX, e);
		if (r < 0)
			return r;
		u->names[u->name_count++] = (struct uname){ .text = text,
							    .specs = NONE,
							    .required_by = NONE,
							    .favor_installed = !u->rq->update_all };
		u->name_of_text[text] = (uint32_t)u->name_count;
	}
	*ret = u->name_of_text[text] - 1;
	return 0;
}

static int spec_new(struct universe *u, uint32_t text, uint32_t *ret, struct err *e)
{
	AUTO(matchspec_freep) struct matchspec *ms = NULL;
	const char *s = universe_text(u, text);
	struct uspec spec = { .text = text, .name = NONE };
	int r;

	spec.simple = !strpbrk(s, "[:");
	r = matchspec_parse(&ms, s, NULL);
	if (r == -ENOMEM)
		return err_nomem(e);
	if (r < 0)
		ms = NULL; /* a dependency that nothing can satisfy */
	if (ms && matchspec_name_is_exact(ms)) {
		const char *name = matchspec_name(ms);

		r = universe_name(u, name, strlen(name), &spec.name, e);
		if (r < 0)
			return r;
	}
	r = GROW(u->specs, u->spec_cap, u->spec_count + 1, UINT32_MAX, e);
	if (r == 0)
		r = GROW(u->spec_next, u->next_cap, u->spec_count + 1, UINT32_MAX, e);
	if (r < 0)
		return r;
	*ret = (uint32_t)u->spec_count++;
	u->spec_next[*ret] = NONE;
	if (spec.name != NONE) {
		u->spec_next[*ret] = u->names[spec.name].specs;
		u->names[spec.name].specs = *ret;
	}
	spec.valid = ms != NULL;
	spec.names_channel = ms && matchspec_channel(ms);
	spec.ms = TAKE_PTR(ms);
	u->specs[*ret] = spec;
	return 0;
}

int universe_spec(struct universe *u, const char *text, uint32_t *ret, struct err *e)
{
	uint32_t id;
	int r;

	r = intern_put(&u->texts, text, strlen(text), &id, e);
	if (r == 0)
		r = GROW(u->spec_of_text, u->spec_of_cap, (size_t)id + 1, UINT32_MAX, e);
	if (r < 0)
		return r;
	if (!u->spec_of_text[id]) {
		r = spec_new(u, id, ret, e);
		if (r < 0)
			return r;
		u->spec_of_text[id] = *ret + 1;
	}
	*ret = u->spec_of_text[id] - 1;
	return 0;
}

/* The spec of a source's dependency text, which is looked up only once. */
static int source_spec(struct universe *u, uint32_t source, uint32_t text, uint32_t *ret,
		       struct err *e)
{
	const struct repodata *rd = u->rq->sources[source].repodata;
	int r;

	if (text >= repodata_text_count(rd))
		return err_set(e, -EBADMSG, "the index of '%s' is damaged",
			       repodata_channel_url(rd));
	if (!u->source_specs[source][text]) {
		r = universe_spec(u, repodata_text(rd, text), ret, e);
		if (r < 0)
			return r;
		u->source_specs[source][text] = *ret + 1;
	}
	*ret = u->source_specs[source][text] - 1;
	return 0;
}

static int version_id(struct universe *u, const char *text, uint32_t *ret, struct err *e)
{
	AUTO(version_freep) struct version *v = NULL;
	int r;

	r = intern_put(&u->version_texts, text, strlen(text), ret, e);
	if (r < 0 || *ret < u->version_count)
		return r;
	r = GROW(u->versions, u->version_cap, u->version_count + 1, UINT32_MAX, e);
	if (r < 0)
		return r;
	/* A version that cannot be parsed is older than all, and no spec admits it. */
	if (version_parse(&v, text, strlen(text), NULL) == -ENOMEM)
		return err_nomem(e);
	u->versions[u->version_count++] = TAKE_PTR(v);
	return 0;
}

int cand_version_cmp(const struct universe *u, const struct cand *a, const struct cand *b)
{
	const struct version *x = u->versions[a->version], *y = u->versions[b->version];

	if (a->version == b->version)
		return 0;
	if (!x || !y)
		return (x != NULL) - (y != NULL);
	return version_cmp(x, y);
}

int cand_channel_rank(const struct universe *u, const struct cand *c)
{
	const struct solve_request *rq = u->rq;

	if (c->from < FROM_VIRTUAL)
		return rq->sources[c->from].rank;
	if (c->from == FROM_VIRTUAL)
		return 0;
	const char *url = rq->installed[c->record].channel_url;
	for (size_t i = 0; url && i < rq->source_count; i++)
		if (strcmp(rq->sources[i].channel->url, url) == 0)
			return rq->sources[i].rank;
	return INT32_MAX;
}

static uint16_t count_features(const char *text)
{
	uint16_t n = 0;

	for (text += strspn(text, ", "); *text && n < UINT16_MAX; text += strspn(text, ", ")) {
		text += strcspn(text, ", ");
		n++;
	}
	return n;
}

static int add_id(struct universe *u, uint32_t first, uint32_t id, struct err *e)
{
	for (size_t i = first; i < u->id_count; i++)
		if (u->ids[i] == id)
			return 0;
	int r = GROW(u->ids, u->id_cap, u->id_count + 1, IDS_MAX, e);
	if (r < 0)
		return r;
	u->ids[u->id_count++] = id;
	return 0;
}

static int cand_new(struct universe *u, struct cand *c, struct err *e)
{
	int r = version_id(u, c->version_text, &c->version, e);

	if (r == 0)
		r = GROW(u->cands, u->cand_cap, u->cand_count + 1, CANDS_MAX, e);
	if (r < 0)
		return r;
	c->why = NONE;
	u->cands[u->cand_count++] = *c;
	return 0;
}

static int add_texts(struct universe *u, const char *const *texts, size_t count, uint32_t *first,
		     uint32_t *ret_count, struct err *e)
{
	uint32_t spec;
	int r = 0;

	*first = (uint32_t)u->id_count;
	for (size_t i = 0; i < count && r == 0; i++) {
		r = universe_spec(u, texts[i], &spec, e);
		if (r == 0)
			r = add_id(u, *first, spec, e);
	}
	*ret_count = (uint32_t)u->id_count - *first;
	return r;
}

static int load_installed(struct universe *u, uint32_t name, struct err *e)
{
	const struct solve_request *rq = u->rq;
	int r;

	for (size_t i = 0; i < rq->installed_count; i++) {
		const struct solve_installed *in = &rq->installed[i];

		if (strcmp(in->name, name_text(u, name)) != 0)
			continue;
		struct cand c = { .name = name,
				  .from = FROM_INSTALLED,
				  .record = (uint32_t)i,
				  .version_text = in->version,
				  .build = in->build,
				  .build_number = in->build_number,
				  .timestamp_ms = in->timestamp_ms,
				  .features = count_features(in->track_features ? in->track_features
										: "") };
		r = cand_new(u, &c, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int load_virtual(struct universe *u, uint32_t name, struct err *e)
{
	const struct solve_request *rq = u->rq;

	for (size_t i = 0; i < rq->virtual_count; i++) {
		const struct virtual_package *v = &rq->virtuals[i];

		if (strcmp(v->name, name_text(u, name)) != 0)
			continue;
		struct cand c = { .name = name,
				  .from = FROM_VIRTUAL,
				  .record = (uint32_t)i,
				  .version_text = v->version,
				  .build = v->build };
		int r = cand_new(u, &c, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Whether a record is the artifact that is installed already. */
static bool is_twin(const struct universe *u, const struct cand *installed,
		    const struct solve_source *source, const struct record *rec)
{
	const struct solve_installed *in = &u->rq->installed[installed->record];

	if (strcmp(in->version, rec->version) != 0 || strcmp(in->build, rec->build) != 0)
		return false;
	if (!digest_is_zero(&in->sha256) && !digest_is_zero(&rec->sha256))
		return digest_same(&in->sha256, &rec->sha256);
	return in->channel_url && in->subdir && strcmp(in->subdir, rec->subdir) == 0 &&
	       strcmp(in->channel_url, source->channel->url) == 0;
}

static int load_record(struct universe *u, uint32_t name, uint32_t source, uint32_t i,
		       struct err *e)
{
	const struct solve_source *s = &u->rq->sources[source];
	struct record rec;

	repodata_record(s->repodata, i, &rec);
	for (size_t k = u->names[name].first; k < u->cand_count; k++)
		if (u->cands[k].from == FROM_INSTALLED && is_twin(u, &u->cands[k], s, &rec))
			return 0;
	struct cand c = { .name = name,
			  .from = source,
			  .record = i,
			  .version_text = rec.version,
			  .build = rec.build,
			  .build_number = rec.build_number,
			  .timestamp_ms = rec.timestamp_ms,
			  .features = count_features(rec.track_features),
			  .old_features = count_features(rec.features) };
	return cand_new(u, &c, e);
}

static int activate_installed(struct universe *u, struct cand *c, struct err *e)
{
	const struct solve_installed *in = &u->rq->installed[c->record];
	int r;

	r = add_texts(u, in->depends, in->depend_count, &c->needs, &c->need_count, e);
	if (r == 0)
		r = add_texts(u, in->constrains, in->constrain_count, &c->limits, &c->limit_count,
			      e);
	return r;
}

static int add_source_texts(struct universe *u, uint32_t source, const uint32_t *texts,
			    uint32_t count, uint32_t first, struct err *e)
{
	uint32_t id;
	int r = 0;

	for (uint32_t d = 0; d < count && r == 0; d++) {
		r = source_spec(u, source, texts[d], &id, e);
		if (r == 0)
			r = add_id(u, first, id, e);
	}
	return r;
}

static int activate_record(struct universe *u, struct cand *c, struct err *e)
{
	struct record rec;
	uint32_t id;
	int r;

	repodata_record(u->rq->sources[c->from].repodata, c->record, &rec);
	c->needs = (uint32_t)u->id_count;
	r = add_source_texts(u, c->from, rec.depends, rec.depend_count, c->needs, e);
	if (r == 0 && u->pip_known && strcmp(rec.name, "python") == 0) {
		r = universe_spec(u, "pip", &id, e);
		if (r == 0)
			r = add_id(u, c->needs, id, e);
	}
	c->need_count = (uint32_t)u->id_count - c->needs;
	c->limits = (uint32_t)u->id_count;
	if (r == 0)
		r = add_source_texts(u, c->from, rec.constrains, rec.constrain_count, c->limits, e);
	c->limit_count = (uint32_t)u->id_count - c->limits;
	return r;
}

int universe_activate(struct universe *u, uint32_t cand, struct err *e)
{
	struct cand *c = &u->cands[cand]; /* new specs move no candidates */

	if (c->active)
		return 0;
	c->active = true;
	u->active_count++;
	if (c->from == FROM_VIRTUAL)
		return 0;
	return c->from == FROM_INSTALLED ? activate_installed(u, c, e) : activate_record(u, c, e);
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

int cand_prefer(const struct universe *u, const struct cand *a, const struct cand *b)
{
	int r = 0, channel = cand_channel_rank(u, b) - cand_channel_rank(u, a);

	if (u->names[a->name].favor_installed)
		r = (a->from == FROM_INSTALLED) - (b->from == FROM_INSTALLED);
	if (!r)
		r = compare(b->features, a->features);
	if (!r && u->rq->priority != PRIORITY_DISABLED)
		r = channel;
	if (!r)
		r = compare(a->age, b->age);
	if (!r)
		r = channel;
	if (!r)
		r = compare(a->build_number, b->build_number);
	return r ? r : compare(b->old_features, a->old_features);
}

static int by_version(const void *a, const void *b, void *ctx)
{
	const struct universe *u = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int r = cand_version_cmp(u, &u->cands[x], &u->cands[y]);

	return r ? r : compare(x, y);
}

static int by_preference(const void *a, const void *b, void *ctx)
{
	const struct cand *x = a, *y = b;
	int r = cand_prefer(ctx, y, x);

	if (!r)
		r = compare(y->timestamp_ms, x->timestamp_ms);
	if (!r)
		r = compare(x->from, y->from);
	return r ? r : compare(x->record, y->record);
}

/* Gives versions their ages, and puts the candidates in order. */
static int sort_name(struct universe *u, struct uname *n, struct err *e)
{
	AUTO_MEM uint32_t *order = malloc((n->count + 1) * sizeof(*order));
	int r;

	if (!order)
		return err_nomem(e);
	for (uint32_t i = 0; i < n->count; i++)
		order[i] = n->first + i;
	if (n->count)
		qsort_r(order, n->count, sizeof(*order), by_version, u);
	n->versions = (uint32_t)u->sorted_count;
	for (uint32_t i = 0; i < n->count; i++) {
		struct cand *c = &u->cands[order[i]];

		if (!n->version_count || cand_version_cmp(u, &u->cands[order[i - 1]], c) != 0) {
			r = GROW(u->sorted, u->sorted_cap, u->sorted_count + 1, UINT32_MAX, e);
			if (r < 0)
				return r;
			u->sorted[u->sorted_count++] = c->version;
			n->version_count++;
		}
		c->age = n->version_count - 1;
	}
	if (n->count)
		qsort_r(u->cands + n->first, n->count, sizeof(*u->cands), by_preference, u);
	return 0;
}

/* Whether some demand on this name says which channel it is to come from; then
 * strict priority is a matter among the channels that are left. */
static bool channel_admits(const struct universe *u, uint32_t name, const struct cand *c)
{
	for (size_t i = 0; i < u->demand_count; i++) {
		const struct uspec *s = &u->specs[u->demands[i].spec];
		const char *channel = s->ms && s->name == name ? matchspec_channel(s->ms) : NULL;

		if (!channel || u->demands[i].kind == DEMAND_REMOVE)
			continue;
		if (!channel_is(u->rq->sources[c->from].channel, channel))
			return false;
	}
	return true;
}

static void hide_lower_channels(struct universe *u, const struct uname *n, uint32_t name)
{
	int best = INT32_MAX;

	for (uint32_t i = n->first; i < n->first + n->count; i++) {
		const struct cand *c = &u->cands[i];

		if (c->from < FROM_VIRTUAL && channel_admits(u, name, c) &&
		    u->rq->sources[c->from].rank < best)
			best = u->rq->sources[c->from].rank;
	}
	for (uint32_t i = n->first; i < n->first + n->count; i++) {
		struct cand *c = &u->cands[i];

		if (c->from < FROM_VIRTUAL)
			c->hidden = u->rq->sources[c->from].rank > best;
	}
}

int universe_load(struct universe *u, uint32_t name, uint32_t depth, struct err *e)
{
	const struct solve_request *rq = u->rq;
	struct uname *n = &u->names[name];
	uint32_t first, count;
	int r;

	if (n->loaded)
		return 0;
	n->loaded = true;
	n->depth = depth;
	n->first = (uint32_t)u->cand_count;
	n->is_virtual = strncmp(name_text(u, name), "__", 2) == 0;
	if (n->is_virtual) {
		r = load_virtual(u, name, e);
	} else {
		r = load_installed(u, name, e);
		for (uint32_t s = 0; s < rq->source_count && r == 0; s++) {
			count = repodata_find(rq->sources[s].repodata, name_text(u, name), &first);
			for (uint32_t i = 0; i < count && r == 0; i++)
				r = load_record(u, name, s, first + i, e);
		}
	}
	if (r < 0)
		return r;
	n = &u->names[name]; /* new names came with the dependencies */
	n->count = (uint32_t)u->cand_count - n->first;
	r = sort_name(u, n, e);
	if (r < 0)
		return r;
	if (rq->priority == PRIORITY_STRICT)
		hide_lower_channels(u, n, name);
	for (uint32_t s = n->specs; s != NONE && r == 0; s = u->spec_next[s])
		r = universe_ready(u, s, e);
	return r;
}
