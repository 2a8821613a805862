/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mapping: where in a view the paths of packages stand. All but those of noarch
 * python packages stand as they are (docs/formats/nodes.md, "Paths of the view").
 */
#ifndef ENVFS_TREE_MAPPING_H
#define ENVFS_TREE_MAPPING_H

#include "base/err.h"
#include "base/limits.h"
#include "env/generation.h"
#include "manifest/manifest.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SITE_PACKAGES "site-packages"
#define SCRIPTS	      "python-scripts"

/* What is mapped in one package. 0: nothing (entry 0 is the root). */
struct grafts {
	uint32_t site_packages, scripts; /* entries in the package's root */
	uint32_t entry_points;		 /* how many become files in bin */
};

struct mapping {
	/* Python's site-packages path, in parts; depth 0: there is no python. */
	char site_packages[SITE_PACKAGES_BYTES_MAX + 1]; /* with '/' */
	char part_bytes[SITE_PACKAGES_BYTES_MAX + 1];	 /* with NUL */
	const char *parts[SITE_PACKAGES_DEPTH_MAX];
	uint32_t depth;
	char python_minor[16]; /* "3.11" */
};

/* -EBADMSG: python's record says what cannot be. */
int mapping_init(struct mapping *map, const struct generation *g, struct manifest *const *manifests,
		 struct err *e) MUST_CHECK;
void mapping_grafts(const struct mapping *map, const struct manifest *m, struct grafts *ret);

/* The view's path of an entry of a package; room of VIEW_PATH_BYTES. Its length. */
size_t mapping_path(const struct mapping *map, const struct grafts *g, const struct manifest *m,
		    uint32_t entry, char *room);

#endif
