/* SPDX-License-Identifier: Apache-2.0 */
/* A manifest with a right checksum and anything else in it: refused, or sound. */
#include "../unit/manifest_walk.h"

#include "base/le.h"
#include "manifest/layout.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct manifest *m = NULL;
	struct err e;
	uint8_t *copy;

	if (len < HEADER_BYTES + SUM_BYTES)
		return 0;
	copy = malloc(len);
	if (!copy)
		return 0;
	memcpy(copy, data, len);
	le64_put(copy + len - SUM_BYTES, xxh64(copy, len - SUM_BYTES));
	if (manifest_of_bytes(&m, copy, len, le64_get(copy + HEADER_PACKAGE), &e) == 0 &&
	    !manifest_walk(m))
		abort();
	m = manifest_free(m);
	free(copy);
	return 0;
}
