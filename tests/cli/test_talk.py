# SPDX-License-Identifier: Apache-2.0
"""How the command talks: help, man page, exit codes, -v, -q, terminals; and tokens that it
never tells anybody."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from world import noise, on_terminal, read_until

MAN = pathlib.Path(__file__).resolve().parents[2] / "docs/man/envfs.1"
VERBS = ["create", "install", "remove", "update", "env", "list", "info", "search", "lock", "fetch",
         "mount", "umount", "status", "run", "verify"]


def test_man_page_is_what_the_command_prints(envfs):
    assert envfs.run("--man").stdout == MAN.read_text()


def test_man_page_is_good_roff(envfs):
    if not shutil.which("groff"):
        pytest.skip("no groff here")
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-z", str(MAN)], capture_output=True,
                          text=True)
    assert done.stderr == ""


def test_help(envfs):
    said = envfs.run("--help").stdout
    assert [v for v in VERBS if not re.search(rf"^  {v} ", said, re.M)] == []
    assert envfs.run("help").stdout == said
    for verb in VERBS:
        text = envfs.run(verb, "--help").stdout
        assert text.startswith(f"envfs {verb}")
        assert "--store DIR" in text and "--json" in text
        assert envfs.run("help", verb).stdout == text
        assert max(len(line) for line in text.splitlines()) <= 80
        assert f".SS envfs {verb} " in MAN.read_text()


def test_version(envfs):
    assert re.fullmatch(r"envfs \d+\.\d+\.\d+\n", envfs.run("--version").stdout)


@pytest.mark.parametrize("words, says", [
    ([], "create"),
    (["bogus"], "bogus"),
    (["creat"], "create"),
    (["create", "--bogus"], "--bogus"),
    (["create", "-n"], "-n"),
    (["create", "--name"], "--name"),
    (["create"], "-f FILE or specs"),
    (["create", "-n", "x"], "-f FILE or specs"),
    (["install", "lib"], "-n NAME"),
    (["install", "-n", "x"], "specs"),
    (["update", "-n", "x"], "--all"),
    (["update", "-n", "x", "--all", "lib"], "--all"),
    (["remove", "-n", "x"], "env remove"),
    (["list"], "-n NAME"),
    (["list", "-n", "x", "extra"], "extra"),
    (["info", "extra"], "extra"),
    (["status", "extra"], "extra"),
    (["verify", "extra"], "extra"),
    (["fetch", "-n", "x", "extra"], "extra"),
    (["lock", "-f", "x", "extra"], "extra"),
    (["env", "list", "extra"], "env list"),
    (["search"], "SPEC"),
    (["search", "a", "b"], "too much"),
    (["lock"], "-f FILE"),
    (["fetch"], "-n NAME"),
    (["fetch", "-n", "a", "-f", "b"], "-n NAME"),
    (["run", "-n", "x"], "COMMAND"),
    (["env"], "env list"),
    (["env", "remove"], "which environment"),
    (["mount", "a", "b"], "too much"),
    (["mount", "--stall", "0"], "seconds"),
])
def test_usage_is_exit_code_2(envfs, words, says):
    done = envfs.run(*words, check=False)
    assert done.returncode == 2
    assert says in done.stderr + done.stdout
    assert not envfs.store.exists()


def test_exit_codes_are_documented(envfs):
    text = MAN.read_text()
    listed = re.findall(r"^\.TP\n(\d)\n", text[text.index(".SH EXIT STATUS"):], re.M)
    assert listed == ["0", "1", "2", "3", "4", "5", "6"]


def test_quiet_and_verbose(envfs, server):
    url = server.url + "/ok"
    done = envfs.run("create", "-q", "-n", "a", "-c", url, "--override-channels", "app")
    assert (done.stdout, done.stderr) == ("", "")
    assert envfs.run("fetch", "-q", "-n", "a").stderr == ""
    done = envfs.run("create", "-v", "-n", "b", "-c", url, "--override-channels", "other")
    assert "repodata" in done.stderr and url in done.stderr
    assert re.search(r"\b(200|304)\b", done.stderr)
    done = envfs.run("fetch", "-v", "-n", "b")
    assert "other-2.0-0.conda" in done.stderr


def test_no_progress_when_piped(envfs, server):
    done = envfs.run("create", "-n", "a", "-c", server.url + "/f/pause-at-150000", "--override-channels",
                     "tool")
    assert done.stderr == ""
    done = envfs.run("fetch", "-n", "a")
    assert done.stderr == "1 of 1 packages are present\n"
    assert "\r" not in done.stderr


def terminal_says(e, *words):
    pid, fd = on_terminal(e, *words)
    said = read_until(fd, b"never comes", 30).decode()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(fd)
    return code, said


def test_progress_on_a_terminal(envfs, server):
    url = server.url + "/f/pause-at-150000"
    envfs.run("create", "-q", "-n", "a", "-c", url, "--override-channels", "tool")
    code, said = terminal_says(envfs, "fetch", "-n", "a")
    assert code == 0
    assert re.search(r"\rfetching  0 of 1  [\d.]+ k?B of 20\d kB \(\d+ %\)  [\d.]+ k?B/s", said), said
    assert " left" in said
    assert said.endswith("1 of 1 packages are present\r\n")
    assert "\r\x1b[K" in said  # the line is gone in the end
    envfs.run("env", "remove", "a")
    for option in ("-q", "--json"):
        code, said = terminal_says(envfs, "fetch", "-n", "a", option)
        assert "fetching" not in said


def test_busy_is_exit_code_5(mounted):
    mounted.make("ml", "tool")
    mounted.mount()
    with open(mounted.prefix("ml") / "bin/tool"):
        done = mounted.umount(check=False)
        assert done.returncode == 5
        assert "--lazy" in done.stderr
    assert mounted.umount().returncode == 0


@pytest.mark.parametrize("way", ["token", "password", "condarc", "explicit"])
def test_credentials_are_nowhere(mounted, server, way):
    """Not in what is said (-v), not in the store, its history or the daemon's log."""
    e, host = mounted, server.url[len("http://"):]
    if way == "password":
        url, secret = f"http://userx:SECRET@{host}/f/basic-userx", "SECRET"
    else:
        url, secret = f"http://{host}/t/good/ok", "/t/good"
    channels = ["-c", url, "--override-channels"]
    if way == "condarc":
        e.write("home/.condarc", f"channels: ['{url}']\n")
        channels = []
    else:
        e.mount()  # is lent what the command line says
    said = []
    if way == "explicit":
        path = e.write("x.txt", "@EXPLICIT\n" + "\n".join(
            f"{url}/linux-64/{n}.conda" for n in ("tool-1.0-0", "lib-1.0-0")) + "\n")
        said.append(e.run("create", "-v", "-n", "ml", "-f", path))
    else:
        said.append(e.run("create", "-v", "-n", "ml", *channels, "tool", "lib=1.0"))
        said.append(e.run("install", "-v", "-n", "ml", *channels, "other"))
    said += [e.run(*words, check=False) for words in (
        ["create", "-v", "-n", "no", f"--channel={url}/nowhere", "lib"],
        ["create", "-v", "-n", "no", f"-c{url}", "--override-channels", "lib=99"],
        ["create", "-n", "forced", "--override-channels", f"--channel={url}", f"{url}::lib"],
        ["search", "-v", *channels, "nosuch"])]
    assert [d.returncode != 0 for d in said[-4:]] == [True, True, False, True], said
    said += [e.run(*words) for words in (
        ["list", "-n", "ml", "--json"], ["list", "-n", "ml", "--explicit"], ["info"],
        ["info", "--json"], ["env", "list", "--json"], ["list", "-n", "forced", "--json"])]
    if way == "condarc":  # the daemon reads the configuration itself
        e.mount()
    assert (e.prefix("ml") / "share/tool/big").read_bytes() == noise(200_000)
    said += [e.run("status", "--json"), e.run("fetch", "-v", "-n", "ml", check=False)]
    for env in ("ml", "forced"):
        for path in (e.prefix(env) / "conda-meta").iterdir():
            assert secret not in path.read_text(), path
    for done in said:
        assert secret not in done.stdout + done.stderr, done
    for place in (e.store, e.runtime):
        for path in pathlib.Path(place).rglob("*"):
            if path.is_file():
                assert secret.encode() not in path.read_bytes(), path
