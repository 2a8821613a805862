/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repodata: all records of one channel subdir, converted once per download into
 * an index on disk that later runs map (docs/formats/repodata.md).
 *
 * STORE/channels/KEY.idx is the converted index, KEY.state what the server said
 * of it (ETag, Last-Modified, Cache-Control, when). Conversion streams: no more
 * than one record is held as JSON at a time. A mapped index is untrusted input
 * like any other: all of it is bounds-checked, damage is -EBADMSG and leads to a
 * new conversion.
 */
#ifndef ENVFS_CHANNEL_REPODATA_H
#define ENVFS_CHANNEL_REPODATA_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/store.h"
#include "channel/channel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct repodata;

/* One record. Texts lead into the map; "" when the record has none. */
struct record {
	const char *fn, *name, *version, *build, *subdir;
	const char *noarch; /* "", "generic", "python" */
	uint64_t build_number, size, timestamp_ms;
	struct digest sha256; /* zero: none */
	struct md5 md5;	      /* zero: none */
	const char *track_features, *features, *license, *python_site_packages_path;
	const uint32_t *depends, *constrains; /* text ids: repodata_text() */
	uint32_t depend_count, constrain_count;
	bool revoked;
	const char *rest_json; /* "" or a JSON object: every other member, as published */
};

/* How to get it. */
struct repodata_options {
	struct fetcher *fetcher; /* NULL: offline */
	bool offline;		 /* only what is cached; file:// channels are read all the same */
	long ttl;		 /* config's repodata_ttl */
	bool use_only_tar_bz2;
	void (*progress)(void *ctx, const char *what, uint64_t bytes, uint64_t total);
	void *ctx;
};

/*
 * The repodata of channel/subdir: cached and fresh, or asked for
 * (repodata.json.zst, then repodata.json), converted and published. A subdir
 * that the server says does not exist is -ENOENT. *ret_stale: offline, or the
 * server could not be reached, and what is cached was used; *ret_age_s says how
 * old it is. On a read-only store what cannot be stored is converted in memory.
 */
int repodata_get(struct repodata **ret, struct store *st, const struct channel *ch,
		 const char *subdir, const struct repodata_options *o, bool *ret_stale,
		 int64_t *ret_age_s, struct err *e) MUST_CHECK;

/* Several at once: their downloads overlap, results as of repodata_get() each.
 * A missing subdir is NULL in its place; it is -ENOENT only when a channel has
 * neither of its subdirs. */
struct repodata_want {
	const struct channel *channel;
	const char *subdir;
	struct repodata *ret; /* owned by the caller after */
	bool ret_stale;
	int64_t ret_age_s;
};
int repodata_get_all(struct repodata_want *wants, size_t count, struct store *st,
		     const struct repodata_options *o, struct err *e) MUST_CHECK;

/* Converts a document read from fd (plain, or zstd by its magic); for tests and
 * for benches. */
int repodata_convert(struct store *st, int fd, const char *channel_url, const char *subdir,
		     const char *key, bool use_only_tar_bz2, struct err *e) MUST_CHECK;
int repodata_open(struct repodata **ret, struct store *st, const char *key, struct err *e)
	MUST_CHECK;
struct repodata *repodata_free(struct repodata *rd);
AUTO_FREE_FN(repodata)

const char *repodata_channel_url(const struct repodata *rd);
const char *repodata_subdir(const struct repodata *rd);
uint32_t repodata_count(const struct repodata *rd);
void repodata_record(const struct repodata *rd, uint32_t i, struct record *ret);
/* Records of one name: [*ret_first, *ret_first + count). Sorted by file name, so
 * the order never depends on the document's. `removed` ones and those of `v3` are
 * not in it, nor a .tar.bz2 that has a .conda twin. */
uint32_t repodata_find(const struct repodata *rd, const char *name, uint32_t *ret_first);
/* Distinct dependency texts have distinct ids below repodata_text_count(). */
uint32_t repodata_text_count(const struct repodata *rd);
const char *repodata_text(const struct repodata *rd, uint32_t id);
/* All names, sorted: for nearest names and `search`. */
uint32_t repodata_name_count(const struct repodata *rd);
const char *repodata_name(const struct repodata *rd, uint32_t i);
/* Where the artifact is (base_url honoured), no credentials. */
int repodata_url(const struct repodata *rd, uint32_t i, struct buf *ret, struct err *e) MUST_CHECK;
/* The record as conda publishes it (all members, patched), one JSON object. */
int repodata_record_json(const struct repodata *rd, uint32_t i, struct buf *ret, struct err *e)
	MUST_CHECK;
/* A record whose artifact has this MD5 or SHA-256 or file name: completes old locks.
 * -1 when there is none. */
int64_t repodata_find_artifact(const struct repodata *rd, const struct digest *sha256,
			       const struct md5 *md5, const char *fn);

#endif
