"""Whose a version is: forged and pasted marks, other content, cut-off descriptions. None of them is ever published."""

from typing import Any

import pytest

from airflow_wxa.errors import WxaSpecError, WxaStateError
from airflow_wxa.steps import commit_code
from tests.steps.answers import (
    APPROVED,
    AUDITING,
    NO_SHEET,
    OURS,
    VERSION,
    a_sheet,
    commits,
    releases,
    submits,
    verifies,
    versions,
)
from tests.steps.conftest import Script


@pytest.fixture(params=["pasted behind ours", "other content", "our mark, other version", "by hand"])
def forged(request: pytest.FixtureRequest) -> dict[str, str]:
    """Return a version that is not ours, though much of it is."""
    ours = VERSION.described("release 1.4.0")
    return {
        "pasted behind ours": {"user_version": "1.4.0", "user_desc": f"{ours} [wxa:0badcafe]"},
        "other content": {"user_version": "1.4.0", "user_desc": "release 1.4.0 [wxa:0badcafe]"},
        "our mark, other version": {"user_version": "9.9.9", "user_desc": ours},
        "by hand": {"user_version": "1.4.0", "user_desc": "release 1.4.0"},
    }[request.param]


def test_a_forged_version_is_not_submitted_published_or_taken_for_a_proof(
    script: Script, forged: dict[str, str]
) -> None:
    def named(error: WxaStateError) -> bool:
        return all(part in str(error) for part in forged.values())

    with pytest.raises(WxaStateError) as raised:
        submits(script, NO_SHEET, trial=forged, said=None)
    assert named(raised.value)
    with pytest.raises(WxaStateError) as raised:
        releases(script, versions(), sheets=a_sheet(forged, APPROVED), said=None, noted="1234567")
    assert named(raised.value)
    with pytest.raises(WxaStateError) as raised:
        verifies(script, online=forged, released_at=1)
    assert named(raised.value)


def test_a_mark_in_a_description_of_ones_own_is_refused_before_anything_is_sent(script: Script) -> None:
    with pytest.raises(WxaSpecError, match=r"holds \[wxa:"):
        script.play(commit_code(VERSION, VERSION.described("pasted from WeChat's console")))
    assert script.calls == []


@pytest.mark.parametrize("kept", [13, 17, 25])
def test_a_description_that_comes_back_cut_off_says_so_and_what_to_shorten(script: Script, kept: int) -> None:
    cut: dict[str, Any] = OURS | {"user_desc": OURS["user_desc"][:kept]}
    with pytest.raises(WxaStateError, match="WeChat cut the description off") as raised:
        commits(script, versions(), versions(cut))
    assert not raised.value.retryable
    assert f"at most {max(kept - 15, 0)} characters" in raised.value.next_step


def test_a_sheet_with_a_cut_off_description_is_not_withdrawn(script: Script) -> None:
    cut = OURS | {"user_desc": OURS["user_desc"][:-3]}
    with pytest.raises(WxaStateError, match="WeChat cut the description off"):
        commits(script, versions(), sheets=a_sheet(cut, AUDITING), said=None, withdraw=True)
    assert "undocodeaudit" not in script.asked
