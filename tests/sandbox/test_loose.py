import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import httpx
import pytest

from airflow_wxa.sandbox import Looseness, MiniProgram, Platform, RunningSandbox, World
from airflow_wxa.sandbox.exchange import Sandbox
from airflow_wxa.sandbox.gate import Request
from airflow_wxa.sandbox.handlers import ENDPOINTS
from airflow_wxa.sandbox.loose import Lag, LooseAnswer
from airflow_wxa.sandbox.testing import APPID, COMPONENT_APPID, MERCHANT_TOKEN, PLATFORM_TOKEN
from tests.sandbox.conftest import COMMIT, COMPONENT, Wechat

SET, EFFECTIVE = "/wxa/setwebviewdomain", "/wxa/get_effective_webviewdomain"
PLATFORM_LIST, LATEST = COMPONENT + "modify_wxa_jump_domain", "/wxa/get_latest_auditstatus"


def own(wechat: Wechat) -> Any:
    return wechat.post(SET, {"action": "get"})["webviewdomain"]


def effective(wechat: Wechat) -> Any:
    return wechat.post(EFFECTIVE, {})["effective_webviewdomain"]


def platform_list(wechat: Wechat) -> Any:
    return wechat.post(PLATFORM_LIST, {"action": "get"})["published_wxa_jump_h5_domain"]


def register(wechat: Wechat) -> Any:
    whole = {"action": "add", "wxa_jump_h5_domain": "a.org", "is_modify_published_together": True}
    return wechat.post(PLATFORM_LIST, whole)


WRITES: dict[Lag, tuple[Callable[[Wechat], Any], Callable[[Wechat], Any]]] = {
    "domains": (lambda wechat: wechat.set_domains("add", "https://example.com"), own),
    "effective_domains": (lambda wechat: wechat.release(), effective),
    "platform_list": (register, platform_list),
    "platform_check": (register, lambda wechat: wechat.set_domains("add", "https://a.org") != 89021),
    "trial_version": (lambda wechat: wechat.commit("2"), lambda wechat: wechat.versions.get("exp_info")),
    "audit_sheet": (lambda wechat: wechat.submit(), lambda wechat: wechat.latest.get("auditid")),
    "online_version": (lambda wechat: wechat.release(), lambda wechat: wechat.versions.get("release_info")),
}


def ready(wechat: Wechat, kind: Lag) -> None:
    """Bring a Mini Program to where the write is accepted."""
    if kind in ("effective_domains", "online_version"):
        wechat.set_domains("add", "https://example.com")
        wechat.submitted()
    elif kind == "audit_sheet":
        wechat.commit()


@pytest.mark.parametrize("reads", [1, 3])
@pytest.mark.parametrize("kind", get_args(Lag))
def test_so_many_reads_behind_a_write_show_the_state_before_it(wechat: Wechat, kind: Lag, reads: int) -> None:
    write, read = WRITES[kind]
    ready(wechat, kind)
    before = read(wechat)
    wechat.world.loose.lag = {kind: reads}
    write(wechat)
    shown = [read(wechat) for _ in range(reads + 1)]
    assert shown[:-1] == [before] * reads
    assert shown[-1] != before
    if kind != "trial_version":  # a commit is never the same
        write(wechat)  # refused, it leaves no lag
    assert read(wechat) == shown[-1]


def test_a_new_sheet_is_unseen_and_a_withdrawn_one_reads_as_in_audit_for_a_while(wechat: Wechat) -> None:
    wechat.world.loose = Looseness(unseen_after_submit=2, status_beside_85012=True)
    first = wechat.post("/wxa/get_auditstatus", {"auditid": wechat.submitted(polls=2)})
    assert (first["errcode"], first["status"]) == (85012, 2)  # a new one is unseen by both questions for a while
    assert [wechat.latest["errcode"] for _ in range(2)] == [85058, 0]
    wechat.world.loose.lag = {"audit_sheet": 3}
    assert wechat.get("/wxa/undocodeaudit")["errcode"] == 0
    assert [wechat.latest["status"] for _ in range(4)] == [2, 2, 2, 3]
    wechat.world.loose.lag = {"domains": 3}
    for _ in range(2):
        wechat.set_domains("add", "https://example.com")
        shown = own(wechat)
        wechat.sandbox.reset()  # which ends the lag, and takes it back
    assert shown == ["https://example.com"]


