# SPDX-License-Identifier: Apache-2.0
"""Many at once: readers, switches, environments that come and go, an end in the middle."""
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from mount_world import noise
from envfs import Envfs, is_mounted, wait_until
from faultserver import FaultServer
from makepkg import file_name, make_channel

PACKAGES = 60
READERS = 32

# Walks and reads until told to end; prints what is wrong. Names may come and go, bytes not change.
READER = """
import errno, hashlib, os, random, sys, time
root, seed, seconds, names = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]
gone = {errno.ENOENT, errno.ESTALE, errno.ENOTCONN, errno.ECONNABORTED, errno.ENODEV}
rng, end, count = random.Random(seed), time.monotonic() + seconds, 0
while time.monotonic() < end:
    try:
        env = os.path.join(root, rng.choice(names))
        lib = os.path.join(env, "lib")
        files = sorted(os.listdir(lib))
        assert files, "an empty lib"
        for name in rng.sample(files, min(8, len(files))):
            path = os.path.join(lib, name)
            with open(path, "rb") as f:
                data = f.read()
            assert hashlib.sha256(data).hexdigest()[:16] == name.split("-")[1], "wrong bytes: " + path
            count += 1
        os.stat(os.path.join(env, "bin", rng.choice(os.listdir(os.path.join(env, "bin")))))
        os.listdir(os.path.join(env, "conda-meta"))
    except OSError as e:
        if e.errno not in gone:
            print("read:", e, flush=True)
            if "--patient" not in sys.argv:
                sys.exit(1)
    except AssertionError as e:
        print("read:", e, flush=True)
        sys.exit(1)
print("ok", count, flush=True)
"""


def package(k):
    """Some larger than their listing, some .tar.bz2; files are named after their bytes."""
    data = noise(random.Random(k).choice([100, 5_000, 120_000, 400_000]), k)
    return {"name": f"p{k:02}", "format": "tar.bz2" if k % 5 == 0 else "conda",
            "files": {f"bin/p{k:02}": {"data": "#!@PREFIX@/bin/sh\n", "prefix": "text"},
                      f"lib/p{k:02}-{hashlib.sha256(data).hexdigest()[:16]}": data}}


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return make_channel(tmp_path_factory.mktemp("many"), [package(k) for k in range(PACKAGES)])


def some(channel, server, envfs, seed):
    names = random.Random(seed).sample(sorted(channel.records), PACKAGES * 2 // 3)
    return envfs.explicit(channel, sorted(names), url=server.url + "/ok")


def start_readers(envfs, seconds, names, *more):
    return [subprocess.Popen([sys.executable, "-c", READER, str(envfs.dir), str(i), str(seconds),
                              *names, *more], stdout=subprocess.PIPE, text=True)
            for i in range(READERS)]


def collect(readers):
    """What each said; all must end soon."""
    end, said = time.monotonic() + 30, []
    for r in readers:
        said.append(r.communicate(timeout=max(1, end - time.monotonic()))[0])
    return said


@pytest.mark.parametrize("cold", [True, False])
def test_readers_and_switches(envfs, many, tmp_path, cold):
    with FaultServer(many.folder, tmp_path / "log") as server:
        envfs.create("a", some(many, server, envfs, 1))
        envfs.create("b", some(many, server, envfs, 2))
        if not cold:
            envfs.run("fetch", "-n", "a", "-q")
        envfs.mount()
        readers = start_readers(envfs, 4, ["a", "b", "c"])
        for turn in range(1000):
            if all(r.poll() is not None for r in readers):
                break
            envfs.replace("a", some(many, server, envfs, 3 + turn))
            envfs.create("c", some(many, server, envfs, 100 + turn))
            envfs.replace("b", some(many, server, envfs, 200 + turn))
            envfs.status()
            envfs.run("env", "remove", "c", "-y", "-q")
        said = collect(readers)
        assert [s for s in said if not s.startswith("ok ")] == []
        assert sum(int(s.split()[1]) for s in said) > 100
        whole = [r for r in server.log() if r["method"] == "GET" and not r["range"]]
        names = [os.path.basename(r["path"]) for r in whole]
        assert len(names) == len(set(names)), "a package was fetched twice"
        assert envfs.status()["failures"] == []
        envfs.umount()
        assert wait_until(lambda: not envfs.is_running(), 5)
    envfs.run("verify")


@pytest.mark.parametrize("end", ["umount", "lazy", "term", "kill"])
def test_an_end_in_the_middle(envfs, many, tmp_path, end):
    with FaultServer(many.folder, tmp_path / "log") as server:
        envfs.create("a", some(many, server, envfs, 1))
        envfs.create("b", some(many, server, envfs, 2))
        envfs.mount()
        readers = start_readers(envfs, 2, ["a", "b"], "--patient")
        time.sleep(1)
        begun = time.monotonic()
        if end == "umount":
            # In use: refused at most, never hung; then without force when all have gone.
            envfs.umount(check=False)
        elif end == "lazy":
            envfs.run("umount", envfs.dir, "--lazy", "-q")
        elif end == "term":
            envfs.kill(signal.SIGTERM)
        else:
            envfs.kill()
            subprocess.run(["umount", "-l", str(envfs.dir)], check=True)
        assert time.monotonic() - begun < 5
        for s in collect(readers):
            assert "wrong bytes" not in s and "empty lib" not in s
        if is_mounted(envfs.dir):
            envfs.umount()
        assert wait_until(lambda: not envfs.is_running(), 5)
        assert not is_mounted(envfs.dir)
        envfs.run("verify")
        envfs.mount()
        said = collect(start_readers(envfs, 1, ["a", "b"]))
        assert [s for s in said if not s.startswith("ok ")] == []


@pytest.fixture
def quick(tmp_path):
    """With a store where syncing costs nothing, so that listing takes less than opening."""
    base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=base) as store, Envfs(tmp_path, store=store) as e:
        yield e


def test_a_list_that_comes_while_others_are_opened(quick, tmp_path):
    """One package is not listed, and is so while the daemon still opens those that are."""
    first = [{"name": f"aaa{k}", "files": {f"lib/first{k}": b"1"}} for k in range(8)]
    rest = [{"name": f"p{k}", "files": {f"lib/p{k}/{i}": b"" for i in range(6000)}}
            for k in range(20)]
    channel = make_channel(tmp_path / "channel", first + rest)
    quick.create("all", quick.explicit(channel, [file_name(d) for d in rest]))
    quick.run("fetch", "-n", "all", "-q")
    for k, d in enumerate(first):
        quick.create(f"e{k}", quick.explicit(channel, [file_name(x) for x in [d, *rest]]))
        quick.mount()
        assert len(os.listdir(quick.prefix(f"e{k}") / "lib")) == len(rest) + 1
        assert quick.is_running()
        quick.umount()
        assert wait_until(lambda: not quick.is_running(), 5)
