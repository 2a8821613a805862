/* SPDX-License-Identifier: Apache-2.0 */
/* Views against tables, and against a plain model of who has which path. */
#include "world.h"

#include "base/map.h"
#include "tree/impl.h"

#include <errno.h>

#define THINGS(array) .things = array, .thing_count = ARRAY_LEN(array)
#define F(p)                                                                                       \
	{                                                                                          \
		.path = p                                                                          \
	}
#define D(p)                                                                                       \
	{                                                                                          \
		.path = p, .type = ENTRY_DIR                                                       \
	}
#define L(p, to)                                                                                   \
	{                                                                                          \
		.path = p, .type = ENTRY_LINK, .bytes = to                                         \
	}

/* All paths of a view, found by listing, directory after directory. */
struct found {
	char path[VIEW_PATH_BYTES];
	struct node node;
};
struct finds {
	struct found *all; /* owned */
	size_t count, cap;
	const char *dir;
	uint64_t expect;
};

static int on_name(void *ctx, const char *name, const struct node *node, uint64_t next)
{
	struct finds *f = ctx;

	CHECK_INT(next, f->expect + 1);
	f->expect = next;
	MUST(GROW(f->all, f->cap, f->count + 1, 100000, world_err()));
	snprintf(f->all[f->count].path, VIEW_PATH_BYTES, "%.2000s%s%.255s", f->dir,
		 f->dir[0] ? "/" : "", name);
	f->all[f->count++].node = *node;
	return 0;
}

static void finds_done(struct finds *f)
{
	free(f->all);
}
#define AUTO_FINDS AUTO(finds_done) struct finds

static void find_all(struct view *v, struct finds *f)
{
	char dir[VIEW_PATH_BYTES] = "";

	f->dir = dir;
	MUST(view_list(v, view_root(v), 0, on_name, f));
	for (size_t i = 0; i < f->count; i++) {
		if (f->all[i].node.type != ENTRY_DIR)
			continue;
		strcpy(dir, f->all[i].path);
		f->expect = 0;
		MUST(view_list(v, f->all[i].node.ino, 0, on_name, f));
	}
}

static const struct found *find(const struct finds *f, const char *path)
{
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->all[i].path, path) == 0)
			return &f->all[i];
	return NULL;
}

static bool same_node(const struct node *a, const struct node *b)
{
	return a->ino == b->ino && a->type == b->type && a->known == b->known &&
	       a->slot == b->slot && a->entry == b->entry && a->mode == b->mode &&
	       a->size == b->size && a->mtime_s == b->mtime_s && a->mtime_ns == b->mtime_ns &&
	       a->failed == b->failed;
}

static uint64_t parent_ino(const struct finds *f, struct view *v, const char *path)
{
	char up[VIEW_PATH_BYTES];
	const struct found *dir;
	char *slash;

	strcpy(up, path);
	slash = strrchr(up, '/');
	if (!slash)
		return view_root(v);
	*slash = '\0';
	dir = find(f, up);
	return dir ? dir->node.ino : 0;
}

/*
 * What holds of every view: numbers are one to one with paths; each is
 * understood by a view that knows nothing yet; look-ups, paths and parents agree.
 */
static void check_view(struct world *w)
{
	AUTO_FINDS f = {};
	struct node n;

	find_all(w->v, &f);
	for (size_t i = 0; i < f.count; i++)
		for (size_t k = 0; k < i; k++)
			CHECK(f.all[i].node.ino != f.all[k].node.ino &&
			      strcmp(f.all[i].path, f.all[k].path) != 0);
	for (size_t i = f.count; i-- > 0;) {
		const struct found *at = &f.all[i];
		const char *name = strrchr(at->path, '/');

		if (i % 7 == 0)
			world_reopen(w, "/envs/ml");
		CHECK_INT(view_node(w->v, at->node.ino, &n), 0);
		CHECK(same_node(&n, &at->node));
		if (at->node.type == ENTRY_DIR)
			CHECK_INT(view_parent(w->v, at->node.ino), parent_ino(&f, w->v, at->path));
		CHECK_INT(view_lookup(w->v, parent_ino(&f, w->v, at->path),
				      name ? name + 1 : at->path, &n),
			  0);
		CHECK(same_node(&n, &at->node));
		CHECK_INT(view_resolve(w->v, at->path, &n), 0);
		CHECK(same_node(&n, &at->node));
	}
}

/* Paths as one text, sorted as listed: "path type slot" lines. */
static void show(const struct finds *f, struct buf *out, bool meta)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct found *at = &f->all[i];

		if (!meta && strncmp(at->path, "conda-meta", 10) == 0)
			continue;
		buf_addf(out, "%s%s%s", at->path,
			 at->node.type == ENTRY_DIR    ? "/"
			 : at->node.type == ENTRY_LINK ? "@"
						       : "",
			 node_kind(at->node.ino) == NODE_MADE ? "*" : "");
		if (at->node.type != ENTRY_DIR && at->node.slot != OWN)
			buf_addf(out, "=%u", at->node.slot);
		buf_addc(out, ' ');
	}
}

