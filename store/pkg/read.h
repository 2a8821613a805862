/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read: pkg_read() and pkg_list_tail() with limits of the caller's choice, for
 * tests.
 */
#ifndef ENVFS_PKG_READ_H
#define ENVFS_PKG_READ_H

#include "pkg/limits.h"
#include "pkg/pkg.h"

int pkg_read_within(const struct pkg_limits *limits, int fd, uint64_t size, enum pkg_format format,
		    enum pkg_want want, const struct pkg_sink *sink, struct err *e) MUST_CHECK;

#endif
