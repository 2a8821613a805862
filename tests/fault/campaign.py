#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""campaign: every system call of every changing command dies or fails once.

    ENVFS=path/to/envfs tests/fault/campaign.py [--kinds kill,EIO,ENOSPC+…] [--commands NAME…]
            [--every K] [--seconds S] [--seed N]

For each command of COMMANDS, and for the daemon while a file is read for the first time, the
system calls are counted (ENVFS_FAULT=count, store/base/sys.h). Then, for each kind and each
number N up to that count, in a copy of the same store:

    kill      the process is killed before the N-th call
    EIO       the N-th call fails so: also ENOSPC, EMFILE, ENOMEM, EROFS, EDQUOT, EINTR
    EIO+      the N-th call and all that follow

Afterwards these hold, or it is a find:

    the command ended by itself (kill aside), in time, and said a sentence if it failed;
    if it says that it is done, it is;
    the store opens, `envfs verify` finds no fault;
    each environment is its old generation or its new one;
    the same command again, with no fault, does it (or says that it is done already);
    the daemon serves right bytes or an error, and after a start anew right bytes;
    nothing is left locked, and tmp/ is empty.

Without options: all kinds, every call; half an hour. --every K takes each K-th call, from a
place that --seed decides. Finds are printed with the line that repeats them; exit code 1.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

from envfs import Envfs, is_mounted, wait_until  # noqa: E402
from makepkg import make_channel  # noqa: E402

ERRORS = ("EIO", "ENOSPC", "EMFILE", "ENOMEM", "EROFS", "EDQUOT", "EINTR")
KINDS = ("kill",) + tuple(e + more for e in ERRORS for more in ("", "+"))
TIME_LIMIT_S = 40
BYTES = random.Random(7).randbytes(300_000)


class Find(Exception):
    """Something that should hold does not."""


def expect(condition, text):
    if not condition:
        raise Find(text)


def descriptions():
    both = b"the same in both\n" * 1000
    tool = [{"name": "tool", "version": v, "depends": ["base"], "files": {
        "bin/tool": {"data": f"#!/bin/sh\n# @PREFIX@\necho {v}\n", "prefix": "text"},
        "lib/same": both}} for v in ("1.0", "2.0")]
    return tool + [
        {"name": "base", "files": {"lib/base.dat": BYTES, "lib/link": {"link": "base.dat"},
                                   "lib/same2": both}},
        {"name": "old", "noarch": "generic", "format": "tar.bz2", "files": {"share/old": "old\n"}}]


class Command:
    """name, arguments, and what makes the store it starts from. done: exit codes and words with
    which a repetition says that nothing is left to do."""

    def __init__(self, name, arguments, before=(), done=(0, "")):
        self.name, self.arguments, self.before, self.done = name, arguments, before, done


SOLVED = ("create", "-n", "s", "tool=1.0", "CHANNEL")
LISTED = ("create", "-n", "x", "-f", "LIST")
COMMANDS = [
    Command("create", SOLVED, done=(1, "exists")),
    Command("create-file", ("create", "-n", "y", "-f", "ENVIRONMENT"), done=(1, "exists")),
    Command("create-explicit", LISTED, done=(1, "exists")),
    Command("create-force", (*LISTED, "--force"), before=[("create", "-n", "x", "-f", "SHORT")]),
    Command("install", ("install", "-n", "s", "old", "CHANNEL"), before=[SOLVED]),
    Command("update", ("update", "-n", "s", "tool", "CHANNEL"), before=[
        ("create", "-n", "s", "-f", "SHORT")]),
    Command("remove", ("remove", "-n", "s", "old", "CHANNEL"), before=[
        ("create", "-n", "s", "tool=1.0", "old", "CHANNEL")], done=(3, "")),
    Command("env-remove", ("env", "remove", "-n", "x"), before=[LISTED], done=(3, "")),
    Command("fetch", ("fetch", "-n", "x"), before=[LISTED]),
    Command("fetch-second", ("fetch", "-n", "s"), before=[
        LISTED, ("fetch", "-n", "x"), ("create", "-n", "s", "tool=2.0", "CHANNEL")]),
    Command("lock", ("lock", "-f", "ENVIRONMENT", "-o", "OUT")),
    Command("rebuild", ("verify", "--rebuild-index"), before=[LISTED, ("fetch", "-n", "x")]),
    Command("rebuild-lost", ("verify", "--rebuild-index"), before=[
        LISTED, ("fetch", "-n", "x"), "lose the index"]),
]


