/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkg: the parsers on texts, limits at max and max + 1, the order of the sink's
 * calls, the worker's processes, and its wire fed with lies. What needs whole
 * hostile archives is in tests/pkg/.
 */
#include "test.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/sys.h"
#include "pkg/crc32.h"
#include "pkg/info.h"
#include "pkg/link.h"
#include "pkg/paths.h"
#include "pkg/pax.h"
#include "pkg/pkg.h"
#include "pkg/read.h"
#include "pkg/sandbox.h"
#include "pkg/wire.h"
#include "pkg/worker.h"
#include "pkg/zip.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <zstd.h>

#define MANY (1 << 20)

/* A sink that writes down what it is told. */
struct told {
	struct buf text;
	int stop_at; /* the call that answers -ENOSPC; 0: none */
	int calls;
};

static int tell(struct told *t)
{
	return ++t->calls == t->stop_at ? -ENOSPC : 0;
}

static int told_meta(void *ctx, const struct pkg_meta *m, struct err *e)
{
	struct told *t = ctx;

	(void)e;
	buf_addf(&t->text, "M %s %s %s %s %d\n", m->name, m->version, m->build, m->subdir,
		 m->noarch);
	for (size_t i = 0; i < m->entry_point_count; i++)
		buf_addf(&t->text, "X %s|%s|%s\n", m->entry_points[i].command,
			 m->entry_points[i].module, m->entry_points[i].function);
	return tell(t);
}

static int told_row(void *ctx, const struct pkg_row *row, struct err *e)
{
	struct told *t = ctx;

	(void)e;
	buf_addf(&t->text, "R %.*s %d%s%s", (int)row->path_len, row->path, row->type,
		 row->binary ? " binary" : "", row->no_link ? " no_link" : "");
	if (row->placeholder)
		buf_addf(&t->text, " <%.*s>", (int)row->placeholder_len, row->placeholder);
	if (row->has_digest)
		buf_addf(&t->text, " %.4s", DIGEST_HEX(&row->digest));
	if (row->has_size)
		buf_addf(&t->text, " %llu", (unsigned long long)row->size);
	buf_addc(&t->text, '\n');
	return tell(t);
}

static int told_entry(void *ctx, const struct pkg_entry *en, struct err *e)
{
	struct told *t = ctx;

	(void)e;
	buf_addf(&t->text, "E %.*s %d %o %lld.%09u %llu", (int)en->path_len, en->path, en->type,
		 en->mode, (long long)en->mtime_s, en->mtime_ns, (unsigned long long)en->size);
	if (en->target)
		buf_addf(&t->text, " -> %.*s", (int)en->target_len, en->target);
	if (en->link_to)
		buf_addf(&t->text, " = %.*s", (int)en->link_to_len, en->link_to);
	buf_addc(&t->text, '[');
	return tell(t);
}

static int told_bytes(void *ctx, const void *bytes, size_t len, struct err *e)
{
	struct told *t = ctx;

	(void)e;
	buf_add(&t->text, bytes, len < 40 ? len : 40);
	return tell(t);
}

static int told_end(void *ctx, struct err *e)
{
	struct told *t = ctx;

	(void)e;
	buf_adds(&t->text, "]\n");
	return tell(t);
}

static struct pkg_sink told_init(struct told *t, int stop_at)
{
	*t = (struct told){ .stop_at = stop_at };
	buf_init(&t->text, MANY);
	return (struct pkg_sink){ t, told_meta, told_row, told_entry, told_bytes, told_end };
}

static void told_done(struct told *t)
{
	buf_done(&t->text);
}

/* Archives, made by hand. */
static void put_octal(char *field, size_t len, uint64_t n)
{
	for (size_t i = len - 1; i-- > 0; n >>= 3)
		field[i] = (char)('0' + (n & 7));
}

static void add_header(struct buf *b, const char *name, char type, uint64_t size, const char *link)
{
	char h[512] = "";
	unsigned int sum = 0;

	memcpy(h, name, strlen(name) < 100 ? strlen(name) : 100);
	put_octal(h + 100, 8, 0644);
	put_octal(h + 124, 12, size);
	put_octal(h + 136, 12, 1000);
	memset(h + 148, ' ', 8);
	h[156] = type;
	memcpy(h + 157, link, strlen(link));
	memcpy(h + 257,
	       "ustar\0"
	       "00",
	       8);
	for (size_t i = 0; i < sizeof(h); i++)
		sum += (unsigned char)h[i];
	put_octal(h + 148, 7, sum);
	h[154] = '\0';
	buf_add(b, h, sizeof(h));
}

static void add_file(struct buf *b, const char *name, const char *text)
{
	size_t len = strlen(text);

	add_header(b, name, '0', len, "");
	buf_add(b, text, len);
	buf_add_zero(b, -len % 512);
}

static void put16(struct buf *b, uint16_t n)
{
	buf_add(b, &n, 2);
}

static void put32(struct buf *b, uint32_t n)
{
	buf_add(b, &n, 4);
}

static uint32_t crc_of(const void *bytes, size_t len)
{
	struct crc32 c;

	crc32_begin(&c);
	crc32_add(&c, bytes, len);
	return crc32_end(&c);
}

/* A member of the zip, and its central record. */
static void add_member(struct buf *b, struct buf *central, const char *name,
		       const struct buf *member)
{
	uint32_t at = (uint32_t)b->len, len = (uint32_t)member->len;
	uint32_t crc = crc_of(member->bytes, member->len);

	buf_add(b, "PK\3\4\24\0\0\0\0\0\0\0\0\0", 14);
	buf_add(central, "PK\1\2\24\0\24\0\0\0\0\0\0\0\0\0", 16);
	for (int i = 0; i < 2; i++) {
		struct buf *to = i ? central : b;

		put32(to, crc);
		put32(to, len);
		put32(to, len);
		put16(to, (uint16_t)strlen(name));
		put16(to, 0);
	}
	buf_add_zero(central, 10);
	put32(central, at);
	buf_adds(central, name);
	buf_adds(b, name);
	buf_add(b, member->bytes, member->len);
}

static void add_zip_end(struct buf *b, const struct buf *central, uint16_t count)
{
	uint32_t at = (uint32_t)b->len;

	buf_add(b, central->bytes, central->len);
	buf_add(b, "PK\5\6\0\0\0\0", 8);
	put16(b, count);
	put16(b, count);
	put32(b, (uint32_t)central->len);
	put32(b, at);
	put16(b, 0);
}

static void compress(const struct buf *tar, struct buf *ret)
{
	size_t room = ZSTD_compressBound(tar->len);
	void *to = buf_room(ret, room);

	ret->len = ZSTD_compress(to, room, tar->bytes, tar->len, 1);
}

