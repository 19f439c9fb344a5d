"""A proxy in front of the real API: it counts requests, and makes of chosen ones what goes wrong on a real cloud."""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.cloud.control.place import HOST, SERVICES, Place

_OF_ONE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Request:
    """What came; `service` is keystone, placement, glance, neutron, nova or cinder."""

    service: str
    method: str
    path: str  # with the query
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


class CutError(Exception):
    """The connection is to be closed without an answer."""


Pass = Callable[[Request], Reply]  # hands the request to the real service
Effect = Callable[["Proxy", Request, Pass], Reply]


def answers(status: int, words: str = "a fault made by the test", **headers: str) -> Effect:
    """The service is never asked."""
    body = json.dumps({"error": {"code": status, "message": words, "title": http.client.responses.get(status, "")}}).encode()

    def effect(proxy: Proxy, request: Request, onward: Pass) -> Reply:
        return Reply(status, {"Content-Type": "application/json", **headers}, body)

    return effect


def slow(seconds: float) -> Effect:
    def effect(proxy: Proxy, request: Request, onward: Pass) -> Reply:
        time.sleep(seconds)
        return onward(request)

    return effect


def late(seconds: float) -> Effect:
    """The service does at once what it was asked, and its answer takes so long."""

    def effect(proxy: Proxy, request: Request, onward: Pass) -> Reply:
        reply = onward(request)
        time.sleep(seconds)
        return reply

    return effect


def edited(change: Callable[[Any], None]) -> Effect:
    """The service's answer, which is JSON, is changed on its way."""

    def effect(proxy: Proxy, request: Request, onward: Pass) -> Reply:
        reply = onward(request)
        content = json.loads(reply.body)
        change(content)
        return replace(reply, body=json.dumps(content).encode())

    return effect


def cut(proxy: Proxy, request: Request, onward: Pass) -> Reply:
    """The connection ends before the service heard of it."""
    raise CutError


def lost(proxy: Proxy, request: Request, onward: Pass) -> Reply:
    """The service does what it was asked, and its answer is lost."""
    onward(request)
    raise CutError


def expired(proxy: Proxy, request: Request, onward: Pass) -> Reply:
    """From now on no service knows this request's token; a new one may be had."""
    proxy.expired.add(request.headers.get("x-auth-token", ""))
    return onward(request)


def meanwhile(act: Callable[[], object]) -> Effect:
    """Just before the service hears of it, somebody else does something."""

    def effect(proxy: Proxy, request: Request, onward: Pass) -> Reply:
        act()
        return onward(request)

    return effect


@dataclass
class Fault:
    """Of the requests to `service` with `method` whose path without query matches `path` whole, and whose body says `about`,
    those numbered `first` (1 is the first) to `first + times - 1` have the effect."""

    service: str
    method: str
    path: str
    effect: Effect
    first: int = 1
    times: int = 1
    about: str = ""
    seen: int = 0

    def hits(self, request: Request) -> bool:
        wanted = (self.service, self.method) == (request.service, request.method)
        if not wanted or not re.fullmatch(self.path, request.path.partition("?")[0]) or self.about.encode() not in request.body:
            return False
        self.seen += 1
        return self.first <= self.seen < self.first + self.times


class Proxy:
    """While it is entered, `clouds` is a clouds.yaml of the same credential whose every request passes here.

    It holds for the catalogue and for links in answers, too: addresses of services are replaced in whatever is text.
    """

    def __init__(self, place: Place, clouds: Path) -> None:
        self._place = place
        self._lock = threading.Lock()
        self._servers = {service: _Server(self, service) for service in SERVICES}
        self.faults: list[Fault] = []
        self.requests: list[tuple[Request, int]] = []  # with the status of the answer, 0 for none
        self.expired: set[str] = set()
        self.clouds = clouds.with_name("clouds-by-proxy.yaml")
        self.clouds.touch(mode=0o600)
        self.clouds.write_bytes(self._outward(clouds.read_bytes()))

    def __enter__(self) -> Proxy:
        for server in self._servers.values():
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    def add(
        self, service: str, method: str, path: str, effect: Effect, *, first: int = 1, times: int = 1, about: str = ""
    ) -> Fault:
        """proxy.add("nova", "POST", "/v2.1/servers", answers(503), first=3): the third server asked for."""
        fault = Fault(service, method, path, effect, first, times, about)
        with self._lock:
            self.faults.append(fault)
        return fault

    def forget(self) -> None:
        """All faults, and all requests up to now."""
        with self._lock:
            self.faults.clear()
            self.requests.clear()
            self.expired.clear()

    def count(self, service: str | None = None, method: str | None = None) -> int:
        return sum(service in (None, request.service) and method in (None, request.method) for request, _ in list(self.requests))

    def answer(self, request: Request) -> Reply:
        """Raises CutError where there is to be none."""
        status = 0
        try:
            with self._lock:
                hit = [fault for fault in self.faults if fault.hits(request)]  # every one counts, the first has its effect
            reply = hit[0].effect(self, request, self._onward) if hit else self._onward(request)
            status = reply.status
            return reply
        finally:
            with self._lock:
                self.requests.append((request, status))

    def _onward(self, request: Request) -> Reply:
        if request.headers.get("x-auth-token") in self.expired:
            asked = f'Keystone uri="{self._place.endpoint("keystone")}"'
            return Reply(401, {"WWW-Authenticate": asked}, b"")
        connection = http.client.HTTPConnection(HOST, self._place.ports[request.service], timeout=300)
        try:
            headers = {name: value for name, value in request.headers.items() if name not in _OF_ONE_CONNECTION}
            headers["host"] = f"{HOST}:{self._place.ports[request.service]}"
            connection.request(request.method, request.path, request.body, headers)
            response = connection.getresponse()
            body = response.read()
            given = {name: self._outward(value.encode()).decode() for name, value in response.getheaders()}
            kind = response.headers.get_content_type()
            return Reply(response.status, given, self._outward(body) if kind in ("application/json", "text/plain") else body)
        finally:
            connection.close()

    def _outward(self, text: bytes) -> bytes:
        """Its addresses of services lead here."""
        for service, server in self._servers.items():
            text = text.replace(self._place.base(service).encode(), f"http://{HOST}:{server.server_address[1]}".encode())
        return text


class _Server(ThreadingHTTPServer):
    """The proxy's door to one service."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, proxy: Proxy, service: str) -> None:
        self.proxy = proxy
        self.service = service
        super().__init__((HOST, 0), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body of an answer in one packet: two would cost 40 ms, the client's delayed acknowledgement
    server: _Server

    def handle_one(self) -> None:
        body = self._body()
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.server.service, self.command, self.path, headers, body)
        try:
            reply = self.server.proxy.answer(request)
        except CutError:
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            if name.lower() not in _OF_ONE_CONNECTION:
                self.send_header(name, value)
        length = len(reply.body) if self.command != "HEAD" else 0
        if reply.status != 204:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if length:
            self.wfile.write(reply.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_one

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body
