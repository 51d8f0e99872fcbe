"""``airflow wxa conformance``: assumptions about WeChat that its pages leave open, held against its answers."""

from __future__ import annotations

import datetime as dt
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.api.answers import integer_in, parsed
from airflow_wxa.api.audit import AuditStatus, get_latest_auditstatus, queryquota
from airflow_wxa.api.authorisation import getaccountbasicinfo
from airflow_wxa.api.code import get_code_privacy_info, getversioninfo, release
from airflow_wxa.api.templates import gettemplatelist
from airflow_wxa.api.values import json_object
from airflow_wxa.api.webview_domain import get_effective_webviewdomain, modify_wxa_jump_domain, setwebviewdomain
from airflow_wxa.cli.opening import check_appids, command, open_connection, print_rows, say
from airflow_wxa.client import WxaClient
from airflow_wxa.client.delivery import Answer, Request
from airflow_wxa.errors import WxaApiError, WxaError, WxaSpecError
from airflow_wxa.hooks.recorder import Recorder, current_task
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.texts import Text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping

    from airflow_wxa.api.call import Call

Verdict: TypeAlias = Literal["held", "refuted", "not seen"]
#: Name of a read → its answer as WeChat wrote it; a missing name: there was no usable answer.
Answers: TypeAlias = "Mapping[str, Mapping[str, Any]]"

_LISTS: Final = ("mp_webviewdomain", "third_webviewdomain", "direct_webviewdomain", "effective_webviewdomain")
_NO_SHEET: Final = 85058
_EMPTY_PLATFORM_LIST: Final = 89020
_INDIVIDUAL: Final = 89231
_SCANNING: Final = 61039
_NOTHING_TO_RELEASE: Final = 85052
_POLL_SECONDS: Final = 5


@dataclass(frozen=True, slots=True)
class Assumption:
    """One assumption and its test.

    :param claim: in a sentence.
    :param judge: returns the verdict and the evidence; never a token or a domain that is not the Mini Program's own.
    """

    key: str
    claim: str
    judge: Callable[[Answers], tuple[Verdict, str]]


def _is(held: bool, evidence: str) -> tuple[Verdict, str]:
    return ("held" if held else "refuted"), evidence


_UNSEEN: Final[tuple[Verdict, str]] = ("not seen", "")


def _description(answers: Answers, read: str, half: str, name: str) -> tuple[Verdict, str]:
    said = answers.get(read, {})
    part: Any = said.get(half) if half else said
    if not isinstance(part, dict) or not part:
        return _UNSEEN
    if part.get(name):
        return _is(True, f"{name} has {len(str(part[name]))} characters")
    # Without --write nobody knows whether a description had been sent at all.
    sent = answers.get("sent", {}).get("user_version")
    is_ours = sent is not None and sent in (part.get("exp_version"), part.get("user_version"))
    return _is(False, f"{name} is empty, ours was sent") if is_ours else ("not seen", f"{name} is empty")


def _refused_at_get(answers: Answers, errcode: int, expected: bool | None) -> tuple[Verdict, str]:
    said = answers.get("setwebviewdomain")
    if not expected or said is None:
        return _UNSEEN
    return _is(said.get("errcode") == errcode, f"errcode {said.get('errcode', 0)}")


def _kind(answers: Answers, read: str, name: str) -> tuple[Verdict, str]:
    said: Any = answers.get(read, {})
    for entry in said.get("template_list", [])[:1]:
        said = entry
    return _is(isinstance(said[name], int), f"a {type(said[name]).__name__}") if name in said else _UNSEEN


def _lists_domains(answers: Answers) -> tuple[Verdict, str]:
    said = answers.get("setwebviewdomain")
    if said is None or said.get("errcode", 0):
        return _UNSEEN
    listed = said.get("webviewdomain")
    return _is(isinstance(listed, list), "no list" if listed is None else f"{len(listed)} domains")


def _four_lists(answers: Answers) -> tuple[Verdict, str]:
    said = answers.get("get_effective_webviewdomain")
    if said is None:
        return _UNSEEN
    missing = [name for name in _LISTS if not isinstance(said.get(name), list)]
    return _is(not missing, f"missing: {', '.join(missing)}" if missing else "all four")


def _explained(answers: Answers) -> tuple[Verdict, str]:
    said = answers.get("get_effective_webviewdomain", {})
    if any(not isinstance(said.get(name), list) for name in _LISTS):
        return _UNSEEN
    *listed, effective = ({str(each).lower().rstrip("/") for each in said[name]} for name in _LISTS)
    others = sorted(effective - set().union(*listed))
    return _is(not others, f"on no other list: {', '.join(others)}" if others else f"{len(effective)} effective")


