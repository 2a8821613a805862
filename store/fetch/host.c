/* SPDX-License-Identifier: Apache-2.0 */
#include "fetch/room.h"

#include "base/limits.h"
#include "base/sys.h"
#include "base/url.h"

#include <assert.h>
#include <string.h>

/* scheme://host:port of url, in lower case as curl writes it. */
static int host_key(const char *url, char **ret, struct err *e)
{
	AUTO_BUF key = BUF(URL_BYTES_MAX * 2);
	CURLU *u;
	char *scheme = NULL, *name = NULL, *port = NULL;
	int r = 0;

	if (url_is_file(url)) {
		*ret = strdup("file:");
		return *ret ? 0 : err_nomem(e);
	}
	u = curl_url();
	if (!u)
		return err_nomem(e);
	if (curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_HOST, &name, 0) != CURLUE_OK ||
	    curl_url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
		r = err_set(e, -EINVAL, "not a URL that can be fetched");
	else
		buf_addf(&key, "%s://%s:%s", scheme, name, port);
	curl_free(scheme);
	curl_free(name);
	curl_free(port);
	curl_url_cleanup(u);
	if (r < 0)
		return r;
	for (size_t i = 0; i < key.len; i++)
		if (key.bytes[i] >= 'A' && key.bytes[i] <= 'Z')
			key.bytes[i] = (char)(key.bytes[i] - 'A' + 'a');
	r = buf_end(&key, e);
	if (r < 0)
		return r;
	*ret = buf_take(&key);
	return *ret ? 0 : err_nomem(e);
}

int host_hold(struct fetcher *f, const char *url, struct host **ret, struct err *e)
{
	AUTO_MEM char *key = NULL;
	struct host *h;
	int r = host_key(url, &key, e);

	if (r < 0)
		return r;
	for (h = f->hosts; h; h = h->next)
		if (strcmp(h->key, key) == 0)
			break;
	if (!h) {
		h = calloc(1, sizeof(*h));
		if (!h)
			return err_nomem(e);
		for (int i = 0; i < PRIORITY_COUNT; i++)
			chain_init(&h->waiting[i]);
		h->local = strcmp(key, "file:") == 0;
		h->key = TAKE_PTR(key);
		h->next = f->hosts;
		f->hosts = h;
	}
	h->users++;
	*ret = h;
	return 0;
}

void host_drop(struct fetcher *f, struct host **held)
{
	struct host *h = TAKE_PTR(*held), **at = &f->hosts;

	if (!h || --h->users > 0)
		return;
	assert(h->waiting_count == 0 && h->running == 0);
	while (*at != h)
		at = &(*at)->next;
	*at = h->next;
	free(h->key);
	free(h);
}

static int clamped(int priority)
{
	return priority < 0 ? 0 : priority >= PRIORITY_COUNT ? PRIORITY_COUNT - 1 : priority;
}

/* first: what is under way already goes on before what has not begun. */
void host_queue(struct fetcher *f, struct request *r, bool first)
{
	struct chain *row = &r->host->waiting[clamped(r->rq.priority)];

	(first ? chain_put_first : chain_put_last)(row, &r->link);
	r->state = REQUEST_WAITING;
	r->waited_ns = sys_now_ns();
	r->host->waiting_count++;
	f->waiting_count++;
	f->busy = true;
}

void host_unqueue(struct fetcher *f, struct request *r)
{
	chain_out(&r->link);
	r->host->waiting_count--;
	f->waiting_count--;
}

/* Streams of one HTTP/2 connection cost no connections, but others want a turn too. */
static bool is_full(const struct host *h)
{
	return h->running >= (h->multiplexed ? HOST_STREAMS_MAX : HOST_CONNECTIONS_MAX);
}

void host_enter(struct fetcher *f, struct host *h)
{
	h->running++;
	*(h->local ? &f->local_running : &f->remote_running) += 1;
	if (is_full(h))
		h->full_ns = sys_now_ns();
}

void host_leave(struct fetcher *f, struct host *h)
{
	if (is_full(h))
		h->full_ns = sys_now_ns();
	h->running--;
	*(h->local ? &f->local_running : &f->remote_running) -= 1;
	f->busy = true; /* there is room for another */
}

uint64_t host_still_since(const struct host *h, const struct request *r, uint64_t now)
{
	if (h->full_ns < r->waited_ns)
		return now;
	return h->progress_ns > r->waited_ns ? h->progress_ns : r->waited_ns;
}

struct request *host_next(struct fetcher *f)
{
	struct chain *best = NULL;
	int best_priority = -1;

	if (f->waiting_count == 0)
		return NULL;
	for (struct host *h = f->hosts; h; h = h->next) {
		if (h->waiting_count == 0 || is_full(h) ||
		    (!h->local && f->remote_running >= CONNECTIONS_MAX))
			continue;
		for (int i = PRIORITY_COUNT - 1; i > best_priority; i--) {
			if (chain_is_empty(&h->waiting[i]))
				continue;
			best = h->waiting[i].next;
			best_priority = i;
		}
	}
	return best ? CHAIN_THING(best, struct request, link) : NULL;
}
