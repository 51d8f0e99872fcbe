"""The board: for whoever may see the runs, row by row, in their language, and without side effects."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import pytest

from airflow_wxa.api.acting import who_acts
from airflow_wxa.api.errcodes import errcodes
from airflow_wxa.api.webview_domain import WebviewDomain, setwebviewdomain
from airflow_wxa.hooks.store import open_ledger, store_url
from airflow_wxa.plugins.board import runs
from airflow_wxa.plugins.board.columns import COLUMNS, Column
from airflow_wxa.plugins.board.languages import chosen
from airflow_wxa.steps import outcome as outcomes
from airflow_wxa.store import Ledger, TaskRef
from airflow_wxa.store.fleets import Fleets, NewApp, RunKey, Word
from airflow_wxa.store.ledger import Result
from airflow_wxa.store.mini_programs import SORTS, MiniProgram, MiniPrograms, Wanted, outcome_word
from airflow_wxa.texts import ENGLISH, languages, template, templates
from airflow_wxa.trial_link import BOARD_PREFIX

if TYPE_CHECKING:
    from tests.plugins.airflow_runs import AirflowRun
    from tests.plugins.browser import Browser

PLATFORM = "wx00000000000000c1"
STUCK, ONLINE, ELSEWHERE = "wx00000000000000a1", "wx00000000000000a2", "wx00000000000000a3"
RELEASED, BLOCKED, UNDER_WAY = "wx00000000000000b1", "wx00000000000000b2", "wx00000000000000b3"
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
TEMPLATES = Path(__file__).parents[2] / "airflow_wxa" / "plugins" / "board" / "templates"


@pytest.fixture
def board(airflow: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Browser:
    """Return it over a store with one Mini Program that is stuck, one online, and one of another team's DAG."""
    url = f"sqlite:///{tmp_path / 'wxa.db'}"
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", url)
    monkeypatch.setattr(runs, "_KEPT_SECONDS", -1.0)
    ledger = Ledger(url)
    _settle(ledger, STUCK, "wxa_release", outcome="stopped", errcode=89021, what=HOSTILE, next_step="=1+1")
    _settle(ledger, ONLINE, "wxa_release", outcome="released", release_version="1.4.0", release_time=1_700_000_000)
    _settle(ledger, ELSEWHERE, "team_b", outcome="submitted", user_version="2.0.0", auditid="4711")
    _fleet(url)
    return airflow


def _fleet(url: str) -> None:
    """Load a fleet of three: one released, one blocked, one under way."""
    fleets, key = Fleets(url), RunKey("wxa_fleet_release", "spring")
    waves = [("canary", RELEASED), ("canary", BLOCKED), ("rest", UNDER_WAY)]
    fleets.load(
        key,
        PLATFORM,
        {"release": {"user_version": "3.2.0"}},
        "digest",
        [NewApp(appid, wave, 0, {}) for wave, appid in waves],
    )
    fleets.change(key, {0: {"outcome": "released"}, 1: {"outcome": "blocked", "errcode": 61007, "what": "refused"}})


def _settle(ledger: Ledger, appid: str, dag_id: str, **said: Any) -> None:
    task = TaskRef(dag_id=dag_id, run_id=f"run_of_{appid}", task_id="release")
    ledger.settle(PLATFORM, task, [Result(appid, "release", {"appid": appid, **said}, resolves=False)])


