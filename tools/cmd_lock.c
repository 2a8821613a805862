/* SPDX-License-Identifier: Apache-2.0 */
#include "base/auto.h"
#include "base/limits.h"
#include "base/sys.h"
#include "input.h"
#include "plan.h"
#include "ui/say.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>

/* Whole or not at all: written beside it and renamed over. */
static int write_file(const char *path, const struct buf *text, struct err *e)
{
	AUTO_MEM char *for_dir = strdup(path);
	AUTO_MEM char *for_name = strdup(path);

	if (!for_dir || !for_name)
		return err_nomem(e);
	AUTO_FD dir = sys_openat(AT_FDCWD, dirname(for_dir), O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return err_set(e, dir, "'%s': its folder: %s", path, strerror(-dir));
	return sys_publish(dir, dir, basename(for_name), text->bytes, text->len, 0644, e);
}

static int lock(struct app *a, const struct envfile *f, struct buf *why, struct err *e)
{
	AUTO(plan_done) struct plan p = { 0 };
	AUTO_BUF out = BUF(LOCK_BYTES_MAX);
	int r = plan_begin(&p, a, NULL, e);

	if (r == 0)
		r = f->explicit_list ? plan_explicit(&p, f, e) : plan_solve_fresh(&p, f, why, e);
	if (r == 0)
		r = plan_complete(&p, e);
	if (r < 0)
		return r;
	plan_print_explicit(&p, &out);
	r = buf_end(&out, e);
	if (r == 0 && a->opts->out && strcmp(a->opts->out, "-") != 0)
		return write_file(a->opts->out, &out, e);
	return r < 0 ? r : say_answer(&out);
}

int cmd_lock(const struct opts *o)
{
	AUTO(envfile_freep) struct envfile *f = NULL;
	AUTO_BUF why = BUF(MIB);
	struct app a = { 0 };
	struct err e = { 0 };
	int r;

	if (!o->file)
		return say_usage("lock: give -f FILE");
	r = input_read(&f, o->file, &e);
	if (r == 0)
		r = app_open(&a, o, APP_WRITE | APP_SUPPLY, &e);
	if (r == 0)
		r = lock(&a, f, &why, &e);
	app_done(&a);
	return r < 0 ? say_error(&e, why.bytes) : r;
}
