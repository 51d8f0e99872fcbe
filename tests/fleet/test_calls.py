"""What a fleet asks WeChat for each Mini Program, and what for; and how often it asks the ledger.

No stage asks twice for one answer, and questions of one moment are read together.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Final
from unittest.mock import patch

import pytest

from airflow_wxa.api.code import getversioninfo
from airflow_wxa.fleet.stages import STAGES, Progress, Stage
from airflow_wxa.hooks.recorder import Recorder
from airflow_wxa.release import ReleaseSpec
from airflow_wxa.sandbox import Fault, RunningSandbox
from airflow_wxa.sandbox.testing import PLATFORM_TOKEN
from airflow_wxa.steps import Step
from airflow_wxa.store import Ledger
from airflow_wxa.store.fleets import FleetApp
from tests.fleet.driving import Drives

COUNT = 3
#: Proof that nothing goes offline unsaid, which no figure counts; its last answer proves the wanted domains, too.
UNSAID: Final = "nothing goes offline unsaid"
PLATFORM_LIST: Final = "modify_wxa_jump_domain get"
PROOF: Final = [("get_effective_webviewdomain", UNSAID), ("get_effective_domain", UNSAID)]
PLAN: Final = [
    ("getversioninfo", "what is on trial and online"),
    ("get_latest_auditstatus", "a sheet to adopt, or somebody else's in audit"),
    ("setwebviewdomain get", "domains that come and go, as the plan shows them"),
]
LAST_LOOK: Final = ("get_latest_auditstatus", "last look before the write: a sheet of ours, or a foreign one")
#: Stage → each call of a first release and its purpose, and the same of a release that is online already.
CALLS: Final[dict[str, tuple[list[tuple[str, str]], list[tuple[str, str]]]]] = {
    "plan": ([*PLAN, *PROOF], PLAN),
    "configure_domains": (
        [
            ("setwebviewdomain get", "last look before the write, and whether it is needed"),
            ("setwebviewdomain set", "write"),
            ("setwebviewdomain get", "read-back"),
            *PROOF,
        ],
        [("setwebviewdomain get", "whether a write is needed"), *PROOF],
    ),
    "commit_code": (
        [
            ("getversioninfo", "last look before the write: ours may be there"),
            LAST_LOOK,
            ("commit", "write"),
            ("getversioninfo", "read-back"),
            *PROOF,
        ],
        [],
    ),
    "submit_audit": (
        [
            ("get_code_privacy_info", "whether the scan has ended"),
            LAST_LOOK,
            ("getversioninfo", "last look before the write: what is on trial is submitted"),
            ("submit_audit", "write"),
            ("get_latest_auditstatus", "read-back"),
        ],
        [],
    ),
    "release_rest": (
        [
            ("get_auditstatus", "where the review stands"),
            ("getversioninfo", "last look before the write: ours may be online"),
            ("setwebviewdomain get", UNSAID),
            *PROOF,
            ("get_latest_auditstatus", "last look before the write: whose sheet is approved"),
            ("release", "write"),
            ("getversioninfo", "read-back"),
            *PROOF,
        ],
        [("getversioninfo", "ours is online"), *PROOF],
    ),
}


def asked(wechat: RunningSandbox, work: Callable[[], object]) -> list[str]:
    """Return what the work made WeChat answer for each Mini Program, by name."""
    before = len(wechat.journal)
    work()
    counts = Counter[str]()
    for entry in list(wechat.journal)[before:]:
        action = (entry.body or {}).get("action", "") if isinstance(entry.body, dict) else ""
        counts[f"{entry.path.rpartition('/')[2]} {action}".strip()] += 1
    assert counts.pop(PLATFORM_LIST, 0) <= COUNT  # a shard keeps it for some seconds
    assert all(count % COUNT == 0 for count in counts.values()), counts
    return sorted(name for name, count in counts.items() for _ in range(count // COUNT))


def test_each_call_of_each_stage_has_its_purpose(drive: Drives) -> None:
    of_release = {each.steps for name, each in STAGES.items() if not name.startswith("rollback")}
    assert {STAGES[name].steps for name in CALLS if name in STAGES} == of_release
    driven = drive(COUNT)
    for turn in (0, 1):
        driven.platform_token = PLATFORM_TOKEN
        for stage, calls in CALLS.items():
            work = driven.plan if stage == "plan" else partial(driven.stage, stage)
            assert asked(driven.wechat, work) == sorted(call for call, _ in calls[turn]), (stage, turn)
            if stage == "configure_domains":
                driven.gate()
        assert driven.outcomes == {"released": COUNT}
        driven = driven.another("again")


def test_a_stage_behind_a_release_takes_up_what_is_online(drive: Drives, monkeypatch: pytest.MonkeyPatch) -> None:
    def look_again(app: FleetApp, spec: ReleaseSpec) -> Step[Progress]:
        yield getversioninfo(app.appid)
        return Progress(values={"outcome": "released"})

    monkeypatch.setitem(STAGES, "look_again", Stage(4, (look_again,), behind="released"))  # type: ignore[arg-type]
    driven = drive(COUNT)
    driven.submitted()
    assert asked(driven.wechat, partial(driven.stage, "look_again")) == []
    driven.released("rest")
    assert asked(driven.wechat, partial(driven.stage, "look_again")) == ["getversioninfo"]
    assert {(app.done, app.outcome) for app in driven.apps().values()} == {("look_again", "released")}
    driven.wechat.add_fault(Fault(path="/wxa/getversioninfo", kind="errcode_before", errcode=61003))
    driven.stage("look_again")
    assert {app.outcome for app in driven.apps().values()} == {"released"}  # an error takes nothing back


# Of 120 some 20 to 40 are seen; 141 while each moment's questions were read together, 244 before that.
@pytest.mark.parametrize(("count", "most"), [(40, 20), pytest.param(120, 40, marks=pytest.mark.load)])
def test_a_fleet_reads_the_ledger_for_many_mini_programs_at_once(drive: Drives, count: int, most: int) -> None:
    with patch.object(Ledger, "writes_of", autospec=True, side_effect=Ledger.writes_of) as reads:
        assert drive(count).carried() == {"released": count}
    assert 0 < reads.call_count <= most


def test_a_release_asks_the_ledger_for_itself(drive: Drives, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another attempt of the task may have sent it since this one began: what was read then would send it twice."""
    here = drive(2)
    here.submitted()
    monkeypatch.setattr(Recorder, "noted", lambda *_: pytest.fail("read ahead"))
    here.released()
    assert here.outcomes == {"released": 2}
