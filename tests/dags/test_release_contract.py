"""The contract of wxa_release: its params, tasks and edges, outcomes, links beside its tasks, events of its Asset."""

import json
import os
import subprocess
import sys
from collections import Counter
from inspect import stack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import DAG, task
from airflow.sdk.exceptions import ParamValidationError
from airflow.sdk.execution_time.context import OutletEventAccessor
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance
from airflow.serialization.serialized_objects import DagSerialization
from jsonschema import Draft202012Validator
from sqlalchemy import select

from airflow_wxa.api import code, webview_domain
from airflow_wxa.assets import RELEASES, announce_release
from airflow_wxa.dags import wxa_release
from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.hooks.store import open_ledger
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.release import FIELDS, spec
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.store.tables import outcome
from tests.airflow_session import DAGS, calls, load_release_dag, run_dag
from tests.dags.stepwise import Stepwise
from tests.dags.worlds import ORIGIN, REGISTER, Shop, empty_list, failure, reviewed_at_once, succeeded
from tests.release.test_spec import ITEM, PASSES, REFUSED, SEVERAL
from tests.tables import each_row

REQUIRED: dict[str, Any] = {"appid": APPID, "template_id": 47, "user_version": "1.4.0"}
# param → type, default
PARAMS: dict[str, tuple[Any, Any]] = {
    **dict.fromkeys(("appid", "user_version"), ("string", None)),
    **dict.fromkeys(("user_desc", "platform_conn_id"), (["null", "string"], None)),
    **dict.fromkeys(("approval", "release"), ("boolean", True)),
    **dict.fromkeys(
        ("privacy_api_not_use", "withdraw_foreign_audit", "check_account", "approver_must_differ"), ("boolean", False)
    ),
    **dict.fromkeys(("webviewdomain", "platform_domains", "approvers"), ("array", [])),
    **dict.fromkeys(("ext_json", "audit_form", "server_domains"), ("object", {})),
    "domain_action": ("string", "add"),
    "on_platform_list_empty": ("string", "stop"),
    "on_individual": ("string", "release_without_domains"),
    "template_id": (["string", "integer"], None),
    "version_desc": (["null", "string"], ""),
    "audit_quota_reserve": ("integer", 0),
    "audit_quota": (["null", "integer"], None),
    "privacy_setting": (["null", "object"], None),
    "approval_timeout_hours": (["null", "number"], None),
    "audit_timeout_hours": ("number", 264),
    "wxa_conn_id": ("string", "wxa_default"),
}
CONFIGURED, INDIVIDUAL = "configured (0, 89019)", "individual (89231)"
EMPTY = "platform list empty (89020)"
# task → task behind it → label of the edge
EDGES: dict[str, dict[str, str | None]] = {
    "check_release": {"configure_domains": None, "check_account": None},
    "configure_domains": {
        "commit_code": CONFIGURED,
        "register_platform_domains": EMPTY,
        "individual_account": INDIVIDUAL,
    },
    "register_platform_domains": {"configure_domains_again": None},
    "configure_domains_again": {"commit_code": CONFIGURED, "individual_account": INDIVIDUAL},
    "individual_account": {"commit_code": "without domains"},
    # stages that a run must ask for, beside the others
    "check_account": {"configure_server_domains": None, "commit_code": None},
    "configure_server_domains": {"commit_code": None},
    "commit_code": {"wait_for_privacy_scan": None},
    "wait_for_privacy_scan": {"submit_audit": None, "set_privacy_setting": None},
    "set_privacy_setting": {"submit_audit": None},
    "submit_audit": {"wait_for_audit": None},
    # to the release, too: approve_release may be skipped from the start
    "wait_for_audit": {"approve_release": "approved by WeChat", "release": None},
    "approve_release": {"release": None},
    "release": {"verify_release": None},
    "verify_release": {},
}
BAD_PARAM = (ParamValidationError, ValueError)  # with Airflow 3.3, and 3.2


def serialised(dag: DAG) -> Any:
    written = json.loads(json.dumps(DagSerialization.to_dict(dag)))
    del written["dag"]["_processor_dags_folder"]  # where it was parsed, which is another place for each interpreter
    return written


@pytest.fixture
def form(release_dag: DAG) -> Any:
    """Return the params as the server has them, which checks a conf by them when it creates a run."""
    return DagSerialization.from_dict(DagSerialization.to_dict(release_dag)).params


def triggered(form: Any, conf: dict[str, Any]) -> dict[str, Any]:
    """Return the params of a run that is triggered with a conf."""
    params: dict[str, Any] = form.deep_merge(conf).validate()
    return params


