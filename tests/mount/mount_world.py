# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests with real mounts. Run: ENVFS=path/to/envfs pytest tests/mount"""
import os
import pathlib
import random
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

from envfs import Envfs  # noqa: E402
from faultserver import FaultServer  # noqa: E402
from makepkg import make_channel  # noqa: E402

if not os.path.exists("/dev/fuse"):
    pytest.skip("no /dev/fuse here", allow_module_level=True)


def noise(count, seed=1):
    """Bytes that do not compress, so that a package stays larger than its listing."""
    return random.Random(seed).randbytes(count)


@pytest.fixture
def envfs(tmp_path):
    with Envfs(tmp_path) as e:
        yield e


@pytest.fixture
def channel(tmp_path):
    """Three packages: big is larger than any listing of it; they share bin and lib."""
    return make_channel(tmp_path / "channel", [
        {"name": "big", "files": {
            "bin/big": "#!/bin/sh\necho big\n",
            "lib/big.dat": noise(1_000_000),
            "lib/link.dat": {"link": "big.dat"},
            "share/big/deep/er/note": "deep\n"}},
        {"name": "small", "files": {
            "bin/small": {"data": "#!/bin/sh\necho @PREFIX@\n", "prefix": "text"},
            "lib/small.dat": b"small" * 100,
            "lib/empty": b""}},
        {"name": "other", "version": "2.0", "files": {
            "bin/other": "#!/bin/sh\necho other\n",
            "lib/other.dat": noise(300_000, 2)}},
    ])


@pytest.fixture
def server(channel, tmp_path):
    with FaultServer(channel.folder, tmp_path / "requests.log") as s:
        yield s


def gets(server, name):
    """The server's log of GETs of a file: (range, bytes sent)."""
    return [(r["range"], r["bytes"]) for r in server.log()
            if r["method"] == "GET" and name in r["path"]]
