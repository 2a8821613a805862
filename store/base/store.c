/* SPDX-License-Identifier: Apache-2.0 */
#include "base/store.h"

#include "base/buf.h"
#include "base/path.h"
#include "base/sys.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#define LOCK_PREFIX "lock-"

static int make_parents(const char *path, struct err *e)
{
	char part[PATH_MAX];
	int r;

	for (size_t i = 1; path[0] && path[i]; i++) {
		if (path[i] != '/' && path[i + 1])
			continue;
		(void)snprintf(part, sizeof(part), "%.*s", (int)(i + (path[i] != '/')), path);
		r = sys_mkdirat(AT_FDCWD, part, 0755);
		/* A parent that is there may be unwritable and say so before EEXIST. */
		if (r < 0 && r != -EEXIST && r != -EROFS && r != -EACCES && r != -EPERM)
			return err_set(e, r, "store '%s': mkdir '%s': %s", path, part,
				       strerror(-r));
	}
	return 0;
}

static int open_part(struct store *st, const char *name, bool make, bool must, int *ret,
		     struct err *e)
{
	int r;

	if (make) {
		r = sys_mkdirat(st->dir, name, 0755);
		if (r < 0 && r != -EEXIST)
			return err_set(e, r, "store '%s': mkdir '%s': %s", st->path, name,
				       strerror(-r));
	}
	*ret = sys_openat(st->dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (*ret < 0 && must)
		return err_set(e, *ret, "store '%s': its folder '%s': %s", st->path, name,
			       strerror(-*ret));
	return 0;
}

/* The version file is written last, so a store that has it is whole. */
static int check_format(struct store *st, bool make, struct err *e)
{
	AUTO_BUF text = BUF(64);
	char want[32];
	int r = sys_slurp(st->dir, "format", &text), n;

	n = snprintf(want, sizeof(want), "envfs-store %d\n", STORE_FORMAT);
	if (r == -ENOENT && make)
		return sys_publish(st->tmp, st->dir, "format", want, (size_t)n, 0444, e);
	if (r == -ENOENT)
		return err_set(e, -ENOENT, "'%s' is no envfs store: it has no file 'format'",
			       st->path);
	if (r < 0)
		return err_set(e, r, "store '%s': its file 'format': %s", st->path, strerror(-r));
	if (strcmp(text.bytes, want) != 0)
		return err_set(e, -EPROTO,
			       "store '%s' has format '%s', this envfs reads 'envfs-store %d': "
			       "use a newer envfs or another --store",
			       st->path, QUOTE(text.bytes, strcspn(text.bytes, "\n")),
			       STORE_FORMAT);
	return 0;
}

static int open_all(struct store *st, bool write, struct err *e)
{
	const struct {
		const char *name;
		int *fd;
		bool must;
	} parts[] = {
		{ "tmp", &st->tmp, write },
		{ "packs", &st->packs, true },
		{ "manifests", &st->manifests, true },
		{ "gens", &st->gens, true },
		{ "envs", &st->envs, true },
		{ "channels", &st->channels, write },
	};
	int r;

	st->read_only = !write;
	if (!write) {
		r = check_format(st, false, e);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (!write && parts[i].fd == &st->tmp)
			continue;
		r = open_part(st, parts[i].name, write, parts[i].must, parts[i].fd, e);
		if (r < 0)
			return r;
	}
	return write ? check_format(st, true, e) : 0;
}

static bool writable(int dir)
{
	return faccessat(dir, ".", W_OK, AT_EACCESS) == 0;
}

int store_open(struct store **ret, const char *path, enum store_mode mode, struct err *e)
{
	AUTO(store_freep) struct store *st = calloc(1, sizeof(*st));
	char real[PATH_MAX];
	int r;

	if (!st)
		return err_nomem(e);
	*st = (struct store){ .dir = -1,
			      .packs = -1,
			      .manifests = -1,
			      .gens = -1,
			      .envs = -1,
			      .channels = -1,
			      .tmp = -1 };
	if (mode != STORE_READ) {
		r = make_parents(path, e);
		if (r < 0)
			return r;
	}
	st->dir = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	if (st->dir < 0)
		return err_set(e, st->dir, "store '%s': %s", path, strerror(-st->dir));
	if (!realpath(path, real))
		return err_sys(e, "store '%s'", path);
	st->path = strdup(real);
	if (!st->path)
		return err_nomem(e);
	if (mode == STORE_WRITE && !writable(st->dir))
		return err_sys(e, "store '%s' cannot be written", st->path);
	r = open_all(st, mode == STORE_WRITE || (mode == STORE_ANY && writable(st->dir)), e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(st);
	return 0;
}

struct store *store_free(struct store *st)
{
	if (!st)
		return NULL;
	int fds[] = {
		st->packs, st->manifests, st->gens, st->envs, st->channels, st->tmp, st->dir
	};

	for (size_t i = 0; i < ARRAY_LEN(fds); i++)
		if (fds[i] >= 0)
			(void)sys_close(fds[i]);
	free(st->path);
	free(st);
	return NULL;
}

/* Whether the name still means the file that was opened and locked: another may have
 * unlinked it before, and a third made it anew and hold that. */
static int is_named(struct store *st, const char *name, int fd)
{
	struct stat held, there;
	int r = sys_fstat(fd, &held);

	if (r == 0)
		r = sys_fstatat(st->tmp, name, &there, AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return held.st_ino == there.st_ino && held.st_dev == there.st_dev;
}

int store_lock(struct store *st, const char *name, bool wait, int *ret_fd, struct err *e)
{
	char file[NAME_MAX];
	int r;

	assert(st->tmp >= 0);
	(void)snprintf(file, sizeof(file), LOCK_PREFIX "%s", name);
	for (;;) {
		AUTO_FD fd = sys_openat(st->tmp, file, O_RDWR | O_CREAT, 0644);

		if (fd < 0)
			return err_set(e, fd, "lock '%s': %s", name, strerror(-fd));
		r = sys_flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB));
		if (r == -EWOULDBLOCK)
			return err_set(e, -EBUSY, "'%s' is locked by another process", name);
		if (r < 0)
			return err_set(e, r, "lock '%s': %s", name, strerror(-r));
		r = is_named(st, file, fd);
		if (r < 0)
			return err_set(e, r, "lock '%s': %s", name, strerror(-r));
		if (r > 0) {
			*ret_fd = TAKE_FD(fd);
			return 0;
		}
	}
}

void store_unlock(struct store *st, const char *name, int *fd)
{
	char file[NAME_MAX];

	if (*fd < 0)
		return;
	(void)snprintf(file, sizeof(file), LOCK_PREFIX "%s", name);
	(void)sys_unlinkat(st->tmp, file, 0);
	(void)sys_close(*fd);
	*fd = -1;
}

/*
 * Names in tmp/ are "new-PID-N" (sys_publish), "part-…" and "pack-…", which are
 * flocked while in use, and "lock-…".
 */
static int sweep_one(void *ctx, const char *name, unsigned char type)
{
	struct store *st = ctx;
	int pid;

	(void)type;
	if (sscanf(name, "new-%d-", &pid) == 1) {
		if (kill(pid, 0) < 0 && errno == ESRCH)
			(void)sys_unlinkat(st->tmp, name, 0);
		return 0;
	}
	AUTO_FD fd = sys_openat(st->tmp, name, O_RDWR | O_NOFOLLOW, 0);
	if (fd >= 0 && sys_flock(fd, LOCK_EX | LOCK_NB) == 0 && is_named(st, name, fd) > 0)
		(void)sys_unlinkat(st->tmp, name, 0);
	return 0;
}

int store_sweep(struct store *st, struct err *e)
{
	int r;

	if (st->read_only)
		return 0;
	r = sys_each_name(st->tmp, sweep_one, st);
	return r < 0 ? err_set(e, r, "store '%s': sweep of tmp: %s", st->path, strerror(-r)) : 0;
}
