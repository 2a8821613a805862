/* SPDX-License-Identifier: Apache-2.0 */
#include "activate.h"

#include "base/auto.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/sys.h"
#include "ui/say.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOCUMENT_BYTES_MAX (1 * MIB)
#define SCRIPTS_MAX	   1000
#define UNSET		   "***unset***"

static void set(const char *name, const char *value)
{
	if (setenv(name, value, 1) < 0)
		(void)must_alloc(NULL);
}

/* The level that is left keeps what this one overwrites, as in conda. */
static void set_saved(struct texts *t, int level, const char *name, const char *value)
{
	const char *old = getenv(name);

	if (old && level > 1)
		set(texts_printf(t, "__CONDA_SHLVL_%d_%s", level - 1, name), old);
	if (strcmp(value, UNSET) == 0)
		(void)unsetenv(name);
	else
		set(name, value);
}

static bool name_is_good(const char *name)
{
	if (!isalpha((unsigned char)name[0]) && name[0] != '_')
		return false;
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '_')
			return false;
	return true;
}

static void set_object(struct texts *t, int level, const struct json *object, const char *where)
{
	struct json_iter it = json_iter(object);

	for (const struct json *v = json_next(&it); v; v = json_next(&it)) {
		if (strcmp(it.key, "PATH") == 0 || !name_is_good(it.key) || !json_text(v)) {
			say_warning("%s: variable '%s' is left out", where, it.key);
			continue;
		}
		set_saved(t, level, it.key, json_text(v));
	}
}

static int read_json(const char *path, struct json_doc **ret, struct err *e)
{
	AUTO_BUF bytes = BUF(DOCUMENT_BYTES_MAX);
	int r = sys_slurp(AT_FDCWD, path, &bytes);

	if (r < 0)
		return err_set(e, r, "'%s': %s", path, strerror(-r));
	r = json_parse(ret, bytes.bytes, bytes.len, e);
	return r < 0 ? err_wrap(e, r, "'%s'", path) : 0;
}

struct names {
	struct texts *texts;
	const char *suffix;
	const char **list;
	size_t count;
};

static int add_name(void *ctx, const char *name, unsigned char type)
{
	struct names *n = ctx;
	size_t len = strlen(name), tail = strlen(n->suffix);

	(void)type;
	if (len <= tail || strcmp(name + len - tail, n->suffix) != 0)
		return 0;
	if (n->count == SCRIPTS_MAX)
		return -EFBIG;
	n->list[n->count++] = texts_keep(n->texts, name);
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Paths of dir's files that end so, in code-point order; none when dir is missing. */
static int list_files(const char *dir, const char *suffix, struct texts *t, struct scripts *ret,
		      struct err *e)
{
	struct names n = { t, suffix, texts_alloc(t, SCRIPTS_MAX, sizeof(char *)), 0 };
	AUTO_FD fd = sys_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	int r;

	*ret = (struct scripts){ n.list, 0 };
	if (fd == -ENOENT || fd == -ENOTDIR)
		return 0;
	r = fd < 0 ? fd : sys_each_name(fd, add_name, &n);
	if (r < 0)
		return err_set(e, r, "'%s': %s", dir, strerror(-r));
	qsort(n.list, n.count, sizeof(*n.list), by_text);
	for (size_t i = 0; i < n.count; i++)
		n.list[i] = texts_printf(t, "%s/%s", dir, n.list[i]);
	ret->count = n.count;
	return 0;
}

static int set_variables(const char *prefix, int level, struct texts *t, struct err *e)
{
	struct scripts files;
	int r = list_files(texts_printf(t, "%s/etc/conda/env_vars.d", prefix), ".json", t, &files,
			   e);

	for (size_t i = 0; r == 0 && i < files.count; i++) {
		AUTO(json_doc_freep) struct json_doc *doc = NULL;

		r = read_json(files.list[i], &doc, e);
		if (r == 0)
			set_object(t, level, json_root(doc), files.list[i]);
	}
	if (r < 0)
		return r;
	AUTO(json_doc_freep) struct json_doc *state = NULL;
	const char *path = texts_printf(t, "%s/conda-meta/state", prefix);

	r = read_json(path, &state, e);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		set_object(t, level, json_get(json_root(state), "env_vars"), path);
	return r;
}

/* prefix/bin first, without that of the environment that is left. */
static void set_path(const char *prefix, const char *left, struct texts *t)
{
	const char *old = getenv("PATH");
	AUTO_BUF path = BUF(MIB);
	const char *drop = left ? texts_printf(t, "%s/bin", left) : "";

	buf_addf(&path, "%s/bin", prefix);
	for (const char *at = old ? old : "/usr/local/bin:/usr/bin:/bin"; *at;) {
		size_t len = strcspn(at, ":");

		if (len > 0 && !(strlen(drop) == len && memcmp(at, drop, len) == 0)) {
			buf_addc(&path, ':');
			buf_add(&path, at, len);
		}
		at += len + (at[len] == ':');
	}
	if (path.failed)
		(void)must_alloc(NULL);
	set("PATH", path.bytes);
}

int activate(const char *prefix, const char *name, struct texts *t, struct scripts *ret,
	     struct err *e)
{
	const char *shlvl = getenv("CONDA_SHLVL"), *left = getenv("CONDA_PREFIX");
	int level = shlvl ? atoi(shlvl) : 0, r;

	level = level > 0 && level < 1000 && left && left[0] ? level + 1 : 1;
	left = level > 1 ? texts_keep(t, left) : NULL;
	set_path(prefix, left, t);
	if (left)
		set(texts_printf(t, "CONDA_PREFIX_%d", level - 1), left);
	set("CONDA_PREFIX", prefix);
	set("CONDA_SHLVL", texts_printf(t, "%d", level));
	set("CONDA_DEFAULT_ENV", name);
	set("CONDA_PROMPT_MODIFIER", texts_printf(t, "(%s) ", name));
	r = set_variables(prefix, level, t, e);
	if (r < 0)
		return r;
	return list_files(texts_printf(t, "%s/etc/conda/activate.d", prefix), ".sh", t, ret, e);
}
