# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the tests of the command. Run: ENVFS=path/to/envfs pytest tests/cli"""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "lib"))

from faultserver import FaultServer  # noqa: E402
from makepkg import make_channel  # noqa: E402
from world import PACKAGES, World, package  # noqa: E402


@pytest.fixture(scope="session")
def channel(tmp_path_factory):
    return make_channel(tmp_path_factory.mktemp("channels") / "main", PACKAGES)


@pytest.fixture(scope="session")
def second(channel):
    """Another channel, with a newer lib."""
    folder = os.path.join(os.path.dirname(channel.folder), "second")
    return make_channel(folder, [package("lib", "3.0"), package("only", "1.0", ["lib"])])


@pytest.fixture
def envfs(tmp_path, channel):
    with World(tmp_path, channel) as e:
        yield e


@pytest.fixture
def mounted(envfs):
    if not os.path.exists("/dev/fuse"):
        pytest.skip("no /dev/fuse here")
    return envfs


@pytest.fixture
def server(channel, tmp_path):
    with FaultServer(channel.folder, tmp_path / "requests.log") as s:
        yield s
