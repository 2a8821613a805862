/* SPDX-License-Identifier: Apache-2.0 */
#include "ops/park.h"

#include "base/sys.h"
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* A world in which number N is settled when the test says so. */
struct world {
	_Atomic int state[8]; /* -EINPROGRESS, 0 or the failure */
	_Atomic int answered[8], refused[8], last_code;
	_Atomic int moves_to; /* what an answered one waits for next; 0: it is answered */
	pthread_mutex_t lock; /* protects token */
	void *token;	      /* of the last one watched */
};

static int on_again(void *ctx, const struct ask *a, struct content_wait *ret)
{
	struct world *w = ctx;
	int next = atomic_exchange(&w->moves_to, 0);

	if (next) {
		*ret = (struct content_wait){ CONTENT_PACKAGE, (uint64_t)next, 1 };
		return -EINPROGRESS;
	}
	atomic_fetch_add(&w->answered[a->ino], 1);
	return 0;
}

static void on_refuse(void *ctx, const struct ask *a, int code)
{
	struct world *w = ctx;

	atomic_store(&w->last_code, code);
	atomic_fetch_add(&w->refused[a->ino], 1);
}

static int on_settled(void *ctx, const struct content_wait *wait)
{
	struct world *w = ctx;

	return atomic_load(&w->state[wait->number]);
}

static void on_watch(void *ctx, const struct ask *a, void *token)
{
	struct world *w = ctx;

	(void)a;
	(void)pthread_mutex_lock(&w->lock);
	w->token = token;
	(void)pthread_mutex_unlock(&w->lock);
}

static void on_unwatch(void *ctx, const struct ask *a)
{
	struct world *w = ctx;

	(void)a;
	(void)pthread_mutex_lock(&w->lock);
	w->token = NULL;
	(void)pthread_mutex_unlock(&w->lock);
}

static const struct park_calls calls = { on_again, on_refuse, on_settled, on_watch, on_unwatch };

/* Waits until the counter is what it should become; false after two seconds. */
static bool becomes(_Atomic int *counter, int want)
{
	const struct timespec pause = { .tv_nsec = 1000000L };

	for (int i = 0; i < 2000; i++) {
		if (atomic_load(counter) == want)
			return true;
		(void)nanosleep(&pause, NULL);
	}
	return false;
}

/* The same for how many are parked: an answer comes an instant before its place is free. */
static bool count_becomes(struct park *p, size_t want)
{
	const struct timespec pause = { .tv_nsec = 1000000L };

	for (int i = 0; i < 2000 && park_count(p) != want; i++)
		(void)nanosleep(&pause, NULL);
	return park_count(p) == want;
}

static struct world new_world(void)
{
	struct world w = { .lock = PTHREAD_MUTEX_INITIALIZER };

	for (size_t i = 0; i < ARRAY_LEN(w.state); i++)
		w.state[i] = -EINPROGRESS;
	return w;
}

static int add(struct park *p, uint64_t number, uint64_t ino, pid_t pid)
{
	const struct ask a = { .kind = ASK_LOOKUP, .ino = ino, .pid = pid, .name = "lib" };
	const struct content_wait w = { CONTENT_PACKAGE, number, 1 };

	return park_add(p, &a, &w);
}

static void test_waking(void)
{
	AUTO(park_freep) struct park *p = NULL;
	struct world w = new_world();
	struct park_row rows[4];

	test_case = "waking";
	if (!CHECK(park_open(&p, &calls, &w, NULL) == 0))
		return;
	for (int i = 0; i < 1000; i++)
		CHECK_INT(add(p, 1, 1, 0), 0);
	CHECK_INT(add(p, 2, 2, 0), 0);
	CHECK_INT(park_count(p), 1001);
	CHECK_INT(park_rows(p, rows, 4), 2);
	atomic_store(&w.state[1], 0);
	park_woken(p, CONTENT_PACKAGE, 1);
	CHECK(becomes(&w.answered[1], 1000));
	CHECK(count_becomes(p, 1));
	CHECK_INT(atomic_load(&w.answered[2]), 0);

	test_case = "another kind of the same number wakes nobody";
	atomic_store(&w.state[2], 0);
	park_woken(p, CONTENT_GENERATION, 2);
	CHECK_INT(park_count(p), 1);

	test_case = "a wake-up too many leaves it parked";
	atomic_store(&w.state[2], -EINPROGRESS);
	park_woken(p, CONTENT_PACKAGE, 2);
	(void)usleep(20000);
	CHECK_INT(park_count(p), 1);
	CHECK_INT(atomic_load(&w.answered[2]), 0);

	test_case = "a failure refuses";
	atomic_store(&w.state[2], -ETIMEDOUT);
	park_woken(p, CONTENT_PACKAGE, 2);
	CHECK(becomes(&w.refused[2], 1));
	CHECK_INT(atomic_load(&w.last_code), -ETIMEDOUT);

	test_case = "settled before it was parked";
	atomic_store(&w.state[3], 0);
	CHECK_INT(add(p, 3, 3, 0), 0);
	CHECK(becomes(&w.answered[3], 1));

	test_case = "one thing after another";
	CHECK_INT(add(p, 4, 4, 0), 0);
	atomic_store(&w.moves_to, 5);
	atomic_store(&w.state[4], 0);
	park_woken(p, CONTENT_PACKAGE, 4);
	(void)usleep(20000);
	CHECK_INT(atomic_load(&w.answered[4]), 0);
	atomic_store(&w.state[5], 0);
	park_woken(p, CONTENT_PACKAGE, 5);
	CHECK(becomes(&w.answered[4], 1));
}