struct told {
	struct buf text;
};
static int on_conflict(void *ctx, const struct conflict *c)
{
	struct buf *out = ctx;

	buf_addf(out, "%s:%s>%s ", c->path, c->winner, c->loser ? c->loser : "-");
	return 0;
}

static const struct pkg_entry_point points[] = {
	{ "tool", "pkg.cli", "main" },
	{ "other", "pkg.cli", "cls.run" },
};

static const struct thing python_things[] = { F("bin/python3.11"), L("bin/python", "python3.11"),
					      F("lib/python3.11/os.py"),
					      F("lib/python3.11/site-packages/README.txt") };
#define PYTHON                                                                                     \
	{                                                                                          \
		.name = "python", .version = "3.11.2", THINGS(python_things)                       \
	}

static void test_shapes(void)
{
	static const struct thing a[] = { F("share/a"), F("both/a"), F("same") };
	static const struct thing b[] = { F("both/b"), F("same"), F("lib/b") };
	static const struct thing file_x[] = { F("x") }, dir_x[] = { F("x/1"), F("x/2/3") };
	static const struct thing dir_x2[] = { F("x/2/4") }, link_x[] = { L("x", "y") };
	static const struct thing empty[] = { D("x/e"), D("e") };
	static const struct thing pure[] = { F("site-packages/p/__init__.py"),
					     F("python-scripts/run"), F("etc/p") };
	static const struct thing pure2[] = { F("site-packages/p/more.py"), F("bin/tool"),
					      F("site-packages/q.py") };
	static const struct thing odd[] = { F("conda-meta/history"), F("site-packages/o"),
					    F("lib/python3.11/EXTERNALLY-MANAGED") };
	static const struct thing real[] = { F("lib/python3.11/site-packages/p/__init__.py") };
	static const struct thing both[] = { F("lib/python3.11/site-packages/p/a"),
					     F("site-packages/p/b"), F("site-packages/p/c/d") };
	static const struct thing file_lib[] = { F("lib"), F("bin") };
	static const struct thing prefixed[] = { F("site-packages-2/x"), F("python-scripts.d/y"),
						 F("site-packages") };
	static const struct {
		const char *name;
		struct recipe recipes[4];
		uint32_t count;
		const char *want, *conflicts;
	} cases[] = {
		{ "no package", {}, 0, "", "" },
		{ "one package",
		  { { .name = "a", THINGS(a) } },
		  1,
		  "both/ same=0 share/ both/a=0 share/a=0 ",
		  "" },
		{ "two packages, one file of both: the later",
		  { { .name = "a", THINGS(a) }, { .name = "b", THINGS(b) } },
		  2,
		  "both/ lib/ same=1 share/ both/a=0 both/b=1 lib/b=1 share/a=0 ",
		  "same:b>a " },
		{ "file, then directory",
		  { { .name = "a", THINGS(file_x) }, { .name = "b", THINGS(dir_x) } },
		  2,
		  "x/ x/1=1 x/2/ x/2/3=1 ",
		  "x:b>a " },
		{ "directory, then file",
		  { { .name = "a", THINGS(dir_x) }, { .name = "b", THINGS(file_x) } },
		  2,
		  "x=1 ",
		  "x:b>a " },
		{ "directory, then link",
		  { { .name = "a", THINGS(dir_x) }, { .name = "b", THINGS(link_x) } },
		  2,
		  "x@=1 ",
		  "x:b>a " },
		{ "directory, file, directory: all directories are back",
		  { { .name = "a", THINGS(dir_x) },
		    { .name = "b", THINGS(file_x) },
		    { .name = "c", THINGS(dir_x2) } },
		  3,
		  "x/ x/1=0 x/2/ x/2/3=0 x/2/4=2 ",
		  "x:c>b " },
		{ "two directories, then file: each loses",
		  { { .name = "a", THINGS(dir_x) },
		    { .name = "b", THINGS(dir_x2) },
		    { .name = "c", THINGS(file_x) } },
		  3,
		  "x=2 ",
		  "x:c>a x:c>b " },
		{ "empty directories",
		  { { .name = "a", THINGS(dir_x) }, { .name = "b", THINGS(empty) } },
		  2,
		  "e/ x/ x/1=0 x/2/ x/e/ x/2/3=0 ",
		  "" },
		{ "noarch python",
		  { PYTHON,
		    { .name = "p",
		      THINGS(pure),
		      .noarch = NOARCH_PYTHON,
		      .points = points,
		      .point_count = 2 } },
		  2,
		  "bin/ etc/ lib/ bin/other*=1 bin/python@=0 bin/python3.11=0 bin/run=1 "
		  "bin/tool*=1 etc/p=1 lib/python3.11/ lib/python3.11/EXTERNALLY-MANAGED* "
		  "lib/python3.11/os.py=0 lib/python3.11/site-packages/ "
		  "lib/python3.11/site-packages/README.txt=0 lib/python3.11/site-packages/p/ "
		  "lib/python3.11/site-packages/p/__init__.py=1 ",
		  "" },
		{ "two noarch packages share a directory; a later file hides an entry point",
		  { PYTHON,
		    { .name = "p",
		      THINGS(pure),
		      .noarch = NOARCH_PYTHON,
		      .points = points,
		      .point_count = 1 },
		    { .name = "q", THINGS(pure2), .noarch = NOARCH_PYTHON } },
		  3,
		  "bin/ etc/ lib/ bin/python@=0 bin/python3.11=0 bin/run=1 bin/tool=2 etc/p=1 "
		  "lib/python3.11/ lib/python3.11/EXTERNALLY-MANAGED* lib/python3.11/os.py=0 "
		  "lib/python3.11/site-packages/ lib/python3.11/site-packages/README.txt=0 "
		  "lib/python3.11/site-packages/p/ lib/python3.11/site-packages/q.py=2 "
		  "lib/python3.11/site-packages/p/__init__.py=1 "
		  "lib/python3.11/site-packages/p/more.py=2 ",
		  "bin/tool:q>p " },
		{ "an entry point wins over its own package's file and over earlier packages",
		  { PYTHON,
		    { .name = "p", THINGS(pure2) },
		    { .name = "q",
		      THINGS(pure2),
		      .noarch = NOARCH_PYTHON,
		      .points = points,
		      .point_count = 1 } },
		  3,
		  "bin/ lib/ site-packages/ bin/python@=0 bin/python3.11=0 bin/tool*=2 "
		  "lib/python3.11/ site-packages/p/ site-packages/q.py=1 "
		  "lib/python3.11/EXTERNALLY-MANAGED* lib/python3.11/os.py=0 "
		  "lib/python3.11/site-packages/ site-packages/p/more.py=1 "
		  "lib/python3.11/site-packages/README.txt=0 lib/python3.11/site-packages/p/ "
		  "lib/python3.11/site-packages/q.py=2 lib/python3.11/site-packages/p/more.py=2 ",
		  "bin/tool:q>p " },
		{ "without python nothing is mapped",
		  { { .name = "p",
		      THINGS(pure),
		      .noarch = NOARCH_PYTHON,
		      .points = points,
		      .point_count = 2 } },
		  1,
		  "etc/ python-scripts/ site-packages/ etc/p=0 python-scripts/run=0 "
		  "site-packages/p/ site-packages/p/__init__.py=0 ",
		  "" },
		{ "python's record says where; directories that nobody brings",
		  { { .name = "python",
		      .version = "3.13.1",
		      THINGS(file_x),
		      .record_json = "{\"python_site_packages_path\": "
				     "\"lib/python3.13t/site-packages\"}" },
		    { .name = "q",
		      THINGS(pure2),
		      .noarch = NOARCH_PYTHON,
		      .points = points,
		      .point_count = 1 } },
		  2,
		  "bin/ lib/ x=0 bin/tool*=1 lib/python3.13t/ lib/python3.13t/EXTERNALLY-MANAGED* "
		  "lib/python3.13t/site-packages/ lib/python3.13t/site-packages/p/ "
		  "lib/python3.13t/site-packages/q.py=1 lib/python3.13t/site-packages/p/more.py=1 ",
		  "" },
		{ "python's own index.json says where",
		  { { .name = "python",
		      .version = "3.9.1",
		      THINGS(file_x),
		      .index_json = "{\"name\": \"python\", \"python_site_packages_path\": "
				    "\"lib/pypy3.9/site-packages\"}" },
		    { .name = "o", THINGS(real), .noarch = NOARCH_PYTHON } },
		  2,
		  "lib/ x=0 lib/python3.11/ lib/python3.11/site-packages/ "
		  "lib/python3.11/site-packages/p/ lib/python3.11/site-packages/p/__init__.py=1 ",
		  "" },
		{ "conda-meta is envfs' own; a package's EXTERNALLY-MANAGED stays",
		  { { .name = "o", THINGS(odd) }, PYTHON },
		  2,
		  "bin/ lib/ site-packages/ bin/python@=1 bin/python3.11=1 lib/python3.11/ "
		  "site-packages/o=0 lib/python3.11/EXTERNALLY-MANAGED=0 lib/python3.11/os.py=1 "
		  "lib/python3.11/site-packages/ lib/python3.11/site-packages/README.txt=1 ",
		  "conda-meta:envfs>o " },
		{ "platform and noarch package at one path",
		  { PYTHON,
		    { .name = "p", THINGS(pure), .noarch = NOARCH_PYTHON },
		    { .name = "r", THINGS(real) } },
		  3,
		  "bin/ etc/ lib/ bin/python@=0 bin/python3.11=0 bin/run=1 etc/p=1 lib/python3.11/ "
		  "lib/python3.11/EXTERNALLY-MANAGED* lib/python3.11/os.py=0 "
		  "lib/python3.11/site-packages/ lib/python3.11/site-packages/README.txt=0 "
		  "lib/python3.11/site-packages/p/ lib/python3.11/site-packages/p/__init__.py=2 ",
		  "lib/python3.11/site-packages/p/__init__.py:r>p " },
		{ "one noarch package with both spellings",
		  { PYTHON, { .name = "p", THINGS(both), .noarch = NOARCH_PYTHON } },
		  2,
		  "bin/ lib/ bin/python@=0 bin/python3.11=0 lib/python3.11/ "
		  "lib/python3.11/EXTERNALLY-MANAGED* lib/python3.11/os.py=0 "
		  "lib/python3.11/site-packages/ lib/python3.11/site-packages/README.txt=0 "
		  "lib/python3.11/site-packages/p/ lib/python3.11/site-packages/p/a=1 "
		  "lib/python3.11/site-packages/p/b=1 lib/python3.11/site-packages/p/c/ "
		  "lib/python3.11/site-packages/p/c/d=1 ",
		  "" },
		{ "a later file where mapping needs directories",
		  { PYTHON,
		    { .name = "p",
		      THINGS(pure),
		      .noarch = NOARCH_PYTHON,
		      .points = points,
		      .point_count = 1 },
		    { .name = "f", THINGS(file_lib) } },
		  3,
		  "bin=2 etc/ lib=2 etc/p=1 ",
		  "bin:f>python bin:f>p lib:f>python lib:f>p " },
		{ "a file where mapping needs directories, later",
		  { { .name = "f", THINGS(file_lib) },
		    { .name = "python", .version = "3.11", THINGS(file_x) },
		    { .name = "p",
		      THINGS(pure),
		      .noarch = NOARCH_PYTHON,
		      .points = points,
		      .point_count = 1 } },
		  3,
		  "bin/ etc/ lib/ x=1 bin/run=2 bin/tool*=2 etc/p=2 lib/python3.11/ "
		  "lib/python3.11/EXTERNALLY-MANAGED* lib/python3.11/site-packages/ "
		  "lib/python3.11/site-packages/p/ lib/python3.11/site-packages/p/__init__.py=2 ",
		  "bin:p>f lib:p>f " },
		{ "names that only begin like the mapped ones",
		  { PYTHON, { .name = "p", THINGS(prefixed), .noarch = NOARCH_PYTHON } },
		  2,
		  "bin/ lib/ python-scripts.d/ site-packages=1 site-packages-2/ bin/python@=0 "
		  "bin/python3.11=0 lib/python3.11/ python-scripts.d/y=1 site-packages-2/x=1 "
		  "lib/python3.11/EXTERNALLY-MANAGED* lib/python3.11/os.py=0 "
		  "lib/python3.11/site-packages/ lib/python3.11/site-packages/README.txt=0 ",
		  "" },
	};

	AUTO_WORLD w;

	world_make(&w);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_FINDS f = {};
		AUTO_BUF got = BUF(1 * MIB);
		AUTO_BUF conflicts = BUF(1 * MIB);

		test_case = cases[i].name;
		world_generation(&w, cases[i].recipes, cases[i].count, NULL);
		world_reopen(&w, "/envs/ml");
		find_all(w.v, &f);
		show(&f, &got, false);
		CHECK_TEXT(got.bytes, cases[i].want);
		CHECK_INT(view_conflicts(w.v, on_conflict, &conflicts, world_err()), 0);
		CHECK_TEXT(conflicts.bytes, cases[i].conflicts);
		check_view(&w);
	}
}

