/* SPDX-License-Identifier: Apache-2.0 */
/* A damaged index: its header is made right again, so that the damage behind it is met. */
#include "repodata_touch.h"

#include "channel/repodata_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(repodata_freep) struct repodata *rd = NULL;
	AUTO_FD fd = touch_file(data, len);
	struct rdfile_header h;

	if (len >= sizeof(h)) {
		memcpy(&h, data, sizeof(h));
		h.magic = RDFILE_MAGIC;
		h.version = RDFILE_VERSION;
		h.header_bytes = sizeof(h);
		h.file_bytes = len;
		h.xxh = xxh64(&h, offsetof(struct rdfile_header, xxh));
		if (sys_pwrite(fd, &h, sizeof(h), 0) < 0)
			abort();
	}
	if (repodata_map(&rd, fd, NULL) == 0)
		touch_all(rd, false);
	return 0;
}
