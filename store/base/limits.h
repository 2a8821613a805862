/* SPDX-License-Identifier: Apache-2.0 */
/*
 * limits: a named upper bound for everything that input can grow, with its
 * reason. Bytes unless the name says otherwise.
 */
#ifndef ENVFS_BASE_LIMITS_H
#define ENVFS_BASE_LIMITS_H

#define KIB 1024ULL
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)

/* Names (CEP 26; ext4 and the kernel's NAME_MAX; PATH_MAX less the prefix). */
#define NAME_BYTES_MAX	   255
#define PATH_BYTES_MAX	   4000
#define PATH_DEPTH_MAX	   64
#define LINK_BYTES_MAX	   4095
#define ENV_NAME_BYTES_MAX 64 /* keeps '#!/envs/NAME/bin/python3.12' within the kernel's 127 */
#define PACKAGE_NAME_MAX   64
#define VERSION_BYTES_MAX  64
#define BUILD_BYTES_MAX	   64
#define FILE_NAME_MAX	   211
#define SUBDIR_BYTES_MAX   32
#define URL_BYTES_MAX	   4096
#define PLACEHOLDER_MAX	   1024 /* conda-build writes 255; older ones less */

/* Archives: bombs stop while streaming. */
#define ARTIFACT_BYTES_MAX    (8 * GIB)
#define PACKAGE_BYTES_MAX     (64 * GIB) /* unpacked */
#define FILE_BYTES_MAX	      (32 * GIB)
#define PACKAGE_FILES_MAX     1000000
#define RATIO_MAX	      1000 /* unpacked to packed, after the first RATIO_FREE_BYTES */
#define RATIO_FREE_BYTES      (64 * MIB)
#define ZSTD_WINDOW_LOG_MAX   27
#define INFO_MEMBER_BYTES_MAX (64 * MIB)  /* one document of info/, unpacked */
#define INFO_PACKED_BYTES_MAX (256 * MIB) /* the info-* member, packed: some carry test data */
#define ZIP_MEMBERS_MAX	      64
#define ZIP_DIRECTORY_MAX     (1 * MIB) /* 64 records with names and extra fields take 10 KiB */
#define PAX_BYTES_MAX	      (1 * MIB) /* one extended header: two paths and what xattrs there are */
#define NAMES_BYTES_MAX	      (256 * MIB) /* all paths of one package together; real ones: 10 MiB */
#define ENTRY_POINTS_MAX      10000
#define SHEBANG_BYTES_MAX     4096 /* kept of a text file's first line; the kernel reads 256 */
#define SPOTS_MAX	      (16 * 1024 * 1024) /* prefix spots of one package */
#define TAIL_BYTES	      (64 * KIB)	 /* the range that answers most listings */

/* The parser process (pkg/worker.h). */
#define WORKER_JOBS_MAX	       64	 /* at once; more wait */
#define WORKER_MEMORY_MAX      (1 * GIB) /* address space of one job */
#define WORKER_CPU_SECONDS_MAX 7200	 /* 64 GiB of bzip2 take less */

/* Documents. */
#define JSON_BYTES_MAX	       (2 * GIB)
#define JSON_DEPTH_MAX	       32
#define YAML_BYTES_MAX	       (1 * MIB)
#define YAML_DEPTH_MAX	       32
#define SPEC_BYTES_MAX	       4096
#define SPECS_MAX	       10000
#define LOCK_BYTES_MAX	       (16 * MIB)
#define LOCK_PACKAGES_MAX      50000
#define VERSION_SPEC_DEPTH_MAX 32
#define VERSION_CLAUSES_MAX    256  /* of one version expression */
#define REGEX_BYTES_MAX	       256  /* conda's own are a few dozen */
#define REGEX_STATES_MAX       1024 /* with {m,n} written out; a match keeps them on the stack */
#define REGEX_GROUPS_MAX       16   /* nested */
#define ENV_VARIABLES_MAX      1000
#define ENVFILE_WARNINGS_MAX   100

