/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/worker.h"

#include "base/limits.h"
#include "base/sys.h"
#include "pkg/sandbox.h"
#include "pkg/wire.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

/*
 *	caller ──control (SOCK_SEQPACKET): struct job + 3 descriptors──► zygote ──fork──► job
 *	caller ◄─answer (SOCK_STREAM, wire.h)─────────────────────────────────────────── job
 *	caller ◄─status (SOCK_SEQPACKET): struct status, when the job is gone── zygote
 *
 * The zygote touches no untrusted byte. It keeps nothing of a job but its pid and
 * the status socket, and ends when the control socket does.
 */
struct job {
	uint64_t have, size;
	int32_t format, want;
	int32_t tail; /* pkg_list_tail(), else pkg_read() */
};
enum { FD_ARTIFACT, FD_ANSWER, FD_STATUS, JOB_FDS };

struct status {
	int32_t wait;  /* as waitpid(2) has it */
	int32_t error; /* negative errno: there was no job */
};

struct worker {
	int control;
	pid_t zygote;
};

/* Where the child has its two descriptors. */
#define JOB_ARTIFACT 3
#define JOB_ANSWER   4
/* And the zygote. */
#define ZYGOTE_CONTROL 3
#define ZYGOTE_SIGNALS 4

struct running {
	pid_t pid;
	int status_fd; /* owned; -1: nobody waits for it, and it was killed */
};

struct zygote {
	pid_t pid;
	struct sandbox *sandbox; /* owned */
	struct running running[WORKER_JOBS_MAX];
	size_t count;
};

/* The job */

static int list_tail(const struct job *job, const struct pkg_sink *sink, uint64_t *ret_need,
		     struct err *e)
{
	return pkg_list_tail(JOB_ARTIFACT, job->have, job->size, sink, ret_need, e);
}

static int run_job(struct sandbox *sandbox, const struct job *job)
{
	AUTO(wire_writer_done) struct wire_writer w;
	struct err e = { 0 };
	uint64_t need = 0;
	int r = sandbox_enter_job(sandbox, &e);

	wire_writer_init(&w, JOB_ANSWER);
	if (r == 0 && job->tail)
		r = list_tail(job, &w.sink, &need, &e);
	else if (r == 0)
		r = pkg_read(JOB_ARTIFACT, job->size, (enum pkg_format)job->format,
			     (enum pkg_want)job->want, &w.sink, &e);
	return wire_writer_end(&w, r, need, e.text, NULL);
}

/* Only the child returns from nowhere: it ends here. */
static _Noreturn void be_job(struct sandbox *sandbox, pid_t parent, const struct job *job,
			     const int fds[JOB_FDS])
{
	/* The parent may be gone already, and then nobody would send the signal. */
	bool ok = prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;

	/* What came by the control socket has numbers above these two. */
	ok = ok && dup2(fds[FD_ARTIFACT], JOB_ARTIFACT) >= 0 &&
	     dup2(fds[FD_ANSWER], JOB_ANSWER) >= 0 && close_range(JOB_ANSWER + 1, ~0U, 0) == 0;
	_exit(ok && run_job(sandbox, job) == 0 ? 0 : 1);
}

/* The zygote */

static void send_status(int fd, const struct status *status)
{
	/* Who asked may have gone; then nobody wants to know. */
	(void)!write(fd, status, sizeof(*status));
}

static void reap(struct zygote *z, int options)
{
	for (;;) {
		struct status status = { 0 };
		pid_t pid = waitpid(-1, &status.wait, options);

		if (pid <= 0)
			return;
		for (size_t i = 0; i < z->count; i++) {
			if (z->running[i].pid != pid)
				continue;
			if (z->running[i].status_fd >= 0)
				send_status(z->running[i].status_fd, &status);
			auto_close(&z->running[i].status_fd);
			z->running[i] = z->running[--z->count];
			break;
		}
		options = WNOHANG;
	}
}

static void start_job(struct zygote *z, const struct job *job, const int fds[JOB_FDS])
{
	struct status status = { 0 };
	pid_t pid;

	while (z->count == WORKER_JOBS_MAX)
		reap(z, 0);
	pid = fork();
	if (pid == 0)
		be_job(z->sandbox, z->pid, job, fds);
	if (pid > 0) {
		z->running[z->count++] = (struct running){ pid, fds[FD_STATUS] };
	} else {
		status.error = -errno;
		send_status(fds[FD_STATUS], &status);
		(void)close(fds[FD_STATUS]);
	}
	(void)close(fds[FD_ARTIFACT]);
	(void)close(fds[FD_ANSWER]);
}

