"""A page of somebody else, open in a browser on the same machine, neither reads nor steers the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from airflow_wxa.sandbox import RunningSandbox


@pytest.mark.parametrize("host", ["evil.example.com", "evil.example.com:8099", "", "[::1", "127.0.0.1.evil.example"])
@pytest.mark.parametrize("path", ["/", "/_sandbox/world", "/_sandbox/journal"])
def test_a_name_that_is_not_ours_is_refused(wxa_sandbox: RunningSandbox, host: str, path: str) -> None:
    answer = httpx.get(wxa_sandbox.url + path, headers={"Host": host}, trust_env=False)
    assert answer.status_code in (400, 403)
    assert "wx" not in answer.text


@pytest.mark.parametrize("host", ["localhost:8099", "127.0.0.1", "[::1]:8099", "sandbox:8099"])
def test_an_address_or_a_name_of_this_network_is_taken(wxa_sandbox: RunningSandbox, host: str) -> None:
    answer = httpx.get(f"{wxa_sandbox.url}/_sandbox/counts", headers={"Host": host}, trust_env=False)
    assert answer.status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example.com", "null", "http://127.0.0.1:1", ""])
def test_another_origin_steers_nothing(wxa_sandbox: RunningSandbox, origin: str) -> None:
    before = wxa_sandbox.world.time()
    url = f"{wxa_sandbox.url}/_sandbox/advance?seconds=9000"
    assert httpx.post(url, headers={"Origin": origin}, trust_env=False).status_code == 403
    assert wxa_sandbox.world.time() < before + 9000
    assert httpx.post(url, headers={"Origin": wxa_sandbox.url}, trust_env=False).status_code == 200


def test_wechats_paths_answer_by_any_name(wxa_sandbox: RunningSandbox) -> None:
    answer = httpx.post(f"{wxa_sandbox.url}/wxa/release", headers={"Host": "api.weixin.qq.com"}, trust_env=False)
    assert answer.json()["errcode"] == 41001
