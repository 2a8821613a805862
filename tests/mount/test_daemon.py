# SPDX-License-Identifier: Apache-2.0
"""The daemon's life: start, refusal, end, and what is left of it."""
import json
import os
import pathlib
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import time

import pytest
from mount_world import noise
from envfs import Envfs, Failed, is_mounted, wait_until

BIG, SMALL, OTHER = "big-1.0-0.conda", "small-1.0-0.conda", "other-2.0-0.conda"


def numbers(prefix):
    return {os.path.join(d, n): os.lstat(os.path.join(d, n)).st_ino
            for d, folders, files in os.walk(prefix) for n in folders + files}


def test_numbers_outlive_the_daemon(envfs, channel):
    envfs.create("e", envfs.explicit(channel))
    envfs.mount()
    before = numbers(envfs.prefix("e"))
    assert len(before) > 10
    envfs.umount()
    envfs.mount()
    assert numbers(envfs.prefix("e")) == before


def test_a_killed_daemon_leaves_a_usable_store(envfs, channel):
    envfs.create("e", envfs.explicit(channel))
    envfs.mount()
    assert (envfs.prefix("e") / "lib/big.dat").read_bytes() == noise(1_000_000)
    envfs.kill()
    assert wait_until(lambda: not envfs.is_running())
    with pytest.raises(OSError):
        os.listdir(envfs.dir)
    assert envfs.status() is None
    envfs.mount()  # over the dead mount, which is cleared away
    assert (envfs.prefix("e") / "lib/big.dat").read_bytes() == noise(1_000_000)


