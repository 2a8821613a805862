# SPDX-License-Identifier: Apache-2.0
"""create: file kinds, flags, and what is refused with nothing left behind."""
import json
import os

import pytest


def test_specs_on_the_command_line(envfs):
    envfs.make("ml", "app", "lib<2")
    assert envfs.packages("ml") == {"app": "2.0", "lib": "1.1"}


def test_nothing_of_a_package_is_written(envfs):
    envfs.make("ml", "tool")
    assert list((envfs.store / "packs").iterdir()) == []


@pytest.mark.parametrize("name, text", [
    ("environment.yml", "name: filed\nchannels: [{url}, nodefaults]\ndependencies: [app, lib=1.1]\n"),
    ("specs.txt", "# a comment\napp\nlib=1.1\n"),
])
def test_files_of_specs(envfs, channel, name, text):
    path = envfs.write(name, text.format(url=channel.url))
    envfs.run("create", "-n", "ml", "-f", path, "-c", channel.url, "--override-channels")
    assert envfs.packages("ml") == {"app": "2.0", "lib": "1.1"}


def test_the_file_names_environment_channels_and_variables(envfs, channel):
    path = envfs.write("e.yml", f"name: filed\nchannels: [{channel.url}, nodefaults]\n"
                                "dependencies: [tool]\nvariables: {GREETING: hello}\n")
    envfs.run("create", "-f", path)
    assert envfs.envs() == ["filed"]
    assert envfs.packages("filed") == {"tool": "1.0"}


def test_name_option_wins_over_the_file(envfs, channel):
    path = envfs.write("e.yml", f"name: filed\nchannels: [{channel.url}]\ndependencies: [tool]\n")
    envfs.run("create", "-n", "mine", "-f", path, "--override-channels", "-c", channel.url)
    assert envfs.envs() == ["mine"]


def test_standard_input_is_a_file_too(envfs, channel):
    import subprocess
    done = subprocess.run([*envfs.command, "create", "-n", "ml", "-f", "-", "-c", channel.url,
                           "--override-channels"], env=envfs.environ, input="app\n", text=True,
                          capture_output=True)
    assert done.returncode == 0, done
    assert "app" in envfs.packages("ml")


def test_explicit_list_needs_no_repodata(envfs, channel, server):
    path = envfs.write("x.txt", envfs.explicit(channel, ["lib-1.0-0.conda", "app-1.0-0.conda"],
                                               url=server.url + "/ok"))
    envfs.run("create", "-n", "ml", "-f", path)
    assert server.log() == []
    assert envfs.packages("ml") == {"app": "1.0", "lib": "1.0"}


def test_two_artifacts_of_one_name_are_an_error(envfs, channel):
    path = envfs.write("x.txt", envfs.explicit(channel, ["lib-1.0-0.conda", "lib-2.0-0.conda"]))
    said = envfs.fails(1, "create", "-n", "ml", "-f", path)
    assert "lib" in said and "line 3" in said
    assert envfs.envs() == []


@pytest.mark.parametrize("kind", ["pip", "npm"])
def test_lists_that_are_not_supported_yet(envfs, channel, kind):
    path = envfs.write("e.yml", f"name: ml\nchannels: [{channel.url}]\ndependencies:\n"
                                f"  - app\n  - {kind}:\n    - thing\n")
    said = envfs.fails(1, "create", "-f", path)
    assert f"'{kind}:'" in said and "not supported yet" in said
    assert not envfs.store.exists()


def test_existing_name_needs_force(envfs):
    envfs.make("ml", "lib=1.0")
    said = envfs.fails(1, "create", "-n", "ml", "-c", envfs.channel.url, "lib")
    assert "exists already" in said and "--force" in said
    assert envfs.packages("ml") == {"lib": "1.0"}
    before = envfs.generation("ml")
    envfs.make("ml", "other", "--force")
    assert envfs.packages("ml") == {"other": "2.0"}
    assert envfs.generation("ml") > before


