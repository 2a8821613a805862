/* SPDX-License-Identifier: Apache-2.0 */
#include "synth/synth.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

/* An object's bytes, all that were asked for. */
static int read_object(struct packs *ps, const struct entry *en, uint64_t offset, void *room,
		       size_t len, struct err *e)
{
	ssize_t got = object_read(ps, &en->extent, offset, room, len, e);

	if (got < 0)
		return (int)got;
	if ((size_t)got != len)
		return err_set(e, -EIO, "'%s': its object ends at byte %llu of %llu", en->name,
			       (unsigned long long)(offset + (uint64_t)got),
			       (unsigned long long)en->size);
	return 0;
}

static ssize_t read_plain(struct packs *ps, const struct entry *en, uint64_t offset, void *room,
			  size_t len, struct err *e)
{
	int r;

	if (offset >= en->size || len == 0)
		return 0;
	if (len > en->size - offset)
		len = (size_t)(en->size - offset);
	r = read_object(ps, en, offset, room, len, e);
	return r < 0 ? r : (ssize_t)len;
}

static ssize_t read_patched(const struct patch *p, struct packs *ps, uint64_t offset, char *room,
			    size_t len, struct err *e)
{
	size_t done = 0;

	if (offset >= p->facts.size)
		return 0;
	if (len > p->facts.size - offset)
		len = (size_t)(p->facts.size - offset);
	while (done < len) {
		struct segment s;
		size_t n;
		int r;

		patch_segment(p, offset + done, &s);
		n = s.len < len - done ? (size_t)s.len : len - done;
		switch (s.kind) {
		case SEGMENT_FILE:
			r = read_object(ps, &p->en, s.offset, room + done, n, e);
			if (r < 0)
				return r;
			break;
		case SEGMENT_BYTES:
			memcpy(room + done, s.bytes, n);
			break;
		case SEGMENT_ZERO:
			memset(room + done, 0, n);
			break;
		}
		done += n;
	}
	return (ssize_t)len;
}

ssize_t synth_read(struct view *v, struct packs *ps, const struct node *n, uint64_t offset,
		   void *room, size_t len, struct err *e)
{
	struct manifest *m;
	struct entry en;
	struct patch p;
	ssize_t got;
	int r;

	if (len > SSIZE_MAX)
		len = SSIZE_MAX;
	if (node_kind(n->ino) == NODE_MADE)
		return view_made(v, n, offset, room, len, e);
	r = view_entry(v, n, &en, &m);
	if (r < 0 || en.type != ENTRY_FILE)
		return err_set(e, -ESTALE, "no present file has the number %llx",
			       (unsigned long long)n->ino);
	if (!patch_applies(&en))
		return read_plain(ps, &en, offset, room, len, e);
	r = view_patch(v, n, &p, e);
	if (r == -ENAMETOOLONG || r == -EBADMSG) {
		if (e)
			e->code = -EIO;
		return -EIO;
	}
	if (r < 0)
		return r;
	got = read_patched(&p, ps, offset, room, len, e);
	patch_done(&p);
	return got;
}
