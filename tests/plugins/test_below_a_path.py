"""Below a path behind a proxy, as in ``[api] base_url = https://host/team-a``.

Airflow reads the option when its server is imported, so this module is also a program that looks at one as a browser
does, and prints what each address answers.
"""

import json
import os
import re
import subprocess
import sys
from tempfile import TemporaryDirectory

import pytest

from tests import airflow_session

APPID = "wx00000000000000a1"


def look(store: str) -> dict[str, int]:
    """Return path → status, of all that the plugin names and all that its pages lead to."""
    os.environ["AIRFLOW__API__BASE_URL"] = "https://airflow.example.com/team-a"
    os.environ["AIRFLOW__WXA__SQL_ALCHEMY_CONN"] = store
    airflow_session._make_database()
    from airflow.api_fastapi.app import create_app  # noqa: PLC0415  (the environment comes first)

    from tests.plugins.airflow_runs import settle  # noqa: PLC0415
    from tests.plugins.browser import Browser, login  # noqa: PLC0415

    settle(APPID, "manual__1", outcome="stopped", errcode=89021, what="refused")
    server = Browser(create_app(apps="core"))
    plugins = server.send("GET", "/team-a/api/v2/plugins", headers=login("admin")).json()["plugins"]
    (plugin,) = [each for each in plugins if each["name"] == "wxa"]
    views = [view[kind] for view in plugin["external_views"] for kind in ("href", "icon") if view[kind]]
    todo = [each.replace("{DAG_ID}", "wxa_release").replace("{RUN_ID}", "manual__1") for each in views]
    found: dict[str, int] = {}
    while todo:
        address = todo.pop()
        if address in found or "://" in address:
            continue
        answer = server.send("GET", address, headers=login("admin"))
        found[address] = answer.status_code
        if "/wxa/board" in address and "html" in answer.headers.get("content-type", "") and len(found) < 60:
            links = re.findall(r'(?:href|src|action)="([^"#]+)"', answer.text)
            todo += [each.replace("&amp;", "&") for each in links]
    return found


@pytest.mark.real_airflow
def test_board_run_tab_icon_and_every_link_of_their_pages_are_there() -> None:
    program = [sys.executable, "-m", "tests.plugins.test_below_a_path"]
    ended = subprocess.run(program, cwd=airflow_session.ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr[-3000:]
    found: dict[str, int] = json.loads(ended.stdout.partition("FOUND ")[2])
    assert [path for path in found if not path.startswith("/team-a/")] == []
    assert {path: status for path, status in found.items() if status != 200} == {}
    board, page = "/team-a/wxa/board", f"/mini-program/{APPID}"
    wanted = {f"{board}{path}" for path in ("/", "/static/board.svg", "/static/board.css", page, "/errcode/89021")}
    paths = {path.partition("?")[0] for path in found}
    assert paths >= wanted | {"/team-a/dags/wxa_release/runs/manual__1"}


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        sys.stdout.write("FOUND " + json.dumps(look(f"sqlite:///{folder}/wxa.db")) + "\n")
