"""What others do meanwhile: somebody edits the platform's list, somebody releases the same Mini Program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airflow_wxa.sandbox import AuditPlan
from airflow_wxa.sandbox.journal import Journal
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID
from airflow_wxa.steps import lag
from tests.airflow_session import calls, connection
from tests.dags.stepwise import Stepwise

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_wxa.sandbox import Entry, RunningSandbox

pytestmark = pytest.mark.usefixtures("airflow_database", "wxa_default")


class Watched(Journal):
    """A journal that calls somebody as soon as a path was called once."""

    def __init__(self, path: str, act: Callable[[], None]) -> None:
        super().__init__()
        self._path = path
        self._act = act

    def append(self, entry: Entry) -> None:
        super().append(entry)
        if entry.path == self._path:
            self._path = ""
            self._act()


def list_is_edited(sandbox: RunningSandbox) -> None:
    platform = sandbox.world.platform(COMPONENT_APPID)
    platform.testing, platform.published = ["example.org"], ["example.org"]


def online(sandbox: RunningSandbox) -> str:
    info = sandbox.world.mini_program(APPID).release_info or {}
    return str(info.get("release_version", ""))


def accepted_releases(sandbox: RunningSandbox) -> int:
    return len([entry for entry in calls(sandbox.journal, "/wxa/release") if entry.errcode == 0])


# Somebody edits the platform's list ---------------------------------------------------------------------------------


@pytest.mark.parametrize("until", ["commit_code", "wait_for_audit", "release"])
def test_a_list_edited_before_the_guard_reads_it_stops_the_release(wxa_default: RunningSandbox, until: str) -> None:
    run = Stepwise({})
    run.go_on(until=until)
    list_is_edited(wxa_default)
    assert run.go_on() == "failed"
    said = str(run.errors["release"])
    assert "release not sent" in said
    assert "not on the platform list https://m.example.com" in said
    assert "platform list example.org" in said
    assert calls(wxa_default.journal, "/wxa/release") == []
    assert run.states["verify_release"] == "upstream_failed"


def test_a_list_edited_behind_the_guards_back_fails_the_proof_with_the_domain_named(
    wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lag, "_PAUSES", (0.0,))
    run = Stepwise({})
    run.go_on(until="release")
    # The guard's last look before the call is at the audit sheet; the list was read before it.
    journal = Watched("/wxa/get_latest_auditstatus", lambda: list_is_edited(wxa_default))
    wxa_default.journal = journal
    assert run.go_on() == "failed"
    assert run.states["release"] == "success"
    assert accepted_releases(wxa_default) == 1
    said = str(run.errors["verify_release"])
    assert "wanted business domains are not effective" in said
    assert "missing https://m.example.com" in said
    assert "these domains need a new version" in said


def test_without_a_platform_token_the_proof_finds_what_the_guard_could_not_see(
    wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_WXA_DEFAULT", connection(wxa_default.url, component_access_token=None))
    monkeypatch.setattr(lag, "_PAUSES", (0.0,))  # nothing that is read tells it from lag: each try reads on
    run = Stepwise({})
    run.go_on(until="release")
    list_is_edited(wxa_default)
    assert run.go_on() == "failed"
    assert "missing https://m.example.com" in str(run.errors["verify_release"])


# Somebody releases the same Mini Program ----------------------------------------------------------------------------

A, B = "1.4.0", "1.5.0"

# name, turns of the two runs (None: to the end), who is online, whose task stops the loser
INTERLEAVINGS: list[tuple[str, list[tuple[str, str | None]], str, str, str]] = [
    ("committed over", [(A, "submit_audit"), (B, None), (A, None)], B, A, "submit_audit"),
    ("in audit", [(A, "wait_for_audit"), (B, None), (A, None)], A, B, "commit_code"),
    ("approved, not released", [(A, "release"), (B, None), (A, None)], B, A, "release"),
    ("overtaken before the release", [(A, "release"), (B, "release"), (A, None), (B, None)], B, A, "release"),
    ("released over", [(A, "verify_release"), (B, None), (A, None)], B, A, "verify_release"),
]


@pytest.mark.parametrize(
    ("turns", "winner", "loser", "stopped"), [pytest.param(*each[1:], id=each[0]) for each in INTERLEAVINGS]
)
def test_two_runs_on_one_mini_program_never_publish_each_others_version(
    wxa_default: RunningSandbox, turns: list[tuple[str, str | None]], winner: str, loser: str, stopped: str
) -> None:
    wxa_default.world.mini_program(APPID).audit = AuditPlan(polls=2)
    runs: dict[str, Any] = {version: Stepwise({"user_version": version}) for version in (A, B)}
    for version, until in turns:
        before = online(wxa_default)
        runs[version].go_on(until=until)
        assert online(wxa_default) in {before, version}, "a run publishes its own version or none"
    assert online(wxa_default) == winner
    assert runs[winner].errors == {}
    assert list(runs[loser].errors) == [stopped]
    assert winner in str(runs[loser].errors[stopped])
    assert runs[winner].states["verify_release"] == "success"
