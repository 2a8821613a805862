/* SPDX-License-Identifier: Apache-2.0 */
#include "input.h"

#include "base/limits.h"
#include "base/sys.h"
#include "ui/say.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int input_read(struct envfile **ret, const char *file, struct err *e)
{
	AUTO_BUF bytes = BUF(LOCK_BYTES_MAX);
	const char *name = strcmp(file, "-") == 0 ? "standard input" : file;
	int r = strcmp(file, "-") == 0 ? sys_slurp_fd(STDIN_FILENO, &bytes)
				       : sys_slurp(AT_FDCWD, file, &bytes);

	if (r == -EFBIG)
		return err_set(e, r, "'%s': more than %llu MiB", name, LOCK_BYTES_MAX / MIB);
	if (r < 0)
		return err_set(e, r, "'%s': %s", name, strerror(-r));
	r = envfile_parse(ret, bytes.bytes, bytes.len, name, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < (*ret)->warning_count; i++)
		say_warning("%s", (*ret)->warnings[i]);
	return 0;
}
