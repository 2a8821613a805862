/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/ops.h"

#include "base/limits.h"
#include "base/log.h"
#include "base/sys.h"
#include "ops/inside.h"

#include <assert.h>
#include <string.h>
#include <sys/statvfs.h>

static const mode_t type_bits[] = {
	[ENTRY_DIR] = S_IFDIR,
	[ENTRY_FILE] = S_IFREG,
	[ENTRY_LINK] = S_IFLNK,
};

/* Without nlink 2 for directories: programs take it for "no folders within". */
void node_stat(const struct ops *o, const struct node *n, struct stat *ret)
{
	*ret = (struct stat){
		.st_ino = n->ino,
		.st_mode = type_bits[n->type] | (n->known ? n->mode : 0755),
		.st_nlink = 1,
		.st_uid = o->uid,
		.st_gid = o->gid,
		.st_size = (off_t)n->size,
		.st_blksize = 4096,
		.st_blocks = (blkcnt_t)(n->size / 512 + (n->size % 512 != 0)),
		.st_mtim = { .tv_sec = n->mtime_s, .tv_nsec = (long)n->mtime_ns },
	};
	if (n->type == ENTRY_LINK)
		ret->st_mode = S_IFLNK | 0777;
	ret->st_ctim = ret->st_atim = ret->st_mtim;
}

static int node_lookup(struct ops *o, const struct ask *a, struct view *v)
{
	struct fuse_entry_param entry = { .entry_timeout = FOREVER };
	struct node n;
	int r = view_lookup(v, a->ino, a->name, &n);

	if (r < 0 && r != -ENOENT)
		return r;
	if (r == 0) {
		entry.ino = n.ino;
		entry.attr_timeout = n.known ? FOREVER : 0;
		node_stat(o, &n, &entry.attr);
	}
	(void)fuse_reply_entry(a->request, &entry);
	return 0;
}

static int node_getattr(struct ops *o, const struct ask *a, const struct node *n)
{
	struct stat st;

	node_stat(o, n, &st);
	(void)fuse_reply_attr(a->request, &st, FOREVER);
	return 0;
}

static int node_readlink(const struct ask *a, struct view *v, const struct node *n)
{
	const char *target = n->type == ENTRY_LINK ? view_target(v, n) : NULL;

	if (!target)
		return -EINVAL;
	(void)fuse_reply_readlink(a->request, target);
	return 0;
}

static int node_read(struct ops *o, const struct ask *a, struct view *v, const struct node *n)
{
	struct err why = { 0 };
	char *room;
	ssize_t got;

	if (n->type != ENTRY_FILE)
		return n->type == ENTRY_DIR ? -EISDIR : -EINVAL;
	if (n->failed < 0)
		return n->failed;
	room = room_take(o->rooms);
	if (!room)
		return -ENOMEM;
	got = content_read(o->content, v, n, a->offset, room,
			   a->size < ROOM_BYTES ? a->size : ROOM_BYTES, &why);
	if (got >= 0)
		(void)fuse_reply_buf(a->request, room, (size_t)got);
	else
		content_complain(o->content, generation_env(view_generation(v)), (int)got, &why);
	room_give(o->rooms, room);
	return got < 0 ? -EIO : 0;
}

/* GETATTR, READLINK, READ: of what is known; else the package must come first. */
static int about_node(struct ops *o, const struct ask *a, struct view *v,
		      struct content_wait *ret_wait)
{
	struct node n;
	int r = view_node(v, a->ino, &n);

	if (r < 0)
		return r;
	if (!n.known) {
		r = content_present(o->content, v, n.slot, ret_wait);
		return r == 0 ? -EIO : r; /* it is present and yet not known: see content.h */
	}
	switch (a->kind) {
	case ASK_GETATTR:
		return node_getattr(o, a, &n);
	case ASK_READLINK:
		return node_readlink(a, v, &n);
	default:
		return node_read(o, a, v, &n);
	}
}

