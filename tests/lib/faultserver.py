#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
faultserver: an HTTP/1.1 server that serves a folder well, and badly on demand.

    faultserver.py --root DIR [--log FILE] [--port N] [--stdin]

It listens on 127.0.0.1, prints its port as its first line, and ends on SIGTERM;
with --stdin also when its standard input ends, so that it cannot outlive the
test that started it. In Python: `with FaultServer(root) as s: s.url, s.log()`.

    /ok/PATH                  the file: ranges, ETag, Last-Modified, If-None-Match,
                              If-Modified-Since, If-Range, HEAD, keep-alive
    /t/TOKEN/REST             REST when TOKEN is "good", else 403
    /f/FAULT[,FAULT…]/PATH    the file, with these faults

It answers as a proxy too: "GET http://any.host/ok/PATH" is "GET /ok/PATH".

Every fault takes "-times-N" at its end: the first N requests for that URL have it,
later ones do not. A query ("?case=7") makes URLs distinct. Faults:

    status-S          an error page with status S
    retry-after-N     503 with Retry-After: N            (seconds)
    retry-date-N      503 with Retry-After: a date, N seconds from now
    close             the connection is closed without an answer
    reset             … is reset without an answer
    silent            nothing is ever answered
    garbage           an answer that is not HTTP
    leftover          the next answer on this connection begins with bytes that are not HTTP
    slow-headers      headers, one byte each 50 ms, without end
    header-bomb       a megabyte of headers
    endless-page      404 with a page that never ends
    reset-at-N        after N bytes of the body the connection is reset
    short-at-N        … closed, though more was promised
    stall-at-N        … nothing more comes
    slow-N            N bytes a second (default 1)
    pause-at-N        … half a second's silence, then the rest
    no-length         no Content-Length; the end is where the connection closes
    chunked           chunked coding
    long              1000 bytes more than the file has, no Content-Length
    long-part         a range with 1000 bytes more than it says, chunked
    length-plus-N     Content-Length says N more (and the connection closes)
    length-minus-N    Content-Length says N less
    wrong-bytes       the right number of bytes, one of them wrong
    no-range          Range is not looked at: 200 with everything
    wrong-range       206 with the range one byte further on
    no-content-range  206 without Content-Range
    star-total        Content-Range without the total
    part-unasked      206 with the first half when all was asked for
    tail-416          416 for "bytes=-N"
    no-validators     neither ETag nor Last-Modified
    weak-etag         the ETag is weak
    max-age-N         Cache-Control: max-age=N
    change            another ETag and other bytes at each request; If-Range is not looked at
    change-honest     another ETag and other bytes at each request; If-Range is honoured
    gzip              gzip coding, unasked
    html              a login page with status 200
    redirect-N        N redirects, then the file
    redirect-loop     a redirect to itself
    redirect-file     a redirect to file:///etc/passwd
    redirect-host     a redirect to the same file at another host name (localhost)
    redirect-none     302 without Location
    basic-USER        401 unless USER and the password "SECRET" are given
    expect-none       400 if an Authorization header is sent

