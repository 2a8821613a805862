# SPDX-License-Identifier: Apache-2.0
"""cases: hostile, broken and odd archives by name, each with what must be said.

BAD: name -> (file suffix, bytes, errno, words of the reason). GOOD: name -> (suffix, bytes):
odd, and legal all the same."""
import errno
import struct
import zlib

import raw
from raw import END, bz2_of, compress, conda, conda_members, entry, gnu, header, info, pax, \
    record, zip_of

F = entry(b"f", b"hello")
BADMSG, FBIG = errno.EBADMSG, errno.EFBIG


def changed(members, which, **given):
    """conda_members() with one of them changed: 'm', 'p' or 'i'."""
    out = [dict(m) for m in members]
    out["mpi".index(which)].update(given)
    return out


def lookup(members, which):
    return members["mpi".index(which)]


def tar_cases():
    """The tar rules; each becomes a .conda and a .tar.bz2."""
    yield "parent in name", F + entry(b"../x", b"1"), "'..' part"
    yield "parent inside", F + entry(b"a/../../x", b"1"), "'..' part"
    yield "parent behind dot-slash", F + entry(b"./../x", b"1"), "'..' part"
    yield "absolute", F + entry(b"/etc/passwd", b"1"), "absolute"
    yield "two slashes first", F + entry(b"//etc/passwd", b"1"), "absolute"
    yield "absolute behind dot-slash", F + entry(b".//etc/passwd", b"1"), "absolute"
    yield "absolute by pax", F + pax((b"path", b"/x")) + entry(b"x"), "absolute"
    yield "parent by pax", F + pax((b"path", b"a/../../x")) + entry(b"x"), "'..' part"
    yield "parent by GNU name", F + gnu(b"L", b"../x\0") + entry(b"x"), "'..' part"
    yield "parent by prefix", F + entry(b"x", prefix=b"../y"), "'..' part"
    yield "empty part", F + entry(b"a//b"), "empty part"
    yield "dot part", F + entry(b"a/./b"), "'.' part"
    yield "empty name", F + entry(b""), "empty"
    yield "file with a slash at its end", F + entry(b"x/"), "empty part"
    yield "newline in name", F + entry(b"a\nb"), "control bytes"
    yield "escape in name", F + entry(b"a\x1b[31m"), "control bytes"
    yield "latin-1 name", F + entry(b"caf\xe9"), "not UTF-8"
    yield "overlong UTF-8", F + entry(b"a\xc0\xaf"), "not UTF-8"
    yield "NUL in pax path", F + pax((b"path", b"a\0b")) + entry(b"x"), "NUL"
    yield "NUL in GNU name", F + gnu(b"L", b"a\0b\0") + entry(b"x"), "GNU long name"
    yield "65 parts", F + pax((b"path", b"/".join([b"d"] * 65))) + entry(b"x"), "more than 64 parts"
    yield "part of 256 bytes", F + pax((b"path", b"n" * 256)) + entry(b"x"), "part of 256"
    yield "path of 4,001 bytes", F + pax((b"path", b"/".join([b"n" * 99] * 40) + b"n" * 2)) + \
        entry(b"x"), "4001 bytes"

    yield "file twice", F + F, "stands twice"
    yield "file twice by dot-slash", F + entry(b"./f", b"1"), "stands twice"
    yield "link twice", F + (entry(b"l", kind=b"2", link=b"f")) * 2, "stands twice"
    yield "file and link", F + entry(b"f", kind=b"2", link=b"x"), "stands twice"
    yield "file below a link", F + entry(b"l", kind=b"2", link=b"/tmp") + entry(b"l/x", b"1"), \
        "stands below 'l', which is a link"
    yield "link below a link", F + entry(b"c", kind=b"2", link=b".") + \
        entry(b"c/p", kind=b"2", link=b".."), "stands below 'c'"
    yield "deep below a link", F + entry(b"l", kind=b"2", link=b"..") + entry(b"l/a/b/c", b"1"), \
        "stands below 'l'"
    yield "link where files are", F + entry(b"d/x", b"1") + entry(b"d", kind=b"2", link=b"/"), \
        "a directory and a link"
    yield "file below a file", F + entry(b"f/x", b"1"), "stands below 'f', which is a file"
    yield "directory and file", F + entry(b"d/", kind=b"5") + entry(b"d", b"1"), \
        "a directory and a file"
    yield "file and directory", F + entry(b"f/", kind=b"5"), "a directory and a file"

    yield "hard link to nothing", F + entry(b"h", kind=b"1", link=b"g"), "no earlier entry"
    yield "hard link forward", F + entry(b"h", kind=b"1", link=b"g") + entry(b"g", b"1"), \
        "no earlier entry"
    yield "hard link to itself", F + entry(b"h", kind=b"1", link=b"h"), "no earlier entry"
    yield "hard link to a link", F + entry(b"l", kind=b"2", link=b"f") + \
        entry(b"h", kind=b"1", link=b"l"), "which is no file"
    yield "hard link to a directory", F + entry(b"d/", kind=b"5") + \
        entry(b"h", kind=b"1", link=b"d"), "which is no file"
    yield "hard link out", F + entry(b"h", kind=b"1", link=b"../../etc/shadow"), "'..' part"
    yield "hard link absolute", F + entry(b"h", kind=b"1", link=b"/etc/shadow"), "absolute"
    yield "hard link with bytes", F + entry(b"h", b"12345", kind=b"1", link=b"f"), "is no file"
    yield "symlink without target", F + entry(b"l", kind=b"2"), "link target ''"
    yield "symlink with bytes", F + entry(b"l", b"1", kind=b"2", link=b"f"), "is no file"
    yield "symlink with a newline", F + entry(b"l", kind=b"2", link=b"a\nb"), "control bytes"
    yield "symlink of 4,096 bytes", F + pax((b"linkpath", b"x" * 4096)) + \
        entry(b"l", kind=b"2", link=b"x"), "4096 bytes"
    yield "directory with bytes", F + entry(b"d/", b"1", kind=b"5"), "is no file"
    yield "root with bytes", F + entry(b"./", b"1", kind=b"5"), "is no file"

    for kind, word in ((b"3", "device"), (b"4", "device"), (b"6", "fifo"), (b"S", "sparse"),
                       (b"7", "0x37"), (b"D", "0x44"), (b"M", "0x4d"), (b"V", "0x56"),
                       (b"N", "0x4e"), (b"X", "0x58"), (b"A", "0x41"), (b"\xff", "0xff")):
        yield f"type {kind!r}", F + entry(b"x", kind=kind), word

    yield "pax size larger", F + pax((b"size", b"1024")) + entry(b"x", b"1"), "its pax header says"
    yield "pax size smaller", F + pax((b"size", b"0")) + entry(b"x", b"1" * 600), \
        "its pax header says"
    yield "pax size where ustar has none", F + pax((b"size", b"512")) + header(b"x") + F[:512], \
        "its pax header says"
    yield "pax size twice", F + pax((b"size", b"1"), (b"size", b"1")) + entry(b"x", b"1"), "twice"
    yield "pax path twice", F + pax((b"path", b"a"), (b"path", b"b")) + entry(b"x"), "twice"
    yield "pax size no number", F + pax((b"size", b"1x")) + entry(b"x", b"1"), "no number"
    yield "pax size signed", F + pax((b"size", b"+1")) + entry(b"x", b"1"), "no number"
    yield "pax mtime no time", F + pax((b"mtime", b"now")) + entry(b"x"), "no time"
    yield "pax record too long", F + pax(b"99 path=a\n") + entry(b"x"), "malformed"
    yield "pax record too short", F + pax(b"5 path=a\n") + entry(b"x"), "malformed"
    yield "pax record with leading zero", F + pax(b"010 path=a\n") + entry(b"x"), "malformed"
    yield "pax record without newline", F + pax(b"10 path=ab") + entry(b"x"), "malformed"
    yield "pax record of length 0", F + pax(b"0 path=a\n") + entry(b"x"), "malformed"
    yield "pax record without key", F + pax(b"5 =a\n") + entry(b"x"), "no key"
    yield "pax zeros behind the records", F + pax(record(b"path", b"a") + bytes(3)) + \
        entry(b"x"), "malformed"
    yield "pax empty", F + entry(b"p", kind=b"x") + entry(b"x"), "of 0 bytes"
    yield "pax twice", F + pax((b"path", b"a")) + pax((b"path", b"b")) + entry(b"x"), "two pax"
    yield "pax at the end", F + pax((b"path", b"a")), "has no entry"
    yield "pax sparse", F + pax((b"GNU.sparse.realsize", b"9")) + entry(b"x"), "sparse"
    yield "pax star sparse", F + pax((b"SCHILY.realsize", b"9")) + entry(b"x"), "sparse"
    yield "pax other character set", F + pax((b"hdrcharset", b"BINARY")) + entry(b"x"), \
        "character set"
    yield "pax global path", F + pax((b"path", b"a"), kind=b"g") + entry(b"x"), "all that follow"
    yield "pax global size", F + pax((b"size", b"0"), kind=b"g") + entry(b"x"), "all that follow"
    yield "pax global between", F + pax((b"path", b"a")) + pax((b"comment", b"x"), kind=b"g") + \
        entry(b"x"), "between a header and its entry"
    yield "GNU name twice", F + gnu(b"L", b"a\0") * 2 + entry(b"x"), "two GNU long name"
    yield "GNU name without NUL", F + gnu(b"L", b"a") + entry(b"x"), "GNU long name"
    yield "GNU name empty", F + gnu(b"L", b"\0") + entry(b"x"), "GNU long name"
    yield "GNU name and pax path", F + pax((b"path", b"a")) + gnu(b"L", b"b\0") + entry(b"x"), \
        "a pax path and a GNU long name"
    yield "GNU link and pax linkpath", F + pax((b"linkpath", b"a")) + gnu(b"K", b"b\0") + \
        entry(b"x", kind=b"2", link=b"c"), "a pax linkpath and a GNU long link"
    yield "GNU header with prefix", F + entry(b"x", magic=b"ustar  \0", prefix=b"p"), "prefix"

    yield "checksum wrong", F + entry(b"x", checksum=b"000000\0 "), "checksum is wrong"
    yield "checksum no number", F + entry(b"x", checksum=b"zzzzzz\0 "), "no number"
    yield "no magic (v7)", F + entry(b"x", magic=b""), "neither ustar nor GNU"
    yield "magic of star", F + entry(b"x", magic=b"ustar\x0001"), "neither ustar nor GNU"
    yield "size no number", F + entry(b"x", size_field=b"abc"), "no number"
    yield "size with a digit behind a blank", F + entry(b"x", size_field=b"1 1"), "no number"
    yield "size negative", F + entry(b"x", size_field=b"-1"), "no number"
    yield "size in binary, huge", F + entry(b"x", size_field=b"\x80" + b"\xff" * 11), \
        "does not fit"
    yield "size in binary, negative", F + entry(b"x", size_field=b"\xff" * 12), "no number"
    yield "mtime does not fit", F + entry(b"x", mtime=b"\x80" + b"\x7f" * 11), "does not fit"


