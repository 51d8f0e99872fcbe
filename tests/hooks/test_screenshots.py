"""What a rejected review's error says: a line for each reason, and for each screenshot, which lies in a file."""

import re
import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.errors import WxaTransportError
from airflow_wxa.hooks.screenshots import save_screenshots, screenshot_dir
from airflow_wxa.sandbox import Fault, RunningSandbox
from airflow_wxa.sandbox.state import Stage
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.sensors import WxaAuditSensor
from airflow_wxa.steps import AuditOutcome
from tests.airflow_session import calls
from tests.triggers.waiting import sheet

AUDITID = "400000007"
MATERIAL = "/cgi-bin/material/get_material"
REASON = "1: the pages do not match<br>2: no login for the reviewer<br />"
JPEG, PNG = b"\xff\xd8\xff the rest", b"\x89PNG the rest"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that ``[wxa] screenshot_dir`` names; it is not there yet."""
    named = tmp_path / "below" / "screenshots"
    monkeypatch.setenv("AIRFLOW__WXA__SCREENSHOT_DIR", str(named))
    return named


@pytest.fixture
def rejected(wxa_default: RunningSandbox) -> RunningSandbox:
    told = {"result": "rejected", "reason": REASON, "screenshot": "media-a|media-b"}
    wxa_default.world.mini_program(APPID).sheets.append(sheet(int(AUDITID), Stage.REJECTED, **told))
    return wxa_default


def text_of_rejection() -> str:
    ti: Any = SimpleNamespace(xcom_push=lambda **_: None)
    with pytest.raises(AirflowFailException) as failed:
        WxaAuditSensor(task_id="wait", appid=APPID, auditid=AUDITID).execute({"ti": ti})
    return str(failed.value)


def unwrapped(text: str) -> str:
    return " ".join(text.split())


def test_the_error_has_a_line_for_each_reason_and_file_of_its_owner(rejected: RunningSandbox, folder: Path) -> None:
    text = text_of_rejection()
    assert text.splitlines()[:5] == [
        "the audit rejected this version (审核不通过)",
        f"  appid {APPID}, auditid {AUDITID}",
        "  the reviewer's reason:",
        "    1: the pages do not match",
        "    2: no login for the reviewer",
    ]
    assert "审核员给出的原因： 1: the pages do not match 2: no login for the reviewer 截图" in unwrapped(text)  # noqa: RUF001
    assert text_of_rejection() == text  # a second look saves the same files
    files = sorted((folder / APPID / AUDITID).iterdir())
    assert [file.name for file in files] == ["1.jpg", "2.jpg"]
    for media_id, file in zip("ab", files, strict=True):
        assert f"screenshot media-{media_id}: {file}" in unwrapped(text)
        assert file.read_bytes().startswith(b"\xff\xd8\xff")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    folders = (folder, folder / APPID, folder / APPID / AUDITID)
    assert {stat.S_IMODE(path.stat().st_mode) for path in folders} == {0o700}


def test_a_screenshot_that_is_not_fetched_hides_no_rejection_nor_rest(rejected: RunningSandbox, folder: Path) -> None:
    rejected.add_fault(Fault(path=MATERIAL, kind="errcode_before", errcode=48001))
    text = unwrapped(text_of_rejection())
    assert "rejected this version" in text
    assert re.search(r"screenshot media-a: not fetched: get_material refused: .+", text)
    assert f"screenshot media-b: {folder / APPID / AUDITID / '2.jpg'}" in text


@pytest.mark.parametrize("linked", ["appid", "auditid", "file"])
def test_a_link_left_there_leads_nowhere(rejected: RunningSandbox, folder: Path, tmp_path: Path, linked: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_bytes(b"kept")
    where = {"appid": folder / APPID, "auditid": folder / APPID / AUDITID, "file": folder / APPID / AUDITID / "1.jpg"}
    where[linked].parent.mkdir(parents=True)
    where[linked].symlink_to(elsewhere / "kept" if linked == "file" else elsewhere)
    text = text_of_rejection()
    assert f"media-a: not saved: {folder / APPID / AUDITID / '1.jpg'}: " in unwrapped(text)
    assert [(file.name, file.read_bytes()) for file in elsewhere.iterdir()] == [("kept", b"kept")]


def test_screenshots_go_to_object_storage_as_well(rejected: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__SCREENSHOT_DIR", "memory://shots/wxa")
    path = ObjectStoragePath(f"memory://shots/wxa/{APPID}/{AUDITID}/1.jpg")
    assert f"screenshot media-a: {path}" in text_of_rejection()
    assert path.read_bytes().startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize("url", ["", "nowhere://shots", "memory://"])
def test_a_folder_or_object_storage_that_does_not_work_does_not_hide_the_rejection(
    rejected: RunningSandbox, folder: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    folder.parent.write_text("a file stands in the way")
    monkeypatch.setenv("AIRFLOW__WXA__SCREENSHOT_DIR", url or str(folder))
    monkeypatch.setattr(ObjectStoragePath, "write_bytes", lambda *_: 1 / 0)
    text = unwrapped(text_of_rejection())
    assert "rejected this version" in text
    assert "media-a: not saved: " in text


def test_a_review_that_was_not_rejected_fetches_nothing(rejected: RunningSandbox) -> None:
    rejected.world.mini_program(APPID).sheets[-1].stage = Stage.WITHDRAWN
    assert "withdrawn" in text_of_rejection()
    assert calls(rejected.journal, MATERIAL) == []


def outcome(*screenshot: str, auditid: str = AUDITID) -> AuditOutcome:
    return AuditOutcome("rejected", APPID, auditid, reason="", screenshot=screenshot)


def test_a_png_is_named_one_and_an_id_never_leads_out_of_the_folder(folder: Path) -> None:
    saved = save_screenshots(outcome("a", "b", auditid="../../../etc"), lambda _: {"a": PNG, "b": JPEG}).values()
    assert [Path(path).name for path in saved] == ["1.png", "2.jpg"]
    assert all(Path(path).resolve().is_relative_to(folder / APPID) for path in saved)


def test_a_connection_that_is_gone_by_now_is_told_for_each(folder: Path) -> None:
    told = save_screenshots(outcome("a", "b"), Mock(side_effect=WxaTransportError("the store does not answer")))
    assert told == dict.fromkeys(("a", "b"), "not fetched: the store does not answer")


def test_without_the_option_they_lie_in_airflow_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AIRFLOW__WXA__SCREENSHOT_DIR")
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    assert screenshot_dir() == tmp_path / "wxa-screenshots"
