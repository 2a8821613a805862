/* SPDX-License-Identifier: Apache-2.0 */
#include "env/env.h"

#include "base/auto.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/path.h"
#include "base/sys.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LOCK_NAME_BYTES (ENV_NAME_BYTES_MAX + 8)

int env_name_check(const char *name, struct err *e)
{
	size_t len = strlen(name);

	if (len == 0 || len > ENV_NAME_BYTES_MAX)
		return err_set(e, -EINVAL, "environment name '%s': has %zu bytes, not 1 to %d",
			       QUOTE(name, len), len, ENV_NAME_BYTES_MAX);
	if (name[0] == '.' || name[0] == '-')
		return err_set(e, -EINVAL, "environment name '%s': starts with '%c'",
			       QUOTE(name, len), name[0]);
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("-_.+", name[i]))
			return err_set(e, -EINVAL,
				       "environment name '%s': only letters, digits, '-', '_', '.' "
				       "and '+' are allowed",
				       QUOTE(name, len));
	if (strcmp(name, "base") == 0 || strcmp(name, "root") == 0)
		return err_set(e, -EINVAL, "environment name '%s' is conda's own: choose another",
			       name);
	return 0;
}

/* The pointer's text: one form only, so that reading can compare. */
static int pointer_print(uint64_t number, char ret[40])
{
	return snprintf(ret, 40, "generation %" PRIu64 "\n", number);
}

int env_current(struct store *st, const char *name, uint64_t *ret, struct err *e)
{
	AUTO_BUF text = BUF(64);
	uint64_t number = 0;
	char again[40];
	int r = env_name_check(name, e);

	if (r < 0)
		return r;
	r = sys_slurp(st->envs, name, &text);
	if (r == -ENOENT)
		return err_set(e, -ENOENT, "there is no environment '%s' in store '%s'", name,
			       st->path);
	if (r < 0)
		return err_set(e, r, "environment '%s': %s", name, strerror(-r));
	(void)sscanf(text.bytes, "generation %" SCNu64, &number);
	(void)pointer_print(number, again);
	if (number == 0 || strcmp(text.bytes, again) != 0)
		return err_set(e, -EBADMSG, "environment '%s': its pointer file is damaged", name);
	*ret = number;
	return 0;
}

static int check_expected(struct store *st, const char *name, uint64_t expected, struct err *e)
{
	uint64_t now = 0;
	int r = env_current(st, name, &now, e);

	if (r < 0 && r != -ENOENT)
		return r;
	if (now == expected)
		return 0;
	if (expected == 0)
		return err_set(e, -EEXIST, "environment '%s' exists already", name);
	if (now == 0)
		return err_set(e, -ESTALE, "environment '%s' was removed meanwhile", name);
	return err_set(e, -ESTALE,
		       "environment '%s' was changed meanwhile (generation %" PRIu64
		       ", not %" PRIu64 "): try again",
		       name, now, expected);
}

/* Between looking at the pointer and changing it nobody else does. */
static int lock_pointer(struct store *st, const char *name, char lock[LOCK_NAME_BYTES], int *ret_fd,
			struct err *e)
{
	int r = env_name_check(name, e);

	if (r < 0)
		return r;
	(void)snprintf(lock, LOCK_NAME_BYTES, "env-%s", name);
	return store_lock(st, lock, true, ret_fd, e);
}

int env_switch(struct store *st, const char *name, uint64_t expected, uint64_t number,
	       struct err *e)
{
	char lock[LOCK_NAME_BYTES], text[40];
	int fd = -1, r = lock_pointer(st, name, lock, &fd, e), n;

	if (r < 0)
		return r;
	r = check_expected(st, name, expected, e);
	n = pointer_print(number, text);
	if (r == 0)
		r = sys_publish(st->tmp, st->envs, name, text, (size_t)n, 0644, e);
	store_unlock(st, lock, &fd);
	return r;
}

int env_remove(struct store *st, const char *name, struct err *e)
{
	char lock[LOCK_NAME_BYTES];
	uint64_t now;
	int fd = -1, r = lock_pointer(st, name, lock, &fd, e);

	if (r < 0)
		return r;
	r = env_current(st, name, &now, e);
	if (r < 0 && r != -EBADMSG) {
		store_unlock(st, lock, &fd);
		return r;
	}
	r = sys_unlinkat(st->envs, name, 0);
	if (r == 0)
		r = sys_fsync(st->envs);
	store_unlock(st, lock, &fd);
	return r < 0 ? err_set(e, r, "environment '%s': remove: %s", name, strerror(-r)) : 0;
}

struct lister {
	struct env_list *list;
	size_t cap;
	struct err *e;
};

static int add_name(void *ctx, const char *name, unsigned char type)
{
	struct lister *l = ctx;
	struct err ignored; /* a file that is no environment: verify reports it */
	int r;

	(void)type;
	if (env_name_check(name, &ignored) < 0)
		return 0;
	r = GROW(l->list->names, l->cap, l->list->count + 1, GENERATIONS_MAX, l->e);
	if (r < 0)
		return r;
	l->list->names[l->list->count] = strdup(name);
	if (!l->list->names[l->list->count])
		return err_nomem(l->e);
	l->list->count++;
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int env_list(struct store *st, struct env_list *ret, struct err *e)
{
	struct lister l = { .list = ret, .e = e };
	int r;

	*ret = (struct env_list){ 0 };
	r = sys_each_name(st->envs, add_name, &l);
	if (r < 0) {
		env_list_done(ret);
		return err_set(e, r, "store '%s': list of environments: %s", st->path,
			       strerror(-r));
	}
	if (ret->count > 0)
		qsort(ret->names, ret->count, sizeof(*ret->names), by_text);
	return 0;
}

void env_list_done(struct env_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->names[i]);
	free(l->names);
	*l = (struct env_list){ 0 };
}
