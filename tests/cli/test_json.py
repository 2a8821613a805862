# SPDX-License-Identifier: Apache-2.0
"""--json: conda's shapes, which editors, Jupyter and CI read, with our fields added."""
import json

import pytest

# What conda's dist_fields_dump() has: LINK, UNLINK, list.
DIST = {"base_url": str, "build_number": int, "build_string": str, "channel": str,
        "dist_name": str, "name": str, "platform": str, "version": str}
# What readers of FETCH and search expect of a record.
RECORD = {"build": str, "build_number": int, "channel": str, "depends": list, "fn": str,
          "md5": str, "name": str, "sha256": str, "size": int, "subdir": str, "url": str,
          "version": str}
INFO = {"channels": list, "conda_version": str, "conda_prefix": str, "config_files": list,
        "default_prefix": str, "envs": list, "envs_details": dict, "envs_dirs": list,
        "offline": bool, "pkgs_dirs": list, "platform": str, "rc_path": str, "root_prefix": str,
        "root_writable": bool, "conda_shlvl": int, "sys_rc_path": str, "user_agent": str,
        "user_rc_path": str, "virtual_pkgs": list, "UID": int, "GID": int}


def has(value, shape):
    for key, kind in shape.items():
        assert key in value, key
        assert type(value[key]) is kind, (key, value[key])


def create(envfs, *specs, **more):
    return envfs.json("create", "-n", "ml", "-c", envfs.channel.url, "--override-channels",
                      *specs, **more)


def test_create(envfs):
    said = create(envfs, "app")
    assert said["success"] is True
    assert said["prefix"] == said["actions"]["PREFIX"] == str(envfs.prefix("ml"))
    assert [p["name"] for p in said["actions"]["LINK"]] == ["lib", "app"]
    assert [p["name"] for p in said["actions"]["FETCH"]] == ["lib", "app"]
    assert said["actions"].get("UNLINK", []) == []
    assert "dry_run" not in said
    for p in said["actions"]["LINK"]:
        has(p, DIST)
    for p in said["actions"]["FETCH"]:
        has(p, RECORD)
    lib = said["actions"]["FETCH"][0]
    assert lib["url"] == f"{envfs.channel.url}/linux-64/lib-2.0-0.conda"
    assert lib["channel"] == f"{envfs.channel.url}/linux-64"
    assert said["actions"]["LINK"][0]["base_url"] == envfs.channel.url
    assert said["actions"]["LINK"][0]["dist_name"] == "lib-2.0-0"


def test_dry_run(envfs):
    said = create(envfs, "app", "--dry-run")
    assert (said["success"], said["dry_run"]) == (True, True)
    assert envfs.envs() == []


def test_fetch_names_only_what_is_missing(envfs):
    create(envfs, "lib")
    envfs.run("fetch", "-n", "ml")
    said = envfs.json("create", "-n", "two", "-c", envfs.channel.url, "--override-channels",
                      "app")
    assert [p["name"] for p in said["actions"]["FETCH"]] == ["app"]


def test_install_update_remove(envfs):
    create(envfs, "lib=1.0")
    said = envfs.json("install", "-n", "ml", "lib=1.1", "other")
    assert {(p["name"], p["version"]) for p in said["actions"]["LINK"]} == {("lib", "1.1"),
                                                                             ("other", "2.0")}
    assert [(p["name"], p["version"]) for p in said["actions"]["UNLINK"]] == [("lib", "1.0")]
    has(said["actions"]["UNLINK"][0], DIST)
    said = envfs.json("update", "-n", "ml", "--all")
    assert said == {"message": "All requested packages already installed.", "success": True,
                    "prefix": str(envfs.prefix("ml")), "generation": envfs.generation("ml")}
    said = envfs.json("remove", "-n", "ml", "other")
    assert [p["name"] for p in said["actions"]["UNLINK"]] == ["other"]
    assert said["actions"].get("LINK", []) == []


def test_list(envfs):
    create(envfs, "app")
    said = envfs.json("list", "-n", "ml")
    assert [p["name"] for p in said] == ["app", "lib"]
    for p in said:
        has(p, DIST)
    said = envfs.json("list", "-n", "ml", "--explicit")
    assert all(isinstance(row, str) and "#" in row for row in said)


def test_env_list(envfs):
    assert envfs.json("env", "list") == {"envs": [], "envs_details": {}}
    create(envfs, "app")
    prefix = str(envfs.prefix("ml"))
    said = envfs.json("env", "list")
    assert said["envs"] == [prefix]
    details = said["envs_details"][prefix]
    has(details, {"name": str, "created": str, "last_modified": str, "active": bool,
                  "base": bool, "frozen": bool, "writable": bool})
    envfs.environ["CONDA_PREFIX"] = prefix
    assert envfs.json("env", "list")["envs_details"][prefix]["active"] is True


