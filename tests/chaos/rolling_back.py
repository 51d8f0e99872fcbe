"""A rollback as ``wxa_rollback`` does it, task by task, and a WeChat that would go back again if it were asked to."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from airflow_wxa.client import WxaClient
from airflow_wxa.hooks.recorder import Recorder
from airflow_wxa.sandbox import MiniProgram, Platform, World
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN, PLATFORM_TOKEN
from airflow_wxa.steps import RollbackOutcome, RollbackPlan, plan_rollback, roll_back, verify_rollback
from airflow_wxa.store import Ledger, TaskRef
from tests.chaos.mortal import Moment, Mortal, MortalClient

VERSIONS: Final = ("2", "1", "0")  # the newest first; "3" is online


def world() -> World:
    """Return a world with a version online and three before it."""
    earlier: list[Any] = [
        {"app_version": 10 + int(each), "user_version": each, "user_desc": f"v{each}", "commit_time": 1}
        for each in VERSIONS
    ]
    mini_program = MiniProgram(
        appid=APPID,
        component_appid=COMPONENT_APPID,
        authorizer_access_token=MERCHANT_TOKEN,
        release_info={"release_time": 1, "release_version": "3", "release_desc": "v3"},
        versions=earlier,
    )
    registered = ["example.com"]
    platform = Platform(
        component_appid=COMPONENT_APPID, component_access_token=PLATFORM_TOKEN, testing=registered, published=registered
    )
    return World(platforms=[platform], mini_programs=[mini_program])


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


def planned(client: WxaClient) -> RollbackPlan:
    return client.run(plan_rollback(APPID))


def carried(plan: RollbackPlan, store_url: str, mortal: Mortal, url: str, run_id: str = "manual__1") -> RollbackOutcome:
    """Do both tasks behind the approval, as the operators do."""

    def client(task_id: str) -> MortalClient:
        task = TaskRef("wxa_rollback", run_id, task_id)
        return MortalClient(url, Recorder(lambda: Ledger(store_url), COMPONENT_APPID, task), mortal)

    with client("rollback") as each:
        each.run(roll_back(plan))
    with client("verify_rollback") as each:
        return each.run(verify_rollback(plan))


def process(url: str, store_url: str, kept: str, moment: Moment, at: int) -> None:
    """Roll back, or go on with what an earlier process kept of the first task."""
    mortal, xcom = Mortal(moment, at), Path(kept)
    if not xcom.exists():
        recorder = Recorder(lambda: Ledger(store_url), COMPONENT_APPID, TaskRef("wxa_rollback", "manual__1", "list"))
        with MortalClient(url, recorder, mortal) as client:
            xcom.write_text(json.dumps(planned(client).to_json()), "utf-8")
    carried(RollbackPlan.from_json(json.loads(xcom.read_text("utf-8"))), store_url, mortal, url, xcom.stem)
