/* SPDX-License-Identifier: Apache-2.0 */
#include "index/db.h"

#include "base/auto.h"
#include "base/sys.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/stat.h>

/* SQLite's own functions for these calls; settled before any of them is replaced. */
static struct {
	int (*open_file)(const char *path, int flags, int mode);
	ssize_t (*read_at)(int fd, void *room, size_t len, off_t offset);
	ssize_t (*write_at)(int fd, const void *bytes, size_t len, off_t offset);
	int (*cut)(int fd, off_t len);
	int (*reserve)(int fd, off_t offset, off_t len);
	int (*remove_file)(const char *path);
	int (*look)(const char *path, struct stat *ret);
} own;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* EINTR goes away when the call is repeated, so it never fails. */
#define HOOKED(call)                                                                               \
	({                                                                                         \
		int f_ = sys_fault();                                                              \
		if (f_ < 0 && f_ != -EINTR)                                                        \
			errno = -f_;                                                               \
		f_ < 0 && f_ != -EINTR ? -1 : (call);                                              \
	})

static int hooked_open(const char *path, int flags, ...)
{
	va_list ap;
	int mode;

	va_start(ap, flags);
	mode = va_arg(ap, int); /* SQLite always passes it */
	va_end(ap);
	return HOOKED(own.open_file(path, flags, mode));
}

static ssize_t hooked_read_at(int fd, void *room, size_t len, off_t offset)
{
	return HOOKED(own.read_at(fd, room, len, offset));
}

static ssize_t hooked_write_at(int fd, const void *bytes, size_t len, off_t offset)
{
	return HOOKED(own.write_at(fd, bytes, len, offset));
}

static int hooked_cut(int fd, off_t len)
{
	return HOOKED(own.cut(fd, len));
}

static int hooked_reserve(int fd, off_t offset, off_t len)
{
	return HOOKED(own.reserve(fd, offset, len));
}

static int hooked_remove(const char *path)
{
	return HOOKED(own.remove_file(path));
}

static int hooked_look(const char *path, struct stat *ret)
{
	return HOOKED(own.look(path, ret));
}

#define AS_CALL(fn)	   ((sqlite3_syscall_ptr)(void (*)(void))(fn))
#define TAKE(member, name) own.member = (__typeof__(own.member))vfs->xGetSystemCall(vfs, name)

static void hook(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find("unix");
	const struct {
		const char *name;
		sqlite3_syscall_ptr call;
	} calls[] = {
		{ "open", AS_CALL(hooked_open) },	  { "pread", AS_CALL(hooked_read_at) },
		{ "pread64", AS_CALL(hooked_read_at) },	  { "pwrite", AS_CALL(hooked_write_at) },
		{ "pwrite64", AS_CALL(hooked_write_at) }, { "ftruncate", AS_CALL(hooked_cut) },
		{ "fallocate", AS_CALL(hooked_reserve) }, { "unlink", AS_CALL(hooked_remove) },
		{ "stat", AS_CALL(hooked_look) },
	};

	if (!sys_fault_is_on() || !vfs || vfs->iVersion < 3)
		return;
	TAKE(open_file, "open");
	TAKE(read_at, "pread64");
	if (!own.read_at)
		TAKE(read_at, "pread");
	TAKE(write_at, "pwrite64");
	if (!own.write_at)
		TAKE(write_at, "pwrite");
	TAKE(cut, "ftruncate");
	TAKE(reserve, "fallocate");
	TAKE(remove_file, "unlink");
	TAKE(look, "stat");
	for (size_t i = 0; i < ARRAY_LEN(calls); i++)
		if (vfs->xGetSystemCall(vfs, calls[i].name))
			(void)vfs->xSetSystemCall(vfs, calls[i].name, calls[i].call);
}

void db_hook_faults(void)
{
	(void)pthread_once(&once, hook);
}
