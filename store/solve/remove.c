/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/remove.h"

#include "spec/matchspec.h"

#include <string.h>

/* What each installed package needs: the packages that can satisfy each dependency. */
struct removal {
	const struct solve_request *rq;
	bool *keep;
};

static bool spec_matches(const struct solve_request *rq, const struct matchspec *ms, size_t i)
{
	const struct solve_installed *in = &rq->installed[i];
	const char *channel = matchspec_channel(ms);
	struct match_target t = {
		.name = in->name,
		.version_text = in->version,
		.build = in->build,
		.build_number = in->build_number,
		.channel = in->channel_url,
		.channel_url = in->channel_url,
		.subdir = in->subdir,
		.fn = in->fn,
		.url = in->url,
		.track_features = in->track_features,
		.sha256 = digest_is_zero(&in->sha256) ? NULL : &in->sha256,
	};

	for (size_t s = 0; channel && in->channel_url && s < rq->source_count; s++)
		if (strcmp(rq->sources[s].channel->url, in->channel_url) == 0 &&
		    channel_is(rq->sources[s].channel, channel))
			t.channel = channel;
	return matchspec_matches(ms, &t);
}

bool remove_only(const struct solve_request *rq)
{
	bool removes = false;

	for (size_t i = 0; i < rq->job_count; i++) {
		if (rq->jobs[i].kind != JOB_REMOVE && rq->jobs[i].kind != JOB_KEEP)
			return false;
		removes = removes || rq->jobs[i].kind == JOB_REMOVE;
	}
	return removes && !rq->update_all;
}

/* Whether something kept satisfies the dependency; `was`: did anything before? */
static int is_satisfied(struct removal *m, const char *depend, bool *ret, bool *ret_was,
			struct err *e)
{
	AUTO(matchspec_freep) struct matchspec *ms = NULL;
	const struct solve_request *rq = m->rq;

	*ret = *ret_was = false;
	if (matchspec_parse(&ms, depend, NULL) == -ENOMEM)
		return err_nomem(e);
	if (!ms) {
		*ret = true; /* what nobody understands was not satisfied before either */
		return 0;
	}
	for (size_t i = 0; i < rq->installed_count; i++) {
		if (strcmp(matchspec_name(ms), rq->installed[i].name) != 0 ||
		    !spec_matches(rq, ms, i))
			continue;
		*ret_was = true;
		*ret = *ret || m->keep[i];
	}
	return 0;
}

/* Takes along what needs something that is gone. */
static int take_dependents(struct removal *m, struct err *e)
{
	const struct solve_request *rq = m->rq;
	bool changed = true, satisfied, was;

	while (changed) {
		changed = false;
		for (size_t i = 0; i < rq->installed_count; i++) {
			const struct solve_installed *in = &rq->installed[i];

			for (size_t d = 0; d < in->depend_count && m->keep[i]; d++) {
				int r = is_satisfied(m, in->depends[d], &satisfied, &was, e);

				if (r < 0)
					return r;
				/* A dependency that was broken before breaks nothing now. */
				if (satisfied || !was)
					continue;
				m->keep[i] = false;
				changed = true;
			}
		}
	}
	return 0;
}

static int mark_matching(struct removal *m, const char *spec, bool *marks, bool *changed,
			 struct err *e)
{
	AUTO(matchspec_freep) struct matchspec *ms = NULL;

	if (matchspec_parse(&ms, spec, NULL) == -ENOMEM)
		return err_nomem(e);
	for (size_t i = 0; ms && i < m->rq->installed_count; i++)
		if (m->keep[i] && !marks[i] && spec_matches(m->rq, ms, i))
			marks[i] = *changed = true;
	return 0;
}

/* Keeps only what a request names, and what that needs. */
static int drop_unneeded(struct removal *m, struct err *e)
{
	const struct solve_request *rq = m->rq;
	AUTO_MEM bool *needed = calloc(rq->installed_count + 1, sizeof(*needed));
	AUTO_MEM bool *followed = calloc(rq->installed_count + 1, sizeof(*followed));
	bool changed = false;
	int r = 0;

	if (!needed || !followed)
		return err_nomem(e);
	for (size_t j = 0; j < rq->job_count && r == 0; j++)
		if (rq->jobs[j].kind == JOB_KEEP)
			r = mark_matching(m, rq->jobs[j].spec, needed, &changed, e);
	while (changed && r == 0) {
		changed = false;
		for (size_t i = 0; i < rq->installed_count && r == 0; i++) {
			const struct solve_installed *in = &rq->installed[i];

			if (!needed[i] || followed[i])
				continue;
			followed[i] = true;
			for (size_t d = 0; d < in->depend_count && r == 0; d++)
				r = mark_matching(m, in->depends[d], needed, &changed, e);
			if (r == 0 && rq->add_pip && strcmp(in->name, "python") == 0)
				r = mark_matching(m, "pip", needed, &changed, e);
		}
	}
	for (size_t i = 0; i < rq->installed_count && r == 0; i++)
		m->keep[i] = m->keep[i] && needed[i];
	return r;
}

int remove_solve(const struct solve_request *rq, bool *keep, struct err *e)
{
	struct removal m = { rq, keep };
	int r = 0;

	for (size_t i = 0; i < rq->installed_count; i++)
		keep[i] = true;
	for (size_t j = 0; j < rq->job_count; j++) {
		AUTO(matchspec_freep) struct matchspec *ms = NULL;

		if (rq->jobs[j].kind != JOB_REMOVE)
			continue;
		r = matchspec_parse(&ms, rq->jobs[j].spec, e);
		if (r < 0)
			return r;
		bool found = false;
		for (size_t i = 0; i < rq->installed_count; i++)
			if (spec_matches(rq, ms, i)) {
				keep[i] = false;
				found = true;
			}
		if (!found)
			return err_set(e, -ENOENT, "'%.200s' is not installed", rq->jobs[j].spec);
	}
	r = take_dependents(&m, e);
	return r == 0 && rq->prune ? drop_unneeded(&m, e) : r;
}
