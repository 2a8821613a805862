/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auto: what a function holds is released on every path out of it.
 *
 *	AUTO_FD fd = sys_openat(…);
 *	AUTO_MEM char *text = NULL;
 *	AUTO(manifest_freep) struct manifest *m = NULL;
 *	…
 *	*ret = TAKE_PTR(m);
 */
#ifndef ENVFS_BASE_AUTO_H
#define ENVFS_BASE_AUTO_H

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define AUTO(fn) __attribute__((cleanup(fn)))
#define AUTO_FD	 AUTO(auto_close) int
#define AUTO_MEM AUTO(auto_free)

#define TAKE_FD(fd)                                                                                \
	({                                                                                         \
		int taken_ = (fd);                                                                 \
		(fd) = -1;                                                                         \
		taken_;                                                                            \
	})
#define TAKE_PTR(ptr)                                                                              \
	({                                                                                         \
		__typeof__(ptr) taken_ = (ptr);                                                    \
		(ptr) = NULL;                                                                      \
		taken_;                                                                            \
	})

/* Makes noun_freep(struct noun **) from noun_free(struct noun *), for AUTO(). */
#define AUTO_FREE_FN(noun)                                                                         \
	static inline void noun##_freep(struct noun **p)                                           \
	{                                                                                          \
		*p = noun##_free(*p);                                                              \
	}

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static inline void auto_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

static inline void auto_free(void *p)
{
	void **mem = p;

	free(*mem);
	*mem = NULL;
}

#endif
