/* SPDX-License-Identifier: Apache-2.0 */
#include "mount/session.h"

#include "base/log.h"
#include "mount/place.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct session {
	struct fuse_session *se; /* owned */
	const char *dir;	 /* borrowed */
	pthread_t server;	 /* who called session_serve() */
	_Atomic bool serving;
	struct mounted mounted; /* as the kernel has it */
};

static void PRINTF(2, 0) on_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
	char line[512];
	int n = vsnprintf(line, sizeof(line), fmt, ap);

	if (n > 0 && n < (int)sizeof(line) && line[n - 1] == '\n')
		line[n - 1] = '\0';
	log_line(level <= FUSE_LOG_ERR	     ? LOG_ERROR
		 : level == FUSE_LOG_WARNING ? LOG_WARNING
					     : LOG_DEBUG,
		 "libfuse: %s", line);
}

/* Only wakes libfuse from its waiting. */
static void on_wake(int number)
{
	(void)number;
}

static int mount_it(struct session *s, struct err *e)
{
	struct err why = { 0 };
	int r;

	if (fuse_session_mount(s->se, s->dir) < 0) {
		if (access("/dev/fuse", F_OK) < 0)
			return err_set(e, -ENODEV,
				       "mount on '%s': there is no /dev/fuse: load the kernel "
				       "module `fuse`, or let the container have the device",
				       s->dir);
		if (access("/dev/fuse", R_OK | W_OK) < 0)
			return err_sys(e, "mount on '%s': /dev/fuse", s->dir);
		if (geteuid() == 0)
			return err_set(e, -EPERM, "mount on '%s' failed: may this process mount?",
				       s->dir);
		return err_set(e, -EPERM,
			       "mount on '%s' failed: is fuse3 (fusermount3) installed, the folder "
			       "yours, and, for --allow-other, user_allow_other in "
			       "/etc/fuse.conf? The log may say more",
			       s->dir);
	}
	r = mounted_at(s->dir, &s->mounted, &why);
	if (r < 0) /* session_free() takes down only what it can tell from another's */
		fuse_session_unmount(s->se);
	return r < 0 ? err_wrap(e, r, "mount on '%s': it does not show: %s", s->dir, why.text) : 0;
}

int session_open(struct session **ret, struct ops *o, const char *dir, bool allow_other,
		 struct err *e)
{
	AUTO(session_freep) struct session *s = calloc(1, sizeof(*s));
	char program[] = "envfs", flag[] = "-o";
	char options[] = "ro,nosuid,nodev,fsname=envfs,subtype=envfs,default_permissions";
	char all[] = "allow_other";
	char *argv[] = { program, flag, options, flag, all, NULL };
	struct fuse_args args = FUSE_ARGS_INIT(allow_other ? 5 : 3, argv);
	struct sigaction wake = { .sa_handler = on_wake };
	int r;

	if (!s)
		return err_nomem(e);
	s->dir = dir;
	fuse_set_log_func(on_log);
	s->se = fuse_session_new(&args, &ops_table, sizeof(ops_table), o);
	fuse_opt_free_args(&args);
	if (!s->se)
		return err_set(e, -EINVAL, "libfuse does not take the mount options");
	(void)sigaction(SIGUSR1, &wake, NULL);
	r = mount_it(s, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

/* Whether libfuse's own unmounting, which goes by path, would hit our mount. */
static bool still_there(const struct session *s)
{
	struct mounted now;

	return mounted_at(s->dir, &now, NULL) == 0 && now.major == s->mounted.major &&
	       now.minor == s->mounted.minor;
}

static bool is_cut(struct fuse_session *se)
{
	struct pollfd p = { .fd = fuse_session_fd(se) };

	return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

struct session *session_free(struct session *s)
{
	if (!s)
		return NULL;
	if (s->se) {
		if (s->mounted.dir[0] && (is_cut(s->se) || still_there(s)))
			fuse_session_unmount(s->se);
		fuse_session_destroy(s->se);
	}
	free(s);
	return NULL;
}

struct fuse_session *session_fuse(struct session *s)
{
	return s->se;
}

int session_serve(struct session *s, struct err *e)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int r;

	if (!config)
		return err_nomem(e);
	fuse_loop_cfg_set_clone_fd(config, 0);
	fuse_loop_cfg_set_max_threads(config, SESSION_THREADS_MAX);
	fuse_loop_cfg_set_idle_threads(config, SESSION_THREADS_MAX);
	s->server = pthread_self();
	atomic_store(&s->serving, true);
	r = fuse_session_loop_mt(s->se, config);
	atomic_store(&s->serving, false);
	fuse_loop_cfg_destroy(config);
	return r < 0 ? err_set(e, r, "serving '%s': %s", s->dir, strerror(-r)) : 0;
}

/* libfuse's loop looks at its flag when its waiting is interrupted. */
void session_end(struct session *s)
{
	const struct timespec pause = { .tv_nsec = 5 * 1000000L };

	fuse_session_exit(s->se);
	while (atomic_load(&s->serving)) {
		(void)pthread_kill(s->server, SIGUSR1);
		(void)nanosleep(&pause, NULL);
	}
}
