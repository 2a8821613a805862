# SPDX-License-Identifier: Apache-2.0
"""envfs verify: finds what is damaged, says so by exit code, and makes the index anew."""
import json

import pytest

import makepkg
from envfs import Envfs

PACKAGES = [{"name": "a", "depends": ["b"], "files": {f"d/{i}": str(i) * 500 for i in range(50)}},
            {"name": "b", "files": {"big": "0123456789" * 50000}}]


@pytest.fixture
def world(tmp_path):
    channel = makepkg.make_channel(tmp_path / "channel", PACKAGES)
    with Envfs(tmp_path) as e:
        e.run("create", "-n", "x", "-c", channel.url, "--override-channels", "a", "-q")
        e.run("fetch", "-n", "x", "-q")
        yield e


def flip(path, at):
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1
    path.write_bytes(data)


def verify(world, *options):
    done = world.run("verify", "--json", *options, check=False)
    return done.returncode, json.loads(done.stdout)


def test_sound(world):
    code, seen = verify(world)
    assert (code, seen["success"], seen["findings"]) == (0, True, [])
    assert (seen["environments"], seen["generations"], seen["packages"], seen["present"]) == (1, 1, 2, 2)


@pytest.mark.parametrize("folder, at", [("packs", 1000), ("packs", -20), ("manifests", 300), ("gens", 200), ("envs", 3)])
def test_damage_is_found(world, folder, at):
    flip(sorted((world.store / folder).iterdir())[0], at)
    code, seen = verify(world)
    assert code == 4 and not seen["success"]
    assert any(f["level"] == "fault" for f in seen["findings"])


def test_a_missing_file_is_found(world):
    for folder in ("packs", "gens"):
        path = sorted((world.store / folder).iterdir())[0]
        data = path.read_bytes()
        path.unlink()
        assert verify(world)[0] == 4
        path.write_bytes(data)
        assert verify(world)[0] == 0


def test_a_damaged_cache_is_a_note(world):
    for path in (world.store / "channels").glob("*.idx"):
        flip(path, 300)
    code, seen = verify(world)
    assert code == 0 and {f["what"] for f in seen["findings"]} == {"cached repodata"}


def test_the_index_is_made_anew(world):
    before = world.run("list", "-n", "x", "--explicit").stdout
    for path in world.store.glob("index.db*"):
        path.unlink()
    assert verify(world, "--rebuild-index")[0] == 0
    # Numbers go on: the same artifacts are the same packages, and nothing is stored twice.
    world.create("y", before)
    world.run("fetch", "-n", "y", "-q")
    code, seen = verify(world)
    assert (code, seen["packages"], seen["generations"]) == (0, 2, 2)


def test_no_store(tmp_path):
    with Envfs(tmp_path) as e:
        done = e.run("verify", check=False)
        assert done.returncode == 3 and "envfs" in done.stderr
