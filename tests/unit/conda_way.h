/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conda_way: prefix replacement as conda does it (core/portability.py), a pass
 * over the whole file for each encoding; and files that put it to the test.
 */
#ifndef ENVFS_TESTS_CONDA_WAY_H
#define ENVFS_TESTS_CONDA_WAY_H

#include "base/buf.h"
#include "manifest/spots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACEHOLDER "/opt/old_placehold_placehold"

/* One encoding's pass. */
static inline void conda_pass(struct buf *out, const struct buf *in, const char *prefix,
			      bool binary, enum spot_unit unit)
{
	static const char zeros[4];
	uint8_t needle[4 * sizeof(PLACEHOLDER)], with[4 * 4096];
	size_t n = spot_encode(unit, PLACEHOLDER, strlen(PLACEHOLDER), needle);
	size_t w = spot_encode(unit, prefix, strlen(prefix), with), at = 0;

	while (at < in->len) {
		char *hit = memmem(in->bytes + at, in->len - at, needle, n);
		size_t from = hit ? (size_t)(hit - in->bytes) : in->len, end, pad = 0;
		char *nul;

		buf_add(out, in->bytes + at, from - at);
		if (!hit)
			return;
		nul = memmem(in->bytes + from + n, in->len - from - n, zeros,
			     spot_unit_bytes(unit));
		end = !binary ? from + n : nul ? (size_t)(nul - in->bytes) : in->len;
		for (at = from; at < end;) {
			if (end - at >= n && memcmp(in->bytes + at, needle, n) == 0) {
				buf_add(out, with, w);
				pad += n - w;
				at += n;
			} else {
				buf_addc(out, in->bytes[at++]);
			}
		}
		if (binary)
			buf_add_zero(out, pad);
	}
}

/* The whole file, encoding after encoding. */
static inline void conda_way(struct buf *out, const struct buf *in, const char *prefix, bool binary)
{
	AUTO_BUF now = BUF(in->max);

	buf_add(out, in->bytes, in->len);
	for (int u = 0; u < SPOT_UNITS; u++) {
		buf_clear(&now);
		buf_add(&now, out->bytes, out->len);
		buf_clear(out);
		conda_pass(out, &now, prefix, binary, (enum spot_unit)u);
	}
}

/* Strings of one encoding each, with whole and broken placeholders, NULs between. */
static inline void random_file(struct buf *out)
{
	size_t strings = (size_t)rand() % 6;

	for (size_t s = 0; s < strings; s++) {
		enum spot_unit unit = (enum spot_unit)(rand() % SPOT_UNITS);
		size_t parts = (size_t)rand() % 6;

		for (size_t k = 0; k < parts; k++) {
			char text[100] = "";
			uint8_t room[400];
			size_t cut = strlen(PLACEHOLDER);

			if (rand() % 4 == 0)
				cut = (size_t)rand() % cut;
			if (rand() % 3 == 0)
				snprintf(text, sizeof(text), "%.*s", rand() % 5, "xy:/z");
			else
				snprintf(text, sizeof(text), "%.*s:", (int)cut, PLACEHOLDER);
			buf_add(out, room, spot_encode(unit, text, strlen(text), room));
		}
		if (s + 1 < strings || rand() % 2)
			buf_add_zero(out, 8 + (size_t)rand() % 3);
	}
}

#endif
