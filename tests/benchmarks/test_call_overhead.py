"""What a call costs through the hook's client, beside a bare ``requests.Session``: CPU of this process, by turns."""

import statistics
import time
from collections.abc import Callable

import pytest
import requests

from airflow_wxa.access import FixedTokens
from airflow_wxa.api.webview_domain import WebviewDomain, setwebviewdomain
from airflow_wxa.client import Egress, WxaClient
from tests.benchmarks.fleet_server import fleet_server

CALLS, ROUNDS = 2000, 5
APPID = "wx0000000000000001"


def cpu(work: Callable[[], object]) -> float:
    """Return the seconds of CPU of so many calls."""
    begin = time.process_time()
    for _ in range(CALLS):
        work()
    return time.process_time() - begin


@pytest.mark.benchmark
def test_a_call_costs_little_more_than_bare_requests() -> None:
    call = setwebviewdomain(APPID, "add", [WebviewDomain("m.example.com"), WebviewDomain("shop.example.com")])
    session = requests.Session()
    with fleet_server(0.0) as host:
        client = WxaClient(Egress(host), FixedTokens({APPID: "token"}))
        url = f"{host}/wxa/setwebviewdomain?access_token=token"
        client.send(call)  # compiles the schemas, opens the connection
        rounds = [
            (cpu(lambda: client.send(call)), cpu(lambda: session.post(url, json=call.body, timeout=10).json()))
            for _ in range(ROUNDS)
        ]
    ratio = statistics.median(mine / theirs for mine, theirs in rounds)
    print(f"\ncall overhead: {CALLS} calls, {ROUNDS} rounds, ours against bare requests: ratio {ratio:.3f}")
    print(f"  rounds: {', '.join(f'{mine:.2f} s / {theirs:.2f} s' for mine, theirs in rounds)}")
    assert ratio <= 1.15
