/* SPDX-License-Identifier: Apache-2.0 */
#include "solve/explain.h"
#include "solve/explainer.h"

#include <ctype.h>
#include <string.h>

/* Candidates of one name that have one reason. */
struct group {
	enum drop drop;
	uint32_t why;
	const uint32_t *cands;
	uint32_t count;
};

static void topic_add(struct explainer *x, uint32_t name, uint32_t spec)
{
	for (uint32_t i = 0; i < x->topic_count; i++)
		if (x->topics[i].name == name && x->topics[i].spec == spec)
			return;
	if (x->topic_count < ARRAY_LEN(x->topics))
		x->topics[x->topic_count++] = (struct topic){ name, spec };
}

static void ask(struct explainer *x, uint32_t name)
{
	for (uint32_t i = 0; i < x->asked_count; i++)
		if (x->asked[i] == name)
			return;
	if (x->asked_count < NAMES_ASKED_MAX)
		x->asked[x->asked_count++] = name;
}

/* Adds a line, unless it stands there already. */
void explainer_say(struct explainer *x, struct buf *line)
{
	const char *at = x->why->bytes;

	buf_addc(line, '\n');
	if (line->failed || x->lines >= EXPLAIN_LINES_MAX)
		return;
	for (; (at = strstr(at, line->bytes)); at++)
		if (at == x->why->bytes || at[-1] == '\n')
			return;
	buf_add(x->why, line->bytes, line->len);
	x->lines++;
}

static int by_version(const void *a, const void *b, void *ctx)
{
	const struct universe *u = ctx;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int r = cand_version_cmp(u, &u->cands[x], &u->cands[y]);

	return r ? r : (x > y) - (x < y);
}

/* "1.0", "1.0 and 1.1", "1.0, 1.1 and 1.2", "1.0 to 3.0 (17 versions)" */
int explainer_versions(const struct universe *u, struct buf *b, const uint32_t *cands,
		       uint32_t count, bool *ret_many, struct err *e)
{
	AUTO_MEM uint32_t *order = malloc((count + 1) * sizeof(*order));
	uint32_t n = 0;

	if (!order)
		return err_nomem(e);
	memcpy(order, cands, count * sizeof(*order));
	if (count)
		qsort_r(order, count, sizeof(*order), by_version, (void *)u);
	for (uint32_t i = 0; i < count; i++)
		if (n == 0 ||
		    cand_version_cmp(u, &u->cands[order[n - 1]], &u->cands[order[i]]) != 0)
			order[n++] = order[i];
	*ret_many = n > 1;
	if (n > NAMED_MAX) {
		buf_addf(b, "%s to %s (%u versions)", u->cands[order[0]].version_text,
			 u->cands[order[n - 1]].version_text, n);
		return 0;
	}
	for (uint32_t i = 0; i < n; i++)
		buf_addf(b, "%s%s",
			 i == 0	     ? ""
			 : i + 1 < n ? ", "
				     : " and ",
			 u->cands[order[i]].version_text);
	return 0;
}

void explainer_demand(const struct universe *u, struct buf *b, uint32_t demand)
{
	const struct demand *d = &u->demands[demand];

	switch (d->kind) {
	case DEMAND_JOB:
		buf_addf(b, "you also asked for '%s'", spec_text(u, d->spec));
		break;
	case DEMAND_PIN:
		buf_addf(b, "'%s' is pinned", spec_text(u, d->spec));
		break;
	case DEMAND_PYTHON:
		buf_addf(b, "python stays at '%s' unless you ask for another",
			 spec_text(u, d->spec));
		break;
	case DEMAND_REMOVE:
		buf_addf(b, "'%s' is to be removed", spec_text(u, d->spec));
		break;
	}
}

static void add_virtual(const struct universe *u, struct buf *b, uint32_t name)
{
	const struct uname *n = &u->names[name];
	const char *text = name_text(u, name);
	static const char *const fixed[] = { "__unix" };
	char variable[80] = "CONDA_OVERRIDE_";
	size_t len = strlen(variable);

	for (size_t i = 2; text[i] && len + 1 < sizeof(variable); i++)
		variable[len++] = (char)toupper((unsigned char)text[i]);
	variable[len] = '\0';
	if (n->count)
		buf_addf(b, "this machine has %s %s", text, u->cands[n->first].version_text);
	else
		buf_addf(b, "this machine has no %s", text);
	if (n->count && strcmp(u->cands[n->first].build, "0") != 0)
		buf_addf(b, " (%s)", u->cands[n->first].build);
	if (strcmp(text, fixed[0]) != 0)
		buf_addf(b, "; %s can say otherwise", variable);
}

