/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan: the next generation of an environment, before it is written: what is
 * asked for, what the answer is, what changes. Made by plan_solve() or
 * plan_explicit(), shown by plan_show(), carried out by plan_commit().
 */
#ifndef ENVFS_PLAN_H
#define ENVFS_PLAN_H

#include "app.h"
#include "base/buf.h"
#include "env/generation.h"
#include "solve/solve.h"
#include "spec/envfile.h"

#include <stdbool.h>

struct variable {
	const char *name, *value;
};

struct plan {
	struct app *app;
	const char *env;	   /* NULL: none (lock) */
	struct generation *before; /* owned; NULL: a new environment */
	uint64_t current;	   /* what env_switch() expects; 0: a new one */
	const char *platform;
	enum channel_priority priority;
	bool explicit_list;

	const char **specs; /* requests that hold after */
	size_t spec_count;
	const char **channels; /* URLs */
	size_t channel_count;
	struct request { /* what `before` was asked for */
		const char **specs, **channels;
		size_t spec_count, channel_count;
		bool explicit_list;
	} was;
	const char **pins;
	size_t pin_count;
	struct variable *variables;
	size_t variable_count;
	struct virtual_package virtuals[VIRTUAL_MAX]; /* of this solve */
	size_t virtual_count;
	const char **virtual_texts; /* "name=version=build", as the generation keeps them */
	size_t virtual_text_count;

	struct gen_package *packages; /* the answer, in link order */
	uint32_t count;
	uint64_t number; /* of the new generation, once it is written */
};

void plan_done(struct plan *p);

/* Loads the current generation of env; *ret->before NULL when there is none. */
int plan_begin(struct plan *p, struct app *app, const char *env, struct err *e) MUST_CHECK;
/* The same for an environment that must be there. */
int plan_begin_change(struct plan *p, struct app *app, const char *env, struct err *e) MUST_CHECK;

/* This machine's (or the platform's) virtual packages. */
int plan_virtuals(struct plan *p, struct err *e) MUST_CHECK;

/* What a command asks of the solver, over what the plan's `before` says. */
struct ask {
	const struct solve_job *jobs; /* new ones */
	size_t job_count;
	const char *const *channels; /* as written; empty: those of before, else of .condarc */
	size_t channel_count;
	const char *const *more_channels; /* that specs name: last, where nothing else names them */
	size_t more_count;
	bool fresh; /* create: `before` is not looked at */
	bool update_all, prune;
};

/* Channels, repodata, solve. why: sentences for a failure. */
int plan_solve(struct plan *p, const struct ask *ask, struct buf *why, struct err *e) MUST_CHECK;
/* A new environment of the command line's specs and the file's (NULL: none). */
int plan_solve_fresh(struct plan *p, const struct envfile *f, struct buf *why, struct err *e)
	MUST_CHECK;

/* From an @EXPLICIT list: no solve, no repodata. Hashes that it lacks are completed. */
int plan_explicit(struct plan *p, const struct envfile *f, struct err *e) MUST_CHECK;

/* What changes, for a person or as conda's JSON, on standard output. */
int plan_show(const struct plan *p, const char *prefix);
bool plan_changes(const struct plan *p);

/* Gives what has no SHA-256 one, fetching the artifact if need be. */
int plan_complete(struct plan *p, struct err *e) MUST_CHECK;

/*
 * Writes the generation, switches, tells the mounts (not with --dry-run), and
 * shows what that changed: an exit code. `always`: also when neither packages nor
 * requests change.
 */
int plan_carry_out(struct plan *p, bool always, struct err *e) MUST_CHECK;

/* The plan as an @EXPLICIT list. */
void plan_print_explicit(const struct plan *p, struct buf *ret);
void package_print_explicit(const struct gen_package *p, struct buf *ret);
void generation_print_explicit(const struct generation *g, struct buf *ret);

#endif
