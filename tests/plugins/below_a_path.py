"""An Airflow below a path, as a browser meets it: run as a program, it prints what each address answers.

Airflow reads ``[api] base_url`` when its server is imported, so this needs a process of its own.
"""

from __future__ import annotations

import json
import os
import re
import sys
from tempfile import TemporaryDirectory

from tests import airflow_session

BASE_URL = "https://airflow.example.com/team-a"
APPID = "wx00000000000000a1"


def addresses(page: str) -> list[str]:
    return [each.replace("&amp;", "&") for each in re.findall(r'(?:href|src|action)="([^"#]+)"', page)]


def look(store: str) -> dict[str, int]:
    """Return path -> status, of all that the plugin names and all that its pages lead to."""
    os.environ |= {"AIRFLOW__API__BASE_URL": BASE_URL, "AIRFLOW__WXA__SQL_ALCHEMY_CONN": store}
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
            todo += addresses(answer.text)
    return found


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        sys.stdout.write("FOUND " + json.dumps(look(f"sqlite:///{folder}/wxa.db")) + "\n")
