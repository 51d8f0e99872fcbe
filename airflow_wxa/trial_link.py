"""Addresses of the board and of a trial version's QR code: tasks link there.

Every task's process loads the plugin, so this imports nothing of ours.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from airflow.sdk.configuration import conf

BOARD_PREFIX: Final = "/wxa/board"
TRIAL_PREFIX: Final = "/wxa/trial"
PUSH_PREFIX: Final = "/wxa/push"


def api_base_url() -> str:
    """Return the API server's address, as far as this process knows it; ``""``: links are relative to it."""
    return (conf.get("api", "base_url", fallback="") or "").rstrip("/")


def api_root_path() -> str:
    """Return the path that Airflow lives below, such as ``/team-a``; ``""``: below none."""
    return urlsplit(api_base_url()).path


def trial_link(base_url: str, appid: str, *, dag_id: str, run_id: str, page: str = "") -> str:
    """Return the address.

    :param base_url: of Airflow's API server; ``""``: relative to wherever the link is shown.
    :param dag_id: with ``run_id`` the run that links there: all who may see it may see the picture.
    :param page: of the Mini Program, with its query; ``""``: the first one.
    """
    query = {"dag_id": dag_id, "run_id": run_id} | ({"page": page} if page else {})
    return f"{base_url.rstrip('/')}{TRIAL_PREFIX}/{quote(appid, safe='')}?{urlencode(query)}"
