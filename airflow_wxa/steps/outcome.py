"""Effects that a step yields, and outcomes that it returns: small frozen values that serialise to JSON.

A release manager routes on outcomes. An effect asks the driver for a pause, or the ledger for its knowledge.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from dataclasses import fields as dataclass_fields
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar, cast

from airflow_wxa.api.call import Call, Reply
from airflow_wxa.api.code import OnlineVersion
from airflow_wxa.api.endpoints import BEIJING, CATALOGUE
from airflow_wxa.api.errcodes import error_for
from airflow_wxa.api.release import EarlierVersion
from airflow_wxa.steps.offline import WEBVIEW, Offline
from airflow_wxa.texts import ENGLISH, Text, template

if TYPE_CHECKING:
    from airflow_wxa.api.webview_domain import Action
    from airflow_wxa.errors import WxaApiError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Pause:
    """A step yields it to wait before it reads again; its driver sleeps, then sends ``None``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Recall:
    """A step yields it to be sent the :class:`~airflow_wxa.steps.AcceptedWrites` of its run, as the ledger has them.

    :param appid: the Mini Program; ``""``: only the platform's list.
    :param fingerprint: of the version that the step is about; ``""``: of any.
    :param past: also what the ledger knows of its domains since our last release.
    :param own_sheets: also the sheets that its DAG may withdraw.
    """

    appid: str = ""
    fingerprint: str = ""
    past: bool = False
    own_sheets: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """A step yields it to be sent what :func:`changes_left` returns; appid ``""``: the platform itself."""

    endpoint: str
    appid: str


@dataclass(frozen=True, slots=True)
class Approved:
    """A step yields it to be sent what :func:`approved` returns.

    :param approval_task_id: of the task of this run that asked.
    :param appid: the Mini Program; ``""``: the platform itself.
    :param about: the deed, by the names of the question, as JSON.
    """

    approval_task_id: str
    appid: str
    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Platform:
    """A step yields it to be sent the platform's ``component_appid``; ``""``: the Connection names none."""


#: A step: yields calls, pauses and questions, is sent replies or has errors thrown into it, returns its outcome.
Effect: TypeAlias = Call | Pause | Recall | Left | Approved | Platform
Step: TypeAlias = Generator[Effect, Reply, T]


def approved(asked: Approved | None) -> Step[Mapping[str, Any] | None]:
    """Ask, just before the write, whether a person has approved exactly this; return the decision.

    :param asked: ``None``: nobody is asked.
    :return: ``None`` where none was needed.
    :raises WxaStateError: no ledger is kept, nobody has answered, or something else was approved.
    :raises WxaTransportError: the ledger does not answer.
    """
    return None if asked is None else cast("Mapping[str, Any] | None", (yield asked))


def changes_left(endpoint: str, appid: str | None) -> Step[int]:
    """Ask how often a call may still be sent this month, and become the newest attempt to send it.

    Asked behind the local checks and before the look that decides: so that look sees whatever an older attempt did, and
    an older one may not send the call any more.

    :param endpoint: its name, such as ``modify_domain``.
    :param appid: the Mini Program; ``None``: the platform itself.
    :raises WxaStateError: no ledger is kept.
    :raises WxaTransportError: the ledger does not answer.
    """
    return cast("int", (yield Left(endpoint, appid or "")))


class _Outcome:
    """Base of all outcomes; texts such as ``outcome_commit_unchanged`` say in a sentence what is true by then."""

    __slots__ = ()

    def in_words(self) -> str:
        """Return what is now true, in a sentence, times as WeChat's (UTC+8); ``""``: the value says it all."""
        values = self.to_json()
        key = f"outcome_{type(self).__name__.removesuffix('Outcome')}_{values.get('outcome')}".lower()
        said = template(key, "what", ENGLISH)
        return Text(key, **{name: value for name, value in values.items() if f"{{{name}}}" in said}) if said else ""

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as plain JSON values, for XCom."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()  # type: ignore[call-overload]
        }


