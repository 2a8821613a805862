# SPDX-License-Identifier: Apache-2.0
"""Many at once on one store and on one environment: each artifact is fetched once, no change is
lost, and the index stays sound."""
import collections
import json
import os
import random
import signal
import subprocess
import time

import pytest
from fault_world import assert_sound, left_over, read
from envfs import Envfs
from faultserver import FaultServer
from makepkg import make_channel

PROCESSES = 8
NAMES = [f"p{i}" for i in range(6)]


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    return make_channel(tmp_path_factory.mktemp("packages"), [
        {"name": n, "files": {f"lib/{n}.dat": random.Random(n).randbytes(200_000), "lib/shared" + n: b"same" * 5000}}
        for n in NAMES])


@pytest.fixture
def server(packages, tmp_path):
    with FaultServer(packages.folder, tmp_path / "requests.log") as s:
        yield s


def start(envfs, *words):
    return subprocess.Popen([*envfs.command, *map(str, words)], env=envfs.environ, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finish(children, timeout=60):
    return [(*c.communicate(timeout=timeout), c.returncode) for c in children]


def bytes_of(server, packages):
    """{file name: how many times its size was sent}"""
    sent = collections.Counter()
    for r in server.log():
        name = r["path"].rsplit("/", 1)[1]
        if name in packages.records:
            sent[name] += r["bytes"] / packages.records[name]["size"]
    return sent


def test_eight_make_and_fetch_the_same(envfs, packages, server):
    (envfs.folder / "list.txt").write_text(envfs.explicit(packages, url=server.url + "/ok"))
    # Into a store that is not there yet.
    done = finish([start(envfs, "create", "-n", f"e{i}", "-f", envfs.folder / "list.txt") for i in range(PROCESSES)])
    assert [d for d in done if d[2] != 0] == []
    done = finish([start(envfs, "fetch", "-n", f"e{i}") for i in range(PROCESSES)])
    assert [d for d in done if d[2] != 0] == []
    sent = bytes_of(server, packages)
    assert sorted(sent) == sorted(packages.records)
    assert max(sent.values()) < 1.5, sent  # once, and at most its tail for the list
    numbers = [set(os.listdir(envfs.store / k)) for k in ("packs", "manifests")]
    assert numbers[0] <= numbers[1] and len(numbers[1]) == len(NAMES)
    assert sorted(os.listdir(envfs.store / "gens"), key=int) == [str(i + 1) for i in range(PROCESSES)]
    assert left_over(envfs.store) == []
    assert_sound(envfs)


def test_commands_and_daemons_fetch_the_same(tmp_path, packages, server):
    """Two mounts and three commands want the same packages."""
    with Envfs(tmp_path) as e, Envfs(tmp_path, name="2") as other:
        e.create("e", e.explicit(packages, url=server.url + "/ok"))
        e.mount()
        other.mount()
        children = [start(e, "fetch", "-n", "e") for _ in range(3)]
        readers = [subprocess.Popen(["sha256sum", m.prefix("e") / f"lib/{n}.dat"], stdout=subprocess.PIPE, text=True)
                   for m in (e, other) for n in NAMES]
        assert [d for d in finish(children) if d[2] != 0] == []
        sums = [r.communicate(timeout=60)[0].split()[0] for r in readers]
        assert sums[:len(NAMES)] == sums[len(NAMES):] and len(set(sums)) == len(NAMES)
        sent = bytes_of(server, packages)
        assert max(sent.values()) < 1.5, sent
        e.umount()
        other.umount()
        assert left_over(e.store) == []
        assert_sound(e)


def test_no_update_is_lost(envfs, packages):
    """Eight installs into one environment: each is done, or says that it was not to be (exit code 5);
    what was done is all there."""
    channel = ["--override-channels", "-c", packages.url]
    envfs.run("create", "-n", "e", NAMES[0], *channel)
    children = {n: start(envfs, "install", "-n", "e", n, *channel) for n in NAMES[1:]}
    done = {n: (*c.communicate(timeout=60), c.returncode) for n, c in children.items()}
    for n, (_, err, code) in done.items():
        assert code in (0, 5), (n, err)
        if code == 5:
            assert "e" in err and len(err) > 20
    installed = {p["name"] for p in json.loads(envfs.run("list", "-n", "e", "--json").stdout)}
    assert installed == {NAMES[0]} | {n for n, d in done.items() if d[2] == 0}
    assert_sound(envfs)
    for n in NAMES:  # and those that were busy work when they are tried again
        envfs.run("install", "-n", "e", n, *channel)
    assert {p["name"] for p in json.loads(envfs.run("list", "-n", "e", "--json").stdout)} == set(NAMES)


def test_one_name_for_many(envfs, packages):
    """Eight creates of one name: one makes it, the others say that it is there."""
    (envfs.folder / "list.txt").write_text(envfs.explicit(packages))
    done = finish([start(envfs, "create", "-n", "one", "-f", envfs.folder / "list.txt") for _ in range(PROCESSES)])
    codes = sorted(d[2] for d in done)
    assert codes[0] == 0 and codes[1] != 0, codes
    assert all(d[2] in (0, 1, 5) for d in done)
    assert all("one" in d[1] for d in done if d[2] != 0)
    assert_sound(envfs)


def test_made_and_removed_all_the_time(envfs, packages):
    """create --force, env remove, list and a mount that looks, for a while: nothing but whole answers."""
    (envfs.folder / "list.txt").write_text(envfs.explicit(packages))
    envfs.run("create", "-n", "stays", "-f", envfs.folder / "list.txt")
    envfs.mount()
    end, looks = time.monotonic() + 3, 0
    wanted = sorted(f"{n}.dat" for n in NAMES) + sorted(f"shared{n}" for n in NAMES)
    while time.monotonic() < end:
        children = [start(envfs, "create", "-n", "comes", "-f", envfs.folder / "list.txt", "--force"),
                    start(envfs, "env", "remove", "-n", "comes"), start(envfs, "env", "list")]
        try:
            assert sorted(os.listdir(envfs.prefix("comes") / "lib")) == wanted
            looks += 1
        except FileNotFoundError:
            pass
        assert sorted(os.listdir(envfs.prefix("stays") / "lib")) == wanted
        for _, err, code in finish(children):
            assert code in (0, 3, 5), err
    envfs.umount()
    assert_sound(envfs)


def test_killed_in_a_crowd(envfs, packages, server):
    """Of eight that fetch, those that hold the locks are killed: the others finish."""
    (envfs.folder / "list.txt").write_text(envfs.explicit(packages, url=server.url + "/f/pause-at-100000"))
    envfs.run("create", "-n", "e", "-f", envfs.folder / "list.txt")
    children = [start(envfs, "fetch", "-n", "e") for _ in range(PROCESSES)]
    time.sleep(0.3)
    for c in children[:PROCESSES // 2]:
        c.send_signal(signal.SIGKILL)
    done = finish(children)
    assert [d for d in done[PROCESSES // 2:] if d[2] != 0] == []
    envfs.run("fetch", "-n", "e")
    envfs.mount("--offline")
    for n in NAMES:
        assert read(envfs.prefix("e") / f"lib/{n}.dat") == random.Random(n).randbytes(200_000)
    envfs.umount()
    assert left_over(envfs.store) == []
    assert_sound(envfs)