static void test_refused(void)
{
	static const struct {
		const char *name, *version, *path;
	} cases[] = {
		{ "leaves the prefix", "3.11", "../x/site-packages" },
		{ "absolute", "3.11", "/lib/site-packages" },
		{ "below conda-meta", "3.11", "conda-meta/site-packages" },
		{ "too deep", "3.11", "a/b/c/d/e/f/g/h/i" },
		{ "too long", "3.11",
		  "a123456789/a123456789/a123456789/a123456789/a123456789/"
		  "aa1234567890123456789012345678901234567890" },
		{ "no minor version", "3", "lib/site-packages" },
		{ "no number", "3.x", "lib/site-packages" },
	};
	static const struct thing x[] = { F("x") };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char record[300];
		struct recipe r = { .name = "python", .version = cases[i].version, THINGS(x) };
		struct view *v = NULL;
		AUTO_WORLD w;

		test_case = cases[i].name;
		snprintf(record, sizeof(record), "{\"python_site_packages_path\": \"%s\"}",
			 cases[i].path);
		r.record_json = record;
		world_make(&w);
		world_generation(&w, &r, 1, NULL);
		CHECK_INT(view_open(&v, w.g, w.manifests, "/envs/ml", world_err()), -EBADMSG);
	}
	test_case = "prefixes";
	AUTO_WORLD w;
	struct view *v = NULL;

	world_of(&w, NULL, 0, "/envs/ml");
	CHECK_INT(view_open(&v, w.g, w.manifests, "envs/ml", world_err()), -EINVAL);
	CHECK_INT(view_open(&v, w.g, w.manifests, "/envs/\xff", world_err()), -EINVAL);
	CHECK_INT(view_open(&v, w.g, w.manifests, "/", world_err()), -EINVAL);
}

