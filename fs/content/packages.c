/* SPDX-License-Identifier: Apache-2.0 */
#include "base/path.h"
#include "base/url.h"
#include "base/limits.h"
#include "content/inside.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static struct package **bucket_of(struct content *c, uint64_t number)
{
	return &c->packages[number % PACKAGE_BUCKETS]; /* numbers are given one after the other */
}

struct package *package_get(struct content *c, uint64_t number)
{
	for (struct package *p = *bucket_of(c, number); p; p = p->next)
		if (p->number == number)
			return p;
	return NULL;
}

struct package *package_use(struct content *c, uint64_t number)
{
	struct package *p = package_get(c, number), **bucket = bucket_of(c, number);

	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return NULL;
		p->number = number;
		p->next = *bucket;
		*bucket = p;
	}
	p->users++;
	return p;
}

void package_tidy(struct content *c, struct package *p)
{
	struct package **at = bucket_of(c, p->number);

	if (p->users > 0 || p->listing || p->fetching)
		return;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	manifest_free(p->manifest);
	free(p);
}

void package_drop(struct content *c, struct package *p)
{
	assert(p->users > 0);
	p->users--;
	package_tidy(c, p);
}

/* Whether a file: URL leads below our own mount point: reading it would wait for ourselves. */
static bool is_own(const struct content *c, const char *url)
{
	AUTO_BUF path = BUF(PATH_BYTES_MAX + 256);
	size_t len = strlen(c->mount_point);

	return url_is_file(url) && url_to_path(url, &path, NULL) == 0 &&
	       strncmp(path.bytes, c->mount_point, len) == 0 &&
	       (path.bytes[len] == '/' || path.bytes[len] == '\0');
}

int package_ask(struct content *c, struct generation *g, uint32_t slot, enum supply_want want,
		struct err *e)
{
	char name[2 * NAME_BYTES_MAX];
	struct gen_package gp;
	struct supply_artifact a;

	generation_package(g, slot, &gp);
	(void)snprintf(name, sizeof(name), "%s-%s-%s", gp.name, gp.version, gp.build);
	if (is_own(c, gp.url))
		return err_set(e, -ELOOP,
			       "'%s' is at '%s', below this mount itself: give its channel "
			       "another place",
			       name, URL_SHOWN(gp.url));
	a = (struct supply_artifact){
		.package = gp.package,
		.sha256 = gp.sha256,
		.size = gp.size,
		.url = gp.url,
		.name = name,
	};
	return supply_ask(c->supply, &a, want, want == SUPPLY_LISTED ? load_listed : present_done,
			  c, e);
}