#define INDEX                                                                                      \
	"{\"name\":\"a\",\"version\":\"1.0\",\"build\":\"0\",\"subdir\":\"linux-64\",\"depends\":" \
	"[]}"

/* A .conda of an info tar and a pkg tar; their ends are added here. */
static int make_conda(struct buf *info, struct buf *pkg, uint64_t *ret_size)
{
	AUTO_BUF zip = BUF(64 << 20);
	AUTO_BUF central = BUF(4096);
	AUTO_BUF zinfo = BUF(64 << 20);
	AUTO_BUF zpkg = BUF(64 << 20);
	int fd = memfd_create("pkg", MFD_CLOEXEC);

	buf_add_zero(info, 1024);
	buf_add_zero(pkg, 1024);
	compress(info, &zinfo);
	compress(pkg, &zpkg);
	add_member(&zip, &central, "pkg-a-1.0-0.tar.zst", &zpkg);
	add_member(&zip, &central, "info-a-1.0-0.tar.zst", &zinfo);
	add_zip_end(&zip, &central, 2);
	CHECK_INT(sys_write(fd, zip.bytes, zip.len), 0);
	*ret_size = zip.len;
	return fd;
}

/* A package of `files` files of `size` bytes each. */
static int make_simple(int files, size_t size, uint64_t *ret_size)
{
	AUTO_BUF info = BUF(MANY);
	AUTO_BUF pkg = BUF(64 << 20);
	AUTO_MEM char *text = calloc(1, size + 1);
	char name[32];

	memset(text, 'x', size);
	add_file(&info, "info/index.json", INDEX);
	add_file(&info, "info/paths.json",
		 "{\"paths_version\":1,\"paths\":[{\"_path\":\"f0\"},{\"_path\":\"f1\"}]}");
	for (int i = 0; i < files; i++) {
		(void)snprintf(name, sizeof(name), "f%d", i);
		add_file(&pkg, name, text);
	}
	return make_conda(&info, &pkg, ret_size);
}

static void test_order(void)
{
	static const char want[] = "M a 1.0 0 linux-64 0\n"
				   "R bin/x 2 <P> ba78 3\n"
				   "R lib/y 3 binary no_link\n"
				   "R d 1\n"
				   "E bin/x 2 644 1700000000.750000001 3[abc]\n"
				   "E lib/y 3 644 1000.000000000 0 -> x[]\n"
				   "E d 1 644 1000.000000000 0[]\n"
				   "E bin/h 2 644 1000.000000000 3 = bin/x[]\n";
	AUTO_BUF info = BUF(MANY);
	AUTO_BUF pkg = BUF(MANY);
	AUTO(told_done) struct told t;
	struct pkg_sink sink = told_init(&t, 0);
	uint64_t size;
	struct err e = { 0 };

	test_case = "order";
	add_file(&info, "info/index.json", INDEX);
	add_file(&info, "info/paths.json",
		 "{\"paths_version\":1,\"paths\":[{\"_path\":\"bin/x\",\"path_type\":\"hardlink\","
		 "\"prefix_placeholder\":\"P\",\"size_in_bytes\":3,\"sha256\":"
		 "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"},"
		 "{\"_path\":\"lib/y\",\"path_type\":\"softlink\",\"file_mode\":\"binary\","
		 "\"no_link\":true},{\"_path\":\"d\",\"path_type\":\"directory\"},"
		 "{\"_path\":\"info/x\"},{\"_path\":\"conda-meta/history\"}]}");
	add_file(&pkg, "info/index.json", "another one, which never counts");
	add_header(&pkg, "pax", 'x', 30, "");
	buf_add(&pkg, "30 mtime=1700000000.750000001\n", 30);
	buf_add_zero(&pkg, 512 - 30);
	add_file(&pkg, "./bin/x", "abc");
	add_header(&pkg, "lib/y", '2', 0, "x");
	add_header(&pkg, "./", '5', 0, "");
	add_header(&pkg, "d/", '5', 0, "");
	add_header(&pkg, "bin/h", '1', 0, "./bin/x");
	add_file(&pkg, "conda-meta/history", "forged");
	AUTO_FD fd = make_conda(&info, &pkg, &size);
	if (!CHECK_INT(pkg_read(fd, size, PKG_CONDA, PKG_WHOLE, &sink, &e), 0))
		fprintf(stderr, "%s\n", e.text);
	CHECK_TEXT(t.text.bytes, want);
	buf_clear(&t.text);
	CHECK_INT(pkg_read(fd, size, PKG_CONDA, PKG_LIST, &sink, &e), 0);
	CHECK(strlen(t.text.bytes) == strlen("M a 1.0 0 linux-64 0\nR bin/x 2 <P> ba78 3\n"
					     "R lib/y 3 binary no_link\nR d 1\n"));
}

/* Every call of the sink may end it, directly and through the worker. */
static void test_sink_stops(struct worker *w)
{
	uint64_t size;
	AUTO_FD fd = make_simple(2, 10, &size);
	struct err e;
	int calls = 0;

	test_case = "the sink stops it";
	for (int at = 1; at < 100; at++) {
		AUTO(told_done) struct told t;
		struct pkg_sink sink = told_init(&t, at);
		int r = pkg_read(fd, size, PKG_CONDA, PKG_WHOLE, &sink, &e);

		calls = t.calls;
		if (r == 0)
			break;
		CHECK_INT(r, -ENOSPC);
		CHECK_INT(t.calls, at);
		told_done(&t);
		sink = told_init(&t, at);
		CHECK_INT(worker_read(w, fd, size, PKG_CONDA, PKG_WHOLE, &sink, &e), -ENOSPC);
		CHECK_INT(t.calls, at);
	}
	CHECK_INT(calls, 9); /* meta, 2 rows, 2 × (entry, bytes, end) */
}

