# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests in which something goes wrong. Run: ENVFS=path/to/envfs pytest tests/fault"""
import errno
import json
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

BIG, SMALL, OLD = "big-1.0-0.conda", "small-1.0-0.conda", "old-1.0-0.tar.bz2"
BIG_BYTES = random.Random(11).randbytes(700_000)


@pytest.fixture
def envfs(tmp_path):
    with Envfs(tmp_path) as e:
        yield e


@pytest.fixture
def channel(tmp_path):
    """big is larger than what is asked for to list it; old must be had whole to be listed."""
    return make_channel(tmp_path / "channel", [
        {"name": "big", "files": {"lib/big.dat": BIG_BYTES, "bin/big": "#!/bin/sh\necho big\n"}},
        {"name": "small", "files": {
            "bin/small": {"data": "#!/bin/sh\necho @PREFIX@\n", "prefix": "text"},
            "lib/small.dat": b"small" * 100}},
        {"name": "old", "format": "tar.bz2", "files": {"lib/old.dat": b"old" * 1000}},
    ])


@pytest.fixture
def server(channel, tmp_path):
    with FaultServer(channel.folder, tmp_path / "requests.log") as s:
        yield s


def error_of(call, *args):
    """The name of the OSError that the call ends with, or what it returns."""
    try:
        return call(*args)
    except OSError as e:
        return errno.errorcode[e.errno]


def read(path):
    with open(path, "rb") as f:
        return f.read()


def verify(envfs):
    """(exit code, [(level, what, text)])"""
    done = envfs.run("verify", "--json", check=False)
    found = json.loads(done.stdout)["findings"]
    return done.returncode, [(f["level"], f["what"], f["text"]) for f in found]


def assert_sound(envfs):
    code, found = verify(envfs)
    assert (code, [f for f in found if f[0] == "fault"]) == (0, [])


def left_over(store):
    """What stands in the store though nothing uses it."""
    return sorted(os.listdir(store / "tmp"))


def reasons(envfs):
    return " | ".join(f["error"] for f in envfs.status()["failures"])
