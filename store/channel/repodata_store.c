/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/repodata_store.h"

#include "base/auto.h"
#include "base/limits.h"
#include "base/sys.h"
#include "channel/repodata.h"
#include "channel/repodata_convert.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

int repodata_part(struct store *st, const char *key, int *ret_fd, char *ret_name, struct err *e)
{
	static _Atomic unsigned int counter;
	struct stat found;
	int r;

	assert(!st->read_only);
	for (;;) {
		(void)snprintf(ret_name, NAME_BYTES_MAX + 1, "part-%s-%d-%u", key, (int)getpid(),
			       atomic_fetch_add(&counter, 1));
		AUTO_FD fd = sys_openat(st->tmp, ret_name, O_RDWR | O_CREAT | O_EXCL, 0644);
		if (fd == -EEXIST)
			continue; /* a dead process had this number */
		if (fd < 0)
			return err_set(e, fd, "store '%s': new file in tmp: %s", st->path,
				       strerror(-fd));
		r = sys_flock(fd, LOCK_EX | LOCK_NB);
		if (r == 0)
			r = sys_fstat(fd, &found);
		if (r == 0 && found.st_nlink > 0) {
			*ret_fd = TAKE_FD(fd);
			return 0;
		}
		/* A sweep was quicker than the lock. */
		(void)sys_unlinkat(st->tmp, ret_name, 0);
		if (r < 0 && r != -EWOULDBLOCK)
			return err_set(e, r, "store '%s': lock in tmp: %s", st->path, strerror(-r));
	}
}

int repodata_publish(struct store *st, int fd, const char *part, const char *name, struct err *e)
{
	int r = sys_fsync(fd);

	if (r == 0)
		r = sys_renameat(st->tmp, part, st->channels, name);
	if (r == 0)
		r = sys_fsync(st->channels);
	return r < 0 ? err_set(e, r, "channel index '%s': %s", name, strerror(-r)) : 0;
}

int repodata_convert(struct store *st, int fd, const char *channel_url, const char *subdir,
		     const char *key, bool use_only_tar_bz2, struct err *e)
{
	char part[NAME_BYTES_MAX + 1], name[NAME_BYTES_MAX + 1];
	AUTO_FD to = -1;
	int r = repodata_part(st, key, &to, part, e);

	if (r < 0)
		return r;
	(void)snprintf(name, sizeof(name), "%s.idx", key);
	r = repodata_convert_fd(fd, to, channel_url, subdir, use_only_tar_bz2, e);
	if (r == 0)
		r = repodata_publish(st, to, part, name, e);
	if (r < 0)
		(void)sys_unlinkat(st->tmp, part, 0);
	return r;
}