def test_env_remove(envfs):
    create(envfs, "app")
    said = envfs.json("env", "remove", "ml")
    assert (said["success"], said["prefix"]) == (True, str(envfs.prefix("ml")))


def test_info(envfs):
    create(envfs, "app")
    envfs.environ["CONDA_CHANNELS"] = "https://user:SECRET@example.org/chan"
    said = envfs.json("info")
    has(said, INFO)
    assert said["envs"] == [str(envfs.prefix("ml"))]
    assert said["envs_dirs"] == [str(envfs.dir)]
    assert said["channels"][0] == "https://example.org/chan/linux-64"
    assert said["active_prefix"] is None
    assert all(len(v) == 3 for v in said["virtual_pkgs"])
    assert {"__unix", "__linux", "__glibc", "__archspec"} <= {v[0] for v in said["virtual_pkgs"]}
    assert "SECRET" not in json.dumps(said)
    # some editor plugins look whether an active environment is known
    envfs.environ.update(CONDA_PREFIX=str(envfs.prefix("ml")), CONDA_DEFAULT_ENV="ml",
                         CONDA_SHLVL="1")
    said = envfs.json("info")
    assert (said["active_prefix"], said["active_prefix_name"], said["conda_shlvl"]) == (
        str(envfs.prefix("ml")), "ml", 1)


def test_info_needs_no_store(envfs):
    assert envfs.json("info")["envs"] == []
    assert not envfs.store.exists()


def test_search(envfs):
    said = envfs.json("search", "-c", envfs.channel.url, "--override-channels", "lib")
    assert list(said) == ["lib"]
    assert [r["version"] for r in said["lib"]] == ["1.0", "1.1", "2.0"]
    for r in said["lib"]:
        has(r, RECORD)


@pytest.mark.parametrize("words, code, name, says", [
    (["create", "-n", "x", "-c", "{url}", "--override-channels", "nosuch"], 3,
     "PackagesNotFoundError", "'nosuch'"),
    (["create", "-n", "x", "-c", "{url}", "--override-channels", "strict", "lib>=2"], 1,
     "UnsatisfiableError", "lib <2"),
    (["create", "-n", "x", "-c", "http://127.0.0.1:9/c", "--override-channels", "lib"], 6,
     "CondaHTTPError", "127.0.0.1"),
    (["create", "-n", "x", "-c", "http://127.0.0.1:9/c", "--override-channels", "--offline",
      "lib"], 6, "OfflineError", "offline"),
    (["create", "-n", "x"], 2, "ArgumentError", "specs"),
    (["create", "-n", "ml", "-c", "{url}", "lib"], 1, "CondaValueError", "exists already"),
    (["list", "-n", "nope"], 3, "EnvironmentLocationNotFound", "nope"),
    (["install", "-n", "nope", "lib"], 3, "EnvironmentLocationNotFound", "nope"),
    (["env", "remove", "nope"], 3, "EnvironmentLocationNotFound", "nope"),
    (["remove", "-n", "ml", "nosuch"], 3, "PackagesNotFoundError", "nosuch"),
    (["search", "-c", "{url}", "--override-channels", "nosuch"], 3, "PackagesNotFoundError",
     "nosuch"),
    (["fetch", "-n", "nope"], 3, "EnvironmentLocationNotFound", "nope"),
])
def test_failures(envfs, words, code, name, says):
    envfs.environ["CONDA_REMOTE_MAX_RETRIES"] = "0"
    envfs.make("ml", "lib")
    said = envfs.json(*[w.format(url=envfs.channel.url) for w in words], code=code)
    assert said["success"] is False
    assert said["exception_name"] == name
    assert said["exception_type"] == f"<class 'conda.exceptions.{name}'>"
    assert says in said["message"] and says in said["error"]
    assert said["exit_code"] == code


@pytest.mark.parametrize("words", [["create", "--json", "--bogus"], ["list", "--json", "a", "b"],
                                   ["create", "-n", "x", "--channel-priority", "no", "--json"]])
def test_a_command_line_that_is_wrong(envfs, words):
    done = envfs.run(*words, check=False)
    said = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (2, "")
    assert (said["success"], said["exception_name"]) == (False, "ArgumentError")


def test_mount_and_umount(mounted):
    mounted.make("ml", "lib")
    assert mounted.json("mount", mounted.dir) == {"success": True, "mount": str(mounted.dir)}
    assert mounted.json("info")["mounted"] is True
    mounted.pid = mounted.status()["pid"]
    assert mounted.json("umount", mounted.dir) == {"success": True, "mount": str(mounted.dir)}
    said = mounted.json("umount", mounted.dir, code=3)
    assert said["success"] is False
