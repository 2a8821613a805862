# SPDX-License-Identifier: Apache-2.0
"""install, update, remove: as in conda."""
import pytest


def test_install_prefers_what_is_there(envfs):
    envfs.make("ml", "lib=1.1")
    envfs.run("install", "-n", "ml", "app")
    assert envfs.packages("ml") == {"lib": "1.1", "app": "2.0"}


def test_install_finds_no_new_names(envfs):
    """What is installed needs what is installed; the new package only that."""
    envfs.make("ml", "top", "python=3.10")
    envfs.run("install", "-n", "ml", "pyapp")
    assert envfs.packages("ml") == {"top": "1.0", "app": "2.0", "lib": "2.0", "python": "3.10.2",
                                    "pyapp": "1.0"}


def test_a_new_spec_replaces_the_earlier_request(envfs):
    envfs.make("ml", "lib=1.0")
    envfs.run("install", "-n", "ml", "lib>=1.1,<2")
    assert envfs.packages("ml") == {"lib": "1.1"}
    envfs.run("update", "-n", "ml", "--all")
    assert envfs.packages("ml") == {"lib": "1.1"}  # the later request's limit
    envfs.run("install", "-n", "ml", "lib>1")
    envfs.run("update", "-n", "ml", "--all")
    assert envfs.packages("ml") == {"lib": "2.0"}


def test_earlier_limits_hold_under_all(envfs):
    envfs.make("ml", "app=1", "lib=1.0", "other=1")
    envfs.run("install", "-n", "ml", "other")
    envfs.run("update", "-n", "ml", "--all")
    assert envfs.packages("ml") == {"app": "1.0", "lib": "1.0", "other": "2.0"}


def test_python_minor_stays(envfs, channel):
    envfs.create("ml", envfs.explicit(channel, ["python-3.10.1-0.conda"]))  # no limits at all
    channels = ["-c", channel.url, "--override-channels"]
    envfs.run("update", "-n", "ml", *channels, "--all")
    assert envfs.packages("ml") == {"python": "3.10.2"}
    envfs.run("install", "-n", "ml", "pyapp")
    assert envfs.packages("ml") == {"python": "3.10.2", "pyapp": "1.0"}
    said = envfs.fails(1, "install", "-n", "ml", "pyapp=2")
    assert "python" in said and "3.10" in said
    envfs.run("install", "-n", "ml", "python=3.11")
    assert envfs.packages("ml")["python"] == "3.11.0"
    envfs.run("update", "-n", "ml", "pyapp")
    assert envfs.packages("ml") == {"python": "3.11.0", "pyapp": "2.0"}


def test_update_of_one(envfs):
    envfs.make("ml", "lib=1.0", "other=1.0")
    envfs.run("install", "-n", "ml", "lib", "other")
    assert envfs.packages("ml")["lib"] in ("1.0", "2.0")
    envfs.make("ml", "app", "lib=1.1", "--force")
    envfs.run("update", "-n", "ml", "lib")  # a bare name keeps its earlier limit
    assert envfs.packages("ml")["lib"] == "1.1"
    envfs.run("update", "-n", "ml", "lib>1")
    assert envfs.packages("ml")["lib"] == "2.0"
    said = envfs.fails(3, "update", "-n", "ml", "other")
    assert "not in environment" in said and "install" in said


def test_nothing_to_do_writes_no_generation(envfs):
    envfs.make("ml", "lib")
    before = envfs.generation("ml")
    for words in (["install", "-n", "ml", "lib"], ["update", "-n", "ml", "--all"]):
        done = envfs.run(*words)
        assert "already" in done.stdout
        assert envfs.generation("ml") == before


def test_explicit_environment_has_no_requests_but_what_it_holds(envfs, channel):
    envfs.create("ml", envfs.explicit(channel, ["lib-1.0-0.conda", "app-1.0-0.conda"]))
    envfs.run("install", "-n", "ml", "-c", channel.url, "--override-channels", "other")
    assert envfs.packages("ml") == {"lib": "1.0", "app": "1.0", "other": "2.0"}
    envfs.run("remove", "-n", "ml", "other")
    assert envfs.packages("ml") == {"lib": "1.0", "app": "1.0"}
    envfs.run("update", "-n", "ml", "--all")
    assert envfs.packages("ml") == {"lib": "2.0", "app": "2.0"}


