/* SPDX-License-Identifier: Apache-2.0 */
/* supply against a server that behaves, one that does not, and other processes. */
#include "fetch_servers.h"
#include "supply_world.h"

/* Each alone, in a store of its own. */
static void test_one(void)
{
	static const struct {
		const char *name, *package, *way;
		enum supply_want want;
		int code, state; /* what manifests/ has afterwards */
		int requests;	 /* GETs that the server must have seen; -1: any number */
		bool partly;	 /* and fewer bytes of it than the file has */
		int64_t size_plus;
		const char *text; /* in the error's sentence */
	} cases[] = {
		{ "by its tail", "big", "/ok", SUPPLY_LISTED, 0, SUPPLY_LISTED, 1, true },
		{ "by a longer tail", "wide", "/ok", SUPPLY_LISTED, 0, SUPPLY_LISTED, 2, true },
		{ "so small that the tail is all", "tiny", "/ok", SUPPLY_LISTED, 0, SUPPLY_PRESENT,
		  1 },
		{ "a .tar.bz2 only by all of it", "old", "/ok", SUPPLY_LISTED, 0, SUPPLY_PRESENT,
		  1 },
		{ "a server without ranges", "big", "/f/no-range", SUPPLY_LISTED, 0, SUPPLY_PRESENT,
		  1 },
		{ "a server without tails", "big", "/f/tail-416", SUPPLY_LISTED, 0, SUPPLY_PRESENT,
		  -1 },
		{ "present", "big", "/ok", SUPPLY_PRESENT, 0, SUPPLY_PRESENT, 1 },
		{ "resumed", "big", "/f/reset-at-100000-times-1", SUPPLY_PRESENT, 0, SUPPLY_PRESENT,
		  2 },
		{ "a file is read in part too", "big", "file", SUPPLY_LISTED, 0, SUPPLY_LISTED, 0 },
		{ "a file", "old", "file", SUPPLY_PRESENT, 0, SUPPLY_PRESENT, 0 },
		{ "wrong bytes", "big", "/f/wrong-bytes", SUPPLY_PRESENT, -EBADMSG, 0, 1,
		  .text = "SHA-256" },
		{ "wrong bytes of what the tail is all of", "tiny", "/f/wrong-bytes", SUPPLY_LISTED,
		  -EBADMSG, 0, 1 },
		{ "wrong bytes without ranges", "big", "/f/wrong-bytes,no-range", SUPPLY_LISTED,
		  -EBADMSG, 0, 1, .text = "SHA-256" },
		{ "another size, by the tail", "big", "/ok", SUPPLY_LISTED, -EBADMSG, 0, 1,
		  .size_plus = 1, .text = "bytes" },
		{ "another size, of a file", "big", "file", SUPPLY_LISTED, -EBADMSG, 0, 0,
		  .size_plus = -1, .text = "bytes" },
		{ "another size, whole", "old", "/ok", SUPPLY_PRESENT, -EBADMSG, 0, -1,
		  .size_plus = 1, .text = "bytes" },
		{ "a login page", "big", "/f/html", SUPPLY_PRESENT, -EBADMSG, 0, -1 },
		{ "no such file", "big", "/ok/nowhere", SUPPLY_LISTED, -ENOENT, 0, -1,
		  .text = "404" },
		{ "not allowed", "big", "/f/status-403", SUPPLY_LISTED, -EACCES, 0, 1 },
		{ "broken off again and again", "big", "/f/reset-at-0", SUPPLY_LISTED, -EIO, 0,
		  -1 },
		{ "neither kind", "neither", "/ok", SUPPLY_LISTED, -EBADMSG, 0, 0,
		  .text = "neither a .conda nor" },
		{ "a hard link patched, its target not", "badlink", "/ok", SUPPLY_PRESENT, -EBADMSG,
		  0, 1, .text = "another placeholder" },
		{ "a listed file is missing", "lacking", "/ok", SUPPLY_PRESENT, -EBADMSG, 0, 1 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct made *m = made_find(cases[i].package);
		AUTO(rig_done) struct rig g;
		struct supply_failure failures[4];
		struct supply_artifact a;
		struct err e = { 0 };
		size_t failed;

		test_case = cases[i].name;
		rig_open(&g, NULL);
		log_mark();
		a = rig_artifact(&g, m, cases[i].way);
		a.size += (uint64_t)cases[i].size_plus;
		CHECK_INT(supply_wait(g.supply, &a, cases[i].want, &e), cases[i].code);
		CHECK_INT(supply_state(g.supply, a.package), cases[i].state);
		if (cases[i].requests >= 0)
			CHECK_INT(log_count(m->file, cases[i].requests), cases[i].requests);
		if (cases[i].partly)
			CHECK(log_bytes(m->file) < m->size);
		failed = supply_failures(g.supply, failures, ARRAY_LEN(failures));
		CHECK_INT(failed, cases[i].code < 0);
		if (cases[i].code < 0) {
			CHECK(strstr(e.text, m->name));
			CHECK_INT(failures[0].code, cases[i].code);
			CHECK_TEXT(failures[0].text, e.text);
		}
		if (cases[i].text && !CHECK(strstr(e.text, cases[i].text)))
			fprintf(stderr, "  %s\n", e.text);
		rig_check_tidy(&g);
	}
}

/* What was refused is not asked for again for a while, however often somebody wants it; but
 * the asking does not make it longer. */
static void test_refusal(void)
{
	const struct supply_options o = { .refusal_ms = 600 };
	const struct made *m = made_find("big");
	AUTO(rig_done) struct rig g;
	struct supply_failure failures[4];
	struct supply_artifact a;
	struct err first = { 0 }, e = { 0 };
	uint64_t begun;
	int r = 0, asked = 0;

	test_case = "refusal";
	rig_open(&g, &o);
	log_mark();
	a = rig_artifact(&g, m, "/f/wrong-bytes-times-1");
	CHECK_INT(supply_wait(g.supply, &a, SUPPLY_PRESENT, &first), -EBADMSG);
	begun = sys_now_ns();
	CHECK_INT(supply_wait(g.supply, &a, SUPPLY_PRESENT, &e), -EBADMSG);
	CHECK_TEXT(e.text, first.text);
	CHECK_INT(log_count(m->file, 1), 1);
	CHECK_INT(supply_failures(g.supply, failures, ARRAY_LEN(failures)), 1);
	while (sys_now_ns() - begun < 5000000000ULL) {
		r = supply_wait(g.supply, &a, SUPPLY_PRESENT, &e);
		asked++;
		if (r == 0)
			break;
		(void)usleep(100000);
	}
	CHECK_INT(r, 0);
	CHECK(asked > 2);
	CHECK_INT(supply_state(g.supply, a.package), SUPPLY_PRESENT);
	CHECK_INT(log_count(m->file, 2), 2);
}

/* What merely failed is tried again at once. */
static void test_again(void)
{
	const struct made *m = made_find("big");
	AUTO(rig_done) struct rig g;
	struct supply_artifact a;
	struct err e = { 0 };

	test_case = "again after a failure";
	rig_open(&g, NULL);
	a = rig_artifact(&g, m, "/f/status-404-times-1");
	CHECK_INT(supply_wait(g.supply, &a, SUPPLY_LISTED, &e), -ENOENT);
	CHECK_INT(supply_wait(g.supply, &a, SUPPLY_LISTED, &e), 0);
	rig_check_tidy(&g);
}

#define ASKERS 300

static void test_many_askers(void)
{
	static struct answer answers[ASKERS];
	const struct made *m = made_find("big");
	AUTO(rig_done) struct rig g;
	struct supply_artifact a;
	struct supply_totals totals;

	test_case = "many askers";
	memset(answers, 0, sizeof(answers));
	rig_open(&g, NULL);
	log_mark();
	a = rig_artifact(&g, m, "/f/pause-at-1000");
	for (size_t i = 0; i < ASKERS; i++)
		rig_ask(&g, &a, SUPPLY_PRESENT, &answers[i]);
	rig_wait_all(&g);
	for (size_t i = 0; i < ASKERS; i++)
		if (answers[i].calls != 1 || answers[i].code != 0)
			CHECK_INT(answers[i].calls * 1000 + answers[i].code, 1000);
	CHECK_INT(log_count(m->file, 1), 1);
	supply_totals(g.supply, &totals);
	CHECK_INT(totals.packages_present, 1);
	CHECK_INT(totals.requests, 1);
	rig_check_tidy(&g);
}

/* Who wants the list is answered before who wants all of it. */
static void test_list_then_whole(void)
{
	const struct made *m = made_find("big");
	struct answer listed = { 0 }, present = { 0 };
	AUTO(rig_done) struct rig g;
	struct supply_artifact a;

	test_case = "list, then whole";
	rig_open(&g, NULL);
	log_mark();
	a = rig_artifact(&g, m, "/ok");
	rig_ask(&g, &a, SUPPLY_LISTED, &listed);
	rig_ask(&g, &a, SUPPLY_PRESENT, &present);
	rig_wait_all(&g);
	CHECK_INT(listed.code, 0);
	CHECK_INT(present.code, 0);
	CHECK_INT(supply_state(g.supply, a.package), SUPPLY_PRESENT);
	CHECK_INT(log_count(m->file, 2), 2);

	test_case = "a done function asks for more";
	a = rig_artifact(&g, made_find("wide"), "/ok");
	listed = (struct answer){ .more = true };
	rig_ask(&g, &a, SUPPLY_LISTED, &listed);
	rig_wait_all(&g);
	CHECK_INT(listed.calls, 2);
	CHECK_INT(listed.code, 0);
	CHECK_INT(supply_state(g.supply, a.package), SUPPLY_PRESENT);
	test_case = "what is there";
	log_mark();
	CHECK_INT(supply_wait(g.supply, &a, SUPPLY_PRESENT, NULL), 0);
	CHECK_INT(log_count(m->file, 0), 0);
	rig_check_tidy(&g);
}

/* Freed while requests hang: each asker is told, soon, once. */
static void test_free(void)
{
	static const char *const ways[] = { "/f/silent", "/f/stall-at-1000", "/f/slow-100",
					    "/f/status-503", "/ok" };
	static const char *const names[] = { "big", "wide", "old", "tiny", "twin" };
	struct answer answers[ARRAY_LEN(names)][2] = { 0 };
	uint64_t at;

	for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
		AUTO(rig_done) struct rig g;

		test_case = ways[w];
		memset(answers, 0, sizeof(answers));
		rig_open(&g, NULL);
		for (size_t i = 0; i < ARRAY_LEN(names); i++) {
			struct supply_artifact a = rig_artifact(&g, made_find(names[i]), ways[w]);

			rig_ask(&g, &a, SUPPLY_LISTED, &answers[i][0]);
			rig_ask(&g, &a, SUPPLY_PRESENT, &answers[i][1]);
		}
		if (w < ARRAY_LEN(ways) - 1)
			(void)usleep(60000);
		at = sys_now_ns();
		g.supply = supply_free(g.supply);
		CHECK((sys_now_ns() - at) / 1000000 < 1500);
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			for (size_t k = 0; k < 2; k++) {
				const struct answer *n = &answers[i][k];

				CHECK_INT(n->calls, 1);
				CHECK(n->code == 0 || n->code == -ECANCELED);
			}
		rig_check_tidy(&g);
	}
}

