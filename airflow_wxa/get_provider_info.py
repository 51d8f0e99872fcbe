"""Airflow's discovery of this provider, as ``provider_info.json`` says it."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider's metadata, in the shape of Airflow's ``provider_info.schema.json``.

    Keys have hyphens, as in ``conn-fields`` and ``ui-field-behaviour``: other spellings are ignored in silence.
    """
    info: dict[str, Any] = json.loads(resources.files("airflow_wxa").joinpath("provider_info.json").read_text("utf-8"))
    return info
