/* SPDX-License-Identifier: Apache-2.0 */
/*
 * small_universe: channels, an environment and a request from compact text, the
 * solver's answer as compact text. One record a line:
 *
 *	name version [build] [#number] [@timestamp] [!features] [: need, need] [~ limit, limit]
 *
 * build is "0" when not given. Requests: "install SPEC; keep SPEC; update SPEC;
 * remove SPEC; pin SPEC; virtual NAME VERSION; all; python; pip; prune".
 */
#ifndef ENVFS_TESTS_SMALL_UNIVERSE_H
#define ENVFS_TESTS_SMALL_UNIVERSE_H

#include "base/limits.h"
#include "base/sys.h"
#include "solve/solve.h"
#include "temp_store.h"

#include <ctype.h>
#include <sys/mman.h>

#define SMALL_MAX 64

struct small_record {
	char name[64], version[64], build[64], features[64];
	unsigned long number, timestamp;
	char *needs[16], *limits[16];
	size_t need_count, limit_count;
	char *text; /* owned; the lists lead into it */
};

static inline char *small_trim(char *s)
{
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	for (end = s + strlen(s); end > s && isspace((unsigned char)end[-1]);)
		*--end = '\0';
	return s;
}

static inline size_t small_list(char *text, char **ret)
{
	char *save = NULL;
	size_t count = 0;

	for (char *s = strtok_r(text, ",", &save); s && count < 16; s = strtok_r(NULL, ",", &save))
		ret[count++] = small_trim(s);
	return count;
}

/* Takes one line; false: an empty one. */
static inline bool small_parse(struct small_record *r, const char *line, size_t len)
{
	char *save = NULL, *limits, *needs;
	int field = 0;

	*r = (struct small_record){ .build = "0" };
	r->text = strndup(line, len);
	limits = strchr(r->text, '~');
	if (limits)
		*limits++ = '\0';
	needs = strstr(r->text, " : ");
	if (needs)
		*needs = '\0', needs += 3;
	r->limit_count = limits ? small_list(limits, r->limits) : 0;
	r->need_count = needs ? small_list(needs, r->needs) : 0;
	for (char *s = strtok_r(r->text, " \t", &save); s; s = strtok_r(NULL, " \t", &save)) {
		if (*s == '#')
			r->number = strtoul(s + 1, NULL, 10);
		else if (*s == '@')
			r->timestamp = strtoul(s + 1, NULL, 10);
		else if (*s == '!')
			(void)snprintf(r->features, sizeof(r->features), "%s", s + 1);
		else {
			char *to[] = { r->name, r->version, r->build };
			(void)snprintf(to[field < 3 ? field : 2], 64, "%s", s);
			field++;
		}
	}
	if (field >= 2)
		return true;
	free(r->text);
	r->text = NULL;
	return false;
}

static inline void small_strings(struct buf *b, const char *key, char **list, size_t count)
{
	buf_addf(b, ",\"%s\":[", key);
	for (size_t i = 0; i < count; i++)
		buf_addf(b, "%s\"%s\"", i ? "," : "", list[i]);
	buf_addc(b, ']');
}

static inline void small_json(struct buf *b, const char *text, const char *channel)
{
	const char *sep = "";
	struct small_record r;
	size_t len;

	buf_adds(b, "{\"packages.conda\":{");
	for (; *text; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		if (!small_parse(&r, text, len))
			continue;
		buf_addf(b, "%s\"%s-%s-%s.conda\":{\"name\":\"%s\",\"version\":\"%s\"", sep, r.name,
			 r.version, r.build, r.name, r.version);
		buf_addf(b, ",\"build\":\"%s\",\"build_number\":%lu", r.build, r.number);
		if (r.timestamp)
			buf_addf(b, ",\"timestamp\":%lu", r.timestamp);
		if (*r.features)
			buf_addf(b, ",\"track_features\":\"%s\"", r.features);
		small_strings(b, "depends", r.needs, r.need_count);
		small_strings(b, "constrains", r.limits, r.limit_count);
		buf_addf(b, ",\"license\":\"%s\"}", channel);
		sep = ",";
		free(r.text);
	}
	buf_adds(b, "}}");
}

struct small {
	struct temp_store store;
	struct repodata *repodata[8];
	struct channel channels[8];
	struct solve_source sources[8];
	size_t source_count;
	struct small_record records[SMALL_MAX]; /* installed */
	struct solve_installed installed[SMALL_MAX];
	size_t installed_count;
	char *job_text; /* owned */
	struct solve_job jobs[SMALL_MAX];
	const char *pins[SMALL_MAX];
	struct virtual_package virtuals[VIRTUAL_MAX];
	struct solve_request rq;
};

static inline void small_open(struct small *u)
{
	memset(u, 0, sizeof(*u));
	temp_store_make(&u->store);
}

static inline void small_reset(struct small *u)
{
	for (size_t i = 0; i < u->source_count; i++) {
		repodata_free(u->repodata[i]);
		free(u->channels[i].name);
		free(u->channels[i].url);
	}
	for (size_t i = 0; i < u->installed_count; i++)
		free(u->records[i].text);
	free(u->job_text);
	u->job_text = NULL;
	u->source_count = u->installed_count = 0;
	u->rq = (struct solve_request){ 0 };
}