def raw_tar_cases():
    """Whole tars, ends included."""
    yield "empty", b"", "cut off"
    yield "no end", info() + F, "cut off"
    yield "one zero block", info() + F + bytes(512), "cut off"
    yield "lone zero block in the middle", info() + bytes(512) + F + END, "lone block"
    yield "second tar behind", info() + F + END + entry(b"x") + END, "follows its end"
    yield "a byte behind", info() + F + END + b"x", "follows its end"
    yield "cut in a header", info() + F[:300], "cut off"
    yield "cut in data", info() + entry(b"x", b"1" * 5000)[:1024], "cut off"
    yield "cut in padding", info() + F[:700], "cut off"


def zip_cases():
    ms = conda_members(F)
    big = struct.pack("<I", 0xffffffff)
    size_of = {w: len(lookup(ms, w)["data"]) for w in "mpi"}
    yield "empty file", b"", "no archive"
    yield "21 bytes", bytes(21), "no archive"
    yield "only an end record", zip_of([]), "0 members"
    yield "zip comment", zip_of(ms, comment=b"x"), "without comment"
    yield "comment that holds an end record", zip_of(ms, comment=zip_of([])), "do not end where"
    yield "byte behind", zip_of(ms, tail=b"x"), "without comment"
    yield "zip behind a zip", zip_of(ms) + zip_of(ms), "do not end where"
    yield "bytes before", zip_of(ms, front=b"MZ" * 8), "belong to nothing"
    yield "gaps between", zip_of(ms, gaps=b"\0"), "belong to nothing"
    yield "hidden member in a gap", zip_of(ms, gaps=b"PK\3\4" + bytes(26)), "belong to nothing"
    yield "gap before the directory", zip_of(ms, before_directory=b"\0" * 8), "belong to nothing"
    yield "directory elsewhere", zip_of(ms, directory=0), "do not end where"
    yield "directory beyond", zip_of(ms, directory=1 << 31), "do not end where"
    yield "count too small", zip_of(ms, count=2), "more central records"
    yield "count too large", zip_of(ms, count=4), "missing or cut off"
    yield "65 members", zip_of([raw.member(b"x%d" % i, b"") for i in range(65)]), "65 members"
    yield "deflated member", zip_of(changed(ms, "p", method=8)), "compressed (method 8)"
    yield "zstd member", zip_of(changed(ms, "p", method=93)), "compressed (method 93)"
    yield "deflated extra member", zip_of(ms + [raw.member(b"x", b"1", method=8)]), "method 8"
    yield "local header deflated", zip_of(changed(ms, "p", local_method=8)), "differ"
    yield "encrypted", zip_of(changed(ms, "p", flags=1)), "flags 0x0001"
    yield "patched data", zip_of(changed(ms, "p", flags=0x20)), "flags 0x0020"
    yield "two sizes", zip_of(changed(ms, "p", central_size=5, local_size=5)), "two sizes"
    yield "version 6.3", zip_of(changed(ms, "p", version=63)), "version 63"
    yield "local version other", zip_of(changed(ms, "p", local_version=45)), "differ"
    yield "local time other", zip_of(changed(ms, "p", local_time=7)), "differ"
    yield "local flags other", zip_of(changed(ms, "p", local_flags=0x800)), "differ"
    yield "local name other", zip_of(changed(ms, "p", local_name=b"pkg-b-1.0-0.tar.zst")), \
        "calls it 'pkg-b-1.0-0.tar.zst'"
    yield "local name a prefix", zip_of(changed(ms, "p", local_name=b"pkg")), "calls it 'pkg'"
    yield "local name with NUL", zip_of(changed(ms, "p", local_name=b"pkg-a-1.0-0.tar.zst\0")), \
        "calls it"
    yield "local size other", zip_of(changed(ms, "p", local_size=1, local_packed=1)), \
        "differ in size"
    yield "local packed other", zip_of(changed(ms, "p", local_packed=1)), "differ in size"
    yield "local crc other", zip_of(changed(ms, "p", local_crc=1)), "differ in size or CRC"
    yield "crc wrong in both", zip_of(changed(ms, "i", crc=1)), "CRC-32 is"
    yield "crc wrong of the payload", zip_of(changed(ms, "p", crc=1)), "CRC-32 is"
    yield "no local header", zip_of(changed(ms, "p", local_sig=b"PK\7\7")), "no local header"
    yield "record points into data", zip_of(changed(ms, "p", central_at=40)), "overlaps"
    yield "two records for one place", zip_of(ms + [dict(lookup(ms, "p"), name=b"q", data=b"",
                                                         central_at=76)]), "overlaps"
    yield "record points behind", zip_of(changed(ms, "p", central_at=1 << 30)), \
        "belong to nothing"
    yield "size larger than the file", zip_of(changed(ms, "i", size=1 << 30, packed=1 << 30)), \
        "overlaps"
    yield "member comment", zip_of(changed(ms, "p", comment=b"x")), "has a comment"
    yield "member on disk 1", zip_of(changed(ms, "p", disk=1)), "another disk"
    yield "second pkg", zip_of(ms + [raw.member(b"pkg-b-1.0-0.tar.zst", b"")]), "only one may be"
    yield "second info", zip_of([raw.member(b"info-b-1.0-0.tar.zst", b"")] + ms), "only one may be"
    yield "second metadata", zip_of(ms + [ms[0]]), "stands twice"
    yield "extra member twice", zip_of(ms + [raw.member(b"x", b"")] * 2), "stands twice"
    yield "pkg of bzip2", zip_of(ms + [raw.member(b"pkg-a-1.0-0.tar.bz2", b"")]), "no .tar.zst"
    yield "info without end", zip_of(ms + [raw.member(b"info-", b"")]), "no .tar.zst"
    yield "no info", zip_of(ms[:2]), "no info-"
    yield "no pkg", zip_of([ms[0], ms[2]]), "no pkg-"
    yield "two stems", zip_of(changed(ms, "p", name=b"pkg-b-1.0-0.tar.zst")), "two packages"
    yield "below a folder", zip_of([dict(m, name=b"x/" + m["name"]) for m in ms]), "no info-"
    yield "folder member", zip_of(ms + [raw.member(b"x/", b"")]), "folder"
    yield "member that leaves", zip_of(ms + [raw.member(b"../x", b"")]), "'..' part"
    yield "member absolute", zip_of(ms + [raw.member(b"/x", b"")]), "absolute"
    yield "member with NUL", zip_of(ms + [raw.member(b"a\0b", b"")]), "NUL"
    yield "member without name", zip_of(ms + [raw.member(b"", b"")]), "empty"
    yield "unicode path field", zip_of(changed(ms, "p", extra=b"\x75\x70\x05\0\1\0\0\0\0")), \
        "another name"
    yield "extra field cut", zip_of(changed(ms, "p", extra=b"\1\0\xff\0")), "malformed"
    yield "extra field of 3 bytes", zip_of(changed(ms, "p", extra=b"\1\0\0")), "malformed"
    yield "zip64 twice", zip_of(changed(ms, "p", extra=b"\1\0\0\0" * 2)), "two zip64"
    yield "zip64 other size", zip_of(changed(
        ms, "p", extra=b"\1\0\x10\0" + struct.pack("<QQ", 7, 7))), "zip64 field does not fit"
    yield "zip64 wanted and missing", zip_of(changed(
        ms, "p", central_size=0xffffffff, central_packed=0xffffffff)), "wants a zip64"
    yield "zip64 offset at the wrong place", zip_of(changed(
        ms, "p", central_at=0xffffffff,
        extra=b"\1\0\x18\0" + struct.pack("<QQQ", size_of["p"], size_of["p"], 76))), \
        "zip64 field does not fit"
    yield "local zip64 other size", zip_of(changed(
        ms, "p", local_size=0xffffffff, local_packed=0xffffffff,
        local_extra=b"\1\0\x10\0" + struct.pack("<QQ", 7, 7))), "differ in size"
    whole = zip_of(ms, zip64=True)
    at = whole.rindex(b"PK\6\6")
    yield "zip64 end of another size", whole[:at + 4] + b"\x2d" + whole[at + 5:], "hold together"
    yield "zip64 counts differ", whole[:at + 24] + b"\x09" + whole[at + 25:], "hold together"
    yield "zip64 on disk 1", whole[:at + 16] + b"\1" + whole[at + 17:], "hold together"
    at = whole.rindex(b"PK\6\7")
    yield "zip64 locator elsewhere", whole[:at + 8] + b"\0" + whole[at + 9:], "hold together"
    both = bytearray(whole)
    struct.pack_into("<HH", both, len(both) - 14, 2, 2)
    yield "end records differ", bytes(both), "end records differ"
    yield "descriptor missing", zip_of(changed(ms, "p", flags=8)), "descriptor is missing"
    yield "descriptor other", zip_of(changed(
        ms, "p", flags=8, descriptor=struct.pack("<III", 1, size_of["p"], size_of["p"]))), \
        "descriptor differs"
    yield "descriptor without signature", zip_of(changed(
        ms, "p", flags=8, descriptor=big + struct.pack("<III", 1, 2, 3))), "no signature"
    yield "metadata of format 1", zip_of(changed(ms, "m", data=b'{"conda_pkg_format_version":1}')), \
        "not 2"
    yield "metadata no JSON", zip_of(changed(ms, "m", data=b"x")), "metadata.json"
    yield "metadata a list", zip_of(changed(ms, "m", data=b"[2]")), "not 2"


