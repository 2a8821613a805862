# SPDX-License-Identifier: Apache-2.0
"""reference: what conda would have put into a prefix, worked out in plain Python from the archives, independently of envfs.

    tree = install([archive, ...], prefix)      # archives in link order
    tree["bin/python3.11"] -> Entry(kind, mode, size, mtime_ns, target, sha256, patched, package)

Sources: conda core/portability.py and common/path/python.py, CEP 34, CEP 35. mtime_ns is the archive's (PAX, to the nanosecond);
for patched files it says nothing. Directories are those that a path needs or that paths.json lists.

    seen = walk(prefix)                          # the same table of a real directory
    differences(tree, seen) -> [sentence, ...]
"""
import dataclasses
import decimal
import hashlib
import io
import json
import os
import posixpath
import re
import stat
import tarfile
import zipfile

from makepkg import decompress

DEFAULT_PLACEHOLDER = "/opt/anaconda1anaconda2anaconda3"
# What envfs makes by itself.
MADE = re.compile(r"(conda-meta(/.*)?|lib/python[^/]*/EXTERNALLY-MANAGED)$")


@dataclasses.dataclass
class Entry:
    kind: str  # dir, file, link
    mode: int = 0
    size: int = 0
    mtime_ns: int = 0
    target: str = ""
    sha256: str = ""
    patched: bool = False
    package: str = ""


class Archive:
    """An artifact, opened: info documents by name, payload members by path."""

    def __init__(self, path):
        self.path = str(path)
        self.info, self.members = {}, {}
        if self.path.endswith(".conda"):
            with zipfile.ZipFile(self.path) as z:
                names = z.namelist()
                for part in ("info-", "pkg-"):
                    name = next(n for n in names if n.startswith(part))
                    self.read_tar(tarfile.open(fileobj=io.BytesIO(decompress(z.read(name)))))
        else:
            self.read_tar(tarfile.open(self.path, "r:bz2"))
        self.index = json.loads(self.info["index.json"])

    def read_tar(self, tar):
        for m in tar:
            name = posixpath.normpath(m.name)
            if name.startswith("info/"):
                if m.isfile():
                    self.info.setdefault(name[5:], tar.extractfile(m).read())
            elif name not in ("info", ".") and not name.startswith("conda-meta/"):
                data = tar.extractfile(m).read() if m.isfile() or m.islnk() else b""
                self.members[name] = (m, data)

    def rows(self):
        """(path, type or None, mode, placeholder) of what the package lists."""
        if "paths.json" in self.info:
            for row in json.loads(self.info["paths.json"])["paths"]:
                yield (row["_path"], row.get("path_type", "hardlink"), row.get("file_mode", "text"), row.get("prefix_placeholder") or "")
            return
        prefixes = {}
        for line in self.info.get("has_prefix", b"").decode().splitlines():
            fields = [f.strip("\"'") for f in line.split()]
            if len(fields) == 3:
                prefixes[fields[2]] = (fields[1], fields[0])
            elif len(fields) == 1:
                prefixes[fields[0]] = ("text", DEFAULT_PLACEHOLDER)
        for path in self.info["files"].decode().splitlines():
            if path and not path.startswith("info/"):
                mode, placeholder = prefixes.get(path, ("text", ""))
                yield path, None, mode, placeholder

    def noarch_python(self):
        link = json.loads(self.info.get("link.json", b"{}"))
        return self.index.get("noarch") == "python" or link.get("noarch", {}).get("type") == "python"

    def entry_points(self):
        link = json.loads(self.info.get("link.json", b"{}"))
        return link.get("noarch", {}).get("entry_points", []) if self.noarch_python() else []

    def mtime_ns(self, m):
        text = m.pax_headers.get("mtime")
        return int(decimal.Decimal(text) * 10**9) if text else int(m.mtime) * 10**9


ENCODINGS = ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]


def patch_text(data, placeholder, prefix):
    for encoding in ENCODINGS:
        data = data.replace(placeholder.encode(encoding), prefix.encode(encoding))
    return data


def patch_binary(data, placeholder, prefix):
    """conda's regular expression; the end of the file ends a string too."""
    for encoding in ENCODINGS:
        old, new, null = placeholder.encode(encoding), prefix.encode(encoding), "\0".encode(encoding)
        pattern = re.compile(re.escape(old) + b"(?:(?!(?:" + re.escape(null) + b")).)*(?:" + re.escape(null) + b"|$)" if len(null) > 1
                             else re.escape(old) + b"[^\0]*(?:\0|$)", re.DOTALL)

        def shift(match):
            text = match.group()
            return text.replace(old, new) + b"\0" * (text.count(old) * (len(old) - len(new)))

        if old in data:
            data = pattern.sub(shift, data)
    return data


