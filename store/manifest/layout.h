/* SPDX-License-Identifier: Apache-2.0 */
/* layout: the bytes of a manifest (docs/formats/manifest.md); used inside this room only. */
#ifndef ENVFS_MANIFEST_LAYOUT_H
#define ENVFS_MANIFEST_LAYOUT_H

#include "base/err.h"
#include "base/hash.h"
#include "manifest/manifest.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define MANIFEST_MAGIC	  "envfsMAN"
#define MANIFEST_VERSION  1

#define HEADER_BYTES	  128
#define HEADER_VERSION	  8
#define HEADER_STATE	  12
#define HEADER_PACKAGE	  16
#define HEADER_ARTIFACT	  24
#define HEADER_NOARCH	  56
#define HEADER_ENTRIES	  60
#define HEADER_PATCHES	  64
#define HEADER_POINTS	  68
#define HEADER_SPOTS	  72
#define HEADER_TEXTS	  80
#define HEADER_INDEX_JSON 88
#define HEADER_FILE_BYTES 96
#define HEADER_ZERO	  104

#define ENTRY_BYTES	  48
#define ENTRY_NAME	  0
#define ENTRY_NAME_LEN	  4
#define ENTRY_TYPE	  6
#define ENTRY_FLAGS	  7
#define ENTRY_PARENT	  8
#define ENTRY_FIRST	  12 /* first child, target or patch */
#define ENTRY_MORE	  16 /* children, or length of the target */
#define ENTRY_MODE	  20
#define ENTRY_MTIME	  24
#define ENTRY_MTIME_NS	  32
#define ENTRY_ZERO	  36
#define ENTRY_SIZE	  40

#define PLACE_BYTES	  24
#define PLACE_PACK	  0
#define PLACE_OFFSET	  8
#define PLACE_STORED	  16

#define PATCH_BYTES	  32
#define PATCH_TEXT	  0
#define PATCH_TEXT_LEN	  4
#define PATCH_SPOT	  8
#define PATCH_SPOTS	  16
#define PATCH_SHEBANG	  24
#define PATCH_SHEBANG_LEN 28

#define SPOT_BYTES	  24
#define SPOT_OFFSET	  0
#define SPOT_END	  8
#define SPOT_UNIT	  16
#define SPOT_ZERO	  20

#define POINT_BYTES	  24 /* three of offset, length */
#define SUM_BYTES	  8

#define NO_PATCH	  UINT32_MAX
#define NO_TEXT		  UINT32_MAX
#define FLAGS_KNOWN                                                                                \
	(ENTRY_TEXT | ENTRY_BINARY | ENTRY_NO_LINK | ENTRY_LISTED_DIR | ENTRY_HAS_DIGEST |         \
	 ENTRY_PATHS_DIGEST | ENTRY_PATHS_SIZE)

#define DIR_MODE     0755
#define LINK_MODE    0777
#define FILE_MODE    0755 /* while not known */
#define MODE_KEPT    0755 /* of what the archive says: 022 cleared, no setuid, setgid, sticky */
#define SHEBANG_MAX  4096
#define NSEC_PER_SEC 1000000000

struct manifest {
	_Atomic unsigned int refs;
	const uint8_t *bytes; /* owned when mapped, else borrowed */
	size_t len;
	bool mapped;

	uint64_t package;
	enum manifest_state state;
	enum noarch_kind noarch;
	uint32_t entry_count, patch_count, point_count;
	uint64_t spot_count, text_bytes, index_json_len, file_bytes;
	const uint8_t *entries, *digests, *places, *patches, *spots, *points;
	const char *texts, *index_json;
};

static inline const uint8_t *entry_row(const struct manifest *m, uint32_t index)
{
	return m->entries + (size_t)index * ENTRY_BYTES;
}

/* Finds the sections: lengths and header. */
int manifest_layout(struct manifest *m, uint64_t package, struct err *e) MUST_CHECK;
/* Everything else that a reader must check. */
int manifest_check(const struct manifest *m, struct err *e) MUST_CHECK;

/* A manifest in memory that outlives it: for the builder's own check, and tests. */
int manifest_of_bytes(struct manifest **ret, const void *bytes, size_t len, uint64_t package,
		      struct err *e) MUST_CHECK;

#endif