/* Channels. */
#define REPODATA_BYTES_MAX   (2 * GIB) /* plain */
#define REPODATA_RECORDS_MAX 10000000
#define RECORD_BYTES_MAX     (4 * MIB)
#define CHANNELS_MAX	     256
#define MAX_AGE_S_MAX	     86400	/* a day: however long a server wants it cached */
#define STATE_BYTES_MAX	     (64 * KIB) /* channels/KEY.state */
#define CONDARC_BYTES_MAX    (1 * MIB)
#define CONFIG_ITEMS_MAX     2000 /* entries of one list or map of a .condarc */

/* Network. */
#define REDIRECTS_MAX	     5
#define HEADERS_BYTES_MAX    (64 * KIB)
#define HOST_CONNECTIONS_MAX 8
#define HOST_STREAMS_MAX     24 /* over HTTP/2 */
#define CONNECTIONS_MAX	     32
#define REQUESTS_MAX	     131072	 /* waiting and under way: two for each package of a lock */
#define TRUST_BYTES_MAX	     (4 * MIB)	 /* a file of certificates (Debian's: 220 KB), or netrc */
#define USELESS_BYTES_MAX    (64 * KIB)	 /* of an error's page; then the connection is given up */
#define LOCAL_SLICE_BYTES    (256 * KIB) /* of a file URL, between the network's turns */
#define RETRY_FREE_BYTES                                                                           \
	(1 * MIB)	  /* an attempt that comes so much further starts the count anew           \
			   */
#define PAUSE_MS_MAX 8000 /* between attempts */

/* The store. */
#define OBJECT_BLOCK_BYTES   (128 * KIB) /* a page of a large file costs one block */
#define GENERATION_BYTES_MAX (256 * MIB)
#define GENERATIONS_MAX	     10000000
#define PACKS_OPEN_MAX	     128 /* descriptors kept */
#define PACK_READS_MAX	     8	 /* at once; each holds two blocks and a zstd context, 0.4 MiB */
#define OBJECT_WHOLE_BYTES   (4 * MIB)	/* up to here an object is hashed before it is compressed */
#define INDEX_WAL_PAGES	     1000	/* then the WAL is copied back: 4 MiB */
#define INDEX_GAP	     4096	/* numbers skipped where the old counters are lost */
#define STORE_FILES_MAX	     100000000	/* of one kind: packs, manifests, generations */
#define STORE_PAIRINGS_MAX   1000000000 /* packages of all generations */
#define MANIFEST_BYTES_MAX   (2 * GIB)	/* a million files take about 120 MiB */

/* The tree. Mapped paths stay below PATH_MAX: PATH_BYTES_MAX less "site-packages". */
#define SITE_PACKAGES_BYTES_MAX 90
#define SITE_PACKAGES_DEPTH_MAX 8
#define VIEW_PATH_BYTES		4096	   /* any path of a view, with its NUL */
#define VIEW_DIRS_BYTES_MAX	(4 * MIB)  /* merged directories that a view keeps */
#define VIEW_TEXTS_BYTES_MAX	(2 * MIB)  /* made texts that a view keeps */
#define VIEW_FACTS		256	   /* sizes of patched files that a view keeps */
#define MADE_TEXT_BYTES_MAX	(16 * MIB) /* but for conda-meta records, which have no end */

/* The mount. */
#define GENERATIONS_LOADED_MAX 64    /* views kept; a walked one may hold some MiB */
#define VIEW_IDLE_SECONDS      900   /* a view that nobody uses is dropped */
#define PARKED_MAX	       65536 /* requests; one more is answered EAGAIN */
#define CONTROL_BYTES_MAX      (4 * MIB)
#define NODES_MAX	       (1ULL << 30) /* directories of one view that are walked */
#define LOG_BYTES_MAX	       (8 * MIB)    /* of a daemon in the background */
#define LOG_LINES_A_SECOND     100	    /* more are dropped, and counted */

#endif
