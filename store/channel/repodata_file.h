/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repodata_file: the bytes of a converted index (docs/formats/repodata.md), used by
 * repodata_*.c only. A cache of this machine's: numbers are in its byte order, which
 * the magic tells, and another version is simply converted anew.
 *
 *	header | strings | texts | lists | names | records | by_sha256 | by_md5 | by_fn
 *
 * Each section starts on 8 bytes. Strings are named by their offset into `strings`,
 * which starts with the empty one and ends with a NUL.
 */
#ifndef ENVFS_CHANNEL_REPODATA_FILE_H
#define ENVFS_CHANNEL_REPODATA_FILE_H

#include "base/hash.h"

#include <stdint.h>

#define RDFILE_MAGIC   0x31617461646f7065ULL /* "epodata1" where bytes run upwards */
#define RDFILE_VERSION 1
#define RDFILE_ALIGN   8

enum rdfile_section_id {
	RDFILE_STRINGS,	  /* bytes */
	RDFILE_TEXTS,	  /* uint32_t: the string of each dependency text */
	RDFILE_LISTS,	  /* uint32_t: text ids */
	RDFILE_NAMES,	  /* struct rdfile_name, sorted, and one more that ends the last */
	RDFILE_RECORDS,	  /* struct rdfile_record */
	RDFILE_BY_SHA256, /* struct rdfile_lookup, sorted by key, then record */
	RDFILE_BY_MD5,
	RDFILE_BY_FN,
	RDFILE_SECTIONS
};

struct rdfile_section {
	uint64_t offset, bytes;
	uint64_t xxh; /* XXH3 of the section */
};

struct rdfile_header {
	uint64_t magic;
	uint32_t version, header_bytes;
	uint64_t file_bytes;
	uint32_t records; /* all */
	uint32_t shown;	  /* the first of them: those that a solver is offered */
	uint32_t names, texts;
	uint32_t skipped;			/* records of the document that are of no use */
	uint32_t skipped_why;			/* string: of the first of them, a sentence */
	uint32_t channel_url, subdir, base_url; /* strings; base_url ends in a slash */
	uint32_t reserved;
	struct rdfile_section sections[RDFILE_SECTIONS];
	uint64_t xxh; /* XXH3 of the header up to here */
};

struct rdfile_name {
	uint32_t name;	/* string */
	uint32_t first; /* record */
};

/* Members that were published just as the record's fields say it: repodata_record_json()
 * writes these from the fields, all others are in `rest`. */
enum {
	RDFILE_HAS_NAME = 1 << 0,
	RDFILE_HAS_VERSION = 1 << 1,
	RDFILE_HAS_BUILD = 1 << 2,
	RDFILE_HAS_BUILD_NUMBER = 1 << 3,
	RDFILE_HAS_DEPENDS = 1 << 4,
	RDFILE_HAS_CONSTRAINS = 1 << 5,
	RDFILE_HAS_MD5 = 1 << 6,
	RDFILE_HAS_SHA256 = 1 << 7,
	RDFILE_HAS_SIZE = 1 << 8,
	RDFILE_HAS_SUBDIR = 1 << 9,
	RDFILE_HAS_TIMESTAMP = 1 << 10,
	RDFILE_HAS_NOARCH = 1 << 11,
	RDFILE_HAS_TRACK_FEATURES = 1 << 12,
	RDFILE_HAS_FEATURES = 1 << 13,
	RDFILE_HAS_LICENSE = 1 << 14,
	RDFILE_HAS_SITE_PACKAGES = 1 << 15,
	RDFILE_TIMESTAMP_SECONDS = 1 << 16, /* published in seconds */
	RDFILE_REVOKED = 1 << 17,
	RDFILE_HIDDEN = 1 << 18, /* removed, or a twin that is not offered */
};

struct rdfile_record {
	uint32_t fn, name, version, build, subdir, noarch; /* strings, to `rest` */
	uint32_t track_features, features, license, site_packages, rest;
	uint32_t depends, depend_count, constrains, constrain_count; /* in `lists` */
	uint32_t flags;
	uint64_t build_number, size, timestamp_ms;
	uint8_t sha256[DIGEST_BYTES];
	uint8_t md5[MD5_BYTES];
};

struct rdfile_lookup {
	uint32_t key; /* the first four bytes of the hash, or of the file name's XXH3 */
	uint32_t record;
};

uint32_t rdfile_key(const void *hash);

_Static_assert(sizeof(struct rdfile_record) == 136, "records have no gaps");
_Static_assert(sizeof(struct rdfile_header) % RDFILE_ALIGN == 0, "sections are aligned");

#endif
