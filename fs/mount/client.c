/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands' side of control.h.
 */
#include "base/auto.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/map.h"
#include "base/sys.h"
#include "mount/control.h"
#include "mount/place.h"
#include "mount/wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define SERVED_MAX 65536

static int read_reply(int fd, struct json_doc **ret, struct err *e)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	AUTO_BUF text = BUF(CONTROL_BYTES_MAX);
	const char *why;
	int64_t code = 0;
	int r = wire_receive(fd, &text, e);

	if (r == 0)
		r = json_parse(&doc, text.bytes, text.len, e);
	if (r < 0)
		return r;
	if (!json_true(json_get(json_root(doc), "ok"))) {
		why = json_get_text(json_root(doc), "error");
		if (!json_i64(json_get(json_root(doc), "code"), &code) || code >= 0 || code < -4095)
			code = -EIO;
		return err_set(e, (int)code, "%s", why ? why : "the daemon refused");
	}
	*ret = TAKE_PTR(doc);
	return 0;
}

static int call_socket(const struct runtime *rt, const char *name, const char *request, size_t len,
		       struct json_doc **ret, struct err *e)
{
	AUTO_FD fd = -1;
	int r = wire_connect(rt, name, &fd, e);

	if (r == -ECONNREFUSED)
		(void)unlinkat(rt->dir, name, 0); /* nobody listens any more */
	if (r == 0)
		r = wire_send(fd, request, len, e);
	return r < 0 ? r : read_reply(fd, ret, e);
}

int control_call(const char *dir, const char *request, size_t len, struct json_doc **ret,
		 struct err *e)
{
	AUTO_RUNTIME rt = { .dir = -1 };
	char name[RUNTIME_NAME_BYTES];
	int r = runtime_open(&rt, 0, e);

	if (r == 0) {
		runtime_name(dir, "sock", name);
		r = call_socket(&rt, name, request, len, ret, e);
	}
	if (r == -ENOENT || r == -ECONNREFUSED)
		return err_set(e, -ENOENT, "nothing of this user is mounted on '%s'", dir);
	return r;
}

static const char status_request[] = "{\"op\":\"status\"}";

int control_status(const char *dir, struct json_doc **ret, struct err *e)
{
	return control_call(dir, status_request, sizeof(status_request) - 1, ret, e);
}

void served_free(struct served *s)
{
	free(s->dir);
	free(s->store);
	*s = (struct served){ 0 };
}

void served_done(struct served_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		served_free(&l->list[i]);
	free(l->list);
	*l = (struct served_list){ 0 };
}

struct finding {
	struct runtime rt;
	struct served_list *list;
	size_t cap;
	struct err *e;
};

static int add_served(struct finding *f, const struct json *status)
{
	const char *dir = json_get_text(status, "mount"), *store = json_get_text(status, "store");
	struct served s = { 0 };
	uint64_t pid = 0;
	int r;

	(void)json_u64(json_get(status, "pid"), &pid);
	s.pid = (pid_t)pid;
	if (!dir || !store)
		return 0;
	r = GROW(f->list->list, f->cap, f->list->count + 1, SERVED_MAX, f->e);
	if (r < 0)
		return r;
	s.dir = strdup(dir);
	s.store = strdup(store);
	f->list->list[f->list->count++] = s;
	return s.dir && s.store ? 0 : err_nomem(f->e);
}

static int look_at_socket(void *ctx, const char *name, unsigned char type)
{
	static const char request[] = "{\"op\":\"hello\"}";
	struct finding *f = ctx;
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	size_t len = strlen(name);

	(void)type;
	if (len < 6 || strcmp(name + len - 5, ".sock") != 0)
		return 0;
	/* One that does not answer cannot say which mount it is. */
	if (call_socket(&f->rt, name, request, sizeof(request) - 1, &doc, NULL) < 0)
		return 0;
	return add_served(f, json_root(doc));
}

static int by_dir(const void *a, const void *b)
{
	return strcmp(((const struct served *)a)->dir, ((const struct served *)b)->dir);
}

int served_find(struct served_list *ret, struct err *e)
{
	AUTO(served_done) struct served_list found = { 0 };
	struct finding f = { .rt = { .dir = -1 }, .list = &found, .e = e };
	int r = runtime_open(&f.rt, 0, e);

	if (r == -ENOENT) {
		*ret = (struct served_list){ 0 };
		return 0;
	}
	if (r < 0)
		return r;
	r = sys_each_name(f.rt.dir, look_at_socket, &f);
	if (r < 0 && !(e && e->code))
		(void)err_set(e, r, "runtime folder '%s': %s", f.rt.path, strerror(-r));
	runtime_done(&f.rt);
	if (r < 0)
		return r;
	if (found.count > 0)
		qsort(found.list, found.count, sizeof(*found.list), by_dir);
	*ret = found;
	found = (struct served_list){ 0 };
	return 0;
}

