/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The finder: in pieces as in one, what it finds is there and in order, and for
 * UTF-8 it is what a plain search finds.
 *
 * Input: a byte of flags (1: binary), a piece's length, a placeholder's length,
 * the placeholder, the file.
 */
#include "manifest/spots.h"

#include <stdlib.h>
#include <string.h>

#define NEED(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond))                                                                       \
			abort();                                                                   \
	} while (0)

struct input {
	bool binary;
	const char *placeholder;
	size_t placeholder_len;
	const uint8_t *file;
	size_t len;
};

static struct spot_finder *run(const struct input *in, size_t piece, const struct spot **spots,
			       size_t *count)
{
	struct spot_finder *f = NULL;
	const char *line;
	size_t line_len;

	NEED(spot_finder_open(&f, in->placeholder, in->placeholder_len, in->binary, NULL) == 0);
	for (size_t at = 0; at < in->len; at += piece)
		NEED(spot_finder_add(f, in->file + at, in->len - at < piece ? in->len - at : piece,
				     NULL) == 0);
	NEED(spot_finder_end(f, spots, count, &line, &line_len, NULL) == 0);
	NEED((line != NULL) == (!in->binary && in->len >= 2 && memcmp(in->file, "#!", 2) == 0));
	return f;
}

static void check_order(const struct input *in, const struct spot *spots, size_t count)
{
	uint8_t room[4 * 256];
	uint64_t free_from = 0;

	for (size_t i = 0; i < count; i++) {
		const struct spot *s = &spots[i];
		size_t n = spot_encode((enum spot_unit)s->unit, in->placeholder,
				       in->placeholder_len, room);

		NEED(s->unit < SPOT_UNITS && n > 0 && s->offset >= free_from);
		NEED(s->offset + n <= in->len && memcmp(in->file + s->offset, room, n) == 0);
		free_from = s->offset + n;
		if (!in->binary) {
			NEED(s->end == 0);
			continue;
		}
		NEED(s->end >= free_from && s->end <= in->len);
		NEED(i == 0 || s->end == spots[i - 1].end || s->offset >= spots[i - 1].end);
	}
}

/* The next spot in UTF-8; NULL after the last. */
static const struct spot *next_utf8(const struct spot **at, const struct spot *end)
{
	while (*at < end && (*at)->unit != SPOT_UTF8)
		++*at;
	return *at < end ? (*at)++ : NULL;
}

static void check_utf8(const struct input *in, const struct spot *spots, size_t count)
{
	const struct spot *at = spots, *end = count ? spots + count : spots, *s;
	uint64_t string_end = 0;
	size_t pos = 0;

	for (;;) {
		const uint8_t *hit =
			memmem(in->file + pos, in->len - pos, in->placeholder, in->placeholder_len);
		const uint8_t *nul;
		size_t offset;

		s = next_utf8(&at, end);
		if (!hit) {
			NEED(!s);
			return;
		}
		offset = (size_t)(hit - in->file);
		NEED(s && s->offset == offset);
		if (in->binary && offset >= string_end) {
			nul = memchr(hit, 0, in->len - offset);
			string_end = nul ? (size_t)(nul - in->file) : in->len;
		}
		NEED(!in->binary || s->end == string_end);
		pos = offset + in->placeholder_len;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in;
	struct spot_finder *whole, *pieces;
	const struct spot *a, *b;
	size_t count, count_pieces;

	if (size < 4 || data[2] == 0 || size - 3 < data[2] || memchr(data + 3, 0, data[2]))
		return 0;
	in = (struct input){
		.binary = data[0] & 1,
		.placeholder = (const char *)data + 3,
		.placeholder_len = data[2],
		.file = data + 3 + data[2],
		.len = size - 3 - data[2],
	};
	whole = run(&in, in.len + 1, &a, &count);
	pieces = run(&in, data[1] + 1, &b, &count_pieces);
	NEED(count == count_pieces && (count == 0 || memcmp(a, b, count * sizeof(*a)) == 0));
	check_order(&in, a, count);
	check_utf8(&in, a, count);
	spot_finder_free(whole);
	spot_finder_free(pieces);
	return 0;
}
