/* SPDX-License-Identifier: Apache-2.0 */
#include "verb.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/url.h"
#include "channel/config.h"
#include "help.h"
#include "ui/say.h"
#include "verb_table.h"

#include <assert.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

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

		if (!verb_takes(v, row->id))
			continue;
		longs[long_count++] = (struct option){ row->name, row->arg != NULL, NULL, row->id };
		if (!row->has_short)
			continue;
		shorts[at++] = option_letter(row);
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
		if (c == 'f' && verb_takes(v, 'g'))
			c = 'g';
		row = option_find((char)c);
		assert(row);
		if (row->arg && set_value(o, row->id, optarg) != 0)
			return EXIT_USAGE;
		if (!row->arg)
			set_flag(o, row->id);
	}
	o->rest = argv + optind;
	o->rest_count = (size_t)(argc - optind);
	if (o->rest_count > v->words_max && !o->help)
		return say_usage("%s: '%s' is too much: 'envfs %s%s%s'", v->name,
				 o->rest[v->words_max], v->name, v->args[0] ? " " : "", v->args);
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

/* A verb that it begins, or that begins it, is what was meant. */
static int no_such_verb(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		size_t n = strlen(word), m = strlen(verbs[i].name);

		if (strncmp(verbs[i].name, word, n < m ? n : m) == 0 && n > 1)
			return say_usage("'%s' is no verb of envfs; did you mean '%s'?", word,
					 verbs[i].name);
	}
	return say_usage("'%s' is no verb of envfs: see 'envfs --help'", word);
}

/* What is wrong with the command line is said in JSON too. */
static bool asks_json(const struct verb *v, int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return v->run != cmd_run;
	return false;
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
		v = argc > 2 ? verb_find(argv[2]) : NULL;
		if (v)
			help_verb(v);
		else
			help_all();
		return argc < 2 ? EXIT_USAGE : EXIT_DONE;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("envfs %s\n", ENVFS_VERSION);
		return EXIT_DONE;
	}
	if (strcmp(argv[1], "--man") == 0) {
		help_man();
		return EXIT_DONE;
	}
	v = verb_find(argv[1]);
	if (!v)
		return no_such_verb(argv[1]);
	join_command(argc, argv, &line);
	o.command_line = line.bytes;
	if (!channels)
		return EXIT_FAILED;
	o.json = asks_json(v, argc - 1, argv + 1);
	say_setup(&o);
	r = parse(v, argc - 1, argv + 1, &o);
	if (r != 0)
		return r;
	if (o.help) {
		help_verb(v);
		return EXIT_DONE;
	}
	say_setup(&o);
	return v->run(&o);
}
