/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Getting repodata: from the cache, a local folder, or a server. One struct job a subdir;
 * requests run side by side on the fetcher's thread, everything else here.
 */
#include "channel/repodata.h"

#include "base/limits.h"
#include "base/sys.h"
#include "base/url.h"
#include "channel/repodata_convert.h"
#include "channel/repodata_map.h"
#include "channel/repodata_state.h"
#include "channel/repodata_store.h"
#include "fetch/fetch.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define ZST		"repodata.json.zst"
#define PLAIN		"repodata.json"
#define NO_ZST_AGAIN_MS (7 * 86400 * 1000LL) /* as conda: a week later it is looked for again */
#define LOCK_BYTES	(REPODATA_KEY_BYTES + 16)

/* Shared by the jobs of one call and the fetcher's thread. */
struct arrivals {
	pthread_mutex_t lock; /* protects `arrived` and `result` of all jobs */
	pthread_cond_t cond;
};

struct job {
	struct repodata_want *want;
	const struct repodata_options *o;
	struct store *st;
	struct arrivals *arrivals;
	char key[REPODATA_KEY_BYTES];
	char lock_name[LOCK_BYTES];
	char what[NAME_BYTES_MAX + 1]; /* for progress */
	int lock_fd;		       /* -1: not held */
	struct repodata_state state;
	struct repodata *cached; /* owned; usable, perhaps not fresh */
	int fd;			 /* owned; where the document goes */
	const char *file;	 /* which one is asked for */
	uint64_t request;
	bool asking;  /* a request is out */
	bool arrived; /* under arrivals->lock: it has ended */
	struct fetch_result result;
	bool missing;
};

static void job_done(struct job *j)
{
	assert(!j->asking);
	j->cached = repodata_free(j->cached);
	auto_close(&j->fd);
	if (j->lock_fd >= 0)
		store_unlock(j->st, j->lock_name, &j->lock_fd);
}

static bool is_local(const struct job *j)
{
	return url_is_file(j->want->channel->url);
}

static int add_context(const struct job *j, int r, struct err *e)
{
	return err_wrap(e, r, "channel '%s', %s", j->want->channel->name, j->want->subdir);
}

/* What is cached, when it is whole and of this very subdir. */
static struct repodata *open_cached(const struct job *j)
{
	AUTO(repodata_freep) struct repodata *rd = NULL;

	if (repodata_open(&rd, j->st, j->key, NULL) < 0 || repodata_verify(rd, NULL) < 0 ||
	    strcmp(repodata_channel_url(rd), j->want->channel->url) != 0 ||
	    strcmp(repodata_subdir(rd), j->want->subdir) != 0)
		return NULL;
	return TAKE_PTR(rd);
}

static void load(struct job *j)
{
	j->cached = repodata_free(j->cached);
	repodata_state_load(&j->state, j->st, j->key);
	if (!j->state.missing)
		j->cached = open_cached(j);
}

static void use_cached(struct job *j, bool stale)
{
	struct repodata_want *w = j->want;

	w->ret = TAKE_PTR(j->cached);
	w->ret_stale = stale;
	w->ret_age_s = is_local(j) ? 0 : repodata_state_age_s(&j->state, sys_wall_ms());
}

static int save_state(struct job *j, struct err *e)
{
	if (j->st->read_only)
		return 0;
	return repodata_state_save(&j->state, j->st, j->key, j->want->channel->url, e);
}

/* A new index from the document in fd: published where the store can be written. */
static int convert(struct job *j, int fd, struct repodata **ret, struct err *e)
{
	const struct repodata_want *w = j->want;
	char part[NAME_BYTES_MAX + 1], name[NAME_BYTES_MAX + 1];
	AUTO_FD to = -1;
	int r = 0;

	if (j->st->read_only)
		to = sys_temp();
	else
		r = repodata_part(j->st, j->key, &to, part, e);
	if (r < 0 || to < 0)
		return r < 0 ? r : err_set(e, to, "temporary file: %s", strerror(-to));
	(void)snprintf(name, sizeof(name), "%s.idx", j->key);
	r = repodata_convert_fd(fd, to, w->channel->url, w->subdir, j->o->use_only_tar_bz2, e);
	if (r == 0)
		r = repodata_map(ret, to, e);
	if (r == 0 && !j->st->read_only) {
		r = repodata_publish(j->st, to, part, name, e);
		if (r < 0)
			*ret = repodata_free(*ret);
	}
	if (r < 0 && !j->st->read_only)
		(void)sys_unlinkat(j->st->tmp, part, 0);
	return r;
}

