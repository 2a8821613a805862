/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/auto.h"
#include "base/buf.h"
#include "base/sys.h"
#include "channel/config.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* The variables that a configuration looks at; each case starts without them. */
static const char *const variables[] = {
	"CONDARC",
	"XDG_CONFIG_HOME",
	"CONDA_CHANNELS",
	"CONDA_CHANNEL_ALIAS",
	"CONDA_DEFAULT_CHANNELS",
	"CONDA_CHANNEL_PRIORITY",
	"CONDA_PINNED_PACKAGES",
	"CONDA_ADD_PIP_AS_PYTHON_DEPENDENCY",
	"CONDA_SSL_VERIFY",
	"CONDA_CLIENT_SSL_CERT",
	"CONDA_CLIENT_SSL_CERT_KEY",
	"CONDA_REMOTE_CONNECT_TIMEOUT_SECS",
	"CONDA_REMOTE_READ_TIMEOUT_SECS",
	"CONDA_REMOTE_MAX_RETRIES",
	"CONDA_OFFLINE",
	"CONDA_LOCAL_REPODATA_TTL",
	"CONDA_USE_ONLY_TAR_BZ2",
	"http_proxy",
	"https_proxy",
	"HTTP_PROXY",
	"HTTPS_PROXY",
	"all_proxy",
	"ALL_PROXY",
	"no_proxy",
	"NO_PROXY",
	"SSL_CERT_FILE",
	"REQUESTS_CA_BUNDLE",
	"CURL_CA_BUNDLE",
	"NETRC",
	"TOKEN",
};

static char home[64];

static void put_file(const char *name, const char *text)
{
	char path[256], *slash;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/%s", home, name);
	for (slash = strchr(path + strlen(home) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0755);
		*slash = '/';
	}
	f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
}

static void begin(const char *name)
{
	char command[256];

	test_case = name;
	(void)snprintf(command, sizeof(command), "rm -rf %s/* %s/.[a-z]*", home, home);
	if (system(command) != 0)
		abort();
	for (size_t i = 0; i < ARRAY_LEN(variables); i++)
		(void)unsetenv(variables[i]);
	(void)setenv("HOME", home, 1);
}

static void add_list(struct buf *b, char **items, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buf_addf(b, "%s%s", i ? " " : "", items[i]);
}

/* One text of what a key has become. */
static void value_of(const struct config *c, const char *key, struct buf *b)
{
	static const char *const priorities[] = { "flexible", "strict", "disabled" };

	buf_clear(b);
	if (strcmp(key, "channels") == 0)
		add_list(b, c->channels, c->channel_count);
	else if (strcmp(key, "defaults") == 0)
		add_list(b, c->default_channels, c->default_channel_count);
	else if (strcmp(key, "pinned") == 0)
		add_list(b, c->pinned_packages, c->pinned_package_count);
	else if (strcmp(key, "alias") == 0)
		buf_adds(b, c->channel_alias);
	else if (strcmp(key, "priority") == 0)
		buf_adds(b, priorities[c->channel_priority]);
	else if (strcmp(key, "custom") == 0)
		for (size_t i = 0; i < c->custom_channel_count; i++)
			buf_addf(b, "%s=%s ", c->custom_channels[i].name,
				 c->custom_channels[i].value);
	else if (strcmp(key, "multi") == 0)
		for (size_t i = 0; i < c->custom_multichannel_count; i++) {
			buf_addf(b, "%s: ", c->custom_multichannels[i].name);
			add_list(b, c->custom_multichannels[i].channels,
				 c->custom_multichannels[i].count);
		}
	else if (strcmp(key, "bools") == 0)
		buf_addf(b, "pip %d offline %d bz2 %d insecure %d", c->add_pip_as_python_dependency,
			 c->offline, c->use_only_tar_bz2, c->fetch.insecure);
	else if (strcmp(key, "numbers") == 0)
		buf_addf(b, "ttl %ld tries %d connect %d stall %d", c->repodata_ttl, c->fetch.tries,
			 c->fetch.connect_ms, c->fetch.stall_ms);
	else if (strcmp(key, "proxies") == 0)
		buf_addf(b, "%s %s %s", c->fetch.proxy_http ? c->fetch.proxy_http : "-",
			 c->fetch.proxy_https ? c->fetch.proxy_https : "-",
			 c->fetch.no_proxy ? c->fetch.no_proxy : "-");
	else if (strcmp(key, "files") == 0)
		buf_addf(b, "%s %s %s %s", c->fetch.ca_file ? c->fetch.ca_file : "-",
			 c->fetch.client_cert ? c->fetch.client_cert : "-",
			 c->fetch.client_key ? c->fetch.client_key : "-",
			 c->fetch.netrc_file ? c->fetch.netrc_file + strlen(home) : "-");
	else if (strcmp(key, "warnings") == 0)
		add_list(b, c->warnings, c->warning_count);
	else
		abort();
}

