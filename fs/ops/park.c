/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/park.h"

#include "base/limits.h"
#include "base/sys.h"

#include <assert.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define BUCKETS 1024

enum parked_state {
	PARKED_ARMING,	/* being put in: nobody takes it yet */
	PARKED_WAITING, /* in its bucket */
	PARKED_READY,	/* in the line of what is to be asked again */
	PARKED_TAKEN,	/* out of everything, being answered */
};

struct list {
	struct list *next, *prev;
};

struct parked {
	struct list link;	 /* in its bucket, or in the line */
	struct list interrupted; /* in park's, or in no list: next is NULL then */
	struct park *park;	 /* borrowed */
	struct ask ask;
	struct content_wait wait;
	enum parked_state state;
	bool woken; /* while ARMING: what it waits for was settled */
	uint64_t since_ns;
	uint64_t serial; /* order of interruption */
	char name[];
};

struct park {
	struct park_calls calls;
	void *ctx;
	pthread_mutex_t lock; /* protects all that follows, and what is linked */
	struct list buckets[BUCKETS];
	struct list line;	 /* to be asked again */
	struct list interrupted; /* in the order of serial */
	size_t count;		 /* parked, whatever their state */
	uint64_t serial;
	bool closed, stopping;
	pthread_cond_t work; /* for the threads that answer */
	pthread_cond_t look; /* for the one that looks at callers */
	pthread_cond_t idle; /* count became 0 */
	pthread_t threads[PARK_THREADS + 1];
	size_t thread_count;
};

static void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static bool list_empty(const struct list *l)
{
	return l->next == l;
}

static void list_append(struct list *l, struct list *item)
{
	item->prev = l->prev;
	item->next = l;
	l->prev->next = item;
	l->prev = item;
}

static void list_remove(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	item->next = item->prev = NULL;
}

#define PARKED(item, member)                                                                       \
	((struct parked *)(void *)((char *)(item)-offsetof(struct parked, member)))

static struct list *bucket_of(struct park *p, enum content_wait_kind kind, uint64_t number)
{
	return &p->buckets[(number * 2 + (kind == CONTENT_PACKAGE)) % BUCKETS];
}

/* Under the lock: into the line of what is to be asked again. */
static void make_ready(struct park *p, struct parked *q)
{
	if (q->state == PARKED_ARMING) {
		q->woken = true;
		return;
	}
	if (q->state != PARKED_WAITING)
		return;
	list_remove(&q->link);
	list_append(&p->line, &q->link);
	q->state = PARKED_READY;
	(void)pthread_cond_signal(&p->work);
}

/* Under the lock: out of all lists, so that the taker alone has it. */
static void take(struct parked *q)
{
	list_remove(&q->link);
	if (q->interrupted.next)
		list_remove(&q->interrupted);
	q->state = PARKED_TAKEN;
}

/* Puts one into its bucket, then watches its caller, then looks whether what it
 * waits for was settled in between. */
static void settle_in(struct park *p, struct parked *q)
{
	(void)pthread_mutex_lock(&p->lock);
	q->state = PARKED_ARMING;
	q->woken = p->closed;
	list_append(bucket_of(p, q->wait.kind, q->wait.number), &q->link);
	(void)pthread_mutex_unlock(&p->lock);
	p->calls.watch(p->ctx, &q->ask, q);
	bool settled = p->calls.settled(p->ctx, &q->wait) != -EINPROGRESS;

	(void)pthread_mutex_lock(&p->lock);
	q->state = PARKED_WAITING;
	if (settled || q->woken)
		make_ready(p, q);
	(void)pthread_mutex_unlock(&p->lock);
}

int park_add(struct park *p, const struct ask *a, const struct content_wait *w)
{
	size_t name_len = a->name ? strlen(a->name) + 1 : 0;
	struct parked *q = calloc(1, sizeof(*q) + name_len);
	int r = 0;

	if (!q)
		return -ENOMEM;
	q->park = p;
	q->ask = *a;
	q->wait = *w;
	q->since_ns = sys_now_ns();
	if (a->name) {
		memcpy(q->name, a->name, name_len);
		q->ask.name = q->name;
	}
	(void)pthread_mutex_lock(&p->lock);
	if (p->closed)
		r = -EIO;
	else if (p->count >= PARKED_MAX)
		r = -EAGAIN;
	else
		p->count++;
	(void)pthread_mutex_unlock(&p->lock);
	if (r < 0) {
		free(q);
		return r;
	}
	settle_in(p, q);
	return 0;
}

static void done(struct park *p, struct parked *q)
{
	free(q);
	(void)pthread_mutex_lock(&p->lock);
	if (--p->count == 0)
		(void)pthread_cond_broadcast(&p->idle);
	(void)pthread_mutex_unlock(&p->lock);
}

