/* SPDX-License-Identifier: Apache-2.0 */
#include "verb.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/url.h"
#include "channel/config.h"
#include "ui/say.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

/* An option: its id is its short letter, or another printable one where it has none. */
struct option_row {
	char id;
	bool has_short;
	const char *name, *arg, *help;
};

static const struct option_row option_rows[] = {
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
#define COMMON "smjqvyh"

/* Ids that getopt must know by another short letter than the id. */
static char short_of(const struct option_row *row)
{
	return row->id == 'g' ? 'f' : row->id;
}

#define SOLVE_OPTIONS "cOPpLd"

static const struct verb verbs[] = {
	{ "create", cmd_create, "[-n NAME] (-f FILE | SPEC...)",
	  "make an environment; nothing is downloaded but repodata", "nf" SOLVE_OPTIONS "F",
	  "Solves, writes one generation and switches NAME to it. No file of the environment is "
	  "written, no package is waited for: the mount fetches what is touched. An @EXPLICIT list "
	  "is not solved and needs no repodata." },
	{ "install", cmd_install, "-n NAME SPEC...", "add packages, as the next generation",
	  "nf" SOLVE_OPTIONS,
	  "What is installed is preferred, the Python minor version stays unless it is asked for. "
	  "A "
	  "new spec replaces the earlier request of the same name." },
	{ "remove", cmd_remove, "-n NAME PACKAGE...", "take packages away, as the next generation",
	  "n" SOLVE_OPTIONS "N",
	  "Takes what depends on them along, and what nothing needs any more." },
	{ "update", cmd_update, "-n NAME (SPEC... | --all)",
	  "bring packages up to date, as the next generation", "na" SOLVE_OPTIONS,
	  "Earlier requests keep their limits." },
	{ "env", cmd_env, "(list | remove NAME)", "list environments, or remove one", "n",
	  "A removed environment's generations stay in the store." },
	{ "list", cmd_list, "-n NAME [--explicit | --conflicts]", "packages of an environment",
	  "nEC", "" },
	{ "info", cmd_info, "", "this machine, store, channels and configuration", "", "" },
	{ "search", cmd_search, "SPEC", "packages of the channels that match", "cOpL", "" },
	{ "lock", cmd_lock, "-f FILE [-o OUT]", "solve to an @EXPLICIT list with SHA-256",
	  "fo" SOLVE_OPTIONS, "The same list gives the same environment everywhere." },
	{ "fetch", cmd_fetch, "(-n NAME | -f LOCK)", "make all packages present now", "nfL",
	  "Afterwards the environment works with no network at all. Exit code 4 when one was "
	  "refused." },
	{ "mount", cmd_mount, "[DIR]", "mount the environments; comes back when they are there",
	  "gALS", "DIR is /envs for root, ~/envs otherwise." },
	{ "umount", cmd_umount, "[DIR]", "unmount", "l", "" },
	{ "status", cmd_status, "", "what is mounted, fetched, parked, and what failed lately", "",
	  "" },
	{ "run", cmd_run, "-n NAME [--] COMMAND [ARG...]",
	  "run a command as in an active environment", "nxL",
	  "The command keeps the generation that it started with, in a mount namespace of its own. "
	  "The exit code is the command's; 127 not found, 126 not executable, 128 + signal." },
	{ "verify", cmd_verify, "", "check the whole store", "RQ",
	  "Exit code 4 when something is wrong." },
};

static const struct {
	int code;
	const char *text;
} exit_rows[] = {
	{ EXIT_DONE, "done" },
	{ EXIT_FAILED, "failed" },
	{ EXIT_USAGE, "the command line is not understood" },
	{ EXIT_NOT_FOUND, "an environment, package or file does not exist" },
	{ EXIT_VERIFY, "verification failed, or an artifact was refused" },
	{ EXIT_BUSY, "in use, or changed by another command meanwhile" },
	{ EXIT_OFFLINE, "needs the network, which cannot be reached or is not allowed" },
};

static const struct option_row *row_of(char id)
{
	for (size_t i = 0; i < ARRAY_LEN(option_rows); i++)
		if (option_rows[i].id == id)
			return &option_rows[i];
	return NULL;
}

static bool takes(const struct verb *v, char id)
{
	return strchr(v->options, id) || strchr(COMMON, id);
}

static void print_option(FILE *to, const struct option_row *row)
{
	char left[64];

	if (row->has_short)
		(void)snprintf(left, sizeof(left), "-%c, --%s%s%s", short_of(row), row->name,
			       row->arg ? " " : "", row->arg ? row->arg : "");
	else
		(void)snprintf(left, sizeof(left), "    --%s%s%s", row->name, row->arg ? " " : "",
			       row->arg ? row->arg : "");
	fprintf(to, "  %-30s %s\n", left, row->help);
}

static void print_verb_help(const struct verb *v)
{
	printf("envfs %s%s%s: %s\n", v->name, v->args[0] ? " " : "", v->args, v->summary);
	if (v->text[0])
		printf("\n%s\n", v->text);
	printf("\n");
	for (size_t i = 0; i < ARRAY_LEN(option_rows); i++)
		if (takes(v, option_rows[i].id))
			print_option(stdout, &option_rows[i]);
}

static void print_help(void)
{
	printf("envfs: conda environments that nobody installed\n\n");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		printf("  %-9s %s\n", verbs[i].name, verbs[i].summary);
	printf("\n'envfs VERB --help' says more; 'envfs --version'; 'envfs --man' prints the man "
	       "page.\n");
}

/* Text for roff: backslashes and leading dots. */
static void roff(const char *text)
{
	for (const char *c = text; *c; c++) {
		if (*c == '\\')
			fputs("\\e", stdout);
		else if (*c == '-')
			fputs("\\-", stdout);
		else
			putchar(*c);
	}
}

static void print_man(void)
{
	printf(".\\\" SPDX-License-Identifier: Apache-2.0\n.\\\" Printed by 'envfs --man'.\n"
	       ".TH ENVFS 1\n.SH NAME\nenvfs \\- conda environments that nobody installed\n"
	       ".SH SYNOPSIS\n.B envfs\n.I VERB\n[options]\n.SH VERBS\n");
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		const struct verb *v = &verbs[i];

		printf(".SS envfs %s ", v->name);
		roff(v->args);
		printf("\n");
		roff(v->summary);
		printf(".\n");
		if (v->text[0]) {
			roff(v->text);
			printf("\n");
		}
		for (size_t k = 0; k < ARRAY_LEN(option_rows); k++) {
			const struct option_row *row = &option_rows[k];

			if (!strchr(v->options, row->id))
				continue;
			printf(".TP\n.B ");
			if (row->has_short)
				printf("\\-%c, ", short_of(row));
			printf("\\-\\-");
			roff(row->name);
			if (row->arg)
				printf(" \\fI%s\\fR", row->arg);
			printf("\n");
			roff(row->help);
			printf("\n");
		}
	}
	printf(".SH OPTIONS OF EVERY VERB\n");
	for (const char *id = COMMON; *id; id++) {
		const struct option_row *row = row_of(*id);

		printf(".TP\n.B \\-\\-%s%s%s\n", row->name, row->arg ? " " : "",
		       row->arg ? row->arg : "");
		roff(row->help);
		printf("\n");
	}
	printf(".SH EXIT STATUS\n");
	for (size_t i = 0; i < ARRAY_LEN(exit_rows); i++)
		printf(".TP\n%d\n%s\n", exit_rows[i].code, exit_rows[i].text);
	printf(".SH ENVIRONMENT\n"
	       ".TP\nENVFS_STORE\nthe store (else /var/lib/envfs for root, "
	       "$XDG_DATA_HOME/envfs otherwise)\n"
	       ".TP\nENVFS_MOUNT\nthe mount point\n"
	       ".TP\nCONDA_*, CONDARC\nas in conda: channels, overrides of virtual packages, and "
	       "more\n"
	       ".SH FILES\n.TP\n\\&.condarc\nin conda's usual places\n");
}

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static void set_flag(struct opts *o, char id)
{
	const struct {
		char id;
		bool *flag;
	} flags[] = {
		{ 'O', &o->override_channels },
		{ 'L', &o->offline },
		{ 'd', &o->dry_run },
		{ 'F', &o->force },
		{ 'l', &o->lazy },
		{ 'a', &o->all },
		{ 'N', &o->no_prune_deps },
		{ 'E', &o->explicit_list },
		{ 'C', &o->conflicts },
		{ 'g', &o->foreground },
		{ 'A', &o->allow_other },
		{ 'x', &o->no_pin },
		{ 'R', &o->rebuild_index },
		{ 'Q', &o->fast },
		{ 'j', &o->json },
		{ 'q', &o->quiet },
		{ 'y', &o->yes },
		{ 'h', &o->help },
	};

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (flags[i].id == id)
			*flags[i].flag = true;
	o->verbose += id == 'v';
}

