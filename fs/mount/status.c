/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the daemon says of itself (docs/mount.md has the members).
 */
#include "base/limits.h"
#include "base/log.h"
#include "base/sys.h"
#include "env/env.h"
#include "mount/daemon.h"

#include <string.h>

#define ROWS_MAX     64 /* of each list */
#define FAILURES_MAX 16

static uint64_t seconds_since(uint64_t since_ns)
{
	return (sys_now_ns() - since_ns) / 1000000000ULL;
}

static void write_environment(struct daemon *d, struct jsonw *w, const char *name,
			      const struct content_loaded *loaded, size_t count)
{
	struct content_head head;
	struct err why = { 0 };
	int r = content_environment(d->content, name, &head, &why);

	jsonw_object(w);
	jsonw_member_text(w, "name", name);
	if (r < 0) {
		jsonw_member_text(w, "error", why.text);
	} else {
		jsonw_member_u64(w, "generation", head.generation);
		jsonw_member_u64(w, "packages", head.packages);
	}
	for (size_t i = 0; r == 0 && i < count; i++) {
		if (loaded[i].generation != head.generation)
			continue;
		jsonw_member_u64(w, "listed", loaded[i].listed);
		jsonw_member_u64(w, "present", loaded[i].present);
		jsonw_member_bool(w, "ready", loaded[i].ready);
	}
	jsonw_object_end(w);
}

static void write_environments(struct daemon *d, struct jsonw *w)
{
	AUTO(env_list_done) struct env_list names = { 0 };
	AUTO_MEM struct content_loaded *loaded = calloc(GENERATIONS_LOADED_MAX, sizeof(*loaded));
	size_t count = loaded ? content_each(d->content, loaded, GENERATIONS_LOADED_MAX) : 0;
	struct err why = { 0 };

	if (env_list(d->store, &names, &why) < 0)
		log_line(LOG_ERROR, "%s", why.text);
	jsonw_key(w, "environments");
	jsonw_array(w);
	for (size_t i = 0; i < names.count; i++)
		write_environment(d, w, names.names[i], loaded, count);
	jsonw_array_end(w);
}

static size_t write_fetching(struct daemon *d, struct jsonw *w, struct supply_item *items)
{
	size_t count = supply_items(d->supply, items, ROWS_MAX);

	jsonw_key(w, "fetching");
	jsonw_array(w);
	for (size_t i = 0; i < count; i++) {
		const struct supply_item *it = &items[i];

		jsonw_object(w);
		jsonw_member_u64(w, "package", it->package);
		jsonw_member_text(w, "name", it->name);
		jsonw_member_text(w, "what", it->want == SUPPLY_LISTED ? "list" : "artifact");
		jsonw_member_u64(w, "bytes", it->bytes);
		jsonw_member_u64(w, "total", it->total);
		jsonw_member_bool(w, "storing", it->ingesting);
		jsonw_member_u64(w, "seconds", seconds_since(it->started_ns));
		jsonw_member_u64(w, "seconds_without_progress", seconds_since(it->progress_ns));
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
	return count;
}

static void write_parked(struct daemon *d, struct jsonw *w, const struct supply_item *items,
			 size_t item_count)
{
	struct park_row rows[ROWS_MAX];
	size_t count = park_rows(ops_park(d->ops), rows, ROWS_MAX);

	jsonw_member_u64(w, "parked_requests", park_count(ops_park(d->ops)));
	jsonw_key(w, "parked");
	jsonw_array(w);
	for (size_t i = 0; i < count; i++) {
		bool package = rows[i].kind == CONTENT_PACKAGE;

		jsonw_object(w);
		jsonw_member_text(w, "for", package ? "package" : "generation");
		jsonw_member_u64(w, "number", rows[i].number);
		for (size_t k = 0; package && k < item_count; k++) {
			if (items[k].package != rows[i].number)
				continue;
			jsonw_member_text(w, "name", items[k].name);
			break;
		}
		jsonw_member_u64(w, "requests", rows[i].requests);
		jsonw_member_u64(w, "seconds", seconds_since(rows[i].since_ns));
		jsonw_object_end(w);
	}
	jsonw_array_end(w);
}

static void write_failure(struct jsonw *w, const char *name, int64_t when_ms, int code,
			  const char *text)
{
	jsonw_object(w);
	jsonw_member_text(w, "name", name);
	jsonw_key(w, "when_ms");
	jsonw_i64(w, when_ms);
	jsonw_key(w, "code");
	jsonw_i64(w, code);
	jsonw_member_text(w, "error", text);
	jsonw_object_end(w);
}

/* Supply's, and those that never reached it. */
static void write_failures(struct daemon *d, struct jsonw *w)
{
	AUTO_MEM struct supply_failure *failures = calloc(FAILURES_MAX, sizeof(*failures));
	AUTO_MEM struct content_failure *own = calloc(FAILURES_MAX, sizeof(*own));
	size_t count = failures ? supply_failures(d->supply, failures, FAILURES_MAX) : 0;
	size_t own_count = own ? content_failures(d->content, own, FAILURES_MAX) : 0;

	jsonw_key(w, "failures");
	jsonw_array(w);
	for (size_t i = 0; i < count; i++)
		write_failure(w, failures[i].name, failures[i].when_ms, failures[i].code,
			      failures[i].text);
	for (size_t i = 0; i < own_count; i++)
		write_failure(w, own[i].name, own[i].when_ms, own[i].code, own[i].text);
	jsonw_array_end(w);
}

static void write_totals(struct daemon *d, struct jsonw *w)
{
	struct supply_totals totals = { 0 };
	struct ops_counts counts = { 0 };

	supply_totals(d->supply, &totals);
	ops_counts(d->ops, &counts);
	jsonw_key(w, "totals");
	jsonw_object(w);
	jsonw_member_u64(w, "kernel_requests", counts.requests);
	jsonw_member_u64(w, "network_requests", totals.requests);
	jsonw_member_u64(w, "bytes_fetched", totals.bytes_fetched);
	jsonw_member_u64(w, "packages_listed", totals.packages_listed);
	jsonw_member_u64(w, "packages_present", totals.packages_present);
	jsonw_object_end(w);
}

void status_write(struct daemon *d, struct jsonw *w)
{
	AUTO_MEM struct supply_item *items = calloc(ROWS_MAX, sizeof(*items));
	size_t count;

	jsonw_member_bool(w, "read_only", d->store->read_only);
	jsonw_member_bool(w, "offline", d->options->offline);
	jsonw_member_bool(w, "allow_other", d->options->allow_other);
	jsonw_key(w, "started_ms");
	jsonw_i64(w, d->started_ms);
	jsonw_member_u64(w, "uptime_s", (uint64_t)(sys_wall_ms() - d->started_ms) / 1000);
	write_environments(d, w);
	if (!items)
		return;
	count = write_fetching(d, w, items);
	write_parked(d, w, items, count);
	write_failures(d, w);
	write_totals(d, w);
}
