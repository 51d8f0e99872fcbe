"""What was approved is what was seen, on a real Airflow: no write that the question did not show.

Each run stops at its question. Then the world, the run or its XComs change, and the run goes on. The writes that WeChat
was sent are compared with the question, field by field.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

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
from tests.real_airflow.airflows import LISTED, ORIGIN, Run, against, mini_program, online, sheet, world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from airflow_wxa.operators.approval import WxaApprovalOperator
    from airflow_wxa.sandbox import RunningSandbox
    from airflow_wxa.store import Entry

pytestmark = pytest.mark.real_airflow

EARLIER: Final = "Airflow shows the earlier question: trigger a new run of this version"
OURS, ROLLBACK, PLATFORM, FLEET = "our_release", "wxa_rollback", "wxa_platform_domains", "wxa_fleet_release"
OTHER: Final = "other_platform"
#: DAG → the task that asks, the task that acts, and the operator that asks.
TASKS: Final[Mapping[str, tuple[str, str, type[WxaApprovalOperator] | None]]] = {
    OURS: ("approve_release", "release", WxaApproveReleaseOperator),
    ROLLBACK: ("approve_rollback", "rollback", WxaApproveRollbackOperator),
    PLATFORM: ("approve_change", "modify_platform_domains", WxaApprovePlatformDomainOperator),
    FLEET: ("approve_plan", "check_platform_list", None),
    OTHER: ("approve_change", "modify_platform_domains", None),
}
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
other = platform_domains_dag("other_platform", **once)
"""


def account_of(appid: str) -> MiniProgram:
    """Return a Mini Program whose 1.4.0 is approved by WeChat, and that can go back to 2, 1 and 0."""
    described = CodeVersion.of(appid, 47, "1.4.0").described("d")
    sheets = [sheet(Stage.APPROVED, user_desc=described)]
    return mini_program(appid, third_webviewdomain=[ORIGIN], sheets=sheets, **online(3, 2, 1, 0))


@dataclass
class Asked(Run):
    """A run that waits at its question, or has gone on."""

    @property
    def asks(self) -> str:
        return TASKS[self.dag_id][0]

    @property
    def acts(self) -> str:
        return TASKS[self.dag_id][1]

    def asked(self, conf: Mapping[str, Any]) -> Asked:
        """Trigger it, and wait until it is asked."""
        return self.triggered(conf).waits(self.asks)

    def ended(self) -> str:
        """Wait for its end, and return why its question, or its act, came to nothing."""
        assert self.ends() == "failed"
        return " ".join((self.said(self.asks) or self.said(self.acts)).split())

    def rows(self) -> list[Entry]:
        """Return the ledger's rows of this run, the newest first."""
        rows = read_ledger(self.airflow.home)
        return [each for each in rows if (each.task.dag_id, each.task.run_id) == (self.dag_id, self.run_id)]

    def refusals(self) -> list[str]:
        return [each.errmsg for each in self.rows() if each.result == "refused" and each.endpoint == "approve_release"]

    def question(self) -> Question:
        """Return the latest question as the ledger has it; it is the one that Airflow shows."""
        kept = next(each.asked["question"] for each in self.rows() if each.asked and "question" in each.asked)
        question = Question(kept["asks"], {name: Fact(**fact) for name, fact in kept["facts"].items()}, kept["nonce"])
        shown, operator = self.get(f"/taskInstances/{self.asks}/-1/hitlDetails"), TASKS[self.dag_id][2]
        assert shown["body"].splitlines()[-1] == question.line
        if operator is not None:
            assert operator.words(question) == (shown["subject"], shown["body"].removesuffix(f"\n\n{question.line}"))
        return question


@dataclass
class Here:
    """The Airflow, and the WeChat that it talks to."""

    airflow: ThrowawayAirflow
    wechat: RunningSandbox

    def run(self, dag_id: str, run_id: str) -> Asked:
        return Asked(self.airflow, dag_id, run_id)

    def account(self, appid: str) -> MiniProgram:
        return self.wechat.world.mini_program(appid)

    @property
    def platform(self) -> Platform:
        return self.wechat.world.platforms[0]

    def list_only(self, *hosts: str) -> None:
        """Let both lists of the platform hold the usual host, and these."""
        self.platform.testing = self.platform.published = [*LISTED, *hosts]

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
    home = tmp_path_factory.mktemp("approvals")
    (home / "manifests").mkdir()
    with serve(world(map(account_of, APPIDS))) as wechat:
        environment = against(wechat, AIRFLOW__WXA__MANIFEST_FOLDER=str(home / "manifests"))
        airflow = ThrowawayAirflow(home=home, environment=environment, dags={"approvals.py": DAG_FILE})
        with airflow.running(*TASKS):
            yield Here(airflow, wechat)


