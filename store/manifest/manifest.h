/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest: a package's table of paths (docs/formats/manifest.md), mapped
 * read-only. Independent of prefix, Python version and environment: what
 * depends on those is worked out by fs/.
 *
 * A manifest is either *listed* (names, types, sizes and placeholders are
 * known; modes, times, bytes and spots are not) or *present* (all is known and
 * all objects are in packs). It is replaced atomically when that changes; the
 * numbers of its entries then stay as long as its names do.
 *
 * Entries are numbered from 0, the root directory. The children of a directory
 * have consecutive numbers and are sorted by strcmp of their names, parents
 * stand before their children. info/ is not in it, nor is what paths.json does
 * not list. Everything is checked when it is opened, so the calls below cannot
 * fail: a file that does not hold is -EBADMSG.
 */
#ifndef ENVFS_MANIFEST_MANIFEST_H
#define ENVFS_MANIFEST_MANIFEST_H

#include "base/auto.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/store.h"
#include "manifest/spots.h"
#include "object/pack.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum manifest_state { MANIFEST_LISTED = 1, MANIFEST_PRESENT = 2 };
enum noarch_kind { NOARCH_NONE, NOARCH_GENERIC, NOARCH_PYTHON };
enum entry_type { ENTRY_DIR = 1, ENTRY_FILE = 2, ENTRY_LINK = 3 };

enum entry_flag {
	ENTRY_TEXT = 1,	   /* has a placeholder, file_mode text */
	ENTRY_BINARY = 2,  /* has a placeholder, file_mode binary */
	ENTRY_NO_LINK = 4, /* no_link */
	ENTRY_LISTED_DIR =
		8, /* a directory that the package lists itself (else: implied by a path) */
	ENTRY_HAS_DIGEST = 16,	 /* digest is known */
	ENTRY_PATHS_DIGEST = 32, /* the package's own paths.json carried a sha256 for it (links: of
				    the target's content) */
	ENTRY_PATHS_SIZE = 64,	 /* likewise a size_in_bytes: paths_size */
};

#define ENTRY_ROOT	0
#define ENTRY_INDEX_MAX ((1u << 24) - 1) /* node numbers have 24 bits for it */

/* One entry, decoded. Pointers lead into the map. */
struct entry {
	uint32_t index, parent;
	const char *name; /* NUL-terminated; "" for the root */
	uint32_t name_len;
	enum entry_type type;
	uint32_t flags;
	uint32_t children, child_count; /* directories: first child's number, how many */
	uint32_t mode; /* permission bits, 022 cleared, no setuid; listed: 0755 guess */
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint64_t size; /* of the original bytes; links: of the target text. Listed: of files from
			  paths.json, or 0; of links 0 */
	uint64_t paths_size; /* size_in_bytes of paths.json (links: of the target's content);
				0 when !ENTRY_PATHS_SIZE */
	const struct digest *digest; /* of the original bytes (links: what paths.json says); zero
					when !ENTRY_HAS_DIGEST */
	struct extent extent;	     /* present files */
	const char *target;	     /* present links; NUL-terminated */
	const char *placeholder;     /* NULL: not patched */
	size_t placeholder_len;
	size_t spot_count; /* present files with a placeholder; manifest_spot() gives them */
	uint64_t spot_first;
	const char
		*shebang; /* present ENTRY_TEXT files that start with "#!": first line; else NULL */
	size_t shebang_len;
};

struct manifest;

int manifest_open(struct manifest **ret, struct store *st, uint64_t package, struct err *e)
	MUST_CHECK;
/* Counted references: manifest_ref() for a second owner, safe between threads. */
struct manifest *manifest_ref(struct manifest *m);
struct manifest *manifest_free(struct manifest *m); /* drops one */
AUTO_FREE_FN(manifest)

uint64_t manifest_package(const struct manifest *m);
enum manifest_state manifest_state(const struct manifest *m);
uint32_t manifest_count(const struct manifest *m);
void manifest_entry(const struct manifest *m, uint32_t index, struct entry *ret);
/* The child of directory `dir` with this name, or 0 (the root is nobody's child). */
uint32_t manifest_find(const struct manifest *m, uint32_t dir, const char *name, size_t len);
/* The same for a whole path from the root. */
uint32_t manifest_resolve(const struct manifest *m, const char *path, size_t len);
/* The entry's path from the root; room of PATH_BYTES_MAX + 1. Returns its length. */
size_t manifest_path(const struct manifest *m, uint32_t index, char *room);
void manifest_spot(const struct manifest *m, uint64_t spot, struct spot *ret);

/* What info/ said. */
const struct digest *manifest_artifact(const struct manifest *m); /* its SHA-256 */
enum noarch_kind manifest_noarch(const struct manifest *m);
const char *manifest_index_json(const struct manifest *m, size_t *ret_len); /* as in the package */
uint32_t manifest_entry_point_count(const struct manifest *m);
struct entry_point {
	const char *command, *module, *function; /* checked: pkg/pkg.h */
};
void manifest_entry_point(const struct manifest *m, uint32_t i, struct entry_point *ret);
/* Sums over all files: for status and progress. */
uint64_t manifest_bytes(const struct manifest *m);

#endif
