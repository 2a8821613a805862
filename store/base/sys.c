/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sys.h"

#include "base/auto.h"
#include "base/limits.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <time.h>

/* The fault hook. `state` is read at every call and settled at the first. */
static struct {
	_Atomic int state; /* 0 not looked at, 1 off, 2 on */
	_Atomic uint64_t calls;
	uint64_t at;
	bool from_then_on, kill, count;
	int code;
} fault;
static pthread_once_t fault_once = PTHREAD_ONCE_INIT;

static void fault_print(void)
{
	if (atomic_load(&fault.state) == 2)
		fprintf(stderr, "fault: %llu calls\n",
			(unsigned long long)atomic_load(&fault.calls));
}

static void fault_parse(void)
{
	static const struct {
		const char *name;
		int code;
	} codes[] = { { "ENOSPC", ENOSPC }, { "EIO", EIO },	  { "EDQUOT", EDQUOT },
		      { "EMFILE", EMFILE }, { "ENOMEM", ENOMEM }, { "EINTR", EINTR },
		      { "EROFS", EROFS } };
	const char *text = getenv("ENVFS_FAULT");
	char *end;

	if (!text || !text[0]) {
		atomic_store(&fault.state, 1);
		return;
	}
	if (strcmp(text, "count") == 0) {
		fault.count = true;
		(void)atexit(fault_print);
		atomic_store(&fault.state, 2);
		return;
	}
	fault.at = strtoull(text, &end, 10);
	if (*end == '+') {
		fault.from_then_on = true;
		end++;
	}
	fault.kill = strcmp(end, ":kill") == 0;
	for (size_t i = 0; i < ARRAY_LEN(codes); i++)
		if (*end == ':' && strcmp(end + 1, codes[i].name) == 0)
			fault.code = codes[i].code;
	if (fault.at == 0 || (!fault.kill && !fault.code)) {
		fprintf(stderr, "envfs: ENVFS_FAULT='%s' is not understood\n", text);
		abort();
	}
	atomic_store(&fault.state, 2);
}

/* 0, or the negative errno with which the call is to fail. */
static int fault_hook(void)
{
	uint64_t n;

	if (atomic_load_explicit(&fault.state, memory_order_relaxed) == 1)
		return 0;
	(void)pthread_once(&fault_once, fault_parse);
	if (atomic_load(&fault.state) == 1)
		return 0;
	n = atomic_fetch_add(&fault.calls, 1) + 1;
	if (fault.count || n < fault.at || (n > fault.at && !fault.from_then_on))
		return 0;
	if (fault.kill)
		(void)raise(SIGKILL);
	return -fault.code;
}

int sys_fault(void)
{
	return fault_hook();
}

bool sys_fault_is_on(void)
{
	(void)pthread_once(&fault_once, fault_parse);
	return atomic_load(&fault.state) == 2;
}

void sys_fault_off(void)
{
	(void)pthread_once(&fault_once, fault_parse);
	atomic_store(&fault.state, 1);
}

/* One system call behind the hook; EINTR is tried again. */
#define CALL(expr)                                                                                 \
	({                                                                                         \
		__typeof__(expr) r_;                                                               \
		int f_ = fault_hook();                                                             \
		if (f_ < 0 && f_ != -EINTR) {                                                      \
			r_ = f_;                                                                   \
		} else {                                                                           \
			do {                                                                       \
				r_ = (expr);                                                       \
			} while (r_ < 0 && errno == EINTR);                                        \
			if (r_ < 0)                                                                \
				r_ = -errno;                                                       \
		}                                                                                  \
		r_;                                                                                \
	})

int sys_openat(int dir, const char *path, int flags, mode_t mode)
{
	return CALL(openat(dir, path, flags | O_CLOEXEC, mode));
}

int sys_open_beneath(int dir, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};

	return (int)CALL(syscall(SYS_openat2, dir, path, &how, sizeof(how)));
}

int sys_close(int fd)
{
	return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

ssize_t sys_pread(int fd, void *room, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n =
			CALL(pread(fd, (char *)room + done, len - done, (off_t)(offset + done)));

		if (n < 0)
			return n;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

ssize_t sys_read(int fd, void *room, size_t len)
{
	return CALL(read(fd, room, len));
}

int sys_write(int fd, const void *bytes, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = CALL(write(fd, (const char *)bytes + done, len - done));

		if (n < 0)
			return (int)n;
		done += (size_t)n;
	}
	return 0;
}

int sys_pwrite(int fd, const void *bytes, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = CALL(
			pwrite(fd, (const char *)bytes + done, len - done, (off_t)(offset + done)));

		if (n < 0)
			return (int)n;
		done += (size_t)n;
	}
	return 0;
}

int sys_ftruncate(int fd, uint64_t len)
{
	return CALL(ftruncate(fd, (off_t)len));
}

int sys_fsync(int fd)
{
	return CALL(fsync(fd));
}

int sys_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return CALL(renameat(from_dir, from, to_dir, to));
}