def changed_facts(here: Here) -> Iterator[Asked]:
    """Clear what asked, or what it asks about, after the facts have changed; yield the runs, which all must fail."""
    release, online, back = APPIDS[:3]
    asked = here.run(OURS, "changed").asked({"appid": release})
    here.account(release).third_webviewdomain = [ORIGIN, "https://b.example.com"]
    asked.runs_again(asked.asks)
    yield asked

    asked = here.run(OURS, "changed_online").asked({"appid": online})
    somebody_releases(here, asked, here.account(online))
    asked.answer(asked.asks, "Reject")
    asked.ends()
    asked.runs_again(asked.asks)
    yield asked

    asked = here.run(ROLLBACK, "changed").asked({"appid": back})
    here.account(back).versions[0] |= {"user_version": "2.9"}
    asked.runs_again("list_versions")
    yield asked

    asked = here.run(PLATFORM, "changed").asked({"action": "set", "hosts": ["new.example.com"]})
    here.list_only("other.example.net")
    asked.runs_again("read_platform_domains")
    yield asked
    here.list_only()

    manifest = here.airflow.home / "manifests" / "fleet.yaml"
    text = {"release": {"webviewdomain": [ORIGIN], "template_id": 47, "user_version": "2.0.0"}, "apps": [APPIDS[3]]}
    manifest.write_text(yaml.safe_dump(text), "utf-8")
    asked = here.run(FLEET, "changed").asked({"manifest": manifest.name})
    manifest.write_text(yaml.safe_dump(text).replace("2.0.0", "6.6.6"), "utf-8")
    asked.runs_again("load_manifest")
    yield asked


def forged_and_marked(here: Here) -> Iterator[Asked]:
    """Edit XComs before the answer and behind it, and mark the question success."""
    behind = here.run(ROLLBACK, "forged").asked({"appid": APPIDS[5]})
    listed = behind.returned("list_versions")
    behind.forge("list_versions", listed | {"target": listed["target"] | {"app_version": "10"}})
    behind.answer(behind.asks)
    yield behind
    for dag_id, conf in (
        (OURS, {"appid": APPIDS[6]}),
        (ROLLBACK, {"appid": APPIDS[7]}),
        (PLATFORM, {"action": "add", "hosts": ["marked.example.com"]}),
    ):
        asked = here.run(dag_id, "marked").asked(conf)
        asked.forge(asked.asks, {"outcome": "approved", "by": "admin"})
        asked.mark(asked.asks)
        yield asked


def made_again(here: Here) -> Iterator[Asked]:
    """Use decisions of a run that was deleted, and of a run of the same id of another DAG, for the same change.

    The DAG is paused meanwhile, so that what would ask is marked before it begins: nothing joins the run but the write.
    """
    conf = {"action": "add", "hosts": ["again.example.com"]}
    first = here.run(PLATFORM, "again").asked(conf)
    first.answer(first.asks)
    first.succeeds()
    run_after = first.get()["run_after"]
    for dag_id, more in ((PLATFORM, {}), (PLATFORM, {"run_after": run_after}), (OTHER, {})):
        here.list_only()
        again = here.run(dag_id, "again")
        again.sends("PATCH", f"/dags/{dag_id}", {"is_paused": True})
        if dag_id == PLATFORM:
            again.sends("DELETE", again.place)
        again.starts(conf, **more)
        for task_id in ("read_platform_domains", "approve_change"):
            again.mark(task_id)
        again.sends("PATCH", f"/dags/{dag_id}", {"is_paused": False})
        yield again
        assert here.platform.published == LISTED


def test_no_question_no_write(here: Here) -> None:
    for asked in changed_facts(here):
        assert EARLIER in asked.ended()
        assert asked.task(asked.acts).state == "upstream_failed"
        assert any("Airflow shows the earlier question" in each for each in asked.refusals())

    for asked in forged_and_marked(here):
        assert "not carried out" in asked.ended()
        assert asked.refusals()
    assert here.writes() == []

    for asked in made_again(here):
        assert "nobody has approved it" in asked.ended()
        assert asked.refusals()
    assert [body["action"] for _, _, body in here.writes()] == ["add"]  # the one that was approved

    equal = here.run(OURS, "equal").asked({"appid": APPIDS[8]})
    first = equal.question()
    equal.answer(equal.asks, "Reject")
    equal.succeeds()
    equal.runs_again(equal.asks)
    assert equal.waits(equal.asks).question().digest == first.digest
    equal.answer(equal.asks)
    equal.succeeds()
    assert (here.account(APPIDS[8]).release_info or {})["release_version"] == first["user_version"]
    assert [(path, appid) for path, appid, _ in here.writes()][1:] == [("/wxa/release", APPIDS[8])]


# Twenty runs, something random between question and answer ---------------------------------------------------------


def nothing(here: Here, asked: Asked, account: MiniProgram) -> None: ...


