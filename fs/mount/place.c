/* SPDX-License-Identifier: Apache-2.0 */
#include "mount/place.h"

#include "base/auto.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/sys.h"
#include "base/url.h"
#include "mount/control.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define MOUNTINFO_BYTES_MAX (64 * MIB)

/* "\040" and the like, as mountinfo has blanks and backslashes. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *at = text; *at; to++) {
		unsigned int c;

		if (at[0] == '\\' && sscanf(at + 1, "%3o", &c) == 1) {
			*to = (char)c;
			at += 4;
		} else {
			*to = *at++;
		}
	}
	*to = '\0';
}

/* ID PARENT MAJOR:MINOR ROOT DIR OPTIONS [TAGS…] - TYPE SOURCE SUPER */
static bool parse_row(char *line, struct mounted *ret)
{
	const char *dash = strstr(line, " - ");
	char dir[PATH_MAX];

	if (!dash || sscanf(dash + 3, "%63s", ret->type) != 1 ||
	    sscanf(line, "%*d %*d %u:%u %*s %4095s", &ret->major, &ret->minor, dir) != 3)
		return false;
	unescape(dir);
	(void)snprintf(ret->dir, sizeof(ret->dir), "%s", dir);
	return true;
}

int mounted_each(int (*fn)(void *ctx, const struct mounted *m), void *ctx, struct err *e)
{
	AUTO_BUF text = BUF(MOUNTINFO_BYTES_MAX);
	char *rest, *line;
	int r = sys_slurp(AT_FDCWD, "/proc/self/mountinfo", &text);

	if (r < 0)
		return err_set(e, r, "/proc/self/mountinfo: %s", strerror(-r));
	for (line = strtok_r(text.bytes, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		struct mounted m;

		if (!parse_row(line, &m))
			continue;
		r = fn(ctx, &m);
		if (r != 0)
			return r;
	}
	return 0;
}

struct search {
	const char *dir;
	struct mounted *ret;
	bool found;
};

static int match(void *ctx, const struct mounted *m)
{
	struct search *s = ctx;

	if (strcmp(m->dir, s->dir) == 0) {
		*s->ret = *m;
		s->found = true;
	}
	return 0;
}

int mounted_at(const char *dir, struct mounted *ret, struct err *e)
{
	struct search s = { .dir = dir, .ret = ret };
	int r = mounted_each(match, &s, e);

	return r < 0 ? r : s.found ? 0 : -ENOENT;
}

bool path_is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (len == 1)
		return true; /* the root */
	return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\0');
}

/* Starts it with its complaints going into a pipe. */
static int spawn_fusermount(char **args, pid_t *ret_pid, int *ret_said, struct err *e)
{
	char path_list[] = "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
	char *environment[] = { path_list, NULL };
	posix_spawn_file_actions_t actions;
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	AUTO_FD said = ends[0];
	AUTO_FD says = ends[1];
	r = posix_spawn_file_actions_init(&actions);
	if (r != 0)
		return err_set(e, -r, "fusermount3: %s", strerror(r));
	r = posix_spawn_file_actions_adddup2(&actions, says, STDERR_FILENO);
	if (r == 0)
		r = posix_spawnp(ret_pid, args[0], &actions, NULL, args, environment);
	(void)posix_spawn_file_actions_destroy(&actions);
	if (r != 0)
		return err_set(e, -r, "fusermount3: %s; install the package fuse3", strerror(r));
	*ret_said = TAKE_FD(said);
	return 0;
}

/* fusermount3 for users, who may not umount(2). It tells its reason in words only. */
static int run_fusermount(const char *dir, bool lazy, struct err *e)
{
	char program[] = "fusermount3", take_down[] = "-u", detach[] = "-z", end[] = "--";
	AUTO_BUF why = BUF(512);
	AUTO_MEM char *path = strdup(dir);
	char *plain[] = { program, take_down, end, path, NULL };
	char *lazily[] = { program, take_down, detach, end, path, NULL };
	AUTO_FD said = -1;
	pid_t pid;
	int r, status;

	if (!path)
		return err_nomem(e);
	r = spawn_fusermount(lazy ? lazily : plain, &pid, &said, e);
	if (r < 0)
		return r;
	r = sys_slurp_fd(said, &why);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(e, "fusermount3");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (r < 0 && r != -EFBIG)
		return err_set(e, r, "fusermount3: its words: %s", strerror(-r));
	if (strstr(why.bytes, "busy"))
		return err_set(e, -EBUSY, "'%s' is in use", dir);
	return err_set(e, -EIO, "unmount '%s': %.*s", dir, (int)strcspn(why.bytes, "\n"),
		       why.len ? why.bytes : "fusermount3 failed");
}

