/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repodata_state: what is known of a subdir's last download (channels/KEY.state), and
 * whether it is still fresh. Used by repodata_*.c only. One small JSON object; what
 * cannot be read counts as nothing known, since that only costs a download.
 */
#ifndef ENVFS_CHANNEL_REPODATA_STATE_H
#define ENVFS_CHANNEL_REPODATA_STATE_H

#include "base/err.h"
#include "base/store.h"

#include <stdbool.h>
#include <stdint.h>

#define STATE_FILE_BYTES 32

struct repodata_state {
	char file[STATE_FILE_BYTES]; /* "repodata.json.zst"; "": nothing known */
	char etag[256], last_modified[64], cache_control[256];
	int64_t checked_ms;	 /* wall clock: when the server last confirmed it */
	int64_t no_zst_ms;	 /* when it last had no .zst; 0: it has, or was not asked */
	bool missing;		 /* there is no such subdir */
	uint64_t mtime_ns, size; /* of a local file */
};

/* A name for the subdir's files: hex digits, no credentials in it. */
#define REPODATA_KEY_BYTES 48
int repodata_key(const char *channel_url, const char *subdir, bool use_only_tar_bz2,
		 char ret[REPODATA_KEY_BYTES], struct err *e) MUST_CHECK;

void repodata_state_load(struct repodata_state *ret, struct store *st, const char *key);
int repodata_state_save(const struct repodata_state *s, struct store *st, const char *key,
			const char *url, struct err *e) MUST_CHECK;

/* local_repodata_ttl: 1 the server's Cache-Control, 0 always ask, n seconds. */
bool repodata_state_is_fresh(const struct repodata_state *s, long ttl, int64_t now_ms);
/* Seconds that Cache-Control allows; 0: always ask. */
int64_t cache_control_max_age(const char *text);
/* Whether the one HTTP date is before the other; false when either is none. */
bool http_date_before(const char *one, const char *other);
/* Seconds since it was confirmed; 0 when the clock was set back since. */
int64_t repodata_state_age_s(const struct repodata_state *s, int64_t now_ms);

#endif