static bool same_path(const char *path, const char *real)
{
	char room[PATH_MAX];

	return strcmp(path, real) == 0 || (realpath(path, room) && strcmp(room, real) == 0);
}

int served_one(const char *dir, const char *store, struct served *ret, struct err *e)
{
	AUTO(served_done) struct served_list all = { 0 };
	struct served *found = NULL;
	int r = served_find(&all, e);

	if (r < 0)
		return r;
	/* By its name first: resolving it asks the file system that is mounted there. */
	for (size_t i = 0; dir && i < all.count && !found; i++)
		if (strcmp(dir, all.list[i].dir) == 0)
			found = &all.list[i];
	for (size_t i = 0; !(dir && found) && i < all.count; i++) {
		struct served *s = &all.list[i];

		if (dir ? !same_path(dir, s->dir) : !same_path(store, s->store))
			continue;
		if (found)
			return err_set(e, -EEXIST,
				       "store '%s' is mounted on '%s' and on '%s': say --mount DIR",
				       store, found->dir, s->dir);
		found = s;
	}
	if (!found)
		return dir ? err_set(e, -ENOENT, "nothing of this user is mounted on '%s'", dir)
			   : err_set(e, -ENOENT, "store '%s' is not mounted", store);
	*ret = *found;
	*found = (struct served){ 0 };
	return 0;
}

/* Sends it to every mount of the store; how many said yes. */
static int tell_all(const char *store, const struct buf *request)
{
	AUTO(served_done) struct served_list all = { 0 };
	int told = 0;

	if (buf_end(request, NULL) < 0 || served_find(&all, NULL) < 0)
		return 0;
	for (size_t i = 0; i < all.count; i++) {
		AUTO(json_doc_freep) struct json_doc *doc = NULL;

		if (same_path(store, all.list[i].store) &&
		    control_call(all.list[i].dir, request->bytes, request->len, &doc, NULL) == 0)
			told++;
	}
	return told;
}

int control_changed(const char *store, const char *name)
{
	AUTO_BUF request = BUF(CONTROL_BYTES_MAX);
	struct jsonw w = JSONW(&request, 0);

	jsonw_object(&w);
	jsonw_member_text(&w, "op", "changed");
	jsonw_member_text(&w, "name", name);
	jsonw_object_end(&w);
	return tell_all(store, &request);
}

int control_credentials(const char *store, const char *const *auth_urls, size_t count)
{
	AUTO_BUF request = BUF(CONTROL_BYTES_MAX);
	struct jsonw w = JSONW(&request, 0);
	int told;

	jsonw_object(&w);
	jsonw_member_text(&w, "op", "credentials");
	jsonw_key(&w, "urls");
	jsonw_array(&w);
	for (size_t i = 0; i < count; i++)
		jsonw_text(&w, auth_urls[i]);
	jsonw_array_end(&w);
	jsonw_object_end(&w);
	told = tell_all(store, &request);
	explicit_bzero(request.bytes, request.len);
	return told;
}

#define GONE_TRIES    50
#define GONE_PAUSE_MS 100

/* The daemon removes its socket when it has let go of the mount point. */
static int wait_gone(const char *dir, struct err *e)
{
	const struct timespec pause = { .tv_nsec = GONE_PAUSE_MS * 1000000L };
	char name[RUNTIME_NAME_BYTES];
	AUTO_RUNTIME rt = { .dir = -1 };
	int r = runtime_open(&rt, 0, e);

	if (r < 0)
		return r;
	runtime_name(dir, "sock", name);
	for (int i = 0; i < GONE_TRIES; i++) {
		if (faccessat(rt.dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			return 0;
		(void)nanosleep(&pause, NULL);
	}
	return err_set(e, -ETIMEDOUT, "the daemon of '%s' does not end", dir);
}

int control_stop(const char *dir, bool lazy, struct err *e)
{
	AUTO(json_doc_freep) struct json_doc *doc = NULL;
	AUTO_BUF request = BUF(CONTROL_BYTES_MAX);
	struct jsonw w = JSONW(&request, 0);
	int r;

	jsonw_object(&w);
	jsonw_member_text(&w, "op", "stop");
	jsonw_member_bool(&w, "lazy", lazy);
	jsonw_object_end(&w);
	r = buf_end(&request, e);
	if (r == 0)
		r = control_call(dir, request.bytes, request.len, &doc, e);
	return r < 0 ? r : wait_gone(dir, e);
}
