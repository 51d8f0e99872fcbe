from __future__ import annotations

from io import StringIO

from rich.console import Console

from airflow_wxa.api.errcodes import errcodes
from airflow_wxa.cli.lookup import explain
from airflow_wxa.texts import Text, in_language


def explained(*codes: int, width: int = 100) -> tuple[int, str]:
    sink = StringIO()
    exit_code = explain(codes, Console(file=sink, width=width))
    return exit_code, sink.getvalue()


def squeezed(text: str) -> str:
    return "".join(text.split())


def test_every_row_is_told_in_full() -> None:
    rows = errcodes()
    exit_code, shown = explained(*rows)
    told = squeezed(shown)
    assert exit_code == 0
    for row in rows.values():
        texts = (row.meaning, row.action)
        parts = (str(row.errcode), *texts, *(in_language(text, "zh") for text in texts), Text(f"acts_on_{row.class_}"))
        assert [part for part in parts if squeezed(part) not in told] == []
        assert [source for source in row.source.split("; ") if source not in shown] == []  # whole, to be clicked


def test_a_row_names_class_and_endpoints() -> None:
    _, shown = explained(89020)
    assert "platform_setup (WxaPlatformSetupError)" in shown
    assert "/wxa/setwebviewdomain" in shown


def test_a_code_that_is_no_error_is_told_so() -> None:
    assert "noop (no error)" in explained(89019)[1]


def test_a_code_that_the_table_lacks_makes_exit_code_1() -> None:
    exit_code, shown = explained(89020, 123456)
    assert exit_code == 1
    assert "123456 is not in the table" in shown
    assert "/wxa/setwebviewdomain" in shown
