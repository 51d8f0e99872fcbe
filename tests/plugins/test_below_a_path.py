"""Below a path behind a proxy, as in ``[api] base_url = https://host/team-a``."""

import json
import subprocess
import sys
from typing import Any

import pytest
from airflow.sdk import BaseOperatorLink

from airflow_wxa.links import VerificationFileLink, WxaErrcodeLink, WxaMiniProgramLink, WxaTrialQrcodeLink
from tests.airflow_session import ROOT

APPID = "wx00000000000000a1"


class Task:
    appid, failed_errcode, has_verification_file = APPID, 89021, True
    dag_id, run_id, task_id = "wxa_release", "manual__1", "release"


@pytest.mark.real_airflow
def test_board_run_tab_icon_and_every_link_of_their_pages_are_there() -> None:
    program = [sys.executable, "-m", "tests.plugins.below_a_path"]
    ended = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    found: dict[str, int] = json.loads(ended.stdout.partition("FOUND ")[2])
    assert [path for path in found if not path.startswith("/team-a/")] == []
    assert {path: status for path, status in found.items() if status != 200} == {}
    paths = {path.partition("?")[0] for path in found}
    assert paths >= {
        "/team-a/wxa/board/",
        "/team-a/wxa/board/static/board.svg",
        "/team-a/wxa/board/static/board.css",
        f"/team-a/wxa/board/mini-program/{APPID}",
        "/team-a/wxa/board/errcode/89021",
        "/team-a/dags/wxa_release/runs/manual__1",
    }


@pytest.mark.parametrize(
    ("link", "path"),
    [
        (WxaMiniProgramLink(), f"/wxa/board/mini-program/{APPID}"),
        (WxaTrialQrcodeLink(), f"/wxa/trial/{APPID}?"),
        (WxaErrcodeLink(), "/wxa/board/errcode/89021"),
        (VerificationFileLink(), "/wxa/board/verification-file?"),
    ],
    ids=lambda each: type(each).__name__,
)
def test_links_beside_a_task_lead_there(monkeypatch: pytest.MonkeyPatch, link: BaseOperatorLink, path: str) -> None:
    task: Any = Task()
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.com/team-a/")
    assert link.get_link(task, ti_key=task).startswith(f"https://airflow.example.com/team-a{path}")
    monkeypatch.delenv("AIRFLOW__API__BASE_URL")
    assert link.get_link(task, ti_key=task).startswith(path)
