# SPDX-License-Identifier: Apache-2.0
"""Lists: lock, list --explicit, lists without SHA-256; and fetch."""
import os
import re
import subprocess

import pytest

from makepkg import make_channel
from world import noise, package


def rows(text):
    return [line for line in text.splitlines() if line and not line.startswith(("#", "@"))]


def test_lock_to_standard_output_and_to_a_file(envfs, channel):
    spec = envfs.write("e.yml", f"channels: [{channel.url}, nodefaults]\ndependencies: [app, lib=1.1]\n")
    out = envfs.folder / "lock.txt"
    printed = envfs.run("lock", "-f", spec).stdout
    assert "@EXPLICIT" in printed.splitlines()
    assert "# platform: linux-64" in printed.splitlines()
    assert [r.split("/")[-1].split("#")[0] for r in rows(printed)] == ["lib-1.1-0.conda",
                                                                       "app-2.0-0.conda"]
    assert all(re.search(r"#(sha256:)?[0-9a-f]{64}$", r) for r in rows(printed))
    assert envfs.run("lock", "-f", spec, "-o", out).stdout == ""
    assert out.read_text() == printed
    assert os.stat(out).st_mode & 0o777 == 0o644
    assert envfs.run("lock", "-f", spec, "-o", "-").stdout == printed
    assert envfs.envs() == []


def test_lock_of_another_platform(envfs, channel):
    spec = envfs.write("e.yml", f"channels: [{channel.url}, nodefaults]\ndependencies: [arm]\n")
    printed = envfs.run("lock", "-f", spec, "--platform", "linux-aarch64").stdout
    assert "# platform: linux-aarch64" in printed
    path = envfs.write("lock.txt", printed)
    assert "linux-aarch64" in envfs.run("create", "-n", "arm", "-f", path).stderr


def test_lock_that_cannot_be_written(envfs, channel):
    spec = envfs.write("e.yml", f"channels: [{channel.url}, nodefaults]\ndependencies: [app]\n")
    said = envfs.fails(3, "lock", "-f", spec, "-o", envfs.folder / "no" / "where")
    assert "no/where" in said


def tree(folder):
    """Every path with its type and content."""
    found = {}
    for here, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(here, name)
            st = os.lstat(path)
            content = None
            if os.path.islink(path):
                content = os.readlink(path)
            elif os.path.isfile(path):
                with open(path, "rb") as f:
                    content = f.read()
            found[os.path.relpath(path, folder)] = (st.st_mode, content)
    return found


def test_round_trip_gives_the_same_tree(mounted):
    """The same list at the same name: the same bytes, whatever made the first."""
    mounted.make("ml", "tool", "app")
    mounted.mount()
    first = {k: v for k, v in tree(mounted.prefix("ml")).items() if k != "conda-meta/history"}
    listed = mounted.run("list", "-n", "ml", "--explicit").stdout
    mounted.run("env", "remove", "ml")
    path = mounted.write("list.txt", listed)
    mounted.run("create", "-n", "ml", "-f", path)
    assert mounted.run("list", "-n", "ml", "--explicit").stdout == listed
    second = tree(mounted.prefix("ml"))
    meta = [p for p in first if p.startswith("conda-meta/")]
    assert meta and set(meta) <= set(second)
    for path in first.keys() - set(meta):
        assert second[path] == first[path], path
    assert first.keys() == second.keys() - {"conda-meta/history"}


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize("kind", ["md5", "nothing"])
def test_lists_without_sha256(envfs, channel, server, kind, cached):
    """Completed from cached repodata, else the artifact is fetched, and that is said."""
    url = server.url + "/ok"
    name = "lib-1.0-0.conda"
    if cached:
        envfs.run("search", "-c", url, "--override-channels", "lib")
    tail = "#" + channel.records[name]["md5"] if kind == "md5" else ""
    path = envfs.write("list.txt", f"@EXPLICIT\n{url}/linux-64/{name}{tail}\n")
    done = envfs.run("create", "-n", "ml", "-f", path)
    fetched = [r for r in server.log() if name in r["path"] and r["method"] == "GET"]
    assert bool(fetched) is not cached
    assert ("fetching" in done.stderr) is not cached
    assert name in done.stderr or cached
    listed = envfs.run("list", "-n", "ml", "--explicit").stdout
    assert channel.records[name]["sha256"] in listed