def test_remove_takes_dependents_along_and_names_them(envfs):
    envfs.make("ml", "top", "other")
    done = envfs.run("remove", "-n", "ml", "app")
    assert envfs.packages("ml") == {"other": "2.0"}
    assert "top needs app" in done.stderr


def test_remove_prunes(envfs):
    envfs.make("ml", "app", "other")
    envfs.run("remove", "-n", "ml", "app")
    assert envfs.packages("ml") == {"other": "2.0"}


def test_remove_without_pruning(envfs):
    envfs.make("ml", "app", "other")
    envfs.run("remove", "-n", "ml", "--no-prune-deps", "app")
    assert envfs.packages("ml") == {"lib": "2.0", "other": "2.0"}


def test_remove_keeps_what_a_request_names(envfs):
    envfs.make("ml", "app", "lib")
    envfs.run("remove", "-n", "ml", "app")
    assert envfs.packages("ml") == {"lib": "2.0"}


def test_removed_requests_do_not_come_back(envfs):
    envfs.make("ml", "app", "other")
    envfs.run("remove", "-n", "ml", "app")
    envfs.run("update", "-n", "ml", "--all")
    assert envfs.packages("ml") == {"other": "2.0"}


def test_remove_what_is_not_there(envfs):
    envfs.make("ml", "lib")
    assert "'nosuch'" in envfs.fails(3, "remove", "-n", "ml", "nosuch")
    assert envfs.packages("ml") == {"lib": "2.0"}


@pytest.mark.parametrize("words", [["install", "other"], ["remove", "lib"], ["update", "--all"]])
def test_dry_run(envfs, words):
    envfs.make("ml", "lib=1.0")
    before = envfs.generation("ml")
    done = envfs.run(words[0], "-n", "ml", "--dry-run", *words[1:])
    assert done.returncode == 0
    assert envfs.generation("ml") == before
    assert envfs.packages("ml") == {"lib": "1.0"}


@pytest.mark.parametrize("verb", ["install", "remove", "update"])
def test_an_environment_that_is_not_there(envfs, verb):
    said = envfs.fails(3, verb, "-n", "nope", "lib")
    assert "'nope'" in said
    assert not envfs.store.exists() or envfs.envs() == []


def test_channels_of_the_environment_are_remembered(envfs, channel, second):
    envfs.make("ml", "lib=1.0")
    envfs.run("install", "-n", "ml", "other")  # no -c: the environment's channels
    envfs.run("install", "-n", "ml", "-c", second.url, "only")
    assert envfs.packages("ml") == {"lib": "1.0", "other": "2.0", "only": "1.0"}


def test_pins_hold(envfs):
    envfs.environ["CONDA_PINNED_PACKAGES"] = "lib=1.1"
    envfs.make("ml", "app")
    assert envfs.packages("ml") == {"app": "2.0", "lib": "1.1"}


def test_changes_are_shown(envfs):
    envfs.make("ml", "app=1", "lib=1.0")
    done = envfs.run("install", "-n", "ml", "lib=2.0", "other")
    lines = done.stdout.splitlines()
    assert any(line.startswith("  ~ lib") and "1.0" in line and "2.0" in line for line in lines)
    assert any(line.startswith("  + other") for line in lines)
    done = envfs.run("remove", "-n", "ml", "other")
    assert any(line.startswith("  - other") for line in done.stdout.splitlines())


def test_install_from_a_file(envfs, channel):
    envfs.make("ml", "lib=1.0")
    path = envfs.write("e.yml", f"channels: [{channel.url}]\ndependencies: [other=1]\n")
    envfs.run("install", "-n", "ml", "-f", path)
    assert envfs.packages("ml") == {"lib": "1.0", "other": "1.0"}
    path = envfs.write("x.txt", envfs.explicit(channel, ["lib-2.0-0.conda"]))
    assert "--force" in envfs.fails(1, "install", "-n", "ml", "-f", path)


def test_environments_are_listed_and_removed(envfs):
    envfs.make("a", "lib")
    envfs.make("b", "other")
    said = envfs.run("env", "list").stdout
    assert [line.split()[0] for line in said.splitlines()] == ["a", "b"]
    envfs.run("env", "remove", "a")
    assert envfs.envs() == ["b"]
    envfs.run("env", "remove", "-n", "b")
    assert envfs.envs() == []
    assert "'a'" in envfs.fails(3, "env", "remove", "a")
    assert envfs.run("verify", "-q").returncode == 0
