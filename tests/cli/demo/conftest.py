"""Made-up endings of the six releases, and an Airflow that is none."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from airflow_wxa import store
from airflow_wxa.cli.demo.releases import FIRST_PLATFORM, RELEASES, SECOND_PLATFORM
from airflow_wxa.cli.demo.report import Report, Row
from airflow_wxa.sandbox import Entry
from airflow_wxa.sandbox.pushes import Delivery

PLATFORM_TOKEN = "/cgi-bin/component/api_component_token"
MERCHANT_TOKEN = "/cgi-bin/component/api_authorizer_token"
PLATFORMS = (FIRST_PLATFORM, SECOND_PLATFORM)


def entry_of(path: str, appid: str | None, body: Mapping[str, str] | None = None) -> Entry:
    return Entry(seq=1, method="POST", path=path, appid=appid, body=dict(body or {}), errcode=0, time=0.0)


def noted(appid: str, endpoint: str, *, errcode: int = 0, is_answered: bool = True) -> store.Entry:
    """A row of the ledger."""
    return store.Entry(
        id=1,
        component_appid=FIRST_PLATFORM,
        appid=appid,
        endpoint=endpoint,
        task=store.TaskRef(),
        sent_at=0.0,
        before=None,
        asked={},
        answered_at=0.0 if is_answered else None,
        errcode=errcode if is_answered else None,
        errmsg="",
        rid="",
        after=None,
        resolved_by="",
        result=("refused" if errcode else "ok") if is_answered else "unknown",
    )


@pytest.fixture
def rows() -> list[Row]:
    """All releases, each ended as it must."""
    return [Row(release=each, seen=each.must_be) for each in RELEASES]


@pytest.fixture
def token_requests() -> list[Entry]:
    """The requests for tokens: one of each platform, one of each Mini Program."""
    return [entry_of(PLATFORM_TOKEN, appid, {"component_appid": appid}) for appid in PLATFORMS] + [
        entry_of(MERCHANT_TOKEN, each.component_appid, {"authorizer_appid": each.appid}) for each in RELEASES
    ]


@pytest.fixture
def journal(token_requests: list[Entry]) -> list[Entry]:
    """The calls of all releases, in their order."""
    return token_requests + [entry_of(f"/wxa/{call}", each.appid) for each in RELEASES for call in each.calls]


@pytest.fixture
def deliveries() -> list[Delivery]:
    """The pushes of both tickets, taken."""
    return [Delivery(event="component_verify_ticket", appid=appid, status=200, answer="success") for appid in PLATFORMS]


@pytest.fixture
def ledger() -> list[store.Entry]:
    """The rows of all releases: every call that changed something was taken."""
    return [noted(each.appid, call) for each in RELEASES for call in each.calls]


@pytest.fixture
def report(rows: list[Row], journal: list[Entry], deliveries: list[Delivery], ledger: list[store.Entry]) -> Report:
    """Everything as it must be."""
    return Report(rows=rows, journal=journal, deliveries=deliveries, ledger=ledger, seconds=48.6)


@pytest.fixture
def no_airflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a program in Airflow's place that says why it fails, and ends; return its file, to be changed."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    program = folder / "airflow.py"
    program.write_text("import sys\nprint('no space left on device')\nsys.exit(3)\n", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return program