static int set_missing(struct job *j, struct err *e)
{
	j->missing = true;
	j->cached = repodata_free(j->cached);
	j->state.missing = true;
	j->state.file[0] = '\0';
	j->state.checked_ms = sys_wall_ms();
	return save_state(j, e);
}

/* The document of a local folder: repodata.json, else the compressed one. */
static int open_local(const struct job *j, const char **ret_file, struct stat *ret_st,
		      struct err *e)
{
	static const char *const files[] = { PLAIN, ZST };
	AUTO_BUF folder = BUF(PATH_BYTES_MAX);
	int r = url_to_path(j->want->channel->url, &folder, e);

	for (size_t i = 0; i < ARRAY_LEN(files) && r >= 0; i++) {
		AUTO_BUF path = BUF(PATH_BYTES_MAX + URL_BYTES_MAX);

		buf_addf(&path, "%s/%s/%s", folder.bytes, j->want->subdir, files[i]);
		r = buf_end(&path, e);
		if (r < 0)
			return r;
		AUTO_FD fd = sys_openat(AT_FDCWD, path.bytes, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
		if (fd == -ENOENT || fd == -ENOTDIR)
			continue;
		r = fd < 0 ? fd : sys_fstat(fd, ret_st);
		if (r < 0)
			return err_set(e, r, "'%s': %s", path.bytes, strerror(-r));
		if (!S_ISREG(ret_st->st_mode))
			return err_set(e, -EINVAL, "'%s' is no file", path.bytes);
		*ret_file = files[i];
		return TAKE_FD(fd);
	}
	return r < 0 ? r : -ENOENT;
}

/* A folder is read whenever it has changed, offline or not. */
static int get_local(struct job *j, struct err *e)
{
	const char *file;
	struct stat st;
	uint64_t mtime_ns;
	AUTO_FD fd = open_local(j, &file, &st, e);
	int r;

	if (fd == -ENOENT) {
		j->missing = true;
		return 0;
	}
	if (fd < 0)
		return fd;
	mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000ULL + (uint64_t)st.st_mtim.tv_nsec;
	if (j->cached && strcmp(j->state.file, file) == 0 && j->state.mtime_ns == mtime_ns &&
	    j->state.size == (uint64_t)st.st_size) {
		use_cached(j, false);
		return 0;
	}
	j->state = (struct repodata_state){ .mtime_ns = mtime_ns,
					    .size = (uint64_t)st.st_size,
					    .checked_ms = sys_wall_ms() };
	(void)snprintf(j->state.file, sizeof(j->state.file), "%s", file);
	r = convert(j, fd, &j->want->ret, e);
	return r < 0 ? r : save_state(j, e);
}

static void on_done(void *ctx, const struct fetch_result *result)
{
	struct job *j = ctx;

	(void)pthread_mutex_lock(&j->arrivals->lock);
	j->result = *result;
	j->arrived = true;
	(void)pthread_cond_signal(&j->arrivals->cond);
	(void)pthread_mutex_unlock(&j->arrivals->lock);
}

static void on_progress(void *ctx, uint64_t bytes, uint64_t total)
{
	const struct job *j = ctx;

	j->o->progress(j->o->ctx, j->what, bytes, total);
}

/* A file for the document that goes when it is closed, so that nothing stays of it. */
static int make_room(struct job *j, struct err *e)
{
	char part[NAME_BYTES_MAX + 1];
	int r = 0;

	auto_close(&j->fd);
	if (j->st->read_only)
		j->fd = sys_temp();
	else
		r = repodata_part(j->st, j->key, &j->fd, part, e);
	if (r < 0 || j->fd < 0)
		return r < 0 ? r : err_set(e, j->fd, "temporary file: %s", strerror(-j->fd));
	if (!j->st->read_only)
		(void)sys_unlinkat(j->st->tmp, part, 0);
	return 0;
}

static int ask(struct job *j, const char *file, struct err *e)
{
	AUTO_BUF url = BUF(3 * URL_BYTES_MAX);
	/* Of what another file's validators say nothing is known. */
	bool known = j->cached && strcmp(j->state.file, file) == 0;
	int r = make_room(j, e);

	j->file = file;
	buf_addf(&url, "%s/%s/%s", j->want->channel->auth_url, j->want->subdir, file);
	if (r == 0)
		r = buf_end(&url, e);
	if (r < 0)
		return r;
	j->arrived = false;
	r = fetch_start(j->o->fetcher,
			&(struct fetch_request){
				.url = url.bytes,
				.fd = j->fd,
				.bytes_max = REPODATA_BYTES_MAX,
				.etag = known && j->state.etag[0] ? j->state.etag : NULL,
				.last_modified = known && j->state.last_modified[0]
							 ? j->state.last_modified
							 : NULL,
				.priority = 1,
				.done = on_done,
				.progress = j->o->progress ? on_progress : NULL,
				.ctx = j,
			},
			&j->request, e);
	j->asking = r == 0;
	return r;
}

static int go_offline(struct job *j, struct err *e)
{
	if (j->state.missing) {
		j->missing = true;
		return 0;
	}
	if (!j->cached)
		return err_set(
			e, -EHOSTUNREACH,
			"its repodata is not in the store, and this is an offline run: do it "
			"once without --offline");
	use_cached(j, true);
	(void)err_set(&j->want->ret_why, -EHOSTUNREACH, "offline");
	return 0;
}

/* Answers from the cache, or sends the first request. */
static int begin(struct job *j, struct err *e)
{
	bool offline = j->o->offline || !j->o->fetcher;
	int64_t now = sys_wall_ms();
	int r;

	load(j);
	if (!is_local(j) && j->cached && repodata_state_is_fresh(&j->state, j->o->ttl, now)) {
		use_cached(j, false);
		return 0;
	}
	if (offline && !is_local(j))
		return go_offline(j, e);
	if (!j->st->read_only) {
		r = store_lock(j->st, j->lock_name, true, &j->lock_fd, e);
		if (r < 0)
			return r;
		/* Another may have fetched it while this one waited. */
		load(j);
		now = sys_wall_ms();
		if (!is_local(j) && j->cached &&
		    repodata_state_is_fresh(&j->state, j->o->ttl, now)) {
			use_cached(j, false);
			return 0;
		}
	}
	if (is_local(j))
		return get_local(j, e);
	if (j->state.no_zst_ms && j->state.no_zst_ms <= now &&
	    now - j->state.no_zst_ms < NO_ZST_AGAIN_MS)
		return ask(j, PLAIN, e);
	return ask(j, ZST, e);
}

/* The server could not be reached, or has older repodata: what is cached must do. */
static int fall_back(struct job *j, const struct err *why, struct err *e)
{
	if (!j->cached) {
		if (e)
			*e = *why;
		return why->code;
	}
	use_cached(j, true);
	j->want->ret_why = *why;
	return 0;
}

static void note_headers(struct job *j, const struct fetch_result *res)
{
	struct repodata_state *s = &j->state;

	(void)snprintf(s->file, sizeof(s->file), "%s", j->file);
	(void)snprintf(s->etag, sizeof(s->etag), "%s", res->etag);
	(void)snprintf(s->last_modified, sizeof(s->last_modified), "%s", res->last_modified);
	(void)snprintf(s->cache_control, sizeof(s->cache_control), "%s", res->cache_control);
	s->missing = false;
	s->mtime_ns = s->size = 0;
}

static int not_modified(struct job *j, const struct fetch_result *res, struct err *e)
{
	int r;

	if (!j->cached)
		return err_set(e, -EIO, "the server says that nothing changed, but was not asked");
	if (res->cache_control[0])
		(void)snprintf(j->state.cache_control, sizeof(j->state.cache_control), "%s",
			       res->cache_control);
	j->state.checked_ms = sys_wall_ms();
	r = save_state(j, e);
	if (r == 0)
		use_cached(j, false);
	return r;
}

/* The document is here. */
static int take_document(struct job *j, const struct fetch_result *res, struct err *e)
{
	struct repodata *rd = NULL;
	struct err why = { 0 };
	int r;

	/* A stale mirror, or somebody who replays an old state (P17). */
	if (j->cached && http_date_before(res->last_modified, j->state.last_modified)) {
		(void)err_set(&why, -ESTALE,
			      "the server's repodata is of %s, older than the cached one of %s, "
			      "which is kept (remove channels/%s.* from the store to take it)",
			      res->last_modified, j->state.last_modified, j->key);
		return fall_back(j, &why, e);
	}
	r = sys_rewind(j->fd);
	if (r < 0)
		return err_set(e, r, "temporary file: %s", strerror(-r));
	r = convert(j, j->fd, &rd, &why);
	if (r < 0 && j->file[0] && strcmp(j->file, ZST) == 0 && (r == -EINVAL || r == -EBADMSG)) {
		/* Some servers give a page for every name that they do not have. */
		j->state.no_zst_ms = sys_wall_ms();
		return ask(j, PLAIN, e);
	}
	if (r < 0) {
		if (e)
			*e = why;
		return r;
	}
	note_headers(j, res);
	if (strcmp(j->file, ZST) == 0)
		j->state.no_zst_ms = 0;
	j->state.checked_ms = sys_wall_ms();
	r = save_state(j, e);
	if (r < 0) {
		repodata_free(rd);
		return r;
	}
	j->want->ret = rd;
	return 0;
}

/* A request has ended: the job is answered, or has sent another. */
static int arrive(struct job *j, struct err *e)
{
	const struct fetch_result *res = &j->result;
	bool zst = strcmp(j->file, ZST) == 0;

	j->asking = false;
	switch (res->code) {
	case 0:
		return res->not_modified ? not_modified(j, res, e) : take_document(j, res, e);
	case -ENOENT:
		if (!zst)
			return set_missing(j, e);
		j->state.no_zst_ms = sys_wall_ms();
		return ask(j, PLAIN, e);
	case -EACCES: /* how some object stores say that there is none */
		if (zst)
			return ask(j, PLAIN, e);
		break;
	case -EHOSTUNREACH:
	case -ETIMEDOUT:
	case -EBADMSG:
	case -EIO:
		return fall_back(j, &res->err, e);
	}
	if (e)
		*e = res->err;
	return res->code;
}

static struct job *next_arrived(struct job *jobs, size_t count, struct arrivals *a)
{
	struct job *found = NULL;
	bool any = false;

