"""``airflow wxa conformance``: assumptions about WeChat that its pages leave open, held against its answers."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa.api.answers import integer_in, parsed
from airflow_wxa.api.audit import AuditStatus, get_latest_auditstatus, queryquota
from airflow_wxa.api.authorisation import getaccountbasicinfo
from airflow_wxa.api.code import get_code_privacy_info, getversioninfo, release
from airflow_wxa.api.templates import gettemplatelist
from airflow_wxa.api.values import json_object
from airflow_wxa.api.webview_domain import get_effective_webviewdomain, modify_wxa_jump_domain, setwebviewdomain
from airflow_wxa.cli.opening import check_appids, command, open_connection, print_rows
from airflow_wxa.cli.terminal import say
from airflow_wxa.client import WxaClient
from airflow_wxa.client.delivery import Answer, Request
from airflow_wxa.errors import WxaApiError, WxaError, WxaSpecError
from airflow_wxa.hooks.recorder import Recorder, current_task
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import language

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Mapping

    from airflow_wxa.api.call import Call

#: Name of a read → its answer as WeChat wrote it; a missing name: there was no usable answer.
Answers: TypeAlias = "Mapping[str, Mapping[str, Any]]"
#: Whether an assumption holds, ``None``: it could not be seen; and the evidence, never a token or a domain that is not
#: the Mini Program's own.
Seen: TypeAlias = tuple[bool | None, str]

_LISTS: Final = ("mp_webviewdomain", "third_webviewdomain", "direct_webviewdomain", "effective_webviewdomain")
_NO_SHEET: Final = 85058
_EMPTY_PLATFORM_LIST: Final = 89020
_INDIVIDUAL: Final = 89231
_SCANNING: Final = 61039
_NOTHING_TO_RELEASE: Final = 85052
_POLL_SECONDS: Final = 5
_UNSEEN: Final[Seen] = (None, "")
_VERDICTS: Final = {True: "held", False: "refuted", None: "not seen"}


def _description(answers: Answers, part: Any, name: str) -> Seen:
    if not isinstance(part, dict) or not part:
        return _UNSEEN
    if part.get(name):
        return True, Text("it_has_characters", name=name, count=len(str(part[name])))
    # Without --write nobody knows whether a description had been sent at all.
    sent = answers.get("sent", {}).get("user_version")
    is_ours = sent is not None and sent in (part.get("exp_version"), part.get("user_version"))
    return (False, Text("it_is_empty_though_sent", name=name)) if is_ours else (None, Text("its_empty", name=name))


def _refused_at_get(answers: Answers, errcode: int, expected: bool | None) -> Seen:
    said = answers.get("setwebviewdomain")
    if not expected or said is None:
        return _UNSEEN
    return said.get("errcode") == errcode, f"errcode {said.get('errcode', 0)}"


def _is_number(said: Mapping[str, Any], name: str) -> Seen:
    return (isinstance(said[name], int), type(said[name]).__name__) if name in said else _UNSEEN


def _template_id(answers: Answers) -> Seen:
    templates = answers.get("gettemplatelist", {}).get("template_list") or [{}]
    return _is_number(templates[0], "template_id")


def _lists_domains(answers: Answers) -> Seen:
    said = answers.get("setwebviewdomain")
    if said is None or said.get("errcode", 0):
        return _UNSEEN
    listed = said.get("webviewdomain")
    count = len(listed) if isinstance(listed, list) else 0
    return isinstance(listed, list), Text("no_list") if listed is None else Text("so_many_domains", count=count)


def _four_lists(answers: Answers) -> Seen:
    said = answers.get("get_effective_webviewdomain")
    if said is None:
        return _UNSEEN
    missing = [name for name in _LISTS if not isinstance(said.get(name), list)]
    return not missing, Text("names_are_missing", names=", ".join(missing)) if missing else Text("all_four")


def _explained(answers: Answers) -> Seen:
    said = answers.get("get_effective_webviewdomain", {})
    if any(not isinstance(said.get(name), list) for name in _LISTS):
        return _UNSEEN
    *listed, effective = ({str(each).lower().rstrip("/") for each in said[name]} for name in _LISTS)
    others = ", ".join(sorted(effective - set().union(*listed)))
    found = Text("on_no_other_list", hosts=others) if others else Text("so_many_domains", count=len(effective))
    return not others, found


def _without_sheet(answers: Answers) -> Seen:
    code = answers.get("get_latest_auditstatus", {}).get("errcode", 0)
    return (code == _NO_SHEET, f"errcode {code}") if code else _UNSEEN


def _status(answers: Answers) -> Seen:
    said = answers.get("get_latest_auditstatus", {})
    return (said["status"] in set(AuditStatus), f"status {said['status']!r}") if "status" in said else _UNSEEN


def _named_online(answers: Answers) -> Seen:
    online = answers.get("getversioninfo", {}).get("release_info")
    return (bool(online.get("release_version")), str(online.get("release_version"))) if online else _UNSEEN


def _quota(answers: Answers) -> Seen:
    said = answers.get("queryquota", {})
    if "limit" not in said or "rest" not in said:
        return _UNSEEN
    used, noted = int(said["limit"]) - int(said["rest"]), int(answers["ledger"]["submissions"])
    return used >= noted, Text("quota_and_ledger", rest=said["rest"], limit=said["limit"], noted=noted)


def _hosts(answers: Answers) -> Seen:
    text = str(answers.get("modify_wxa_jump_domain", {}).get("published_wxa_jump_h5_domain", ""))
    return ("//" not in text, Text("with_a_scheme" if "//" in text else "bare_hosts")) if text else _UNSEEN


def _noted(answers: Answers, name: str) -> Seen:
    said = answers.get(name)
    return (said["held"], said["evidence"]) if said else _UNSEEN


def _is_individual(answers: Answers) -> bool | None:
    kind = integer_in(answers.get("getaccountbasicinfo", {}).get("principal_type"))
    return None if kind is None else kind == 0


def _is_empty(answers: Answers) -> bool | None:
    said = answers.get("modify_wxa_jump_domain")
    return None if said is None or said.get("errcode", 0) else not said.get("published_wxa_jump_h5_domain")


#: Assumption → its test; the text ``assumption_<key>`` is its claim.
ASSUMPTIONS: Final[Mapping[str, Callable[[Answers], Seen]]] = {
    "exp_desc": lambda seen: _description(seen, seen.get("getversioninfo", {}).get("exp_info"), "exp_desc"),
    "sheet_desc": lambda seen: _description(seen, seen.get("get_latest_auditstatus"), "user_desc"),
    "get_lists": _lists_domains,
    "89020_at_get": lambda seen: _refused_at_get(seen, _EMPTY_PLATFORM_LIST, _is_empty(seen)),
    "89231_at_get": lambda seen: _refused_at_get(seen, _INDIVIDUAL, _is_individual(seen)),
    "four_lists": _four_lists,
    "explained": _explained,
    "no_sheet": _without_sheet,
    "status": _status,
    "auditid": lambda seen: _is_number(seen.get("get_latest_auditstatus", {}), "auditid"),
    "template_id": _template_id,
    "release_version": _named_online,
    "queryquota": _quota,
    "hosts": _hosts,
    "scanning": lambda seen: _noted(seen, "scanning"),
    "85052": lambda seen: _noted(seen, "85052"),
}


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
                say(Text("read_was_not_answered", name=name, what=error.what), style="yellow")
                continue
            said = parsed(self.heard)
            yield name, {**said, "errcode": integer_in(said.get("errcode")) or 0} if isinstance(said, dict) else {}


@command
def conformance(arguments: argparse.Namespace) -> int:
    """Compare WeChat with the assumptions of this package; 1 when one is refuted."""
    check_appids([arguments.appid])
    if arguments.write and not (arguments.template_id and arguments.user_version):
        raise WxaSpecError(Text("conformance_lacks_a_version"), [Text("write_needs_template_and_version")])
    open_connection(arguments.wxa_conn_id)
    hook = WxaHook(arguments.wxa_conn_id)
    answers: dict[str, Mapping[str, Any]] = _written(hook, arguments) if arguments.write else {}
    answers |= _read(hook, arguments.appid)
    rows = []
    for key, judge in ASSUMPTIONS.items():
        holds, evidence = judge(answers)
        rows.append(
            {"assumption": key, "claim": Text(f"assumption_{key}"), "verdict": _VERDICTS[holds], "seen": evidence}
        )
    print_rows(rows, arguments.output)
    return int(any(row["verdict"] == "refuted" for row in rows))


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
        say("\n  ".join(error.lines(language())) if isinstance(error, WxaError) else str(error), style="yellow")
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
            _wait(deadline, Text("the_privacy_scan"))
        auditid = hook.submit_audit(*named, **given)["auditid"]
        while (status := hook.audit_status(appid, auditid)["outcome"]) in {"auditing", "delayed"}:
            _wait(deadline, Text("the_review"))
        if status == "approved":
            hook.release(*named, **given, auditid=auditid)
            again = next(client.answers({"again": release(appid)}), ("", {}))[1].get("errcode", 0)
            said["85052"] = {"held": again == _NOTHING_TO_RELEASE, "evidence": f"errcode {again}"}


def _wait(deadline: float, what: str) -> None:
    """Sleep until the next look, or raise when the patience is over."""
    if time.monotonic() > deadline:
        raise WxaError(Text("conformance_wait_has_not_ended", what=what))
    time.sleep(_POLL_SECONDS)
