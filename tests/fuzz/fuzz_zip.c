/* SPDX-License-Identifier: Apache-2.0 */
/* The index of a .conda, whole and from a tail (the first byte says how much of it). */
#include "base/sys.h"
#include "pkg/zip.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* What a reader of the members relies on. */
static void check(const struct zip *zip, uint64_t base, uint64_t size)
{
	uint64_t at = 0;

	for (size_t i = 0; i < zip->count; i++) {
		const struct zip_member *m = &zip->members[i];

		if (m->header < at || m->method != 0 ||
		    memchr(m->name, '\0', sizeof(m->name)) == NULL)
			__builtin_trap();
		at = m->header;
		if (m->header < base)
			continue;
		if (m->data <= m->header || m->data + m->size < m->data ||
		    m->data + m->size > m->end || m->end > zip->directory)
			__builtin_trap();
		at = m->end;
	}
	if (!zip->info || !zip->pkg || zip->info == zip->pkg || zip->directory > size ||
	    zip->info->data < base)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static int fd = -1;
	static struct zip zip;
	uint64_t base, need = UINT64_MAX;
	struct err e;
	int r;

	if (len == 0)
		return 0;
	if (fd < 0)
		fd = memfd_create("zip", MFD_CLOEXEC);
	base = (uint64_t)bytes[0] * 16;
	bytes++;
	len--;
	if (fd < 0 || sys_ftruncate(fd, 0) < 0 || sys_pwrite(fd, bytes, len, 0) < 0)
		__builtin_trap();
	r = zip_read(&zip, fd, 0, len, NULL, &e);
	if (r == 0)
		check(&zip, 0, len);
	/* The same bytes as the tail of something that is base bytes longer. */
	r = zip_read(&zip, fd, base, base + len, &need, &e);
	if (r == 0)
		check(&zip, base, base + len);
	if (r == -EAGAIN && need >= base)
		__builtin_trap();
	return 0;
}
