# SPDX-License-Identifier: Apache-2.0
"""A store on a file system that is really full: a clear error, a sound store, and once there is
room again everything works."""
import os
import random
import subprocess

import pytest
from fault_world import assert_sound, error_of, left_over, read, reasons, verify
from envfs import Envfs
from makepkg import make_channel

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tmpfs takes root")
COUNT = 6
FULL = ("No space left", "disk is full", "full")


def content(i):
    return random.Random(i).randbytes(250_000)


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    return make_channel(tmp_path_factory.mktemp("packages"), [
        {"name": f"p{i}", "files": {f"lib/p{i}.dat": content(i), f"bin/p{i}": f"#!/bin/sh\necho {i}\n"}}
        for i in range(COUNT)])


@pytest.fixture
def small(tmp_path):
    """A function that gives an Envfs whose store is a tmpfs with these options."""
    made = []

    def make(options):
        store = tmp_path / f"tmpfs{len(made)}"
        store.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", store], check=True)
        e = Envfs(tmp_path, store=store / "store", name=str(len(made)))
        made.append((e, store))
        return e, store

    yield make
    for e, store in made:
        e.close()
        subprocess.run(["umount", "-l", store], check=True)


def enlarge(store, options="size=64m,nr_inodes=10000"):
    subprocess.run(["mount", "-o", f"remount,{options}", store], check=True)


def said_so(text):
    return any(word in text for word in FULL)


# Sizes at which one step after the other no longer fits: the store, the index, an environment,
# the first packages, the last.
@pytest.mark.parametrize("options", [
    "size=4k", "size=16k", "size=48k", "size=96k", "size=160k", "size=256k", "size=512k", "size=900k",
    "size=1500k", "nr_inodes=4", "nr_inodes=9", "nr_inodes=12", "nr_inodes=14", "nr_inodes=17",
    "nr_inodes=20"])
def test_commands(small, packages, options):
    e, store = small(options)
    text = e.explicit(packages)
    (e.folder / "e.txt").write_text(text)
    for words in (["create", "-n", "e", "-f", e.folder / "e.txt"], ["fetch", "-n", "e"]):
        done = e.run(*words, check=False)
        if done.returncode != 0:
            assert done.returncode in (1, 3, 4), done
            assert "envfs: " in done.stderr, done
            assert said_so(done.stderr) or "no environment" in done.stderr or "no store" in done.stderr, done.stderr
        if (e.store / "format").exists():
            code, found = verify(e)
            assert (code, [f for f in found if f[0] == "fault"]) == (0, []), found
            assert left_over(e.store) == []
    enlarge(store)
    if not (e.store / "envs/e").exists():
        e.run("create", "-n", "e", "-f", e.folder / "e.txt")
    e.run("fetch", "-n", "e")
    assert_sound(e)
    assert len(os.listdir(e.store / "packs")) == COUNT


@pytest.mark.parametrize("options", ["size=300k", "size=700k", "size=1200k", "nr_inodes=20", "nr_inodes=23"])
def test_the_mount(small, packages, options):
    """What there is no room for is EIO with the reason; what is here is served on; as soon as there
    is room the same daemon goes on."""
    e, store = small("size=64m")
    e.create("e", e.explicit(packages))
    enlarge(store, options)
    e.mount("--stall", "5")
    prefix = e.prefix("e")
    failed = 0
    for i in range(COUNT):
        got = error_of(read, prefix / f"lib/p{i}.dat")
        assert got in (content(i), "EIO"), i
        failed += got == "EIO"
    assert failed, "the disk was not full"
    assert said_so(reasons(e)), reasons(e)
    assert said_so(e.log())
    assert left_over(e.store) == []
    code, found = verify(e)
    assert (code, [f for f in found if f[0] == "fault"]) == (0, []), found
    enlarge(store)
    for i in range(COUNT):
        assert error_of(read, prefix / f"lib/p{i}.dat") == content(i)
    e.umount()
    assert_sound(e)


def test_no_room_for_temporary_files(small, packages, tmp_path):
    """TMPDIR on a full disk: what is only scratch goes to memory, or the error names it."""
    e, store = small("size=64m")
    full = tmp_path / "full"
    full.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", full], check=True)
    try:
        (full / "fill").write_bytes(b"x" * 4096)
        e.environ["TMPDIR"] = str(full)
        done = e.run("create", "-n", "e", "p0", "--override-channels", "-c", packages.url, check=False)
        assert done.returncode == 0 or said_so(done.stderr), done
    finally:
        subprocess.run(["umount", full], check=True)
    done = e.run("create", "-n", "e", "p0", "--override-channels", "-c", packages.url, "--force")
    assert_sound(e)
