/* SPDX-License-Identifier: Apache-2.0 */
#include "specs.h"

#include "base/auto.h"
#include "base/limits.h"
#include "base/url.h"
#include "spec/matchspec.h"

const char *spec_shown(struct texts *t, const char *spec)
{
	AUTO_BUF text = BUF(2 * URL_BYTES_MAX);

	if (!url_has_credentials(spec))
		return spec;
	url_strip(spec, &text);
	return texts_keep(t, text.bytes);
}

/* The i-th of the command line's specs and the file's; NULL: there are no more. */
static const char *spec_at(struct app *a, const struct envfile *f, size_t i)
{
	size_t given = a->opts->rest_count;

	if (i < given)
		return a->opts->rest[i];
	return f && i - given < f->spec_count ? f->specs[i - given] : NULL;
}

struct solve_job *spec_jobs(struct app *a, const struct envfile *f, size_t *ret_count)
{
	size_t count = a->opts->rest_count + (f ? f->spec_count : 0);
	struct solve_job *jobs = texts_alloc(&a->texts, count, sizeof(*jobs));

	for (size_t i = 0; i < count; i++)
		jobs[i] =
			(struct solve_job){ JOB_INSTALL, spec_shown(&a->texts, spec_at(a, f, i)) };
	*ret_count = count;
	return jobs;
}

const char **spec_channels(struct app *a, const struct envfile *f, size_t *ret_count)
{
	size_t count = a->opts->rest_count + (f ? f->spec_count : 0), n = 0;
	const char **list = texts_alloc(&a->texts, count, sizeof(*list));

	for (size_t i = 0; i < count; i++) {
		AUTO(matchspec_freep) struct matchspec *m = NULL;
		struct err later; /* what does not parse is told when it is used */

		if (matchspec_parse(&m, spec_at(a, f, i), &later) == 0 && matchspec_channel(m))
			list[n++] = texts_keep(&a->texts, matchspec_channel(m));
	}
	*ret_count = n;
	return list;
}

int spec_name(struct texts *t, const char *spec, const char **ret, struct err *e)
{
	AUTO(matchspec_freep) struct matchspec *m = NULL;
	int r = matchspec_parse(&m, spec, e);

	*ret = r == 0 ? texts_keep(t, matchspec_name(m)) : NULL;
	return r;
}
