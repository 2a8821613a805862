/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines: a file of the real data, line by line, for tests that run over tables.
 */
#ifndef ENVFS_TESTS_LINES_H
#define ENVFS_TESTS_LINES_H

#include "base/buf.h"
#include "base/sys.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* Calls fn with each line; returns how many there were, 0 when there is no file. */
static inline size_t each_line(const char *folder, const char *name,
			       void (*fn)(const char *line, void *ctx), void *ctx)
{
	AUTO_BUF b = BUF(64u << 20);
	char path[4096];
	size_t count = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (sys_slurp(AT_FDCWD, path, &b) < 0)
		return 0;
	for (char *line = b.bytes, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			end = line + strlen(line);
		if (*end)
			*end = '\0';
		else
			end--;
		fn(line, ctx);
		count++;
	}
	return count;
}

#endif
