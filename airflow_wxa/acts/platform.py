"""Acts on the platform itself: its own list as a person approves it, and its template library."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow_wxa import texts
from airflow_wxa.acts.act import OfPlatform, Text, Whole
from airflow_wxa.acts.domains import ModifyPlatformDomain
from airflow_wxa.api.values import THE_PLATFORM
from airflow_wxa.api.webview_domain import read_hosts
from airflow_wxa.errors import WxaSpecError, problem
from airflow_wxa.steps import Approved, PlatformOutcome, Step, TemplateOutcome, add_to_template, modify_platform_domains


@dataclass(frozen=True, kw_only=True)
class ChangePlatformDomain(ModifyPlatformDomain):
    """Change the platform's own list as it was approved, and read it back.

    Returns what :class:`WxaModifyPlatformDomainOperator` returns.

    :param approval_task_id: a :class:`WxaApprovePlatformDomainOperator` of this run; a rejection skips. A run whose
        DAG has a param ``approval`` needs no decision where that is false.
    """

    approval_task_id: str

    @property
    def named(self) -> dict[str, Any]:
        """Action and hosts that an approval names beside the lists as they are.

        :raises WxaSpecError: it cannot be right.
        """
        return {"action": self.action, "hosts": checked_hosts(self.action, self.hosts)}

    def step(self) -> Step[PlatformOutcome]:
        named = self.named
        approval = Approved(self.approval_task_id, THE_PLATFORM, named)
        return modify_platform_domains(self.action, named["hosts"], approval=approval)


def checked_hosts(action: str, hosts: Sequence[str]) -> list[str]:
    """Return the hosts of a change, sorted.

    :raises WxaSpecError: it cannot be right; every problem is named.
    """
    read, problems = read_hosts(hosts)
    if action not in {"add", "delete", "set"}:
        problems.append(f"action = {action!r}: must be add, delete or set")
    if not read and not problems:
        problems.append(problem("hosts", hosts, texts.Text("name_a_host")))
    if problems:
        raise WxaSpecError(texts.Text("platform_list_change_is_not_possible"), problems)
    return sorted(read)


def hosts_after(action: str, hosts: Sequence[str], published: Sequence[str]) -> set[str]:
    """Return a list as it is after a change."""
    before, wanted = set(published), set(hosts)
    return {"add": before | wanted, "delete": before - wanted}.get(action, wanted)


@dataclass(frozen=True)
class AddToTemplate(OfPlatform):
    """Make a template of the draft (草稿) with this version or description, unless there is one of it already.

    Returns ``{"outcome": "added|unchanged", "template_id", "draft_id", "user_version", "user_desc"}``. It is done once:
    after a lost answer the templates are read, and a run that is cleared finds its template.

    :param user_version: of the draft; empty: whichever it is.
    :param user_desc: of the draft, the whole of it; empty: whichever it is.
    :param template_type: 0 ordinary, 1 standard.

    Source: https://developers.weixin.qq.com/doc/oplatform/openApi/thirdparty-management/template-management/api_addtotemplate
    """

    user_version: Text = ""
    user_desc: Text = ""
    template_type: Whole = 0
    writes = ("addtotemplate",)

    def step(self) -> Step[TemplateOutcome]:
        return add_to_template(self.user_version, self.user_desc, template_type=self.template_type)
