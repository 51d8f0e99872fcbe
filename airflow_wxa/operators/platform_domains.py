"""Changing the platform's own list of business domains by hand: look, ask, write, prove."""

import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal

from airflow.sdk import BaseOperator, Context

from airflow_wxa.acts.act import JsonObject, Name, Texts
from airflow_wxa.acts.platform import ChangePlatformDomain, checked_hosts, hosts_after
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.api.webview_domain import get_domain_confirmfile, is_permitted
from airflow_wxa.errors import WxaError
from airflow_wxa.hooks.recorder import current_task
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.links import VerificationFileLink
from airflow_wxa.operators.approval import WxaApprovalOperator, as_code, as_diff
from airflow_wxa.operators.declared import Declared
from airflow_wxa.release.dag import failing_at_once
from airflow_wxa.steps import Step, modify_platform_domains
from airflow_wxa.steps.offline import WEBVIEW, Lists, Online
from airflow_wxa.store.ledger import VERIFICATION_FILE_READ
from airflow_wxa.store.questions import Fact, Question, told
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import phrase

log = logging.getLogger(__name__)

_NAMED: Final = 5  # hosts in the question's title; all of them stand in its diff
_MINI_PROGRAMS_SHOWN: Final = 20  # all of them stand in the question that the ledger keeps


class WxaReadPlatformDomainOperator(Declared, BaseOperator):
    """Read the platform's own list, and the verification file (校验文件) that WeChat asks each host for.

    Returns ``{"action", "hosts", "testing", "published", "after", "verification_file"}``: the lists as they are,
    ``after`` as the published one would be, and ``{"file_name", "file_content"}``, or ``None`` where WeChat gave no
    file. Nothing is written.

    :param action: ``"add"``, ``"delete"`` or ``"set"`` (templated).
    :param hosts: bare hosts such as ``m.example.com`` (templated).
    :param platform_conn_id: a Connection with a platform token (templated).
    """

    action: Literal["add", "delete", "set"]
    hosts: Texts
    platform_conn_id: Name = WxaHook.default_conn_name
    operator_extra_links = (*Declared.operator_extra_links, VerificationFileLink())

    def execute(self, context: Context) -> dict[str, Any]:
        self.read_fields()
        hook = WxaHook(self.platform_conn_id)
        with failing_at_once():
            hosts = checked_hosts(self.action, self.hosts)
            now = hook.run(modify_platform_domains("get"))
        file = read_verification_file(hook, self.action)
        self.has_verification_file = file is not None  # for its link
        if file is not None:
            # The board serves the ledger's copy: an XCom can be written by users, who could prove a host as theirs.
            whose = (hook.read().component_appid, THE_PLATFORM, current_task())
            open_ledger().decided(*whose, file, endpoint=VERIFICATION_FILE_READ)
        return {
            "action": self.action,
            "hosts": hosts,
            "testing": list(now.testing or ()),
            "published": list(now.published or ()),
            "after": sorted(hosts_after(self.action, hosts, now.published or ())),
            "verification_file": file,
        }