#: Settings, a call in a world that has committed, its errcode there and in one that strays nowhere.
REFUSALS: list[tuple[dict[str, Any], Callable[[Wechat], Any], int, int]] = [
    *(({"unfilled": {each}}, Wechat.submit, 86002, 0) for each in ("name", "avatar", "introduction")),
    ({"unfilled": {"category"}}, Wechat.submit, 85008, 0),
    ({"needs_ugc_declare": True}, Wechat.submit, 85094, 0),
    ({"needs_privacy_guide": True}, Wechat.submit, 85086, 0),
    ({"undo_of_nothing": True}, lambda wechat: wechat.get("/wxa/undocodeaudit"), 0, 87012),
]


@pytest.mark.parametrize(("settings", "call", "loose", "strict"), REFUSALS)
def test_a_setting_refuses_or_takes_what_no_page_promises(
    wechat: Wechat, settings: dict[str, Any], call: Callable[[Wechat], Any], loose: int, strict: int
) -> None:
    wechat.commit()
    wechat.account.loose = Looseness(**settings)
    assert call(wechat)["errcode"] == loose
    assert (wechat.account.sheets, wechat.account.withdrawals) == ([], [])
    wechat.account.loose = None
    assert call(wechat)["errcode"] == strict


def test_an_upload_with_direct_commit_cannot_be_submitted_and_has_no_pages(wechat: Wechat) -> None:
    wechat.commit(ext_json='{"directCommit":true}')
    assert wechat.submit()["errcode"] == 85086
    assert wechat.get("/wxa/get_page")["page_list"] == []
    wechat.commit()
    wechat.world.loose.needs_ugc_declare = True
    assert wechat.submit(ugc_declare={"scene": [0]})["errcode"] == 0


def test_descriptions_are_cut_off_and_an_account_without_api_permission_is_answered_no_tokens(wechat: Wechat) -> None:
    wechat.world.loose.longest_desc = 7
    wechat.released("1.4.0")
    info = wechat.versions
    assert {info["exp_info"]["exp_desc"], info["release_info"]["release_desc"]} == {"release"}
    assert wechat.latest["user_desc"] == "release"
    wechat.account.api_permission = False
    info = wechat.component("api_query_auth", authorization_code=wechat.world.authorise(APPID))["authorization_info"]
    assert set(info) == {"authorizer_appid", "func_info"}


def test_commits_beyond_those_that_fit_are_answered_9402202(wxa_sandbox: RunningSandbox, http: httpx.Client) -> None:
    wxa_sandbox.world.loose.commits_at_once = 2
    wxa_sandbox.world.latency = {"/wxa/commit": 0.2}

    def commit(_: int) -> int:
        return int(http.post("/wxa/commit", json=COMMIT, timeout=10).json()["errcode"])

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(commit, range(6))) == [0, 0] + [9402202] * 4
    assert commit(0) == 0


def wire(wechat: Wechat, how: LooseAnswer, path: str = LATEST, body: object = None) -> bytes:
    wechat.world.loose.answers = {how}
    raw = b"" if body is None else json.dumps(body).encode()
    method = "GET" if body is None else "POST"
    request = Request(method, path, {"access_token": MERCHANT_TOKEN}, raw)
    return wechat.sandbox.encode(request, wechat.sandbox.answer(request)[0])


