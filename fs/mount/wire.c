/* SPDX-License-Identifier: Apache-2.0 */
#include "mount/wire.h"

#include "base/auto.h"
#include "base/limits.h"
#include "base/sys.h"
#include "mount/control.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

int wire_set_timeout(int fd, int timeout_ms, struct err *e)
{
	const struct timeval tv = { .tv_sec = timeout_ms / 1000,
				    .tv_usec = timeout_ms % 1000 * 1000 };

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0)
		return err_sys(e, "control socket");
	return 0;
}

static int send_all(int fd, const char *bytes, size_t len, struct err *e)
{
	while (len > 0) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return err_set(e, -ETIMEDOUT, "control socket: nobody reads");
		if (n < 0)
			return err_sys(e, "control socket: send");
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

int wire_send(int fd, const void *bytes, size_t len, struct err *e)
{
	const unsigned char head[4] = { (unsigned char)len, (unsigned char)(len >> 8),
					(unsigned char)(len >> 16), (unsigned char)(len >> 24) };
	int r;

	if (len > CONTROL_BYTES_MAX)
		return err_set(e, -EFBIG, "control message of %zu bytes", len);
	r = send_all(fd, (const char *)head, sizeof(head), e);
	return r < 0 ? r : send_all(fd, bytes, len, e);
}

/* Not only each piece has its time, but all of them together: once more the same. */
static int receive_all(int fd, char *room, size_t len, struct err *e)
{
	struct timeval tv = { 0 };
	socklen_t tv_len = sizeof(tv);
	uint64_t begun = sys_now_ns(), limit;

	if (getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &tv_len) < 0)
		return err_sys(e, "control socket");
	limit = (uint64_t)tv.tv_sec * 1000000000 + (uint64_t)tv.tv_usec * 1000;
	while (len > 0) {
		ssize_t n = recv(fd, room, len, 0);

		if (n > 0 && (size_t)n < len && limit && sys_now_ns() - begun > limit)
			return err_set(e, -ETIMEDOUT, "control socket: the message dawdles");
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return err_set(e, -ETIMEDOUT, "control socket: no answer");
		if (n < 0)
			return err_sys(e, "control socket: receive");
		if (n == 0)
			return err_set(e, -EBADMSG, "control socket: closed within a message");
		room += n;
		len -= (size_t)n;
	}
	return 0;
}

int wire_receive(int fd, struct buf *ret, struct err *e)
{
	unsigned char head[4];
	size_t len;
	char *room;
	int r = receive_all(fd, (char *)head, sizeof(head), e);

	if (r < 0)
		return r;
	len = (size_t)head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 |
	      (size_t)head[3] << 24;
	if (len > CONTROL_BYTES_MAX)
		return err_set(e, -EBADMSG, "control message of %zu bytes", len);
	buf_clear(ret);
	room = buf_room(ret, len);
	if (!room)
		return err_nomem(e);
	r = receive_all(fd, room, len, e);
	if (r < 0)
		return r;
	ret->len = len;
	ret->bytes[len] = '\0';
	return 0;
}

static void make_address(const struct runtime *rt, const char *name, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", rt->dir, name);
}

int wire_listen(const struct runtime *rt, const char *name, int *ret_fd, struct err *e)
{
	struct sockaddr_un address;
	AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_sys(e, "control socket");
	make_address(rt, name, &address);
	(void)unlinkat(rt->dir, name, 0);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    fchmodat(rt->dir, name, 0600, 0) < 0 || listen(fd, 64) < 0)
		return err_sys(e, "control socket '%s/%s'", rt->path, name);
	*ret_fd = TAKE_FD(fd);
	return 0;
}

int wire_connect(const struct runtime *rt, const char *name, int *ret_fd, struct err *e)
{
	struct sockaddr_un address;
	AUTO_FD fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return err_sys(e, "control socket");
	r = wire_set_timeout(fd, CONTROL_TIMEOUT_MS, e);
	if (r < 0)
		return r;
	make_address(rt, name, &address);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return errno == EAGAIN
			       ? err_set(e, -ETIMEDOUT, "control socket '%s/%s': the daemon hangs",
					 rt->path, name)
			       : err_sys(e, "control socket '%s/%s'", rt->path, name);
	*ret_fd = TAKE_FD(fd);
	return 0;
}
