# SPDX-License-Identifier: Apache-2.0
"""Files of the store that are damaged, lost or from the future: EIO where they matter and the
reason, never a wrong byte and never ENOENT; `envfs verify` finds them; all else goes on."""
import json
import os
import re
import shutil
import sqlite3

import pytest
from fault_world import BIG, BIG_BYTES, OLD, SMALL, assert_sound, error_of, left_over, read, reasons, verify
from envfs import Envfs


@pytest.fixture
def filled(envfs, channel):
    """Environment a: big and old, present. b: small, present. Nothing is mounted."""
    envfs.create("a", envfs.explicit(channel, [BIG, OLD]))
    envfs.create("b", envfs.explicit(channel, [SMALL]))
    envfs.run("fetch", "-n", "a")
    envfs.run("fetch", "-n", "b")
    return envfs


def flip(path, at):
    os.chmod(path, 0o644)
    data = bytearray(read(path))
    data[at] ^= 0x10
    # In place: a running daemon has the file open or mapped.
    with open(path, "r+b") as f:
        f.write(data)


def b_works(envfs):
    assert read(envfs.prefix("b") / "lib/small.dat") == b"small" * 100


def number_of(store, kind, name):
    """The pack or manifest whose package is called so."""
    for n in os.listdir(store / kind):
        other = read(store / "manifests" / n)
        if f'"{name}"'.encode() in other or name.encode() in other:
            return n
    raise KeyError(name)


