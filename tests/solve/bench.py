#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""bench.py TRIAL [--quick | OUTDIR]: a large generated channel, solved; prints time and memory, checks answer and rules.

100,000 candidates of 1,000 names: 100 names of 700 versions, 900 of 33. Version v of k of a name stands for the point
v/k in time; it needs about five later names in a window around that point, so that different points do not mix, and
every seventh limits another name that it does not need (run_constrained). Answers are checked against the rules of the
generator, not against a second solver. --quick: 30,000 candidates of 300 names, enough to be opened lazily; for the suite,
so times are printed but not judged.
"""
import json, os, random, re, resource, subprocess, sys, tempfile, time

QUICK = "--quick" in sys.argv
NAMES = 300 if QUICK else 1000
RULES_MAX = 200_000 if QUICK else 1_000_000


def size(i):
    return 700 if i % 10 == 0 else 33


def window(i, v, j, rng):
    """The versions of j that fit version v of i: [low, high)."""
    at = v / size(i)
    low = int(max(0.0, at - 0.05 - 0.1 * rng.random()) * size(j))
    high = int((at + 0.05 + 0.1 * rng.random()) * size(j)) + 1
    return low, max(high, low + 1)


def generate():
    """name -> version -> (needs {name: (low, high)}, limits {…})"""
    rng = random.Random(20)
    packages = []
    for i in range(NAMES):
        others = sorted({rng.randrange(i + 1, min(i + 60, NAMES)) for _ in range(5)}) if i + 1 < NAMES else []
        versions = []
        for v in range(size(i)):
            needs = {j: window(i, v, j, rng) for j in others}
            limits = {(i + 77) % NAMES: window(i, v, (i + 77) % NAMES, rng)} if i % 7 == 0 else {}
            versions.append((needs, limits))
        packages.append(versions)
    return packages


def spec(j, bounds):
    return f"p{j:04d} >={bounds[0]}.0,<{bounds[1]}.0"


def write(packages, path):
    doc = {}
    for i, versions in enumerate(packages):
        for v, (needs, limits) in enumerate(versions):
            doc[f"p{i:04d}-{v}.0-0.conda"] = {
                "name": f"p{i:04d}", "version": f"{v}.0", "build": "0", "build_number": 0,
                "depends": [spec(j, b) for j, b in needs.items()],
                "constrains": [spec(j, b) for j, b in limits.items()]}
    with open(path, "w") as f:
        json.dump({"packages.conda": doc}, f)
    return len(doc)


def check(packages, answer, roots):
    there = dict(answer)
    for i, v in answer:
        needs, limits = packages[i][v]
        for j, (low, high) in needs.items():
            assert j in there and low <= there[j] < high, f"p{i:04d} {v} needs {spec(j, (low, high))}"
        for j, (low, high) in limits.items():
            assert j not in there or low <= there[j] < high, f"p{i:04d} {v} goes only with {spec(j, (low, high))}"
    assert len(there) == len(answer), "a name twice"
    reached, todo = set(), list(roots)
    while todo:
        i = todo.pop()
        if i not in reached:
            reached.add(i)
            todo += packages[i][there[i]][0]
    assert reached == there.keys(), "something that nothing needs"


def solve(trial, store, doc, specs):
    run = subprocess.run([trial, "-k", store, "-c", f"file:///bench={doc}"] + specs, stdout=subprocess.PIPE, text=True)
    if run.returncode:
        sys.exit(run.stdout)
    answer = [tuple(map(int, m)) for m in re.findall(r"/p(\d+)-(\d+)\.0-0\.conda", run.stdout)]
    number = lambda word: float(re.search(rf"{word} ([\d.]+)", run.stdout)[1])
    return answer, {w: number(w) for w in ("solve", "names", "candidates", "left", "rules", "rounds", "maxrss")}


def main():
    trial = sys.argv[1]
    packages = generate()
    requests = (
        # what is asked for, and the version that the first of it must get, where that is known
        (["p0000", "p0001", "p0002", "p0003", "p0005"], 699),
        (["p0000 <350", "p0001"], 349),
        (["p0000 >=100,<200", "p0010 <180", "p0020", f"p{NAMES // 2:04d}"], 199),
        ([f"p{i:04d}" for i in range(0, NAMES, NAMES // 20)], 699),
    )
    with tempfile.TemporaryDirectory() as top:
        out = top if QUICK or len(sys.argv) < 3 else sys.argv[2]
        os.makedirs(f"{out}/store", exist_ok=True)
        doc = f"{out}/bench-repodata.json"
        assert write(packages, doc) == sum(size(i) for i in range(NAMES)) >= NAMES * 99
        solve(trial, f"{out}/store", doc, [f"p{NAMES - 1:04d}"])  # converts
        for specs, newest in requests:
            answer, n = solve(trial, f"{out}/store", doc, specs)
            check(packages, answer, [int(s[1:5]) for s in specs])
            assert dict(answer)[0] == newest, "the first request did not get its best"
            assert solve(trial, f"{out}/store", doc, specs)[0] == answer, "another answer on another run"
            assert n["rules"] <= RULES_MAX
            print(f"{', '.join(specs)[:50]}: {len(answer)} packages of {n['candidates']:.0f} candidates in "
                  f"{n['names']:.0f} names, {n['left']:.0f} left, {n['rules']:.0f} rules, {n['rounds']:.0f} rounds, "
                  f"{n['solve']:.2f} s, {n['maxrss'] / 1024:.0f} MB")
    print("ok")


main()