static bool priority_of(const char *text, int *ret)
{
	static const char *const modes[] = { [PRIORITY_FLEXIBLE] = "flexible",
					     [PRIORITY_STRICT] = "strict",
					     [PRIORITY_DISABLED] = "disabled" };

	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (strcmp(text, modes[i]) == 0)
			*ret = (int)i;
	return *ret >= 0 && strcmp(text, modes[*ret]) == 0;
}

static int set_value(struct opts *o, char id, const char *value)
{
	const struct {
		char id;
		const char **value;
	} values[] = {
		{ 'n', &o->name },     { 'f', &o->file },  { 'o', &o->out },
		{ 'p', &o->platform }, { 's', &o->store }, { 'm', &o->mount },
	};
	char *end;

	if (id == 'c') {
		if (o->channel_count == CHANNELS_MAX)
			return say_usage("more than %d channels", CHANNELS_MAX);
		o->channels[o->channel_count++] = value;
		return 0;
	}
	if (id == 'P' && !priority_of(value, &o->priority))
		return say_usage("--channel-priority '%s': strict, flexible or disabled", value);
	if (id == 'S') {
		o->stall_seconds = strtod(value, &end);
		if (*end || !(o->stall_seconds >= 0.1 && o->stall_seconds <= 86400))
			return say_usage("--stall '%s': a number of seconds from 0.1 on", value);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(values); i++)
		if (values[i].id == id)
			*values[i].value = value;
	return 0;
}

