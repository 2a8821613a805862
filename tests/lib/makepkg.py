#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""makepkg: small conda packages and channels for tests, the same bytes every time.

Needs python3 and python3-zstandard, or without the latter the `zstd` command.

    from makepkg import make_package, make_channel, PLACEHOLDER

    make_package(folder, description) -> path of the artifact written into folder
    make_channel(folder, [description, ...]) -> Channel

A description is a dict. Only "name" must be there:

    name, version ("1.0"), build ("0"), build_number (0), subdir ("linux-64")
    format         "conda" (default) or "tar.bz2"
    depends, constrains, track_features, license, timestamp (ms), noarch ("python"/"generic")
    index          more members of index.json, or others' replacements (None takes one away)
    repodata       what repodata.json says otherwise than index.json (a "hotfix"); None takes away
    files          {path: content or entry}, see below; the tar has them in this order
    entry_points   ["cmd = module:function"]: into link.json
    paths_json     False: a v1 package with only files, has_prefix, no_link
    v1_files       True: files, has_prefix and no_link beside paths.json too (conda-build does)
    placeholder    PLACEHOLDER (255 bytes) unless told
    mtime          of all entries that name none; 1700000000 unless told
    info           {name below info/: bytes, str or JSON value}: adds or replaces; None takes away
    info_last      True: info/ stands last in a .tar.bz2 (first otherwise)
    info_in_pkg    True: the pkg- member of a .conda holds info/ too (seen in real ones)
    tar_format     "pax" (default), "gnu", "ustar"
    zip64          True (default): local headers as conda-package-streaming writes them
    member_order   "mpi" (default): metadata.json, pkg-, info-
    zstd_level     3

An entry of files is bytes or str (a regular file), or a dict:

    data           bytes or str; with "prefix", every @PREFIX@ in it becomes the placeholder
    base64         data, in JSON descriptions
    mode           0o644 unless told (scripts: 0o755)
    mtime          seconds, int, or "1700000000.123456789": pax header with nanoseconds, and a
                   *rounded* ustar field, as conda-build's archives have it
    prefix         "text" or "binary": listed with the placeholder
    no_link        True
    link           target: a softlink
    hardlink       path of an earlier file: a hard link in the tar (paths.json: a file)
    dir            True: a directory entry, path_type directory
    listed         False: in the tar, not in paths.json
    packed         False: in paths.json, not in the tar
    row            dict: laid over the paths.json row (None takes a member away)

