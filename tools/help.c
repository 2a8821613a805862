/* SPDX-License-Identifier: Apache-2.0 */
#include "help.h"

#include "base/auto.h"
#include "verb_table.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS 80

/* Words, folded; `at` is the column where the first one stands. */
static void print_wrapped(const char *text, size_t indent, size_t at)
{
	while (*text) {
		size_t len = strcspn(text, " ");

		if (at > indent && at + 1 + len > COLUMNS) {
			printf("\n%*s", (int)indent, "");
			at = indent;
		} else if (at > indent) {
			putchar(' ');
			at++;
		}
		fwrite(text, 1, len, stdout);
		at += len;
		text += len + strspn(text + len, " ");
	}
	putchar('\n');
}

static void print_option(const struct option_row *row)
{
	char left[64];

	if (row->has_short)
		(void)snprintf(left, sizeof(left), "-%c, --%s%s%s", option_letter(row), row->name,
			       row->arg ? " " : "", row->arg ? row->arg : "");
	else
		(void)snprintf(left, sizeof(left), "    --%s%s%s", row->name, row->arg ? " " : "",
			       row->arg ? row->arg : "");
	printf("  %-30s ", left);
	print_wrapped(row->help, 33, 33);
}

void help_verb(const struct verb *v)
{
	printf("envfs %s%s%s\n", v->name, v->args[0] ? " " : "", v->args);
	print_wrapped(v->summary, 0, 0);
	putchar('\n');
	if (v->text[0]) {
		print_wrapped(v->text, 0, 0);
		putchar('\n');
	}
	for (size_t i = 0; i < ARRAY_LEN(option_rows); i++)
		if (verb_takes(v, option_rows[i].id))
			print_option(&option_rows[i]);
}

void help_all(void)
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

void help_man(void)
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
				printf("\\-%c, ", option_letter(row));
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
	for (const char *id = OPTIONS_COMMON; *id; id++) {
		const struct option_row *row = option_find(*id);

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
