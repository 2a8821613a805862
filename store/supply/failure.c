/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What failed: the latest for status, and refusals, which hold for a while. Who
 * asks meanwhile gets the old answer; that is no new failure and makes it hold no
 * longer.
 */
#include "base/sys.h"
#include "supply/inside.h"

#include <errno.h>
#include <stdio.h>

static const struct refusal *find_refusal(const struct supply *s, uint64_t package)
{
	uint64_t now = sys_now_ns();

	for (size_t i = 0; i < REFUSALS_MAX; i++) {
		const struct refusal *r = &s->refusals[i];

		if (r->package == package && now - r->when_ns < s->refusal_ns)
			return r;
	}
	return NULL;
}

void failure_remember(struct supply *s, const struct item *it, int code, const struct err *why)
{
	bool refusal = code == -EBADMSG || code == -EFBIG;
	struct supply_failure *f;
	struct refusal *r;

	if (code == -ECANCELED || (refusal && find_refusal(s, it->artifact.package)))
		return;
	f = &s->failures[s->failure_count++ % FAILURES_MAX];
	*f = (struct supply_failure){ .package = it->artifact.package,
				      .when_ms = sys_wall_ms(),
				      .code = code };
	(void)snprintf(f->name, sizeof(f->name), "%s", it->artifact.name);
	(void)snprintf(f->text, sizeof(f->text), "%s", why->text);
	if (!refusal)
		return;
	r = &s->refusals[s->refusal_count++ % REFUSALS_MAX];
	*r = (struct refusal){ .package = it->artifact.package,
			       .when_ns = sys_now_ns(),
			       .code = code };
	(void)snprintf(r->text, sizeof(r->text), "%s", why->text);
}

int failure_refused(struct supply *s, uint64_t package, struct err *e)
{
	const struct refusal *r = find_refusal(s, package);

	return r ? err_set(e, r->code, "%s", r->text) : 0;
}

size_t supply_failures(struct supply *s, struct supply_failure *ret, size_t max)
{
	size_t n = 0;

	(void)pthread_mutex_lock(&s->mutex);
	for (uint64_t i = s->failure_count; i > 0 && n < max && n < FAILURES_MAX; i--)
		ret[n++] = s->failures[(i - 1) % FAILURES_MAX];
	(void)pthread_mutex_unlock(&s->mutex);
	return n;
}
