/* SPDX-License-Identifier: Apache-2.0 */
/* verb_table: the rows that parsing (verb.c), help and man page (help.c) go by. */
#ifndef ENVFS_VERB_TABLE_H
#define ENVFS_VERB_TABLE_H

#include "verb.h"

#include <stddef.h>

/* An option: its id is its short letter, or another printable one where it has none. */
struct option_row {
	char id;
	bool has_short;
	const char *name, *arg, *help;
};

#define OPTION_ROWS 28
#define VERB_ROWS   15
#define EXIT_ROWS   7

extern const struct option_row option_rows[OPTION_ROWS];
extern const struct verb verbs[VERB_ROWS];
extern const struct exit_row {
	int code;
	const char *text;
} exit_rows[EXIT_ROWS];

/* The options that every verb takes. */
#define OPTIONS_COMMON "smjqvyh"
/* Any number of words. */
#define WORDS_ANY SIZE_MAX

const struct option_row *option_find(char id);
const struct verb *verb_find(const char *name); /* NULL: none */
bool verb_takes(const struct verb *v, char option_id);
/* The letter that is written: an id may stand for another one's. */
char option_letter(const struct option_row *row);

#endif
