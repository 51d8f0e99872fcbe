"""State of one Mini Program at WeChat, its audit sheets, and how a release moves it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum, StrEnum
from typing import Any, ClassVar, Literal

from airflow_wxa.sandbox import values
from airflow_wxa.sandbox.errors import Errcode, RefusalError, refuse_if
from airflow_wxa.sandbox.loose import Lag, Looseness
from airflow_wxa.sandbox.platforms import Account, Issued
from airflow_wxa.sandbox.values import SERVER_KINDS, STRICT, ServerDomains, secret, still_covered

WITHDRAWALS_A_DAY = 5
WITHDRAWALS_A_MONTH = 10
MOST_VERSIONS = 5
ALL_USERS = 100
#: Lists of domains: set by the owner, by the platform, by the direct mode, and those that really open.
DOMAIN_LISTS = ("mp", "third", "direct", "effective")


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


# A Mini Program has three slots that live apart: the **trial** version (``exp_info``), the **audit** sheet
# (``get_latest_auditstatus``) and the **online** version (``release_info``). ``commit`` writes the first,
# ``submit_audit`` and the reviewers the second, ``release`` the third. Most surprises of a release come from the idea
# that they are one:
#
# * ``commit`` overwrites the trial version and starts a privacy scan. It does not touch a sheet in audit: the review
#   is about the code of the moment of ``submit_audit``, and that is what goes online.
# * ``submit_audit`` wants a trial version whose scan is over, and no other sheet in audit. A delayed sheet is in audit
#   as well: approval or rejection follows.
# * ``release`` publishes the last approved sheet, not the last commit. The newest sheet decides what it may do.
# * The trap: when a sheet is approved and somebody commits before it was released, ``release`` answers 85020 although
#   the audit status still reads 0 (reported by developers, the cause was never confirmed by WeChat:
#   https://developers.weixin.qq.com/community/develop/doc/000826c48848e06a19121731a6bc00). The sandbox takes the
#   report at its word. A commit *during* the audit has no such report, so there the documented rule holds and the
#   reviewed code is published:
#   https://developers.weixin.qq.com/doc/oplatform/openApi/miniprogram-management/code-management/api_release
# * ``undocodeaudit`` takes a sheet in audit back, 5 times a day and 10 times a month by Beijing's calendar. Its answer
#   when nothing is in audit is written nowhere. 87012 is the one code besides the quota's (87013) that was seen from
#   it, so that is what the sandbox says; it does not count as a withdrawal.
# * A second ``release`` after a successful one answers 85052. It says that the newest sheet is online, not that the
#   version somebody wanted is.
# * ``release`` also prunes. Domains that the Mini Program had set for itself, or that the platform had copied to it,
#   survive only while the platform list covers them at that moment; a domain that left the list after it was
#   configured works in the trial version and is gone online.
#
# * A staged release shows the approved sheet to a part of the users, and the part only rises; while it runs, nothing
#   can be rolled back. Whether ``release`` finishes it is not documented; here it does.
# * ``revertcoderelease`` brings an earlier online version back, once: the list is empty afterwards, and the sheet that
#   was rolled back still reads as released. The fate of the domains is not documented; here they stay.
#
# ``STAGES`` is this text as a table. Time passes by polls: the scan and the reviewers come nearer each time somebody
# asks, so a test needs no clock and a demo no patience.

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


@dataclass(kw_only=True, slots=True)
class MiniProgram(Account):
    """One merchant's Mini Program, everything WeChat knows of it."""

    __pydantic_config__: ClassVar = STRICT
    appid: str
    component_appid: str  #: the platform it authorised
    authorizer_access_token: str = secret(default="")
    individual: bool = False  #: owned by a person; setwebviewdomain answers 89231
    #: permission sets that the merchant granted; 18 is development
    granted_sets: values.SortedSet[int] = field(default_factory=lambda: {18})
    mp_webviewdomain: list[str] = field(default_factory=list)  #: origins its owner set on mp.weixin.qq.com
    third_webviewdomain: list[str] = field(default_factory=list)  #: origins setwebviewdomain put there
    direct_webviewdomain: list[str] = field(default_factory=list)  #: origins of the direct mode
    #: domains that really open; starts as the own list, changes at release
    effective_webviewdomain: list[str] = field(default_factory=list)
    scan_polls: int = 1  #: answers of 61039 that each commit costs, by either endpoint; 0 scans at once
    scan_polls_left: int = 0  #: of the running scan
    #: privacy interfaces the scan found in the code and no one granted
    without_auth_list: list[str] = field(default_factory=list)
    #: privacy interfaces the scan found in the code and no one declared
    without_conf_list: list[str] = field(default_factory=list)
    audit: AuditPlan = field(default_factory=AuditPlan)  #: plan of the reviewers for the next submission
    categories: list[values.Category] = field(default_factory=values.default_categories)
    exp_info: values.ExpInfo | None = None
    trial_pages: list[str] = field(default_factory=list)  #: pages of the trial version
    #: whether the trial version was uploaded with ``directCommit``, which cannot be submitted
    direct_commit: bool = False
    sheets: list[AuditSheet] = field(default_factory=list)  #: all audit sheets, oldest first
    withdrawals: list[float] = field(default_factory=list)  #: epoch seconds of each sheet that was taken back
    release_info: values.ReleaseInfo | None = None
    app_version: int = 100  #: number of the online version; each release counts it up
    #: earlier online versions that can be rolled back to, newest first
    versions: list[values.OnlineVersion] = field(default_factory=list)
    gray: values.GrayPlan = field(default_factory=values.no_gray_plan)  #: the staged release
    serving: bool = True  #: False while its visit status is closed
    #: server domains by kind (``requestdomain``, …), as the four lists of business domains
    mp_domain: ServerDomains = field(default_factory=dict)
    third_domain: ServerDomains = field(default_factory=dict)
    direct_domain: ServerDomains = field(default_factory=dict)
    effective_domain: ServerDomains = field(default_factory=dict)
    #: epoch seconds of each accepted change of server domains or direct ones
    domain_changes: list[float] = field(default_factory=list)
    quota_resets: list[float] = field(default_factory=list)  #: epoch seconds of each clear_quota
    #: privacy guides by ``privacy_ver``, ``1`` live and ``2`` in development
    privacy: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: kinds of data that the committed code collects, ``Location``
    privacy_keys: list[str] = field(default_factory=list)
    privacy_apis: list[str] = field(default_factory=list)  #: privacy interfaces that were applied for
    testers: list[str] = field(default_factory=list)  #: WeChat ids
    support_version: str = "1.0.0"  #: the lowest base library
    #: domains that clients look up beforehand, ``{"url"}`` each
    prefetch_dns_domain: list[Any] = field(default_factory=list)
    authorised: bool = True  #: False after the merchant withdrew; every call about it is answered 61003
    auth_time: int = 1577836800  #: epoch seconds of the authorisation
    #: the one that api_authorizer_token wants now; empty while no authorization code was exchanged
    refresh_token: str = secret(default="")
    #: earlier ones, to the epoch second that they work until
    replaced_refresh_tokens: dict[str, float] = secret(default_factory=dict)
    code: str = secret(default="")  #: an authorization code that was not exchanged yet
    code_expires_at: float | None = None  #: epoch seconds; None for a code that does not run out
    #: access tokens, oldest first, beside the fixed ``authorizer_access_token``
    issued: list[Issued] = secret(default_factory=list)
    user_name: str = ""  #: original id, ``gh_`` and twelve characters; made of the appid when empty
    nick_name: str = ""
    principal_name: str = ""  #: name of the owner; see :attr:`owner_name` when empty
    verified: bool = False  #: WeChat verified the owner
    realname_status: int = 1  #: 1 is verified; anything else blocks most calls, which the sandbox does not imitate
    filing_status: int = 6  #: of the filing (备案): 6 filed, 2, 4 under review, 3, 5 rejected, 1024 and more not filed
    #: violations, as getillegalrecords answers them
    illegal_records: list[values.IllegalRecord] = field(default_factory=list)
    account_status: int = 1  #: 1 normal, 14 cancelled, 16 banned, 18 warned, 19 frozen; told, and not imitated
    api_permission: bool = True  #: False for an account without API permission: api_query_auth answers no tokens
    loose: Looseness | None = None  #: how answers about it stray from WeChat's pages; None as the world does

    def __post_init__(self) -> None:
        self.user_name = self.user_name or f"gh_{self.appid[-12:]}"
        self.effective_webviewdomain = self.effective_webviewdomain or list(self.mp_webviewdomain)

    @property
    def fixed_token(self) -> str:
        """``authorizer_access_token``."""
        return self.authorizer_access_token

    @property
    def owner_name(self) -> str:
        """``principal_name`` as WeChat shows it; every individual is called 个人."""
        return self.principal_name or ("个人" if self.individual else f"Owner of {self.appid}")

    @property
    def sheet(self) -> AuditSheet | None:
        """The newest audit sheet, the one that decides."""
        return self.sheets[-1] if self.sheets else None

    def commit(
        self, *, user_version: str, user_desc: str, pages: list[str], now: int, direct_commit: bool = False
    ) -> None:
        """Overwrite the trial version, start a scan, and overtake an approved sheet that was not released."""
        self.exp_info = {"exp_time": now, "exp_version": user_version, "exp_desc": user_desc}
        self.trial_pages, self.direct_commit = list(pages), direct_commit
        self.scan_polls_left = self.scan_polls
        if self.sheet is not None:
            self.sheet.stage = STAGES[self.sheet.stage].after_commit

    def poll_scan(self) -> None:
        """Ask about the privacy scan; each refusal brings its end one poll nearer."""
        refuse_if(self.exp_info is None, Errcode.NO_COMMITTED_CODE)
        if self.scan_polls_left > 0:
            self.scan_polls_left -= 1
            raise RefusalError(Errcode.PRIVACY_SCAN_RUNNING)

    def check_submittable(self, *, privacy_api_not_use: bool, audit_rest: int) -> values.ExpInfo:
        """Return the trial version that a submission takes, or refuse it as the essay above says."""
        if self.exp_info is None or self.direct_commit:
            raise RefusalError(Errcode.COMMIT_FIRST)
        self.poll_scan()
        if (self.without_auth_list or self.without_conf_list) and not privacy_api_not_use:
            raise RefusalError(Errcode.PRIVACY_API_UNDECLARED)
        if self.sheet is not None and (running := STAGES[self.sheet.stage].submit_audit):
            raise RefusalError(running)
        refuse_if(audit_rest <= 0, Errcode.AUDIT_QUOTA_USED_UP)
        return self.exp_info

    def submit(self, trial: values.ExpInfo, *, auditid: int, now: int, unseen: int = 0) -> AuditSheet:
        """Open an audit sheet for a trial version."""
        sheet = AuditSheet(
            auditid=auditid,
            user_version=trial["exp_version"],
            user_desc=trial["exp_desc"],
            submit_audit_time=now,
            plan=replace(self.audit),
            stage=self.audit.stage_after(0),
            unseen=unseen,
        )
        self.sheets.append(sheet)
        return sheet

    def decide(self, result: str, *, reason: str = "") -> Stage:
        """Let a reviewer approve or reject the sheet in audit, against any plan, and return its stage before.

        :param reason: shown after a rejection; empty keeps the plan's.
        :raises ValueError: nothing is in audit, or the result is neither approved nor rejected.
        """
        ends = {"approved": Stage.APPROVED, "rejected": Stage.REJECTED}
        if result not in ends or self.sheet is None or self.sheet.stage not in IN_AUDIT:
            raise ValueError(f"{self.appid}: result {result!r} has to be approved or rejected, and a sheet in audit")
        before, self.sheet.stage = self.sheet.stage, ends[result]
        self.sheet.plan.reason = reason or self.sheet.plan.reason
        return before

    def withdraw_audit(self, *, now: float) -> None:
        """Take the sheet in audit back, as often as the day's and the month's withdrawals permit."""
        sheet = self.sheet
        if sheet is None or sheet.stage not in IN_AUDIT:
            raise RefusalError(Errcode.NOT_REVERTIBLE)
        today, month = values.spent(self.withdrawals, now, by="day"), values.spent(self.withdrawals, now)
        refuse_if(today >= WITHDRAWALS_A_DAY or month >= WITHDRAWALS_A_MONTH, Errcode.WITHDRAWALS_USED_UP)
        self.withdrawals.append(now)
        sheet.stage = Stage.WITHDRAWN

    def release(self, *, registered: list[str], server_hosts: list[str], now: int) -> None:
        """Publish the approved sheet and drop the domains that the lists of the platform do not cover."""
        sheet = self.sheet
        if sheet is None:
            raise RefusalError(Errcode.NO_AUDITED_VERSION)
        if errcode := STAGES[sheet.stage].release:
            raise RefusalError(errcode)
        sheet.stage = Stage.ONLINE
        if self.release_info is not None:
            earlier: values.OnlineVersion = {
                "app_version": self.app_version,
                "user_version": self.release_info["release_version"],
                "user_desc": self.release_info["release_desc"],
                "commit_time": self.release_info["release_time"],
            }
            self.versions = [earlier, *self.versions][:MOST_VERSIONS]
        self.app_version += 1
        if self.gray["status"] == 1:
            self.gray = {**self.gray, "status": 3, "gray_percentage": ALL_USERS}
        self.release_info = {
            "release_time": now,
            "release_version": sheet.user_version,
            "release_desc": sheet.user_desc,
        }
        self._prune(registered, server_hosts)
        if "2" in self.privacy:
            self.privacy["1"] = self.privacy["2"]

    def roll_back(self, app_version: int | None, *, now: int) -> None:
        """Bring an earlier online version back, the one before when none is named."""
        refuse_if(self.gray["status"] == 1, Errcode.GRAY_RELEASE_RUNNING)
        found = [each for each in self.versions if app_version in (None, each["app_version"])]
        refuse_if(not found, Errcode.NOT_REVERTIBLE)
        back, self.versions = found[0], []
        self.app_version = back["app_version"]
        self.release_info = {
            "release_time": now,
            "release_version": back["user_version"],
            "release_desc": back["user_desc"],
        }

    def release_gray(self, plan: values.GrayPlan) -> None:
        """Start a staged release, or raise its part."""
        percentage, first = plan["gray_percentage"], plan["support_debuger_first"] or plan["support_experiencer_first"]
        refuse_if(self.release_info is None, Errcode.NO_ONLINE_RELEASE)
        refuse_if(self.sheet is None or self.sheet.stage is not Stage.APPROVED, Errcode.COMMIT_NOT_APPROVED)
        refuse_if(not 0 <= percentage <= ALL_USERS or (percentage == 0 and not first), Errcode.BAD_GRAY_PERCENTAGE)
        if self.gray["status"] == 1 and percentage <= self.gray["gray_percentage"]:
            raise RefusalError(Errcode.GRAY_PERCENTAGE_TOO_LOW)
        self.gray = plan

    def server_lists(self) -> dict[str, dict[str, list[str]]]:
        """Return the four lists of get_effective_domain, each with every kind."""
        lists = {f"{each}_domain": getattr(self, f"{each}_domain") for each in DOMAIN_LISTS}
        return {name: {kind: list(each.get(kind, ())) for kind in SERVER_KINDS} for name, each in lists.items()}

    def _prune(self, registered: list[str], server_hosts: list[str]) -> None:
        for name in ("mp_domain", "third_domain"):
            kept = {kind: still_covered(values, server_hosts) for kind, values in getattr(self, name).items()}
            setattr(self, name, kept)
        parts = (self.direct_domain, self.third_domain, self.mp_domain)
        self.effective_domain = {
            kind: list(dict.fromkeys(value for part in parts for value in part.get(kind, ()))) for kind in SERVER_KINDS
        }
        self.mp_webviewdomain = still_covered(self.mp_webviewdomain, registered)
        self.third_webviewdomain = still_covered(self.third_webviewdomain, registered)
        every = [*self.direct_webviewdomain, *self.third_webviewdomain, *self.mp_webviewdomain]
        self.effective_webviewdomain = list(dict.fromkeys(every))

    def readable(self) -> dict[Lag, Any]:
        """Return copies of everything that a read may show late."""
        return {
            "domains": list(self.third_webviewdomain),
            "effective_domains": self.domain_lists(),
            "trial_version": self.exp_info,
            "audit_sheet": [replace(each) for each in self.sheets],
            "online_version": self.release_info,
        }

    def domain_lists(self) -> dict[str, list[str]]:
        """Return the four lists of get_effective_webviewdomain."""
        return {(name := f"{each}_webviewdomain"): list(getattr(self, name)) for each in DOMAIN_LISTS}
