/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inside: what ops' own files share. See ops.h.
 */
#ifndef ENVFS_OPS_INSIDE_H
#define ENVFS_OPS_INSIDE_H

#include "ops/ops.h"
#include "ops/rooms.h"

#include <stdatomic.h>

#define FOREVER	     1e9 /* seconds; more than any uptime, less than the kernel's limit */
#define ROOT_SECONDS 1.0

struct ops {
	struct store *store;	 /* borrowed */
	struct content *content; /* borrowed */
	struct park *park;	 /* owned */
	struct rooms *rooms;	 /* owned */
	uid_t uid;
	gid_t gid;
	bool no_open, no_opendir; /* the kernel understands ENOSYS for them */
	_Atomic uint64_t requests;
};

/*
 * Each answers the request, exactly once, and returns 0; or returns the negative
 * errno that is to be answered; or -EINPROGRESS with what to wait for.
 */
int root_lookup(struct ops *o, const struct ask *a);
int root_getattr(struct ops *o, const struct ask *a);
int root_list(struct ops *o, const struct ask *a);
int head_getattr(struct ops *o, const struct ask *a); /* -ENOENT: not a generation's root */
int list_directory(struct ops *o, const struct ask *a, struct view *v);

/* What the kernel is told of a node. */
void node_stat(const struct ops *o, const struct node *n, struct stat *ret);
void head_stat(const struct ops *o, const struct content_head *h, struct stat *ret);

/* One entry of a listing, in READDIR's or READDIRPLUS' form. Returns its size; nothing
 * was written when that is more than there was room for. stat's inode and type are used
 * for the name itself; entry.ino 0: no attributes. */
size_t list_entry(const struct ask *a, char *at, size_t room, const char *name,
		  const struct fuse_entry_param *entry, uint64_t next);

#endif
