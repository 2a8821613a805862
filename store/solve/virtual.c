/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/virtual.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/sys.h"
#include "spec/version.h"

#include <ctype.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#if defined(__GLIBC__)
#include <gnu/libc-version.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* What a platform has that is not this machine's (CEP 30 leaves it to the tool). */
#define DEFAULT_GLIBC "2.17"
#define DEFAULT_LINUX "4.18"
#define DEFAULT_OSX   "13.0"
#define DEFAULT_WIN   "0"

/* Platforms and their archspec names (CEP 30, appendix A); "": not known. */
static const struct platform {
	const char *subdir, *arch;
} platforms[] = {
	{ "linux-64", "x86_64" },
	{ "linux-32", "x86" },
	{ "linux-aarch64", "aarch64" },
	{ "linux-armv6l", "armv6l" },
	{ "linux-armv7l", "armv7l" },
	{ "linux-ppc64", "ppc64" },
	{ "linux-ppc64le", "ppc64le" },
	{ "linux-riscv32", "riscv32" },
	{ "linux-riscv64", "riscv64" },
	{ "linux-s390x", "s390x" },
	{ "osx-64", "x86_64" },
	{ "osx-arm64", "aarch64" },
	{ "win-32", "x86" },
	{ "win-64", "x86_64" },
	{ "win-arm64", "aarch64" },
	{ "freebsd-64", "x86_64" },
	{ "emscripten-wasm32", "wasm32" },
	{ "wasi-wasm32", "wasm32" },
	{ "zos-z", "z" },
	{ "noarch", "" },
};

static const struct platform *find_platform(const char *subdir)
{
	for (size_t i = 0; i < ARRAY_LEN(platforms); i++)
		if (strcmp(platforms[i].subdir, subdir) == 0)
			return &platforms[i];
	return NULL;
}

int subdir_check(const char *subdir, struct err *e)
{
	if (find_platform(subdir))
		return 0;
	return err_set(e, -EINVAL, "'%.40s' is no platform that conda knows; this machine is '%s'",
		       subdir, native_subdir());
}

const char *native_subdir(void)
{
#if defined(__x86_64__)
	return "linux-64";
#elif defined(__i386__)
	return "linux-32";
#elif defined(__aarch64__)
	return "linux-aarch64";
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return "linux-ppc64le";
#elif defined(__powerpc64__)
	return "linux-ppc64";
#elif defined(__s390x__)
	return "linux-s390x";
#elif defined(__riscv) && __riscv_xlen == 64
	return "linux-riscv64";
#elif defined(__riscv)
	return "linux-riscv32";
#elif defined(__arm__) && __ARM_ARCH >= 7
	return "linux-armv7l";
#elif defined(__arm__)
	return "linux-armv6l";
#else
#error "this machine's conda platform is not known"
#endif
}

struct list {
	struct virtual_package *at;
	int count;
};

static int add(struct list *l, const char *name, const char *version, const char *build,
	       struct err *e)
{
	struct virtual_package *v = &l->at[l->count];
	AUTO(version_freep) struct version *parsed = NULL;
	int r;

	if (l->count == VIRTUAL_MAX)
		return err_set(e, -E2BIG, "there are more than %d virtual packages", VIRTUAL_MAX);
	if (strlen(version) >= sizeof(v->version) || strlen(build) >= sizeof(v->build))
		return err_set(e, -EINVAL, "virtual package %s: '%.80s' is too long", name,
			       strlen(version) >= sizeof(v->version) ? version : build);
	r = version_parse(&parsed, version, strlen(version), e);
	if (r < 0)
		return err_wrap(e, r, "virtual package %s", name);
	snprintf(v->name, sizeof(v->name), "%s", name);
	snprintf(v->version, sizeof(v->version), "%s", version);
	snprintf(v->build, sizeof(v->build), "%s", build);
	l->count++;
	return 0;
}

/* A package whose version a variable may set; set to nothing, there is none. */
static int add_overridable(struct list *l, const char *name, const char *variable,
			   const char *version, struct err *e)
{
	const char *over = getenv(variable);
	int r;

	if (over)
		version = over;
	if (!version || !*version)
		return 0;
	r = add(l, name, version, "0", e);
	return r < 0 && over ? err_wrap(e, r, "%s", variable) : r;
}

/* "6.1.0-18-amd64" is 6.1.0: what comes after the numbers is a distribution's. */
static bool kernel_version(char ret[65])
{
	struct utsname un;
	size_t len = 0;
	int dots = 0;

	if (uname(&un) < 0)
		return false;
	while (len < 64 && (isdigit((unsigned char)un.release[len]) ||
			    (un.release[len] == '.' &&
			     isdigit((unsigned char)un.release[len + 1]) && ++dots <= 3)))
		len++;
	memcpy(ret, un.release, len);
	ret[len] = '\0';
	return dots > 0;
}

/* [0-9]+.[0-9]+(.[0-9]+)?(.[0-9]+)? */
static bool is_kernel_version(const char *s)
{
	int parts = 0;

	for (;; s++) {
		if (!isdigit((unsigned char)*s))
			return false;
		s += strspn(s, "0123456789");
		parts++;
		if (!*s)
			return parts >= 2 && parts <= 4;
		if (*s != '.')
			return false;
	}
}

static int add_linux(struct list *l, bool native, struct err *e)
{
	const char *over = getenv("CONDA_OVERRIDE_LINUX");
	char version[65] = DEFAULT_LINUX;

	if (over && !*over)
		return 0;
	if (over && !is_kernel_version(over))
		return err_set(
			e, -EINVAL,
			"CONDA_OVERRIDE_LINUX: '%.80s' is no kernel version like 5.10 or 5.10.0",
			over);
	if (over)
		return add(l, "__linux", over, "0", e);
	if (native && !kernel_version(version))
		strcpy(version, DEFAULT_LINUX);
	return add(l, "__linux", version, "0", e);
}