def _without_sheet(answers: Answers) -> tuple[Verdict, str]:
    said = answers.get("get_latest_auditstatus", {})
    code = said.get("errcode", 0)
    return _is(code == _NO_SHEET, f"errcode {code}") if code else _UNSEEN


def _status(answers: Answers) -> tuple[Verdict, str]:
    said = answers.get("get_latest_auditstatus", {})
    return _is(said["status"] in set(AuditStatus), f"status {said['status']!r}") if "status" in said else _UNSEEN


def _named_online(answers: Answers) -> tuple[Verdict, str]:
    online = answers.get("getversioninfo", {}).get("release_info")
    return _is(bool(online.get("release_version")), str(online.get("release_version"))) if online else _UNSEEN


def _quota(answers: Answers) -> tuple[Verdict, str]:
    said = answers.get("queryquota", {})
    if "limit" not in said or "rest" not in said:
        return _UNSEEN
    used, noted = int(said["limit"]) - int(said["rest"]), int(answers["ledger"]["submissions"])
    return _is(used >= noted, f"{said['rest']} of {said['limit']} left, {noted} submissions in the ledger")


def _hosts(answers: Answers) -> tuple[Verdict, str]:
    text = str(answers.get("modify_wxa_jump_domain", {}).get("published_wxa_jump_h5_domain", ""))
    return _is("//" not in text, "with a scheme" if "//" in text else "bare hosts") if text else _UNSEEN


def _noted(answers: Answers, name: str) -> tuple[Verdict, str]:
    said = answers.get(name)
    return _is(said["held"], said["evidence"]) if said else _UNSEEN


def _is_individual(answers: Answers) -> bool | None:
    kind = integer_in(answers.get("getaccountbasicinfo", {}).get("principal_type"))
    return None if kind is None else kind == 0


def _is_empty(answers: Answers) -> bool | None:
    said = answers.get("modify_wxa_jump_domain")
    return None if said is None or said.get("errcode", 0) else not said.get("published_wxa_jump_h5_domain")


ASSUMPTIONS: Final = (
    Assumption(
        "exp_desc",
        "getversioninfo gives the trial version's description back",
        lambda answers: _description(answers, "getversioninfo", "exp_info", "exp_desc"),
    ),
    Assumption(
        "sheet_desc",
        "get_latest_auditstatus gives the sheet's description back",
        lambda answers: _description(answers, "get_latest_auditstatus", "", "user_desc"),
    ),
    Assumption("get_lists", "setwebviewdomain with get lists the domains", _lists_domains),
    Assumption(
        "89020_at_get",
        "89020 is answered to get as well",
        lambda answers: _refused_at_get(answers, _EMPTY_PLATFORM_LIST, _is_empty(answers)),
    ),
    Assumption(
        "89231_at_get",
        "89231 is answered to get as well",
        lambda answers: _refused_at_get(answers, _INDIVIDUAL, _is_individual(answers)),
    ),
    Assumption("four_lists", "get_effective_webviewdomain tells four lists", _four_lists),
    Assumption("explained", "each effective domain stands on one of the other three lists", _explained),
    Assumption("no_sheet", "without a sheet get_latest_auditstatus answers 85058", _without_sheet),
    Assumption("status", "the status of a sheet is a number from 0 to 4", _status),
    Assumption("auditid", "auditid is a number", lambda answers: _kind(answers, "get_latest_auditstatus", "auditid")),
    Assumption(
        "template_id", "template_id is a number", lambda answers: _kind(answers, "gettemplatelist", "template_id")
    ),
    Assumption("release_version", "the online version has a name", _named_online),
    Assumption("queryquota", "queryquota counts at least this Mini Program's submissions of the month", _quota),
    Assumption("hosts", "the platform's list holds bare hosts", _hosts),
    Assumption("scanning", "61039 is answered while code is scanned", lambda answers: _noted(answers, "scanning")),
    Assumption("85052", "a second release answers 85052", lambda answers: _noted(answers, "85052")),
)


