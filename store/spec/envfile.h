/* SPDX-License-Identifier: Apache-2.0 */
/*
 * envfile: what a user hands to `create -f`: an environment.yml (CEP 24), a list
 * of specs, or an @EXPLICIT list (CEP 23). The content decides which it is, the
 * file's name (.yml, .yaml) only breaks ties.
 */
#ifndef ENVFS_SPEC_ENVFILE_H
#define ENVFS_SPEC_ENVFILE_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>

struct explicit_row {
	char *url; /* absolute: file paths are made URLs, relative to the current folder. May carry
		      credentials */
	struct digest sha256; /* zero: not given */
	struct md5 md5;	      /* zero: not given */
	size_t line;
};

struct envfile {
	bool explicit_list;
	char *name; /* NULL: none given, or none that an environment can have (and a warning
		       says so); env_name_check() of env/env.h is stricter */
	char *prefix_ignored; /* NULL, or the file's prefix: which envfs does not use */
	char **channels;      /* in order; without "nodefaults" */
	size_t channel_count;
	bool nodefaults;
	bool has_channels; /* the file has a `channels:` key */
	char **specs;	   /* MatchSpecs as given, each parsed once to check it */
	size_t spec_count;
	struct envfile_variable {
		char *name, *value;
	} * variables;
	size_t variable_count;
	struct explicit_row *rows;
	size_t row_count;
	char *platform;	 /* of "# platform: linux-64", or NULL */
	char **warnings; /* unknown top-level keys and such, sentences */
	size_t warning_count;
};

/* name is for messages ("environment.yml"); a `pip:` or `npm:` sub-list is
 * -EOPNOTSUPP ("'pip:' lists are not supported yet …"), other faults -EINVAL with
 * file and line. */
int envfile_parse(struct envfile **ret, const char *bytes, size_t len, const char *name,
		  struct err *e) MUST_CHECK;
struct envfile *envfile_free(struct envfile *f);
AUTO_FREE_FN(envfile)

/* One line of an @EXPLICIT list, its SHA-256 or else its MD5 behind it, without
 * credentials: "URL#sha256". */
void explicit_print(const struct explicit_row *row, struct buf *ret);

#endif
