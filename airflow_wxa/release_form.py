"""The trigger form of a release: its params, as DAGs take them.

What every release needs stands first and open; the rest is in sections, which Airflow shows folded up.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Final

from airflow.sdk import Param

from airflow_wxa.api.appid import APPID_PATTERN
from airflow_wxa.steps.release_spec import DOMAIN_ACTIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["release_params"]

_ROADS: Final = "When WeChat answers 89020 or 89231"
_CODE: Final = "Code and audit"
_APPROVAL: Final = "Who may approve"
_CONNECTIONS: Final = "Connections"

# In the order of the form.
_PARAMS: Final[Mapping[str, Param]] = {
    "appid": Param(
        type="string", pattern=APPID_PATTERN, title="appid", description="The Mini Program: wx and 16 hex digits."
    ),
    "domain_action": Param(
        "add",
        type="string",
        enum=list(DOMAIN_ACTIONS),
        values_display={
            "add": "add: add these domains",
            "set": "set: have these and no others",
            "delete": "delete: remove these domains",
            "get": "get: only read them",
            "all": "all: add every domain of the platform list",
        },
        description="What to do with the business domains (业务域名), before any code is uploaded.",
    ),
    "webviewdomain": Param(
        [],
        type="array",
        items={"type": "string"},
        description="One origin a line, such as https://m.example.com; needed for add, set and delete, else empty.",
    ),
    "template_id": Param(
        type=["integer", "string"], pattern="^[0-9]+$", minimum=0, description="From gettemplatelist: digits."
    ),
    "user_version": Param(type="string", minLength=1, maxLength=64, description="1 to 64 characters, such as 1.4.0."),
    "user_desc": Param(None, type=["null", "string"], description="What changed; empty: the user_version."),
    "version_desc": Param(
        "", type=["null", "string"], format="multiline", description="For the reviewer: what changed, test accounts."
    ),
    "approval": Param(default=True, type="boolean", description="Wait for somebody's approval before the release."),
    "release": Param(default=True, type="boolean", description="Release after the audit; else the run ends there."),
    "on_platform_list_empty": Param(
        "stop",
        type="string",
        enum=["stop", "register"],
        values_display={
            "stop": "stop: fail, and say what to do",
            "register": "register: register platform_domains, for all merchants of the platform",
        },
        section=_ROADS,
        description="When the platform has registered no business domain (89020). register goes only with add and "
        "set, and needs a platform token.",
    ),
    "platform_domains": Param(
        [],
        type="array",
        items={"type": "string"},
        section=_ROADS,
        description="What to register: one bare host a line, such as example.com; empty: the hosts of webviewdomain.",
    ),
    "on_individual": Param(
        "release_without_domains",
        type="string",
        enum=["release_without_domains", "stop"],
        section=_ROADS,
        description="When an individual owns the Mini Program (89231), which cannot have business domains.",
    ),
    "ext_json": Param(
        {},
        type="object",
        section=_CODE,
        description="The whole ext_json; free data goes under its key ext; extAppid is added.",
    ),
    "privacy_api_not_use": Param(
        default=False,
        type="boolean",
        section=_CODE,
        description="Declare that privacy interfaces which the scan finds are not used.",
    ),
    "audit_quota_reserve": Param(
        0,
        type="integer",
        minimum=0,
        section=_CODE,
        description="Do not submit when the platform has only this many submissions left this month.",
    ),
    "withdraw_foreign_audit": Param(
        default=False,
        type="boolean",
        section=_CODE,
        description="Withdraw somebody else's version that is in audit, instead of stopping: 5 a day, 10 a month for "
        "each Mini Program.",
    ),
    "audit_timeout_hours": Param(
        264,
        type="number",
        exclusiveMinimum=0,
        section=_CODE,
        description="How long to wait for the review; it takes up to seven working days.",
    ),
    "approvers": Param(
        [],
        type="array",
        items={"type": "string", "minLength": 1},
        section=_APPROVAL,
        description="Ids of the Airflow users who may approve, one a line; empty: whoever may edit the run.",
    ),
    "approver_must_differ": Param(
        default=False, type="boolean", section=_APPROVAL, description="Whoever triggers this run cannot approve it."
    ),
    "wxa_conn_id": Param("wxa_default", type="string", section=_CONNECTIONS, description="Connection of type wxa."),
    "platform_conn_id": Param(
        None,
        type=["null", "string"],
        section=_CONNECTIONS,
        description="Connection for registering platform_domains; empty: the same as wxa_conn_id.",
    ),
}


def release_params() -> dict[str, Param]:
    """Return the params, new ones each time: a run may leave its values behind in those of its DAG."""
    return deepcopy(dict(_PARAMS))
