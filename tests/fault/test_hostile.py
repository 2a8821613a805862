# SPDX-License-Identifier: Apache-2.0
"""Hostile packages, channels, locks and names through the whole column: refused where they are
looked at, with the reason, beside others that go on, and nothing of them stays."""
import hashlib
import json
import os
import pathlib
import resource
import subprocess
import sys
import time

import pytest
from fault_world import (BIG, BIG_BYTES, SMALL, assert_sound, error_of, left_over, read, reasons)
from envfs import Envfs
from faultserver import FaultServer
from makepkg import make_channel, make_package

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests/bad/pkg"))
from cases import BAD  # noqa: E402

EVERY = int(os.environ.get("ENVFS_HOSTILE_EVERY", "5"))


def explicit(paths):
    return "@EXPLICIT\n" + "".join(
        f"file://{p}#sha256:{hashlib.sha256(pathlib.Path(p).read_bytes()).hexdigest()}\n" for p in paths)


def look(prefix):
    """(what looking at every path of an environment ends with, files that could be read): 'EIO' when
    its listing is refused."""
    errors, good = set(), []
    listed = error_of(os.listdir, prefix)
    if isinstance(listed, str):
        return {listed}, []
    for d, folders, files in os.walk(prefix, onerror=lambda e: errors.add(error_of(os.listdir, e.filename))):
        for n in files:
            if d == str(prefix / "conda-meta"):
                continue
            path = os.path.join(d, n)
            got = error_of(os.lstat, path)
            if not isinstance(got, str) and not os.path.islink(path):
                got = error_of(read, path)
            if isinstance(got, str):
                errors.add(got)
            else:
                good.append(path)
    return errors, good


def try_all(folder, archives):
    """{name: (errors, good files, what status says)}; each archive is its own environment."""
    found = {}
    with Envfs(folder) as e:
        for i, path in enumerate(archives.values()):
            e.create(f"e{i}", explicit([path]))
        e.mount()
        for i, name in enumerate(archives):
            looked = look(e.prefix(f"e{i}"))
            own = {f["error"] for f in e.status()["failures"] if f["name"] in str(archives[name])}
            found[name] = (*looked, " | ".join(own))
        assert left_over(e.store) == []
        e.umount()
        assert_sound(e)
        packs = len(os.listdir(e.store / "packs"))
    return found, packs


def test_archives_by_name(tmp_path):
    archives = {}
    for i, (name, (suffix, data, *_)) in enumerate(list(BAD.items())[::EVERY]):
        archives[name] = tmp_path / f"case-1.0-{i}{suffix}"
        archives[name].write_bytes(data)
    found, packs = try_all(tmp_path, archives)
    wrong = [f"{name}: {errors} {good} {said[:200]}" for name, (errors, good, said) in found.items()
             if errors != {"EIO"} or good or BAD[name][3] not in said]
    assert wrong == []
    assert packs == 0


def edge_archives():
    data = os.environ.get("ENVFS_TESTDATA", "")
    edge = pathlib.Path(data) / "edge"
    return sorted(p for p in edge.rglob("*") if p.name.endswith((".conda", ".tar.bz2"))
                  and p.stat().st_size < 200_000) if data and edge.is_dir() else []


def is_named(path):
    """Whether its name can stand in a list: NAME-VERSION-BUILD."""
    return path.name.replace(".tar.bz2", "").replace(".conda", "").count("-") >= 2


@pytest.mark.skipif(not edge_archives(), reason="no testdata here")
def test_archives_of_others(tmp_path):
    """What pkg/ alone says of an archive is what the mount makes of it."""
    dump = os.environ.get("PKG_DUMP") or pathlib.Path(os.environ["ENVFS"]).parents[1] / "tests/pkg/pkg_dump"
    archives = {str(p): p for p in edge_archives() if is_named(p)}
    lines = subprocess.run([dump, *archives], stdout=subprocess.PIPE, check=True, text=True).stdout
    ends = [json.loads(line) for line in lines.splitlines() if line.startswith('{"end"')]
    assert len(ends) == len(archives)
    bad = {p: end["why"] for p, end in zip(archives, ends) if end["end"] != 0}
    some = {p: archives[p] for i, p in enumerate(archives) if p in bad or i % 6 == 0}
    assert bad and len(some) > len(bad)
    found, _ = try_all(tmp_path, some)
    # What the manifest refuses: a path is listed as a link and packed as a file, or not packed.
    bad.update({p: said for p, (errors, _, said) in found.items()
                if "list says" in said or "has no such entry" in said})
    wrong = [f"{p}: {errors} {good} {said[:200]}" for p, (errors, good, said) in found.items()
             if (p in bad) != (errors == {"EIO"}) or (p in bad and good)]
    assert wrong == []


