/* SPDX-License-Identifier: Apache-2.0 */
#include "app.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/url.h"
#include "env/env.h"
#include "gc/rebuild.h"
#include "ui/say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int absolute_path(const char *path, char ret[PATH_MAX], struct err *e)
{
	char cwd[PATH_MAX] = "";
	int n;

	if (path[0] != '/' && !getcwd(cwd, sizeof(cwd)))
		return err_sys(e, "current folder");
	n = snprintf(ret, PATH_MAX, "%s%s%s", cwd, cwd[0] ? "/" : "", path);
	if (n >= PATH_MAX)
		return err_set(e, -ENAMETOOLONG, "'%s': too long", path);
	while (n > 1 && ret[n - 1] == '/')
		ret[--n] = '\0';
	return 0;
}

static const char *nonempty(const char *text)
{
	return text && text[0] ? text : NULL;
}

static int below_home(const char *rest, char ret[PATH_MAX], struct err *e)
{
	const char *home = nonempty(getenv("HOME"));

	if (!home || home[0] != '/')
		return err_set(e, -EINVAL, "HOME is not set: give --store and --mount");
	if (snprintf(ret, PATH_MAX, "%s/%s", home, rest) >= PATH_MAX)
		return err_set(e, -ENAMETOOLONG, "HOME is too long");
	return 0;
}

int store_path(const struct opts *o, char ret[PATH_MAX], struct err *e)
{
	const char *given = o->store ? o->store : nonempty(getenv("ENVFS_STORE"));
	const char *data = nonempty(getenv("XDG_DATA_HOME"));

	if (given)
		return absolute_path(given, ret, e);
	if (geteuid() == 0)
		return absolute_path("/var/lib/envfs", ret, e);
	if (!data)
		return below_home(".local/share/envfs", ret, e);
	if (snprintf(ret, PATH_MAX, "%s/envfs", data) >= PATH_MAX)
		return err_set(e, -ENAMETOOLONG, "XDG_DATA_HOME is too long");
	return 0;
}

int default_mount(char ret[PATH_MAX], struct err *e)
{
	if (geteuid() == 0)
		return absolute_path("/envs", ret, e);
	return below_home("envs", ret, e);
}

int app_generation(struct app *a, const char *env, struct generation **ret, struct err *e)
{
	uint64_t number;
	int r = env_current(a->store, env, &number, e);

	if (r == -ENOENT)
		say_exception("EnvironmentLocationNotFound");
	return r < 0 ? r : generation_open(ret, a->store, number, e);
}

static void print_trace(void *ctx, const char *line)
{
	(void)ctx;
	say_detail("%s", line);
}

int open_files(const struct opts *o, enum store_mode mode, struct store **ret, struct err *e)
{
	char path[PATH_MAX];
	int r = store_path(o, path, e);

	if (r < 0)
		return r;
	if (mode == STORE_READ && access(path, F_OK) < 0 && errno == ENOENT)
		return err_set(e, -ENOENT, "there is no store '%s' yet: 'envfs create' makes it",
			       path);
	return store_open(ret, path, mode, e);
}

static int open_store(struct app *a, int needs, struct err *e)
{
	enum store_mode mode = needs & APP_WRITE       ? STORE_WRITE
			       : needs & APP_STORE_ANY ? STORE_ANY
						       : STORE_READ;
	int r = open_files(a->opts, mode, &a->store, e);

	if (r == 0 && !a->store->read_only && mode != STORE_READ)
		r = index_open(&a->index, a->store, rebuild_index, e);
	if (r == 0 && mode == STORE_WRITE)
		r = store_sweep(a->store, e);
	return r;
}

static int open_network(struct app *a, struct err *e)
{
	int r = config_load(&a->config, e);

	if (r < 0)
		return r;
	for (size_t i = 0; i < a->config->warning_count; i++)
		say_warning("%s", a->config->warnings[i]);
	a->offline = a->opts->offline || a->config->offline;
	r = credentials_open(&a->credentials, e);
	if (r == 0)
		r = credentials_add_config(a->credentials, a->config, e);
	if (r == 0)
		r = fetcher_open(&a->fetcher, &a->config->fetch, e);
	if (r == 0 && a->opts->verbose > 0)
		fetcher_trace(a->fetcher, print_trace, NULL);
	return r;
}

int app_open(struct app *a, const struct opts *o, int needs, struct err *e)
{
	int r = 0;

	*a = (struct app){ .opts = o };
	if (needs & APP_SUPPLY)
		r = worker_start(&a->worker, e);
	if (r == 0 && needs & (APP_READ | APP_WRITE | APP_STORE_ANY))
		r = open_store(a, needs, e);
	if (r == 0 && needs & (APP_CONFIG | APP_SUPPLY))
		r = open_network(a, e);
	if (r == 0 && needs & APP_SUPPLY) {
		struct supply_options so = {
			.store = a->store,
			.index = a->index,
			.fetcher = a->fetcher,
			.worker = a->worker,
			.credentials = a->credentials,
			.offline = a->offline,
			.stall_ms = a->config->fetch.stall_ms,
		};

		r = supply_open(&a->supply, &so, e);
	}
	return r;
}

int app_add_credentials(struct app *a, const char *auth_url, struct err *e)
{
	int r;

	if (!url_has_credentials(auth_url))
		return 0;
	r = credentials_add(a->credentials, auth_url, e);
	if (r == 0)
		r = GROW(a->auth_urls, a->auth_url_cap, a->auth_url_count + 1, LOCK_PACKAGES_MAX,
			 e);
	if (r == 0)
		a->auth_urls[a->auth_url_count++] = texts_keep(&a->texts, auth_url);
	return r;
}

void app_done(struct app *a)
{
	a->supply = supply_free(a->supply);
	a->fetcher = fetcher_free(a->fetcher);
	a->credentials = credentials_free(a->credentials);
	a->config = config_free(a->config);
	a->worker = worker_free(a->worker);
	a->index = index_free(a->index);
	a->store = store_free(a->store);
	free(a->auth_urls);
	texts_done(&a->texts);
}