/* ... and while a large package is being stored. */
static void test_free_while_storing(void)
{
	const struct made *m = made_find("huge");
	struct supply_item item;
	struct answer answer = { 0 };
	AUTO(rig_done) struct rig g;
	struct supply_artifact a;
	bool storing = false;

	test_case = "freed while storing";
	rig_open(&g, NULL);
	a = rig_artifact(&g, m, "file");
	rig_ask(&g, &a, SUPPLY_PRESENT, &answer);
	for (int i = 0; i < 5000 && !storing; i++) {
		(void)usleep(1000);
		storing = supply_items(g.supply, &item, 1) == 1 && item.ingesting;
	}
	CHECK(storing);
	g.supply = supply_free(g.supply);
	CHECK_INT(answer.calls, 1);
	CHECK_INT(answer.code, -ECANCELED);
	rig_check_tidy(&g);
}

/* Another process has the artifact's lock. */
static void test_other_process(void)
{
	static const struct {
		const char *name;
		enum other_does does;
		int code;
		unsigned int ms_min, ms_max;
	} cases[] = {
		{ "gives up", OTHER_UNLOCKS, 0, 250, 2500 },
		{ "dies", OTHER_DIES, 0, 250, 2500 },
		{ "hangs", OTHER_HANGS, -ETIMEDOUT, 600, 2500 },
		{ "moves for long", OTHER_MOVES, 0, 1400, 5000 },
	};
	const struct supply_options o = { .stall_ms = 600 };
	const struct made *m = made_find("big");

	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		bool identify = i >= ARRAY_LEN(cases);
		size_t k = i % ARRAY_LEN(cases);
		AUTO(rig_done) struct rig g;
		struct supply_artifact a, told;
		struct err e = { 0 };
		uint64_t at, ms;
		struct other other;

		test_case = cases[k].name;
		temp_store_make(&g.t);
		if (!CHECK(other_start(&other, g.t.st, m, cases[k].does))) {
			temp_store_done(&g.t);
			continue;
		}
		rig_open_in(&g, &o);
		a = rig_artifact(&g, m, "/ok");
		at = sys_now_ns();
		CHECK_INT(identify ? supply_identify(g.supply, a.url, &m->md5, &told, &e)
				   : supply_wait(g.supply, &a, SUPPLY_LISTED, &e),
			  cases[k].code);
		ms = (sys_now_ns() - at) / 1000000;
		if (!CHECK(ms >= cases[k].ms_min && ms <= cases[k].ms_max))
			fprintf(stderr, "  took %llu ms\n", (unsigned long long)ms);
		other_stop(&other);
		if (cases[k].code == 0)
			rig_check_tidy(&g);
	}
}