The log has one JSON line a request: method, path, range, if_range, status, bytes (of
the body that were sent), authorization (whether there was one), connection (the
client's port), agent.
"""
import argparse
import base64
import email.utils
import gzip
import hashlib
import http.server
import json
import os
import re
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.parse

CHUNK = 64 * 1024
LONG_WAIT_S = 60
EXTRA = 1000


def parse_fault(text):
    """'reset-at-100-times-2' -> ('reset-at', ['100'], 2)"""
    times = None
    m = re.fullmatch(r"(.*)-times-(\d+)", text)
    if m:
        text, times = m.group(1), int(m.group(2))
    for name in sorted(FAULTS, key=len, reverse=True):
        if text == name:
            return name, [], times
        if text.startswith(name + "-"):
            return name, text[len(name) + 1:].split("-"), times
    raise ValueError("no fault is called '%s'" % text)


FAULTS = set(re.findall(r"^    ([a-z0-9]+(?:-[a-z0-9]+)*)(?:-[NS]|-USER)?  +\S", __doc__, re.M))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "faultserver"
    wbufsize = 0
    disable_nagle_algorithm = True
    leftover = False

    # -- what is asked ----------------------------------------------------

    def do_GET(self):
        self.status, self.sent = 0, 0
        try:
            if self.leftover:
                self.raw(b"what was forgotten\n")
                self.leftover = False
            self.answer()
        except (ConnectionError, BrokenPipeError, socket.timeout):
            self.close_connection = True
        finally:
            self.server.note({
                "method": self.command, "path": self.path, "range": self.headers.get("Range"),
                "if_range": self.headers.get("If-Range"), "status": self.status,
                "bytes": self.sent, "authorization": "Authorization" in self.headers,
                "connection": self.client_address[1], "agent": self.headers.get("User-Agent")})

    do_HEAD = do_GET

    def log_message(self, *args):
        pass

    def answer(self):
        path = re.sub(r"^http://[^/]+", "", self.path)
        m = re.match(r"/t/([^/]+)(/.*)", path)
        if m:
            if m.group(1) != "good":
                return self.page(403, b"wrong token\n")
            path = m.group(2)
        self.faults, self.nth = {}, self.server.count(self.path)
        m = re.match(r"/f/([^/]+)(/.*)", path)
        if m:
            for text in m.group(1).split(","):
                try:
                    name, args, times = parse_fault(text)
                except ValueError as e:
                    return self.page(400, str(e).encode() + b"\n")
                if times is None or self.nth <= times:
                    self.faults[name] = args
            rest = m.group(2)
        elif path.startswith("/ok/"):
            rest = path[3:]
        else:
            return self.page(404, b"neither /ok/ nor /f/\n")
        self.rest = rest
        self.leftover = "leftover" in self.faults
        if self.instead():
            return
        name = urllib.parse.unquote(urllib.parse.urlsplit(rest).path).lstrip("/")
        full = os.path.realpath(os.path.join(self.server.root, name))
        if not full.startswith(self.server.root + os.sep) or not os.path.isfile(full):
            return self.page(404, b"no such file\n")
        with open(full, "rb") as f:
            self.serve(f)

    def number(self, name, otherwise=None):
        args = self.faults.get(name)
        if args is None:
            return None
        return int(args[0]) if args else otherwise

    # -- faults that take the place of an answer --------------------------

    def instead(self):
        f = self.faults
        if "basic" in f or "expect-none" in f:
            given = self.headers.get("Authorization", "")
            if "expect-none" in f and "redirect-host" not in f and given:
                self.page(400, b"credentials were sent\n")
                return True
            if "basic" in f:
                want = base64.b64encode((f["basic"][0] + ":SECRET").encode()).decode()
                if given != "Basic " + want:
                    self.page(401, b"who are you?\n", {"WWW-Authenticate": 'Basic realm="x"'})
                    return True
        if "status" in f:
            self.page(self.number("status"), b"as you wish\n")
        elif "retry-after" in f:
            self.page(503, b"later\n", {"Retry-After": f["retry-after"][0]})
        elif "retry-date" in f:
            when = email.utils.formatdate(time.time() + self.number("retry-date"), usegmt=True)
            self.page(503, b"later\n", {"Retry-After": when})
        elif "close" in f:
            self.close_connection = True
        elif "reset" in f:
            self.reset()
        elif "silent" in f:
            self.wait_for_client()
        elif "garbage" in f:
            self.raw(b"\x00\x01\x02 this is not HTTP\r\n\r\n" * 8)
            self.close_connection = True
        elif "slow-headers" in f:
            self.raw(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            for _ in range(LONG_WAIT_S * 20):
                self.raw(b"x")
                time.sleep(0.05)
        elif "header-bomb" in f:
            self.raw(b"HTTP/1.1 200 OK\r\n")
            for i in range(1024):
                self.raw(b"X-Bomb-%d: " % i + b"x" * 1000 + b"\r\n")
            self.raw(b"Content-Length: 0\r\n\r\n")
        elif "endless-page" in f:
            self.head(404, {"Connection": "close"})
            for _ in range(100000):
                self.body(b"x" * 1024)
        elif "html" in f:
            self.page(200, b"<html><body>Please log in</body></html>\n",
                      {"Content-Type": "text/html"})
        elif "redirect-loop" in f:
            self.redirect(self.path)
        elif "redirect-file" in f:
            self.redirect("file:///etc/passwd")
        elif "redirect-none" in f:
            self.page(302, b"")
        elif "redirect-host" in f:
            others = ",".join(x for x in self.path.split("/")[2].split(",")
                              if not x.startswith(("redirect-host", "basic")))
            self.redirect("http://localhost:%d%s%s" % (
                self.server.server_port, "/f/" + others if others else "/ok", self.rest))
        elif "redirect" in f:
            left = self.number("redirect") - 1
            self.redirect(("/f/redirect-%d" % left if left else "/ok") + self.rest)
        else:
            return False
        return True

    # -- the file ---------------------------------------------------------

    def validators(self, st):
        tag = "%x-%x" % (st.st_mtime_ns, st.st_size)
        if "change" in self.faults or "change-honest" in self.faults:
            tag += "-%d" % self.nth
        etag = '"%s"' % hashlib.sha1(tag.encode()).hexdigest()[:16]
        if "weak-etag" in self.faults:
            etag = "W/" + etag
        return etag, email.utils.formatdate(st.st_mtime, usegmt=True)

    def not_modified(self, etag, modified):
        if "If-None-Match" in self.headers:
            return self.headers["If-None-Match"] in (etag, "*")
        return self.headers.get("If-Modified-Since") == modified

    def asked_range(self, size, etag, modified):
        """None: all. (): not satisfiable. Else (first, end)."""
        text = self.headers.get("Range")
        if not text or "no-range" in self.faults:
            return None
        if_range = self.headers.get("If-Range")
        if if_range and "change" not in self.faults and if_range not in (etag, modified):
            return None
        m = re.fullmatch(r"bytes=(\d*)-(\d*)", text)
        if not m or m.groups() == ("", ""):
            return None
        if m.group(1) == "":
            count = int(m.group(2))
            if "tail-416" in self.faults or count == 0:
                return ()
            return (max(0, size - count), size)
        first = int(m.group(1))
        end = min(int(m.group(2)) + 1, size) if m.group(2) else size
        return (first, end) if first < end else ()

    def serve(self, f):
        st = os.fstat(f.fileno())
        size, faults = st.st_size, self.faults
        etag, modified = self.validators(st)
        headers = {"Accept-Ranges": "bytes", "ETag": etag, "Last-Modified": modified,
                   "Content-Type": "application/octet-stream"}
        if "no-range" in faults:
            del headers["Accept-Ranges"]
        if "no-validators" in faults:
            del headers["ETag"], headers["Last-Modified"]
        elif self.not_modified(etag, modified):
            return self.head(304, {"ETag": etag, "Last-Modified": modified})
        if "max-age" in faults:
            headers["Cache-Control"] = "public, max-age=%d" % self.number("max-age")
        part = self.asked_range(size, etag, modified)
        if part == ():
            return self.page(416, b"", {"Content-Range": "bytes */%d" % size})
        if part is None and "part-unasked" in faults:
            part = (0, size // 2)
        status, (first, end) = (206, part) if part else (200, (0, size))
        if part and "wrong-range" in faults:
            first = min(first + 1, end)
        if part and "no-content-range" not in faults:
            headers["Content-Range"] = "bytes %d-%d/%s" % (
                first, end - 1, "*" if "star-total" in faults else size)
        self.send_file(f, status, headers, first, end, size)

    def send_file(self, f, status, headers, first, end, size):
        faults = self.faults
        length = end - first
        extra = EXTRA if "long" in faults or (status == 206 and "long-part" in faults) else 0
        chunked = "chunked" in faults or (status == 206 and "long-part" in faults)
        if "gzip" in faults:
            f.seek(first)
            packed = gzip.compress(f.read(length))
            headers.update({"Content-Encoding": "gzip", "Content-Length": str(len(packed))})
            self.head(status, headers)
            return self.body(packed)
        if chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif "no-length" in faults or "long" in faults:
            headers["Connection"] = "close"
        else:
            told = length + (self.number("length-plus") or 0) - (self.number("length-minus") or 0)
            headers["Content-Length"] = str(told)
            if told != length:
                headers["Connection"] = "close"
        self.head(status, headers)
        if self.command == "HEAD":
            return
        for block in self.blocks(f, first, end, size):
            if not self.body_with_faults(block, chunked):
                return
        if extra:
            self.piece(b"x" * extra, chunked)
        if chunked:
            self.raw(b"0\r\n\r\n")

    def blocks(self, f, first, end, size):
        spoilt = "wrong-bytes" in self.faults
        changed = self.nth if "change" in self.faults or "change-honest" in self.faults else 0
        f.seek(first)
        at = first
        while at < end:
            block = bytearray(f.read(min(CHUNK, end - at)))
            if not block:
                break
            if spoilt and at <= size // 2 < at + len(block):
                block[size // 2 - at] ^= 1
            if changed > 1:
                block = bytearray((b + changed) & 255 for b in block)
            yield bytes(block)
            at += len(block)

    def body_with_faults(self, block, chunked):
        """Sends it; False when that was the end."""
        f = self.faults
        for name in ("reset-at", "short-at", "stall-at", "pause-at"):
            if name in f and self.sent + len(block) > self.number(name) >= self.sent:
                cut = self.number(name) - self.sent
                self.piece(block[:cut], chunked)
                if name == "pause-at":
                    time.sleep(0.5)
                    block = block[cut:]
                    continue
                if name == "stall-at":
                    self.wait_for_client()
                elif name == "reset-at":
                    self.reset()
                self.close_connection = True
                return False
        if "slow" in f:
            for b in block:
                time.sleep(1 / self.number("slow", 1))
                self.piece(bytes([b]), chunked)
            return True
        self.piece(block, chunked)
        return True

    # -- sending ----------------------------------------------------------

    def raw(self, data):
        self.connection.sendall(data)

    def body(self, data):
        self.raw(data)
        self.sent += len(data)

    def piece(self, data, chunked):
        if not data:
            return
        if chunked:
            self.raw(b"%x\r\n" % len(data) + data + b"\r\n")
            self.sent += len(data)
        else:
            self.body(data)

    def head(self, status, headers):
        self.status = status
        lines = ["HTTP/1.1 %d %s" % (status, self.responses.get(status, ("?",))[0])]
        lines += ["%s: %s" % h for h in headers.items()]
        if headers.get("Connection") == "close":
            self.close_connection = True
        self.raw(("\r\n".join(lines) + "\r\n\r\n").encode())

    def page(self, status, text, headers=()):
        headers = dict(headers)
        headers["Content-Length"] = str(len(text))
        self.head(status, headers)
        if self.command != "HEAD" and status != 304:
            self.body(text)

    def redirect(self, to):
        self.page(302, b"over there\n", {"Location": to})

    def reset(self):
        # Let what was sent arrive first: a reset throws away what is not read yet.
        time.sleep(0.05)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        # shutdown_request() would end it politely.
        self.server.drop(self.connection)

    def wait_for_client(self):
        self.connection.settimeout(LONG_WAIT_S)
        try:
            self.connection.recv(1)
        except OSError:
            pass
        self.close_connection = True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, root, log=None, port=0):
        super().__init__(("127.0.0.1", port), Handler)
        self.root = os.path.realpath(root)
        self.lock = threading.Lock()
        self.counts = {}
        self.log_file = open(log, "a", buffering=1) if log else None

    def count(self, path):
        with self.lock:
            self.counts[path] = self.counts.get(path, 0) + 1
            return self.counts[path]

    def note(self, line):
        if self.log_file:
            with self.lock:
                self.log_file.write(json.dumps(line) + "\n")

    def drop(self, connection):
        os.close(connection.detach())

    def shutdown_request(self, request):
        if request.fileno() >= 0:
            super().shutdown_request(request)

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (OSError, ValueError)):
            super().handle_error(request, client_address)


class FaultServer:
    """The server as a child process, for tests in Python."""

    def __init__(self, root, log=None):
        self.root, self.log_path = str(root), log and str(log)

    def __enter__(self):
        command = [sys.executable, os.path.abspath(__file__), "--root", self.root, "--stdin"]
        if self.log_path:
            command += ["--log", self.log_path]
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.port = int(self.child.stdout.readline())
        self.url = "http://127.0.0.1:%d" % self.port
        return self

    def __exit__(self, *args):
        self.child.stdin.close()
        self.child.terminate()
        self.child.wait(10)
        self.child.stdout.close()

    def log(self):
        if not os.path.exists(self.log_path):
            return []
        with open(self.log_path) as f:
            return [json.loads(line) for line in f]


def main():
    p = argparse.ArgumentParser(description="serves a folder well, and badly on demand",
                                epilog="The faults are in this file's first comment.")
    p.add_argument("--root", required=True)
    p.add_argument("--log")
    p.add_argument("--port", type=int, default=0)
    p.add_argument("--stdin", action="store_true", help="end when standard input ends")
    args = p.parse_args()
    server = Server(args.root, args.log, args.port)
    print(server.server_port, flush=True)
    if args.stdin:
        def watch():
            while os.read(0, 4096):
                pass
            os._exit(0)
        threading.Thread(target=watch, daemon=True).start()
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
