"""WeChat's errcodes as a table: which class, what it means, what to do, where it is written.

The data stands in ``errcodes.json``; the table decides the class of an error, no ``if`` ladder does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_wxa.api.endpoints import Endpoint

__all__ = ["ERROR_CLASSES", "Errcode", "errcodes", "error_for", "is_noop"]

ERROR_CLASSES: Final[Mapping[str, type[errors.WxaApiError]]] = {
    "transient": errors.WxaBusyError,
    "quota": errors.WxaQuotaError,
    "token": errors.WxaCredentialError,
    "permission": errors.WxaPermissionError,
    "platform_setup": errors.WxaPlatformSetupError,
    "unsupported_account": errors.WxaUnsupportedAccountError,
    "state": errors.WxaStateError,
    "input": errors.WxaInputError,
    "unknown": errors.WxaUnknownError,
    # The state that was wanted already holds. Where a step or an endpoint knows better, it is an error of state.
    "noop": errors.WxaStateError,
}


@dataclass(frozen=True, slots=True)
class Errcode:
    """One row of the table.

    :param class_: ``ok``, ``noop`` or a key of :data:`ERROR_CLASSES`.
    :param endpoints: paths that answer it; ``*`` ends a prefix, alone it means any; none: outside the release.
    :param source: pages and files, the best first, joined by ``; ``; an error names the first.
    :param retryable: whether a later repetition helps though the class says otherwise; ``None``: as the class.
    """

    errcode: int
    name: str
    class_: str
    meaning: str
    meaning_zh: str
    action: str
    action_zh: str
    endpoints: tuple[str, ...]
    source: str
    confidence: str
    retryable: bool | None = None

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Errcode:
        """Read a row of ``errcodes.json``."""
        fields = {key: value for key, value in row.items() if key != "class"}
        return cls(**fields | {"class_": row["class"], "endpoints": tuple(row["endpoints"])})

    def answered_by(self, path: str) -> bool:
        """Tell whether the endpoint at ``path`` is known to answer this code."""
        return any(path.startswith(known[:-1]) if known.endswith("*") else path == known for known in self.endpoints)


@cache
def errcodes() -> Mapping[int, Errcode]:
    """Return the whole table by errcode, read when it is first needed."""
    rows = json.loads(resources.files(__package__).joinpath("errcodes.json").read_text("utf-8"))
    return {row["errcode"]: Errcode.from_json(row) for row in rows}


def is_noop(errcode: int, path: str) -> bool:
    """Tell whether ``errcode`` says, at this endpoint, that the wanted state already holds."""
    row = errcodes().get(errcode)
    return row is not None and row.class_ == "noop" and row.answered_by(path)


def error_for(
    errcode: int, *, endpoint: Endpoint, appid: str | None = None, errmsg: str = "", rid: str = ""
) -> errors.WxaApiError:
    """Return the error that the table makes of ``errcode``; a code that it lacks is shown as itself.

    :param errmsg: WeChat's text without the rid.
    """
    row = errcodes().get(errcode)
    values = {"errcode": errcode, "errmsg": errmsg, "rid": rid}
    parts: dict[str, Any] = {
        "errcode": errcode,
        "errmsg": errmsg,
        "rid": rid,
        "values": {name: value for name, value in values.items() if value != ""},
        "endpoint": endpoint.name,
        "appid": appid,
    }
    if row is None:
        return errors.WxaUnknownError(
            f"{endpoint.name} refused: errcode {errcode}",
            why=f"our table of WeChat's codes does not list it; WeChat says: {errors.shown(errmsg) or 'nothing more'}",
            next_step="look it up on the endpoint's page, and give the rid to WeChat's support (kept for 7 days)",
            source=endpoint.source,
            **parts,
        )
    return ERROR_CLASSES[row.class_](
        f"{endpoint.name} refused: {row.name.replace('_', ' ')}",
        why=f"{row.meaning} {row.meaning_zh}",
        next_step=row.action,
        source=row.source.partition("; ")[0],
        retryable=row.retryable,
        **parts,
    )
