from collections.abc import Callable
from typing import Any

import pytest

from airflow_wxa.sandbox import MiniProgram, Platform
from airflow_wxa.sandbox.errors import Errcode
from airflow_wxa.sandbox.handlers import ENDPOINTS
from airflow_wxa.sandbox.testing import MERCHANT_TOKEN, PLATFORM_TOKEN
from tests.sandbox.conftest import Wechat

BASIC_INFO = "/cgi-bin/account/getaccountbasicinfo"
POSTS = [path for path, endpoint in ENDPOINTS.items() if endpoint.method == "POST" and path != BASIC_INFO]
GETS = [path for path, endpoint in ENDPOINTS.items() if endpoint.method == "GET"]
MERCHANT = [path for path, endpoint in ENDPOINTS.items() if endpoint.account is MiniProgram]
PLATFORM = [path for path, endpoint in ENDPOINTS.items() if endpoint.account is Platform]
WITH_TOKEN = [*MERCHANT, *PLATFORM]
CONFIRM_FILE = "/cgi-bin/component/get_domain_confirmfile"


def expire(wechat: Wechat) -> None:
    wechat.world.expired_tokens = {MERCHANT_TOKEN, PLATFORM_TOKEN}


def unlist(wechat: Wechat) -> None:
    wechat.platform.ip_allowed = False
    wechat.account.granted_sets = set()


def withdraw(wechat: Wechat) -> None:
    wechat.world.withdraw(wechat.account.appid)
    wechat.account.granted_sets = set()


#: What paths are answered that are called otherwise than their pages say, or after something happened.
REFUSED: list[tuple[int, list[str], dict[str, Any], Callable[[Wechat], None] | None]] = [
    (43001, GETS, {"method": "POST", "token": "nobody's"}, None),  # the method is asked before the token
    *[(43002, POSTS, {"method": method, "token": "nobody's"}, None) for method in ("GET", "PUT", "DELETE")],
    (40066, ["/wxa/no_such_api"], {"method": "GET", "token": "nobody's"}, None),
    (40001, WITH_TOKEN, {"token": "nobody's"}, None),
    (42001, WITH_TOKEN, {}, expire),
    (61014, PLATFORM, {"token": MERCHANT_TOKEN, "raw": b"{}"}, None),
    (61015, MERCHANT, {"token": PLATFORM_TOKEN, "raw": b"{}"}, None),
    (61004, WITH_TOKEN, {}, unlist),  # before the permission sets
    (61003, MERCHANT, {}, withdraw),  # likewise
    (44002, [path for path in POSTS if not ENDPOINTS[path].empty_body], {}, None),
    *[
        (47001, ["/wxa/commit", "/wxa/release", CONFIRM_FILE], {"raw": raw}, None)
        for raw in (
            b"{", b" ", b"[]", b'"{}"', b"null", b"a=b", b"{'a':1}", b'{"a":NaN}', b'{"a":"\xff"}', b"[" * 100_000,
        )
    ],
]  # fmt: skip


@pytest.mark.parametrize(("errcode", "paths", "how", "happens"), REFUSED)
def test_a_call_that_is_not_as_its_page_says_is_refused_by_its_errcode(
    wechat: Wechat, errcode: int, paths: list[str], how: dict[str, Any], happens: Callable[[Wechat], None] | None
) -> None:
    if happens:
        happens(wechat)
    for path in paths:
        method = how.get("method") or ENDPOINTS[path].method
        answer = wechat.send(method, path, how.get("raw", b""), token=how.get("token", ""))
        assert answer.get("errcode", 0) == errcode, path


def test_a_missing_permission_set_is_answered_61007_and_the_confirm_file_needs_no_body(wechat: Wechat) -> None:
    answer = wechat.send("POST", CONFIRM_FILE)
    assert (answer["file_name"], answer["file_content"]) == wechat.platform.confirm_file
    for path in MERCHANT:
        wechat.account.granted_sets = {17, 18, 30} - {ENDPOINTS[path].permission_set}
        assert wechat.send(ENDPOINTS[path].method, path)["errcode"] == 61007, path


def test_errors_carry_their_text_and_a_rid_that_differs_by_call_and_success_neither(wechat: Wechat) -> None:
    first, second = (wechat.send("POST", "/wxa/release")["errmsg"] for _ in range(2))
    assert first.startswith("empty post data rid: ")
    assert first != second
    assert wechat.get("/wxa/queryquota")["errmsg"] == "ok"
    wechat.account.authorizer_access_token = "the-next"
    tokens = (MERCHANT_TOKEN, "the-next")
    assert [wechat.quota_errcode(token) for token in tokens] == [40001, 0]  # the one that was replaced, and the new one
    assert len({each.errmsg for each in Errcode}) == len(Errcode)  # a text of its own each
