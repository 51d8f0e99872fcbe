"""What a fleet asks WeChat for each Mini Program, call by call, and what for: no stage asks twice for one answer."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest

from airflow_wxa.fleet.stages import STAGES
from airflow_wxa.sandbox.server import serve
from airflow_wxa.sandbox.testing import PLATFORM_TOKEN
from airflow_wxa.store.fleets import RunKey
from tests.fleet.driving import Drive
from tests.fleet.fleets import appid, fleet_world, manifest, token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from airflow_wxa.sandbox import RunningSandbox

COUNT = 3
#: Proof that nothing goes offline unsaid, which no figure counts; its last answer proves the wanted domains, too.
UNSAID: Final = "nothing goes offline unsaid"
PLATFORM_LIST: Final = "modify_wxa_jump_domain get"
#: Stage → each call of a first release, and what it is for.
FIRST: Final[dict[str, list[tuple[str, str]]]] = {
    "plan": [
        ("getversioninfo", "what is on trial and online"),
        ("get_latest_auditstatus", "a sheet to adopt, or somebody else's in audit"),
        ("setwebviewdomain get", "domains that come and go, as the plan shows them"),
        ("get_effective_webviewdomain", UNSAID),
        ("get_effective_domain", UNSAID),
    ],
    "configure_domains": [
        ("setwebviewdomain get", "last look before the write, and whether it is needed"),
        ("setwebviewdomain set", "write"),
        ("setwebviewdomain get", "read-back"),
        ("get_effective_webviewdomain", UNSAID),
        ("get_effective_domain", UNSAID),
    ],
    "commit_code": [
        ("getversioninfo", "last look before the write: ours may be there"),
        ("get_latest_auditstatus", "last look before the write: a sheet of ours, or a foreign one"),
        ("commit", "write"),
        ("getversioninfo", "read-back"),
        ("get_effective_webviewdomain", UNSAID),
        ("get_effective_domain", UNSAID),
    ],
    "submit_audit": [
        ("get_code_privacy_info", "whether the scan has ended"),
        ("get_latest_auditstatus", "last look before the write: a sheet of ours, or a foreign one"),
        ("getversioninfo", "last look before the write: what is on trial is submitted"),
        ("submit_audit", "write"),
        ("get_latest_auditstatus", "read-back"),
    ],
    "release_rest": [
        ("get_auditstatus", "where the review stands"),
        ("getversioninfo", "last look before the write: ours may be online"),
        ("setwebviewdomain get", UNSAID),
        ("get_effective_webviewdomain", UNSAID),
        ("get_effective_domain", UNSAID),
        ("get_latest_auditstatus", "last look before the write: whose sheet is approved"),
        ("release", "write"),
        ("getversioninfo", "read-back"),
        ("get_effective_webviewdomain", UNSAID),
        ("get_effective_domain", UNSAID),
    ],
}
#: The same of a release that is online already.
AGAIN: Final[dict[str, list[tuple[str, str]]]] = {
    "plan": FIRST["plan"][:3],
    "configure_domains": [
        ("setwebviewdomain get", "whether a write is needed"),
        ("get_effective_webviewdomain", UNSAID),
        ("get_effective_domain", UNSAID),
    ],
    "commit_code": [],
    "submit_audit": [],
    "release_rest": [
        ("getversioninfo", "ours is online"),
        ("get_effective_webviewdomain", UNSAID),
        ("get_effective_domain", UNSAID),
    ],
}
#: Calls of a first release, and of one that is there already, without those about what goes offline.
MOST, MOST_AGAIN = 20, 5


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[tuple[Drive, RunningSandbox]]:
    tokens = {appid(number): token(number) for number in range(COUNT)}
    with serve(fleet_world(COUNT)) as wechat:
        yield Drive(f"sqlite:///{tmp_path / 'wxa.db'}", wechat.url, tokens, platform_token=PLATFORM_TOKEN), wechat


def asked(wechat: RunningSandbox, work: Callable[[], object]) -> list[str]:
    """Return what the work made WeChat answer for each Mini Program, by name."""
    before = len(wechat.journal)
    work()
    counts = Counter[str]()
    for entry in list(wechat.journal)[before:]:
        action = (entry.body or {}).get("action", "") if isinstance(entry.body, dict) else ""
        name = f"{entry.path.rpartition('/')[2]} {action}".strip()
        counts[name] += 1
    assert counts.pop(PLATFORM_LIST, 0) <= COUNT  # a shard keeps it for some seconds
    assert all(count % COUNT == 0 for count in counts.values()), counts
    return sorted(name for name, count in counts.items() for _ in range(count // COUNT))


@pytest.mark.parametrize(
    ("turn", "expected", "most"), [(0, FIRST, MOST), (1, AGAIN, MOST_AGAIN)], ids=["first", "there already"]
)
def test_each_call_of_each_stage_has_its_purpose(
    drive: tuple[Drive, RunningSandbox], turn: int, expected: dict[str, list[tuple[str, str]]], most: int
) -> None:
    driven, wechat = drive
    for number in range(turn + 1):
        driven.key = RunKey("wxa_fleet_release", f"run {number}")
        driven.load(manifest(COUNT))
        found = {"plan": asked(wechat, driven.plan)}
        found["configure_domains"] = asked(wechat, lambda: driven.stage("configure_domains"))
        driven.gate()
        stages: Any = ("commit_code", "submit_audit", "release_rest")
        found |= {each: asked(wechat, lambda each=each: driven.stage(each)) for each in stages}
        assert {app.outcome for app in driven.apps().values()} == {"released"}
    assert found == {stage: sorted(call for call, _ in calls) for stage, calls in expected.items()}
    assert sum(purpose != UNSAID for calls in expected.values() for _, purpose in calls) == most


def test_each_stage_of_a_release_is_among_them() -> None:
    of_release = {name: each.steps for name, each in STAGES.items() if not name.startswith("rollback")}
    assert {of_release[name] for name in FIRST if name in of_release} == set(of_release.values())
