"""Where the plugin serves the board and a trial version's QR code: tasks link there.

Every task's process loads the plugin, so this imports nothing of ours.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, urlencode

BOARD_PREFIX: Final = "/wxa/board"
TRIAL_PREFIX: Final = "/wxa/trial"


def trial_link(base_url: str, appid: str, *, dag_id: str, run_id: str, page: str = "") -> str:
    """Return the address.

    :param base_url: of Airflow's API server; ``""``: relative to wherever the link is shown.
    :param dag_id: with ``run_id`` the run that links there: whoever may see it may see the picture.
    :param page: of the Mini Program, with its query; ``""``: the first one.
    """
    query = {"dag_id": dag_id, "run_id": run_id} | ({"page": page} if page else {})
    return f"{base_url.rstrip('/')}{TRIAL_PREFIX}/{quote(appid, safe='')}?{urlencode(query)}"
