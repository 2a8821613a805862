/* SPDX-License-Identifier: Apache-2.0 */
#include "app.h"
#include "base/auto.h"
#include "base/json.h"
#include "base/limits.h"
#include "mount/control.h"
#include "ui/say.h"

#include <string.h>
#include <time.h>

static uint64_t number(const struct json *object, const char *key)
{
	uint64_t n = 0;

	(void)json_u64(json_get(object, key), &n);
	return n;
}

static void put_fetching(const struct json *list, struct buf *out)
{
	struct json_iter it = json_iter(list);

	for (const struct json *v = json_next(&it); v; v = json_next(&it)) {
		uint64_t bytes = number(v, "bytes"), total = number(v, "total");

		buf_addf(out, "  fetching  %s  %s", json_get_text(v, "name"), SIZE_TEXT(bytes));
		if (total)
			buf_addf(out, " of %s", SIZE_TEXT(total));
		buf_addc(out, '\n');
	}
}

static void put_failures(const struct json *list, struct buf *out)
{
	struct json_iter it = json_iter(list);

	for (const struct json *v = json_next(&it); v; v = json_next(&it)) {
		time_t when = (time_t)(number(v, "when_ms") / 1000);
		const char *name = json_get_text(v, "name"), *error = json_get_text(v, "error");
		char clock[32] = "";
		struct tm tm;

		if (!name || !error)
			continue;
		if (localtime_r(&when, &tm))
			(void)strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
		buf_addf(out, "  failed    %s  ", clock);
		if (!strstr(error, name))
			buf_addf(out, "%s: ", name);
		buf_addf(out, "%s\n", error);
	}
}

static void put_text(const struct json *s, struct buf *out)
{
	buf_addf(out, "%s  store %s  pid %llu  up %llu s\n", json_get_text(s, "mount"),
		 json_get_text(s, "store"), (unsigned long long)number(s, "pid"),
		 (unsigned long long)number(s, "uptime_s"));
	buf_addf(out, "  parked    %llu requests\n",
		 (unsigned long long)number(s, "parked_requests"));
	put_fetching(json_get(s, "fetching"), out);
	put_failures(json_get(s, "failures"), out);
}

static void put_one(const struct served *m, bool json, struct jsonw *w, struct buf *out)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	struct err e;
	int r = control_status(m->dir, &doc, &e);

	if (r == 0 && json) {
		jsonw_value(w, json_root(doc));
	} else if (r == 0) {
		put_text(json_root(doc), out);
	} else if (json) {
		jsonw_object(w);
		jsonw_member_text(w, "mount", m->dir);
		jsonw_member_text(w, "store", m->store);
		jsonw_member_text(w, "error", e.text);
		jsonw_object_end(w);
	} else {
		buf_addf(out, "%s  store %s  pid %d: does not answer: %s\n", m->dir, m->store,
			 (int)m->pid, e.text);
	}
}

int cmd_status(const struct opts *o)
{
	AUTO_BUF out = BUF(64 * MIB);
	struct jsonw w = JSONW(&out, 2);
	struct served_list l = { 0 };
	struct err e = { 0 };
	int r = served_find(&l, &e);

	if (r < 0)
		return say_error(&e, NULL);
	if (o->json) {
		jsonw_object(&w);
		jsonw_key(&w, "mounts");
		jsonw_array(&w);
	}
	for (size_t i = 0; i < l.count; i++)
		if (!o->mount || strcmp(o->mount, l.list[i].dir) == 0)
			put_one(&l.list[i], o->json, &w, &out);
	if (o->json) {
		jsonw_array_end(&w);
		jsonw_object_end(&w);
	} else if (l.count == 0) {
		buf_adds(&out, "nothing is mounted: 'envfs mount' does that\n");
	}
	served_done(&l);
	return say_answer(&out);
}
