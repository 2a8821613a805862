/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run: becomes the command, so that its exit code, signals and terminal are its
 * own. Before that: a mount, the generation pinned, the environment activated.
 */
#include "activate.h"
#include "app.h"
#include "base/auto.h"
#include "base/limits.h"
#include "base/sys.h"
#include "env/env.h"
#include "mounts.h"
#include "pin.h"
#include "ui/say.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define RUN_NOT_FOUND	   127
#define RUN_NOT_EXECUTABLE 126

static int check_env(const struct opts *o, struct err *e)
{
	AUTO(store_freep) struct store *st = NULL;
	uint64_t number;
	int r = open_files(o, STORE_READ, &st, e);

	if (r == 0)
		r = env_current(st, o->name, &number, e);
	if (r == -ENOENT)
		say_exception("EnvironmentLocationNotFound");
	return r;
}

/* A running mount, or one of its own for as long as this process lives. */
static int find_mount(struct app *a, char mount_dir[PATH_MAX], struct err *e)
{
	bool running;
	int r = mount_point(a, mount_dir, &running, e);

	if (r < 0 || running)
		return r;
	say_detail("%s is not mounted: mounting it for this command", mount_dir);
	return mounts_start_for_me(a, mount_dir, e);
}

/* How the environment is seen from here. */
enum sight {
	SIGHT_BARE,   /* on a mount */
	SIGHT_PINNED, /* kept by the envfs run that this command runs in */
	SIGHT_OTHER,  /* such a one runs, and keeps another environment */
};

/* The mount that was found may be dying, or another store's: better no command at all
 * than one that finds the programs of the machine instead. */
static int look(struct app *a, const char *mount_dir, enum sight *ret, struct err *e)
{
	const char *prefix = texts_printf(&a->texts, "%s/%s", mount_dir, a->opts->name);
	const char *all = texts_printf(&a->texts, "%s/" PIN_ALL, mount_dir);
	struct stat st;
	bool pinned = stat(all, &st) == 0;

	*ret = SIGHT_BARE;
	if (stat(prefix, &st) == 0)
		*ret = pinned ? SIGHT_PINNED : SIGHT_BARE;
	else if (pinned && stat(texts_printf(&a->texts, "%s/%s", all, a->opts->name), &st) == 0)
		*ret = SIGHT_OTHER;
	else
		return err_set(e, -errno,
			       "'%s' is not there (%s): 'envfs status' shows what is mounted",
			       prefix, strerror(errno));
	return 0;
}

static int pin_generation(const struct opts *o, const char *mount_dir, enum sight sight,
			  struct err *e)
{
	struct err why;
	int r;

	if (sight == SIGHT_PINNED || (o->no_pin && sight == SIGHT_BARE))
		return 0;
	r = pin(mount_dir, o->name, &why);
	if (r == 0)
		return 0;
	if (sight == SIGHT_OTHER)
		return err_set(e, r, "'%s' cannot be reached from within another 'envfs run': %s",
			       o->name, why.text);
	say_warning("this host does not allow namespaces (%s): the command runs on the bare "
		    "mount and sees changes of '%s'",
		    why.text, o->name);
	return 0;
}

static int exec_command(char **argv)
{
	int saved;

	(void)execvp(argv[0], argv);
	saved = errno;
	fprintf(stderr, "envfs: '%s': %s\n", argv[0], strerror(saved));
	return saved == ENOENT || saved == ENOTDIR ? RUN_NOT_FOUND : RUN_NOT_EXECUTABLE;
}

/* Activation scripts are shell: a shell sources them and becomes the command. */
static int exec_with_scripts(struct texts *t, const char *prefix, const struct scripts *s,
			     char **argv, size_t argc)
{
	const char *own = texts_printf(t, "%s/bin/bash", prefix);
	const char *shell = access(own, X_OK) == 0	     ? own
			    : access("/bin/bash", X_OK) == 0 ? "/bin/bash"
							     : "/bin/sh";
	char **args = texts_alloc(t, s->count + argc + 6, sizeof(*args));
	size_t n = 0;

	args[n++] = (char *)(uintptr_t)shell;
	args[n++] = (char *)(uintptr_t) "-c";
	args[n++] = (char *)(uintptr_t) "n=$1; shift; while [ \"$n\" -gt 0 ]; do . \"$1\"; shift; "
					"n=$((n-1)); done; "
					"unset n; exec \"$@\"";
	args[n++] = (char *)(uintptr_t) "envfs";
	args[n++] = (char *)(uintptr_t)texts_printf(t, "%zu", s->count);
	for (size_t i = 0; i < s->count; i++)
		args[n++] = (char *)(uintptr_t)s->list[i];
	for (size_t i = 0; i < argc; i++)
		args[n++] = argv[i];
	return exec_command(args);
}

static int run(struct app *a, struct err *e)
{
	const struct opts *o = a->opts;
	char mount_dir[PATH_MAX];
	struct scripts scripts = { 0 };
	const char *prefix;
	enum sight sight;
	int r = check_env(o, e);

	if (r == 0)
		r = find_mount(a, mount_dir, e);
	if (r < 0)
		return r;
	prefix = texts_printf(&a->texts, "%s/%s", mount_dir, o->name);
	r = look(a, mount_dir, &sight, e);
	if (r == 0)
		r = pin_generation(o, mount_dir, sight, e);
	if (r < 0)
		return r;
	r = activate(prefix, o->name, &a->texts, &scripts, e);
	if (r < 0)
		return r;
	if (scripts.count > 0)
		return exec_with_scripts(&a->texts, prefix, &scripts, o->rest, o->rest_count);
	return exec_command(o->rest);
}

int cmd_run(const struct opts *o)
{
	struct app a = { .opts = o };
	struct err e = { 0 };
	int r;

	if (!o->name || o->rest_count == 0)
		return say_usage("run: 'envfs run -n NAME -- COMMAND'");
	r = run(&a, &e);
	texts_done(&a.texts);
	return r < 0 ? say_error(&e, NULL) : r;
}
