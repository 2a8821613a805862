# SPDX-License-Identifier: Apache-2.0
"""What is not touched is not fetched; what is touched is fetched once."""
import os
import stat
import subprocess
import threading

from mount_world import gets, noise

BIG = "big-1.0-0.conda"


def whole(server, name):
    return [g for g in gets(server, name) if g[0] is None]


def test_find_downloads_nothing(envfs, channel, server):
    envfs.create("e", envfs.explicit(channel, url=server.url + "/ok"))
    envfs.mount()
    found = subprocess.run(["find", envfs.prefix("e"), "-printf", "%y %P\n"], check=True, text=True,
                           stdout=subprocess.PIPE).stdout.split("\n")
    for line in ("f lib/big.dat", "l lib/link.dat", "f share/big/deep/er/note", "d share/big/deep",
                 "f bin/small", "f lib/other.dat"):
        assert line in found
    assert whole(server, BIG) == []
    assert sum(n for _, n in gets(server, BIG)) < os.path.getsize(channel.paths[BIG]) / 2
    assert envfs.status()["totals"]["packages_present"] < 3


def test_names_cost_nothing(envfs, channel, server):
    envfs.create("e", envfs.explicit(channel, [BIG], url=server.url + "/ok"))
    envfs.mount()
    assert not os.path.lexists(envfs.prefix("e") / "lib" / "absent")
    assert sorted(os.listdir(envfs.prefix("e") / "lib")) == ["big.dat", "link.dat"]
    kinds = {d.name: (d.is_file(follow_symlinks=False), d.is_symlink())
             for d in os.scandir(envfs.prefix("e") / "lib")}
    assert kinds == {"big.dat": (True, False), "link.dat": (False, True)}
    assert whole(server, BIG) == []


def test_a_touch_fetches_the_package_once(envfs, channel, server):
    envfs.create("e", envfs.explicit(channel, url=server.url + "/ok"))
    envfs.mount()
    lib = envfs.prefix("e") / "lib"
    assert (lib / "big.dat").read_bytes() == noise(1_000_000)
    assert os.readlink(lib / "link.dat") == "big.dat"
    assert (envfs.prefix("e") / "share/big/deep/er/note").read_text() == "deep\n"
    assert len(whole(server, BIG)) == 1
    assert whole(server, "other-2.0-0.conda") == []


def test_stat_tells_the_truth(envfs, channel, server):
    """The guess that LOOKUP gives never shows: stat waits for the package."""
    envfs.create("e", envfs.explicit(channel, [BIG], url=server.url + "/ok"))
    envfs.mount()
    st = os.stat(envfs.prefix("e") / "lib/big.dat")
    assert (stat.S_IMODE(st.st_mode), st.st_size, st.st_mtime) == (0o644, 1_000_000, 1700000000)
    assert stat.S_IMODE(os.stat(envfs.prefix("e") / "bin/big").st_mode) == 0o755
    assert len(whole(server, BIG)) == 1


def test_mmap_of_what_is_not_here(envfs, channel, server):
    import mmap
    envfs.create("e", envfs.explicit(channel, [BIG], url=server.url + "/ok"))
    envfs.mount()
    fd = os.open(envfs.prefix("e") / "lib/big.dat", os.O_RDONLY)
    with mmap.mmap(fd, 1_000_000, prot=mmap.PROT_READ) as m:
        assert m[999_990:] == noise(1_000_000)[999_990:]
    os.close(fd)


def test_exec_of_what_is_not_here(envfs, channel, server):
    envfs.create("e", envfs.explicit(channel, url=server.url + "/ok"))
    envfs.mount()
    prefix = envfs.prefix("e")
    assert subprocess.check_output([prefix / "bin/big"], text=True) == "big\n"
    assert subprocess.check_output([prefix / "bin/small"], text=True) == f"{prefix}\n"


def test_a_thousand_readers_cause_one_download(envfs, channel, server):
    envfs.create("e", envfs.explicit(channel, [BIG], url=server.url + "/f/pause-at-500000"))
    envfs.mount()
    path, want, wrong = envfs.prefix("e") / "lib/big.dat", noise(1_000_000), []

    def read(offset):
        with open(path, "rb", buffering=0) as f:
            if os.pread(f.fileno(), 100, offset) != want[offset:offset + 100]:
                wrong.append(offset)

    threading.stack_size(256 * 1024)
    readers = [threading.Thread(target=read, args=(i * 1000,)) for i in range(1000)]
    for t in readers:
        t.start()
    for t in readers:
        t.join()
    assert wrong == []
    assert len(whole(server, BIG)) == 1


def test_two_environments_share_inodes_and_bytes(envfs, channel, server):
    for name in ("a", "b"):
        envfs.create(name, envfs.explicit(channel, url=server.url + "/ok"))
    envfs.mount()
    same = [os.stat(envfs.prefix(n) / "lib/big.dat") for n in ("a", "b")]
    patched = [os.stat(envfs.prefix(n) / "bin/small") for n in ("a", "b")]
    folders = [os.stat(envfs.prefix(n) / "share/big") for n in ("a", "b")]
    assert same[0].st_ino == same[1].st_ino
    assert patched[0].st_ino != patched[1].st_ino
    assert folders[0].st_ino != folders[1].st_ino
    assert len(whole(server, BIG)) == 1
