/* SPDX-License-Identifier: Apache-2.0 */
#include "tree/mapping.h"

#include "base/json.h"
#include "base/path.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* "3.11.2" -> "3.11" */
static int minor_of(const char *version, char *room, size_t room_len, struct err *e)
{
	size_t major = strspn(version, "0123456789"), minor = 0;

	if (version[major] == '.')
		minor = strspn(version + major + 1, "0123456789");
	if (major == 0 || minor == 0 || major + 1 + minor >= room_len)
		return err_set(e, -EBADMSG, "python's version '%s' does not begin with X.Y",
			       QUOTE(version, strlen(version)));
	snprintf(room, room_len, "%.*s", (int)(major + 1 + minor), version);
	return 0;
}

static int set_site_packages(struct mapping *map, const char *path, struct err *e)
{
	size_t len = strlen(path);
	int r = path_check(path, len, e);

	if (r < 0)
		return err_wrap(e, -EBADMSG, "python_site_packages_path of the package 'python'");
	if (len > SITE_PACKAGES_BYTES_MAX)
		return err_set(e, -EBADMSG, "python_site_packages_path: longer than %d bytes",
			       SITE_PACKAGES_BYTES_MAX);
	memcpy(map->site_packages, path, len + 1);
	memcpy(map->part_bytes, path, len + 1);
	for (char *part = map->part_bytes; part;) {
		char *slash = strchr(part, '/');

		if (map->depth == SITE_PACKAGES_DEPTH_MAX)
			return err_set(e, -EBADMSG, "python_site_packages_path: more than %d parts",
				       SITE_PACKAGES_DEPTH_MAX);
		map->parts[map->depth++] = part;
		if (slash)
			*slash = '\0';
		part = slash ? slash + 1 : NULL;
	}
	if (strcmp(map->parts[0], "conda-meta") == 0)
		return err_set(e, -EBADMSG,
			       "python_site_packages_path: '%s' is below conda-meta, which is "
			       "not for packages",
			       path);
	return 0;
}

int mapping_init(struct mapping *map, const struct generation *g, struct manifest *const *manifests,
		 struct err *e)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	struct gen_package p = {};
	uint32_t i, count = generation_count(g);
	const char *json, *path;
	char usual[64];
	size_t len;
	int r;

	*map = (struct mapping){};
	for (i = 0; i < count; i++) {
		generation_package(g, i, &p);
		if (strcmp(p.name, "python") == 0)
			break;
	}
	if (i == count)
		return 0;
	r = minor_of(p.version, map->python_minor, sizeof(map->python_minor), e);
	if (r < 0)
		return r;
	json = p.record_json;
	len = strlen(json);
	if (len == 0)
		json = manifest_index_json(manifests[i], &len);
	r = json_parse(&doc, json, len, e);
	if (r < 0)
		return err_wrap(e, r, "record of the package 'python'");
	path = json_get_text(json_root(doc), "python_site_packages_path");
	snprintf(usual, sizeof(usual), "lib/python%s/" SITE_PACKAGES, map->python_minor);
	return set_site_packages(map, path && path[0] ? path : usual, e);
}

static uint32_t root_dir(const struct manifest *m, const char *name)
{
	uint32_t index = manifest_find(m, ENTRY_ROOT, name, strlen(name));
	struct entry en;

	if (index == 0)
		return 0;
	manifest_entry(m, index, &en);
	return en.type == ENTRY_DIR ? index : 0;
}

void mapping_grafts(const struct mapping *map, const struct manifest *m, struct grafts *ret)
{
	*ret = (struct grafts){};
	if (map->depth == 0 || manifest_noarch(m) != NOARCH_PYTHON)
		return;
	ret->site_packages = root_dir(m, SITE_PACKAGES);
	ret->scripts = root_dir(m, SCRIPTS);
	ret->entry_points = manifest_entry_point_count(m);
}

size_t mapping_path(const struct mapping *map, const struct grafts *g, const struct manifest *m,
		    uint32_t entry, char *room)
{
	char path[PATH_BYTES_MAX + 1];
	size_t len = manifest_path(m, entry, path), cut = 0, n;
	const char *instead = "";

	if (g->site_packages && strncmp(path, SITE_PACKAGES, strlen(SITE_PACKAGES)) == 0)
		cut = strlen(SITE_PACKAGES);
	else if (g->scripts && strncmp(path, SCRIPTS, strlen(SCRIPTS)) == 0)
		cut = strlen(SCRIPTS);
	if (cut > 0 && path[cut] != '\0' && path[cut] != '/')
		cut = 0;
	if (cut > 0)
		instead = cut == strlen(SITE_PACKAGES) ? map->site_packages : "bin";
	n = strlen(instead);
	assert(n + len - cut < VIEW_PATH_BYTES);
	memcpy(room, instead, n);
	memcpy(room + n, path + cut, len - cut + 1);
	return n + len - cut;
}
