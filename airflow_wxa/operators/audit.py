"""Wait for a review, and follow the road that its end opens."""

from collections.abc import Sequence
from typing import Any

from airflow.sdk import BranchMixIn, Context

from airflow_wxa.errors import readable
from airflow_wxa.operators.declared import Routing
from airflow_wxa.sensors.polling import WxaAuditSensor
from airflow_wxa.steps import AuditOutcome
from airflow_wxa.texts.setting import as_set


class WxaAuditBranchOperator(Routing, WxaAuditSensor, BranchMixIn):
    """Wait until the review of a sheet has ended, as the sensor does, then follow its end; returns the last status.

    Refused at parse inside a mapped task group, and mapped itself: Airflow runs every branch there for every map index
    (apache/airflow#67265).

    :param approved: task id or ids to follow when the review approved the version.
    :param rejected: when it rejected it; the log holds reason and screenshots. ``None``: fail with them.
    :param withdrawn: when somebody took the sheet back; ``None``: fail.
    :raises ValueError: ``soft_fail`` or ``never_fail``: Airflow would take the branching itself for a failure.
    """

    approved: str | Sequence[str]
    rejected: str | Sequence[str] | None = None
    withdrawn: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        if self.soft_fail or self.never_fail:
            raise ValueError(f"{self.task_id}: soft_fail and never_fail go with WxaAuditSensor, not with a branch")

    def finish(self, context: Context, outcome: AuditOutcome) -> dict[str, Any]:
        roads = {"approved": self.approved, "rejected": self.rejected, "withdrawn": self.withdrawn}
        road = roads[outcome.outcome]
        if road is None:
            return super().finish(context, outcome)
        if error := self.ending_error(outcome):
            self.log.warning("%s", error)
        self.log.info(readable(as_set(self.in_words(outcome))))
        return self.follow(context, road, outcome.to_json())