class World:
    """A channel, and for each command a store to start from and one as it should become."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.channel = make_channel(self.folder / "channel", descriptions())
        self.counts, self.expected = {}, {}
        self.envfs = Envfs(self.folder)
        names = ["base-1.0-0.conda", "old-1.0-0.tar.bz2", "tool-1.0-0.conda"]
        self.words = {
            "CHANNEL": ["--override-channels", "-c", self.channel.url],
            "LIST": [self.write("list.txt", self.envfs.explicit(self.channel, names))],
            "SHORT": [self.write("short.txt", self.envfs.explicit(self.channel, names[::2]))],
            "ENVIRONMENT": [self.write("environment.yml", "name: y\ndependencies: [tool, old]\n"
                                       f"channels: ['{self.channel.url}', nodefaults]\n")],
            "OUT": [self.folder / "out.txt"],
        }
        for c in COMMANDS:
            self.prepare(c)

    def write(self, name, text):
        (self.folder / name).write_text(text)
        return self.folder / name

    def at(self, name):
        return self.folder / "stores" / name

    def run(self, store, arguments, fault=None, timeout=TIME_LIMIT_S):
        words = [w for a in arguments for w in self.words.get(a, [a])]
        environ = dict(self.envfs.environ, ENVFS_STORE=str(store), TMPDIR=str(self.folder))
        if fault:
            environ["ENVFS_FAULT"] = fault
        try:
            return subprocess.run([*self.envfs.command, *map(str, words)], env=environ, text=True,
                                  timeout=timeout, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        except subprocess.TimeoutExpired:
            raise Find(f"hangs: {' '.join(map(str, words))}") from None

    def must(self, store, arguments):
        done = self.run(store, arguments)
        expect(done.returncode == 0, f"{arguments}: exit {done.returncode}: {done.stderr}")
        return done

    def prepare(self, c):
        before, after = self.at(c.name + ".before"), self.at(c.name + ".after")
        before.parent.mkdir(exist_ok=True)
        for step in c.before:
            if isinstance(step, str):
                (before / "index.db").unlink()
            else:
                self.must(before, step)
        copy(before, after)
        done = self.run(after, c.arguments, "count")
        expect(done.returncode == 0, f"{c.name}: {done.stderr}")
        self.counts[c.name] = int(done.stderr.split("fault: ")[1].split()[0])
        new = self.state(after)
        self.expected[c.name] = (self.state(before), new)

    def state(self, store):
        """What each environment is, and what `lock` wrote."""
        out, state = self.words["OUT"][0], {}
        if out.exists():
            state["OUT"] = out.read_text()
            out.unlink()
        if not (store / "format").exists():
            return state
        for name in sorted(os.listdir(store / "envs")):
            done = self.must(store, ("list", "-n", name, "--explicit"))
            state[name] = [line for line in done.stdout.splitlines() if line[:1] != "#"]
        return state

    def verify(self, store, present=None):
        """No fault. A store that was killed while it was made is none yet."""
        if not (store / "format").exists():
            return
        done = self.run(store, ("verify", "--json"))
        expect(done.returncode == 0, f"verify: exit {done.returncode}: {done.stdout}{done.stderr}")
        found = json.loads(done.stdout)
        expect(found["faults"] == 0, f"verify: {found['findings']}")
        if present is not None:
            expect(found["present"] == present, f"{found['present']} packages are present")

    def swept(self, store):
        # Any command that writes sweeps; this one changes nothing else.
        self.must(store, ("verify", "--rebuild-index"))
        self.run(store, ("create", "-n", "swept", "-f", "LIST", "--force"))
        left = os.listdir(store / "tmp")
        expect(left == [], f"left in tmp/: {left}")

    def check_ended(self, done, kind):
        if kind == "kill":
            expect(done.returncode in (0, -signal.SIGKILL), f"exit {done.returncode}: {done.stderr}")
            return
        expect(done.returncode >= 0, f"died of signal {-done.returncode}: {done.stderr}")
        expect(done.returncode < 8, f"exit {done.returncode}: {done.stderr}")
        if done.returncode > 0:
            said = done.stderr + done.stdout
            expect(": " in said and len(said.strip()) > 15, f"no sentence: '{said}'")

    def trial(self, c, kind, n):
        store = self.at("trial")
        old, new = self.expected[c.name]
        copy(self.at(c.name + ".before"), store)
        done = self.run(store, c.arguments, fault(kind, n))
        self.check_ended(done, kind)
        self.verify(store)
        state = self.state(store)
        expect(state in (old, new), f"neither old nor new: {state}")
        if done.returncode == 0:
            expect(state == new, f"says that it is done: {state}")
        again = self.run(store, c.arguments)
        fine = again.returncode == 0 or (state == new and again.returncode == c.done[0]
                                         and c.done[1] in again.stderr)
        expect(fine, f"again: exit {again.returncode}: {again.stderr}")
        state = self.state(store)
        expect(state == new, f"again: {state}")
        for name in new:
            if name != "OUT":
                self.must(store, ("fetch", "-n", name))
        self.verify(store)
        self.swept(store)

    # The daemon.

    def daemon_start(self, store, fault_text=None):
        environ = dict(self.envfs.environ, ENVFS_STORE=str(store))
        if fault_text:
            environ["ENVFS_FAULT"] = fault_text
        log = open(self.folder / "daemon.log", "w")
        child = subprocess.Popen([*self.envfs.command, "mount", "-f", self.envfs.dir, "--stall", "5"],
                                 env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        path = self.folder / "daemon.log"  # a mount of a dead one may be there still
        wait_until(lambda: child.poll() is not None or "is mounted on" in path.read_text(), 20)
        return child

    def daemon_end(self, child):
        if child.poll() is None:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(15)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                subprocess.run(["umount", "-l", self.envfs.dir])
                raise Find("the daemon does not end") from None

    def read(self):
        """What the two files that matter say: bytes, or None for an error."""
        prefix = self.envfs.prefix("x")
        found = []
        for path in ("lib/base.dat", "share/old"):
            try:
                done = subprocess.run(["cat", prefix / path], stdout=subprocess.PIPE, timeout=20,
                                      stderr=subprocess.PIPE, text=False)
            except subprocess.TimeoutExpired:
                raise Find(f"reading '{path}' hangs") from None
            found.append(done.stdout if done.returncode == 0 else None)
            expect(b"No such file" not in done.stderr or not is_alive(self.envfs.dir),
                   f"ENOENT of what exists: {path}")
        return found

    def daemon_before(self):
        before = self.at("daemon.before")
        if not before.exists():
            self.must(before, LISTED)
        return before

    def daemon_count(self):
        store = self.at("trial")
        copy(self.daemon_before(), store)
        child = self.daemon_start(store, "count")
        expect(self.read() == [BYTES, b"old\n"], "the daemon does not even work")
        self.daemon_end(child)
        log = (self.folder / "daemon.log").read_text()
        self.counts["daemon"] = int(log.split("fault: ")[1].split()[0])

    def daemon_trial(self, kind, n):
        store, right, code = self.at("trial"), [BYTES, b"old\n"], None
        copy(self.daemon_before(), store)
        child = self.daemon_start(store, fault(kind, n))
        try:
            if child.poll() is None:
                for got, want in zip(self.read(), right):
                    expect(got is None or got == want, "wrong bytes were served")
            code = child.poll()
            expect(code in (None, -signal.SIGKILL) or not is_mounted(self.envfs.dir),
                   "the daemon ended and left a mount")
            expect(code is None or code in (1, 5) or (kind == "kill" and code == -signal.SIGKILL),
                   f"the daemon ended with {code}")
            if code is None and kind != "kill" and not kind.endswith("+") and n > 0:
                expect(self.read() == right, "the next access is no better")
        finally:
            self.daemon_end(child)
            if code is None:  # so that one find is not followed by others
                self.close()
        self.verify(store)
        child = self.daemon_start(store)
        try:
            expect(child.poll() is None, "does not start anew: " +
                   (self.folder / "daemon.log").read_text())
            expect(self.read() == right, "after a start anew: wrong")
        finally:
            self.daemon_end(child)
        expect(not is_mounted(self.envfs.dir), "still mounted")
        self.verify(store)
        self.must(store, ("fetch", "-n", "x"))
        self.verify(store, present=3)
        self.swept(store)

    def close(self):
        while is_mounted(self.envfs.dir):
            subprocess.run(["umount", "-l", self.envfs.dir])


def is_alive(path):
    try:
        os.listdir(path)
        return True
    except OSError:
        return False


def fault(kind, n):
    return f"{n}+:{kind[:-1]}" if kind.endswith("+") else f"{n}:{kind}"


def copy(store, to):
    shutil.rmtree(to, ignore_errors=True)
    if store.exists():
        shutil.copytree(store, to, symlinks=True)


def points(world, kinds, commands, every, seed):
    """All of (command, kind, number), or each every-th; mixed, so that whoever runs out of time
    has tried some of everything."""
    full = [(name, kind, n) for name in commands for kind in kinds
            for n in range(1, world.counts[name] + 1)]
    chosen = full[seed % every::every]
    random.Random(seed).shuffle(chosen)
    return chosen


def run(world, chosen, seconds=None, say=None):
    """Tries the points in turn until the time is over; (how many were tried, finds)."""
    by_name = {c.name: c for c in COMMANDS}
    finds, tried, end = [], 0, time.monotonic() + (seconds or 1e9)
    for name, kind, n in chosen:
        if time.monotonic() > end:
            break
        try:
            if name == "daemon":
                world.daemon_trial(kind, n)
            else:
                world.trial(by_name[name], kind, n)
        except Find as f:
            finds.append(f"{name} {fault(kind, n)}: {f}")
            if say:
                say(f"FIND {finds[-1]}")
        tried += 1
        if say and tried % 100 == 0:
            say(f"{tried} of {len(chosen)}, {len(finds)} finds")
    return tried, finds


def main():
    names = [c.name for c in COMMANDS] + ["daemon"]
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--kinds", default=",".join(KINDS))
    p.add_argument("--commands", nargs="+", default=names, choices=names)
    p.add_argument("--every", type=int, default=1)
    p.add_argument("--seconds", type=float)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--at", type=int, help="only this call of each")
    o = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="envfs-fault-") as folder:
        world = World(folder)
        try:
            if "daemon" in o.commands:
                world.daemon_count()
            print("system calls:", {n: world.counts[n] for n in o.commands}, flush=True)
            chosen = points(world, o.kinds.split(","), o.commands, o.every, o.seed)
            chosen = [c for c in chosen if o.at is None or c[2] == o.at]
            tried, finds = run(world, chosen, o.seconds, lambda t: print(t, flush=True))
        finally:
            world.close()
    print(f"{tried} of {len(chosen)} points tried, {len(finds)} finds")
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
