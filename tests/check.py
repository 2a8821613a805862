#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tools/check does once everything is installed: build, run each kind of test, add up."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

top = pathlib.Path(__file__).resolve().parent.parent
build = top / "build-check"
plain_build = top / "build-plain"
fuzz_build = top / "build-fuzz"
testdata = os.environ.get("ENVFS_TESTDATA", "")
python = "/usr/bin/python3"

env = dict(
    os.environ,
    ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:exitcode=99",
    UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1",
    LSAN_OPTIONS="report_objects=1",
    ENVFS=str(build / "tools" / "envfs"),
    ENVFS_BUILD="asan",
    PKG_DUMP=str(build / "tests" / "pkg" / "pkg_dump"),
    ENVFS_TESTDATA=testdata,
    PYTHONDONTWRITEBYTECODE="1",
)
passed = failed = skipped = 0
started = time.monotonic()


def say(text):
    print(f"== [{time.monotonic() - started:4.0f} s] {text}", flush=True)


def run(*command, **kw):
    return subprocess.run([str(c) for c in command], cwd=top, env=env, **kw)


def must(*command):
    if run(*command).returncode != 0:
        print(f"check: '{' '.join(map(str, command))}' failed")
        print(f"{passed} passed, {failed + 1} failed")
        sys.exit(1)


def count(good, bad, skip=0):
    global passed, failed, skipped
    passed += good
    failed += bad
    skipped += skip


def setup(where, *options, cc=None, targets=()):
    if cc:
        env["CC"] = cc
    if not (where / "build.ninja").exists():
        must("meson", "setup", where, "--werror", f"-Dtestdata={testdata}", *options)
    else:
        must("meson", "configure", where, f"-Dtestdata={testdata}")
    env.pop("CC", None)
    must("ninja", "-C", where, *targets)


def lint():
    say("lint")
    ok = run(python, "tests/lint.py").returncode == 0
    count(int(ok), int(not ok))


def formatted():
    """clang-format is pinned: another version would have another taste."""
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    version = subprocess.run([tool, "--version"], capture_output=True, text=True).stdout if tool else ""
    if " 14." not in version:
        say("clang-format 14 is not here: formatting is not checked")
        return count(0, 0, 1)
    files = [p for d in ("store", "fs", "tools", "tests") for p in sorted((top / d).rglob("*.[ch]"))]
    ok = run(tool, "--dry-run", "--Werror", *files).returncode == 0
    count(int(ok), int(not ok))


def unit():
    say("unit tests")
    log = build / "meson-logs" / "testlog.txt"
    ok = run("meson", "test", "-C", build, "--no-rebuild", "--suite", "unit", "--print-errorlogs", "-q").returncode == 0
    good = bad = 0
    for line in log.read_text(errors="replace").splitlines():
        m = re.match(r"^(\d+) passed, (\d+) failed", line)
        if m:
            good, bad = good + int(m.group(1)), bad + int(m.group(2))
    if not ok and bad == 0:
        bad = 1  # a crash or a time-out counts nothing by itself
    count(good, bad)
    say(f"unit tests: {good} passed, {bad} failed")


def programs(*which):
    r = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rfEs", "--durations=5", *which,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(r.stdout)
    last = [line for line in r.stdout.splitlines() if re.search(r"\d+ (passed|failed|error|skipped)", line)]
    numbers = dict((k, int(n)) for n, k in re.findall(r"(\d+) (passed|failed|errors?|skipped)", last[-1])) if last else {}
    bad = numbers.get("failed", 0) + numbers.get("error", 0) + numbers.get("errors", 0)
    if r.returncode != 0 and bad == 0:
        bad = 1
    count(numbers.get("passed", 0), bad, numbers.get("skipped", 0))


def plain():
    """What figures of a sanitizer build say nothing about; and that a release build has no warning."""
    say("an optimised build: memory of the daemon, the solver's quick bench")
    setup(plain_build, targets=["tools/envfs", "tests/solve/trial"])
    ok = run(python, "tests/solve/bench.py", plain_build / "tests" / "solve" / "trial", "--quick").returncode == 0
    count(int(ok), int(not ok))
    env.update(ENVFS=str(plain_build / "tools" / "envfs"), ENVFS_BUILD="plain")
    programs("tests/mount/test_kernel.py", "-k", "memory")


def fuzz():
    seconds = int(os.environ.get("ENVFS_FUZZ_SECONDS", "60"))
    if not shutil.which("clang"):
        say("clang is not here: no fuzzing")
        return count(0, 1)
    setup(fuzz_build, "-Dfuzz=true", "-Db_lundef=false", "-Db_sanitize=address,undefined", cc="clang", targets=["fuzzers"])
    targets = sorted(p for p in (fuzz_build / "tests" / "fuzz").glob("fuzz_*") if p.is_file() and os.access(p, os.X_OK))
    say(f"fuzzing {len(targets)} targets for {seconds} s in all")
    for target in targets:
        noun = target.name[len("fuzz_"):]
        corpus = top / "tests" / "fuzz" / "corpus" / noun
        fresh = fuzz_build / "corpus" / noun
        fresh.mkdir(parents=True, exist_ok=True)
        r = run(target, f"-max_total_time={max(1, seconds // len(targets))}", "-timeout=5", "-rss_limit_mb=1024",
                "-verbosity=0", f"-artifact_prefix={fuzz_build}/", fresh, *([corpus] if corpus.is_dir() else []),
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        count(int(r.returncode == 0), int(r.returncode != 0))
        if r.returncode != 0:
            print(r.stdout[-8000:])
            say(f"{target.name} FAILED")


setup(build, "-Db_sanitize=address,undefined", "-Dbuildtype=debugoptimized")
lint()
formatted()
unit()
say("tests of the command and of real mounts")
programs("tests")
plain()
fuzz()
say("done")
print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
sys.exit(1 if failed else 0)