int sys_linkat(int from_dir, const char *from, int to_dir, const char *to)
{
	return CALL(linkat(from_dir, from, to_dir, to, 0));
}

int sys_unlinkat(int dir, const char *path, int flags)
{
	return CALL(unlinkat(dir, path, flags));
}

int sys_mkdirat(int dir, const char *path, mode_t mode)
{
	return CALL(mkdirat(dir, path, mode));
}

int sys_fstat(int fd, struct stat *ret)
{
	return CALL(fstat(fd, ret));
}

int sys_fstatat(int dir, const char *path, struct stat *ret, int flags)
{
	return CALL(fstatat(dir, path, ret, flags));
}

int sys_futimens(int fd, const struct timespec times[2])
{
	return CALL(futimens(fd, times));
}

int sys_flock(int fd, int operation)
{
	return CALL(flock(fd, operation));
}

int sys_temp(void)
{
	const char *dir = getenv("TMPDIR");
	int fd = sys_openat(AT_FDCWD, dir && dir[0] ? dir : "/tmp", O_TMPFILE | O_RDWR, 0600);

	return fd >= 0 ? fd : CALL(memfd_create("envfs", MFD_CLOEXEC));
}

int sys_rewind(int fd)
{
	off_t r = CALL(lseek(fd, 0, SEEK_SET));

	return r < 0 ? (int)r : 0;
}

int sys_map(int fd, const void **ret, size_t *ret_len)
{
	struct stat st;
	void *map;
	int r = sys_fstat(fd, &st);

	if (r < 0)
		return r;
	*ret = NULL;
	*ret_len = 0;
	if (st.st_size == 0)
		return 0;
	r = fault_hook();
	if (r < 0)
		return r;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return -errno;
	*ret = map;
	*ret_len = (size_t)st.st_size;
	return 0;
}

void sys_unmap(const void *map, size_t len)
{
	if (map)
		(void)munmap((void *)(uintptr_t)map, len);
}

void sys_map_forget(const void *map, size_t len)
{
	if (map)
		(void)madvise((void *)(uintptr_t)map, len, MADV_DONTNEED);
}

int sys_slurp_fd(int fd, struct buf *ret)
{
	for (;;) {
		size_t want = ret->max - ret->len < 65536 ? ret->max - ret->len : 65536;
		char spill, *room = want > 0 ? buf_room(ret, want) : &spill;
		ssize_t n;

		if (!room)
			return -ENOMEM;
		n = sys_read(fd, room, want > 0 ? want : 1);
		if (n <= 0)
			return (int)n;
		if (want == 0)
			return -EFBIG;
		ret->len += (size_t)n;
		ret->bytes[ret->len] = '\0';
	}
}

int sys_slurp(int dir, const char *path, struct buf *ret)
{
	AUTO_FD fd = sys_openat(dir, path, O_RDONLY, 0);

	return fd < 0 ? fd : sys_slurp_fd(fd, ret);
}

int sys_publish(int tmp_dir, int dir, const char *name, const void *bytes, size_t len, mode_t mode,
		struct err *e)
{
	static _Atomic unsigned int counter;
	char tmp[64];
	int r;

	(void)snprintf(tmp, sizeof(tmp), "new-%d-%u", (int)getpid(), atomic_fetch_add(&counter, 1));
	AUTO_FD fd = sys_openat(tmp_dir, tmp, O_WRONLY | O_CREAT | O_EXCL, mode);
	if (fd < 0)
		return err_set(e, fd, "'%s': new file: %s", name, strerror(-fd));
	r = sys_write(fd, bytes, len);
	if (r == 0)
		r = sys_fsync(fd);
	if (r == 0)
		r = sys_renameat(tmp_dir, tmp, dir, name);
	if (r < 0) {
		(void)sys_unlinkat(tmp_dir, tmp, 0);
		return err_set(e, r, "'%s': write: %s", name, strerror(-r));
	}
	r = sys_fsync(dir);
	return r < 0 ? err_set(e, r, "'%s': sync of its folder: %s", name, strerror(-r)) : 0;
}

static void auto_closedir(DIR **d)
{
	if (*d)
		(void)closedir(*d);
}

int sys_each_name(int dir, int (*fn)(void *ctx, const char *name, unsigned char type), void *ctx)
{
	AUTO_FD fd = sys_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	AUTO(auto_closedir) DIR *d = NULL;

	if (fd < 0)
		return fd;
	d = fdopendir(fd);
	if (!d)
		return -errno;
	fd = -1; /* closedir() closes it */
	for (;;) {
		struct dirent *entry;
		int r = fault_hook();

		if (r < 0)
			return r;
		errno = 0;
		entry = readdir(d);
		if (!entry)
			return -errno;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = fn(ctx, entry->d_name, entry->d_type);
		if (r != 0)
			return r;
	}
}

bool sys_is_full(int dir)
{
	struct statvfs st;

	return fstatvfs(dir, &st) == 0 &&
	       (st.f_bavail == 0 || (st.f_files > 0 && st.f_favail == 0));
}

uint64_t sys_now_ns(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

int64_t sys_wall_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}
