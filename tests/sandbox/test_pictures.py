from __future__ import annotations

from typing import TYPE_CHECKING

import requests

from airflow_wxa.sandbox.testing import APPID

if TYPE_CHECKING:
    from airflow_wxa.sandbox import RunningSandbox
    from tests.sandbox.conftest import Wechat


def test_the_trial_qr_code_differs_by_version_and_path(wechat: Wechat) -> None:
    wechat.commit("1")
    first = wechat.get("/wxa/get_qrcode")
    wechat.commit("2")
    assert len({first, wechat.get("/wxa/get_qrcode")}) == 2


def test_a_person_sees_the_qr_code_and_decides_on_the_page(wxa_sandbox: RunningSandbox) -> None:
    account = wxa_sandbox.world.mini_program(APPID)
    base = wxa_sandbox.url
    assert requests.get(f"{base}/_sandbox/qrcode", params={"appid": APPID}, timeout=5).status_code == 400
    account.commit(user_version="1.4.0", user_desc="d", pages=[], now=1)
    account.scan_polls_left = 0
    account.submit(account.check_submittable(privacy_api_not_use=False, audit_rest=1), auditid=1, now=1)
    picture = requests.get(f"{base}/_sandbox/qrcode", params={"appid": APPID}, timeout=5)
    assert picture.headers["content-type"] == "image/jpeg"
    page = requests.get(f"{base}/", timeout=5).text
    assert "approve</button>" in page
    decide = f"{base}/_sandbox/decide"
    rejected = {"appid": APPID, "result": "rejected", "back": "1"}
    back = requests.post(decide, params=rejected, data={"reason": "<b>"}, timeout=5)
    assert (back.url, account.sheets[-1].stage, account.sheets[-1].plan.reason) == (f"{base}/", "rejected", "<b>")
    assert "approve</button>" not in back.text
    assert requests.post(decide, params={"appid": APPID, "result": "approved"}, timeout=5).status_code == 400


def test_a_mini_program_becomes_an_individuals_and_its_audits_wait(wxa_sandbox: RunningSandbox) -> None:
    url = f"{wxa_sandbox.url}/_sandbox/mini_program"
    params = {"appid": APPID, "individual": "true", "audit": "by_hand"}
    page = f"{wxa_sandbox.url}/"
    assert "decide audits by hand" in requests.get(page, timeout=5).text
    assert requests.post(url, params=params, timeout=5).json() == {"individual": True, "audit": "by_hand"}
    assert "approve audits by themselves" in requests.get(page, timeout=5).text
    for wrong in ({"individual": "yes"}, {"audit": "lost"}, {"appid": "wx9"}):
        assert requests.post(url, params={**params, **wrong}, timeout=5).status_code == 400
    account = wxa_sandbox.world.mini_program(APPID)
    assert account.audit.stage_after(10**6) == "auditing"
