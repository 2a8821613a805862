# SPDX-License-Identifier: Apache-2.0
"""A short sample of campaign.py: kills and single failing calls, of each command and the daemon."""
import os

import pytest
from campaign import COMMANDS, KINDS, World, points, run

SECONDS = float(os.environ.get("ENVFS_CAMPAIGN_SECONDS", "10"))  # of each of the tests below


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    w = World(tmp_path_factory.mktemp("campaign"))
    yield w
    w.close()


def sample(world, kinds, names, every):
    chosen = points(world, kinds, names, every, seed=every // 2)
    tried, finds = run(world, chosen, SECONDS)
    assert finds == []
    assert tried >= min(len(chosen), 4)


def test_killed_before_any_call(world):
    sample(world, ["kill"], [c.name for c in COMMANDS], 41)


def test_any_call_fails(world):
    sample(world, KINDS[1:], [c.name for c in COMMANDS], 601)


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="no /dev/fuse here")
def test_any_call_of_the_daemon(world):
    world.daemon_count()
    sample(world, KINDS, ["daemon"], 113)


def test_the_campaign_notices(world):
    """A command that claims more than it did, and a store that is broken, are finds."""
    honest = world.expected["env-remove"]
    world.expected["env-remove"] = (honest[0], dict(honest[1], ghost=["@EXPLICIT"]))
    try:
        _, finds = run(world, [("env-remove", "kill", world.counts["env-remove"] + 1)])
        assert len(finds) == 1 and "neither old nor new" in finds[0]
    finally:
        world.expected["env-remove"] = honest


@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="no /dev/fuse here")
def test_a_mount_that_died_before_anyone_looked(world):
    """The kernel has no attributes of its root: even whether it exists is answered with an error."""
    store = world.at("unseen")
    world.must(store, ("create", "-n", "x", "-f", "LIST"))
    child = world.daemon_start(store)
    child.kill()
    child.wait()
    world.must(store, ("mount", str(world.envfs.dir)))
    assert world.read()[1] == b"old\n"
    world.must(store, ("umount", str(world.envfs.dir)))
