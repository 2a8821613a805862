# SPDX-License-Identifier: Apache-2.0
"""Servers that lie, stall and break off, seen through the mount: EIO with the reason, in time,
and never a wrong byte. What the fetch room makes of each fault is tests/unit/test_fetch.c."""
import os
import shutil
import subprocess
import time

import pytest
from fault_world import (BIG, BIG_BYTES, OLD, SMALL, assert_sound, error_of, left_over, read, reasons)
from faultserver import FaultServer

STALL_S = 1


def mounted(envfs, server, channel, names, fault):
    envfs.create("e", envfs.explicit(channel, names, url=f"{server.url}/{fault}"))
    envfs.mount("--stall", STALL_S)
    return envfs.prefix("e")


# fault -> words of the reason. old must be had whole before it can be listed.
REFUSED = {
    "wrong-bytes": "SHA-256",
    "length-plus-1": "bytes",
    "length-minus-1": "bytes",
    "long": "bytes",
    "html": "bytes",
    "status-404": "404",
    "status-401": "401",
    "status-403": "403",
    "status-500": "500",
    "redirect-file": "redirect",
    "redirect-loop": "redirect",
    "redirect-none": "redirect",
    "header-bomb": "header",
    "garbage": "HTTP",
    "gzip": "",
    "silent": "",
    "stall-at-0": "",
    "slow-headers": "",
    "reset": "",
    "close": "",
}


@pytest.mark.parametrize("fault", REFUSED)
def test_refused(envfs, channel, server, fault):
    prefix = mounted(envfs, server, channel, [OLD], f"f/{fault}")
    at = time.monotonic()
    assert error_of(os.listdir, prefix) == "EIO"
    assert error_of(os.stat, prefix / "absent") == "EIO"
    assert error_of(read, prefix / "lib/old.dat") == "EIO"
    assert time.monotonic() - at < 3 * (STALL_S + 2)
    said = reasons(envfs)
    assert "old-1.0-0" in said and REFUSED[fault].lower() in said.lower(), said
    assert "SECRET" not in said and "old-1.0-0" in envfs.log()
    assert left_over(envfs.store) == []
    assert os.listdir(envfs.store / "packs") == os.listdir(envfs.store / "manifests") == []
    assert_sound(envfs)


# Faults that are got over.
MENDED = ["reset-at-300000-times-1", "short-at-300000-times-1", "close-times-1", "reset-times-1",
          "status-503-times-1", "retry-after-1-times-1", "pause-at-300000", "no-range",
          "no-validators,reset-at-300000-times-1", "wrong-range-times-2", "no-content-range-times-2",
          "tail-416", "star-total", "chunked", "no-length", "redirect-3", "redirect-host",
          "weak-etag,reset-at-300000-times-1"]


@pytest.mark.parametrize("fault", MENDED)
def test_mended(envfs, channel, server, fault):
    prefix = mounted(envfs, server, channel, [BIG, OLD], f"f/{fault}")
    assert sorted(os.listdir(prefix / "lib")) == ["big.dat", "old.dat"], reasons(envfs)
    assert read(prefix / "lib/big.dat") == BIG_BYTES
    assert read(prefix / "lib/old.dat") == b"old" * 1000
    assert left_over(envfs.store) == []
    assert_sound(envfs)


def test_a_reset_download_goes_on_where_it_broke(envfs, channel, server):
    prefix = mounted(envfs, server, channel, [BIG], "f/reset-at-300000-times-2")
    assert read(prefix / "lib/big.dat") == BIG_BYTES
    sent = sum(r["bytes"] for r in server.log())
    size = channel.records[BIG]["size"]
    assert sent < size + 200_000, "it began anew"
    assert [r["range"] for r in server.log() if (r["range"] or "").startswith("bytes=300000-")]


def test_listed_by_range_then_the_artifact_changes(envfs, channel, server, tmp_path):
    """Another build under the same name: never its bytes, nor the old ones by its directory."""
    prefix = mounted(envfs, server, channel, [BIG, SMALL], "ok")
    assert "big.dat" in os.listdir(prefix / "lib")
    whole = read(channel.paths[BIG])
    spoilt = bytearray(whole)
    spoilt[len(whole) // 3] ^= 4
    with open(channel.paths[BIG], "wb") as f:
        f.write(spoilt)
    assert error_of(read, prefix / "lib/big.dat") == "EIO"
    assert "SHA-256" in reasons(envfs)
    assert read(prefix / "lib/small.dat") == b"small" * 100
    shutil.copy(channel.paths[SMALL], channel.paths[BIG])
    assert error_of(read, prefix / "bin/big") == "EIO"
    with open(channel.paths[BIG], "wb") as f:
        f.write(whole)
    # A refusal is remembered for a while; a daemon that starts anew asks again.
    envfs.umount()
    envfs.mount()
    assert read(prefix / "lib/big.dat") == BIG_BYTES
    assert_sound(envfs)


def test_gone_and_back(envfs, channel, tmp_path):
    with FaultServer(channel.folder, tmp_path / "log") as server:
        envfs.create("e", envfs.explicit(channel, [OLD], url=f"{server.url}/ok"))
        port = server.port
    envfs.mount("--stall", "1")
    path = envfs.prefix("e") / "lib/old.dat"
    for _ in range(2):
        at = time.monotonic()
        assert error_of(read, path) == "EIO"
        assert time.monotonic() - at < 4
    child = subprocess.Popen(["python3", os.path.join(os.path.dirname(__file__), "../lib/faultserver.py"),
                              "--root", channel.folder, "--port", str(port)], stdout=subprocess.PIPE)
    try:
        assert int(child.stdout.readline()) == port
        assert read(path) == b"old" * 1000  # the next access tries again
    finally:
        child.terminate()
        child.wait()
        child.stdout.close()


def test_fetch_says_what_could_not_be(envfs, channel, server):
    """`envfs fetch`: what is good is present afterwards, what was refused is named; exit code 4."""
    text = envfs.explicit(channel, [SMALL], url=server.url + "/ok")
    text += envfs.explicit(channel, [OLD], url=server.url + "/f/wrong-bytes").split("\n", 1)[1]
    envfs.create("e", text)
    done = envfs.run("fetch", "-n", "e", check=False)
    assert done.returncode == 4 and "old-1.0-0" in done.stderr + done.stdout
    assert "1 of 2" in done.stderr + done.stdout
    assert left_over(envfs.store) == []
    assert_sound(envfs)
