"""Queries that do not end although BaseX told them to: the server starts anew, and for nothing less."""

from __future__ import annotations

import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

from recettes.declarations.xmldb import XmlServer
from recettes.roles.xmldb import SERVER_FILE, xmldb
from recettes.xmldb.jetty import Listening
from recettes.xmldb.relief import SERVICE, TIMER
from tests.programs import program as loaded

RESTARTED = ["systemctl", "try-restart", "basex.service"]


class Server(http.server.BaseHTTPRequestHandler):
    answer: ClassVar[bytes] = b""
    asked: ClassVar[list[str]] = []
    silent: ClassVar[float] = 0

    def do_POST(self) -> None:
        self.asked.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
        time.sleep(self.silent)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def ran() -> list[list[str]]:
    return []


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ran: list[list[str]]) -> Iterator[ModuleType]:
    module = loaded("xmldb")
    monkeypatch.setattr(Server, "answer", b"")
    monkeypatch.setattr(Server, "asked", [])
    monkeypatch.setattr(Server, "silent", 0)
    monkeypatch.setattr(module.subprocess, "run", lambda command, check: ran.append(command))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setattr(module, "SERVER", tmp_path / "server")
        monkeypatch.setattr(module, "PASSWORD", tmp_path / "password")
        module.SERVER.write_text(json.dumps({"address": "127.0.0.1", "port": server.server_port, "timeout": 20}))
        module.PASSWORD.write_text("secret")
        yield module
        server.shutdown()


def test_a_server_whose_queries_end_is_left_alone(program: ModuleType, ran: list[list[str]]) -> None:
    program.do_relieve([])
    assert ran == []
    assert 'name="seconds" value="80"' in Server.asked[0]


def test_a_query_that_does_not_end_though_told_to_costs_a_restart_and_the_journal_says_whose_it_was(
    program: ModuleType, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Server, "answer", b"render-letters for 95 s\nrun-maps for 81 s")
    program.do_relieve([])
    assert ran == [RESTARTED]
    assert "of render-letters for 95 s; run-maps for 81 s" in capsys.readouterr().out


def test_a_server_that_takes_questions_and_answers_none_starts_anew(
    program: ModuleType, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Server, "silent", 0.5)
    monkeypatch.setattr(program, "SILENT_SECONDS", 0.1)
    program.do_relieve([])
    assert ran == [RESTARTED]
    assert "has not answered for" in capsys.readouterr().out


def test_a_server_that_is_down_is_not_its_to_start(program: ModuleType, ran: list[list[str]]) -> None:
    program.SERVER.write_text(json.dumps({"address": "127.0.0.1", "port": 1, "timeout": 20}))
    program.do_relieve([])
    assert ran == []


def test_it_looks_all_the_time_and_reaches_the_server_alone() -> None:
    made = xmldb(XmlServer(timeout=7), [], [], listening=Listening("10.0.0.3"), password=None)
    assert made.units["recettes-xmldb-relief.timer"].definition == (TIMER, SERVICE)
    assert json.loads(made.files[SERVER_FILE].content or b"")["timeout"] == 7
    service = (made.files[SERVICE].content or b"").decode()
    assert "\nIPAddressDeny=any\n" in service
    assert "\nIPAddressAllow=localhost\nIPAddressAllow=10.0.0.3\n" in service