static void test_limits(void)
{
	/* Two files of 1,000 bytes: each case is what just fits, and one less. */
	static const struct {
		const char *name;
		size_t offset; /* of the limit */
		uint64_t fits;
		int want; /* for one less */
	} cases[] = {
		{ "file", offsetof(struct pkg_limits, file_max), 1000, -EFBIG },
		{ "files", offsetof(struct pkg_limits, files_max), 2, -EFBIG },
		/* headers, data, two blocks of zeros */
		{ "unpacked", offsetof(struct pkg_limits, unpacked_max), 2 * (512 + 1024) + 1024,
		  -EFBIG },
		{ "document", offsetof(struct pkg_limits, document_max), sizeof(INDEX) - 1,
		  -EFBIG },
		{ "names", offsetof(struct pkg_limits, names_max),
		  sizeof("info") + sizeof("info/index.json") + sizeof("info/paths.json"), -EFBIG },
	};
	uint64_t size;
	AUTO_FD fd = make_simple(2, 1000, &size);
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (uint64_t less = 0; less < 2; less++) {
			AUTO(told_done) struct told t;
			struct pkg_sink sink = told_init(&t, 0);
			struct pkg_limits limits = PKG_LIMITS;

			test_case = cases[i].name;
			memcpy((char *)&limits + cases[i].offset,
			       &(uint64_t){ cases[i].fits - less }, sizeof(uint64_t));
			e = (struct err){ 0 };
			if (!CHECK_INT(pkg_read_within(&limits, fd, size, PKG_CONDA, PKG_WHOLE,
						       &sink, &e),
				       less ? cases[i].want : 0))
				fprintf(stderr, "%s\n", e.text);
		}
	test_case = "artifact, info packed";
	for (uint64_t less = 0; less < 2; less++) {
		AUTO(told_done) struct told t;
		struct pkg_sink sink = told_init(&t, 0);
		struct pkg_limits limits = PKG_LIMITS;

		limits.artifact_max = size - less;
		CHECK_INT(pkg_read_within(&limits, fd, size, PKG_CONDA, PKG_LIST, &sink, &e),
			  less ? -EFBIG : 0);
		limits = PKG_LIMITS;
		limits.info_packed_max = less ? 10 : size;
		CHECK_INT(pkg_read_within(&limits, fd, size, PKG_CONDA, PKG_LIST, &sink, &e),
			  less ? -EFBIG : 0);
	}
}

/* 8 MiB of one letter pack to 1 kB: within the free bytes that is no bomb. */
static void test_ratio(void)
{
	uint64_t size;
	AUTO_FD fd = make_simple(1, 8 << 20, &size);
	struct pkg_limits limits = PKG_LIMITS;
	AUTO(told_done) struct told t;
	struct pkg_sink sink = told_init(&t, 0);
	struct err e;

	test_case = "ratio";
	CHECK(size * limits.ratio < 8 << 20);
	CHECK_INT(pkg_read_within(&limits, fd, size, PKG_CONDA, PKG_WHOLE, &sink, &e), 0);
	limits.free = 1 << 20;
	CHECK_INT(pkg_read_within(&limits, fd, size, PKG_CONDA, PKG_WHOLE, &sink, &e), -EFBIG);
	limits.ratio = (8 << 20) / size + 3;
	CHECK_INT(pkg_read_within(&limits, fd, size, PKG_CONDA, PKG_WHOLE, &sink, &e), 0);
}

static void test_pax(void)
{
	static const struct {
		const char *name, *text;
		size_t len; /* 0: strlen */
		int want;
		int64_t s;
		uint32_t ns;
	} cases[] = {
		{ "nothing", "", 0, 0, 0, 0 },
		{ "time", "22 mtime=1700000000.5\n", 0, 0, 1700000000, 500000000 },
		{ "time of ten digits", "20 mtime=1.0123456789\n", 0, -EBADMSG, 0, 0 },
		{ "ten digits are cut", "22 mtime=1.0123456789\n", 0, 0, 1, 12345678 },
		{ "before 1970", "14 mtime=-1.5\n", 0, 0, -2, 500000000 },
		{ "before 1970, whole", "12 mtime=-3\n", 0, 0, -3, 0 },
		{ "time without digits", "10 mtime=\n", 0, -EBADMSG, 0, 0 },
		{ "time with more", "12 mtime=1x\n", 0, -EBADMSG, 0, 0 },
		{ "two times", "11 mtime=1\n11 mtime=2\n", 0, -EBADMSG, 0, 0 },
		{ "length too short", "10 mtime=1\n", 0, -EBADMSG, 0, 0 },
		{ "length too long", "12 mtime=1\n", 0, -EBADMSG, 0, 0 },
		{ "leading zero", "012 mtime=1\n", 0, -EBADMSG, 0, 0 },
		{ "no length", " mtime=1\n", 0, -EBADMSG, 0, 0 },
		{ "no blank", "10mtime=1\n", 0, -EBADMSG, 0, 0 },
		{ "no newline", "11 mtime=1 ", 0, -EBADMSG, 0, 0 },
		{ "no equals", "11 mtime 1\n", 0, -EBADMSG, 0, 0 },
		{ "no key", "5 =1\n", 0, -EBADMSG, 0, 0 },
		{ "huge length", "99999999999999999999 a=1\n", 0, -EBADMSG, 0, 0 },
		{ "path", "10 path=a\n", 0, 0, 0, 0 },
		{ "two paths", "10 path=a\n10 path=b\n", 0, -EBADMSG, 0, 0 },
		{ "empty path", "8 path=\n", 0, -EBADMSG, 0, 0 },
		{ "NUL in path", "12 path=a\0b\n", 12, -EBADMSG, 0, 0 },
		{ "size", "12 size=100\n", 0, 0, 0, 0 },
		{ "negative size", "11 size=-1\n", 0, -EBADMSG, 0, 0 },
		{ "size too large", "31 size=99999999999999999999999\n", 0, -EBADMSG, 0, 0 },
		{ "hexadecimal size", "12 size=0x1\n", 0, -EBADMSG, 0, 0 },
		{ "xattr", "24 SCHILY.xattr.user.x=y\n", 0, -EBADMSG, 0, 0 },
		{ "xattr, right", "25 SCHILY.xattr.user.x=y\n", 0, 0, 0, 0 },
		{ "sparse", "22 GNU.sparse.major=1\n", 0, -EBADMSG, 0, 0 },
		{ "real size of a sparse file", "22 SCHILY.realsize=10\n", 0, -EBADMSG, 0, 0 },
		{ "binary names", "21 hdrcharset=BINARY\n", 0, -EBADMSG, 0, 0 },
		{ "UTF-8 names", "38 hdrcharset=ISO-IR 10646 2000 UTF-8\n", 0, 0, 0, 0 },
		{ "NUL in key", "8 a\0b=c\n", 8, -EBADMSG, 0, 0 },
	};
	struct pax pax;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len = cases[i].len ? cases[i].len : strlen(cases[i].text);

		test_case = cases[i].name;
		if (CHECK_INT(pax_parse(&pax, cases[i].text, len, &e), cases[i].want) &&
		    cases[i].want == 0) {
			CHECK_INT(pax.mtime_s, cases[i].s);
			CHECK_INT(pax.mtime_ns, cases[i].ns);
		}
	}
	test_case = "global";
	CHECK_INT(pax_check_global("13 comment=x\n", 13, &e), 0);
	CHECK_INT(pax_check_global("10 path=a\n", 10, &e), -EBADMSG);
	CHECK_INT(pax_check_global("11 mtime=1\n", 11, &e), -EBADMSG);
}

