/* SPDX-License-Identifier: Apache-2.0 */
#include "mounts.h"

#include "base/auto.h"
#include "gc/rebuild.h"
#include "mount/control.h"
#include "mount/mount.h"
#include "ui/say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The store's path as daemons know it: without links. */
static int real_store(struct app *a, char ret[PATH_MAX], struct err *e)
{
	char path[PATH_MAX];
	int r;

	if (a->store) {
		(void)snprintf(ret, PATH_MAX, "%s", a->store->path);
		return 0;
	}
	r = store_path(a->opts, path, e);
	if (r == 0 && !realpath(path, ret))
		(void)snprintf(ret, PATH_MAX, "%s", path); /* not made yet: nobody serves it */
	return r;
}

/* Whether dir is served; *ret_ours: from this store. */
static int is_served(const char *dir, const char *store, bool *ret, bool *ret_ours, struct err *e)
{
	struct served s;
	int r = served_one(dir, NULL, &s, e);

	*ret = *ret_ours = false;
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	*ret = true;
	*ret_ours = strcmp(s.store, store) == 0;
	served_free(&s);
	return 0;
}

static int only_mount(const char *store, char ret[PATH_MAX], bool *ret_running, struct err *e)
{
	struct served s;
	int r = served_one(NULL, store, &s, e);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	(void)snprintf(ret, PATH_MAX, "%s", s.dir);
	*ret_running = true;
	served_free(&s);
	return 0;
}

int mount_point(struct app *a, char ret[PATH_MAX], bool *ret_running, struct err *e)
{
	const char *given = a->opts->mount ? a->opts->mount : getenv("ENVFS_MOUNT");
	char store[PATH_MAX];
	bool served, ours;
	int r = real_store(a, store, e);

	*ret_running = false;
	if (r < 0)
		return r;
	if (given && given[0]) {
		r = absolute_path(given, ret, e);
		if (r == 0)
			r = is_served(ret, store, &served, &ours, e);
		if (r == 0 && served && !ours)
			return err_set(e, -EBUSY, "'%s' is the mount of another store", ret);
		*ret_running = served;
		return r;
	}
	r = default_mount(ret, e);
	if (r == 0)
		r = is_served(ret, store, &served, &ours, e);
	if (r < 0)
		return r;
	*ret_running = served && ours;
	return *ret_running ? 0 : only_mount(store, ret, ret_running, e);
}

const char *env_prefix(struct app *a, const char *env)
{
	char dir[PATH_MAX];
	struct err why; /* no mount point can be told: the default one is meant */
	bool running;

	if (mount_point(a, dir, &running, &why) < 0 && default_mount(dir, &why) < 0)
		return texts_keep(&a->texts, env);
	return texts_printf(&a->texts, "%s/%s", dir, env);
}

void mounts_tell_changed(struct app *a, const char *env)
{
	int told;

	if (a->auth_url_count > 0)
		(void)control_credentials(a->store->path, a->auth_urls, a->auth_url_count);
	told = control_changed(a->store->path, env);
	say_detail("%d running mounts were told", told < 0 ? 0 : told);
}

int mounts_start_for_me(struct app *a, const char *mount_dir, struct err *e)
{
	AUTO(config_freep) struct config *config = NULL;
	char store[PATH_MAX];
	AUTO_FD self = (int)syscall(SYS_pidfd_open, getpid(), 0);
	int r;

	if (self < 0)
		return err_sys(e, "pidfd of this process");
	r = store_path(a->opts, store, e);
	if (r == 0)
		r = config_load(&config, e);
	if (r < 0)
		return r;
	struct mount_options o = {
		.store = store,
		.dir = mount_dir,
		.make_dir = true,
		.offline = a->opts->offline,
		.config = config,
		.rebuild = rebuild_index,
		.owned = true,
		.owner_fd = TAKE_FD(self),
	};
	return mount_run(&o, e);
}