static void test_may_not(void)
{
	const struct made *m = made_find("big");
	const struct supply_options offline = { .offline = true };
	AUTO(rig_done) struct rig g;
	AUTO(supply_freep) struct supply *reader = NULL;
	struct supply_options ro;
	struct supply_artifact a;
	struct store st;
	struct err e = { 0 };

	test_case = "offline";
	rig_open(&g, &offline);
	log_mark();
	a = rig_artifact(&g, m, "/ok");
	CHECK_INT(supply_wait(g.supply, &a, SUPPLY_LISTED, &e), -ENONET);
	CHECK_INT(supply_identify(g.supply, a.url, &m->md5, &a, &e), -ENONET);
	CHECK_INT(log_count(m->file, 0), 0);

	test_case = "read-only";
	st = *g.t.st;
	st.read_only = true;
	ro = g.options;
	ro.offline = false;
	ro.store = &st;
	ro.index = NULL;
	CHECK_INT(supply_open(&reader, &ro, &e), 0);
	a = rig_artifact(&g, m, "file");
	CHECK_INT(supply_wait(reader, &a, SUPPLY_LISTED, &e), -EROFS);
	CHECK_INT(supply_identify(reader, a.url, &m->md5, &a, &e), -EROFS);

	test_case = "files are not the network";
	a = rig_artifact(&g, m, "file");
	CHECK_INT(supply_wait(g.supply, &a, SUPPLY_PRESENT, &e), 0);
	test_case = "read-only, but there";
	CHECK_INT(supply_wait(reader, &a, SUPPLY_PRESENT, &e), 0);
	rig_check_tidy(&g);
}