def zstd_cases():
    ms = conda_members(F)
    good = lookup(ms, "p")["data"]
    window = struct.pack("<IBB", 0xFD2FB528, 0x00, 18 << 3) + bytes(3)  # 2^28
    plain = info() + F + END

    def with_pkg(data):
        return zip_of(changed(ms, "p", data=data))

    yield "no zstd", with_pkg(b"hello, world"), BADMSG, "no frame"
    yield "empty member", with_pkg(b""), BADMSG, "cut off"
    yield "cut frame", with_pkg(good[:-3]), BADMSG, "cut off"
    yield "junk behind the frame", with_pkg(good + b"x"), BADMSG, "no frame"
    yield "magic alone behind the frame", with_pkg(good + good[:4]), BADMSG, "cut off"
    yield "frame of zstd 0.7", with_pkg(b"\x27\xb5\x2f\xfd" + good[4:]), BADMSG, "no frame"
    yield "second frame of zstd 0.7", with_pkg(good + b"\x27\xb5\x2f\xfd" + good[4:]), BADMSG, \
        "no frame"
    yield "damaged block", with_pkg(good[:12] + b"\xff\xff\xff\xff" + good[16:]), BADMSG, "zip member 'pkg-"
    yield "window of 2^28", with_pkg(window), FBIG, "window"
    yield "window of 2^41", with_pkg(window[:5] + b"\xff" + window[6:]), FBIG, "window"
    yield "info with another format", zip_of(changed(ms, "i", data=bz2_of(plain))), BADMSG, \
        "no frame"


