"""A front without pyinfra: the rendered blueprint on a bare machine, an application behind it, and a visitor in front of it."""

from __future__ import annotations

import io
import shlex
import socket
import ssl
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recettes.blueprint import Blueprint
from recettes.containers.machine import Answer, Machine
from recettes.containers.waiting import until
from recettes.declarations.sites import Site
from recettes.files import FileTable, files_script, plan_files
from recettes.loaded import recorders
from recettes.recipes import ROOT
from recettes.shell import whole
from recettes.trees import Tree, tree_script

APPLICATION = """
import base64, hashlib, http.server, json, threading, time

class Application(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body, *headers, status=200):
        self.send_response(status)
        for name, value in (("Content-Length", str(len(body))), ("Content-Type", "text/html"), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.headers.get("Upgrade") == "websocket" and self.headers["Connection"].lower() == "upgrade":
            return self.echo_one_frame()
        if self.path.endswith("/own"):
            return self.answer(b"own", ("Content-Security-Policy", "default-src 'none'"), ("Set-Cookie", "a=b; Path=/exist/"))
        if self.path.rpartition("/")[2] in ("422", "460", "500"):
            return self.answer(b"query source", ("Server-Timing", "parse;dur=1"), status=int(self.path[-3:]))
        if self.path.endswith("/slowly"):
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(b"first\\n")
            time.sleep(3)
            return self.wfile.write(b"second\\n")
        self.answer(json.dumps({"path": self.path, "headers": dict(self.headers)}).encode())

    def do_POST(self):
        self.answer(str(len(self.rfile.read(int(self.headers["Content-Length"])))).encode())

    def echo_one_frame(self):
        known = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        accept = base64.b64encode(hashlib.sha1(known.encode()).digest()).decode()
        self.wfile.write(f"HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n"
                         f"Sec-WebSocket-Accept: {accept}\\r\\n\\r\\n".encode())
        head = self.rfile.read(6)
        masked = self.rfile.read(head[1] & 127)
        self.wfile.write(bytes([129, len(masked)]) + bytes(b ^ head[2 + i % 4] for i, b in enumerate(masked)))
        self.close_connection = True

for port in (8080, 8984):
    threading.Thread(target=http.server.ThreadingHTTPServer(("127.0.0.1", port), Application).serve_forever).start()
"""


def put(machine: Machine, files: Mapping[str, str | bytes]) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    machine.container.put_archive("/", buffer.getvalue())


def script(machine: Machine, text: str, *, check: bool = True) -> Answer:
    """Longer scripts than fit on a command line."""
    put(machine, {"/root/script": whole(text)})
    return machine.run("sh /root/script", check=check)


def put_tree(machine: Machine, tree: Tree, *, check: bool = True) -> Answer:
    return script(machine, tree_script(tree), check=check)


def bring_up(machine: Machine, blueprint: Blueprint, sites: Sequence[Site]) -> None:
    """Everything of the blueprint, in the order in which a deploy brings it."""
    packages = " ".join(sorted(blueprint.packages))
    install = "SYSTEMD_OFFLINE=1 DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends"
    machine.run(f"apt-get -qq update && {install} logrotate {packages}")
    for name, account in sorted(blueprint.accounts.items(), key=lambda item: len(item[1].groups)):
        machine.run(f"id {name} || useradd --system --user-group --no-create-home --home {account.home} {name}")
        machine.run(f"usermod -G {shlex.quote(','.join(sorted(account.groups)))} {name}")
    files = {**blueprint.files, **recorders(blueprint.units, (ROOT / "programs/loaded").read_text())}
    script(machine, files_script(plan_files(FileTable({}), files), files))
    for site in sites:
        names = ",".join(f"DNS:{name}" for name in site.names)
        machine.run(
            f"mkdir -p /etc/recettes/tls/{site.name} && cd /etc/recettes/tls/{site.name} && openssl req -x509 -nodes -days 9 "
            f"-newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN={site.name} -addext subjectAltName={names} "
            "-keyout key.pem -out fullchain.pem"
        )
    for tree in blueprint.trees.values():
        put_tree(machine, tree)
    units = " ".join(name for name, unit in blueprint.units.items() if unit.wanted)
    machine.run(f"systemctl daemon-reload; systemctl start {units} || {{ journalctl -n 40 --no-pager; exit 1; }}")


def start_application(machine: Machine) -> None:
    put(machine, {"/root/application.py": APPLICATION})
    machine.run("systemd-run --unit application python3 /root/application.py")
    until(lambda: machine.run("curl -s -o /dev/null 127.0.0.1:8984", check=False).code == 0, "the application answers")


@dataclass(frozen=True)
class Reply:
    """What a visitor got. Header names are in lower case; `all_headers` has those that were sent twice."""

    status: int
    version: str
    headers: Mapping[str, str]
    all_headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True)
class Visitor:
    """curl on this computer, for which every name leads to the machine, and which trusts its certificates and no others."""

    address: str
    trusted: Path

    def curl(self, url: str, *options: str) -> subprocess.CompletedProcess[bytes]:
        to_machine = ("--connect-to", f"::{self.address}:", "--cacert", str(self.trusted), "--noproxy", "*", "--max-time", "20")
        return subprocess.run(("curl", "-sS", "--path-as-is", *to_machine, *options, url), capture_output=True, check=False)

    def get(self, url: str, *options: str) -> Reply:
        done = self.curl(url, "-D", "-", *options)
        assert done.returncode == 0, done.stderr.decode()
        head, _, body = done.stdout.partition(b"\r\n\r\n")
        while body.startswith(b"HTTP/"):  # 100 Continue
            head, _, body = body.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        pairs = tuple((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
        return Reply(int(first.split()[1]), first.split()[0], dict(pairs), pairs, body)

    def websocket(self, host: str, path: str, message: bytes) -> bytes:
        """Open a WebSocket, send one frame, return the answer's."""
        context = ssl.create_default_context(cafile=str(self.trusted))
        with (
            socket.create_connection((self.address, 443), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=host) as wire,
        ):
            wire.sendall(
                f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
            )
            stream = wire.makefile("rb")
            assert b" 101 " in stream.readline()
            while stream.readline().strip():
                pass
            mask = b"\1\2\3\4"
            masked = bytes(letter ^ mask[place % 4] for place, letter in enumerate(message))
            wire.sendall(bytes([0x81, 0x80 | len(message)]) + mask + masked)
            return stream.read(2 + len(message))[2:]


def exposure(machine: Machine, unit: str) -> float:
    """What `systemd-analyze security` makes of a unit: 0 is best, 10 worst."""
    said = machine.run(f"systemd-analyze security --no-pager {unit} | tail -1", check=False).out
    return float(said.partition(":")[2].split()[0])