static void test_paths(void)
{
#define ROWS(rows) "{\"paths_version\":1,\"paths\":[" rows "]}"
	static const struct {
		const char *name, *text;
		int want;
		const char *told;
	} cases[] = {
		{ "none", ROWS(""), 0, "" },
		{ "defaults", ROWS("{\"_path\":\"a\"}"), 0, "R a 2\n" },
		{ "nulls", ROWS("{\"_path\":\"a\",\"sha256\":null,\"size_in_bytes\":null}"), 0,
		  "R a 2\n" },
		{ "cases collide", ROWS("{\"_path\":\"a\"},{\"_path\":\"A\"}"), 0,
		  "R a 2\nR A 2\n" },
		{ "empty placeholder", ROWS("{\"_path\":\"a\",\"prefix_placeholder\":\"\"}"), 0,
		  "R a 2\n" },
		{ "placeholder", ROWS("{\"_path\":\"a\",\"prefix_placeholder\":\"/p\"}"), 0,
		  "R a 2 </p>\n" },
		{ "names that only look hidden", ROWS("{\"_path\":\"information\"}"), 0,
		  "R information 2\n" },
		{ "hidden", ROWS("{\"_path\":\"info\"},{\"_path\":\"info/a\"}"), 0, "" },
		{ "twice", ROWS("{\"_path\":\"a\"},{\"_path\":\"a\"}"), -EBADMSG, NULL },
		{ "hidden twice", ROWS("{\"_path\":\"info/a\"},{\"_path\":\"info/a\"}"), -EBADMSG,
		  NULL },
		{ "parent", ROWS("{\"_path\":\"a/../b\"}"), -EBADMSG, NULL },
		{ "absolute", ROWS("{\"_path\":\"/a\"}"), -EBADMSG, NULL },
		{ "no path", ROWS("{}"), -EBADMSG, NULL },
		{ "row is a text", ROWS("\"a\""), -EBADMSG, NULL },
		{ "path is a number", ROWS("{\"_path\":1}"), -EBADMSG, NULL },
		{ "type unknown", ROWS("{\"_path\":\"a\",\"path_type\":\"fifo\"}"), -EBADMSG,
		  NULL },
		{ "type a number", ROWS("{\"_path\":\"a\",\"path_type\":1}"), -EBADMSG, NULL },
		{ "mode unknown", ROWS("{\"_path\":\"a\",\"file_mode\":\"x\"}"), -EBADMSG, NULL },
		{ "hash too short", ROWS("{\"_path\":\"a\",\"sha256\":\"ab\"}"), -EBADMSG, NULL },
		{ "hash a number", ROWS("{\"_path\":\"a\",\"sha256\":1}"), -EBADMSG, NULL },
		{ "negative size", ROWS("{\"_path\":\"a\",\"size_in_bytes\":-1}"), -EBADMSG, NULL },
		{ "half a byte", ROWS("{\"_path\":\"a\",\"size_in_bytes\":1.5}"), -EBADMSG, NULL },
		{ "giant", ROWS("{\"_path\":\"a\",\"size_in_bytes\":99999999999999}"), -EFBIG,
		  NULL },
		{ "newline in placeholder",
		  ROWS("{\"_path\":\"a\",\"prefix_placeholder\":\"a\\nb\"}"), -EBADMSG, NULL },
		{ "version 2", "{\"paths_version\":2,\"paths\":[]}", -EBADMSG, NULL },
		{ "no version", "{\"paths\":[]}", -EBADMSG, NULL },
		{ "no paths", "{\"paths_version\":1}", -EBADMSG, NULL },
		{ "a list", "[]", -EBADMSG, NULL },
		{ "cut", "{\"paths_version\":1,\"paths\":[{", -EBADMSG, NULL },
		{ "empty", "", -EBADMSG, NULL },
	};
	struct pkg_limits limits = PKG_LIMITS;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(told_done) struct told t;
		struct pkg_sink sink = told_init(&t, 0);

		test_case = cases[i].name;
		CHECK_INT(paths_from_json(cases[i].text, strlen(cases[i].text), &limits, sink.row,
					  &t, &e),
			  cases[i].want);
		if (cases[i].told)
			CHECK_TEXT(t.text.bytes, cases[i].told);
	}
}

static void test_lines(void)
{
	static const struct {
		const char *name, *files, *has_prefix, *no_link;
		int want;
		const char *told;
	} cases[] = {
		{ "none at all", NULL, NULL, NULL, 0, "" },
		{ "files", "a\nb/c\n\n  d  \n#e\n", NULL, NULL, 0, "R a 0\nR b/c 0\nR d 0\n" },
		{ "no newline at the end", "a", NULL, NULL, 0, "R a 0\n" },
		{ "DOS", "a\r\nb\r\n", NULL, NULL, 0, "R a 0\nR b 0\n" },
		{ "hidden", "info/files\na\n", NULL, NULL, 0, "R a 0\n" },
		{ "no_link", "a\nb\n", NULL, "b\n", 0, "R a 0\nR b 0 no_link\n" },
		{ "one field", "a\n", "a\n", NULL, 0,
		  "R a 0 </opt/anaconda1anaconda2anaconda3>\n" },
		{ "three fields", "a\nb\n", "/p text a\n/q binary b\n", NULL, 0,
		  "R a 0 </p>\nR b 0 binary </q>\n" },
		{ "quotes", "a b\nc\n", "\"/p q\" \"text\" \"a b\"\n'/p' binary \"c\"\n", NULL, 0,
		  "R a b 0 </p q>\nR c 0 binary </p>\n" },
		{ "quoted path alone", "a b\n", "\"a b\"\n", NULL, 0,
		  "R a b 0 </opt/anaconda1anaconda2anaconda3>\n" },
		{ "prefix of what is not listed", "a\n", "/p text b\n", NULL, 0, "R a 0\n" },
		{ "the later line counts", "a\n", "/p text a\n/q binary a\n", NULL, 0,
		  "R a 0 binary </q>\n" },
		{ "two fields", "a\n", "text a\n", NULL, -EBADMSG, NULL },
		{ "four fields", "a\n", "/p text a b\n", NULL, -EBADMSG, NULL },
		{ "mode unknown", "a\n", "/p hex a\n", NULL, -EBADMSG, NULL },
		{ "quote not closed", "a\n", "\"/p text a\n", NULL, -EBADMSG, NULL },
		{ "only quotes", "a\n", "\"\" \"\" \"\"\n", NULL, -EBADMSG, NULL },
		{ "hostile prefix line", "a\n", "/p text ../a\n", NULL, -EBADMSG, NULL },
		{ "hostile no_link", "a\n", NULL, "/etc/passwd\n", -EBADMSG, NULL },
		{ "hostile file", "../a\n", NULL, NULL, -EBADMSG, NULL },
		{ "twice", "a\na\n", NULL, NULL, -EBADMSG, NULL },
	};
	struct pkg_limits limits = PKG_LIMITS;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(told_done) struct told t;
		struct pkg_sink sink = told_init(&t, 0);
		struct paths_lines lines = {
			.files = cases[i].files,
			.has_prefix = cases[i].has_prefix,
			.no_link = cases[i].no_link,
			.files_len = cases[i].files ? strlen(cases[i].files) : 0,
			.has_prefix_len = cases[i].has_prefix ? strlen(cases[i].has_prefix) : 0,
			.no_link_len = cases[i].no_link ? strlen(cases[i].no_link) : 0,
		};

		test_case = cases[i].name;
		CHECK_INT(paths_from_lines(&lines, &limits, sink.row, &t, &e), cases[i].want);
		if (cases[i].told)
			CHECK_TEXT(t.text.bytes, cases[i].told);
	}
}

