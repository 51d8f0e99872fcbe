"""Save the screenshots that a reviewer made of what is wrong, for a rejected sheet's error to name them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from airflow.sdk.configuration import conf

from airflow_wxa.api.audit import get_material
from airflow_wxa.errors import WxaError

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.steps import AuditOutcome, Step

__all__ = ["save_screenshots", "screenshot_dir"]

_PRIVATE_DIR: Final = 0o700  # a merchant's pages before anyone may see them
_PRIVATE_FILE: Final = 0o600
_PNG: Final = b"\x89PNG"
_NO_NAME: Final = re.compile(r"[^0-9A-Za-z_-]")


def screenshot_dir() -> Path:
    """Return the folder that ``[wxa] screenshot_dir`` names, else one in AIRFLOW_HOME."""
    named: str = (conf.get("wxa", "screenshot_dir", fallback="") or "").strip()
    home = Path(os.environ.get("AIRFLOW_HOME") or "~/airflow")
    return (Path(named) if named else home / "wxa-screenshots").expanduser().resolve()


def save_screenshots(
    outcome: AuditOutcome, run: Callable[[Step[dict[str, bytes | str]]], dict[str, bytes | str]]
) -> dict[str, str]:
    """Fetch the screenshots of a sheet and save them as ``<folder>/<appid>/<auditid>/<n>.jpg``, readable by the owner.

    Nothing is raised: why one is missing is told in its place.

    :param run: carries the step that fetches them.
    :return: media id → path, or the reason why there is none.
    """
    if not outcome.screenshot:
        return {}
    try:
        fetched = run(_fetched(outcome))
    except WxaError as error:
        return dict.fromkeys(outcome.screenshot, f"not fetched: {error.what}")
    folder = screenshot_dir() / _as_name(outcome.appid) / _as_name(outcome.auditid)
    return {
        media_id: _saved(folder, number, found) if isinstance(found, bytes) else f"not fetched: {found}"
        for number, (media_id, found) in enumerate(fetched.items(), 1)
    }


def _fetched(outcome: AuditOutcome) -> Step[dict[str, bytes | str]]:
    """Fetch each screenshot: its bytes, or why there are none."""
    found: dict[str, bytes | str] = {}
    for media_id in outcome.screenshot:
        try:
            found[media_id] = (yield get_material(outcome.appid, media_id)).image
        except WxaError as error:
            found[media_id] = error.what
    return found


def _saved(folder: Path, number: int, image: bytes) -> str:
    path = folder / f"{number}.{'png' if image.startswith(_PNG) else 'jpg'}"
    try:
        for each in (folder.parent.parent, folder.parent, folder):
            each.mkdir(_PRIVATE_DIR, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE_FILE), "wb") as file:
            file.write(image)
    except OSError as error:
        return f"not saved: {path}: {error.strerror}"
    return str(path)


def _as_name(text: str) -> str:
    """Return an id as the name of a folder, whatever was given as one."""
    return _NO_NAME.sub("_", text)
