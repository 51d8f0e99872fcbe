from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from airflow_wxa.sandbox import MiniProgram, Platform, RunningSandbox, World
from airflow_wxa.sandbox.exchange import Sandbox
from airflow_wxa.sandbox.gate import Request
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN, PLATFORM_TOKEN, REFRESH_TOKEN

MANY = 10_000
CLIENT = """
import sys, requests
url, token, body = sys.argv[1], sys.argv[2], sys.stdin.read()
with requests.Session() as session:
    for _ in range(3):
        answer = session.post(url, params={"component_access_token": token}, data=body, timeout=30).json()
        print(answer["expires_in"])
"""


@pytest.fixture(scope="module")
def large() -> Sandbox:
    def merchant(number: int) -> MiniProgram:
        return MiniProgram(
            appid=f"wxa{number:015x}",
            component_appid=COMPONENT_APPID,
            authorizer_access_token=f"merchant-token-{number}",
            refresh_token=f"refreshtoken@@@{number}",
        )

    platform = Platform(component_appid=COMPONENT_APPID, component_access_token=PLATFORM_TOKEN)
    return Sandbox.of(World(platforms=[platform], mini_programs=[merchant(number) for number in range(MANY)]))


def post(sandbox: Sandbox, path: str, token: str, **body: object) -> Any:
    raw = json.dumps(body).encode()
    return sandbox.answer(Request("POST", path, {"access_token": token}, raw))[0]


def best_milliseconds(sandbox: Sandbox, path: str, token: str, **body: object) -> float:
    def once() -> float:
        started = time.perf_counter()
        post(sandbox, path, token, **body)
        return time.perf_counter() - started

    return min(once() for _ in range(50)) * 1000


def test_a_call_costs_no_more_in_a_world_of_ten_thousand(large: Sandbox, wxa_world: World) -> None:
    body = {"ext_json": json.dumps({"ext": {"text": "x" * 300}}), "user_version": "1.4.0", "user_desc": "checkout"}
    small = best_milliseconds(Sandbox.of(wxa_world), "/wxa/commit", MERCHANT_TOKEN, **body)
    big = best_milliseconds(large, "/wxa/commit", f"merchant-token-{MANY - 1}", **body)
    assert big < small * 3
    assert big < 1  # about 0.1 on an idle machine


def test_a_refresh_costs_no_more_in_a_world_of_ten_thousand(large: Sandbox) -> None:
    names = {"component_appid": COMPONENT_APPID, "authorizer_appid": f"wxa{MANY - 1:015x}"}
    refresh = {**names, "authorizer_refresh_token": f"refreshtoken@@@{MANY - 1}"}
    assert best_milliseconds(large, "/cgi-bin/component/api_authorizer_token", PLATFORM_TOKEN, **refresh) < 1


def test_ten_thousand_merchants_are_listed_in_twenty_pages(large: Sandbox) -> None:
    path, started, appids = "/cgi-bin/component/api_get_authorizer_list", time.perf_counter(), set()
    for offset in range(0, MANY, 500):
        page = post(large, path, PLATFORM_TOKEN, component_appid=COMPONENT_APPID, offset=offset, count=500)
        appids |= {row["authorizer_appid"] for row in page["list"]}
    assert len(appids) == MANY
    assert time.perf_counter() - started < 2  # about 0.02 s on an idle machine


def test_ten_thousand_merchants_are_seeded_and_reset_quickly(large: Sandbox) -> None:
    started = time.perf_counter()
    Sandbox.of(World.from_json(large.seed)).reset()
    assert time.perf_counter() - started < 5  # about 0.4 s on an idle machine


def test_sixty_four_clients_at_once_are_all_answered(wxa_sandbox: RunningSandbox) -> None:
    wxa_sandbox.world.platforms[0].rotate_refresh_tokens = "each"
    body = {"component_appid": COMPONENT_APPID, "authorizer_appid": APPID, "authorizer_refresh_token": REFRESH_TOKEN}
    url = f"{wxa_sandbox.url}/cgi-bin/component/api_authorizer_token"

    def client(_: int) -> int:
        with requests.Session() as session:
            session.params = {"access_token": PLATFORM_TOKEN}
            answers = [session.post(url, json=body, timeout=30).json() for _ in range(5)]
        return sum("authorizer_access_token" in answer for answer in answers)

    with ThreadPoolExecutor(64) as pool:
        assert sum(pool.map(client, range(64))) == 320
    path = "/cgi-bin/component/api_authorizer_token"
    assert wxa_sandbox.journal.count(path, authorizer_appid=APPID) == 320
    assert requests.get(f"{wxa_sandbox.url}/_sandbox/counts", timeout=5).json() == {path: 320}


def test_other_processes_are_clients_too(wxa_sandbox: RunningSandbox) -> None:
    body = {"component_appid": COMPONENT_APPID, "authorizer_appid": APPID, "authorizer_refresh_token": REFRESH_TOKEN}
    url = f"{wxa_sandbox.url}/cgi-bin/component/api_authorizer_token"
    command = [sys.executable, "-c", CLIENT, url, PLATFORM_TOKEN]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    shown = [process.communicate(json.dumps(body), timeout=60)[0] for process in started]
    assert [each.split() for each in shown] == [["7200"] * 3] * 4