static void test_numbers(void)
{
	static const struct thing a[] = { F("x/plain"),
					  { .path = "x/patched", .placeholder = "/p" },
					  L("x/link", "plain") };
	static const struct thing b[] = { F("x/b") };
	struct recipe recipes[] = { { .name = "a", THINGS(a) }, { .name = "b", THINGS(b) } };
	uint64_t first[4], base;
	static const char *const paths[] = { "x/plain", "x/patched", "x/link", "x" };
	struct node n;
	AUTO_WORLD w;

	test_case = "numbers over generations";
	world_of(&w, recipes, 2, "/envs/ml");
	base = generation_slot_base(w.g);
	for (size_t i = 0; i < 4; i++) {
		CHECK_INT(view_resolve(w.v, paths[i], &n), 0);
		first[i] = n.ino;
	}
	CHECK_INT(node_kind(first[0]), NODE_FILE);
	CHECK_INT(node_kind(first[1]), NODE_PATCHED);
	CHECK_INT(node_kind(first[2]), NODE_FILE);
	CHECK_INT(node_kind(first[3]), NODE_DIR);
	CHECK_INT(node_scope(first[3]), base + 1);
	CHECK_INT(node_scope(view_root(w.v)), base);
	w.v = view_free(w.v);
	world_generation(&w, recipes, 1, NULL);
	world_reopen(&w, "/envs/ml");
	for (size_t i = 0; i < 4; i++) {
		CHECK_INT(view_resolve(w.v, paths[i], &n), 0);
		CHECK((n.ino == first[i]) == (i < 3));
	}
	test_case = "numbers that mean nothing";
	base = generation_slot_base(w.g);
	const uint64_t wrong[] = {
		first[3],
		0,
		NODE_ROOT,
		node_make(NODE_FILE, 999, 1),
		first[0] + 100,
		node_make(NODE_FILE, node_scope(first[0]), node_entry(first[1])),
		node_make(NODE_FILE, node_scope(first[0]), 0),
		node_make(NODE_PATCHED, node_scope(first[1]), node_entry(first[0])),
		node_make(NODE_DIR, base + 1, 0),
		node_make(NODE_DIR, base, 1),
		node_make(NODE_DIR, base + 2, 1),
		node_make(NODE_DIR, base + 1, 2),
		node_make(NODE_MADE, base, 0),
		node_make(NODE_MADE, base, MADE_STATE),
		node_make(NODE_MADE, base, MADE_EXTERNALLY_MANAGED),
		node_make(NODE_MADE, base + 1, 1),
		node_make(NODE_MADE, base + 2, 0),
		node_make(NODE_MADE, base - 1, 0),
		node_make(NODE_MADE_DIR, base, DIR_BIN),
		node_make(NODE_MADE_DIR, base, DIR_PART),
		node_make(NODE_MADE_DIR, base + 1, DIR_META),
		node_make((enum node_kind)6, base, 0),
		UINT64_MAX,
	};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (!CHECK_INT(view_node(w.v, wrong[i], &n), -ESTALE))
			fprintf(stderr, "  number %zu\n", i);
	CHECK_INT(view_lookup(w.v, first[0], "x", &n), -ESTALE);
	CHECK_INT(view_lookup(w.v, view_root(w.v), "nothing", &n), -ENOENT);
	CHECK_INT(view_lookup(w.v, view_root(w.v), "", &n), -ENOENT);
	CHECK_INT(view_resolve(w.v, "x/plain/below", &n), -ENOTDIR);
	CHECK_INT(view_resolve(w.v, "", &n), 0);
	CHECK_INT(n.ino, view_root(w.v));
	CHECK_INT(view_parent(w.v, view_root(w.v)), NODE_ROOT);
}

