/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon does with a request of the control socket (docs/mount.md).
 */
#include "base/log.h"
#include "base/limits.h"
#include "env/env.h"
#include "mount/daemon.h"

#include <string.h>

typedef int answer_fn(struct daemon *d, const struct json *request, struct jsonw *w, bool *ret_stop,
		      struct err *e);

/* Who is there: enough to choose a mount by. */
static int answer_hello(struct daemon *d, const struct json *request, struct jsonw *w,
			bool *ret_stop, struct err *e)
{
	(void)request;
	(void)ret_stop;
	(void)e;
	jsonw_member_text(w, "mount", d->dir);
	jsonw_member_text(w, "store", d->store->path);
	jsonw_member_u64(w, "pid", (uint64_t)getpid());
	jsonw_member_text(w, "version", ENVFS_VERSION);
	return 0;
}

static int answer_status(struct daemon *d, const struct json *request, struct jsonw *w,
			 bool *ret_stop, struct err *e)
{
	int r = answer_hello(d, request, w, ret_stop, e);

	status_write(d, w);
	return r;
}

static int answer_changed(struct daemon *d, const struct json *request, struct jsonw *w,
			  bool *ret_stop, struct err *e)
{
	const char *name = json_get_text(request, "name");
	int r = env_name_check(name ? name : "", e);

	(void)w;
	(void)ret_stop;
	if (r < 0)
		return r;
	notify_name(d->notify, name);
	content_announce(d->content, name);
	return 0;
}

static int answer_credentials(struct daemon *d, const struct json *request, struct jsonw *w,
			      bool *ret_stop, struct err *e)
{
	struct json_iter it = json_iter(json_get(request, "urls"));
	const struct json *url;
	int r = 0;

	(void)w;
	(void)ret_stop;
	while (r == 0 && (url = json_next(&it))) {
		if (!json_text(url))
			return err_set(e, -EINVAL, "'urls' is not a list of texts");
		r = credentials_add(d->credentials, json_text(url), e);
	}
	return r;
}

static int answer_stop(struct daemon *d, const struct json *request, struct jsonw *w,
		       bool *ret_stop, struct err *e)
{
	int r = daemon_unmount(d, json_true(json_get(request, "lazy")), e);

	(void)w;
	*ret_stop = r == 0;
	return r;
}

static const struct {
	const char *name;
	answer_fn *fn;
} answers[] = {
	{ "hello", answer_hello },     { "status", answer_status },
	{ "changed", answer_changed }, { "credentials", answer_credentials },
	{ "stop", answer_stop },
};

static int dispatch(struct daemon *d, const struct json *request, struct jsonw *w, bool *ret_stop,
		    struct err *e)
{
	const char *op = json_get_text(request, "op");

	for (size_t i = 0; op && i < ARRAY_LEN(answers); i++)
		if (strcmp(op, answers[i].name) == 0)
			return answers[i].fn(d, request, w, ret_stop, e);
	return err_set(e, -EOPNOTSUPP, "this daemon (version %s) does not know the request '%s'",
		       ENVFS_VERSION, op ? op : "");
}

void answer_request(struct daemon *d, const struct json *request, struct buf *ret, bool *ret_stop)
{
	struct jsonw w = JSONW(ret, 0);
	struct err why = { 0 };
	int r;

	jsonw_object(&w);
	r = dispatch(d, request, &w, ret_stop, &why);
	jsonw_member_bool(&w, "ok", r == 0);
	if (r < 0) {
		jsonw_key(&w, "code");
		jsonw_i64(&w, r);
		jsonw_member_text(&w, "error", why.text);
	}
	jsonw_object_end(&w);
}
