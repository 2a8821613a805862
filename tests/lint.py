#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The house rules that a machine can hold. Prints each breach; exit code 1 if there is one.

Rooms: inside a folder a room includes only itself and the rooms named before it (store/meson.build, fs/meson.build).
Libraries: each is used in one room.  Raw file system calls of store/: base/sys.c only.  Every file has its licence line.
"""
import pathlib
import re
import subprocess
import sys

top = pathlib.Path(__file__).resolve().parent.parent
breaches = []

# header prefix -> the files or rooms that may include it
LIBRARIES = {
    "fuse_lowlevel.h": ["fs/ops/", "fs/mount/"],
    "fuse.h": [],
    "sqlite3.h": ["store/index/"],
    "curl/curl.h": ["store/fetch/"],
    "solv/": ["store/solve/"],
    "archive.h": ["store/pkg/"],
    "archive_entry.h": ["store/pkg/"],
    "yaml.h": ["store/spec/", "store/channel/"],
    "yyjson.h": ["store/base/json_yyjson.c"],
    "cjson/cJSON.h": ["store/base/json_cjson.c"],
    "xxhash.h": ["store/base/hash.c"],
    "openssl/": ["store/base/hash.c", "store/fetch/"],
    "seccomp.h": ["store/pkg/"],
    "zstd.h": ["store/object/", "store/pkg/", "store/channel/"],
}
RAW = re.compile(r"(?<![\w.>])(open|openat|rename|renameat|fsync|fdatasync|mmap|pread|pwrite|ftruncate|unlink|unlinkat|mkdir|mkdirat)\(")
# Rooms that talk to processes, sockets and devices rather than to the store.
RAW_ALLOWED = ("store/base/sys.c", "store/pkg/")


def breach(path, line, text):
    breaches.append(f"{path}:{line}: {text}")


def rooms(folder):
    return re.findall(r"^subdir\('(\w+)'\)", (top / folder / "meson.build").read_text(), re.M)


def check_order(path, lines):
    folder, room = path.parts[0], path.parts[1]
    order = rooms(folder)
    if room not in order:
        breach(path, 1, f"room '{room}' is not in {folder}/meson.build")
        return
    for number, line in enumerate(lines, 1):
        m = re.match(r'#include "(\w+)/', line)
        if m and m.group(1) in order and order.index(m.group(1)) > order.index(room):
            breach(path, number, f"'{room}' may not use '{m.group(1)}', which comes after it")


def check_libraries(path, lines):
    for number, line in enumerate(lines, 1):
        m = re.match(r"#include <([^>]+)>", line)
        for prefix, allowed in LIBRARIES.items():
            if m and m.group(1).startswith(prefix) and not any(str(path).startswith(a) for a in allowed):
                breach(path, number, f"<{m.group(1)}> is used only in {', '.join(allowed) or 'no room'}")


def check_raw(path, lines):
    if not str(path).startswith("store/") or str(path).startswith(RAW_ALLOWED):
        return
    for number, line in enumerate(lines, 1):
        if RAW.search(line.split("//")[0]) and not line.lstrip().startswith(("*", "/*")):
            breach(path, number, "a raw system call: base/sys.h has them")


def tracked():
    out = subprocess.run(["git", "-C", top, "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True)
    if out.returncode == 0:
        return [pathlib.Path(p) for p in out.stdout.split("\n") if p]
    return [p.relative_to(top) for p in top.rglob("*") if p.is_file()]


for path in tracked():
    full = top / path
    if not full.is_file():
        continue
    code = path.suffix in (".c", ".h")
    if not code and path.suffix not in (".py", ".build", ".sh"):
        continue
    lines = full.read_text(errors="replace").split("\n")
    if not any("SPDX-License-Identifier: Apache-2.0" in line for line in lines[:4]):
        breach(path, 1, "no SPDX-License-Identifier line")
    if code and path.parts[0] in ("store", "fs") and len(path.parts) > 2:
        check_order(path, lines)
        check_raw(path, lines)
    if code and path.parts[0] in ("store", "fs", "tools"):
        check_libraries(path, lines)
        if re.search(r"\b(TODO|FIXME|XXX)\b", "\n".join(lines)):
            breach(path, 1, "an open end (TODO, FIXME, XXX)")

print("\n".join(breaches) if breaches else "lint: nothing to say")
sys.exit(1 if breaches else 0)
