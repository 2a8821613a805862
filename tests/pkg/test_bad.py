# SPDX-License-Identifier: Apache-2.0
"""Hostile archives by name are refused with their reason, directly and through the worker;
odd ones are read as others read them; cut ones are refused wherever they are cut.

    PKG_DUMP=build/tests/pkg/pkg_dump pytest tests/pkg
"""
import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "bad", "pkg"))
import other  # noqa: E402
from cases import BAD, GOOD  # noqa: E402

PROGRAM = os.environ.get("PKG_DUMP")
if not PROGRAM:
    pytest.skip("PKG_DUMP names no pkg_dump", allow_module_level=True)


def write_all(folder, items):
    paths = {}
    for i, (name, (suffix, data, *_)) in enumerate(items.items()):
        paths[name] = str(folder / f"{i}{suffix}")
        with open(paths[name], "wb") as f:
            f.write(data)
    return paths


def answers(tmp_path_factory, items, *options):
    paths = write_all(tmp_path_factory.mktemp("artifacts"), items)
    return dict(zip(paths, other.dump(PROGRAM, list(paths.values()), *options)))


@pytest.fixture(scope="session")
def direct(tmp_path_factory):
    return answers(tmp_path_factory, BAD)


@pytest.fixture(scope="session")
def by_worker(tmp_path_factory):
    return answers(tmp_path_factory, BAD, "-w")


@pytest.fixture(scope="session")
def good_paths(tmp_path_factory):
    return write_all(tmp_path_factory.mktemp("good"), GOOD)


@pytest.mark.parametrize("name", BAD)
def test_refused(name, direct, by_worker):
    _, _, code, word = BAD[name]
    lines, got, why = direct[name]
    assert (got, word in why) == (-code, True), why
    assert by_worker[name] == (lines, got, why)
    # Nothing but whole, checked things was told before: no name that leaves.
    for line in lines:
        path = line.get("entry") or line.get("row") or "x"
        assert not path.startswith("/") and ".." not in path.split("/")


@pytest.mark.parametrize("options", [(), ("-w",)], ids=["direct", "worker"])
def test_accepted(good_paths, options):
    got = dict(zip(good_paths, other.dump(PROGRAM, list(good_paths.values()), *options)))
    for name, path in good_paths.items():
        lines, code, why = got[name]
        assert (code, why) == (0, ""), name
        if name not in ("before 1970", "two bzip2 streams"):
            assert lines == other.expected(path), name


def test_listed_alike(good_paths):
    """What a list says is what the whole says, and what a tail says."""
    paths = list(good_paths.values())
    whole = other.dump(PROGRAM, paths)
    for options in (("-l",), ("-l", "-w")):
        for path, (lines, code, _), (all_lines, _, _) in zip(
                paths, other.dump(PROGRAM, paths, *options), whole):
            assert code == 0, path
            assert lines == [x for x in all_lines if "meta" in x or "row" in x], path
    condas = [p for p in paths if p.endswith(".conda")]
    for have in ("1", "22", "97", "98", "200", "500", "100000"):
        for path, (lines, code, why) in zip(condas, other.dump(PROGRAM, condas, "-t", have)):
            assert code == 0, (path, have, why)
            assert lines == other.dump(PROGRAM, [path], "-l")[0][0]


@pytest.mark.parametrize("name", ["plain", "plain bz2", "zip64 end"])
def test_cut_anywhere(name, tmp_path):
    suffix, data = GOOD[name]
    step = max(1, len(data) // 300)
    cuts = {f"{n}": (suffix, data[:n]) for n in range(0, len(data), step)}
    for n, (_, code, why) in zip(cuts, other.dump(PROGRAM, list(write_all(tmp_path, cuts).values()))):
        assert code == -74 and why, (n, code, why)


@pytest.mark.parametrize("name", ["plain", "plain bz2"])
def test_flipped_anywhere(name, tmp_path):
    """A flipped byte is an error or changes nothing (a time, a mode, an owner may change)."""
    suffix, data = GOOD[name]
    step = max(1, len(data) // 300)
    flips = {f"{n}": (suffix, data[:n] + bytes([data[n] ^ 0x41]) + data[n + 1:])
             for n in range(0, len(data), step)}
    paths = write_all(tmp_path, flips)
    (clean, _, _), = other.dump(PROGRAM, list(write_all(tmp_path, {"x": (suffix, data)}).values()))
    texts = [x for x in clean if "sha256" in x and "bytes" in x]
    for n, (lines, code, why) in zip(paths, other.dump(PROGRAM, list(paths.values()), "-w")):
        assert code in (0, -74, -27), (n, code, why)
        if code == 0:
            assert [x for x in lines if "sha256" in x and "bytes" in x] == texts, n