/* The one way from a question to its answer, first time or after parking. */
static int try_answer(struct ops *o, const struct ask *a, struct content_wait *ret_wait)
{
	AUTO(view_freep) struct view *v = NULL;
	int r;

	if (a->ino == NODE_ROOT) {
		switch (a->kind) {
		case ASK_LOOKUP:
			return root_lookup(o, a);
		case ASK_GETATTR:
			return root_getattr(o, a);
		case ASK_READDIR:
		case ASK_READDIRPLUS:
			return root_list(o, a);
		default:
			return -EISDIR;
		}
	}
	if (a->kind == ASK_GETATTR) {
		r = head_getattr(o, a);
		if (r != -ENOENT)
			return r;
	}
	r = content_view(o->content, a->ino, &v, ret_wait);
	if (r < 0)
		return r;
	switch (a->kind) {
	case ASK_LOOKUP:
		return node_lookup(o, a, v);
	case ASK_READDIR:
	case ASK_READDIRPLUS:
		return list_directory(o, a, v);
	default:
		return about_node(o, a, v, ret_wait);
	}
}

/* That it is stopping is nothing to programs: they get EIO. */
static void reply_error(fuse_req_t req, int code)
{
	(void)fuse_reply_err(req, code == -ESHUTDOWN ? EIO : -code);
}

static int on_again(void *ctx, const struct ask *a, struct content_wait *ret)
{
	int r = try_answer(ctx, a, ret);

	if (r < 0 && r != -EINPROGRESS) {
		reply_error(a->request, r);
		r = 0;
	}
	return r;
}

/* Why it failed is in the log and in `envfs status`; programs get EIO. */
static void on_refuse(void *ctx, const struct ask *a, int code)
{
	(void)ctx;
	(void)fuse_reply_err(a->request, code == -EINTR ? EINTR : EIO);
}

static int on_settled(void *ctx, const struct content_wait *w)
{
	const struct ops *o = ctx;

	return content_settled(o->content, w);
}

static void on_interrupt(fuse_req_t req, void *token)
{
	(void)req;
	park_interrupted(token);
}

static void on_watch(void *ctx, const struct ask *a, void *token)
{
	(void)ctx;
	fuse_req_interrupt_func(a->request, on_interrupt, token);
}

static void on_unwatch(void *ctx, const struct ask *a)
{
	(void)ctx;
	fuse_req_interrupt_func(a->request, NULL, NULL);
}

static void ask(fuse_req_t req, struct ask a)
{
	struct ops *o = fuse_req_userdata(req);
	struct content_wait w;
	int r;

	atomic_fetch_add_explicit(&o->requests, 1, memory_order_relaxed);
	a.request = req;
	a.pid = fuse_req_ctx(req)->pid;
	r = try_answer(o, &a, &w);
	if (r == -EINPROGRESS)
		r = park_add(o->park, &a, &w);
	if (r < 0)
		reply_error(req, r);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	if (strlen(name) > NAME_BYTES_MAX)
		(void)fuse_reply_err(req, ENAMETOOLONG);
	else
		ask(req, (struct ask){ .kind = ASK_LOOKUP, .ino = parent, .name = name });
}

/* Numbers are computed, not handed out: nothing is kept that could be forgotten. */
static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	(void)ino;
	(void)count;
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	(void)count;
	(void)forgets;
	fuse_reply_none(req);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)fi;
	ask(req, (struct ask){ .kind = ASK_GETATTR, .ino = ino });
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	ask(req, (struct ask){ .kind = ASK_READLINK, .ino = ino });
}

