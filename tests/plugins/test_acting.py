"""Acts of the board: by Airflow's own API with the reader's own login, each once, and nothing beyond their rights."""

import html
import json
import re
import time
from functools import partial
from typing import Any, Final
from unittest.mock import AsyncMock
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.hooks.store import open_fleets, open_ledger
from airflow_wxa.operators.approval import kind_of
from airflow_wxa.plugins.board import acting
from airflow_wxa.plugins.board.reader import RefusedError
from airflow_wxa.sandbox import Fault, RunningSandbox
from airflow_wxa.store import TaskRef
from airflow_wxa.store.fleets import RunKey
from airflow_wxa.store.questions import Question, told
from airflow_wxa.texts.setting import speaking
from tests.airflow_session import register_dag
from tests.plugins.acting import CONF, FILLED, Page, about, fields_of, runs_of, set_states, started, states_of
from tests.plugins.airflow_runs import APPID, DAG, FLEET, OTHER, PLATFORM, settle, write_domains
from tests.plugins.browser import login, shows

# Airflow's own fields of a DAG's details warn when they are read, and the tests make errors of warnings.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")


def test_an_approval_is_shown_and_answered_once(page: Page) -> None:
    this = page.asked("asked")
    shown = page.open("answer", **this).text
    assert shown.count("Release 1.4.0 of &lt;b&gt;Tea House&lt;/b&gt;?") == 2  # the window's title, and the heading
    wanted = ("&lt;b&gt;Tea House&lt;/b&gt;", "spring sale", "1.3.0", "4711", "+ https://new", "- https://old")
    shows(shown, *wanted, f"/wxa/trial/{APPID}?dag_id=wxa_release&amp;run_id=asked", hides=["elsewhere.example"])
    below = shown.partition("</h1>")[2]
    assert below.index("https://h5.example.com") < below.index("Tea House")  # what goes offline stands first
    assert page.open("answer", **this | {"appid": OTHER}).status_code == 409  # it is not asked about this one
    fields = page.fields("answer", **this) | {"choice": "Approve", "comment": "tested"}
    page.press_at_once("answer", *[fields] * 4)
    assert states_of("asked")["approve_release"] == "scheduled"
    details = f"/api/v2/dags/{DAG}/dagRuns/asked/hitlDetails"
    (detail,) = page.browser.send("GET", details, headers=login("admin")).json()["hitl_details"]
    assert (detail["chosen_options"], detail["params_input"]) == (["Approve"], {"comment": "tested"})
    assert detail["responded_by_user"]["name"] == "lin"
    assert page.open("answer", **this).status_code == 409


def test_a_question_is_found_below_whatever_the_run_has_written_since(page: Page) -> None:
    this = page.asked("busy")
    for _ in range(101):
        write_domains("busy", "https://m.example.com")
    assert page.open("answer", **this).status_code == 200
    assert page.open("answer", dag_id=DAG, run_id="bu\0sy").status_code == 200


def test_a_question_is_answered_once_it_has_settled_and_if_the_ledger_knows_it(page: Page) -> None:
    assert page.open("answer", **page.asked("replaced", shown="question 0123")).status_code == 409
    early = page.asked("early", seconds_ago=1)
    assert "only just" in page.open("answer", **early).text
    set_states("early", check_account="success")  # what else the run does is nothing to the question
    assert page.open("answer", **early).status_code == 409


@pytest.mark.parametrize("set_language", ["en", "zh"])
@pytest.mark.parametrize("asks", ["platform_list", "of a team, without words"])
def test_a_question_is_read_in_its_readers_language(page: Page, asks: str, set_language: str) -> None:
    facts = told("run", action="add", hosts=["new.example.com"]) | told("ledger", goes_offline={})
    facts |= told("WeChat", testing=None, published=["m.example.com"], verification_file=None)
    words = partial(kind_of(asks).words, Question(asks, facts))
    with speaking(set_language):
        subject, body = words()
    name = f"{set_language}_{len(asks)}"
    this = page.asked(f"listed_{name}", question=(asks, facts, subject, body))
    shown = {lang: page.open("answer", **this, lang=lang).text for lang in ("en", "zh")}
    for lang, other in (("en", "zh"), ("zh", "en")):
        with speaking(lang):
            mine = html.escape(words()[0])
        shows(shown[lang], mine)
        shows(shown[other], hides=[mine])
    # Words of a team's own are what was asked.
    own = page.asked(f"own_{name}", question=(asks, facts, "Ask Wang first?", body))
    assert "Ask Wang first?" in page.open("answer", **own).text


