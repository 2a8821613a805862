/* SPDX-License-Identifier: Apache-2.0 */
#include "ui/progress.h"

#include "base/sys.h"
#include "ui/say.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DRAW_NS 100000000ULL

void progress_init(struct progress *p, const struct opts *o, const char *title)
{
	*p = (struct progress){ .title = title, .started_ns = sys_now_ns() };
	(void)pthread_mutex_init(&p->mutex, NULL);
	p->on = !o->quiet && !o->json && isatty(STDERR_FILENO);
}

static int columns(void)
{
	struct winsize size;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

static void draw(struct progress *p, const char *count, uint64_t bytes, uint64_t total)
{
	uint64_t now = sys_now_ns();
	double seconds = (double)(now - p->started_ns) / 1e9, rate;
	char line[256];
	int n, width = columns();

	if (!p->on || now - p->shown_ns < DRAW_NS)
		return;
	p->shown_ns = now;
	rate = seconds > 0 ? (double)bytes / seconds : 0;
	n = snprintf(line, sizeof(line), "%s%s  %s", p->title, count, SIZE_TEXT(bytes));
	if (total > 0)
		n += snprintf(line + n, sizeof(line) - (size_t)n, " of %s (%.0f %%)",
			      SIZE_TEXT(total), 100.0 * (double)bytes / (double)total);
	n += snprintf(line + n, sizeof(line) - (size_t)n, "  %s/s",
		      SIZE_TEXT((unsigned long long)rate));
	if (total > bytes && rate > 1)
		(void)snprintf(line + n, sizeof(line) - (size_t)n, "  %.0f s left",
			       (double)(total - bytes) / rate);
	fprintf(stderr, "\r%.*s\033[K", width - 1, line);
	p->drawn = true;
}

void progress_set(struct progress *p, const char *what, uint64_t bytes, uint64_t total)
{
	uint64_t bytes_sum = 0, total_sum = 0;
	size_t i = 0;

	if (!p->on)
		return;
	(void)pthread_mutex_lock(&p->mutex);
	while (i < p->part_count &&
	       strncmp(p->parts[i].what, what, sizeof(p->parts[i].what) - 1) != 0)
		i++;
	if (i == p->part_count && i < PROGRESS_PARTS) {
		(void)snprintf(p->parts[i].what, sizeof(p->parts[i].what), "%s", what);
		p->part_count++;
	}
	if (i < PROGRESS_PARTS) {
		p->parts[i].bytes = bytes;
		p->parts[i].total = total;
	}
	for (i = 0; i < p->part_count; i++) {
		bytes_sum += p->parts[i].bytes;
		total_sum += p->parts[i].total;
	}
	draw(p, "", bytes_sum, total_sum);
	(void)pthread_mutex_unlock(&p->mutex);
}

void progress_count(struct progress *p, uint64_t done, uint64_t count, uint64_t bytes,
		    uint64_t total)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "  %llu of %llu", (unsigned long long)done,
		       (unsigned long long)count);
	(void)pthread_mutex_lock(&p->mutex);
	draw(p, text, bytes, total);
	(void)pthread_mutex_unlock(&p->mutex);
}

void progress_done(struct progress *p)
{
	if (p->drawn)
		fprintf(stderr, "\r\033[K");
	(void)pthread_mutex_destroy(&p->mutex);
	p->drawn = p->on = false;
}