def bomb_cases():
    """Small archives of very much."""
    zeros = compress(bytes(1 << 20), 3)
    name = header(b"z", size_field=b"\x80" + bytes(6) + b"\1" + bytes(4))  # 4 GiB
    frames = compress(name) + zeros * 4096
    ms = changed(conda_members(F), "p", data=frames)
    yield "4 GiB of zeros in frames", ".conda", zip_of(ms), FBIG, "times its size"
    tar = info() + entry(b"z", bytes(80 << 20)) + END
    yield "80 MiB of zeros in bzip2", ".tar.bz2", bz2_of(tar), FBIG, "times its size"
    huge = header(b"z", size_field=b"\x80" + bytes(5) + b"\x10" + bytes(5))  # 2^44
    yield "file of 16 TiB", ".conda", conda(huge), FBIG, "bytes, more than"
    yield "pax size of 16 TiB", ".conda", conda(pax((b"size", b"17592186044416")) + header(b"z")), \
        FBIG, "bytes, more than"
    yield "pax header of 2 MiB", ".conda", conda(pax((b"comment", b"x" * (2 << 20))) + F), FBIG, \
        "pax header of"
    yield "GNU name of 2 MiB", ".conda", conda(gnu(b"L", b"x" * (2 << 20) + b"\0") + F), FBIG, \
        "GNU long name header of"
    yield "index.json of 65 MiB", ".conda", conda(F, info(index=None) + header(
        b"info/index.json", size=65 << 20) + bytes(65 << 20)), FBIG, "'info/index.json' has"
    deep = b'{"a":' + b"[" * 100000 + b"]" * 100000 + b"}"
    yield "index.json 100,000 deep", ".conda", conda(F, info(index=deep)), BADMSG, "deep"
    yield "paths.json 100,000 deep", ".conda", conda(F, info(paths=deep)), BADMSG, "deep"