/* Why a required name is there, as a clause that introduces it. */
static void add_required(const struct universe *u, struct buf *b, uint32_t name)
{
	uint32_t by = u->names[name].required_by;

	for (uint32_t d = 0; d < u->demand_count; d++)
		if (u->demands[d].kind == DEMAND_JOB && u->specs[u->demands[d].spec].name == name) {
			buf_addf(b, "'%s', which you also asked for,",
				 spec_text(u, u->demands[d].spec));
			return;
		}
	if (by != NONE && by != name)
		buf_addf(b, "%s, which %s needs,", name_text(u, name), name_text(u, by));
	else
		buf_addf(b, "%s", name_text(u, name));
}

/* The specs by which candidates of `name` ask for `other`: a few of them. */
static void add_specs_for(const struct universe *u, struct buf *b, uint32_t name, uint32_t other,
			  bool limits)
{
	const struct uname *n = &u->names[name];
	uint32_t seen[NAMED_MAX], count = 0;

	for (uint32_t i = n->first; i < n->first + n->count; i++) {
		const struct cand *c = &u->cands[i];
		uint32_t first = limits ? c->limits : c->needs;
		uint32_t specs = limits ? c->limit_count : c->need_count;

		if (c->drop == DROP_DEMAND || c->drop == DROP_HIDDEN)
			continue;
		for (uint32_t k = first; k < first + specs; k++) {
			bool again = u->specs[u->ids[k]].name != other;

			for (uint32_t s = 0; s < count && !again; s++)
				again = seen[s] == u->ids[k];
			if (again)
				continue;
			if (count == NAMED_MAX) {
				buf_adds(b, " or others");
				return;
			}
			seen[count++] = u->ids[k];
			buf_addf(b, "%s'%s'", count > 1 ? " or " : "", spec_text(u, u->ids[k]));
		}
	}
}

static bool same_reason(const struct cand *a, const struct cand *b)
{
	return a->drop == b->drop && a->why == b->why;
}

/* Why a spec has no survivor, as the end of a sentence that named it. */
static void add_tail(struct explainer *x, struct buf *b, uint32_t spec)
{
	const struct universe *u = x->u;
	const struct uspec *s = &u->specs[spec];
	bool same = true;

	if (!s->valid || s->name == NONE) {
		buf_adds(b, ", which is no MatchSpec that can be understood");
		return;
	}
	if (u->names[s->name].is_virtual) {
		buf_adds(b, ", and ");
		add_virtual(u, b, s->name);
		return;
	}
	if (!u->names[s->name].count) {
		buf_adds(b, ", which is in none of the channels");
		return;
	}
	if (!s->set_count) {
		buf_addf(b, ", and no %s satisfies that", name_text(u, s->name));
		ask(x, s->name);
		return;
	}
	const struct cand *first = &u->cands[u->members[s->set]];
	for (uint32_t m = s->set; m < s->set + s->set_count && same; m++)
		same = same_reason(first, &u->cands[u->members[m]]);
	if (same && first->drop == DROP_DEMAND) {
		buf_adds(b, " and ");
		explainer_demand(u, b, first->why);
		ask(x, s->name);
	} else if (same && (first->drop == DROP_UNWANTED || first->drop == DROP_LIMITED)) {
		buf_adds(b, ", but ");
		add_required(u, b, first->why);
		buf_adds(b, first->drop == DROP_LIMITED ? " goes only with " : " needs ");
		add_specs_for(u, b, first->why, s->name, first->drop == DROP_LIMITED);
		ask(x, s->name);
	} else {
		buf_addf(b, ", and no such %s can be installed", name_text(u, s->name));
		topic_add(x, s->name, spec);
	}
}