	(void)pthread_mutex_lock(&a->lock);
	for (;;) {
		any = false;
		for (size_t i = 0; i < count && !found; i++) {
			any |= jobs[i].asking;
			if (jobs[i].asking && jobs[i].arrived)
				found = &jobs[i];
		}
		if (found || !any)
			break;
		(void)pthread_cond_wait(&a->cond, &a->lock);
	}
	(void)pthread_mutex_unlock(&a->lock);
	return found;
}

static int by_key(const void *left, const void *right)
{
	return strcmp(((const struct job *)left)->key, ((const struct job *)right)->key);
}

/* All of jobs, whose keys differ and are sorted: so are the locks of all processes. */
static int run(struct job *jobs, size_t count, struct arrivals *a, struct err *e)
{
	struct job *j;
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++) {
		r = begin(&jobs[i], e);
		if (r < 0)
			(void)add_context(&jobs[i], r, e);
	}
	while (r == 0 && (j = next_arrived(jobs, count, a))) {
		r = arrive(j, e);
		if (r < 0)
			(void)add_context(j, r, e);
		else if (!j->asking && j->lock_fd >= 0)
			store_unlock(j->st, j->lock_name, &j->lock_fd);
	}
	/* The others write into memory of this call: they are cancelled and waited for. */
	for (size_t i = 0; i < count && r < 0; i++)
		if (jobs[i].asking)
			fetch_cancel(jobs[i].o->fetcher, jobs[i].request);
	while (r < 0 && (j = next_arrived(jobs, count, a)))
		j->asking = false;
	for (size_t i = 0; i < count; i++)
		job_done(&jobs[i]);
	return r;
}

