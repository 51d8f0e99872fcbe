"""A rollback, call by call: which version one step back is, where names alone do not tell."""

from typing import Any

import pytest

from airflow_wxa.errors import WxaSpecError, WxaStateError
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import Approved, plan_rollback, roll_back
from airflow_wxa.steps.rollback import RollbackPlan
from tests.steps.conftest import Script, stops

AROUND: dict[str, Any] = {"own": {"webviewdomain": []}, "effective": {}}


def online(version: str, description: str) -> dict[str, Any]:
    return {"release_info": {"release_time": 9, "release_version": version, "release_desc": description}}


def listed(*versions: tuple[int, str, str]) -> dict[str, Any]:
    names = ("app_version", "user_version", "user_desc")
    return {"version_list": [dict(zip(names, each, strict=True)) for each in versions]}


def plans(script: Script, description: str, *versions: Any, app_version: str = "", **around: Any) -> RollbackPlan:
    """Plan a rollback while 1.3.0 of that description is online, and these versions are kept."""
    step, looks = plan_rollback(APPID, app_version), online("1.3.0", description)
    return script.play(step, looks=looks, revertcoderelease=listed(*versions), **around)


#: Description of the version online, and versions of which it may be several or none.
AMBIGUOUS = [
    ("", [(12, "1.3.0", "fix"), (11, "1.2.0", "")]),  # released again under the same name
    ("", [(12, "1.3.0", ""), (11, "1.3.0", "")]),  # a tool that names all alike
    ("fix", [(12, "1.3.0", ""), (11, "1.2.0", "")]),
]


@pytest.mark.parametrize(("description", "versions"), AMBIGUOUS)
def test_one_step_back_is_not_guessed(script: Script, description: str, versions: list[tuple[int, str, str]]) -> None:
    with pytest.raises(WxaSpecError, match=r"(?s)one step back is not clear.*12 \(1\.3\.0\), 11 "):
        plans(script, description, *versions)


def test_a_version_is_planned_by_its_number_or_as_the_one_below_both_texts_online(script: Script) -> None:
    named = plans(script, "", (12, "1.3.0", ""), (11, "1.3.0", ""), app_version="12", **AROUND)
    assert (named.target.app_version, [each.app_version for each in named.others]) == ("12", ["11"])
    below = plans(script, "fix", (13, "1.3.0", "fix"), (12, "1.3.0", "first"), (11, "1.2.0", ""), **AROUND)
    assert below.target.app_version == "12"


def test_nothing_is_rolled_back_that_nobody_has_approved(script: Script) -> None:
    plan = plans(script, "sale", (12, "1.2.0", "fix"), **AROUND)
    refused = WxaStateError("nobody has approved it")
    step, looks = roll_back(plan, Approved("approve", APPID, {})), online("1.3.0", "sale")
    stops(refused)(lambda: script.play(step, approved=refused, looks=looks))
    assert script.asked.count("revertcoderelease") == 1  # which listed the versions