/* What is wrong with a group, as what follows its name and versions. */
static void add_reason(struct explainer *x, struct buf *b, const struct group *g, uint32_t name,
		       bool many)
{
	const struct universe *u = x->u;

	switch (g->drop) {
	case DROP_NEED:
		buf_addf(b, " %s '%s'", many ? "need" : "needs", spec_text(u, g->why));
		add_tail(x, b, g->why);
		break;
	case DROP_LIMIT:
		buf_addf(b, " %s only with '%s'", many ? "go" : "goes", spec_text(u, g->why));
		add_tail(x, b, g->why);
		break;
	case DROP_UNWANTED:
	case DROP_LIMITED:
		buf_addf(b, " %s not do, since ", many ? "do" : "does");
		add_required(u, b, g->why);
		buf_adds(b, g->drop == DROP_LIMITED ? " goes only with " : " needs ");
		add_specs_for(u, b, g->why, name, g->drop == DROP_LIMITED);
		break;
	case DROP_DEMAND:
		buf_addf(b, " %s not do, since ", many ? "do" : "does");
		explainer_demand(u, b, g->why);
		break;
	case DROP_HIDDEN:
		buf_addf(b,
			 " %s hidden: a channel before %s has %s, and channel priority is strict",
			 many ? "are" : "is",
			 u->rq->sources[u->cands[g->cands[0]].from].channel->name,
			 name_text(u, name));
		break;
	default:
		buf_addf(b, " %s left out", many ? "are" : "is");
	}
}

static int by_reason(const void *a, const void *b, void *ctx)
{
	const struct universe *u = ctx;
	uint32_t i = *(const uint32_t *)a, j = *(const uint32_t *)b;
	const struct cand *p = &u->cands[i], *q = &u->cands[j];

	if (p->drop != q->drop)
		return p->drop < q->drop ? -1 : 1;
	if (p->why != q->why)
		return p->why < q->why ? -1 : 1;
	return (i > j) - (i < j);
}

/* The candidates a topic is about, sorted by reason. NULL in *ret: none. */
static int collect(const struct universe *u, const struct topic *t, uint32_t **ret,
		   uint32_t *ret_count, struct err *e)
{
	const struct uname *n = &u->names[t->name];
	const struct uspec *s = t->spec == NONE ? NULL : &u->specs[t->spec];
	uint32_t first = s ? s->set : n->first, count = s ? s->set_count : n->count, k = 0;

	*ret = malloc(((size_t)count + 1) * sizeof(**ret));
	if (!*ret)
		return err_nomem(e);
	for (uint32_t i = first; i < first + count; i++) {
		uint32_t c = s ? u->members[i] : i;

		if (u->cands[c].drop != DROP_NO && (s || u->cands[c].drop != DROP_DEMAND))
			(*ret)[k++] = c;
	}
	if (k)
		qsort_r(*ret, k, sizeof(**ret), by_reason, (void *)u);
	*ret_count = k;
	return 0;
}

static struct group group_at(const struct universe *u, const uint32_t *cands, uint32_t count)
{
	const struct cand *c = &u->cands[cands[0]];
	struct group g = { .drop = c->drop, .why = c->why, .cands = cands, .count = 1 };

	while (g.count < count && same_reason(c, &u->cands[cands[g.count]]))
		g.count++;
	return g;
}

/* The demand that alone rules out all that a group needs; NONE: there is more to it. */
static uint32_t ruled_out_by(const struct universe *u, const struct group *g)
{
	const struct uspec *s = g->drop == DROP_NEED ? &u->specs[g->why] : NULL;

	if (!s || s->name == NONE || !s->set_count || u->names[s->name].is_virtual)
		return NONE;
	const struct cand *first = &u->cands[u->members[s->set]];
	for (uint32_t m = s->set; m < s->set + s->set_count; m++)
		if (!same_reason(first, &u->cands[u->members[m]]))
			return NONE;
	return first->drop == DROP_DEMAND ? first->why : NONE;
}

static int say_group(struct explainer *x, uint32_t name, const struct group *g, struct err *e)
{
	AUTO_BUF line = BUF(LINE_BYTES_MAX);
	bool many = false;
	int r;

	buf_addf(&line, "%s ", name_text(x->u, name));
	r = explainer_versions(x->u, &line, g->cands, g->count, &many, e);
	add_reason(x, &line, g, name, many);
	buf_addc(&line, '.');
	explainer_say(x, &line);
	return r;
}

