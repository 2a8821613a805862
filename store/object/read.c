/* SPDX-License-Identifier: Apache-2.0 */
#include "object/pack.h"

#include "base/limits.h"
#include "base/sys.h"
#include "object/block.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

struct open_pack {
	uint64_t pack; /* 0: free */
	uint64_t len;
	uint64_t used; /* the clock when it was last taken */
	unsigned int users;
	int fd;
};

/* A place for one read. What it decoded last stays: page faults of a mapped
 * library ask for the same block several times. */
struct bench {
	struct block_room room;
	bool busy;
	uint64_t used;
};

struct packs {
	struct store *st;     /* borrowed */
	pthread_mutex_t lock; /* protects all below, but not the rooms of busy benches */
	pthread_cond_t bench_free;
	uint64_t clock;
	struct open_pack open[PACKS_OPEN_MAX];
	struct bench benches[PACK_READS_MAX];
};

/* A pack in use. */
struct held {
	int fd;
	uint64_t len;
	struct open_pack *from; /* NULL: fd is ours alone */
};

int packs_open(struct packs **ret, struct store *st, struct err *e)
{
	struct packs *ps = calloc(1, sizeof(*ps));

	if (!ps)
		return err_nomem(e);
	ps->st = st;
	(void)pthread_mutex_init(&ps->lock, NULL);
	(void)pthread_cond_init(&ps->bench_free, NULL);
	*ret = ps;
	return 0;
}

struct packs *packs_free(struct packs *ps)
{
	if (!ps)
		return NULL;
	for (size_t i = 0; i < PACKS_OPEN_MAX; i++) {
		assert(ps->open[i].users == 0);
		if (ps->open[i].pack)
			(void)sys_close(ps->open[i].fd);
	}
	for (size_t i = 0; i < PACK_READS_MAX; i++)
		block_room_done(&ps->benches[i].room);
	(void)pthread_cond_destroy(&ps->bench_free);
	(void)pthread_mutex_destroy(&ps->lock);
	free(ps);
	return NULL;
}

/* With the lock held. */
static struct open_pack *find_open(struct packs *ps, uint64_t pack)
{
	for (size_t i = 0; i < PACKS_OPEN_MAX; i++)
		if (ps->open[i].pack == pack)
			return &ps->open[i];
	return NULL;
}

/* A free place, or the one that nobody has used for longest; NULL when all are
 * in use. *ret_fd is what the caller has to close. With the lock held. */
static struct open_pack *make_place(struct packs *ps, int *ret_fd)
{
	struct open_pack *oldest = NULL;

	*ret_fd = -1;
	for (size_t i = 0; i < PACKS_OPEN_MAX; i++) {
		struct open_pack *o = &ps->open[i];

		if (!o->pack)
			return o;
		if (o->users == 0 && (!oldest || o->used < oldest->used))
			oldest = o;
	}
	if (oldest) {
		*ret_fd = oldest->fd;
		oldest->pack = 0;
	}
	return oldest;
}

/* Opens the file, giving up a kept descriptor when the process has no more. */
static int open_file(struct packs *ps, uint64_t pack, struct err *e)
{
	char name[24];
	int fd;

	(void)snprintf(name, sizeof(name), "%llu", (unsigned long long)pack);
	for (;;) {
		AUTO_FD old = -1;
		bool idle = false;

		fd = sys_openat(ps->st->packs, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
		if (fd != -EMFILE && fd != -ENFILE)
			break;
		(void)pthread_mutex_lock(&ps->lock);
		for (size_t i = 0; i < PACKS_OPEN_MAX && !idle; i++) {
			struct open_pack *o = &ps->open[i];

			if (!o->pack || o->users > 0)
				continue;
			old = o->fd;
			o->pack = 0;
			idle = true;
		}
		(void)pthread_mutex_unlock(&ps->lock);
		if (!idle)
			break;
	}
	if (fd == -ENOENT || fd == -ELOOP)
		return err_set(e, -EBADMSG, "there is no such pack");
	return fd < 0 ? err_set(e, fd, "open: %s", strerror(-fd)) : fd;
}

/* With the lock held. */
static void hold(struct packs *ps, struct open_pack *o, struct held *ret)
{
	o->users++;
	o->used = ++ps->clock;
	*ret = (struct held){ .fd = o->fd, .len = o->len, .from = o };
}

static int pack_hold(struct packs *ps, uint64_t pack, struct held *ret, struct err *e)
{
	AUTO_FD fd = -1, close_later = -1;
	struct open_pack *o;
	uint64_t len;
	int r;

	if (pack == 0)
		return err_set(e, -EBADMSG, "packs are numbered from 1");
	(void)pthread_mutex_lock(&ps->lock);
	o = find_open(ps, pack);
	if (o)
		hold(ps, o, ret);
	(void)pthread_mutex_unlock(&ps->lock);
	if (o)
		return 0;
	fd = open_file(ps, pack, e);
	if (fd < 0)
		return fd;
	r = pack_header_check(fd, pack, &len, e);
	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&ps->lock);
	o = find_open(ps, pack); /* another thread may have been faster */
	if (!o) {
		o = make_place(ps, &close_later);
		if (o)
			*o = (struct open_pack){ .pack = pack, .len = len, .fd = TAKE_FD(fd) };
	}
	if (o)
		hold(ps, o, ret);
	else
		*ret = (struct held){ .fd = TAKE_FD(fd), .len = len };
	(void)pthread_mutex_unlock(&ps->lock);
	return 0;
}

