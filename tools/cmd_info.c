/* SPDX-License-Identifier: Apache-2.0 */
#include "base/auto.h"
#include "base/json.h"
#include "base/limits.h"
#include "channels.h"
#include "env/env.h"
#include "envs.h"
#include "mounts.h"
#include "solve/virtual.h"
#include "ui/say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The conda whose JSON this is: programs that read it ask for a version. */
#define CONDA_VERSION "26.7.1"

struct info {
	char store[PATH_MAX], mount[PATH_MAX];
	bool store_there, running;
	struct env_list envs;
	struct virtual_package virtuals[VIRTUAL_MAX];
	int virtual_count;
	struct channels channels;
};

/* Needs no store: info also tells where it would be. */
static int collect(struct app *a, struct info *in, struct err *e)
{
	const char **names;
	size_t count;
	int r = store_path(a->opts, in->store, e);

	if (r < 0)
		return r;
	r = store_open(&a->store, in->store, STORE_READ, e);
	in->store_there = r == 0;
	if (r < 0 && r != -ENOENT)
		return r;
	if (in->store_there) {
		r = env_list(a->store, &in->envs, e);
		if (r < 0)
			return r;
	}
	r = mount_point(a, in->mount, &in->running, e);
	if (r < 0)
		return r;
	in->virtual_count = virtual_packages(in->virtuals, native_subdir(), e);
	if (in->virtual_count < 0)
		return in->virtual_count;
	names = channel_names(a, NULL, &count);
	return channels_resolve(&in->channels, a->config, names, count, e);
}

static void put_texts(struct jsonw *w, const char *key, char *const *list, size_t count)
{
	jsonw_key(w, key);
	jsonw_array(w);
	for (size_t i = 0; i < count; i++)
		jsonw_text(w, list[i]);
	jsonw_array_end(w);
}

static void put_channels(struct jsonw *w, struct app *a, const struct info *in)
{
	jsonw_key(w, "channels");
	jsonw_array(w);
	for (size_t i = 0; i < in->channels.count; i++) {
		jsonw_text(w, texts_printf(&a->texts, "%s/%s", in->channels.list[i].url,
					   native_subdir()));
		jsonw_text(w, texts_printf(&a->texts, "%s/noarch", in->channels.list[i].url));
	}
	jsonw_array_end(w);
}

static void put_virtuals(struct jsonw *w, const struct info *in)
{
	jsonw_key(w, "virtual_pkgs");
	jsonw_array(w);
	for (int i = 0; i < in->virtual_count; i++) {
		jsonw_array(w);
		jsonw_text(w, in->virtuals[i].name);
		jsonw_text(w, in->virtuals[i].version);
		jsonw_text(w, in->virtuals[i].build);
		jsonw_array_end(w);
	}
	jsonw_array_end(w);
}

/* There is no base environment: where conda tells its prefix, the mount point stands, in which
 * no interpreter is found. */
static void put_prefixes(struct jsonw *w, const struct info *in)
{
	const char *active = getenv("CONDA_PREFIX"), *name = getenv("CONDA_DEFAULT_ENV"),
		   *level = getenv("CONDA_SHLVL");

	active = active && active[0] ? active : NULL;
	jsonw_member_text(w, "active_prefix", active);
	jsonw_member_text(w, "active_prefix_name", active ? name : NULL);
	jsonw_member_u64(w, "conda_shlvl", level ? strtoul(level, NULL, 10) : 0);
	jsonw_member_text(w, "conda_prefix", in->mount);
	jsonw_member_text(w, "default_prefix", active ? active : in->mount);
	jsonw_member_text(w, "root_prefix", in->mount);
	jsonw_member_bool(w, "root_writable", false);
}

/* Where conda would look for the user's and the machine's configuration. */
static void put_places(struct jsonw *w, struct app *a)
{
	const char *home = getenv("HOME");
	const char *rc = getenv("CONDARC");

	if (!rc || !rc[0])
		rc = home ? texts_printf(&a->texts, "%s/.condarc", home) : NULL;
	jsonw_member_text(w, "rc_path", rc);
	jsonw_member_text(w, "user_rc_path", rc);
	jsonw_member_text(w, "sys_rc_path", "/etc/conda/.condarc");
	jsonw_member_text(w, "netrc_file", a->config->fetch.netrc_file);
	put_texts(w, "config_files", a->config->files, a->config->file_count);
}

static void put_json(struct app *a, const struct info *in, struct buf *out)
{
	struct jsonw w = JSONW(out, 2);
	char *mount = (char *)(uintptr_t)in->mount, *store = (char *)(uintptr_t)in->store;

	jsonw_object(&w);
	put_channels(&w, a, in);
	jsonw_member_text(&w, "conda_version", CONDA_VERSION);
	jsonw_member_text(&w, "conda_env_version", CONDA_VERSION);
	jsonw_member_text(&w, "envfs_version", ENVFS_VERSION);
	envs_json(&w, a, &in->envs);
	put_texts(&w, "envs_dirs", &mount, 1);
	put_texts(&w, "pkgs_dirs", &store, 1);
	put_prefixes(&w, in);
	put_places(&w, a);
	jsonw_member_bool(&w, "mounted", in->running);
	jsonw_member_bool(&w, "offline", a->offline);
	jsonw_member_text(&w, "platform", native_subdir());
	jsonw_member_text(&w, "store", in->store);
	jsonw_member_text(&w, "user_agent", "envfs/" ENVFS_VERSION);
	put_virtuals(&w, in);
	jsonw_member_u64(&w, "UID", geteuid());
	jsonw_member_u64(&w, "GID", getegid());
	jsonw_object_end(&w);
}

static void put_text(struct app *a, const struct info *in, struct buf *out)
{
	buf_addf(out, "version      envfs %s\n", ENVFS_VERSION);
	buf_addf(out, "platform     %s\n", native_subdir());
	buf_addf(out, "store        %s%s\n", in->store, in->store_there ? "" : " (not made yet)");
	buf_addf(out, "mount        %s%s\n", in->mount, in->running ? "" : " (not mounted)");
	buf_addf(out, "environments %zu\n", in->envs.count);
	for (int i = 0; i < in->virtual_count; i++)
		buf_addf(out, "%s %s=%s=%s\n", i ? "            " : "virtual     ",
			 in->virtuals[i].name, in->virtuals[i].version, in->virtuals[i].build);
	for (size_t i = 0; i < in->channels.count; i++)
		buf_addf(out, "%s %s\n", i ? "            " : "channels    ",
			 in->channels.list[i].url);
	for (size_t i = 0; i < a->config->file_count; i++)
		buf_addf(out, "%s %s\n", i ? "            " : "config      ", a->config->files[i]);
	if (a->offline)
		buf_adds(out, "offline      yes\n");
}

int cmd_info(const struct opts *o)
{
	AUTO_BUF out = BUF(16 * MIB);
	struct info in = { 0 };
	struct app a = { 0 };
	struct err e = { 0 };
	int r = app_open(&a, o, APP_CONFIG, &e);

	if (r == 0)
		r = collect(&a, &in, &e);
	if (r == 0) {
		if (o->json)
			put_json(&a, &in, &out);
		else
			put_text(&a, &in, &out);
		r = say_answer(&out);
	}
	env_list_done(&in.envs);
	channels_done(&in.channels);
	app_done(&a);
	return r < 0 ? say_error(&e, NULL) : r;
}
