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
	struct digest sha256;		       /* zero: none */
	struct md5 md5;			       /* zero: none */
	const char *track_features, *features; /* names, one blank between them */
	const char *license, *python_site_packages_path;
	const uint32_t *depends, *constrains; /* text ids: repodata_text() */
	uint32_t depend_count, constrain_count;
	bool revoked;
	/* "" or a JSON object without blanks: every other member, as published, and those of the
	 * above that were published in another form (null, a list, 1.0, …). */
	const char *rest_json;
};

/* How to get it. */
struct repodata_options {
	struct fetcher *fetcher; /* NULL: offline */
	bool offline;		 /* only what is cached; file:// channels are read all the same */
	long ttl;		 /* config's repodata_ttl */
	bool use_only_tar_bz2;
	/* Or NULL. On the fetcher's thread; what is "conda-forge/noarch", total 0: not known. */
	void (*progress)(void *ctx, const char *what, uint64_t bytes, uint64_t total);
	void *ctx;
};

/*
 * The repodata of channel/subdir: cached and fresh, or asked for
 * (repodata.json.zst, then repodata.json), converted and published. docs/channels.md
 * has the rules. A subdir that the server says does not exist is -ENOENT; offline, and
 * not cached, -EHOSTUNREACH. *ret_stale: offline, or the server could not be reached or
 * has older repodata, and what is cached was used; *ret_age_s says how long ago the
 * server was last asked. On a read-only store what cannot be stored is converted into a
 * file without a name. A lock per subdir makes two commands download once.
 */
int repodata_get(struct repodata **ret, struct store *st, const struct channel *ch,
		 const char *subdir, const struct repodata_options *o, bool *ret_stale,
		 int64_t *ret_age_s, struct err *e) MUST_CHECK;

/* Several at once: their downloads overlap, results as of repodata_get() each.
 * A missing subdir is NULL in its place; it is -ENOENT only when a channel has
 * neither of its subdirs. On failure all are NULL. */
struct repodata_want {
	const struct channel *channel;
	const char *subdir;
	struct repodata *ret; /* owned by the caller after */
	bool ret_stale;
	int64_t ret_age_s;
	struct err ret_why; /* stale: why, a sentence for the user */
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
/* Records that are offered: sorted by name, then file name, so the order never depends on
 * the document's. `removed` ones, and a .tar.bz2 that has a .conda twin (or every .conda,
 * with use_only_tar_bz2), stand behind them and are only found by repodata_find_artifact();
 * those of `v3` and those that are of no use are not in it. */
uint32_t repodata_count(const struct repodata *rd);
/* With those that stand behind. */
uint32_t repodata_total(const struct repodata *rd);
/* A record that turns out damaged has the name "" and is revoked; see repodata_damaged(). */
void repodata_record(const struct repodata *rd, uint32_t i, struct record *ret);
/* Records of one name: [*ret_first, *ret_first + count). */
uint32_t repodata_find(const struct repodata *rd, const char *name, uint32_t *ret_first);
/* Distinct dependency texts have distinct ids below repodata_text_count(). */
uint32_t repodata_text_count(const struct repodata *rd);
const char *repodata_text(const struct repodata *rd, uint32_t id);
/* All names, sorted: for nearest names and `search`. */
uint32_t repodata_name_count(const struct repodata *rd);
const char *repodata_name(const struct repodata *rd, uint32_t i);
/* Records of the document that were of no use (a bad name, …): how many, and a sentence
 * about the first; "" when there are none. */
uint32_t repodata_skipped(const struct repodata *rd, const char **ret_why);
/* Whether what was read so far pointed out of the file. Open checks the header and where
 * the sections lie, in constant time; each access checks what it follows. */
bool repodata_damaged(const struct repodata *rd);
/* Hashes all of it: -EBADMSG when a byte has changed. Takes some 30 ms for 100 MB. */
int repodata_verify(const struct repodata *rd, struct err *e) MUST_CHECK;
/* Where the artifact is (base_url honoured), no credentials. */
int repodata_url(const struct repodata *rd, uint32_t i, struct buf *ret, struct err *e) MUST_CHECK;
/* The record as the document has it (all members, patched), one JSON object. */
int repodata_record_json(const struct repodata *rd, uint32_t i, struct buf *ret, struct err *e)
	MUST_CHECK;
/* A record whose artifact has this SHA-256, else this MD5, else this file name (each may be
 * NULL), and no hash that differs: completes old locks. Also finds those that are not
 * offered. -1 when there is none. */
int64_t repodata_find_artifact(const struct repodata *rd, const struct digest *sha256,
			       const struct md5 *md5, const char *fn);

#endif
