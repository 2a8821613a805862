/* SPDX-License-Identifier: Apache-2.0 */
/*
 * envfile_own: what envfile's own files share.
 */
#ifndef ENVFS_SPEC_ENVFILE_OWN_H
#define ENVFS_SPEC_ENVFILE_OWN_H

#include "spec/envfile.h"

/* A file being read: what it becomes, and how much room its arrays have. */
struct envfile_draft {
	struct envfile *f; /* borrowed */
	size_t channel_cap, spec_cap, variable_cap, row_cap, warning_cap;
};

/* Each a sentence for the user, without the file's name. */
int envfile_warn(struct envfile_draft *d, struct err *e, const char *fmt, ...) PRINTF(3, 4)
	MUST_CHECK;
/* Parses it once to check it. */
int envfile_add_spec(struct envfile_draft *d, const char *text, size_t len, struct err *e)
	MUST_CHECK;

int envfile_read_yaml(struct envfile_draft *d, const char *bytes, size_t len, struct err *e)
	MUST_CHECK;
int envfile_read_list(struct envfile_draft *d, const char *bytes, size_t len, struct err *e)
	MUST_CHECK;
int envfile_read_explicit(struct envfile_draft *d, const char *bytes, size_t len, struct err *e)
	MUST_CHECK;

/* The next line, without blanks around it; false at the end. */
struct lines {
	const char *at, *end;
	const char *text; /* the line's */
	size_t len, number;
};
bool lines_next(struct lines *l);

#endif
