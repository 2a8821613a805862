/* SPDX-License-Identifier: Apache-2.0 */
/* input: the file of -f, read and understood; its warnings said. */
#ifndef ENVFS_INPUT_H
#define ENVFS_INPUT_H

#include "spec/envfile.h"

int input_read(struct envfile **ret, const char *file, struct err *e) MUST_CHECK;

#endif
