/* SPDX-License-Identifier: Apache-2.0 */
#include "base/auto.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/sys.h"
#include "mount/daemon.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* What goes through the pipe. */
struct report {
	int code;
	struct err err;
};

static int read_report(int fd, int *ret_code, struct err *e)
{
	struct report rp = { 0 };
	size_t got = 0;

	while (got < sizeof(rp)) {
		ssize_t n = sys_read(fd, (char *)&rp + got, sizeof(rp) - got);

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	if (got < sizeof(rp)) {
		*ret_code = err_set(e, -EIO, "the process that was to serve the mount died");
		return 1;
	}
	*ret_code = rp.code;
	if (e && rp.code < 0)
		*e = rp.err;
	return 1;
}

int detach_begin(struct detach *t, int *ret_code, struct err *e)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "pipe");
	AUTO_FD reading = ends[0];
	AUTO_FD writing = ends[1];
	(void)fflush(NULL);
	pid = fork();
	if (pid < 0)
		return err_sys(e, "fork");
	if (pid > 0) {
		auto_close(&writing);
		return read_report(reading, ret_code, e);
	}
	(void)setsid();
	t->report = TAKE_FD(writing);
	return 0;
}

void detach_report(struct detach *t, int code, const struct err *e)
{
	struct report rp = { .code = code };

	if (t->report < 0)
		return;
	if (e)
		rp.err = *e;
	(void)!sys_write(t->report, &rp, sizeof(rp)); /* a parent that died needs no report */
	auto_close(&t->report);
}

/* Nothing of the caller's environment reaches the daemon or fusermount3. ENVFS_FAULT is
 * the test hook of base/sys.h. */
void detach_scrub(void)
{
	const char *fault = getenv("ENVFS_FAULT");
	AUTO_MEM char *kept = fault ? strdup(fault) : NULL;
	struct rlimit limit;

	(void)clearenv();
	(void)setenv("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", 1);
	(void)setenv("LC_ALL", "C.UTF-8", 1);
	if (kept)
		(void)setenv("ENVFS_FAULT", kept, 1);
	(void)umask(022);
	if (chdir("/") < 0)
		log_line(LOG_WARNING, "chdir '/': %s", strerror(errno));
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int detach_stdio(const struct runtime *rt, const char *dir, struct err *e)
{
	char name[RUNTIME_NAME_BYTES];

	runtime_name(dir, "log", name);
	AUTO_FD null = sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);
	AUTO_FD out = sys_openat(rt->dir, name,
				 O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_NOFOLLOW, 0600);
	if (null < 0 || out < 0)
		return err_set(e, null < 0 ? null : out, "log '%s/%s': %s", rt->path, name,
			       strerror(null < 0 ? -null : -out));
	if (dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(out, STDERR_FILENO) < 0)
		return err_sys(e, "log '%s/%s'", rt->path, name);
	return 0;
}

void detach_trim_log(void)
{
	struct stat st;

	if (sys_fstat(STDERR_FILENO, &st) == 0 && S_ISREG(st.st_mode) &&
	    (unsigned long long)st.st_size > LOG_BYTES_MAX && sys_ftruncate(STDERR_FILENO, 0) == 0)
		log_line(LOG_NOTE, "the log was cut: it had grown past %llu bytes", LOG_BYTES_MAX);
}
