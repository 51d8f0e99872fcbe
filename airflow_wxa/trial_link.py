"""The address of a trial version's QR code: the approval links there, the plugin serves it.

Every task's process loads the plugin, so this imports nothing of ours.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

__all__ = ["TRIAL_PREFIX", "trial_link"]

TRIAL_PREFIX: Final = "/wxa/trial"


def trial_link(base_url: str, wxa_conn_id: str, appid: str) -> str:
    """Return the address.

    :param base_url: of Airflow's API server; ``""``: relative to wherever the link is shown.
    """
    return f"{base_url.rstrip('/')}{TRIAL_PREFIX}/{quote(wxa_conn_id, safe='')}/{quote(appid, safe='')}"
