/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config: what .condarc files and CONDA_* variables say, as far as envfs reads
 * it: channels, channel_alias, custom_channels, custom_multichannels,
 * default_channels, channel_priority, pinned_packages,
 * add_pip_as_python_dependency, ssl_verify, client_ssl_cert(_key),
 * proxy_servers, remote_connect_timeout_secs, remote_read_timeout_secs,
 * remote_max_retries, offline, local_repodata_ttl, use_only_tar_bz2.
 *
 * Read from conda's usual places in conda's order (COMPAT §5): /etc/conda,
 * /var/lib/conda, $XDG_CONFIG_HOME/conda, ~/.config/conda, ~/.conda, ~/.condarc,
 * $CONDARC; then CONDA_* variables (docs/channels.md). Lists of several files are joined, the more
 * specific first. Unknown keys are left alone.
 */
#ifndef ENVFS_CHANNEL_CONFIG_H
#define ENVFS_CHANNEL_CONFIG_H

#include "base/auto.h"
#include "base/err.h"
#include "fetch/fetch.h"

#include <stdbool.h>
#include <stddef.h>

enum channel_priority { PRIORITY_FLEXIBLE, PRIORITY_STRICT, PRIORITY_DISABLED };

struct config_pair {
	char *name;
	char *value;
};

struct config {
	char **channels; /* as written; empty: none configured */
	size_t channel_count;
	char *channel_alias; /* "https://conda.anaconda.org" */
	char **default_channels;
	size_t default_channel_count;
	struct config_pair *custom_channels; /* name -> location */
	size_t custom_channel_count;
	struct config_multi {
		char *name;
		char **channels;
		size_t count;
	} * custom_multichannels;
	size_t custom_multichannel_count;
	enum channel_priority channel_priority;
	char **pinned_packages;
	size_t pinned_package_count;
	bool add_pip_as_python_dependency; /* true */
	bool offline;
	bool use_only_tar_bz2;
	long repodata_ttl; /* local_repodata_ttl: 1 the server's word, 0 always ask, n seconds */
	struct fetch_options fetch; /* strings owned by the config */
	char **files;		    /* which were read, for `info` */
	size_t file_count;
	char **warnings;
	size_t warning_count;
	void *priv;
};

/* A file that cannot be read or parsed is an error that names it. */
int config_load(struct config **ret, struct err *e) MUST_CHECK;
struct config *config_free(struct config *c);
AUTO_FREE_FN(config)

#endif
