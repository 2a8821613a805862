/* SPDX-License-Identifier: Apache-2.0 */
/* fetch against nginx: TLS, HTTP/2, kept connections. */
#include "fetch_servers.h"

static struct json_doc *nginx; /* what tests/lib/nginx.py said: its URLs */

static void url_on(struct outcome *o, const char *kind, const char *path)
{
	(void)snprintf(o->url, sizeof(o->url), "%s%s", json_get_text(json_root(nginx), kind) ?: "",
		       path);
}

static void test_certificates(const char *ca)
{
	static const struct {
		const char *kind;
		int want;
		bool insecure, system;
		const char *text;
	} cases[] = {
		{ "https", 0 },
		{ "https", -EIO, .system = true, .text = "TLS" },
		{ "https", 0, .insecure = true },
		{ "expired", -EIO, .text = "expired" },
		{ "expired", 0, .insecure = true },
		{ "wrong_name", -EIO, .text = "subject name" },
		{ "wrong_name", 0, .insecure = true },
		{ "self_signed", -EIO, .text = "TLS" },
		{ "self_signed", 0, .insecure = true },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct fetch_options options = { .insecure = cases[i].insecure,
						 .ca_file = cases[i].system ? NULL : ca };
		AUTO(fetcher_freep) struct fetcher *f = open_fetcher(&options);
		struct outcome o = { .fd = memory_file() };
		struct fetch_request rq = { .url = o.url, .fd = o.fd, .sha256 = data_sha256 };

		test_case = cases[i].kind;
		url_on(&o, cases[i].kind, "/data");
		CHECK_INT(fetch_wait(f, &rq, &o.result, NULL), cases[i].want);
		if (!CHECK(!cases[i].text || strcasestr(o.result.err.text, cases[i].text)))
			fprintf(stderr, "  %s\n", o.result.err.text);
		/* Nobody hopes that a certificate gets better. */
		CHECK_INT(fetcher_request_count(f), 1);
		close(o.fd);
	}
}

static int fetch_with(const struct fetch_options *options, const char *kind,
		      const char *then_remove)
{
	AUTO(fetcher_freep) struct fetcher *f = open_fetcher(options);
	struct outcome o = { .fd = memory_file() };
	struct fetch_request rq = { .url = o.url, .fd = o.fd, .sha256 = data_sha256 };
	int code;

	if (then_remove)
		CHECK(unlink(then_remove) == 0);
	url_on(&o, kind, "/data");
	code = fetch_wait(f, &rq, NULL, NULL);
	close(o.fd);
	return code;
}

static void test_client(const char *ca)
{
	const char *cert = json_get_text(json_root(nginx), "client_cert");
	const char *key = json_get_text(json_root(nginx), "client_key");
	struct fetch_options o = { .ca_file = ca };
	AUTO_BUF both = BUF(1 * MIB);

	test_case = "a client's certificate is asked for";
	CHECK_INT(fetch_with(&o, "client", NULL), -EIO);
	test_case = "a client's certificate";
	o.client_cert = cert;
	o.client_key = key;
	CHECK_INT(fetch_with(&o, "client", NULL), 0);
	test_case = "certificate and key in one file, removed after";
	CHECK(sys_slurp(AT_FDCWD, cert, &both) == 0 && sys_slurp(AT_FDCWD, key, &both) == 0);
	write_file(in_dir("both.pem"), both.bytes, both.len);
	o.client_cert = in_dir("both.pem");
	o.client_key = NULL;
	CHECK_INT(fetch_with(&o, "client", in_dir("both.pem")), 0);
}

/* What was read at open is not read again. */
static void test_memory(const char *ca)
{
	AUTO_BUF b = BUF(1 * MIB);

	test_case = "the authorities' file is gone";
	CHECK(sys_slurp(AT_FDCWD, ca, &b) == 0);
	write_file(in_dir("ca.pem"), b.bytes, b.len);
	CHECK_INT(fetch_with(&(struct fetch_options){ .ca_file = in_dir("ca.pem") }, "https",
			     in_dir("ca.pem")),
		  0);
}

