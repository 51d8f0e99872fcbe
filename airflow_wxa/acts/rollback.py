"""Acts of a rollback: look, go one version back, and prove it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from airflow_wxa import steps
from airflow_wxa.acts.act import Act, Digits, OfMiniProgram
from airflow_wxa.api import values


def read_plan(value: Any) -> dict[str, Any]:
    """Read what :class:`ListVersions` returned."""
    read = values.json_object(value)
    steps.RollbackPlan.from_json(read)
    return read


@dataclass(frozen=True)
class ListVersions(OfMiniProgram):
    """Read which version is online, which can come back, and the business domains; nothing is written.

    Returns ``{"appid", "online", "target", "others", "effective", "own", "offline", "on_lost_domains"}``: the version
    online, the one that would come back, further ones, origins, and domains that may go offline; ``null``: WeChat did
    not say.

    :param app_version: digits, from WeChat's list of earlier versions; empty: one step back.
    :param on_lost_domains: ``"stop"`` if domains may go offline that nobody asked off; ``"ask"``: a person is shown
        them, and no others may go; ``"release"``: any may.
    """

    app_version: Digits = ""
    on_lost_domains: Literal["ask", "release", "stop"] = field(default="ask", kw_only=True)

    def step(self) -> steps.Step[steps.RollbackPlan]:
        return steps.plan_rollback(self.appid, self.app_version, on_lost_domains=self.on_lost_domains)


@dataclass(frozen=True)
class _OfPlan(Act):
    """An act by a plan.

    :param plan: return value of :class:`WxaListVersionsOperator`.
    """

    plan: Annotated[Mapping[str, Any], read_plan]

    @property
    def appid(self) -> str:
        """The Mini Program."""
        return str(self.plan["appid"])


@dataclass(frozen=True)
class RollBack(_OfPlan):
    """Bring an earlier version back, once, also after a lost answer and beside another run.

    Returns ``{"outcome": "rolled_back|already_rolled_back", "appid", "user_version", "app_version", "release_time",
    "effective", "left"}``; ``left`` names what could be rolled back to now.

    :param approval_task_id: a :class:`WxaApproveRollbackOperator` of this run: only what its latest decision in the
        ledger approves is done, and a rejection skips. A run whose DAG has a param ``approval`` needs no decision where
        that is false.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_revertcoderelease
    """

    approval_task_id: str
    writes = ("revertcoderelease",)

    def step(self) -> steps.Step[steps.RollbackOutcome]:
        plan = steps.RollbackPlan.from_json(self.plan)
        return steps.roll_back(plan, steps.Approved(self.approval_task_id, plan.appid, plan.named))


@dataclass(frozen=True)
class VerifyRollback(_OfPlan):
    """Prove that the version is online again, and that no business domain that was effective before is lost.

    Returns the same as :class:`WxaRollbackOperator`.
    """

    def step(self) -> steps.Step[steps.RollbackOutcome]:
        return steps.verify_rollback(steps.RollbackPlan.from_json(self.plan))
