/* SPDX-License-Identifier: Apache-2.0 */
#include "small_universe.h"

/* A '*' behind a package of an answer: it was installed before. */
struct solve_case {
	const char *name, *one, *two, *installed, *request, *answer;
	enum channel_priority priority;
};

static void run_opening(struct small *u, const struct solve_case *c, uint32_t open_max)
{
	AUTO(solution_freep) struct solution *s = NULL;
	AUTO_BUF got = BUF(MIB);
	struct err e = { 0 };

	u->rq.open_max = open_max;
	int r = solve(&s, &u->rq, &got, &e);
	if (r == 0)
		small_answer(u, s, &got);
	else
		CHECK(e.text[0] && r == e.code);
	CHECK_TEXT(got.bytes, c->answer);
}

static void run(struct small *u, const struct solve_case *c)
{
	test_case = c->name;
	small_channel(u, c->one);
	if (c->two)
		small_channel(u, c->two);
	if (c->installed)
		small_installed(u, c->installed);
	small_request(u, c->request, c->priority);
	run_opening(u, c, 0);
	run_opening(u, c, 1); /* lazily, as for a large channel */
	small_reset(u);
}

static const struct solve_case preferences[] = {
	{ "the newest version", "a 1.0\na 1.10\na 1.9", .request = "install a",
	  .answer = "a-1.10-0" },
	{ "the newest that the spec admits", "a 1.0\na 1.10\na 2.0", .request = "install a <2",
	  .answer = "a-1.10-0" },
	{ "the highest build number", "a 1 x0 #0\na 1 x1 #1\na 1 x2", .request = "install a",
	  .answer = "a-1-x1" },
	{ "the newest timestamp", "a 1 x @200\na 1 y @300\na 1 z @100", .request = "install a",
	  .answer = "a-1-y" },
	{ "the build string last", "a 1 x\na 1 z\na 1 y", .request = "install a",
	  .answer = "a-1-z" },
	{ "fewer track_features before the version", "a 1\na 2 0 !slow", .request = "install a",
	  .answer = "a-1-0" },
	{ "one feature is better than two", "a 1 0 !x\na 2 0 !x,y", .request = "install a",
	  .answer = "a-1-0" },
	{ "features when asked for by build", "a 1\na 2 slow_0 !slow",
	  .request = "install a=*=slow*", .answer = "a-2-slow_0" },
	{ "the build whose python is newest",
	  "a 1 py38 @900 : python 3.8.*\na 1 py39 @100 : python 3.9.*\npython 3.8\npython 3.9",
	  .request = "install a", .answer = "python-3.9-0 a-1-py39" },
	{ "python first, then dependencies by name",
	  "a 1 x : b 1.*, python 3.9.*\na 1 y : b 2.*, python 3.8.*\nb 1\nb 2\npython 3.8\npython "
	  "3.9",
	  .request = "install a", .answer = "b-1-0 python-3.9-0 a-1-x" },
	{ "requirements in link order", "a 1 0 : c, b\nb 1 0 : c\nc 1\nd 1", .request = "install a",
	  .answer = "c-1-0 b-1-0 a-1-0" },
	{ "requests before each other by name", "a 1\na 2 0 : c 1\nb 1\nb 2 0 : c 2\nc 1\nc 2",
	  .request = "install b; install a", .answer = "b-1-0 c-1-0 a-2-0" },
	{ "an older request when the newest cannot be", "a 1 0 : b\na 2 0 : b >2\nb 1\nb 2",
	  .request = "install a", .answer = "b-2-0 a-1-0" },
};

