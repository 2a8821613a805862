/* SPDX-License-Identifier: Apache-2.0 */
#include "app.h"
#include "base/auto.h"
#include "base/json.h"
#include "base/limits.h"
#include "gc/rebuild.h"
#include "mount/control.h"
#include "mount/mount.h"
#include "mounts.h"
#include "ui/say.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* DIR, --mount, ENVFS_MOUNT, the default. */
static int choose_dir(const struct opts *o, char ret[PATH_MAX], bool *ret_default, struct err *e)
{
	const char *given = o->rest_count > 0 ? o->rest[0]
			    : o->mount	      ? o->mount
					      : getenv("ENVFS_MOUNT");

	*ret_default = !given || !given[0];
	return *ret_default ? default_mount(ret, e) : absolute_path(given, ret, e);
}

static int answer(const struct opts *o, const char *dir, const char *what)
{
	AUTO_BUF out = BUF(MIB);
	struct jsonw w = JSONW(&out, 2);

	if (!o->json) {
		say_note("%s %s", what, dir);
		return EXIT_DONE;
	}
	jsonw_object(&w);
	jsonw_member_bool(&w, "success", true);
	jsonw_member_text(&w, "mount", dir);
	jsonw_object_end(&w);
	return say_answer(&out);
}

static int do_mount(const struct opts *o, struct err *e)
{
	AUTO(config_freep) struct config *config = NULL;
	char store[PATH_MAX], dir[PATH_MAX];
	bool is_default;
	int r = store_path(o, store, e);

	if (r == 0)
		r = choose_dir(o, dir, &is_default, e);
	if (r == 0)
		r = config_load(&config, e);
	if (r < 0)
		return r;
	struct mount_options mo = {
		.store = store,
		.dir = dir,
		.make_dir = is_default,
		.foreground = o->foreground,
		.allow_other = o->allow_other,
		.offline = o->offline || config->offline,
		.stall_ms = (int)(o->stall_seconds * 1000),
		.config = config,
		.rebuild = rebuild_index,
		.log_level = o->verbose > 1 ? LOG_DEBUG
			     : o->verbose   ? LOG_INFO
					    : LOG_NOTE,
	};
	r = mount_run(&mo, e);
	return r < 0 || o->foreground ? r : answer(o, dir, "mounted at");
}

int cmd_mount(const struct opts *o)
{
	struct err e = { 0 };
	int r;

	r = do_mount(o, &e);
	return r < 0 ? say_error(&e, NULL) : r;
}

int cmd_umount(const struct opts *o)
{
	struct app a = { .opts = o };
	char dir[PATH_MAX];
	struct err e = { 0 };
	bool running = true;
	int r;

	r = o->rest_count > 0 ? absolute_path(o->rest[0], dir, &e)
			      : mount_point(&a, dir, &running, &e);
	if (r == 0)
		r = control_stop(dir, o->lazy, &e);
	texts_done(&a.texts);
	if (r < 0)
		return say_error(
			&e, r == -EBUSY ? "'envfs umount --lazy' detaches it; programs keep what "
					  "they have open.\n"
					: NULL);
	return answer(o, dir, "unmounted");
}