/* The next job and its descriptors; 0 when there will be none. */
static int take_job(struct job *job, int fds[JOB_FDS])
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * JOB_FDS)];
	} control;
	struct iovec iov = { .iov_base = job, .iov_len = sizeof(*job) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	const struct cmsghdr *c;
	ssize_t n;

	do {
		n = recvmsg(ZYGOTE_CONTROL, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	c = CMSG_FIRSTHDR(&msg);
	if (n != sizeof(*job) || !c || c->cmsg_len != CMSG_LEN(sizeof(int) * JOB_FDS))
		return 0;
	memcpy(fds, CMSG_DATA(c), sizeof(int) * JOB_FDS);
	return 1;
}

/* A job whose caller has gone has nobody to work for. */
static void kill_orphans(struct zygote *z, const struct pollfd *polls)
{
	for (size_t i = 0; i < z->count; i++) {
		if (polls[i].fd < 0 || !(polls[i].revents & (POLLHUP | POLLERR)))
			continue;
		(void)kill(z->running[i].pid, SIGKILL);
		auto_close(&z->running[i].status_fd);
	}
}

/* The end: no job is left running, and none as a zombie. */
static void end_all(struct zygote *z)
{
	for (size_t i = 0; i < z->count; i++)
		(void)kill(z->running[i].pid, SIGKILL);
	while (z->count > 0)
		reap(z, 0);
}

/* Whether a signal says that the parent is gone, or the zygote is to go. */
static bool told_to_end(void)
{
	struct signalfd_siginfo info;
	bool end = false;

	while (read(ZYGOTE_SIGNALS, &info, sizeof(info)) == sizeof(info))
		end |= info.ssi_signo == SIGTERM;
	return end;
}

static void serve(struct zygote *z)
{
	for (;;) {
		struct pollfd polls[2 + WORKER_JOBS_MAX] = {
			{ .fd = ZYGOTE_CONTROL, .events = POLLIN },
			{ .fd = ZYGOTE_SIGNALS, .events = POLLIN },
		};
		struct job job;
		int fds[JOB_FDS];

		for (size_t i = 0; i < z->count; i++)
			polls[2 + i].fd = z->running[i].status_fd;
		if (poll(polls, 2 + z->count, -1) < 0)
			continue;
		kill_orphans(z, polls + 2);
		if (polls[1].revents && told_to_end())
			return;
		reap(z, WNOHANG);
		if (!polls[0].revents)
			continue;
		if (!take_job(&job, fds))
			return;
		start_job(z, &job, fds);
	}
}

/* Puts the zygote's descriptors where they belong and closes all others. */
static int arrange(int *control, struct err *e)
{
	sys_fault_off();
	AUTO_FD null = sys_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);
	AUTO_FD own = -1;
	AUTO_FD signals = -1;
	sigset_t set;

	if (null < 0)
		return err_set(e, null, "/dev/null: %s", strerror(-null));
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	if (sigprocmask(SIG_SETMASK, &set, NULL) < 0 || signal(SIGCHLD, SIG_DFL) == SIG_ERR)
		return err_sys(e, "its signals");
	/* First above all of the places, so that none is overwritten before it is moved. */
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	own = fcntl(*control, F_DUPFD_CLOEXEC, ZYGOTE_SIGNALS + 1);
	if (signals >= 0 && signals <= ZYGOTE_SIGNALS)
		signals = fcntl(signals, F_DUPFD_CLOEXEC, ZYGOTE_SIGNALS + 1);
	if (null <= ZYGOTE_SIGNALS)
		null = fcntl(null, F_DUPFD_CLOEXEC, ZYGOTE_SIGNALS + 1);
	if (own < 0 || signals < 0 || null < 0 || dup2(own, ZYGOTE_CONTROL) < 0 ||
	    dup2(signals, ZYGOTE_SIGNALS) < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0)
		return err_sys(e, "descriptors");
	*control = ZYGOTE_CONTROL;
	if (!sandbox_keeps_stderr() && dup2(null, 2) < 0)
		return err_sys(e, "descriptors");
	null = own = signals = -1;
	return close_range(ZYGOTE_SIGNALS + 1, ~0U, 0) < 0 ? err_sys(e, "descriptors") : 0;
}

static int enter(struct zygote *z, int *control, pid_t parent, struct err *e)
{
	int r;

	/* Not in the terminal's group: ^C is the caller's to answer. */
	(void)setsid();
	(void)prctl(PR_SET_NAME, "envfs-parser");
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || getppid() != parent)
		return err_set(e, -ESRCH, "its parent is gone");
	for (int sig = 1; sig < SIGRTMIN; sig++)
		if (sig != SIGKILL && sig != SIGSTOP && sig != SIGSEGV && sig != SIGBUS)
			(void)signal(sig, SIG_DFL);
	r = arrange(control, e);
	if (r == 0)
		r = sandbox_open(&z->sandbox, e);
	return r < 0 ? r : sandbox_enter_zygote(z->sandbox, e);
}