static const struct solve_case priorities[] = {
	{ "flexible: the first channel's older version", "a 1", "a 2", .request = "install a",
	  .answer = "a-1-0" },
	{ "flexible: the second when the first has none that fits", "a 1", "a 2",
	  .request = "install a >1", .answer = "a-2-0@two" },
	{ "flexible: a dependency may come from the second", "a 1 0 : b >1\nb 1", "b 2",
	  .request = "install a", .answer = "b-2-0@two a-1-0" },
	{ "strict: the first channel only", "a 1", "a 2", .request = "install a >1",
	  .priority = PRIORITY_STRICT,
	  .answer =
		  "You asked for 'a >1', but none can be installed.\n"
		  "a 2 is hidden: a channel before two has a, and channel priority is strict.\n" },
	{ "strict: a name that only the second has", "a 1 0 : b", "b 2\na 3",
	  .request = "install a", .priority = PRIORITY_STRICT, .answer = "b-2-0@two a-1-0" },
	{ "strict: a channel that is named", "a 1", "a 2", .request = "install two::a",
	  .priority = PRIORITY_STRICT, .answer = "a-2-0@two" },
	{ "strict: what needs a name from the named channel", "a 1\nb 1 0 : a", "a 2",
	  .request = "install two::a; install b", .priority = PRIORITY_STRICT,
	  .answer = "a-2-0@two b-1-0" },
	{ "flexible: a channel that is named", "a 1", "a 2", .request = "install two::a",
	  .answer = "a-2-0@two" },
	{ "disabled: the newest wherever it is", "a 1", "a 2", .request = "install a",
	  .priority = PRIORITY_DISABLED, .answer = "a-2-0@two" },
	{ "disabled: the first channel between the same versions", "a 1 x #0", "a 1 y #5",
	  .request = "install a", .priority = PRIORITY_DISABLED, .answer = "a-1-x" },
	{ "features before the channel", "a 1 0 !x", "a 1", .request = "install a",
	  .answer = "a-1-0@two" },
};

static const struct solve_case limits[] = {
	{ "limits of what is not there",
	  "a 1 0 : c 2, e 2 ~ d >=2\na 2 0 : f 1, b 4 ~ d 2\na 3 0 : d <3, c 1\nb 1 0 : c 2, d 3 ~ "
	  "c 2\n"
	  "b 2 0 : d 1 ~ d\nb 3 0 : d\nb 4 0 : d\nc 1 0 ~ b, b <3, b\nc 2 0 : b 1\nd 1 0 : c, f "
	  "1\nd 2 0 ~ b 4\nd 3\ne 1\n"
	  "e 2 0 : d <3\ne 3 0 : c, a\nf 1 0 : d 2, d 3",
	  .request = "install a; install c", .answer = "c-1-0 d-2-0 a-3-0" },
	{ "constrains does not pull in", "a 1 0 ~ b <2\nb 1\nb 2", .request = "install a",
	  .answer = "a-1-0" },
	{ "constrains holds for what is there", "a 1 0 ~ b <2\nb 1\nb 2",
	  .request = "install a; install b", .answer = "a-1-0 b-1-0" },
	{ "constrains that admits nothing keeps apart", "a 1 0 ~ b <0\na 0\nb 1",
	  .request = "install a; install b", .answer = "a-0-0 b-1-0" },
	{ "constrains of a dependency", "a 1 0 : c\nc 1 0 ~ b 1.*\nb 1\nb 2",
	  .request = "install a; install b", .answer = "b-1-0 c-1-0 a-1-0" },
	{ "a pin alone pulls in nothing", "a 1\nb 1", .request = "install a; pin b 1",
	  .answer = "a-1-0" },
	{ "a pin holds for a dependency", "a 1 0 : b\nb 1\nb 2", .request = "install a; pin b 1.*",
	  .answer = "b-1-0 a-1-0" },
	{ "a pin holds for a request", "a 1\na 2", .request = "install a; pin a 1.*",
	  .answer = "a-1-0" },
	{ "a virtual package that is there", "a 1\na 2 0 : __glibc >=2.17",
	  .request = "install a; virtual __glibc 2.31", .answer = "a-2-0" },
	{ "a virtual package that is too old", "a 1\na 2 0 : __glibc >=2.34",
	  .request = "install a; virtual __glibc 2.31", .answer = "a-1-0" },
	{ "a virtual package that is missing", "a 1\na 2 0 : __cuda", .request = "install a",
	  .answer = "a-1-0" },
	{ "constrains a virtual package that is there", "a 1\na 2 0 ~ __glibc >=2.34",
	  .request = "install a; virtual __glibc 2.31", .answer = "a-1-0" },
	{ "constrains a virtual package that is missing", "a 1\na 2 0 ~ __cuda >=12",
	  .request = "install a", .answer = "a-2-0" },
	{ "a channel's virtual packages are not taken", "a 1 0 : __cuda\na 0\n__cuda 12",
	  .request = "install a", .answer = "a-0-0" },
	{ "pip comes with python", "python 3.9\npip 21 0 : python",
	  .request = "install python; pip", .answer = "python-3.9-0 pip-21-0" },
	{ "no pip in the channels", "python 3.9", .request = "install python; pip",
	  .answer = "python-3.9-0" },
	{ "a dependency that is no MatchSpec", "a 1\na 2 0 : b >=>1\nb 1", .request = "install a",
	  .answer = "a-1-0" },
};