static void test_attributes(void)
{
	static const struct thing a[] = {
		{ .path = "bin/run", .bytes = "#!/p/x\n", .placeholder = "/p", .mode = 0755 },
		{ .path = "bin/none", .bytes = "nothing of it", .placeholder = "/p/q" },
		{ .path = "bin/plain", .bytes = "12345" },
		{ .path = "bin/tight",
		  .bytes = "x/p\0y",
		  .len = 5,
		  .placeholder = "/p",
		  .binary = true },
		{ .path = "bin/untouched",
		  .bytes = "x\0y",
		  .len = 3,
		  .placeholder = "/p",
		  .binary = true },
		L("bin/link", "plain"),
	};
	static const struct {
		const char *path;
		uint32_t mode;
		uint64_t size;
		int seconds, failed;
	} want[] = {
		{ "bin/run", 0755, 7 - 2 + 8, 0 + 1, 0 }, { "bin/none", 0644, 13, 1, 0 },
		{ "bin/plain", 0644, 5, 2, 0 },		  { "bin/tight", 0644, 5, 3, -EIO },
		{ "bin/untouched", 0644, 3, 4, 0 },	  { "bin/link", 0777, 5, 5, 0 },
	};
	struct recipe r = { .name = "a", THINGS(a) };
	AUTO_BUF conflicts = BUF(1 * MIB);
	struct manifest *listed, *present;
	struct node n, before;
	const char *target;
	AUTO_WORLD w;

	world_of(&w, &r, 1, "/envs/ml");
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		test_case = want[i].path;
		CHECK_INT(view_resolve(w.v, want[i].path, &n), 0);
		CHECK(n.known);
		CHECK_INT(n.mode, want[i].mode);
		CHECK_INT(n.size, want[i].size);
		CHECK_INT(n.mtime_s, WORLD_SECONDS + want[i].seconds);
		CHECK_INT(n.mtime_ns, 123456789);
		CHECK_INT(n.failed, want[i].failed);
	}
	test_case = "link's target";
	target = view_target(w.v, &n);
	CHECK_TEXT(target, "plain");
	test_case = "directories";
	CHECK_INT(view_resolve(w.v, "bin", &n), 0);
	CHECK(n.type == ENTRY_DIR && n.known && n.mode == 0755);
	CHECK_INT(n.mtime_s * 1000 + n.mtime_ns / 1000000, generation_created_ms(w.g));
	test_case = "a prefix too long is told";
	CHECK_INT(view_conflicts(w.v, on_conflict, &conflicts, world_err()), 0);
	CHECK_TEXT(conflicts.bytes, "bin/tight:a>- ");

	test_case = "listed, then present";
	present = manifest_ref(w.manifests[0]);
	listed = world_package(&w, &r, manifest_package(present), true);
	view_free(w.v);
	w.v = NULL;
	MUST(view_open(&w.v, w.g, &listed, "/envs/ml", world_err()));
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		CHECK_INT(view_resolve(w.v, want[i].path, &before), 0);
		CHECK(!before.known && before.slot == 0 && before.failed == 0);
		CHECK(view_target(w.v, &before) == NULL);
	}
	view_replace(w.v, 0, present);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		CHECK_INT(view_resolve(w.v, want[i].path, &n), 0);
		CHECK(n.known && n.size == want[i].size && n.failed == want[i].failed);
	}
	CHECK_INT(n.ino, before.ino);
	manifest_free(listed);
	manifest_free(present);
}

