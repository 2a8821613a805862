/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml's events into an array of nodes. libyaml keeps its own nesting on the
 * heap, and we ours in an array as deep as is allowed.
 */
#include "spec/yaml.h"

#include "base/hash.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/path.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <yaml.h>

struct yaml {
	enum yaml_type type;
	bool plain;
	uint32_t line;
	char *text, *key; /* owned */
	struct yaml *first, *next;
	struct yaml *made; /* the one made before, for freeing */
};

struct yaml_doc {
	struct yaml *root;
	struct yaml *made; /* owned: all nodes */
};

struct level {
	struct yaml *node;
	struct yaml **end; /* where the next child goes */
	char *key;	   /* owned; a map's, whose value comes next */
	uint32_t number;   /* tells maps apart */
};

struct reader {
	struct yaml_doc *doc; /* borrowed */
	struct level levels[YAML_DEPTH_MAX];
	size_t depth;
	uint32_t maps;
	struct map keys;    /* number and key, to see one that stands twice */
	const char **names; /* owned array, borrowed texts: the keys that `keys` tells */
	uint32_t *owners;
	size_t name_count, name_cap, owner_cap;
};

static void reader_done(struct reader *rd)
{
	for (size_t i = 0; i < rd->depth; i++)
		free(rd->levels[i].key);
	map_done(&rd->keys);
	free(rd->names);
	free(rd->owners);
}

static int fault(const yaml_event_t *ev, struct err *e, const char *why)
{
	return err_set(e, -EINVAL, "line %zu: %s", ev->start_mark.line + 1, why);
}

static struct yaml *make(struct reader *rd, const yaml_event_t *ev, enum yaml_type type)
{
	struct yaml *y = calloc(1, sizeof(*y));

	if (!y)
		return NULL;
	y->type = type;
	y->line = (uint32_t)ev->start_mark.line + 1;
	y->made = rd->doc->made;
	rd->doc->made = y;
	return y;
}

/* Hangs a node below what is open. */
static void hang(struct reader *rd, struct yaml *y)
{
	struct level *l = rd->depth ? &rd->levels[rd->depth - 1] : NULL;

	if (!l) {
		rd->doc->root = y;
		return;
	}
	y->key = TAKE_PTR(l->key);
	*l->end = y;
	l->end = &y->next;
}

struct key_asked {
	const char *text;
	uint32_t owner;
};

static bool same_key(const void *ctx, uint32_t value, const void *key)
{
	const struct reader *rd = ctx;
	const struct key_asked *k = key;

	return rd->owners[value] == k->owner && strcmp(rd->names[value], k->text) == 0;
}

/* A map's next key; it stays with the node that gets it. */
static int take_key(struct reader *rd, const yaml_event_t *ev, const char *text, struct err *e)
{
	struct level *l = &rd->levels[rd->depth - 1];
	struct key_asked asked = { text, l->number };
	uint64_t hash = xxh64(text, strlen(text)) + l->number * 0x9e3779b97f4a7c15ULL;
	int r;

	if (map_get(&rd->keys, hash, same_key, rd, &asked) != MAP_NONE)
		return err_set(e, -EINVAL, "line %zu: the key '%s' stands twice",
			       ev->start_mark.line + 1, QUOTE(text, strlen(text)));
	l->key = strdup(text);
	if (!l->key)
		return err_nomem(e);
	r = GROW(rd->names, rd->name_cap, rd->name_count + 1, YAML_BYTES_MAX, e);
	if (r == 0)
		r = GROW(rd->owners, rd->owner_cap, rd->name_count + 1, YAML_BYTES_MAX, e);
	if (r == 0)
		r = map_put(&rd->keys, hash, (uint32_t)rd->name_count, e);
	if (r < 0)
		return r;
	rd->names[rd->name_count] = l->key;
	rd->owners[rd->name_count++] = l->number;
	return 0;
}

static bool wants_key(const struct reader *rd)
{
	return rd->depth > 0 && rd->levels[rd->depth - 1].node->type == YAML_MAP &&
	       !rd->levels[rd->depth - 1].key;
}

static int on_scalar(struct reader *rd, const yaml_event_t *ev, struct err *e)
{
	const char *text = (const char *)ev->data.scalar.value;
	struct yaml *y;

	if (ev->data.scalar.anchor)
		return fault(ev, e, "anchors (&) are not supported");
	if (ev->data.scalar.tag)
		return fault(ev, e, "tags (!) are not supported");
	if (strlen(text) != ev->data.scalar.length)
		return fault(ev, e, "a NUL in a text");
	if (wants_key(rd))
		return take_key(rd, ev, text, e);
	y = make(rd, ev, YAML_TEXT);
	if (!y)
		return err_nomem(e);
	y->plain = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
	y->text = strdup(text);
	if (!y->text)
		return err_nomem(e);
	hang(rd, y);
	return 0;
}