static const struct solve_case changes[] = {
	{ "install keeps what is there", "a 1\na 2\nb 1", .installed = "a 1",
	  .request = "keep a; install b", .answer = "a-1-0* b-1-0" },
	{ "install of what is there changes nothing", "a 1\na 2", .installed = "a 1",
	  .request = "install a", .answer = "a-1-0*" },
	{ "install with another version", "a 1\na 2", .installed = "a 1", .request = "install a=2",
	  .answer = "a-2-0" },
	{ "install changes what is in the way", "a 1\na 2\nb 1 0 : a >1", .installed = "a 1",
	  .request = "keep a; install b", .answer = "a-2-0 b-1-0" },
	{ "an earlier request keeps its limit", "a 1\na 2\nb 1\nb 2 0 : a >1", .installed = "a 1",
	  .request = "keep a <2; install b", .answer = "a-1-0* b-1-0" },
	{ "dependencies that are there stay", "a 1 0 : c\nb 1 0 : c\nc 1\nc 2",
	  .installed = "a 1 0 : c\nc 1", .request = "keep a; install b",
	  .answer = "c-1-0* a-1-0* b-1-0" },
	{ "what is there and no channel has any more", "b 1 0 : a", .installed = "a 1",
	  .request = "keep a; install b", .answer = "a-1-0* b-1-0" },
	{ "what is there needs only what is there", "a 1 0 : c\nc 1",
	  .installed = "a 1 0 : c\nc 1 0 : d\nd 1", .request = "keep a",
	  .answer = "d-1-0* c-1-0* a-1-0*" },
	{ "update of one", "a 1\na 2\nb 1\nb 2", .installed = "a 1\nb 1",
	  .request = "update a; keep b", .answer = "a-2-0 b-1-0*" },
	{ "update within its limit", "a 1\na 2\na 3", .installed = "a 1", .request = "update a <3",
	  .answer = "a-2-0" },
	{ "update of all", "a 1 0 : c\na 2 0 : c\nb 1\nb 2\nc 1\nc 2",
	  .installed = "a 1 0 : c\nb 1\nc 1", .request = "keep a; keep b <2; all",
	  .answer = "b-1-0* c-2-0 a-2-0" },
	{ "the newest is there already", "a 1\na 2", .installed = "a 2", .request = "update a",
	  .answer = "a-2-0*" },
	{ "python's minor stays",
	  "python 3.8.1\npython 3.8.2\npython 3.9.1\nb 1\nb 2 0 : python "
	  ">=3.9",
	  .installed = "python 3.8.1", .request = "keep python; install b; python",
	  .answer = "b-1-0 python-3.8.1-0*" },
	{ "python's minor stays when all is updated", "python 3.8.1\npython 3.8.2\npython 3.9.1",
	  .installed = "python 3.8.1", .request = "keep python; python; all",
	  .answer = "python-3.8.2-0" },
	{ "python's minor goes when python is asked for", "python 3.8.1\npython 3.9.1",
	  .installed = "python 3.8.1", .request = "update python; python",
	  .answer = "python-3.9.1-0" },
	{ "what nothing needs stays", "a 1\na 2\nc 1", .installed = "a 1 0 : c\nc 1",
	  .request = "update a", .answer = "a-2-0 c-1-0*" },
	{ "what nothing needs goes with prune", "a 1\na 2\nc 1", .installed = "a 1 0 : c\nc 1",
	  .request = "update a; prune", .answer = "a-2-0" },
	{ "remove takes dependents along", "a 1", .installed = "a 1\nb 1 0 : a\nc 1 0 : b\nd 1",
	  .request = "remove a; keep c; keep d", .answer = "d-1-0*" },
	{ "remove and prune", "a 1", .installed = "a 1 0 : x\nx 1 0 : y\ny 1\nz 1 0 : y",
	  .request = "remove a; keep z; prune", .answer = "y-1-0* z-1-0*" },
	{ "remove without prune", "a 1", .installed = "a 1 0 : x\nx 1\nz 1",
	  .request = "remove a; keep z", .answer = "x-1-0* z-1-0*" },
	{ "remove keeps pip for python", "a 1", .installed = "a 1\npython 3.9\npip 21 0 : python",
	  .request = "remove a; keep python; pip; prune", .answer = "python-3.9-0* pip-21-0*" },
	{ "remove only what matches", "a 1", .installed = "a 1\nb 1", .request = "remove a >5",
	  .answer = "'a >5' is not installed.\n" },
	{ "remove and install at once", "a 1\nb 1\nc 1", .installed = "a 1\nb 1 0 : a",
	  .request = "remove a; keep b; install c", .answer = "c-1-0" },
};

