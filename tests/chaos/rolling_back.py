"""A rollback as ``wxa_rollback`` does it, task by task, and a WeChat that would go back again if it were asked to."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from airflow_wxa.sandbox import MiniProgram, World
from airflow_wxa.sandbox.testing import APPID, one_merchant
from airflow_wxa.steps import RollbackOutcome, RollbackPlan, plan_rollback, roll_back, verify_rollback
from tests.chaos.mortal import Moment, Mortal, recorded
from tests.chaos.releasing import Recorded, Task

VERSIONS: Final = ("2", "1", "0")  # the newest first; "3" is online


def world() -> World:
    earlier: list[Any] = [
        {"app_version": 10 + int(each), "user_version": each, "user_desc": f"v{each}", "commit_time": 1}
        for each in VERSIONS
    ]
    made = one_merchant()
    (account,) = made.mini_programs
    account.versions = earlier
    account.release_info = {"release_time": 1, "release_version": "3", "release_desc": "v3"}
    return made


@dataclass
class Moves:
    """Counts how often what is online was replaced.

    :param asked: ``app_version`` of each call that was not a listing; ``None``: it named none.
    """

    to: list[str] = field(default_factory=list)
    asked: list[int | None] = field(default_factory=list)

    def watch(self, monkeypatch: pytest.MonkeyPatch, *, keeps_its_list: bool = False) -> None:
        """Begin.

        :param keeps_its_list: WeChat lists the earlier versions on after a rollback, so that a second one moves too.
        """
        do = MiniProgram.roll_back

        def roll_back(account: MiniProgram, app_version: int | None, *, now: int) -> None:
            self.asked.append(app_version)
            listed, before = account.versions, account.release_info
            do(account, app_version, now=now)
            assert account.release_info
            if not before or account.release_info["release_version"] != before["release_version"]:
                self.to.append(account.release_info["release_version"])
            if keeps_its_list:
                account.versions = [each for each in listed if each["app_version"] < (account.app_version or 0)]

        monkeypatch.setattr(MiniProgram, "roll_back", roll_back)


def carried(tried: Recorded, plan: RollbackPlan) -> RollbackOutcome:
    """Do both tasks behind the approval, as the operators do."""
    tried(Task("rollback", lambda: roll_back(plan)))
    outcome: RollbackOutcome = tried(Task("verify_rollback", lambda: verify_rollback(plan)))
    return outcome


def process(url: str, store_url: str, kept: str, moment: Moment, at: int) -> None:
    """Roll back, or go on with what an earlier process kept of the first task."""
    xcom = Path(kept)
    tried = recorded(url, store_url, Mortal(moment, at), xcom.stem)
    if not xcom.exists():
        xcom.write_text(json.dumps(tried(Task("list_versions", lambda: plan_rollback(APPID))).to_json()), "utf-8")
    carried(tried, RollbackPlan.from_json(json.loads(xcom.read_text("utf-8"))))
