# SPDX-License-Identifier: Apache-2.0
"""raw: archives byte by byte, so that any byte can be a wrong one. Nothing here uses
tarfile or zipfile: those would not write what these tests need."""
import bz2
import json
import os
import struct
import sys
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "lib"))
from makepkg import compress  # noqa: E402  (the folder is known only here)

STEM = "a-1.0-0"
INDEX = {"name": "a", "version": "1.0", "build": "0", "build_number": 0, "subdir": "linux-64",
         "depends": []}
PATHS = {"paths_version": 1, "paths": [{"_path": "f", "path_type": "hardlink"}]}
END = bytes(1024)


def octal(n, width):
    return b"%0*o\0" % (width - 1, n)


def header(name, kind=b"0", size=0, link=b"", mode=0o644, mtime=1000, magic=b"ustar\x0000",
           prefix=b"", size_field=None, checksum=None):
    """One header block; every field may be given raw."""
    block = bytearray(512)

    def put(at, data, width):
        assert len(data) <= width, (at, data)
        block[at:at + len(data)] = data

    put(0, name, 100)
    put(100, octal(mode, 8), 8)
    put(108, octal(0, 8), 8)
    put(116, octal(0, 8), 8)
    put(124, octal(size, 12) if size_field is None else size_field, 12)
    put(136, octal(mtime, 12) if isinstance(mtime, int) else mtime, 12)
    put(156, kind, 1)
    put(157, link, 100)
    put(257, magic, 8)
    put(345, prefix, 155)
    put(148, b"        ", 8)
    put(148, b"%06o\0 " % sum(block) if checksum is None else checksum, 8)
    return bytes(block)


def padded(data):
    return data + bytes(-len(data) % 512)


def entry(name, data=b"", **given):
    return header(name, size=given.pop("size", len(data)), **given) + padded(data)


def record(key, value):
    """A pax record with the right length."""
    body = b" " + key + b"=" + value + b"\n"
    n = len(body) + 1
    while len(b"%d" % n) + len(body) != n:
        n = len(b"%d" % n) + len(body)
    return b"%d" % n + body


def pax(*records, kind=b"x"):
    """An extended header before the next entry. A record is (key, value) or raw bytes."""
    data = b"".join(r if isinstance(r, bytes) else record(*r) for r in records)
    return entry(b"pax", data, kind=kind)


def gnu(kind, text):
    return entry(b"././@LongLink", text, kind=kind, magic=b"ustar  \0")


def to_json(value):
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def info(index=INDEX, paths=PATHS, **more):
    """info/ as tar bytes without end; None leaves a document out; more: link_json=…"""
    docs = {"index.json": index, "paths.json": paths}
    docs.update({k.replace("_json", ".json"): v for k, v in more.items()})
    return b"".join(entry(b"info/" + k.encode(), to_json(v)) for k, v in docs.items()
                    if v is not None)


def member(name, data, **given):
    """A zip member as a dict; every number of either header may be given: local_crc=…"""
    return dict(name=name, data=data, **given)


def conda_members(pkg, inf=None, level=3):
    """The three members of a .conda, of tars without their ends."""
    return [member(b"metadata.json", b'{"conda_pkg_format_version": 2}'),
            member(b"pkg-%s.tar.zst" % STEM.encode(), compress(pkg + END, level)),
            member(b"info-%s.tar.zst" % STEM.encode(), compress((inf or info()) + END))]


def zip_of(members, front=b"", gaps=b"", comment=b"", tail=b"", count=None, directory=None,
           zip64=False, before_directory=b""):
    """The archive. gaps stand before each member but the first."""
    out, central = bytearray(front), bytearray()
    for i, m in enumerate(members):
        if i:
            out += gaps
        data, name = m["data"], m["name"]
        crc = m.get("crc", zlib.crc32(data))
        packed, size = m.get("packed", len(data)), m.get("size", len(data))
        flags, method, version = m.get("flags", 0), m.get("method", 0), m.get("version", 20)
        at = m.get("at", len(out))
        extra, local_extra = m.get("extra", b""), m.get("local_extra", b"")
        local_name = m.get("local_name", name)
        out += struct.pack("<4sHHHHHIIIHH", m.get("local_sig", b"PK\3\4"),
                           m.get("local_version", version), m.get("local_flags", flags),
                           m.get("local_method", method), m.get("local_time", 0), 0x21,
                           m.get("local_crc", crc), m.get("local_packed", packed),
                           m.get("local_size", size), len(local_name), len(local_extra))
        out += local_name + local_extra + m.get("stored", data) + m.get("descriptor", b"")
        central += struct.pack("<4sHHHHHHIIIHHHHHII", b"PK\1\2", 0x314, version, flags, method, 0,
                               0x21, crc, m.get("central_packed", packed),
                               m.get("central_size", size), len(name), len(extra),
                               len(m.get("comment", b"")), m.get("disk", 0), 0, 0,
                               m.get("central_at", at))
        central += name + extra + m.get("comment", b"")
    out += before_directory
    at = len(out) if directory is None else directory
    n = len(members) if count is None else count
    start = len(out)
    out += central
    if zip64:
        end64 = len(out)
        out += struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, n, n, len(central), start)
        out += struct.pack("<4sIQI", b"PK\6\7", 0, end64, 1)
        n, at, size = 0xffff, 0xffffffff, 0xffffffff
    else:
        size = len(central)
    out += struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, n, n, size, at, len(comment)) + comment
    return bytes(out) + tail


def conda(pkg, inf=None, **given):
    return zip_of(conda_members(pkg, inf), **given)


def bz2_of(tar):
    return bz2.compress(tar)
