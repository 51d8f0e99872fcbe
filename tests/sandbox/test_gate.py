from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_wxa.sandbox import MiniProgram, Platform
from airflow_wxa.sandbox.errors import Errcode
from airflow_wxa.sandbox.handlers import ENDPOINTS
from airflow_wxa.sandbox.testing import MERCHANT_TOKEN, PLATFORM_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.sandbox.conftest import Wechat

BASIC_INFO = "/cgi-bin/account/getaccountbasicinfo"
POSTS = [path for path, endpoint in ENDPOINTS.items() if endpoint.method == "POST" and path != BASIC_INFO]
GETS = [path for path, endpoint in ENDPOINTS.items() if endpoint.method == "GET"]
MERCHANT = [path for path, endpoint in ENDPOINTS.items() if endpoint.account is MiniProgram]
PLATFORM = [path for path, endpoint in ENDPOINTS.items() if endpoint.account is Platform]
WITH_TOKEN = [*MERCHANT, *PLATFORM]
CONFIRM_FILE = "/cgi-bin/component/get_domain_confirmfile"


def refusals(
    wechat: Wechat, paths: Iterable[str], *, method: str = "", token: str = "", raw: bytes = b""
) -> dict[str, int]:
    """Return what each path is answered, called as its page says where nothing else is given."""
    return {
        path: wechat.send(method or ENDPOINTS[path].method, path, raw, token=token).get("errcode", 0) for path in paths
    }


def test_post_against_get_is_answered_43001_before_the_token_is_asked(wechat: Wechat) -> None:
    assert refusals(wechat, GETS, method="POST", token="nobody's") == dict.fromkeys(GETS, 43001)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_against_post_are_answered_43002(wechat: Wechat, method: str) -> None:
    assert refusals(wechat, POSTS, method=method, token="nobody's") == dict.fromkeys(POSTS, 43002)


def test_unknown_token_is_answered_40001(wechat: Wechat) -> None:
    assert refusals(wechat, WITH_TOKEN, token="nobody's") == dict.fromkeys(WITH_TOKEN, 40001)


def test_expired_token_is_answered_42001(wechat: Wechat) -> None:
    wechat.world.expired_tokens = {MERCHANT_TOKEN, PLATFORM_TOKEN}
    assert refusals(wechat, WITH_TOKEN) == dict.fromkeys(WITH_TOKEN, 42001)


def test_a_replaced_token_is_answered_40001_and_the_new_one_works(wechat: Wechat) -> None:
    assert wechat.get("/wxa/queryquota")["errcode"] == 0
    wechat.account.authorizer_access_token = "the-next"
    assert wechat.get("/wxa/queryquota")["errcode"] == 40001
    assert wechat.send("GET", "/wxa/queryquota", token="the-next")["errcode"] == 0


def test_merchant_token_on_a_platform_call_is_answered_61014(wechat: Wechat) -> None:
    assert refusals(wechat, PLATFORM, token=MERCHANT_TOKEN, raw=b"{}") == dict.fromkeys(PLATFORM, 61014)


def test_platform_token_on_a_merchant_call_is_answered_61015(wechat: Wechat) -> None:
    assert refusals(wechat, MERCHANT, token=PLATFORM_TOKEN, raw=b"{}") == dict.fromkeys(MERCHANT, 61015)


def test_unlisted_ip_is_answered_61004_whoever_asks(wechat: Wechat) -> None:
    wechat.platform.ip_allowed = False
    wechat.account.granted_sets = set()
    assert refusals(wechat, WITH_TOKEN) == dict.fromkeys(WITH_TOKEN, 61004)


def test_a_missing_permission_set_is_answered_61007(wechat: Wechat) -> None:
    for path in MERCHANT:
        wechat.account.granted_sets = {17, 18, 30} - {ENDPOINTS[path].permission_set}
        assert refusals(wechat, [path]) == {path: 61007}


def test_a_merchant_that_withdrew_is_answered_61003_before_its_sets_are_asked(wechat: Wechat) -> None:
    wechat.world.withdraw(wechat.account.appid)
    wechat.account.granted_sets = set()
    assert refusals(wechat, MERCHANT) == dict.fromkeys(MERCHANT, 61003)


def test_empty_body_is_answered_44002(wechat: Wechat) -> None:
    paths = [path for path in POSTS if not ENDPOINTS[path].empty_body]
    assert refusals(wechat, paths) == dict.fromkeys(paths, 44002)


def test_the_confirm_file_needs_no_body(wechat: Wechat) -> None:
    answer = wechat.send("POST", CONFIRM_FILE)
    assert (answer["file_name"], answer["file_content"]) == wechat.platform.confirm_file


@pytest.mark.parametrize(
    "raw",
    [b"{", b" ", b"[]", b'"{}"', b"null", b"a=b", b"{'a':1}", b'{"a":NaN}', b'{"a":"\xff"}', b"[" * 100_000],
    ids=["cut", "blank", "list", "string", "null", "form", "quotes", "nan", "not-utf8", "deep"],
)
def test_a_body_that_is_no_json_object_is_answered_47001(wechat: Wechat, raw: bytes) -> None:
    paths = ["/wxa/commit", "/wxa/release", CONFIRM_FILE]
    assert refusals(wechat, paths, raw=raw) == dict.fromkeys(paths, 47001)


def test_a_path_without_an_api_is_answered_40066(wechat: Wechat) -> None:
    assert wechat.send("GET", "/wxa/no_such_api", token="nobody's")["errcode"] == 40066


def test_errors_carry_their_text_and_a_rid_that_differs_by_call(wechat: Wechat) -> None:
    first, second = (wechat.send("POST", "/wxa/release")["errmsg"] for _ in range(2))
    assert first.startswith("empty post data rid: ")
    assert first != second


def test_success_carries_no_rid(wechat: Wechat) -> None:
    assert wechat.get("/wxa/queryquota")["errmsg"] == "ok"


def test_every_errcode_has_a_text_of_its_own() -> None:
    assert len({each.errmsg for each in Errcode}) == len(Errcode)
