/* SPDX-License-Identifier: Apache-2.0 */
/* What fetch makes of each fault of tests/lib/faultserver.py. */
#include "fetch_servers.h"

enum check { NOTHING = 0, SHA = 1, MD5 = 2, SIZE = 4, BAD_SHA = 8, BAD_SIZE = 16 };

/*
 * requests: how many the server must have seen; negative: at least so many
 * (libcurl itself asks again when a kept connection turns out to be closed).
 */
static const struct faulty {
	const char *name, *path;
	int want;
	int requests;
	size_t first, len; /* what must have been written */
	unsigned int checks;
	enum fetch_range range;
	uint64_t from, count;
	bool ranged;
	uint64_t bytes_max;
	int plus;
	const char *text; /* in the error's sentence */
} cases[] = {
	{ "all of it", "/ok/data", 0, 1, WHOLE, SHA | MD5 | SIZE },
	{ "nothing is checked", "/ok/data", 0, 1, WHOLE },
	{ "empty", "/ok/empty", 0, 1, EMPTY },
	{ "exactly the limit", "/ok/data", 0, 1, WHOLE, .bytes_max = DATA_BYTES },
	{ "more than the limit", "/ok/data", -EFBIG, 1, EMPTY, .bytes_max = DATA_BYTES - 1 },
	{ "more than the limit, not announced", "/f/no-length/data", -EFBIG, 1, ANYTHING,
	  .bytes_max = DATA_BYTES - 1 },
	{ "wrong SHA-256", "/ok/data", -EBADMSG, 1, ANYTHING, BAD_SHA, .text = "SHA-256" },
	{ "wrong size", "/ok/data", -EBADMSG, 1, EMPTY, BAD_SIZE, .text = "has 200000 bytes" },
	{ "chunked", "/f/chunked/data", 0, 1, WHOLE, SHA | SIZE },
	{ "no length", "/f/no-length/data", 0, 1, WHOLE, SHA | SIZE },
	{ "token", "/t/good/ok/data", 0, 1, WHOLE },
	{ "wrong token", "/t/SECRET/ok/data", -EACCES, 1, ANYTHING, .text = "/t/***" },

	{ "tail", "/ok/data", 0, 1, DATA_BYTES - 1000, 1000, .range = FETCH_TAIL, .count = 1000,
	  .ranged = true },
	{ "tail of all", "/ok/small", 0, 1, 0, SMALL_BYTES, .range = FETCH_TAIL, .count = 65536,
	  .ranged = true },
	{ "tail of all, hashed", "/ok/data", 0, 1, WHOLE, SHA | SIZE, .range = FETCH_TAIL,
	  .count = 1 << 20, .ranged = true },
	{ "tail of all, wrong hash", "/ok/data", -EBADMSG, 1, ANYTHING, BAD_SHA,
	  .range = FETCH_TAIL, .count = 1 << 20 },
	{ "tail, size known", "/ok/data", 0, 1, DATA_BYTES - 1000, 1000, SIZE | SHA,
	  .range = FETCH_TAIL, .count = 1000, .ranged = true },
	{ "tail, wrong size", "/ok/data", -EBADMSG, 1, EMPTY, BAD_SIZE, .range = FETCH_TAIL,
	  .count = 1000 },
	{ "tail too long for the server", "/f/tail-416/data", 0, 2, WHOLE, SHA, .range = FETCH_TAIL,
	  .count = 1 << 20 },
	{ "from", "/ok/data", 0, 1, 150000, 50000, .range = FETCH_FROM, .from = 150000,
	  .ranged = true },
	{ "from the end", "/ok/data", -EBADMSG, 1, EMPTY, .range = FETCH_FROM, .from = DATA_BYTES,
	  .text = "416" },
	{ "range ignored", "/f/no-range/data", 0, 1, WHOLE, SHA, .range = FETCH_TAIL,
	  .count = 1000 },
	{ "range ignored, wrong hash", "/f/no-range/data", -EBADMSG, 1, ANYTHING, BAD_SHA,
	  .range = FETCH_TAIL, .count = 1000 },
	{ "range ignored, too much", "/f/no-range/data", -EFBIG, 1, EMPTY, .range = FETCH_TAIL,
	  .count = 1000, .bytes_max = 2000 },
	{ "another range", "/f/wrong-range/data", 0, 2, WHOLE, SHA, .range = FETCH_TAIL,
	  .count = 1000 },
	{ "another range, from", "/f/wrong-range/data", 0, 2, WHOLE, .range = FETCH_FROM,
	  .from = 1000 },
	{ "no Content-Range", "/f/no-content-range/data", 0, 2, WHOLE, .range = FETCH_TAIL,
	  .count = 1000 },
	{ "Content-Range without total", "/f/star-total/data", 0, 2, WHOLE, .range = FETCH_TAIL,
	  .count = 1000 },
	{ "a part unasked", "/f/part-unasked/data", -EBADMSG, 1, EMPTY, .text = "206" },
	{ "part too long", "/f/long-part/data", -EBADMSG, 1, ANYTHING, .range = FETCH_TAIL,
	  .count = 1000 },

	{ "400", "/f/status-400/data", -EIO, 1, EMPTY, .text = "HTTP 400" },
	{ "401", "/f/status-401/data", -EACCES, 1, EMPTY },
	{ "403", "/f/status-403/data", -EACCES, 1, EMPTY },
	{ "404", "/f/status-404/data", -ENOENT, 1, EMPTY, .text = "not found" },
	{ "404 of a file", "/ok/nosuch", -ENOENT, 1, EMPTY },
	{ "410", "/f/status-410/data", -ENOENT, 1, EMPTY },
	{ "304 unasked", "/f/status-304/data", -EIO, 1, EMPTY },
	{ "501", "/f/status-501/data", -EIO, 1, EMPTY },
	{ "500 always", "/f/status-500/data", -EIO, TRIES, EMPTY, .text = "tried 3 times" },
	{ "503 twice", "/f/status-503-times-2/data", 0, 3, WHOLE, SHA },
	{ "502 once", "/f/status-502-times-1/data", 0, 2, WHOLE },
	{ "504 once", "/f/status-504-times-1/data", 0, 2, WHOLE },
	{ "408 once", "/f/status-408-times-1/data", 0, 2, WHOLE },
	{ "429 once", "/f/status-429-times-1/data", 0, 2, WHOLE },
	{ "Retry-After a second", "/f/retry-after-1-times-1/data", 0, 2, WHOLE },
	{ "Retry-After a date", "/f/retry-date-1-times-1/data", 0, 2, WHOLE },
	{ "Retry-After an hour", "/f/retry-after-3600/data", -EIO, TRIES, EMPTY,
	  .text = "HTTP 503" },
	{ "endless page", "/f/endless-page/data", -ENOENT, 1, EMPTY },

	{ "closed", "/f/close/data", -EIO, -TRIES, EMPTY },
	{ "closed once", "/f/close-times-1/data", 0, 2, WHOLE },
	{ "reset", "/f/reset/data", -EIO, -TRIES, EMPTY },
	{ "reset once", "/f/reset-times-1/data", 0, 2, WHOLE },
	{ "reset in the middle", "/f/reset-at-80000/data", 0, 3, WHOLE, SHA },
	{ "cut in the middle", "/f/short-at-80000/data", 0, 3, WHOLE, SHA },
	{ "cut, nothing to check", "/f/short-at-80000/data", 0, 3, WHOLE },
	{ "cut tail", "/f/short-at-8000/data", 0, 3, DATA_BYTES - 20000, 20000, .range = FETCH_TAIL,
	  .count = 20000, .ranged = true },
	{ "cut, no ranges", "/f/short-at-80000,no-range/data", -EIO, TRIES, ANYTHING, SHA,
	  .text = "80000 of 200000" },
	{ "cut once, no ranges", "/f/short-at-80000-times-1,no-range/data", 0, 2, WHOLE, SHA },
	{ "cut, weak etag", "/f/short-at-80000,weak-etag/data", 0, 3, WHOLE, SHA },
	{ "cut, hash but no validators", "/f/short-at-80000,no-validators/data", 0, 3, WHOLE, SHA },
	{ "cut, no validators, no hash", "/f/short-at-80000,no-validators/data", -EIO, TRIES,
	  ANYTHING },
	{ "cut, no length", "/f/short-at-80000,no-length/data", 0, 3, WHOLE, SHA | SIZE },
	{ "cut, wrong range after", "/f/short-at-80000-times-1,wrong-range/data", 0, 3, WHOLE,
	  SHA },
	{ "changed meanwhile", "/f/short-at-80000-times-1,change/data", 0, 3, WHOLE, .plus = 3 },
	{ "changed, server says so", "/f/short-at-80000-times-1,change-honest/data", 0, 2, WHOLE,
	  .plus = 2 },
	{ "changed, hash known", "/f/short-at-80000-times-1,change/data", -EBADMSG, 3, ANYTHING,
	  SHA },
	{ "changed silently", "/f/short-at-80000-times-1,change,no-validators/data", -EBADMSG, 3,
	  ANYTHING, SHA },
	{ "stalled in the middle", "/f/stall-at-1000/data", -ETIMEDOUT, TRIES, ANYTHING, SHA,
	  .text = "nothing has come" },
	{ "stalled once", "/f/stall-at-80000-times-1/data", 0, 2, WHOLE, SHA },
	{ "half a second's silence", "/f/pause-at-80000/data", 0, 1, WHOLE },
	{ "silent", "/f/silent/data", -ETIMEDOUT, -1, EMPTY },
	{ "slow headers", "/f/slow-headers/data", -ETIMEDOUT, -1, EMPTY },
	{ "slow is no stall", "/f/slow-2/tiny", 0, 1, 0, TINY_BYTES },
	{ "not HTTP", "/f/garbage/data", -EIO, -1, EMPTY },
	{ "header bomb", "/f/header-bomb/data", -EFBIG, 1, EMPTY, .text = "headers" },

	{ "longer than known", "/f/long/data", -EBADMSG, 1, ANYTHING, SIZE },
	{ "longer than the limit", "/f/long/data", -EFBIG, 1, ANYTHING,
	  .bytes_max = DATA_BYTES + 500 },
	{ "longer, hash known", "/f/long/data", -EBADMSG, 1, ANYTHING, SHA },
	{ "length too large", "/f/length-plus-10/data", -EIO, TRIES, ANYTHING },
	{ "length too large, size known", "/f/length-plus-10/data", -EBADMSG, 1, EMPTY, SIZE },
	{ "length too small", "/f/length-minus-10/data", -EBADMSG, 1, ANYTHING, SHA },
	{ "wrong bytes", "/f/wrong-bytes/data", -EBADMSG, 1, ANYTHING, SHA },
	{ "wrong bytes, MD5", "/f/wrong-bytes/data", -EBADMSG, 1, ANYTHING, MD5, .text = "MD5" },
	{ "gzip unasked", "/f/gzip/data", -EBADMSG, 1, EMPTY, .text = "encoded" },
	{ "gzip unasked, hash known", "/f/gzip/data", -EBADMSG, 1, ANYTHING, SHA },
	{ "gzip unasked, part", "/f/gzip/data", -EBADMSG, 1, EMPTY, .range = FETCH_TAIL,
	  .count = 100 },
	{ "login page", "/f/html/data", -EBADMSG, 1, ANYTHING, SHA },
	{ "login page, size known", "/f/html/data", -EBADMSG, 1, EMPTY, SIZE },

	{ "redirects", "/f/redirect-5/data", 0, 6, WHOLE, SHA },
	{ "too many redirects", "/f/redirect-6/data", -EIO, 6, EMPTY, .text = "more than 5" },
	{ "redirect loop", "/f/redirect-loop/data", -EIO, 6, EMPTY },
	{ "redirect to a file", "/f/redirect-file/data", -EIO, 1, EMPTY, .text = "neither" },
	{ "redirect to nothing", "/f/redirect-none/data", -EIO, 1, EMPTY },
	{ "redirect to another host", "/f/redirect-host/data", 0, 2, WHOLE, SHA },
	{ "redirected tail", "/f/redirect-1/data", 0, 2, DATA_BYTES - 1000, 1000,
	  .range = FETCH_TAIL, .count = 1000, .ranged = true },

	{ "refused", "http://127.0.0.1:1/x", -EHOSTUNREACH, 0, EMPTY },
	{ "no such host", "http://nowhere.test/x", -EHOSTUNREACH, 0, EMPTY },
	{ "slow name server", "http://slow.test/x", -EHOSTUNREACH, 0, EMPTY },
	{ "neither http nor file", "ftp://127.0.0.1/x", -EINVAL, 0, EMPTY },
	{ "blank in the URL", "http://127.0.0.1/a b", -EINVAL, 0, EMPTY },
};

