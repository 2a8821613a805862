# SPDX-License-Identifier: Apache-2.0
"""The channel that the tests of the command use, an envfs that knows it, and terminals."""
import json
import os
import pathlib
import pty
import random
import select
import time

from envfs import Envfs

ACTIVATE = "export SOURCED=yes\nexport SAW=$LEVEL\n"


def noise(count, seed=1):
    return random.Random(seed).randbytes(count)


def package(name, version, depends=(), **more):
    files = {f"share/{name}/version": f"{version}\n"}
    return {"name": name, "version": version, "depends": list(depends), "files": files, **more}


def program(text):
    return {"data": "#!/bin/sh\n" + text + "\n", "mode": 0o755}


PACKAGES = [
    package("lib", "1.0"), package("lib", "1.1"), package("lib", "2.0"),
    package("app", "1.0", ["lib"]), package("app", "2.0", ["lib >=1.1"]),
    package("top", "1.0", ["app"]),
    package("other", "1.0"), package("other", "2.0"),
    package("strict", "1.0", ["lib <2"]),
    package("python", "3.10.1"), package("python", "3.10.2"), package("python", "3.11.0"),
    package("pyapp", "1.0", ["python 3.10.*"], build="py310_0"),
    package("pyapp", "1.0", ["python 3.11.*"], build="py311_0"),
    package("pyapp", "2.0", ["python 3.11.*"], build="py311_0"),
    package("modern", "1.0", ["__glibc >=2.5"]),
    package("future", "1.0", ["__glibc >=99"]),
    package("arm", "1.0", subdir="linux-aarch64"),
    {"name": "tool", "version": "1.0", "files": {
        "bin/tool": program("echo tool $*"),
        "bin/exits": program("exit $1"),
        "bin/plain": {"data": "no program\n", "mode": 0o644},
        "share/tool/big": noise(200_000),
        "etc/conda/env_vars.d/tool.json": json.dumps({"LEVEL": "one", "PATH": "/evil"}),
        "etc/conda/activate.d/b.sh": ACTIVATE,
        "etc/conda/activate.d/ignored.txt": "exit 9\n"}},
    {"name": "bare", "version": "1.0", "files": {
        "bin/exits": program("exit $1"),
        "bin/plain": {"data": "no program\n", "mode": 0o644}}},
    {"name": "clash", "version": "1.0", "depends": ["tool"], "files": {
        "bin/tool": program("echo clash")}},
]


class World(Envfs):
    """An Envfs whose commands know the channel."""

    def __init__(self, folder, channel, **more):
        super().__init__(folder, **more)
        self.channel = channel

    def make(self, env, *specs, **more):
        return self.run("create", "-q", "-n", env, "-c", self.channel.url, "--override-channels",
                        *specs, **more)

    def packages(self, env):
        listed = json.loads(self.run("list", "-n", env, "--json").stdout)
        return {p["name"]: p["version"] for p in listed}

    def envs(self):
        return [pathlib.Path(p).name
                for p in json.loads(self.run("env", "list", "--json").stdout)["envs"]]

    def json(self, *args, code=0):
        done = self.run(*args, "--json", check=False)
        assert done.returncode == code, done
        assert done.stderr == ""
        return json.loads(done.stdout)

    def fails(self, code, *args):
        """The one message of a command that fails with that code."""
        done = self.run(*args, check=False)
        assert (done.returncode, done.stdout) == (code, ""), done
        assert done.stderr.startswith("envfs: ")
        return done.stderr[len("envfs: "):]

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    def generation(self, env):
        details = json.loads(self.run("env", "list", "--json").stdout)["envs_details"]
        return next(d["generation"] for d in details.values() if d["name"] == env)


def on_terminal(e, *words):
    """Starts a command on a terminal of its own: (pid, descriptor)."""
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(e.command[0], [*e.command, *words], e.environ)
    return pid, fd


def read_until(fd, text, timeout=10):
    got, end = b"", time.monotonic() + timeout
    while text not in got and time.monotonic() < end:
        if not select.select([fd], [], [], 0.1)[0]:
            continue
        try:
            more = os.read(fd, 4096)
        except OSError:  # the other side is closed
            break
        if not more:
            break
        got += more
    return got
