"""Audit sheets: their stage, the calls that a stage permits, and the plan of their reviewers.

``STAGES`` is the essay of :mod:`airflow_wxa.sandbox.state` as a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, ClassVar, Literal

from airflow_wxa.sandbox.errors import Errcode
from airflow_wxa.sandbox.values import STRICT

if TYPE_CHECKING:
    from collections.abc import Mapping


class AuditStatus(IntEnum):
    """``status`` as get_auditstatus and get_latest_auditstatus answer it."""

    APPROVED = 0
    REJECTED = 1
    AUDITING = 2
    WITHDRAWN = 3
    DELAYED = 4


class Stage(StrEnum):
    """Stage of the newest audit sheet; finer than ``status``, which calls three of these approved."""

    AUDITING = "auditing"
    DELAYED = "delayed"
    APPROVED = "approved"
    OVERTAKEN = "overtaken"
    ONLINE = "online"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class StageRule:
    """Status and permissions of a stage."""

    status: AuditStatus  #: answer of the audit calls
    submit_audit: Errcode | None  #: how the next submit_audit is refused; None when it is accepted
    release: Errcode | None  #: how release is refused; None when it publishes
    after_commit: Stage  #: the stage that a commit leaves the sheet in


# fmt: off
_RUNNING, _NOT_NOW, _DONE = Errcode.AUDIT_RUNNING, Errcode.STATUS_NOT_RELEASABLE, Errcode.ALREADY_RELEASED
STAGES: Mapping[Stage, StageRule] = {
    #                          status                 submit_audit  release    after commit
    Stage.AUDITING:  StageRule(AuditStatus.AUDITING,  _RUNNING,     _NOT_NOW,  Stage.AUDITING),
    Stage.DELAYED:   StageRule(AuditStatus.DELAYED,   _RUNNING,     _NOT_NOW,  Stage.DELAYED),
    Stage.APPROVED:  StageRule(AuditStatus.APPROVED,  None,         None,      Stage.OVERTAKEN),
    Stage.OVERTAKEN: StageRule(AuditStatus.APPROVED,  None,         _NOT_NOW,  Stage.OVERTAKEN),
    Stage.ONLINE:    StageRule(AuditStatus.APPROVED,  None,         _DONE,     Stage.ONLINE),
    Stage.REJECTED:  StageRule(AuditStatus.REJECTED,  None,         _NOT_NOW,  Stage.REJECTED),
    Stage.WITHDRAWN: StageRule(AuditStatus.WITHDRAWN, None,         _NOT_NOW,  Stage.WITHDRAWN),
}
# fmt: on

AuditResult = Literal["by_hand", "approved", "rejected", "withdrawn", "delayed_then_approved", "delayed_then_rejected"]
AUDIT_ENDS: Mapping[AuditResult, Stage] = {
    "by_hand": Stage.AUDITING,
    "approved": Stage.APPROVED,
    "rejected": Stage.REJECTED,
    "withdrawn": Stage.WITHDRAWN,
    "delayed_then_approved": Stage.APPROVED,
    "delayed_then_rejected": Stage.REJECTED,
}


IN_AUDIT = (Stage.AUDITING, Stage.DELAYED)


@dataclass(kw_only=True, slots=True)
class AuditPlan:
    """How the reviewers will treat what is submitted next."""

    __pydantic_config__: ClassVar = STRICT
    polls: int = 2  #: answers that still say "auditing"; 0 decides at once
    result: AuditResult = "approved"  #: how it ends; ``by_hand`` keeps it in audit until :meth:`MiniProgram.decide`
    delayed_polls: int = 1  #: answers that say "delayed" in between, for the results that begin with ``delayed``
    reason: str = "1: the pages do not match the chosen category<br>"  #: shown while delayed and after a rejection
    screenshot: str = "media-id-0001|media-id-0002"  #: media ids joined by ``|``, shown after a rejection

    def stage_after(self, polls: int) -> Stage:
        """Return the stage of a sheet that was asked about so many times."""
        if polls < self.polls:
            return Stage.AUDITING
        if self.result.startswith("delayed") and polls < self.polls + self.delayed_polls:
            return Stage.DELAYED
        return AUDIT_ENDS[self.result]


@dataclass(kw_only=True, slots=True)
class AuditSheet:
    """One audit sheet (审核单); ``submit_audit_time`` in epoch seconds, ``polls`` asked so far."""

    __pydantic_config__: ClassVar = STRICT
    auditid: int
    user_version: str
    user_desc: str
    submit_audit_time: int
    plan: AuditPlan
    stage: Stage
    polls: int = 0
    unseen: int = 0  #: how many more questions are answered as if there were no such sheet
    sped_up: bool = False

    def poll(self) -> Stage:
        """Answer where the sheet stands, then let the reviewers come one poll nearer."""
        answered = self.stage
        if answered in IN_AUDIT:
            self.polls += 1
            self.stage = self.plan.stage_after(self.polls)
        return answered
