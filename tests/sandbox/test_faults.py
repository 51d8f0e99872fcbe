import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from airflow_wxa.sandbox import Fault, RunningSandbox, World, create_app
from airflow_wxa.sandbox.exchange import FaultKind
from airflow_wxa.sandbox.gate import Request
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN
from tests.sandbox.conftest import COMMIT, COMPONENT, Wechat

REFRESH = COMPONENT + "api_authorizer_token"


@pytest.fixture
def commit(http: httpx.Client) -> Callable[..., httpx.Response]:
    return lambda **options: http.post("/wxa/commit", json=COMMIT, **options)


def has_worked(sandbox: RunningSandbox) -> bool:
    return sandbox.world.mini_program(APPID).exp_info is not None


#: Kind of a fault, before the work and after it → errcode in the journal.
BEFORE: dict[FaultKind, int | None] = {"errcode_before": 45009, "drop_before": None, "html_502": None}
AFTER: dict[FaultKind, int | None] = {"errcode_after": 45009, "drop_after": 0, "truncated": 0, "empty": 0}


@pytest.mark.parametrize("kind", [*BEFORE, *AFTER])
def test_a_call_goes_wrong_before_or_after_the_work(wxa_sandbox: RunningSandbox, commit: Any, kind: FaultKind) -> None:
    wxa_sandbox.add_fault(Fault(path="/wxa/commit", kind=kind, errcode=45009))
    if kind.startswith("drop"):
        with pytest.raises(httpx.TransportError):
            commit()
    elif kind.startswith("errcode"):
        assert commit().json()["errmsg"].partition("rid: ")[1]
    else:
        answer = commit()
        told = {"html_502": (502, "<html>"), "truncated": (200, '{"errcode":0,'), "empty": (200, "")}[kind]
        assert (answer.status_code, answer.text[: len(told[1])]) == told
        with pytest.raises(ValueError, match=r"line 1 column"):
            answer.json()
    assert has_worked(wxa_sandbox) is (kind in AFTER)
    assert (wxa_sandbox.journal[-1].errcode, wxa_sandbox.journal[-1].fault) == ((BEFORE | AFTER)[kind], kind)
    assert commit().json()["errcode"] == 0


def test_a_slow_answer_comes_late_and_its_work_is_done_without_it(wxa_sandbox: RunningSandbox, commit: Any) -> None:
    wxa_sandbox.add_fault(Fault(path="*", kind="slow", seconds=0.05))
    assert commit().elapsed.total_seconds() >= 0.05
    wxa_sandbox.world.mini_program(APPID).exp_info = None
    wxa_sandbox.add_fault(Fault(path="/wxa/commit", kind="slow", seconds=60))
    with pytest.raises(httpx.ReadTimeout):
        commit(timeout=0.05)
    assert has_worked(wxa_sandbox)


def test_faults_are_taken_in_order_by_the_calls_that_they_are_for_and_as_often_as_they_say(wechat: Wechat) -> None:
    for fault in (
        Fault(path="/wxa/release", kind="errcode_before", errcode=9),
        Fault(path="/wxa/commit", kind="errcode_before", errcode=9, appid=COMPONENT_APPID),
        Fault(path="/wxa/commit", kind="errcode_before", errcode=1, appid=APPID),
        Fault(path="/wxa/commit", kind="errcode_before", times=2),
    ):
        wechat.sandbox.add_fault(fault)
    assert [wechat.commit() for _ in range(4)] == [1, -1, -1, 0]


def test_an_in_process_client_gets_the_broken_connection_as_an_error(wxa_world: World) -> None:
    app = create_app(wxa_world)
    app.sandbox.add_fault(Fault(path="*", kind="drop_after"))

    async def commit() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://wechat") as client:
            await client.post("/wxa/commit", params={"access_token": MERCHANT_TOKEN}, json=COMMIT)

    with pytest.raises(ConnectionAbortedError):
        asyncio.run(commit())
    assert wxa_world.mini_program(APPID).exp_info is not None


def test_a_fault_for_one_merchant_meets_its_refresh_and_one_without_an_end_every_call(wechat: Wechat) -> None:
    wechat.sandbox.add_fault(Fault(path=REFRESH, kind="errcode_before", errcode=45009, appid=APPID))
    assert wechat.refresh(authorizer_appid="wx9")["errcode"] == 61003
    assert [wechat.refresh().get("errcode", 0) for _ in range(2)] == [45009, 0]
    wechat.sandbox.add_fault(Fault(path="/wxa/*", kind="errcode_before", errcode=40001, times=None))
    tokens = [wechat.refresh()["authorizer_access_token"] for _ in range(5)]
    assert [wechat.quota_errcode(token) for token in tokens] == [40001] * 5
    wechat.platform.rotate_refresh_tokens, wechat.platform.refresh_grace_seconds = "each", 0
    wechat.sandbox.add_fault(Fault(path=REFRESH, kind="drop_after"))  # its answer is lost, the token is rotated
    wechat.refresh()
    assert wechat.refresh()["errcode"] == 61023


@pytest.mark.parametrize("secret", ["wx", "component", "c1"])
def test_a_secret_that_is_a_short_word_changes_nothing_that_is_answered(wechat: Wechat, secret: str) -> None:
    wechat.account.authorizer_access_token = wechat.platform.component_appsecret = secret
    wechat.sandbox.add_fault(Fault(path=REFRESH, kind="errcode_before", errcode=45009, appid=APPID))
    assert wechat.refresh()["errcode"] == 45009
    assert wechat.last.unknown_fields == []
    proof = json.dumps({"component_appid": COMPONENT_APPID, "component_appsecret": secret}).encode()
    wechat.sandbox.answer(Request("POST", COMPONENT + "api_component_token", {}, proof))
    assert wechat.last.appid == COMPONENT_APPID
    assert secret not in str(wechat.last.body)
