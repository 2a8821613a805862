/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log: lines for whoever runs the daemon. Standard error, each line with a
 * syslog prefix ("<4>") when it is not a terminal, so that journald sorts them;
 * then LOG_LINES_A_SECOND at most of LOG_NOTE and above.
 * Only fs/ and tools/ log; store/ returns a struct err.
 */
#ifndef ENVFS_BASE_LOG_H
#define ENVFS_BASE_LOG_H

#include "base/err.h"

enum log_level { LOG_ERROR = 3, LOG_WARNING = 4, LOG_NOTE = 5, LOG_INFO = 6, LOG_DEBUG = 7 };

void log_set_level(enum log_level level); /* at first LOG_NOTE */
void log_line(enum log_level level, const char *fmt, ...) PRINTF(2, 3);

#endif
