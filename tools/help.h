/* SPDX-License-Identifier: Apache-2.0 */
/* help: --help and the man page, from the table. */
#ifndef ENVFS_HELP_H
#define ENVFS_HELP_H

#include "verb.h"

void help_all(void);
void help_verb(const struct verb *v);
void help_man(void);

#endif
