"""Acts of a rollback: look, and prove it afterwards."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from airflow_wxa.acts.act import Act, OfMiniProgram
from airflow_wxa.acts.fields import Digits
from airflow_wxa.api import values
from airflow_wxa.steps import RollbackOutcome, RollbackPlan, Step, plan_rollback, verify_rollback


def read_plan(value: Any) -> dict[str, Any]:
    """Read what :class:`ListVersions` returned."""
    read = values.json_object(value)
    RollbackPlan.from_json(read)
    return read


@dataclass(frozen=True)
class ListVersions(OfMiniProgram):
    """Read which version is online, which can come back, and the business domains; nothing is written.

    Returns ``{"appid", "online", "target", "others", "effective", "own", "dropped"}``: what is online, the version
    that would come back, further ones, and origins; ``null`` is what WeChat did not say.

    :param app_version: digits, from WeChat's list of earlier versions; empty: one step back.
    """

    app_version: Digits = ""

    def step(self) -> Step[RollbackPlan]:
        """Read them."""
        return plan_rollback(self.appid, self.app_version)


@dataclass(frozen=True)
class _OfPlan(Act):
    """An act by a plan.

    :param plan: what :class:`WxaListVersionsOperator` returned.
    """

    plan: Annotated[Mapping[str, Any], read_plan]


@dataclass(frozen=True)
class VerifyRollback(_OfPlan):
    """Prove that the version is online again, and that no business domain that was effective before is lost.

    Returns the same as :class:`WxaRollbackOperator`.
    """

    def step(self) -> Step[RollbackOutcome]:
        """Prove it."""
        return verify_rollback(RollbackPlan.from_json(self.plan))
