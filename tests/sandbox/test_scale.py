import gc
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from airflow_wxa.sandbox import RunningSandbox, World, seeded_fleet
from airflow_wxa.sandbox.exchange import Sandbox
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, PLATFORM_TOKEN, REFRESH_TOKEN
from airflow_wxa.sandbox.worlds import PLATFORM_APPID
from tests.sandbox.conftest import Wechat

MANY = 1000
FIRST = f"wx{1:016x}"


@pytest.fixture(scope="module")
def sizes() -> tuple[Wechat, Wechat]:
    """Return a large world, and one of a hundredth of its size."""
    large, small = (Wechat(seeded_fleet(size).world) for size in (MANY, MANY // 100))
    return large, small


def seconds(work: Callable[[], object], times: int) -> float:
    """Return the CPU time of the quickest of several tries, without that of collecting what others have left."""

    def once() -> float:
        started = time.process_time()
        work()
        return time.process_time() - started

    gc.disable()
    try:
        return min(once() for _ in range(times))
    finally:
        gc.enable()


def calls(wechat: Wechat, path: str, token: str, **body: object) -> float:
    """Return what a hundred calls take."""
    raw = json.dumps(body).encode()
    return seconds(lambda: [wechat.send("POST", path, raw, token=token) for _ in range(100)], 5)


def test_a_call_and_a_refresh_cost_no_more_in_a_world_a_hundred_times_as_large(sizes: tuple[Wechat, Wechat]) -> None:
    large, small = sizes
    body = {"ext_json": json.dumps({"ext": {"text": "x" * 300}}), "user_version": "1.4.0", "user_desc": "checkout"}
    token = f"sandbox-token-{FIRST}"
    assert calls(large, "/wxa/commit", token, **body) < 3 * calls(small, "/wxa/commit", token, **body)
    names = {"component_appid": PLATFORM_APPID, "authorizer_appid": FIRST}
    body = {**names, "authorizer_refresh_token": f"refreshtoken@@@{FIRST}"}
    path, token = "/cgi-bin/component/api_authorizer_token", "sandbox-platform-token"
    assert calls(large, path, token, **body) < 3 * calls(small, path, token, **body)


def test_seeding_and_resetting_grow_with_the_world_and_no_faster(sizes: tuple[Wechat, Wechat]) -> None:
    large, small = sizes

    def over_again(wechat: Wechat, times: int) -> float:
        return seconds(lambda: Sandbox.of(World.from_json(wechat.sandbox.seed)).reset(), times)

    assert over_again(large, 1) < 1000 * over_again(small, 3)  # a hundred times as many; squared it would be 10,000


def test_sixty_four_clients_at_once_are_all_answered(wxa_sandbox: RunningSandbox) -> None:
    wxa_sandbox.world.platforms[0].rotate_refresh_tokens = "each"
    body = {"component_appid": COMPONENT_APPID, "authorizer_appid": APPID, "authorizer_refresh_token": REFRESH_TOKEN}
    path = "/cgi-bin/component/api_authorizer_token"
    url = f"{wxa_sandbox.url}{path}?access_token={PLATFORM_TOKEN}"

    def client(_: int) -> int:
        with requests.Session() as session:
            answers = [session.post(url, json=body, timeout=30).json() for _ in range(2)]
        return sum("authorizer_access_token" in answer for answer in answers)

    with ThreadPoolExecutor(64) as pool:
        assert sum(pool.map(client, range(64))) == 128
    assert wxa_sandbox.journal.count(path, authorizer_appid=APPID) == 128
    assert requests.get(f"{wxa_sandbox.url}/_sandbox/counts", timeout=5).json() == {path: 128}