static const struct solve_case failures[] = {
	{ "unknown name", "numpy 1\nnumba 1\npandas 1", .request = "install nmupy",
	  .answer = "There is no package 'nmupy' in the channels; did you mean numpy, numba?\n" },
	{ "unknown name, nothing near", "numpy 1", .request = "install zzzzzzzz",
	  .answer = "There is no package 'zzzzzzzz' in the channels.\n" },
	{ "no such version", "a 1\na 2", .request = "install a >=9",
	  .answer = "You asked for 'a >=9', but no a satisfies that.\nAvailable of a: 2, 1.\n" },
	{ "two requests of one name", "a 1\na 2", .request = "install a <2; install a >=2",
	  .answer = "You asked for 'a <2', but you also asked for 'a >=2', and no a satisfies "
		    "both.\nAvailable of a: 2, 1.\n" },
	{ "a dependency against a request", "a 1\na 2 0 : b <1\na 2.1 0 : b <1\nb 0.9\nb 1.5",
	  .request = "install a >=2; install b=1.5",
	  .answer = "You asked for 'a >=2', but every a >=2 needs 'b <1' and you also asked for "
		    "'b=1.5'.\nAvailable of b: 1.5, 0.9.\n" },
	{ "a dependency against a pin", "a 1 0 : b <1\nb 0.9\nb 1.5",
	  .request = "install a; pin b 1.5",
	  .answer = "You asked for 'a', but every a needs 'b <1' and 'b 1.5' is pinned.\n"
		    "Available of b: 1.5, 0.9.\n" },
	{ "python's minor is in the way", "a 1 0 : python >=3.9\npython 3.8.1\npython 3.9.1",
	  .installed = "python 3.8.1", .request = "install a; python",
	  .answer = "You asked for 'a', but every a needs 'python >=3.9' and python stays at "
		    "'python 3.8.*' unless you ask for another.\n"
		    "Available of python: 3.9.1, 3.8.1.\n" },
	{ "a virtual package that is too old", "a 2 0 : __glibc >=2.28",
	  .request = "install a; virtual __glibc 2.17",
	  .answer = "You asked for 'a', but every a needs '__glibc >=2.28', and this machine has "
		    "__glibc 2.17; CONDA_OVERRIDE_GLIBC can say otherwise.\n" },
	{ "a virtual package that is missing", "a 2 0 : __cuda >=11", .request = "install a",
	  .answer = "You asked for 'a', but every a needs '__cuda >=11', and this machine has no "
		    "__cuda; CONDA_OVERRIDE_CUDA can say otherwise.\n" },
	{ "a dependency in no channel", "a 1 0 : gone", .request = "install a",
	  .answer = "You asked for 'a', but every a needs 'gone', which is in none of the "
		    "channels.\n" },
	{ "a dependency in no such version", "a 1 0 : b >3\nb 1\nb 2", .request = "install a",
	  .answer = "You asked for 'a', but every a needs 'b >3', and no b satisfies that.\n"
		    "Available of b: 2, 1.\n" },
	{ "two requests need different versions", "a 1 0 : c <2\nb 1 0 : c >=2\nc 1\nc 2",
	  .request = "install a; install b",
	  .answer = "You asked for 'a', but every a needs 'c <2', but 'b', which you also asked "
		    "for, needs 'c >=2'.\nAvailable of c: 2, 1.\n" },
	{ "different reasons", "a 1 0 : gone\na 2 0 : b >3\nb 1", .request = "install a",
	  .answer = "You asked for 'a', but none can be installed.\n"
		    "a 2 needs 'b >3', and no b satisfies that.\n"
		    "a 1 needs 'gone', which is in none of the channels.\n"
		    "Available of b: 1.\n" },
	{ "a chain of reasons", "a 1 0 : b\nb 1 0 : c >1\nb 2 0 : c >1\nc 1",
	  .request = "install a",
	  .answer = "You asked for 'a', but every a needs 'b', and no such b can be installed.\n"
		    "b 1 and 2 need 'c >1', and no c satisfies that.\nAvailable of c: 1.\n" },
	{ "constrains against a request", "a 1 0 ~ b <1\nb 0\nb 2",
	  .request = "install a; install b >1",
	  .answer = "You asked for 'a', but every a goes only with 'b <1' and you also asked for "
		    "'b >1'.\nAvailable of b: 2, 0.\n" },
	{ "only the search finds it, for one request",
	  "a 1 0 : b, c\nb 1 0 : x 1, y 2\nb 2 0 : x 2, y 1\nc 1 0 : x 1, y 1\n"
	  "c 2 0 : x 2, y 2\nx 1\nx 2\ny 1\ny 2",
	  .request = "install a",
	  .answer = "You asked for 'a', but all that it needs cannot hold together.\n"
		    "a 1 needs 'b' and 'c'.\n"
		    "b 1 needs 'x 1' and 'y 2'.\nb 2 needs 'x 2' and 'y 1'.\n"
		    "c 1 needs 'x 1' and 'y 1'.\nc 2 needs 'x 2' and 'y 2'.\n" },
	{ "only the search finds it",
	  "a 1 0 : x 1\na 2 0 : x 2\nb 1 0 : x 1, y 2\nb 2 0 : x 2, y 1\nc 1 0 : x 1, y 1\n"
	  "c 2 0 : x 2, y 2\nx 1\nx 2\ny 1\ny 2",
	  .request = "install a; install b; install c",
	  .answer = "These cannot hold together: 'b', 'c'.\n"
		    "b 1 needs 'x 1' and 'y 2'.\nb 2 needs 'x 2' and 'y 1'.\n"
		    "c 1 needs 'x 1' and 'y 1'.\nc 2 needs 'x 2' and 'y 2'.\n" },
};

