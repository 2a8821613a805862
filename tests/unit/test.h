/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test: the 60 lines a unit test needs. A test is a table of named cases; each
 * CHECK that fails is printed with its place and the case's name, and the
 * program ends with "N passed, N failed" and exit code 1 if any failed.
 */
#ifndef ENVFS_TESTS_TEST_H
#define ENVFS_TESTS_TEST_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int test_passed, test_failed;
static const char *test_case = "";

#define CHECK(cond)                                                                                \
	({                                                                                         \
		bool ok_ = (cond);                                                                 \
		if (ok_) {                                                                         \
			test_passed++;                                                             \
		} else {                                                                           \
			test_failed++;                                                             \
			fprintf(stderr, "%s:%d: [%s] %s\n", __FILE__, __LINE__, test_case, #cond); \
		}                                                                                  \
		ok_;                                                                               \
	})

#define CHECK_TEXT(got, want)                                                                      \
	({                                                                                         \
		const char *got_ = (got), *want_ = (want);                                         \
		bool same_ = got_ && want_ ? strcmp(got_, want_) == 0 : got_ == want_;             \
		if (!CHECK(same_))                                                                 \
			fprintf(stderr, "  got  '%s'\n  want '%s'\n", got_ ? got_ : "(null)",      \
				want_ ? want_ : "(null)");                                         \
		same_;                                                                             \
	})

#define CHECK_INT(got, want)                                                                       \
	({                                                                                         \
		long long got_ = (long long)(got), want_ = (long long)(want);                      \
		if (!CHECK(got_ == want_))                                                         \
			fprintf(stderr, "  got %lld, want %lld\n", got_, want_);                   \
		got_ == want_;                                                                     \
	})

/* The folder of real data, or NULL where there is none. */
static inline const char *test_data(void)
{
	const char *dir = getenv("ENVFS_TESTDATA");

	return dir && dir[0] ? dir : NULL;
}

static inline int test_end(void)
{
	printf("%d passed, %d failed\n", test_passed, test_failed);
	return test_failed || !test_passed;
}

#endif
