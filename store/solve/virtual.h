/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtual: what this machine is, as virtual packages (CEP 30): __unix, __linux,
 * __glibc, __archspec, __cuda; CONDA_OVERRIDE_* honoured, "" removes one. For
 * another platform than the machine's own: CEP 30's defaults for it.
 */
#ifndef ENVFS_SOLVE_VIRTUAL_H
#define ENVFS_SOLVE_VIRTUAL_H

#include "base/err.h"

#include <stddef.h>

#define VIRTUAL_MAX 16

struct virtual_package {
	char name[32], version[65], build[65];
};

/* subdir: "linux-64" …; the platform to solve for. Returns how many. */
int virtual_packages(struct virtual_package ret[VIRTUAL_MAX], const char *subdir, struct err *e)
	MUST_CHECK;
/* The subdir of this machine. */
const char *native_subdir(void);
int subdir_check(const char *subdir, struct err *e) MUST_CHECK; /* one that conda knows */

#endif
