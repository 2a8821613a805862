/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spots: where a file holds its package's placeholder prefix. Found once, when
 * the package comes, while the bytes stream by; kept in the manifest; applied
 * by fs/synth at every read, so that nothing is scanned at mount time.
 *
 * Rules: conda core/portability.py, with the end of the file ending a C string
 * (as rattler and mamba do). Text: each occurrence, in UTF-8, UTF-16 and UTF-32
 * of both byte orders. Binary: each occurrence, with the end of the C string
 * that encloses it (the encoding's NUL, or the end of the file).
 *
 * Where this is narrower than conda, so that spots do not depend on the prefix:
 * a NUL of UTF-16 and UTF-32 counts only where a character of that string can
 * stand; and where two encodings meet, the earlier one (in the order of enum
 * spot_unit) has the bytes, and a C string ends where an earlier one's begins.
 */
#ifndef ENVFS_MANIFEST_SPOTS_H
#define ENVFS_MANIFEST_SPOTS_H

#include "base/auto.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum spot_unit { SPOT_UTF8, SPOT_UTF16LE, SPOT_UTF16BE, SPOT_UTF32LE, SPOT_UTF32BE };
#define SPOT_UNITS 5

/* Bytes of the encoding's NUL: 1, 2 or 4. */
uint32_t spot_unit_bytes(enum spot_unit unit);

/*
 * The text as it stands in a file of that encoding: at most 4 * len bytes into
 * room. Returns how many; 0: it cannot be written so (not UTF-8; never for
 * SPOT_UTF8, which is any bytes).
 */
size_t spot_encode(enum spot_unit unit, const char *text, size_t len, uint8_t *room);

/* As it stands in the manifest: little-endian there, in this struct native. */
struct spot {
	uint64_t offset; /* of the placeholder's first byte in the original */
	uint64_t end; /* binary: offset of the NUL that ends its C string, or the file's size; text:
			 0 */
	uint32_t unit;	   /* enum spot_unit */
	uint32_t reserved; /* 0 */
};

struct spot_finder;

int spot_finder_open(struct spot_finder **ret, const char *placeholder, size_t placeholder_len,
		     bool binary, struct err *e) MUST_CHECK;
struct spot_finder *spot_finder_free(struct spot_finder *f);
AUTO_FREE_FN(spot_finder)
/* The file's bytes, in pieces of any size. -EFBIG past SPOTS_MAX. */
int spot_finder_add(struct spot_finder *f, const void *bytes, size_t len, struct err *e) MUST_CHECK;
/*
 * Spots sorted by offset, never overlapping; borrowed until free. Binary: spots
 * of one C string have the same end, C strings do not overlap. For a text file
 * that starts with "#!": its first line without the newline, in *ret_line, at
 * most SHEBANG_BYTES_MAX bytes of it (as many: it may be longer); else NULL.
 */
int spot_finder_end(struct spot_finder *f, const struct spot **ret, size_t *ret_count,
		    const char **ret_line, size_t *ret_line_len, struct err *e) MUST_CHECK;

#endif
