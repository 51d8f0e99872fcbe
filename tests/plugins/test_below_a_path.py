"""Below a path behind a proxy, as in ``[api] base_url = https://host/team-a``."""

import json
import subprocess
import sys

import pytest

from tests.airflow_session import ROOT
from tests.plugins.below_a_path import APPID


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