#define ROWS ARRAY_LEN(option_rows)

static int parse(const struct verb *v, int argc, char **argv, struct opts *o)
{
	struct option longs[ROWS + 1] = { 0 };
	char shorts[2 * ROWS + 4] = "+"; /* options first: what follows a command is its own */
	size_t long_count = 0, at = 1;
	bool stops = strcmp(v->name, "run") == 0;
	int c;

	if (!stops)
		at = 0;
	shorts[at++] = ':';
	for (size_t i = 0; i < ROWS; i++) {
		const struct option_row *row = &option_rows[i];

		if (!takes(v, row->id))
			continue;
		longs[long_count++] = (struct option){ row->name, row->arg != NULL, NULL, row->id };
		if (!row->has_short)
			continue;
		shorts[at++] = short_of(row);
		if (row->arg)
			shorts[at++] = ':';
	}
	shorts[at] = '\0';
	optind = 1;
	opterr = 0;
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		const struct option_row *row;

		if (c == ':' || c == '?')
			return say_usage(c == ':' ? "'%s' needs a value: see 'envfs %s --help'"
						  : "'%s' is not understood: see 'envfs %s --help'",
					 argv[optind - 1], v->name);
		if (c == 'f' && takes(v, 'g'))
			c = 'g';
		row = row_of((char)c);
		assert(row);
		if (row->arg && set_value(o, row->id, optarg) != 0)
			return EXIT_USAGE;
		if (!row->arg)
			set_flag(o, row->id);
	}
	o->rest = argv + optind;
	o->rest_count = (size_t)(argc - optind);
	return 0;
}

/* For history: the words as given, credentials removed. */
static void join_command(int argc, char **argv, struct buf *ret)
{
	buf_adds(ret, "envfs");
	for (int i = 1; i < argc; i++) {
		buf_addc(ret, ' ');
		buf_adds(ret, URL_SHOWN(argv[i]));
	}
}

int verb_main(int argc, char **argv)
{
	AUTO_MEM const char **channels = calloc(CHANNELS_MAX, sizeof(*channels));
	AUTO_BUF line = BUF(256 * KIB);
	struct opts o = { .channels = channels, .priority = -1 };
	const struct verb *v;
	int r;

	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		v = argc > 2 ? find_verb(argv[2]) : NULL;
		if (v)
			print_verb_help(v);
		else
			print_help();
		return argc < 2 ? EXIT_USAGE : EXIT_DONE;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("envfs %s\n", ENVFS_VERSION);
		return EXIT_DONE;
	}
	if (strcmp(argv[1], "--man") == 0) {
		print_man();
		return EXIT_DONE;
	}
	v = find_verb(argv[1]);
	if (!v)
		return say_usage("'%s' is no verb of envfs: see 'envfs --help'", argv[1]);
	join_command(argc, argv, &line);
	o.command_line = line.bytes;
	if (!channels)
		return EXIT_FAILED;
	r = parse(v, argc - 1, argv + 1, &o);
	if (r != 0)
		return r;
	if (o.help) {
		print_verb_help(v);
		return EXIT_DONE;
	}
	say_setup(&o);
	return v->run(&o);
}