def test_a_file_builds_one_dag_without_any_connection_and_lines_of_ones_own_may_build_several(tmp_path: Path) -> None:
    lines = "from airflow_wxa.dags.wxa_release import release_dag\ndag = release_dag()\n"
    (tmp_path / "shop.py").write_text(lines + 'second = release_dag("shop", tags=["shop"])\n', "utf-8")
    shipped, own = (DagBag(dag_folder=each) for each in (DAGS / "wxa_release.py", tmp_path))
    assert shipped.import_errors == own.import_errors == {}
    assert (list(shipped.dags), sorted(own.dags)) == (["wxa_release"], ["shop", "wxa_release"])
    assert own.dags["shop"].tags == {"shop"}
    assert own.dags["shop"].task_ids == own.dags["wxa_release"].task_ids
    assert DAG not in map(type, vars(wxa_release).values()), "an import builds nothing"


def test_it_runs_when_asked_as_often_as_there_are_releases_and_retries_what_may_pass(release_dag: DAG) -> None:
    assert release_dag.schedule is None
    assert (release_dag.is_paused_upon_creation, release_dag.catchup) == (False, False)
    assert release_dag.max_active_runs >= 1_000  # a waiting run costs nothing
    assert {task.retries for task in release_dag.tasks} == {2}


def test_edges_and_their_labels_are_those_of_the_contract(release_dag: DAG) -> None:
    assert {
        task.task_id: {
            below: release_dag.get_edge_info(task.task_id, below).get("label") for below in task.downstream_task_ids
        }
        for task in release_dag.tasks
    } == EDGES


def test_dag_and_tasks_carry_help_and_each_task_says_how_to_undo_clear_and_mark_it(release_dag: DAG) -> None:
    assert "Release one Mini Program" in (release_dag.doc_md or "")
    said = ("**Undo**", "**Clear**", "**Mark success**", "**Mark failed**:")
    silent = [(task.task_id, word) for task in release_dag.tasks for word in said if word not in (task.doc_md or "")]
    assert silent == []


def test_params_have_the_names_types_and_defaults_of_the_contract_and_words_for_people(release_dag: DAG) -> None:
    params = {name: release_dag.params.get_param(name) for name in release_dag.params}
    shown = {name: (each.schema["type"], each.resolve(suppress_exception=True)) for name, each in params.items()}
    assert {name: shown[name] for name in PARAMS} == PARAMS  # one that comes on top breaks nobody's conf
    assert set(params) == set(FIELDS)
    assert [name for name, param in params.items() if not param.description or not param.schema.get("title")] == []
    for name in ("appid", "webviewdomain", "template_id", "user_version", "user_desc", "version_desc", "ext_json"):
        assert name in params[name].schema["title"]  # WeChat's name stays in sight


NONE_RIGHT = {"appid": "wx123", "approvers": [""], "template_id": -1, "webviewdomain": [1], "wxa_conn_id": None}
BAD_CONFS = [(name, REQUIRED | {name: value}) for name, value in NONE_RIGHT.items()]
BAD_CONFS += [(name, {each: REQUIRED[each] for each in REQUIRED if each != name}) for name in REQUIRED]


@each_row("name, conf", BAD_CONFS)
def test_a_missing_param_and_a_value_that_cannot_be_right_are_refused_at_the_trigger(
    form: Any, name: str, conf: dict[str, Any]
) -> None:
    with pytest.raises(BAD_PARAM, match=name):
        triggered(form, conf)


#: Changed params, some of which only the whole can refuse.
CHANGES = [*PASSES, *(changes for changes, _ in (*REFUSED, *SEVERAL))]
GIVEN = [(name, value) for changes in CHANGES for name, value in changes.items() if name in FIELDS]


@each_row("name, value", [(name, value) for name, value in GIVEN if str(value) != "nan"])  # which is no JSON
def test_the_trigger_refuses_what_a_schema_does_and_passes_the_rest(form: Any, name: str, value: object) -> None:
    if Draft202012Validator(FIELDS[name].schema).is_valid(value):
        assert triggered(form, REQUIRED | {name: value})[name] == value
    else:
        with pytest.raises(BAD_PARAM, match=name):
            triggered(form, REQUIRED | {name: value})


FRESH = """
import json, runpy, sys
from airflow.sdk import DAG, task
from airflow.serialization.serialized_objects import DagSerialization
from airflow_wxa.testing import walk
with DAG("alone", schedule=None) as dag:
    task(task_id="one")(lambda: 1)()
assert walk(dag).state == "success"
written = DagSerialization.to_dict(runpy.run_path(sys.argv[1])["dag"])
del written["dag"]["_processor_dags_folder"]
print(json.dumps(written))
"""


