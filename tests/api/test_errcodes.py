"""The table of WeChat's errcodes: every row, and what becomes of it."""

import inspect
import json
import re

import pytest

from airflow_wxa import errors
from airflow_wxa.api.call import Call, read_reply
from airflow_wxa.api.endpoints import CATALOGUE
from airflow_wxa.api.errcodes import ERROR_CLASSES, Errcode, errcodes, error_for, is_noop
from airflow_wxa.errors import WxaApiError, WxaStateError, WxaUnknownError
from airflow_wxa.texts import in_language
from tests.tables import each_row

APPID = "wx0000000000000001"
RID = "6620f0a1-1b2c3d4e-5f607182"
ROWS = list(errcodes().values())
ERRORS = [row for row in ROWS if row.class_ not in {"ok", "noop"}]
NOOPS = [row for row in ROWS if row.class_ == "noop"]
EXPECTED = {
    "transient": errors.WxaBusyError,
    "quota": errors.WxaQuotaError,
    "token": errors.WxaCredentialError,
    "permission": errors.WxaPermissionError,
    "platform_setup": errors.WxaPlatformSetupError,
    "unsupported_account": errors.WxaUnsupportedAccountError,
    "state": errors.WxaStateError,
    "input": errors.WxaInputError,
    "unknown": errors.WxaUnknownError,
}


def call_of(row: Errcode) -> Call:
    """Return a call to an endpoint that answers this row, else to commit."""
    for endpoint in CATALOGUE.values():
        if "*" not in row.endpoints and row.answered_by(endpoint.path):
            return Call(endpoint, APPID)
    return Call.to("commit", APPID)


def refusal(call: Call, errcode: int, errmsg: str = "what WeChat says") -> WxaApiError:
    answer = {"errcode": errcode, "errmsg": f"{errmsg} rid: {RID}"}
    with pytest.raises(WxaApiError) as raised:
        read_reply(call, 200, json.dumps(answer).encode())
    return raised.value


@each_row("row", ERRORS)
def test_a_code_raises_its_class_with_the_five_parts(row: Errcode) -> None:
    call = call_of(row)
    error = refusal(call, row.errcode)
    assert type(error) is EXPECTED[row.class_]
    what, which, why, next_step, source = str(error).split("\n  ")
    assert what == f"{call.endpoint.name} refused: {row.name.replace('_', ' ')}"
    assert which == f"appid {APPID}, errcode {row.errcode}, errmsg what WeChat says, rid {RID}"
    assert why == row.meaning
    assert next_step == row.action
    pages = [each for each in row.source.split("; ") if each.startswith("https://")]
    assert source == [*pages, call.endpoint.source][0]  # a page of WeChat's, the best of all that the row lists
    assert (error.errcode, error.errmsg, error.rid) == (row.errcode, "what WeChat says", RID)
    assert error.retryable is (EXPECTED[row.class_].retryable if row.retryable is None else row.retryable)


def test_a_row_says_what_it_means_and_what_to_do_in_both_languages() -> None:
    def problems(row: Errcode) -> list[str]:
        texts = {text: in_language(text, "zh") for text in (row.meaning, row.action)}
        found = {
            "begins like no English text": not all(text[0].isascii() and text.strip() == text for text in texts),
            "has no Chinese text": not all(re.search("[\u4e00-\u9fff]", text) for text in texts.values()),
            "has a name that is no word": not row.name.replace("_", "").isalnum(),
            "has no source": not row.source,
            "does not say how sure it is": row.confidence.partition(" ")[0] not in {"documented", "seen", "inferred"},
            "is of no known class": row.class_ not in {"ok", *ERROR_CLASSES},
            "has a next step that says nothing": len(row.action.split()) < 5
            or row.action.lower().startswith("correct the request and try again"),
            "has a part of several lines": "\n" in "".join([*texts, *texts.values(), row.source]),
        }
        return [problem for problem, there in found.items() if there]

    assert {row.errcode: problems(row) for row in ROWS if problems(row)} == {}