def info_cases():
    def of(**given):
        return info(**given)

    def paths(*rows):
        return {"paths_version": 1, "paths": list(rows)}

    def link(*points, kind="python"):
        return {"package_metadata_version": 1, "noarch": {"type": kind, "entry_points": list(points)}}

    yield "no index.json", of(index=None), "no info/index.json"
    yield "index.json a list", of(index=[]), "no JSON object"
    yield "index.json no JSON", of(index=b"{"), "info/index.json"
    yield "index.json two values", of(index=b"{}{}"), "info/index.json"
    yield "index.json NUL", of(index=b'{"name":"a\0"}'), "NUL"
    yield "index.json escaped NUL", of(index=b'{"name":"a\\u0000"}'), "u0000"
    yield "index.json without name", of(index={**raw.INDEX, "name": None}), "no name"
    yield "index.json name with slash", of(index={**raw.INDEX, "name": "../a"}), "its name"
    yield "index.json version with slash", of(index={**raw.INDEX, "version": "1/2"}), "its version"
    yield "index.json subdir parent", of(index={**raw.INDEX, "subdir": "../x"}), "its subdir"
    yield "index.json name of 65", of(index={**raw.INDEX, "name": "a" * 65}), "65 bytes"
    yield "index.json noarch unknown", of(index={**raw.INDEX, "noarch": "perl"}), "nobody knows"
    yield "index.json is a link", of(index=None) + entry(b"info/index.json", kind=b"2", link=b"x"), \
        "no regular file"
    yield "index.json is a directory", of(index=None) + entry(b"info/index.json/", kind=b"5"), \
        "no regular file"
    yield "index.json twice", of() + entry(b"info/index.json", b"{}"), "stands twice"
    yield "paths.json row twice", of(paths=paths({"_path": "f"}, {"_path": "f"})), "stands twice"
    yield "paths.json parent", of(paths=paths({"_path": "../f"})), "'..' part"
    yield "paths.json absolute", of(paths=paths({"_path": "/f"})), "absolute"
    yield "paths.json dot-slash", of(paths=paths({"_path": "./f"})), "'.' part"
    yield "paths.json of version 2", of(paths={"paths_version": 2, "paths": []}), "not 1"
    yield "paths.json type unknown", of(paths=paths({"_path": "f", "path_type": "socket"})), \
        "none that a package may have"
    yield "paths.json no rows", of(paths={"paths_version": 1}), "no list"
    yield "files parent", of(paths=None, files=b"../f\n"), "'..' part"
    yield "has_prefix two fields", of(paths=None, files=b"f\n", has_prefix=b"text f\n"), \
        "neither 1 nor 3"
    yield "has_prefix quote", of(paths=None, files=b"f\n", has_prefix=b'"/p text f\n'), \
        "not closed"
    yield "no_link absolute", of(paths=None, files=b"f\n", no_link=b"/f\n"), "absolute"
    for name, point, word in (
            ("parent", "../x = a:b", "'..' part"), ("folder", "a/x = a:b", "slash"), ("parent name", ".. = a:b", "'..' part"),
            ("absolute", "/tmp/x = a:b", "absolute"), ("hidden", ".bashrc = a:b", "plain"),
            ("backslash", "a\\b = a:b", "plain"), ("newline", "a\nb = a:b", "control"),
            ("code", "x = os:system('x')", "dotted"), ("keyword", "x = import:y", "dotted"),
            ("two lines", "x = a:b\nimport os", "dotted"), ("nothing", "", "COMMAND")):
        yield f"entry point {name}", of(link_json=link(point)), word
    yield "entry point a number", of(link_json=link(1)), "no text"
    yield "entry points 10,001", of(link_json=link(*(f"c{i} = a:b" for i in range(10001)))), \
        "more than the 10000"
    yield "link.json unknown kind", of(link_json=link(kind="ruby")), "nobody knows"