class _Listening(WxaClient):
    """A client that keeps the last answer as it came, since the others read it leniently."""

    heard: bytes = b""

    def _done(self, wanted: Any) -> Any:
        done = super()._done(wanted)
        if isinstance(wanted, Request) and isinstance(done, Answer):
            self.heard = done.content
        return done

    def answers(self, calls: Mapping[str, Call]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Send reads, and yield each usable answer by the read's name."""
        for name, call in calls.items():
            self.heard = b""
            try:
                self.send(call)
            except WxaApiError:
                pass  # an errcode is an answer
            except WxaError as error:
                say(f"{name}: {error.what}", style="yellow")
                continue
            said = parsed(self.heard)
            yield name, {**said, "errcode": integer_in(said.get("errcode")) or 0} if isinstance(said, dict) else {}


@command
def conformance(arguments: argparse.Namespace) -> int:
    """Compare WeChat with the assumptions of this package.

    :return: 0; 1 when an assumption is refuted.
    :raises WxaSpecError: options that do not go together.
    """
    check_appids([arguments.appid])
    if arguments.write and not (arguments.template_id and arguments.user_version):
        raise WxaSpecError(Text("conformance_lacks_a_version"), [Text("write_needs_template_and_version")])
    open_connection(arguments.wxa_conn_id)
    hook = WxaHook(arguments.wxa_conn_id)
    answers: dict[str, Mapping[str, Any]] = _written(hook, arguments) if arguments.write else {}
    answers |= _read(hook, arguments.appid)
    rows = [(each, *each.judge(answers)) for each in ASSUMPTIONS]
    print_rows(
        [{"assumption": each.key, "claim": each.claim, "verdict": told, "seen": seen} for each, told, seen in rows],
        arguments.output,
    )
    return int(any(verdict == "refuted" for _, verdict, _ in rows))


def _read(hook: WxaHook, appid: str) -> dict[str, Mapping[str, Any]]:
    read = hook.read()
    calls = {
        each.endpoint.name: each
        for each in (
            getversioninfo(appid),
            get_latest_auditstatus(appid),
            setwebviewdomain(appid, "get"),
            get_effective_webviewdomain(appid),
            queryquota(appid),
            getaccountbasicinfo(appid),
            *([] if hook.token_problems(None) else [modify_wxa_jump_domain("get"), gettemplatelist()]),
        )
    }
    with _Listening(read.egress, read.tokens) as client:
        told = dict(client.answers(calls))
    _, this_month = open_ledger().spent(read.component_appid, appid, "submit_audit", dt.datetime.now(dt.UTC))
    return told | {"ledger": {"submissions": this_month}}


def _written(hook: WxaHook, arguments: argparse.Namespace) -> dict[str, Mapping[str, Any]]:
    """Release a version as far as WeChat lets, and return the evidence of it by the assumption's key."""
    said: dict[str, Mapping[str, Any]] = {"sent": {"user_version": arguments.user_version}}
    try:
        _release(hook, arguments, said)
    except (WxaError, AirflowFailException) as error:  # what was seen until then counts
        say(str(error), style="yellow")
    return said


def _release(hook: WxaHook, arguments: argparse.Namespace, said: dict[str, Mapping[str, Any]]) -> None:
    appid, ext_json = arguments.appid, json_object(arguments.ext_json or {})
    given: dict[str, Any] = {"ext_json": ext_json}
    named = (appid, arguments.template_id, arguments.user_version)
    hook.commit(*named, user_desc="conformance", **given)
    read = hook.read()
    recorder = Recorder(open_ledger, read.component_appid, current_task())
    with _Listening(read.egress, read.tokens, recorder) as client:
        deadline = time.monotonic() + arguments.patience
        while next(client.answers({"scan": get_code_privacy_info(appid)}), ("", {}))[1].get("errcode") == _SCANNING:
            said["scanning"] = {"held": True, "evidence": f"errcode {_SCANNING}"}
            _wait(deadline, "the privacy scan")
        auditid = hook.submit_audit(*named, **given)["auditid"]
        while (status := hook.audit_status(appid, auditid)["outcome"]) in {"auditing", "delayed"}:
            _wait(deadline, "the review")
        if status == "approved":
            hook.release(*named, **given, auditid=auditid)
            again = next(client.answers({"again": release(appid)}), ("", {}))[1].get("errcode", 0)
            said["85052"] = {"held": again == _NOTHING_TO_RELEASE, "evidence": f"errcode {again}"}


def _wait(deadline: float, what: str) -> None:
    """Sleep until the next look, or raise when the patience is over."""
    if time.monotonic() > deadline:
        raise WxaError(Text("conformance_wait_has_not_ended", what=what))
    time.sleep(_POLL_SECONDS)
