# SPDX-License-Identifier: Apache-2.0
"""What the kernel makes of our answers: caches, listings, types, errors."""
import ctypes
import errno
import mmap
import os
import stat
import struct
import subprocess
import time

import pytest
from mount_world import noise
from makepkg import make_channel

FILES = 20_000


@pytest.fixture
def many(envfs, tmp_path):
    channel = make_channel(tmp_path / "many", [
        {"name": "many", "files": {f"data/{i:05d}": b"" for i in range(FILES)}},
        {"name": "more", "files": {"data/zz": b"z", "data/sub/x": b"x"}},
    ])
    envfs.create("e", envfs.explicit(channel))
    envfs.mount()
    return envfs


def getdents(fd, size):
    """[(name, type, position after it)] of one getdents64(2)."""
    room = ctypes.create_string_buffer(size)
    n = ctypes.CDLL(None, use_errno=True).syscall(217, fd, room, size)
    if n < 0:
        raise OSError(ctypes.get_errno(), "getdents64")
    entries, at = [], 0
    while at < n:
        _, off, length, kind = struct.unpack_from("<QqHB", room.raw, at)
        entries.append((room.raw[at + 19:at + length].split(b"\0", 1)[0].decode(), kind, off))
        at += length
    return entries


def test_large_listing(many):
    want = {f"{i:05d}" for i in range(FILES)} | {"zz", "sub"}
    got = os.listdir(many.prefix("e") / "data")
    assert len(got) == len(want) and set(got) == want
    assert set(os.listdir(many.prefix("e") / "data")) == want  # from the kernel's cache


@pytest.mark.parametrize("size", [400, 4096, 65536])
def test_listing_in_pieces_and_from_positions(many, size):
    fd = os.open(many.prefix("e") / "data", os.O_RDONLY | os.O_DIRECTORY)
    names, marks = [], {}
    while entries := getdents(fd, size):
        for name, kind, off in entries:
            names.append(name)
            marks[len(names)] = off
    assert names[:2] == [".", ".."]
    assert len(names) == len(set(names)) == FILES + 4
    for at in (1, 2, 3, 777, FILES, FILES + 3):  # telldir, seekdir
        os.lseek(fd, marks[at], os.SEEK_SET)
        assert getdents(fd, size)[0][0] == names[at]
    os.close(fd)


def test_parents(many):
    top = os.stat(many.dir).st_ino
    assert os.stat(many.prefix("e") / "..").st_ino == top
    assert os.stat(many.prefix("e") / "data/..").st_ino == os.stat(many.prefix("e")).st_ino
    assert os.stat(many.prefix("e") / "data/sub/..").st_ino == os.stat(many.prefix("e") / "data").st_ino


def test_programs_and_libraries_run(envfs, tmp_path):
    with open("/bin/true", "rb") as f:
        program = f.read()
    channel = make_channel(tmp_path / "prog", [{"name": "prog", "files": {
        "bin/true": {"data": program, "mode": 0o755},
        "lib/map.dat": noise(3_000_001)}}])
    envfs.create("e", envfs.explicit(channel))
    envfs.mount()
    assert subprocess.run([envfs.prefix("e") / "bin/true"]).returncode == 0
    with open(envfs.prefix("e") / "lib/map.dat", "rb") as f, \
            mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m:
        want = noise(3_000_001)
        for at in (0, 131_071, 131_072, 2_999_999):
            assert m[at:at + 4096] == want[at:at + 4096]
        assert m[:] == want


def test_what_cannot_be_done(envfs, channel):
    envfs.create("e", envfs.explicit(channel))
    envfs.mount()
    prefix = envfs.prefix("e")
    for call in (lambda: open(prefix / "lib/small.dat", "a"), lambda: os.mkdir(prefix / "x"),
                 lambda: os.unlink(prefix / "lib/small.dat"), lambda: os.mkdir(envfs.dir / "x"),
                 lambda: os.utime(prefix / "lib/small.dat"), lambda: os.chmod(prefix / "lib", 0),
                 lambda: os.rename(prefix / "bin", prefix / "x")):
        with pytest.raises(OSError) as e:
            call()
        assert e.value.errno == errno.EROFS
    with pytest.raises(OSError) as e:
        os.stat(prefix / ("n" * 256))
    assert e.value.errno == errno.ENAMETOOLONG
    for odd in (".hidden", "-x", "a b", "x" * 65, "base"):
        assert not (envfs.dir / odd).exists()
    st = os.statvfs(prefix)
    assert st.f_flag & os.ST_RDONLY and st.f_flag & os.ST_NOSUID and st.f_flag & os.ST_NODEV
    assert st.f_bavail == 0 and st.f_namemax == 255
    with pytest.raises(OSError) as e:
        os.listxattr(prefix / "lib/small.dat")
    assert e.value.errno == errno.ENOTSUP


def test_types_and_times(envfs, channel):
    envfs.create("e", envfs.explicit(channel))
    envfs.mount()
    prefix = envfs.prefix("e")
    st = os.lstat(prefix / "lib/link.dat")
    assert stat.S_ISLNK(st.st_mode) and st.st_size == len("big.dat")
    assert os.stat(prefix / "lib/empty").st_size == 0
    assert (prefix / "lib/empty").read_bytes() == b""
    created = os.stat(prefix).st_mtime
    assert abs(created - time.time()) < 60
    assert os.stat(prefix / "lib").st_mtime == os.stat(prefix / "share/big").st_mtime
    assert os.stat(prefix / "bin/small").st_mtime == 1700000001  # patched: one second later


def requests(e):
    return e.status()["totals"]["kernel_requests"]


def test_the_kernel_asks_once(envfs, channel):
    """All of it is cached for ever: a second walk asks nothing, but for the root's name."""
    envfs.create("e", envfs.explicit(channel))
    envfs.mount()
    prefix = envfs.prefix("e")

    def work():
        for d, folders, files in os.walk(prefix):
            for f in files:
                st = os.lstat(os.path.join(d, f))
                if stat.S_ISREG(st.st_mode):
                    with open(os.path.join(d, f), "rb") as opened:
                        opened.read()
                else:
                    os.readlink(os.path.join(d, f))
            os.path.exists(os.path.join(d, "absent"))

    work()
    work()
    before = requests(envfs)
    work()
    assert requests(envfs) - before <= 4


def test_memory_stays_small(envfs, tmp_path):
    channel = make_channel(tmp_path / "wide", [
        {"name": f"wide{k}", "files": {f"share/w{k}/d{i // 500}/{i}": b"" for i in range(20_000)} |
         {f"lib/shared/{k}-{i}": b"" for i in range(5_000)}} for k in range(4)])
    envfs.create("e", envfs.explicit(channel))
    envfs.mount()
    count = sum(len(files) for _, _, files in os.walk(envfs.prefix("e")))
    assert count >= 100_000
    for d, _, files in os.walk(envfs.prefix("e")):
        for f in files[:200]:
            os.lstat(os.path.join(d, f))
    if "asan" in os.environ.get("ENVFS_BUILD", ""):
        pytest.skip("figures of a sanitizer build say nothing")
    assert envfs.memory() < 30 * 1024
