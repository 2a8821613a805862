/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/config.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/path.h"
#include "base/sys.h"
#include "base/url.h"
#include "channel/condarc.h"
#include "channel/config_value.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CONDARC_FILES_MAX 256
#define SECONDS_MAX	  86400

/* What was read, the least specific first; the variables come last. */
struct sources {
	struct condarc **list; /* owned */
	size_t count, cap;
};

/* A key that is read, conda's other names of it, and how its variable is split. */
static const struct parameter {
	const char *key, *alias;
	char delimiter; /* 0: a text */
} parameters[] = {
	{ "channels", "channel", ',' },
	{ "channel_alias", NULL, 0 },
	{ "default_channels", NULL, ',' },
	{ "channel_priority", NULL, 0 },
	{ "pinned_packages", NULL, '&' },
	{ "add_pip_as_python_dependency", NULL, 0 },
	{ "ssl_verify", "verify_ssl", 0 },
	{ "client_ssl_cert", "client_cert", 0 },
	{ "client_ssl_cert_key", "client_cert_key", 0 },
	{ "remote_connect_timeout_secs", NULL, 0 },
	{ "remote_read_timeout_secs", NULL, 0 },
	{ "remote_max_retries", NULL, 0 },
	{ "offline", NULL, 0 },
	{ "local_repodata_ttl", NULL, 0 },
	{ "use_only_tar_bz2", NULL, 0 },
};

static void sources_done(struct sources *s)
{
	for (size_t i = 0; i < s->count; i++)
		condarc_free(s->list[i]);
	free(s->list);
}

static int add_source(struct sources *s, struct condarc *c, struct err *e)
{
	int r = GROW(s->list, s->cap, s->count + 1, CONDARC_FILES_MAX, e);

	if (r < 0) {
		condarc_free(c);
		return err_wrap(e, r, ".condarc files");
	}
	s->list[s->count++] = c;
	return 0;
}

static int warn(struct config *c, const char *text, struct err *e)
{
	return config_list_add(&c->warnings, &c->warning_count, text, e);
}

static bool was_read(const struct config *c, const char *path)
{
	for (size_t i = 0; i < c->file_count; i++)
		if (strcmp(c->files[i], path) == 0)
			return true;
	return false;
}

static int read_file(struct config *c, struct sources *s, const char *path, struct err *e)
{
	AUTO(condarc_freep) struct condarc *doc = NULL;
	AUTO_BUF text = BUF(CONDARC_BYTES_MAX);
	int r;

	if (was_read(c, path))
		return 0;
	r = sys_slurp(AT_FDCWD, path, &text);
	if (r == -ENOENT || r == -ENOTDIR || r == -EISDIR)
		return 0;
	if (r < 0)
		return err_set(e, r, "configuration '%s': %s", path, strerror(-r));
	r = condarc_parse(&doc, text.bytes, text.len, e);
	if (r < 0)
		return err_wrap(e, r, "configuration '%s'", path);
	r = config_list_add(&c->files, &c->file_count, path, e);
	return r < 0 ? r : add_source(s, TAKE_PTR(doc), e);
}

struct folder {
	char **names; /* owned */
	size_t count;
	struct err err;
};

static void folder_done(struct folder *f)
{
	config_list_done(f->names, f->count);
}

static int keep_name(void *ctx, const char *name, unsigned char type)
{
	struct folder *f = ctx;
	const char *dot = strrchr(name, '.');

	(void)type;
	if (strcmp(name, ".condarc") != 0 && strcmp(name, "condarc") != 0 &&
	    (!dot || (strcmp(dot, ".yml") != 0 && strcmp(dot, ".yaml") != 0)))
		return 0;
	return config_list_add(&f->names, &f->count, name, &f->err);
}