def somebody_releases(here: Here, asked: Asked, account: MiniProgram) -> None:
    account.release_info = {"release_time": 9, "release_version": "9.9", "release_desc": "v9.9"}


def a_domain_goes(here: Here, asked: Asked, account: MiniProgram) -> None:
    account.third_webviewdomain = [ORIGIN, "https://evil.example.com"]


def a_newer_sheet(here: Here, asked: Asked, account: MiniProgram) -> None:
    account.sheets.append(sheet(Stage.APPROVED, 8, user_desc="theirs", submit_audit_time=2))


def the_history_changes(here: Here, asked: Asked, account: MiniProgram) -> None:
    account.versions[0] |= {"user_desc": "another one"}


def the_xcom_changes(here: Here, asked: Asked, account: MiniProgram) -> None:
    if asked.dag_id == ROLLBACK:
        listed = asked.returned("list_versions")
        asked.forge("list_versions", listed | {"target": listed["others"][-1]})
    else:
        asked.forge(asked.asks, {"outcome": "approved", "user_version": "6.6.6"})


def the_list_changes(here: Here, asked: Asked, account: MiniProgram) -> None:
    here.platform.testing = [*LISTED, "t.example.net"]


Disturbance: TypeAlias = "Callable[[Here, Asked, MiniProgram], None]"
#: DAG → how many runs, and what happens to some of them.
DISTURBANCES: Final[Mapping[str, tuple[int, list[Disturbance]]]] = {
    OURS: (9, [nothing, nothing, somebody_releases, a_domain_goes, a_newer_sheet, the_xcom_changes]),
    ROLLBACK: (7, [nothing, nothing, somebody_releases, the_history_changes, the_xcom_changes]),
    PLATFORM: (4, [nothing, the_list_changes]),
}


def facts(here: Here, account: MiniProgram) -> dict[str, Any]:
    """Return what a question is about, before the answer."""
    platform = here.platform
    return {
        "changes": len(here.changes_of_the_list()),
        "lists": (list(platform.testing), list(platform.published or ())),
        "own": list(account.third_webviewdomain),
        "online": dict(account.release_info or {}),
    }


def sent_as_shown(here: Here, dag_id: str, question: Question, account: MiniProgram, before: Mapping[str, Any]) -> bool:
    """Tell whether something was sent; it is what the question showed, field by field."""
    if dag_id == PLATFORM:
        sent = here.changes_of_the_list()[before["changes"] :]
        for body in sent:
            assert (body["action"], body["wxa_jump_h5_domain"].split(";")) == (question["action"], question["hosts"])
            assert before["lists"] == (question["testing"], question["published"])
        return len(sent) == 1
    online, sheet = account.release_info or {}, account.sheets[-1]
    if account.versions if dag_id == ROLLBACK else sheet.stage is not Stage.ONLINE:
        return False
    if dag_id == OURS:
        shown = (question["user_version"], question["auditid"])
        assert (online["release_version"], str(sheet.auditid)) == shown
        assert f"[wxa:{question['fingerprint']}]" in online["release_desc"]
        assert (before["own"], question["domains"]) == (question["configured"], [ORIGIN])
    else:
        target = (str(account.app_version), online["release_version"], online["release_desc"])
        assert target == tuple(question["target"][each] for each in ("app_version", "user_version", "user_desc"))
    names = {"time": "release_time", "version": "release_version", "description": "release_desc"}
    assert before["online"] == {name: question["online"][shown] for shown, name in names.items()}
    return True


def test_what_was_sent_is_what_the_question_showed(here: Here) -> None:
    chance, appids = random.Random(20261129), iter(APPIDS[10:])  # noqa: S311
    runs = [(dag_id, next(appids)) for dag_id, (count, _) in DISTURBANCES.items() for _ in range(count)]
    for dag_id, appid in runs:  # those that change the list wait for one another
        if dag_id != PLATFORM:
            here.run(dag_id, appid).triggered({"appid": appid})
    seen = Counter[str]()
    for dag_id, appid in runs:
        asked, account = here.run(dag_id, appid), here.account(appid)
        if dag_id == PLATFORM:
            here.list_only()
            asked.triggered({"action": "add", "hosts": [f"{appid}.example.com"]})
        question = asked.waits(asked.asks).question()
        disturb = chance.choice(DISTURBANCES[dag_id][1])
        disturb(here, asked, account)
        before = facts(here, account)
        asked.answer(asked.asks)
        state = asked.ends()
        is_sent = sent_as_shown(here, dag_id, question, account, before)
        why = asked.said(asked.asks) + asked.said(asked.acts)
        assert is_sent == (state == "success"), why
        assert is_sent or disturb is not nothing, why
        seen[f"{dag_id} {disturb.__name__}: {'sent as shown' if is_sent else 'refused'}"] += 1
    sys.stdout.write("".join(f"{count} × {what}\n" for what, count in sorted(seen.items())))  # noqa: RUF001
