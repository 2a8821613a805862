/* SPDX-License-Identifier: Apache-2.0 */
/*
 * universe: what a request can reach: names, their candidates, and what each
 * distinct MatchSpec admits.
 *
 * Names are loaded in waves: first those that the request names, then those that
 * surviving candidates depend on. A spec is parsed once and held against the
 * candidates of its name once; after that everything is numbers. What prune.h
 * finds impossible stays here, marked with the reason, so that it can be told.
 */
#ifndef ENVFS_SOLVE_UNIVERSE_H
#define ENVFS_SOLVE_UNIVERSE_H

#include "base/map.h"
#include "solve/solve.h"
#include "spec/matchspec.h"

#define NONE UINT32_MAX

/* Sources of candidates that are no channel. */
#define FROM_INSTALLED UINT32_MAX
#define FROM_VIRTUAL   (UINT32_MAX - 1)

/* Why a candidate cannot be taken; `why` is a demand, a spec or a name. */
enum drop {
	DROP_NO,
	DROP_DEMAND,   /* what was asked for, or pinned, admits others only (why: demand) */
	DROP_HIDDEN,   /* a channel of higher priority has the name */
	DROP_NEED,     /* nothing is left that satisfies a dependency (why: spec) */
	DROP_LIMIT,    /* constrains a package that is there anyway to what it is not (why: spec) */
	DROP_LIMITED,  /* all that is left of a required name constrains it away (why: name) */
	DROP_UNWANTED, /* all that is left of a required name needs another one (why: name) */
	DROP_UNREACHED, /* nothing that is left admits it */
	DROP_SAME,	/* a preferred candidate does the same */
};

struct cand {
	uint32_t name, from, record; /* record: in source `from`, or index of installed, virtual */
	uint32_t version;	     /* of universe.versions */
	uint32_t age; /* place of its version among those of its name, the oldest is 0 */
	uint32_t needs, need_count, limits, limit_count; /* into universe.ids: specs */
	uint32_t why, rank;
	uint16_t features, old_features; /* track_features; the deprecated `features` */
	uint8_t drop;			 /* enum drop */
	bool hidden;   /* by strict channel priority, to specs that name no channel */
	bool active;   /* open: its needs and limits are known */
	bool expanded; /* and their names loaded */
	bool dived;    /* and their best guessed at (reach.c) */
	const char *version_text, *build; /* borrowed */
	uint64_t build_number, timestamp_ms;
};

struct uspec {
	struct matchspec
		*ms;   /* owned, until the set is known; NULL too: the text is no MatchSpec */
	uint32_t text; /* of universe.texts */
	uint32_t name; /* NONE: a pattern, or no MatchSpec */
	uint32_t set, set_count; /* into universe.members: candidates, ascending */
	uint32_t live;		 /* how many of them survive */
	uint32_t canon;		 /* prune: specs with the same survivors have the same */
	bool simple;		 /* asks for nothing but version and build */
	bool valid;		 /* a MatchSpec */
	bool names_channel;
	bool ready; /* set is known: the name is loaded */
};

struct uname {
	uint32_t text;			  /* of universe.texts */
	uint32_t first, count;		  /* candidates, about the preferred first */
	uint32_t versions, version_count; /* into universe.sorted: distinct, the oldest first */
	uint32_t specs;			  /* first of its specs, chained by universe.spec_next */
	uint32_t depth;			  /* the wave that loaded it */
	uint32_t opened;		  /* how often more of it were opened (reach_open) */
	uint32_t required_by; /* a name that always needs it, or itself when a job does */
	bool loaded, required, is_virtual, favor_installed;
};

/* What must hold from the start: jobs, pins, the Python minor. */
struct demand {
	enum { DEMAND_JOB, DEMAND_PIN, DEMAND_PYTHON, DEMAND_REMOVE } kind;
	uint32_t spec, job; /* job: index into the request */
	bool soft;
};

struct universe {
	const struct solve_request *rq; /* borrowed */
	struct intern texts;		/* names and specs */
	struct uname *names;		/* owned, as all that follows */
	size_t name_count, name_cap;
	uint32_t *name_of_text, *spec_of_text;
	size_t name_of_cap, spec_of_cap;
	struct uspec *specs;
	uint32_t *spec_next;
	size_t spec_count, spec_cap, next_cap;
	struct cand *cands;
	size_t cand_count, cand_cap;
	uint32_t *ids, *members;
	size_t id_count, id_cap, member_count, member_cap;
	struct version **versions;
	struct intern version_texts;
	size_t version_count, version_cap;
	uint32_t *sorted;
	size_t sorted_count, sorted_cap;
	uint32_t **source_specs; /* [source_count][repodata_text_count]: spec + 1, or 0 */
	struct demand *demands;
	size_t demand_count, demand_cap;
	bool pip_known;
	bool *fits; /* [age]: while a spec is held against the versions of a name */
	size_t fits_cap;
	uint32_t active_count;
	uint32_t waves; /* of loading names, so far */
};

int universe_open(struct universe *u, const struct solve_request *rq, struct err *e) MUST_CHECK;
void universe_done(struct universe *u);

int universe_name(struct universe *u, const char *name, size_t len, uint32_t *ret, struct err *e)
	MUST_CHECK;
int universe_spec(struct universe *u, const char *text, uint32_t *ret, struct err *e) MUST_CHECK;
/* Parses what a candidate needs and limits, once. */
int universe_activate(struct universe *u, uint32_t cand, struct err *e) MUST_CHECK;
/* Fetches all candidates of a name, and holds the specs so far against them. */
int universe_load(struct universe *u, uint32_t name, uint32_t depth, struct err *e) MUST_CHECK;
/* Holds a spec against its name's candidates, once, when these are loaded. */
int universe_ready(struct universe *u, uint32_t spec, struct err *e) MUST_CHECK;
/* A pattern: every record of every source is looked at. Its names are loaded. */
int universe_pattern(struct universe *u, uint32_t spec, struct err *e) MUST_CHECK;

const char *universe_text(const struct universe *u, uint32_t text);
static inline const char *name_text(const struct universe *u, uint32_t name)
{
	return universe_text(u, u->names[name].text);
}
static inline const char *spec_text(const struct universe *u, uint32_t spec)
{
	return universe_text(u, u->specs[spec].text);
}
/* By what the candidates are themselves, whatever they need; > 0: a is preferred. */
int cand_prefer(const struct universe *u, const struct cand *a, const struct cand *b);
int cand_version_cmp(const struct universe *u, const struct cand *a, const struct cand *b);
/* 0 is the first channel; what is installed from a channel that is no source, the last. */
int cand_channel_rank(const struct universe *u, const struct cand *c);

#endif
