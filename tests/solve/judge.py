#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""judge.py TRIAL TESTDATA [-v]: envfs' answers beside py-rattler's, request by request.

Prints for each request whether both give the same packages, and for each difference what kind it is:
  build     the same version, another build (tie-breaks differ: docs/decisions/solver.md)
  better    ours has the higher version; worse: rattler has
  extra     only one of them has the package at all
A request that only one of them can solve, or an answer of ours that breaks a dependency or a run_constrained of its own
records, is an error: exit 1. Needs py-rattler.
"""
import asyncio, json, os, subprocess, sys, tempfile
import rattler
from rattler.exceptions import SolverError
from rattler.package.build_string import BuildString

CHANNELS = {
    "py311": ["channels/py311/linux-64/repodata.json", "channels/py311/noarch/repodata.json"],
    "py36": ["channels/py36-2018/linux-64/repodata.json", "channels/py36-2018/noarch/repodata.json"],
    "stubs": ["channels/cf-py312-stubs/linux-64/repodata.json"],
    "main2020": ["repodata/main_linux-64_2020-12.current_repodata.json", "repodata/main_noarch_2020-12.repodata.json.zst"],
    "main2019": ["repodata/main_linux-64_2019-10.current_repodata.json.zst", "repodata/main_noarch_2019-10.current_repodata.json.zst"],
    "cf2024": ["repodata/cf-subchannel_linux-64_2024-05.repodata.json", "repodata/cf-subchannel_noarch_2024-05.repodata.json"],
    "cf2025": ["repodata/cf-miniforge_linux-64_2025-01.repodata.json.zst", "repodata/cf-miniforge_noarch_2025-01.repodata.json"],
    "cf2016": ["repodata/conda-forge_linux-64_2016.repodata.json.zst"],
    "free2015": ["repodata/pkgs-free_linux-64_2015.repodata.json.zst"],
    "free2016": ["repodata/pkgs-free_linux-64_2016-09.repodata.json.zst"],
    "pytorch": ["repodata/pytorch_linux-64_2023.repodata.json.zst"],
    "r": ["repodata/pkgs-r_linux-64.repodata.json.zst", "repodata/pkgs-r_noarch_2020-03.repodata.json.zst"],
}
REQUESTS = [
    ("py311", "python"), ("py311", "python pip"), ("py311", "python=3.11 pip setuptools wheel"),
    ("py36", "python=3.6 flask pytest pyyaml cryptography requests pip"), ("py36", "python"), ("py36", "flask"),
    ("py36", "requests pyyaml"), ("py36", "pytest"), ("stubs", "python"), ("stubs", "python pip"),
    ("main2020", "python"), ("main2020", "numpy"), ("main2020", "python=3.8 pandas scikit-learn matplotlib"),
    ("main2020", "pandas"), ("main2020", "python=3.7 scipy"), ("main2020", "flask"), ("main2020", "django requests"),
    ("main2020", "python=3.8 tensorflow"), ("main2020", "jupyter"), ("main2020", "r-base r-ggplot2"),
    ("main2020", "nomkl numpy"), ("main2020", "python=3.9 numpy"), ("main2020", "pytorch"), ("main2020", "dask bokeh"),
    ("main2019", "python=3.7 numpy scipy pandas"), ("main2019", "anaconda"), ("main2019", "spyder"),
    ("cf2024", "python"), ("cf2024", "numpy"), ("cf2024", "python=3.11"), ("cf2024", "pip"),
    ("cf2025", "python"), ("cf2025", "conda"), ("cf2025", "mamba"), ("cf2025", "conda mamba python=3.12"),
    ("cf2016", "python=3.5 numpy"), ("cf2016", "scikit-image"), ("cf2016", "python=2.7 gdal"), ("cf2016", "matplotlib"),
    ("free2015", "python=2.7 numpy scipy"), ("free2015", "ipython-notebook"), ("free2016", "anaconda=4.1.1"),
    ("free2016", "python=3.5 pandas"), ("free2016", "scikit-learn"), ("free2016", "notebook"),
    ("pytorch main2020", "pytorch torchvision python=3.8"), ("main2020 pytorch", "torchvision"),
    ("r main2020", "r-base=3.6 r-dplyr"), ("main2020 cf2024", "numpy"), ("cf2016 free2016", "jupyter python=3.5"),
]


def load(path):
    if path.endswith(".zst"):
        return json.loads(subprocess.run(["zstd", "-dcq", path], check=True, stdout=subprocess.PIPE).stdout)
    with open(path) as f:
        return json.load(f)


class Channel:
    """A folder as a channel: both solvers read the same documents."""

    def __init__(self, name, files, data, top):
        self.dir, self.files, self.records = f"{top}/{name}", [], {}
        self.url = f"file://{self.dir}"
        for subdir in ("linux-64", "noarch"):
            os.makedirs(f"{self.dir}/{subdir}")
            doc = {"packages": {}, "packages.conda": {}}
            for f in files:
                if ("noarch" in f.split("/", 1)[1]) == (subdir == "noarch"):
                    doc = load(f"{data}/{f}")
            for key in ("packages", "packages.conda"):
                for fn, rec in doc.get(key, {}).items():
                    rec["subdir"] = subdir
                    self.records[f"{self.url}/{subdir}/{fn}"] = rec
            doc["info"] = {"subdir": subdir}
            self.files.append(f"{self.dir}/{subdir}/repodata.json")
            with open(self.files[-1], "w") as out:
                json.dump(doc, out)


def ours(trial, store, channels, specs, priority):
    args = [trial, "-p", priority, "-k", store]
    for c in channels:
        args += ["-c", f"{c.url}={','.join(c.files)}"]
    out = subprocess.run(args + specs, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    notes = [line for line in out if line.startswith("#")]
    if any(line.startswith("!") for line in out):
        return None, notes, [line for line in out if not line.startswith(("#", "!"))]
    return [line for line in out if not line.startswith("#")], notes, []


async def theirs(channels, specs, priority):
    try:
        got = await rattler.solve([rattler.Channel(c.url) for c in channels], specs, platforms=["linux-64", "noarch"],
                                  virtual_packages=rattler.VirtualPackage.detect(), channel_priority=priority)
    except SolverError as e:
        return None, str(e)
    return [r.url for r in got], ""


def broken(answer, records):
    """What in an answer does not hold: by rattler's MatchSpec, so by an independent judge."""
    there = {records[fn]["name"]: records[fn] for fn in answer}
    faults = []
    for fn in answer:
        for key, always in (("depends", True), ("constrains", False)):
            for dep in records[fn].get(key) or []:
                name = dep.split()[0].split("=")[0].split(">")[0].split("<")[0].split("[")[0].lower()
                if name.startswith("__"):
                    continue
                if name not in there:
                    if always:
                        faults.append(f"{os.path.basename(fn)}: {dep} is not there")
                    continue
                spec = rattler.MatchSpec(dep, strict=False)
                rec = there[name]
                record = rattler.PackageRecord(rec["name"], rec["version"], BuildString(rec["build"]), rec["build_number"],
                                               rec["subdir"])
                if not spec.matches(record):
                    faults.append(f"{os.path.basename(fn)}: {dep} does not match {rec['name']} {rec['version']} {rec['build']}")
    return faults