static void test_link(void)
{
	static const struct {
		const char *name, *point;
		int want;
		const char *told; /* command|module|function */
	} cases[] = {
		{ "plain", "a = b:c", 0, "a|b|c" },
		{ "tight", "a=b:c", 0, "a|b|c" },
		{ "dotted", "a-b.c = b._c.d9:E.f", 0, "a-b.c|b._c.d9|E.f" },
		{ "a blank in the command", "a b = c:d", 0, "a b|c|d" },
		{ "parent", "../x = a:b", -EBADMSG, NULL },
		{ "slash", "a/b = a:b", -EBADMSG, NULL },
		{ "absolute", "/a = a:b", -EBADMSG, NULL },
		{ "backslash", "a\\\\b = a:b", -EBADMSG, NULL },
		{ "hidden", ".a = a:b", -EBADMSG, NULL },
		{ "dots", ".. = a:b", -EBADMSG, NULL },
		{ "newline in command", "a\\nb = a:b", -EBADMSG, NULL },
		{ "carriage return", "a\\rb = a:b", -EBADMSG, NULL },
		{ "no command", "= a:b", -EBADMSG, NULL },
		{ "no module", "a = :b", -EBADMSG, NULL },
		{ "no function", "a = b:", -EBADMSG, NULL },
		{ "no colon", "a = b", -EBADMSG, NULL },
		{ "no equals", "a:b", -EBADMSG, NULL },
		{ "empty", "", -EBADMSG, NULL },
		{ "code in function", "a = b:c()", -EBADMSG, NULL },
		{ "code in module", "a = os;x:c", -EBADMSG, NULL },
		{ "newline in module", "a = b\\nc:d", -EBADMSG, NULL },
		{ "keyword module", "a = import:c", -EBADMSG, NULL },
		{ "keyword part", "a = b.class.c:d", -EBADMSG, NULL },
		{ "keyword function", "a = b:lambda", -EBADMSG, NULL },
		{ "digit first", "a = 1b:c", -EBADMSG, NULL },
		{ "two dots", "a = b..c:d", -EBADMSG, NULL },
		{ "dot at the end", "a = b.:d", -EBADMSG, NULL },
		{ "extras", "a = b:c [x]", -EBADMSG, NULL },
		{ "not ASCII", "a = b\xc3\xa9:c", -EBADMSG, NULL },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(link_freep) struct link *link = NULL;
		AUTO_BUF text = BUF(4096);
		size_t count;

		test_case = cases[i].name;
		buf_addf(&text,
			 "{\"noarch\":{\"type\":\"python\",\"entry_points\":[\"%s\"]},"
			 "\"package_metadata_version\":1}",
			 cases[i].point);
		CHECK_INT(link_parse(&link, text.bytes, text.len, &e), cases[i].want);
		if (!link)
			continue;
		const struct pkg_entry_point *p = link_entry_points(link, &count);
		if (!CHECK_INT(count, 1))
			continue;
		buf_clear(&text);
		buf_addf(&text, "%s|%s|%s", p->command, p->module, p->function);
		CHECK_TEXT(text.bytes, cases[i].told);
	}
	AUTO(link_freep) struct link *link = NULL;
	static const char twice[] = "{\"noarch\":{\"type\":\"True\",\"entry_points\":"
				    "[\"a = b:c\",\"d = e:f\",\"a = g:h\"]}}";
	size_t count;

	test_case = "the later of two commands";
	CHECK_INT(link_parse(&link, twice, strlen(twice), &e), 0);
	CHECK_INT(link_noarch(link), PKG_NOARCH_GENERIC);
	const struct pkg_entry_point *p = link_entry_points(link, &count);
	CHECK_INT(count, 2);
	CHECK_TEXT(p[0].module, "g");
}