static void check(const char *key, const char *want)
{
	AUTO(config_freep) struct config *c = NULL;
	AUTO_BUF got = BUF(65536);
	struct err e = { 0 };

	if (!CHECK_INT(config_load(&c, &e), 0)) {
		fprintf(stderr, "  %s\n", e.text);
		return;
	}
	value_of(c, key, &got);
	CHECK_TEXT(got.bytes, want);
}

static void test_one_file(void)
{
	static const struct {
		const char *name, *text, *key, *want;
	} cases[] = {
		{ "nothing", "", "channels", "" },
		{ "defaults of conda", "", "defaults",
		  "https://repo.anaconda.com/pkgs/main https://repo.anaconda.com/pkgs/r" },
		{ "alias of conda", "# a comment only\n", "alias", "https://conda.anaconda.org" },
		{ "booleans at first", "", "bools", "pip 1 offline 0 bz2 0 insecure 0" },
		{ "numbers at first", "", "numbers", "ttl 1 tries 0 connect 0 stall 0" },
		{ "null file", "~\n", "channels", "" },
		{ "a list", "channels:\n  - conda-forge\n  - bioconda\n", "channels",
		  "conda-forge bioconda" },
		{ "a list on one line", "channels: [a, \"b\", 'c']\n", "channels", "a b c" },
		{ "a text for a list", "channels: conda-forge\n", "channels", "conda-forge" },
		{ "null for a list", "channels:\n", "channels", "" },
		{ "an alias of the key", "channel: [a]\n", "channels", "a" },
		{ "twice the same", "channels: [a, b, a]\n", "channels", "a b" },
		{ "the last of two keys", "channels: [a]\nchannels: [b]\n", "channels", "b" },
		{ "unknown keys", "foo: {bar: [1, {baz: ~}]}\nchannels: [a]\n", "channels", "a" },
		{ "variables",
		  "channels: ['https://h/t/${TOKEN}/c', $TOKEN, $NOT_SET_HERE/x, a$]\n", "channels",
		  "https://h/t/tk-1/c tk-1 $NOT_SET_HERE/x a$" },
		{ "slashes of the alias", "channel_alias: https://mirror.example.org/conda//\n",
		  "alias", "https://mirror.example.org/conda" },
		{ "default_channels", "default_channels: [https://m.example.org/main]\n",
		  "defaults", "https://m.example.org/main" },
		{ "custom_channels", "custom_channels:\n  a: https://h/x\n  b/c: /srv/y\n",
		  "custom", "pkgs/pro=https://repo.anaconda.com a=https://h/x b/c=/srv/y " },
		{ "custom_multichannels", "custom_multichannels:\n  m: [a, b]\n  n: c\n", "multi",
		  "m: a bn: c" },
		{ "strict", "channel_priority: strict\n", "priority", "strict" },
		{ "priority as a truth", "channel_priority: false\n", "priority", "disabled" },
		{ "priority true", "channel_priority: true\n", "priority", "flexible" },
		{ "pins", "pinned_packages:\n  - python 3.8.*\n  - numpy >=1.20,<2\n", "pinned",
		  "python 3.8.* numpy >=1.20,<2" },
		{ "booleans",
		  "add_pip_as_python_dependency: no\noffline: True\nuse_only_tar_bz2: on\n"
		  "ssl_verify: false\n",
		  "bools", "pip 0 offline 1 bz2 1 insecure 1" },
		{ "numbers",
		  "local_repodata_ttl: 3600\nremote_max_retries: 2\n"
		  "remote_connect_timeout_secs: 1.5\nremote_read_timeout_secs: 60\n",
		  "numbers", "ttl 3600 tries 3 connect 1500 stall 60000" },
		{ "ttl as a truth", "local_repodata_ttl: false\n", "numbers",
		  "ttl 0 tries 0 connect 0 stall 0" },
		{ "proxies", "proxy_servers:\n  http: http://u:p@h:1\n  https: http://h:2\n",
		  "proxies", "http://u:p@h:1 http://h:2 -" },
		{ "proxy for all", "proxy_servers: {all: 'http://h:3', https: 'http://h:2'}\n",
		  "proxies", "http://h:3 http://h:2 -" },
		{ "proxy for one host", "proxy_servers:\n  https://h: http://h:2\n", "warnings",
		  "proxy_servers: 'https://h' is not used: a proxy can be set for http, https and "
		  "all" },
		{ "certificates",
		  "ssl_verify: /etc/ca.pem\nclient_ssl_cert: /c.pem\n"
		  "client_ssl_cert_key: /k.pem\n",
		  "files", "/etc/ca.pem /c.pem /k.pem -" },
		{ "truststore", "ssl_verify: truststore\n", "files", "- - - -" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		begin(cases[i].name);
		(void)setenv("TOKEN", "tk-1", 1);
		put_file(".condarc", cases[i].text);
		check(cases[i].key, cases[i].want);
	}
}

/* Of conda's merge (common/configuration.py). "general" is ~/.config/conda/.condarc, "own"
 * ~/.condarc, which is the more specific. */
static void test_merge(void)
{
	static const struct {
		const char *name, *general, *own, *key, *want;
	} cases[] = {
		{ "own entries first", "channels: [a, b]\n", "channels: [c, a]\n", "channels",
		  "c a b" },
		{ "top", "channels:\n  - a\n  - b  #!top\n", "channels: [c]\n", "channels",
		  "b c a" },
		{ "bottom", "channels: [a]\n", "channels:\n  - c #!bottom\n  - d\n", "channels",
		  "d a c" },
		{ "bottoms of both", "channels:\n  - a #!bottom\n", "channels:\n  - c #!bottom\n",
		  "channels", "c a" },
		{ "final list", "channels: #!final\n  - a\n", "channels: [b]\n", "channels", "a" },
		{ "final on the line of a list", "channels: [a]  #!final\n", "channels: [b]\n",
		  "channels", "a" },
		{ "a mark behind letters of two bytes",
		  "# \xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\nchannels: #!final\n  - a\n",
		  "channels: [b]\n", "channels", "a" },
		{ "value", "offline: true\n", "offline: false\n", "bools",
		  "pip 1 offline 0 bz2 0 insecure 0" },
		{ "final value", "offline: true #!final\n", "offline: false\n", "bools",
		  "pip 1 offline 1 bz2 0 insecure 0" },
		{ "map", "custom_channels: {a: https://x/1, b: https://x/2}\n",
		  "custom_channels: {b: https://x/3}\n", "custom",
		  "pkgs/pro=https://repo.anaconda.com a=https://x/1 b=https://x/3 " },
		{ "final entry of a map", "custom_channels:\n  a: https://x/1 #!final\n",
		  "custom_channels:\n  a: https://x/2\n", "custom",
		  "pkgs/pro=https://repo.anaconda.com a=https://x/1 " },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		begin(cases[i].name);
		put_file(".config/conda/.condarc", cases[i].general);
		put_file(".condarc", cases[i].own);
		check(cases[i].key, cases[i].want);
	}
}

static void test_variables(void)
{
	static const struct {
		const char *name, *variable, *value, *key, *want;
	} cases[] = {
		{ "channels", "CONDA_CHANNELS", " a, b ,,c", "channels", "a b c own" },
		{ "alias", "CONDA_CHANNEL_ALIAS", "https://m", "alias", "https://m" },
		{ "priority", "CONDA_CHANNEL_PRIORITY", "Strict", "priority", "strict" },
		{ "pins", "CONDA_PINNED_PACKAGES", "python=3.8&numpy >=1,<2", "pinned",
		  "python=3.8 numpy >=1,<2" },
		{ "pip", "CONDA_ADD_PIP_AS_PYTHON_DEPENDENCY", "false", "bools",
		  "pip 0 offline 0 bz2 0 insecure 0" },
		{ "offline", "CONDA_OFFLINE", "1", "bools", "pip 1 offline 1 bz2 0 insecure 0" },
		{ "empty is not set", "CONDA_OFFLINE", "", "bools",
		  "pip 1 offline 0 bz2 0 insecure 0" },
		{ "ssl", "CONDA_SSL_VERIFY", "no", "bools", "pip 1 offline 0 bz2 0 insecure 1" },
		{ "retries", "CONDA_REMOTE_MAX_RETRIES", "0", "numbers",
		  "ttl 1 tries 1 connect 0 stall 0" },
		{ "http_proxy", "http_proxy", "http://h:1", "proxies", "http://h:1 - -" },
		{ "HTTP_PROXY is left alone", "HTTP_PROXY", "http://h:1", "proxies", "- - -" },
		{ "HTTPS_PROXY", "HTTPS_PROXY", "http://h:1", "proxies", "- http://h:1 -" },
		{ "all_proxy", "all_proxy", "http://h:1", "proxies", "http://h:1 http://h:1 -" },
		{ "no_proxy", "no_proxy", "a,b", "proxies", "- - a,b" },
		{ "SSL_CERT_FILE", "SSL_CERT_FILE", "/a.pem", "files", "/a.pem - - -" },
		{ "REQUESTS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "/b.pem", "files", "/b.pem - - -" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		begin(cases[i].name);
		put_file(".condarc", "channels: [own]\n");
		(void)setenv(cases[i].variable, cases[i].value, 1);
		check(cases[i].key, cases[i].want);
	}
	begin("proxies of the file win");
	put_file(".condarc", "proxy_servers: {http: 'http://f:1'}\n");
	(void)setenv("https_proxy", "http://h:2", 1);
	check("proxies", "http://f:1 - -");
	begin("the file's certificates win");
	put_file(".condarc", "ssl_verify: /f.pem\n");
	(void)setenv("SSL_CERT_FILE", "/h.pem", 1);
	check("files", "/f.pem - - -");
	begin("netrc");
	put_file(".netrc", "");
	check("files", "- - - /.netrc");
}

static void test_places(void)
{
	char path[128];

	begin("all places below home");
	put_file("xdg/conda/condarc", "channels: [x]\n");
	put_file(".config/conda/condarc.d/2.yml", "channels: [d2]\n");
	put_file(".config/conda/condarc.d/1.yaml", "channels: [d1]\n");
	put_file(".config/conda/condarc.d/README", "nonsense: [\n");
	put_file(".conda/.condarc", "channels: [k]\n");
	put_file(".condarc", "channels: [h]\n");
	put_file("other", "channels: [o]\n");
	(void)snprintf(path, sizeof(path), "%s/xdg", home);
	(void)setenv("XDG_CONFIG_HOME", path, 1);
	(void)setenv("CONDARC", "~/other", 1);
	check("channels", "o h k d2 d1 x");
	begin("one file by two ways is read once");
	put_file(".config/conda/.condarc", "channels:\n  - a #!bottom\n");
	(void)snprintf(path, sizeof(path), "%s/.config", home);
	(void)setenv("XDG_CONFIG_HOME", path, 1);
	check("channels", "a");
}

static void test_refused(void)
{
	static const struct {
		const char *name, *text, *says;
	} cases[] = {
		{ "not YAML", "channels: [a\n", "line" },
		{ "a list at the top", "- a\n", "map" },
		{ "a text at the top", "conda-forge\n", "map" },
		{ "an alias", "a: &x [1]\nchannels: *x\n", "alias" },
		{ "a bomb of aliases", "a: &a [1,1]\nb: &b [*a,*a]\n", "alias" },
		{ "a tag", "channels: !!python/object x\n", "tag" },
		{ "two documents", "a: 1\n---\nb: 2\n", "second document" },
		{ "a map for a list", "channels: {a: 1}\n", "not a list" },
		{ "a list for a value", "channel_alias: [a]\n", "not one value" },
		{ "a list in a list", "channels: [[a]]\n", "no text" },
		{ "a list for a map", "custom_channels: [a]\n", "not a map" },
		{ "no truth", "offline: perhaps\n", "not true or false" },
		{ "no number", "remote_max_retries: many\n", "not a number" },
		{ "no priority", "channel_priority: high\n", "flexible" },
		{ "alias that is no URL", "channel_alias: conda.anaconda.org\n", "channel_alias" },
		{ "too deep",
		  "a: "
		  "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
		  "deep" },
		{ "control byte", "channels: [\"a\001\"]\n", "line" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(config_freep) struct config *c = NULL;
		struct err e = { 0 };

		begin(cases[i].name);
		put_file(".condarc", cases[i].text);
		CHECK_INT(config_load(&c, &e), -EINVAL);
		if (!CHECK(strstr(e.text, cases[i].says)))
			fprintf(stderr, "  %s\n", e.text);
	}
}

int main(void)
{
	char command[128];

	(void)snprintf(home, sizeof(home), "/tmp/envfs-test-XXXXXX");
	if (!mkdtemp(home))
		abort();
	test_one_file();
	test_merge();
	test_variables();
	test_places();
	test_refused();
	(void)snprintf(command, sizeof(command), "rm -rf %s", home);
	return system(command) != 0 || test_end();
}
