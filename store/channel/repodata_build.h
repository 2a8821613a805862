/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repodata_build: collects records in memory and writes the index; used by
 * repodata_*.c only. Memory: 136 bytes a record, each distinct string once.
 */
#ifndef ENVFS_CHANNEL_REPODATA_BUILD_H
#define ENVFS_CHANNEL_REPODATA_BUILD_H

#include "base/err.h"
#include "base/map.h"
#include "channel/repodata_file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct repodata_build {
	struct intern strings;	  /* id -> string; the file has its offset */
	uint32_t *text_of_string; /* owned; string id -> text id + 1; 0: is no text */
	size_t text_of_string_cap;
	uint32_t *texts; /* owned; text id -> string offset */
	size_t text_count, texts_cap;
	uint32_t *lists; /* owned */
	size_t list_count, lists_cap;
	struct rdfile_record *records; /* owned */
	size_t record_count, records_cap;
	struct intern removed; /* file names that are not to be offered */
	bool use_only_tar_bz2;
	uint32_t skipped, skipped_why;
	uint32_t channel_url, subdir, base_url;
};

int repodata_build_init(struct repodata_build *b, struct err *e) MUST_CHECK;
void repodata_build_done(struct repodata_build *b);
/* The offset of a string, each distinct one once. */
int repodata_build_string(struct repodata_build *b, const char *text, size_t len, uint32_t *ret,
			  struct err *e) MUST_CHECK;
/* One more dependency text at the end of the lists. */
int repodata_build_text(struct repodata_build *b, const char *text, size_t len, struct err *e)
	MUST_CHECK;
int repodata_build_add(struct repodata_build *b, const struct rdfile_record *rec, struct err *e)
	MUST_CHECK;
/* Sorts, drops what is not offered to the end, and writes all to fd from offset 0 on.
 * The builder is used up. */
int repodata_build_write(struct repodata_build *b, int fd, struct err *e) MUST_CHECK;

#endif