def test_a_refused_package_beside_good_ones(envfs, channel, server):
    """EIO below that environment, whatever is looked at; other environments have its good packages."""
    name = "tar: parent in name"
    assert BAD[name][0] == ".conda"
    bad = pathlib.Path(channel.folder) / "linux-64/bad-1.0-0.conda"
    bad.write_bytes(BAD[name][1])
    envfs.create("mixed", explicit([bad]) + envfs.explicit(channel, [SMALL]).split("\n", 1)[1])
    envfs.create("good", envfs.explicit(channel, [SMALL]))
    envfs.mount()
    for _ in range(2):
        errors, good = look(envfs.prefix("mixed"))
        assert "EIO" in errors and not [p for p in good if "small" not in p]
    assert error_of(read, envfs.prefix("good") / "lib/small.dat") == b"small" * 100
    assert BAD[name][3] in reasons(envfs) and BAD[name][3] in envfs.log()
    done = envfs.run("fetch", "-n", "mixed", check=False)
    assert done.returncode == 4 and "bad-1.0-0" in done.stderr
    assert left_over(envfs.store) == []
    assert_sound(envfs)


def test_a_listed_path_that_the_payload_lacks(envfs, tmp_path):
    channel = make_channel(tmp_path / "c", [{"name": "liar", "files": {
        "lib/there": b"x" * 1000, "lib/lacking": {"data": "y", "packed": False}}}])
    envfs.create("e", envfs.explicit(channel))
    envfs.mount()
    prefix = envfs.prefix("e")
    for path in ("lib/lacking", "lib/there"):
        assert error_of(read, prefix / path) == "EIO"
    assert "lib/lacking" in reasons(envfs)
    assert os.listdir(envfs.store / "packs") == left_over(envfs.store) == []
    assert_sound(envfs)


def test_a_tail_that_disagrees_with_the_whole(envfs, channel, tmp_path):
    """The listing came from another archive than the bytes: what was listed is never believed over
    what was verified."""
    folder = tmp_path / "other"
    folder.mkdir()
    other = make_package(folder, {"name": "big", "files": {"lib/ghost": b"g", "lib/big.dat": BIG_BYTES}})
    whole, ghost = read(channel.paths[BIG]), read(other)
    path = pathlib.Path(channel.paths[BIG])
    with FaultServer(channel.folder, tmp_path / "log") as server:
        text = envfs.explicit(channel, [BIG], url=server.url + "/ok").replace(
            channel.records[BIG]["sha256"], hashlib.sha256(whole).hexdigest())
        envfs.create("e", text)
        path.write_bytes(ghost)
        envfs.mount()
        prefix = envfs.prefix("e")
        listed = error_of(os.listdir, prefix / "lib")
        path.write_bytes(whole)
        assert error_of(read, prefix / "lib/big.dat") in (BIG_BYTES, "EIO")
        if listed != "EIO":
            assert sorted(listed) == ["big.dat", "ghost"]  # provisional
            assert error_of(read, prefix / "lib/ghost") in ("ENOENT", "EIO")
        envfs.umount()
        envfs.mount()
        assert error_of(read, prefix / "lib/big.dat") == BIG_BYTES
        assert os.listdir(prefix / "lib") == ["big.dat"]
        assert error_of(read, prefix / "bin/big") == b"#!/bin/sh\necho big\n"
    assert_sound(envfs)


HOSTILE_NAMES = ["../x-1.0-0.conda", "/etc/x-1.0-0.conda", "a/../../x-1.0-0.conda", "..",
                 "x\n-1.0-0.conda", "x-1.0-0.conda\x00", "x-1.0-0.zip", "x-1.0-0.conda/..", "x\\-1.0-0.conda"]


@pytest.mark.parametrize("field", ["packages", "packages.conda"])
def test_repodata_with_hostile_file_names(envfs, channel, tmp_path, field):
    """Such records are left out, or the repodata is refused; nothing is ever asked for by them."""
    secret = tmp_path / "x-1.0-0.conda"
    secret.write_bytes(read(channel.paths[SMALL]))
    path = pathlib.Path(channel.folder) / "linux-64/repodata.json"
    doc = json.loads(path.read_text())
    record = dict(doc["packages.conda"][SMALL], name="x", version="1.0", build="0")
    doc[field].update({n: dict(record, fn=n, url=f"file://{secret}") for n in HOSTILE_NAMES})
    path.write_text(json.dumps(doc))
    (path.parent / "repodata.json.zst").unlink()
    done = envfs.run("create", "-n", "e", "x", "--override-channels", "-c", channel.url, check=False)
    assert done.returncode != 0 and "envfs: " in done.stderr, done.stdout
    done = envfs.run("create", "-n", "ok", "small", "--override-channels", "-c", channel.url, check=False)
    listed = envfs.run("list", "-n", "ok", "--explicit", check=False).stdout
    assert ".." not in listed and "etc" not in listed
    assert done.returncode == 0 and SMALL in listed  # the good record beside them serves
    assert_sound(envfs)


@pytest.mark.parametrize("base", ["file:///etc/", "file:///", "ftp://127.0.0.1/", "javascript:x", "../../..",
                                  "http://user:pw@127.0.0.1:1/"])
