"""The board: for whoever may see the runs, row by row, in their language, and without side effects."""

import csv
import io
import re
from pathlib import Path
from typing import Any, Final, get_args

import pytest
from airflow.models.dag import DagModel

from airflow_wxa.api.acting import who_acts
from airflow_wxa.api.errcodes import errcodes
from airflow_wxa.api.webview_domain import WebviewDomain, setwebviewdomain
from airflow_wxa.hooks.store import open_fleets, open_ledger
from airflow_wxa.plugins.board.languages import chosen
from airflow_wxa.plugins.board.reader import Reader
from airflow_wxa.plugins.board.views import COLUMNS
from airflow_wxa.plugins.plugin import WxaPlugin
from airflow_wxa.steps import outcome as outcomes
from airflow_wxa.store import TaskRef
from airflow_wxa.store.fleets import RunKey, Word
from airflow_wxa.store.mini_programs import SORTS, MiniProgram, outcome_word
from airflow_wxa.texts import ENGLISH, languages, template, templates
from airflow_wxa.trial_link import BOARD_PREFIX
from tests.plugins.airflow_runs import FLEET, PLATFORM, AirflowRun, load_fleet, settle
from tests.plugins.browser import Browser, hide_runs, row_of, shows

STUCK, ONLINE, ELSEWHERE = "wx00000000000000a1", "wx00000000000000a2", "wx00000000000000a3"
RELEASED, BLOCKED, UNDER_WAY = "wx00000000000000b1", "wx00000000000000b2", "wx00000000000000b3"
ALL = {STUCK, ONLINE, ELSEWHERE, RELEASED, BLOCKED, UNDER_WAY}
FLEET_PAGE = f"/fleet?dag_id={FLEET}&run_id=spring"
TEMPLATES = Path(__file__).parents[2] / "airflow_wxa" / "plugins" / "board" / "templates"


@pytest.fixture
def board(airflow: Browser, url: str) -> Browser:
    """Return it over Mini Programs: one stuck, one online, one of another team's DAG, and three of a fleet."""
    came_to(STUCK, outcome="stopped", errcode=89021, next_step="=1+1")
    came_to(ONLINE, outcome="released", release_version="1.4.0", release_time=1_700_000_000)
    came_to(ELSEWHERE, dag_id="team_b", outcome="submitted", user_version="2.0.0", auditid="4711")
    blocked = {"outcome": "blocked", "errcode": 61007, "what": "refused"}
    waves = [("canary", RELEASED), ("canary", BLOCKED), ("rest", UNDER_WAY)]
    load_fleet("spring", waves, {"outcome": "released"}, blocked)
    return airflow


def came_to(appid: str, **said: Any) -> None:
    settle(appid, f"run_of_{appid}", **said)