/* ENOSYS once, and the kernel opens by itself from then on, keeping its caches. */
static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	const struct ops *o = fuse_req_userdata(req);

	(void)ino;
	fi->keep_cache = 1;
	if (o->no_open)
		(void)fuse_reply_err(req, ENOSYS);
	else
		(void)fuse_reply_open(req, fi);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	const struct ops *o = fuse_req_userdata(req);

	(void)ino;
	fi->keep_cache = 1;
	fi->cache_readdir = 1;
	if (o->no_opendir)
		(void)fuse_reply_err(req, ENOSYS);
	else
		(void)fuse_reply_open(req, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		    struct fuse_file_info *fi)
{
	(void)fi;
	ask(req,
	    (struct ask){ .kind = ASK_READ, .ino = ino, .offset = (uint64_t)offset, .size = size });
}

static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
		       struct fuse_file_info *fi)
{
	(void)fi;
	ask(req,
	    (struct ask){
		    .kind = ASK_READDIR, .ino = ino, .offset = (uint64_t)offset, .size = size });
}

static void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t offset,
			   struct fuse_file_info *fi)
{
	(void)fi;
	ask(req, (struct ask){ .kind = ASK_READDIRPLUS,
			       .ino = ino,
			       .offset = (uint64_t)offset,
			       .size = size });
}

/* The store's file system, with nothing free: nothing can be written here. */
static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct ops *o = fuse_req_userdata(req);
	struct statvfs st;

	(void)ino;
	if (fstatvfs(o->store->dir, &st) < 0) {
		(void)fuse_reply_err(req, errno);
		return;
	}
	st.f_bfree = st.f_bavail = 0;
	st.f_ffree = st.f_favail = 0;
	st.f_namemax = NAME_BYTES_MAX;
	(void)fuse_reply_statfs(req, &st);
}

static void want(struct fuse_conn_info *conn, unsigned int flag)
{
	if (conn->capable & flag)
		conn->want |= flag;
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct ops *o = userdata;

	o->no_open = conn->capable & FUSE_CAP_NO_OPEN_SUPPORT;
	o->no_opendir = conn->capable & FUSE_CAP_NO_OPENDIR_SUPPORT;
	want(conn, FUSE_CAP_ASYNC_READ);
	want(conn, FUSE_CAP_PARALLEL_DIROPS);
	want(conn, FUSE_CAP_CACHE_SYMLINKS);
	want(conn, FUSE_CAP_READDIRPLUS);
	want(conn, FUSE_CAP_READDIRPLUS_AUTO);
	/* The root's listing is believed as long as its mtime stays (root.c). For what is
	 * below this costs nothing: attributes that never expire are never compared. */
	want(conn, FUSE_CAP_AUTO_INVAL_DATA);
	/* A parked read-ahead must not keep others back. */
	conn->max_background = PARKED_MAX - 1;
	conn->congestion_threshold = PARKED_MAX - 1;
}

const struct fuse_lowlevel_ops ops_table = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.readlink = op_readlink,
	.open = op_open,
	.opendir = op_opendir,
	.read = op_read,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.statfs = op_statfs,
};

int ops_open(struct ops **ret, struct store *st, struct err *e)
{
	static const struct park_calls calls = {
		.again = on_again,
		.refuse = on_refuse,
		.settled = on_settled,
		.watch = on_watch,
		.unwatch = on_unwatch,
	};
	AUTO(ops_freep) struct ops *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return err_nomem(e);
	o->store = st;
	o->uid = geteuid();
	o->gid = getegid();
	r = rooms_open(&o->rooms, e);
	if (r == 0)
		r = park_open(&o->park, &calls, o, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(o);
	return 0;
}

void ops_serve(struct ops *o, struct content *c)
{
	o->content = c;
}

struct ops *ops_free(struct ops *o)
{
	if (!o)
		return NULL;
	park_free(o->park);
	rooms_free(o->rooms);
	free(o);
	return NULL;
}

void ops_woken(void *ops, enum content_wait_kind kind, uint64_t number)
{
	struct ops *o = ops;

	park_woken(o->park, kind, number);
}

struct park *ops_park(struct ops *o)
{
	return o->park;
}

void ops_counts(struct ops *o, struct ops_counts *ret)
{
	ret->requests = atomic_load(&o->requests);
}
