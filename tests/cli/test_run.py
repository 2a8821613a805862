# SPDX-License-Identifier: Apache-2.0
"""run: as if activated, pinned, with the command's own exit code, signals and terminal."""
import os
import signal
import stat
import subprocess

import pytest

from envfs import is_mounted, wait_until
from world import World, on_terminal, read_until


@pytest.fixture
def ml(mounted):
    """An environment `ml` with tool, and one of its file's variables."""
    path = mounted.write("e.yml", f"channels: [{mounted.channel.url}, nodefaults]\n"
                                  "dependencies: [tool]\nvariables: {GREETING: hello, LEVEL: two}\n")
    mounted.run("create", "-q", "-n", "ml", "-f", path)
    return mounted


def run(e, *words, **more):
    return e.run("run", "-n", "ml", *words, **more)


def start(e, *words, **more):
    return subprocess.Popen([*e.command, "run", "-n", "ml", *words], env=e.environ, text=True,
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            **more)


def test_variables(ml):
    ml.mount()
    ml.environ["PATH"] = "/usr/local/bin:/usr/bin:/bin"
    done = run(ml, "--", "sh", "-c", "env")
    env = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    prefix = str(ml.prefix("ml"))
    assert env["PATH"] == f"{prefix}/bin:/usr/local/bin:/usr/bin:/bin"
    assert (env["CONDA_PREFIX"], env["CONDA_DEFAULT_ENV"], env["CONDA_SHLVL"]) == (prefix, "ml", "1")
    assert env["CONDA_PROMPT_MODIFIER"] == "(ml) "
    assert env["GREETING"] == "hello"
    assert env["LEVEL"] == "two"  # `variables:` over env_vars.d
    assert (env["SOURCED"], env["SAW"]) == ("yes", "two")  # activate.d sees both
    assert "PATH" in done.stderr  # env_vars.d may not set it, which is said


def test_programs_of_the_environment_come_first(ml):
    ml.mount()
    assert run(ml, "tool", "a b", "--json", "-n", "x").stdout == "tool a b --json -n x\n"


@pytest.mark.parametrize("words, code", [
    (["true"], 0),
    (["--", "exits", "7"], 7),
    (["--", "sh", "-c", "exit 255"], 255),
    (["--", "no-such-command"], 127),
    (["--", "/no/such/command"], 127),
    (["--", "/etc/passwd"], 126),
    (["--", "{prefix}/bin/plain"], 126),
    (["--", "sh", "-c", "kill -TERM $$"], -signal.SIGTERM),
    (["--", "sh", "-c", "kill -KILL $$"], -signal.SIGKILL),
])
@pytest.mark.parametrize("scripts", [True, False])
def test_exit_codes(ml, words, code, scripts):
    """With activation scripts a shell stands between; it must not be noticed. (A command that
    dies of a signal is what the shell calls 128 + signal.)"""
    if not scripts:
        ml.make("ml", "bare", "--force")
    ml.mount()
    words = [w.format(prefix=ml.prefix("ml")) for w in words]
    done = run(ml, *words, check=False)
    assert done.returncode == code, done
    if code in (126, 127):
        assert "envfs: '" in done.stderr or words[-1] in done.stderr


def test_a_shell_sees_128_and_the_signal(ml):
    ml.mount()
    done = subprocess.run(["sh", "-c", f"{ml.command[0]} run -n ml -- sh -c 'kill -TERM $$'; echo $?"],
                          env=ml.environ, text=True, capture_output=True)
    assert done.stdout == "143\n"


def test_signals_reach_it(ml):
    ml.mount()
    p = start(ml, "--", "sh", "-c", "trap 'echo got; exit 5' TERM; echo ready; while :; do sleep 0.05; done")
    assert p.stdout.readline() == "ready\n"
    p.send_signal(signal.SIGTERM)
    out, _ = p.communicate(timeout=10)
    assert (out, p.returncode) == ("got\n", 5)