/* The artifact is not what its list said. */
static void test_liar(void)
{
	static const struct thing said[] = { F("d/a"), F("d/z"), F("e") };
	static const struct thing is[] = { F("c/x"), F("d/b"), F("d/c"), F("e/f") };
	static const struct thing other[] = { F("d/o") };
	struct recipe recipes[] = { { .name = "a", THINGS(said), .listed = true },
				    { .name = "b", THINGS(other) } };
	struct recipe truth = { .name = "a", THINGS(is) };
	AUTO_BUF got = BUF(1 * MIB);
	AUTO_FINDS f = {};
	struct manifest *m;
	struct node n;
	AUTO_WORLD w;

	test_case = "an artifact that is not what its list said";
	world_of(&w, recipes, 2, "/envs/ml");
	CHECK_INT(view_resolve(w.v, "d/z", &n), 0);
	m = world_package(&w, &truth, manifest_package(w.manifests[0]), false);
	view_replace(w.v, 0, m);
	manifest_free(w.manifests[0]);
	w.manifests[0] = m;
	find_all(w.v, &f);
	show(&f, &got, false);
	CHECK_TEXT(got.bytes, "c/ d/ e/ c/x=0 d/b=0 d/c=0 d/o=1 e/f=0 ");
	check_view(&w);
}

/* ---- a plain model: every package's paths, asked one by one ---- */

#define MODEL_PATHS 24
struct model {
	char paths[WORLD_PACKAGES][MODEL_PATHS][64];
	size_t counts[WORLD_PACKAGES];
	uint32_t packages;
};

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/';
}

