"""What really happened at WeChat, whatever was answered: an answer can be lost, or say -1 after the work."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from airflow_wxa.sandbox import AuditPlan, Looseness, MiniProgram, World
from airflow_wxa.sandbox.state import AuditSheet, Stage
from airflow_wxa.sandbox.testing import APPID, one_merchant

THE_TIME = 1_767_225_600.0  # worlds whose clocks stand still can be compared
#: A world that answers as WeChat's pages say, and one as the real WeChat was seen to.
WORLDS = {"strict": Looseness(), "loose": Looseness.everything(lag=2)}
ONLINE = ("https://m.example.com",)
FOREIGN = "their release [wxa:0badcafe]"


def contested_world() -> World:
    """Return a world that makes a release use every endpoint: nothing registered, somebody else's sheet in audit."""
    world = one_merchant()
    world.clock = lambda: THE_TIME
    (platform,), (account,) = world.platforms, world.mini_programs
    platform.testing, platform.published = [], []
    account.sheets = [
        AuditSheet(
            auditid=399999999,
            user_version="9.9.9",
            user_desc=FOREIGN,
            submit_audit_time=int(THE_TIME) - 60,
            plan=AuditPlan(polls=99),
            stage=Stage.AUDITING,
        )
    ]
    account.exp_info = {"exp_time": 1, "exp_version": "9.9.9", "exp_desc": FOREIGN}
    account.release_info = {"release_time": 1, "release_version": "1.3.0", "release_desc": "the one before"}
    account.audit = AuditPlan(polls=1)
    return world


@dataclass
class Witness:
    """Counts the work that was done.

    :param submitted: description of each sheet that was opened.
    :param published: description of each version that went online, and the domains effective with it.
    """

    submitted: list[str] = field(default_factory=list)
    published: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def forget(self) -> None:
        self.submitted.clear()
        self.published.clear()

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stand behind every Mini Program's two doors that must be passed once."""
        submit, release = MiniProgram.submit, MiniProgram.release

        def submitting(account: MiniProgram, *arguments: Any, **named: Any) -> AuditSheet:
            sheet = submit(account, *arguments, **named)
            self.submitted.append(sheet.user_desc)
            return sheet

        def releasing(account: MiniProgram, **named: Any) -> None:
            release(account, **named)
            assert account.release_info is not None
            self.published.append((account.release_info["release_desc"], tuple(account.effective_webviewdomain)))

        monkeypatch.setattr(MiniProgram, "submit", submitting)
        monkeypatch.setattr(MiniProgram, "release", releasing)

    def assert_released_once(self, world: World, description: str) -> None:
        """Hold a world to one release of a version, with its domains, behind one withdrawal of the foreign sheet."""
        assert self.submitted == [description]
        assert self.published == [(description, ONLINE)]
        assert len(world.mini_program(APPID).withdrawals) == 1


def end_state(world: World) -> dict[str, Any]:
    """Return what a world has come to, without how often somebody looked."""
    state = dict(world.to_json())
    for mini_program in state["mini_programs"]:
        for sheet in mini_program["sheets"]:
            del sheet["polls"]
    return state
