/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/limits.h"
#include "solve/virtual.h"

static const char *const variables[] = { "CONDA_OVERRIDE_ARCHSPEC",  "CONDA_OVERRIDE_CUDA",
					 "CONDA_OVERRIDE_CUDA_ARCH", "CONDA_OVERRIDE_GLIBC",
					 "CONDA_OVERRIDE_LINUX",     "CONDA_OVERRIDE_OSX",
					 "CONDA_OVERRIDE_WIN",	     "CONDA_OVERRIDE_UNIX" };

struct setting {
	const char *name, *value;
};

static int list(const char *subdir, const struct setting *set, struct buf *got, struct err *e)
{
	struct virtual_package vp[VIRTUAL_MAX];

	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		(void)unsetenv(variables[i]);
	for (; set && set->name; set++)
		(void)setenv(set->name, set->value, 1);
	int n = virtual_packages(vp, subdir, e);
	for (int i = 0; i < n; i++)
		buf_addf(got, "%s%s=%s=%s", i ? " " : "", vp[i].name, vp[i].version, vp[i].build);
	return n;
}

static void test_other_platforms(void)
{
	static const struct {
		const char *name, *subdir;
		struct setting set[4];
		const char *want;
	} cases[] = {
		{ "linux of another kind",
		  "linux-s390x",
		  { { 0 } },
		  "__archspec=1=s390x __glibc=2.17=0 __linux=4.18=0 __unix=0=0" },
		{ "macOS", "osx-arm64", { { 0 } }, "__archspec=1=aarch64 __osx=13.0=0 __unix=0=0" },
		{ "macOS of a version",
		  "osx-64",
		  { { "CONDA_OVERRIDE_OSX", "14.2" } },
		  "__archspec=1=x86_64 __osx=14.2=0 __unix=0=0" },
		{ "Windows", "win-64", { { 0 } }, "__archspec=1=x86_64 __win=0=0" },
		{ "wasm is unix",
		  "emscripten-wasm32",
		  { { 0 } },
		  "__archspec=1=wasm32 __unix=0=0" },
		{ "overrides",
		  "linux-s390x",
		  { { "CONDA_OVERRIDE_GLIBC", "2.31" },
		    { "CONDA_OVERRIDE_LINUX", "5.10.4" },
		    { "CONDA_OVERRIDE_ARCHSPEC", "z14" } },
		  "__archspec=1=z14 __glibc=2.31=0 __linux=5.10.4=0 __unix=0=0" },
		{ "empty ones remove",
		  "linux-s390x",
		  { { "CONDA_OVERRIDE_GLIBC", "" }, { "CONDA_OVERRIDE_LINUX", "" } },
		  "__archspec=1=s390x __unix=0=0" },
		{ "those of other platforms do nothing",
		  "win-64",
		  { { "CONDA_OVERRIDE_GLIBC", "2.31" }, { "CONDA_OVERRIDE_UNIX", "" } },
		  "__archspec=1=x86_64 __win=0=0" },
		{ "CUDA when told",
		  "linux-s390x",
		  { { "CONDA_OVERRIDE_CUDA", "12.4" } },
		  "__archspec=1=s390x __cuda=12.4=0 __glibc=2.17=0 __linux=4.18=0 __unix=0=0" },
		{ "a CUDA architecture needs CUDA",
		  "win-64",
		  { { "CONDA_OVERRIDE_CUDA_ARCH", "8.6" } },
		  "__archspec=1=x86_64 __win=0=0" },
		{ "CUDA and its architecture",
		  "win-64",
		  { { "CONDA_OVERRIDE_CUDA", "12.4" }, { "CONDA_OVERRIDE_CUDA_ARCH", "8.6" } },
		  "__archspec=1=x86_64 __cuda=12.4=0 __cuda_arch=8.6=0 __win=0=0" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_BUF got = BUF(4 * KIB);
		struct err e;

		test_case = cases[i].name;
		if (strcmp(native_subdir(), cases[i].subdir) == 0)
			continue;
		CHECK(list(cases[i].subdir, cases[i].set, &got, &e) > 0);
		CHECK_TEXT(got.bytes, cases[i].want);
	}
}

static void test_refusals(void)
{
	static const struct {
		const char *name, *subdir;
		struct setting set[2];
	} cases[] = {
		{ "no such platform", "linux-65", { { 0 } } },
		{ "no kernel version", "linux-64", { { "CONDA_OVERRIDE_LINUX", "new" } } },
		{ "five parts", "linux-64", { { "CONDA_OVERRIDE_LINUX", "1.2.3.4.5" } } },
		{ "one part", "linux-64", { { "CONDA_OVERRIDE_LINUX", "5" } } },
		{ "a dot at the end", "linux-64", { { "CONDA_OVERRIDE_LINUX", "5.4." } } },
		{ "no version", "linux-64", { { "CONDA_OVERRIDE_GLIBC", "2..3" } } },
		{ "no build string", "linux-64", { { "CONDA_OVERRIDE_ARCHSPEC", "a b" } } },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_BUF got = BUF(4 * KIB);
		struct err e = { 0 };

		test_case = cases[i].name;
		CHECK_INT(list(cases[i].subdir, cases[i].set, &got, &e), -EINVAL);
		CHECK(e.text[0]);
	}
}

static void test_this_machine(void)
{
	AUTO_BUF got = BUF(4 * KIB);
	struct err e;

	test_case = "this machine";
	CHECK(subdir_check(native_subdir(), &e) == 0);
	CHECK(list(native_subdir(), NULL, &got, &e) >= 4);
	CHECK(strstr(got.bytes, "__archspec=1=") != NULL);
	CHECK(strstr(got.bytes, "__unix=0=0") != NULL);
	CHECK(strstr(got.bytes, "__glibc=2.") != NULL);
	CHECK(strstr(got.bytes, "__linux=") != NULL && strstr(got.bytes, "-") == NULL);
}

int main(void)
{
	test_other_platforms();
	test_refusals();
	test_this_machine();
	return test_end();
}