/* Who decides at a path: 'f' a file of *ret_slot, 'd' a directory, 0 nobody. */
static char model_kind(const struct model *m, const char *path, uint32_t *ret_slot)
{
	char kind = 0;

	for (uint32_t p = 0; p < m->packages; p++)
		for (size_t i = 0; i < m->counts[p]; i++) {
			bool file = strcmp(m->paths[p][i], path) == 0;

			if (!file && !is_below(m->paths[p][i], path))
				continue;
			kind = file ? 'f' : 'd';
			*ret_slot = p;
		}
	return kind;
}

/* The same, seen from the root: every directory above must be one. */
static char model_see(const struct model *m, const char *path, uint32_t *ret_slot)
{
	char up[64];

	for (const char *s = strchr(path, '/'); s; s = strchr(s + 1, '/')) {
		snprintf(up, sizeof(up), "%.*s", (int)(s - path), path);
		if (model_kind(m, up, ret_slot) != 'd')
			return 0;
	}
	return model_kind(m, path, ret_slot);
}

/* Paths of few names, so that packages meet. In one package no path is a directory of another. */
static void model_make(struct model *m, uint64_t *seed)
{
	m->packages = 1 + (uint32_t)(test_random(seed) % 5);
	for (uint32_t p = 0; p < m->packages; p++) {
		size_t tries = test_random(seed) % MODEL_PATHS;

		m->counts[p] = 0;
		for (size_t t = 0; t < tries; t++) {
			size_t depth = 1 + test_random(seed) % 4;
			char *path = m->paths[p][m->counts[p]];
			bool clash = false;

			path[0] = '\0';
			for (size_t d = 0; d < depth; d++)
				sprintf(path + strlen(path), "%s%c", d ? "/" : "",
					(char)('a' + test_random(seed) % 4));
			for (size_t i = 0; i < m->counts[p]; i++)
				clash = clash || strcmp(path, m->paths[p][i]) == 0 ||
					is_below(path, m->paths[p][i]) ||
					is_below(m->paths[p][i], path);
			m->counts[p] += !clash;
		}
	}
}

static void model_check(const struct model *m, const struct finds *f)
{
	size_t seen = 0, expected = 0;
	uint32_t slot = 0;

	for (size_t i = 0; i < f->count; i++) {
		const struct found *at = &f->all[i];
		char kind;

		if (strncmp(at->path, "conda-meta", 10) == 0)
			continue;
		kind = model_see(m, at->path, &slot);
		CHECK(kind == (at->node.type == ENTRY_DIR ? 'd' : 'f'));
		CHECK(kind == 'd' || slot == at->node.slot);
		seen += kind == 'f';
	}
	for (uint32_t p = 0; p < m->packages; p++)
		for (size_t i = 0; i < m->counts[p]; i++)
			expected += model_see(m, m->paths[p][i], &slot) == 'f' && slot == p;
	CHECK_INT(seen, expected);
}

static void test_random_trees(void)
{
	static struct model m;
	static struct thing things[WORLD_PACKAGES][MODEL_PATHS];
	uint64_t seed = 7;
	AUTO_WORLD w;

	world_make(&w);
	for (int round = 0; round < 60; round++) {
		struct recipe recipes[WORLD_PACKAGES] = {};
		char name[40], names[WORLD_PACKAGES][16];
		AUTO_FINDS f = {};

		snprintf(name, sizeof(name), "random tree %d", round);
		test_case = name;
		model_make(&m, &seed);
		for (uint32_t p = 0; p < m.packages; p++) {
			snprintf(names[p], sizeof(names[p]), "p%u", p);
			for (size_t i = 0; i < m.counts[p]; i++)
				things[p][i] = (struct thing){ .path = m.paths[p][i] };
			recipes[p] = (struct recipe){ .name = names[p],
						      .things = things[p],
						      .thing_count = m.counts[p],
						      .listed = round % 2 };
		}
		world_generation(&w, recipes, m.packages, NULL);
		world_reopen(&w, "/envs/ml");
		find_all(w.v, &f);
		model_check(&m, &f);
		check_view(&w);
	}
}

static void test_hostile_names(void)
{
	static const struct thing a[] = {
		F("\xc3\xa9/\xe2\x82\xac"), F("sp ace/'\"$`"), F("-rf"), F("Lib/A"), F("lib/a"),
		F("dots.../..x"),
	};
	struct recipe recipes[] = { { .name = "a", THINGS(a) }, { .name = "b", THINGS(a) } };
	struct node n;
	AUTO_WORLD w;

	test_case = "odd names";
	world_of(&w, recipes, 2, "/envs/ml");
	check_view(&w);
	for (size_t i = 0; i < ARRAY_LEN(a); i++) {
		CHECK_INT(view_resolve(w.v, a[i].path, &n), 0);
		CHECK_INT(n.slot, 1);
	}
	CHECK_INT(view_resolve(w.v, "LIB/a", &n), -ENOENT);
	CHECK_INT(view_resolve(w.v, "Lib/a", &n), -ENOENT);
	CHECK_INT(view_lookup(w.v, view_root(w.v), "..", &n), -ENOENT);
	CHECK_INT(view_lookup(w.v, view_root(w.v), "lib/a", &n), -ENOENT);
}

