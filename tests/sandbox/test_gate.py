from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from airflow_wxa.sandbox.errors import ERRMSG
from airflow_wxa.sandbox.routes import ENDPOINTS, MERCHANT_ENDPOINTS, OPEN_ENDPOINTS, PLATFORM_ENDPOINTS
from airflow_wxa.sandbox.testing import MERCHANT_TOKEN, PLATFORM_TOKEN

if TYPE_CHECKING:
    from tests.sandbox.conftest import Wechat

BASIC_INFO = "/cgi-bin/account/getaccountbasicinfo"
POSTS = [path for path, endpoint in ENDPOINTS.items() if endpoint.method == "POST" and path != BASIC_INFO]
GETS = [path for path, endpoint in ENDPOINTS.items() if endpoint.method == "GET"]
MERCHANT = [endpoint.path for endpoint in MERCHANT_ENDPOINTS]
PLATFORM = [endpoint.path for endpoint in PLATFORM_ENDPOINTS]
OPEN = [endpoint.path for endpoint in OPEN_ENDPOINTS]
WITH_TOKEN = [*MERCHANT, *PLATFORM]
CONFIRM_FILE = "/cgi-bin/component/get_domain_confirmfile"


@pytest.mark.parametrize("path", GETS)
def test_post_against_get_is_answered_43001(wechat: Wechat, path: str) -> None:
    assert wechat.post(path, {})["errcode"] == 43001


@pytest.mark.parametrize("path", POSTS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_other_methods_against_post_are_answered_43002(wechat: Wechat, method: str, path: str) -> None:
    assert wechat.send(method, path)["errcode"] == 43002


@pytest.mark.parametrize("path", [*POSTS, *GETS])
def test_the_method_is_asked_before_the_token(wechat: Wechat, path: str) -> None:
    wrong = "GET" if path in POSTS else "POST"
    assert wechat.send(wrong, path, token="nobody's")["errcode"] in (43001, 43002)


@pytest.mark.parametrize("path", WITH_TOKEN)
def test_unknown_token_is_answered_40001(wechat: Wechat, path: str) -> None:
    assert wechat.send(ENDPOINTS[path].method, path, token="nobody's")["errcode"] == 40001


@pytest.mark.parametrize("path", WITH_TOKEN)
def test_expired_token_is_answered_42001(wechat: Wechat, path: str) -> None:
    wechat.world.expired_tokens = {MERCHANT_TOKEN, PLATFORM_TOKEN}
    assert wechat.send(ENDPOINTS[path].method, path)["errcode"] == 42001


def test_a_replaced_token_is_answered_40001_and_the_new_one_works(wechat: Wechat) -> None:
    assert wechat.get("/wxa/queryquota")["errcode"] == 0
    wechat.account.authorizer_access_token = "the-next"
    assert wechat.get("/wxa/queryquota")["errcode"] == 40001
    assert wechat.send("GET", "/wxa/queryquota", token="the-next")["errcode"] == 0


@pytest.mark.parametrize("path", PLATFORM)
def test_merchant_token_on_a_platform_call_is_answered_61014(wechat: Wechat, path: str) -> None:
    assert wechat.send("POST", path, b"{}", token=MERCHANT_TOKEN)["errcode"] == 61014


@pytest.mark.parametrize("path", MERCHANT)
def test_platform_token_on_a_merchant_call_is_answered_61015(wechat: Wechat, path: str) -> None:
    assert wechat.send(ENDPOINTS[path].method, path, b"{}", token=PLATFORM_TOKEN)["errcode"] == 61015


@pytest.mark.parametrize("path", WITH_TOKEN)
def test_unlisted_ip_is_answered_61004_whoever_asks(wechat: Wechat, path: str) -> None:
    wechat.platform.ip_allowed = False
    wechat.account.granted_sets = set()
    assert wechat.send(ENDPOINTS[path].method, path)["errcode"] == 61004


@pytest.mark.parametrize("path", MERCHANT)
def test_a_missing_permission_set_is_answered_61007(wechat: Wechat, path: str) -> None:
    wechat.account.granted_sets = {17, 18} if path == BASIC_INFO else {17, 30}
    assert wechat.send(ENDPOINTS[path].method, path)["errcode"] == 61007


@pytest.mark.parametrize("path", MERCHANT)
def test_a_merchant_that_withdrew_is_answered_61003_before_its_sets_are_asked(wechat: Wechat, path: str) -> None:
    wechat.world.withdraw(wechat.account.appid)
    wechat.account.granted_sets = set()
    assert wechat.send(ENDPOINTS[path].method, path)["errcode"] == 61003


@pytest.mark.parametrize("path", [path for path in POSTS if path != CONFIRM_FILE])
def test_empty_body_is_answered_44002(wechat: Wechat, path: str) -> None:
    assert wechat.send("POST", path)["errcode"] == 44002


def test_the_confirm_file_needs_no_body(wechat: Wechat) -> None:
    answer = wechat.send("POST", CONFIRM_FILE)
    assert (answer["file_name"], answer["file_content"]) == wechat.platform.confirm_file


@pytest.mark.parametrize(
    "raw",
    [b"{", b" ", b"[]", b'"{}"', b"null", b"a=b", b"{'a':1}", b'{"a":NaN}', b'{"a":"\xff"}', b"[" * 100_000],
    ids=["cut", "blank", "list", "string", "null", "form", "quotes", "nan", "not-utf8", "deep"],
)
@pytest.mark.parametrize("path", ["/wxa/commit", "/wxa/release", CONFIRM_FILE])
def test_a_body_that_is_no_json_object_is_answered_47001(wechat: Wechat, path: str, raw: bytes) -> None:
    assert wechat.send("POST", path, raw)["errcode"] == 47001


def test_a_path_without_an_api_is_answered_40066(wechat: Wechat) -> None:
    assert wechat.send("GET", "/wxa/no_such_api", token="nobody's")["errcode"] == 40066


def test_errors_carry_their_text_and_a_rid_that_differs_by_call(wechat: Wechat) -> None:
    first, second = (wechat.send("POST", "/wxa/release")["errmsg"] for _ in range(2))
    assert first.startswith("empty post data rid: ")
    assert first != second


def test_success_carries_no_rid(wechat: Wechat) -> None:
    assert wechat.get("/wxa/queryquota")["errmsg"] == "ok"


def test_every_errcode_has_a_text_of_its_own() -> None:
    assert len(set(ERRMSG.values())) == len(ERRMSG)
