/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node: numbers of files and directories, computed from persistent numbers
 * (docs/formats/nodes.md), never handed out from a table. A restarted daemon
 * understands every number that the kernel still holds.
 *
 *	63                    28 27  24 23                    0
 *	+-----------------------+------+-----------------------+
 *	|         scope         | kind |         entry         |
 *	+-----------------------+------+-----------------------+
 *
 * Scopes are counted from 1, so the top bits stay zero (overlayfs' xino).
 */
#ifndef ENVFS_TREE_NODE_H
#define ENVFS_TREE_NODE_H

#include <stdint.h>

enum node_kind {
	NODE_SPECIAL = 0, /* scope 0: entry 1 is the mount's root */
	NODE_FILE =
		1, /* scope package: a file or link that no prefix changes; entry of its manifest */
	NODE_PATCHED = 2,  /* scope place: a file with a placeholder; entry of its manifest */
	NODE_DIR = 3,	   /* scope slot of the first package that has it; entry of that manifest */
	NODE_MADE = 4,	   /* scope slot: a file that no package holds */
	NODE_MADE_DIR = 5, /* scope the generation's own slot: a directory that only mapping
			      invents, or conda-meta */
};

#define NODE_ROOT      1ULL
#define NODE_SCOPE_MAX ((1ULL << 36) - 1)

static inline uint64_t node_make(enum node_kind kind, uint64_t scope, uint32_t entry)
{
	return scope << 28 | (uint64_t)kind << 24 | entry;
}

static inline enum node_kind node_kind(uint64_t ino)
{
	return (enum node_kind)(ino >> 24 & 15);
}

static inline uint64_t node_scope(uint64_t ino)
{
	return ino >> 28;
}

static inline uint32_t node_entry(uint64_t ino)
{
	return (uint32_t)(ino & 0xffffff);
}

#endif