def test_standard_input_passes(ml):
    ml.mount()
    done = subprocess.run([*ml.command, "run", "-n", "ml", "--", "cat"], env=ml.environ,
                          input="through\n", text=True, capture_output=True)
    assert done.stdout == "through\n"


def test_terminal(ml):
    ml.mount()
    pid, fd = on_terminal(ml, "run", "-n", "ml", "--", "sh", "-c",
                          "test -t 0 && test -t 1 && test -t 2 && echo is-a-tty; "
                          "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.05; done")
    assert b"is-a-tty" in read_until(fd, b"ready")
    os.write(fd, b"\x03")  # Ctrl-C
    assert b"caught" in read_until(fd, b"caught")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    os.close(fd)


def test_pinned_generation_survives_a_switch(ml):
    ml.mount()
    ml.make("ml", "tool", "lib=1.0", "--force")
    p = start(ml, "--", "sh", "-c", "echo ready; read x; cat $CONDA_PREFIX/share/lib/version; "
                                    "ls $CONDA_PREFIX/share")
    assert p.stdout.readline() == "ready\n"
    ml.run("install", "-n", "ml", "lib=2.0", "other")
    assert wait_until(lambda: (ml.prefix("ml") / "share/lib/version").read_text() == "2.0\n")
    out, err = p.communicate("\n", timeout=10)
    assert out.split() == ["1.0", "lib", "tool"], err


def test_no_pin_sees_the_switch(ml):
    ml.mount()
    ml.make("ml", "tool", "lib=1.0", "--force")
    p = start(ml, "--no-pin", "--", "sh", "-c", "echo ready; read x; cat $CONDA_PREFIX/share/lib/version")
    assert p.stdout.readline() == "ready\n"
    ml.run("install", "-n", "ml", "lib=2.0")
    assert wait_until(lambda: (ml.prefix("ml") / "share/lib/version").read_text() == "2.0\n")
    out, _ = p.communicate("\n", timeout=10)
    assert out == "2.0\n"


def test_pinned_environment_is_read_only(ml):
    ml.mount()
    done = run(ml, "--", "sh", "-c", "echo x > $CONDA_PREFIX/new", check=False)
    assert done.returncode != 0 and "Read-only" in done.stderr
    done = run(ml, "--", "sh", "-c", "echo x > $CONDA_PREFIX/../new", check=False)
    assert done.returncode != 0 and "Read-only" in done.stderr


def test_own_mount_lives_as_long_as_the_command(ml):
    done = run(ml, "tool", "hi")
    assert done.stdout == "tool hi\n"
    assert wait_until(lambda: not is_mounted(ml.dir))
    assert wait_until(lambda: ml.status() is None)
    p = start(ml, "--", "sh", "-c", "echo ready; read x; cat $CONDA_PREFIX/share/tool/version")
    assert p.stdout.readline() == "ready\n"
    assert is_mounted(ml.dir)
    p.kill()
    p.communicate()
    assert wait_until(lambda: not is_mounted(ml.dir))


def test_nested(ml):
    """Within a pinned command: the same environment again, and another one."""
    ml.make("two", "lib=1.0", "tool")
    ml.mount()
    envfs = ml.command[0]
    show = "echo $CONDA_DEFAULT_ENV $CONDA_SHLVL $CONDA_PREFIX_1; ls $CONDA_PREFIX/share"
    same = run(ml, "--", envfs, "run", "-n", "ml", "--", envfs, "run", "-n", "ml", "--", "sh",
               "-c", "ls $CONDA_PREFIX/share")
    assert same.stdout.split() == ["tool"]
    assert "namespaces" not in same.stderr
    other = run(ml, "--", envfs, "run", "-n", "two", "--", "sh", "-c",
                show + f"; {envfs} run -n ml -- sh -c 'ls $CONDA_PREFIX/share'")
    assert other.stdout.split() == ["two", "2", str(ml.prefix("ml")), "lib", "tool", "tool"]
    none = run(ml, "--", envfs, "run", "-n", "three", "true", check=False)
    assert none.returncode == 3 and "'three'" in none.stderr


