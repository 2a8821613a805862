/* SPDX-License-Identifier: Apache-2.0 */
/* Which kind of file it is, and what all kinds share. */
#include "spec/envfile.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/path.h"
#include "spec/envfile_own.h"
#include "spec/matchspec.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

bool lines_next(struct lines *l)
{
	const char *newline;

	if (l->at >= l->end)
		return false;
	newline = memchr(l->at, '\n', (size_t)(l->end - l->at));
	l->text = l->at;
	l->len = (size_t)((newline ? newline : l->end) - l->at);
	l->at = newline ? newline + 1 : l->end;
	l->number++;
	while (l->len > 0 && is_blank(l->text[0])) {
		l->text++;
		l->len--;
	}
	while (l->len > 0 && is_blank(l->text[l->len - 1]))
		l->len--;
	return true;
}

int envfile_warn(struct envfile_draft *d, struct err *e, const char *fmt, ...)
{
	struct envfile *f = d->f;
	char *text = NULL;
	va_list ap;
	int r = GROW(f->warnings, d->warning_cap, f->warning_count + 1, ENVFILE_WARNINGS_MAX, e);

	if (r == -EFBIG)
		return 0; /* so many are not read anyhow */
	if (r < 0)
		return r;
	va_start(ap, fmt);
	r = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (r < 0)
		return err_nomem(e);
	f->warnings[f->warning_count++] = text;
	return 0;
}

int envfile_add_spec(struct envfile_draft *d, const char *text, size_t len, struct err *e)
{
	AUTO(matchspec_freep) struct matchspec *parsed = NULL;
	AUTO_MEM char *copy = strndup(text, len);
	struct envfile *f = d->f;
	int r;

	if (!copy)
		return err_nomem(e);
	r = matchspec_parse(&parsed, copy, e);
	if (r < 0)
		return r;
	r = GROW(f->specs, d->spec_cap, f->spec_count + 1, SPECS_MAX, e);
	if (r < 0)
		return err_wrap(e, r, "more than %d specs", SPECS_MAX);
	f->specs[f->spec_count++] = TAKE_PTR(copy);
	return 0;
}

struct envfile *envfile_free(struct envfile *f)
{
	if (!f)
		return NULL;
	free(f->name);
	free(f->prefix_ignored);
	free(f->platform);
	for (size_t i = 0; i < f->channel_count; i++)
		free(f->channels[i]);
	for (size_t i = 0; i < f->spec_count; i++)
		free(f->specs[i]);
	for (size_t i = 0; i < f->variable_count; i++) {
		free(f->variables[i].name);
		free(f->variables[i].value);
	}
	for (size_t i = 0; i < f->row_count; i++)
		free(f->rows[i].url);
	for (size_t i = 0; i < f->warning_count; i++)
		free(f->warnings[i]);
	free(f->channels);
	free(f->specs);
	free(f->variables);
	free(f->rows);
	free(f->warnings);
	free(f);
	return NULL;
}

enum kind { KIND_UNKNOWN, KIND_YAML, KIND_LIST, KIND_EXPLICIT };

/* "key:" and then a blank or nothing: "channel::spec" is none. */
static bool is_yaml_line(const char *text, size_t len)
{
	size_t i = 0;

	if (len >= 3 && memcmp(text, "---", 3) == 0)
		return true;
	if (text[0] == '{' || text[0] == '%' || (text[0] == '-' && (len == 1 || text[1] == ' ')))
		return true;
	while (i < len && text[i] != ':' && !is_blank(text[i]))
		i++;
	while (i < len && is_blank(text[i]))
		i++;
	return i > 0 && i < len && text[i] == ':' && (i + 1 == len || is_blank(text[i + 1]));
}

static bool is_line(const struct lines *l, const char *text)
{
	return l->len == strlen(text) && memcmp(l->text, text, l->len) == 0;
}

/* The first line that says something decides, but an @EXPLICIT anywhere does first. */
static enum kind kind_of(const char *bytes, size_t len)
{
	struct lines l = { .at = bytes, .end = bytes + len };
	enum kind kind = KIND_UNKNOWN;

	while (lines_next(&l)) {
		if (is_line(&l, "@EXPLICIT"))
			return KIND_EXPLICIT;
		if (kind == KIND_UNKNOWN && l.len > 0 && l.text[0] != '#')
			kind = is_yaml_line(l.text, l.len) ? KIND_YAML : KIND_LIST;
	}
	return kind;
}

static bool ends_in(const char *name, const char *ending)
{
	size_t n = strlen(name), m = strlen(ending);

	return n >= m && strcmp(name + n - m, ending) == 0;
}

static int check_bytes(const char *bytes, size_t len, struct err *e)
{
	struct lines l = { .at = bytes, .end = bytes + len };

	if (len > LOCK_BYTES_MAX)
		return err_set(e, -EFBIG, "%zu bytes, more than %llu", len, LOCK_BYTES_MAX);
	while (lines_next(&l)) {
		for (size_t from = 0, to; from < l.len; from = to + 1) {
			const char *tab = memchr(l.text + from, '\t', l.len - from);

			to = tab ? (size_t)(tab - l.text) : l.len;
			if (!text_is_clean(l.text + from, to - from))
				return err_set(
					e, -EINVAL,
					"line %zu: control bytes, or not UTF-8 (save the file "
					"as UTF-8)",
					l.number);
		}
	}
	return 0;
}

static int read_file(struct envfile_draft *d, const char *bytes, size_t len, const char *name,
		     struct err *e)
{
	static const char bom[] = "\xef\xbb\xbf";
	bool yaml = ends_in(name, ".yml") || ends_in(name, ".yaml");
	int r;

	if (len >= 3 && memcmp(bytes, bom, 3) == 0) {
		bytes += 3;
		len -= 3;
	}
	r = check_bytes(bytes, len, e);
	if (r < 0)
		return r;
	switch (kind_of(bytes, len)) {
	case KIND_EXPLICIT:
		return envfile_read_explicit(d, bytes, len, e);
	case KIND_YAML:
		return envfile_read_yaml(d, bytes, len, e);
	case KIND_LIST:
		return yaml ? envfile_read_yaml(d, bytes, len, e)
			    : envfile_read_list(d, bytes, len, e);
	case KIND_UNKNOWN:
		break;
	}
	return err_set(e, -EINVAL, "the file is empty: %s",
		       yaml ? "'dependencies:' is wanted" : "a spec on each line is wanted");
}

int envfile_parse(struct envfile **ret, const char *bytes, size_t len, const char *name,
		  struct err *e)
{
	AUTO(envfile_freep) struct envfile *f = calloc(1, sizeof(*f));
	struct envfile_draft d = { .f = f };
	int r;

	assert(ret && bytes && name);
	if (!f)
		return err_nomem(e);
	r = read_file(&d, bytes, len, name, e);
	if (r < 0)
		return err_wrap(e, r, "%s", name);
	*ret = TAKE_PTR(f);
	return 0;
}
