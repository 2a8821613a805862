# SPDX-License-Identifier: Apache-2.0
""".condarc, CONDA_* variables, and where store and mount are."""
import json
import os

import pytest


def test_condarc_channels(envfs, channel):
    envfs.write("home/.condarc", f"channels: ['{channel.url}']\n")
    envfs.run("create", "-q", "-n", "ml", "lib")
    assert envfs.packages("ml") == {"lib": "2.0"}
    assert str(envfs.home / ".condarc") in envfs.run("info").stdout


def test_channels_of_the_environment_variable(envfs, channel):
    envfs.environ["CONDA_CHANNELS"] = channel.url
    envfs.run("create", "-q", "-n", "ml", "lib")
    assert envfs.packages("ml") == {"lib": "2.0"}


@pytest.mark.parametrize("text, name", [
    ("channel_alias: '{above}'\n", "main"),
    ("custom_channels: {{mine: '{above}'}}\n", None),
    ("custom_multichannels: {{all: ['{url}']}}\n", "all"),
    ("default_channels: ['{url}']\n", "defaults"),
])
def test_names_of_channels(envfs, channel, text, name):
    above = os.path.dirname(channel.url)
    if name is None:  # custom_channels: NAME is below the location
        os.symlink(channel.folder, envfs.folder / "mine")
        above, name = f"file://{envfs.folder}", "mine"
    envfs.write("home/.condarc", text.format(url=channel.url, above=above))
    envfs.run("create", "-q", "-n", "ml", "-c", name, "--override-channels", "lib")
    assert envfs.packages("ml") == {"lib": "2.0"}


def test_priority_and_pins(envfs, channel, second):
    envfs.write("home/.condarc", f"channels: ['{channel.url}', '{second.url}']\n"
                                 "channel_priority: disabled\npinned_packages: ['other=1.0']\n")
    envfs.run("create", "-q", "-n", "ml", "lib")
    assert envfs.packages("ml") == {"lib": "3.0"}
    envfs.environ["CONDA_CHANNEL_PRIORITY"] = "strict"
    envfs.run("create", "-q", "-n", "two", "lib")
    assert envfs.packages("two") == {"lib": "2.0"}


def test_add_pip_is_skipped_where_no_channel_has_it(envfs):
    envfs.make("ml", "python=3.10")
    assert envfs.packages("ml") == {"python": "3.10.2"}


def test_nodefaults_and_override(envfs, channel, second):
    envfs.write("home/.condarc", f"channels: ['{second.url}']\nchannel_priority: disabled\n")
    path = envfs.write("e.yml", f"channels: ['{channel.url}', nodefaults]\ndependencies: [lib]\n")
    envfs.run("create", "-q", "-n", "a", "-f", path)
    assert envfs.packages("a") == {"lib": "2.0"}
    path = envfs.write("f.yml", f"channels: ['{channel.url}']\ndependencies: [lib]\n")
    envfs.run("create", "-q", "-n", "b", "-f", path)
    assert envfs.packages("b") == {"lib": "3.0"}
    envfs.run("create", "-q", "-n", "c", "-f", path, "-c", channel.url, "--override-channels")
    assert envfs.packages("c") == {"lib": "2.0"}


def test_a_condarc_that_is_broken(envfs):
    envfs.write("home/.condarc", "channels: [unclosed\n")
    said = envfs.fails(1, "create", "-n", "ml", "lib")
    assert ".condarc" in said and "line" in said


def test_store_option_and_variable(envfs, channel):
    other = envfs.folder / "elsewhere"
    envfs.make("ml", "lib", "--store", other)
    assert not envfs.store.exists()
    assert len(json.loads(envfs.run("list", "-n", "ml", "--json", "--store", other).stdout)) == 1
    del envfs.environ["ENVFS_STORE"]
    envfs.environ["ENVFS_STORE"] = str(other)
    assert envfs.envs() == ["ml"]


