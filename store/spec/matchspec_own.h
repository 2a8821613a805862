/* SPDX-License-Identifier: Apache-2.0 */
/*
 * matchspec_own: what matchspec's own files share: parsing fills it, matching
 * and printing read it.
 */
#ifndef ENVFS_SPEC_MATCHSPEC_OWN_H
#define ENVFS_SPEC_MATCHSPEC_OWN_H

#include "spec/matchspec.h"
#include "spec/pattern.h"

/* In conda's order, which is the order of printing. */
enum field {
	FIELD_CHANNEL,
	FIELD_SUBDIR,
	FIELD_NAME,
	FIELD_VERSION,
	FIELD_BUILD,
	FIELD_BUILD_NUMBER,
	FIELD_TRACK_FEATURES,
	FIELD_FEATURES,
	FIELD_URL,
	FIELD_MD5,
	FIELD_SHA256,
	FIELD_LICENSE,
	FIELD_LICENSE_FAMILY,
	FIELD_FN,
	FIELD_WHEN,
	FIELD_EXTRAS,
	FIELD_FLAGS,
	FIELD_COUNT,
};

extern const char *const field_names[FIELD_COUNT];

enum number_op { NUMBER_ANY, NUMBER_EQ, NUMBER_NE, NUMBER_LT, NUMBER_LE, NUMBER_GT, NUMBER_GE };

struct matchspec {
	char *field[FIELD_COUNT]; /* owned; as written, NULL: not asked */
	struct pattern *name;	  /* owned; never NULL once parsed */
	struct pattern *channel, *build, *license, *license_family; /* owned */
	struct version_spec *version;				    /* owned */
	char *url;						    /* owned; without credentials */
	char *channel_url; /* owned; the channel, when it is a URL, without credentials */
	enum number_op number_op;
	uint64_t number;
	struct digest sha256;
	struct md5 md5;
	bool sha256_whole, md5_whole; /* a hash, not a piece of one that nothing has */
};

/* matchspec_brackets.c: "[key=value, …]" without its brackets into fields. inner:
 * a condition's own, which may hold none. */
int matchspec_read_brackets(struct matchspec *s, const char *text, size_t len, bool inner,
			    struct err *e) MUST_CHECK;
int matchspec_parse_inner(struct matchspec **ret, const char *text, size_t len, struct err *e)
	MUST_CHECK;
int matchspec_set(struct matchspec *s, enum field field, const char *text, size_t len,
		  struct err *e) MUST_CHECK;
/* The name, checked. */
int matchspec_set_name(struct matchspec *s, const char *text, size_t len, struct err *e) MUST_CHECK;
/* A channel with or without subdir into both fields. */
int matchspec_set_channel(struct matchspec *s, const char *text, size_t len, struct err *e)
	MUST_CHECK;
/* "=1.7" is "1.7*", "==1.7" is "1.7", unless there is more to it. */
int matchspec_set_version(struct matchspec *s, const char *text, size_t len, bool has_build,
			  struct err *e) MUST_CHECK;

/* matchspec_field.c: from what is written to what matches. */
int matchspec_finish(struct matchspec *s, struct err *e) MUST_CHECK;

#endif
