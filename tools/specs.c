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

struct solve_job *spec_jobs(struct app *a, const struct envfile *f, size_t *ret_count)
{
	const struct opts *o = a->opts;
	size_t given = o->rest_count, count = given + (f ? f->spec_count : 0);
	struct solve_job *jobs = texts_alloc(&a->texts, count, sizeof(*jobs));

	for (size_t i = 0; i < count; i++) {
		const char *spec = i < given ? o->rest[i] : f->specs[i - given];

		jobs[i] = (struct solve_job){ JOB_INSTALL, spec_shown(&a->texts, spec) };
	}
	*ret_count = count;
	return jobs;
}

int spec_name(struct texts *t, const char *spec, const char **ret, struct err *e)
{
	AUTO(matchspec_freep) struct matchspec *m = NULL;
	int r = matchspec_parse(&m, spec, e);

	*ret = r == 0 ? texts_keep(t, matchspec_name(m)) : NULL;
	return r;
}