def test_md5_that_is_wrong(envfs, channel):
    path = envfs.write("list.txt", f"@EXPLICIT\n{channel.url}/linux-64/lib-1.0-0.conda#{'1' * 32}\n")
    said = envfs.fails(4, "create", "-q", "-n", "ml", "-f", path)
    assert "lib-1.0-0.conda" in said and "MD5" in said.upper()
    assert envfs.envs() == []


def test_fetch_makes_all_present_for_ever(mounted, server):
    url = server.url + "/ok"
    mounted.run("create", "-q", "-n", "ml", "-c", url, "--override-channels", "tool", "app")
    done = mounted.run("fetch", "-n", "ml")
    assert "3 of 3 packages are present" in done.stderr
    assert done.stdout == ""
    server.__exit__(None, None, None)
    mounted.mount()
    assert (mounted.prefix("ml") / "share/tool/big").read_bytes() == noise(200_000)
    assert (mounted.prefix("ml") / "share/app/version").read_text() == "2.0\n"
    assert mounted.run("fetch", "-n", "ml", "--offline").returncode == 0


def test_fetch_of_a_list(envfs, channel, server):
    path = envfs.write("list.txt", envfs.explicit(channel, ["tool-1.0-0.conda"],
                                                  url=server.url + "/ok"))
    envfs.run("fetch", "-f", path)
    assert envfs.envs() == []
    requests = len(server.log())
    envfs.run("create", "-q", "-n", "ml", "-f", path)
    said = envfs.json("fetch", "-n", "ml")
    assert said == {"failed": [], "present": 1, "success": True}
    assert len(server.log()) == requests
    spec = envfs.write("e.yml", "dependencies: [app]\n")
    assert "lock" in envfs.fails(1, "fetch", "-f", spec)


def test_fetch_says_which_cannot_be_and_why(envfs, tmp_path):
    channel = make_channel(tmp_path / "bad", [package("good", "1.0"),
                                              package("bad", "1.0"),
                                              package("gone", "1.0")])
    with open(channel.paths["bad-1.0-0.conda"], "r+b") as f:
        f.seek(200)
        f.write(b"XXXX")
    os.unlink(channel.paths["gone-1.0-0.conda"])
    envfs.run("create", "-q", "-n", "ml", "-c", channel.url, "--override-channels", "good", "bad",
              "gone")
    done = envfs.run("fetch", "-n", "ml", check=False)
    assert done.returncode == 4
    assert "bad-1.0-0" in done.stderr and "gone-1.0-0" in done.stderr
    assert "good-1.0-0" not in done.stderr
    assert "1 of 3 packages are present" in done.stderr
    said = envfs.json("fetch", "-n", "ml", code=4)
    assert said["success"] is False
    assert {f["name"] for f in said["failed"]} == {"bad-1.0-0", "gone-1.0-0"}


def test_fetch_offline(envfs, server):
    envfs.run("create", "-q", "-n", "ml", "-c", server.url + "/ok", "--override-channels", "tool")
    done = envfs.run("fetch", "-n", "ml", "--offline", check=False)
    assert done.returncode == 6
    assert "offline" in done.stderr


def test_conflicts(envfs):
    envfs.make("ml", "clash")
    said = envfs.fails(1, "list", "-n", "ml", "--conflicts")
    assert "envfs fetch -n ml" in said
    envfs.run("fetch", "-q", "-n", "ml")
    assert envfs.run("list", "-n", "ml", "--conflicts").stdout == (
        "bin/tool: from clash, hides that of tool\n")
    assert envfs.json("list", "-n", "ml", "--conflicts") == [
        {"path": "bin/tool", "winner": "clash", "loser": "tool"}]
    # and create tells what is known already
    done = envfs.run("create", "-n", "again", "-c", envfs.channel.url, "--override-channels",
                     "clash")
    assert "bin/tool: from clash, hides that of tool" in done.stderr


def test_search(envfs):
    def search(*words, **more):
        return envfs.run("search", "-c", envfs.channel.url, "--override-channels", *words, **more)

    lines = search("lib").stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["lib", "1.0"], ["lib", "1.1"], ["lib", "2.0"]]
    assert [line.split()[1] for line in search("lib>=1.1,<2").stdout.splitlines()[1:]] == ["1.1"]
    assert {line.split()[0] for line in search("*app").stdout.splitlines()[1:]} == {"app", "pyapp"}
    assert len(search("arm", "--platform", "linux-aarch64").stdout.splitlines()) == 2
    done = search("pythn", check=False)
    assert done.returncode == 3
    assert "python" in done.stderr
    done = search("lib=9", check=False)
    assert done.returncode == 3
    assert "lib=9" in done.stderr and "2.0" in done.stderr