/* One that was taken: refused if that for which it waited failed, else asked again. */
static void answer(struct park *p, struct parked *q, bool closed)
{
	int r = closed ? -EIO : p->calls.settled(p->ctx, &q->wait);

	p->calls.unwatch(p->ctx, &q->ask);
	if (r == 0)
		r = p->calls.again(p->ctx, &q->ask, &q->wait);
	else if (r != -EINPROGRESS)
		p->calls.refuse(p->ctx, &q->ask, r);
	if (r == -EINPROGRESS)
		settle_in(p, q);
	else
		done(p, q);
}

static void *answer_run(void *park)
{
	struct park *p = park;

	(void)pthread_mutex_lock(&p->lock);
	for (;;) {
		struct parked *q;
		bool closed = p->closed;

		if (list_empty(&p->line)) {
			if (p->stopping)
				break;
			(void)pthread_cond_wait(&p->work, &p->lock);
			continue;
		}
		q = PARKED(p->line.next, link);
		take(q);
		(void)pthread_mutex_unlock(&p->lock);
		answer(p, q, closed);
		(void)pthread_mutex_lock(&p->lock);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

void park_woken(struct park *p, enum content_wait_kind kind, uint64_t number)
{
	struct list *bucket = bucket_of(p, kind, number), *next;

	(void)pthread_mutex_lock(&p->lock);
	for (struct list *l = bucket->next; l != bucket; l = next) {
		struct parked *q = PARKED(l, link);

		next = l->next;
		if (q->wait.kind == kind && q->wait.number == number)
			make_ready(p, q);
	}
	(void)pthread_mutex_unlock(&p->lock);
}

void park_interrupted(void *token)
{
	struct parked *q = token;
	struct park *p = q->park;

	(void)pthread_mutex_lock(&p->lock);
	if (q->state != PARKED_TAKEN && !q->interrupted.next) {
		q->serial = ++p->serial;
		list_append(&p->interrupted, &q->interrupted);
		(void)pthread_cond_signal(&p->look);
	}
	(void)pthread_mutex_unlock(&p->lock);
}

static uint64_t mask_of(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoull(at + strlen(key), NULL, 16) : 0;
}

#define SIGNAL_BIT(n) (1ULL << ((n)-1))

bool park_is_dying(const char *text)
{
	const uint64_t harmless = SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGCONT) | SIGNAL_BIT(SIGSTOP) |
				  SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU) |
				  SIGNAL_BIT(SIGURG) | SIGNAL_BIT(SIGWINCH);
	uint64_t own = mask_of(text, "\nSigPnd:"), shared = mask_of(text, "\nShdPnd:");
	uint64_t spared = mask_of(text, "\nSigBlk:") | mask_of(text, "\nSigIgn:") |
			  mask_of(text, "\nSigCgt:");

	return (own & SIGNAL_BIT(SIGKILL)) || ((own | shared) & ~spared & ~harmless);
}

static bool pid_is_dying(pid_t pid)
{
	char path[64], text[16384]; /* a long line of groups stands before the signals */
	ssize_t n;

	if (pid <= 0)
		return false;
	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	AUTO_FD fd = sys_openat(AT_FDCWD, path, O_RDONLY, 0);
	n = fd < 0 ? fd : sys_read(fd, text, sizeof(text) - 1);
	if (n <= 0)
		return false; /* not to be seen: it waits */
	text[n] = '\0';
	return park_is_dying(text);
}

struct suspect {
	uint64_t serial;
	pid_t pid;
	bool dying;
};

#define SUSPECTS_MAX 512 /* looked at in one go, the oldest first */

/* Under the lock: who is to be looked at, from serial `after` on. */
static size_t list_suspects(struct park *p, uint64_t after, struct suspect *ret)
{
	size_t n = 0;

	for (struct list *l = p->interrupted.next; l != &p->interrupted && n < SUSPECTS_MAX;
	     l = l->next) {
		const struct parked *q = PARKED(l, interrupted);

		if (q->serial > after)
			ret[n++] = (struct suspect){ .serial = q->serial, .pid = q->ask.pid };
	}
	return n;
}

/* Under the lock: the one with this serial, taken, or NULL when it was answered meanwhile or
 * is about to be. */
static struct parked *take_serial(struct park *p, uint64_t serial)
{
	for (struct list *l = p->interrupted.next; l != &p->interrupted; l = l->next) {
		struct parked *q = PARKED(l, interrupted);

		if (q->serial != serial)
			continue;
		if (q->state != PARKED_WAITING && q->state != PARKED_READY)
			return NULL;
		take(q);
		return q;
	}
	return NULL;
}

/* Looks at every caller that got a signal. Called and returns with the lock held. */
static void look_at_all(struct park *p)
{
	struct suspect suspects[SUSPECTS_MAX];
	uint64_t after = 0;
	size_t n;

	while ((n = list_suspects(p, after, suspects)) > 0) {
		after = suspects[n - 1].serial;
		(void)pthread_mutex_unlock(&p->lock);
		for (size_t i = 0; i < n; i++)
			suspects[i].dying = pid_is_dying(suspects[i].pid);
		for (size_t i = 0; i < n; i++) {
			struct parked *q;

			if (!suspects[i].dying)
				continue;
			(void)pthread_mutex_lock(&p->lock);
			q = take_serial(p, suspects[i].serial);
			(void)pthread_mutex_unlock(&p->lock);
			if (!q)
				continue;
			p->calls.unwatch(p->ctx, &q->ask);
			p->calls.refuse(p->ctx, &q->ask, -EINTR);
			done(p, q);
		}
		(void)pthread_mutex_lock(&p->lock);
	}
}

