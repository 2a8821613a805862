/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shebang: the first line of scripts, where the kernel's limit is 127 bytes and
 * a blank ends the interpreter's name (docs/decisions/prefix.md).
 */
#ifndef ENVFS_TREE_SHEBANG_H
#define ENVFS_TREE_SHEBANG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "manifest/manifest.h"

#include <stdbool.h>
#include <stddef.h>

#define SHEBANG_LINE_MAX 127
/* A line of SHEBANG_BYTES_MAX, as many one-byte placeholders as that, each a whole path. */
#define SHEBANG_OUT_BYTES (SHEBANG_BYTES_MAX * (PATH_BYTES_MAX + 16))

/*
 * Whether the entry's first line must be rewritten under the prefix: then the
 * new one is added to out (without its last newline) and *ret_from is how many of the
 * file's bytes it stands for; else *ret_from is 0 and out is as it was.
 */
int shebang_rewrite(const struct entry *en, const char *prefix, struct buf *out, size_t *ret_from,
		    struct err *e) MUST_CHECK;

/* Adds the shebang, with its newline, for a script that this interpreter runs: made files. */
void shebang_python(struct buf *out, const char *prefix, const char *python_minor);

#endif
