#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""compare_repodata.py TEST_REPODATA: every repodata document below $ENVFS_TESTDATA, record by
record, against Python's own reading of it."""
import bz2, gzip, json, os, re, subprocess, sys, tempfile

program, root = sys.argv[1], os.environ.get("ENVFS_TESTDATA")
if not root:
    print("no test data: 0 documents")
    sys.exit(77)


def documents():
    for folder, _, files in sorted(os.walk(root)):
        for name in sorted(files):
            if re.search(r"repodata.*\.json(\.zst|\.bz2|\.gz)?$", name):
                yield os.path.join(folder, name)


def plain(path):
    with open(path, "rb") as f:
        data = f.read()
    if path.endswith(".bz2"):
        return bz2.decompress(data)
    if path.endswith(".gz"):
        return gzip.decompress(data)
    if path.endswith(".zst"):
        return subprocess.run(["zstd", "-dc", path], check=True, capture_output=True).stdout
    return data


def usable(fn, rec):
    try:
        texts = (rec["name"], rec["version"], rec["build"])
    except KeyError:
        return False
    return "\0" not in fn and all(re.fullmatch(r"[A-Za-z0-9._+!-]+", t) for t in texts)


def compare(path, folder):
    data = plain(path)
    doc = json.loads(data)
    legacy, conda = doc.get("packages") or {}, doc.get("packages.conda") or {}
    removed = set(doc.get("removed") or ())
    want = {fn: rec for fn, rec in {**legacy, **conda}.items() if usable(fn, rec)}
    given = path
    if not path.endswith((".json", ".zst")):
        given = os.path.join(folder, "repodata.json")
        with open(given, "wb") as f:
            f.write(data)
    run = subprocess.run([program, "dump", given], capture_output=True)
    if run.returncode:
        return [f"{path}: {run.stderr.decode()}"]
    faults, got = [], {}
    for line in run.stdout.decode().splitlines():
        shown, fn, text = line.split("\t", 2)
        got[fn] = json.loads(text)
        twin = fn.endswith(".tar.bz2") and fn[:-8] + ".conda" in want
        if (shown == "1") != (fn not in removed and not twin):
            faults.append(f"{path}: {fn}: shown {shown}")
    if got.keys() != want.keys():
        faults.append(f"{path}: {len(got)} records, not {len(want)}: {sorted(got.keys() ^ want.keys())[:5]}")
    for fn in got.keys() & want.keys():
        if got[fn] != want[fn]:
            faults.append(f"{path}: {fn}: {got[fn]} is not {want[fn]}")
    return faults, len(want)


total, failed, count = 0, 0, 0
with tempfile.TemporaryDirectory() as folder:
    for path in documents():
        faults, n = compare(path, folder)
        count += n
        total += 1
        failed += bool(faults)
        for fault in faults[:5]:
            print(fault)
print(f"{count} records in {total} documents")
print(f"{total - failed} passed, {failed} failed")
sys.exit(bool(failed or not total))
