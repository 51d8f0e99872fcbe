from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import requests

from airflow_wxa.sandbox import Fault, create_app
from airflow_wxa.sandbox.gate import Request
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.sandbox import RunningSandbox, World
    from airflow_wxa.sandbox.exchange import FaultKind
    from tests.sandbox.conftest import Wechat

    Commit = Callable[..., requests.Response]

COMMIT = {"template_id": 47, "ext_json": "{}", "user_version": "1", "user_desc": "d"}


@pytest.fixture
def commit(wxa_sandbox: RunningSandbox) -> Commit:
    def commit(**options: Any) -> requests.Response:
        with requests.Session() as session:
            return session.post(
                f"{wxa_sandbox.url}/wxa/commit", params={"access_token": MERCHANT_TOKEN}, json=COMMIT, **options
            )

    return commit


def committed(sandbox: RunningSandbox) -> bool:
    return sandbox.world.mini_program(APPID).exp_info is not None


@pytest.mark.parametrize(("kind", "worked"), [("errcode_before", False), ("errcode_after", True)])
def test_an_errcode_is_answered_before_or_after_the_work(
    wxa_sandbox: RunningSandbox, commit: Commit, kind: FaultKind, worked: bool
) -> None:
    wxa_sandbox.add_fault(Fault(path="/wxa/commit", kind=kind, errcode=45009))
    answer = commit().json()
    assert (answer["errcode"], committed(wxa_sandbox)) == (45009, worked)
    assert "rid: " in answer["errmsg"]
    assert wxa_sandbox.journal[-1].errcode == 45009


def test_the_default_errcode_is_minus_1(wxa_sandbox: RunningSandbox, commit: Commit) -> None:
    wxa_sandbox.add_fault(Fault(path="/wxa/commit", kind="errcode_before"))
    assert commit().json()["errcode"] == -1


@pytest.mark.parametrize(("kind", "worked", "errcode"), [("drop_before", False, None), ("drop_after", True, 0)])
def test_the_connection_breaks_before_or_after_the_work(
    wxa_sandbox: RunningSandbox, commit: Commit, kind: FaultKind, worked: bool, errcode: int
) -> None:
    wxa_sandbox.add_fault(Fault(path="/wxa/commit", kind=kind))
    with pytest.raises(requests.ConnectionError):
        commit()
    assert committed(wxa_sandbox) is worked
    assert (wxa_sandbox.journal[-1].errcode, wxa_sandbox.journal[-1].fault) == (errcode, kind)
    assert commit().json()["errcode"] == 0


@pytest.mark.parametrize(
    ("kind", "status", "body", "worked"),
    [("html_502", 502, "<html>", False), ("truncated", 200, '{"errcode":0,', True), ("empty", 200, "", True)],
)
def test_an_answer_that_is_none_comes_instead(
    wxa_sandbox: RunningSandbox, commit: Commit, kind: FaultKind, status: int, body: Any, worked: bool
) -> None:
    wxa_sandbox.add_fault(Fault(path="/wxa/commit", kind=kind))
    answer = commit()
    assert (answer.status_code, committed(wxa_sandbox)) == (status, worked)
    assert answer.text.startswith(body)
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


def test_a_slow_answer_comes_late(wxa_sandbox: RunningSandbox, commit: Commit) -> None:
    wxa_sandbox.add_fault(Fault(path="/wxa/commit", kind="slow", seconds=0.05))
    started = time.monotonic()
    assert commit().json()["errcode"] == 0
    assert time.monotonic() - started >= 0.05


def test_a_client_that_gives_up_on_a_slow_answer_leaves_the_work_done(
    wxa_sandbox: RunningSandbox, commit: Commit
) -> None:
    wxa_sandbox.add_fault(Fault(path="/wxa/commit", kind="slow", seconds=60))
    with pytest.raises(requests.Timeout):
        commit(timeout=0.05)
    assert committed(wxa_sandbox)


def test_a_fault_meets_as_many_calls_as_it_says(wxa_sandbox: RunningSandbox, commit: Commit) -> None:
    wxa_sandbox.add_fault(Fault(path="*", kind="errcode_before", times=2))
    assert [commit().json()["errcode"] for _ in range(3)] == [-1, -1, 0]