@pytest.fixture
def team_a(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everybody see the runs of ``wxa_release`` only; simple auth's roles know no single DAG."""
    from airflow.api_fastapi.app import get_auth_manager  # noqa: PLC0415  as above

    manager = type(get_auth_manager())
    asked = manager.is_authorized_dag

    def is_authorized_dag(self: Any, *, details: Any = None, **parts: Any) -> bool:
        return (details is None or details.id == "wxa_release") and asked(self, details=details, **parts)

    monkeypatch.setattr(manager, "is_authorized_dag", is_authorized_dag)


def test_an_old_run_names_whom_a_later_run_has_gone_on_with(board: Browser, team_a: None) -> None:
    old = f"/?dag_id=wxa_release&run_id=run_of_{STUCK}"
    assert "A later run" not in board.get(old).text
    task = TaskRef(dag_id="wxa_release", run_id="later", task_id="release")
    said = {"appid": STUCK, "outcome": "released"}
    ledger = Ledger(store_url())
    ledger.settle(PLATFORM, task, [Result(STUCK, "release", said, resolves=False)])
    shown = board.get(old).text
    assert "A later run" in shown
    assert f"/mini-program/{STUCK}" in shown
    assert "Nothing here" not in shown
    assert f"run_of_{STUCK}" in board.get(f"/mini-program/{STUCK}").text
    _settle(ledger, ELSEWHERE, "team_b", outcome="submitted")
    later = TaskRef(dag_id="team_b", run_id="later", task_id="release")
    ledger.settle(PLATFORM, later, [Result(ELSEWHERE, "release", {**said, "appid": ELSEWHERE}, resolves=False)])
    assert ELSEWHERE not in board.get(f"/?dag_id=team_b&run_id=run_of_{ELSEWHERE}").text.replace(
        "run_of_" + ELSEWHERE, ""
    )


def test_a_page_says_what_the_next_release_takes_offline_and_what_the_last_one_did(board: Browser) -> None:
    page = f"/mini-program/{STUCK}"
    assert "offline" not in board.get(page).text
    _settle(
        Ledger(store_url()), STUCK, "wxa_release", outcome="configured", will_be_lost=["https://h5.merchant.example"]
    )
    shown = board.get(page).text
    assert "Go offline at the next release" in shown
    assert "https://h5.merchant.example" in shown
    _settle(Ledger(store_url()), STUCK, "wxa_release", outcome="released", lost=["https://h5.merchant.example"])
    assert "上次发布使以下域名下线" in board.get(f"{page}?lang=zh").text
    _settle(Ledger(store_url()), STUCK, "wxa_release", outcome="released", lost=[])
    assert "offline" not in board.get(f"{page}?lang=en").text


FLEET = "/fleet?dag_id=wxa_fleet_release&run_id=spring"


def test_a_manager_sees_the_rows_of_their_dags_only(board: Browser, team_a: None) -> None:
    shown = board.get("/").text
    assert STUCK in shown
    assert ELSEWHERE not in shown
    assert ELSEWHERE not in board.get("/mini-programs.csv").text
    assert board.get(f"/mini-program/{ELSEWHERE}").status_code == 404
    assert board.get(f"/mini-program/{STUCK}").status_code == 200


def test_a_dag_of_a_team_is_for_that_team(board: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.models.dag import DagModel  # noqa: PLC0415  as above

    teams = {"team_b": "b", "wxa_fleet_release": "b"}
    monkeypatch.setattr(DagModel, "get_dag_id_to_team_name_mapping", staticmethod(lambda _: teams))
    shown = board.get("/").text
    assert STUCK in shown
    assert ELSEWHERE not in shown + board.get("/mini-programs.csv").text
    assert "spring" not in board.get("/fleets").text
    assert [board.get(path).status_code for path in (f"/mini-program/{ELSEWHERE}", FLEET)] == [404, 404]
    assert ELSEWHERE in board.get("/", "admin").text  # an admin is of every team


def test_what_others_did_since_hides_nothing_of_ones_own(board: Browser, team_a: None) -> None:
    ledger, fleets = open_ledger(), Fleets(store_url())
    call = setwebviewdomain(STUCK, "add", [WebviewDomain("m.example.com")])
    fleets.load(RunKey("wxa_release", "mine"), PLATFORM, {}, "digest", [NewApp(STUCK, "canary", 0, {})])
    ledger.intend(PLATFORM, [call], TaskRef("wxa_release", "mine", "configure_domains"))
    ledger.intend(PLATFORM, [call] * 100, TaskRef("team_b", "theirs", "configure_domains"))
    for number in range(50):
        fleets.load(RunKey("team_b", f"theirs-{number}"), PLATFORM, {}, "digest", [NewApp(STUCK, "canary", 0, {})])
        task = TaskRef("team_b", f"theirs-{number}", "release")
        ledger.settle(PLATFORM, task, [Result(STUCK, "release", {"outcome": "released"}, resolves=False)])
    assert "mine" in board.get("/fleets").text
    shown = board.get(f"/mini-program/{STUCK}").text
    assert "theirs" not in shown
    assert "https://m.example.com" in shown
    assert f"run_of_{STUCK}" in shown


def test_a_version_that_wechat_leaves_out_is_the_one_that_was_on_its_way(board: Browser) -> None:
    _settle(open_ledger(), ONLINE, "wxa_release", outcome="submitted", user_version="1.5.0")
    _settle(open_ledger(), ONLINE, "wxa_release", outcome="released", release_version="", release_time=1_700_000_100)
    row = MiniPrograms(store_url()).of(ONLINE, ["wxa_release"])
    assert row is not None
    assert (row.online_version, row.online_at) == ("1.5.0", 1_700_000_100)


def test_a_row_says_who_must_act_on_what(board: Browser) -> None:
    row = _row(board.get("/").text, STUCK)
    assert "Platform team" in row
    assert f'href="{BOARD_PREFIX}/errcode/89021"' in row
    assert "1.4.0" in _row(board.get("/").text, ONLINE)


def _row(page: str, appid: str) -> str:
    (row,) = [part for part in page.split("<tr>") if f"/mini-program/{appid}" in part]
    return row


@pytest.mark.parametrize(
    ("query", "appids"),
    [
        ("who=platform_team", {STUCK}),
        ("outcome=released&dag_id=x", {ONLINE, RELEASED}),
        ("wave=canary", {RELEASED, BLOCKED}),
        ("who=merchant", {BLOCKED}),
        ("q=3.2.0&outcome=other", {UNDER_WAY}),
        ("errcode=89021", {STUCK}),
        ("q=2.0.0", {ELSEWHERE}),
        ("q=%25", set()),
        ("run_id=run_of_wx00000000000000a3&dag_id=team_b", {ELSEWHERE}),
        ("errcode=nonsense&page=-4&sort=who%3Bdrop", {STUCK, ONLINE, ELSEWHERE, RELEASED, BLOCKED, UNDER_WAY}),
        ("wave=no-such-wave", set()),
        ("page=1000000000", {STUCK, ONLINE, ELSEWHERE, RELEASED, BLOCKED, UNDER_WAY}),
    ],
)
def test_a_filter_finds(board: Browser, query: str, appids: set[str]) -> None:
    found = set(re.findall(r"/mini-program/(wx[0-9a-f]{16})", board.get(f"/?{query}").text))
    assert found == appids


def test_a_fleet_shows_its_waves_and_what_stopped(board: Browser) -> None:
    assert "spring" in board.get("/fleets").text
    shown = board.get(FLEET).text
    assert "2 of 2 done" in shown
    assert "0 of 1 done" in shown
    assert f'href="{BOARD_PREFIX}/errcode/61007"' in shown
    assert board.get("/fleet?dag_id=wxa_fleet_release&run_id=none").status_code == 404


def test_a_fleet_is_for_whoever_may_see_its_dag(board: Browser, team_a: None) -> None:
    assert board.get(FLEET).status_code == 404
    assert "spring" not in board.get("/fleets").text


def test_no_remote_text_acts(board: Browser) -> None:
    for path in ("/", f"/mini-program/{STUCK}", f"/?q={HOSTILE}"):
        answer = board.get(path)
        assert "<script>alert" not in answer.text
        assert "<img src=x" not in answer.text
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_no_cell_is_a_formula(board: Browser) -> None:
    rows = _rows(board, "en")
    assert {row["Next step"] for row in rows if row["Appid"] == STUCK} == {"'=1+1"}


def _rows(board: Browser, language: str) -> list[dict[str, str]]:
    text = board.get("/mini-programs.csv", **{"Accept-Language": language}).text
    assert text.startswith("\ufeff")  # else spreadsheets read Chinese as noise
    return list(csv.DictReader(io.StringIO(text[1:])))


def test_a_csv_file_is_in_the_readers_language_with_times_by_wechats_clock(board: Browser) -> None:
    (row,) = (each for each in _rows(board, "zh") if each["AppID"] == ONLINE)
    assert (row["进行中"], row["该谁处理"], row["上线时间 (UTC+8)"]) == ("已上线", "无需处理", "2023-11-15 06:13")


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.name)
def test_a_column_has_a_header_a_cell_and_its_values_in_csv(board: Browser, column: Column) -> None:
    keys = {f"column.{name}" for name in (column.name, *column.csv)}
    assert [key for key in keys if key not in templates(ENGLISH)["page"]] == []
    assert not column.sorts or column.name in SORTS
    assert set(column.csv) <= set(MiniProgram.__slots__)
    cells = re.findall(rf'<t[dh][^>]* class="column-{column.name}"[^>]*>(.*?)</t[dh]>', board.get("/").text, re.DOTALL)
    assert len(cells) == 6
    assert any(re.sub("<[^>]+>", "", cell).strip(" \u2013") for cell in cells)


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({}, "Mini Programs"),
        ({"Accept-Language": "zh-CN,zh;q=0.9"}, "小程序"),
        ({"Cookie": "wxa_language=zh"}, "小程序"),
    ],
)
def test_a_page_is_in_the_readers_language(board: Browser, headers: dict[str, str], word: str) -> None:
    assert f"<h1>{word}</h1>" in board.get("/", **headers).text


