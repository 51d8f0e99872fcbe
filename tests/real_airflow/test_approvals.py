"""What was approved is what was seen, on a real Airflow: no write that the question did not show.

Each run stops at its question. Then the world, the run or its XComs change, and the run goes on. The writes that WeChat
was sent are compared with the question, field by field.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from airflow_wxa.api.code import CodeVersion
from airflow_wxa.cli.demo.airflow import ThrowawayAirflow
from airflow_wxa.cli.demo.command import read_ledger
from airflow_wxa.operators import (
    WxaApprovePlatformDomainOperator,
    WxaApproveReleaseOperator,
    WxaApproveRollbackOperator,
)
from airflow_wxa.sandbox import MiniProgram, Platform, serve
from airflow_wxa.sandbox.state import Stage
from airflow_wxa.store.questions import Fact, Question
from tests.real_airflow.airflows import (
    ENDED,
    LISTED,
    WAITING,
    connection,
    end_of,
    mini_program,
    sheet,
    started,
    task_of,
    until,
    world,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from airflow_wxa.cli.demo.airflow import TaskInstance
    from airflow_wxa.operators.approval import WxaApprovalOperator
    from airflow_wxa.sandbox import RunningSandbox
    from airflow_wxa.store import Entry

pytestmark = pytest.mark.real_airflow

EARLIER: Final = "Airflow shows the earlier question: trigger a new run of this version"
OURS, ROLLBACK, PLATFORM, FLEET = "our_release", "wxa_rollback", "wxa_platform_domains", "wxa_fleet_release"
#: DAG → the task that asks, the task that acts, and the operator that asks.
TASKS: Final[Mapping[str, tuple[str, str, type[WxaApprovalOperator] | None]]] = {
    OURS: ("approve_release", "release", WxaApproveReleaseOperator),
    ROLLBACK: ("approve_rollback", "rollback", WxaApproveRollbackOperator),
    PLATFORM: ("approve_change", "modify_platform_domains", WxaApprovePlatformDomainOperator),
    FLEET: ("approve_plan", "check_platform_list", None),
}
ORIGIN: Final = "https://m.example.com"
RUNS: Final = 20
APPIDS: Final = [f"wx{number:016x}" for number in range(1, 41)]
DAG_FILE: Final = """
from datetime import timedelta
from airflow.sdk import DAG, Param
from airflow_wxa.dags.wxa_fleet_release import fleet_release_dag
from airflow_wxa.dags.wxa_platform_domains import platform_domains_dag
from airflow_wxa.dags.wxa_rollback import rollback_dag
from airflow_wxa.operators import WxaApproveReleaseOperator, WxaReleaseOperator
from airflow_wxa.release.dag import param

# A busy SQLite fails a task at times; a refusal is never tried again.
again = {"retries": 2, "retry_delay": timedelta(seconds=1)}
once = {"default_args": again, "is_paused_upon_creation": False}
with DAG("our_release", schedule=None, params={"appid": "", "desc": "d"}, **once) as ours:
    code = {"appid": param("appid"), "template_id": 47, "user_version": "1.4.0", "auditid": "7"}
    code["webviewdomain"] = ["https://m.example.com"]
    approve = WxaApproveReleaseOperator(task_id="approve_release", user_desc=param("desc"), **code)
    release = WxaReleaseOperator(task_id="release", approval_task_id="approve_release", **code)
    approve >> release