static void test_meta(void)
{
	static const struct {
		const char *name, *index, *link;
		int want;
		const char *told;
	} cases[] = {
		{ "plain", INDEX, NULL, 0, "M a 1.0 0 linux-64 0\n" },
		{ "noarch python",
		  "{\"name\":\"a\",\"version\":\"1\",\"build\":\"0\",\"subdir\":\"noarch\","
		  "\"noarch\":\"python\"}",
		  NULL, 0, "M a 1 0 noarch 2\n" },
		{ "noarch true",
		  "{\"name\":\"a\",\"version\":\"1\",\"build\":\"0\",\"subdir\":\"noarch\","
		  "\"noarch\":true}",
		  NULL, 0, "M a 1 0 noarch 1\n" },
		{ "only link.json says so", INDEX,
		  "{\"noarch\":{\"type\":\"python\",\"entry_points\":[\"x = y:z\"]}}", 0,
		  "M a 1.0 0 linux-64 2\nX x|y|z\n" },
		{ "entry points of a generic package",
		  "{\"name\":\"a\",\"version\":\"1\",\"build\":\"0\",\"subdir\":\"noarch\","
		  "\"noarch\":\"generic\"}",
		  "{\"noarch\":{\"type\":\"python\",\"entry_points\":[\"x = y:z\"]}}", 0,
		  "M a 1 0 noarch 1\n" },
		{ "no subdir",
		  "{\"name\":\"a\",\"version\":\"1\",\"build\":\"0\",\"platform\":\"linux\","
		  "\"arch\":\"x86_64\"}",
		  NULL, 0, "M a 1 0 linux-64 0\n" },
		{ "no subdir and nothing else",
		  "{\"name\":\"a\",\"version\":\"1\",\"build\":\"0\"}", NULL, 0,
		  "M a 1 0 noarch 0\n" },
		{ "no name", "{\"version\":\"1\",\"build\":\"0\",\"subdir\":\"noarch\"}", NULL,
		  -EBADMSG, NULL },
		{ "slash in name",
		  "{\"name\":\"../a\",\"version\":\"1\",\"build\":\"0\",\"subdir\":\"noarch\"}",
		  NULL, -EBADMSG, NULL },
		{ "empty version",
		  "{\"name\":\"a\",\"version\":\"\",\"build\":\"0\",\"subdir\":\"noarch\"}", NULL,
		  -EBADMSG, NULL },
		{ "dash in version",
		  "{\"name\":\"a\",\"version\":\"1-2\",\"build\":\"0\",\"subdir\":\"noarch\"}",
		  NULL, -EBADMSG, NULL },
		{ "version a number",
		  "{\"name\":\"a\",\"version\":1,\"build\":\"0\",\"subdir\":\"noarch\"}", NULL,
		  -EBADMSG, NULL },
		{ "slash in build",
		  "{\"name\":\"a\",\"version\":\"1\",\"build\":\"a/b\",\"subdir\":\"noarch\"}",
		  NULL, -EBADMSG, NULL },
		{ "parent as subdir",
		  "{\"name\":\"a\",\"version\":\"1\",\"build\":\"0\",\"subdir\":\"..\"}", NULL,
		  -EBADMSG, NULL },
		{ "unknown noarch",
		  "{\"name\":\"a\",\"version\":\"1\",\"build\":\"0\",\"noarch\":\"rust\"}", NULL,
		  -EBADMSG, NULL },
		{ "a list", "[]", NULL, -EBADMSG, NULL },
		{ "a text", "\"a\"", NULL, -EBADMSG, NULL },
		{ "cut", "{\"name\":", NULL, -EBADMSG, NULL },
		{ "link.json a list", INDEX, "[]", -EBADMSG, NULL },
		{ "entry points an object", INDEX,
		  "{\"noarch\":{\"type\":\"python\",\"entry_points\":{\"a\":1}}}", -EBADMSG, NULL },
	};
	struct pkg_limits limits = PKG_LIMITS;
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(told_done) struct told t;
		struct pkg_sink sink = told_init(&t, 0);
		AUTO(info_done) struct info info;

		test_case = cases[i].name;
		info_init(&info, &limits);
		buf_adds(&info.text[INFO_INDEX], cases[i].index);
		info.has[INFO_INDEX] = true;
		if (cases[i].link) {
			buf_adds(&info.text[INFO_LINK], cases[i].link);
			info.has[INFO_LINK] = true;
		}
		e = (struct err){ 0 };
		if (!CHECK_INT(info_tell(&info, &limits, false, &sink, &e), cases[i].want))
			fprintf(stderr, "%s\n", e.text);
		if (cases[i].told)
			CHECK_TEXT(t.text.bytes, cases[i].told);
	}
}

/* As supply does it: asks for what is missing until it is enough; how much that was. */
static uint64_t list_from(struct worker *w, const struct buf *bytes, uint64_t have)
{
	for (int rounds = 0; rounds < 4; rounds++) {
		AUTO(told_done) struct told t;
		struct pkg_sink sink = told_init(&t, 0);
		AUTO_FD tail = memfd_create("tail", MFD_CLOEXEC);
		uint64_t need = UINT64_MAX;
		struct err e;
		int r;

		CHECK_INT(sys_write(tail, bytes->bytes + (bytes->len - have), have), 0);
		r = worker_list_tail(w, tail, have, bytes->len, &sink, &need, &e);
		if (r == 0) {
			CHECK_TEXT(t.text.bytes, "M a 1.0 0 linux-64 0\nR f 2\n");
			return have;
		}
		if (!CHECK_INT(r, -EAGAIN) || !CHECK(need < bytes->len - have))
			return 0;
		CHECK_INT(t.calls, 0);
		have = bytes->len - need;
	}
	return 0;
}

static void test_tail(struct worker *w)
{
	AUTO_BUF info = BUF(MANY);
	AUTO_BUF pkg = BUF(MANY);
	AUTO_BUF bytes = BUF(MANY);
	uint64_t size, need, random = 1;
	char noise[200001] = "";
	struct err e;

	for (size_t i = 0; i < sizeof(noise) - 1; i++) {
		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		noise[i] = (char)(random >> 56 | 1);
	}
	add_file(&info, "info/index.json", INDEX);
	add_file(&info, "info/paths.json", "{\"paths_version\":1,\"paths\":[{\"_path\":\"f\"}]}");
	add_file(&pkg, "f", noise);
	AUTO_FD fd = make_conda(&info, &pkg, &size);
	CHECK(lseek(fd, 0, SEEK_SET) == 0 && sys_slurp_fd(fd, &bytes) == 0);
	test_case = "a tail that holds nothing yet";
	CHECK_INT(list_from(w, &bytes, 4), TAIL_BYTES);
	test_case = "a tail that cuts the central records";
	need = list_from(w, &bytes, 100);
	CHECK(need > 100 && need < 2000);
	test_case = "a tail that cuts the member";
	CHECK_INT(list_from(w, &bytes, need - 1), need);
	test_case = "just enough";
	CHECK_INT(list_from(w, &bytes, need), need);
	test_case = "all of it";
	CHECK_INT(list_from(w, &bytes, size), size);

	test_case = "tail of a package without paths.json";
	AUTO_BUF old = BUF(MANY);
	AUTO_BUF none = BUF(MANY);
	AUTO(told_done) struct told t;
	struct pkg_sink sink = told_init(&t, 0);
	add_file(&old, "info/index.json", INDEX);
	add_file(&old, "info/files", "a\n");
	AUTO_FD fd2 = make_conda(&old, &none, &size);
	CHECK_INT(pkg_list_tail(fd2, size, size, &sink, &need, &e), -ENODATA);
	CHECK_INT(t.calls, 0);
}

