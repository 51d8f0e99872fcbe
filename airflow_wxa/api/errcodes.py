"""WeChat's errcodes as a table: class, meaning, next step, source.

The data stands in ``errcodes.json``; the table decides the class of an error, no ``if`` ladder does.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa import errors
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_wxa.api.endpoints import Endpoint

# The codes that code names, by their name in the table.
SYSTEM_ERROR: Final = -1
INVALID_CREDENTIAL: Final = 40001
INVALID_APPID: Final = 40013
INVALID_ACCESS_TOKEN: Final = 40014
INVALID_APPSECRET: Final = 40125
APPSECRET_MISSING: Final = 41004
COMPONENT_APPID_MISSING: Final = 41018
ACCESS_TOKEN_EXPIRED: Final = 42001
COMPONENT_ACCESS_TOKEN_EXPIRED: Final = 42006
API_UNAUTHORIZED: Final = 48001
ACCOUNT_NOT_AUTHORIZED: Final = 61003
CLIENT_IP_NOT_REGISTERED_COMPONENT: Final = 61004
COMPONENT_TICKET_EXPIRED: Final = 61005
COMPONENT_TICKET_INVALID: Final = 61006
PERMISSION_SET_NOT_GRANTED: Final = 61007
INVALID_COMPONENT: Final = 61011
REFRESH_TOKEN_INVALID: Final = 61023
PRIVACY_CHECK_RUNNING: Final = 61039
PRIVACY_API_MISSING_RIGHT_OR_DECLARATION: Final = 61040
AUDIT_ALREADY_RUNNING: Final = 85009
INVALID_AUDIT_ID: Final = 85012
NO_DOMAIN_TO_MODIFY: Final = 85017
DOMAIN_NOT_ON_PLATFORM: Final = 85018
AUDIT_STATUS_NOT_RELEASABLE: Final = 85020
NO_VALID_AUDIT_ID: Final = 85058
AUDIT_QUOTA_REACHED: Final = 85085
NO_COMMITTED_CODE: Final = 86001
WEBVIEW_CONFIRM_FILE_CHECK_FAILED: Final = 86103
VERSION_NOT_REVERTIBLE: Final = 87012
UNDO_QUOTA_REACHED: Final = 87013
PLATFORM_WEBVIEW_DOMAIN_EMPTY: Final = 89020
WEBVIEW_DOMAIN_NOT_ON_PLATFORM: Final = 89021
DELETE_DOMAIN_NOT_EXIST: Final = 89022
INDIVIDUAL_NOT_SUPPORTED: Final = 89231

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
    endpoints: tuple[str, ...]
    source: str
    confidence: str
    retryable: bool | None = None

    @property
    def meaning(self) -> Text:
        """What it means."""
        return Text(f"errcode_{self.errcode}", "why")

    @property
    def action(self) -> Text:
        """What helps."""
        return Text(f"errcode_{self.errcode}", "next_step")

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
    errcode: int,
    *,
    endpoint: Endpoint,
    appid: str | None = None,
    errmsg: str = "",
    rid: str = "",
    what: str = "",
    values: Mapping[str, object] | None = None,
    why: str = "",
    next_step: str = "",
) -> errors.WxaApiError:
    """Return the error that the table makes of ``errcode``; a code missing in it is shown as itself.

    :param errmsg: WeChat's text without the rid.
    :param what: instead of the table's words; so are ``why`` and ``next_step``, for a caller that knows more.
    :param values: shown behind errcode, errmsg and rid.
    """
    row = errcodes().get(errcode)
    said = {"errcode": errcode, "errmsg": errmsg, "rid": rid}
    shown = errors.shown(errmsg) or Text("nothing_more")
    text = Text(
        f"errcode_{errcode}" if row else "errcode_is_unlisted", endpoint=endpoint.name, **said | {"errmsg": shown}
    )
    source, own = endpoint.source, what if isinstance(what, Text) else text
    if row is not None:
        source = next((each for each in row.source.split("; ") if each.startswith("https://")), source)
    return (ERROR_CLASSES[row.class_] if row else errors.WxaUnknownError)(
        what or text,
        why=why or own.of("why") or text.of("why"),
        next_step=next_step or own.of("next_step") or text.of("next_step"),
        source=source,
        retryable=row.retryable if row else None,
        errcode=errcode,
        errmsg=errmsg,
        rid=rid,
        values={name: value for name, value in said.items() if value != ""} | dict(values or {}),
        endpoint=endpoint.name,
        appid=appid,
    )