@dataclass(frozen=True, slots=True)
class DomainOutcome(_Outcome):
    """Result of configuring a Mini Program's business domains.

    :param outcome: ``configured``; ``unchanged``: 89019, 89022 or nothing to write; else the road of 89020 or 89231.
    :param errcode: that of the write, or of the call that refused.
    :param before: normalised origins, sorted; ``None`` when WeChat did not say, which is never "empty".
    :param after: likewise, read back.
    :param will_be_lost: effective domains that the next release takes away, unless something is done about it;
        ``None``: not known. ``will_be_lost_servers``: server domains likewise, by kind.
    :param not_proven: effective domains of which it cannot be told.
    """

    outcome: Literal["configured", "unchanged", "platform_list_empty", "individual"]
    appid: str
    action: Action
    errcode: int = 0
    errmsg: str = ""
    before: tuple[str, ...] | None = None
    after: tuple[str, ...] | None = None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    will_be_lost: tuple[str, ...] | None = None
    not_proven: tuple[str, ...] = ()
    will_be_lost_servers: Mapping[str, list[str]] | None = None

    def with_losses(self, offline: Offline) -> DomainOutcome:
        """Return the same with the next release's losses."""
        return replace(
            self,
            will_be_lost=offline.webviewdomain,
            not_proven=offline.not_proven.get(WEBVIEW, ()),
            will_be_lost_servers=offline.servers,
        )

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> DomainOutcome:
        """Read what :meth:`to_json` wrote, as XCom hands it back."""
        return cls(**_known(cls, fields))

    @property
    def is_done(self) -> bool:
        """Tell whether the domains are as they were wanted."""
        return self.outcome in {"configured", "unchanged"}

    def in_words(self) -> str:
        if not self.is_done:
            key = "outcome_individual" if self.outcome == "individual" else "outcome_platform_list_empty"
            return Text(key, appid=self.appid)
        after = Text("not_said_which") if self.after is None else _listed(self.after)
        said = Text("changed")
        if self.outcome == "unchanged" or self.before is not None:
            said = _changed(self.outcome == "unchanged", len(self.added), len(self.removed))
        lost = [*(self.will_be_lost or ()), *chain(*(self.will_be_lost_servers or {}).values())]
        offline = Text("next_release_takes_offline", lost=_listed(lost)) if lost else None
        if self.will_be_lost is None and not lost:
            offline = Text("next_release_is_unknown")
        return _together(Text("outcome_domains", appid=self.appid, after=after, said=said), offline)

    def as_error(self) -> WxaApiError:
        """Return the error of this outcome, for callers that cannot route on it."""
        return error_for(self.errcode, endpoint=CATALOGUE["setwebviewdomain"], appid=self.appid, errmsg=self.errmsg)


class DirectDomainOutcome(DomainOutcome):
    """The same of the list of direct mode."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class PlatformOutcome(_Outcome):
    """The platform's own list of business domains, as hosts.

    :param testing: ``None`` when WeChat did not tell.
    :param published: ``None`` while the platform has no published version.
    """

    outcome: Literal["registered", "unchanged"]
    action: str
    testing: tuple[str, ...] | None
    published: tuple[str, ...] | None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def in_words(self) -> str:
        published = Text("no_published_version") if self.published is None else _listed(self.published)
        said = _changed(self.outcome == "unchanged", len(self.added), len(self.removed))
        return Text("outcome_platform", published=published, said=said)


class PlatformServerOutcome(PlatformOutcome):
    """The platform's own list of server domains, as hosts; the same fields."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class DomainListsOutcome(_Outcome):
    """Result of configuring lists of domains that have a budget of changes.

    :param outcome: ``unchanged``: nothing was sent.
    :param endpoint: that they were written to.
    :param before: kind → domains, sorted; a list that WeChat did not tell is left out.
    :param after: likewise, read back.
    """

    outcome: Literal["configured", "unchanged"]
    appid: str
    endpoint: str
    action: str
    before: Mapping[str, list[str]]
    after: Mapping[str, list[str]]
    added: Mapping[str, list[str]] = field(default_factory=dict)
    removed: Mapping[str, list[str]] = field(default_factory=dict)

    def in_words(self) -> str:
        lists = ", ".join(f"{kind} {_listed(tuple(domains))}" for kind, domains in self.after.items())
        changed = (sum(map(len, lists.values())) for lists in (self.added, self.removed))
        said = _changed(self.outcome == "unchanged", *changed)
        shown = lists or Text("not_said_which")
        text = Text("outcome_domain_lists", appid=self.appid, endpoint=self.endpoint, lists=shown, said=said)
        return _together(text, Text("effective_later") if self.endpoint.endswith("_directly") else None)


@dataclass(frozen=True, slots=True)
class AccountOutcome(_Outcome):
    """A merchant's account of which nothing stands in the way of a release.

    :param not_read: looks that failed, and why.
    :param to_know: findings that stop nothing: violations of the last 90 days, a filing under review.
    """

    outcome: Literal["ready"]
    appid: str
    not_read: tuple[str, ...] = ()
    to_know: tuple[str, ...] = ()

    def in_words(self) -> str:
        not_read = Text("not_read", each=list(self.not_read)) if self.not_read else None
        to_know = Text("to_know", each=list(self.to_know)) if self.to_know else None
        return _together(Text("outcome_account", appid=self.appid), not_read, to_know)


