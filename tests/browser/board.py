"""What the board has to show: a store in which Mini Programs stand at every place, as releases would have left it."""

from __future__ import annotations

from typing import Any, Final

from airflow_wxa.api.webview_domain import WebviewDomain, setwebviewdomain
from airflow_wxa.errors import WxaApiError
from airflow_wxa.store import Ledger, TaskRef
from airflow_wxa.store.fleets import Fleets, NewApp, RunKey
from airflow_wxa.store.ledger import Result

PLATFORM: Final = "wx00000000000000c1"
STUCK: Final = "wx00000000000000d1"
IN_AUDIT: Final = "wx00000000000000d2"
REJECTED: Final = "wx00000000000000d3"
APPROVED: Final = "wx00000000000000d4"
FLEET: Final = RunKey("wxa_fleet_release", "spring sale 2026")


def fill(url: str) -> None:
    """Put Mini Programs at every place into the store, one fleet among them."""
    _fleet(Fleets(url))  # first: what came last stands above
    ledger = Ledger(url)
    refusal = "setwebviewdomain refused: webview domain not on platform"
    stopped = {"outcome": "stopped", "errcode": 89021, "what": refusal, "next_step": ""}
    _domains(ledger, STUCK, ["https://shop.example.org"], stopped, errcode=89021)
    submitted = {"outcome": "submitted", "user_version": "2.0.0", "auditid": "4711", "name": "Tea 茶馆"}
    settle(ledger, _task(IN_AUDIT, "submit_audit"), IN_AUDIT, "submit_audit", submitted)
    reason = "1: the pages do not match the chosen category\n2: 服务类目与页面不符"
    rejected = {"outcome": "rejected", "auditid": "4712", "reason": reason}
    settle(ledger, _task(REJECTED, "get_auditstatus"), REJECTED, "get_auditstatus", rejected)
    known = ["https://a.example.com", "https://m.example.com"]
    _domains(ledger, APPROVED, known[1:], {"outcome": "configured", "before": known[:1], "after": known})
    decision = {"outcome": "approved", "by": "wang", "at": "2026-11-20T03:04:05+00:00", "why": "tested on two phones"}
    ledger.decided(PLATFORM, APPROVED, _task(APPROVED, "approve_release"), decision)
    online = {"release_version": "1.4.0", "release_time": 1_790_000_000, "effective": known[1:]}
    settle(ledger, _task(APPROVED, "release"), APPROVED, "release", {"outcome": "released", **online})


def settle(ledger: Ledger, task: TaskRef, appid: str, endpoint: str, said: dict[str, Any]) -> None:
    ledger.settle(PLATFORM, task, [Result(appid, endpoint, {"appid": appid, **said})])


def _task(appid: str, task_id: str) -> TaskRef:
    return TaskRef(dag_id="wxa_release", run_id=f"release of {appid}", task_id=task_id, triggered_by="li")


def _domains(ledger: Ledger, appid: str, wanted: list[str], said: dict[str, Any], errcode: int = 0) -> None:
    call, task = setwebviewdomain(appid, "add", map(WebviewDomain.parse, wanted)), _task(appid, "configure_domains")
    (noted,) = ledger.intend(PLATFORM, [call], task)
    refused = WxaApiError("refused", errcode=errcode, errmsg="webview domain not on platform", rid="6620f0a1")
    ledger.answered({noted: refused if errcode else 0})
    settle(ledger, task, appid, "setwebviewdomain", said)


def _fleet(fleets: Fleets) -> None:
    waves = ["canary"] * 5 + ["early"] * 15 + ["rest"] * 40
    apps = [NewApp(f"wx{number:016x}", wave, 0, {}) for number, wave in enumerate(waves, 0xE00)]
    fleets.load(FLEET, PLATFORM, {"release": {"user_version": "3.2.0"}}, "digest", apps)
    blocked = {"outcome": "blocked", "errcode": 61007, "what": "the merchant has not granted it", "next_step": ""}
    ends = {0: blocked, 7: {**blocked, "errcode": 89231}, 8: {"outcome": "rejected"}, 9: {"outcome": "no_quota"}}
    fleets.change(FLEET, {**{position: {"outcome": "released"} for position in range(20)}, **ends})