/* Groups that one demand rules out, by what they need of one name, as one line. */
static int say_ruled_out(struct explainer *x, uint32_t name, const uint32_t *cands, uint32_t count,
			 uint32_t demand, struct err *e)
{
	const struct universe *u = x->u;
	AUTO_MEM uint32_t *merged = malloc((count + 1) * sizeof(*merged));
	AUTO_BUF line = BUF(LINE_BYTES_MAX);
	uint32_t kept = 0, groups = 0, step;
	struct group last = { 0 };
	bool many = false;
	int r;

	if (!merged)
		return err_nomem(e);
	for (uint32_t i = 0; i < count; i += step) {
		struct group g = group_at(u, cands + i, count - i);

		step = g.count;
		if (ruled_out_by(u, &g) != demand)
			continue;
		memcpy(merged + kept, g.cands, g.count * sizeof(*merged));
		kept += g.count;
		groups++;
		last = g;
	}
	if (groups == 1)
		return say_group(x, name, &last, e);
	buf_addf(&line, "%s ", name_text(u, name));
	r = explainer_versions(u, &line, merged, kept, &many, e);
	buf_addf(&line, " %s other versions of %s, and ", many ? "need" : "needs",
		 name_text(u, u->specs[u->demands[demand].spec].name));
	explainer_demand(u, &line, demand);
	buf_addc(&line, '.');
	explainer_say(x, &line);
	return r;
}

/*
 * One line for each reason, "name VERSIONS needs …". What is only built for another
 * version of something that was asked for (another python) is no news when there are
 * deeper reasons; it is told, in one line, for what was requested itself.
 */
static int say_groups(struct explainer *x, const struct topic *t, struct err *e)
{
	AUTO_MEM uint32_t *cands = NULL;
	uint32_t count, step, told = 0;
	int r;

	r = collect(x->u, t, &cands, &count, e);
	for (uint32_t i = 0; r == 0 && i < count; i += step) {
		struct group g = group_at(x->u, cands + i, count - i);

		step = g.count;
		if (ruled_out_by(x->u, &g) != NONE)
			continue;
		r = say_group(x, t->name, &g, e);
		told++;
	}
	for (uint32_t d = 0; r == 0 && d < x->u->demand_count; d++) {
		bool any = false;

		for (uint32_t i = 0; i < count && !any; i += step) {
			struct group g = group_at(x->u, cands + i, count - i);

			step = g.count;
			any = ruled_out_by(x->u, &g) == d;
		}
		if (any && (!told || t->spec == NONE))
			r = say_ruled_out(x, t->name, cands, count, d, e);
	}
	return r;
}

/* Requests of one name that together admit nothing. */
static void say_demands(struct explainer *x, uint32_t name, struct buf *line)
{
	const struct universe *u = x->u;
	uint32_t count = 0, only = NONE, job = NONE;

	for (uint32_t d = 0; d < u->demand_count; d++) {
		const struct uspec *s = &u->specs[u->demands[d].spec];

		if (s->name != name || u->demands[d].soft)
			continue;
		count++;
		if (u->demands[d].kind == DEMAND_JOB && job == NONE)
			job = d;
		if (u->demands[d].kind != DEMAND_REMOVE && !s->set_count)
			only = d;
	}
	if (only != NONE && u->demands[only].kind == DEMAND_JOB)
		job = only;
	if (job == NONE)
		buf_addf(line, "%s is needed", name_text(u, name));
	else
		buf_addf(line, "You asked for '%s'", spec_text(u, u->demands[job].spec));
	if (job != NONE && (count == 1 || only == job)) {
		buf_addf(line, ", but no %s satisfies that", name_text(u, name));
	} else {
		const char *sep = ", but ";

		for (uint32_t d = 0; d < u->demand_count; d++) {
			if (d == job || u->specs[u->demands[d].spec].name != name ||
			    u->demands[d].soft || (only != NONE && d != only))
				continue;
			buf_adds(line, sep);
			explainer_demand(u, line, d);
			sep = " and ";
		}
		buf_addf(line, ", and no %s satisfies %s", name_text(u, name),
			 count > 2 ? "all of that" : "both");
	}
	ask(x, name);
}

/* How the story begins: who asked for what cannot be had. */
static void add_subject(const struct universe *u, struct buf *line, uint32_t name,
			const char **ret_each)
{
	for (uint32_t d = 0; d < u->demand_count; d++)
		if (u->demands[d].kind == DEMAND_JOB && !u->demands[d].soft &&
		    u->specs[u->demands[d].spec].name == name) {
			*ret_each = spec_text(u, u->demands[d].spec);
			buf_addf(line, "You asked for '%s', but ", *ret_each);
			return;
		}
	*ret_each = name_text(u, name);
	uint32_t by = u->names[name].required_by;
	if (by != NONE && by != name)
		buf_addf(line, "%s needs %s, but ", name_text(u, by), name_text(u, name));
}

