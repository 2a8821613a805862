/* SPDX-License-Identifier: Apache-2.0 */
/* environment.yml (CEP 24). */
#include "spec/envfile_own.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/path.h"
#include "spec/location.h"
#include "spec/matchspec.h"
#include "spec/yaml.h"

#include <string.h>

static int fault(const struct yaml *y, struct err *e, int code, const char *why)
{
	return err_set(e, code, "line %zu: %s", yaml_line(y), why);
}

static int wrap(const struct yaml *y, struct err *e, int code)
{
	return err_wrap(e, code, "line %zu", yaml_line(y));
}

static int take_text(char **ret, const char *text, struct err *e)
{
	*ret = strdup(text);
	return *ret ? 0 : err_nomem(e);
}

/* A name that can be none is not used: another may be given with -n. */
static int read_name(struct envfile_draft *d, const struct yaml *y, struct err *e)
{
	const char *name = yaml_text(y);

	if (yaml_is_null(y))
		return 0;
	if (!name)
		return fault(y, e, -EINVAL, "'name' is a text");
	if (strpbrk(name, "/:# ") || strcmp(name, "base") == 0 || strcmp(name, "root") == 0 ||
	    path_check_name(name, strlen(name), NULL) < 0)
		return envfile_warn(d, e,
				    "line %zu: '%s' can be no environment's name and is not used",
				    yaml_line(y), QUOTE(name, strlen(name)));
	return take_text(&d->f->name, name, e);
}

static int read_prefix(struct envfile_draft *d, const struct yaml *y, struct err *e)
{
	if (yaml_is_null(y))
		return 0;
	if (!yaml_text(y))
		return fault(y, e, -EINVAL, "'prefix' is a text");
	return take_text(&d->f->prefix_ignored, yaml_text(y), e);
}

/* Checked as the channel of a spec is. */
static int check_channel(const char *channel, struct err *e)
{
	AUTO(matchspec_freep) struct matchspec *s = NULL;
	AUTO_BUF b = BUF(SPEC_BYTES_MAX);
	int r;

	buf_addf(&b, "%s::*", channel);
	r = buf_end(&b, e);
	return r < 0 ? r : matchspec_parse(&s, b.bytes, e);
}

static int read_channel(struct envfile_draft *d, const struct yaml *y, struct err *e)
{
	struct envfile *f = d->f;
	const char *text = yaml_text(y);
	AUTO_BUF b = BUF(URL_BYTES_MAX);
	int r;

	if (!text || yaml_is_null(y))
		return fault(y, e, -EINVAL, "a channel is a name, a URL or a path");
	if (strcmp(text, "nodefaults") == 0) {
		f->nodefaults = true;
		return 0;
	}
	r = location_expand(text, strlen(text), &b, e);
	if (r == 0)
		r = check_channel(b.bytes, e);
	if (r == 0 && strchr(b.bytes, '$'))
		r = envfile_warn(d, e, "line %zu: channel '%s': a variable in it is not set",
				 yaml_line(y), QUOTE(text, strlen(text)));
	if (r == 0)
		r = GROW(f->channels, d->channel_cap, f->channel_count + 1, CHANNELS_MAX, e);
	if (r < 0)
		return wrap(y, e, r);
	f->channels[f->channel_count] = buf_take(&b);
	if (!f->channels[f->channel_count])
		return err_nomem(e);
	f->channel_count++;
	return 0;
}

static int read_channels(struct envfile_draft *d, const struct yaml *y, struct err *e)
{
	int r = 0;

	d->f->has_channels = true;
	if (yaml_is_null(y))
		return 0;
	if (yaml_type(y) != YAML_LIST)
		return fault(y, e, -EINVAL, "'channels' is a list");
	for (const struct yaml *c = yaml_first(y); r == 0 && c; c = yaml_next(c))
		r = read_channel(d, c, e);
	return r;
}

/* "pip:" and other lists that are not conda's. */
static int read_section(const struct yaml *y, struct err *e)
{
	const char *key = yaml_key(y);

	if (strncmp(key, "sel(", 4) == 0)
		return err_set(
			e, -EOPNOTSUPP,
			"line %zu: '%s' is a selector of micromamba, which is not supported; "
			"write the specs of this platform without it",
			yaml_line(y), QUOTE(key, strlen(key)));
	if (strcmp(key, "pip") != 0 && strcmp(key, "npm") != 0)
		return err_set(e, -EINVAL,
			       "line %zu: '%s:' is no known kind of dependency (a spec is written "
			       "'%s=1.2', without the colon)",
			       yaml_line(y), QUOTE(key, strlen(key)), QUOTE(key, strlen(key)));
	if (yaml_is_null(y) || (yaml_type(y) == YAML_LIST && !yaml_first(y)))
		return 0;
	return err_set(e, -EOPNOTSUPP,
		       "line %zu: '%s:' lists are not supported yet; take it out and name what can "
		       "come from a conda channel instead",
		       yaml_line(y), key);
}

/* What YAML takes for a number, a truth or nothing when it stands without quotes. */
static bool is_no_text(const struct yaml *y)
{
	static const char *const words[] = { "true", "True", "TRUE", "false", "False", "FALSE" };
	const char *text = yaml_text(y);

	if (yaml_is_null(y))
		return true;
	if (!yaml_is_plain(y))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strcmp(text, words[i]) == 0)
			return true;
	return strspn(text, "+-.0123456789") == strlen(text);
}