@pytest.mark.parametrize("running", [False, True], ids=["before the mount", "under a running daemon"])
def test_a_flipped_byte_in_a_pack(filled, running):
    path = filled.store / "packs" / number_of(filled.store, "packs", "big")
    if running:
        filled.mount()
        os.listdir(filled.prefix("a") / "lib")
    flip(path, path.stat().st_size // 2)
    if not running:
        filled.mount()
    assert error_of(read, filled.prefix("a") / "lib/big.dat") == "EIO"
    assert error_of(os.stat, filled.prefix("a") / "lib/big.dat") != "ENOENT"
    assert read(filled.prefix("a") / "lib/old.dat") == b"old" * 1000
    b_works(filled)
    assert re.search(r"pack \d+", filled.log())
    assert re.search(r"pack \d+", reasons(filled))
    code, found = verify(filled)
    assert code == 4 and any(level == "fault" and what.startswith("pack") for level, what, _ in found)


def test_every_byte_of_a_pack(filled):
    """Sixteen places over a pack: never a wrong byte."""
    path = filled.store / "packs" / number_of(filled.store, "packs", "big")
    size, whole = path.stat().st_size, read(path)
    for i in range(16):
        flip(path, (size - 1) * i // 15)
        filled.mount()
        got = error_of(read, filled.prefix("a") / "lib/big.dat")
        assert got in ("EIO", BIG_BYTES), i
        b_works(filled)
        filled.umount()
        assert verify(filled)[0] == 4, i
        with open(path, "r+b") as f:
            f.write(whole)
    assert_sound(filled)


def test_a_pack_that_is_gone_or_short(filled):
    path = filled.store / "packs" / number_of(filled.store, "packs", "big")
    whole = read(path)
    for cut in (None, 0, 40, len(whole) - 1):
        path.unlink()
        if cut is not None:
            path.write_bytes(whole[:cut])
        filled.mount()
        got = error_of(read, filled.prefix("a") / "lib/big.dat")
        # Without its last byte the footer is no more, but every block is there and right.
        assert got == "EIO" or (cut == len(whole) - 1 and got == BIG_BYTES), cut
        assert read(filled.prefix("a") / "lib/old.dat") == b"old" * 1000
        b_works(filled)
        assert (got == "EIO") == (reasons(filled) != "")
        filled.umount()
        assert verify(filled)[0] == 4, cut
        path.write_bytes(whole)


def test_a_flipped_byte_in_a_generation(filled):
    number = read(filled.store / "envs/a").split()[-1].decode()
    path = filled.store / "gens" / number
    whole = read(path)
    for at in (0, 9, len(whole) // 2, len(whole) - 1):
        flip(path, at)
        filled.mount()
        assert sorted(os.listdir(filled.dir)) == ["a", "b"]
        for look in (os.listdir, lambda p: os.stat(p / "lib"), lambda p: os.stat(p / "absent")):
            assert error_of(look, filled.prefix("a")) == "EIO", at
        b_works(filled)
        assert "generation" in reasons(filled) and "generation" in filled.log()
        assert filled.run("list", "-n", "a", check=False).returncode in (1, 4)
        assert filled.run("list", "-n", "b").returncode == 0
        code, found = verify(filled)
        assert code == 4 and f"generation {number}" in [what for _, what, _ in found]
        filled.umount()
        with open(path, "r+b") as f:
            f.write(whole)
    assert_sound(filled)


def test_a_generation_that_is_gone(filled):
    number = read(filled.store / "envs/a").split()[-1].decode()
    os.unlink(filled.store / "gens" / number)
    filled.mount()
    assert error_of(os.listdir, filled.prefix("a")) == "EIO"
    b_works(filled)
    assert verify(filled)[0] == 4


def test_a_pointer_that_is_garbage(filled):
    path = filled.store / "envs/a"
    for text in (b"", b"garbage\n", b"-1\n", b"99999999999999999999\n", b"7", b"\0" * 100, b"1\n" * 5000):
        os.unlink(path)
        path.write_bytes(text)
        filled.mount()
        assert error_of(os.listdir, filled.prefix("a")) in ("EIO", "ENOENT"), text
        b_works(filled)
        filled.umount()
        assert verify(filled)[0] == 4, text


def test_a_flipped_byte_in_a_manifest(filled):
    """A manifest that is damaged is made anew from the artifact, or EIO where that cannot be had."""
    path = filled.store / "manifests" / number_of(filled.store, "manifests", "big")
    whole = read(path)
    for at in (0, 12, len(whole) // 2, len(whole) - 1):
        flip(path, at)
        assert verify(filled)[0] == 4
        filled.mount("--offline")
        got = error_of(read, filled.prefix("a") / "lib/big.dat")
        assert got in ("EIO", BIG_BYTES), at
        b_works(filled)
        filled.umount()
        filled.mount()
        assert error_of(read, filled.prefix("a") / "lib/big.dat") in ("EIO", BIG_BYTES)
        filled.umount()
        os.unlink(path)
        path.write_bytes(whole)
    assert_sound(filled)


# What may become of index.db; a command and a daemon that runs get over each.
def delete(store):
    for name in ("index.db", "index.db-wal", "index.db-shm"):
        (store / name).unlink(missing_ok=True)


def garbage(store):
    (store / "index.db").write_bytes(os.urandom(50_000))


def another_database(store):
    delete(store)
    with sqlite3.connect(store / "index.db") as db:
        db.execute("CREATE TABLE other (x)")


def newer_schema(store):
    with sqlite3.connect(store / "index.db") as db:
        db.execute("PRAGMA user_version = 99")


def lost_table(store):
    with sqlite3.connect(store / "index.db") as db:
        db.execute("DROP TABLE object")


def wrong_rows(store):
    with sqlite3.connect(store / "index.db") as db:
        db.execute("UPDATE object SET offset = offset + 4096")


def rolled_back(store):
    with sqlite3.connect(store / "index.db") as db:
        db.execute("UPDATE counter SET next = 1")


def folder(store):
    delete(store)
    (store / "index.db").mkdir()


def cut(store):
    os.truncate(store / "index.db", os.stat(store / "index.db").st_size // 2)


def empty(store):
    os.truncate(store / "index.db", 0)


def wal_of_another(store):
    (store / "index.db-wal").write_bytes(os.urandom(5000))


def dangling_link(store):
    delete(store)
    (store / "index.db").symlink_to("nowhere")


INDEX = [delete, garbage, another_database, newer_schema, lost_table, wrong_rows, rolled_back, folder, cut,
         empty, wal_of_another, dangling_link]


def assert_mends(envfs):
    """At most the index is still damaged, where nobody has met it; and it can be made anew."""
    code, found = verify(envfs)
    faults = [f for f in found if f[0] == "fault"]
    assert code in (0, 4) and all(what.startswith("index") for _, what, _ in faults), found
    envfs.run("verify", "--rebuild-index")
    assert_sound(envfs)


@pytest.mark.parametrize("damage", INDEX, ids=lambda d: d.__name__)
def test_the_index(filled, channel, damage):
    """The mount needs no index to serve; a command makes it anew, and so does a daemon that stores
    something. No number is given twice."""
    filled.create("c", filled.explicit(channel, [OLD, SMALL, BIG]))
    numbers = {k: set(os.listdir(filled.store / k)) for k in ("packs", "manifests", "gens")}
    filled.mount()
    b_works(filled)
    damage(filled.store)
    assert read(filled.prefix("a") / "lib/big.dat") == BIG_BYTES
    b_works(filled)
    late = make_late(filled, channel)
    filled.create("d", late)
    assert read(filled.prefix("d") / "lib/late") == b"late" * 100
    filled.umount()
    assert_mends(filled)
    for kind, before in numbers.items():
        assert before <= set(os.listdir(filled.store / kind))
    filled.mount()
    for name in "abcd":
        assert sorted(os.listdir(filled.prefix(name) / "lib"))
    b_works(filled)


def make_late(envfs, channel):
    from makepkg import make_package
    path = make_package(os.path.join(channel.folder, "linux-64"),
                        {"name": "late", "files": {"lib/late": b"late" * 100}})
    import hashlib
    return f"@EXPLICIT\nfile://{path}#sha256:{hashlib.sha256(read(path)).hexdigest()}\n"


def test_the_daemon_stores_on_when_the_index_is_lost(filled, channel):
    filled.create("late", make_late(filled, channel))
    filled.mount()
    b_works(filled)
    garbage(filled.store)
    assert read(filled.prefix("late") / "lib/late") == b"late" * 100
    filled.umount()
    assert_mends(filled)


def test_verify_reports_and_rebuilds(filled):
    wrong_rows(filled.store)
    code, found = verify(filled)
    assert code == 4 and any(what.startswith("index") for _, what, _ in found)
    filled.run("verify", "--rebuild-index")
    assert_sound(filled)


def test_a_store_of_a_newer_format(filled, channel):
    path = filled.store / "format"
    os.chmod(path, 0o644)
    path.write_text("envfs-store 2\n")
    before = tree(filled.store)
    for words in (["list", "-n", "a"], ["env", "list"], ["verify"], ["verify", "--rebuild-index"],
                  ["fetch", "-n", "a"], ["env", "remove", "-n", "a"], ["mount", filled.dir]):
        done = filled.run(*words, check=False)
        assert done.returncode not in (0, -6, -11), words
        assert "envfs-store 2" in done.stderr and "newer envfs" in done.stderr, words
    assert tree(filled.store) == before  # nothing was touched
    path.write_text("envfs-store 1\n")
    assert_sound(filled)


def tree(folder):
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in sorted(folder.rglob("*")) if p.is_file()}


def test_what_is_no_store(tmp_path):
    with Envfs(tmp_path) as e:
        for content in ("", "something else\n", "envfs-store\n", "envfs-store 1"):
            shutil.rmtree(e.store, ignore_errors=True)
            e.store.mkdir()
            (e.store / "format").write_text(content)
            done = e.run("env", "list", check=False)
            assert done.returncode != 0 and "envfs: " in done.stderr, content
        shutil.rmtree(e.store)
        e.store.write_text("a file")
        done = e.run("env", "list", check=False)
        assert done.returncode != 0 and str(e.store) in done.stderr


def test_leftovers_of_the_dead_are_swept(filled, channel):
    tmp = filled.store / "tmp"
    for name in ("new-4194000-1", "pack-77-4194000-1", "part-4194000-1", "lock-artifact-" + "0" * 64):
        (tmp / name).write_text("left")
    (tmp / f"new-{os.getpid()}-1").write_text("of a process that lives")
    filled.create("c", filled.explicit(channel, [SMALL]))
    assert left_over(filled.store) == [f"new-{os.getpid()}-1"]
    assert_sound(filled)


def test_status_names_the_reason(filled):
    number = read(filled.store / "envs/a").split()[-1].decode()
    flip(filled.store / "gens" / number, 40)
    filled.mount()
    error_of(os.listdir, filled.prefix("a"))
    status = json.loads(filled.run("status", "--json").stdout)["mounts"][0]
    broken = [e for e in status["environments"] if e["name"] == "a"]
    assert broken and ("error" in broken[0] or status["failures"])
    assert "generation" in filled.run("status").stdout