static int say_name(struct explainer *x, uint32_t name, struct err *e)
{
	const struct universe *u = x->u;
	const struct uname *n = &u->names[name];
	struct topic t = { name, NONE };
	AUTO_BUF line = BUF(LINE_BYTES_MAX);
	AUTO_MEM uint32_t *cands = NULL;
	const char *each;
	uint32_t count;
	int r;

	r = collect(u, &t, &cands, &count, e);
	if (r < 0)
		return r;
	if (n->is_virtual) {
		add_subject(u, &line, name, &each);
		add_virtual(u, &line, name);
	} else if (!count) {
		say_demands(x, name, &line);
	} else {
		struct group g = group_at(u, cands, count);

		add_subject(u, &line, name, &each);
		if (g.count == count && g.drop != DROP_HIDDEN) {
			buf_addf(&line, "every %s", each);
			add_reason(x, &line, &g, name, false);
		} else {
			buf_adds(&line, "none can be installed");
			topic_add(x, name, NONE);
		}
	}
	buf_addc(&line, '.');
	explainer_say(x, &line);
	return 0;
}

/* Up to AVAILABLE_MAX versions, the newest first. */
static int say_available(struct explainer *x, uint32_t name, struct err *e)
{
	const struct universe *u = x->u;
	const struct uname *n = &u->names[name];
	AUTO_MEM uint32_t *order = malloc((n->count + 1) * sizeof(*order));
	AUTO_BUF line = BUF(LINE_BYTES_MAX);
	uint32_t named = 0, more = 0, last = NONE;

	if (!order)
		return err_nomem(e);
	for (uint32_t i = 0; i < n->count; i++)
		order[i] = n->first + i;
	if (n->count)
		qsort_r(order, n->count, sizeof(*order), by_version, (void *)u);
	buf_addf(&line, "Available of %s: ", name_text(u, name));
	for (uint32_t i = n->count; i-- > 0; last = order[i]) {
		if (last != NONE && cand_version_cmp(u, &u->cands[last], &u->cands[order[i]]) == 0)
			continue;
		if (named == AVAILABLE_MAX) {
			more++;
			continue;
		}
		buf_addf(&line, "%s%s", named++ ? ", " : "", u->cands[order[i]].version_text);
	}
	if (more)
		buf_addf(&line, " and %u older", more);
	buf_addc(&line, '.');
	if (named)
		explainer_say(x, &line);
	return 0;
}

static int say_rest(struct explainer *x, struct err *e)
{
	int r = 0;

	while (r == 0 && x->next < x->topic_count)
		r = say_groups(x, &x->topics[x->next++], e);
	for (uint32_t i = 0; i < x->asked_count && r == 0; i++)
		r = say_available(x, x->asked[i], e);
	return r == 0 ? buf_end(x->why, e) : r;
}

int explain_empty(const struct universe *u, uint32_t name, struct buf *why, struct err *e)
{
	struct explainer x = { .u = u, .why = why };
	int r = say_name(&x, name, e);

	return r == 0 ? say_rest(&x, e) : r;
}

int explain_unknown(const struct universe *u, uint32_t spec, struct buf *why, struct err *e)
{
	struct explainer x = { .u = u, .why = why };
	const char *near[5], *name;
	AUTO_BUF line = BUF(LINE_BYTES_MAX);

	if (u->specs[spec].name == NONE)
		buf_addf(&line, "Nothing in the channels matches '%s'", spec_text(u, spec));
	else if (u->names[u->specs[spec].name].is_virtual) {
		buf_addf(&line, "You asked for '%s', but ", spec_text(u, spec));
		add_virtual(u, &line, u->specs[spec].name);
	} else {
		name = name_text(u, u->specs[spec].name);
		buf_addf(&line, "There is no package '%s' in the channels", name);
		size_t count = nearest_names(u->rq->sources, u->rq->source_count, name, near,
					     ARRAY_LEN(near));
		for (size_t i = 0; i < count; i++)
			buf_addf(&line, "%s%s", i ? ", " : "; did you mean ", near[i]);
		if (count)
			buf_addc(&line, '?');
	}
	if (line.len && line.bytes[line.len - 1] != '?')
		buf_addc(&line, '.');
	explainer_say(&x, &line);
	return buf_end(why, e);
}
