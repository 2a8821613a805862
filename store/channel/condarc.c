/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/condarc.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/path.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct condarc {
	struct condarc_node *nodes; /* owned; [0] is the root */
	size_t count, cap;
};

/* A list or map that is open while the events come. */
struct frame {
	uint32_t node, last; /* last: its last child, 0: none */
	char *key;	     /* owned; a map's key that waits for its value */
	enum condarc_mark key_mark;
};

struct reader {
	struct condarc *c;
	const char *text;
	size_t len, line, line_at; /* the line that was last looked at, and where it starts */
	struct frame frames[YAML_DEPTH_MAX];
	size_t depth;
	bool done; /* the root has ended */
};

static void reader_done(struct reader *r)
{
	for (size_t i = 0; i < r->depth; i++)
		free(r->frames[i].key);
}

static void event_done(yaml_event_t *event)
{
	yaml_event_delete(event);
}

static void parser_done(yaml_parser_t *parser)
{
	yaml_parser_delete(parser);
}

/* The marker at the end of a line; conda writes them as comments, which libyaml drops. Its
 * marks count characters, so the line is found by its number; they only grow. */
static enum condarc_mark mark_at(struct reader *r, const yaml_mark_t *mark)
{
	static const struct {
		const char *text;
		enum condarc_mark mark;
	} marks[] = { { "#!final", MARK_FINAL },
		      { "#!top", MARK_TOP },
		      { "#!bottom", MARK_BOTTOM } };
	const char *end;
	size_t at, len;

	for (; r->line < mark->line; r->line++) {
		end = memchr(r->text + r->line_at, '\n', r->len - r->line_at);
		if (!end)
			return MARK_NONE;
		r->line_at = (size_t)(end + 1 - r->text);
	}
	at = r->line_at;
	end = memchr(r->text + at, '\n', r->len - at);
	len = end ? (size_t)(end - r->text) - at : r->len - at;
	while (len > 0 && strchr(" \t\r", r->text[at + len - 1]))
		len--;
	for (size_t i = 0; i < ARRAY_LEN(marks); i++) {
		size_t want = strlen(marks[i].text);

		if (len >= want && memcmp(r->text + at + len - want, marks[i].text, want) == 0)
			return marks[i].mark;
	}
	return MARK_NONE;
}

static int add_node(struct condarc *c, struct condarc_node node, uint32_t *ret, struct err *e)
{
	int r = GROW(c->nodes, c->cap, c->count + 1, CONDARC_BYTES_MAX, e);

	if (r < 0)
		return r;
	*ret = (uint32_t)c->count;
	c->nodes[c->count++] = node;
	return 0;
}

/* Puts node behind the last child of `parent`; takes its key and text, also on failure. */
static int append(struct condarc *c, uint32_t parent, uint32_t *last, struct condarc_node node,
		  uint32_t *ret, struct err *e)
{
	int r = add_node(c, node, ret, e);

	if (r < 0) {
		free(node.key);
		free(node.text);
		return r;
	}
	if (*last)
		c->nodes[*last].next = *ret;
	else
		c->nodes[parent].first = *ret;
	*last = *ret;
	return 0;
}

static int bad(const yaml_mark_t *mark, const char *what, struct err *e)
{
	return err_set(e, -EINVAL, "line %zu: %s", mark->line + 1, what);
}

static bool is_null(const char *text, bool plain)
{
	return plain && (!text[0] || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0);
}

/* A value: a scalar, or a list or map that opens. */
static int take_value(struct reader *r, const yaml_event_t *event, struct condarc_node node,
		      struct err *e)
{
	struct frame *f = r->depth > 0 ? &r->frames[r->depth - 1] : NULL;
	uint32_t id = 0;
	int ret;

	node.mark = mark_at(r, &event->start_mark);
	if (!f) {
		/* An empty file is a scalar that says nothing. */
		if (node.kind != CONDARC_MAP && node.kind != CONDARC_NULL) {
			free(node.text);
			return bad(&event->start_mark, "not a map of names to values", e);
		}
		r->c->nodes[0].kind = node.kind;
		r->done = node.kind == CONDARC_NULL;
	} else {
		if (f->key && f->key_mark != MARK_NONE)
			node.mark = f->key_mark;
		node.key = TAKE_PTR(f->key);
		ret = append(r->c, f->node, &f->last, node, &id, e);
		if (ret < 0)
			return ret;
	}
	if (node.kind != CONDARC_LIST && node.kind != CONDARC_MAP)
		return 0;
	if (r->depth == YAML_DEPTH_MAX)
		return bad(&event->start_mark, "nested too deeply", e);
	r->frames[r->depth++] = (struct frame){ .node = id };
	return 0;
}

static int take_scalar(struct reader *r, const yaml_event_t *event, struct err *e)
{
	struct frame *f = r->depth > 0 ? &r->frames[r->depth - 1] : NULL;
	const char *text = (const char *)event->data.scalar.value;
	struct condarc_node node = { .kind = CONDARC_TEXT };

	if (event->data.scalar.tag)
		return bad(&event->start_mark, "a tag, which has no meaning here", e);
	if (memchr(text, '\0', event->data.scalar.length))
		return bad(&event->start_mark, "a NUL byte", e);
	if (f && r->c->nodes[f->node].kind == CONDARC_MAP && !f->key) {
		f->key = strdup(text);
		f->key_mark = mark_at(r, &event->start_mark);
		return f->key ? 0 : err_nomem(e);
	}
	if (is_null(text, event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)) {
		node.kind = CONDARC_NULL;
	} else {
		node.text = strdup(text);
		if (!node.text)
			return err_nomem(e);
	}
	return take_value(r, event, node, e);
}