@pytest.mark.parametrize(
    "fault", [Fault(path="/wxa/release", kind="empty"), Fault(path="/wxa/commit", kind="empty", appid=COMPONENT_APPID)]
)
def test_a_fault_for_others_is_not_taken(wxa_sandbox: RunningSandbox, commit: Commit, fault: Fault) -> None:
    wxa_sandbox.add_fault(fault)
    assert commit().json()["errcode"] == 0


def test_faults_are_taken_in_the_order_they_were_added(wxa_sandbox: RunningSandbox, commit: Commit) -> None:
    wxa_sandbox.add_fault(Fault(path="/wxa/commit", kind="errcode_before", errcode=1, appid=APPID))
    wxa_sandbox.add_fault(Fault(path="/wxa/commit", kind="errcode_before", errcode=2))
    assert [commit().json()["errcode"] for _ in range(2)] == [1, 2]


@pytest.mark.parametrize("changes", [{"kind": "explode"}, {"times": 0}, {"seconds": -1}])
def test_a_fault_that_makes_no_sense_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is none of|at least"):
        Fault(**{"path": "*", "kind": "empty", **changes})


def test_an_in_process_client_gets_the_broken_connection_as_an_error(wxa_world: World) -> None:
    app = create_app(wxa_world)
    app.sandbox.faults.add(Fault(path="*", kind="drop_after"))

    async def commit() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://wechat") as client:
            await client.post("/wxa/commit", params={"access_token": MERCHANT_TOKEN}, json=COMMIT)

    with pytest.raises(ConnectionAbortedError):
        asyncio.run(commit())
    assert wxa_world.mini_program(APPID).exp_info is not None


def test_a_fault_without_an_end_answers_40001_however_often_the_token_is_refreshed(wechat: Wechat) -> None:
    wechat.sandbox.faults.add(Fault(path="/wxa/*", kind="errcode_before", errcode=40001, times=None))
    tokens = [wechat.refresh()["authorizer_access_token"] for _ in range(5)]
    assert [wechat.quota_errcode(token) for token in tokens] == [40001] * 5


def test_a_fault_for_one_merchant_meets_its_refresh(wechat: Wechat) -> None:
    path = "/cgi-bin/component/api_authorizer_token"
    wechat.sandbox.faults.add(Fault(path=path, kind="errcode_before", errcode=45009, appid=APPID))
    assert wechat.refresh(authorizer_appid="wx9")["errcode"] == 61003
    assert [wechat.refresh().get("errcode", 0) for _ in range(2)] == [45009, 0]


def test_a_dropped_answer_leaves_the_refresh_token_rotated(wechat: Wechat) -> None:
    wechat.platform.rotate_refresh_tokens, wechat.platform.refresh_grace_seconds = "each", 0
    wechat.sandbox.faults.add(Fault(path="/cgi-bin/component/api_authorizer_token", kind="drop_after"))
    wechat.refresh()
    assert wechat.refresh()["errcode"] == 61023


@pytest.mark.parametrize("secret", ["wx", "component", "c1"])
def test_a_secret_that_is_a_short_word_changes_nothing_that_is_answered(wechat: Wechat, secret: str) -> None:
    path = "/cgi-bin/component/api_authorizer_token"
    wechat.account.authorizer_access_token = wechat.platform.component_appsecret = secret
    wechat.sandbox.faults.add(Fault(path=path, kind="errcode_before", errcode=45009, appid=APPID))
    assert wechat.refresh()["errcode"] == 45009
    assert wechat.sandbox.journal.entries[-1].unknown_fields == []
    proof = f'{{"component_appid": "{COMPONENT_APPID}", "component_appsecret": "{secret}"}}'
    wechat.sandbox.answer(Request("POST", "/cgi-bin/component/api_component_token", {}, proof.encode()))
    assert wechat.sandbox.journal.entries[-1].appid == COMPONENT_APPID
    assert secret not in str(wechat.sandbox.journal.entries[-1].body)
