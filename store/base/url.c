/* SPDX-License-Identifier: Apache-2.0 */
#include "base/url.h"

#include "base/limits.h"
#include "base/path.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Where the credentials stand in a URL; lengths 0 when there are none. */
struct parts {
	size_t host;		 /* first byte after "://" */
	size_t user_len;	 /* "user:password@", with the '@' */
	size_t token, token_len; /* "/t/TOKEN" */
};

static struct parts url_parts(const char *url)
{
	const char *host = strstr(url, "://"), *slash, *at, *token;
	struct parts p = { 0 };

	if (!host || url_is_file(url)) /* a folder may well be called "t" */
		return p;
	host += 3;
	p.host = (size_t)(host - url);
	slash = host + strcspn(host, "/?#");
	at = memrchr(host, '@', (size_t)(slash - host));
	if (at)
		p.user_len = (size_t)(at + 1 - host);
	token = strstr(slash, "/t/");
	if (token && token[3] && token[3] != '/') {
		p.token = (size_t)(token - url);
		p.token_len = 3 + strcspn(token + 3, "/?#");
	}
	return p;
}

int url_check(const char *url, struct err *e)
{
	size_t len = strlen(url);

	if (len > URL_BYTES_MAX)
		return err_set(e, -EINVAL, "URL '%s': %zu bytes, more than %d", URL_SHOWN(url), len,
			       URL_BYTES_MAX);
	if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0 &&
	    strncasecmp(url, "file://", 7) != 0)
		return err_set(e, -EINVAL, "URL '%s': not http, https or file", URL_SHOWN(url));
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)url[i] <= 0x20 || url[i] == 0x7f)
			return err_set(e, -EINVAL, "URL '%s': holds a blank or control byte",
				       URL_SHOWN(url));
	if (!url_is_file(url)) {
		struct parts p = url_parts(url);

		/* libcurl would take the path's first part for it. */
		if (strchr("/?#:", url[p.host + p.user_len]))
			return err_set(e, -EINVAL, "URL '%s': names no host", URL_SHOWN(url));
	}
	return 0;
}

bool url_is_file(const char *url)
{
	return strncasecmp(url, "file://", 7) == 0;
}

bool url_has_credentials(const char *url)
{
	struct parts p = url_parts(url);

	return p.user_len > 0 || p.token_len > 0;
}

static void replaced(const char *url, const char *user, const char *token, struct buf *ret)
{
	struct parts p = url_parts(url);
	size_t from = p.host + p.user_len;

	buf_add(ret, url, p.host);
	if (p.user_len > 0)
		buf_adds(ret, user);
	if (p.token_len > 0) {
		buf_add(ret, url + from, p.token - from);
		buf_adds(ret, token);
		from = p.token + p.token_len;
	}
	buf_adds(ret, url + from);
}

void url_strip(const char *url, struct buf *ret)
{
	replaced(url, "", "", ret);
}

const char *url_redact(const char *url, char *room, size_t room_len)
{
	AUTO_BUF b = BUF(URL_BYTES_MAX * 2);

	replaced(url, "***@", "/t/***", &b);
	(void)snprintf(room, room_len, "%s", b.bytes);
	for (char *c = room; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	return room;
}

int url_from_path(const char *path, struct buf *ret, struct err *e)
{
	if (path[0] != '/')
		return err_set(e, -EINVAL, "'%s': not an absolute path", path);
	buf_adds(ret, "file://");
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if (isalnum(c) || strchr("/-._~+!@,:=()$&'*;", c))
			buf_addc(ret, (char)c);
		else
			buf_addf(ret, "%%%02X", c);
	}
	return buf_end(ret, e);
}

int url_to_path(const char *url, struct buf *ret, struct err *e)
{
	const char *at = url + 7;

	if (!url_is_file(url))
		return err_set(e, -EINVAL, "URL '%s': not a file URL", URL_SHOWN(url));
	if (strncasecmp(at, "localhost/", 10) == 0)
		at += 9;
	if (*at != '/')
		return err_set(e, -EINVAL, "URL '%s': names a host; only local files are read",
			       URL_SHOWN(url));
	for (; *at; at++) {
		char hex[3] = { 0 };
		unsigned int byte;

		if (*at != '%') {
			buf_addc(ret, *at);
			continue;
		}
		if (!isxdigit((unsigned char)at[1]) || !isxdigit((unsigned char)at[2]))
			return err_set(e, -EINVAL, "URL '%s': bad percent sign", URL_SHOWN(url));
		memcpy(hex, at + 1, 2);
		if (sscanf(hex, "%x", &byte) != 1 || byte == 0)
			return err_set(e, -EINVAL, "URL '%s': holds %%00", URL_SHOWN(url));
		buf_addc(ret, (char)byte);
		at += 2;
	}
	return buf_end(ret, e);
}

const char *url_file_name(const char *url, size_t *ret_len)
{
	size_t end = strcspn(url, "?#"), start = end;

	while (start > 0 && url[start - 1] != '/')
		start--;
	*ret_len = end - start;
	return url + start;
}

int url_join(const char *base, const char *ref, struct buf *ret, struct err *e)
{
	const char *host = strstr(base, "://"), *root, *end;

	if (strstr(ref, "://")) {
		buf_adds(ret, ref);
		return buf_end(ret, e);
	}
	if (!host)
		return err_set(e, -EINVAL, "'%s': not a URL", URL_SHOWN(base));
	root = host + 3 + strcspn(host + 3, "/?#");
	end = base + strcspn(base, "?#");
	if (ref[0] == '/') {
		end = root;
	} else {
		while (end > root && end[-1] != '/')
			end--;
		for (; strncmp(ref, "../", 3) == 0 || strncmp(ref, "./", 2) == 0;
		     ref = strchr(ref, '/') + 1) {
			if (ref[1] == '/')
				continue;
			if (end <= root + 1)
				return err_set(e, -EINVAL, "'%s' leaves '%s'", ref,
					       URL_SHOWN(base));
			for (end--; end[-1] != '/'; end--)
				;
		}
	}
	buf_add(ret, base, (size_t)(end - base));
	if (end == root && ref[0] != '/')
		buf_addc(ret, '/');
	buf_adds(ret, ref);
	return buf_end(ret, e);
}