rollback, platform, fleet = rollback_dag(**once), platform_domains_dag(**once), fleet_release_dag(**once)
other_rollback, other_platform = rollback_dag("other_rollback", **once), platform_domains_dag("other_platform", **once)
"""


def account_of(appid: str) -> MiniProgram:
    """Return a Mini Program whose 1.4.0 is approved by WeChat, and that can go back to 2, 1 and 0."""
    described = CodeVersion.of(appid, 47, "1.4.0").described("d")
    earlier: list[Any] = [
        {"app_version": 10 + each, "user_version": str(each), "user_desc": f"v{each}", "commit_time": 1}
        for each in (2, 1, 0)
    ]
    return mini_program(
        appid,
        third_webviewdomain=[ORIGIN],
        sheets=[sheet(Stage.APPROVED, user_desc=described)],
        release_info={"release_time": 1, "release_version": "3", "release_desc": "v3"},
        versions=earlier,
    )


@dataclass
class Asked:
    """A run that waits at its question, or has gone on."""

    here: Here
    dag_id: str
    run_id: str

    @property
    def place(self) -> str:
        return f"/dags/{self.dag_id}/dagRuns/{self.run_id}"

    def state(self, task_id: str) -> str:
        return self.task(task_id).state

    def task(self, task_id: str) -> TaskInstance:
        task = task_of(self.here.airflow, self.dag_id, self.run_id, task_id)
        assert task is not None
        return task

    def waits(self) -> Asked:
        """Wait until it is asked."""
        asks = TASKS[PLATFORM if self.dag_id == "other_platform" else self.dag_id][0]
        until(lambda: self.state(asks) in WAITING or self.has_ended(), f"{self.run_id} waits")
        assert self.state(asks) in WAITING, self.why(asks)
        return self

    def has_ended(self) -> bool:
        return self.here.api.run_states(self.dag_id).get(self.run_id) in ENDED

    def ends(self) -> str:
        return end_of(self.here.airflow, self.dag_id, self.run_id)

    def why(self, task_id: str) -> str:
        return " ".join(self.here.api.error_text(self.dag_id, self.run_id, self.task(task_id)).split())

    def answer(self, choice: str) -> None:
        """Answer once the scheduler has heard that the process which asked has ended.

        Airflow 3.3.2 takes the task for killed where an answer comes just then (its own ``ApprovalOperator`` too): the
        process, which ends ``[workers] min_heartbeat_interval`` after it has asked, counts for the same try, which is
        queued again.
        """
        asks = TASKS[self.dag_id][0]
        heard = f"task_id='{asks}', run_id='{self.run_id}', try_number={self.task(asks).try_number},"
        until(lambda: self.here.scheduler_has_heard(self.dag_id, heard), f"{self.run_id}: the scheduler hears of it")
        path = f"{self.place}/taskInstances/{TASKS[self.dag_id][0]}/-1/hitlDetails"
        self.here.send("PATCH", path, {"chosen_options": [choice], "params_input": {}})

    def clear(self, *task_ids: str) -> None:
        """Clear tasks and what follows, as the button proposes, and wait until the first has begun again."""
        before = self.task(task_ids[0]).try_number
        body = {"dag_run_id": self.run_id, "task_ids": list(task_ids), "include_downstream": True}
        self.here.send(
            "POST", f"/dags/{self.dag_id}/clearTaskInstances", body | {"dry_run": False, "only_failed": False}
        )

        def has_begun() -> bool:
            task = self.task(task_ids[0])
            return task.try_number > before and task.state in {*WAITING, "success", "failed"}

        until(has_begun, f"{task_ids[0]} has run again")

    def mark(self, task_id: str) -> None:
        self.here.send("PATCH", f"{self.place}/taskInstances/{task_id}", {"new_state": "success"})

    def forge(self, task_id: str, value: Any) -> None:
        path = f"{self.place}/taskInstances/{task_id}/xcomEntries"
        body = {"value": value, "map_index": -1}
        if not self.here.tried("PATCH", f"{path}/return_value", body):
            self.here.send("POST", path, {"key": "return_value", **body})

    def shown(self) -> tuple[str, str]:
        answer = self.here.api._get(f"{self.place}/taskInstances/{TASKS[self.dag_id][0]}/-1/hitlDetails")
        return answer["subject"], answer["body"]

    def rows(self) -> list[Entry]:
        """Return the ledger's rows of this run, the newest first."""
        rows = read_ledger(self.here.airflow.home)
        return [each for each in rows if (each.task.dag_id, each.task.run_id) == (self.dag_id, self.run_id)]

    def refusals(self) -> list[str]:
        return [each.errmsg for each in self.rows() if each.result == "refused" and each.endpoint == "approve_release"]

    def question(self) -> Question:
        """Return the latest question as the ledger has it; it is the one that Airflow shows."""
        kept = next(each.asked["question"] for each in self.rows() if each.asked and "question" in each.asked)
        question = Question(kept["asks"], {name: Fact(**fact) for name, fact in kept["facts"].items()}, kept["nonce"])
        operator = TASKS[self.dag_id][2]
        subject, body = self.shown()
        assert body.splitlines()[-1] == question.line
        if operator is not None:
            assert operator.words(question) == (subject, body.removesuffix(f"\n\n{question.line}"))
        return question


