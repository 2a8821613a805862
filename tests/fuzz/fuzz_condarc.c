/* SPDX-License-Identifier: Apache-2.0 */
/* A .condarc: what parses is a tree that ends. */
#include "channel/condarc.h"

#include "base/limits.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Depth first without recursion: at most YAML_DEPTH_MAX parents wait. */
static size_t walk(const struct condarc *c, const struct condarc_node *n)
{
	const struct condarc_node *parents[YAML_DEPTH_MAX + 1];
	size_t depth = 0, count = 0;

	while (n || depth > 0) {
		if (!n) {
			n = condarc_next(c, parents[--depth]);
			continue;
		}
		count += 1 + (n->text ? strlen(n->text) : 0) + (n->key ? strlen(n->key) : 0);
		assert(count <= 16 * CONDARC_BYTES_MAX && depth <= YAML_DEPTH_MAX);
		parents[depth++] = n;
		n = condarc_first(c, n);
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const keys[] = { "channels", "a", "custom_channels", "offline" };
	AUTO(condarc_freep) struct condarc *c = NULL;
	struct err e = { 0 };
	int r = condarc_parse(&c, (const char *)data, len, &e);

	if (r < 0) {
		assert(e.text[0]);
		return 0;
	}
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct condarc_node *n = condarc_get(c, keys[i]);

		if (n) {
			assert(n->kind != CONDARC_NULL);
			(void)walk(c, condarc_first(c, n));
		}
	}
	return 0;
}