@pytest.fixture
def team_a(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everybody see the runs of ``wxa_release`` only."""
    hide_runs(monkeypatch, "team_b", FLEET)


@pytest.mark.parametrize("by", ["rights", "teams"])
def test_a_manager_sees_what_their_dags_did_only(board: Browser, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    if by == "rights":
        hide_runs(monkeypatch, "team_b", FLEET)
    else:
        teams = {"team_b": "b", FLEET: "b"}
        monkeypatch.setattr(DagModel, "get_dag_id_to_team_name_mapping", staticmethod(lambda _: teams))
        board.shows("/", ELSEWHERE, role="admin")  # who is of every team
    for path in ("/", "/mini-programs.csv"):
        board.shows(path, STUCK, hides=[ELSEWHERE])
    board.shows("/fleets", hides=["spring"])
    paths = (f"/mini-program/{STUCK}", f"/mini-program/{ELSEWHERE}", FLEET_PAGE)
    assert [board.get(path).status_code for path in paths] == [200, 404, 404]


def test_a_page_is_shared_for_a_moment_by_readers_of_the_same_rights_and_language(
    board: Browser, airflow_run: AirflowRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WxaPlugin.fastapi_apps[-1]["app"], "_app", None)
    monkeypatch.setattr("airflow_wxa.plugins.board.runs._KEPT_SECONDS", 60.0)
    shown = board.shows("/")
    came_to(STUCK, outcome="released", release_version="9.9.9")
    assert board.shows("/", user="wang") == shown
    board.shows("/", "9.9.9", role="user")  # who may go on with runs
    board.shows("/?page=1", "9.9.9")
    board.shows("/", "<h1>小程序</h1>", **{"Accept-Language": "zh"})
    airflow_run(FLEET, "spring", tasks={"approve_plan": "awaiting_input"}, asked_of=["wang"], subject="Spring plan?")
    monkeypatch.setattr(WxaPlugin.fastapi_apps[-1]["app"], "_app", None)  # which has no runs yet
    board.shows("/", "Spring plan?", "<strong>2</strong> wait for me", role="user", user="wang")
    board.shows("/", hides=["Spring plan?"], role="user")
    told = board.shows("/", "<strong>0</strong> wait for me", "<strong>2</strong> stuck")
    with pytest.MonkeyPatch.context() as release_managers:
        release_managers.setattr(Reader, "may_release", property(lambda _: True))
        assert board.shows("/") != told
    hide_runs(monkeypatch, "team_b", FLEET)
    board.shows("/", "<strong>0</strong> stuck", hides=[ELSEWHERE])


def test_an_old_run_names_the_mini_programs_that_a_later_run_has_gone_on_with(board: Browser, team_a: None) -> None:
    old = f"/?dag_id=wxa_release&run_id=run_of_{STUCK}"
    board.shows(old, hides=["A later run"])
    settle(STUCK, "later", outcome="released")
    board.shows(old, "A later run", f"/mini-program/{STUCK}", hides=["Nothing here"])
    board.shows(f"/mini-program/{STUCK}", f"run_of_{STUCK}")
    settle(ELSEWHERE, "later", dag_id="team_b", outcome="released")
    board.shows(f"/?dag_id=team_b&run_id=run_of_{ELSEWHERE}", hides=[f"/mini-program/{ELSEWHERE}"])


def test_a_page_says_what_the_next_release_takes_offline_and_what_the_last_one_did(board: Browser) -> None:
    page, lost = f"/mini-program/{STUCK}", ["https://h5.merchant.example"]
    board.shows(page, hides=["offline"])
    came_to(STUCK, outcome="configured", will_be_lost=lost)
    board.shows(page, "Go offline at the next release", *lost)
    came_to(STUCK, outcome="released", lost=lost)
    board.shows(f"{page}?lang=zh", "上次发布使以下域名下线")
    came_to(STUCK, outcome="released", lost=[])
    board.shows(f"{page}?lang=en", hides=["offline"])


def test_what_others_did_since_hides_nothing_of_ones_own(board: Browser, team_a: None) -> None:
    ledger, call = open_ledger(), setwebviewdomain(STUCK, "add", [WebviewDomain("m.example.com")])
    load_fleet("mine", [("canary", STUCK)], dag_id="wxa_release")
    ledger.intend(PLATFORM, [call], TaskRef("wxa_release", "mine", "configure_domains"))
    ledger.intend(PLATFORM, [call] * 100, TaskRef("team_b", "theirs", "configure_domains"))
    for number in range(50):
        load_fleet(f"theirs-{number}", [("canary", STUCK)], dag_id="team_b")
        settle(STUCK, f"theirs-{number}", dag_id="team_b", outcome="released")
    board.shows("/fleets", "mine")
    board.shows(f"/mini-program/{STUCK}", "https://m.example.com", f"run_of_{STUCK}", hides=["theirs"])


FILTERS: Final = {
    "who=platform_team": {STUCK},
    "outcome=released&dag_id=x": {ONLINE, RELEASED},
    "wave=canary": {RELEASED, BLOCKED},
    "who=merchant": {BLOCKED},
    "q=3.2.0&outcome=other": {UNDER_WAY},
    "errcode=89021": {STUCK},
    "q=2.0.0": {ELSEWHERE},
    "q=%25": set(),
    "run_id=run_of_wx00000000000000a3&dag_id=team_b": {ELSEWHERE},
    "errcode=nonsense&page=-4&sort=who%3Bdrop": ALL,
    "wave=no-such-wave": set(),
    "page=1000000000": ALL,
}


def test_a_filter_finds(board: Browser) -> None:
    pages = {query: board.shows(f"/?{query}") for query in FILTERS}
    assert {query: set(re.findall(r"/mini-program/(wx[0-9a-f]{16})", page)) for query, page in pages.items()} == FILTERS


def test_a_fleet_shows_its_waves_and_what_stopped(board: Browser) -> None:
    board.shows("/fleets", "spring")
    open_fleets().change(RunKey(FLEET, "spring"), {2: {"outcome": "rejected"}})
    place = f'<a href="{BOARD_PREFIX}/fleets" aria-current="page">'
    wanted = ("2 of 2 done", "1 of 1 done", f'href="{BOARD_PREFIX}/errcode/61007"', "<title>spring ·", place)
    (link,) = re.findall(r'href="[^"]*board(/[^"]*outcome=audit_rejected)"', board.shows(FLEET_PAGE, *wanted))
    board.shows(link.replace("&amp;", "&"), UNDER_WAY)
    assert board.get(f"/fleet?dag_id={FLEET}&run_id=none").status_code == 404


def table(board: Browser, language: str, key: str) -> dict[str, dict[str, str]]:
    text = board.get("/mini-programs.csv", **{"Accept-Language": language}).text
    assert text.startswith("\ufeff")  # else spreadsheets read Chinese as noise
    return {each[key]: each for each in csv.DictReader(io.StringIO(text[1:]))}


def test_a_csv_file_is_in_the_readers_language_with_times_by_wechats_clock_and_no_formula(board: Browser) -> None:
    online = table(board, "zh", "AppID")[ONLINE]
    said = {"进行中": "已上线", "该谁处理": "无需处理", "上线时间 (UTC+8)": "2023-11-15 06:13"}
    assert online | said == online
    assert table(board, "en", "Appid")[STUCK]["Next step"] == "'=1+1"
    # A version that WeChat leaves out is the one that was on its way.
    came_to(ONLINE, outcome="submitted", user_version="1.5.0")
    came_to(ONLINE, outcome="released", release_version="", release_time=1_700_000_100)
    online = table(board, "en", "Appid")[ONLINE]
    assert (online["Online"], online["Online since (UTC+8)"]) == ("1.5.0", "2023-11-15 06:15")


def test_a_column_has_a_header_a_cell_and_its_values_in_csv(board: Browser) -> None:
    came_to(ONLINE, outcome="released", lost=["https://h5.example.com"])
    page = board.shows("/")
    for column in COLUMNS:
        keys = {f"column.{name}" for name in (column.name, *column.csv)}
        assert [key for key in keys if key not in templates(ENGLISH)["page"]] == []
        assert not column.sorts or column.name in SORTS
        assert set(column.csv) <= set(MiniProgram.__slots__)
        cells = re.findall(rf'<t[dh][^>]* class="column-{column.name}"[^>]*>(.*?)</t[dh]>', page, re.DOTALL)
        assert len(cells) == 6
        assert any(re.sub("<[^>]+>", "", cell).strip(" \u2013") for cell in cells), column.name
    names = [name for column in COLUMNS for name in column.csv]
    assert len(names) == len(set(names))


def test_a_page_is_in_the_readers_language_and_the_switch_is_remembered(board: Browser) -> None:
    for headers, word in (
        ({}, "Mini Programs"),
        ({"Accept-Language": "de, zh-CN;q=0.9"}, "小程序"),
        ({"Accept-Language": "en", "Cookie": "wxa_language=zh"}, "小程序"),
    ):
        board.shows("/", f"<h1>{word}</h1>", **headers)
    answer = board.get("/?lang=zh-CN", Cookie="wxa_language=en")
    assert "<h1>小程序</h1>" in answer.text
    assert answer.headers["set-cookie"].startswith("wxa_language=zh;")
    assert chosen(None, None, "de, en;q=0.5").code == chosen(None, None, "").code == ENGLISH


def test_what_to_do_about_an_errcode_is_in_the_readers_language(board: Browser) -> None:
    board.shows("/errcode/89021", "Platform team")
    assert re.search(r"[\u4e00-\u9fff]{8}", board.shows("/errcode/89021?lang=zh"))
    assert board.get("/errcode/4711").status_code == 404
    for language in ("en", "zh"):
        rows = board.get("/errcodes", **{"Accept-Language": language}).text.split("<tr>")[2:]
        assert len(rows) == len(errcodes().keys() - {0})
        assert [each for each in rows if not re.search(r"</th><td>[^<]{4,}</td><td>[^<_]{2,}</td>", each)] == []
        assert language == "en" or [each for each in rows if not re.search("</th><td>.*[\u4e00-\u9fff]", each)] == []


def test_each_text_that_a_page_names_is_there() -> None:
    texts = templates(ENGLISH)["page"]
    for path in TEMPLATES.glob("*.html"):
        named = re.findall(r"""\bt\(\s*["']([a-z_.]+)["']\s*[,)]""", path.read_text("utf-8"))
        assert [key for key in named if key not in texts] == []


#: These are told with an errcode, or with a next step of their own.
STOPPED = {"stopped", "blocked", "failed", "pending", "no_quota", "not_reached", "platform_list_empty", "individual"}


#: What a person or a task says without a step; ``other``: a fleet's Mini Program that has not ended.
BESIDE_STEPS = {"asked", "approved", "rejected", "refused", "expired", "stopped", "other"}
SAID_BY_STEPS = (getattr(each, "__annotations__", {}).get("outcome", "") for each in vars(outcomes).values())
OF_STEPS = {*re.findall(r"'(\w+)'", " ".join(map(str, SAID_BY_STEPS)))}
assert "already_released" in OF_STEPS
WORDS = OF_STEPS | {*get_args(Word)} | BESIDE_STEPS


def test_each_outcome_has_its_text() -> None:
    for word in sorted(WORDS | {outcome_word({"outcome": word}) for word in WORDS}):
        texts = [template("page", f"outcome.{word}", code) for code in languages()]
        assert all(texts), word
        assert "_" not in "".join(texts), word
        assert who_acts(word, 0) == "nobody" or word in STOPPED or template("page", f"next.{word}", ENGLISH), word


#: What a run noted → acting side, and words of the row.
ROWS: Final[list[tuple[dict[str, Any], str, str]]] = [
    ({"outcome": "stopped", "errcode": 89021}, "platform_team", f'href="{BOARD_PREFIX}/errcode/89021"'),
    ({"outcome": "individual", "errcode": 89231}, "merchant", "个人"),
    ({"outcome": "platform_list_empty", "errcode": 89020}, "platform_team", "wxa_platform_domains"),
    ({"outcome": "asked"}, "release_manager", "查看并决定"),
    ({"outcome": "rejected", "auditid": "7"}, "release_manager", "审核员"),
    ({"outcome": "submitted"}, "wechat", "等待"),
    ({"outcome": "rolled_back", "user_version": "1.3.0", "release_time": 1_800_000_000}, "nobody", "已回退"),
]


def test_a_row_says_who_must_act_on_what(board: Browser, airflow_run: AirflowRun) -> None:
    for number, (said, _, _) in enumerate(ROWS):
        settle(f"wx{number:016x}", "waits", **said)
    airflow_run("wxa_release", "waits")
    page = board.shows("/?lang=zh", "1.4.0")
    for number, (_, who, words) in enumerate(ROWS):
        appid = f"wx{number:016x}"
        shows(row_of(page, appid), words)
        assert who == "nobody" or board.shows(f"/?who={who}", appid)
    shows(row_of(page, appid), "1.3.0")  # is online again
