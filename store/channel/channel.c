/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/channel.h"

#include "base/limits.h"
#include "base/path.h"
#include "base/url.h"
#include "channel/config_value.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static bool has_scheme(const char *text)
{
	return strstr(text, "://") != NULL;
}

/* conda's rule: a leading "~", "/", "./", "../", or just "." or "..". */
static bool is_path(const char *text)
{
	size_t dots = strspn(text, ".");

	if (text[0] == '~')
		return true;
	return dots <= 2 && (text[dots] == '/' || (dots > 0 && !text[dots]));
}

/* Whether the part is a subdir: "noarch" or an operating system and a machine (CEP 26). */
static bool is_subdir(const char *part, size_t len)
{
	static const char *const systems[] = { "linux-",      "osx-",	 "win-",
					       "emscripten-", "wasi-",	 "zos-",
					       "freebsd-",    "netbsd-", "openbsd-" };

	if (len == 6 && memcmp(part, "noarch", 6) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_LEN(systems); i++)
		if (len > strlen(systems[i]) && memcmp(part, systems[i], strlen(systems[i])) == 0)
			return true;
	return false;
}

/* Length of text without slashes at its end and without a subdir before them. */
static size_t trimmed(const char *text, size_t keep)
{
	size_t len = strlen(text), part;

	while (len > keep && text[len - 1] == '/')
		len--;
	for (part = len; part > keep && text[part - 1] != '/'; part--)
		;
	if (part > keep && is_subdir(text + part, len - part)) {
		len = part;
		while (len > keep && text[len - 1] == '/')
			len--;
	}
	return len;
}

/* An absolute path without ".", ".." and doubled slashes; links are not looked at. */
static int absolute(const char *path, struct buf *ret, struct err *e)
{
	AUTO_BUF whole = BUF(2 * PATH_MAX);
	AUTO_BUF home = BUF(PATH_MAX);
	char cwd[PATH_MAX];
	int r = config_expand(path, true, &home, e);

	if (r < 0)
		return r;
	if (home.bytes[0] != '/') {
		if (!getcwd(cwd, sizeof(cwd)))
			return err_sys(e, "current folder");
		buf_addf(&whole, "%s/", cwd);
	}
	buf_adds(&whole, home.bytes);
	for (const char *at = whole.bytes; *at;) {
		size_t len;

		at += strspn(at, "/");
		len = strcspn(at, "/");
		if (len == 2 && memcmp(at, "..", 2) == 0) {
			while (ret->len > 0 && ret->bytes[--ret->len] != '/')
				;
			ret->bytes[ret->len] = '\0';
		} else if (len > 0 && !(len == 1 && at[0] == '.')) {
			buf_addc(ret, '/');
			buf_add(ret, at, len);
		}
		at += len;
	}
	if (ret->len == 0)
		buf_addc(ret, '/');
	r = buf_end(&whole, e);
	return r < 0 ? r : buf_end(ret, e);
}

static const char *custom_location(const struct config *c, const char *name, size_t len)
{
	for (size_t i = 0; i < c->custom_channel_count; i++)
		if (strncmp(c->custom_channels[i].name, name, len) == 0 &&
		    !c->custom_channels[i].name[len])
			return c->custom_channels[i].value;
	return NULL;
}

/* Scheme and host of a URL, and the name behind: "https://host" and "pkgs/main". */
static size_t host_end(const char *url)
{
	const char *host = strstr(url, "://");

	assert(host);
	return (size_t)(host + 3 + strcspn(host + 3, "/") - url);
}

/* The default channel that a name, or a longer name's start, stands for. */
static const char *default_location(const struct config *c, const char *name, size_t len,
				    size_t *ret_len)
{
	for (size_t i = 0; i < c->default_channel_count; i++) {
		const char *url = c->default_channels[i];
		size_t host;

		if (!has_scheme(url))
			continue;
		host = host_end(url);
		if (strncmp(url + host, "/", 1) == 0 && strncmp(url + host + 1, name, len) == 0 &&
		    (!url[host + 1 + len] || strcmp(url + host + 1 + len, "/") == 0)) {
			*ret_len = host;
			return url;
		}
	}
	return NULL;
}