def bad():
    for name, tar, word in tar_cases():
        yield "tar: " + name, ".conda", conda(tar), BADMSG, word
        yield "tar bz2: " + name, ".tar.bz2", bz2_of(info() + tar + END), BADMSG, word
    for name, tar, word in raw_tar_cases():
        ms = changed(conda_members(F), "p", data=compress(tar))
        yield "tar: " + name, ".conda", zip_of(ms), BADMSG, word
        if tar:
            yield "tar bz2: " + name, ".tar.bz2", bz2_of(tar), BADMSG, word
    for name, data, word in zip_cases():
        code = FBIG if name == "65 members" else BADMSG
        yield "zip: " + name, ".conda", data, code, word
    for name, data, code, word in zstd_cases():
        yield "zstd: " + name, ".conda", data, code, word
    for name, suffix, data, code, word in bomb_cases():
        yield "bomb: " + name, suffix, data, code, word
    for name, inf, word in info_cases():
        code = FBIG if "10,001" in name else BADMSG
        yield "info: " + name, ".conda", conda(F, inf), code, word
        yield "info bz2: " + name, ".tar.bz2", bz2_of(inf + F + END), code, word
    whole = bz2_of(info() + F + END)
    yield "bz2: no bzip2", ".tar.bz2", b"hello", BADMSG, "no bzip2"
    yield "bz2: empty", ".tar.bz2", b"", BADMSG, "no bzip2"
    yield "bz2: a .conda", ".tar.bz2", conda(F), BADMSG, "no bzip2"
    yield "bz2: gzip", ".tar.bz2", zlib.compress(b"x" * 100), BADMSG, "no bzip2"
    yield "bz2: twice packed", ".tar.bz2", bz2_of(whole), BADMSG, ""
    yield "bz2: byte behind", ".tar.bz2", whole + b"x", BADMSG, "follows its bzip2 data"
    yield "bz2: zeros behind", ".tar.bz2", whole + bytes(512), BADMSG, "follows its bzip2 data"
    yield "bz2: zip behind", ".tar.bz2", whole + conda(F), BADMSG, "follows its bzip2 data"
    yield "bz2: damaged", ".tar.bz2", whole[:50] + b"\xff" + whole[51:], BADMSG, "bzip2"
    yield "bz2: link.json behind the payload", ".tar.bz2", bz2_of(
        info() + F + entry(b"info/link.json", b'{"noarch":{"type":"python"}}') + END), BADMSG, \
        "behind the payload"
    yield "hard link to info/", ".tar.bz2", bz2_of(
        info() + F + entry(b"h", kind=b"1", link=b"info/index.json") + END), BADMSG, \
        "not part of the payload"
    yield "conda: a .tar.bz2", ".conda", whole, BADMSG, "without comment"