class WxaApprovePlatformDomainOperator(WxaApprovalOperator):
    """Ask a person whether the platform's list may change: every merchant of the platform is concerned.

    The question shows the Mini Programs whose domains go offline at their next release, as far as the ledger has read
    them, the published list before and after, and the verification file. The decision names action,
    hosts and both lists as they were: :class:`WxaChangePlatformDomainOperator` changes no other list.

    :param read: return value of :class:`WxaReadPlatformDomainOperator`: it tells action and hosts (templated).
    """

    read: JsonObject
    asks = "platform_list"

    def facts(self, context: Context) -> Mapping[str, Fact]:
        """Read the lists at WeChat; of the task before, only action and hosts are taken."""
        with failing_at_once():
            act = ChangePlatformDomain(self.read["action"], self.read["hosts"], approval_task_id="")
        hook = WxaHook(self.wxa_conn_id)
        now = hook.run(modify_platform_domains("get")).to_json()
        file = read_verification_file(hook, act.action)
        after = hosts_after(act.action, act.hosts, now["published"] or ())
        offline = going_offline(self._component_appid(), now["published"] or (), after)
        return {
            **told("ledger", goes_offline=offline),
            **told("run", named=True, **act.named),
            **told("WeChat: modify_wxa_jump_domain", named=True, testing=now["testing"], published=now["published"]),
            **told("WeChat: get_domain_confirmfile", verification_file=file),
        }

    @staticmethod
    def words(question: Question) -> tuple[str, str]:
        action, hosts = question["action"], question["hosts"]
        published, testing = question["published"] or [], question["testing"]
        after = sorted(hosts_after(action, hosts, published))
        named = ", ".join(hosts[:_NAMED]) + (
            phrase("and_more_hosts", count=len(hosts) - _NAMED) if len(hosts) > _NAMED else ""
        )
        parts = [
            _offline(question["goes_offline"]),
            _diff(published, after),
            _file(question["verification_file"], published, after),
        ]
        if testing != question["published"]:
            said = (
                phrase("wechat_does_not_tell")
                if testing is None
                else ", ".join(map(as_code, testing)) or phrase("none")
            )
            parts.insert(2, phrase("testing_version_differs", said=said))
        deed = Text("page", f"list_action.{action}")
        return phrase("ask_platform_list", action=deed, named=named), "\n\n".join(filter(None, parts))


def going_offline(component_appid: str, before: Collection[str], after: Collection[str]) -> dict[str, list[str]]:
    """Return, by appid, domains in use that the platform's list covers now and would not cover any more.

    Those are effective or on the API list, by the ledger's latest reading; the direct list needs no platform list.
    """
    found = {}
    for appid, read in open_ledger().readings(component_appid).items():
        lists = Online.from_json(read).lists.get(WEBVIEW) or Lists()
        in_use = ((lists.effective or frozenset()) | (lists.api or frozenset())) - (lists.direct or frozenset())
        lost = {each for each in in_use if is_permitted(each, before)}
        if gone := sorted(each for each in lost if not is_permitted(each, after)):
            found[appid] = gone
    return found


def _offline(found: Mapping[str, Sequence[str]]) -> str:
    if not found:
        return ""
    shown = "; ".join(
        f"{appid}: {', '.join(map(as_code, found[appid]))}" for appid in list(found)[:_MINI_PROGRAMS_SHOWN]
    )
    more = (
        phrase("and_more_of_them", count=len(found) - _MINI_PROGRAMS_SHOWN) if len(found) > _MINI_PROGRAMS_SHOWN else ""
    )
    return phrase("goes_offline_at_next_release", count=len(found), shown=shown, more=more)


def read_verification_file(hook: WxaHook, action: str) -> dict[str, str] | None:
    """Return name and content of the file that WeChat asks each new host for; ``None`` where it gives none."""
    try:
        return hook.run(_verification_file()) if action != "delete" else None
    except WxaError as error:
        log.warning("the verification file was not read: %s", error.what)
        return None


def _verification_file() -> Step[dict[str, str] | None]:
    answer = (yield get_domain_confirmfile()).answer
    file = {name: str(answer.get(name) or "") for name in ("file_name", "file_content")}
    return file if file["file_name"] else None


def _diff(before: Sequence[str], after: Sequence[str]) -> str:
    lines, added, removed = as_diff(before, after)
    said = lines or [phrase("list_would_be_empty")]
    head = phrase("heading_platform_hosts", count=len(before), count2=len(after))
    return "\n".join(
        [phrase("head_added_removed", head=head, added=added, removed=removed), "", "```diff", *said, "```"]
    )


def _file(file: Mapping[str, str] | None, published: Sequence[str], after: Sequence[str]) -> str:
    """Return what has to be served by each host that is added."""
    new = [host for host in after if host not in published]
    if not new:
        return ""
    if not file:
        return phrase("no_verification_file")
    name, content = file["file_name"], file["file_content"]
    return "\n".join(
        [
            phrase("before_you_approve_file"),
            "",
            phrase("wechat_fetches_the_file", name=as_code(name), content=as_code(content)),
            "",
            *(f"- https://{host}/{name}" for host in new),
            "",
            phrase("download_the_file"),
        ]
    )