def test_dry_run_changes_nothing(envfs):
    done = envfs.run("create", "-n", "ml", "-c", envfs.channel.url, "--override-channels",
                     "--dry-run", "app")
    assert "app" in done.stdout and "dry run" in done.stdout
    assert envfs.envs() == []
    envfs.make("ml", "lib=1.0")
    envfs.run("create", "-n", "ml", "-c", envfs.channel.url, "--override-channels", "--force",
              "--dry-run", "other")
    assert envfs.packages("ml") == {"lib": "1.0"}


@pytest.mark.parametrize("bad", ["../x", "a/b", ".hidden", "a b", ""])
def test_bad_names(envfs, bad):
    said = envfs.run("create", "-n", bad, "-c", envfs.channel.url, "lib", check=False)
    assert said.returncode in (1, 2)
    assert envfs.envs() == []


def test_channel_order_and_priority(envfs, channel, second):
    both = ["-c", channel.url, "-c", second.url, "--override-channels"]
    # flexible and strict: the first channel that has a name wins
    envfs.run("create", "-q", "-n", "a", *both, "lib")
    assert envfs.packages("a") == {"lib": "2.0"}
    envfs.run("create", "-q", "-n", "b", *both, "--channel-priority", "disabled", "lib")
    assert envfs.packages("b") == {"lib": "3.0"}
    envfs.run("create", "-q", "-n", "c", *both, "lib>2")
    assert envfs.packages("c") == {"lib": "3.0"}
    envfs.fails(1, "create", "-n", "d", *both, "--channel-priority", "strict", "lib>2")


def test_channel_of_a_spec(envfs, channel, second):
    envfs.run("create", "-q", "-n", "a", "-c", channel.url, "-c", second.url,
              "--override-channels", f"{second.url}::lib")
    assert envfs.packages("a") == {"lib": "3.0"}


def test_channel_as_a_path(envfs, channel):
    envfs.run("create", "-q", "-n", "a", "-c", channel.folder, "--override-channels", "lib")
    envfs.run("create", "-q", "-n", "b", "-c", "./main", "--override-channels", "lib",
              cwd=os.path.dirname(channel.folder))
    assert envfs.packages("b") == {"lib": "2.0"}
    assert envfs.packages("a") == {"lib": "2.0"}


def test_unknown_priority_and_platform(envfs):
    said = envfs.fails(2, "create", "-n", "a", "--channel-priority", "best", "lib")
    assert "strict, flexible or disabled" in said
    said = envfs.fails(1, "create", "-n", "a", "-c", envfs.channel.url, "--platform", "amiga-68k",
                       "lib")
    assert "amiga-68k" in said and "linux-" in said


def test_another_platform(envfs, channel):
    envfs.make("arm", "--platform", "linux-aarch64", "arm")
    listed = json.loads(envfs.run("list", "-n", "arm", "--json").stdout)
    assert [p["platform"] for p in listed] == ["linux-aarch64"]
    assert "# platform: linux-aarch64" in envfs.run("list", "-n", "arm", "--explicit").stdout
    # and later changes stay on it
    envfs.fails(3, "install", "-n", "arm", "tool")


def test_offline(envfs, server):
    url = server.url + "/ok"
    said = envfs.fails(6, "create", "-n", "a", "-c", url, "--override-channels", "--offline", "lib")
    assert "offline" in said
    envfs.run("create", "-q", "-n", "a", "-c", url, "--override-channels", "lib=1.0")
    requests = len(server.log())
    done = envfs.run("create", "-n", "b", "-c", url, "--override-channels", "--offline", "lib")
    assert envfs.packages("b") == {"lib": "2.0"}
    assert "cached" in done.stderr
    envfs.environ["CONDA_OFFLINE"] = "1"
    envfs.run("create", "-n", "c", "-c", url, "--override-channels", "lib")
    assert len(server.log()) == requests