@dataclass(frozen=True, slots=True)
class PrivacySettingOutcome(_Outcome):
    """Result of writing a privacy guide.

    :param privacy_ver: 2: it goes live with the release; 1: it is live.
    """

    outcome: Literal["written", "unchanged"]
    appid: str
    privacy_ver: int

    def in_words(self) -> str:
        when = Text("goes_live_with_the_release") if self.privacy_ver != 1 else Text("is_live")
        said = Text("is_as_before") if self.outcome == "unchanged" else Text("was_written")
        return Text("outcome_privacy_guide", appid=self.appid, said=said, when=when)


@dataclass(frozen=True, slots=True)
class TemplateOutcome(_Outcome):
    """A template of the platform's library; ``unchanged``: it was made of its draft before."""

    outcome: Literal["added", "unchanged"]
    template_id: int
    draft_id: int
    user_version: str
    user_desc: str


@dataclass(frozen=True, slots=True)
class CommitOutcome(_Outcome):
    """``unchanged``: WeChat has this version already, on trial, in audit or approved.

    :param superseded: ``user_version`` of a foreign approved sheet that ours takes the place of.
    """

    outcome: Literal["committed", "unchanged"]
    appid: str
    user_version: str
    fingerprint: str
    superseded: str | None = None


@dataclass(frozen=True, slots=True)
class PrivacyOutcome(_Outcome):
    """``scanning`` until WeChat has looked through the committed code."""

    outcome: Literal["clear", "scanning"]
    appid: str
    without_auth_list: tuple[str, ...] = ()
    without_conf_list: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SubmitOutcome(_Outcome):
    """``adopted``: a sheet of this very version was there already.

    :param auditid: as text.
    :param superseded: ``user_version`` of a foreign sheet that had ended, and that ours takes the place of.
    :param quota: ``rest`` and ``limit`` of the platform's audits this month, as read just before; ``None``: unread.
    """

    outcome: Literal["submitted", "adopted"]
    appid: str
    user_version: str
    auditid: str
    superseded: str | None = None
    quota: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class AuditOutcome(_Outcome):
    """State of a review; ``delayed`` is not final.

    :param reason: WeChat's words, a line each, when rejected or delayed.
    :param screenshot: media ids.
    """

    outcome: Literal["approved", "rejected", "withdrawn", "delayed", "auditing"]
    appid: str
    auditid: str
    reason: str = ""
    screenshot: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ReleaseOutcome(_Outcome):
    """The version online, and the release's losses.

    :param release_version: as WeChat tells it; ``""`` when it leaves it out.
    :param release_time: epoch seconds; 0 when it leaves it out.
    :param effective: effective business domains, normalised and sorted; ``None`` when they could not be read.
    :param lost: business domains that it took offline and that nobody had asked off; ``None``: not known yet, the proof
        afterwards says it finally. ``lost_servers``: server domains likewise, by kind.
    :param removed_as_asked: those that writes of ours had asked off.
    """

    outcome: Literal["released", "already_released"]
    appid: str
    release_version: str
    release_time: int = 0
    effective: tuple[str, ...] | None = None
    lost: tuple[str, ...] | None = None
    removed_as_asked: tuple[str, ...] = ()
    lost_servers: Mapping[str, list[str]] | None = None

    def with_losses(self, offline: Offline) -> ReleaseOutcome:
        """Return the same with the release's losses."""
        return replace(
            self,
            lost=offline.webviewdomain,
            removed_as_asked=offline.asked.get(WEBVIEW, ()),
            lost_servers=offline.servers,
        )

    def in_words(self) -> str:
        values = {"version": self.release_version or Text("the_released_version"), "appid": self.appid}
        online = Text("outcome_online", **values)
        if self.release_time:
            at = dt.datetime.fromtimestamp(self.release_time, BEIJING)
            online = Text("outcome_online_since", at=f"{at:%Y-%m-%d %H:%M}", **values)
        domains = Text("were_not_read") if self.effective is None else _listed(self.effective)
        lost = Text("went_offline", lost=_listed(self.lost)) if self.lost else None
        return _together(online, Text("outcome_effective", domains=domains), lost)


@dataclass(frozen=True, slots=True)
class GrayOutcome(_Outcome):
    """How many of the users see the approved version.

    :param gray_percentage: 0 to 100; of a plan that was taken back, its last one.
    :param status: of WeChat's plan: ``running``, ``finished``, ``deleted``, …; ``""`` when it says nothing known.
    """

    outcome: Literal["raised", "unchanged", "reverted", "already_reverted"]
    appid: str
    gray_percentage: int
    status: str


