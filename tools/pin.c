/* SPDX-License-Identifier: Apache-2.0 */
#include "pin.h"

#include "base/auto.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

static int write_file(const char *path, const char *text, struct err *e)
{
	AUTO_FD fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return err_sys(e, "'%s'", path);
	return 0;
}

/* The caller is itself in there, and nobody else is anybody. */
static int map_self(uid_t uid, gid_t gid, struct err *e)
{
	char map[64];
	int r = write_file("/proc/self/setgroups", "deny", e);

	(void)snprintf(map, sizeof(map), "%u %u 1\n", uid, uid);
	if (r == 0)
		r = write_file("/proc/self/uid_map", map, e);
	(void)snprintf(map, sizeof(map), "%u %u 1\n", gid, gid);
	return r < 0 ? r : write_file("/proc/self/gid_map", map, e);
}

static int own_namespace(bool *ret_user, struct err *e)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();

	*ret_user = false;
	if (unshare(CLONE_NEWNS) == 0)
		return 0;
	if (errno != EPERM)
		return err_sys(e, "mount namespace");
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return err_sys(e, "user namespace");
	*ret_user = true;
	return map_self(uid, gid, e);
}

/* overlayfs wants two layers when nothing is to be written: the second is empty. */
static int mount_view(const char *at, const char *empty, int dir_fd, bool user, struct err *e)
{
	char options[PATH_MAX + 128];
	AUTO_FD empty_fd = open(empty, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (empty_fd < 0)
		return err_sys(e, "'%s'", empty);
	(void)snprintf(options, sizeof(options), "lowerdir=/proc/self/fd/%d:/proc/self/fd/%d%s",
		       dir_fd, empty_fd, user ? ",userxattr" : "");
	if (mount("envfs", at, "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options) < 0)
		return err_sys(e, "overlayfs at '%s'", at);
	return 0;
}

/* Where all environments of the mount are seen: below a pinned one's tmpfs, or in itself. */
static int open_mount(const char *mount_dir, struct err *e)
{
	char all[PATH_MAX];
	int fd;

	if (snprintf(all, sizeof(all), "%s/" PIN_ALL, mount_dir) >= (int)sizeof(all))
		return err_set(e, -ENAMETOOLONG, "'%s'", mount_dir);
	fd = open(all, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		fd = open(mount_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? err_sys(e, "'%s'", mount_dir) : fd;
}

/* The rest of the mount stays reachable, so that a command can run others. */
static int bind_all(const char *mount_dir, int mount_fd, struct err *e)
{
	char from[64], all[PATH_MAX];

	(void)snprintf(from, sizeof(from), "/proc/self/fd/%d", mount_fd);
	(void)snprintf(all, sizeof(all), "%s/" PIN_ALL, mount_dir);
	if (mkdir(all, 0755) < 0)
		return err_sys(e, "mkdir '%s'", all);
	if (mount(from, all, NULL, MS_BIND, NULL) < 0)
		return err_sys(e, "'%s' at '%s'", mount_dir, all);
	return 0;
}

static int build(const char *mount_dir, const char *env, int mount_fd, int env_fd, bool user,
		 struct err *e)
{
	char at[PATH_MAX], empty[PATH_MAX];
	int r;

	(void)snprintf(at, sizeof(at), "%s/%s", mount_dir, env);
	(void)snprintf(empty, sizeof(empty), "%s/.empty", mount_dir);
	if (mkdir(at, 0755) < 0 || mkdir(empty, 0755) < 0)
		return err_sys(e, "mkdir '%s'", at);
	r = mount_view(at, empty, env_fd, user, e);
	if (r == 0)
		r = bind_all(mount_dir, mount_fd, e);
	if (r < 0)
		return r;
	(void)rmdir(empty); /* only its look: the layer stays */
	/* What is written beside the environments would be lost with the command. */
	if (mount(NULL, mount_dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV,
		  NULL) < 0)
		return err_sys(e, "tmpfs at '%s'", mount_dir);
	return 0;
}

int pin(const char *mount_dir, const char *env, struct err *e)
{
	bool user;
	int r;

	if (strlen(mount_dir) + strlen(env) + sizeof("/.empty") + sizeof(PIN_ALL) > PATH_MAX)
		return err_set(e, -ENAMETOOLONG, "'%s/%s'", mount_dir, env);
	r = own_namespace(&user, e);
	if (r < 0)
		return r;
	/* In a chroot "/" is no mount; then at least what is mounted below stays here. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 &&
	    mount(NULL, mount_dir, NULL, MS_PRIVATE, NULL) < 0)
		return err_sys(e, "private mounts");
	/* Opened in the new namespace: overlayfs takes no layer from another one. */
	AUTO_FD all = open_mount(mount_dir, e);
	if (all < 0)
		return all;
	AUTO_FD dir = openat(all, env, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "'%s/%s'", mount_dir, env);
	if (mount("envfs", mount_dir, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=1m") < 0)
		return err_sys(e, "tmpfs at '%s'", mount_dir);
	r = build(mount_dir, env, all, dir, user, e);
	if (r < 0 && umount2(mount_dir, MNT_DETACH) < 0) /* back to the bare mount below it */
		return err_sys(e, "unmount of '%s'", mount_dir);
	return r;
}