static int read_dependency(struct envfile_draft *d, const struct yaml *y, struct err *e)
{
	int r = 0;

	switch (yaml_type(y)) {
	case YAML_TEXT:
		if (is_no_text(y))
			return fault(y, e, -EINVAL, "a dependency is a spec like 'name>=1.2'");
		r = envfile_add_spec(d, yaml_text(y), strlen(yaml_text(y)), e);
		return r < 0 ? wrap(y, e, r) : 0;
	case YAML_MAP:
		for (const struct yaml *s = yaml_first(y); r == 0 && s; s = yaml_next(s))
			r = read_section(s, e);
		return r;
	case YAML_LIST:
		break;
	}
	return fault(y, e, -EINVAL, "a list in the list of dependencies");
}

static int read_dependencies(struct envfile_draft *d, const struct yaml *y, struct err *e)
{
	int r = 0;

	if (yaml_is_null(y))
		return 0;
	if (yaml_type(y) != YAML_LIST)
		return fault(y, e, -EINVAL, "'dependencies' is a list");
	for (const struct yaml *c = yaml_first(y); r == 0 && c; c = yaml_next(c))
		r = read_dependency(d, c, e);
	return r;
}

static bool is_variable_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= NAME_BYTES_MAX && !(name[0] >= '0' && name[0] <= '9') &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") ==
		       len;
}

/* Numbers and truths become the text that they are written as. */
static int read_variable(struct envfile_draft *d, const struct yaml *y, struct err *e)
{
	struct envfile *f = d->f;
	struct envfile_variable v = { 0 };
	const char *name = yaml_key(y);
	int r;

	if (!is_variable_name(name) || strcmp(name, "PATH") == 0)
		return err_set(e, -EINVAL, "line %zu: '%s' can be no variable here", yaml_line(y),
			       QUOTE(name, strlen(name)));
	if (yaml_type(y) != YAML_TEXT)
		return err_set(e, -EINVAL, "line %zu: the variable '%s' is a text", yaml_line(y),
			       name);
	r = GROW(f->variables, d->variable_cap, f->variable_count + 1, ENV_VARIABLES_MAX, e);
	if (r < 0)
		return wrap(y, e, r);
	v.name = strdup(name);
	v.value = strdup(yaml_is_null(y) ? "" : yaml_text(y));
	f->variables[f->variable_count++] = v;
	return v.name && v.value ? 0 : err_nomem(e);
}

static int read_variables(struct envfile_draft *d, const struct yaml *y, struct err *e)
{
	int r = 0;

	if (yaml_is_null(y))
		return 0;
	if (yaml_type(y) != YAML_MAP)
		return fault(y, e, -EINVAL, "'variables' is a map of names and values");
	for (const struct yaml *c = yaml_first(y); r == 0 && c; c = yaml_next(c))
		r = read_variable(d, c, e);
	return r;
}

/* A lock file of conda-lock or pixi says what to do about it. */
static int no_dependencies(const struct yaml *root, struct err *e)
{
	if (yaml_get(root, "package") || yaml_get(root, "packages") ||
	    yaml_get(root, "environments"))
		return err_set(
			e, -EOPNOTSUPP,
			"this looks like a lock file of conda-lock, mamba or pixi, which is not "
			"supported yet; write it as an @EXPLICIT list ('conda-lock render --kind "
			"explicit', 'pixi workspace export conda-explicit-spec')");
	return err_set(e, -EINVAL, "no 'dependencies:' in it");
}

int envfile_read_yaml(struct envfile_draft *d, const char *bytes, size_t len, struct err *e)
{
	static const struct {
		const char *key;
		int (*fn)(struct envfile_draft *d, const struct yaml *y, struct err *e);
	} keys[] = {
		{ "name", read_name },		 { "prefix", read_prefix },
		{ "channels", read_channels },	 { "dependencies", read_dependencies },
		{ "variables", read_variables },
	};
	AUTO(yaml_doc_freep) struct yaml_doc *doc = NULL;
	const struct yaml *root;
	int r = yaml_parse(&doc, bytes, len, e);

	if (r < 0)
		return r;
	root = yaml_root(doc);
	if (yaml_type(root) != YAML_MAP)
		return err_set(
			e, -EINVAL,
			"no environment.yml: 'name:', 'channels:', 'dependencies:' are wanted at "
			"its top");
	if (!yaml_get(root, "dependencies"))
		return no_dependencies(root, e);
	for (const struct yaml *y = yaml_first(root); r == 0 && y; y = yaml_next(y)) {
		size_t i = 0;

		while (i < ARRAY_LEN(keys) && strcmp(keys[i].key, yaml_key(y)) != 0)
			i++;
		r = i < ARRAY_LEN(keys)
			    ? keys[i].fn(d, y, e)
			    : envfile_warn(d, e, "line %zu: '%s:' is not known and ignored",
					   yaml_line(y), QUOTE(yaml_key(y), strlen(yaml_key(y))));
	}
	return r;
}