@dataclass(frozen=True, slots=True)
class TrialQrcodeOutcome(_Outcome):
    """The QR code of the trial version; the picture itself goes into a file, not into XCom.

    :param path: the page that it opens; ``""``: the first one.
    :param file: path of the saved picture.
    """

    outcome: Literal["read"]
    appid: str
    path: str
    image: bytes = field(repr=False)
    file: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return it without the picture."""
        return {"outcome": self.outcome, "appid": self.appid, "path": self.path, "file": self.file}


@dataclass(frozen=True, slots=True)
class WithdrawOutcome(_Outcome):
    """A sheet that is not in audit any more.

    :param left: withdrawals of this Mini Program that are left today, by the ledger.
    """

    outcome: Literal["withdrawn", "already_withdrawn"]
    appid: str
    auditid: str
    left: int


_LISTED: Final = 10


def _known(outcome: type[DomainOutcome | RollbackPlan], noted: Mapping[str, Any]) -> dict[str, Any]:
    """Return what this version knows of an outcome; another one may have noted more, before an upgrade say."""
    names = {each.name for each in dataclass_fields(outcome)}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in noted.items() if name in names}


def in_order(entries: Collection[str] | None) -> Any:
    """Return entries as outcomes hold them: a sorted tuple; ``None``, when WeChat did not say, stays."""
    return None if entries is None else tuple(sorted(entries))


def _listed(entries: Sequence[str]) -> str:
    first = ", ".join(entries[:_LISTED]) or Text("none")
    return Text("and_some_more", first=first, count=len(entries) - _LISTED) if len(entries) > _LISTED else first


def _together(*texts: Text | None) -> Text:
    said = [each for each in texts if each is not None]
    return said[0] if len(said) == 1 else Text("list", each=said)


def _changed(is_as_before: bool, added: int, removed: int) -> Text:
    return Text("as_before") if is_as_before else Text("added_and_removed", added=added, removed=removed)


@dataclass(frozen=True, slots=True)
class RollbackPlan(_Outcome):
    """The version online, the one that would come back, and the business domains before that.

    :param others: further versions that could come back.
    :param effective: origins, sorted; ``None`` when they could not be read; likewise ``own``.
    :param offline: domains that may go offline, by the formula of a release: ``{"lost", "asked", "not_proven"}``, by
        kind.
    :param on_lost_domains: ``ask``: the listed domains may go; ``release``: any; ``stop``: none.
    """

    appid: str
    online: OnlineVersion
    target: EarlierVersion
    others: tuple[EarlierVersion, ...] = ()
    effective: tuple[str, ...] | None = None
    own: tuple[str, ...] | None = None
    offline: Mapping[str, Any] = field(default_factory=dict)
    on_lost_domains: str = "ask"

    @property
    def named(self) -> dict[str, Any]:
        """Facts that an approval of a rollback names, and that the rollback must then match."""
        return {"online": asdict(self.online), "target": asdict(self.target)}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> RollbackPlan:
        """Read what :meth:`to_json` wrote, as XCom hands it back.

        :raises ValueError: it is no such thing.
        """
        try:
            values = _known(cls, fields)
            values["online"] = OnlineVersion(**fields["online"])
            values["target"] = EarlierVersion(**fields["target"])
            values["others"] = tuple(EarlierVersion(**each) for each in fields.get("others", ()))
            return cls(**values)
        except (TypeError, KeyError, AttributeError):
            raise ValueError("what list_versions returned") from None


@dataclass(frozen=True, slots=True)
class RollbackOutcome(_Outcome):
    """Which version is online again.

    :param app_version: WeChat's number of it, as digits.
    :param release_time: epoch seconds; 0 when WeChat leaves it out.
    :param effective: effective business domains, normalised and sorted; ``None`` when they could not be read.
    :param left: ``user_version`` of the versions left to roll back to; empty: only a release goes on from here.
    """

    outcome: Literal["rolled_back", "already_rolled_back"]
    appid: str
    user_version: str
    app_version: str
    release_time: int = 0
    effective: tuple[str, ...] | None = None
    left: tuple[str, ...] = ()

    def in_words(self) -> str:
        left = ", ".join(self.left) or Text("only_forward")
        return Text("outcome_rollback", user_version=self.user_version, left=left)


@dataclass(frozen=True, slots=True)
class DriftOutcome(_Outcome):
    """Differences of a Mini Program's business domains; origins, sorted.

    :param missing: wanted, not configured; ``too_many``: configured, not wanted.
    :param unregistered: configured, not covered by the platform's list: the next release drops them.
    :param not_effective: wanted, or configured where none is named, and not effective online.
    :param what: why it could not be read.
    :param own: as configured, ``effective`` as online; ``None`` when WeChat did not say.
    :param name: the merchant's; ``release_version`` and ``release_time`` (epoch seconds): of the version online.
    """

    outcome: Literal["as_wanted", "differs", "not_read"]
    appid: str
    missing: tuple[str, ...] = ()
    too_many: tuple[str, ...] = ()
    unregistered: tuple[str, ...] = ()
    not_effective: tuple[str, ...] = ()
    what: str = ""
    own: tuple[str, ...] | None = None
    effective: tuple[str, ...] | None = None
    name: str = ""
    release_version: str = ""
    release_time: int = 0