/* How many connections the log has for requests that hold `mark`. */
static int connections(const char *log, const char *mark, int *requests)
{
	AUTO_BUF text = BUF(16 * MIB);
	long seen[512];
	int count = 0;

	*requests = 0;
	if (sys_slurp(AT_FDCWD, log, &text) < 0)
		return -1;
	for (char *save = NULL, *line = strtok_r(text.bytes, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *number = strstr(line, "\"connection\":");
		long n = number ? atol(number + strlen("\"connection\":")) : 0;
		bool known = false;

		if (!strstr(line, mark))
			continue;
		++*requests;
		for (int i = 0; i < count; i++)
			known |= seen[i] == n;
		if (!known && count < (int)ARRAY_LEN(seen))
			seen[count++] = n;
	}
	return count;
}

/* 100 tails at once. Over TLS: streams of one connection. Plain: a few that are kept. */
static void test_many(const char *ca)
{
	static const struct {
		const char *kind;
		int connections_max;
	} cases[] = { { "https", 2 }, { "http", HOST_CONNECTIONS_MAX } };

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(fetcher_freep)
		struct fetcher *f = open_fetcher(&(struct fetch_options){ .ca_file = ca });
		struct outcome o[100] = { 0 };
		int requests, count;

		test_case = cases[i].kind;
		for (size_t k = 0; k < ARRAY_LEN(o); k++) {
			struct fetch_request rq = { .range = FETCH_TAIL, .count = 1000 };

			url_on(&o[k], cases[i].kind, "/data?many=");
			(void)strncat(o[k].url, cases[i].kind,
				      sizeof(o[k].url) - strlen(o[k].url) - 1);
			(void)strncat(o[k].url, ";", sizeof(o[k].url) - strlen(o[k].url) - 1);
			(void)start(f, &rq, &o[k]);
		}
		wait_all();
		for (size_t k = 0; k < ARRAY_LEN(o); k++) {
			CHECK_INT(o[k].result.code, 0);
			CHECK(o[k].result.ranged);
			CHECK(holds(o[k].fd, DATA_BYTES - 1000, 1000, 0));
			close(o[k].fd);
		}
		(void)usleep(100000);
		count = connections(in_dir("log"), i ? "many=http;" : "many=https;", &requests);
		CHECK_INT(requests, 100);
		if (!CHECK(count >= 1 && count <= cases[i].connections_max))
			fprintf(stderr, "  %d connections\n", count);
	}
}

static void test_nginx_ranges(void)
{
	static const struct {
		const char *name, *path;
		enum fetch_range range;
		uint64_t from, count;
		int want;
		size_t first, len;
		bool ranged;
	} cases[] = {
		{ "tail", "/data", FETCH_TAIL, 0, 500, 0, DATA_BYTES - 500, 500, true },
		{ "tail of all", "/small", FETCH_TAIL, 0, 65536, 0, 0, SMALL_BYTES, true },
		{ "tail of nothing", "/empty", FETCH_TAIL, 0, 65536, 0, 0, 0, false },
		{ "from", "/data", FETCH_FROM, 199000, 0, 0, 199000, 1000, true },
		{ "from beyond", "/data", FETCH_FROM, 200001, 0, -EBADMSG, 0, 0, false },
		{ "no ranges", "/norange/data", FETCH_TAIL, 0, 500, 0, 0, DATA_BYTES, false },
		{ "slow", "/slow/data", FETCH_FROM, 100000, 0, 0, 100000, 100000, true },
		{ "missing", "/nosuch", FETCH_ALL, 0, 0, -ENOENT, 0, 0, false },
	};
	AUTO(fetcher_freep) struct fetcher *f = open_fetcher(NULL);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct outcome o = { .fd = memory_file() };
		struct fetch_request rq = { .url = o.url,
					    .fd = o.fd,
					    .range = cases[i].range,
					    .first = cases[i].from,
					    .count = cases[i].count };

		test_case = cases[i].name;
		url_on(&o, "http", cases[i].path);
		if (!CHECK_INT(fetch_wait(f, &rq, &o.result, NULL), cases[i].want))
			fprintf(stderr, "  %s\n", o.result.err.text);
		CHECK(holds(o.fd, cases[i].first, cases[i].len, 0));
		CHECK_INT(o.result.ranged, cases[i].ranged);
		close(o.fd);
	}
}

int main(void)
{
	const char *lib = getenv("ENVFS_TESTS_LIB"), *ca;
	char script[400], root[200], log[200];
	struct server s;

	make_files();
	(void)snprintf(script, sizeof(script), "%s/nginx.py", lib ? lib : "tests/lib");
	(void)snprintf(root, sizeof(root), "%s", in_dir("root"));
	(void)snprintf(log, sizeof(log), "%s", in_dir("log"));
	if (!server_start(&s, (const char *[]){ "python3", script, "--root", root, "--log", log,
						NULL }) ||
	    json_parse(&nginx, s.line, strlen(s.line), NULL) < 0) {
		printf("skipped: python3, nginx and openssl are needed\n");
		return 77;
	}
	ca = json_get_text(json_root(nginx), "ca");
	test_certificates(ca);
	test_client(ca);
	test_memory(ca);
	test_many(ca);
	test_nginx_ranges();
	server_stop(&s);
	nginx = json_doc_free(nginx);
	remove_files();
	return test_end();
}