def test_the_environment_that_is_left(ml):
    """As conda: its bin leaves PATH, what it overwrote is kept for the way back."""
    ml.make("two", "tool")
    ml.mount()
    inner = 'echo "$PATH"; echo $__CONDA_SHLVL_1_LEVEL'
    done = run(ml, "--", ml.command[0], "run", "-n", "two", "--", "sh", "-c", inner)
    path, saved = done.stdout.splitlines()
    assert path.split(":")[0] == f"{ml.prefix('two')}/bin"
    assert f"{ml.prefix('ml')}/bin" not in path.split(":")
    assert saved == "two"


def test_nothing_is_run_without_the_environment(ml):
    ml.mount()
    done = ml.run("run", "-n", "nope", "--", "sh", "-c", "echo ran", check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert "'nope'" in done.stderr
    assert "run -n NAME" in ml.fails(2, "run", "-n", "ml")
    assert "run -n NAME" in ml.fails(2, "run", "--", "true")


@pytest.mark.parametrize("extra", [["--quiet"], []])
def test_our_options_end_at_the_command(ml, extra):
    ml.mount()
    done = ml.run("run", *extra, "-n", "ml", "sh", "-c", "printf \"%s %s\\n\" $0 $1", "-n", "-v")
    assert done.stdout == "-n -v\n"


def unprivileged(folder):
    """A command prefix that makes another user of us; where only root may open /dev/fuse, with a
    device of its own in a mount namespace of its own."""
    drop = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"]
    if os.geteuid() != 0:
        return []
    if stat.S_IMODE(os.stat("/dev/fuse").st_mode) & 0o006 == 0o006:
        return drop
    os.mknod(folder / "fuse", stat.S_IFCHR, os.makedev(10, 229))
    os.chmod(folder / "fuse", 0o666)
    return ["unshare", "-m", "sh", "-c", f'mount --bind {folder}/fuse /dev/fuse && exec "$@"',
            "sh", *drop]


def test_unprivileged(tmp_path, channel):
    for d in [tmp_path, *tmp_path.parents]:
        if str(d) != "/" and "pytest" in str(d):
            os.chmod(d, 0o755)
    for d in [os.path.dirname(channel.folder), *[os.path.dirname(os.path.dirname(channel.folder))]]:
        os.chmod(d, 0o755)
    home = tmp_path / "own"
    home.mkdir()
    prefix = unprivileged(tmp_path)
    with World(home, channel, prefix=prefix) as e:
        if prefix:
            for d in (home, e.dir, e.runtime, e.home):
                os.chown(d, 65534, 65534)
        e.make("ml", "tool")
        done = e.run("run", "-n", "ml", "--", "sh", "-c", "id -u; tool x; echo x > $CONDA_PREFIX/f",
                     check=False)
        if "fuse" in done.stderr.lower() and done.stdout == "":
            pytest.skip("users cannot mount here: " + done.stderr)
        assert done.stdout.split() == [str(65534 if prefix else os.geteuid()), "tool", "x"], done
        assert "Read-only" in done.stderr


def test_host_that_forbids_namespaces(ml):
    """The command runs on the bare mount, which is said once; its exit code is still its own."""
    ml.mount()
    forbid = ["unshare", "--user", "--map-root-user", "sh", "-c",
              "echo 0 > /proc/sys/user/max_mnt_namespaces && "
              'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"', "sh"]
    if subprocess.run([*forbid, "true"], capture_output=True).returncode != 0:
        pytest.skip("no user namespace here in which these could be forbidden")
    done = subprocess.run([*forbid, *ml.command, "run", "-n", "ml", "--", "sh", "-c",
                           "tool bare; exit 5"], env=ml.environ, text=True, capture_output=True)
    assert (done.returncode, done.stdout) == (5, "tool bare\n"), done
    assert done.stderr.count("does not allow namespaces") == 1
    quiet = subprocess.run([*forbid, *ml.command, "run", "--no-pin", "-n", "ml", "tool", "x"],
                           env=ml.environ, text=True, capture_output=True)
    assert quiet.stdout == "tool x\n"
    assert "namespaces" not in quiet.stderr
