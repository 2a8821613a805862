/* SPDX-License-Identifier: Apache-2.0 */
/* json_check: what json.c and the json_*.c of each library share; used by json_*.c only. */
#ifndef ENVFS_BASE_JSON_CHECK_H
#define ENVFS_BASE_JSON_CHECK_H

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>

int json_check(const char *text, size_t len, struct err *e) MUST_CHECK;
double json_number(const struct json *j);

#endif
