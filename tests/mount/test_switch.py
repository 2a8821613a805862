# SPDX-License-Identifier: Apache-2.0
"""Environments come, change and go under a live mount."""
import http.server
import os
import subprocess
import sys
import threading
import time

import pytest
from mount_world import noise
from envfs import Envfs, wait_until
from makepkg import make_channel

BIG, SMALL, OTHER = "big-1.0-0.conda", "small-1.0-0.conda", "other-2.0-0.conda"


@pytest.fixture
def mounted(envfs, channel):
    envfs.create("e", envfs.explicit(channel, [SMALL, OTHER]))
    envfs.mount()
    return envfs


def test_a_switch_shows_at_once(mounted, channel):
    lib = mounted.prefix("e") / "lib"
    assert sorted(os.listdir(lib)) == ["empty", "other.dat", "small.dat"]
    assert not (lib / "big.dat").exists()
    mounted.replace("e", mounted.explicit(channel, [SMALL, BIG]))
    time.sleep(0.1)
    assert sorted(os.listdir(lib)) == ["big.dat", "empty", "link.dat", "small.dat"]
    assert (lib / "big.dat").exists()


def test_create_and_remove_show_at_once(mounted, channel):
    assert os.listdir(mounted.dir) == ["e"]
    assert not mounted.prefix("new").exists()
    mounted.create("new", mounted.explicit(channel, [SMALL]))
    time.sleep(0.1)
    assert sorted(os.listdir(mounted.dir)) == ["e", "new"]
    assert mounted.prefix("new").is_dir()
    mounted.run("env", "remove", "-n", "new", "-y", "-q")
    time.sleep(0.1)
    assert os.listdir(mounted.dir) == ["e"]
    assert not mounted.prefix("new").exists()


def test_open_files_and_folders_keep_their_generation(mounted, channel):
    prefix = mounted.prefix("e")
    code = """if True:
        import os, sys
        os.chdir(sys.argv[1] + "/lib")
        f = open("other.dat", "rb")
        print("ready", flush=True)
        sys.stdin.readline()
        assert sorted(os.listdir(".")) == ["empty", "other.dat", "small.dat"]
        assert len(f.read()) == 300000
        assert open("small.dat").read() == "small" * 100
        assert os.stat("other.dat").st_size == 300000
        print(os.listdir(sys.argv[1] + "/lib"))
    """
    child = subprocess.Popen([sys.executable, "-S", "-c", code, str(prefix)], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout.readline() == "ready\n"
    mounted.replace("e", mounted.explicit(channel, [BIG]))
    time.sleep(0.1)
    out, _ = child.communicate("go\n", timeout=20)
    assert child.returncode == 0
    assert "big.dat" in out and "other.dat" not in out


def test_the_same_file_keeps_its_inode_over_a_switch(mounted, channel):
    prefix = mounted.prefix("e")
    before = [os.stat(prefix / p).st_ino for p in ("lib/small.dat", "bin/small")]
    folder = os.stat(prefix / "lib").st_ino
    mounted.replace("e", mounted.explicit(channel, [SMALL, BIG]))
    time.sleep(0.1)
    assert [os.stat(prefix / p).st_ino for p in ("lib/small.dat", "bin/small")] == before
    assert os.stat(prefix / "lib").st_ino != folder


def test_a_second_mount_sees_it_within_two_seconds(mounted, channel, tmp_path):
    with Envfs(tmp_path, store=mounted.store, name="2") as second:
        second.mount()
        lib = second.prefix("e") / "lib"
        assert sorted(os.listdir(lib)) == ["empty", "other.dat", "small.dat"]
        assert not second.prefix("new").exists()
        assert os.listdir(second.dir) == ["e"]
        # Its socket is in another runtime folder: nobody tells it.
        mounted.replace("e", mounted.explicit(channel, [BIG]))
        mounted.create("new", mounted.explicit(channel, [SMALL]))
        at = time.monotonic()
        assert wait_until(lambda: (lib / "big.dat").exists() and second.prefix("new").exists() and
                          sorted(os.listdir(second.dir)) == ["e", "new"], 5)
        assert time.monotonic() - at < 2
        # Prefixes are the mount's own.
        for e in (mounted, second):
            assert subprocess.check_output([e.prefix("new") / "bin/small"], text=True) == \
                f"{e.prefix('new')}\n"


def test_the_root_is_never_stale(envfs, channel):
    """Changes that follow each other within one tick of the clock show all the same."""
    envfs.mount()
    environ = {**envfs.environ, "ENVFS_RUNTIME": str(envfs.folder / "elsewhere")}
    for i in range(5):
        (envfs.folder / "list.txt").write_text(envfs.explicit(channel, [SMALL]))
        subprocess.run([*envfs.command, "create", "-q", "-n", f"e{i}", "-f", envfs.folder / "list.txt"],
                       env=environ, check=True)
        assert wait_until(lambda: len(os.listdir(envfs.dir)) == i + 1, 1.5), os.listdir(envfs.dir)


class Liar:
    """Answers ranges from one file and whole requests from another: a list that lies."""

    def __init__(self, listed, whole):
        with open(listed, "rb") as f:
            self.listed = f.read()
        with open(whole, "rb") as f:
            self.whole = f.read()

    def __enter__(self):
        liar = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_GET(self):
                data, size = liar.whole, len(liar.listed)
                asked = self.headers.get("Range")
                if asked:
                    first, last = asked.removeprefix("bytes=").split("-")
                    start = int(first) if first else max(0, size - int(last))
                    data = liar.listed[start:]
                self.send_response(206 if asked else 200)
                if asked:
                    self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = "http://127.0.0.1:%d" % self.server.server_port
        return self

    def __exit__(self, *args):
        self.server.shutdown()
        self.server.server_close()


def test_a_list_that_lied_is_forgotten(envfs, tmp_path):
    """The verified artifact wins, and what the kernel kept of the list goes."""
    true = make_channel(tmp_path / "true", [{"name": "p", "files": {
        "lib/both": noise(200_000), "lib/true": "true", "lib/sub/true": "true"}}])
    lie = make_channel(tmp_path / "lie", [{"name": "p", "files": {
        "lib/both": noise(200_000), "lib/lie": "lie", "lib/sub/lie": "lie"}}])
    name = "p-1.0-0.conda"
    with Liar(lie.paths[name], true.paths[name]) as server:
        envfs.create("e", envfs.explicit(true, url=server.url))
        envfs.mount()
        lib = envfs.prefix("e") / "lib"
        assert sorted(os.listdir(lib)) == ["both", "lie", "sub"]
        assert os.listdir(lib / "sub") == ["lie"]
        assert not os.path.lexists(lib / "true") and not os.path.lexists(lib / "sub/true")
        assert (lib / "both").read_bytes() == noise(200_000)  # brings the package
        assert wait_until(lambda: sorted(os.listdir(lib)) == ["both", "sub", "true"], 3)
        assert os.listdir(lib / "sub") == ["true"]
        assert (lib / "true").read_text() == (lib / "sub/true").read_text() == "true"
        assert not os.path.lexists(lib / "lie") and not os.path.lexists(lib / "sub/lie")
        assert "has other files" in envfs.log()
