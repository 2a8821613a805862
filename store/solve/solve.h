/* SPDX-License-Identifier: Apache-2.0 */
/*
 * solve: MatchSpecs and records in, exact artifacts out, or the reasons why not.
 * The only user of libsolv, which is fed numbers only: each candidate's rank as
 * its version, each distinct MatchSpec as the set of candidates that satisfy it
 * (docs/decisions/solver.md). Only names reachable from the request are loaded,
 * candidates are pruned before libsolv, and those of large channels are
 * looked at only when an answer might have them. The same input gives the same answer, always.
 *
 * Preference (COMPAT §7.1): fewer track_features, channel priority by mode,
 * version, build number, timestamp, build string; .conda before .tar.bz2.
 */
#ifndef ENVFS_SOLVE_SOLVE_H
#define ENVFS_SOLVE_SOLVE_H

#include "base/auto.h"
#include "base/buf.h"
#include "base/err.h"
#include "channel/channel.h"
#include "channel/config.h"
#include "channel/repodata.h"
#include "solve/virtual.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A package as it is in the environment now; its record came from a lock. */
struct solve_installed {
	const char *name, *version, *build, *subdir, *channel_url, *fn, *url;
	uint64_t build_number, timestamp_ms;
	const char *const *depends, *const *constrains;
	size_t depend_count, constrain_count;
	const char *track_features;
	struct digest sha256;
	bool python_site_packages_path_set;
};

enum solve_job_kind {
	JOB_INSTALL, /* must hold; what is installed stays if it does, else the best */
	JOB_KEEP,    /* an earlier request: must hold, what is installed is preferred */
	JOB_UPDATE,  /* earlier request or name: must hold, prefer the best over the installed */
	JOB_REMOVE,  /* nothing that matches may be there */
};

struct solve_job {
	enum solve_job_kind kind;
	const char *spec; /* a MatchSpec; of a checked envfile or command line */
};

struct solve_source {
	const struct repodata *repodata;
	const struct channel *channel;
	int rank; /* 0 is the first channel */
};

struct solve_request {
	/* In channel order; several subdirs of a channel share its rank. */
	const struct solve_source *sources;
	size_t source_count;
	const struct solve_job *jobs;
	size_t job_count;
	const struct solve_installed *installed;
	size_t installed_count;
	const char *const *pins; /* MatchSpecs; hold only for what is pulled in */
	size_t pin_count;
	const struct virtual_package *virtuals;
	size_t virtual_count;
	enum channel_priority priority;
	bool update_all;	/* prefer the best for every installed package */
	bool keep_python_minor; /* unless a job names python */
	bool add_pip;		/* add_pip_as_python_dependency; skipped where no source has pip */
	bool prune;		/* drop installed packages that no job and no requirement needs */
	uint32_t open_max;	/* open candidates lazily from there on; 0: the usual 20,000 */
};

/* One package of the answer, in link order (dependencies first, ties by name). */
struct solved {
	int64_t installed; /* index into request.installed, or -1 */
	size_t source;	   /* else: index into request.sources and its record */
	uint32_t record;
	const char *name; /* for convenience; borrowed from either */
};

struct solution {
	struct solved *list;
	size_t count;
	struct {
		uint32_t names, candidates, pruned; /* loaded, before and after pruning */
		uint32_t rules;
		int rounds; /* 1, unless candidates were opened lazily */
	} stats;
};

/*
 * -ENOENT: a requested name is in no channel (nearest names are told). -EDOM: the
 * requests cannot hold together. In both cases `why` (NULL: not wanted) gets sentences, one a line:
 * which request conflicts with what, and what is available.
 */
int solve(struct solution **ret, const struct solve_request *rq, struct buf *why, struct err *e)
	MUST_CHECK;
struct solution *solution_free(struct solution *s);
AUTO_FREE_FN(solution)

/* Link order of any set of packages by their depends (names only): topological,
 * ties and cycles by name. order[i] is an index into the input. */
struct link_node {
	const char *name;
	const char *const *depends; /* MatchSpecs */
	size_t depend_count;
};
int link_order(const struct link_node *nodes, size_t count, uint32_t *order, struct err *e)
	MUST_CHECK;

/* Up to `max` names of the sources nearest to `name` (edit distance), best first. */
size_t nearest_names(const struct solve_source *sources, size_t count, const char *name,
		     const char **ret, size_t max);

#endif
