/* SPDX-License-Identifier: Apache-2.0 */
/* An artifact of which no SHA-256 is known: fetched first, numbered after. */
#include "base/limits.h"
#include "base/url.h"
#include "supply/inside.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

/* Stores what supply_identify() fetched, unless another did so meanwhile. */
static int store_identified(struct supply *s, struct item *part, uint64_t size, struct err *e)
{
	const struct timespec pause = { .tv_nsec = LOCK_RETRY_NS };
	struct ingest in = ingest_of(s, part, size);
	int r;

	(void)snprintf(part->lock_name, sizeof(part->lock_name), "artifact-%s",
		       DIGEST_HEX(&part->artifact.sha256));
	while ((r = item_lock(part, s->o.store, e)) == -EBUSY && (r = check_other(s, part, e)) == 0)
		(void)nanosleep(&pause, NULL);
	if (r < 0)
		return r;
	if (supply_state(s, part->artifact.package) != SUPPLY_PRESENT)
		r = ingest_whole(&in, e);
	item_unlock(part, s->o.store);
	return r;
}

static int identify(struct supply *s, struct item *part, const struct md5 *md5, struct err *e)
{
	AUTO_BUF auth = BUF(URL_BYTES_MAX * 2);
	struct fetch_request rq = { .md5 = *md5,
				    .ret_sha256 = &part->artifact.sha256,
				    .priority = PRIORITY_ARTIFACT };
	struct index_artifact known = { .md5 = *md5 };
	struct fetch_result result;
	int r = credentials_apply(s->o.credentials, part->artifact.url, &auth, e);

	if (r == 0)
		r = item_open_part(part, s->o.store, e);
	if (r < 0)
		return r;
	rq.url = auth.bytes;
	rq.fd = part->part_fd;
	r = fetch_wait(s->o.fetcher, &rq, &result, e);
	if (r < 0)
		return r;
	known.sha256 = part->artifact.sha256;
	known.size = part->artifact.size = result.written_bytes;
	r = index_artifact_number(s->o.index, &known, e);
	if (r < 0)
		return r;
	part->artifact.package = known.package;
	return store_identified(s, part, result.written_bytes, e);
}

int supply_identify(struct supply *s, const char *url, const struct md5 *md5,
		    struct supply_artifact *ret, struct err *e)
{
	size_t len;
	struct item part = {
		.supply = s,
		.lock_fd = -1,
		.part_fd = -1,
		/* Of its URL only the last part: before that there may be a token. */
		.artifact = { .url = url, .name = url_file_name(url, &len) },
	};
	bool known;
	int r;

	if (s->o.store->read_only || !s->o.index)
		return err_set(e, -EROFS, "'%s' has no SHA-256 and the store is read-only",
			       URL_SHOWN(url));
	if (s->o.offline && !url_is_file(url))
		return err_set(e, -ENONET, "'%s' has no SHA-256 and envfs is offline",
			       URL_SHOWN(url));
	(void)supply_format(url, &known);
	if (!known)
		return err_set(e, -EBADMSG, "'%s' is neither a .conda nor a .tar.bz2",
			       URL_SHOWN(url));
	r = identify(s, &part, md5, e);
	auto_close(&part.part_fd);
	auto_close(&part.lock_fd);
	if (r < 0)
		return err_wrap(e, r, "'%s'", URL_SHOWN(url));
	*ret = part.artifact;
	ret->name = NULL;
	return 0;
}
