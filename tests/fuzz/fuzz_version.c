/* SPDX-License-Identifier: Apache-2.0 */
/* Two versions and an expression, a NUL between them: the order is one, and what
 * is printed reads the same again. */
#include "spec/version.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_order(const struct version *a, const struct version *b)
{
	AUTO(version_freep) struct version *again = NULL;
	AUTO_BUF parts = BUF(1u << 16);
	int c = version_cmp(a, b);

	assert((c > 0) - (c < 0) == -((version_cmp(b, a) > 0) - (version_cmp(b, a) < 0)));
	assert(version_cmp(a, a) == 0 && version_starts_with(a, a));
	(void)version_starts_with(a, b);
	version_print_parts(a, &parts);
	assert(version_parse(&again, version_text(a), strlen(version_text(a)), NULL) == 0);
	assert(version_cmp(a, again) == 0);
}

static void check_spec(const char *text, size_t len, const struct version *v)
{
	AUTO(version_spec_freep) struct version_spec *s = NULL, *again = NULL;
	struct err e;

	if (version_spec_parse(&s, text, len, &e) < 0)
		return;
	text = version_spec_text(s);
	assert(version_spec_parse(&again, text, strlen(text), &e) == 0);
	assert(strcmp(version_spec_text(again), text) == 0);
	assert(version_spec_matches(s, v) == version_spec_matches(again, v));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(version_freep) struct version *a = NULL, *b = NULL;
	const char *text = (const char *)data, *end = text + size;
	const char *first = memchr(text, '\0', size), *second;
	struct err e;

	if (!first)
		return 0;
	second = memchr(first + 1, '\0', (size_t)(end - first) - 1);
	if (!second || version_parse(&a, text, (size_t)(first - text), &e) < 0 ||
	    version_parse(&b, first + 1, (size_t)(second - first) - 1, &e) < 0)
		return 0;
	check_order(a, b);
	check_spec(second + 1, (size_t)(end - second) - 1, a);
	return 0;
}
