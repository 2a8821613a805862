/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wire: what a sink is told, as bytes over a stream socket, between two
 * processes of one program (so numbers are as the machine has them).
 *
 * Frames: u32 kind, u32 length, then the payload: numbers of 8 bytes each, texts
 * as a number (their length), the bytes and a NUL. BYTES frames hold bytes of the
 * file alone, and are handed on in pieces as they come, without a copy. The last
 * frame is DONE, with how the reading went.
 *
 * The reading side believes nothing: order and lengths are checked, and every
 * name, number and text passes again what pkg/ has checked.
 */
#ifndef ENVFS_PKG_WIRE_H
#define ENVFS_PKG_WIRE_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "pkg/pkg.h"

#include <stdint.h>

/* The writing side: a sink, and the end of it all. The socket is borrowed. */
struct wire_writer {
	struct pkg_sink sink; /* ctx is the writer itself */
	int fd;
	struct buf out; /* what is not sent yet */
};

void wire_writer_init(struct wire_writer *w, int fd);
void wire_writer_done(struct wire_writer *w);

/* Sends the rest, and how it ended: 0, or code and text. */
int wire_writer_end(struct wire_writer *w, int code, uint64_t need_first, const char *text,
		    struct err *e) MUST_CHECK;

/* How the reading side ended. */
enum wire_end {
	WIRE_DONE,	/* the other side said how it went, and *ret_code is it */
	WIRE_CUT,	/* the socket closed without that */
	WIRE_BROKEN,	/* it said what cannot be, and e says what */
	WIRE_SINK_ENDED /* the sink stopped it with *ret_code */
};

/* Reads all there is. ret_code: 0 or negative errno; e has the sentence. */
enum wire_end wire_read(int fd, enum pkg_want want, const struct pkg_sink *sink, int *ret_code,
			uint64_t *ret_need_first, struct err *e) MUST_CHECK;

#endif
