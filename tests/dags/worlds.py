"""Words that tests of DAGs share: what becomes of the world before a run, and what is looked at behind it."""

from collections.abc import Callable
from typing import Any, Final

import pytest

from airflow_wxa.sandbox import AuditPlan, MiniProgram, Platform, RunningSandbox
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.sandbox.values import ReleaseInfo
from airflow_wxa.testing import Walk

ORIGIN: Final = "https://m.example.com"
PLATFORM_LIST: Final = "/cgi-bin/component/modify_wxa_jump_domain"
#: Writes of a release, each of which a version needs once.
ONCE: Final = ("/wxa/commit", "/wxa/submit_audit", "/wxa/release")
REGISTER: Final = {"on_platform_list_empty": "register"}
LETTERS: Final = {"success": "S", "skipped": "-", "failed": "F", "upstream_failed": "U"}

Arrange = Callable[[RunningSandbox], object]


@pytest.fixture
def account(wxa_default: RunningSandbox) -> MiniProgram:
    """Return the Mini Program of ``wxa_world``."""
    return wxa_default.world.mini_program(APPID)


@pytest.fixture
def platform(wxa_default: RunningSandbox) -> Platform:
    """Return the platform of ``wxa_world``."""
    return wxa_default.world.platform(COMPONENT_APPID)


def nothing(wechat: RunningSandbox) -> None:
    """Leave a published platform that holds ``example.com``, and a Mini Program without domains."""


def listed(*hosts: str) -> Arrange:
    """Let the platform's list hold these hosts alone."""

    def arrange(wechat: RunningSandbox) -> None:
        platform = wechat.world.platform(COMPONENT_APPID)
        platform.testing, platform.published = list(hosts), list(hosts)

    return arrange


empty_list: Final = listed()


def individual(wechat: RunningSandbox) -> None:
    """Let the Mini Program belong to an individual, whom WeChat grants no business domains."""
    wechat.world.mini_program(APPID).individual = True


def is_online(account: MiniProgram, version: str = "1.0.0") -> None:
    """Let a version that somebody else published be online."""
    account.release_info = ReleaseInfo(release_version=version, release_desc="theirs", release_time=9)


def reviewed_at_once(account: MiniProgram) -> None:
    """Let scan and review end at the first look."""
    account.scan_polls, account.audit = 0, AuditPlan(polls=0)


def online(wechat: RunningSandbox) -> str:
    """Return the version that is online; ``""``: none."""
    info = wechat.world.mini_program(APPID).release_info
    return info["release_version"] if info else ""


def accepted(wechat: RunningSandbox) -> dict[str, int]:
    """Return how often WeChat did the work of each write of a release, whatever became of the answer."""
    return {path: sum(each.path == path and each.errcode == 0 for each in wechat.journal) for path in ONCE}


def writes(wechat: RunningSandbox, path: str = PLATFORM_LIST) -> list[Any]:
    """Return the bodies of all calls to a list that did not only read it."""
    return [each.body for each in wechat.journal if each.path == path and each.body.get("action") != "get"]


def letters(run: Walk, *task_ids: str) -> str:
    """Return the states of tasks, a letter each; of a mapped task, a letter for each instance."""
    return "".join(LETTERS[state] for task_id in task_ids for state in run.states[task_id].split(","))
