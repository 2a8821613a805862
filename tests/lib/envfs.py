# SPDX-License-Identifier: Apache-2.0
"""envfs: the command in a world of its own, for tests in Python.

    with Envfs(tmp_path) as e:
        e.create("ml", e.explicit(channel, ["a-1.0-0.conda"], url=server.url + "/ok"))
        e.mount()
        (e.prefix("ml") / "bin").iterdir()

The binary is $ENVFS. Store, mount point, runtime folder and home are below the folder
given, so that nothing of the machine's is touched; on leaving, the daemon is ended (in
the worst case killed) and the mount taken away (in the worst case lazily).
"""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

BINARY = os.environ.get("ENVFS", "envfs")


def wait_until(condition, timeout=10.0, step=0.01):
    """Whether the condition comes true in time."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(step)
    return bool(condition())


def is_mounted(path):
    with open("/proc/self/mountinfo") as f:
        return any(line.split()[4] == str(path) for line in f)


class Failed(Exception):
    """A command that failed: its exit code and what it said."""

    def __init__(self, done):
        super().__init__(f"{done.args}: exit {done.returncode}\n{done.stderr}{done.stdout}")
        self.code, self.text = done.returncode, done.stderr + done.stdout


class Envfs:
    def __init__(self, folder, store=None, name="", prefix=(), environment=None):
        """name: tells several mounts in one folder apart. prefix: a command in front of the
        binary (setpriv…)."""
        self.folder = pathlib.Path(folder).resolve()
        self.store = pathlib.Path(store) if store else self.folder / "store"
        self.dir = self.folder / ("mnt" + name)
        self.runtime = self.folder / ("run" + name)
        self.home = self.folder / "home"
        for d in (self.dir, self.runtime, self.home):
            d.mkdir(mode=0o755, exist_ok=True)
        self.command = [*prefix, BINARY]
        self.environ = {k: v for k, v in os.environ.items()
                        if not k.startswith(("CONDA", "ENVFS", "XDG_", "MAMBA"))}
        self.environ.update(HOME=str(self.home), ENVFS_STORE=str(self.store),
                            ENVFS_MOUNT=str(self.dir), ENVFS_RUNTIME=str(self.runtime),
                            **(environment or {}))
        self.pid = None

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()

    # Commands.

    def run(self, *args, check=True, timeout=60, **more):
        done = subprocess.run([*self.command, *map(str, args)], env=self.environ, timeout=timeout,
                              text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, **more)
        if check and done.returncode != 0:
            raise Failed(done)
        return done

    def explicit(self, channel, names=None, url=None):
        """An @EXPLICIT list of a makepkg.Channel's files, as served at url."""
        lines = ["@EXPLICIT"]
        for name in names or sorted(channel.records):
            record = channel.records[name]
            where = (f"{url}/{os.path.relpath(channel.paths[name], channel.folder)}" if url
                     else record["url"])
            lines.append(f"{where}#sha256:{record['sha256']}")
        return "\n".join(lines) + "\n"

    def create(self, name, explicit, *more):
        path = self.folder / f"{name}.txt"
        path.write_text(explicit)
        return self.run("create", "-n", name, "-f", path, "-q", *more)

    def replace(self, name, explicit):
        return self.create(name, explicit, "--force")

    # The mount.

    def mount(self, *options, check=True):
        done = self.run("mount", self.dir, "-q", *options, check=check)
        if done.returncode == 0:
            self.pid = self.status()["pid"]
        return done

    def umount(self, *options, **more):
        return self.run("umount", self.dir, "-q", *options, **more)

    def status(self):
        """What the daemon of this mount says; None when there is none."""
        mounts = json.loads(self.run("status", "--json").stdout)["mounts"]
        return next((m for m in mounts if m["mount"] == str(self.dir)), None)

    def log(self):
        return "".join(p.read_text() for p in self.runtime.glob("*.log"))

    def prefix(self, name):
        return self.dir / name

    def is_running(self):
        if self.pid is None:
            return False
        try:
            with open(f"/proc/{self.pid}/stat") as f:
                return f.read().rsplit(")", 1)[1].split()[0] != "Z"
        except FileNotFoundError:
            return False

    def kill(self, number=signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def memory(self, key="RssAnon"):
        """KiB of the daemon."""
        with open(f"/proc/{self.pid}/status") as f:
            return next(int(line.split()[1]) for line in f if line.startswith(key + ":"))

    def close(self):
        if self.pid is not None and self.is_running():
            self.kill(signal.SIGTERM)
            if not wait_until(lambda: not self.is_running(), 5):
                self.kill()
                wait_until(lambda: not self.is_running(), 5)
        while is_mounted(self.dir):
            done = subprocess.run(["umount", "-l", str(self.dir)], stderr=subprocess.PIPE, text=True)
            if done.returncode != 0 and is_mounted(self.dir):  # else it went by itself meanwhile
                raise OSError(done.stderr)