def compare(a, b, records):
    byname = lambda fns: {records[fn]["name"]: records[fn] for fn in fns}
    x, y = byname(a), byname(b)
    kinds = {}
    for name in sorted(x.keys() | y.keys()):
        p, q = x.get(name), y.get(name)
        if p is None or q is None:
            kinds.setdefault("extra", []).append(f"{name} ({'ours' if p else 'rattler'})")
        elif p["version"] != q["version"]:
            kind = "better" if rattler.Version(p["version"]) > rattler.Version(q["version"]) else "worse"
            kinds.setdefault(kind, []).append(f"{name} {p['version']} {p['build']} ({q['version']} {q['build']})")
        elif p["build"] != q["build"]:
            kinds.setdefault("build", []).append(f"{name} {p['version']} {p['build']} ({q['build']})")
    return kinds


async def main():
    trial, data = sys.argv[1:3]
    verbose, errors, same = "-v" in sys.argv, 0, 0
    with tempfile.TemporaryDirectory() as top:
        os.mkdir(f"{top}/store")
        channels = {}
        for names, text in REQUESTS:
            for n in names.split():
                if n not in channels:
                    channels[n] = Channel(n, CHANNELS[n], data, top)
            use = [channels[n] for n in names.split()]
            records = {}
            for c in use:
                records.update(c.records)
            a, notes, why = ours(trial, f"{top}/store", use, text.split(), "flexible")
            b, reason = await theirs(use, text.split(), rattler.ChannelPriority.Flexible)
            title = f"[{names}] {text}"
            if (a is None) != (b is None):
                errors += 1
                print(f"ERROR {title}: only {'ours' if a else 'rattler'} solves it")
                print("\n".join("    " + line for line in (why or reason.splitlines()[:25])))
            elif a is None:
                same += 1
                print(f"same  {title}: no answer")
                if verbose:
                    print("\n".join("    " + line for line in why))
            else:
                faults = broken(a, records)
                errors += bool(faults)
                kinds = compare(a, b, records)
                same += not kinds
                print(f"{'diff ' if kinds else 'same '} {title}: {len(a)} packages {'; '.join(notes) if verbose else ''}")
                for fault in faults:
                    print(f"    ERROR {fault}")
                for kind, what in kinds.items():
                    print(f"    {kind}: {', '.join(what)}")
    print(f"{same} the same, {len(REQUESTS) - same - errors} different, {errors} errors")
    return errors > 0


sys.exit(asyncio.run(main()))