def test_a_question_is_for_those_who_may_answer_it(page: Page) -> None:
    wang = Page(page.browser, user="wang")
    assigned = page.asked("assigned", assigned="wang")
    assert (page.open("answer", **assigned).status_code, wang.open("answer", **assigned).status_code) == (403, 200)
    triggered = page.asked("of_lin", triggered_by="lin")  # another must approve it: lin may only reject it
    approves, refuses = ('value="Approve"', "somebody else must")
    shows(page.open("answer", **triggered).text, refuses, hides=[approves])
    assert page.do("answer", triggered, choice="Approve").status_code == 400
    assert states_of("of_lin")["approve_release"] == "awaiting_input"
    shows(wang.open("answer", **triggered).text, approves, hides=[refuses])
    assert page.do("answer", triggered, choice="Reject").status_code == 200


def test_failed_tasks_run_again_once(page: Page) -> None:
    this = page.failed("failed", configure_domains="failed", commit_code="upstream_failed", check_account="success")
    first, second = page.fields("clear", **this), Page(page.browser, user="wang").fields("clear", **this)
    pressed = [page.request("clear", first), page.request("clear", first)]
    pressed += [Page(page.browser, user="wang").request("clear", second)]
    answers = page.browser.send_at_once(pressed)
    assert sorted(each.status_code for each in answers) == [200, 409, 409]
    now = states_of("failed")
    assert (now["configure_domains"], now["commit_code"], now["check_account"]) == (None, None, "success")
    set_states("failed", run="failed", configure_domains="failed")
    assert page.press("clear", first).status_code == 409  # a replay, though it failed again
    assert states_of("failed")["configure_domains"] == "failed"
    assert page.do("clear", this).status_code == 200


#: Task that has to run again, the one that failed behind it, and what that one noted.
UNDONE: Final[list[tuple[str, str, dict[str, Any]]]] = [
    ("submit_audit", "wait_for_audit", {"outcome": "stopped", "next_step": "clear the task submit_audit"}),
    ("submit_audit", "wait_for_audit", {"outcome": "withdrawn", "auditid": "4711"}),  # as the sensor leaves it
    ("configure_domains", "register_platform_domains", {"outcome": "platform_list_empty", "errcode": 89020}),
]


def test_the_task_that_has_to_run_again_does(page: Page) -> None:
    for first, last, said in UNDONE:
        run_id = f"undone_{said['outcome']}"
        this = page.failed(run_id, **{first: "success", last: "failed", "check_account": "success"})
        settle(APPID, run_id, last, **said)
        assert page.do("clear", this).status_code == 200, said
        now = states_of(run_id)
        assert (now[first], now[last], now["check_account"]) == (None, None, "success"), said


def test_a_release_is_started_again_once_unless_its_page_is_overtaken(page: Page) -> None:
    this = page.failed("again")
    overtaken, before = page.fields("again", **this), runs_of(DAG)
    task = TaskRef(dag_id="other_dag", run_id="a colleague's", task_id="approve_release")
    open_ledger().decided(PLATFORM, APPID, task, {"outcome": "approved"})
    refused = page.press("again", overtaken)
    assert (refused.status_code, runs_of(DAG)) == (409, before)
    assert "Something has changed" in refused.text
    with started(DAG) as conf:
        page.press_at_once("again", *[page.fields("again", **this)] * 3)
    # An id that people recognise.
    assert re.fullmatch(rf"1\.4\.0_{APPID}_\d{{8}}T\d{{9}}", conf["dag_run_id"])
    assert conf | CONF == conf


