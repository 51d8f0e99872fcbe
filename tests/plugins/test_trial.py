"""Trial QR codes: for whoever may see the runs, without side effects, and without a token in any answer."""

import json
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode

import pytest
from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.team import Team
from airflow.utils.session import create_session
from httpx import Response
from sqlalchemy import select

from airflow_wxa.cli.demo.airflow import connection_of
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.sandbox import Fault, RunningSandbox
from airflow_wxa.sandbox.handlers.code import qrcode
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN, PLATFORM_TOKEN
from airflow_wxa.store import TaskRef
from airflow_wxa.store.tables import credential
from airflow_wxa.trial_link import TRIAL_PREFIX, trial_link
from tests.airflow_session import connection
from tests.plugins.browser import Browser, hide_runs, login

TASK = TaskRef("our_release", "manual__2026-11-26T01:00:00+00:00", "wait_for_audit", wxa_conn_id="wxa_default")
RUN = {"dag_id": TASK.dag_id, "run_id": TASK.run_id}
PAGE = trial_link("", APPID, **RUN)


@pytest.fixture
def wxa_default(wxa_sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> RunningSandbox:
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(wxa_sandbox.url))
    monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", json.dumps({"conn_type": "http", "host": wxa_sandbox.url}))
    note()
    wxa_sandbox.world.mini_program(APPID).exp_info = {"exp_version": "1.4.0", "exp_desc": "", "exp_time": 1}
    return wxa_sandbox


def get(airflow: Browser, path: str = PAGE, role: str | None = "viewer") -> Response:
    return airflow.send("GET", path, headers=login(role))


def note(**changes: Any) -> None:
    """Note that a run asked about the Mini Program."""
    open_ledger().decided("", APPID, replace(TASK, **changes), {"outcome": "asked"})


def test_whoever_may_see_the_runs_sees_the_picture(airflow: Browser, wxa_default: RunningSandbox) -> None:
    answer = get(airflow)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    assert answer.content.startswith(b"\xff\xd8\xff")
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert [entry.path for entry in wxa_default.journal] == ["/wxa/get_qrcode"]
    note(wxa_conn_id="")  # leaves the one that was noted
    assert get(airflow).status_code == 200
    # It opens the page that the link names.
    page = "pages/order/list?shop=8016&to=首页"
    assert get(airflow, trial_link("", APPID, **RUN, page=page)).content == qrcode(f"{APPID} 1.4.0 {page}")
    assert get(airflow, trial_link("", APPID, **RUN, page="p" * 1025)).status_code == 422


#: What else somebody asks for: method, path, role → the answer.
OTHERS: Final[dict[tuple[str, str, str | None], int]] = {
    ("GET", PAGE, ""): 401,
    ("GET", PAGE, None): 403,
    ("GET", PAGE.partition("?")[0], "admin"): 422,  # without a run nobody can tell who may see it
    **{("GET", f"{TRIAL_PREFIX}{path}", "viewer"): 404 for path in (
        f"/wx1?{urlencode(RUN)}",
        f"/WX0000000000000001?{urlencode(RUN)}",
        f"/wxa_default/{APPID}?{urlencode(RUN)}",
        f"/%3Cscript%3E?{urlencode(RUN)}",
        f"/{APPID[:-1]}2?{urlencode(RUN)}",
        f"/{APPID}?{urlencode(RUN | {'dag_id': 'another'})}",
        f"/{APPID}?{urlencode(RUN | {'run_id': 'another'})}",
        f"/docs?{urlencode(RUN)}",
        f"/openapi.json?{urlencode(RUN)}",
    )},
    **{(method, PAGE, "admin"): 405 for method in ("POST", "PUT", "DELETE")},
    ("POST", "/wxa/push/nobody/authorisation", ""): 403,  # the push receiver stands beside it
}  # fmt: skip


def test_nobody_else_and_nothing_else_is_answered_and_wechat_is_not_asked(
    airflow: Browser, wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {asked: airflow.send(*asked[:2], headers=login(asked[2])) for asked in OTHERS}
    assert {asked: answer.status_code for asked, answer in answers.items()} == OTHERS
    assert [answer.text for answer in answers.values() if "<script>" in answer.text] == []
    hide_runs(monkeypatch, TASK.dag_id)  # the rights are those on the DAG that links there
    assert get(airflow).status_code == 403
    assert wxa_default.journal == []


def test_made_up_appids_leave_no_rows(
    airflow: Browser, wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection_of(wxa_default.url, COMPONENT_APPID, "secret"))
    for number in range(5):
        answer = get(airflow, trial_link("", f"wx000000000000ff{number:02d}", **RUN))
        assert (answer.status_code, "did nothing with" in answer.text) == (404, True)  # before a Connection is read
    with open_ledger()._database.reading() as connection:
        rows = connection.execute(select(credential.c.appid).where(credential.c.appid.startswith("wx000000000000ff")))
        assert rows.all() == []


def test_a_connection_of_another_kind_is_not_used(airflow: Browser, wxa_default: RunningSandbox) -> None:
    for noted in ("elsewhere", "absent", "a b"):
        note(wxa_conn_id=noted)
        assert get(airflow).status_code == 404, noted
    assert wxa_default.journal == []


def test_a_silent_wechat_is_given_up_soon(
    airflow: Browser, wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_wxa.plugins.trial._SECONDS", 0.5)
    wxa_default.add_fault(Fault(path="/wxa/get_qrcode", kind="slow", seconds=3, times=1))
    answer = get(airflow)
    assert answer.status_code == 504
    assert answer.elapsed.total_seconds() < 3


@pytest.mark.parametrize("kind", ["errcode_before", "html_502", "drop_before"])
def test_an_error_is_shown_after_one_attempt_as_text_without_a_token(
    airflow: Browser, wxa_default: RunningSandbox, kind: str
) -> None:
    wxa_default.add_fault(Fault(path="/wxa/get_qrcode", kind=kind, errcode=61007, times=None))  # type: ignore[arg-type]
    answer = get(airflow)
    assert (answer.status_code, len(wxa_default.journal)) == (502, 1)
    assert "get_qrcode" in answer.text
    assert answer.text.count("<") == 3  # those of the page itself
    assert [token for token in (MERCHANT_TOKEN, PLATFORM_TOKEN) if token in answer.text] == []


def test_a_picture_is_asked_for_with_the_connection_of_the_dags_team(
    airflow: Browser, wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__MULTI_TEAM", "True")
    monkeypatch.setenv("AIRFLOW_CONN__TEAM_A___WXA_TEAM", connection(wxa_default.url))
    with create_session() as session:
        bundle = DagBundleModel(name="of_team_a")
        bundle.teams.append(Team(name="team_a"))
        session.add(bundle)
        session.flush()
        session.add(DagModel(dag_id="release_of_team_a", bundle_name="of_team_a", fileloc="release.py"))
    for dag_id, status in (("release_of_team_a", 200), ("another", 404)):
        note(dag_id=dag_id, wxa_conn_id="wxa_team")
        page = trial_link("", APPID, dag_id=dag_id, run_id=TASK.run_id)
        assert get(airflow, page, "admin").status_code == status