int place_unmount(const char *dir, bool lazy, struct err *e)
{
	struct mounted m;
	int r = mounted_at(dir, &m, e);

	if (r == -ENOENT || (r == 0 && strcmp(m.type, FILESYSTEM_TYPE) != 0))
		return 0;
	if (r < 0)
		return r;
	if (geteuid() != 0)
		return run_fusermount(dir, lazy, e);
	if (umount2(dir, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0 || errno == EINVAL)
		return 0;
	if (errno == EBUSY)
		return err_set(e, -EBUSY, "'%s' is in use", dir);
	return err_sys(e, "unmount '%s'", dir);
}

/* Whether the mount at dir answers ENOTCONN to everything. Attributes may be cached still:
 * the kernel is told to ask. */
static bool is_dead(const char *dir)
{
	struct statx stx;

	return statx(AT_FDCWD, dir, AT_STATX_FORCE_SYNC, STATX_BASIC_STATS, &stx) < 0 &&
	       errno == ENOTCONN;
}

/*
 * What is mounted at dir, and dir without links. realpath(3) of a mount point asks
 * the file system that is mounted there, so a name that is one already is looked up
 * as it stands, then below its resolved parent; only else is it resolved itself.
 */
static int find_mounted(const char *dir, char ret_real[PATH_MAX], struct mounted *ret,
			struct err *e)
{
	char parent[PATH_MAX], real_parent[PATH_MAX];
	const char *slash = strrchr(dir, '/');
	int r = mounted_at(dir, ret, e);

	(void)snprintf(ret_real, PATH_MAX, "%s", dir);
	if (r != -ENOENT || !slash)
		return r;
	(void)snprintf(parent, sizeof(parent), "%.*s", slash == dir ? 1 : (int)(slash - dir), dir);
	if (realpath(parent, real_parent) &&
	    snprintf(ret_real, PATH_MAX, "%s%s", strcmp(real_parent, "/") == 0 ? "" : real_parent,
		     slash) < PATH_MAX) {
		r = mounted_at(ret_real, ret, e);
		if (r != -ENOENT)
			return r;
	}
	if (!realpath(dir, ret_real))
		return -ENOENT;
	return mounted_at(ret_real, ret, e);
}

/* A daemon that was killed leaves a dead mount. One that hangs is asked nothing through the
 * file system, which would wait for it. */
static int clear_dead(const char *dir, struct err *e)
{
	static const char request[] = "{\"op\":\"hello\"}";
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	char real[PATH_MAX];
	struct mounted m;
	int r = find_mounted(dir, real, &m, e);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	dir = real;
	if (strcmp(m.type, FILESYSTEM_TYPE) != 0)
		return 0;
	r = control_call(dir, request, sizeof(request) - 1, &doc, NULL);
	if (r == -ETIMEDOUT)
		return err_set(e, -EBUSY, "the daemon of the mount on '%s' does not answer", dir);
	if (r == 0 || !is_dead(dir))
		return 0; /* alive: what follows says so */
	log_line(LOG_NOTE, "'%s' is the mount of a daemon that died: cleared away", dir);
	return place_unmount(dir, true, e);
}

static int stop_at_first(void *ctx, const char *name, unsigned char type)
{
	(void)ctx;
	(void)name;
	(void)type;
	return 1;
}

static int check_empty(const char *dir, struct err *e)
{
	AUTO_FD fd = sys_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	int r = fd < 0 ? fd : sys_each_name(fd, stop_at_first, NULL);

	if (r < 0)
		return err_set(e, r, "mount point '%s': %s", dir, strerror(-r));
	if (r > 0)
		return err_set(e, -ENOTEMPTY,
			       "mount point '%s' is not empty: mounting would hide what is in it",
			       dir);
	return 0;
}

static int check_free(const char *dir, struct err *e)
{
	struct mounted m;
	int r = mounted_at(dir, &m, e);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	if (strcmp(m.type, FILESYSTEM_TYPE) == 0)
		return err_set(e, -EBUSY, "an envfs is mounted on '%s' already", dir);
	return err_set(e, -EBUSY, "a file system of type %s is mounted on '%s'", m.type, dir);
}

/* A store that is made later has no real path yet: its nearest parent that exists has. */
static int real_store(const char *store, char ret[PATH_MAX], struct err *e)
{
	char at[PATH_MAX];
	char *slash;

	(void)snprintf(at, sizeof(at), "%s", store);
	while (!realpath(at, ret)) {
		if (errno != ENOENT)
			return err_sys(e, "store '%s'", store);
		slash = strrchr(at, '/');
		if (!slash)
			(void)snprintf(at, sizeof(at), ".");
		else if (slash == at)
			at[1] = '\0';
		else
			*slash = '\0';
	}
	return 0;
}

static int check_apart(const char *dir, const char *store, struct err *e)
{
	char real[PATH_MAX];
	struct stat st;
	int r = real_store(store, real, e);

	if (r < 0)
		return r;
	if (path_is_below(real, dir))
		return err_set(e, -EINVAL, "the store '%s' is below the mount point '%s'", store,
			       dir);
	if (stat(store, &st) == 0 && path_is_below(dir, real))
		return err_set(e, -EINVAL, "the mount point '%s' is inside the store '%s'", dir,
			       store);
	return 0;
}

int place_prepare(const struct mount_options *o, char ret_dir[PATH_MAX], struct err *e)
{
	struct stat st;
	int r = clear_dead(o->dir, e);

	if (r < 0)
		return r;
	if (o->make_dir && mkdir(o->dir, 0755) < 0 && errno != EEXIST)
		return err_sys(e, "mount point '%s': mkdir", o->dir);
	if (!realpath(o->dir, ret_dir) || stat(ret_dir, &st) < 0) {
		r = err_sys(e, "mount point '%s'", o->dir);
		return r == -ENOENT
			       ? err_set(e, r, "mount point '%s': no such folder: make it first",
					 o->dir)
			       : r;
	}
	if (!S_ISDIR(st.st_mode))
		return err_set(e, -ENOTDIR, "mount point '%s' is no directory", o->dir);
	if (strcmp(ret_dir, "/") == 0)
		return err_set(e, -EINVAL, "'/' cannot be a mount point");
	if (strpbrk(ret_dir, "\n\t"))
		return err_set(e, -EINVAL, "the mount point's name holds control characters");
	r = check_free(ret_dir, e);
	if (r == 0)
		r = check_empty(ret_dir, e);
	if (r == 0)
		r = check_apart(ret_dir, o->store, e);
	return r;
}

/* path may be NULL, or not there: then it is compared as it stands. */
static int check_source(const char *what, const char *path, const char *dir, struct err *e)
{
	char real[PATH_MAX];

	if (!path || path[0] != '/')
		return 0;
	if (path_is_below(realpath(path, real) ? real : path, dir))
		return err_set(e, -EINVAL,
			       "%s '%s' is below the mount point '%s': the mount would wait for "
			       "itself",
			       what, path, dir);
	return 0;
}

static int check_location(const char *location, const char *dir, struct err *e)
{
	AUTO_BUF path = BUF(PATH_BYTES_MAX + 256);

	if (!location || !url_is_file(location))
		return check_source("channel", location, dir, e);
	if (url_to_path(location, &path, NULL) < 0)
		return 0; /* whoever uses it says what is wrong */
	return check_source("channel", path.bytes, dir, e);
}

int place_check_sources(const struct config *config, const char *dir, struct err *e)
{
	int r;

	if (!config)
		return 0;
	const struct {
		const char *what, *path;
	} files[] = {
		{ "ssl_verify", config->fetch.ca_file },
		{ "client_ssl_cert", config->fetch.client_cert },
		{ "client_ssl_cert_key", config->fetch.client_key },
		{ "netrc", config->fetch.netrc_file },
	};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		r = check_source(files[i].what, files[i].path, dir, e);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < config->file_count; i++) {
		r = check_source("configuration", config->files[i], dir, e);
		if (r < 0)
			return r;
	}
	r = check_location(config->channel_alias, dir, e);
	for (size_t i = 0; r == 0 && i < config->channel_count; i++)
		r = check_location(config->channels[i], dir, e);
	for (size_t i = 0; r == 0 && i < config->default_channel_count; i++)
		r = check_location(config->default_channels[i], dir, e);
	for (size_t i = 0; r == 0 && i < config->custom_channel_count; i++)
		r = check_location(config->custom_channels[i].value, dir, e);
	return r;
}
