/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox: what the parser's processes may do. Two seccomp filters, the second on
 * top of the first, and resource limits:
 *
 *	zygote	forks, waits, takes descriptors, closes them; opens nothing
 *	job	preads its artifact, sends its answer, has memory; nothing else
 *
 * What is not allowed kills the process. Built with AddressSanitizer, a job may
 * also do what that needs to report, and its address space has no limit (the
 * sanitizer reserves terabytes).
 */
#ifndef ENVFS_PKG_SANDBOX_H
#define ENVFS_PKG_SANDBOX_H

#include "base/auto.h"
#include "base/err.h"

#include <stdbool.h>

struct sandbox;

/* Whether standard error must stay, for a sanitizer's reports. */
bool sandbox_keeps_stderr(void);

/* Makes both filters, so that a job needs no memory for its own. */
int sandbox_open(struct sandbox **ret, struct err *e) MUST_CHECK;
struct sandbox *sandbox_free(struct sandbox *s);
AUTO_FREE_FN(sandbox)

/* From here on this process is the zygote: limits, death with its parent, filter. */
int sandbox_enter_zygote(struct sandbox *s, struct err *e) MUST_CHECK;

/* In its child, which inherits all of that but the death with the parent. */
int sandbox_enter_job(struct sandbox *s, struct err *e) MUST_CHECK;

#endif
