/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream: the bytes that come out of a decompressor, chunk by chunk, with every
 * bound on them held while they come: how much in all, how much more than went
 * in (ratio), how large a window the decompressor may want.
 *
 * zstd: one or more frames and nothing else. bzip2: one or more streams and
 * nothing else, through libarchive's filter alone (its raw format hands the
 * bytes on; no other filter or format is registered).
 */
#ifndef ENVFS_PKG_STREAM_H
#define ENVFS_PKG_STREAM_H

#include "base/auto.h"
#include "base/err.h"
#include "pkg/limits.h"

#include <stddef.h>
#include <stdint.h>

struct stream;

/* len bytes of fd from offset on, a zip member whose CRC-32 must be crc. packed
 * is the size of the whole artifact: what the ratio is measured against. */
int stream_open_zstd(struct stream **ret, int fd, uint64_t offset, uint64_t len, uint32_t crc,
		     uint64_t packed, const struct pkg_limits *limits, struct err *e) MUST_CHECK;
int stream_open_bzip2(struct stream **ret, int fd, uint64_t len, const struct pkg_limits *limits,
		      struct err *e) MUST_CHECK;
/* Bytes as they are, borrowed: for tests. */
int stream_open_plain(struct stream **ret, const void *bytes, size_t len,
		      const struct pkg_limits *limits, struct err *e) MUST_CHECK;
struct stream *stream_free(struct stream *s);
AUTO_FREE_FN(stream)

/*
 * The next chunk, good until the next call. *ret_len is 0 at the end, and then
 * all of the input was used, was whole and had the right checksum.
 */
int stream_next(struct stream *s, const uint8_t **ret, size_t *ret_len, struct err *e) MUST_CHECK;

#endif