static void check_outcome(const struct faulty *c, const struct outcome *o)
{
	const struct fetch_result *res = &o->result;
	uint64_t took_ms = (o->ended_ns - o->started_ns) / 1000000;

	test_case = c->name;
	if (!CHECK_INT(res->code, c->want))
		fprintf(stderr, "  %s\n", res->err.text);
	CHECK_INT(o->calls, 1);
	if (c->len != (size_t)-1)
		CHECK(holds(o->fd, c->first, c->len, c->plus));
	CHECK(!o->backwards);
	/* Its place in the queue included. */
	CHECK(took_ms < 12 * STALL_MS);
	if (c->want == 0) {
		CHECK_INT(res->written_bytes, c->len);
		CHECK_INT(res->ranged, c->ranged);
		CHECK(c->len == 0 || o->bytes == c->len);
		if ((c->checks & SHA) && c->len == DATA_BYTES)
			CHECK(digest_same(&o->sha256, &data_sha256));
		CHECK_TEXT(res->err.text, "");
	} else {
		CHECK(res->err.code == c->want);
		CHECK(strlen(res->err.text) > 20);
		CHECK(!strstr(res->err.text, "SECRET"));
		if (c->text && !CHECK(strstr(res->err.text, c->text)))
			fprintf(stderr, "  %s\n", res->err.text);
	}
}

