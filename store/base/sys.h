/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sys: the raw system calls that touch the store, all in one place.
 *
 * Calls return what the system call returns (>= 0) or a negative errno; EINTR
 * is retried. Descriptors are O_CLOEXEC. Every call passes the fault hook:
 *
 *	ENVFS_FAULT=count     prints at exit how many calls there were
 *	ENVFS_FAULT=N:ENOSPC  the N-th call fails so (ENOSPC EIO EDQUOT EMFILE ENOMEM EINTR EROFS)
 *	ENVFS_FAULT=N:kill    the process is killed before the N-th call
 *	ENVFS_FAULT=N+:EIO    the N-th and all that follow
 *
 * Calls are counted in the command and, apart, in the daemon it leaves in the background
 * (which goes on from where they parted: `mount -f` has one count). SQLite's are counted
 * too. The parser's processes are not: what becomes of a parser that dies is pkg's own
 * test, and the same number would fail there a second time.
 *
 * The hook is compiled in always and costs one load when it is off.
 */
#ifndef ENVFS_BASE_SYS_H
#define ENVFS_BASE_SYS_H

#include "base/err.h"
#include "base/buf.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* The hook itself, for a library's system calls (index/): 0, or the negative errno with
 * which this call is to fail. */
int sys_fault(void);
bool sys_fault_is_on(void);
void sys_fault_off(void); /* in this process, from now on */

int sys_openat(int dir, const char *path, int flags, mode_t mode) MUST_CHECK;
/* Opens for reading below dir, following no link and leaving dir by none. */
int sys_open_beneath(int dir, const char *path, int flags) MUST_CHECK;
int sys_close(int fd);

/* Whole buffers: fewer bytes than asked only at the end of the file. */
ssize_t sys_pread(int fd, void *room, size_t len, uint64_t offset) MUST_CHECK;
ssize_t sys_read(int fd, void *room, size_t len) MUST_CHECK; /* one read(2) */
int sys_write(int fd, const void *bytes, size_t len) MUST_CHECK;
int sys_pwrite(int fd, const void *bytes, size_t len, uint64_t offset) MUST_CHECK;
int sys_ftruncate(int fd, uint64_t len) MUST_CHECK;

int sys_fsync(int fd) MUST_CHECK;
int sys_renameat(int from_dir, const char *from, int to_dir, const char *to) MUST_CHECK;
int sys_linkat(int from_dir, const char *from, int to_dir, const char *to) MUST_CHECK;
int sys_unlinkat(int dir, const char *path, int flags);
int sys_mkdirat(int dir, const char *path, mode_t mode) MUST_CHECK;
int sys_fstat(int fd, struct stat *ret) MUST_CHECK;
int sys_fstatat(int dir, const char *path, struct stat *ret, int flags) MUST_CHECK;
int sys_futimens(int fd, const struct timespec times[2]) MUST_CHECK;
int sys_flock(int fd, int operation) MUST_CHECK; /* LOCK_EX|LOCK_NB … */

/* A file without a name, for what is large and soon gone: in $TMPDIR or /tmp, else in memory. */
int sys_temp(void) MUST_CHECK;
int sys_rewind(int fd) MUST_CHECK;
/* Maps the whole of fd read-only. *ret is NULL for an empty file. */
int sys_map(int fd, const void **ret, size_t *ret_len) MUST_CHECK;
void sys_unmap(const void *map, size_t len);
/* The pages that were touched no longer count as this process's; they stay in the cache. */
void sys_map_forget(const void *map, size_t len);

/* The file's bytes, at most bytes_max (-EFBIG). */
int sys_slurp(int dir, const char *path, struct buf *ret) MUST_CHECK;
int sys_slurp_fd(int fd, struct buf *ret) MUST_CHECK;

/*
 * Puts bytes into dir/name so that a crash leaves the old file or the new:
 * written beside it in tmp_dir, synced, renamed over, dir synced. mode is 0444
 * for what never changes in place.
 */
int sys_publish(int tmp_dir, int dir, const char *name, const void *bytes, size_t len, mode_t mode,
		struct err *e) MUST_CHECK;

/* Calls fn for each name in dir but "." and ".."; stops at its first non-zero. */
int sys_each_name(int dir, int (*fn)(void *ctx, const char *name, unsigned char type), void *ctx)
	MUST_CHECK;

/* The file system of dir has no block or no inode left. */
bool sys_is_full(int dir);

uint64_t sys_now_ns(void); /* CLOCK_MONOTONIC */
int64_t sys_wall_ms(void); /* CLOCK_REALTIME */

#endif
