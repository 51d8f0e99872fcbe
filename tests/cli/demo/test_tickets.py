from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from airflow_wxa.cli.demo.command import ATTEMPTS, PUSH_PREFIX, PushRefusedError, push_tickets
from airflow_wxa.cli.demo.releases import FIRST_PLATFORM, SECOND_PLATFORM, demo_world
from airflow_wxa.plugins import plugin
from airflow_wxa.sandbox import RunningSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

LOADED = "import sys, airflow_wxa.cli.demo.command; print({'airflow'} & set(sys.modules))"


class Received:
    """What came to a receiver, and what it answers."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.paths: list[str] = []
        self.bodies: list[bytes] = []
        self.answers = list(answers)

    def take(self, path: str, body: bytes) -> tuple[int, str]:
        self.paths.append(path.partition("?")[0])
        self.bodies.append(body)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def receiver(received: Received) -> Iterator[str]:
    """A server that answers every POST; a status of 0 cuts the connection."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, text = received.take(self.path, self.rfile.read(int(self.headers["Content-Length"])))
            if status:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def sandbox() -> RunningSandbox:
    return RunningSandbox(world=demo_world(), seed={}, url="http://127.0.0.1:1")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda _seconds: None)


def test_each_platform_s_ticket_goes_encrypted_to_the_address_of_its_connection(sandbox: RunningSandbox) -> None:
    received, told = Received((200, "success")), list[str]()
    with receiver(received) as url:
        push_tickets(sandbox, url, told.append)
    assert received.paths == [f"/wxa/push/{conn_id}/authorisation" for conn_id in ("wxa_default", "wxa_second")]
    taken = [(each.appid, each.status, each.answer) for each in sandbox.deliveries]
    assert taken == [(appid, 200, "success") for appid in (FIRST_PLATFORM, SECOND_PLATFORM)]
    assert [line.split()[2] for line in told] == [FIRST_PLATFORM, SECOND_PLATFORM]
    tickets = [ticket for platform in sandbox.world.platforms for ticket in platform.tickets]
    said = b"".join(received.bodies) + "".join(told).encode()
    assert len(tickets) == 2
    assert [ticket for ticket in tickets if ticket.encode() in said] == []
    assert all(b"<Encrypt>" in body for body in received.bodies)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((503, ""), "answered HTTP 503\n"),
        ((200, ""), "answered HTTP 200\n"),
        ((200, "fail"), "answered HTTP 200 fail\n"),
        ((404, "Not Found"), "answered HTTP 404 Not Found\n"),
    ],
)
def test_every_other_answer_than_success_is_named_with_its_address(
    sandbox: RunningSandbox, answer: tuple[int, str], told: str
) -> None:
    received = Received(answer)
    with receiver(received) as url, pytest.raises(PushRefusedError) as refused:
        push_tickets(sandbox, url, str)
    assert told in str(refused.value)
    assert f"pushed to {url}/wxa/push/wxa_default/authorisation\n" in str(refused.value)
    assert len(received.paths) == 1


def test_an_answer_that_got_lost_is_asked_for_with_the_same_push_again(sandbox: RunningSandbox) -> None:
    received = Received((0, ""), (200, "success"))
    with receiver(received) as url:
        push_tickets(sandbox, url, str)
    assert received.bodies[0] == received.bodies[1]
    assert [(each.status, each.answer) for each in sandbox.deliveries[:2]] == [
        (None, "RemoteProtocolError"),
        (200, "success"),
    ]


def test_a_receiver_that_never_answers_is_given_up(sandbox: RunningSandbox) -> None:
    received = Received((0, ""))
    with receiver(received) as url, pytest.raises(PushRefusedError, match=r"did not answer \(RemoteProtocolError\)"):
        push_tickets(sandbox, url, str)
    assert len(received.paths) == ATTEMPTS


def test_the_address_is_the_one_under_which_the_plugin_is_mounted() -> None:
    assert PUSH_PREFIX == plugin.PUSH_PREFIX


def test_the_demo_itself_imports_no_airflow_which_would_make_a_home() -> None:
    run = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