/* What a parser that was taken over might say. */
static void test_wire(void)
{
#define U64(n)		((n)&0xff), ((n) >> 8 & 0xff), 0, 0, 0, 0, 0, 0
#define HEAD(kind, len) kind, 0, 0, 0, ((len)&0xff), ((len) >> 8 & 0xff), 0, 0
#define META                                                                                       \
	HEAD(1, 68), U64(1), 'a', 0, U64(1), '1', 0, U64(1), '0', 0, U64(2), 'x', '6', 0, U64(2),  \
		'{', '}', 0, U64(0), U64(0)
#define ENTRY(type, size)                                                                          \
	HEAD(3, 68), U64(1), 'f', 0, U64(type), U64(0), U64(0), U64(0), U64(size), U64(0), 0,      \
		U64(0), 0
#define DONE HEAD(6, 25), U64(0), U64(0), U64(0), 0
	static const struct {
		const char *name;
		uint8_t bytes[256];
		size_t len;
		int want; /* enum wire_end */
	} cases[] = {
#define CASE(name, want, ...) { name, { __VA_ARGS__ }, sizeof((uint8_t[]){ __VA_ARGS__ }), want }
		CASE("meta alone", WIRE_DONE, META, DONE),
		CASE("a file", WIRE_DONE, META, ENTRY(2, 1), HEAD(4, 1), 'x', HEAD(5, 0), DONE),
		CASE("cut in a head", WIRE_CUT, META, 1, 0),
		CASE("cut in a frame", WIRE_CUT, META, HEAD(2, 50), 1, 2),
		CASE("cut in bytes", WIRE_CUT, META, ENTRY(2, 9), HEAD(4, 9), 'x'),
		CASE("cut before the end", WIRE_CUT, META),
		CASE("done without meta", WIRE_BROKEN, DONE),
		CASE("meta twice", WIRE_BROKEN, META, META, DONE),
		CASE("an entry without meta", WIRE_BROKEN, ENTRY(2, 0)),
		CASE("an entry in an entry", WIRE_BROKEN, META, ENTRY(2, 0), ENTRY(2, 0)),
		CASE("done in an entry", WIRE_BROKEN, META, ENTRY(2, 0), DONE),
		CASE("end without entry", WIRE_BROKEN, META, HEAD(5, 0)),
		CASE("fewer bytes than said", WIRE_BROKEN, META, ENTRY(2, 2), HEAD(4, 1), 'x',
		     HEAD(5, 0)),
		CASE("more bytes than said", WIRE_BROKEN, META, ENTRY(2, 1), HEAD(4, 2), 'x', 'x'),
		CASE("bytes of a directory", WIRE_BROKEN, META, ENTRY(1, 0), HEAD(4, 1), 'x'),
		CASE("bytes without entry", WIRE_BROKEN, META, HEAD(4, 1), 'x'),
		CASE("a link without target", WIRE_BROKEN, META, ENTRY(3, 0)),
		CASE("no such type", WIRE_BROKEN, META, ENTRY(9, 0)),
		CASE("no such frame", WIRE_BROKEN, META, HEAD(99, 0)),
		CASE("a frame of 64 KiB", WIRE_BROKEN, META, HEAD(2, 65535)),
		CASE("a text longer than its frame", WIRE_BROKEN, HEAD(1, 10), U64(1000), 'a', 0),
		CASE("a text without NUL", WIRE_BROKEN, HEAD(1, 10), U64(1), 'a', 'b'),
		CASE("something behind the meta", WIRE_BROKEN, HEAD(1, 69), U64(1), 'a', 0, U64(1),
		     '1', 0, U64(1), '0', 0, U64(2), 'x', '6', 0, U64(2), '{', '}', 0, U64(0),
		     U64(0), 0),
		CASE("a name that is none", WIRE_BROKEN, HEAD(1, 68), U64(1), '/', 0, U64(1), '1',
		     0, U64(1), '0', 0, U64(2), 'x', '6', 0, U64(2), '{', '}', 0, U64(0), U64(0)),
		CASE("a million entry points", WIRE_BROKEN, HEAD(1, 68), U64(1), 'a', 0, U64(1),
		     '1', 0, U64(1), '0', 0, U64(2), 'x', '6', 0, U64(2), '{', '}', 0, U64(0),
		     U64(60000)),
		CASE("a path that leaves", WIRE_BROKEN, META, HEAD(3, 69), U64(2), '.', '.', 0,
		     U64(2), U64(0), U64(0), U64(0), U64(0), U64(0), 0, U64(0), 0),
		CASE("asks for more after meta", WIRE_BROKEN, META, HEAD(6, 25), U64(EAGAIN),
		     U64(0), U64(0), 0),
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(told_done) struct told t;
		struct pkg_sink sink = told_init(&t, 0);
		uint64_t need;
		int pair[2], code = 0;

		test_case = cases[i].name;
		CHECK_INT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		CHECK(write(pair[0], cases[i].bytes, cases[i].len) == (ssize_t)cases[i].len);
		(void)close(pair[0]);
		e = (struct err){ 0 };
		if (!CHECK_INT(wire_read(pair[1], PKG_WHOLE, &sink, &code, &need, &e),
			       cases[i].want))
			fprintf(stderr, "%s\n", e.text);
		CHECK_INT(code, cases[i].want == WIRE_BROKEN ? -EBADMSG : 0);
		(void)close(pair[1]);
	}
}

struct many {
	struct worker *w;
	int fd;
	uint64_t size;
	int failed;
};

static void *read_often(void *ctx)
{
	struct many *m = ctx;

	for (int i = 0; i < 10; i++) {
		AUTO(told_done) struct told t;
		struct pkg_sink sink = told_init(&t, 0);
		struct err e;

		if (worker_read(m->w, m->fd, m->size, PKG_CONDA, PKG_WHOLE, &sink, &e) < 0 ||
		    t.calls != 9)
			m->failed++;
	}
	return NULL;
}

/* Calls fn for each process whose parent is `parent`, zombies included; how many. */
static int each_child(pid_t parent, int (*fn)(pid_t child))
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	int count = 0;

	while (d && (entry = readdir(d))) {
		AUTO_BUF text = BUF(4096);
		char path[300];
		const char *end;
		int ppid;

		(void)snprintf(path, sizeof(path), "/proc/%.200s/stat", entry->d_name);
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9' ||
		    sys_slurp(AT_FDCWD, path, &text) < 0)
			continue;
		end = strrchr(text.bytes, ')');
		if (end && sscanf(end + 3, "%*c %d", &ppid) == 1 && ppid == parent)
			count += fn((pid_t)atoi(entry->d_name));
	}
	if (d)
		(void)closedir(d);
	return count;
}

static int one(pid_t child)
{
	(void)child;
	return 1;
}

static int children_of(pid_t parent)
{
	return each_child(parent, one);
}

static int kill_one(pid_t child)
{
	return kill(child, SIGKILL) == 0;
}

static int kill_children(pid_t child)
{
	return each_child(child, kill_one);
}

static int kill_grandchildren(pid_t parent)
{
	return each_child(parent, kill_children);
}

/* Kills the job from inside the sink: its first child's child. */
static int kill_job(void *ctx, const void *bytes, size_t len, struct err *e)
{
	int *killed = ctx;

	(void)bytes;
	(void)len;
	(void)e;
	if (*killed == 0)
		*killed = kill_grandchildren(getpid());
	return 0;
}

static int no_entry(void *ctx, const struct pkg_entry *entry, struct err *e)
{
	(void)ctx;
	(void)entry;
	(void)e;
	return 0;
}

static int no_row(void *ctx, const struct pkg_row *row, struct err *e)
{
	(void)ctx;
	(void)row;
	(void)e;
	return 0;
}

