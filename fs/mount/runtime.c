/* SPDX-License-Identifier: Apache-2.0 */
#include "mount/runtime.h"

#include "base/auto.h"
#include "base/hash.h"
#include "base/sys.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

static void find_path(char ret[PATH_MAX])
{
	const char *own = getenv("ENVFS_RUNTIME"), *xdg = getenv("XDG_RUNTIME_DIR");

	if (own && own[0] == '/')
		(void)snprintf(ret, PATH_MAX, "%s", own);
	else if (geteuid() == 0)
		(void)snprintf(ret, PATH_MAX, "/run/envfs");
	else if (xdg && xdg[0] == '/')
		(void)snprintf(ret, PATH_MAX, "%s/envfs", xdg);
	else
		(void)snprintf(ret, PATH_MAX, "/tmp/envfs-%u", (unsigned int)geteuid());
}

int runtime_open(struct runtime *ret, int make, struct err *e)
{
	struct runtime rt = { .dir = -1 };
	struct stat st;
	int r;

	find_path(rt.path);
	if (make && mkdir(rt.path, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "runtime folder '%s'", rt.path);
	AUTO_FD fd = sys_openat(AT_FDCWD, rt.path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0)
		return err_set(e, fd, "runtime folder '%s': %s", rt.path, strerror(-fd));
	r = sys_fstat(fd, &st);
	if (r < 0)
		return err_set(e, r, "runtime folder '%s': %s", rt.path, strerror(-r));
	if (st.st_uid != geteuid() || (st.st_mode & 022))
		return err_set(e, -EPERM,
			       "runtime folder '%s' belongs to another user or can be written by "
			       "others: remove it, or set ENVFS_RUNTIME",
			       rt.path);
	rt.dir = TAKE_FD(fd);
	*ret = rt;
	return 0;
}

void runtime_done(struct runtime *rt)
{
	auto_close(&rt->dir);
}

void runtime_name(const char *mount_point, const char *suffix, char ret[RUNTIME_NAME_BYTES])
{
	(void)snprintf(ret, RUNTIME_NAME_BYTES, "%016" PRIx64 ".%s",
		       xxh64(mount_point, strlen(mount_point)), suffix);
}

#define LOCK_TRIES    50
#define LOCK_PAUSE_MS 100

int runtime_lock(const struct runtime *rt, const char *mount_point, int *ret_fd, struct err *e)
{
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_MS * 1000000L };
	char name[RUNTIME_NAME_BYTES];
	int r = -EWOULDBLOCK;

	runtime_name(mount_point, "lock", name);
	AUTO_FD fd = sys_openat(rt->dir, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_set(e, fd, "'%s/%s': %s", rt->path, name, strerror(-fd));
	for (int i = 0; i < LOCK_TRIES; i++) {
		r = sys_flock(fd, LOCK_EX | LOCK_NB);
		if (r != -EWOULDBLOCK)
			break;
		(void)nanosleep(&pause, NULL);
	}
	if (r < 0)
		return err_set(e, r == -EWOULDBLOCK ? -EBUSY : r,
			       "another envfs mount is starting on '%s'", mount_point);
	*ret_fd = TAKE_FD(fd);
	return 0;
}
