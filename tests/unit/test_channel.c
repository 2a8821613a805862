/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/auto.h"
#include "base/buf.h"
#include "channel/channel.h"

#include <errno.h>
#include <stdint.h>

/* A configuration as a test writes it down. */
#define T(text) ((char *)(uintptr_t)(text)) /* the struct's texts are its own elsewhere */
static char *channels[] = { T("conda-forge"), T("defaults") };
static char *default_channels[] = { T("https://repo.anaconda.com/pkgs/main"),
				    T("https://repo.anaconda.com/pkgs/r") };
static struct config_pair custom[] = {
	{ T("mine"), T("https://u:pw@chan.example.org/conda") },
	{ T("team/tools"), T("https://files.example.org/t/tk-9/x/") },
	{ T("local-disk"), T("/srv/channels") },
	{ T("pkgs/pro"), T("https://repo.anaconda.com") },
};
static char *members[] = { T("conda-forge"), T("https://u:p@m.example.org/t/tk-3/m") };
static struct config_multi multis[] = { { T("both"), members, 2 } };
static struct config cfg = {
	.channels = channels,
	.channel_count = 2,
	.channel_alias = T("https://conda.anaconda.org"),
	.default_channels = default_channels,
	.default_channel_count = 2,
	.custom_channels = custom,
	.custom_channel_count = 4,
	.custom_multichannels = multis,
	.custom_multichannel_count = 1,
};

