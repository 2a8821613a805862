/* SPDX-License-Identifier: Apache-2.0 */
#include "pkg/sandbox.h"

#include "base/limits.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <seccomp.h>

/* Sanitizers need calls of their own; TSan so many that it gets no filter: such builds are
 * for tests only. */
#if defined(__SANITIZE_ADDRESS__)
#define WITH_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define WITH_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WITH_ASAN 1
#elif __has_feature(thread_sanitizer)
#define WITH_TSAN 1
#endif
#endif
#ifndef WITH_ASAN
#define WITH_ASAN 0
#endif
#ifndef WITH_TSAN
#define WITH_TSAN 0
#endif

struct sandbox {
	scmp_filter_ctx zygote, job; /* owned */
};

struct sandbox *sandbox_free(struct sandbox *s)
{
	if (!s)
		return NULL;
	if (s->zygote)
		seccomp_release(s->zygote);
	if (s->job)
		seccomp_release(s->job);
	free(s);
	return NULL;
}

bool sandbox_keeps_stderr(void)
{
	return WITH_ASAN || WITH_TSAN;
}

static int allow(scmp_filter_ctx ctx, const int *calls, size_t count)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < count; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, calls[i], 0);
	return r;
}

/* What both need: memory that cannot be executed, the artifact, the answer, an end. */
static int allow_job(scmp_filter_ctx ctx)
{
	static const int calls[] = {
		SCMP_SYS(pread64),	 SCMP_SYS(sendmsg),	 SCMP_SYS(munmap),
		SCMP_SYS(mremap),	 SCMP_SYS(brk),		 SCMP_SYS(madvise),
		SCMP_SYS(futex),	 SCMP_SYS(exit),	 SCMP_SYS(exit_group),
		SCMP_SYS(getpid),	 SCMP_SYS(rt_sigreturn), SCMP_SYS(restart_syscall),
		SCMP_SYS(clock_gettime), /* where the vDSO has none */
		SCMP_SYS(getrandom),	 /* malloc's, from glibc 2.36 on */
	};
	static const int asan[] = {
		SCMP_SYS(write),       SCMP_SYS(rt_sigaction), SCMP_SYS(rt_sigprocmask),
		SCMP_SYS(sigaltstack), SCMP_SYS(gettid),       SCMP_SYS(sched_yield),
		SCMP_SYS(getrlimit),   SCMP_SYS(prlimit64),    SCMP_SYS(tgkill),
	};
	const struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	int r = allow(ctx, calls, ARRAY_LEN(calls));

	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_exec);
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_exec);
	return r == 0 && WITH_ASAN ? allow(ctx, asan, ARRAY_LEN(asan)) : r;
}

static int allow_zygote(scmp_filter_ctx ctx)
{
	static const int calls[] = {
		SCMP_SYS(recvmsg),
		SCMP_SYS(read),
		SCMP_SYS(write),
		SCMP_SYS(close),
		SCMP_SYS(poll),
		SCMP_SYS(ppoll),
		SCMP_SYS(wait4),
		SCMP_SYS(waitid),
		SCMP_SYS(dup2),
		SCMP_SYS(dup3),
		SCMP_SYS(close_range),
		SCMP_SYS(prctl),
		SCMP_SYS(seccomp),
		SCMP_SYS(getppid),
		SCMP_SYS(gettid),
		SCMP_SYS(kill),
		/* what glibc does around a fork */
		SCMP_SYS(set_robust_list),
		SCMP_SYS(rseq),
		SCMP_SYS(rt_sigprocmask),
		SCMP_SYS(rt_sigaction),
	};
	/* A fork: no flag that shares memory or makes a namespace. */
	const struct scmp_arg_cmp fork_only = SCMP_A0(
		SCMP_CMP_MASKED_EQ,
		CLONE_VM | CLONE_FILES | CLONE_FS | CLONE_THREAD | CLONE_NEWNS | CLONE_NEWUSER |
			CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP,
		0);
	int r = allow_job(ctx);

	if (r == 0)
		r = allow(ctx, calls, ARRAY_LEN(calls));
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, fork_only);
	/* Its flags are in memory, where a filter cannot see them. */
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	return r;
}

static int make(scmp_filter_ctx *ret, int (*fill)(scmp_filter_ctx ctx), struct err *e)
{
	int r;

	*ret = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!*ret)
		return err_nomem(e);
	r = fill(*ret);
	return r < 0 ? err_set(e, r, "seccomp filter: %s", strerror(-r)) : 0;
}

int sandbox_open(struct sandbox **ret, struct err *e)
{
	AUTO(sandbox_freep) struct sandbox *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_nomem(e);
	r = make(&s->zygote, allow_zygote, e);
	if (r == 0)
		r = make(&s->job, allow_job, e);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

static int limit(int what, uint64_t most, struct err *e)
{
	struct rlimit now;

	if (getrlimit((__rlimit_resource_t)what, &now) < 0)
		return err_sys(e, "limits");
	if (now.rlim_max != RLIM_INFINITY && now.rlim_max < most)
		most = now.rlim_max;
	now.rlim_cur = now.rlim_max = most;
	return setrlimit((__rlimit_resource_t)what, &now) < 0 ? err_sys(e, "limits") : 0;
}

static int load(scmp_filter_ctx ctx, struct err *e)
{
	int r = WITH_TSAN ? 0 : seccomp_load(ctx);

	return r < 0 ? err_set(e, -ENOSYS,
			       "the kernel takes no seccomp filter (%s), and without one no "
			       "package is parsed",
			       strerrordesc_np(-r))
		     : 0;
}

int sandbox_enter_zygote(struct sandbox *s, struct err *e)
{
	int r = limit(RLIMIT_CORE, 0, e);

	if (r == 0)
		r = limit(RLIMIT_CPU, WORKER_CPU_SECONDS_MAX, e);
	if (r == 0 && !sandbox_keeps_stderr())
		r = limit(RLIMIT_FSIZE, 0, e);
	if (r == 0 && !sandbox_keeps_stderr())
		r = limit(RLIMIT_AS, WORKER_MEMORY_MAX, e);
	return r < 0 ? r : load(s->zygote, e);
}

int sandbox_enter_job(struct sandbox *s, struct err *e)
{
	return load(s->job, e);
}