def test_mount_option(mounted):
    mounted.make("ml", "tool")
    del mounted.environ["ENVFS_MOUNT"]
    mounted.mount()
    # the store's only mount is meant, when nothing is said and the default is not mounted
    assert str(mounted.prefix("ml")) in mounted.run("env", "list").stdout
    assert mounted.run("run", "-n", "ml", "tool", "x").stdout == "tool x\n"
    said = mounted.run("list", "-n", "ml", "--mount", mounted.folder / "other").stdout
    assert str(mounted.folder / "other" / "ml") in said


def test_mount_status_umount(mounted):
    mounted.make("ml", "tool")
    assert "nothing is mounted" in mounted.run("status").stdout
    done = mounted.run("mount", mounted.dir)
    assert str(mounted.dir) in done.stderr
    said = mounted.run("status").stdout
    assert str(mounted.dir) in said and str(mounted.store) in said
    assert os.listdir(mounted.dir) == ["ml"]
    again = mounted.run("mount", mounted.dir, check=False)
    assert again.returncode == 5 and str(mounted.dir) in again.stderr
    mounted.run("umount", mounted.dir)
    assert os.listdir(mounted.dir) == []
    done = mounted.run("umount", mounted.dir, check=False)
    assert done.returncode == 3 and str(mounted.dir) in done.stderr


def test_mount_point_that_is_not_there(mounted):
    mounted.make("ml", "tool")
    said = mounted.fails(3, "mount", mounted.folder / "nowhere")
    assert "nowhere" in said


def test_no_store_yet(envfs):
    for words in (["list", "-n", "ml"], ["run", "-n", "ml", "true"], ["verify"]):
        said = envfs.fails(3, *words)
        assert str(envfs.store) in said and "envfs create" in said


def test_read_only_store(mounted):
    """Everything that only looks works, what writes says why not."""
    mounted.make("ml", "tool")
    mounted.run("fetch", "-q", "-n", "ml")
    if os.geteuid() == 0:
        import subprocess
        subprocess.run(["mount", "--bind", "-o", "ro", mounted.store, mounted.store], check=True)
    else:
        pytest.skip("needs root for a read-only bind mount")
    try:
        assert mounted.packages("ml") == {"tool": "1.0"}
        assert mounted.run("run", "-n", "ml", "tool", "x").stdout == "tool x\n"
        assert mounted.run("search", "-c", mounted.channel.url, "--override-channels", "lib").stdout
        said = mounted.fails(1, "install", "-n", "ml", "-c", mounted.channel.url, "lib")
        assert "read-only" in said.lower()
    finally:
        subprocess.run(["umount", mounted.store], check=True)


def test_netrc(envfs, server):
    url = server.url + "/f/basic-userx"
    said = envfs.fails(1, "create", "-n", "ml", "-c", url, "--override-channels", "lib")
    assert "401" in said and "credentials" in said
    netrc = envfs.write("home/.netrc", "machine 127.0.0.1 login userx password SECRET\n")
    netrc.chmod(0o600)
    envfs.run("create", "-q", "-n", "ml", "-c", url, "--override-channels", "lib")
    envfs.run("fetch", "-q", "-n", "ml")


def test_two_changes_at_once(envfs):
    """The later one is told; nothing of the earlier one is lost."""
    import subprocess
    envfs.make("ml", "lib=1.0")
    runs = [subprocess.Popen([*envfs.command, "install", "-n", "ml", spec], env=envfs.environ,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for spec in ("other", "app", "tool", "strict")]
    done = [(p.communicate(timeout=60), p.returncode) for p in runs]
    assert {code for _, code in done} <= {0, 5}, done
    assert 0 in {code for _, code in done}
    installed = set(envfs.packages("ml"))
    for (_, err), code, name in zip([d[0] for d in done], [d[1] for d in done],
                                    ("other", "app", "tool", "strict")):
        assert (name in installed) == (code == 0)
        if code == 5:
            assert "again" in err
