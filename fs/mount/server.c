/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that listens: to signals (TERM and INT unmount, HUP is ignored), to the
 * control socket, to the owner's pipe, and every minute to nothing, to tidy up.
 */
#include "base/auto.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/sys.h"
#include "mount/control.h"
#include "mount/daemon.h"
#include "mount/wire.h"

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIDY_MS 60000

static void listened_signals(sigset_t *ret)
{
	(void)sigemptyset(ret);
	(void)sigaddset(ret, SIGTERM);
	(void)sigaddset(ret, SIGINT);
	(void)sigaddset(ret, SIGHUP);
}

void server_block_signals(void)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;

	listened_signals(&set);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
}

/* The same user, or root. */
static bool may_ask(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

/* Who was too slow for its client is not to do behind its back what was reported as failed. */
static bool is_gone(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

/* One connection, one request. A peer that dawdles is cut off, since others wait. */
static bool serve_connection(struct daemon *d, int fd)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	AUTO_BUF request = BUF(CONTROL_BYTES_MAX);
	AUTO_BUF reply = BUF(CONTROL_BYTES_MAX);
	struct err why = { 0 };
	bool stop = false;
	int r;

	if (!may_ask(fd)) {
		log_line(LOG_WARNING, "control socket: a request of another user was refused");
		return false;
	}
	r = wire_set_timeout(fd, CONTROL_TIMEOUT_MS / 2, &why);
	if (r == 0)
		r = wire_receive(fd, &request, &why);
	if (r == 0)
		r = json_parse(&doc, request.bytes, request.len, &why);
	explicit_bzero(request.bytes, request.len); /* it may hold credentials */
	if (r < 0) {
		log_line(LOG_WARNING, "control request: %s", why.text);
		return false;
	}
	if (is_gone(fd))
		return false;
	answer_request(d, json_root(doc), &reply, &stop);
	r = buf_end(&reply, &why);
	if (r == 0)
		r = wire_send(fd, reply.bytes, reply.len, &why);
	if (r < 0)
		log_line(LOG_DEBUG, "control reply: %s", why.text);
	return stop;
}

static bool on_connection(struct daemon *d)
{
	AUTO_FD fd = accept4(d->listener, NULL, NULL, SOCK_CLOEXEC);

	return fd >= 0 && serve_connection(d, fd);
}

/* True: a signal that ends the mount. */
static bool on_signal(struct daemon *d)
{
	struct signalfd_siginfo info;

	/* Not through base/sys.h, whose fault hook would keep the daemon from ending. */
	if (read(d->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return false;
	return info.ssi_signo != SIGHUP;
}

static void remove_socket(struct daemon *d)
{
	char name[RUNTIME_NAME_BYTES];
	struct stat st;

	if (d->listener < 0)
		return;
	runtime_name(d->dir, "sock", name);
	if (sys_fstatat(d->runtime.dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    st.st_ino == d->inode)
		(void)unlinkat(d->runtime.dir, name, 0);
	auto_close(&d->listener);
}

/* For a signal or a vanished owner nobody is there who could be told "in use". */
static void end_by_force(struct daemon *d)
{
	struct err why = { 0 };

	if (daemon_unmount(d, true, &why) < 0)
		log_line(LOG_ERROR, "%s", why.text);
	remove_socket(d);
	notify_stop(d->notify);
	session_end(d->session);
}

/* Also when somebody asks so often that listening never times out. */
static void tidy(struct daemon *d, uint64_t *last_ns)
{
	uint64_t now = sys_now_ns();

	if (now - *last_ns < TIDY_MS * 1000000ULL)
		return;
	*last_ns = now;
	content_trim(d->content);
	detach_trim_log();
	(void)malloc_trim(0); /* what storing packages left behind */
}

enum heard { SIGNALS, ENDED, LISTENER, OWNER, HEARD };

static void *listen_run(void *daemon)
{
	struct daemon *d = daemon;
	struct pollfd fds[HEARD] = {
		[SIGNALS] = { .fd = d->signals, .events = POLLIN },
		[ENDED] = { .fd = d->ended, .events = POLLIN },
		[LISTENER] = { .fd = d->listener, .events = POLLIN },
		[OWNER] = { .fd = d->options->owned ? d->options->owner_fd : -1, .events = POLLIN },
	};

	uint64_t tidied_ns = sys_now_ns();

	for (;;) {
		int n = poll(fds, HEARD, TIDY_MS);

		if (n < 0 && errno == EINTR)
			continue;
		tidy(d, &tidied_ns);
		if (fds[ENDED].revents)
			return NULL;
		if ((fds[SIGNALS].revents && on_signal(d)) ||
		    (fds[OWNER].revents & (POLLIN | POLLHUP | POLLERR))) {
			end_by_force(d);
			return NULL;
		}
		/* Unmounted on request: serving goes on for those who still see the mount in
		 * namespaces of their own, and ends by itself with the last. */
		if (fds[LISTENER].revents && on_connection(d)) {
			remove_socket(d);
			fds[LISTENER].fd = -1;
		}
	}
}

int server_begin(struct daemon *d, struct err *e)
{
	char name[RUNTIME_NAME_BYTES];
	struct stat st;
	sigset_t set;
	int r;

	listened_signals(&set);
	d->signals = signalfd(-1, &set, SFD_CLOEXEC);
	d->ended = eventfd(0, EFD_CLOEXEC);
	if (d->signals < 0 || d->ended < 0)
		return err_sys(e, "signalfd");
	runtime_name(d->dir, "sock", name);
	r = wire_listen(&d->runtime, name, &d->listener, e);
	if (r < 0)
		return r;
	r = sys_fstatat(d->runtime.dir, name, &st, AT_SYMLINK_NOFOLLOW);
	if (r < 0)
		return err_set(e, r, "'%s/%s': %s", d->runtime.path, name, strerror(-r));
	d->inode = st.st_ino;
	r = pthread_create(&d->thread, NULL, listen_run, d);
	if (r != 0)
		return err_set(e, -r, "a thread for control: %s", strerror(r));
	d->listens = true;
	return 0;
}

void server_end(struct daemon *d)
{
	const uint64_t one = 1;

	if (d->listens) {
		(void)!write(d->ended, &one, sizeof(one));
		(void)pthread_join(d->thread, NULL);
		d->listens = false;
	}
	remove_socket(d);
	auto_close(&d->signals);
	auto_close(&d->ended);
}
