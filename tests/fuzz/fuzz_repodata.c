/* SPDX-License-Identifier: Apache-2.0 */
/* A repodata.json, plain or zstd: what converts must make a sound index. */
#include "repodata_touch.h"

#include "channel/repodata_convert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	AUTO(repodata_freep) struct repodata *rd = NULL;
	AUTO_FD from = touch_file(data, len);
	AUTO_FD to = touch_file("", 0);
	struct err e = { 0 };
	int r = repodata_convert_fd(from, to, "https://example.org/c", "linux-64",
				    len > 0 && data[len - 1] == '\n', &e);

	if (r < 0) {
		assert(e.text[0] && e.code == r);
		return 0;
	}
	r = repodata_map(&rd, to, &e);
	assert(r == 0);
	r = repodata_verify(rd, &e);
	assert(r == 0);
	touch_all(rd, true);
	return 0;
}