static bool starts(const char *url, const char *base)
{
	size_t len = strlen(base);

	while (len > 0 && base[len - 1] == '/')
		len--;
	return strncmp(url, base, len) == 0 && url[len] == '/' && url[len + 1];
}

static int strip(const char *url, struct buf *ret, struct err *e)
{
	url_strip(url, ret);
	return buf_end(ret, e);
}

/* A custom channel's location as a URL without a slash at its end. */
static int add_location(const char *location, struct buf *ret, struct err *e)
{
	AUTO_BUF path = BUF(PATH_MAX);
	int r;

	if (is_path(location)) {
		r = absolute(location, &path, e);
		return r < 0 ? r : url_from_path(path.bytes, ret, e);
	}
	buf_adds(ret, location);
	while (ret->len > 0 && ret->bytes[ret->len - 1] == '/')
		ret->bytes[--ret->len] = '\0';
	return buf_end(ret, e);
}

/* What a URL without credentials is called: by a custom channel's name, a default channel's,
 * that of the alias, or itself. */
static int name_of(const struct config *c, const char *url, struct buf *ret, struct err *e)
{
	AUTO_BUF base = BUF(URL_BYTES_MAX);
	AUTO_BUF location = BUF(URL_BYTES_MAX);
	int r;

	for (size_t i = 0; i < c->custom_channel_count; i++) {
		const struct config_pair *p = &c->custom_channels[i];
		size_t len = strlen(p->name);

		buf_clear(&base);
		buf_clear(&location);
		r = add_location(p->value, &location, e);
		if (r == 0)
			r = strip(location.bytes, &base, e);
		if (r < 0)
			return r;
		if (base.len == 0 || !starts(url, base.bytes) ||
		    strncmp(url + base.len + 1, p->name, len) != 0 ||
		    (url[base.len + 1 + len] && url[base.len + 1 + len] != '/'))
			continue;
		buf_adds(ret, url + base.len + 1);
		return buf_end(ret, e);
	}
	for (size_t i = 0; i < c->default_channel_count; i++) {
		buf_clear(&base);
		r = strip(c->default_channels[i], &base, e);
		if (r < 0)
			return r;
		if (!has_scheme(base.bytes) ||
		    strncmp(url, base.bytes, trimmed(base.bytes, 0)) != 0 ||
		    strlen(url) != trimmed(base.bytes, 0) || url_is_file(url))
			continue;
		buf_adds(ret, url + host_end(url) + 1);
		return buf_end(ret, e);
	}
	buf_clear(&base);
	r = strip(c->channel_alias, &base, e);
	if (r < 0)
		return r;
	buf_adds(ret, starts(url, base.bytes) ? url + base.len + 1 : url);
	return buf_end(ret, e);
}

/* A name becomes a location and the name behind it. The longest custom name that it starts
 * with decides; else the default channels; else the alias. */
static int url_of_name(const struct config *c, const char *name, size_t name_len, struct buf *ret,
		       struct err *e)
{
	AUTO_BUF text = BUF(URL_BYTES_MAX);
	const char *location = NULL;
	size_t len, location_len = 0;
	int r;

