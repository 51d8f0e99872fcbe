"""Server domains as values: what is one, and the bodies in which they travel."""

import json

import pytest

from airflow_wxa.api.call import Call, read_reply
from airflow_wxa.api.server_domain import bare_hosts, lists_in, parse_server_domains
from airflow_wxa.errors import WxaInputError, WxaSpecError
from airflow_wxa.sandbox.testing import APPID
from tests.tables import each_row

#: Kind of a domain, as it is written, and as it is asked for.
WRITTEN = [
    ("requestdomain", "https://API.example.com/", "https://api.example.com"),
    ("requestdomain", "https://api.example.com:8443", "https://api.example.com:8443"),
    ("wsrequestdomain", "wss://ws.example.com", "wss://ws.example.com"),
    ("udpdomain", "udp://u.example.com:0080", "udp://u.example.com:80"),
    ("tcpdomain", "tcp://例子.example.com", "tcp://xn--fsqu00a.example.com"),
]


@each_row("kind, text, domain", WRITTEN)
def test_a_domain_is_normalised(kind: str, text: str, domain: str) -> None:
    assert parse_server_domains({kind: [text]}) == {kind: {domain}}


def test_every_problem_is_named_at_once() -> None:
    given = {
        "requestdomain": ["wss://a.example.com", "https://10.0.0.1", "https://a.example.com/path", 7],
        "wsrequestdomain": ["https://ws.example.com"],
        "uploaddomain": "https://a.example.com",
        "downloaddomain": ["https://api.weixin.qq.com"],
        "udpdomain": ["udp://a.example.com:70000"],
        "domain": [],
    }
    with pytest.raises(WxaSpecError) as refused:
        parse_server_domains(given)
    for named in (
        "wss://a.example.com", "10.0.0.1", "a.example.com/path", "7 is no", "https://ws.example.com", "must be a list",
        "api.weixin.qq.com", ":70000", "'domain'",
    ):  # fmt: skip
        assert any(named in problem for problem in refused.value.problems), named


def test_lists_are_read_as_loosely_as_they_come_and_one_that_is_not_told_is_not_empty() -> None:
    answer = {"requestdomain": ["https://A.example.com/"], "udpdomain": "udp://u.example.com", "tcpdomain": []}
    read = {"requestdomain": {"https://a.example.com"}, "udpdomain": {"udp://u.example.com"}, "tcpdomain": frozenset()}
    assert lists_in(answer) == read
    assert bare_hosts({"requestdomain": frozenset({"https://a.example.com:8443"})}) == {"a.example.com"}


#: An entry of WeChat's list, and the domain that it means.
TOLD = [
    ("https://例子.example.com", "https://xn--fsqu00a.example.com"),
    ("HTTPS://A.example.com.", "https://a.example.com"),
    ("a.example.com:8443", "https://a.example.com:8443"),
    ("https://a.example.com:08443/", "https://a.example.com:8443"),
    ("https://a_b.example.com", "https://a_b.example.com"),
    ("-", "-"),
]


@each_row("told, meant", TOLD)
def test_a_list_is_read_in_the_form_in_which_domains_are_asked_for(told: str, meant: str) -> None:
    assert lists_in({"requestdomain": [told]}) == {"requestdomain": {meant}}


def test_a_refusal_names_every_value_that_wechat_names_in_full() -> None:
    invalid = [f"wss://{'x' * 60}.host-{number}.example.com" for number in range(40)]
    answer = {"errcode": 85303, "errmsg": "no", "invalid_wsrequestdomain": invalid, "no_icp_domain": ["https://n.org"]}
    with pytest.raises(WxaInputError) as refused:
        read_reply(Call.to("modify_domain", APPID, {"action": "get"}), 200, json.dumps(answer).encode())
    assert [value for value in (*invalid, "https://n.org") if value not in str(refused.value)] == []