static void *look_run(void *park)
{
	struct park *p = park;

	(void)pthread_mutex_lock(&p->lock);
	while (!p->stopping) {
		struct timespec until;

		if (list_empty(&p->interrupted)) {
			(void)pthread_cond_wait(&p->look, &p->lock);
			continue;
		}
		look_at_all(p);
		(void)clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += PARK_LOOK_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		/* A newcomer is looked at without delay: at its interrupt it may be dying already.
		 */
		if (!list_empty(&p->interrupted) && !p->stopping)
			(void)pthread_cond_timedwait(&p->look, &p->lock, &until);
	}
	(void)pthread_mutex_unlock(&p->lock);
	return NULL;
}

static int start_threads(struct park *p, struct err *e)
{
	int r = pthread_create(&p->threads[0], NULL, look_run, p);

	for (size_t i = 0; r == 0 && i < PARK_THREADS; i++) {
		p->thread_count++;
		r = pthread_create(&p->threads[i + 1], NULL, answer_run, p);
	}
	if (r != 0)
		return err_set(e, -r, "a thread for waiting requests: %s", strerror(r));
	p->thread_count++;
	return 0;
}

int park_open(struct park **ret, const struct park_calls *calls, void *ctx, struct err *e)
{
	AUTO(park_freep) struct park *p = calloc(1, sizeof(*p));
	pthread_condattr_t attr;
	int r;

	if (!p)
		return err_nomem(e);
	p->calls = *calls;
	p->ctx = ctx;
	for (size_t i = 0; i < BUCKETS; i++)
		list_init(&p->buckets[i]);
	list_init(&p->line);
	list_init(&p->interrupted);
	(void)pthread_mutex_init(&p->lock, NULL);
	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(&p->look, &attr);
	(void)pthread_condattr_destroy(&attr);
	(void)pthread_cond_init(&p->work, NULL);
	(void)pthread_cond_init(&p->idle, NULL);
	r = start_threads(p, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(p);
	return 0;
}

void park_close(struct park *p)
{
	(void)pthread_mutex_lock(&p->lock);
	p->closed = true;
	for (size_t i = 0; i < BUCKETS; i++) {
		struct list *next;

		for (struct list *l = p->buckets[i].next; l != &p->buckets[i]; l = next) {
			next = l->next;
			make_ready(p, PARKED(l, link));
		}
	}
	while (p->count > 0 && p->thread_count == PARK_THREADS + 1)
		(void)pthread_cond_wait(&p->idle, &p->lock);
	(void)pthread_mutex_unlock(&p->lock);
}

void park_reopen(struct park *p)
{
	(void)pthread_mutex_lock(&p->lock);
	p->closed = false;
	(void)pthread_mutex_unlock(&p->lock);
}

struct park *park_free(struct park *p)
{
	if (!p)
		return NULL;
	park_close(p);
	(void)pthread_mutex_lock(&p->lock);
	p->stopping = true;
	(void)pthread_cond_broadcast(&p->work);
	(void)pthread_cond_broadcast(&p->look);
	(void)pthread_mutex_unlock(&p->lock);
	for (size_t i = 0; i < p->thread_count; i++)
		(void)pthread_join(p->threads[i], NULL);
	(void)pthread_cond_destroy(&p->work);
	(void)pthread_cond_destroy(&p->look);
	(void)pthread_cond_destroy(&p->idle);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
	return NULL;
}

static void count_row(struct park_row *rows, size_t *count, size_t max, const struct parked *q)
{
	for (size_t i = 0; i < *count; i++) {
		if (rows[i].kind != q->wait.kind || rows[i].number != q->wait.number)
			continue;
		rows[i].requests++;
		if (q->since_ns < rows[i].since_ns)
			rows[i].since_ns = q->since_ns;
		return;
	}
	if (*count < max)
		rows[(*count)++] =
			(struct park_row){ q->wait.kind, q->wait.number, 1, q->since_ns };
}

size_t park_rows(struct park *p, struct park_row *ret, size_t max)
{
	size_t count = 0;

	(void)pthread_mutex_lock(&p->lock);
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct list *l = p->buckets[i].next; l != &p->buckets[i]; l = l->next)
			count_row(ret, &count, max, PARKED(l, link));
	(void)pthread_mutex_unlock(&p->lock);
	return count;
}

size_t park_count(struct park *p)
{
	size_t n;

	(void)pthread_mutex_lock(&p->lock);
	n = p->count;
	(void)pthread_mutex_unlock(&p->lock);
	return n;
}