	if (name_len == 0 || !text_is_clean(name, name_len) || memchr(name, ' ', name_len) ||
	    memchr(name, ':', name_len))
		return err_set(e, -EINVAL, "channel '%s': not a channel's name",
			       QUOTE(name, name_len));
	for (len = name_len; len > 0 && !location;) {
		location = custom_location(c, name, len);
		location_len = location ? strlen(location) : 0;
		if (!location)
			location = default_location(c, name, len, &location_len);
		for (len--; len > 0 && name[len] != '/'; len--)
			;
	}
	if (!location && name_len == 5 && memcmp(name, "local", 5) == 0)
		return err_set(e, -EINVAL,
			       "channel 'local': conda-build's own folder is not looked "
			       "for; give its path");
	if (!location) {
		location = c->channel_alias;
		location_len = strlen(location);
	}
	buf_add(&text, location, location_len);
	r = buf_end(&text, e);
	if (r == 0)
		r = add_location(text.bytes, ret, e);
	if (r < 0)
		return r;
	buf_addc(ret, '/');
	buf_add(ret, name, name_len);
	return buf_end(ret, e);
}

/* What the user wrote as a URL that may carry credentials. */
static int url_of(const struct config *c, const char *text, struct buf *ret, struct err *e)
{
	AUTO_BUF path = BUF(PATH_MAX);
	size_t keep = 0, from = 0;
	int r = 0;

	if (has_scheme(text)) {
		buf_adds(ret, text);
	} else if (is_path(text)) {
		r = absolute(text, &path, e);
		if (r == 0)
			r = url_from_path(path.bytes, ret, e);
	} else {
		from = strspn(text, "/");
		r = url_of_name(c, text + from, trimmed(text, 0) - from, ret, e);
	}
	if (r == 0)
		r = buf_end(ret, e);
	if (r == 0)
		r = url_check(ret->bytes, e);
	if (r < 0)
		return err_wrap(e, r, "channel '%s'", URL_SHOWN(text));
	if (strpbrk(ret->bytes, "?#"))
		return err_set(e, -EINVAL, "channel '%s': has a query or fragment",
			       URL_SHOWN(text));
	keep = (size_t)(strstr(ret->bytes, "://") + 3 - ret->bytes);
	ret->len = trimmed(ret->bytes, keep);
	ret->bytes[ret->len] = '\0';
	if (ret->len == keep)
		return err_set(e, -EINVAL, "channel '%s': names no place", URL_SHOWN(text));
	return 0;
}

static void channel_done(struct channel *ch)
{
	free(ch->name);
	free(ch->url);
	free(ch->auth_url);
	free(ch->multi);
	*ch = (struct channel){ 0 };
}

static int add(struct channels *cs, const struct config *c, const char *text, const char *multi,
	       struct err *e)
{
	AUTO_BUF auth = BUF(2 * URL_BYTES_MAX);
	AUTO_BUF url = BUF(2 * URL_BYTES_MAX);
	AUTO_BUF name = BUF(2 * URL_BYTES_MAX);
	struct channel *grown, *ch;
	int r = url_of(c, text, &auth, e);

	if (r == 0)
		r = strip(auth.bytes, &url, e);
	if (r == 0)
		r = name_of(c, url.bytes, &name, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < cs->count; i++)
		if (strcmp(cs->list[i].url, url.bytes) == 0)
			return 0;
	if (cs->count >= CHANNELS_MAX)
		return err_set(e, -EFBIG, "more than %d channels", CHANNELS_MAX);
	grown = reallocarray(cs->list, cs->count + 1, sizeof(*grown));
	if (!grown)
		return err_nomem(e);
	cs->list = grown;
	ch = &grown[cs->count];
	*ch = (struct channel){ .name = buf_take(&name),
				.url = buf_take(&url),
				.auth_url = buf_take(&auth),
				.multi = multi ? strdup(multi) : NULL };
	if (!ch->name || !ch->url || !ch->auth_url || (multi && !ch->multi)) {
		channel_done(ch);
		return err_nomem(e);
	}
	cs->count++;
	return 0;
}

static int add_multi(struct channels *cs, const struct config *c, const char *name,
		     const struct config_list *list, struct err *e)
{
	int r = 0;

	for (size_t i = 0; i < list->count && r == 0; i++)
		r = add(cs, c, list->items[i], name, e);
	return r < 0 ? err_wrap(e, r, "channel '%s'", name) : 0;
}

