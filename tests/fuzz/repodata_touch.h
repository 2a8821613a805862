/* SPDX-License-Identifier: Apache-2.0 */
/* repodata_touch: reads all that a mapped index holds, as its users would. */
#ifndef ENVFS_TESTS_REPODATA_TOUCH_H
#define ENVFS_TESTS_REPODATA_TOUCH_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/sys.h"
#include "channel/repodata.h"
#include "channel/repodata_map.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

/* A file in memory that holds these bytes, at its start. */
static inline int touch_file(const void *bytes, size_t len)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	if (fd < 0 || sys_write(fd, bytes, len) < 0 || sys_rewind(fd) < 0)
		abort();
	return fd;
}

/* sound: what is read was converted just now, so it must hold together. */
static inline void touch_record(const struct repodata *rd, uint32_t i, bool sound)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	AUTO_BUF text = BUF(16 * MIB);
	struct record rec;
	size_t sum = 0;

	repodata_record(rd, i, &rec);
	for (uint32_t n = 0; n < rec.depend_count; n++)
		sum += strlen(repodata_text(rd, rec.depends[n]));
	for (uint32_t n = 0; n < rec.constrain_count; n++)
		sum += strlen(repodata_text(rd, rec.constrains[n]));
	sum += strlen(rec.fn) + strlen(rec.name) + strlen(rec.version) + strlen(rec.build) +
	       strlen(rec.subdir) + strlen(rec.noarch) + strlen(rec.rest_json);
	assert(sum < 64 * GIB);
	int r = repodata_record_json(rd, i, &text, NULL);
	int64_t found = repodata_find_artifact(rd, &rec.sha256, &rec.md5, rec.fn);
	if (!sound)
		return;
	assert(r == 0 && rec.name[0] && !strchr(rec.fn, '/') && found >= 0);
	r = json_parse(&doc, text.bytes, text.len, NULL);
	assert(r == 0 && json_type(json_root(doc)) == JSON_OBJECT);
}

static inline void touch_all(const struct repodata *rd, bool sound)
{
	uint32_t total = repodata_total(rd), names = repodata_name_count(rd), first, count, sum = 0;
	AUTO_BUF url = BUF(16 * MIB);

	(void)strlen(repodata_channel_url(rd));
	(void)strlen(repodata_subdir(rd));
	for (uint32_t i = 0; i < total && i < 1000; i++) {
		touch_record(rd, i, sound);
		if (repodata_url(rd, i, &url, NULL) < 0)
			buf_clear(&url);
	}
	for (uint32_t i = 0; i < names && i < 1000; i++) {
		count = repodata_find(rd, repodata_name(rd, i), &first);
		assert(count <= repodata_count(rd) && first <= repodata_count(rd) - count);
		sum += count;
		if (sound)
			assert(count > 0 && (i == 0 || strcmp(repodata_name(rd, i - 1),
							      repodata_name(rd, i)) < 0));
	}
	if (sound && names < 1000)
		assert(sum == repodata_count(rd) && !repodata_damaged(rd));
}

#endif
