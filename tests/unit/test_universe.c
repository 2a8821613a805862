/* SPDX-License-Identifier: Apache-2.0 */
/* Sets by ranges over sorted versions, against each version held against the spec. */
#include "small_universe.h"

#include "solve/universe.h"
#include "spec/version.h"

static const char *const versions[] = {
	"0.9",	   "1",	     "1.0",    "1.0.0",	 "1.0a1",  "1.0rc2", "1.0.post1", "1.0.1",
	"1.0.1_",  "1.0.1a", "1.1",    "1.1dev", "1.10",   "1.9",    "2.0",	  "2!0.1",
	"1.0+loc", "1.0_2",  "2019.1", "2020a",	 "2020.b", "10",     "9.99",	  "0.0.1",
};

static const char *const specs[] = {
	">=1.0",
	">1.0",
	"<1.0",
	"<=1.0",
	">=1,<2",
	">1.0a1,<=1.0.1a",
	">=1.0,>1.0",
	"<0",
	">=3!0",
	">=2!0",
	"<2!0,>=10",
	">=1.0.post1",
	"<1.0+loc",
	">=1.0+loc",
	">1.1dev",
	">=1.0_2,<1.9",
	"==1.0",
	"1.0.*",
	"=1.0",
	"!=1.0,>=1",
	">=1.0|<0.5",
	">=1.0.*",
	"~=1.0.1",
	"<2,>=1,!=1.1.*",
	"^1.0.*$",
	"^1.0$",
	"*0",
	"*",
	"1.*|2.0",
	"(>=1,<1.5)|10",
	">=2019.1,<2020.b",
	">1,>1.0.1,>1.1",
};

static bool in_set(const struct universe *u, const struct uspec *s, const char *version)
{
	for (uint32_t m = s->set; m < s->set + s->set_count; m++)
		if (strcmp(u->cands[u->members[m]].version_text, version) == 0)
			return true;
	return false;
}

static void check_spec(struct universe *u, const char *text, uint32_t spec)
{
	AUTO(version_spec_freep) struct version_spec *vs = NULL;
	struct err e = { 0 };

	test_case = text;
	if (!CHECK(version_spec_parse(&vs, text, strlen(text), &e) == 0))
		return;
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		AUTO(version_freep) struct version *v = NULL;

		CHECK(version_parse(&v, versions[i], strlen(versions[i]), &e) == 0);
		if (!CHECK(in_set(u, &u->specs[spec], versions[i]) == version_spec_matches(vs, v)))
			fprintf(stderr, "  version %s\n", versions[i]);
	}
}

static void check_all(struct small *small)
{
	AUTO(universe_done) struct universe u = { 0 };
	uint32_t name, ids[ARRAY_LEN(specs)];
	struct err e = { 0 };

	CHECK(universe_open(&u, &small->rq, &e) == 0);
	for (size_t i = 0; i < ARRAY_LEN(specs); i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "a[version='%s']", specs[i]);
		CHECK(universe_spec(&u, text, &ids[i], &e) == 0);
	}
	CHECK(universe_name(&u, "a", 1, &name, &e) == 0);
	CHECK(universe_load(&u, name, 0, &e) == 0);
	CHECK_INT(u.names[name].count, ARRAY_LEN(versions));
	for (size_t i = 0; i < ARRAY_LEN(specs); i++)
		check_spec(&u, specs[i], ids[i]);
}

int main(void)
{
	struct small *small = malloc(sizeof(*small));
	AUTO_BUF channel = BUF(MIB);

	small_open(small);
	for (size_t i = 0; i < ARRAY_LEN(versions); i++)
		buf_addf(&channel, "a %s b%zu\n", versions[i], i);
	small_channel(small, channel.bytes);
	small_request(small, "install a", PRIORITY_FLEXIBLE);
	check_all(small);
	small_done(small);
	free(small);
	return test_end();
}
