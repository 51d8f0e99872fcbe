"""The audit sheet as a value, and the calls about it."""

from typing import Any

from airflow_wxa.api.audit import AuditSheet, AuditStatus, read_sheet, withdrawals_left
from airflow_wxa.api.call import Reply
from tests.tables import each_row

APPID = "wx0000000000000001"


#: WeChat's number, its name, whether the review still runs, and whether the sheet leads somewhere.
STATUSES = [
    (0, "APPROVED", False, True),
    (1, "REJECTED", False, False),
    (2, "AUDITING", True, True),
    (3, "WITHDRAWN", False, False),
    (4, "DELAYED", True, True),
]


@each_row("status, word, is_open, is_live", STATUSES)
def test_wechats_numbers_have_names(status: int, word: str, is_open: bool, is_live: bool) -> None:
    sheet = read_sheet(Reply({"status": status}), "7")
    assert sheet.status is AuditStatus[word]
    assert (sheet.status.is_open, sheet.is_live) == (is_open, is_live)


NULLS = dict.fromkeys(("reason", "screenshot", "ScreenShot", "user_version", "user_desc"))


#: Fields of an answer, and what the sheet has of them.
SPELT = [
    *[({name: "m1|m2|"}, {"screenshot": ("m1", "m2")}) for name in ("screenshot", "ScreenShot")],
    *[({"auditid": auditid}, {"auditid": "1234567"}) for auditid in (1234567, "1234567")],
    ({"reason": "1: one<br>2: two<br/>"}, {"reason": "1: one\n2: two"}),
    ({"reason": "1: one<BR />  2: two"}, {"reason": "1: one\n2: two"}),
    ({"reason": "plain"}, {"reason": "plain"}),
    ({"reason": ""}, {}),
    (NULLS, {}),
    ({}, {}),  # it is about the sheet asked for
]


@each_row("answer, read", SPELT)
def test_a_sheet_is_read_however_it_is_spelt(answer: dict[str, Any], read: dict[str, Any]) -> None:
    sheet = AuditSheet(**{"auditid": "7", "status": AuditStatus.DELAYED, **read})
    assert read_sheet(Reply({"status": 4, **answer}), "7") == sheet


@each_row("spent, left", [((0, 0), 5), ((2, 9), 1), ((5, 5), 0), ((0, 11), -1)])
def test_withdrawals_are_bounded_by_the_day_and_by_the_month(spent: tuple[int, int], left: int) -> None:
    assert withdrawals_left(*spent) == left