def test_codes_and_names_are_there_once() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert dict(ERROR_CLASSES) == {**EXPECTED, "noop": WxaStateError}


@each_row("row", NOOPS)
def test_a_noop_is_a_reply_on_its_own_endpoints_and_an_error_of_state_elsewhere(row: Errcode) -> None:
    answer = json.dumps({"errcode": row.errcode, "errmsg": "already"}).encode()
    for endpoint in CATALOGUE.values():
        call = Call(endpoint, APPID)
        if row.answered_by(endpoint.path):
            assert is_noop(row.errcode, endpoint.path)
            assert read_reply(call, 200, answer).errcode == row.errcode
        else:
            with pytest.raises(WxaStateError):
                read_reply(call, 200, answer)


def test_what_counts_as_done_is_said_by_code_and_endpoint() -> None:
    def done(errcode: int) -> set[str]:
        return {name for name, row in CATALOGUE.items() if is_noop(errcode, row.path)}

    assert done(89019) == done(89022) == {"setwebviewdomain"}
    assert done(85052) == {"release"}
    assert done(89020) == done(1234567) == set()


@each_row("errcode", [1234567, -7, 89999])
def test_an_unknown_code_is_shown_as_itself(errcode: int) -> None:
    assert errcode not in errcodes()
    error = refusal(Call.to("commit", APPID), errcode, "new in this world")
    assert type(error) is WxaUnknownError
    assert not error.retryable
    what, which, why, _, source = str(error).split("\n  ")
    assert what == f"commit refused: errcode {errcode}"
    assert which == f"appid {APPID}, errcode {errcode}, errmsg new in this world, rid {RID}"
    assert "new in this world" in why
    assert source == CATALOGUE["commit"].source
    textless = str(error_for(errcode, endpoint=CATALOGUE["release"]))
    assert "WeChat says: nothing more" in textless
    assert textless.split("\n  ")[1] == f"errcode {errcode}"


#: WeChat's errmsg, its text and its rid.
ERRMSGS = [
    (f"system error rid: {RID}", "system error", RID),
    ("system error hint: [abc] rid: 0-1-2", "system error hint: [abc]", "0-1-2"),
    ("rid: 0-1-2", "", "0-1-2"),
    ("arid: nothing", "arid: nothing", ""),
    ("", "", ""),
]


@each_row("errmsg, text, rid", ERRMSGS)
def test_the_rid_is_taken_out_of_errmsg(errmsg: str, text: str, rid: str) -> None:
    with pytest.raises(WxaApiError) as raised:
        read_reply(Call.to("commit", APPID), 200, json.dumps({"errcode": -1, "errmsg": errmsg}).encode())
    assert (raised.value.errmsg, raised.value.rid) == (text, rid)


#: Paths of a row, one that it is answered at, and one that it is not.
PATHS = [
    (["*"], "/wxa/commit", None),
    (["/wxa/*"], "/wxa/commit", "/cgi-bin/x"),
    (["/wxa/commit"], "/wxa/commit", "/wxa/commit2"),
    ([], None, "/wxa/commit"),
]


@each_row("known, answered, other", PATHS)
def test_a_star_ends_a_prefix(known: list[str], answered: str | None, other: str | None) -> None:
    row = Errcode(1, "n", "input", tuple(known), "s", "documented")
    assert answered is None or row.answered_by(answered)
    assert other is None or not row.answered_by(other)


def test_a_code_that_code_names_has_the_name_of_the_table() -> None:
    module = vars(inspect.getmodule(Errcode))
    named = {name: value for name, value in module.items() if name.isupper() and type(value) is int}
    assert named
    assert named == {errcodes()[value].name.upper(): value for value in named.values()}


def test_what_a_caller_knows_better_stands_in_the_error_from_the_start() -> None:
    error = error_for(
        85085, endpoint=CATALOGUE["submit_audit"], what="not sent", values={"rest": 0}, why="why", next_step="wait"
    )
    assert str(error).split("\n  ")[:4] == ["not sent", "errcode 85085, rest 0", "why", "wait"]
