/* SPDX-License-Identifier: Apache-2.0 */
/* Header values as a server may send them: any bytes but NUL. */
#include "base/buf.h"
#include "base/limits.h"
#include "fetch/answer.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

/* What was understood, written anew, means the same. */
static void check_range(const char *text)
{
	AUTO_BUF again = BUF(1 * KIB);
	struct content_range a, b;

	if (!content_range_parse(text, &a))
		return;
	assert(a.has_span || a.has_total);
	assert(!a.has_span || a.first < a.end);
	assert(!a.has_span || !a.has_total || a.end <= a.total);
	buf_adds(&again, "bytes ");
	if (a.has_span)
		buf_addf(&again, "%llu-%llu", (unsigned long long)a.first,
			 (unsigned long long)a.end - 1);
	else
		buf_adds(&again, "*");
	if (a.has_total)
		buf_addf(&again, "/%llu", (unsigned long long)a.total);
	else
		buf_adds(&again, "/*");
	if (!content_range_parse(again.bytes, &b) || memcmp(&a, &b, sizeof(a)) != 0)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	AUTO_BUF b = BUF(HEADERS_BYTES_MAX);
	char room[64];

	buf_add(&b, bytes, len);
	check_range(b.bytes);
	answer_copy(b.bytes, room, sizeof(room));
	if (strlen(room) >= sizeof(room) || (room[0] && strcmp(room, b.bytes) != 0))
		__builtin_trap();
	(void)etag_is_strong(room);
	(void)encoding_is_plain(b.bytes, "https://h/a.tar.bz2");
	(void)encoding_is_plain("gzip", b.bytes);
	return 0;
}
