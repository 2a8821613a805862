/* SPDX-License-Identifier: Apache-2.0 */
#include "verb_table.h"

#include "base/auto.h"

#include <stdint.h>
#include <string.h>

const struct option_row option_rows[OPTION_ROWS] = {
	{ 'n', true, "name", "NAME", "the environment" },
	{ 'f', true, "file", "FILE",
	  "an environment.yml, a list of specs, or an @EXPLICIT list; - is standard input" },
	{ 'c', true, "channel", "CHANNEL",
	  "a channel: name, URL or path; again for more, the first is preferred" },
	{ 'O', false, "override-channels", NULL,
	  "only the channels given with -c, not those of the file or of .condarc" },
	{ 'P', false, "channel-priority", "MODE", "strict, flexible or disabled" },
	{ 'p', false, "platform", "SUBDIR", "solve for another platform, e.g. linux-aarch64" },
	{ 'o', true, "out", "FILE", "write there, not to standard output" },
	{ 'L', false, "offline", NULL, "use only what is here already" },
	{ 'd', true, "dry-run", NULL, "say what would be done, change nothing" },
	{ 'F', false, "force", NULL,
	  "an environment that exists gets this as its next generation" },
	{ 'a', false, "all", NULL, "every package" },
	{ 'N', false, "no-prune-deps", NULL, "keep what nothing needs any more" },
	{ 'E', false, "explicit", NULL,
	  "as an @EXPLICIT list that envfs and conda can create from" },
	{ 'C', false, "conflicts", NULL,
	  "paths that several packages bring, and prefixes that are too long" },
	{ 'g', true, "foreground", NULL, "do not go to the background; log to standard error" },
	{ 'A', false, "allow-other", NULL,
	  "let other users in (default_permissions; as root, or with user_allow_other)" },
	{ 'S', false, "stall", "SECONDS",
	  "how long a read waits without progress before it fails (30)" },
	{ 'x', false, "no-pin", NULL, "run on the mount as it is, in no namespace of its own" },
	{ 'l', true, "lazy", NULL, "detach at once; programs keep what they have open" },
	{ 'R', false, "rebuild-index", NULL, "make index.db anew from the files, then check" },
	{ 'Q', false, "fast", NULL, "check structure only, do not read every byte" },
	/* Every verb takes these. */
	{ 's', false, "store", "DIR", "the store [ENVFS_STORE]" },
	{ 'm', false, "mount", "DIR", "the mount point [ENVFS_MOUNT]" },
	{ 'j', false, "json", NULL, "answer in JSON" },
	{ 'q', true, "quiet", NULL, "no progress, no notes" },
	{ 'v', true, "verbose", NULL, "show requests and figures" },
	{ 'y', true, "yes", NULL, "accepted; envfs asks no questions" },
	{ 'h', true, "help", NULL, "this help" },
};

/* Ids that getopt must know by another short letter than the id. */
char option_letter(const struct option_row *row)
{
	return row->id == 'g' ? 'f' : row->id;
}

#define SOLVE_OPTIONS "cOPpLd"

const struct verb verbs[VERB_ROWS] = {
	{ "create", cmd_create, WORDS_ANY, "[-n NAME] (-f FILE | SPEC...)",
	  "make an environment; nothing is downloaded but repodata", "nf" SOLVE_OPTIONS "F",
	  "Solves, writes one generation and switches NAME to it. No file of the environment is "
	  "written, no package is waited for: the mount fetches what is touched. An @EXPLICIT list "
	  "is not solved and needs no repodata." },
	{ "install", cmd_install, WORDS_ANY, "-n NAME SPEC...",
	  "add packages, as the next generation", "nf" SOLVE_OPTIONS,
	  "What is installed is preferred, the Python minor version stays unless it is asked for. "
	  "A "
	  "new spec replaces the earlier request of the same name." },
	{ "remove", cmd_remove, WORDS_ANY, "-n NAME PACKAGE...",
	  "take packages away, as the next generation", "n" SOLVE_OPTIONS "N",
	  "Takes what depends on them along, and what nothing needs any more." },
	{ "update", cmd_update, WORDS_ANY, "-n NAME (SPEC... | --all)",
	  "bring packages up to date, as the next generation", "na" SOLVE_OPTIONS,
	  "Earlier requests keep their limits." },
	{ "env", cmd_env, 2, "(list | remove NAME)", "list environments, or remove one", "n",
	  "A removed environment's generations stay in the store." },
	{ "list", cmd_list, 0, "-n NAME [--explicit | --conflicts]", "packages of an environment",
	  "nEC", "" },
	{ "info", cmd_info, 0, "", "this machine, store, channels and configuration", "", "" },
	{ "search", cmd_search, 1, "SPEC", "packages of the channels that match", "cOpL", "" },
	{ "lock", cmd_lock, 0, "-f FILE [-o OUT]", "solve to an @EXPLICIT list with SHA-256",
	  "fo" SOLVE_OPTIONS, "The same list gives the same environment everywhere." },
	{ "fetch", cmd_fetch, 0, "(-n NAME | -f LOCK)", "make all packages present now", "nfL",
	  "Afterwards the environment works with no network at all. Exit code 4 when one was "
	  "refused." },
	{ "mount", cmd_mount, 1, "[DIR]", "mount the environments; comes back when they are there",
	  "gALS", "DIR is /envs for root, ~/envs otherwise." },
	{ "umount", cmd_umount, 1, "[DIR]", "unmount", "l", "" },
	{ "status", cmd_status, 0, "", "what is mounted, fetched, parked, and what failed lately",
	  "", "" },
	{ "run", cmd_run, WORDS_ANY, "-n NAME [--] COMMAND [ARG...]",
	  "run a command as in an active environment", "nxL",
	  "The command keeps the generation that it started with, in a mount namespace of its own. "
	  "The exit code is the command's; 127 not found, 126 not executable, 128 + signal." },
	{ "verify", cmd_verify, 0, "", "check the whole store", "RQ",
	  "Exit code 4 when something is wrong." },
};

const struct exit_row exit_rows[EXIT_ROWS] = {
	{ EXIT_DONE, "done" },
	{ EXIT_FAILED, "failed" },
	{ EXIT_USAGE, "the command line is not understood" },
	{ EXIT_NOT_FOUND, "an environment, package or file does not exist" },
	{ EXIT_VERIFY, "verification failed, or an artifact was refused" },
	{ EXIT_BUSY, "in use, or changed by another command meanwhile" },
	{ EXIT_OFFLINE, "needs the network, which cannot be reached or is not allowed" },
};

const struct option_row *option_find(char id)
{
	for (size_t i = 0; i < ARRAY_LEN(option_rows); i++)
		if (option_rows[i].id == id)
			return &option_rows[i];
	return NULL;
}

const struct verb *verb_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

bool verb_takes(const struct verb *v, char id)
{
	return strchr(v->options, id) || strchr(OPTIONS_COMMON, id);
}