def good():
    ms = conda_members(F)
    size = len(lookup(ms, "p")["data"])
    crc = zlib.crc32(lookup(ms, "p")["data"])
    p = lookup(ms, "p")["data"]
    yield "plain", ".conda", zip_of(ms)
    yield "plain bz2", ".tar.bz2", bz2_of(info() + F + END)
    yield "members in another order", ".conda", zip_of([ms[2], ms[0], ms[1]])
    yield "unknown member", ".conda", zip_of(ms + [raw.member(b"signature.json", b"{}")])
    yield "unknown member in a folder", ".conda", zip_of([raw.member(b"x/y", b"1")] + ms)
    yield "no metadata.json", ".conda", zip_of(ms[1:])
    yield "empty metadata.json", ".conda", zip_of(changed(ms, "m", data=b""))
    yield "zip64 end", ".conda", zip_of(ms, zip64=True)
    yield "zip64 without need", ".conda", zip_of(changed(
        ms, "p", extra=b"\1\0\x10\0" + struct.pack("<QQ", size, size)))
    yield "zip64 zeros without need", ".conda", zip_of(changed(
        ms, "p", extra=b"\1\0\x10\0" + bytes(16)))
    yield "zip64 in both headers", ".conda", zip_of(changed(
        ms, "p", central_size=0xffffffff, central_packed=0xffffffff, local_size=0xffffffff,
        local_packed=0xffffffff, extra=b"\1\0\x10\0" + struct.pack("<QQ", size, size),
        local_extra=b"\1\0\x10\0" + struct.pack("<QQ", size, size)))
    for name, data in (
            ("12", struct.pack("<III", crc, size, size)),
            ("16", struct.pack("<4sIII", b"PK\7\x08", crc, size, size)),
            ("20", struct.pack("<IQQ", crc, size, size)),
            ("24", struct.pack("<4sIQQ", b"PK\7\x08", crc, size, size))):
        yield f"descriptor of {name} bytes", ".conda", zip_of(changed(
            ms, "p", flags=8, descriptor=data, local_crc=0, local_size=0, local_packed=0))
    half = info() + F + END
    yield "two zstd frames", ".conda", zip_of(changed(
        ms, "p", data=compress(half[:700]) + compress(half[700:])))
    yield "a frame to skip", ".conda", zip_of(changed(
        ms, "p", data=p + b"\x50\x2a\x4d\x18\4\0\0\0abcd"))
    yield "an empty frame behind", ".conda", zip_of(changed(ms, "p", data=p + compress(b"")))
    yield "two bzip2 streams", ".tar.bz2", bz2_of(half[:700]) + bz2_of(half[700:])
    yield "info last", ".tar.bz2", bz2_of(F + info() + END)
    yield "info in the middle", ".tar.bz2", bz2_of(F + info() + entry(b"g", b"1") + END)
    yield "paths.json last", ".tar.bz2", bz2_of(
        info(paths=None) + F + entry(b"info/paths.json", raw.to_json(raw.PATHS)) + END)
    noarch = {**raw.INDEX, "noarch": "python", "subdir": "noarch"}
    yield "link.json behind the payload of a noarch package", ".tar.bz2", bz2_of(
        info(index=noarch) + F + entry(b"info/link.json", raw.to_json(
            {"noarch": {"type": "python", "entry_points": ["a = b:c"]}})) + END)
    yield "long zeros behind the end", ".conda", conda(F, info() + END * 20)
    yield "dot-slash names", ".conda", conda(entry(b"./", kind=b"5") + entry(b"./f", b"hello"))
    yield "directories twice", ".conda", conda(
        entry(b"d/", kind=b"5") * 2 + entry(b"d/f", b"1") + entry(b"d", kind=b"5") + F)
    yield "cases that collide", ".conda", conda(F + entry(b"F", b"1") + entry(b"d/A") +
                                                entry(b"d/a"))
    yield "links that leave", ".conda", conda(
        F + entry(b"l", kind=b"2", link=b"../../../etc/passwd") +
        entry(b"m", kind=b"2", link=b"/usr/lib/x") + entry(b"n", kind=b"2", link=b"gone"))
    yield "hard links", ".conda", conda(F + entry(b"g", kind=b"1", link=b"f") +
                                        entry(b"h", kind=b"1", link=b"g"))
    yield "64 parts", ".conda", conda(F + pax((b"path", b"/".join([b"d"] * 64))) + entry(b"x"))
    yield "part of 255 bytes", ".conda", conda(F + pax((b"path", b"n" * 255)) + entry(b"x"))
    yield "path of 4,000 bytes", ".conda", conda(
        F + pax((b"path", b"/".join([b"n" * 99] * 40) + b"n")) + entry(b"x"))
    yield "GNU long names", ".conda", conda(
        F + gnu(b"K", b"t" * 200 + b"\0") + gnu(b"L", b"n" * 200 + b"\0") +
        entry(b"x", kind=b"2", link=b"t"))
    yield "ustar prefix", ".conda", conda(F + entry(b"x", prefix=b"some/where"))
    yield "binary size", ".conda", conda(F + entry(
        b"x", b"12345", size_field=b"\x80" + bytes(10) + b"\5"))
    yield "before 1970", ".conda", conda(F + entry(b"x", mtime=b"\xff" * 12))
    yield "mtime in pax, before 1970", ".conda", conda(F + pax((b"mtime", b"-1.25")) + entry(b"x"))
    yield "xattrs and owners", ".conda", conda(F + pax(
        (b"SCHILY.xattr.user.x", b"a\0\xff\n=b"), (b"uname", b"r\xc3\xb6ot"), (b"uid", b"7"),
        (b"atime", b"1.5")) + entry(b"x"))
    yield "a git commit in a global header", ".conda", conda(
        pax((b"comment", b"0123abc"), kind=b"g") + F)
    yield "unicode names", ".conda", conda(F + entry("gr\u00fc\u00dfe/\u4f60\u597d".encode()))
    yield "info/ in the payload", ".conda", conda(F + info() + entry(b"info/licenses/x", b"1"))
    yield "conda-meta in the payload", ".conda", conda(F + entry(b"conda-meta/history", b"1"))
    yield "setuid", ".conda", conda(F + entry(b"s", b"1", mode=0o4755))


BAD = {name: (suffix, data, code, word) for name, suffix, data, code, word in bad()}
GOOD = {name: (suffix, data) for name, suffix, data in good()}

if __name__ == "__main__":
    print(len(BAD), "bad,", len(GOOD), "good")
