"""A business domain as a value: what is one, what covers it, and how lists of them travel."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from airflow_wxa.api import webview_domain as domains
from airflow_wxa.api.webview_domain import Action, WebviewDomain
from airflow_wxa.errors import WxaSpecError
from tests.tables import each_row

APPID = "wx0000000000000001"
A, B, C = (WebviewDomain(f"{name}.example.com") for name in "abc")


def problems(read: Callable[[], object]) -> Sequence[str]:
    with pytest.raises(WxaSpecError) as raised:
        read()
    return raised.value.problems


#: A text, and the host that it names.
ORIGINS = [
    *[(f"https://{host}", host) for host in ("example.com", "a.b.c.d.example.com", "a-b.example.com")],
    *[(text, "1a.example.com") for text in ("https://1a.example.com/", "HTTPS://1A.Example.COM/")],
    ("https://例子.中国", "xn--fsqu00a.xn--fiqs8s"),
    ("https://XN--FSQU00A.xn--fiqs8s", "xn--fsqu00a.xn--fiqs8s"),
    ("https://Bücher.example", "xn--bcher-kva.example"),
    ("https://m。example。com", "m.example.com"),
]


@each_row("text, host", ORIGINS)
def test_an_origin_is_read_and_normalised(text: str, host: str) -> None:
    domain = WebviewDomain.parse(text)
    assert (domain.host, domain.origin) == (host, f"https://{host}")
    assert WebviewDomain.parse(domain.origin) == domain
    assert domains.read_origins([text])[1] == []


#: Reason → texts that name no business domain.
NO_DOMAINS = {
    "has no scheme: write https:// before the host": [
        "m.example.com", "https:/m.example.com", "https:m.example.com", " https://m.example.com",
    ],
    "has scheme 'http': only https": ["http://m.example.com"],
    "has scheme 'wss': only https": ["wss://m.example.com"],
    "has scheme '': only https": ["//m.example.com"],
    "has a port": ["https://m.example.com:443", "https://m.example.com:", "https://m.example.com:8443/"],
    "has a path": ["https://m.example.com/shop", "https://m.example.com//"],
    "has a query": ["https://m.example.com?a=1", "https://m.example.com/?"],
    "has a fragment": ["https://m.example.com#top", "https://m.example.com/#"],
    "names a user": ["https://user@m.example.com", "https://@m.example.com"],
    "is an IP address": [
        "https://1.2.3.4", "https://\uff11.2.3.4", "https://127.1", "https://0x7f.0x1", "https://[::1]",
        "https://[fe80::1%eth0]",
    ],
    "has a wildcard": ["https://*.example.com", "https://*"],
    "needs a host of at least two labels": ["https://localhost", "https://com"],
    "without a dot at the end": ["https://m.example.com."],
    "has no host": ["https://", "https:///"],
    "is no host name": [
        "https://m..example.com", "https://.example.com", "https://-m.example.com", "https://m_1.example.com",
        "https://m.example.com;n.example.com", "https://m,example.com", r"https://m.example.com\shop",
        "https://%6d.example.com", "https://xn--zzzzzz.com", "https://" + "a" * 64 + ".example.com",
        "https://" + "a." * 130 + "com", "https://m\ud800.example.com",
    ],
    "has a blank": ["https://m example.com", "https://m.example.com\n", "https://m.example.com\t/"],
    "is empty": ["", "  "],
}  # fmt: skip
NO_TEXTS: list[Any] = [None, 1, True, b"https://m.example.com", ["https://m.example.com"], {}, 1.5]
#: Likewise of the platform's list.
NO_HOSTS: dict[str, list[Any]] = {
    "is no bare host": ["https://m.example.com", "m.example.com/", "m.example.com:443"],
    "is an IP address": ["1.2.3.4"],
    "has a wildcard": ["*.example.com"],
    "at least two labels": ["localhost"],
    "has no host": [""],
    "is no text": [None, 7],
}


@each_row("text, said", [(text, said) for said, texts in NO_DOMAINS.items() for text in texts])
def test_what_is_no_business_domain_is_refused_by_name_and_reason(text: str, said: str) -> None:
    (problem,) = problems(lambda: WebviewDomain.parse(text))
    assert said in problem
    assert problem.startswith(repr(text)[:400])
    assert domains.read_origins([text]) == ((), [problem])


@each_row("value", NO_TEXTS)
def test_anything_but_a_text_is_refused_by_value(value: Any) -> None:
    assert problems(lambda: WebviewDomain.parse(value)) == (f"{value!r} is no text: write it as https://m.example.com",)


def test_every_problem_of_one_text_is_named_and_a_huge_one_in_a_short_message() -> None:
    assert len(problems(lambda: WebviewDomain.parse("http://user@localhost:80/shop?a=1#top"))) == 7
    with pytest.raises(WxaSpecError, match="more characters") as raised:
        WebviewDomain.parse("https://" + "a" * 1_000_000)
    assert len(str(raised.value)) < 2000


def test_all_problems_of_a_list_are_reported_together_and_good_entries_are_not() -> None:
    with pytest.raises(WxaSpecError, match=r"https://developers\.weixin\.qq\.com/") as raised:
        domains.parse_origins(["m.example.com", "https://good.example.com", 7, "https://1.2.3.4"])
    assert len(raised.value.problems) == 3
    assert "good" not in str(raised.value)
    # A good list is sorted and holds each domain once.
    assert domains.parse_origins(["https://b.example.com", "https://A.example.com/", "https://a.example.com"]) == (A, B)
    assert domains.parse_origins([]) == ()


@each_row("text", ["https://m.example.com", "['https://m.example.com']"])
def test_one_text_in_place_of_a_list_is_refused_once_and_not_by_letter(text: str) -> None:
    said = f"webviewdomain = {text!r}: must be a list of texts, not one text"
    assert problems(lambda: domains.parse_origins(text)) == (said,)


#: The platform list, hosts that it covers, and hosts that it does not.
COVERED = [
    (["qq.com"], ["qq.com", "m.qq.com", "a.b.qq.com"], ["notqq.com", "qq.com.evil.com"]),
    (["m.qq.com"], ["m.qq.com", "a.m.qq.com"], ["qq.com", "a.qq.com"]),
    (["example.com", "qq.com"], ["qq.com", "example.com"], ["com"]),
    ([], [], ["qq.com"]),
]


@each_row("platform, covered, others", COVERED)
def test_a_domain_is_covered_by_itself_or_a_parent(platform: list[str], covered: list[str], others: list[str]) -> None:
    assert [each for each in (*covered, *others) if WebviewDomain(each).covered_by(platform)] == covered


@each_row("host, said", [(host, said) for said, hosts in NO_HOSTS.items() for host in hosts])
def test_what_is_no_bare_host_is_refused_by_name_and_reason(host: Any, said: str) -> None:
    (problem,) = domains.read_hosts([host])[1]
    assert problem.startswith(repr(host))
    assert said in problem
    assert domains.read_hosts(["m.example.com", "M.Example.com", "例子.中国"])[1] == []


#: How WeChat may write the host ``a.example.com``.
SPELT = ["{0}", "https://{0}", "http://{0}", "//{0}", " {0} ", "{0}/", "{0}//", "https://{0}:443/", "{0}."]
SPELT = [*(each.format("a.example.com") for each in SPELT), "HTTPS://A.Example.com/"]
#: A list of WeChat's, joined or not, and the hosts that it means.
LISTS = [
    *[(told, {"a.example.com"}) for each in SPELT for told in (each, [each])],
    ("a.example.com;B.example.com", {"a.example.com", "b.example.com"}),
    ("a.example.com; b.example.com;", {"a.example.com", "b.example.com"}),
    (["https://A.example.com/", "https://a.example.com", "https://b.example.com"], {"a.example.com", "b.example.com"}),
    ("", set()),
    (["A.example.com", "例子.中国"], {"a.example.com", "xn--fsqu00a.xn--fiqs8s"}),
    ("Odd_One.example.com", {"odd_one.example.com"}),
]


@each_row("entries, hosts", LISTS)
def test_an_entry_of_either_list_means_its_host_however_it_is_written(entries: Any, hosts: set[str]) -> None:
    assert domains.normalised_hosts(entries) == hosts
    assert domains.normalised_origins(entries) == {f"https://{host}" for host in hosts}


@pytest.mark.parametrize("entry", ["*.example.com", "127.0.0.1", "https://", "localhost", "a.example.com/path", "☃"])
def test_an_entry_that_means_no_host_is_warned_of(entry: str, caplog: pytest.LogCaptureFixture) -> None:
    assert domains.normalised_hosts([entry, "b.example.com"]) == {B.host}
    assert domains.normalised_origins([entry, "b.example.com"]) == {B.origin}
    assert [repr(entry) in record.getMessage() for record in caplog.records] == [True, True]


#: Action on A and B, the list as it is, and what is left to do.
LEFT = [
    ("add", {A.origin, B.origin, C.origin}, []),
    ("add", {A.origin}, [B.origin]),
    ("set", {A.origin, B.origin}, []),
    ("set", {A.origin, C.origin}, [B.origin, C.origin]),
    ("delete", {C.origin}, []),
    ("delete", {A.origin, C.origin}, [A.origin]),
    ("delete", {"https://sub.a.example.com"}, []),
    ("get", set(), []),
]


@each_row("action, actual, left", LEFT)
def test_done_means_by_action(action: Action, actual: set[str], left: list[str]) -> None:
    assert domains.remaining(action, [A, B], actual) == left


@each_row("platform, left", [({A.host}, []), ({A.host, B.host}, [B.origin]), (None, [])])
def test_without_action_done_means_that_the_platform_list_is_covered(platform: Any, left: list[str]) -> None:
    assert domains.remaining(None, [], {A.origin}, platform) == left


@each_row("many, warns", [(0, False), (100, False), (101, True), (300, True)])
def test_more_domains_than_the_lowest_limit_warn_and_do_not_refuse(many: int, warns: bool) -> None:
    warning = domains.warning_of_many([WebviewDomain(f"m{number}.example.com") for number in range(many)])
    assert warning.startswith(f"{many} business domains" if warns else "")
    assert ("89029 decides" in warning) is bool(warning) is warns