/* The answer may not hang on the order in which requests or records come. */
static void test_same_answer(struct small *u)
{
	static const struct solve_case cases[] = {
		{ "one order", "a 1 x : p 1.*\na 1 y : p 2.*\nb 1 0 : p 1.*\nb 0\np 1\np 2",
		  .request = "install a; install b", .answer = "b-0-0 p-2-0 a-1-y" },
		{ "the other order", "p 2\np 1\nb 0\nb 1 0 : p 1.*\na 1 y : p 2.*\na 1 x : p 1.*",
		  .request = "install b; install a", .answer = "b-0-0 p-2-0 a-1-y" },
	};

	run(u, &cases[0]);
	run(u, &cases[1]);
}

/* More builds of a name than exclude each other pair by pair. */
static void test_many_builds(struct small *u)
{
	AUTO_BUF channel = BUF(MIB);
	struct solve_case c = { "fifty versions, each with its own needs",
				.request = "install a; install b <20",
				.answer = "c-19-0 a-19-0 b-19-0" };

	for (int i = 0; i < 50; i++) {
		buf_addf(&channel, "a %d 0 : c %d.*\n", i, i);
		buf_addf(&channel, "b %d 0 : c %d.* ~ a %d.*\n", i, i, i);
		buf_addf(&channel, "c %d\n", i);
	}
	c.one = channel.bytes;
	/* a is decided first, but its best leave b nothing. */
	run(u, &c);
}

