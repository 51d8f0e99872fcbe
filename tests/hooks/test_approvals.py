"""A decision from before questions were kept lets through what it named, and nothing else."""

import pytest

from airflow_wxa.hooks.approvals import refusal
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import Approved, RollbackPlan

#: As ``list_versions`` returned it, and the ledger noted the approval, before questions were kept.
PLAN = {
    "appid": APPID,
    "online": {"version": "3", "description": "v3", "time": 1},
    "target": {"app_version": "12", "user_version": "2", "user_desc": "v2", "commit_time": 1},
    "others": [],
    "effective": [],
    "own": ["https://m.example.com"],
    "dropped": [],
}
DECISION = {"outcome": "approved", "online": "3", "online_since": 1, "user_version": "2", "app_version": "12"}


@pytest.mark.parametrize(
    ("decided", "differs"),
    [
        ({}, ""),
        ({"app_version": "11"}, "app_version"),
        ({"user_version": "1"}, "user_version"),
        ({"online": "2"}, "online"),
        ({"online_since": 2}, "online_since"),
    ],
)
def test_a_rollback_approved_before_questions_were_kept_is_done(decided: dict[str, object], differs: str) -> None:
    named = RollbackPlan.from_json(PLAN).named
    error = refusal("rollback", Approved("approve_rollback", APPID, named), DECISION | decided)
    assert (list(error.values)[1:] if error else []) == ([differs] if differs else [])
    gone = Approved("approve_rollback", APPID, {**named, "target": None})  # from WeChat's list
    assert refusal("rollback", gone, DECISION | decided) is not None