def test_repodata_with_another_base_url(envfs, channel, server, base):
    """A channel over HTTP may name another server, never files of this machine."""
    path = pathlib.Path(channel.folder) / "linux-64/repodata.json"
    doc = json.loads(path.read_text())
    doc["info"]["base_url"] = base
    path.write_text(json.dumps(doc))
    (path.parent / "repodata.json.zst").unlink()
    done = envfs.run("create", "-n", "e", "small", "--override-channels", "-c", server.url + "/ok", check=False)
    if done.returncode == 0:
        listed = envfs.run("list", "-n", "e", "--explicit").stdout
        url = listed.splitlines()[-1]
        assert url.startswith("http://127.0.0.1:") and "pw" not in url
    else:
        assert "base_url" in done.stderr, done.stderr


SHA = "#sha256:" + "1" * 64
LOCKS = {
    "coded slashes": f"http://127.0.0.1:1/linux-64/..%2f..%2fx-1.0-0.conda{SHA}",
    "no package": f"file:///etc/passwd{SHA}",
    "another scheme": f"ftp://127.0.0.1/linux-64/x-1.0-0.conda{SHA}",
    "gopher": f"gopher://127.0.0.1:1/linux-64/x-1.0-0.conda{SHA}",
    "a control byte": f"http://127.0.0.1:1/linux-64/x\x1b-1.0-0.conda{SHA}",
    "no host": f"http:///linux-64/x-1.0-0.conda{SHA}",
    "an option": "--config=/etc/passwd",
    "a short hash": "http://127.0.0.1:1/linux-64/x-1.0-0.conda#sha256:00",
    "no hexadecimal hash": "http://127.0.0.1:1/linux-64/x-1.0-0.conda#sha256:" + "g" * 64,
    "5,000 bytes": f"http://127.0.0.1:1/{'a' * 5000}/linux-64/x-1.0-0.conda{SHA}",
    "a name of 300 bytes": f"http://127.0.0.1:1/linux-64/{'x' * 300}-1.0-0.conda{SHA}",
    "twice the same name": f"http://127.0.0.1:1/linux-64/x-1.0-0.conda{SHA}\nhttp://127.0.0.1:1/linux-64/x-2.0-0.conda{SHA}",
}


@pytest.mark.parametrize("name", LOCKS)
def test_hostile_locks(envfs, name):
    path = envfs.folder / "lock.txt"
    path.write_text(f"@EXPLICIT\n{LOCKS[name]}\n")
    done = envfs.run("create", "-n", "e", "-f", path, check=False)
    assert done.returncode in (1, 2, 4), (done.returncode, done.stderr)
    assert done.stderr.startswith("envfs: ") and len(done.stderr) < 2000
    assert "\x1b" not in done.stderr
    assert not (envfs.store / "envs").exists() or os.listdir(envfs.store / "envs") == []


NAMES = ["..", ".", "", "/", "a/b", "../../x", "/tmp/x", "a\nb", "a\x1b[31m", "-x", ".hidden", "x" * 65,
         "caf\udce9", "a b", "a:b", "base\x7f"]


@pytest.mark.parametrize("name", NAMES)
def test_hostile_environment_names(envfs, channel, name):
    path = envfs.folder / "list.txt"
    path.write_text(envfs.explicit(channel, [SMALL]))
    before = sorted(os.listdir(envfs.folder))
    for words in (["create", f"--name={name}", "-f", path], ["env", "remove", f"--name={name}"],
                  ["list", f"--name={name}"], ["fetch", f"--name={name}"], ["run", f"--name={name}", "--", "true"]):
        done = envfs.run(*words, check=False, errors="surrogateescape")
        assert done.returncode not in (0,) and done.returncode < 8, (words, done.stderr)
        assert "\x1b" not in done.stderr
    assert set(os.listdir(envfs.folder)) - set(before) <= {"store"}
    if (envfs.store / "envs").exists():
        assert os.listdir(envfs.store / "envs") == []


def test_names_from_an_environment_file(envfs, channel):
    for name in ("../x", "/etc/x", "a/b"):
        path = envfs.folder / "environment.yml"
        path.write_text(f"name: {name}\nchannels: ['{channel.url}', nodefaults]\ndependencies: [small]\n")
        done = envfs.run("create", "-f", path, check=False)
        assert done.returncode in (1, 2) and "name" in done.stderr, done.stderr


BOMBS = {n: b for n, b in BAD.items() if n.startswith("bomb: ") and len(b[1]) < 4 << 20}


def test_bombs(tmp_path):
    """They stop early, in time and in bounded memory, and leave nothing; `envfs fetch` calls them
    refused (exit code 4)."""
    assert len(BOMBS) >= 5
    with Envfs(tmp_path) as e:
        for i, (name, (suffix, data, _, word)) in enumerate(BOMBS.items()):
            path = tmp_path / f"bomb{i}-1.0-0{suffix}"
            path.write_bytes(data)
            e.create(f"e{i}", explicit([path]))
            at = time.monotonic()
            done = e.run("fetch", "-n", f"e{i}", check=False)
            assert done.returncode == 4 and word in done.stderr, (name, done)
            assert time.monotonic() - at < 20, name
            assert left_over(e.store) == [], name
        assert os.listdir(e.store / "packs") == []
        used = sum(p.stat().st_blocks * 512 for p in e.store.rglob("*"))
        assert used < 4 << 20
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 1 << 20  # KiB
        assert_sound(e)