static int on_start(struct reader *rd, const yaml_event_t *ev, bool map, struct err *e)
{
	const void *anchor = map ? ev->data.mapping_start.anchor : ev->data.sequence_start.anchor;
	const void *tag = map ? ev->data.mapping_start.tag : ev->data.sequence_start.tag;
	struct yaml *y;

	if (anchor)
		return fault(ev, e, "anchors (&) are not supported");
	if (tag)
		return fault(ev, e, "tags (!) are not supported");
	if (wants_key(rd))
		return fault(ev, e, "a key that is no text (curly braces want quotes around them)");
	if (rd->depth == YAML_DEPTH_MAX)
		return fault(ev, e, "nested too deep");
	y = make(rd, ev, map ? YAML_MAP : YAML_LIST);
	if (!y)
		return err_nomem(e);
	hang(rd, y);
	rd->levels[rd->depth++] = (struct level){ y, &y->first, NULL, rd->maps++ };
	return 0;
}

static int on_event(struct reader *rd, const yaml_event_t *ev, struct err *e)
{
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (rd->doc->root)
			return fault(ev, e, "a second document; only one can stand in a file");
		return 0;
	case YAML_ALIAS_EVENT:
		return fault(ev, e, "aliases (*) are not supported");
	case YAML_SCALAR_EVENT:
		return on_scalar(rd, ev, e);
	case YAML_SEQUENCE_START_EVENT:
		return on_start(rd, ev, false, e);
	case YAML_MAPPING_START_EVENT:
		return on_start(rd, ev, true, e);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		assert(rd->depth > 0);
		rd->depth--;
		return 0;
	default:
		return 0;
	}
}

static int read_all(struct reader *rd, yaml_parser_t *parser, struct err *e)
{
	yaml_event_t ev;
	bool end = false;
	int r = 0;

	while (r == 0 && !end) {
		if (!yaml_parser_parse(parser, &ev)) {
			if (parser->error == YAML_MEMORY_ERROR)
				return err_nomem(e);
			return err_set(e, -EINVAL, "line %zu: not valid YAML: %s",
				       parser->problem_mark.line + 1,
				       parser->problem ? parser->problem : "unreadable");
		}
		r = on_event(rd, &ev, e);
		end = ev.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&ev);
	}
	return r;
}

int yaml_parse(struct yaml_doc **ret, const char *bytes, size_t len, struct err *e)
{
	AUTO(yaml_doc_freep) struct yaml_doc *doc = NULL;
	AUTO(yaml_parser_delete) yaml_parser_t parser = { 0 };
	AUTO(reader_done) struct reader rd = { .depth = 0 };
	int r;

	if (len > YAML_BYTES_MAX)
		return err_set(e, -EFBIG, "%zu bytes of YAML, more than %llu", len, YAML_BYTES_MAX);
	doc = calloc(1, sizeof(*doc));
	if (!doc || !yaml_parser_initialize(&parser))
		return err_nomem(e);
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, len);
	rd.doc = doc;
	r = read_all(&rd, &parser, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(doc);
	return 0;
}

struct yaml_doc *yaml_doc_free(struct yaml_doc *doc)
{
	struct yaml *y = doc ? doc->made : NULL, *before;

	for (; y; y = before) {
		before = y->made;
		free(y->text);
		free(y->key);
		free(y);
	}
	free(doc);
	return NULL;
}

const struct yaml *yaml_root(const struct yaml_doc *doc)
{
	return doc->root;
}

enum yaml_type yaml_type(const struct yaml *y)
{
	return y ? y->type : YAML_TEXT;
}

const char *yaml_text(const struct yaml *y)
{
	return y ? y->text : NULL;
}

const char *yaml_key(const struct yaml *y)
{
	return y ? y->key : NULL;
}

bool yaml_is_null(const struct yaml *y)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL" };

	if (!y)
		return true;
	for (size_t i = 0; y->text && y->plain && i < ARRAY_LEN(nulls); i++)
		if (strcmp(y->text, nulls[i]) == 0)
			return true;
	return false;
}

bool yaml_is_plain(const struct yaml *y)
{
	return y && y->plain;
}

size_t yaml_line(const struct yaml *y)
{
	return y ? y->line : 0;
}

const struct yaml *yaml_first(const struct yaml *y)
{
	return y ? y->first : NULL;
}

const struct yaml *yaml_next(const struct yaml *y)
{
	return y ? y->next : NULL;
}

const struct yaml *yaml_get(const struct yaml *map, const char *key)
{
	const struct yaml *y = map && map->type == YAML_MAP ? map->first : NULL;

	while (y && strcmp(y->key, key) != 0)
		y = y->next;
	return y;
}
