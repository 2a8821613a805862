/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files that no package holds: entry points and what stands in conda-meta. Pure
 * functions of the generation, the prefix and listed manifests: they never
 * change while a view lives, whatever becomes present.
 */
#include "tree/impl.h"

#include "base/json.h"
#include "tree/shebang.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

void sink_add(struct sink *s, const char *bytes, size_t len)
{
	uint64_t begin = s->at, end = s->at + len, last = s->from + s->len;

	if (begin < s->from)
		begin = s->from;
	if (end > last)
		end = last;
	if (begin < end) {
		memcpy(s->room + (begin - s->from), bytes + (begin - s->at), end - begin);
		s->filled = (size_t)(end - s->from);
	}
	s->at += len;
}

const char *made_own_name(uint32_t entry)
{
	static const char *const names[] = {
		[MADE_HISTORY] = "history",
		[MADE_FROZEN] = "frozen",
		[MADE_STATE] = "state",
		[MADE_EXTERNALLY_MANAGED] = "EXTERNALLY-MANAGED",
	};

	assert(entry >= MADE_HISTORY && entry <= MADE_EXTERNALLY_MANAGED);
	return names[entry];
}

bool made_exists(const struct view *v, uint32_t slot, uint32_t entry)
{
	if (slot != OWN)
		return entry < MADE_ENTRY_POINT + v->slots[slot].grafts.entry_points;
	return entry >= MADE_HISTORY && entry <= MADE_EXTERNALLY_MANAGED &&
	       (entry != MADE_STATE || v->has_state) &&
	       (entry != MADE_EXTERNALLY_MANAGED || v->map.depth > 0);
}

/* conda's text (common/path/python.py, core/path_actions.py). */
static void entry_point(const struct view *v, uint32_t slot, uint32_t index, struct buf *out)
{
	struct entry_point ep;

	manifest_entry_point(v->slots[slot].m, index, &ep);
	shebang_python(out, v->prefix.text, v->map.python_minor);
	buf_addf(out,
		 "# -*- coding: utf-8 -*-\n"
		 "import re\n"
		 "import sys\n"
		 "\n"
		 "from %s import %.*s\n"
		 "\n"
		 "if __name__ == '__main__':\n"
		 "    sys.argv[0] = re.sub(r'(-script\\.pyw?|\\.exe)?$', '', sys.argv[0])\n"
		 "    sys.exit(%s())\n",
		 ep.module, (int)strcspn(ep.function, "."), ep.function, ep.function);
}

/* A comment's text stays on its line. */
static void add_line(struct buf *out, const char *text)
{
	for (; *text; text++)
		buf_addc(out, (unsigned char)*text < 0x20 ? ' ' : *text);
	buf_addc(out, '\n');
}

static void history(const struct view *v, const struct json *request, struct buf *out)
{
	const char *command = json_get_text(request, "command");
	const struct json *specs = json_get(request, "specs");
	time_t when = (time_t)v->created_s;
	struct tm tm = {};
	char date[40];

	gmtime_r(&when, &tm);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	buf_addf(out, "==> %s <==\n", date);
	if (command && command[0]) {
		buf_adds(out, "# cmd: ");
		add_line(out, command);
	}
	for (uint32_t i = 0; i < v->count; i++) {
		struct gen_package p;
		size_t len;

		generation_package(v->g, i, &p);
		len = strlen(p.channel_url);
		while (len > 0 && p.channel_url[len - 1] == '/')
			len--;
		buf_addf(out, "+%.*s%s%s::%s-%s-%s\n", (int)len, p.channel_url, len ? "/" : "",
			 p.subdir, p.name, p.version, p.build);
	}
	if (json_len(specs) > 0) {
		/* A Python list: JSON's way of writing strings is Python's too. */
		struct jsonw w = JSONW(out, 0);

		buf_adds(out, "# update specs: ");
		jsonw_value(&w, specs);
		buf_addc(out, '\n');
	}
}

static void frozen(const struct view *v, struct buf *out)
{
	struct jsonw w = JSONW(out, 2);
	char text[300];

	snprintf(
		text, sizeof(text),
		"This environment is shown by envfs and never changes in place. Use 'envfs install "
		"-n %s ...', 'envfs update' or 'envfs remove' instead.",
		generation_env(v->g));
	jsonw_object(&w);
	jsonw_member_text(&w, "message", text);
	jsonw_object_end(&w);
	buf_addc(out, '\n');
}

static void state(const struct json *request, struct buf *out)
{
	struct jsonw w = JSONW(out, 2);

	jsonw_object(&w);
	jsonw_key(&w, "env_vars");
	jsonw_value(&w, json_get(request, "variables"));
	jsonw_object_end(&w);
	buf_addc(out, '\n');
}

static void externally_managed(const struct view *v, struct buf *out)
{
	buf_addf(out,
		 "[externally-managed]\n"
		 "Error=This environment is shown by envfs and cannot be written to.\n"
		 " To add a conda package: envfs install -n %s PACKAGE\n"
		 " To install with pip, make a virtual environment from it:\n"
		 " python -m venv --system-site-packages DIRECTORY\n",
		 generation_env(v->g));
}