@dataclass
class Here:
    """The Airflow, and the WeChat that it talks to."""

    airflow: ThrowawayAirflow
    wechat: RunningSandbox

    @property
    def api(self) -> Any:
        return self.airflow.api

    def account(self, appid: str) -> MiniProgram:
        return self.wechat.world.mini_program(appid)

    def scheduler_has_heard(self, dag_id: str, key: str) -> bool:
        said = (self.airflow.home / "scheduler.out").read_text("utf-8", "replace")
        return f"event with state success for task instance TaskInstanceKey(dag_id='{dag_id}', {key}" in said

    def pause(self, dag_id: str, *, is_paused: bool) -> None:
        self.send("PATCH", f"/dags/{dag_id}", {"is_paused": is_paused})

    @property
    def platform(self) -> Platform:
        [platform] = self.wechat.world.platforms
        return platform

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = self.api._client.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def tried(self, method: str, path: str, body: Mapping[str, Any]) -> bool:
        return bool(self.api._client.request(method, path, json=body).is_success)

    def asked(self, dag_id: str, run_id: str, conf: Mapping[str, Any], **more: Any) -> Asked:
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf), **more}
        self.send("POST", f"/dags/{dag_id}/dagRuns", body)
        return Asked(self, dag_id, run_id)

    def changes_of_the_list(self) -> list[Any]:
        return [body for path, _, body in self.writes() if path.endswith("modify_wxa_jump_domain")]

    def writes(self) -> list[tuple[str, str | None, Any]]:
        """Return what WeChat was sent that changes something for users, rollbacks at the end."""
        paths = ("/wxa/release", "/cgi-bin/component/modify_wxa_jump_domain")
        sent = [each for each in self.wechat.journal if each.path in paths]
        asked = [each for each in sent if not (isinstance(each.body, dict) and each.body.get("action") == "get")]
        back = [appid for appid in APPIDS if not self.account(appid).versions]  # a listing has the same path
        return [(each.path, each.appid, each.body) for each in asked] + [(ROLLBACK, each, None) for each in back]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    with serve(world(map(account_of, APPIDS))) as wechat:
        yield from _here(tmp_path_factory.mktemp("approvals") / "home", wechat)


def _here(home: Path, wechat: RunningSandbox) -> Iterator[Here]:
    manifests = home / "manifests"
    manifests.mkdir(parents=True)
    environment = {
        "AIRFLOW_CONN_WXA_DEFAULT": connection(wechat),
        "AIRFLOW__WXA__MANIFEST_FOLDER": str(manifests),
    }
    airflow = ThrowawayAirflow(home=home, environment=environment, dags={"approvals.py": DAG_FILE})
    with started(airflow, *TASKS, "other_rollback", "other_platform"):
        yield Here(airflow, wechat)


def put_online(account: MiniProgram, version: str) -> None:
    account.release_info = {"release_time": 9, "release_version": version, "release_desc": f"v{version}"}


def changed_facts(here: Here) -> list[Asked]:
    """Clear what asked, or what it asks about, after the facts have changed; return the runs, which all must fail."""
    release = here.asked(OURS, "changed", {"appid": APPIDS[0]}).waits()
    online = here.asked(OURS, "changed_online", {"appid": APPIDS[1]}).waits()
    rollback = here.asked(ROLLBACK, "changed", {"appid": APPIDS[2]}).waits()
    platform = here.asked(PLATFORM, "changed", {"action": "set", "hosts": ["new.example.com"]}).waits()
    manifest = here.airflow.home / "manifests" / "fleet.yaml"
    common = {"template_id": 47, "user_version": "2.0.0", "webviewdomain": [ORIGIN]}
    text: dict[str, Any] = {"release": common, "apps": [APPIDS[3]]}
    manifest.write_text(yaml.safe_dump(text), "utf-8")
    plan = here.asked(FLEET, "changed", {"manifest": "fleet.yaml"}).waits()

    here.account(APPIDS[0]).third_webviewdomain = [ORIGIN, "https://b.example.com"]
    release.clear("approve_release")
    put_online(here.account(APPIDS[1]), "3.1")
    online.answer("Reject")
    online.ends()
    online.clear("approve_release")
    here.account(APPIDS[2]).versions[0] |= {"user_version": "2.9"}
    rollback.clear("list_versions")
    here.platform.testing = here.platform.published = [*LISTED, "other.example.net"]
    platform.clear("read_platform_domains")
    text["release"] = common | {"template_id": 666, "user_version": "6.6.6"}
    manifest.write_text(yaml.safe_dump(text), "utf-8")
    plan.clear("load_manifest")
    return [release, online, rollback, platform, plan]