static int take_open(struct reader *r, const yaml_event_t *event, enum condarc_kind kind,
		     struct err *e)
{
	struct frame *f = r->depth > 0 ? &r->frames[r->depth - 1] : NULL;

	if (f && r->c->nodes[f->node].kind == CONDARC_MAP && !f->key)
		return bad(&event->start_mark, "a key that is no text", e);
	return take_value(r, event, (struct condarc_node){ .kind = kind }, e);
}

static int take_close(struct reader *r)
{
	struct frame *f;

	assert(r->depth > 0);
	f = &r->frames[--r->depth];
	free(f->key);
	r->done = r->depth == 0;
	return 0;
}

static int take_event(struct reader *r, const yaml_event_t *event, struct err *e)
{
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		return take_scalar(r, event, e);
	case YAML_SEQUENCE_START_EVENT:
		return take_open(r, event, CONDARC_LIST, e);
	case YAML_MAPPING_START_EVENT:
		return take_open(r, event, CONDARC_MAP, e);
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		return take_close(r);
	case YAML_ALIAS_EVENT:
		return bad(&event->start_mark, "an alias ('*name'), which is not read", e);
	case YAML_DOCUMENT_START_EVENT:
		return r->done ? bad(&event->start_mark, "a second document", e) : 0;
	default:
		return 0;
	}
}

int condarc_new(struct condarc **ret, struct err *e)
{
	AUTO(condarc_freep) struct condarc *c = calloc(1, sizeof(*c));
	uint32_t root;
	int r;

	if (!c)
		return err_nomem(e);
	r = add_node(c, (struct condarc_node){ .kind = CONDARC_MAP }, &root, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

int condarc_parse(struct condarc **ret, const char *text, size_t len, struct err *e)
{
	AUTO(condarc_freep) struct condarc *c = NULL;
	AUTO(reader_done) struct reader rd = { .text = text, .len = len };
	AUTO(parser_done) yaml_parser_t parser;
	int r = condarc_new(&c, e), type;

	if (!yaml_parser_initialize(&parser))
		return err_nomem(e);
	if (r < 0)
		return r;
	if (len > CONDARC_BYTES_MAX)
		return err_set(e, -EFBIG, "more than %llu bytes", CONDARC_BYTES_MAX);
	rd.c = c;
	yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	do {
		AUTO(event_done) yaml_event_t event = { 0 };

		if (!yaml_parser_parse(&parser, &event)) {
			if (parser.error == YAML_MEMORY_ERROR)
				return err_nomem(e);
			return bad(&parser.problem_mark,
				   parser.problem ? parser.problem : "not YAML", e);
		}
		r = take_event(&rd, &event, e);
		if (r < 0)
			return r;
		type = (int)event.type;
	} while (type != YAML_STREAM_END_EVENT);
	*ret = TAKE_PTR(c);
	return 0;
}

struct condarc *condarc_free(struct condarc *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->count; i++) {
		free(c->nodes[i].key);
		free(c->nodes[i].text);
	}
	free(c->nodes);
	free(c);
	return NULL;
}

/* The root's last child, for putting another behind it. */
static uint32_t last_of_root(const struct condarc *c)
{
	uint32_t at = c->nodes[0].first;

	while (at && c->nodes[at].next)
		at = c->nodes[at].next;
	return at;
}

int condarc_put_text(struct condarc *c, const char *key, const char *text, struct err *e)
{
	uint32_t last = last_of_root(c), id;
	struct condarc_node node = { .kind = CONDARC_TEXT,
				     .key = strdup(key),
				     .text = strdup(text) };

	if (!node.key || !node.text) {
		free(node.key);
		free(node.text);
		return err_nomem(e);
	}
	return append(c, 0, &last, node, &id, e);
}

int condarc_put_list(struct condarc *c, const char *key, const char *text, char delimiter,
		     struct err *e)
{
	uint32_t last = last_of_root(c), list, child = 0, id;
	struct condarc_node node = { .kind = CONDARC_LIST, .key = strdup(key) };
	int r;

	if (!node.key)
		return err_nomem(e);
	r = append(c, 0, &last, node, &list, e);
	while (r == 0 && *text) {
		size_t part = strcspn(text, (char[]){ delimiter, '\0' }), skip, len;

		skip = strspn(text, " \t\r\n");
		skip = skip < part ? skip : part;
		len = part - skip;
		while (len > 0 && strchr(" \t\r\n", text[skip + len - 1]))
			len--;
		if (len > 0) {
			node = (struct condarc_node){ .kind = CONDARC_TEXT,
						      .text = strndup(text + skip, len) };
			if (!node.text)
				return err_nomem(e);
			r = append(c, list, &child, node, &id, e);
		}
		text += part + (text[part] != '\0');
	}
	return r;
}

const struct condarc_node *condarc_first(const struct condarc *c, const struct condarc_node *n)
{
	return n->first ? &c->nodes[n->first] : NULL;
}

const struct condarc_node *condarc_next(const struct condarc *c, const struct condarc_node *n)
{
	return n->next ? &c->nodes[n->next] : NULL;
}

const struct condarc_node *condarc_get(const struct condarc *c, const char *key)
{
	const struct condarc_node *n, *found = NULL;

	for (n = condarc_first(c, &c->nodes[0]); n; n = condarc_next(c, n))
		if (strcmp(n->key, key) == 0)
			found = n; /* the last one of several, as YAML readers do */
	return found && found->kind != CONDARC_NULL ? found : NULL;
}
