"""Rolling a Mini Program back: look, ask, go one version back, and prove it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

from airflow_wxa.api import values
from airflow_wxa.api.budget import BEIJING
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators.approval import Subject, WxaApprovalOperator, as_code, is_approval_wanted, require_approval
from airflow_wxa.release.dag import TemplatedFields, failing_at_once
from airflow_wxa.steps import RollbackPlan, roll_back, verify_rollback

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_wxa.api.values import Reader


def _plan(value: Any) -> dict[str, Any]:
    """Read what :class:`WxaListVersionsOperator` returned."""
    read = values.json_object(value)
    RollbackPlan.from_json(read)
    return read


class WxaApproveRollbackOperator(WxaApprovalOperator):
    """Ask a person whether a version may come back: what is online goes, for everyone and at once.

    :param appid: the Mini Program (templated).
    :param plan: what :class:`WxaListVersionsOperator` returned (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {"appid": values.appid, "plan": _plan, **WxaApprovalOperator.reads}

    def __init__(self, *, appid: str, plan: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.appid = appid
        self.plan = plan

    def ask_about(self, context: Context) -> Subject:
        """Return both versions, the business domains, and what cannot be undone."""
        plan = RollbackPlan.from_json(self.plan)
        return Subject(
            f"Roll {plan.appid} back to {plan.target.user_version or plan.target.app_version}?",
            _named(plan),
            "\n\n".join([_versions(plan), _domains(plan), _no_way_back(plan)]),
        )


class _PlannedOperator(TemplatedFields, BaseOperator):
    """What both that act on a plan share.

    :param plan: what :class:`WxaListVersionsOperator` returned (templated).
    :param wxa_conn_id: the Connection (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {"plan": _plan, "wxa_conn_id": values.named}

    def __init__(self, *, plan: Mapping[str, Any], wxa_conn_id: str = WxaHook.default_conn_name, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.plan = plan
        self.wxa_conn_id = wxa_conn_id


class WxaRollbackOperator(_PlannedOperator):
    """Bring an earlier version back, once, also after a lost answer and beside another run.

    Returns ``{"outcome": "rolled_back|already_rolled_back", "appid", "user_version", "app_version", "release_time",
    "effective", "left"}``; ``left`` names what could be rolled back to now.

    :param approval_task_id: a :class:`WxaApproveRollbackOperator` of this run: only what its latest decision in the
        ledger approves is done, and a rejection skips. A run whose DAG has a param ``approval`` needs no decision where
        that is false.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_revertcoderelease
    """

    def __init__(self, *, approval_task_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.approval_task_id = approval_task_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Look once more, then roll back."""
        self.read_fields()
        hook = WxaHook(self.wxa_conn_id)
        with failing_at_once():
            plan = RollbackPlan.from_json(self.plan)
            if is_approval_wanted(context):
                about = _named(plan)
                require_approval(self.approval_task_id, appid=plan.appid, about=about, wxa_conn_id=self.wxa_conn_id)
            outcome = hook.run(roll_back(plan))
        left = ", ".join(outcome.left) or "nothing: from here on only a release goes forward"
        self.log.info("%s is online again; left to roll back to: %s", outcome.user_version, left)
        return outcome.to_json()


class WxaVerifyRollbackOperator(_PlannedOperator):
    """Prove that the version is online again, and that no business domain that was effective before is lost.

    Returns the same as :class:`WxaRollbackOperator`.
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Read; see the class for what is returned."""
        self.read_fields()
        hook = WxaHook(self.wxa_conn_id)
        with failing_at_once():
            plan = RollbackPlan.from_json(self.plan)
            return hook.run(verify_rollback(plan)).to_json()


def _named(plan: RollbackPlan) -> dict[str, Any]:
    """Return what an approval of a rollback names, and what the rollback must then be."""
    return {
        "online": plan.online.version,
        "online_since": plan.online.time,
        "user_version": plan.target.user_version,
        "app_version": plan.target.app_version,
    }


def _versions(plan: RollbackPlan) -> str:
    since = f" since {dt.datetime.fromtimestamp(plan.online.time, BEIJING):%Y-%m-%d %H:%M} (UTC+8)"
    rows = {
        "Mini Program": as_code(plan.appid),
        "goes": _version(plan.online.version, plan.online.description) + (since if plan.online.time else ""),
        "comes back": f"{_version(plan.target.user_version, plan.target.user_desc)}, "
        f"app_version {as_code(plan.target.app_version)}",
        "could come back instead": ", ".join(
            f"{_version(each.user_version, '')} (app_version {as_code(each.app_version)})" for each in plan.others
        )
        or "nothing else",
    }
    return "\n".join(["| | |", "| --- | --- |", *(f"| {name} | {text} |" for name, text in rows.items())])


def _version(name: str, description: str) -> str:
    return as_code(name or "a version that WeChat does not name") + (f", {as_code(description)}" if description else "")


def _domains(plan: RollbackPlan) -> str:
    """Return which business domains are effective, and which of them may change."""
    effective = set(plan.effective or ())
    pending = sorted(set(plan.own or ()) - effective)
    lines = [
        "### Business domains (业务域名)",
        "",
        "No page of WeChat's says what a rollback does to them; `verify_rollback` fails if one is lost.",
        "",
        f"- effective now: {_list(plan.effective)}",
        f"- configured, effective only after a release: {_list(pending) if plan.own is not None else 'not known'}",
        f"- configured, but not covered by the platform's list, so the next release drops them: {_list(plan.dropped)}",
    ]
    return "\n".join(lines)


def _no_way_back(plan: RollbackPlan) -> str:
    target = as_code(plan.target.user_version or plan.target.app_version)
    return (
        f"### What cannot be undone\n\nIt happens at once, for everyone. Afterwards {target} cannot be rolled back "
        "again, and WeChat lists no earlier version any more: the way on is a release of a corrected version."
    )


def _list(origins: Sequence[str] | None) -> str:
    return "not known" if origins is None else ", ".join(map(as_code, origins)) or "none"
