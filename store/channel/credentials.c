/* SPDX-License-Identifier: Apache-2.0 */
#include "base/auto.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/url.h"
#include "channel/channel.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct pair {
	char *url;	/* owned; without credentials and without a slash at the end */
	char *auth_url; /* owned; the same with them */
};

struct credentials {
	pthread_mutex_t lock; /* protects what follows */
	struct pair *pairs;   /* owned */
	size_t count, cap;
};

int credentials_open(struct credentials **ret, struct err *e)
{
	struct credentials *c = calloc(1, sizeof(*c));

	if (!c)
		return err_nomem(e);
	(void)pthread_mutex_init(&c->lock, NULL);
	*ret = c;
	return 0;
}

struct credentials *credentials_free(struct credentials *c)
{
	if (!c)
		return NULL;
	for (size_t i = 0; i < c->count; i++) {
		free(c->pairs[i].url);
		free(c->pairs[i].auth_url);
	}
	free(c->pairs);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
	return NULL;
}

static void drop_slashes(struct buf *b)
{
	while (b->len > 0 && b->bytes[b->len - 1] == '/')
		b->bytes[--b->len] = '\0';
}

/* Takes both texts. The later of two for the same place counts. */
static int put(struct credentials *c, char *url, char *auth_url, struct err *e)
{
	int r = 0;

	(void)pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->count && url; i++) {
		if (strcmp(c->pairs[i].url, url) != 0)
			continue;
		free(c->pairs[i].auth_url);
		c->pairs[i].auth_url = TAKE_PTR(auth_url);
		free(url);
		url = NULL;
	}
	if (url) {
		r = GROW(c->pairs, c->cap, c->count + 1, SPECS_MAX, e);
		if (r == 0)
			c->pairs[c->count++] = (struct pair){ TAKE_PTR(url), TAKE_PTR(auth_url) };
	}
	(void)pthread_mutex_unlock(&c->lock);
	free(url);
	free(auth_url);
	return r;
}

int credentials_add(struct credentials *c, const char *auth_url, struct err *e)
{
	AUTO_BUF url = BUF(2 * URL_BYTES_MAX);
	AUTO_BUF auth = BUF(2 * URL_BYTES_MAX);
	char *plain, *with;
	int r;

	if (!url_has_credentials(auth_url))
		return 0;
	buf_adds(&auth, auth_url);
	url_strip(auth_url, &url);
	r = buf_end(&auth, e);
	if (r == 0)
		r = buf_end(&url, e);
	if (r < 0)
		return r;
	drop_slashes(&auth);
	drop_slashes(&url);
	plain = buf_take(&url);
	with = buf_take(&auth);
	if (plain && with)
		return put(c, plain, with, e);
	free(plain);
	free(with);
	return err_nomem(e);
}

static int add_channels(struct credentials *c, const struct config *cfg, char *const *names,
			size_t count, struct err *e)
{
	AUTO(channels_done) struct channels cs = { 0 };
	int r = count > 0 ? channels_resolve(&cs, cfg, (const char *const *)names, count, e) : 0;

	for (size_t i = 0; i < cs.count && r == 0; i++)
		r = credentials_add(c, cs.list[i].auth_url, e);
	return r;
}

int credentials_add_config(struct credentials *c, const struct config *cfg, struct err *e)
{
	int r = credentials_add(c, cfg->channel_alias, e);

	for (size_t i = 0; i < cfg->custom_channel_count && r == 0; i++)
		r = credentials_add(c, cfg->custom_channels[i].value, e);
	if (r == 0)
		r = add_channels(c, cfg, cfg->default_channels, cfg->default_channel_count, e);
	for (size_t i = 0; i < cfg->custom_multichannel_count && r == 0; i++)
		r = add_channels(c, cfg, cfg->custom_multichannels[i].channels,
				 cfg->custom_multichannels[i].count, e);
	return r < 0 ? r : add_channels(c, cfg, cfg->channels, cfg->channel_count, e);
}

/* The pair with the longest place that url lies below, or is. The lock is held. */
static const struct pair *find(const struct credentials *c, const char *url)
{
	const struct pair *found = NULL;
	size_t found_len = 0;

	for (size_t i = 0; i < c->count; i++) {
		const struct pair *p = &c->pairs[i];
		size_t len = strlen(p->url);

		if (len < found_len || strncmp(url, p->url, len) != 0 ||
		    (url[len] && url[len] != '/'))
			continue;
		found = p;
		found_len = len;
	}
	return found;
}

int credentials_apply(struct credentials *c, const char *url, struct buf *ret, struct err *e)
{
	const struct pair *p;

	(void)pthread_mutex_lock(&c->lock);
	p = url_has_credentials(url) ? NULL : find(c, url);
	if (p)
		buf_adds(ret, p->auth_url);
	buf_adds(ret, p ? url + strlen(p->url) : url);
	(void)pthread_mutex_unlock(&c->lock);
	return buf_end(ret, e);
}
