/* SPDX-License-Identifier: Apache-2.0 */
/* The cached repodata: damage there loses nothing, the next use converts it anew. */
#include "gc/audit.h"

#include "base/limits.h"
#include "base/sys.h"
#include "channel/repodata.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SUFFIX ".idx"

struct channels_run {
	struct audit *a;
	struct err *e;
};

static int audit_cached(void *ctx, const char *name, unsigned char type)
{
	const struct channels_run *run = ctx;
	AUTO(repodata_freep) struct repodata *rd = NULL;
	char key[NAME_BYTES_MAX + 1];
	size_t len = strlen(name);
	int r;

	(void)type;
	if (len <= strlen(SUFFIX) || strcmp(name + len - strlen(SUFFIX), SUFFIX) != 0)
		return 0;
	(void)snprintf(key, sizeof(key), "%.*s", (int)(len - strlen(SUFFIX)), name);
	r = repodata_open(&rd, run->a->st, key, run->e);
	if (r == 0)
		r = repodata_verify(rd, run->e);
	if (r != -EBADMSG)
		return r == -ENOENT ? 0 : r;
	return audit_note(run->a, "cached repodata", "%s; the next use of the channel mends it",
			  run->e->text);
}

int audit_channels(struct audit *a, struct err *e)
{
	struct channels_run run = { a, e };
	int r;

	if (a->st->channels < 0)
		return 0;
	r = sys_each_name(a->st->channels, audit_cached, &run);
	if (r < 0 && !e->code)
		return err_set(e, r, "channels: %s", strerror(-r));
	return r;
}