static void test_link_order(void)
{
	static const char *const on_b[] = { "b >=1" }, *const on_c[] = { "chan::c", "b" },
				 *const on_a[] = { "a" }, *const self[] = { "d" };
	static const struct {
		const char *name;
		struct link_node nodes[4];
		size_t count;
		const char *order;
	} cases[] = {
		{ "by name when nothing is needed", { { "c" }, { "a" }, { "b" } }, 3, "a b c" },
		{ "what is needed first", { { "a", on_b, 1 }, { "b" } }, 2, "b a" },
		{ "a channel before the name", { { "a", on_c, 2 }, { "b" }, { "c" } }, 3, "b c a" },
		{ "a cycle: the least waiting, then by name",
		  { { "b", on_a, 1 }, { "a", on_b, 1 }, { "c", on_c, 2 } },
		  3,
		  "a b c" },
		{ "itself, and names that are not there",
		  { { "d", self, 1 }, { "a", on_b, 1 } },
		  2,
		  "a d" },
		{ "nothing", { { NULL } }, 0, "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_BUF got = BUF(KIB);
		uint32_t order[4];
		struct err e;

		test_case = cases[i].name;
		CHECK(link_order(cases[i].nodes, cases[i].count, order, &e) == 0);
		for (size_t k = 0; k < cases[i].count; k++)
			buf_addf(&got, "%s%s", k ? " " : "", cases[i].nodes[order[k]].name);
		CHECK_TEXT(got.bytes, cases[i].order);
	}
}

static void test_nearest(struct small *u)
{
	static const struct {
		const char *want, *near;
	} cases[] = {
		{ "nmupy", "numpy numba" },
		{ "panda", "pandas" },
		{ "scikitlearn", "scikit-learn" },
		{ "yaml", "pyyaml" },
		{ "pillo", "pillow" },
		{ "opencv", "py-opencv" },
		{ "x", "" },
		{ "tensorflowww", "" },
	};

	small_channel(u, "numpy 1\nnumba 1\npandas 1\nscikit-learn 1\npyyaml 1\npillow 1\n"
			 "py-opencv 1\nzlib 1");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_BUF got = BUF(KIB);
		const char *near[3];

		test_case = cases[i].want;
		size_t count = nearest_names(u->sources, u->source_count, cases[i].want, near, 3);
		for (size_t k = 0; k < count; k++)
			buf_addf(&got, "%s%s", k ? " " : "", near[k]);
		CHECK_TEXT(got.bytes, cases[i].near);
	}
	small_reset(u);
}

static void run_all(struct small *u, const struct solve_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		run(u, &cases[i]);
}

int main(void)
{
	struct small *u = malloc(sizeof(*u));

	small_open(u);
	run_all(u, preferences, ARRAY_LEN(preferences));
	run_all(u, priorities, ARRAY_LEN(priorities));
	run_all(u, limits, ARRAY_LEN(limits));
	run_all(u, changes, ARRAY_LEN(changes));
	run_all(u, failures, ARRAY_LEN(failures));
	test_same_answer(u);
	test_many_builds(u);
	test_link_order();
	test_nearest(u);
	small_done(u);
	free(u);
	return test_end();
}
