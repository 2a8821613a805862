/* SPDX-License-Identifier: Apache-2.0 */
/* paths.json, link.json, and the three texts before them. The first byte says which;
 * has_prefix, files and no_link are parted by 0xff. */
#include "base/path.h"
#include "pkg/link.h"
#include "pkg/paths.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static int check_row(void *ctx, const struct pkg_row *row, struct err *e)
{
	(void)ctx;
	if (path_check(row->path, row->path_len, e) < 0 ||
	    paths_is_hidden(row->path, row->path_len) || row->type < PKG_UNKNOWN ||
	    row->type > PKG_LINK || (row->placeholder && row->placeholder_len == 0))
		__builtin_trap();
	return 0;
}

static void try_link(const char *text, size_t len)
{
	AUTO(link_freep) struct link *link = NULL;
	const struct pkg_entry_point *points;
	size_t count;
	struct err e;

	if (link_parse(&link, text, len, &e) < 0)
		return;
	points = link_entry_points(link, &count);
	for (size_t i = 0; i < count; i++)
		if (link_check_point(&points[i], &e) < 0)
			__builtin_trap();
}

/* Up to 0xff, which moves past it. */
static const char *part(const char **text, size_t *len, size_t *ret_len)
{
	const char *start = *text, *end = memchr(start, 0xff, *len);

	*ret_len = end ? (size_t)(end - start) : *len;
	*len -= end ? *ret_len + 1 : *len;
	*text = end ? end + 1 : start + *ret_len;
	return start;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	const char *text = (const char *)bytes + 1;
	struct pkg_limits limits = PKG_LIMITS;
	struct paths_lines lines = { 0 };
	struct err e;

	if (len == 0)
		return 0;
	len--;
	switch (bytes[0] % 3) {
	case 0:
		(void)!paths_from_json(text, len, &limits, check_row, NULL, &e);
		break;
	case 1:
		try_link(text, len);
		break;
	default:
		lines.has_prefix = part(&text, &len, &lines.has_prefix_len);
		lines.files = part(&text, &len, &lines.files_len);
		lines.no_link = part(&text, &len, &lines.no_link_len);
		(void)!paths_from_lines(&lines, &limits, check_row, NULL, &e);
		break;
	}
	return 0;
}
