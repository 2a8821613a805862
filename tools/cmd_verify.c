/* SPDX-License-Identifier: Apache-2.0 */
#include "app.h"
#include "base/auto.h"
#include "base/json.h"
#include "base/limits.h"
#include "gc/rebuild.h"
#include "gc/verify.h"
#include "ui/progress.h"
#include "ui/say.h"

#include <errno.h>
#include <inttypes.h>

struct report {
	struct buf *out;
	struct jsonw w;
	bool json;
	struct progress bar;
};

static int on_finding(void *ctx, const struct finding *f)
{
	struct report *to = ctx;
	bool fault = f->level == FINDING_FAULT;

	if (!to->json) {
		buf_addf(to->out, "%s %s: %s\n", fault ? "WRONG" : "note ", f->what, f->text);
		return 0;
	}
	jsonw_object(&to->w);
	jsonw_member_text(&to->w, "level", fault ? "fault" : "note");
	jsonw_member_text(&to->w, "what", f->what);
	jsonw_member_text(&to->w, "text", f->text);
	jsonw_object_end(&to->w);
	return 0;
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct report *to = ctx;

	progress_set(&to->bar, "store", done, total);
}

static void put_sums(struct report *to, const struct verify_result *v, bool fast)
{
	if (!to->json) {
		buf_addf(to->out,
			 "%" PRIu64 " environments, %" PRIu64 " generations, %" PRIu64
			 " packages (%" PRIu64 " present), %" PRIu64 " objects of %s in %s%s: %s\n",
			 v->environments, v->generations, v->manifests, v->present, v->objects,
			 SIZE_TEXT(v->object_bytes), SIZE_TEXT(v->pack_bytes),
			 fast ? "" : ", every byte read", v->faults ? "NOT SOUND" : "sound");
		return;
	}
	jsonw_member_u64(&to->w, "environments", v->environments);
	jsonw_member_u64(&to->w, "generations", v->generations);
	jsonw_member_u64(&to->w, "packages", v->manifests);
	jsonw_member_u64(&to->w, "present", v->present);
	jsonw_member_u64(&to->w, "objects", v->objects);
	jsonw_member_u64(&to->w, "object_bytes", v->object_bytes);
	jsonw_member_u64(&to->w, "pack_bytes", v->pack_bytes);
	jsonw_member_u64(&to->w, "faults", v->faults);
	jsonw_member_u64(&to->w, "notes", v->notes);
	jsonw_member_bool(&to->w, "success", v->faults == 0);
}

static int verify(struct app *a, struct err *e)
{
	AUTO_BUF out = BUF(64 * MIB);
	struct report to = { .out = &out, .w = JSONW(&out, 2), .json = a->opts->json };
	struct verify_options vo = {
		.deep = !a->opts->fast, .finding = on_finding, .progress = on_progress, .ctx = &to
	};
	struct verify_result v;
	int r;

	if (to.json) {
		jsonw_object(&to.w);
		jsonw_key(&to.w, "findings");
		jsonw_array(&to.w);
	}
	progress_init(&to.bar, a->opts, "verifying");
	r = verify_store(a->store, &vo, &v, e);
	progress_done(&to.bar);
	if (r < 0)
		return r;
	if (to.json)
		jsonw_array_end(&to.w);
	put_sums(&to, &v, a->opts->fast);
	if (to.json)
		jsonw_object_end(&to.w);
	r = say_answer(&out);
	return r == EXIT_DONE && v.faults ? EXIT_VERIFY : r;
}

/*
 * A damaged index is something to tell, not to mend in passing. A store that is none is not
 * made one; but whoever may write opens it so, or the index, which cannot be read without
 * writing beside it, would not be looked at.
 */
static int open_whole(const struct opts *o, struct store **ret, struct err *e)
{
	int r = open_files(o, STORE_READ, ret, e);

	if (r < 0)
		return r;
	*ret = store_free(*ret);
	return open_files(o, o->rebuild_index ? STORE_WRITE : STORE_ANY, ret, e);
}

int cmd_verify(const struct opts *o)
{
	struct app a = { .opts = o };
	struct err e = { 0 };
	int r = open_whole(o, &a.store, &e);

	if (r == 0 && o->rebuild_index)
		r = index_rebuild(a.store, rebuild_index, &e);
	if (r == 0)
		r = verify(&a, &e);
	app_done(&a);
	return r < 0 ? say_error(&e, NULL) : r;
}
