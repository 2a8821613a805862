# SPDX-License-Identifier: Apache-2.0
"""other: what Python's zipfile, tarfile, json and zstd say of an artifact, in the words of
pkg_dump. An independent answer: nothing here follows envfs' code, only what conda does."""
import hashlib
import io
import json
import os
import shlex
import subprocess
import sys
import tarfile
import zipfile
from decimal import Decimal

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from makepkg import decompress  # noqa: E402  (the folder is known only here)

DIR, FILE, LINK = 1, 2, 3
OLD_PLACEHOLDER = "/opt/anaconda1anaconda2" "anaconda3"
DOCUMENTS = ("index.json", "paths.json", "link.json", "files", "has_prefix", "no_link")


def dump(program, paths, *options):
    """[(lines, code, why)] of pkg_dump, one an artifact."""
    out = subprocess.run([program, *options, *paths], stdout=subprocess.PIPE, check=True).stdout
    answers, lines = [], []
    for line in out.decode().splitlines():
        value = json.loads(line)
        if "end" in value:
            answers.append((lines, value["end"], value["why"]))
            lines = []
        else:
            lines.append(value)
    assert len(answers) == len(paths) and not lines
    return answers


def tars_of(path):
    """The tars in an artifact: (info, payload), which may be one."""
    if path.endswith(".conda"):
        with zipfile.ZipFile(path) as z:
            def of(start):
                name, = [n for n in z.namelist() if n.startswith(start)]
                return decompress(z.read(name))
            return of("info-"), of("pkg-")
    data = subprocess.run(["bzip2", "-dc", path], stdout=subprocess.PIPE, check=True).stdout
    return data, data


def hidden(name):
    return name.split("/")[0] in ("info", "conda-meta")


def clean(name):
    return name[2:] if name.startswith("./") else name


def documents(tar):
    found = {}
    for m in tar:
        name = clean(m.name)
        if name.startswith("info/") and name[5:] in DOCUMENTS:
            found[name[5:]] = tar.extractfile(m).read()
    return found


def mtime_of(m):
    """To the nanosecond: tarfile's own float is not enough."""
    exact = m.pax_headers.get("mtime")
    if exact is None:
        return [m.mtime, 0]
    ns = int(Decimal(exact) * 1000000000)
    return [ns // 1000000000, ns % 1000000000]


def entries(tar):
    sizes, out = {}, []
    for m in tar:
        name = clean(m.name)
        sizes[name] = m.size if m.isreg() else sizes.get(clean(m.linkname), 0)
        if hidden(name) or name == ".":
            continue
        out.append({"entry": name, "type": DIR if m.isdir() else LINK if m.issym() else FILE,
                    "mode": m.mode, "mtime": mtime_of(m),
                    "size": sizes[name] if m.isreg() or m.islnk() else 0,
                    "target": m.linkname if m.issym() else None,
                    "link_to": clean(m.linkname) if m.islnk() else None})
        if m.isreg():
            data = tar.extractfile(m).read()
            out.append({"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)})
    return out


def row(path, **more):
    return {"row": path, "type": 0, "binary": False, "no_link": False, "placeholder": None,
            "sha256": None, "size": None, **more}


def json_rows(text):
    kinds = {"hardlink": FILE, "softlink": LINK, "directory": DIR}
    return [row(r["_path"], type=kinds[r.get("path_type", "hardlink")],
                binary=r.get("file_mode") == "binary", no_link=bool(r.get("no_link")),
                placeholder=r.get("prefix_placeholder") or None, sha256=r.get("sha256"),
                size=r.get("size_in_bytes")) for r in json.loads(text)["paths"]]


def lines_of(text):
    stripped = (line.strip() for line in text.decode().split("\n"))
    return [line for line in stripped if line and not line.startswith("#")]


def old_rows(docs):
    prefixes = {}
    for line in lines_of(docs.get("has_prefix", b"")):
        parts = [x.strip("\"'") for x in shlex.split(line, posix=False)]
        placeholder, mode, path = parts if len(parts) == 3 else (OLD_PLACEHOLDER, "text", parts[0])
        prefixes[path] = {"placeholder": placeholder, "binary": mode == "binary"}
    no_link = set(lines_of(docs.get("no_link", b"")))
    return [row(path, no_link=path in no_link, **prefixes.get(path, {}))
            for path in lines_of(docs.get("files", b""))]


def noarch_of(value):
    text = str(value).lower() if value else ""
    return 2 if text == "python" else 1 if text in ("generic", "true") else 0


def meta(docs):
    index = json.loads(docs["index.json"])
    link = json.loads(docs.get("link.json", b"{}")).get("noarch") or {}
    noarch = noarch_of(index.get("noarch")) or noarch_of(link.get("type"))
    subdir = index.get("subdir")
    if not subdir:
        arch = {"x86_64": "64", "x86": "32"}.get(index.get("arch"), index.get("arch"))
        platform = index.get("platform")
        subdir = f"{platform}-{arch}" if platform and arch else "noarch"
    points = {}
    for text in link.get("entry_points") or [] if noarch == 2 else []:
        rest, function = text.rsplit(":", 1)
        command, module = rest.rsplit("=", 1)
        points[command.strip()] = f"{command.strip()} = {module.strip()}:{function.strip()}"
    return {"meta": [index["name"], index["version"], index["build"], subdir, noarch],
            "entry_points": list(points.values()), "index_json": docs["index.json"].decode()}


def expected(path):
    """All lines of pkg_dump for a whole artifact."""
    info, payload = (tarfile.open(fileobj=io.BytesIO(t)) for t in tars_of(path))
    docs = documents(info)
    rows = json_rows(docs["paths.json"]) if "paths.json" in docs else old_rows(docs)
    if path.endswith(".conda"):
        lines = entries(payload)
    else:
        lines = entries(info)
    return [meta(docs)] + [r for r in rows if not hidden(r["row"])] + lines
