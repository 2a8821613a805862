/* SPDX-License-Identifier: Apache-2.0 */
/* A spec: it matches without a fault, and what is printed is a spec that prints
 * and matches the same. */
#include "base/limits.h"
#include "spec/location.h"
#include "spec/matchspec.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct match_target target = {
	.name = "numpy",
	.version_text = "1.7.1",
	.build = "py27_0",
	.build_number = 3,
	.channel = "conda-forge",
	.channel_url = "https://conda.anaconda.org/conda-forge",
	.subdir = "linux-64",
	.fn = "numpy-1.7.1-py27_0.conda",
	.url = "https://conda.anaconda.org/conda-forge/linux-64/numpy-1.7.1-py27_0.conda",
	.license = "BSD-3-Clause",
	.track_features = "mkl debug",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(matchspec_freep) struct matchspec *s = NULL, *again = NULL;
	AUTO_BUF first = BUF(16 * SPEC_BYTES_MAX);
	AUTO_BUF second = BUF(16 * SPEC_BYTES_MAX);
	AUTO_MEM char *text = malloc(size + 1);
	struct err e;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (matchspec_parse(&s, text, &e) < 0) {
		assert(e.text[0] && e.code < 0);
		return 0;
	}
	matchspec_print(s, &first);
	(void)matchspec_matches(s, &target);
	/* A value may hold a '#' or quotes of both kinds, a URL two subdirs or tokens, and
	 * conda's form of a glob says less than the glob: these have no form of their own. */
	if (matchspec_parse(&again, first.bytes, &e) < 0 || strpbrk(text, "#'\"[ */") ||
	    location_is_package(first.bytes, first.len, &size))
		return 0;
	matchspec_print(again, &second);
	assert(strcmp(first.bytes, second.bytes) == 0);
	assert(matchspec_matches(s, &target) == matchspec_matches(again, &target));
	return 0;
}
