"""The shop that tests of DAGs release: what becomes of its world before a run, and what is looked at behind it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pytest

from airflow_wxa.sandbox import AuditPlan, MiniProgram, Platform, RunningSandbox
from airflow_wxa.sandbox.journal import Journal
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.sandbox.values import ReleaseInfo
from airflow_wxa.testing import Walk
from tests.airflow_session import PLAIN, connection, load_release_dag, run_dag
from tests.dags.stepwise import Stepwise

ORIGIN: Final = "https://m.example.com"
PLATFORM_LIST: Final = "/cgi-bin/component/modify_wxa_jump_domain"
#: Writes of a release, each of which a version needs once.
ONCE: Final = ("/wxa/commit", "/wxa/submit_audit", "/wxa/release")
REGISTER: Final = {"on_platform_list_empty": "register"}
LETTERS: Final = {"success": "S", "skipped": "-", "failed": "F", "upstream_failed": "U"}


@dataclass(frozen=True)
class Shop:
    """The Mini Program of ``wxa_world`` at an emulated WeChat, behind the Connection ``wxa_default``."""

    wechat: RunningSandbox
    _monkeypatch: pytest.MonkeyPatch

    def walk(self, **params: Any) -> Walk:
        """Release by :data:`PLAIN`, unless the test says otherwise."""
        return run_dag(load_release_dag(), **{**PLAIN, **params})

    def release(self, **params: Any) -> Walk:
        """Release, which must succeed."""
        return succeeded(self.walk(**params))

    @property
    def account(self) -> MiniProgram:
        return self.wechat.world.mini_program(APPID)

    @property
    def platform(self) -> Platform:
        return self.wechat.world.platform(COMPONENT_APPID)

    @property
    def journal(self) -> Journal:
        return self.wechat.journal

    @property
    def online(self) -> str:
        """The version that is online; ``""``: none."""
        info = self.account.release_info
        return info["release_version"] if info else ""

    @property
    def accepted(self) -> dict[str, int]:
        """How often WeChat did the work of each write of a release, whatever became of the answer."""
        return {path: sum(each.path == path and each.errcode == 0 for each in self.journal) for path in ONCE}

    def writes(self, path: str = PLATFORM_LIST) -> list[Any]:
        """Return the bodies of all calls to a list that did not only read it."""
        return [each.body for each in self.journal if each.path == path and each.body.get("action") != "get"]

    def list_hosts(self, *hosts: str) -> None:
        """Let the platform's list hold these hosts alone."""
        self.platform.testing, self.platform.published = list(hosts), list(hosts)

    def put_online(self, version: str = "1.0.0", *own: str) -> None:
        """Let a version that somebody else published be online, and domains of the Mini Program's own with it."""
        self.account.release_info = ReleaseInfo(release_version=version, release_desc="theirs", release_time=9)
        if own:
            self.account.mp_webviewdomain = self.account.effective_webviewdomain = list(own)

    def add_history(self) -> None:
        """Let version 3 be online, after 0, 1 and 2, which can be rolled back to."""
        self.account.release_info = {"release_time": 1, "release_version": "3", "release_desc": "v3"}
        self.account.versions = [
            {"app_version": 10 + each, "user_version": str(each), "user_desc": f"v{each}", "commit_time": 1}
            for each in (2, 1, 0)
        ]

    def connect(self, conn_id: str = "wxa_default", **changes: Any) -> None:
        """Put this WeChat behind a Connection, see :func:`tests.airflow_session.connection`."""
        self._monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", connection(self.wechat.url, **changes))


Arrange = Callable[[Shop], object]


@pytest.fixture
def shop(wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(wxa_default, monkeypatch)


def nothing(shop: Shop) -> None:
    """Leave a published platform that holds ``example.com``, and a Mini Program without domains."""


def empty_list(shop: Shop) -> None:
    shop.list_hosts()


def individual(shop: Shop) -> None:
    """Let the Mini Program belong to an individual, whom WeChat grants no business domains."""
    shop.account.individual = True


def reviewed_at_once(shop: Shop) -> None:
    """Let scan and review end at the first look."""
    shop.account.scan_polls, shop.account.audit = 0, AuditPlan(polls=0)


def succeeded(run: Walk) -> Walk:
    assert run.state == "success", run.errors
    return run


def failure(run: Walk | Stepwise, task_id: str) -> str:
    """Return why a task failed, on one line."""
    assert run.states[task_id] == "failed", run.errors
    return " ".join(str(run.errors[task_id]).split())


def letters(run: Walk, *task_ids: str) -> str:
    """Return the states of tasks, a letter each; of a mapped task, a letter for each instance."""
    return "".join(LETTERS[state] for task_id in task_ids for state in run.states[task_id].split(","))


def missing(words: Sequence[str], said: str) -> list[str]:
    """Return the words that a text leaves out."""
    return [each for each in words if each not in said]
