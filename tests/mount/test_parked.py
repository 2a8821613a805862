# SPDX-License-Identifier: Apache-2.0
"""While something is fetched: who waits, who does not, and how waiting ends."""
import errno
import os
import signal
import subprocess
import sys
import time

import pytest
from envfs import wait_until

BIG, SMALL, OTHER = "big-1.0-0.conda", "small-1.0-0.conda", "other-2.0-0.conda"
STALL = "/f/stall-at-200000"


@pytest.fixture
def stalled(envfs, channel, server):
    """big stalls in the middle of its download, after it was listed; other is present."""
    text = envfs.explicit(channel, [SMALL, OTHER], url=server.url + "/ok")
    text += envfs.explicit(channel, [BIG], url=server.url + STALL).split("\n", 1)[1]
    envfs.create("e", text)
    envfs.mount("--stall", "20")
    (envfs.prefix("e") / "lib/other.dat").read_bytes()
    (envfs.prefix("e") / "lib/small.dat").read_bytes()
    return envfs


def start(code, path):
    """A Python that runs code with `path`, after it said so."""
    child = subprocess.Popen([sys.executable, "-S", "-c", "import os, signal, sys\npath = sys.argv[1]\n" + code,
                              str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "ready\n"
    return child


def wait_parked(envfs, count=1):
    assert wait_until(lambda: envfs.status()["parked_requests"] >= count, 10, 0.05)


READ = "print('ready', flush=True)\nopen(path, 'rb').read()\n"
STAT = "print('ready', flush=True)\nos.stat(path)\n"
LINK = "print('ready', flush=True)\nos.readlink(path)\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("code,path", [(READ, "lib/big.dat"), (STAT, "bin/big"), (LINK, "lib/link.dat")])
def test_a_killed_caller_dies_at_once(stalled, code, path, number):
    child = start(code, stalled.prefix("e") / path)
    wait_parked(stalled)
    at = time.monotonic()
    child.send_signal(number)
    child.wait(5)
    assert time.monotonic() - at < 0.1
    assert child.returncode == -number


def test_a_handled_signal_goes_on_waiting(stalled):
    child = start("signal.signal(signal.SIGUSR1, lambda *a: None)\n" + STAT,
                  stalled.prefix("e") / "lib/big.dat")
    wait_parked(stalled)
    for _ in range(3):
        child.send_signal(signal.SIGUSR1)
        time.sleep(0.1)
    assert child.poll() is None
    at = time.monotonic()
    child.send_signal(signal.SIGTERM)
    child.wait(5)
    assert time.monotonic() - at < 0.1
    assert child.returncode == -signal.SIGTERM


def test_what_is_present_stays_fast(stalled):
    children = [start(READ, stalled.prefix("e") / "lib/big.dat") for _ in range(30)]
    wait_parked(stalled, 30)
    lib, longest = stalled.prefix("e") / "lib", 0.0
    for i in range(100):
        at = time.monotonic()
        fd = os.open(lib / "other.dat", os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        assert len(os.pread(fd, 4096, i * 2048)) == 4096
        os.close(fd)
        assert not os.path.exists(lib / f"absent-{i}")
        os.stat(lib / "small.dat")
        longest = max(longest, time.monotonic() - at)
    for c in children:
        c.kill()
        c.wait()
    assert longest < 0.25


def test_listing_goes_on_while_parked(stalled):
    child = start(READ, stalled.prefix("e") / "lib/big.dat")
    wait_parked(stalled)
    at = time.monotonic()
    assert "big.dat" in os.listdir(stalled.prefix("e") / "lib")
    assert os.listdir(stalled.dir) == ["e"]
    assert time.monotonic() - at < 0.25
    child.kill()
    child.wait()


def test_unmount_while_parked(stalled):
    children = [start(STAT, stalled.prefix("e") / "lib/big.dat") for _ in range(10)]
    wait_parked(stalled, 10)
    at = time.monotonic()
    stalled.umount()
    assert time.monotonic() - at < 5
    for c in children:
        c.wait(5)
        assert c.returncode == 1  # OSError: EIO
    assert not os.path.ismount(stalled.dir)
    assert wait_until(lambda: not stalled.is_running(), 5)


def test_term_while_parked(stalled):
    child = start(READ, stalled.prefix("e") / "lib/big.dat")
    wait_parked(stalled)
    at = time.monotonic()
    stalled.kill(signal.SIGTERM)
    assert wait_until(lambda: not stalled.is_running(), 5)
    assert time.monotonic() - at < 5
    child.wait(5)
    assert not os.path.ismount(stalled.dir)


def test_eio_after_the_stall_and_then_another_try(envfs, channel, server):
    envfs.create("e", envfs.explicit(channel, [BIG], url=server.url + "/f/stall-at-200000-times-1"))
    envfs.mount("--stall", "1")
    path = envfs.prefix("e") / "lib/big.dat"
    os.listdir(path.parent)
    at = time.monotonic()
    # fetch itself resumes; a server that stalls at every try is what gives up.
    try:
        size = os.stat(path).st_size
    except OSError as e:
        assert e.errno == errno.EIO
        assert "big-1.0-0" in envfs.log()
        assert any("big" in f["error"] for f in envfs.status()["failures"])
        size = os.stat(path).st_size
    assert size == 1_000_000
    assert time.monotonic() - at < 10


def test_a_server_that_always_stalls_is_eio(envfs, channel, server):
    envfs.create("e", envfs.explicit(channel, [BIG], url=server.url + STALL))
    envfs.mount("--stall", "1")
    path = envfs.prefix("e") / "lib/big.dat"
    os.listdir(path.parent)
    for _ in range(2):  # the next access tries again, and is refused again
        at = time.monotonic()
        with pytest.raises(OSError) as e:
            os.stat(path)
        assert e.value.errno == errno.EIO
        assert time.monotonic() - at < 6
    failures = envfs.status()["failures"]
    assert len(failures) >= 2 and all("127.0.0.1" in f["error"] for f in failures)
    assert "127.0.0.1" in envfs.log()


def test_what_cannot_be_listed_is_eio_below_that_environment_only(envfs, channel, server):
    envfs.create("bad", envfs.explicit(channel, [BIG], url=server.url + "/f/status-404"))
    envfs.create("good", envfs.explicit(channel, [OTHER], url=server.url + "/ok"))
    envfs.mount()
    assert sorted(os.listdir(envfs.dir)) == ["bad", "good"]
    assert os.stat(envfs.prefix("bad")).st_mode & 0o777 == 0o755
    for look in (lambda p: os.stat(p / "bin"), os.listdir, lambda p: os.stat(p / "absent")):
        with pytest.raises(OSError) as e:
            look(envfs.prefix("bad"))
        assert e.value.errno == errno.EIO
    assert os.listdir(envfs.prefix("good") / "lib") == ["other.dat"]
    assert "404" in envfs.log()
    assert any("404" in f["error"] for f in envfs.status()["failures"])


def test_wrong_bytes_are_never_served(envfs, channel, server):
    envfs.create("e", envfs.explicit(channel, [OTHER], url=server.url + "/f/wrong-bytes"))
    envfs.mount("--stall", "2")
    with pytest.raises(OSError) as e:
        (envfs.prefix("e") / "lib/other.dat").read_bytes()
    assert e.value.errno == errno.EIO


def test_offline_says_so_at_once(envfs, channel, server):
    envfs.create("e", envfs.explicit(channel, [BIG], url=server.url + "/ok"))
    envfs.mount("--offline")
    at = time.monotonic()
    with pytest.raises(OSError) as e:
        os.listdir(envfs.prefix("e"))
    assert e.value.errno == errno.EIO
    assert time.monotonic() - at < 1
    assert "offline" in envfs.log()
    assert server.log() == []
