/* SPDX-License-Identifier: Apache-2.0 */
#include "installed.h"

#include "base/json.h"
#include "manifest/manifest.h"

#include <errno.h>
#include <string.h>

struct supply_artifact artifact_of(const struct gen_package *p, struct texts *texts)
{
	return (struct supply_artifact){
		.package = p->package,
		.sha256 = p->sha256,
		.size = p->size,
		.url = p->url,
		.name = texts_printf(texts, "%s-%s-%s", p->name, p->version, p->build),
	};
}

static int from_json(struct texts *t, const char *text, size_t len, struct solve_installed *ret,
		     struct err *e)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	const struct json *root;
	int r = json_parse(&doc, text, len, e);

	if (r < 0)
		return r;
	root = json_root(doc);
	(void)json_u64(json_get(root, "build_number"), &ret->build_number);
	(void)json_u64(json_get(root, "timestamp"), &ret->timestamp_ms);
	ret->depends = texts_json(t, json_get(root, "depends"), &ret->depend_count);
	ret->constrains = texts_json(t, json_get(root, "constrains"), &ret->constrain_count);
	ret->track_features = texts_keep(t, json_get_text(root, "track_features"));
	ret->python_site_packages_path_set =
		json_get_text(root, "python_site_packages_path") != NULL;
	return 0;
}

static int from_package(struct app *a, const struct gen_package *p, struct solve_installed *ret,
			struct err *e)
{
	AUTO(manifest_freep) struct manifest *m = NULL;
	struct supply_artifact art = artifact_of(p, &a->texts);
	const char *text;
	size_t len;
	int r = supply_wait(a->supply, &art, SUPPLY_LISTED, e);

	if (r == 0)
		r = manifest_open(&m, a->store, p->package, e);
	if (r < 0)
		return err_wrap(e, r, "what '%s' depends on is not known", p->name);
	text = manifest_index_json(m, &len);
	return from_json(&a->texts, text, len, ret, e);
}

int installed_load(struct app *a, const struct generation *g, struct solve_installed **ret,
		   struct err *e)
{
	uint32_t count = generation_count(g);
	struct solve_installed *list = texts_alloc(&a->texts, count, sizeof(*list));

	for (uint32_t i = 0; i < count; i++) {
		struct solve_installed *o = &list[i];
		struct gen_package p;
		int r;

		generation_package(g, i, &p);
		*o = (struct solve_installed){
			.name = p.name,
			.version = p.version,
			.build = p.build,
			.subdir = p.subdir,
			.channel_url = p.channel_url,
			.fn = p.fn,
			.url = p.url,
			.sha256 = p.sha256,
		};
		r = p.record_json[0]
			    ? from_json(&a->texts, p.record_json, strlen(p.record_json), o, e)
			    : from_package(a, &p, o, e);
		if (r < 0)
			return err_wrap(e, r, "package '%s' of '%s'", p.name, generation_env(g));
	}
	*ret = list;
	return 0;
}