def forged_and_marked(here: Here) -> list[Asked]:
    """Edit XComs before the answer and behind it, and mark the question success."""
    behind = here.asked(ROLLBACK, "forged", {"appid": APPIDS[5]}).waits()
    listed = here.api.xcom(ROLLBACK, "forged", "list_versions")
    behind.forge("list_versions", listed | {"target": listed["target"] | {"app_version": "10"}})
    behind.answer("Approve")
    marked = []
    for dag_id, conf in (
        (OURS, {"appid": APPIDS[6]}),
        (ROLLBACK, {"appid": APPIDS[7]}),
        (PLATFORM, {"action": "add", "hosts": ["marked.example.com"]}),
    ):
        asked = here.asked(dag_id, "marked", conf).waits()
        asked.forge(TASKS[dag_id][0], {"outcome": "approved", "by": "admin"})
        asked.mark(TASKS[dag_id][0])
        marked.append(asked)
    return [behind, *marked]


def made_again(here: Here) -> list[Asked]:
    """Use decisions of a run that was deleted, and of a run of the same id of another DAG, for the same change.

    The DAG is paused meanwhile, so that what would ask is marked before it begins: nothing joins the run but the write.
    """
    conf = {"action": "add", "hosts": ["again.example.com"]}
    asked = here.asked(PLATFORM, "again", conf).waits()
    asked.answer("Approve")
    assert asked.ends() == "success", asked.why("approve_change") + asked.why("modify_platform_domains")
    run_after = here.send("GET", asked.place)["run_after"]
    refused = []
    for dag_id, more in ((PLATFORM, {}), (PLATFORM, {"run_after": run_after}), ("other_platform", {})):
        here.platform.testing = here.platform.published = LISTED.copy()
        here.pause(dag_id, is_paused=True)
        if dag_id == PLATFORM:
            here.send("DELETE", f"/dags/{PLATFORM}/dagRuns/again")
        again = here.asked(dag_id, "again", conf, **more)
        for task_id in ("read_platform_domains", "approve_change"):
            again.mark(task_id)
        here.pause(dag_id, is_paused=False)
        assert again.ends() == "failed"
        assert "nobody has approved it" in again.why("modify_platform_domains")
        assert here.platform.published == LISTED
        refused.append(again)
    return refused


def test_no_question_no_write(here: Here) -> None:
    for asked in changed_facts(here):
        asks, acts, _ = TASKS[asked.dag_id]
        assert asked.ends() == "failed"
        assert EARLIER in asked.why(asks), asked
        assert asked.state(acts) == "upstream_failed"
        assert any("Airflow shows the earlier question" in each for each in asked.refusals())
        sys.stdout.write(f"{asked.dag_id} {asked.run_id}: {asked.why(asks)[:120]}\n")
    here.platform.testing = here.platform.published = LISTED.copy()

    for asked in forged_and_marked(here):
        asks, acts, _ = TASKS[asked.dag_id]
        assert asked.ends() == "failed"
        assert "not carried out" in asked.why(acts)
        assert asked.refusals()
        sys.stdout.write(f"{asked.dag_id} {asked.run_id}: {asked.why(acts)[:120]}\n")
    assert here.writes() == []

    for asked in made_again(here):
        assert asked.refusals()
        sys.stdout.write(f"{asked.dag_id} {asked.run_id}: {asked.why('modify_platform_domains')[:120]}\n")
    assert [body["action"] for _, _, body in here.writes()] == ["add"]  # the one that was approved

    equal = here.asked(OURS, "equal", {"appid": APPIDS[8]}).waits()
    first = equal.question()
    equal.answer("Reject")
    assert equal.ends() == "success"
    equal.clear("approve_release")
    assert equal.waits().question().digest == first.digest
    equal.answer("Approve")
    assert equal.ends() == "success"
    account = here.account(APPIDS[8])
    assert account.release_info is not None
    assert account.release_info["release_version"] == first["user_version"]
    assert [(path, appid) for path, appid, _ in here.writes()][1:] == [("/wxa/release", APPIDS[8])]


# Twenty runs, something random between question and answer ---------------------------------------------------------


def nothing(asked: Asked, account: MiniProgram) -> None: ...


def somebody_releases(asked: Asked, account: MiniProgram) -> None:
    put_online(account, "9.9")


def a_domain_goes(asked: Asked, account: MiniProgram) -> None:
    account.third_webviewdomain = [ORIGIN, "https://evil.example.com"]


def a_newer_sheet(asked: Asked, account: MiniProgram) -> None:
    account.sheets.append(sheet(Stage.APPROVED, 8, user_desc="theirs", submit_audit_time=2))