static int stop_at_two(void *ctx, const char *name, const struct node *node, uint64_t next)
{
	uint64_t *at = ctx;

	(void)name;
	(void)node;
	*at = next;
	return next % 2 == 0 ? 17 : 0;
}

static void test_positions(void)
{
	static const struct thing a[] = { F("s/1"), F("s/2"), F("s/3"), F("m/1"), F("m/3") };
	static const struct thing b[] = { F("m/2") };
	struct recipe recipes[] = { { .name = "a", THINGS(a) }, { .name = "b", THINGS(b) } };
	static const char *const dirs[] = { "s", "m" };
	uint64_t at;
	struct node n;
	AUTO_WORLD w;

	world_of(&w, recipes, 2, "/envs/ml");
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		test_case = dirs[i];
		CHECK_INT(view_resolve(w.v, dirs[i], &n), 0);
		at = 0;
		CHECK_INT(view_list(w.v, n.ino, 0, stop_at_two, &at), 17);
		CHECK_INT(at, 2);
		CHECK_INT(view_list(w.v, n.ino, at, stop_at_two, &at), 0);
		CHECK_INT(at, 3);
		CHECK_INT(view_list(w.v, n.ino, at, stop_at_two, &at), 0);
		CHECK_INT(view_list(w.v, n.ino, UINT64_MAX, stop_at_two, &at), 0);
		CHECK_INT(at, 3);
	}
}

/* Readers of all kinds while packages become present, and what is kept is dropped. */
struct crowd {
	struct world *w;
	struct manifest *listed[2];
	_Atomic int wrong;
	_Atomic bool stop;
};

static int count_names(void *ctx, const char *name, const struct node *node, uint64_t next)
{
	size_t *count = ctx;

	(void)next;
	*count += name[0] != '\0' && node->ino != 0;
	return 0;
}

static void *reader(void *ctx)
{
	struct crowd *c = ctx;
	struct node n;

	while (!c->stop) {
		size_t names = 0;
		char room[8];

		if (view_resolve(c->w->v, "lib/python3.11/site-packages/p/__init__.py", &n) < 0 ||
		    view_node(c->w->v, n.ino, &n) < 0 ||
		    view_resolve(c->w->v, "conda-meta/p-1-0.json", &n) < 0 ||
		    view_made(c->w->v, &n, 0, room, sizeof(room), NULL) != sizeof(room) ||
		    view_resolve(c->w->v, "bin", &n) < 0 ||
		    view_list(c->w->v, n.ino, 0, count_names, &names) < 0 || names != 5 ||
		    view_parent(c->w->v, n.ino) != view_root(c->w->v))
			c->wrong++;
	}
	return NULL;
}

static void test_threads(void)
{
	static const struct thing pure[] = { F("site-packages/p/__init__.py"),
					     F("python-scripts/run") };
	static const struct thing more[] = { F("site-packages/p/__init__.py"),
					     F("python-scripts/run"), F("site-packages/p/zzz") };
	const struct recipe recipes[] = { PYTHON,
					  { .name = "p",
					    THINGS(pure),
					    .noarch = NOARCH_PYTHON,
					    .points = points,
					    .point_count = 2 } };
	struct recipe other = recipes[1];
	struct crowd c = {};
	pthread_t threads[3];
	AUTO_WORLD w;

	test_case = "threads";
	world_of(&w, recipes, 2, "/envs/ml");
	c.w = &w;
	c.listed[0] = world_package(&w, &recipes[1], manifest_package(w.manifests[1]), true);
	other.things = more;
	other.thing_count = ARRAY_LEN(more);
	c.listed[1] = world_package(&w, &other, manifest_package(w.manifests[1]), true);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		if (pthread_create(&threads[i], NULL, reader, &c) != 0)
			exit(1);
	for (int i = 0; i < 300; i++) {
		view_replace(w.v, 1, c.listed[0]);
		view_replace(w.v, 1, w.manifests[1]);
		view_replace(w.v, 1, c.listed[1]);
	}
	c.stop = true;
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	CHECK_INT(c.wrong, 0);
	manifest_free(c.listed[0]);
	manifest_free(c.listed[1]);
}

int main(void)
{
	test_shapes();
	test_refused();
	test_numbers();
	test_attributes();
	test_liar();
	test_random_trees();
	test_hostile_names();
	test_positions();
	test_threads();
	return test_end();
}