static void test_resolve(void)
{
	static const struct {
		const char *name, *text;
		const char *want; /* "NAME URL [AUTH_URL if it differs]", one a line */
	} cases[] = {
		{ "a name", "conda-forge", "conda-forge https://conda.anaconda.org/conda-forge\n" },
		{ "slashes around", "/conda-forge/", "file:///conda-forge file:///conda-forge\n" },
		{ "a slash behind", "conda-forge/",
		  "conda-forge https://conda.anaconda.org/conda-forge\n" },
		{ "a label", "conda-forge/label/dev",
		  "conda-forge/label/dev https://conda.anaconda.org/conda-forge/label/dev\n" },
		{ "a subdir behind", "conda-forge/linux-64",
		  "conda-forge https://conda.anaconda.org/conda-forge\n" },
		{ "a subdir behind a URL", "https://x.example.org/c/noarch/",
		  "https://x.example.org/c https://x.example.org/c\n" },
		{ "a URL that has a name", "https://conda.anaconda.org/bioconda",
		  "bioconda https://conda.anaconda.org/bioconda\n" },
		{ "the alias itself", "https://conda.anaconda.org",
		  "https://conda.anaconda.org https://conda.anaconda.org\n" },
		{ "not quite the alias", "https://conda.anaconda.org.evil.example/x",
		  "https://conda.anaconda.org.evil.example/x "
		  "https://conda.anaconda.org.evil.example/x\n" },
		{ "another URL", "http://127.0.0.1:8080/a/b",
		  "http://127.0.0.1:8080/a/b "
		  "http://127.0.0.1:8080/a/b\n" },
		{ "defaults", "defaults",
		  "pkgs/main https://repo.anaconda.com/pkgs/main\n"
		  "pkgs/r https://repo.anaconda.com/pkgs/r\n" },
		{ "one of defaults", "pkgs/main",
		  "pkgs/main https://repo.anaconda.com/pkgs/main\n" },
		{ "one of defaults by URL", "https://repo.anaconda.com/pkgs/main/linux-64",
		  "pkgs/main https://repo.anaconda.com/pkgs/main\n" },
		{ "pkgs/pro", "pkgs/pro", "pkgs/pro https://repo.anaconda.com/pkgs/pro\n" },
		{ "a token", "https://h.example.org/t/tk-1/c",
		  "https://h.example.org/c https://h.example.org/c "
		  "https://h.example.org/t/tk-1/c\n" },
		{ "a password", "https://u:p@h.example.org/c",
		  "https://h.example.org/c https://h.example.org/c https://u:p@h.example.org/c\n" },
		{ "a token in a named place", "https://conda.anaconda.org/t/tk-1/private",
		  "private https://conda.anaconda.org/private "
		  "https://conda.anaconda.org/t/tk-1/private\n" },
		{ "custom", "mine",
		  "mine https://chan.example.org/conda/mine "
		  "https://u:pw@chan.example.org/conda/mine\n" },
		{ "custom, longer", "mine/label/x",
		  "mine/label/x https://chan.example.org/conda/mine/label/x "
		  "https://u:pw@chan.example.org/conda/mine/label/x\n" },
		{ "custom with a slash", "team/tools",
		  "team/tools https://files.example.org/x/team/tools "
		  "https://files.example.org/t/tk-9/x/team/tools\n" },
		{ "custom by URL", "https://chan.example.org/conda/mine",
		  "mine https://chan.example.org/conda/mine\n" },
		{ "a name that only starts like a custom one", "mineral",
		  "mineral https://conda.anaconda.org/mineral\n" },
		{ "custom on disk", "local-disk", "local-disk file:///srv/channels/local-disk\n" },
		{ "multichannel", "both",
		  "conda-forge https://conda.anaconda.org/conda-forge\n"
		  "https://m.example.org/m https://m.example.org/m "
		  "https://u:p@m.example.org/t/tk-3/m\n" },
		{ "a path", "/srv/a b", "file:///srv/a%20b file:///srv/a%20b\n" },
		{ "dots in a path", "/srv/./x/..//y/", "file:///srv/y file:///srv/y\n" },
		{ "more dots than folders", "/../../x", "file:///x file:///x\n" },
		{ "from home", "~/c", "file:///home/u/c file:///home/u/c\n" },
		{ "a relative path", "./c", "file:///tmp/c file:///tmp/c\n" },
		{ "the folder above", "../c", "file:///c file:///c\n" },
		{ "this folder", ".", "file:///tmp file:///tmp\n" },
		{ "a file URL", "file:///srv/c/", "file:///srv/c file:///srv/c\n" },
		{ "empty", "", NULL },
		{ "blank", "a b", NULL },
		{ "newline", "a\nb", NULL },
		{ "another scheme", "ftp://h/c", NULL },
		{ "half a scheme", "file:/srv", NULL },
		{ "a query", "https://h/c?x=1", NULL },
		{ "no host", "https://", NULL },
		{ "local", "local", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(channels_done) struct channels cs = { 0 };
		AUTO_BUF got = BUF(65536);
		const char *names[] = { cases[i].text, cases[i].text };
		struct err e = { 0 };
		int r;

		test_case = cases[i].name;
		r = channels_resolve(&cs, &cfg, names, 2, &e);
		CHECK_INT(r, cases[i].want ? 0 : -EINVAL);
		if (r < 0) {
			CHECK(e.text[0] && !strstr(e.text, "tk-") && !cs.count);
			continue;
		}
		for (size_t n = 0; n < cs.count; n++) {
			const struct channel *ch = &cs.list[n];
			bool same = strcmp(ch->url, ch->auth_url) == 0;

			buf_addf(&got, "%s %s%s%s\n", ch->name, ch->url, same ? "" : " ",
				 same ? "" : ch->auth_url);
		}
		CHECK_TEXT(got.bytes, cases[i].want);
	}
}

static void test_none_named(void)
{
	AUTO(channels_done) struct channels cs = { 0 };
	struct config bare = cfg;
	struct err e;

	test_case = "those of the configuration";
	CHECK_INT(channels_resolve(&cs, &cfg, NULL, 0, &e), 0);
	CHECK_INT(cs.count, 3);
	CHECK_TEXT(cs.list[0].name, "conda-forge");
	channels_done(&cs);
	test_case = "none configured: defaults";
	bare.channel_count = 0;
	CHECK_INT(channels_resolve(&cs, &bare, NULL, 0, &e), 0);
	CHECK_INT(cs.count, 2);
	CHECK_TEXT(cs.list[1].name, "pkgs/r");
}

static void test_channel_is(void)
{
	static const struct {
		const char *channel, *spec;
		bool want;
	} cases[] = {
		{ "conda-forge", "conda-forge", true },
		{ "conda-forge", "https://conda.anaconda.org/conda-forge", true },
		{ "conda-forge", "https://conda.anaconda.org/conda-forge/", true },
		{ "conda-forge", "conda-forge/linux-64", true },
		{ "conda-forge", "https://conda.anaconda.org/t/tk-1/conda-forge", true },
		{ "https://conda.anaconda.org/conda-forge", "conda-forge", true },
		{ "conda-forge", "conda", false },
		{ "conda-forge", "conda-forge/label/dev", false },
		{ "conda-forge", "defaults", false },
		{ "conda-forge", "both", true },
		{ "pkgs/main", "defaults", true },
		{ "pkgs/main", "pkgs/main", true },
		{ "pkgs/main", "main", false },
		{ "pkgs/main", "pkgs/r", false },
		{ "/srv/c", "file:///srv/c", true },
		{ "/srv/c", "/srv/x/../c", true },
		{ "./c", "./c", true },
		{ "conda-forge", "", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO(channels_done) struct channels cs = { 0 };
		struct err e;

		test_case = cases[i].spec;
		if (CHECK_INT(channels_resolve(&cs, &cfg, &cases[i].channel, 1, &e), 0))
			CHECK_INT(channel_is(&cs.list[0], cases[i].spec), cases[i].want);
	}
}

static void test_credentials(void)
{
	static const struct {
		const char *name, *url, *want; /* NULL: the same */
	} cases[] = {
		{ "none known", "https://conda.anaconda.org/conda-forge/noarch/a-1-0.conda", NULL },
		{ "password", "https://chan.example.org/conda/mine/linux-64/a-1-0.conda",
		  "https://u:pw@chan.example.org/conda/mine/linux-64/a-1-0.conda" },
		{ "token", "https://files.example.org/x/team/tools/noarch/a-1-0.conda",
		  "https://files.example.org/t/tk-9/x/team/tools/noarch/a-1-0.conda" },
		{ "both", "https://m.example.org/m/noarch/a.conda",
		  "https://u:p@m.example.org/t/tk-3/m/noarch/a.conda" },
		{ "the longer place", "https://m.example.org/m/deep/noarch/a.conda",
		  "https://m.example.org/t/tk-4/m/deep/noarch/a.conda" },
		{ "a place that only starts alike", "https://m.example.org/mm/a.conda", NULL },
		{ "another scheme", "http://m.example.org/m/a.conda", NULL },
		{ "another host", "https://m.example.org.evil.example/m/a.conda", NULL },
		{ "it has its own", "https://x:y@m.example.org/m/a.conda", NULL },
		{ "the place itself", "https://m.example.org/m",
		  "https://u:p@m.example.org/t/tk-3/m" },
	};
	AUTO(credentials_freep) struct credentials *c = NULL;
	struct err e;

	test_case = "credentials";
	CHECK_INT(credentials_open(&c, &e), 0);
	CHECK_INT(credentials_add_config(c, &cfg, &e), 0);
	CHECK_INT(credentials_add(c, "https://m.example.org/t/tk-0/m/deep", &e), 0);
	CHECK_INT(credentials_add(c, "https://m.example.org/t/tk-4/m/deep/", &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		AUTO_BUF got = BUF(4096);

		test_case = cases[i].name;
		CHECK_INT(credentials_apply(c, cases[i].url, &got, &e), 0);
		CHECK_TEXT(got.bytes, cases[i].want ? cases[i].want : cases[i].url);
	}
}

int main(void)
{
	if (setenv("HOME", "/home/u", 1) != 0 || chdir("/tmp") != 0)
		return 1;
	test_resolve();
	test_none_named();
	test_channel_is();
	test_credentials();
	return test_end();
}
