/* SPDX-License-Identifier: Apache-2.0 */
/* format: the bytes of a generation file (docs/formats/generation.md); env/ only. */
#ifndef ENVFS_ENV_FORMAT_H
#define ENVFS_ENV_FORMAT_H

#include <stdint.h>

#define GEN_MAGIC   "ENVFSGEN"
#define GEN_VERSION 1

enum gen_text { GEN_ENV, GEN_PLATFORM, GEN_REQUEST, GEN_TEXTS = 4 };
enum pkg_text {
	PKG_NAME,
	PKG_VERSION,
	PKG_BUILD,
	PKG_SUBDIR,
	PKG_FN,
	PKG_URL,
	PKG_CHANNEL,
	PKG_RECORD,
	PKG_REQUESTED,
	PKG_TEXTS = 10
};

struct gen_header {
	char magic[8];
	uint32_t version, count;
	uint64_t number, parent, created_ms, slot_base;
	uint64_t counters[4];
	uint64_t file_bytes;
	uint32_t texts[GEN_TEXTS];
	uint64_t zero[2];
	uint64_t checksum;
};
_Static_assert(sizeof(struct gen_header) == 128, "docs/formats/generation.md");

struct gen_row {
	uint64_t package, place, size;
	uint8_t sha256[32], md5[16];
	uint32_t texts[PKG_TEXTS];
	uint64_t zero[2];
};
_Static_assert(sizeof(struct gen_row) == 128, "docs/formats/generation.md");

/* XXH3 of the file as if its checksum field were zero. */
uint64_t gen_checksum(const void *bytes, uint64_t len);

#endif