static void test_identify(void)
{
	static const struct {
		const char *name, *package, *way;
		bool md5, wrong;
		int code;
	} cases[] = {
		{ "without MD5", "big", "/ok", false, false, 0 },
		{ "with MD5", "old", "/ok", true, false, 0 },
		{ "of a file", "tiny", "file", true, false, 0 },
		{ "with the wrong MD5", "big", "/ok", true, true, -EBADMSG },
		{ "not there", "big", "/ok/nowhere", false, false, -ENOENT },
		{ "neither kind", "neither", "/ok", false, false, -EBADMSG },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct made *m = made_find(cases[i].package);
		struct md5 md5 = cases[i].md5 ? m->md5 : (struct md5){ 0 };
		AUTO(rig_done) struct rig g;
		struct supply_artifact a, told = { 0 };
		struct err e = { 0 };

		test_case = cases[i].name;
		rig_open(&g, NULL);
		a = rig_artifact(&g, m, cases[i].way);
		if (cases[i].wrong)
			md5.bytes[3] ^= 1;
		if (!CHECK_INT(supply_identify(g.supply, a.url, &md5, &told, &e), cases[i].code))
			fprintf(stderr, "  %s\n", e.text);
		if (cases[i].code == 0) {
			CHECK_INT(told.package, a.package);
			CHECK_INT(told.size, m->size);
			CHECK(digest_same(&told.sha256, &m->sha256));
			CHECK(told.url == a.url && !told.name);
			CHECK_INT(supply_state(g.supply, a.package), SUPPLY_PRESENT);
		}
		rig_check_tidy(&g);
	}
}

