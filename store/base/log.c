/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include "base/limits.h"
#include "base/sys.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static _Atomic int level_max = LOG_NOTE;

void log_set_level(enum log_level level)
{
	atomic_store(&level_max, (int)level);
}

/*
 * Whether this line is among the LOG_LINES_A_SECOND; *ret_dropped: how many of the last second
 * that had lines were not. A program that reads what cannot be had in a loop fills no disk.
 */
static bool is_within_rate(uint32_t *ret_dropped)
{
	static _Atomic uint64_t window; /* a second in the upper half, its lines in the lower */
	uint64_t second = sys_now_ns() / 1000000000 & UINT32_MAX;
	uint64_t was = atomic_load(&window), is;

	do
		is = was >> 32 == second ? was + 1 : second << 32 | 1;
	while (!atomic_compare_exchange_weak(&window, &was, is));
	*ret_dropped = 0;
	if (was >> 32 != second && (uint32_t)was > LOG_LINES_A_SECOND)
		*ret_dropped = (uint32_t)was - LOG_LINES_A_SECOND;
	return (uint32_t)is <= LOG_LINES_A_SECOND;
}

/* room has one byte more than len for the end of the line. */
static void put_line(char *room, size_t len)
{
	ssize_t n;

	for (size_t i = 0; i < len; i++) /* one call is one line, whatever it quotes */
		if ((unsigned char)room[i] < 0x20 || room[i] == 0x7f)
			room[i] = ' ';
	room[len++] = '\n';
	n = write(STDERR_FILENO, room, len); /* nobody to tell when this fails */
	(void)n;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[2048];
	uint32_t dropped = 0;
	int at = 0, n;
	va_list ap;

	if ((int)level > atomic_load(&level_max))
		return;
	if (!isatty(STDERR_FILENO)) {
		if (level <= LOG_NOTE && !is_within_rate(&dropped))
			return;
		if (dropped > 0) {
			n = snprintf(
				line, sizeof(line),
				"<%d>%u lines were dropped: there were more than %d in a second",
				(int)LOG_WARNING, dropped, LOG_LINES_A_SECOND);
			put_line(line, (size_t)n);
		}
		at = snprintf(line, sizeof(line), "<%d>", (int)level);
	}
	va_start(ap, fmt);
	n = vsnprintf(line + at, sizeof(line) - (size_t)at - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	at += n;
	if (at > (int)sizeof(line) - 2)
		at = (int)sizeof(line) - 2;
	put_line(line, (size_t)at);
}