static int job_init(struct job *j, struct repodata_want *w, struct store *st,
		    const struct repodata_options *o, struct arrivals *a, struct err *e)
{
	int r;

	*j = (struct job){
		.want = w, .o = o, .st = st, .arrivals = a, .lock_fd = -1, .fd = -1, .file = ""
	};
	w->ret = NULL;
	w->ret_stale = false;
	w->ret_age_s = 0;
	w->ret_why = (struct err){ 0 };
	r = repodata_key(w->channel->url, w->subdir, o->use_only_tar_bz2, j->key, e);
	(void)snprintf(j->lock_name, sizeof(j->lock_name), "repodata-%s", j->key);
	(void)snprintf(j->what, sizeof(j->what), "%.200s/%s", w->channel->name, w->subdir);
	return r;
}

/* Neither of a channel's subdirs is there: it is none. */
static int check_channels(const struct job *jobs, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		const struct channel *ch = jobs[i].want->channel;
		bool found = false;

		for (size_t k = 0; k < count; k++)
			found |= strcmp(jobs[k].want->channel->url, ch->url) == 0 &&
				 !jobs[k].missing;
		if (!found)
			return err_set(
				e, -ENOENT,
				"channel '%s': no repodata at '%s' (looked in %s); is the name "
				"or URL right?",
				ch->name, ch->url, jobs[i].want->subdir);
	}
	return 0;
}

