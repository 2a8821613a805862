/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static _Atomic int level_max = LOG_NOTE;

void log_set_level(enum log_level level)
{
	atomic_store(&level_max, (int)level);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[2048];
	int at = 0, n;
	va_list ap;

	if ((int)level > atomic_load(&level_max))
		return;
	if (!isatty(STDERR_FILENO))
		at = snprintf(line, sizeof(line), "<%d>", (int)level);
	va_start(ap, fmt);
	n = vsnprintf(line + at, sizeof(line) - (size_t)at - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	at += n;
	if (at > (int)sizeof(line) - 2)
		at = (int)sizeof(line) - 2;
	for (int i = 0; i < at; i++) /* one call is one line, whatever it quotes */
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = ' ';
	line[at++] = '\n';
	n = (int)write(STDERR_FILENO, line, (size_t)at); /* nobody to tell when this fails */
	(void)n;
}
