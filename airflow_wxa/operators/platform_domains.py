"""Changing the platform's own list of business domains by hand: look, ask, write, prove."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow_wxa.api import values
from airflow_wxa.api.webview_domain import get_domain_confirmfile, read_hosts
from airflow_wxa.errors import WxaError, WxaSpecError
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.links import VerificationFileLink
from airflow_wxa.operators.approval import Subject, WxaApprovalOperator, as_code, is_approval_wanted, require_approval
from airflow_wxa.operators.domains import WxaModifyPlatformDomainOperator
from airflow_wxa.operators.mini_program import PlatformOperator
from airflow_wxa.release.dag import TemplatedFields, failing_at_once
from airflow_wxa.steps import modify_platform_domains

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_wxa.api.values import Reader
    from airflow_wxa.steps import Step

_NAMED: Final = 5  # hosts in the question's title; all of them stand in its diff


class WxaReadPlatformDomainOperator(PlatformOperator):
    """Read the platform's own list, and the verification file (校验文件) that WeChat asks each host for.

    Returns ``{"action", "hosts", "testing", "published", "after", "verification_file"}``: the lists as they are,
    ``after`` as the published one would be, and ``{"file_name", "file_content"}``, or ``None`` where WeChat gave no
    file. Nothing is written.

    :param action: ``"add"``, ``"delete"`` or ``"set"`` (templated).
    :param hosts: bare hosts such as ``m.example.com`` (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {
        "action": values.choice("add", "delete", "set"),
        "hosts": values.texts,
        **PlatformOperator.reads,
    }
    operator_extra_links = (*TemplatedFields.operator_extra_links, VerificationFileLink())

    def __init__(self, *, action: str, hosts: Sequence[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.action = action
        self.hosts = hosts

    def do(self, hook: WxaHook) -> dict[str, Any]:
        """Read both; see the class for what is returned."""
        with failing_at_once():
            hosts = _checked(self.action, self.hosts)
            now = hook.run(modify_platform_domains("get"))
        file = None
        try:
            file = hook.run(_verification_file()) if self.action != "delete" else None
        except WxaError as error:
            self.log.warning("the verification file was not read: %s", error.what)
        self.has_verification_file = file is not None  # for its link
        return {
            "action": self.action,
            "hosts": hosts,
            "testing": list(now.testing or ()),
            "published": list(now.published or ()),
            "after": sorted(_after(self.action, hosts, now.published or ())),
            "verification_file": file,
        }


class WxaApprovePlatformDomainOperator(WxaApprovalOperator):
    """Ask a person whether the platform's list may change: every merchant of the platform is concerned.

    The question shows the published list before and after, and the verification file. The decision names action,
    hosts and the list as it was: :class:`WxaChangePlatformDomainOperator` changes no other list.

    :param read: what :class:`WxaReadPlatformDomainOperator` returned (templated).
    """

    reads: ClassVar[Mapping[str, Reader]] = {"read": values.json_object, **WxaApprovalOperator.reads}

    def __init__(self, *, read: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.read = read

    def ask_about(self, context: Context) -> Subject:
        """Return the change, with the lists before and after."""
        read = self.read
        action, hosts, published = read["action"], read["hosts"], read["published"]
        after = sorted(_after(action, hosts, published))  # not as the XCom says: it names what will be done
        named = ", ".join(hosts[:_NAMED]) + (f" and {len(hosts) - _NAMED} more" if len(hosts) > _NAMED else "")
        return Subject(
            f"Platform list: {action} {named}?",
            _change(action, hosts, published),
            "\n\n".join([_diff(published, after), _file(read.get("verification_file"), published, after)]),
        )


class WxaChangePlatformDomainOperator(WxaModifyPlatformDomainOperator):
    """Change the platform's own list as it was approved, and read it back.

    Returns what :class:`WxaModifyPlatformDomainOperator` returns.

    :param approval_task_id: a :class:`WxaApprovePlatformDomainOperator` of this run; a rejection skips. A run whose
        DAG has a param ``approval`` needs no decision where that is false.
    """

    def __init__(self, *, approval_task_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.approval_task_id = approval_task_id

    def execute(self, context: Context) -> dict[str, Any]:
        """Look once more, then change what was approved."""
        self.read_fields()
        with failing_at_once():
            hosts = _checked(self.action, self.hosts)
            if is_approval_wanted(context):
                now = WxaHook(self.platform_conn_id).run(modify_platform_domains("get"))
                versions = [each for each in (now.testing, now.published) if each is not None]
                if versions and all(_is_done(self.action, hosts, each) for each in versions):
                    return self._told(replace(now, action=self.action))  # nothing to write, nothing to ask about
                about = _change(self.action, hosts, now.published or ())
                if now.published is not None and _is_done(self.action, hosts, now.published):
                    del about["published"]  # a retry: what was approved is done there, only testing lags behind
                require_approval(self.approval_task_id, appid="", about=about, wxa_conn_id=self.platform_conn_id)
        return super().execute(context)


def _checked(action: str, hosts: Sequence[str]) -> list[str]:
    read, problems = read_hosts([hosts] if isinstance(hosts, str) else hosts or ())
    if action not in {"add", "delete", "set"}:
        problems.append(f"action = {action!r}: must be add, delete or set")
    if not read and not problems:
        problems.append("hosts = []: name at least one, such as m.example.com")
    if problems:
        raise WxaSpecError(
            "the platform list cannot be changed as it was asked for",
            problems,
            next_step="write bare hosts such as m.example.com, and trigger a new run",
        )
    return sorted(read)


def _change(action: str, hosts: Sequence[str], published: Sequence[str]) -> dict[str, Any]:
    """Return what an approval of a change names."""
    return {"action": action, "hosts": list(hosts), "published": sorted(published)}


def _after(action: str, hosts: Sequence[str], published: Sequence[str]) -> set[str]:
    before, wanted = set(published), set(hosts)
    return {"add": before | wanted, "delete": before - wanted}.get(action, wanted)


def _is_done(action: str, hosts: Sequence[str], published: Sequence[str]) -> bool:
    return _after(action, hosts, published) == set(published)


def _verification_file() -> Step[dict[str, str] | None]:
    answer = (yield get_domain_confirmfile()).answer
    file = {name: str(answer.get(name) or "") for name in ("file_name", "file_content")}
    return file if file["file_name"] else None


def _diff(before: Sequence[str], after: Sequence[str]) -> str:
    lines = [(" " if each in before else "+", each) for each in after]
    lines += [("-", each) for each in before if each not in after]
    lines.sort(key=lambda line: (line[0] == " ", line[1]))
    added, removed = (sum(mark == sign for mark, _ in lines) for sign in "+-")
    said = [f"{mark} {each}" for mark, each in lines] or ["  the list would be empty"]
    head = f"### Hosts of the platform, for all its merchants\n\n{len(before)} before, {len(after)} after"
    return "\n".join([f"{head}: {added} added, {removed} removed.", "", "```diff", *said, "```"])


def _file(file: Mapping[str, str] | None, published: Sequence[str], after: Sequence[str]) -> str:
    """Return what has to be served by each host that is added."""
    new = [host for host in after if host not in published]
    if not new:
        return ""
    if not file:
        return "WeChat gave no verification file to serve. If it asks for one, the next task says so."
    name, content = file["file_name"], file["file_content"]
    return "\n".join(
        [
            "### Before you approve: the verification file (校验文件)",
            "",
            f"WeChat fetches {as_code(name)} with the content {as_code(content)}, no byte more, at:",
            "",
            *(f"- https://{host}/{name}" for host in new),
            "",
            "Download it from the task `read_platform_domains` (Verification file).",
        ]
    )