static int no_meta(void *ctx, const struct pkg_meta *meta, struct err *e)
{
	(void)ctx;
	(void)meta;
	(void)e;
	return 0;
}

static int no_end(void *ctx, struct err *e)
{
	(void)ctx;
	(void)e;
	return 0;
}

static void test_worker_killed(struct worker *w)
{
	uint64_t size;
	AUTO_FD fd = make_simple(4, 8 << 20, &size);
	int killed = 0;
	struct pkg_sink sink = { &killed, no_meta, no_row, no_entry, kill_job, no_end };
	AUTO(told_done) struct told t;
	struct pkg_sink next = told_init(&t, 0);
	struct err e = { 0 };

	test_case = "a job that is killed, and the next one";
	CHECK_INT(worker_read(w, fd, size, PKG_CONDA, PKG_WHOLE, &sink, &e), -EBADMSG);
	CHECK_INT(killed, 1);
	CHECK(strstr(e.text, "died of signal 9 (KILL)") != NULL);
	CHECK_INT(worker_read(w, fd, size, PKG_CONDA, PKG_WHOLE, &next, &e), 0);
}

static void test_worker_threads(struct worker *w)
{
	uint64_t size;
	AUTO_FD fd = make_simple(2, 10, &size);
	pthread_t threads[8];
	struct many many[8];

	test_case = "many threads";
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		many[i] = (struct many){ .w = w, .fd = fd, .size = size };
		CHECK_INT(pthread_create(&threads[i], NULL, read_often, &many[i]), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(threads); i++) {
		(void)pthread_join(threads[i], NULL);
		CHECK_INT(many[i].failed, 0);
	}
}

/* The same archive says the same with the worker and without. */
static void test_worker_same(struct worker *w)
{
	uint64_t size;
	AUTO_FD fd = make_simple(3, 100000, &size);
	AUTO(told_done) struct told direct;
	AUTO(told_done) struct told through;
	struct pkg_sink a = told_init(&direct, 0), b = told_init(&through, 0);
	struct err e, e2;

	test_case = "the same by the worker";
	CHECK_INT(pkg_read(fd, size, PKG_CONDA, PKG_WHOLE, &a, &e), 0);
	CHECK_INT(worker_read(w, fd, size, PKG_CONDA, PKG_WHOLE, &b, &e), 0);
	CHECK(strncmp(direct.text.bytes, through.text.bytes, 100) == 0);
	test_case = "the same error by the worker";
	CHECK_INT(pkg_read(fd, size - 1, PKG_CONDA, PKG_WHOLE, &a, &e), -EBADMSG);
	CHECK_INT(worker_read(w, fd, size - 1, PKG_CONDA, PKG_WHOLE, &b, &e2), -EBADMSG);
	CHECK_TEXT(e2.text, e.text);
	test_case = "a file that is shorter than its size";
	CHECK_INT(worker_read(w, fd, size + 1000, PKG_CONDA, PKG_WHOLE, &b, &e2), -EBADMSG);
}

static void test_worker_end(void)
{
	AUTO(worker_freep) struct worker *w = NULL;
	uint64_t size;
	AUTO_FD fd = make_simple(2, 10, &size);
	AUTO(told_done) struct told t;
	struct pkg_sink sink = told_init(&t, 0);
	struct err e = { 0 };

	test_case = "no process is left";
	CHECK_INT(children_of(getpid()), 0);
	if (!CHECK_INT(worker_start(&w, &e), 0))
		fprintf(stderr, "%s\n", e.text);
	CHECK_INT(children_of(getpid()), 1);
	CHECK_INT(worker_read(w, fd, size, PKG_CONDA, PKG_WHOLE, &sink, &e), 0);
	CHECK_INT(children_of(getpid()), 1);
	w = worker_free(w);
	CHECK_INT(children_of(getpid()), 0);
}

/* Which system calls end a process in the sandbox. */
static void test_sandbox(void)
{
	enum { IN_ZYGOTE = 1, IN_JOB = 2 };
	static const struct {
		const char *name;
		long call, a, b, c;
		int dies; /* where */
	} cases[] = {
		{ "pread", SYS_pread64, -1, 0, 0, 0 },
		{ "openat", SYS_openat, AT_FDCWD, 0, O_RDONLY, IN_ZYGOTE | IN_JOB },
		{ "socket", SYS_socket, AF_INET, SOCK_STREAM, 0, IN_ZYGOTE | IN_JOB },
		{ "connect", SYS_connect, -1, 0, 0, IN_ZYGOTE | IN_JOB },
		{ "execve", SYS_execve, 0, 0, 0, IN_ZYGOTE | IN_JOB },
		{ "ptrace", SYS_ptrace, 0, 0, 0, IN_ZYGOTE | IN_JOB },
		{ "a new user namespace", SYS_clone, 0x10000000 | SIGCHLD, 0, 0,
		  IN_ZYGOTE | IN_JOB },
		{ "memory that can be executed", SYS_mmap, 0, 4096, 4, IN_ZYGOTE | IN_JOB },
		{ "dup2", SYS_dup3, -1, 5, 0, IN_JOB },
		{ "close", SYS_close, -1, 0, 0, IN_JOB },
		{ "kill", SYS_kill, 0, 0, 0, IN_JOB },
		{ "recvmsg", SYS_recvmsg, -1, 0, 0, IN_JOB },
	};
	struct err e;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (int where = IN_ZYGOTE; where <= IN_JOB; where++) {
			int status = 0;
			pid_t pid = fork();

			if (pid == 0) {
				AUTO(sandbox_freep) struct sandbox *s = NULL;

				if (sandbox_open(&s, &e) < 0 || sandbox_enter_zygote(s, &e) < 0 ||
				    (where == IN_JOB && sandbox_enter_job(s, &e) < 0))
					_exit(99);
				(void)syscall(cases[i].call, cases[i].a, cases[i].b, cases[i].c, 0,
					      0, 0);
				_exit(7);
			}
			test_case = cases[i].name;
			CHECK(waitpid(pid, &status, 0) == pid);
			if (cases[i].dies & where)
				CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
			else
				CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 7);
		}
}

int main(void)
{
	AUTO(worker_freep) struct worker *w = NULL;
	struct err e = { 0 };

	test_worker_end();
	test_sandbox();
	test_case = "start";
	if (!CHECK_INT(worker_start(&w, &e), 0)) {
		fprintf(stderr, "%s\n", e.text);
		return test_end();
	}
	test_order();
	test_sink_stops(w);
	test_limits();
	test_ratio();
	test_pax();
	test_paths();
	test_lines();
	test_link();
	test_meta();
	test_tail(w);
	test_wire();
	test_worker_same(w);
	test_worker_killed(w);
	test_worker_threads(w);
	return test_end();
}
