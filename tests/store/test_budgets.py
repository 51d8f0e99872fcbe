"""What WeChat counts by the month is never sent more often than that, whoever sends it at the same time."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from sqlalchemy import update

from airflow_wxa.api.audit import undocodeaudit
from airflow_wxa.api.call import Call
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.server_domain import modify_domain, modify_domain_directly, modify_wxa_server_domain
from airflow_wxa.api.webview_domain import setwebviewdomain_directly
from airflow_wxa.errors import WxaQuotaError
from airflow_wxa.store import Ledger, TaskRef
from airflow_wxa.store.tables import ledger as rows
from tests.store.conftest import APPID, PLATFORM, SECOND
from tests.store.processes import together

ROW = CATALOGUE["modify_domain"]
LISTS = {"requestdomain": frozenset({"https://a.example.com"})}
CHANGE = modify_domain(APPID, "add", LISTS)


def spend(ledger: Ledger, times: int, call: Call = CHANGE) -> list[int]:
    return ledger.intend(PLATFORM, [call] * times, TaskRef("d", "r", "t"))


def tries(url: str, times: int) -> int:
    """Return how many of some changes were let through."""
    ledger = Ledger(url)
    through = 0
    for _ in range(times):
        with suppress(WxaQuotaError):
            through += len(spend(ledger, 1))
    return through


def tries_in_threads(url: str) -> int:
    with ThreadPoolExecutor(3) as pool:
        return sum(pool.map(tries, [url] * 3, [2] * 3))


def test_the_fifty_first_of_endpoints_that_share_a_count_is_refused_and_says_what_is_left(ledger: Ledger) -> None:
    spend(ledger, 20)
    spend(ledger, 20, modify_domain_directly(APPID, "add", LISTS))
    spend(ledger, 9, setwebviewdomain_directly(APPID, "add", ["https://a.example.com"]))
    with pytest.raises(WxaQuotaError):  # a batch that the month does not hold is not noted at all
        spend(ledger, 2)
    server = modify_wxa_server_domain("add", ["a.org"])
    spend(ledger, 50, server)  # the platform has a count of its own
    left = [ledger.left(PLATFORM, *whose) for whose in ((APPID, ROW), (SECOND, ROW), ("", server.endpoint))]
    assert left == [1, 50, 0]
    spend(ledger, 1)
    for call, name in ((CHANGE, "modify_domain"), (server, "modify_wxa_server_domain")):
        with pytest.raises(WxaQuotaError, match=rf"(?s){name} not sent: 0 of 50 .*next month") as refused:
            spend(ledger, 1, call)
        assert not refused.value.retryable
    assert len(ledger.entries(most=None)) == 100


def test_last_months_changes_are_over_and_this_months_are_not_erased(ledger: Ledger) -> None:
    first, *_ = spend(ledger, 3)
    with ledger._database.writing() as connection:
        connection.execute(update(rows).where(rows.c.id == first).values(sent_at=rows.c.sent_at - 32 * 86400))
        connection.execute(update(rows).where(rows.c.id > first).values(sent_at=rows.c.sent_at - 7200))
    assert ledger.left(PLATFORM, APPID, ROW) in {48, 50}  # 50 in the first two hours of a month
    ledger.erase()
    assert sorted(entry.id > first for entry in ledger.entries()) == [True, True]


@pytest.mark.parametrize("call", [undocodeaudit(APPID), Call.to("clear_quota", APPID, {"appid": APPID})])
def test_withdrawals_and_resets_end_with_the_tenth_whoever_asks_for_them(ledger: Ledger, call: Call) -> None:
    for number in range(13):  # another run each time, with a fence of its own
        fences = {(APPID, call.endpoint.name): ledger.take_fence(PLATFORM, APPID, call.endpoint.name)}
        if number < 10:
            ledger.intend(PLATFORM, [call], TaskRef("d", f"r{number}", "t"), fences)
            continue
        with pytest.raises(WxaQuotaError, match=r"not sent: 0 of 10 (withdrawals|resets) ") as refused:
            ledger.intend(PLATFORM, [call], TaskRef("d", f"r{number}", "t"), fences)
        assert not refused.value.retryable
    assert len(ledger.entries(most=None)) == 10


def test_processes_and_threads_that_change_at_the_same_time_never_exceed_it(ledger: Ledger, store_url: str) -> None:
    spend(ledger, 42)
    assert sum(together(3, tries_in_threads, store_url)) == 8
