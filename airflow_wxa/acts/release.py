"""Acts that show a version to users: the release for all, and the staged release (灰度发布) for a part."""

from dataclasses import dataclass
from typing import Any, Literal

from airflow_wxa import steps
from airflow_wxa.acts.act import Digits, Flag, OfMiniProgram, Whole
from airflow_wxa.acts.code import OfPublished
from airflow_wxa.api.code import AdoptedVersion
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.steps.offline import Kinds
from airflow_wxa.texts import Text


@dataclass(frozen=True, kw_only=True)
class Publish(OfPublished):
    """An act that shows a version to users.

    :param auditid: of the submission; needed with ``approval_task_id``, with ``adopt_trial``, and if WeChat leaves
        descriptions out.
    :param approval_task_id: a :class:`WxaApproveReleaseOperator` of this run: only what its latest decision in the
        ledger approves is published, and a rejection skips. ``None``: nobody is asked. A run whose DAG has a param
        ``approval`` needs no decision where that is false.
    :param on_lost_domains: ``"stop"`` before it takes domains offline that are effective now and that nobody asked off,
        or ``"release"``: say which. When somebody was asked, the question's domains may go, and no more.
    """

    auditid: Digits = ""
    approval_task_id: str | None = None
    on_lost_domains: Literal["stop", "release"] = "stop"

    @property
    def named(self) -> dict[str, Any]:
        """Facts that an approval names, and that are published then.

        :raises WxaSpecError: it cannot be right; an adopted version without auditid.
        """
        version = self.version
        adopted = version if isinstance(version, AdoptedVersion) else None
        if adopted and not self.auditid:
            raise WxaSpecError(
                Text("adopted_sheet_is_not_named"), [Text("auditid_of_the_submission_is_missing")], appid=self.appid
            )
        return {
            "user_version": version.user_version,
            **({"user_desc": adopted.user_desc} if adopted else {"fingerprint": version.fingerprint}),
            "auditid": self.auditid,
            "domains": [domain.origin for domain in self.wanted],
        }

    @property
    def allowed(self) -> Kinds | None:
        """The domains that may go offline where nobody is asked; ``None``: any."""
        return {} if self.on_lost_domains == "stop" else None

    @property
    def approval(self) -> steps.Approved | None:
        """The question whether a person has approved exactly this; ``None``: nobody is asked."""
        named = self.named  # checked also where nobody is asked
        return None if self.approval_task_id is None else steps.Approved(self.approval_task_id, self.appid, named)


@dataclass(frozen=True, kw_only=True)
class Release(Publish):
    """Publish the version if its sheet is the latest and approved; once, also after a lost answer.

    Just before, the wanted domains are looked for on the Mini Program's own list and, when the Connection can read
    it, on the platform's: one that the release would drop stops it, and so does ``on_lost_domains``. Returns
    ``{"outcome": "released|already_released", "appid", "release_version", "release_time", "effective", "lost",
    "removed_as_asked", "lost_servers"}``, and emits an event of the Asset ``wxa://{appid}/release`` from a task with
    the outlet ``RELEASES``.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_release
    """

    writes = ("release",)

    def step(self) -> steps.Step[steps.ReleaseOutcome]:
        return self.losing(self.allowed)

    def losing(self, allowed: Kinds | None, *, prove: bool = False) -> steps.Step[steps.ReleaseOutcome]:
        """Return the step where a plan says which domains may go offline; with ``prove`` no proof need follow."""
        return steps.release_version(
            self.version,
            self.wanted,
            noted_auditid=self.auditid,
            approval=self.approval,
            prove=prove,
            allowed=allowed,
        )


@dataclass(frozen=True, kw_only=True)
class GrayRelease(Publish):
    """Show the version to a part of the users, if its sheet is the latest and approved; the part only rises.

    A plan that stands at this part already is left alone, one that stands higher stops the task: nothing is sent then.
    WeChat has no pause. Returns ``{"outcome": "raised|unchanged", "appid", "gray_percentage", "status"}``.

    :param gray_percentage: 0 to 100; with 0 one of the two flags is needed.
    :param support_debuger_first: developers see it first; the spelling is WeChat's.
    :param support_experiencer_first: testers see it first.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_grayrelease
    """

    gray_percentage: Whole
    support_debuger_first: Flag = False
    support_experiencer_first: Flag = False
    writes = ("grayrelease",)

    def step(self) -> steps.Step[steps.GrayOutcome]:
        return steps.gray_release(
            self.version,
            self.gray_percentage,
            self.wanted,
            support_debuger_first=self.support_debuger_first,
            support_experiencer_first=self.support_experiencer_first,
            noted_auditid=self.auditid,
            approval=self.approval,
            allowed=self.allowed,
        )


@dataclass(frozen=True)
class RevertGrayRelease(OfMiniProgram):
    """Take a staged release back: everybody sees what is online again.

    One that was taken back already is left alone; without a staged release the task fails. Returns ``{"outcome":
    "reverted|already_reverted", "appid", "gray_percentage", "status"}``.

    Source: https://developers.weixin.qq.com/doc/oplatform/Third-party_Platforms/2.0/api/code/grayrelease.html
    """

    writes = ("revertgrayrelease",)

    def step(self) -> steps.Step[steps.GrayOutcome]:
        return steps.revert_gray_release(self.appid)
