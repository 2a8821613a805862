#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""
nginx: Debian's nginx as a child process, on 127.0.0.1, in a temporary directory.

    nginx.py --root DIR [--log FILE]          until standard input ends

prints one JSON line with its URLs when it listens:

    http          plain
    https         TLS and HTTP/2, certificate for localhost and 127.0.0.1
    wrong_name    the certificate is for another name
    expired       the certificate ended long ago
    self_signed   the certificate is signed by nobody that `ca` knows
    client        asks for a client's certificate: client_cert, client_key
    ca            the file with the certificate that signed the others

and, below each of them, /slow/PATH is the same file at 64 KB a second, /norange/PATH
without ranges. In Python:

    with Nginx(root) as n:
        n.http, n.https, n.ca, n.log()

log() gives one dict a request: method, path, range, status, bytes (of the body),
connection (nginx's number), requests (the how manieth on it), protocol.
"""
import argparse
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

CONFIG = """
daemon off;
worker_processes 1;
pid {dir}/pid;
error_log {dir}/error.log warn;
{user}
events {{ worker_connections 1024; }}
http {{
    log_format lines escape=json '{{"method":"$request_method","path":"$request_uri",'
        '"range":"$http_range","status":$status,"bytes":$body_bytes_sent,'
        '"connection":$connection,"requests":$connection_requests,"protocol":"$server_protocol"}}';
    access_log {log} lines;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    default_type application/octet-stream;
    types {{ application/json json; text/html html; }}
    sendfile on;
    keepalive_requests 100000;
    {servers}
}}
"""

SERVER = """
    server {{
        listen 127.0.0.1:{port}{tls};
        {certificate}
        root {root};
        location /slow/ {{ alias {root}/; limit_rate 64k; }}
        location /norange/ {{ alias {root}/; max_ranges 0; }}
        {extra}
    }}
"""

KINDS = ("http", "https", "wrong_name", "expired", "self_signed", "client")


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def openssl(*args):
    subprocess.run(("openssl",) + args, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.PIPE)


def make_certificates(folder):
    """ca.pem signs all but self_signed."""
    def key(name):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out",
                "%s/%s.key" % (folder, name))

    def own(name, subject):
        key(name)
        openssl("req", "-x509", "-new", "-key", "%s/%s.key" % (folder, name), "-subj", subject,
                "-days", "30", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                "-out", "%s/%s.pem" % (folder, name))

    def signed(name, names, dates):
        key(name)
        at = "%s/%s" % (folder, name)
        openssl("req", "-new", "-key", at + ".key", "-subj", "/CN=test", "-out", at + ".csr")
        with open(at + ".ext", "w") as f:
            f.write("subjectAltName=%s\nbasicConstraints=CA:FALSE\n" % names)
        openssl("ca", "-batch", "-config", folder + "/ca.conf", "-in", at + ".csr", "-out",
                at + ".pem", "-extfile", at + ".ext", "-notext", *dates)

    own("ca", "/CN=test authority")
    own("self_signed", "/CN=nobody")
    for name in ("index", "index.attr"):
        open("%s/%s" % (folder, name), "w").close()
    with open(folder + "/ca.conf", "w") as f:
        f.write("[ca]\ndefault_ca=c\n[c]\ndatabase=%s/index\nnew_certs_dir=%s\nrand_serial=yes\n"
                "certificate=%s/ca.pem\nprivate_key=%s/ca.key\ndefault_md=sha256\npolicy=p\n"
                "unique_subject=no\n[p]\ncommonName=supplied\n" % ((folder,) * 4))
    good = "DNS:localhost,IP:127.0.0.1"
    signed("https", good, ("-days", "30"))
    signed("client", good, ("-days", "30"))
    signed("wrong_name", "DNS:elsewhere.test", ("-days", "30"))
    signed("expired", good, ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z"))


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def available():
    return bool(find_nginx() and shutil.which("openssl"))


def find_nginx():
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


class Nginx:
    def __init__(self, root, log=None, extra=""):
        """extra: more lines for each server block."""
        self.root, self.log_path, self.extra = os.path.realpath(root), log and str(log), extra

    def config(self, ports):
        servers = ""
        verify = "ssl_client_certificate %s; ssl_verify_client on;" % self.ca
        for kind, port in zip(KINDS, ports):
            tls = kind != "http"
            at = "%s/%s" % (self.folder, kind)
            servers += SERVER.format(
                port=port, root=self.root, extra=self.extra + (verify if kind == "client" else ""), tls=" ssl http2" if tls else "",
                certificate="ssl_certificate %s.pem; ssl_certificate_key %s.key;" % (at, at)
                if tls else "")
        return CONFIG.format(dir=self.folder, log=self.log_path, servers=servers,
                             user="user root;" if os.geteuid() == 0 else "")

    def try_start(self):
        ports = free_ports(len(KINDS))
        with open(self.folder + "/nginx.conf", "w") as f:
            f.write(self.config(ports))
        self.child = subprocess.Popen(
            [find_nginx(), "-p", self.folder, "-c", self.folder + "/nginx.conf",
             "-e", self.folder + "/error.log"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            preexec_fn=die_with_parent)
        for _ in range(200):
            if self.child.poll() is not None:
                return False
            try:
                socket.create_connection(("127.0.0.1", ports[0]), 1).close()
                break
            except OSError:
                time.sleep(0.025)
        for kind, port in zip(KINDS, ports):
            setattr(self, kind, "%s://127.0.0.1:%d" % ("http" if kind == "http" else "https", port))
        return True

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="nginx-")
        self.log_path = self.log_path or self.folder + "/access.log"
        make_certificates(self.folder)
        self.ca = self.folder + "/ca.pem"
        self.client_cert, self.client_key = self.folder + "/client.pem", self.folder + "/client.key"
        # A free port may be taken before nginx has it.
        if not any(self.try_start() for _ in range(5)):
            with open(self.folder + "/error.log") as f:
                raise RuntimeError("nginx does not start: " + f.read()[-2000:])
        return self

    def __exit__(self, *args):
        self.child.send_signal(signal.SIGTERM)
        self.child.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def urls(self):
        return {name: getattr(self, name) for name in KINDS + ("ca", "client_cert", "client_key")}

    def log(self):
        if not os.path.exists(self.log_path):
            return []
        with open(self.log_path) as f:
            return [json.loads(line) for line in f]


def main():
    p = argparse.ArgumentParser(description="nginx on 127.0.0.1 until standard input ends")
    p.add_argument("--root", required=True)
    p.add_argument("--log")
    args = p.parse_args()
    if not available():
        sys.exit("nginx and openssl are needed")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with Nginx(args.root, args.log) as n:
        print(json.dumps(n.urls()), flush=True)
        while os.read(0, 4096):
            pass


if __name__ == "__main__":
    main()