def test_killed_in_the_middle_of_a_download(envfs, channel, server):
    envfs.create("e", envfs.explicit(channel, [BIG], url=server.url + "/f/stall-at-400000-times-2"))
    envfs.mount()
    os.listdir(envfs.prefix("e") / "lib")
    child = subprocess.Popen(["cat", envfs.prefix("e") / "lib/big.dat"], stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    assert wait_until(lambda: any(f["bytes"] for f in envfs.status()["fetching"]))
    envfs.kill()
    child.wait(5)
    envfs.mount()
    assert (envfs.prefix("e") / "lib/big.dat").read_bytes() == noise(1_000_000)
    assert not [p for p in os.listdir(envfs.store / "tmp") if p.startswith(("new-", "pack-"))]


@pytest.mark.parametrize("how", ["umount", "umount -l", "fusermount3 -u", "TERM", "INT", "command"])
def test_every_way_to_unmount_ends_the_daemon(envfs, channel, how):
    envfs.create("e", envfs.explicit(channel, [SMALL]))
    envfs.mount()
    os.stat(envfs.prefix("e") / "lib/small.dat")
    if how == "command":
        envfs.umount()
    elif how in ("TERM", "INT"):
        envfs.kill(getattr(signal, "SIG" + how))
    else:
        subprocess.run([*how.split(), envfs.dir], check=True)
    assert wait_until(lambda: not envfs.is_running(), 5)
    assert not is_mounted(envfs.dir)
    assert list(envfs.runtime.glob("*.sock")) == []


def test_hup_is_ignored(envfs):
    envfs.mount()
    envfs.kill(signal.SIGHUP)
    time.sleep(0.2)
    assert os.listdir(envfs.dir) == [] and envfs.is_running()


def test_in_use(envfs, channel):
    envfs.create("e", envfs.explicit(channel, [SMALL]))
    envfs.mount()
    with open(envfs.prefix("e") / "lib/small.dat") as f:
        with pytest.raises(Failed) as e:
            envfs.umount()
        assert "in use" in e.value.text
        assert f.read() == "small" * 100  # and all goes on
        assert (envfs.prefix("e") / "bin/small").exists()
        f.seek(0)
        envfs.umount("--lazy")
        assert not is_mounted(envfs.dir)
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        assert f.read() == "small" * 100  # what is open is served on
    assert wait_until(lambda: not envfs.is_running(), 5)


def test_refusals(envfs, channel, tmp_path):
    cases = {
        "not empty": lambda: (envfs.dir / "file").write_text(""),
        "already": envfs.mount,
        "below the mount point": lambda: None,
        "inside the store": lambda: None,
    }
    cases["not empty"]()
    with pytest.raises(Failed, match="not empty"):
        envfs.mount()
    (envfs.dir / "file").unlink()
    with pytest.raises(Failed, match="below the mount point"):
        envfs.run("mount", envfs.dir, "--store", envfs.dir / "store")
    assert os.listdir(envfs.dir) == []
    envfs.create("e", envfs.explicit(channel, [SMALL]))
    with pytest.raises(Failed, match="inside the store"):
        envfs.run("mount", envfs.store / "tmp")
    with pytest.raises(Failed, match="mount point"):
        envfs.run("mount", tmp_path / "absent")
    (tmp_path / "plain").write_text("")
    with pytest.raises(Failed, match="no directory"):
        envfs.run("mount", tmp_path / "plain")
    envfs.mount()
    with pytest.raises(Failed, match="already"):
        envfs.mount()
    assert (envfs.prefix("e") / "bin/small").exists()


def test_a_channel_below_the_mount_is_refused(envfs, channel):
    """Reading it would wait for ourselves."""
    envfs.create("e", envfs.explicit(channel, [SMALL]))
    text = envfs.explicit(channel, [BIG]).replace(channel.folder, str(envfs.prefix("e")))
    envfs.create("loop", text)
    envfs.mount()
    at = time.monotonic()
    with pytest.raises(OSError):
        os.listdir(envfs.prefix("loop"))
    assert time.monotonic() - at < 1
    assert any("below this mount" in f["error"] for f in envfs.status()["failures"])
    assert (envfs.prefix("e") / "bin/small").exists()


def test_the_background_keeps_nothing_of_the_caller(envfs):
    envfs.environ["SECRET_OF_MINE"] = "x"
    envfs.mount()
    proc = pathlib.Path("/proc") / str(envfs.pid)
    assert b"SECRET_OF_MINE" not in (proc / "environ").read_bytes() or \
        os.environ.get("SECRET_OF_MINE") is None  # the kernel shows the first environment
    assert os.readlink(proc / "cwd") == "/"
    assert os.readlink(proc / "fd/0") == os.readlink(proc / "fd/1") == "/dev/null"
    assert os.readlink(proc / "fd/2").endswith(".log")
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    assert int(status["Umask"], 8) == 0o022
    assert os.getsid(envfs.pid) == envfs.pid


def test_foreground(envfs, channel):
    envfs.create("e", envfs.explicit(channel, [SMALL]))
    child = subprocess.Popen([*envfs.command, "mount", "-f", envfs.dir], env=envfs.environ,
                             stderr=subprocess.PIPE, text=True)
    envfs.pid = child.pid
    assert wait_until(lambda: is_mounted(envfs.dir))
    assert (envfs.prefix("e") / "lib/small.dat").read_text() == "small" * 100
    child.terminate()
    _, text = child.communicate(timeout=10)
    assert child.returncode == 0
    assert "is mounted on" in text and "is unmounted" in text


def test_a_read_only_store(envfs, channel, tmp_path):
    envfs.create("e", envfs.explicit(channel, [SMALL, BIG]))
    envfs.mount()
    (envfs.prefix("e") / "lib/small.dat").read_bytes()
    os.listdir(envfs.prefix("e") / "lib")
    envfs.umount()
    frozen = tmp_path / "frozen"
    frozen.mkdir()
    subprocess.run(["mount", "--bind", envfs.store, frozen], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", frozen], check=True)
        with Envfs(tmp_path, store=frozen, name="ro") as e:
            e.mount()
            assert e.status()["read_only"]
            assert (e.prefix("e") / "lib/small.dat").read_text() == "small" * 100
            assert "big.dat" in os.listdir(e.prefix("e") / "lib")
            assert not (e.prefix("e") / "lib/absent").exists()
    finally:
        subprocess.run(["umount", frozen], check=True)


def control(envfs, payload, length=None):
    path = next(envfs.runtime.glob("*.sock"))
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(5)
        s.connect(str(path))
        s.sendall(struct.pack("<I", len(payload) if length is None else length) + payload)
        head = s.recv(4)
        return json.loads(s.recv(struct.unpack("<I", head)[0])) if head else None


def test_the_control_socket_survives_nonsense(envfs):
    envfs.mount()
    assert control(envfs, b'{"op":"hello"}')["mount"] == str(envfs.dir)
    assert control(envfs, b'{"op":"dance"}')["ok"] is False
    assert control(envfs, b'{"op":"changed","name":"../x"}')["ok"] is False
    assert control(envfs, b'{"op":"credentials","urls":[1]}')["ok"] is False
    assert control(envfs, b"not json") is None
    assert control(envfs, b"", length=1 << 31) is None
    assert control(envfs, b"x", length=1000) is None  # cut off after a moment
    assert control(envfs, b'{"op":"hello"}')["ok"] is True
    assert oct(next(envfs.runtime.glob("*.sock")).stat().st_mode & 0o777) == "0o600"


def test_a_hung_daemon_hangs_no_command(envfs):
    envfs.mount()
    envfs.kill(signal.SIGSTOP)
    at = time.monotonic()
    envfs.run("status")
    with pytest.raises(Failed):
        envfs.umount()
    assert time.monotonic() - at < 15
    with pytest.raises(Failed, match="does not answer"):
        envfs.mount()
    assert time.monotonic() - at < 20
    envfs.kill(signal.SIGCONT)
    # What nobody waits for any more is not done.
    time.sleep(0.2)
    assert is_mounted(envfs.dir) and envfs.status()["pid"] == envfs.pid


@pytest.fixture
def open_device():
    """Distributions let every user open /dev/fuse; bare containers may not."""
    mode = os.stat("/dev/fuse").st_mode & 0o777
    os.chmod("/dev/fuse", 0o666)
    yield
    os.chmod("/dev/fuse", mode)


NOBODY = pwd.getpwnam("nobody")


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("fusermount3"), reason="root and fuse3")
def test_unprivileged(tmp_path, channel, open_device):
    folder = tmp_path / "user"
    folder.mkdir()
    for p in (tmp_path, *tmp_path.parents):  # pytest's folders are closed to others
        if p.stat().st_uid == 0 and str(p).startswith("/tmp/"):
            p.chmod(0o755)
    become = ("setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups")
    with Envfs(folder, prefix=become) as e:
        for d in (folder, e.dir, e.runtime, e.home):
            os.chown(d, NOBODY.pw_uid, NOBODY.pw_gid)
        e.create("e", e.explicit(channel))
        e.mount()
        with pytest.raises(PermissionError):
            os.listdir(e.dir)  # not even root
        got = subprocess.run([*become, "sha256sum", e.prefix("e") / "lib/big.dat"], check=True,
                             stdout=subprocess.PIPE, text=True).stdout
        assert got.split()[0] == subprocess.run(["sha256sum"], input=noise(1_000_000), check=True,
                                                stdout=subprocess.PIPE).stdout.decode().split()[0]
        assert subprocess.check_output([*become, e.prefix("e") / "bin/small"],
                                       text=True) == f"{e.prefix('e')}\n"
        e.umount()
        assert wait_until(lambda: not e.is_running(), 5)


@pytest.mark.skipif(os.geteuid() != 0, reason="root")
def test_others_are_let_in_only_when_asked(envfs, channel, tmp_path):
    for p in (tmp_path, *tmp_path.parents):
        if p.stat().st_uid == 0 and str(p).startswith("/tmp/"):
            p.chmod(0o755)
    as_nobody = ["setpriv", f"--reuid={NOBODY.pw_uid}", "--clear-groups", "cat"]
    envfs.create("e", envfs.explicit(channel, [SMALL]))
    envfs.mount()
    path = envfs.prefix("e") / "lib/small.dat"
    assert subprocess.run([*as_nobody, path], stderr=subprocess.DEVNULL).returncode != 0
    envfs.umount()
    envfs.mount("--allow-other")
    assert subprocess.check_output([*as_nobody, path], text=True) == "small" * 100