def the_history_changes(asked: Asked, account: MiniProgram) -> None:
    account.versions[0] |= {"user_desc": "another one"}


def the_xcom_changes(asked: Asked, account: MiniProgram) -> None:
    if asked.dag_id == ROLLBACK:
        listed = asked.here.api.xcom(ROLLBACK, asked.run_id, "list_versions")
        asked.forge("list_versions", listed | {"target": listed["others"][-1]})
    else:
        asked.forge("approve_release", {"outcome": "approved", "user_version": "6.6.6"})


def the_list_changes(asked: Asked, account: MiniProgram) -> None:
    asked.here.platform.testing = [*LISTED, "t.example.net"]


DISTURBANCES: Final[Mapping[str, list[Callable[[Asked, MiniProgram], None]]]] = {
    OURS: [nothing, nothing, somebody_releases, a_domain_goes, a_newer_sheet, the_xcom_changes],
    ROLLBACK: [nothing, nothing, somebody_releases, the_history_changes, the_xcom_changes],
    PLATFORM: [nothing, the_list_changes],
}


def sent_as_shown(asked: Asked, question: Question, account: MiniProgram, before: dict[str, Any]) -> bool:
    """Tell whether something was sent; it is what the question showed, field by field."""
    here = asked.here
    if asked.dag_id == PLATFORM:
        sent = here.changes_of_the_list()[before["changes"] :]
        if not sent:
            return False
        [body] = sent
        assert body["action"] == question["action"]
        assert body["wxa_jump_h5_domain"].split(";") == question["hosts"]
        assert (before["testing"], before["published"]) == (question["testing"], question["published"])
        return True
    online = account.release_info
    assert online is not None
    if asked.dag_id == OURS:
        sheet = account.sheets[-1]
        if sheet.stage is not Stage.ONLINE:
            return False
        shown = (question["user_version"], question["auditid"])
        assert (online["release_version"], str(sheet.auditid)) == shown
        assert f"[wxa:{question['fingerprint']}]" in online["release_desc"]
        assert (before["own"], question["domains"]) == (question["configured"], [ORIGIN])
    else:
        if account.versions:
            return False
        target = question["target"]
        assert (str(account.app_version), online["release_version"], online["release_desc"]) == (
            target["app_version"],
            target["user_version"],
            target["user_desc"],
        )
    assert before["online"] == {
        "release_time": question["online"]["time"],
        "release_version": question["online"]["version"],
        "release_desc": question["online"]["description"],
    }
    return True


def test_what_was_sent_is_what_the_question_showed(here: Here) -> None:
    chance = random.Random(20261129)  # noqa: S311
    sent: dict[str, int] = {}
    kinds = [OURS] * 9 + [ROLLBACK] * 7 + [PLATFORM] * 4
    runs = [(dag_id, APPIDS[10 + number], DISTURBANCES[dag_id]) for number, dag_id in enumerate(kinds)]
    asked = {
        appid: here.asked(dag_id, f"random_{appid}", {"appid": appid})
        for dag_id, appid, _ in runs
        if dag_id != PLATFORM
    }
    for dag_id, appid, disturbances in runs:
        account = here.account(appid)
        if dag_id == PLATFORM:
            here.platform.testing = here.platform.published = LISTED.copy()
            conf = {"action": "add", "hosts": [f"{appid}.example.com"]}
            asked[appid] = here.asked(dag_id, f"random_{appid}", conf)
        question = asked[appid].waits().question()
        disturb = chance.choice(disturbances)
        disturb(asked[appid], account)
        before = {
            "changes": len(here.changes_of_the_list()),
            "testing": list(here.platform.testing),
            "published": list(here.platform.published or ()),
            "own": list(account.third_webviewdomain),
            "online": dict(account.release_info or {}),
        }
        asked[appid].answer("Approve")
        state = asked[appid].ends()
        is_sent = sent_as_shown(asked[appid], question, account, before)
        assert is_sent == (state == "success"), asked[appid].why(TASKS[dag_id][1])
        if not is_sent:
            assert disturb is not nothing, asked[appid].why(TASKS[dag_id][0]) + asked[appid].why(TASKS[dag_id][1])
        what = f"{dag_id} {disturb.__name__}: {'sent as shown' if is_sent else 'refused'}"
        sent[what] = sent.get(what, 0) + 1
    for what, count in sorted(sent.items()):
        sys.stdout.write(f"{count} × {what}\n")  # noqa: RUF001
    assert sum(sent.values()) == RUNS
