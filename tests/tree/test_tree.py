# SPDX-License-Identifier: Apache-2.0
"""The tree of a mount against what conda would have installed (lib/reference.py), path by path and byte by byte."""
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))
import envfs  # noqa: E402
import makepkg  # noqa: E402
import reference  # noqa: E402

DATA = os.environ.get("ENVFS_TESTDATA", "")
needs_data = pytest.mark.skipif(not DATA, reason="no real data")


@pytest.fixture
def world(tmp_path):
    with envfs.Envfs(tmp_path) as e:
        yield e


def explicit(paths):
    return "@EXPLICIT\n" + "".join(f"file://{p}#sha256:{makepkg.sha256(pathlib.Path(p).read_bytes())}\n" for p in paths)


def compare(world, name, paths):
    want = reference.install(paths, str(world.prefix(name)))
    seen = reference.walk(world.prefix(name))
    assert reference.differences(want, seen) == []
    return want


def locked(world, name):
    """The artifacts of an environment in link order."""
    lines = world.run("list", "-n", name, "--explicit").stdout.splitlines()
    return [line.split("#")[0][len("file://"):] for line in lines if line.startswith("file://")]


P = "@PREFIX@"
CASES = {
    "files, modes, times": [{"name": "a", "files": {
        "bin/x": {"data": "#!/bin/sh\n", "mode": 0o775}, "bin/s": {"data": "s", "mode": 0o4755}, "etc/ro": {"data": "", "mode": 0o444},
        "lib/t": {"data": "t", "mtime": "1700000000.123456789"}, "lib/l": {"link": "t"}, "lib/dangling": {"link": "/nowhere/at/all"},
        "var/empty": {"dir": True}}}],
    "text prefix": [{"name": "a", "files": {
        "bin/x": {"data": f"#!{P}/bin/python\n{P} and {P}\n", "prefix": "text", "mode": 0o755},
        "etc/none": {"data": "nothing of that kind", "prefix": "text"}}}],
    "binary prefix": [{"name": "a", "files": {
        "lib/one.so": {"data": f"\x7fELF\0{P}/lib\0tail", "prefix": "binary"},
        "lib/two.so": {"data": f"a{P}/lib:{P}/lib64\0b{P}\0", "prefix": "binary"},
        "lib/eof.so": {"data": f"a\0{P}/share", "prefix": "binary"}}}],
    "v1 without paths.json": [{"name": "a", "format": "tar.bz2", "paths_json": False, "files": {
        "bin/x": {"data": f"{P}\n", "prefix": "text"}, "lib/b": {"data": f"\0{P}\0", "prefix": "binary"}, "lib/l": {"link": "b"}}}],
    "info last": [{"name": "a", "format": "tar.bz2", "info_last": True, "files": {"x": "y"}}],
    "info in the payload, unlisted files": [{"name": "a", "info_in_pkg": True, "files": {
        "x": "y", "hidden": {"data": "h", "listed": False}}}],
    "hard links": [{"name": "a", "files": {"x": "same", "y": {"hardlink": "x"}, "d/z": {"hardlink": "x"}}}],
    "case-colliding names": [{"name": "a", "files": {"N": "1", "n": "2", "D/x": "3", "d/x": "4"}}],
    "unicode": [{"name": "a", "files": {"share/é€/ü": "x"}}],
    "clobbers: the dependent wins": [
        {"name": "z", "files": {"shared": "z", "d/x": "zx", "only/z": ""}},
        {"name": "a", "depends": ["z"], "files": {"shared": "a", "d/x": "ax", "only/a": ""}}],
    "clobbers: by name": [{"name": "b", "files": {"shared": "b"}}, {"name": "a", "files": {"shared": "a"}}],
    "noarch python": [
        {"name": "python", "version": "3.11.4", "files": {"bin/python3.11": {"data": "", "mode": 0o755}, "lib/python3.11/os.py": ""}},
        {"name": "p", "noarch": "python", "subdir": "noarch", "depends": ["python"], "entry_points": ["p = p:main", "q = p.x:y.z"],
         "files": {"site-packages/p/__init__.py": "", "python-scripts/s": {"data": "s", "mode": 0o755}, "share/p": "x"}}],
    "noarch python with its own place": [
        {"name": "python", "version": "3.13.1", "index": {"python_site_packages_path": "lib/python3.13t/site-packages"},
         "repodata": {"python_site_packages_path": "lib/python3.13t/site-packages"}, "files": {"bin/python3.13t": ""}},
        {"name": "p", "noarch": "python", "subdir": "noarch", "depends": ["python"], "files": {"site-packages/p.py": "x"}}],
    "many files": [{"name": "a", "files": {f"d/{i:04}": str(i) for i in range(3000)}}],
}


