/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb: what envfs can be told to do. Help, man page and parsing come from the
 * tables in verb.c; each verb is a file of its own, cmd_NAME.c.
 */
#ifndef ENVFS_VERB_H
#define ENVFS_VERB_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Exit codes: the one table (printed in the man page). */
enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_FOUND = 3,
	EXIT_VERIFY = 4,
	EXIT_BUSY = 5,
	EXIT_OFFLINE = 6,
};

/* Every option of every verb; a verb takes those that its row names. */
struct opts {
	const char *store, *mount; /* NULL: not given */
	bool json, quiet, yes, help;
	int verbose;

	const char *name, *file, *out, *platform;
	int priority; /* enum channel_priority; -1: not given */
	const char **channels;
	size_t channel_count;
	bool override_channels, offline, dry_run, force, all, explicit_list, conflicts;
	bool no_prune_deps, foreground, allow_other, no_pin, lazy, rebuild_index, fast;
	double stall_seconds;

	char **rest; /* what is no option */
	size_t rest_count;
	const char *command_line; /* for history; credentials removed */
};

struct verb {
	const char *name;
	int (*run)(const struct opts *o); /* an exit code */
	size_t words_max;		  /* that are no options */
	const char *args;		  /* "[-n NAME] (-f FILE | SPEC…)" */
	const char *summary;		  /* one line */
	const char *options;		  /* letters of option_rows[] that it takes */
	const char *text;		  /* paragraphs for help and man page */
};

int cmd_create(const struct opts *o);
int cmd_install(const struct opts *o);
int cmd_remove(const struct opts *o);
int cmd_update(const struct opts *o);
int cmd_env(const struct opts *o);
int cmd_list(const struct opts *o);
int cmd_info(const struct opts *o);
int cmd_search(const struct opts *o);
int cmd_lock(const struct opts *o);
int cmd_fetch(const struct opts *o);
int cmd_mount(const struct opts *o);
int cmd_umount(const struct opts *o);
int cmd_status(const struct opts *o);
int cmd_run(const struct opts *o);
int cmd_verify(const struct opts *o);

/* Parses and runs; what main() returns. */
int verb_main(int argc, char **argv);

#endif