static void test_closing(void)
{
	AUTO(park_freep) struct park *p = NULL;
	struct world w = new_world();

	test_case = "closing";
	if (!CHECK(park_open(&p, &calls, &w, NULL) == 0))
		return;
	for (int i = 0; i < 100; i++)
		CHECK_INT(add(p, 1, 1, 0), 0);
	park_close(p);
	CHECK_INT(atomic_load(&w.refused[1]), 100);
	CHECK_INT(atomic_load(&w.last_code), -EIO);
	CHECK_INT(add(p, 1, 1, 0), -EIO);
	park_reopen(p);
	CHECK_INT(add(p, 1, 2, 0), 0);
	CHECK_INT(park_count(p), 1);
}

static void interrupt(struct world *w)
{
	(void)pthread_mutex_lock(&w->lock);
	if (w->token)
		park_interrupted(w->token);
	(void)pthread_mutex_unlock(&w->lock);
}

static void on_signal(int number)
{
	(void)number;
}

/* A caller as the kernel has it: it cannot run its handler while it waits. Stopped
 * processes are like that; a blocked signal stays pending until then. */
static void test_dying(void)
{
	AUTO(park_freep) struct park *p = NULL;
	struct world w = new_world();
	uint64_t from;
	pid_t pid = fork();

	if (pid == 0) {
		(void)signal(SIGUSR1, on_signal);
		for (;;)
			(void)pause();
	}
	test_case = "a stopped caller";
	if (!CHECK(pid > 0) || !CHECK(park_open(&p, &calls, &w, NULL) == 0))
		return;
	(void)usleep(20000);
	(void)kill(pid, SIGSTOP);
	CHECK_INT(add(p, 1, 1, pid), 0);

	test_case = "a handled signal goes on waiting";
	(void)kill(pid, SIGUSR1);
	interrupt(&w);
	(void)usleep(150000);
	CHECK_INT(atomic_load(&w.refused[1]), 0);

	test_case = "a fatal one after it, without another notice, ends the waiting";
	from = sys_now_ns();
	(void)kill(pid, SIGTERM);
	CHECK(becomes(&w.refused[1], 1));
	CHECK_INT(atomic_load(&w.last_code), -EINTR);
	CHECK(sys_now_ns() - from < 100 * 1000000ULL);

	test_case = "a caller that cannot be seen waits";
	CHECK_INT(add(p, 2, 2, 0), 0);
	interrupt(&w);
	(void)usleep(100000);
	CHECK_INT(atomic_load(&w.refused[2]), 0);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static void test_status_text(void)
{
#define STATUS(pnd, shd, blk, ign, cgt)                                                            \
	"Name:\tx\nPid:\t5\nSigQ:\t0/1\nSigPnd:\t" pnd "\nShdPnd:\t" shd "\nSigBlk:\t" blk         \
	"\nSigIgn:\t" ign "\nSigCgt:\t" cgt "\nCapInh:\t0\n"
#define NONE "0000000000000000"
#define KILL "0000000000000100"
#define TERM "0000000000004000"
#define CHLD "0000000000010000"
#define RT34 "0000000200000000"
	static const struct {
		const char *name, *text;
		bool dying;
	} cases[] = {
		{ "nothing pending", STATUS(NONE, NONE, NONE, NONE, NONE), false },
		{ "KILL of the thread", STATUS(KILL, NONE, NONE, NONE, NONE), true },
		{ "KILL counts whatever is blocked",
		  STATUS(KILL, NONE, "ffffffffffffffff", NONE, NONE), true },
		{ "TERM of the process", STATUS(NONE, TERM, NONE, NONE, NONE), true },
		{ "TERM of the thread", STATUS(TERM, NONE, NONE, NONE, NONE), true },
		{ "TERM handled", STATUS(NONE, TERM, NONE, NONE, TERM), false },
		{ "TERM ignored", STATUS(NONE, TERM, NONE, TERM, NONE), false },
		{ "TERM blocked", STATUS(NONE, TERM, TERM, NONE, NONE), false },
		{ "CHLD ends nobody", STATUS(NONE, CHLD, NONE, NONE, NONE), false },
		{ "a real-time signal does", STATUS(NONE, RT34, NONE, NONE, NONE), true },
		{ "no such lines", "Name:\tx\n", false },
		{ "empty", "", false },
		{ "a name that looks like a line",
		  "Name:\t\\nSigPnd:\t" KILL "\nSigPnd:\t" NONE "\n", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		test_case = cases[i].name;
		CHECK_INT(park_is_dying(cases[i].text), cases[i].dying);
	}
}

int main(void)
{
	test_status_text();
	test_waking();
	test_closing();
	test_dying();
	return test_end();
}