/* Sorts by key, moves the second and later of the same key behind: *ret_distinct come first. */
static void arrange(struct job *jobs, size_t count, size_t *ret_distinct)
{
	size_t distinct = 0;

	qsort(jobs, count, sizeof(*jobs), by_key);
	for (size_t i = 0; i < count; i++) {
		struct job swap = jobs[i];

		if (distinct > 0 && strcmp(jobs[distinct - 1].key, swap.key) == 0)
			continue;
		jobs[i] = jobs[distinct];
		jobs[distinct++] = swap;
	}
	*ret_distinct = distinct;
}

static void arrivals_done(struct arrivals *a)
{
	(void)pthread_cond_destroy(&a->cond);
	(void)pthread_mutex_destroy(&a->lock);
}

int repodata_get_all(struct repodata_want *wants, size_t count, struct store *st,
		     const struct repodata_options *o, struct err *e)
{
	AUTO(arrivals_done)
	struct arrivals a = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER };
	AUTO_MEM struct job *jobs = calloc(count + 1, sizeof(*jobs));
	size_t distinct;
	int r = jobs ? 0 : err_nomem(e);

	for (size_t i = 0; i < count && r == 0; i++)
		r = job_init(&jobs[i], &wants[i], st, o, &a, e);
	if (r < 0)
		return r;
	arrange(jobs, count, &distinct);
	r = run(jobs, distinct, &a, e);
	/* One of the same key finds it fresh now, or asks again. */
	for (size_t i = distinct; i < count && r == 0; i++)
		r = run(&jobs[i], 1, &a, e);
	if (r == 0)
		r = check_channels(jobs, count, e);
	for (size_t i = 0; i < count && r < 0; i++)
		wants[i].ret = repodata_free(wants[i].ret);
	return r;
}

int repodata_get(struct repodata **ret, struct store *st, const struct channel *ch,
		 const char *subdir, const struct repodata_options *o, bool *ret_stale,
		 int64_t *ret_age_s, struct err *e)
{
	struct repodata_want w = { .channel = ch, .subdir = subdir };
	int r = repodata_get_all(&w, 1, st, o, e);

	if (r < 0)
		return r;
	*ret = w.ret;
	*ret_stale = w.ret_stale;
	*ret_age_s = w.ret_age_s;
	return 0;
}
