"""Which hosts a Connection may name, and how a call's URL is written."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from airflow_wxa.api.call import Call
from airflow_wxa.api.code import release
from airflow_wxa.api.redaction import Secret
from airflow_wxa.client import api_host
from airflow_wxa.client.wire import url_of
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.sandbox.testing import APPID
from tests.tables import each_row

#: Host → how it may be written.
HOSTS = {
    "https://api.weixin.qq.com": ["", "  ", "api.weixin.qq.com", "https://api.weixin.qq.com/"],
    "https://gateway.example.com:8443": [" https://gateway.example.com:8443 "],
    "http://127.0.0.1:8099": ["http://127.0.0.1:8099", "http://127.0.0.1:8099/"],
    **{
        each: [each]
        for each in ("https://wechat_proxy", "http://127.9.9.9", "http://localhost:8099", "http://[::1]:8099")
    },
}
OTHER_NAMES = ["api.weixin.qq.com", "localhost.example.com", "127.0.0.1.example.com"]
OTHER_ADDRESSES = ["10.0.0.1:8099", "0.0.0.0", "127.1", "[fe80::1]"]  # noqa: S104  nothing is bound
NO_URLS = ["ftp://api.weixin.qq.com", "https://", "https:///wxa", "://host", "http://[::1"]
NO_PORTS = ["https://host:port", "https://host:0", "https://host:70000"]
NO_NAMES = ["ho st", "*.example.com", "a..b", ".a", f"{'a' * 64}.com", "h\u00f6st\ud800"]


@each_row("written, host", [(written, host) for host, spellings in HOSTS.items() for written in spellings])
def test_a_host_is_scheme_host_and_port(written: str, host: str) -> None:
    assert api_host(written) == host


@each_row("host", [f"http://{each}" for each in (*OTHER_NAMES, *OTHER_ADDRESSES)])
def test_plain_http_to_another_machine_is_refused_unless_it_is_asked_for(host: str) -> None:
    with pytest.raises(WxaSpecError, match="plain http would send tokens readable") as raised:
        api_host(host)
    assert f"host {urlsplit(host).hostname}: " in str(raised.value)
    assert "allow_http" in str(raised.value)
    assert api_host(host, allow_http=True) == host


@each_row("host", [*NO_URLS, *NO_PORTS, *(f"https://{name}" for name in NO_NAMES)])
def test_what_is_no_url_of_a_host_is_refused(host: str) -> None:
    with pytest.raises(WxaSpecError) as raised:
        api_host(host, allow_http=True)
    said = f"host (not shown, {len(host)} characters): must be scheme, host and port, e.g. https://api.weixin.qq.com"
    assert raised.value.problems == (said,)


@each_row(
    "host", ["https://h/wxa", "https://h?a=1", "https://h#top", "https://user@h", "https://:word@h", "https://h//"]
)
def test_what_comes_beside_scheme_host_and_port_is_refused(host: str) -> None:
    with pytest.raises(WxaSpecError, match="must be scheme, host and port and nothing else"):
        api_host(host)


def test_a_url_carries_the_token_encoded_and_the_query_behind_it() -> None:
    token = Secret("a+b/c=d e")
    assert url_of("https://h", release(APPID), token) == "https://h/wxa/release?access_token=a%2Bb%2Fc%3Dd%20e"
    call = Call(release(APPID).endpoint, APPID, query={"path": "a/b?c=1&d"})
    assert url_of("https://h", call, token).endswith("&path=a%2Fb%3Fc%3D1%26d")
    assert url_of("https://h", release(APPID), None) == "https://h/wxa/release"
