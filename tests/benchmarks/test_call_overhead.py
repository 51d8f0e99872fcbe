"""What a call costs through the hook's client, beside a bare ``requests.Session``: CPU of this process, by turns."""

from collections.abc import Callable

import pytest
import requests

from airflow_wxa.access import FixedTokens
from airflow_wxa.api.webview_domain import WebviewDomain, setwebviewdomain
from airflow_wxa.client import Egress, WxaClient
from tests.benchmarks.figures import by_turns, ratio, spent
from tests.benchmarks.fleet_server import fleet_server

CALLS, ROUNDS = 2000, 5
APPID = "wx0000000000000001"


@pytest.mark.benchmark
def test_a_call_costs_little_more_than_bare_requests() -> None:
    call = setwebviewdomain(APPID, "add", [WebviewDomain("m.example.com"), WebviewDomain("shop.example.com")])
    session = requests.Session()

    def cpu_of(one: Callable[[], object]) -> Callable[[], float]:
        return lambda: spent(lambda: [one() for _ in range(CALLS)])[0]

    with fleet_server(0.0) as host:
        client = WxaClient(Egress(host), FixedTokens({APPID: "token"}))
        url = f"{host}/wxa/setwebviewdomain?access_token=token"
        client.send(call)  # compiles the schemas, opens the connection
        bare = cpu_of(lambda: session.post(url, json=call.body, timeout=10).json())
        found = by_turns({"ours": cpu_of(lambda: client.send(call)), "bare": bare}, ROUNDS)
    times = ratio(found["ours"], found["bare"])
    print(f"\ncall overhead: {CALLS} calls, {ROUNDS} rounds, ours against bare requests: ratio {times:.3f}")
    rounds = zip(found["ours"], found["bare"], strict=True)
    print(f"  rounds: {', '.join(f'{mine:.2f} s / {theirs:.2f} s' for mine, theirs in rounds)}")
    assert times <= 1.15