def test_every_spelling_holds_the_same_facts(wechat: Wechat) -> None:
    """Python's own parser is given what each spelling needs, and nothing else differs."""
    wechat.submitted(version="14", polls=99)
    plain = json.loads(wire(wechat, "extra_fields"))
    told = {how: wire(wechat, how) for how in get_args(LooseAnswer)}

    def read(how: LooseAnswer, encoding: str = "utf-8", errors: str = "strict") -> Any:
        return json.loads(told[how].decode(encoding, errors), strict=False)

    assert plain.pop("extra") == {"trace": [1.5, None, {"signature": ""}]}
    assert read("no_errcode") == {name: value for name, value in plain.items() if name not in ("errcode", "errmsg")}
    assert read("text_errcode") == {**plain, "errcode": "0"}
    assert read("text_numbers")["auditid"] == "400000001"
    assert read("number_texts") == {**plain, "user_version": 14}
    assert read("unnamed_status") == {**plain, "status": 5}
    assert read("bom", "utf-8-sig") == plain
    assert read("duplicate_keys") == plain
    assert told["duplicate_keys"].count(b'"auditid"') == 2
    assert read("bad_byte", errors="replace") == {**plain, "errmsg": "ok�"}
    assert read("control_characters") == {**plain, "errmsg": "ok\n\x01"}
    assert b"\n\x01" in told["control_characters"]


def test_domains_are_spelt_as_they_were_seen_and_what_is_empty_may_be_null_or_an_object(wechat: Wechat) -> None:
    for answers, empty in (({"null"}, None), ({"null", "empty_objects"}, {})):
        wechat.world.loose = Looseness(answers=answers)  # type: ignore[arg-type]
        assert (own(wechat), effective(wechat)) == (empty, empty)
    wechat.world.loose = Looseness(answers={"slashes", "upper_case", "stray_entries", "schemes"})
    wechat.set_domains("add", "https://example.com")
    assert own(wechat) == ["HTTPS://EXAMPLE.COM/", "-"]
    assert platform_list(wechat) == "HTTPS://EXAMPLE.COM/;-"
    wechat.released("1.4.0")
    wechat.world.loose.answers = {"empty_release"}
    online = wechat.versions["release_info"]
    assert (online["release_version"], online["release_desc"], online["release_time"] > 0) == ("", "", True)


def test_an_errcode_may_be_text_for_one_mini_program_alone_and_the_journal_keeps_the_number(wechat: Wechat) -> None:
    other = MiniProgram(appid="wx9", component_appid=COMPONENT_APPID, authorizer_access_token="other")
    other.loose = Looseness(answers={"text_errcode", "no_errcode"})
    wechat.world.mini_programs.append(other)
    assert wechat.send("GET", LATEST, token="other")["errcode"] == "85058"
    assert wechat.last.errcode == 85058
    assert wechat.latest["errcode"] == 85058


def test_looseness_is_set_while_it_runs_and_survives_json(http: httpx.Client) -> None:
    url, of_one = "/_sandbox/loose", {"appid": APPID}
    set_now = http.put(url, json={"lag": {"domains": 2}, "answers": ["bom"]}).json()
    assert (set_now["lag"], set_now["answers"]) == ({"domains": 2}, ["bom"])
    http.put(url, params=of_one, json={"answers": []})
    assert http.get(url, params=of_one).json()["lag"] == {}
    assert http.get(url).json() == set_now
    refused = http.put(url, json={"answers": ["polite"], "lag": {"audits": 1}})
    assert (refused.status_code, "answers" in refused.json()["error"]) == (400, True)
    assert http.get(url, params={"appid": "wx9"}).status_code == 400
    world = World(loose=Looseness.everything(lag=2))
    assert World.from_json(world.to_json()) == world


def test_every_endpoint_answers_the_same_errcode_in_a_loose_world(wxa_world: World) -> None:
    """For an empty request: nothing breaks on the way to the wire."""
    seed = wxa_world.to_json(tokens=True)
    strict, loose = (Sandbox.of(World.from_json(seed)) for _ in range(2))
    loose.world.loose = Looseness.everything(undo_of_nothing=False)
    for path, endpoint in ENDPOINTS.items():
        token = PLATFORM_TOKEN if endpoint.account is Platform else MERCHANT_TOKEN
        request = Request(endpoint.method, path, {"access_token": token}, b"{}" if endpoint.method == "POST" else b"")
        expected, raw = strict.answer(request)[0], loose.encode(request, loose.answer(request)[0])
        read = json.loads(raw.decode("utf-8-sig", "replace"), strict=False)
        assert int(read.get("errcode", 0)) == expected.get("errcode", 0), path
