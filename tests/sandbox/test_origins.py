from __future__ import annotations

import pytest

from airflow_wxa.sandbox.values import bare_host, covered, host_of_origin, still_covered


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("https://qq.com", "qq.com"),
        ("https://QQ.com/", "qq.com"),
        ("https://xn--fiqs8s.example.com", "xn--fiqs8s.example.com"),
        ("https://qq.com//", None),
        (" https://qq.com", None),
        ("https://qq.com\n", None),
        ("https://-qq.com", None),
        ("https://中国.cn", None),
        ("https://qq.com.", None),
        (b"https://qq.com", None),
    ],
)
def test_an_origin_is_scheme_and_host_alone(origin: object, host: str | None) -> None:
    assert host_of_origin(origin) == host


@pytest.mark.parametrize(
    ("entry", "host"), [("WX.qq.com", "wx.qq.com"), ("qq.com:443", None), ("127.0.0.1", None), ("qq", None)]
)
def test_a_platform_entry_is_a_bare_host(entry: str, host: str | None) -> None:
    assert bare_host(entry) == host


@pytest.mark.parametrize(
    ("host", "is_covered"),
    [("qq.com", True), ("a.b.qq.com", True), ("notqq.com", False), ("com", False), ("qq.com.cn", False), ("", False)],
)
def test_coverage_stops_at_labels(host: str, is_covered: bool) -> None:
    assert covered(host, ["qq.com"]) is is_covered


def test_an_origin_no_one_can_read_is_not_covered() -> None:
    assert still_covered(["https://a.qq.com/", "a.qq.com"], iter(["qq.com"])) == ["https://a.qq.com/"]
