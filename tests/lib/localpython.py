#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""localpython OUTDIR: a small conda channel that runs, made from the Python that runs this.

It holds `python` (the interpreter, its shared library if it has one, the standard library with its compiled files) and two
small noarch packages, `greet` (with an entry point) and `greet-data`, which it needs. Only the system's own Python is meant
(/usr/bin/python3): its libraries are found by the system's loader as before.

Debian's Python looks for packages in dist-packages; the package carries a sitecustomize that adds site-packages.
"""
import os
import pathlib
import platform
import sys
import sysconfig

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from makepkg import make_channel  # noqa: E402

LEFT_OUT = {"test", "tests", "idle_test", "idlelib", "tkinter", "turtledemo", "lib2to3", "ensurepip", "distutils", "site-packages",
            "dist-packages"}
SITE = """import site, sys
site.addsitedir(f"{sys.prefix}/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages")
"""


def subdir():
    machine = {"x86_64": "64", "aarch64": "aarch64", "ppc64le": "ppc64le", "s390x": "s390x"}.get(platform.machine())
    if not machine:
        sys.exit(f"localpython: no conda platform is known for {platform.machine()}")
    return f"linux-{machine}"


def entry(path):
    st = path.stat()
    return {"data": path.read_bytes(), "mode": st.st_mode & 0o777, "mtime": str(int(st.st_mtime))}


def python_package(minor):
    stdlib = pathlib.Path(sysconfig.get_path("stdlib"))
    exe = pathlib.Path(os.path.realpath(sys.executable))
    files = {f"bin/python{minor}": entry(exe), "bin/python3": {"link": f"python{minor}"}, "bin/python": {"link": f"python{minor}"}}
    for folder, folders, names in os.walk(stdlib):
        folders[:] = sorted(f for f in folders if f not in LEFT_OUT)
        for name in sorted(names):
            path = pathlib.Path(folder, name)
            inside = f"lib/python{minor}/{path.relative_to(stdlib)}"
            if name in ("EXTERNALLY-MANAGED", "sitecustomize.py") or name.startswith("sitecustomize.") or not path.exists():
                continue  # the system's, not this environment's; and links to files that are not installed
            if path.suffix in (".py", ".pyc", ".so", ".txt", ".pem") or "encodings" in inside or name.startswith("_sysconfigdata"):
                files[inside] = entry(path)
    files[f"lib/python{minor}/sitecustomize.py"] = SITE
    return {"name": "python", "version": platform.python_version().rstrip("+"), "build": "0_local", "subdir": subdir(),
            "depends": ["__glibc"], "files": files, "license": "PSF-2.0"}


def greet_packages():
    module = ('"""Says hello from an environment that nobody installed."""\n'
              "import pathlib, sys\n\n\ndef main():\n"
              '    words = pathlib.Path(sys.prefix, "share/greet/words.txt").read_text().strip()\n'
              '    print(f"{words} {sys.prefix}, Python {sys.version.split()[0]}")\n')
    return [
        {"name": "greet", "version": "1.0", "build": "py_0", "noarch": "python", "subdir": "noarch",
         "depends": ["python >=3", "greet-data"], "files": {"site-packages/greet.py": module},
         "entry_points": ["greet = greet:main"]},
        {"name": "greet-data", "version": "1.0", "build": "0", "noarch": "generic", "subdir": "noarch",
         "files": {"share/greet/words.txt": "Hello from\n"}},
    ]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    channel = make_channel(sys.argv[1], [python_package(minor)] + greet_packages())
    size = sum(os.path.getsize(p) for p in channel.paths.values())
    print(f"{len(channel.paths)} packages, {size / 1e6:.1f} MB: {channel.url}")


if __name__ == "__main__":
    main()