static _Noreturn void be_zygote(int control, pid_t parent)
{
	struct zygote z = { .pid = getpid() };
	struct err e = { 0 };
	int r = enter(&z, &control, parent, &e);

	/* How it went is the first message; a struct err as it is. */
	(void)!write(control, &e, sizeof(e));
	if (r < 0)
		_exit(1);
	serve(&z);
	end_all(&z);
	_exit(0);
}

/* The caller */

struct worker *worker_free(struct worker *w)
{
	if (!w)
		return NULL;
	(void)sys_close(w->control);
	/* It ends its jobs and then itself, so that none is left to nobody. */
	while (w->zygote > 0 && waitpid(w->zygote, NULL, 0) < 0 && errno == EINTR)
		;
	free(w);
	return NULL;
}

static int hear_zygote(int control, struct err *e)
{
	struct err said = { 0 };
	ssize_t n;

	do {
		n = recv(control, &said, sizeof(said), 0);
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(said))
		return err_set(e, -EIO, "it ended before it began");
	said.text[sizeof(said.text) - 1] = '\0';
	return said.code < 0 ? err_set(e, said.code, "%s", said.text) : 0;
}

int worker_start(struct worker **ret, struct err *e)
{
	AUTO(worker_freep) struct worker *w = calloc(1, sizeof(*w));
	AUTO_FD own = -1;
	AUTO_FD its = -1;
	pid_t parent = getpid();
	int pair[2], r;

	if (!w)
		return err_nomem(e);
	w->control = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "parser process");
	own = pair[0];
	its = pair[1];
	w->zygote = fork();
	if (w->zygote < 0)
		return err_sys(e, "parser process");
	if (w->zygote == 0)
		be_zygote(its, parent);
	w->control = TAKE_FD(own);
	auto_close(&its);
	r = hear_zygote(w->control, e);
	if (r < 0)
		return err_wrap(e, r, "parser process");
	*ret = TAKE_PTR(w);
	return 0;
}

static int send_job(struct worker *w, const struct job *job, const int fds[JOB_FDS], struct err *e)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int) * JOB_FDS)];
	} control = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)job, .iov_len = sizeof(*job) };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	ssize_t n;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * JOB_FDS);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * JOB_FDS);
	do {
		n = sendmsg(w->control, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? err_sys(e, "the parser process is gone") : 0;
}

/* Why the answer ended too early. */
static int explain(int status_fd, struct err *e)
{
	struct status status = { 0 };
	ssize_t n;

	do {
		n = recv(status_fd, &status, sizeof(status), 0);
	} while (n < 0 && errno == EINTR);
	if (n != sizeof(status))
		return err_set(e, -EIO, "the parser process is gone");
	if (status.error < 0)
		return err_set(e, status.error, "the parser could not be started: %s",
			       strerror(-status.error));
	if (WIFSIGNALED(status.wait))
		return err_set(e, -EBADMSG, "the parser of it died of signal %d (%s)",
			       WTERMSIG(status.wait), sigabbrev_np(WTERMSIG(status.wait)));
	return err_set(e, -EBADMSG, "the parser of it ended without an answer");
}

static int run(struct worker *w, int fd, const struct job *job, const struct pkg_sink *sink,
	       uint64_t *ret_need, struct err *e)
{
	AUTO_FD answer = -1;
	AUTO_FD status = -1;
	AUTO_FD its_answer = -1;
	AUTO_FD its_status = -1;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "parser job");
	answer = pair[0];
	its_answer = pair[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return err_sys(e, "parser job");
	status = pair[0];
	its_status = pair[1];
	r = send_job(w, job, (const int[JOB_FDS]){ fd, its_answer, its_status }, e);
	if (r < 0)
		return r;
	auto_close(&its_answer);
	auto_close(&its_status);
	if (wire_read(answer, (enum pkg_want)job->want, sink, &r, ret_need, e) != WIRE_CUT)
		return r;
	return explain(status, e);
}

int worker_read(struct worker *w, int fd, uint64_t size, enum pkg_format format, enum pkg_want want,
		const struct pkg_sink *sink, struct err *e)
{
	const struct job job = {
		.size = size,
		.format = (int32_t)format,
		.want = (int32_t)want,
	};
	uint64_t need;

	return run(w, fd, &job, sink, &need, e);
}

int worker_list_tail(struct worker *w, int fd, uint64_t have, uint64_t size,
		     const struct pkg_sink *sink, uint64_t *ret_need_first, struct err *e)
{
	const struct job job = {
		.have = have,
		.size = size,
		.want = PKG_LIST,
		.tail = 1,
	};
	uint64_t need = 0;
	int r;

	assert(have <= size);
	r = run(w, fd, &job, sink, &need, e);
	if (r != -EAGAIN)
		return r;
	/* A parser that was taken over must not make the caller go in circles. */
	if (need >= size - have)
		return err_set(e, -EBADMSG,
			       "the parser's answer is broken: it asks for what it has");
	*ret_need_first = need;
	return r;
}