/* Which multichannel a name is. "defaults" cannot be redefined, as in conda. */
static bool find_multi(const struct config *c, const char *name, size_t len, const char **ret_name,
		       struct config_list *ret)
{
	if (len == 8 && memcmp(name, "defaults", 8) == 0) {
		*ret_name = "defaults";
		*ret = (struct config_list){ c->default_channels, c->default_channel_count };
		return true;
	}
	for (size_t i = 0; i < c->custom_multichannel_count; i++) {
		const struct config_multi *m = &c->custom_multichannels[i];

		if (strncmp(m->name, name, len) != 0 || m->name[len])
			continue;
		*ret_name = m->name;
		*ret = (struct config_list){ m->channels, m->count };
		return true;
	}
	return false;
}

/* A channel that was named by itself belongs to its multichannel all the same. */
static int set_multis(struct channels *cs, const struct config *c, struct err *e)
{
	for (size_t m = 0; m <= c->custom_multichannel_count; m++) {
		AUTO(channels_done) struct channels members = { 0 };
		const char *name = m == 0 ? "defaults" : c->custom_multichannels[m - 1].name;
		struct config_list list;
		int r;

		if (!find_multi(c, name, strlen(name), &name, &list))
			continue;
		r = add_multi(&members, c, name, &list, e);
		if (r < 0)
			return r;
		for (size_t i = 0; i < cs->count; i++)
			for (size_t j = 0; j < members.count && !cs->list[i].multi; j++) {
				if (strcmp(members.list[j].url, cs->list[i].url) != 0)
					continue;
				cs->list[i].multi = strdup(name);
				if (!cs->list[i].multi)
					return err_nomem(e);
			}
	}
	return 0;
}

int channels_resolve(struct channels *ret, const struct config *c, const char *const *names,
		     size_t count, struct err *e)
{
	static const char *const fallback[] = { "defaults" };
	AUTO(channels_done) struct channels cs = { 0 };
	int r = 0;

	if (count == 0) {
		names = (const char *const *)c->channels;
		count = c->channel_count;
	}
	if (count == 0) {
		names = fallback;
		count = 1;
	}
	for (size_t i = 0; i < count && r == 0; i++) {
		struct config_list list;
		const char *multi;

		if (!has_scheme(names[i]) && !is_path(names[i]) &&
		    find_multi(c, names[i], trimmed(names[i], 0), &multi, &list))
			r = add_multi(&cs, c, multi, &list, e);
		else
			r = add(&cs, c, names[i], NULL, e);
	}
	if (r == 0)
		r = set_multis(&cs, c, e);
	if (r < 0)
		return r;
	*ret = cs;
	cs = (struct channels){ 0 };
	return 0;
}

void channels_done(struct channels *cs)
{
	for (size_t i = 0; i < cs->count; i++)
		channel_done(&cs->list[i]);
	free(cs->list);
	*cs = (struct channels){ 0 };
}

bool channel_is(const struct channel *ch, const char *spec_channel)
{
	AUTO_BUF plain = BUF(2 * URL_BYTES_MAX);
	AUTO_BUF path = BUF(PATH_MAX);
	size_t len;

	if (has_scheme(spec_channel)) {
		url_strip(spec_channel, &plain);
	} else if (is_path(spec_channel)) {
		if (absolute(spec_channel, &path, NULL) < 0 ||
		    url_from_path(path.bytes, &plain, NULL) < 0)
			return false;
	} else {
		buf_adds(&plain, spec_channel);
	}
	if (buf_end(&plain, NULL) < 0)
		return false;
	len = trimmed(plain.bytes, 0);
	return (strncmp(ch->name, plain.bytes, len) == 0 && !ch->name[len]) ||
	       (strncmp(ch->url, plain.bytes, len) == 0 && !ch->url[len]) ||
	       (ch->multi && strncmp(ch->multi, plain.bytes, len) == 0 && !ch->multi[len]);
}