#: A failed run → act, DAG of the run that it starts; conf, origins written, what it noted → conf of the new run.
STARTED: Final[dict[str, tuple[str, str, dict[str, str], list[str], dict[str, Any], dict[str, Any]]]] = {
    "missing_hosts": (
        "register", "wxa_platform_domains", {"platform_conn_id": "wxa_platform"},
        ["https://shop.example.org", "https://m.example.com"], {"outcome": "stopped", "errcode": 89021},
        {"action": "add", "hosts": ["m.example.com", "shop.example.org"], "platform_conn_id": "wxa_platform"},
    ),
    "missing_before_any_write": (
        "register", "wxa_platform_domains", {}, [], {"outcome": "stopped", "errcode": 89020},
        {"action": "add", "hosts": ["m.example.com"]},
    ),
    "list_of_a_team": (
        "register", "wxa_platform_domains", {}, ["https://m.example.com"],
        {"outcome": "configured", "wxa_conn_id": "wxa_team"}, {"platform_conn_id": "wxa_team"},
    ),
    "version_of_a_team": (
        "roll_back", "wxa_rollback", {}, [], {"outcome": "configured", "wxa_conn_id": "wxa_team"},
        {"appid": APPID, "wxa_conn_id": "wxa_team"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("run_id", STARTED)
def test_a_run_of_another_dag_has_the_connection_that_its_dag_has_and_asks_first(page: Page, run_id: str) -> None:
    act, dag_id, given, written, said, expected = STARTED[run_id]
    page.start(run_id, **given)
    if written:
        write_domains(run_id, *written)
    settle(APPID, run_id, **said)
    with started(dag_id) as conf:
        assert page.do(act, about(run_id)).status_code == 200
    assert conf | expected == conf
    assert conf.get("approval", True) is True


def test_a_fleet_is_stopped_and_gone_on_with(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    this, fleets = page.fleet("sale"), open_fleets()
    assert page.open("rerun", **this).status_code == 409  # it goes on by itself
    page.press_at_once("stop", *[page.fields("stop", **this)] * 3)
    (run,) = fleets.runs_named("sale")
    assert run.stopped_by == "lin"
    set_states("sale", FLEET, release_rest="failed")
    assert page.open("clear", **this).status_code == 409  # it would only stop again
    with monkeypatch.context() as patched:  # whoever looks does not read ten thousand rows
        patched.setattr(type(fleets), "apps", None)
        shows(page.read(f"/fleet?{urlencode(this)}").text, "/act/rerun?", hides=["/act/stop?"])
        fields = page.fields("rerun", **this)
    fleets.change(RunKey(FLEET, "sale"), {1: {"outcome": "blocked"}})
    assert page.press("rerun", fields).status_code == 409  # it has gone on since
    with monkeypatch.context() as patched:
        patched.setattr("airflow_wxa.plugins.board.plans.MAX_PARAM_BYTES", 10)
        assert "fleet rerun" in page.do("rerun", this).text
    with started(FLEET) as conf:
        assert page.do("rerun", this).status_code == 200
    shows(conf["manifest"], OTHER, hides=[APPID])
    assert conf["shard_size"] == 50
    with started("wxa_fleet_rollback") as conf:
        assert page.do("undo", this).status_code == 200
    assert (conf["run_id"], conf.get("approval", True)) == ("sale", True)


def test_a_closed_gate_is_opened_by_those_who_may_with_a_reason_and_once(page: Page) -> None:
    this = page.gate("gated", approvers=("wang", "li"), differ=True)  # li has started it
    for user in ("lin", "li"):
        assert Page(page.browser, user=user).open("open_gate", **this).status_code == 403
    wang, why = Page(page.browser, user="wang"), "three shops have closed for good"
    figures = ("canary 批次的闸门已关闭", "5 个中失败 3 个", "wang, li")
    shows(wang.open("open_gate", **this, lang="zh").text, *figures, hides=["failed", "unended"])
    assert wang.do("open_gate", this, comment=" ").status_code == 400
    assert states_of("gated", FLEET)["canary_gate"] == "failed"
    wang.press_at_once("open_gate", *[wang.fields("open_gate", **this) | {"comment": why}] * 3)
    assert states_of("gated", FLEET)["canary_gate"] is None
    said = open_ledger().entries(run_id="gated", most=1)[0].after
    assert (said["outcome"], said["by"], said["why"]) == ("approved", "wang", why)


#: Headers of requests that no page of ours sends.
FORGED = (
    {"Origin": "https://evil.example"},
    {"Origin": ""},
    {"Origin": "null"},  # a sandboxed frame's
    {"Sec-Fetch-Site": "same-site"},  # a sister site's
)


def test_a_button_is_for_one_reader_page_act_target_and_hour(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = page.fields("clear", **page.failed("mine"))
    page.failed("yours")
    for headers in FORGED:
        assert page.press("clear", fields, **headers).status_code == 403, headers
    assert Page(page.browser, user="wang").press("clear", fields).status_code == 403
    assert page.press("clear", fields | {"run_id": "yours"}).status_code == 403
    assert page.press("again", fields).status_code == 403
    for token in ("", "...", "a.b.c.d", fields["token"][:-1], "9" + fields["token"], "é"):
        assert page.press("clear", fields | {"token": token}).status_code == 403, token
    assert page.press("clear", {"token": "x" * (7 << 20)}).status_code == 403  # it is not read to its end
    begin = time.time()
    with monkeypatch.context() as patched:
        patched.setattr("itsdangerous.timed.time.time", lambda: begin + 3600)
        assert page.press("clear", fields).status_code == 403
    assert {states_of(run_id)["configure_domains"] for run_id in ("mine", "yours")} == {"failed"}
    assert page.press("clear", fields).status_code == 200


def test_a_refusal_is_a_sentence_in_the_readers_language(page: Page) -> None:
    for lang, said in (("en", "There is nothing to be done"), ("zh", "目前无需此操作")):
        shown = page.open("clear", dag_id=DAG, run_id="none", lang=lang)
        assert (shown.status_code, said in shown.text) == (409, True)
    for path in (f"launch?dag_id={DAG}", "clear?dag_id=", f"clear?dag_id={DAG}&appid=<x>"):
        assert page.read(f"/act/{path}").status_code == 404


def test_the_form_begins_with_what_the_last_run_had(page: Page) -> None:
    page.start("last", user_desc="春季活动")
    shown = page.read(f"/release?dag_id={DAG}&run_id=last&appid={APPID}&lang=zh").text
    shows(shown, APPID, "https://m.example.com", 'value="1.4.0"', "春季活动")
    unknown = page.read("/release?dag_id=none&lang=zh")
    assert (unknown.status_code, unknown.cookies["wxa_language"]) == (404, "zh")


def test_the_form_offers_templates_to_those_who_may_release(page: Page, wxa_default: RunningSandbox) -> None:
    form = f"/release?dag_id={DAG}"
    assert page.browser.get(form, "viewer").status_code == 403
    assert page.read("/release?dag_id=wxa_rollback").status_code == 403
    assert wxa_default.journal == []
    newest = max(each.template_id for each in wxa_default.world.templates)
    assert f'<option value="{newest}"' in page.read(form).text
    wxa_default.add_fault(Fault(path="/wxa/gettemplatelist", kind="errcode_before", errcode=61004, times=None))
    shown = page.read(form)  # it does without
    assert (shown.status_code, '<input name="template_id"' in shown.text) == (200, True)


def test_the_form_says_so_where_the_store_is_down(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__SQL_ALCHEMY_CONN", "postgresql+psycopg2://nobody@127.0.0.1:1/none")
    shown = page.fill(merchants=APPID, **FILLED)
    assert (shown.status_code, "<h1>" in shown.text) == (503, True)


def test_a_page_that_acts_leads_back_to_a_page_of_the_board(page: Page) -> None:
    for path in (f"/release?dag_id={DAG}&appid=../../logout", f"/act/clear?dag_id={DAG}&appid=../../logout"):
        assert "logout" not in "".join(re.findall(r'href="([^"]*)"', page.read(path).text))


def test_a_fleet_as_large_as_a_form_takes_is_started(page: Page) -> None:
    lines = [f'wx{number:016x}\t{{"ext":{{"note":"{"“" * 1800}"}}}}' for number in range(180)]
    table = "appid\text_json\n" + "\n".join(lines)
    fields = fields_of(page.fill(merchants=table, **FILLED))
    assert len(urlencode(fields)) > 2 << 20
    assert page.press("release", fields).status_code == 200
    twice = table + "\n" + table.partition("\n")[2].replace("wx0", "wx1")
    assert "1 MiB" in page.fill(merchants=twice, **FILLED).text


def test_the_form_says_what_is_wrong_and_starts_nothing(page: Page) -> None:
    before = runs_of(DAG)
    for merchants, wrong in (("<b>nobody</b>", "merchants"), (APPID, "template_id")):
        shown = page.fill(merchants=merchants, **FILLED | {"template_id": "four"})
        assert (shown.status_code, f'aria-describedby="wrong-{wrong}"' in shown.text) == (200, True)
        assert html.escape(merchants) in shown.text
    assert runs_of(DAG) == before


def test_a_release_by_name_is_started_once(page: Page) -> None:
    settle(APPID, "named", outcome="released", name="茶馆")
    before = runs_of(DAG)
    fields = fields_of(page.fill(merchants="茶馆", **FILLED))
    assert runs_of(DAG) == before  # it only says what will happen
    with started(DAG) as conf:
        page.press_at_once("release", *[fields] * 3)
    assert conf["dag_run_id"].startswith(f"1.5.0_{APPID}_")
    assert conf["user_version"] == "1.5.0"
    run = f"/api/v2/dags/{DAG}/dagRuns/{conf['dag_run_id']}"
    assert page.browser.send("GET", run, headers=login("admin")).json()["note"] == f"1.5.0 · 茶馆 · {APPID}"
    # What was confirmed cannot be exchanged for something else.
    other = fields_of(page.fill(merchants=APPID, **FILLED))
    other["conf"] = other["conf"].replace(APPID, OTHER)
    assert page.press("release", other).status_code == 403


def test_several_merchants_start_a_fleet(page: Page) -> None:
    shown = page.fill(merchants=f"appid,user_version\n{APPID},1.5.1\n{OTHER},", **FILLED)
    assert "canary 1, early 1" in shown.text
    with started(FLEET) as conf:
        assert page.press("release", fields_of(shown)).status_code == 200
    assert conf["dag_run_id"].startswith("1.5.0_")
    shows(conf["manifest"], APPID, OTHER)
    assert Page(page.browser, role="viewer").fill(merchants=APPID, **FILLED).status_code == 403


def test_a_conf_that_is_none_starts_nothing(page: Page) -> None:
    confs = ("", "[]", "{}", "null", '{"manifest": 1}', '{"manifest": "[]"}', "x", json.dumps(CONF))  # of an address
    assert {page.open("release", dag_id=DAG, conf=conf).status_code for conf in confs} == {400}


def test_what_a_dag_has_decided_is_not_in_its_form(page: Page) -> None:
    decided: dict[str, Any] = {"fixed": {"approval": True, "approvers": ["wang"]}, "defaults": {"domain_action": "set"}}
    register_dag(release_dag("team_release", **decided))
    shown = page.read("/release?dag_id=team_release").text
    assert re.findall('name="(approval|approvers)"', shown) == []
    assert '<option value="set" selected>' in shown
    shown = page.fill(dag_id="team_release", merchants=APPID, domain_action="set", **FILLED)
    with started("team_release") as conf:
        assert page.press("release", fields_of(shown)).status_code == 200
    assert not conf.keys() & {"approvers", "approval", "domain_action"}  # the DAG has them


def test_an_act_that_changed_nothing_may_be_done_again(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    this = page.failed("unknown")
    with monkeypatch.context() as patched:
        patched.setattr(acting, "_asked_airflow", AsyncMock(side_effect=RefusedError(504, "act.refused.unknown")))
        assert page.do("clear", this).status_code == 504
    assert page.do("clear", this).status_code == 409  # it may still come
    monkeypatch.setattr(acting, "_UNKNOWN_SECONDS", 0.0)
    assert page.do("clear", this).status_code == 200


def test_a_merchant_that_has_not_authorised_gets_a_link(
    page: Page, wxa_default: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.start("unauthorised")
    this, site = about("unauthorised"), "https://airflow.example.com"
    platform = wxa_default.world.platforms[0].component_appid
    settle(APPID, "unauthorised", platform=platform, outcome="stopped", errcode=61003)
    assert "base_url" in page.open("authorise", **this).text
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", site)
    fields = page.fields("authorise", **this)
    made = page.press("authorise", fields, Origin=site)
    (link,) = re.findall(r"<code>(https://[^<]+)</code>", made.text)
    query = parse_qs(urlsplit(html.unescape(link)).query)
    assert (query["biz_appid"], query["redirect_uri"]) == ([APPID], [f"{site}/wxa/push/authorised"])
    assert "<svg" in made.text
    assert page.press("authorise", fields, Origin=site).status_code == 409
    thanks = page.browser.send("GET", f"/wxa/push/authorised?auth_code={'x' * 40}")
    assert (thanks.status_code, "x" * 40 in thanks.text) == (200, False)
    settle(APPID, "unauthorised", outcome="stopped", errcode=89021)
    assert page.open("authorise", **this).status_code == 409