def test_server_that_is_not_there(envfs):
    envfs.environ["CONDA_REMOTE_MAX_RETRIES"] = "0"
    said = envfs.fails(6, "create", "-n", "a", "-c", "http://127.0.0.1:9/none",
                       "--override-channels", "lib")
    assert "127.0.0.1:9" in said


def test_channel_that_is_none(envfs, server, tmp_path):
    for url in (server.url + "/ok/nowhere", str(tmp_path / "nowhere")):
        said = envfs.fails(3, "create", "-n", "a", "-c", url, "--override-channels", "lib")
        assert "nowhere" in said and "no repodata" in said


def test_no_channel_at_all(envfs):
    said = envfs.fails(1, "create", "-n", "a", "--override-channels", "lib")
    assert "-c CHANNEL" in said


def test_misspelt_package_gets_the_nearest_names(envfs):
    said = envfs.fails(3, "create", "-n", "a", "-c", envfs.channel.url, "--override-channels",
                       "pythn", "strct")
    assert "'pythn'" in said and "python" in said
    assert "'strct'" in said and "strict" in said
    assert said.count("'pythn'") == 1


def test_unsolvable_says_which_and_what(envfs):
    said = envfs.fails(1, "create", "-n", "a", "-c", envfs.channel.url, "--override-channels",
                       "strict", "lib>=2")
    assert "strict" in said and "lib>=2" in said and "lib <2" in said
    said = envfs.fails(1, "create", "-n", "a", "-c", envfs.channel.url, "--override-channels",
                       "lib=7")
    assert "'lib=7'" in said and "2.0" in said
    assert said.count("'lib=7'") == 1
    said = envfs.fails(1, "create", "-n", "a", "-c", envfs.channel.url, "--override-channels",
                       "future")
    assert "__glibc" in said


def test_virtual_packages_can_be_overridden(envfs):
    envfs.environ["CONDA_OVERRIDE_GLIBC"] = "2.0"
    envfs.fails(1, "create", "-n", "a", "-c", envfs.channel.url, "--override-channels", "modern")
    envfs.environ["CONDA_OVERRIDE_GLIBC"] = "99.9"
    envfs.make("a", "future")


def test_a_spec_that_is_none(envfs):
    said = envfs.fails(1, "create", "-n", "a", "-c", envfs.channel.url, "lib>=>1")
    assert "lib>=>1" in said


def test_the_plan_for_a_person(envfs):
    done = envfs.run("create", "-n", "ml", "-c", envfs.channel.url, "--override-channels", "app")
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("  + ")]
    assert [r[:4] for r in rows] == [["+", "app", "2.0", "0"], ["+", "lib", "2.0", "0"]]
    last = done.stdout.splitlines()[2:]
    assert last[0].startswith(f"{envfs.prefix('ml')}: 2 packages") and "fetched when touched" in last[0]
    assert "not mounted" in last[1] and "envfs run -n ml" in last[1]
    assert (len(last), done.stderr) == (2, "")


def test_a_channel_that_only_a_spec_names(envfs, channel, second):
    """Is one more channel, after the others, as in conda."""
    envfs.run("create", "-q", "-n", "a", "-c", channel.url, "--override-channels",
              f"{second.url}::only")
    assert envfs.packages("a") == {"lib": "2.0", "only": "1.0"}
    envfs.run("create", "-q", "-n", "b", "--override-channels", f"{second.folder}::only")
    assert envfs.packages("b") == {"lib": "3.0", "only": "1.0"}
    envfs.make("c", "lib=1.0")
    envfs.run("install", "-q", "-n", "c", f"{second.url}::only")
    assert envfs.packages("c") == {"lib": "1.0", "only": "1.0"}
    # the name of a channel that is there already is no other channel
    envfs.run("create", "-q", "-n", "d", "-c", channel.folder, "--override-channels", "main::lib")
    assert envfs.packages("d") == {"lib": "2.0"}
    envfs.run("create", "-q", "-n", "e", "-c", channel.url, "--override-channels", "*::lib")
    assert envfs.packages("e") == {"lib": "2.0"}