A Channel has folder, url ("file://…"), records {file name: repodata record}, and
paths {file name: path}; each record got "url". make_channel() writes SUBDIR/*.conda,
SUBDIR/repodata.json and repodata.json.zst for every subdir met, noarch always.

    write_repodata(folder, records_by_subdir)  the same files from records alone
    explicit(channel, [file name, ...])        an @EXPLICIT list with #sha256
    helpers: compress(bytes), decompress(bytes), sha256(bytes), md5(bytes)

As a command, with JSON descriptions (a description, or a list of them):

    makepkg.py package OUTDIR DESCRIPTION.json
    makepkg.py channel OUTDIR DESCRIPTIONS.json
"""
import base64
import bz2
import hashlib
import io
import json
import os
import posixpath
import subprocess
import sys
import tarfile
import zipfile

try:
    import zstandard
except ImportError:  # the zstd command does as well
    zstandard = None

PLACEHOLDER = ("/opt/conda-bld/example_1700000000000/_h_env" + "_placehold" * 30)[:255]
MTIME = 1700000000
TAR_FORMATS = {"pax": tarfile.PAX_FORMAT, "gnu": tarfile.GNU_FORMAT, "ustar": tarfile.USTAR_FORMAT}
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def md5(data):
    return hashlib.md5(data).hexdigest()


def compress(data, level=3):
    if zstandard:
        return zstandard.ZstdCompressor(level=level).compress(data)
    return subprocess.run(["zstd", "-q", "-c", "--no-check", f"-{level}", f"--stream-size={len(data)}"],
                          input=data, stdout=subprocess.PIPE, check=True).stdout


def decompress(data):
    if zstandard:
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(
            io.BytesIO(data), read_across_frames=True)
        return reader.read()
    return subprocess.run(["zstd", "-q", "-d", "-c", "--long=31"], input=data,
                          stdout=subprocess.PIPE, check=True).stdout


def to_bytes(value):
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def overlaid(base, over):
    """base with over's members; None takes one away."""
    both = {**base, **(over or {})}
    return {k: v for k, v in both.items() if v is not None}


def dist_name(d):
    return f"{d['name']}-{d.get('version', '1.0')}-{d.get('build', '0')}"


def file_name(d):
    return f"{dist_name(d)}.{d.get('format', 'conda')}"


def subdir_of(d):
    return d.get("subdir", "noarch" if d.get("noarch") else "linux-64")


class Entry:
    """One entry of files, with everything settled."""

    def __init__(self, path, given, d):
        if isinstance(given, (bytes, str)):
            given = {"data": given}
        self.path = path
        self.given = given
        self.placeholder = d.get("placeholder", PLACEHOLDER)
        self.kind = ("link" if "link" in given else "hardlink" if "hardlink" in given else
                     "dir" if given.get("dir") else "file")
        data = base64.b64decode(given["base64"]) if "base64" in given else given.get("data", b"")
        self.data = to_bytes(data)
        if given.get("prefix"):
            self.data = self.data.replace(b"@PREFIX@", self.placeholder.encode())
        executable = self.data.startswith(b"#!") or self.kind in ("link", "dir")
        self.mode = given.get("mode", 0o755 if executable else 0o644)
        self.mtime = given.get("mtime", d.get("mtime", MTIME))
        self.listed = given.get("listed", True)
        self.packed = given.get("packed", True)

    def content(self, entries):
        """What is read through the path: of links the target's content, or None."""
        path, entry = self.path, self
        for _ in range(40):
            if entry is None or entry.kind in ("file", "dir"):
                return entry.data if entry is not None and entry.kind == "file" else None
            to = entry.given["hardlink"] if entry.kind == "hardlink" else posixpath.normpath(
                posixpath.join(posixpath.dirname(path), entry.given["link"]))
            path, entry = to, entries.get(to)
        return None

    def row(self, entries):
        kind = {"link": "softlink", "dir": "directory"}.get(self.kind, "hardlink")
        row = {"_path": self.path, "path_type": kind}
        if kind != "directory":
            data = self.content(entries)
            row["sha256"] = EMPTY_SHA256 if data is None else sha256(data)
            row["size_in_bytes"] = 0 if data is None else len(data)
        if self.given.get("prefix"):
            row["file_mode"] = self.given["prefix"]
            row["prefix_placeholder"] = self.placeholder
        if self.given.get("no_link"):
            row["no_link"] = True
        return overlaid(row, self.given.get("row"))


def add_to_tar(tar, path, kind, data=b"", mode=0o644, mtime=MTIME, target=""):
    info = tarfile.TarInfo(path)
    info.type = {"file": tarfile.REGTYPE, "dir": tarfile.DIRTYPE, "link": tarfile.SYMTYPE,
                 "hardlink": tarfile.LNKTYPE}[kind]
    info.mode = mode
    info.uname, info.gname = "root", "root"
    info.linkname = target
    text = str(mtime)
    if "." in text and tar.format == tarfile.PAX_FORMAT:
        info.pax_headers = {"mtime": text}
    info.mtime = round(float(text)) if "." in text else int(text)
    if kind == "file":
        info.size = len(data)
    tar.addfile(info, io.BytesIO(data) if kind == "file" else None)


def make_tar(d, members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=TAR_FORMATS[d.get("tar_format", "pax")],
                      encoding="utf-8", errors="surrogateescape") as tar:
        for member in members:
            add_to_tar(tar, *member)
    return out.getvalue()


def make_index(d):
    index = {"name": d["name"], "version": d.get("version", "1.0"), "build": d.get("build", "0"),
             "build_number": d.get("build_number", 0), "depends": d.get("depends", []),
             "subdir": subdir_of(d)}
    for key in ("constrains", "track_features", "license", "timestamp", "noarch"):
        if key in d:
            index[key] = d[key]
    if index["subdir"] != "noarch" and "-" in index["subdir"]:
        index["platform"], arch = index["subdir"].split("-", 1)
        index["arch"] = {"64": "x86_64", "32": "x86"}.get(arch, arch)
    return overlaid(index, d.get("index"))


def info_members(d, entries):
    """The files of info/ in order, as {name: bytes}."""
    listed = [e for e in entries.values() if e.listed]
    files = {"index.json": make_index(d), "about.json": {"summary": f"the test package {d['name']}"}}
    if d.get("noarch") == "python" or d.get("entry_points"):
        files["link.json"] = {"package_metadata_version": 1, "noarch": {
            "type": d.get("noarch", "python"), "entry_points": d.get("entry_points", [])}}
    if d.get("paths_json", True):
        files["paths.json"] = {"paths_version": 1, "paths": [e.row(entries) for e in listed]}
    if not d.get("paths_json", True) or d.get("v1_files"):
        plain = [e for e in listed if e.kind != "dir"]
        files["files"] = "".join(e.path + "\n" for e in plain)
        prefixed = [e for e in plain if e.given.get("prefix")]
        if prefixed:
            files["has_prefix"] = "".join(
                f"{e.placeholder} {e.given['prefix']} {e.path}\n" for e in prefixed)
        no_link = [e.path for e in plain if e.given.get("no_link")]
        if no_link:
            files["no_link"] = "".join(p + "\n" for p in no_link)
    return {k: to_bytes(v) for k, v in overlaid(files, d.get("info")).items()}


def make_conda(d, info, payload):
    stem, level = dist_name(d), d.get("zstd_level", 3)
    pkg = payload + (info if d.get("info_in_pkg") else [])
    members = {"m": ("metadata.json", b'{"conda_pkg_format_version": 2}'),
               "p": (f"pkg-{stem}.tar.zst", compress(make_tar(d, pkg), level)),
               "i": (f"info-{stem}.tar.zst", compress(make_tar(d, info), level))}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as z:
        for letter in d.get("member_order", "mpi"):
            name, data = members[letter]
            zi = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            zi.create_system, zi.external_attr = 3, 0o600 << 16
            with z.open(zi, "w", force_zip64=d.get("zip64", True)) as f:
                f.write(data)
    return out.getvalue()


def package_bytes(d):
    """The artifact's bytes, and its index.json as a dict."""
    entries = {path: Entry(path, given, d) for path, given in d.get("files", {}).items()}
    mtime = d.get("mtime", MTIME)
    files = info_members(d, entries)
    info = [("info/" + name, "file", data, 0o644, mtime) for name, data in files.items()]
    payload = [(e.path, e.kind, e.data, e.mode, e.mtime,
                e.given.get("link", e.given.get("hardlink", "")))
               for e in entries.values() if e.packed]
    index = make_index(d)
    if d.get("format", "conda") == "conda":
        return make_conda(d, info, payload), index
    members = payload + info if d.get("info_last") else info + payload
    return bz2.compress(make_tar(d, members)), index


def make_package(folder, d):
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, file_name(d))
    data, _ = package_bytes(d)
    with open(path, "wb") as f:
        f.write(data)
    return path


class Channel:
    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.url = "file://" + self.folder
        self.records = {}
        self.paths = {}


def write_repodata(folder, by_subdir):
    """by_subdir: {subdir: {file name: record}}. Writes repodata.json and repodata.json.zst."""
    for subdir, records in by_subdir.items():
        doc = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": {},
               "removed": [], "repodata_version": 1}
        for name, record in sorted(records.items()):
            kind = "packages.conda" if name.endswith(".conda") else "packages"
            doc[kind][name] = {k: v for k, v in record.items() if k != "url"}
        data = (json.dumps(doc, indent=2, sort_keys=True) + "\n").encode()
        os.makedirs(os.path.join(folder, subdir), exist_ok=True)
        with open(os.path.join(folder, subdir, "repodata.json"), "wb") as f:
            f.write(data)
        with open(os.path.join(folder, subdir, "repodata.json.zst"), "wb") as f:
            f.write(compress(data))


def make_channel(folder, descriptions):
    channel = Channel(folder)
    by_subdir = {"noarch": {}}
    for d in descriptions:
        subdir, name = subdir_of(d), file_name(d)
        path = os.path.join(channel.folder, subdir, name)
        data, index = package_bytes(d)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
        record = overlaid({**index, "md5": md5(data), "sha256": sha256(data), "size": len(data)},
                          d.get("repodata"))
        record["url"] = f"{channel.url}/{subdir}/{name}"
        by_subdir.setdefault(subdir, {})[name] = record
        channel.records[name] = record
        channel.paths[name] = path
    write_repodata(channel.folder, by_subdir)
    return channel


def explicit(channel, names):
    lines = ["@EXPLICIT"]
    lines += [f"{channel.records[n]['url']}#sha256:{channel.records[n]['sha256']}" for n in names]
    return "\n".join(lines) + "\n"


def main(argv):
    if len(argv) != 4 or argv[1] not in ("package", "channel"):
        print(__doc__, file=sys.stderr)
        return 2
    with open(argv[3], encoding="utf-8") as f:
        given = json.load(f)
    given = given if isinstance(given, list) else [given]
    if argv[1] == "package":
        for d in given:
            print(make_package(argv[2], d))
    else:
        print(make_channel(argv[2], given).url)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