static int by_text(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

/* A folder's *.yml, *.yaml, condarc and .condarc, sorted. */
static int read_folder(struct config *c, struct sources *s, const char *path, struct err *e)
{
	AUTO_FD dir = sys_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	AUTO(folder_done) struct folder f = { 0 };
	int r;

	if (dir == -ENOENT || dir == -ENOTDIR)
		return 0;
	r = dir < 0 ? dir : sys_each_name(dir, keep_name, &f);
	if (r < 0)
		return err_set(e, r, "configuration '%s': %s", path, strerror(-r));
	if (f.count > 0)
		qsort(f.names, f.count, sizeof(*f.names), by_text);
	for (size_t i = 0; i < f.count; i++) {
		AUTO_BUF file = BUF(PATH_MAX);

		buf_addf(&file, "%s/%s", path, f.names[i]);
		r = buf_end(&file, e);
		if (r == 0)
			r = read_file(c, s, file.bytes, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* root/.condarc, root/condarc, root/condarc.d/. */
static int read_place(struct config *c, struct sources *s, const char *root, const char *below,
		      struct err *e)
{
	static const char *const files[] = { ".condarc", "condarc" };
	AUTO_BUF path = BUF(PATH_MAX);
	int r = 0;

	for (size_t i = 0; i < ARRAY_LEN(files) && r == 0; i++) {
		buf_clear(&path);
		buf_addf(&path, "%s%s/%s", root, below, files[i]);
		r = buf_end(&path, e);
		if (r == 0)
			r = read_file(c, s, path.bytes, e);
	}
	if (r < 0)
		return r;
	buf_clear(&path);
	buf_addf(&path, "%s%s/condarc.d", root, below);
	r = buf_end(&path, e);
	return r < 0 ? r : read_folder(c, s, path.bytes, e);
}

static const char *env(const char *name)
{
	const char *text = getenv(name);

	return text && text[0] ? text : NULL;
}

static int read_condarc_variable(struct config *c, struct sources *s, struct err *e)
{
	AUTO_BUF path = BUF(PATH_MAX);
	int r;

	if (!env("CONDARC"))
		return 0;
	r = config_expand(env("CONDARC"), true, &path, e);
	if (r == 0)
		r = read_file(c, s, path.bytes, e);
	return r < 0 ? r : read_folder(c, s, path.bytes, e);
}

static int read_files(struct config *c, struct sources *s, struct err *e)
{
	const char *home = env("HOME"), *xdg = env("XDG_CONFIG_HOME");
	AUTO_BUF own = BUF(PATH_MAX);
	int r = read_place(c, s, "/etc", "/conda", e);

	if (r == 0)
		r = read_place(c, s, "/var/lib", "/conda", e);
	if (r == 0 && xdg)
		r = read_place(c, s, xdg, "/conda", e);
	if (r == 0 && home) {
		r = read_place(c, s, home, "/.config/conda", e);
		if (r == 0)
			r = read_place(c, s, home, "/.conda", e);
		buf_addf(&own, "%s/.condarc", home);
		if (r == 0)
			r = buf_end(&own, e);
		if (r == 0)
			r = read_file(c, s, own.bytes, e);
	}
	return r < 0 ? r : read_condarc_variable(c, s, e);
}

/* CONDA_KEY of each key that a variable can set, as the most specific source. */
static int read_variables(struct sources *s, struct err *e)
{
	AUTO(condarc_freep) struct condarc *doc = NULL;
	int r = condarc_new(&doc, e);

	for (size_t i = 0; i < ARRAY_LEN(parameters) && r == 0; i++) {
		const struct parameter *p = &parameters[i];
		char name[64] = "CONDA_";
		size_t at = strlen(name);

		for (const char *k = p->key; *k; k++)
			name[at++] = (char)toupper((unsigned char)*k);
		assert(at < sizeof(name));
		if (!env(name))
			continue;
		r = p->delimiter ? condarc_put_list(doc, p->key, env(name), p->delimiter, e)
				 : condarc_put_text(doc, p->key, env(name), e);
	}
	return r < 0 ? r : add_source(s, TAKE_PTR(doc), e);
}

static const char *alias_of(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(parameters); i++)
		if (strcmp(parameters[i].key, key) == 0)
			return parameters[i].alias;
	return NULL;
}

static const struct condarc_node *find(const struct condarc *c, const char *key)
{
	const struct condarc_node *n = condarc_get(c, key);
	const char *alias = alias_of(key);

	return n || !alias ? n : condarc_get(c, alias);
}

/* One value: that of the first file that calls its own final, else the last one's. */
static int get_text(const struct sources *s, const char *key, struct buf *value, bool *ret_set,
		    struct err *e)
{
	const struct condarc_node *found = NULL;

	for (size_t i = 0; i < s->count && !(found && found->mark == MARK_FINAL); i++) {
		const struct condarc_node *n = find(s->list[i], key);

		if (n && n->kind != CONDARC_TEXT)
			return err_set(e, -EINVAL, "configuration: '%s' is not one value", key);
		found = n ? n : found;
	}
	*ret_set = found != NULL;
	buf_clear(value);
	return found ? config_expand(found->text, false, value, e) : 0;
}

/* A list under way: conda's merge, see get_list(). */
struct merge {
	const struct condarc **docs;	    /* owned; the sources that count */
	const struct condarc_node **values; /* owned; theirs */
	size_t count;
};

static void merge_done(struct merge *m)
{
	free(m->docs);
	free(m->values);
}

/* The sources that have the key, up to the first that calls it final. */
static int merge_begin(struct merge *m, const struct sources *s, const char *key, struct err *e)
{
	m->docs = calloc(s->count + 1, sizeof(*m->docs));
	m->values = calloc(s->count + 1, sizeof(*m->values));
	if (!m->docs || !m->values)
		return err_nomem(e);
	for (size_t i = 0; i < s->count; i++) {
		const struct condarc_node *n = find(s->list[i], key);

		if (!n)
			continue;
		m->docs[m->count] = s->list[i];
		m->values[m->count++] = n;
		if (n->mark == MARK_FINAL)
			break;
	}
	return 0;
}

/* Adds the list's entries, or only those with this mark. A text alone is a list of one. */
static int add_entries(const struct merge *m, size_t i, const char *key, bool all,
		       enum condarc_mark mark, struct config_list *to, struct err *e)
{
	const struct condarc_node *n = m->values[i];
	bool one = n->kind == CONDARC_TEXT;

	if (n->kind == CONDARC_MAP)
		return err_set(e, -EINVAL, "configuration: '%s' is not a list", key);
	for (n = one ? n : condarc_first(m->docs[i], n); n;
	     n = one ? NULL : condarc_next(m->docs[i], n)) {
		AUTO_BUF text = BUF(SPEC_BYTES_MAX + URL_BYTES_MAX);
		int r;

		if (n->kind == CONDARC_NULL || (!all && n->mark != mark))
			continue;
		if (n->kind != CONDARC_TEXT)
			return err_set(e, -EINVAL, "configuration: '%s' holds what is no text",
				       key);
		r = config_expand(n->text, false, &text, e);
		if (r == 0)
			r = config_list_add(&to->items, &to->count, text.bytes, e);
		if (r < 0)
			return err_wrap(e, r, "'%s'", key);
	}
	return 0;
}

static bool has_later(const struct config_list *l, size_t at)
{
	for (size_t i = at + 1; i < l->count; i++)
		if (strcmp(l->items[i], l->items[at]) == 0)
			return true;
	return false;
}

/*
 * conda's merge of a list (common/configuration.py): entries marked #!top of all sources,
 * then all entries, the more specific source first; each once, at its first place. Those
 * marked #!bottom go to the end, the least specific source's last.
 */
static int get_list(const struct sources *s, const char *key, struct config_list *ret,
		    struct err *e)
{
	AUTO(merge_done) struct merge m = { 0 };
	AUTO(config_list_freep) struct config_list *top = config_list_new();
	AUTO(config_list_freep) struct config_list *bottom = config_list_new();
	int r = top && bottom ? merge_begin(&m, s, key, e) : err_nomem(e);

	for (size_t i = 0; i < m.count && r == 0; i++)
		r = add_entries(&m, i, key, false, MARK_TOP, top, e);
	for (size_t i = m.count; i-- > 0 && r == 0;)
		r = add_entries(&m, i, key, true, MARK_NONE, top, e);
	for (size_t i = m.count; i-- > 0 && r == 0;)
		r = add_entries(&m, i, key, false, MARK_BOTTOM, bottom, e);
	for (size_t i = 0; i < (r == 0 ? top->count : 0) && r == 0; i++)
		if (!config_list_has(bottom, top->items[i], bottom->count) &&
		    !config_list_has(top, top->items[i], i))
			r = config_list_add(&ret->items, &ret->count, top->items[i], e);
	for (size_t i = 0; r == 0 && i < bottom->count; i++)
		if (!has_later(bottom, i))
			r = config_list_add(&ret->items, &ret->count, bottom->items[i], e);
	return r;
}

typedef int entry_fn(struct config *c, const struct condarc *doc, const struct condarc_node *n,
		     struct err *e);

/* A map: of each name the most specific source's value, but a final one stays. The fn is
 * called in that order, the later call for a name wins. */
static int each_entry(const struct sources *s, const char *key, struct config *c, entry_fn *fn,
		      struct err *e)
{
	AUTO(merge_done) struct merge m = { 0 };
	int r = merge_begin(&m, s, key, e);

	for (size_t i = 0; i < m.count && r == 0; i++)
		if (m.values[i]->kind != CONDARC_MAP)
			r = err_set(e, -EINVAL, "configuration: '%s' is not a map", key);
	for (size_t i = 0; i < 2 * m.count && r == 0; i++) {
		bool final = i >= m.count;
		size_t at = final ? 2 * m.count - 1 - i : i;
		const struct condarc_node *n = condarc_first(m.docs[at], m.values[at]);

		for (; n && r == 0; n = condarc_next(m.docs[at], n))
			if (n->kind != CONDARC_NULL && (!final || n->mark == MARK_FINAL))
				r = fn(c, m.docs[at], n, e);
		if (r < 0)
			(void)err_wrap(e, r, "configuration: '%s'", key);
	}
	return r;
}

static int take_custom_channel(struct config *c, const struct condarc *doc,
			       const struct condarc_node *n, struct err *e)
{
	AUTO_BUF text = BUF(URL_BYTES_MAX);
	int r;

	(void)doc;
	if (n->kind != CONDARC_TEXT)
		return err_set(e, -EINVAL, "'%s' is no text", n->key);
	r = config_expand(n->text, false, &text, e);
	return r < 0 ? r
		     : config_pair_set(&c->custom_channels, &c->custom_channel_count, n->key,
				       text.bytes, e);
}

static int take_multichannel(struct config *c, const struct condarc *doc,
			     const struct condarc_node *n, struct err *e)
{
	struct config_multi *m;
	int r = config_multi_set(c, n->key, &m, e);

	if (r < 0)
		return r;
	if (n->kind == CONDARC_MAP)
		return err_set(e, -EINVAL, "'%s' is not a list", n->key);
	bool one = n->kind == CONDARC_TEXT;
	for (n = one ? n : condarc_first(doc, n); n; n = one ? NULL : condarc_next(doc, n)) {
		AUTO_BUF text = BUF(URL_BYTES_MAX);

		if (n->kind != CONDARC_TEXT)
			return err_set(e, -EINVAL, "'%s' holds what is no text", m->name);
		r = config_expand(n->text, false, &text, e);
		if (r == 0)
			r = config_list_add(&m->channels, &m->count, text.bytes, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What fetch_options' strings point to. */
struct owned {
	struct config_pair *proxies;
	size_t proxy_count;
	char *no_proxy, *ca_file, *client_cert, *client_key, *netrc_file;
};

static int take_proxy(struct config *c, const struct condarc *doc, const struct condarc_node *n,
		      struct err *e)
{
	struct owned *o = c->priv;
	AUTO_BUF text = BUF(URL_BYTES_MAX);
	int r;

	(void)doc;
	if (n->kind != CONDARC_TEXT)
		return err_set(e, -EINVAL, "'%s' is no text", n->key);
	if (strcmp(n->key, "http") != 0 && strcmp(n->key, "https") != 0 &&
	    strcmp(n->key, "all") != 0) {
		buf_addf(&text,
			 "proxy_servers: '%s' is not used: a proxy can be set for http, https "
			 "and all",
			 n->key);
		return warn(c, text.bytes, e);
	}
	r = config_expand(n->text, false, &text, e);
	return r < 0 ? r : config_pair_set(&o->proxies, &o->proxy_count, n->key, text.bytes, e);
}

static const char *proxy(const struct owned *o, const char *scheme)
{
	const char *all = NULL;

	for (size_t i = 0; i < o->proxy_count; i++) {
		if (strcmp(o->proxies[i].name, scheme) == 0)
			return o->proxies[i].value;
		if (strcmp(o->proxies[i].name, "all") == 0)
			all = o->proxies[i].value;
	}
	return all;
}

/* proxy_servers, else the variables that all programs know. HTTP_PROXY in capitals is left
 * alone, as curl does: a CGI program's peer can set it. */
static int take_proxies(struct config *c, const struct sources *s, struct err *e)
{
	static const struct {
		const char *scheme, *names[2];
	} variables[] = { { "http", { "http_proxy", NULL } },
			  { "https", { "https_proxy", "HTTPS_PROXY" } },
			  { "all", { "all_proxy", "ALL_PROXY" } } };
	struct owned *o = c->priv;
	int r = each_entry(s, "proxy_servers", c, take_proxy, e);
	bool set = o->proxy_count > 0;

	for (size_t i = 0; i < ARRAY_LEN(variables) && r == 0 && !set; i++) {
		const char *value = env(variables[i].names[0]);

		if (!value && variables[i].names[1])
			value = env(variables[i].names[1]);
		if (value)
			r = config_pair_set(&o->proxies, &o->proxy_count, variables[i].scheme,
					    value, e);
	}
	if (r < 0)
		return r;
	c->fetch.proxy_http = proxy(o, "http");
	c->fetch.proxy_https = proxy(o, "https");
	return config_copy(&o->no_proxy, env("no_proxy") ? env("no_proxy") : env("NO_PROXY"),
			   &c->fetch.no_proxy, e);
}

static int get_bool(const struct sources *s, const char *key, bool *value, struct err *e)
{
	AUTO_BUF text = BUF(URL_BYTES_MAX);
	bool set;
	int r = get_text(s, key, &text, &set, e);

	if (r < 0 || !set)
		return r;
	if (!config_bool(text.bytes, value))
		return err_set(e, -EINVAL, "configuration: '%s' is '%s', not true or false", key,
			       QUOTE(text.bytes, text.len));
	return 0;
}

/* A number of seconds or times; *value stays when it is not set. */
static int get_number(const struct sources *s, const char *key, double *value, bool *ret_set,
		      struct err *e)
{
	AUTO_BUF text = BUF(URL_BYTES_MAX);
	bool truth;
	char *end;
	double n;
	int r = get_text(s, key, &text, ret_set, e);

	if (r < 0 || !*ret_set)
		return r;
	n = strtod(text.bytes, &end);
	if (end == text.bytes && config_bool(text.bytes, &truth)) {
		*value = truth;
		return 0;
	}
	if (end == text.bytes || *end || !isfinite(n) || n < 0)
		return err_set(e, -EINVAL, "configuration: '%s' is '%s', not a number", key,
			       QUOTE(text.bytes, text.len));
	*value = n < SECONDS_MAX * 365.0 ? n : SECONDS_MAX * 365.0;
	return 0;
}

static int get_ms(const struct sources *s, const char *key, int *ret, struct err *e)
{
	double seconds = 0;
	bool set;
	int r = get_number(s, key, &seconds, &set, e);

	if (r < 0 || !set)
		return r;
	seconds = seconds < SECONDS_MAX ? seconds : SECONDS_MAX;
	*ret = seconds * 1000 < 1 ? 1 : (int)(seconds * 1000);
	return 0;
}

static int take_priority(struct config *c, const struct sources *s, struct err *e)
{
	AUTO_BUF text = BUF(URL_BYTES_MAX);
	bool set, truth;
	int r = get_text(s, "channel_priority", &text, &set, e);

	if (r < 0 || !set)
		return r;
	if (strcasecmp(text.bytes, "strict") == 0)
		c->channel_priority = PRIORITY_STRICT;
	else if (strcasecmp(text.bytes, "flexible") == 0)
		c->channel_priority = PRIORITY_FLEXIBLE;
	else if (strcasecmp(text.bytes, "disabled") == 0)
		c->channel_priority = PRIORITY_DISABLED;
	else if (config_bool(text.bytes, &truth)) /* how it was before there were three */
		c->channel_priority = truth ? PRIORITY_FLEXIBLE : PRIORITY_DISABLED;
	else
		return err_set(e, -EINVAL,
			       "configuration: channel_priority is '%s', not strict, flexible or "
			       "disabled",
			       QUOTE(text.bytes, text.len));
	return 0;
}

/* ssl_verify: a truth, a file of certificates, or "truststore" (the system's, as always). */
static int take_ssl(struct config *c, const struct sources *s, struct err *e)
{
	static const char *const variables[] = { "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
						 "SSL_CERT_FILE" };
	struct owned *o = c->priv;
	AUTO_BUF text = BUF(URL_BYTES_MAX);
	AUTO_BUF file = BUF(PATH_MAX);
	const char *ca = NULL;
	bool set, truth = true;
	int r = get_text(s, "ssl_verify", &text, &set, e);

	if (r < 0)
		return r;
	if (set && !config_bool(text.bytes, &truth) && strcmp(text.bytes, "truststore") != 0) {
		r = config_expand(text.bytes, true, &file, e);
		ca = file.bytes;
	}
	c->fetch.insecure = !truth;
	for (size_t i = 0; i < ARRAY_LEN(variables) && !ca; i++)
		ca = env(variables[i]);
	if (r == 0)
		r = config_copy(&o->ca_file, ca, &c->fetch.ca_file, e);
	return r;
}

static int take_file(const struct sources *s, const char *key, char **owned, const char **ret,
		     struct err *e)
{
	AUTO_BUF text = BUF(URL_BYTES_MAX);
	AUTO_BUF path = BUF(PATH_MAX);
	bool set;
	int r = get_text(s, key, &text, &set, e);

	if (r < 0 || !set)
		return r;
	r = config_expand(text.bytes, true, &path, e);
	return r < 0 ? r : config_copy(owned, path.bytes, ret, e);
}

/* $NETRC, else ~/.netrc, where it is there. */
static int take_netrc(struct config *c, struct err *e)
{
	struct owned *o = c->priv;
	AUTO_BUF path = BUF(PATH_MAX);
	struct stat st;

	if (env("NETRC"))
		buf_adds(&path, env("NETRC"));
	else if (env("HOME"))
		buf_addf(&path, "%s/.netrc", env("HOME"));
	if (path.len == 0 || buf_end(&path, NULL) < 0 ||
	    sys_fstatat(AT_FDCWD, path.bytes, &st, 0) < 0)
		return 0;
	return config_copy(&o->netrc_file, path.bytes, &c->fetch.netrc_file, e);
}

static int take_fetch(struct config *c, const struct sources *s, struct err *e)
{
	struct owned *o = c->priv;
	double retries = 0;
	bool set;
	int r = get_ms(s, "remote_connect_timeout_secs", &c->fetch.connect_ms, e);

	if (r == 0)
		r = get_ms(s, "remote_read_timeout_secs", &c->fetch.stall_ms, e);
	if (r == 0)
		r = get_number(s, "remote_max_retries", &retries, &set, e);
	if (r == 0 && set)
		c->fetch.tries = 1 + (int)(retries < 100 ? retries : 100);
	if (r == 0)
		r = take_proxies(c, s, e);
	if (r == 0)
		r = take_ssl(c, s, e);
	if (r == 0)
		r = take_file(s, "client_ssl_cert", &o->client_cert, &c->fetch.client_cert, e);
	if (r == 0)
		r = take_file(s, "client_ssl_cert_key", &o->client_key, &c->fetch.client_key, e);
	return r < 0 ? r : take_netrc(c, e);
}

static int take_list(const struct sources *s, const char *key, char ***items, size_t *count,
		     struct err *e)
{
	struct config_list list = { 0 };
	int r = get_list(s, key, &list, e);

	*items = list.items;
	*count = list.count;
	return r;
}

static int take_channels(struct config *c, const struct sources *s, struct err *e)
{
	AUTO_BUF text = BUF(URL_BYTES_MAX);
	bool set;
	int r = get_text(s, "channel_alias", &text, &set, e);

	if (r < 0)
		return r;
	while (set && text.len > 0 && text.bytes[text.len - 1] == '/')
		text.bytes[--text.len] = '\0';
	c->channel_alias = strdup(set && text.len > 0 ? text.bytes : "https://conda.anaconda.org");
	if (!c->channel_alias)
		return err_nomem(e);
	r = url_check(c->channel_alias, e);
	if (r < 0)
		return err_wrap(e, r, "configuration: channel_alias");
	r = take_list(s, "channels", &c->channels, &c->channel_count, e);
	if (r == 0)
		r = take_list(s, "default_channels", &c->default_channels,
			      &c->default_channel_count, e);
	if (r == 0 && c->default_channel_count == 0) {
		r = config_list_add(&c->default_channels, &c->default_channel_count,
				    "https://repo.anaconda.com/pkgs/main", e);
		if (r == 0)
			r = config_list_add(&c->default_channels, &c->default_channel_count,
					    "https://repo.anaconda.com/pkgs/r", e);
	}
	if (r == 0) /* conda's own entry */
		r = config_pair_set(&c->custom_channels, &c->custom_channel_count, "pkgs/pro",
				    "https://repo.anaconda.com", e);
	if (r == 0)
		r = each_entry(s, "custom_channels", c, take_custom_channel, e);
	return r < 0 ? r : each_entry(s, "custom_multichannels", c, take_multichannel, e);
}

static int take_all(struct config *c, const struct sources *s, struct err *e)
{
	double ttl = 1;
	bool set;
	int r = take_channels(c, s, e);

	if (r == 0)
		r = take_priority(c, s, e);
	if (r == 0)
		r = take_list(s, "pinned_packages", &c->pinned_packages, &c->pinned_package_count,
			      e);
	if (r == 0)
		r = get_bool(s, "add_pip_as_python_dependency", &c->add_pip_as_python_dependency,
			     e);
	if (r == 0)
		r = get_bool(s, "offline", &c->offline, e);
	if (r == 0)
		r = get_bool(s, "use_only_tar_bz2", &c->use_only_tar_bz2, e);
	if (r == 0)
		r = get_number(s, "local_repodata_ttl", &ttl, &set, e);
	c->repodata_ttl = (long)ttl;
	return r < 0 ? r : take_fetch(c, s, e);
}

int config_load(struct config **ret, struct err *e)
{
	AUTO(config_freep) struct config *c = calloc(1, sizeof(*c));
	AUTO(sources_done) struct sources s = { 0 };
	int r;

	if (!c)
		return err_nomem(e);
	c->priv = calloc(1, sizeof(struct owned));
	if (!c->priv)
		return err_nomem(e);
	c->add_pip_as_python_dependency = true;
	r = read_files(c, &s, e);
	if (r == 0)
		r = read_variables(&s, e);
	if (r == 0)
		r = take_all(c, &s, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(c);
	return 0;
}

struct config *config_free(struct config *c)
{
	struct owned *o;

	if (!c)
		return NULL;
	o = c->priv;
	config_list_done(c->channels, c->channel_count);
	config_list_done(c->default_channels, c->default_channel_count);
	config_list_done(c->pinned_packages, c->pinned_package_count);
	config_list_done(c->files, c->file_count);
	config_list_done(c->warnings, c->warning_count);
	config_pairs_done(c->custom_channels, c->custom_channel_count);
	for (size_t i = 0; i < c->custom_multichannel_count; i++) {
		config_list_done(c->custom_multichannels[i].channels,
				 c->custom_multichannels[i].count);
		free(c->custom_multichannels[i].name);
	}
	free(c->custom_multichannels);
	free(c->channel_alias);
	if (o) {
		config_pairs_done(o->proxies, o->proxy_count);
		free(o->no_proxy);
		free(o->ca_file);
		free(o->client_cert);
		free(o->client_key);
		free(o->netrc_file);
	}
	free(o);
	free(c);
	return NULL;
}
