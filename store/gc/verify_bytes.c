/* SPDX-License-Identifier: Apache-2.0 */
#include "base/le.h"
#include "base/limits.h"
#include "base/sys.h"
#include "gc/audit.h"
#include "manifest/manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define TOLD_MAX 5 /* damaged objects told one by one, of each pack */

uint64_t object_hash(const struct digest *digest, const struct extent *x)
{
	uint8_t row[DIGEST_BYTES + 32];

	memcpy(row, digest->bytes, DIGEST_BYTES);
	le64_put(row + DIGEST_BYTES, x->pack);
	le64_put(row + DIGEST_BYTES + 8, x->offset);
	le64_put(row + DIGEST_BYTES + 16, x->stored);
	le64_put(row + DIGEST_BYTES + 24, x->size);
	return xxh64(row, sizeof(row));
}

struct pack_run {
	struct audit *a;
	uint64_t pack;
	uint64_t damaged;
	uint64_t total; /* bytes of all packs, for progress */
	int stopped;	/* what the caller of verify, or memory, said */
	struct err *e;
};

static int take_object(void *ctx, const struct digest *digest, const struct extent *x,
		       const struct err *wrong)
{
	struct pack_run *run = ctx;
	struct audit *a = run->a;
	int r = hashes_add(&a->objects, object_hash(digest, x), run->e);

	if (r >= 0)
		r = hashes_add(&a->digests, xxh64(digest, sizeof(*digest)), run->e);
	if (r < 0)
		return run->stopped = r;
	a->result->objects++;
	a->result->object_bytes += x->size;
	a->pack_bytes_done += x->stored;
	if (a->o->progress)
		a->o->progress(a->o->ctx, a->pack_bytes_done, run->total);
	if (wrong->code == 0 || ++run->damaged > TOLD_MAX)
		return 0;
	run->stopped = audit_fault(a, AUDIT_NAME("pack", run->pack), "object %s: %s",
				   DIGEST_HEX(digest), wrong->text);
	return run->stopped;
}

static int audit_pack(struct audit *a, uint64_t pack, uint64_t total, struct err *e)
{
	struct pack_run run = { .a = a, .pack = pack, .total = total, .e = e };
	const char *what = AUDIT_NAME("pack", pack);
	int r = hashes_add(&a->loaded, pack, e);

	if (r < 0)
		return r;
	r = pack_check(a->st, pack, a->o->deep, take_object, &run, e);
	if (run.stopped)
		return run.stopped;
	if (r == -ENOENT) /* who needs it says so */
		return 0;
	if (r < 0)
		r = audit_open_failed(a, what, r, e);
	if (r == 0 && run.damaged > TOLD_MAX)
		r = audit_fault(a, what, "%llu more of its objects are damaged",
				(unsigned long long)(run.damaged - TOLD_MAX));
	a->result->packs++;
	return r;
}

int audit_packs(struct audit *a, struct err *e)
{
	uint64_t total = 0;
	int r = 0;

	for (size_t i = 0; i < a->packs.count; i++) {
		char name[24];
		struct stat sb;

		(void)snprintf(name, sizeof(name), "%llu", (unsigned long long)a->packs.all[i]);
		if (sys_fstatat(a->st->packs, name, &sb, AT_SYMLINK_NOFOLLOW) == 0)
			total += (uint64_t)sb.st_size;
	}
	a->result->pack_bytes = total;
	for (size_t i = 0; r == 0 && i < a->packs.count; i++)
		r = audit_pack(a, a->packs.all[i], total, e);
	if (r == 0 && a->o->progress)
		a->o->progress(a->o->ctx, total, total);
	return r;
}

/* Whether a file's bytes are where its entry says; loads a pack that came late. */
static int find_bytes(struct audit *a, const struct entry *en, bool *ret, struct err *e)
{
	uint64_t hash = object_hash(en->digest, &en->extent);
	struct digest empty;
	int r = 0;

	if (en->size == 0) {
		r = sha256_of("", 0, &empty, e);
		*ret = r == 0 && digest_same(&empty, en->digest);
		return r;
	}
	if (!hashes_has(&a->objects, hash) && !hashes_has(&a->loaded, en->extent.pack))
		r = audit_pack(a, en->extent.pack, 0, e);
	*ret = hashes_has(&a->objects, hash);
	if (r == 0 && *ret)
		r = hashes_add(&a->used, en->extent.pack, e);
	return r < 0 ? r : 0;
}

static int audit_present(struct audit *a, const struct manifest *m, struct err *e)
{
	const char *what = AUDIT_NAME("manifest", manifest_package(m));
	char path[PATH_BYTES_MAX + 1] = "";
	uint64_t lost = 0;

	for (uint32_t i = 0; i < manifest_count(m); i++) {
		struct entry en;
		bool there;
		int r;

		manifest_entry(m, i, &en);
		if (en.type != ENTRY_FILE)
			continue;
		r = find_bytes(a, &en, &there, e);
		if (r < 0)
			return r;
		if (!there && lost++ == 0)
			(void)manifest_path(m, i, path);
	}
	if (lost == 0)
		return 0;
	return audit_fault(a, what, "%llu of its files are in no pack, '%s' for one",
			   (unsigned long long)lost, path);
}

int audit_manifests(struct audit *a, struct err *e)
{
	size_t unused = 0, unneeded = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->manifests.count; i++) {
		AUTO(manifest_freep) struct manifest *m = NULL;
		uint64_t package = a->manifests.all[i];
		int got = manifest_open(&m, a->st, package, e);

		if (got < 0) {
			if (got != -ENOENT)
				r = audit_open_failed(a, AUDIT_NAME("manifest", package), got, e);
			continue;
		}
		a->result->manifests++;
		a->result->present += manifest_state(m) == MANIFEST_PRESENT;
		unneeded += !hashes_has(&a->wanted, package);
		r = pairings_add(&a->packages, package,
				 xxh64(manifest_artifact(m), sizeof(struct digest)), package, e);
		if (r == 0 && manifest_state(m) == MANIFEST_PRESENT)
			r = audit_present(a, m, e);
	}
	for (size_t i = 0; i < a->packs.count; i++)
		unused += !hashes_has(&a->used, a->packs.all[i]);
	if (r == 0 && unneeded > 0)
		r = audit_note(a, "manifests", "%zu are of packages in no generation", unneeded);
	if (r == 0 && unused > 0)
		r = audit_note(a, "packs", "%zu are needed by no package", unused);
	return r;
}
