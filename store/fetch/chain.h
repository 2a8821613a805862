/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain: things in a row, linked through a member of their own, so that putting
 * in and taking out allocates nothing and cannot fail. A chain is a link that
 * stands for both ends; a link that is in no chain points at itself.
 */
#ifndef ENVFS_FETCH_CHAIN_H
#define ENVFS_FETCH_CHAIN_H

#include <stdbool.h>
#include <stddef.h>

struct chain {
	struct chain *prev, *next;
};

/* The thing whose member `member` is the link. */
#define CHAIN_THING(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))

/* The body may take the thing out. */
#define CHAIN_EACH(at, head)                                                                       \
	for (struct chain *at = (head)->next, *next_##at = at->next; at != (head);                 \
	     at = next_##at, next_##at = at->next)

static inline void chain_init(struct chain *c)
{
	c->prev = c->next = c;
}

static inline bool chain_is_empty(const struct chain *c)
{
	return c->next == c;
}

static inline void chain_out(struct chain *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	chain_init(link);
}

static inline void chain_put_last(struct chain *c, struct chain *link)
{
	link->prev = c->prev;
	link->next = c;
	c->prev->next = link;
	c->prev = link;
}

static inline void chain_put_first(struct chain *c, struct chain *link)
{
	chain_put_last(c->next, link);
}

#endif
