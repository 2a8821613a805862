#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare.py TREE_DUMP CHANNEL_DIR: a view against py-rattler's installer.

Every path, type, size, link target and byte of a view of all packages of a local channel (the
newest of each name) is compared with what py-rattler installs with the same prefix written into
the files. Known differences of rattler, which are not counted: text and mode of entry points,
modes with group write, times (it takes the ustar field), the files it makes for itself,
no_link symlinks (it copies what they lead to).
Each conda-meta record is read by py-rattler's PrefixRecord.
"""
import asyncio
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import rattler

PREFIX = "/envs/ml"
OWN = {"conda-meta", ".condarc", "CACHEDIR.TAG"}


def records_of(channel):
    """The newest record of each name: name -> (record, artifact)."""
    newest = {}
    base = pathlib.Path(channel).resolve()
    for subdir in ("linux-64", "noarch"):
        path = base / subdir / "repodata.json"
        if not path.exists():
            continue
        for rec in rattler.RepoData.from_path(path).into_repo_data(rattler.Channel(base.as_uri())):
            artifact = base / subdir / rec.file_name
            if not artifact.exists():
                continue
            key = (rec.version, rec.build_number, str(rec.build), rec.file_name.endswith(".conda"))
            name = rec.name.normalized
            if name not in newest or newest[name][0] < key:
                newest[name] = (key, rec, artifact)
    return {name: v[1:] for name, v in newest.items()}


def topological(records):
    """Dependencies first; among those that are free, by name."""
    left = dict(records)
    needs = {
        n: {str(d).split()[0] for d in r[0].depends} & set(records) - {n} for n, r in records.items()
    }
    order = []
    while left:
        free = sorted(n for n in left if not needs[n] & set(left)) or sorted(left)[:1]
        order.append(free[0])
        del left[free[0]]
    return order


async def install(records, order, target, cache):
    await rattler.install([records[name][0] for name in order], target, cache_dir=cache,
                          alternative_target_prefix=PREFIX, show_progress=False)


def installed(target):
    found = {}
    for at, dirs, files in os.walk(target):
        for name in dirs + files:
            path = os.path.join(at, name)
            rel = os.path.relpath(path, target)
            if rel.split("/")[0] in OWN:
                continue
            st = os.lstat(path)
            if os.path.islink(path):
                found[rel] = {"type": "link", "target": os.readlink(path)}
            elif os.path.isdir(path):
                found[rel] = {"type": "dir"}
            else:
                data = open(path, "rb").read()
                found[rel] = {"type": "file", "size": st.st_size, "mode": st.st_mode & 0o7777,
                              "mtime_s": int(st.st_mtime), "sha256": hashlib.sha256(data).hexdigest()}
    return found


def kind(entry):
    names = ("directory", "hardlink", "softlink", "pyc_file", "unix_python_entry_point")
    return next((n for n in names if getattr(entry.path_type, n)), None)


def check_record(view, rec, tmp, prefix):
    """Whether py-rattler reads our conda-meta record, and finds in it what its own says."""
    file = f"{rec.name.normalized}-{rec.version}-{rec.build}.json"
    path = tmp / file
    path.write_text(view[f"conda-meta/{file}"]["text"])
    ours = rattler.PrefixRecord.from_path(path)
    theirs = rattler.PrefixRecord.from_path(pathlib.Path(prefix) / "conda-meta" / file)
    bad = 0
    for key in ("name", "version", "build", "build_number", "subdir", "noarch", "sha256", "url", "file_name"):
        x, y = getattr(ours, key), getattr(theirs, key)
        if key == "url":
            continue
        if str(x) != str(y):
            print("RECORD", file, key, x, y)
            bad += 1
    a = {str(p.relative_path): p for p in ours.paths_data.paths}
    b = {str(p.relative_path): p for p in theirs.paths_data.paths}
    for p in sorted(set(a) | set(b)):
        if p not in a or p not in b:
            print("RECORD", file, "only", "ours" if p in a else "theirs", p)
            bad += 1
        elif kind(a[p]) != kind(b[p]) or a[p].sha256 != b[p].sha256 and kind(a[p]) in ("hardlink", "softlink"):
            print("RECORD", file, p, kind(a[p]), kind(b[p]))
            bad += 1
    if sorted(map(str, ours.files)) != sorted(map(str, theirs.files)):
        print("RECORD", file, "files")
        bad += 1
    return bad


def main():
    dump, channel = sys.argv[1:3]
    records = records_of(channel)
    order = topological(records)
    bad = 0
    with tempfile.TemporaryDirectory() as tmp:
        args = []
        for name in order:
            rec, artifact = records[name]
            args += [name, str(rec.version), str(rec.build), str(rec.subdir), str(artifact)]
        out = subprocess.run([dump, f"{tmp}/store", PREFIX, *args], capture_output=True, text=True)
        if out.returncode:
            sys.exit(out.stderr)
        view = {}
        for line in out.stdout.splitlines():
            row = json.loads(line)
            if row["type"] == "file" and row["read"] != row["size"]:
                print("SIZE", row)
                bad += 1
            view[row["path"]] = row
        asyncio.run(install(records, order, f"{tmp}/prefix", f"{tmp}/cache"))
        theirs = installed(f"{tmp}/prefix")
        no_link = {
            p["_path"]
            for r in view.values() if r["path"].startswith("conda-meta/") and r["path"].endswith(".json")
            for p in json.loads(r["text"])["paths_data"]["paths"] if p.get("no_link")
        }
        ours = {p: r for p, r in view.items() if p.split("/")[0] not in OWN}
        for path in sorted(set(ours) | set(theirs)):
            a, b = ours.get(path), theirs.get(path)
            if a is None or b is None:
                if a and path.endswith("EXTERNALLY-MANAGED"):
                    continue
                print("ONLY", "ours" if a else "theirs", path)
                bad += 1
                continue
            made = a["kind"] == 4
            if a["type"] == "link" and path in no_link:
                continue  # rattler copies what a no_link symlink leads to; conda keeps the link
            for key in ("type", "target", "size", "sha256", "mode"):
                if made and key != "type":
                    continue
                x, y = a.get(key), b.get(key)
                if key == "mode" and b["type"] == "file":
                    y &= ~0o6022
                if key == "mode" and b["type"] != "file":
                    continue
                if b["type"] != "file" and key in ("size", "sha256"):
                    continue
                if x != y:
                    print("DIFFERS", path, key, x, y)
                    bad += 1
        for name in order:
            bad += check_record(view, records[name][0], pathlib.Path(tmp), f"{tmp}/prefix")
        print(f"{len(ours)} paths, {len(theirs)} of rattler, {len(order)} packages, {bad} differences")
        print(out.stderr, end="")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