def test_the_switch_is_remembered(board: Browser) -> None:
    answer = board.get("/?lang=zh-CN")
    assert "<h1>小程序</h1>" in answer.text
    assert answer.headers["set-cookie"].startswith("wxa_language=zh;")


def test_what_to_do_about_an_errcode_is_in_the_readers_language(board: Browser) -> None:
    english, chinese = board.get("/errcode/89021").text, board.get("/errcode/89021?lang=zh").text
    assert re.search(r"[\u4e00-\u9fff]{8}", chinese)
    assert "Platform team" in english
    assert board.get("/errcode/4711").status_code == 404


def test_a_store_that_does_not_answer_says_so(board: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", "postgresql+psycopg2://nobody@127.0.0.1:1/none")
    answer = board.get("/")
    assert answer.status_code == 503
    assert "127.0.0.1:1" not in answer.text


def test_each_text_that_a_page_names_is_there() -> None:
    texts = templates(ENGLISH)["page"]
    for path in TEMPLATES.glob("*.html"):
        named = re.findall(r"""\bt\(\s*["']([a-z_.]+)["']\s*[,)]""", path.read_text("utf-8"))
        assert [key for key in named if key not in texts] == []


#: These are told with an errcode, or with a next step of their own.
STOPPED = {"stopped", "blocked", "failed", "pending", "no_quota", "not_reached", "platform_list_empty", "individual"}


def _words(outcome: Any) -> list[str]:
    """Return what a step's outcome can be."""
    return re.findall(r"'(\w+)'", str(getattr(outcome, "__annotations__", {}).get("outcome", "")))


#: What a person or a task says without a step; ``other``: a fleet's Mini Program that has not ended.
BESIDE_STEPS = {"asked", "approved", "rejected", "refused", "expired", "stopped", "other"}
OF_STEPS = {word for outcome in vars(outcomes).values() for word in _words(outcome)}
assert "already_released" in OF_STEPS
WORDS = OF_STEPS | {*get_args(Word)} | BESIDE_STEPS


@pytest.mark.parametrize("word", sorted(WORDS | {outcome_word({"outcome": word}) for word in WORDS}))
def test_each_outcome_has_its_text(word: str) -> None:
    texts = [template("page", f"outcome.{word}", code) for code in languages()]
    assert all(texts)
    assert "_" not in "".join(texts)
    assert who_acts(word, 0) == "nobody" or word in STOPPED or template("page", f"next.{word}", ENGLISH)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_errcode_says_what_it_means(board: Browser, language: str) -> None:
    rows = board.get("/errcodes", **{"Accept-Language": language}).text.split("<tr>")[2:]
    assert len(rows) == len(errcodes().keys() - {0})
    assert [row for row in rows if not re.search(r"</th><td>[^<]{4,}</td><td>[^<_]{2,}</td>", row)] == []
    assert language == "en" or [row for row in rows if not re.search("</th><td>.*[\u4e00-\u9fff]", row)] == []


def test_a_rolled_back_version_is_online_again(board: Browser, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'wxa.db'}"
    _settle(
        Ledger(url), ONLINE, "wxa_rollback", outcome="rolled_back", user_version="1.3.0", release_time=1_800_000_000
    )
    shown = board.get("/?lang=zh").text
    assert "1.3.0" in _row(shown, ONLINE)
    assert "已回退" in _row(shown, ONLINE)


def test_a_fleet_links_to_those_whose_audit_was_rejected(board: Browser, tmp_path: Path) -> None:
    fleets, key = Fleets(f"sqlite:///{tmp_path / 'wxa.db'}"), RunKey("wxa_fleet_release", "spring")
    fleets.change(key, {2: {"outcome": "rejected"}})
    shown = board.get(FLEET).text
    (link,) = re.findall(r'href="[^"]*board(/[^"]*outcome=audit_rejected)"', shown)
    assert UNDER_WAY in board.get(link.replace("&amp;", "&")).text


@pytest.mark.parametrize(
    ("said", "who", "next_step"),
    [
        ({"outcome": "individual", "errcode": 89231}, "merchant", "individual"),
        ({"outcome": "platform_list_empty", "errcode": 89020}, "platform_team", "wxa_platform_domains"),
        ({"outcome": "asked"}, "release_manager", "Required Actions"),
        ({"outcome": "rejected", "auditid": "7"}, "release_manager", "reviewer"),
        ({"outcome": "submitted"}, "wechat", "Wait"),
    ],
)
def test_whoever_waits_is_told_what_to_do(
    board: Browser,
    tmp_path: Path,
    airflow_run: AirflowRun,
    said: dict[str, Any],
    who: str,
    next_step: str,
) -> None:
    airflow_run("wxa_release", f"run_of_{STUCK}")
    url = f"sqlite:///{tmp_path / 'wxa.db'}"
    _settle(Ledger(url), STUCK, "wxa_release", **said)
    rows, _ = MiniPrograms(url).page(["wxa_release"], Wanted(who=who))
    assert STUCK in {row.appid for row in rows}
    assert next_step in _row(board.get("/").text, STUCK)


@pytest.mark.parametrize(
    ("asked", "kept", "accepted", "code"),
    [(None, None, "de, en;q=0.5", "en"), (None, None, "", "en"), (None, "zh", "en", "zh"), ("en", "zh", "zh", "en")],
)
def test_the_reader_decides_before_the_browser(asked: str | None, kept: str | None, accepted: str, code: str) -> None:
    assert chosen(asked, kept, accepted).code == code


def test_no_two_columns_of_the_csv_have_one_name() -> None:
    names = [name for column in COLUMNS for name in column.csv]
    assert len(names) == len(set(names))
