/* SPDX-License-Identifier: Apache-2.0 */
/* A file: all of it is refused with a sentence, or each spec and row in it is one
 * that stands a second reading. */
#include "base/limits.h"
#include "spec/envfile.h"
#include "spec/matchspec.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_rows(const struct envfile *f)
{
	AUTO(envfile_freep) struct envfile *again = NULL;
	AUTO_BUF b = BUF(2 * LOCK_BYTES_MAX);
	struct err e;

	buf_adds(&b, "@EXPLICIT\n");
	for (size_t i = 0; i < f->row_count; i++) {
		explicit_print(&f->rows[i], &b);
		buf_addc(&b, '\n');
	}
	assert(envfile_parse(&again, b.bytes, b.len, "again", &e) == 0);
	assert(again->row_count == f->row_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO(envfile_freep) struct envfile *f = NULL;
	const char *name = size % 2 ? "environment.yml" : "list.txt";
	struct err e;

	if (envfile_parse(&f, (const char *)data, size, name, &e) < 0) {
		assert(strncmp(e.text, name, strlen(name)) == 0);
		return 0;
	}
	for (size_t i = 0; i < f->spec_count; i++) {
		AUTO(matchspec_freep) struct matchspec *s = NULL;

		assert(matchspec_parse(&s, f->specs[i], &e) == 0);
	}
	if (f->explicit_list)
		check_rows(f);
	return 0;
}