/* What the manifests say of the packages' files. */
static void test_files(void)
{
	static const char *const names[] = { "big", "twin", "links" };
	AUTO(rig_done) struct rig g;
	struct manifest *m[ARRAY_LEN(names)];
	struct supply_artifact a;
	struct entry x, y;

	test_case = "files";
	rig_open(&g, NULL);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct err e = { 0 };

		a = rig_artifact(&g, made_find(names[i]), "file");
		if (!CHECK_INT(supply_wait(g.supply, &a, SUPPLY_PRESENT, &e), 0)) {
			fprintf(stderr, "  %s\n", e.text);
			return;
		}
		CHECK_INT(manifest_open(&m[i], g.t.st, a.package, NULL), 0);
	}
	test_case = "the same bytes are stored once";
	CHECK(entry_find(m[0], "lib/big.dat", &x) && entry_find(m[1], "lib/copy.dat", &y));
	CHECK_INT(x.size, 400000);
	CHECK(digest_same(x.digest, y.digest));
	CHECK_INT(y.extent.pack, manifest_package(m[0]));
	CHECK_INT(y.extent.offset, x.extent.offset);
	CHECK(entry_find(m[1], "lib/own.dat", &y));
	CHECK_INT(y.extent.pack, manifest_package(m[1]));

	test_case = "a hard link to a patched file, patched";
	CHECK(entry_find(m[2], "bin/run", &x) && entry_find(m[2], "bin/run-too", &y));
	CHECK_INT(x.spot_count, 1);
	CHECK_INT(y.spot_count, 1);
	CHECK_INT(y.extent.offset, x.extent.offset);
	CHECK(y.mode == 0755 && y.type == ENTRY_FILE);
	test_case = "a hard link to a patched file, not patched";
	CHECK(entry_find(m[2], "bin/run-as-is", &y));
	CHECK(!y.placeholder && y.spot_count == 0);
	CHECK_INT(y.extent.offset, x.extent.offset);
	test_case = "a hard link between plain files";
	CHECK(entry_find(m[2], "lib/plain", &x) && entry_find(m[2], "lib/plain-too", &y));
	CHECK(!y.placeholder);
	CHECK_INT(y.size, x.size);
	CHECK_INT(y.extent.offset, x.extent.offset);
	test_case = "what is not listed is hidden";
	CHECK(!entry_find(m[2], "lib/hidden", &y));
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		m[i] = manifest_free(m[i]);
}

/* Two at once over one store, as two commands are: each artifact is fetched once. */
static void test_two_supplies(void)
{
	static const char *const names[] = { "big", "wide", "old", "tiny", "twin", "links" };
	struct answer answers[ARRAY_LEN(names)][2] = { 0 };
	AUTO(rig_done) struct rig g;
	AUTO(supply_freep) struct supply *second = NULL;
	struct supply *first;

	test_case = "two supplies";
	rig_open(&g, NULL);
	log_mark();
	first = g.supply;
	CHECK_INT(supply_open(&second, &g.options, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct supply_artifact a = rig_artifact(&g, made_find(names[i]), "/ok");

		for (size_t k = 0; k < 2; k++) {
			g.supply = k ? second : first;
			rig_ask(&g, &a, SUPPLY_PRESENT, &answers[i][k]);
		}
	}
	g.supply = first;
	rig_wait_all(&g);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		CHECK_INT(answers[i][0].code, 0);
		CHECK_INT(answers[i][1].code, 0);
		CHECK_INT(log_count(made_find(names[i])->file, 1), 1);
	}
	rig_check_tidy(&g);
}

int main(void)
{
	struct server s;

	if (!world_open(&s))
		return 1;
	test_one();
	test_refusal();
	test_again();
	test_many_askers();
	test_list_then_whole();
	test_free();
	test_free_while_storing();
	test_other_process();
	test_may_not();
	test_identify();
	test_files();
	test_two_supplies();
	world_close(&s);
	return test_end();
}
