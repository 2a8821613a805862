/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zip: the index of a .conda (CEP 35), read strictly, so that nobody else's
 * reader can see another archive in the same bytes:
 *
 *	[local header, name, extra, data, (descriptor)]...  one after the other
 *	[central record]...                                 from where the last one ended
 *	(zip64 end record, zip64 locator)
 *	end record                                          without comment, the last 22 bytes
 *
 * No gap, no overlap, nothing before, between or after; every local header says
 * what its central record says; stored members only; no name twice; at the root
 * exactly one info-*.tar.zst, exactly one pkg-*.tar.zst of the same stem, at most
 * one metadata.json. Other members are tolerated and never read. zip64 fields and
 * data descriptors are understood.
 *
 * (CEP 35 wants metadata.json; conda, mamba and rattler do not ask for it, it
 * decides nothing, and archives without it, or with an empty one, exist.)
 */
#ifndef ENVFS_PKG_ZIP_H
#define ENVFS_PKG_ZIP_H

#include "base/err.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zip_member {
	char name[NAME_BYTES_MAX + 1];
	uint64_t header; /* offset of its local header */
	uint64_t size;
	uint64_t data; /* offset of its bytes; 0: the local header is not here */
	uint64_t end;  /* of data and descriptor */
	uint32_t crc;
	uint16_t version, flags, method, time, date;
};

struct zip {
	struct zip_member members[ZIP_MEMBERS_MAX]; /* sorted by header */
	size_t count;
	uint64_t directory; /* offset of the first central record */
	/* Into members; metadata may be NULL. */
	const struct zip_member *metadata, *info, *pkg;
};

/*
 * fd holds an artifact of `size` bytes from its byte `base` on. Local headers
 * before base cannot be checked (but for their place). When the central records
 * or the info- member's local header lie before base: -EAGAIN, and *ret_need says
 * from which byte on fd must hold it (for the member: from its local header on).
 * ret_need may be NULL when base is 0.
 */
int zip_read(struct zip *ret, int fd, uint64_t base, uint64_t size, uint64_t *ret_need,
	     struct err *e) MUST_CHECK;

#endif