/* All at once: what one host's queue does to them is tried as well. */
static void test_faults(void)
{
	static struct outcome outcomes[ARRAY_LEN(cases)];
	AUTO(fetcher_freep) struct fetcher *f = open_fetcher(NULL);
	char mark[40];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct faulty *c = &cases[i];
		struct outcome *o = &outcomes[i];
		struct fetch_request rq = { .range = c->range,
					    .first = c->from,
					    .count = c->count,
					    .bytes_max = c->bytes_max,
					    .ret_sha256 = &o->sha256 };

		test_case = c->name;
		if (c->checks & (SHA | BAD_SHA))
			rq.sha256 = data_sha256;
		if (c->checks & BAD_SHA)
			rq.sha256.bytes[31] ^= 1;
		if (c->checks & MD5)
			rq.md5 = data_md5;
		if (c->checks & (SIZE | BAD_SIZE))
			rq.size = DATA_BYTES + (c->checks & BAD_SIZE ? 1 : 0);
		if (c->path[0] == '/')
			(void)snprintf(o->url, sizeof(o->url), "%s%s?case=%zu;", base, c->path, i);
		else
			(void)snprintf(o->url, sizeof(o->url), "%s", c->path);
		(void)start(f, &rq, o);
	}
	wait_all();
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct faulty *c = &cases[i];
		int got;

		check_outcome(c, &outcomes[i]);
		close(outcomes[i].fd);
		(void)snprintf(mark, sizeof(mark), "?case=%zu;", i);
		got = requests_settled(in_dir("log"), mark, c->requests);
		if (c->requests >= 0)
			CHECK_INT(got, c->requests);
		else
			CHECK(got >= -c->requests);
	}
}

int main(void)
{
	struct server s;

	make_files();
	if (!start_faultserver(&s)) {
		printf("skipped: python3 is needed for the server\n");
		return 77;
	}
	test_faults();
	server_stop(&s);
	remove_files();
	return test_end();
}