def fix_shebang(data):
    """A first line over the kernel's 127 bytes: rattler's forms. Short prefixes never come here."""
    line = data.split(b"\n", 1)[0]
    if not line.startswith(b"#!") or len(line) <= 127:
        return data
    raise NotImplementedError("the tests use short prefixes")


def site_packages(archives):
    for a in archives:
        if a.index["name"] == "python":
            return a.index.get("python_site_packages_path") or "lib/python" + ".".join(a.index["version"].split(".")[:2]) + "/site-packages"
    return None


def mapped(path, site):
    if path.startswith("site-packages/"):
        return f"{site}/{path[len('site-packages/'):]}"
    if path.startswith("python-scripts/"):
        return f"bin/{path[len('python-scripts/'):]}"
    return path


def file_entry(archive, path, m, data, mode, placeholder, prefix):
    patched = data
    if placeholder:
        patched = patch_binary(data, placeholder, prefix) if mode == "binary" else fix_shebang(patch_text(data, placeholder, prefix))
    source = m
    return Entry("file", m.mode & 0o7777 & ~0o7022, len(patched), archive.mtime_ns(source), "", hashlib.sha256(patched).hexdigest(),
                 patched != data)


def add_parents(tree, path):
    parent = posixpath.dirname(path)
    while parent and parent not in tree:
        tree[parent] = Entry("dir")
        parent = posixpath.dirname(parent)


def install(archives, prefix):
    opened = [a if isinstance(a, Archive) else Archive(a) for a in archives]
    site, tree = site_packages(opened), {}
    for a in opened:
        for path, kind, mode, placeholder in a.rows():
            where = mapped(path, site) if a.noarch_python() and site else path
            if kind == "directory":
                tree[where] = Entry("dir")
                add_parents(tree, where)
                continue
            m, data = a.members[path]
            if m.issym():
                entry = Entry("link", target=m.linkname, size=len(m.linkname.encode()), mtime_ns=a.mtime_ns(m))
            else:
                entry = file_entry(a, path, m, data, mode, placeholder, prefix)
            entry.package = a.index["name"]
            tree[where] = entry
            add_parents(tree, where)
        for point in a.entry_points():
            where = "bin/" + point.split("=")[0].strip()
            tree[where] = Entry("file", 0o755, package=a.index["name"], patched=True)
            add_parents(tree, where)
    return tree


def walk(prefix, read=True):
    tree, stack = {}, [""]
    while stack:
        below = stack.pop()
        for e in os.scandir(os.path.join(prefix, below)):
            path = posixpath.join(below, e.name)
            st = e.stat(follow_symlinks=False)
            if stat.S_ISDIR(st.st_mode):
                tree[path] = Entry("dir", stat.S_IMODE(st.st_mode))
                stack.append(path)
            elif stat.S_ISLNK(st.st_mode):
                target = os.readlink(e.path)
                tree[path] = Entry("link", size=st.st_size, mtime_ns=st.st_mtime_ns, target=target)
            else:
                digest = hashlib.sha256()
                if read:
                    with open(e.path, "rb") as f:
                        while block := f.read(1 << 20):
                            digest.update(block)
                tree[path] = Entry("file", stat.S_IMODE(st.st_mode), st.st_size, st.st_mtime_ns, "", digest.hexdigest())
    return tree


def differences(want, seen, entry_points_too=False):
    """Sentences; entry points (patched, without a hash) are compared by mode only."""
    out = []
    for path in sorted(set(want) | set(seen)):
        w, s = want.get(path), seen.get(path)
        if MADE.match(path):
            continue
        if not w or not s:
            out.append(f"{path}: {'missing in the mount' if w else 'should not be there'}")
        elif w.kind != s.kind:
            out.append(f"{path}: is a {s.kind}, should be a {w.kind}")
        elif w.kind == "link" and (w.target != s.target or w.size != s.size):
            out.append(f"{path}: leads to {s.target}, should lead to {w.target}")
        elif w.kind == "file":
            made = w.patched and not w.sha256
            if w.mode != s.mode:
                out.append(f"{path}: mode {s.mode:o}, should be {w.mode:o}")
            if not made and w.size != s.size:
                out.append(f"{path}: {s.size} bytes, should be {w.size}")
            if not made and w.sha256 != s.sha256:
                out.append(f"{path}: other bytes")
            if not w.patched and w.mtime_ns != s.mtime_ns:
                out.append(f"{path}: mtime {s.mtime_ns}, should be {w.mtime_ns}")
            if w.patched and not made and s.mtime_ns != w.mtime_ns + 10**9:
                out.append(f"{path}: patched, so its mtime should be the original's plus one second")
    return out