static inline void small_done(struct small *u)
{
	small_reset(u);
	temp_store_done(&u->store);
}

/* Channels are named one, two, three …, the first first. */
static inline void small_channel(struct small *u, const char *text)
{
	static const char *const names[] = { "one", "two", "three", "four" };
	AUTO_BUF doc = BUF(16 * MIB);
	size_t n = u->source_count;
	struct err e = { 0 };
	char url[64], key[16];
	AUTO_FD fd = memfd_create("repodata", MFD_CLOEXEC);

	small_json(&doc, text, names[n]);
	(void)snprintf(url, sizeof(url), "https://example.org/%s", names[n]);
	(void)snprintf(key, sizeof(key), "k%zu", n);
	if (fd < 0 || sys_write(fd, doc.bytes, doc.len) < 0 || lseek(fd, 0, SEEK_SET) != 0 ||
	    repodata_convert(u->store.st, fd, url, "noarch", key, false, &e) < 0 ||
	    repodata_open(&u->repodata[n], u->store.st, key, &e) < 0) {
		fprintf(stderr, "[%s] channel: %s\n%s\n", test_case, e.text, doc.bytes);
		exit(1);
	}
	u->channels[n] = (struct channel){ .name = strdup(names[n]), .url = strdup(url) };
	u->channels[n].auth_url = u->channels[n].url;
	u->sources[n] = (struct solve_source){ u->repodata[n], &u->channels[n], (int)n };
	u->source_count++;
}

static inline void small_installed(struct small *u, const char *text)
{
	size_t len;

	for (; *text; text += len + (text[len] == '\n')) {
		struct small_record *r = &u->records[u->installed_count];

		len = strcspn(text, "\n");
		if (!small_parse(r, text, len))
			continue;
		u->installed[u->installed_count++] = (struct solve_installed){
			.name = r->name,
			.version = r->version,
			.build = r->build,
			.subdir = "noarch",
			.channel_url = "https://example.org/one",
			.build_number = r->number,
			.timestamp_ms = r->timestamp,
			.depends = (const char *const *)r->needs,
			.depend_count = r->need_count,
			.constrains = (const char *const *)r->limits,
			.constrain_count = r->limit_count,
			.track_features = r->features,
		};
	}
}

static inline void small_word(struct small *u, char *s)
{
	static const char *const kinds[] = { "install ", "keep ", "update ", "remove " };
	struct solve_request *rq = &u->rq;

	for (int k = 0; k < 4; k++)
		if (strncmp(s, kinds[k], strlen(kinds[k])) == 0)
			u->jobs[rq->job_count++] =
				(struct solve_job){ (enum solve_job_kind)k,
						    small_trim(s + strlen(kinds[k])) };
	if (strncmp(s, "pin ", 4) == 0)
		u->pins[rq->pin_count++] = small_trim(s + 4);
	if (strncmp(s, "virtual ", 8) == 0) {
		struct virtual_package *v = &u->virtuals[rq->virtual_count++];

		*v = (struct virtual_package){ .build = "0" };
		(void)sscanf(s + 8, "%31s %64s", v->name, v->version);
	}
	rq->update_all = rq->update_all || strcmp(s, "all") == 0;
	rq->keep_python_minor = rq->keep_python_minor || strcmp(s, "python") == 0;
	rq->add_pip = rq->add_pip || strcmp(s, "pip") == 0;
	rq->prune = rq->prune || strcmp(s, "prune") == 0;
}

static inline void small_request(struct small *u, const char *text, enum channel_priority priority)
{
	char *save = NULL;

	u->job_text = strdup(text);
	for (char *s = strtok_r(u->job_text, ";", &save); s; s = strtok_r(NULL, ";", &save))
		small_word(u, small_trim(s));
	u->rq.sources = u->sources;
	u->rq.source_count = u->source_count;
	u->rq.jobs = u->jobs;
	u->rq.installed = u->installed;
	u->rq.installed_count = u->installed_count;
	u->rq.pins = u->pins;
	u->rq.virtuals = u->virtuals;
	u->rq.priority = priority;
}

/* "a-1.0-0 b-2.0-0": in link order; another channel than the first is told, "b-2.0-0@two". */
static inline void small_answer(const struct small *u, const struct solution *s, struct buf *ret)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct solved *p = &s->list[i];

		buf_adds(ret, i ? " " : "");
		if (p->installed >= 0) {
			const struct solve_installed *in = &u->installed[p->installed];

			buf_addf(ret, "%s-%s-%s*", in->name, in->version, in->build);
		} else {
			struct record rec;

			repodata_record(u->repodata[p->source], p->record, &rec);
			buf_addf(ret, "%s-%s-%s", rec.name, rec.version, rec.build);
			if (p->source)
				buf_addf(ret, "@%s", u->channels[p->source].name);
		}
	}
}

#endif
