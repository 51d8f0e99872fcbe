import subprocess
import sys

import httpx
import pytest

from airflow_wxa.cli.demo.command import ATTEMPTS, PUSH_PREFIX, PushRefusedError, push_tickets
from airflow_wxa.cli.demo.releases import FIRST_PLATFORM, SECOND_PLATFORM, demo_world
from airflow_wxa.plugins import plugin
from airflow_wxa.sandbox import Push, RunningSandbox
from tests.client.conftest import Elsewhere

pytestmark = pytest.mark.usefixtures("no_waiting")
LOADED = "import sys, airflow_wxa.cli.demo.command; print({'airflow'} & set(sys.modules))"


@pytest.fixture
def sandbox() -> RunningSandbox:
    return RunningSandbox(world=demo_world(), seed={}, url="http://127.0.0.1:1")


def test_each_platform_s_ticket_goes_encrypted_to_the_address_of_its_connection(
    sandbox: RunningSandbox, elsewhere: Elsewhere
) -> None:
    told = list[str]()
    elsewhere.answers(200, b"success")
    push_tickets(sandbox, elsewhere.url, told.append)
    paths = [path.partition("?")[0] for _, path, _ in elsewhere.requests]
    assert paths == [f"/wxa/push/{conn_id}/authorisation" for conn_id in ("wxa_default", "wxa_second")]
    taken = [(each.appid, each.status, each.answer) for each in sandbox.deliveries]
    assert taken == [(appid, 200, "success") for appid in (FIRST_PLATFORM, SECOND_PLATFORM)]
    assert [line.split()[2] for line in told] == [FIRST_PLATFORM, SECOND_PLATFORM]
    tickets = [ticket for platform in sandbox.world.platforms for ticket in platform.tickets]
    bodies = [body for _, _, body in elsewhere.requests]
    assert len(tickets) == 2
    assert [ticket for ticket in tickets if ticket.encode() in b"".join(bodies) + "".join(told).encode()] == []
    assert all(b"<Encrypt>" in body for body in bodies)


def test_every_other_answer_than_success_is_named_with_its_address(
    sandbox: RunningSandbox, elsewhere: Elsewhere
) -> None:
    for status, text, told in (
        (503, b"", "503"),
        (200, b"", "200"),
        (200, b"fail", "200 fail"),
        (404, b"no", "404 no"),
    ):
        elsewhere.answers(status, text)
        with pytest.raises(PushRefusedError) as refused:
            push_tickets(sandbox, elsewhere.url, str)
        assert f"answered HTTP {told}\n" in str(refused.value)
        assert f"pushed to {elsewhere.url}/wxa/push/wxa_default/authorisation\n" in str(refused.value)
        assert len(elsewhere.requests) == 1


def test_an_answer_that_got_lost_is_asked_for_with_the_same_push_again(
    sandbox: RunningSandbox, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = RunningSandbox.send

    def lost(self: RunningSandbox, push: Push) -> httpx.Response:
        answer = sent(self, push)
        if len(elsewhere.requests) == 1:
            raise httpx.RemoteProtocolError("cut")
        return answer

    monkeypatch.setattr(RunningSandbox, "send", lost)
    elsewhere.answers(200, b"success")
    push_tickets(sandbox, elsewhere.url, str)
    first, again, other = (body for _, _, body in elsewhere.requests)
    assert first == again != other


def test_a_receiver_that_never_answers_is_given_up(sandbox: RunningSandbox) -> None:
    with pytest.raises(PushRefusedError, match=r"did not answer \(ConnectError\)"):
        push_tickets(sandbox, "http://127.0.0.1:1", str)
    assert [each.answer for each in sandbox.deliveries] == ["ConnectError"] * ATTEMPTS


def test_the_demo_knows_the_plugins_address_without_airflow_which_would_make_a_home() -> None:
    assert PUSH_PREFIX == plugin.PUSH_PREFIX
    run = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert run.stdout == "set()\n"