/* The whole text; for all but conda-meta records. */
static int make(const struct view *v, uint32_t slot, uint32_t entry, struct buf *out, struct err *e)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	const char *request = generation_request_json(v->g);
	const struct json *root;
	int r;

	if (slot != OWN) {
		assert(entry >= MADE_ENTRY_POINT);
		entry_point(v, slot, entry - MADE_ENTRY_POINT, out);
		return buf_end(out, e);
	}
	r = json_parse(&doc, request, strlen(request), e);
	if (r < 0)
		return r;
	root = json_root(doc);
	switch ((enum made_own)entry) {
	case MADE_HISTORY:
		history(v, root, out);
		break;
	case MADE_FROZEN:
		frozen(v, out);
		break;
	case MADE_STATE:
		state(root, out);
		break;
	case MADE_EXTERNALLY_MANAGED:
		externally_managed(v, out);
		break;
	}
	return buf_end(out, e);
}

/* Makes it once; s keeps what it wants of it. */
static int write_made(const struct view *v, uint32_t slot, uint32_t entry, struct sink *s,
		      struct err *e)
{
	AUTO_BUF text = BUF(MADE_TEXT_BYTES_MAX);
	int r;

	if (slot != OWN && entry == MADE_RECORD)
		return record_write(v, slot, s, e);
	r = make(v, slot, entry, &text, e);
	if (r == 0)
		sink_add(s, text.bytes, text.len);
	return r;
}

int made_size(struct view *v, uint32_t slot, uint32_t entry, uint64_t *ret, struct err *e)
{
	bool record = slot != OWN && entry == MADE_RECORD;
	struct sink s = {};
	int r;

	*ret = record ? atomic_load(&v->slots[slot].record_size) : 0;
	if (*ret > 0)
		return 0;
	r = write_made(v, slot, entry, &s, e);
	if (r < 0)
		return r;
	if (record)
		atomic_store(&v->slots[slot].record_size, s.at);
	*ret = s.at;
	return 0;
}

/* keep_lock is held. */
static void text_drop(struct view *v, struct text *t)
{
	v->texts_bytes -= t->len;
	free(t->bytes);
	*t = (struct text){};
}

static bool text_read(struct view *v, uint32_t slot, uint32_t entry, uint64_t offset, void *room,
		      size_t len, ssize_t *ret)
{
	bool found = false;

	pthread_mutex_lock(&v->keep_lock);
	for (size_t i = 0; i < TEXTS && !found; i++) {
		struct text *t = &v->texts[i];

		if (!t->bytes || t->slot != slot || t->entry != entry)
			continue;
		found = true;
		t->used = ++v->texts_clock;
		*ret = 0;
		if (offset < t->len) {
			*ret = (ssize_t)(len < t->len - offset ? len : t->len - offset);
			memcpy(room, t->bytes + offset, (size_t)*ret);
		}
	}
	pthread_mutex_unlock(&v->keep_lock);
	return found;
}

/* A free place, or NULL and in *ret_oldest the text that was used longest ago. */
static struct text *text_place(struct view *v, struct text **ret_oldest)
{
	struct text *place = NULL;

	*ret_oldest = NULL;
	for (size_t i = 0; i < TEXTS; i++) {
		struct text *t = &v->texts[i];

		if (!t->bytes)
			place = t;
		else if (!*ret_oldest || t->used < (*ret_oldest)->used)
			*ret_oldest = t;
	}
	return place;
}

/* Keeps a text for the reads that follow; takes its bytes. */
static void text_keep(struct view *v, uint32_t slot, uint32_t entry, char *bytes, size_t len)
{
	struct text *place, *oldest;

	assert(len <= VIEW_TEXTS_BYTES_MAX);
	pthread_mutex_lock(&v->keep_lock);
	place = text_place(v, &oldest);
	while (!place || v->texts_bytes + len > VIEW_TEXTS_BYTES_MAX) {
		text_drop(v, oldest);
		place = text_place(v, &oldest);
	}
	*place = (struct text){ slot, entry, bytes, len, ++v->texts_clock };
	v->texts_bytes += len;
	pthread_mutex_unlock(&v->keep_lock);
}

ssize_t made_read(struct view *v, uint32_t slot, uint32_t entry, uint64_t offset, void *room,
		  size_t len, struct err *e)
{
	struct sink s = { .from = offset, .len = len, .room = room };
	uint64_t size;
	ssize_t got;
	int r;

	if (text_read(v, slot, entry, offset, room, len, &got))
		return got;
	r = made_size(v, slot, entry, &size, e);
	if (r == 0 && size <= VIEW_TEXTS_BYTES_MAX / 2 && size > len) {
		AUTO_MEM char *bytes = malloc(size);
		struct sink all = { .len = size, .room = bytes };

		if (!bytes)
			return err_nomem(e);
		r = write_made(v, slot, entry, &all, e);
		if (r < 0)
			return r;
		sink_add(&s, bytes, size);
		text_keep(v, slot, entry, TAKE_PTR(bytes), size);
		return (ssize_t)s.filled;
	}
	/* What one read takes whole, and what is too large to keep. */
	if (r == 0)
		r = write_made(v, slot, entry, &s, e);
	return r < 0 ? r : (ssize_t)s.filled;
}

void made_forget(struct view *v, uint32_t slot)
{
	atomic_store(&v->slots[slot].record_size, 0);
	pthread_mutex_lock(&v->keep_lock);
	for (size_t i = 0; i < TEXTS; i++)
		if (v->texts[i].bytes && v->texts[i].slot == slot)
			text_drop(v, &v->texts[i]);
	pthread_mutex_unlock(&v->keep_lock);
}
