# SPDX-License-Identifier: Apache-2.0
"""Stores that cannot be written, other users, and what modes everything has."""
import os
import pwd
import shutil
import stat
import subprocess
import tempfile

import pytest
from fault_world import BIG_BYTES, assert_sound, error_of, read, reasons, verify
from envfs import Envfs

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user takes root")
NOBODY = pwd.getpwnam("nobody")
AS_NOBODY = ("setpriv", f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups")


@pytest.fixture
def shared(channel):
    """A folder that everybody may enter (pytest's own are closed to others)."""
    folder = tempfile.mkdtemp(prefix="envfs-shared-")
    os.chmod(folder, 0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def open_device():
    mode = os.stat("/dev/fuse").st_mode & 0o777
    os.chmod("/dev/fuse", 0o666)
    yield
    os.chmod("/dev/fuse", mode)


@pytest.fixture
def owner(shared, channel):
    """root's store: environment e, of which small and old are present and big is listed only."""
    with Envfs(shared) as e:
        e.create("e", e.explicit(channel))
        e.mount()
        os.listdir(e.prefix("e") / "lib")
        read(e.prefix("e") / "lib/small.dat")
        read(e.prefix("e") / "lib/old.dat")
        e.umount()
        yield e


@pytest.fixture
def guest(shared, owner, open_device):
    """nobody, with the same store."""
    folder = os.path.join(shared, "guest")
    os.mkdir(folder)
    with Envfs(folder, store=owner.store, prefix=AS_NOBODY) as e:
        for d in (folder, e.dir, e.runtime, e.home):
            os.chown(d, NOBODY.pw_uid, NOBODY.pw_gid)
        yield e


def as_nobody(*words):
    return subprocess.run([*AS_NOBODY, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def snapshot(folder):
    return {str(p.relative_to(folder)): (p.lstat().st_mtime_ns, p.lstat().st_size, p.lstat().st_mode)
            for p in sorted(folder.rglob("*"))}


@pytest.mark.skipif(not shutil.which("fusermount3"), reason="no fusermount3 here")
def test_a_store_of_another_user(owner, guest):
    """It mounts and serves what it has; what it lacks is EIO with the reason; nothing is written."""
    before = snapshot(owner.store)
    guest.mount()
    prefix = guest.prefix("e")
    assert as_nobody("cat", prefix / "lib/small.dat").stdout == b"small" * 100
    assert as_nobody("ls", prefix / "lib").stdout.split() == [b"big.dat", b"old.dat", b"small.dat"]
    assert as_nobody(prefix / "bin/small").stdout.decode() == f"{prefix}\n"
    missing = as_nobody("cat", prefix / "lib/big.dat")
    assert missing.returncode != 0 and b"Input/output error" in missing.stderr
    assert "read-only" in guest.log()
    assert "small" in guest.run("list", "-n", "e").stdout
    assert "e" in guest.run("env", "list").stdout
    run = guest.run("run", "-n", "e", "--", "small")
    assert run.stdout.endswith("/e\n")
    assert guest.run("info").returncode == 0
    done = guest.run("verify", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for words in (["create", "-n", "x", "-f", owner.folder / "e.txt"], ["env", "remove", "-n", "e"],
                  ["fetch", "-n", "e"], ["verify", "--rebuild-index"]):
        done = guest.run(*words, check=False)
        assert done.returncode not in (0, -6, -11), words
        assert str(owner.store) in done.stderr or "read-only" in done.stderr, (words, done.stderr)
    guest.umount()
    assert snapshot(owner.store) == before


def test_a_read_only_bind_mount(owner, shared, tmp_path):
    frozen = os.path.join(shared, "frozen")
    os.mkdir(frozen)
    subprocess.run(["mount", "--bind", owner.store, frozen], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", frozen], check=True)
        with Envfs(shared, store=frozen, name="ro") as e:
            e.mount()
            assert e.status()["read_only"]
            prefix = e.prefix("e")
            assert read(prefix / "lib/small.dat") == b"small" * 100
            assert sorted(os.listdir(prefix / "lib")) == ["big.dat", "old.dat", "small.dat"]
            assert error_of(read, prefix / "lib/big.dat") == "EIO"
            assert "read-only" in reasons(e)
            assert "small" in e.run("list", "-n", "e").stdout
            assert e.run("run", "-n", "e", "--", "small").stdout.endswith("/e\n")
            assert verify(e)[0] == 0
            for words in (["create", "-n", "x", "-f", owner.folder / "e.txt"], ["env", "remove", "-n", "e"],
                          ["verify", "--rebuild-index"], ["fetch", "-n", "e"]):
                done = e.run(*words, check=False)
                assert done.returncode not in (0, -6, -11), words
                assert "read-only" in done.stderr.lower(), (words, done.stderr)
    finally:
        subprocess.run(["umount", frozen], check=True)
    assert_sound(owner)


def test_a_read_only_store_without_an_index(owner, shared):
    """Nobody who only reads needs it, nor tmp/ or channels/."""
    copy = os.path.join(shared, "copy")
    shutil.copytree(owner.store, copy)
    for name in ("index.db", "index.db-wal", "index.db-shm"):
        if os.path.exists(os.path.join(copy, name)):
            os.unlink(os.path.join(copy, name))
    shutil.rmtree(os.path.join(copy, "tmp"))
    shutil.rmtree(os.path.join(copy, "channels"))
    subprocess.run(["mount", "--bind", copy, copy], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", copy], check=True)
        with Envfs(shared, store=copy, name="copy") as e:
            e.mount()
            assert read(e.prefix("e") / "lib/small.dat") == b"small" * 100
            assert "small" in e.run("list", "-n", "e").stdout
    finally:
        subprocess.run(["umount", copy], check=True)


# What another user might try: a shell line, run as nobody with the store and runtime folder.
ATTACKS = {
    "a new environment": "echo 1 > {store}/envs/evil",
    "another pointer": "echo 1 > {store}/envs/e",
    "a pointer by rename": "cp {store}/envs/e /tmp/evil.$$; mv -f /tmp/evil.$$ {store}/envs/e",
    "into tmp": "echo x > {store}/tmp/new-1-1",
    "a link in tmp": "ln -s /etc/passwd {store}/tmp/lock-index",
    "a hard link in tmp": "ln {store}/format {store}/tmp/lock-index",
    "a pack": "for p in {store}/packs/*; do echo x > $p; done",
    "append to a pack": "for p in {store}/packs/*; do echo x >> $p; done",
    "remove a pack": "rm -f {store}/packs/*",
    "a manifest": "echo x > {store}/manifests/1",
    "a generation": "echo x > {store}/gens/1",
    "the format": "echo x > {store}/format",
    "the index": "echo x > {store}/index.db",
    "the index's WAL": "echo x >> {store}/index.db-wal",
    "a channel": "echo x > {store}/channels/evil",
    "modes": "chmod 777 {store}/envs",
    "move the store": "mv {store} {store}.evil",
    "read the mount": "cat {mount}/e/lib/small.dat",
    "list the mount": "ls {mount}",
    "write below the mount": "echo x > {mount}/e/evil",
    "list the runtime folder": "ls {runtime} | grep .",
    "read the log": "cat {runtime}/*.log",
    "remove the socket": "rm {socket}",
    "take the socket over": "rm -f {socket}; touch {socket}",
    "connect to the socket": "python3 -c 'import socket,sys; s=socket.socket(1); s.connect(sys.argv[1])' {socket}",
    "a signal": "kill -TERM {pid}",
    "its memory": "cat /proc/{pid}/environ",
    "its descriptors": "ls /proc/{pid}/fd/",
}


@pytest.fixture
def attacked(owner):
    # As the daemon makes it by itself; a test's folder is its creator's to close.
    os.chmod(owner.runtime, 0o700)
    owner.mount()
    return owner


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_of_another_user(attacked, name):
    before = snapshot(attacked.store)
    words = dict(store=attacked.store, mount=attacked.dir, runtime=attacked.runtime, pid=attacked.pid,
                 socket=next(attacked.runtime.glob("*.sock")))
    done = as_nobody("sh", "-c", ATTACKS[name].format(**words))
    assert done.returncode != 0, done.stdout
    assert snapshot(attacked.store) == before
    assert attacked.status()["pid"] == attacked.pid
    assert read(attacked.prefix("e") / "lib/small.dat") == b"small" * 100


def test_a_socket_in_an_open_folder_answers_nobody_else(owner):
    """Even where the socket can be reached, its mode and then the peer's user are looked at."""
    os.chmod(owner.runtime, 0o755)
    owner.mount()
    path = next(owner.runtime.glob("*.sock"))
    ask = ("import socket, struct, sys; s = socket.socket(1); s.connect(sys.argv[1]); m = b'{\"op\":\"stop\"}';"
           "s.sendall(struct.pack('<I', len(m)) + m)\n"
           "try: sys.exit(0 if s.recv(4) else 9)\nexcept ConnectionResetError: sys.exit(9)")
    assert as_nobody("/usr/bin/python3", "-c", ask, path).returncode == 1  # may not connect
    os.chmod(path, 0o666)
    assert as_nobody("/usr/bin/python3", "-c", ask, path).returncode == 9  # is cut off
    assert owner.is_running() and owner.status() is not None
    assert "another user" in owner.log()


def test_a_runtime_folder_of_another_user_is_refused(owner, shared):
    """Who owns the folder could put his own socket there."""
    evil = os.path.join(shared, "evil")
    os.mkdir(evil, 0o777)
    os.chown(evil, NOBODY.pw_uid, NOBODY.pw_gid)
    owner.environ["ENVFS_RUNTIME"] = evil
    done = owner.run("mount", owner.dir, check=False)
    assert done.returncode not in (0, -6, -11)
    assert "evil" in done.stderr
    assert os.listdir(evil) == []


@pytest.mark.parametrize("umask", [0o077, 0o000, 0o022, 0o777], ids=oct)
def test_modes_under_any_umask(shared, channel, umask):
    """What the store holds can be read by others as far as the umask lets, and never be written by
    them; what is published is 0444 for its owner too."""
    if umask == 0o777 and os.geteuid() != 0:
        pytest.skip("root only")
    with Envfs(shared) as e:
        (e.folder / "list.txt").write_text(e.explicit(channel))
        for words in (["create", "-n", "e", "-f", e.folder / "list.txt"], ["fetch", "-n", "e"],
                      ["create", "-n", "s", "small", "--override-channels", "-c", channel.url]):
            e.run(*words, umask=umask)
        e.run("mount", e.dir, umask=umask)
        e.pid = e.status()["pid"]
        assert read(e.prefix("e") / "lib/big.dat") == BIG_BYTES
        for path in e.store.rglob("*"):
            mode = stat.S_IMODE(path.lstat().st_mode)
            assert mode & 0o022 == 0, (path, oct(mode))
            assert mode & 0o7000 == 0
            if path.parent.name in ("packs", "manifests", "gens"):
                assert mode & 0o333 == 0, (path, oct(mode))
        for path in e.runtime.iterdir():
            assert stat.S_IMODE(path.lstat().st_mode) & 0o077 == 0, path
        assert stat.S_IMODE(os.stat(e.prefix("e") / "lib/big.dat").st_mode) == 0o644
        e.umount()
        if umask == 0o000:
            assert as_nobody("cat", e.store / "envs/e").returncode == 0


@pytest.mark.parametrize("what", ["store", "packs", "tmp", "envs", "index.db"])
def test_links_in_the_store_are_not_followed(owner, shared, channel, what):
    """A folder of the store that is a link leads nowhere: refused, and nothing is written behind it."""
    elsewhere = os.path.join(shared, "elsewhere")
    os.mkdir(elsewhere)
    if what == "store":  # the store itself may be reached by a link: that is its user's choice
        os.symlink(owner.store, os.path.join(shared, "by-link"))
        assert "e" in owner.run("env", "list", "--store", os.path.join(shared, "by-link")).stdout
        return
    path = owner.store / what
    if path.is_dir():
        os.rename(path, os.path.join(shared, "moved"))
    else:
        os.unlink(path)
    os.symlink(elsewhere if what != "index.db" else os.path.join(elsewhere, "x.db"), path)
    done = owner.run("create", "-n", "y", "-f", owner.folder / "e.txt", check=False)
    if what == "index.db":  # a cache: made anew in its place
        assert done.returncode == 0, done.stderr
        assert not path.is_symlink()
    else:
        assert done.returncode not in (0, -6, -11) and f"'{what}'" in done.stderr
    assert os.listdir(elsewhere) == []
