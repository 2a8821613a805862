/* SPDX-License-Identifier: Apache-2.0 */
#include "mount/mount.h"

#include "base/limits.h"
#include "mount/daemon.h"

#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* A daemon whose end hangs (a dead NFS below the store) is ended by the kernel. */
#define END_SECONDS 10

/* Serves from begin to end; in the background it tells the parent when it is up. */
static int serve(const struct mount_options *o, struct detach *t, struct err *e)
{
	struct daemon d = {
		.runtime = { .dir = -1 }, .lock = -1, .listener = -1, .signals = -1, .ended = -1
	};
	int r;

	if (o->log_level)
		log_set_level(o->log_level);
	(void)mallopt(M_ARENA_MAX, 2); /* threads are many and short of work */
	/* A fixed threshold: else glibc raises it at the first large buffer that is
	 * freed, and what storing packages takes stays with the daemon for good. */
	(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	r = daemon_begin(&d, o, e);
	if (r == 0) {
		log_line(LOG_NOTE, "store '%s' is mounted on '%s'", d.store->path, d.dir);
		detach_report(t, 0, NULL);
		r = session_serve(d.session, e);
		log_line(r < 0 ? LOG_ERROR : LOG_NOTE, "'%s' is unmounted%s%s", d.dir,
			 r < 0 ? ": " : "", r < 0 && e ? e->text : "");
	}
	(void)alarm(END_SECONDS);
	daemon_end(&d);
	(void)alarm(0);
	return r;
}

static int serve_here(const struct mount_options *o, struct err *e)
{
	struct detach t = { .report = -1 };
	sigset_t before;
	int r;

	(void)pthread_sigmask(SIG_SETMASK, NULL, &before);
	r = serve(o, &t, e);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

int mount_run(const struct mount_options *o, struct err *e)
{
	struct detach t = { .report = -1 };
	struct err why = { 0 };
	int code, r;

	if (o->foreground)
		return serve_here(o, e);
	r = detach_begin(&t, &code, e);
	if (r < 0)
		return r;
	if (r > 0)
		return code;
	r = serve(o, &t, &why);
	detach_report(&t, r, &why);
	_exit(r < 0);
}

int mount_default_dir(struct buf *ret, struct err *e)
{
	const char *home = getenv("HOME");

	if (geteuid() == 0)
		buf_adds(ret, "/envs");
	else if (home && home[0] == '/')
		buf_addf(ret, "%s/envs", home);
	else
		return err_set(e, -ENOENT, "HOME is not set: say where to mount");
	return buf_end(ret, e);
}