def test_each_parse_serialises_alike_and_a_walk_needs_no_metadata_database(release_dag: DAG, tmp_path: Path) -> None:
    kept = serialised(release_dag)
    assert serialised(load_release_dag()) == kept  # so that no parse makes a new version
    shown = subprocess.run(
        [sys.executable, "-c", FRESH, DAGS / "wxa_release.py"],
        env=os.environ | {"PYTHONHASHSEED": "1", "AIRFLOW_HOME": str(tmp_path)},
        cwd=DAGS.parent,
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(shown.stdout.splitlines()[-1]) == kept
    assert not (tmp_path / "airflow.db").exists()


AUDIT_FORM = {
    "item_list": [{**ITEM, "title": "shop", "tag": "tea shop"}],
    "preview_info": {"pic_id_list": ["media-1"]},
    "feedback_info": "the pay page opens now",
    "feedback_stuff": "media-2|media-3",
    "ugc_declare": {"scene": [1, 4], "method": [1], "has_audit_team": 1, "audit_desc": "two people"},
    "order_path": "pages/orders",
}


def test_params_reach_wechat_with_their_types_and_the_ledger_keeps_nothing_of_the_audit_form(shop: Shop) -> None:
    shop.account.categories = [{**ITEM, "third_class": "", "third_id": 0}]
    ext = {"number": 7, "text": "07", "flag": True, "list": ["1.10"], "none": None}
    run = shop.release(
        webviewdomain=["https://b.example.com", "https://a.example.com"],
        template_id="047",
        user_version="1.10",
        user_desc="{{ none of ours }}",
        ext_json={"ext": ext},
        version_desc="line 1\nline 2",
        privacy_api_not_use=True,
        audit_form=AUDIT_FORM,
    )
    (write,) = shop.writes("/wxa/setwebviewdomain")
    assert write["webviewdomain"] == ["https://a.example.com", "https://b.example.com"]
    commit, submit = (each.body for each in calls(shop.journal, "/wxa/commit", "/wxa/submit_audit"))
    assert (commit["template_id"], commit["user_version"]) == (47, "1.10")
    assert commit["user_desc"].startswith("{{ none of ours }} [wxa:")
    assert json.loads(commit["ext_json"]) == {"extAppid": APPID, "ext": ext}
    assert submit == AUDIT_FORM | {"privacy_api_not_use": True, "version_desc": "line 1\nline 2"}
    assert run.xcoms["release"]["release_version"] == "1.10"
    kept = [entry.asked for entry in open_ledger().entries(appid=APPID) if entry.endpoint == "submit_audit"]
    assert kept[0] == {"privacy_api_not_use": True}


def test_outcomes_travel_as_the_contract_says(shop: Shop) -> None:
    xcoms = shop.release().xcoms
    shown: dict[str, Any] = {"outcome": "configured", "appid": APPID, "action": "add", "errcode": 0, "errmsg": "ok"}
    shown |= {"before": [], "after": [ORIGIN], "added": [ORIGIN], "removed": [], "not_proven": []}
    assert xcoms["configure_domains"] == shown | {"will_be_lost": [], "will_be_lost_servers": {}}
    outcomes = [xcoms[name]["outcome"] for name in ("commit_code", "submit_audit", "wait_for_audit", "release")]
    assert outcomes == ["committed", "submitted", "approved", "released"]
    assert isinstance(xcoms["submit_audit"]["auditid"], str)
    assert xcoms["verify_release"]["effective"] == [ORIGIN]


def test_no_task_of_a_run_from_before_follows_another_value(shop: Shop) -> None:
    run = Stepwise({"approval": False})
    run.follow(release_dag(fixed={"approval": True}))
    run.mark("check_release", "success")
    assert run.go_on() == "failed"
    assert failure(run, "configure_domains")
    assert shop.journal == []


# Traces: links, events, and how often a task reads what was asked for ------------------------------------------------


BASE = "https://airflow.example.com/data"
URI = f"wxa://{APPID}/release"


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Return URI and extra of each event that tasks emit, oldest first."""
    told: list[tuple[str, Any]] = []
    add = OutletEventAccessor.add

    def added(self: Any, asset: Any, extra: Any = None) -> None:
        told.append((asset.uri, extra))
        add(self, asset, extra)

    monkeypatch.setattr(OutletEventAccessor, "add", added)
    return told


def test_a_task_that_an_errcode_stopped_links_to_what_to_do(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", f"{BASE}/")
    run = shop.walk(template_id=404)
    assert failure(run, "commit_code").endswith(f" {BASE}/wxa/board/errcode/85014")
    shown = run.links["commit_code"]
    assert shown["WxaErrcodeLink"] == f"{BASE}/wxa/board/errcode/85014"
    assert shown["WxaMiniProgramLink"] == f"{BASE}/wxa/board/mini-program/{APPID}"
    assert shown["WxaTrialQrcodeLink"].startswith(f"{BASE}/wxa/trial/{APPID}?dag_id=wxa_release&run_id=")


def test_a_release_links_notes_its_connection_and_alone_tells_its_asset(
    shop: Shop, events: list[tuple[str, Any]]
) -> None:
    shop.release(user_version="1.3.0", release=False)
    assert events == []
    shop.connect("other")
    run = shop.release(wxa_conn_id="other")
    shown = run.links["commit_code"]
    assert (shown["WxaErrcodeLink"], shown["WxaMiniProgramLink"]) == ("", f"/wxa/board/mini-program/{APPID}")
    assert "WxaTrialQrcodeLink" not in run.links["configure_domains"]
    with open_ledger()._database.reading() as connection:
        row = connection.execute(select(outcome).order_by(outcome.c.at.desc()).limit(1)).one()
    assert open_ledger().conn_id(row.dag_id, row.run_id, APPID) == "other"
    [(uri, extra)] = events
    told = {"appid": APPID, "outcome": "released", "user_version": "1.4.0", "version": "1.4.0", "lost": []}
    assert (uri, extra.items() >= (told | {"domains": [ORIGIN], "dag_id": "wxa_release"}).items()) == (URI, True)


@pytest.mark.parametrize("has_outlet", [True, False])
def test_a_release_in_taskflow_tells_it_where_the_task_has_the_outlet_and_else_says_so(
    events: list[tuple[str, Any]], shop: Shop, *, has_outlet: bool, caplog: pytest.LogCaptureFixture
) -> None:
    reviewed_at_once(shop)

    with DAG("taskflow", schedule=None) as dag:

        @task(outlets=[RELEASES] if has_outlet else [])
        def publish() -> dict[str, Any]:
            WxaHook().commit(**REQUIRED)
            return WxaHook().release(**REQUIRED, auditid=WxaHook().submit_audit(**REQUIRED)["auditid"])

        publish()

    with caplog.at_level("WARNING", logger="airflow_wxa.hooks.outlets"):
        succeeded(run_dag(dag))
    assert [uri for uri, _ in events] == ([URI] if has_outlet else [])
    assert ("give the task outlets=[RELEASES]" in caplog.text) == (not has_outlet)


def test_a_version_that_wechat_leaves_out_is_the_one_that_was_released() -> None:
    told: list[Any] = []
    event = SimpleNamespace(add=lambda asset, extra: told.append((asset.uri, extra)))
    context: Any = {"outlet_events": {RELEASES: event}, "ti": SimpleNamespace(dag_id="ours", run_id="spring")}
    released = {"outcome": "released", "appid": APPID, "lost": None}
    announce_release(context, released | {"release_version": "", "effective": []}, user_version="1.4.0")
    named = {"user_version": "1.4.0", "dag_id": "ours", "run_id": "spring", "version": "1.4.0", "domains": []}
    assert told == [(URI, released | named)]


#: These read what WeChat answers, not what was asked for.
ANSWERS = {"normalised_origins", "normalised_hosts"}


def test_a_task_parses_a_domain_thrice_at_most_and_its_form_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed, checked, under_way = Counter[str](), Counter[str](), [""]
    render, read_host, check = RuntimeTaskInstance.render_templates, webview_domain._read_host, code.version_problems

    def rendering(ti: RuntimeTaskInstance, *args: Any, **kwargs: Any) -> Any:
        under_way[0] = ti.task_id
        return render(ti, *args, **kwargs)

    def reading(host: str) -> Any:
        parsed[under_way[0]] += not ANSWERS & {frame.function for frame in stack(0)}
        return read_host(host)

    def checking(*args: Any) -> Any:
        checked[under_way[0]] += 1
        return check(*args)

    monkeypatch.setattr(RuntimeTaskInstance, "render_templates", rendering)
    monkeypatch.setattr(webview_domain, "_read_host", reading)
    monkeypatch.setattr(spec, "version_problems", checking)
    empty_list(shop)
    shop.release(**REGISTER)
    assert {"configure_domains", "register_platform_domains", "configure_domains_again"} <= set(parsed)
    assert max(parsed.values()) <= 3, parsed
    assert set(checked.values()) == {1}, checked