static void glibc_version(char ret[65])
{
	strcpy(ret, DEFAULT_GLIBC);
#if defined(__GLIBC__)
	int major, minor;

	if (sscanf(gnu_get_libc_version(), "%d.%d", &major, &minor) == 2)
		snprintf(ret, 65, "%d.%d", major, minor);
#endif
}

/* The driver's library knows; it is there only with a driver. The kernel module's
 * folder says so without loading anything. */
static bool cuda_version(char ret[65])
{
	struct stat st;
	int version = 0;

	if (sys_fstatat(AT_FDCWD, "/proc/driver/nvidia", &st, 0) < 0)
		return false;
	void *lib = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!lib)
		return false;
	int (*get)(int *) = (int (*)(int *))dlsym(lib, "cuDriverGetVersion");
	bool ok = get && get(&version) == 0 && version > 0;
	if (ok)
		snprintf(ret, 65, "%d.%d", version / 1000, version % 1000 / 10);
	dlclose(lib);
	return ok;
}

#if defined(__x86_64__)
/* What the compiler's own question does not know by name everywhere. */
static bool cpu_has_v3_extras(void)
{
	unsigned int a, b, c, d, ext = 0;

	if (!__get_cpuid(1, &a, &b, &c, &d))
		return false;
	if (__get_cpuid(0x80000001, &a, &b, &ext, &d) == 0)
		return false;
	return (c & bit_F16C) && (c & bit_MOVBE) && (c & bit_OSXSAVE) && (ext & bit_LZCNT);
}

/* The x86-64 psABI's levels, under archspec's names. */
static const char *native_arch(const char *arch)
{
	__builtin_cpu_init();
	bool v2 = __builtin_cpu_supports("sse3") && __builtin_cpu_supports("ssse3") &&
		  __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("sse4.2") &&
		  __builtin_cpu_supports("popcnt");
	bool v3 = v2 && __builtin_cpu_supports("avx") && __builtin_cpu_supports("avx2") &&
		  __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
		  __builtin_cpu_supports("fma") && cpu_has_v3_extras();
	bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
		  __builtin_cpu_supports("avx512vl");

	return v4 ? "x86_64_v4" : v3 ? "x86_64_v3" : v2 ? "x86_64_v2" : arch;
}
#else
static const char *native_arch(const char *arch)
{
	return arch;
}
#endif

/* Always there. Version 1: the build names a microarchitecture. */
static int add_archspec(struct list *l, const struct platform *pf, bool native, struct err *e)
{
	const char *over = getenv("CONDA_OVERRIDE_ARCHSPEC"), *dash = strchr(pf->subdir, '-');

	if (over && *over) {
		for (const char *s = over; *s; s++)
			if (!isalnum((unsigned char)*s) && !strchr("_.+", *s))
				return err_set(
					e, -EINVAL,
					"CONDA_OVERRIDE_ARCHSPEC: '%.80s' is no microarchitecture",
					over);
		return add(l, "__archspec", "1", over, e);
	}
	if (native)
		return add(l, "__archspec", "1", native_arch(pf->arch), e);
	if (*pf->arch)
		return add(l, "__archspec", "1", pf->arch, e);
	return add(l, "__archspec", "0", dash ? dash + 1 : pf->subdir, e);
}

static bool starts_with(const char *text, const char *head)
{
	return strncmp(text, head, strlen(head)) == 0;
}

static int add_cuda(struct list *l, bool native, struct err *e)
{
	char version[65];
	int r, before = l->count;

	/* An override saves the look at the driver. */
	bool look = native && !getenv("CONDA_OVERRIDE_CUDA");
	r = add_overridable(l, "__cuda", "CONDA_OVERRIDE_CUDA",
			    look && cuda_version(version) ? version : NULL, e);
	/* The compute capability is only known when told. */
	if (r == 0 && l->count > before)
		r = add_overridable(l, "__cuda_arch", "CONDA_OVERRIDE_CUDA_ARCH", NULL, e);
	return r;
}

int virtual_packages(struct virtual_package ret[VIRTUAL_MAX], const char *subdir, struct err *e)
{
	const struct platform *pf = find_platform(subdir);
	bool native = strcmp(subdir, native_subdir()) == 0;
	struct list l = { ret, 0 };
	char glibc[65] = DEFAULT_GLIBC;
	int r;

	if (!pf)
		return subdir_check(subdir, e);
	r = add_archspec(&l, pf, native, e);
	if (r == 0)
		r = add_cuda(&l, native, e);
	if (r == 0 && starts_with(subdir, "linux-")) {
		if (native)
			glibc_version(glibc);
		r = add_overridable(&l, "__glibc", "CONDA_OVERRIDE_GLIBC", glibc, e);
		if (r == 0)
			r = add_linux(&l, native, e);
	}
	if (r == 0 && starts_with(subdir, "osx-"))
		r = add_overridable(&l, "__osx", "CONDA_OVERRIDE_OSX", DEFAULT_OSX, e);
	if (r == 0 && starts_with(subdir, "win-"))
		r = add_overridable(&l, "__win", "CONDA_OVERRIDE_WIN", DEFAULT_WIN, e);
	if (r == 0 && (starts_with(subdir, "linux-") || starts_with(subdir, "osx-") ||
		       starts_with(subdir, "freebsd-") || starts_with(subdir, "emscripten-")))
		r = add(&l, "__unix", "0", "0", e);
	return r < 0 ? r : l.count;
}
