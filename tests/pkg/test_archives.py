# SPDX-License-Identifier: Apache-2.0
"""Every real archive is read as Python's zipfile and tarfile read it, or refused for a reason
that is pinned here. Needs ENVFS_TESTDATA."""
import bz2
import os

import pytest

import other

PROGRAM = os.environ.get("PKG_DUMP")
if not PROGRAM:
    pytest.skip("PKG_DUMP names no pkg_dump", allow_module_level=True)
DATA = os.environ.get("ENVFS_TESTDATA")
pytestmark = pytest.mark.skipif(not DATA, reason="no ENVFS_TESTDATA")

# The end of the path -> words of the reason.
REFUSED = {
    "channel_a/win-64/repodata.tar.bz2": "no info/index.json",
    "channel_a/linux-64/repodata.tar.bz2": "no info/index.json",
    "historical/dummy-channel.tar.bz2": "no info/index.json",
    "archives/a.tar.bz2": "no info/index.json",
    "archives/b.tar.bz2": "no info/index.json",
    "archives/subfolder.tar.bz2": "no info/index.json",
    "archives/subfolder2.tar.bz2": "no info/index.json",
    "sparse/info-only-1.0.0-0.conda": "there is no pkg-*.tar.zst",
    "noarch/bad_package.tar.bz2": "no bzip2 data",
    "noarch/another_bad_package.conda": "0 bytes are no archive",
    # Symlinks without a target: no system can make these.
    "conda-conda_format_repo/osx-64/zlib-1.2.11-h1de35cc_3.conda": "link target ''",
    "conda-conda_format_repo/linux-64/zlib-1.2.11-h7b6447c_3.conda": "link target ''",
    "features/ca-certificates-2024.7.4-hbcca054_0.conda": "is a folder",
}
# Bare tars of conda's own tests: made into packages here.
TRAVERSAL = {
    "absolute1.tar": "absolute", "absolute2.tar": "absolute", "relative0.tar": "'..' part",
    "relative2.tar": "'..' part", "dirsymlink.tar": "stands below 'tmp', which is a link",
    "dirsymlink2a.tar": "stands below 'par', which is a link",
    "dirsymlink2b.tar": "stands below 'cur', which is a link", "symlink.tar": "stands twice",
}


def artifacts():
    found = []
    for top in ("edge", "features", "channels", "repacked"):
        for folder, _, names in os.walk(os.path.join(DATA or "/nowhere", top)):
            found += [os.path.join(folder, n) for n in names if n.endswith((".conda", ".tar.bz2"))]
    return sorted(found)


def reason_of(path):
    return next((word for end, word in REFUSED.items() if path.endswith("/" + end)), None)


@pytest.fixture(scope="session")
def answers():
    paths = artifacts()
    return dict(zip(paths, other.dump(PROGRAM, paths, "-w")))


def test_all_there(answers):
    assert len(answers) > 400
    assert {end for end in REFUSED if not any(p.endswith("/" + end) for p in answers)} == set()


@pytest.mark.parametrize("path", artifacts(), ids=[os.path.relpath(p, DATA) for p in artifacts()])
def test_as_others(path, answers):
    lines, code, why = answers[path]
    word = reason_of(path)
    if word:
        assert code == -74 and word in why
        return
    assert (code, why) == (0, "")
    assert lines == other.expected(path)


@pytest.mark.parametrize("have", [1, 1000, 65536])
def test_tails(answers, have):
    paths = [p for p in answers if p.endswith(".conda") and not reason_of(p)]
    for path, (lines, code, why) in zip(paths, other.dump(PROGRAM, paths, "-w", "-t", str(have))):
        told = [x for x in answers[path][0] if "meta" in x or "row" in x]
        if code == -61:  # no paths.json
            assert "paths.json" in why and not any("type" in x and x["type"] for x in told)
        else:
            assert (code, lines) == (0, told), (path, why)


@pytest.mark.parametrize("name", TRAVERSAL)
def test_traversal(name, tmp_path):
    with open(os.path.join(DATA, "edge", "conda-tar_traversal", name), "rb") as f:
        data = bz2.compress(f.read())
    (tmp_path / "x.tar.bz2").write_bytes(data)
    (_, code, why), = other.dump(PROGRAM, [str(tmp_path / "x.tar.bz2")])
    assert code == -74 and TRAVERSAL[name] in why