static void pack_let_go(struct packs *ps, struct held *h)
{
	if (!h->from) {
		(void)sys_close(h->fd);
		return;
	}
	(void)pthread_mutex_lock(&ps->lock);
	h->from->users--;
	(void)pthread_mutex_unlock(&ps->lock);
}

static bool room_holds(const struct block_room *room, const struct extent *x, uint64_t index)
{
	return room->holds && room->offset == x->offset && room->index == index &&
	       room->pack == x->pack;
}

/* The free bench that has the block, else the one idle for longest; waits when
 * all are busy. */
static int bench_take(struct packs *ps, const struct extent *x, uint64_t index, struct bench **ret,
		      struct err *e)
{
	struct bench *b = NULL;
	int r = 0;

	(void)pthread_mutex_lock(&ps->lock);
	while (!b) {
		for (size_t i = 0; i < PACK_READS_MAX; i++) {
			struct bench *c = &ps->benches[i];

			if (c->busy)
				continue;
			if (room_holds(&c->room, x, index)) {
				b = c;
				break;
			}
			if (!b || c->used < b->used)
				b = c;
		}
		if (!b)
			(void)pthread_cond_wait(&ps->bench_free, &ps->lock);
	}
	b->busy = true;
	b->used = ++ps->clock;
	(void)pthread_mutex_unlock(&ps->lock);
	if (!b->room.in)
		r = block_room_init(&b->room, e);
	*ret = b;
	return r;
}

static void bench_give(struct packs *ps, struct bench *b)
{
	(void)pthread_mutex_lock(&ps->lock);
	b->busy = false;
	(void)pthread_cond_signal(&ps->bench_free);
	(void)pthread_mutex_unlock(&ps->lock);
}

/* Copies what is wanted, block by block; all of [offset, offset + len) exists. */
static int read_blocks(struct block_reader *br, uint64_t offset, uint8_t *to, size_t len,
		       struct err *e)
{
	struct block_room *room = br->room;
	const struct extent *x = br->x;
	int r;

	while (len > 0) {
		uint64_t index = offset / OBJECT_BLOCK_BYTES;
		size_t skip = (size_t)(offset % OBJECT_BLOCK_BYTES);
		size_t have = block_len(x->size, index), n = have - skip < len ? have - skip : len;

		if (n == have) {
			r = block_read(br, index, to, e);
			if (r < 0)
				return r;
		} else {
			if (!room_holds(room, x, index)) {
				room->holds = false;
				r = block_read(br, index, room->out, e);
				if (r < 0)
					return r;
				room->holds = true;
				room->pack = x->pack;
				room->offset = x->offset;
				room->index = index;
			}
			memcpy(to, room->out + skip, n);
		}
		to += n;
		offset += n;
		len -= n;
	}
	return 0;
}

static int read_held(struct packs *ps, const struct held *h, const struct extent *x,
		     uint64_t offset, void *to, size_t len, struct err *e)
{
	struct block_reader br = { .fd = h->fd, .x = x };
	struct bench *b;
	int r = extent_check(x, h->len, e);

	if (r < 0)
		return r;
	r = bench_take(ps, x, offset / OBJECT_BLOCK_BYTES, &b, e);
	if (r == 0) {
		br.room = &b->room;
		r = read_blocks(&br, offset, to, len, e);
	}
	bench_give(ps, b);
	return r;
}

ssize_t object_read(struct packs *ps, const struct extent *x, uint64_t offset, void *room,
		    size_t len, struct err *e)
{
	struct held h;
	int r;

	if (offset >= x->size || len == 0)
		return 0;
	if (len > x->size - offset)
		len = (size_t)(x->size - offset);
	r = pack_hold(ps, x->pack, &h, e);
	if (r == 0) {
		r = read_held(ps, &h, x, offset, room, len, e);
		pack_let_go(ps, &h);
	}
	if (r < 0)
		return err_wrap(e, r, "pack %llu, object at %llu", (unsigned long long)x->pack,
				(unsigned long long)x->offset);
	return (ssize_t)len;
}