@pytest.mark.parametrize("case", CASES)
def test_made(world, tmp_path, case):
    channel = makepkg.make_channel(tmp_path / "channel", CASES[case])
    world.run("create", "-n", "x", "-c", channel.url, "--override-channels", *{d["name"] for d in CASES[case]})
    world.mount()
    compare(world, "x", locked(world, "x"))


def test_an_explicit_list_in_any_order(world, tmp_path):
    """What wins depends on the packages, not on the order in which somebody listed them."""
    channel = makepkg.make_channel(tmp_path / "channel", [
        {"name": "z", "files": {"shared": "z", "d/x": "zx", "d/z": ""}},
        {"name": "a", "depends": ["z >=1"], "files": {"shared": "a", "d/x": "ax", "d/a": ""}},
        {"name": "b", "files": {"shared": "b"}}])
    paths = [channel.paths[f"{n}-1.0-0.conda"] for n in "bza"]  # by name, but a needs z
    for number, order in enumerate(((0, 1, 2), (2, 1, 0), (1, 2, 0))):
        world.create(f"x{number}", explicit([paths[i] for i in order]))
    world.mount()
    for number in range(3):
        want = reference.install(paths, str(world.prefix(f"x{number}")))
        assert reference.differences(want, reference.walk(world.prefix(f"x{number}"))) == []


def features():
    return sorted(p for p in pathlib.Path(DATA, "features").glob("*") if p.suffix in (".conda", ".bz2")) if DATA else []


@needs_data
@pytest.mark.parametrize("path", features(), ids=[p.name for p in features()])
def test_features(world, path):
    """Each real package alone; the one that is no .conda at all gives EIO, never ENOENT."""
    world.create("x", explicit([path]))
    world.mount()
    if path.name.startswith("ca-certificates-2024.7.4"):
        with pytest.raises(OSError) as failed:
            os.listdir(world.prefix("x"))
        assert failed.value.errno == 5
        assert any("ca-certificates" in f["error"] for f in world.status()["failures"])
        return
    archive = reference.Archive(path)
    if archive.noarch_python():
        pytest.skip("a noarch python package needs a python beside it: test_runnable has those")
    compare(world, "x", [path])


@needs_data
@pytest.mark.parametrize("channel, specs, count", [
    ("py311", ["python", "pip", "setuptools", "wheel"], None),
    ("py36-2018", ["python=3.6", "flask", "pytest", "pyyaml", "cryptography", "requests", "pip"], 43),
])
def test_runnable(world, channel, specs, count):
    world.run("create", "-n", "x", "-c", f"{DATA}/channels/{channel}", "--override-channels", *specs)
    world.mount()
    paths = locked(world, "x")
    assert count in (None, len(paths))
    want = compare(world, "x", paths)
    # Timestamp pycs are valid through the mount: importing writes and recompiles nothing.
    bad = subprocess.run([world.prefix("x") / "bin/python", "-c", STALE], capture_output=True, text=True, timeout=120)
    assert bad.returncode == 0, bad.stderr
    stale = [line for line in bad.stdout.splitlines() if not want[line].patched]
    assert stale == []
    done = subprocess.run([world.prefix("x") / "bin/python", "-m", "pip", "check"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout


# Prints the sources whose timestamp pyc does not fit them.
STALE = """
import os, struct, sys
for folder, _, names in os.walk(sys.prefix):
    for n in names:
        if n.endswith('.py'):
            p = os.path.join(folder, n)
            c = os.path.join(folder, '__pycache__', n[:-3] + '.' + sys.implementation.cache_tag + '.pyc')
            if os.path.exists(c):
                h = open(c, 'rb').read(16)
                off = 8 if sys.version_info >= (3, 7) else 4
                if sys.version_info >= (3, 7) and struct.unpack('<I', h[4:8])[0]:
                    continue
                t, size = struct.unpack('<II', h[off:off + 8])
                st = os.stat(p)
                if (t, size) != (int(st.st_mtime) & 0xffffffff, st.st_size & 0xffffffff):
                    print(os.path.relpath(p, sys.prefix))
"""
