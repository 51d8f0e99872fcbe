"""Rolling back: look, bring one earlier version back, once, and prove that it is online.

The version is always named to WeChat, so that a call that is sent twice cannot move back twice; and a rerun reads what
is online before it sends anything.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.errcodes import VERSION_NOT_REVERTIBLE, error_for
from airflow_wxa.api.release import EarlierVersion, get_history_version, read_earlier_versions, revertcoderelease
from airflow_wxa.errors import WxaSpecError, WxaStateError
from airflow_wxa.steps.domains import read_own_domains
from airflow_wxa.steps.lag import Watched, recall, sent
from airflow_wxa.steps.offline import ALLOWS_NOTHING, WEBVIEW, Online
from airflow_wxa.steps.online import going_offline, read_online, read_webview_lists, refuse_losses
from airflow_wxa.steps.outcome import Approved, RollbackOutcome, RollbackPlan, Step, approved, changes_left, in_order
from airflow_wxa.steps.remote_state import if_known, online_as_noted, read_versions
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    from airflow_wxa.api.code import OnlineVersion

_ENDPOINT: Final = CATALOGUE["revertcoderelease"]


def plan_rollback(
    appid: str, app_version: str = "", *, on_lost_domains: Literal["ask", "release", "stop"] = "ask"
) -> Step[RollbackPlan]:
    """Read the version online, those that can come back, and domains that may go offline; nothing is written.

    :param app_version: digits, from WeChat's list; ``""``: the newest that is not online, one step back.
    :param on_lost_domains: ``stop`` where domains may go offline that nobody asked off; ``ask``: a person is shown
        them; ``release``: they may go.
    :raises WxaSpecError: the list does not have this version; or none is named, and WeChat does not tell whether one of
        the same name as what is online is that, or an earlier one.
    :raises WxaStateError: nothing can be rolled back to: 87012; or domains may go offline, and that stops it.
    """
    online = (yield from read_versions(appid)).online
    listed = yield from _earlier(appid)
    same = [each for each in listed if each.is_online(online)] if online and online.version else []
    sure = [each for each in same if online and online.description and each.user_desc]  # by both texts
    earlier = [each for each in listed if each not in sure]
    if online is None or not earlier:
        raise error_for(
            VERSION_NOT_REVERTIBLE,
            endpoint=_ENDPOINT,
            appid=appid,
            what=Text("no_earlier_version"),
            values={"online": (online.version or "not named") if online else "nothing"},
        )
    shown = ", ".join(_in_words(each) for each in earlier)
    if not app_version and len(sure) < len(same):
        problem = Text("app_version_must_be_named", earlier=shown)
        what = Text("earlier_version_is_ambiguous", version=online.version)
        raise WxaSpecError(what, [problem], **_ENDPOINT.named(appid))
    target = next((each for each in earlier if app_version in ("", each.app_version)), None)
    if target is None:
        problem = Text("app_version_is_not_listed", app_version=repr(app_version), earlier=shown)
        raise WxaSpecError(Text("version_cannot_come_back"), [problem], **_ENDPOINT.named(appid))
    own = yield from if_known(read_own_domains(appid))
    now = (yield from if_known(read_online(appid))) or Online()
    past = (yield from recall(appid, past=True)).past
    offline, _ = yield from going_offline(appid, now, past, changed={"api": {WEBVIEW: own}})
    refuse_losses(_ENDPOINT.name, appid, offline, ALLOWS_NOTHING if on_lost_domains == "stop" else None)
    return RollbackPlan(
        appid,
        online,
        target,
        others=tuple(each for each in earlier if each is not target),
        effective=in_order(now.effective.get(WEBVIEW)),
        own=in_order(own),
        offline=offline.to_json(),
        on_lost_domains=on_lost_domains,
    )


def roll_back(plan: RollbackPlan, approval: Approved | None = None) -> Step[RollbackOutcome]:
    """Bring the version of the plan back, unless it is online already; not twice, also after a lost answer.

    :param approval: of exactly this, asked for just before it is sent; ``None``: nobody is asked.
    :raises WxaBusyError: the online version still is the one from before an accepted rollback.
    :raises WxaStateError: something else is online by now, or WeChat refused: 87011, 87012.
    """
    yield from changes_left(_ENDPOINT.name, plan.appid)  # WeChat moves back again for a second call
    accepted, target = (yield from recall(plan.appid)), _target(plan)
    online = yield from target.past_lag(accepted)
    if is_back(plan, online):
        return (yield from _outcome("already_rolled_back", plan, online))
    if online != plan.online:
        raise _not_back("rollback", plan, online)
    if target.lags(online, accepted):
        raise target.late(online, "rollback")
    is_asked = yield from approved(approval)
    found = {each.app_version: each for each in (yield from _earlier(plan.appid))}.get(plan.target.app_version)
    if is_asked and approval is not None:
        now = {"online": online_as_noted(online), "target": asdict(found) if found else None}
        yield from approved(replace(approval, about={**approval.about, **now}))
    _check_listed(plan, found)
    call = revertcoderelease(plan.appid, plan.target.app_version).knowing(online_as_noted(online))
    _, lost = yield from sent(call, WxaStateError)
    if isinstance(lost, WxaStateError) and lost.errcode != VERSION_NOT_REVERTIBLE:
        raise lost
    if lost is None or isinstance(lost, WxaStateError):
        # Also behind 87012: another run, or our own lost try, may have done it a moment ago.
        accepted = accepted.with_write(_ENDPOINT.name, online_as_noted(online))
    online = yield from target.read_back(accepted, lost, partial(_not_back, "rollback", plan))
    word: Literal["rolled_back", "already_rolled_back"]
    word = "already_rolled_back" if isinstance(lost, WxaStateError) else "rolled_back"
    return (yield from _outcome(word, plan, online))


def verify_rollback(plan: RollbackPlan) -> Step[RollbackOutcome]:
    """Prove that the version is online, and that no business domain that was effective before is lost.

    :raises WxaBusyError: the online version still is the one from before an accepted rollback.
    :raises WxaStateError: another version is online, or a domain is lost; all are named.
    """
    accepted = yield from recall(plan.appid)
    online = yield from _target(plan).settled(accepted, "verify_rollback")
    if not is_back(plan, online):
        raise _not_back("verify_rollback", plan, online)
    outcome = yield from _outcome("rolled_back", plan, online)
    listed = plan.offline.get("lost", {}).get(WEBVIEW) or () if plan.on_lost_domains == "ask" else ()
    gone = set(plan.effective or ()) - set(plan.effective or () if outcome.effective is None else outcome.effective)
    lost = sorted(gone - set(listed) - set(plan.offline.get("asked", {}).get(WEBVIEW, ())))
    if lost and plan.on_lost_domains != "release":
        raise WxaStateError(
            Text("rollback_lost_domains"),
            values={"lost": ", ".join(lost), "effective": ", ".join(outcome.effective or ()) or "none"},
            **CATALOGUE["get_effective_webviewdomain"].named(plan.appid),
        )
    return outcome


def _target(plan: RollbackPlan) -> Watched[OnlineVersion | None]:
    """Return the state that a rollback brings about: the version of the plan is online."""

    def read() -> Step[OnlineVersion | None]:
        return (yield from read_versions(plan.appid)).online

    return Watched(_ENDPOINT.name, plan.appid, read, partial(is_back, plan), online_as_noted)


def is_back(plan: RollbackPlan, online: OnlineVersion | None) -> bool:
    """Tell whether the target is online: WeChat leaves both texts out at times, then the time must have changed."""
    return online != plan.online and plan.target.is_online(online)


def _check_listed(plan: RollbackPlan, found: EarlierVersion | None) -> None:
    """Prove that the number which is about to be sent still is of the version that was planned."""
    if found == plan.target:
        return
    raise WxaStateError(
        Text("rollback_target_has_changed"),
        values={
            "planned": f"{_in_words(plan.target)}, {plan.target.user_desc or 'no description'}",
            "listed": "not any more" if found is None else f"{_in_words(found)}, {found.user_desc or 'no description'}",
        },
        **_ENDPOINT.named(plan.appid),
    )


def _outcome(
    outcome: Literal["rolled_back", "already_rolled_back"], plan: RollbackPlan, online: OnlineVersion | None
) -> Step[RollbackOutcome]:
    listed = yield from if_known(_earlier(plan.appid))
    lists = yield from if_known(read_webview_lists(plan.appid))
    return RollbackOutcome(
        outcome,
        plan.appid,
        plan.target.user_version,
        plan.target.app_version,
        release_time=online.time if online else 0,
        effective=None if lists is None else in_order(lists.effective),
        left=tuple(each.user_version for each in listed or () if each != plan.target),
    )


def _earlier(appid: str) -> Step[tuple[EarlierVersion, ...]]:
    return read_earlier_versions((yield get_history_version(appid)))


def _not_back(step: str, plan: RollbackPlan, online: OnlineVersion | None) -> WxaStateError:
    named = f"{online.version or 'not named'}, {online.description or 'no description'}" if online else "none"
    return WxaStateError(
        Text("online_is_neither_old_nor_target", step=step),
        values={
            "online": named,
            "was to be replaced": plan.online.version or "not named",
            "was to come back": _in_words(plan.target),
        },
        **_ENDPOINT.named(plan.appid),
    )


def _in_words(version: EarlierVersion) -> str:
    return f"{version.app_version} ({version.user_version or 'not named'})"
