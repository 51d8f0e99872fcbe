"""All factories of DAGs alike: small to parse, in one language, and whatever a DAG file hands over is honoured."""

import json
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any, Final

import pytest
from airflow.sdk import DAG, Asset, BaseNotifier, Param
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.definitions.param import ParamsDict
from airflow.serialization.serialized_objects import DagSerialization
from jsonschema import Draft202012Validator

from airflow_wxa import dags
from airflow_wxa.assets import RELEASES
from airflow_wxa.dags.wiring import OnlyWhen, SkipUnasked, read_help
from airflow_wxa.dags.wxa_fleet_release import fleet_release_dag
from airflow_wxa.dags.wxa_release import release_dag
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.texts.setting import language
from tests.english import english_in
from tests.release.test_spec import GUIDE

FACTORIES: Final[list[Callable[..., DAG]]] = [
    value
    for module in pkgutil.iter_modules(dags.__path__, f"{dags.__name__}.")
    if ".wxa_" in module.name
    for name, value in vars(import_module(module.name)).items()
    if name.endswith("_dag") and name != "wxa_dag"
]

all_factories = pytest.mark.parametrize("factory", FACTORIES, ids=lambda each: each.__name__)


def refused(factory: Callable[..., DAG], **given: Any) -> list[str]:
    """Return the problems of arguments that a factory must refuse; each begins with the name of its entry."""
    with pytest.raises(WxaSpecError) as raised:
        factory(**given)
    return list(raised.value.problems)


@all_factories
def test_a_dag_is_small_to_parse_and_no_task_carries_its_params(factory: Callable[..., DAG]) -> None:
    seconds = []
    for _ in range(5):
        begin = time.process_time()
        size = len(json.dumps(DagSerialization.to_dict(factory())))
        seconds.append(time.process_time() - begin)
    assert size <= 60_000
    assert min(seconds) <= 0.030
    dag = factory()
    assert dag.params
    assert {name for task in dag.tasks for name in task.params} <= {"comment"}  # each would carry a copy of all


def skipped_by(dag: DAG) -> dict[str, str]:
    """Return, for each stage that is skipped where no param asks for it, the task that skips it."""
    ends = {task.task_id: getattr(task, "_post_execute_hook", None) for task in dag.tasks}
    return {
        stage if isinstance(stage, str) else stage[0]: task_id
        for task_id, end in ends.items()
        if isinstance(end, SkipUnasked)
        for stage in end.stages
    }


@all_factories
def test_stages_skipped_beforehand_hide_no_failure_and_nothing_overtakes_them(factory: Callable[..., DAG]) -> None:
    dag = factory()
    skipped = skipped_by(dag)
    assert set(skipped) <= set(dag.task_ids)
    looks = {each: kept_by(dag.get_task(each), "_pre_execute_hook", "pre_execute") for each in dag.task_ids}
    looking = {task_id for task_id, look in looks.items() if isinstance(look, OnlyWhen)}
    assert looking == set(skipped) - {"release", "verify_release"}  # also where a person clears one
    for stage, by in skipped.items():
        before = dag.get_task(stage).get_flat_relative_ids(upstream=True)
        assert by in before
        for behind in dag.get_task(stage).downstream_list:
            if behind.task_id not in skipped:
                others = behind.upstream_task_ids - set(skipped)
                reached = [{each, *dag.get_task(each).get_flat_relative_ids(upstream=True)} for each in others]
                assert before - set(skipped) <= set().union(*reached)
                assert behind.trigger_rule in {"none_failed_min_one_success", "all_done"}
    # A run whose last tasks are skipped is a success, whatever failed before: nothing may stand between.
    for by in {skipped[task.task_id] for task in dag.leaves if task.task_id in skipped}:
        assert dag.get_task(by).get_flat_relative_ids(upstream=False) <= set(skipped)


def notify(context: object) -> None: ...


class Notifier(BaseNotifier):
    def notify(self, context: object) -> None: ...


MONDAY = datetime(2026, 11, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

#: What teams pass to all of their tasks.
DEFAULT_ARGS: Final[dict[str, Any]] = {
    "owner": "team-a",
    "retries": 5,
    "retry_exponential_backoff": 2.0,
    **dict.fromkeys(("retry_delay", "max_retry_delay", "execution_timeout"), MINUTE),
    "pool": "wechat",
    "pool_slots": 2,
    "queue": "egress",
    "priority_weight": 9,
    "executor": "LocalExecutor",
    "executor_config": {"KubernetesExecutor": {"image": "ours"}},
    "run_as_user": "wxa",
    "on_success_callback": [notify, notify],
    **dict.fromkeys((f"on_{each}_callback" for each in ("failure", "retry", "execute", "skipped")), notify),
    **dict.fromkeys(("start_date", "end_date"), MONDAY),
    **dict.fromkeys(("depends_on_past", "wait_for_downstream", "do_xcom_push", "render_template_as_native_obj"), True),
    "max_active_tis_per_dag": 3,
    "inlets": [Asset("in")],
    "outlets": [Asset("out")],
    "doc_md": "Ask the web team.",
    "poke_interval": timedelta(minutes=5),
    "mode": "reschedule",
    "deferrable": False,
    "exponential_backoff": True,
    "notifiers": [],
    "fail_on_reject": True,
    "timeout": 60,
    "map_index_template": "{{ task.task_id }}",
}
#: As others spell some of them.
SPELT_OTHERWISE: Final[dict[str, Any]] = {"retries": "5", "retry_delay": 30, "poke_interval": 300}
#: Refused by all, each for a reason of its own, whatever the value.
NO_DEFAULT_ARGS: Final = (
    *("trigger_rule", "do_xcom_push", "multiple_outputs", "soft_fail", "never_fail", "pre_execute", "task_id", "sla"),
    *("response_timeout", "assigned_users", "defaults", "wxa_conn_id", "appid", "approvers"),
    *("provide_context", "namespace", "retires"),
)
SET_BY_MAPPED = {"doc_md", "map_index_template"}


def as_kept(name: str, value: Any) -> Any:
    """Return an argument as Airflow keeps it in a task."""
    if name.endswith("_callback") and not isinstance(value, list):
        return [value]
    spelt = {"poke_interval": 300.0, "retries": 5, "retry_delay": value if value == MINUTE else timedelta(seconds=30)}
    return spelt.get(name, value)


def taken(task: Any, name: str) -> bool:
    """Tell whether a task is of a class with an argument of this name."""
    cls = task.operator_class if isinstance(task, MappedOperator) else type(task)
    return any(
        name in getattr(vars(each).get("__init__"), "_BaseOperatorMeta__param_names", ()) for each in cls.__mro__
    )


def kept_by(task: Any, name: str, given_as: str = "") -> Any:
    """Return an argument as a task has it; of a mapped one as it is handed to its instances."""
    if isinstance(task, MappedOperator):
        return task.partial_kwargs.get(given_as or name, task.dag.default_args.get(given_as or name))
    return vars(task).get(name)


@all_factories
@pytest.mark.parametrize("given", [DEFAULT_ARGS, SPELT_OTHERWISE])
def test_a_default_argument_reaches_every_task_or_is_refused_by_name(
    factory: Callable[..., DAG], given: dict[str, Any]
) -> None:
    plain, wrong = factory(), set[str]()
    try:
        dag = factory(default_args=given)
    except WxaSpecError as error:
        wrong = {problem.split(": ")[0].removeprefix("default_args ") for problem in error.problems}
        dag = factory(default_args={name: value for name, value in given.items() if name not in wrong})
    for name in wrong:
        assert not all(taken(task, name) for task in plain.tasks) or name in SET_BY_MAPPED
    for name in given.keys() - wrong:
        takers = [task for task in dag.tasks if taken(task, name)]
        assert takers, name
        kept = as_kept(name, given[name])
        for task in takers:
            has = kept_by(task, name)
            assert has in (kept, [*kept, RELEASES] if name == "outlets" else kept), (task.task_id, name)


@all_factories
def test_a_default_argument_that_no_task_may_have_is_refused_by_name(factory: Callable[..., DAG]) -> None:
    left = set(NO_DEFAULT_ARGS)
    while left:  # those that DAGs of other tasks may have are named first
        problems = refused(factory, default_args=dict.fromkeys(left, "ours"))
        named = {problem.split(": ")[0].removeprefix("default_args ") for problem in problems}
        assert named <= left
        left -= named


#: What teams pass to the DAG itself.
DAG_ARGS: Final[dict[str, Any]] = {
    "description": "Releases of team A",
    "tags": ["team-a"],
    **dict.fromkeys(("start_date", "end_date"), MONDAY),
    **dict.fromkeys(("catchup", "is_paused_upon_creation", "render_template_as_native_obj"), True),
    "disable_bundle_versioning": True,
    "max_active_runs": 3,
    "max_active_tasks": 4,
    "max_consecutive_failed_dag_runs": 2,
    "dagrun_timeout": timedelta(days=20),
    "on_failure_callback": notify,
    "on_success_callback": [notify],
    "doc_md": "Ask the web team.",
    "access_control": {"team_a": {"DAGs": {"can_read"}}},
    "jinja_environment_kwargs": {"keep_trailing_newline": True},
    "template_searchpath": ["/opt/templates"],
    "user_defined_macros": {"team": "a"},
    "user_defined_filters": {"twice": lambda each: 2 * each},
    "owner_links": {"team-a": "https://wiki.example.com"},
    "dag_display_name": "小程序发布",
    "auto_register": False,
}
NO_DAG_ARGS: Final = {
    *("schedule_interval", "timetable", "concurrency", "default_view", "sla_miss_callback", "task_group", "override")
}


@all_factories
@pytest.mark.filterwarnings("ignore:The airflow.security.permissions module is deprecated")  # by access_control
def test_arguments_of_the_dag_win_and_those_that_no_dag_takes_are_refused_by_name(factory: Callable[..., DAG]) -> None:
    dag, plain = factory(**DAG_ARGS), DAG("plain", schedule=None, **DAG_ARGS)
    assert [name for name in DAG_ARGS if getattr(dag, name) != getattr(plain, name)] == []
    problems = refused(factory, **dict.fromkeys(NO_DAG_ARGS, "ours"))
    assert sorted(problem.split(": ")[0] for problem in problems) == sorted(NO_DAG_ARGS)


#: Values of params; each takes the first that its schema allows and that is not its default.
VALUES: Final[list[Any]] = [
    *(True, False, 48, "wx00000000000000aa", ["https://m.example.com"], ["wx00000000000000aa"]),
    *({"wx00000000000000aa": "7"}, {"ext": {"shop": "7"}}, {"order_path": "pages/order"}, GUIDE),
    {"requestdomain": ["https://api.example.com"]},
]
#: Values of params that a schema cannot tell.
NAMED: Final[dict[str, Any]] = {"hosts": ["m.example.com"], "manifest": "{}"}


def value_of(name: str, param: Param) -> Any:
    allows = Draft202012Validator(param.schema).is_valid
    choices = [NAMED[name]] if name in NAMED else [*param.schema.get("enum", ()), *VALUES]
    return next(each for each in choices if allows(each) and each != param.value)


@all_factories
def test_every_param_takes_another_default_and_can_be_fixed(factory: Callable[..., DAG]) -> None:
    plain = factory().params
    assert list(factory(default_args=None, params=None, fixed=None, overrides=None).params) == list(plain)
    values = {name: value_of(name, plain.get_param(name)) for name in plain}
    for dag in (factory(defaults=values), factory(params=values), factory(params=ParamsDict(values))):
        for name, value in values.items():
            assert dag.params.get_param(name).resolve() == value != plain.get_param(name).value
            assert dag.params.get_param(name).schema == plain.get_param(name).schema
    assert {name: each.schema.get("const", ...) for name, each in factory(fixed=values).params.items()} == values
    dag = factory(default_args={"params": {"shop": "7"}}, params={"till": 1})
    assert dag.params.dump().items() >= {"shop": "7", "till": 1}.items()


@all_factories
def test_all_that_is_wrong_with_the_params_is_named_at_once(factory: Callable[..., DAG]) -> None:
    conn = "platform_conn_id" if "platform_conn_id" in factory().params else "wxa_conn_id"
    problems = refused(
        factory,
        defaults={conn: 7, "aproval": False},
        fixed={conn: "wxa_prod", "owner": "lin"},
        params={conn: Param("wxa_prod", type="string")},
        default_args={"trigger_rule": "all_done"},
        schedul="@daily",
    )
    assert [problem.split(":")[0].split(" =")[0] for problem in problems] == sorted(
        [conn, "aproval", "owner", f"params {conn}", "default_args trigger_rule", "schedul"]
    )
    assert "schedule is" in str(problems)


def overrides(number: int) -> dict[str, Any]:
    """Return overrides that no other task has."""
    return {
        "pool": f"wechat_{number}",
        "retries": 7 + number,
        "retry_delay": 30 + number,
        "queue": f"egress_{number}",
        "priority_weight": 100 + number,
        "executor": "LocalExecutor",
        "execution_timeout": number * MINUTE,
        "on_failure_callback": notify,
        "outlets": [Asset(f"out_{number}")],
        "task_display_name": f"发布{number}",
    }


@all_factories
def test_every_task_takes_overrides_and_no_other_task_has_them(factory: Callable[..., DAG]) -> None:
    plain = factory()
    given = {task_id: overrides(number) for number, task_id in enumerate(plain.task_ids, start=1)}
    dag = factory(overrides=given)
    kept = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    for task_id, own in given.items():
        for name in ("pool", "retries", "queue", "priority_weight", "executor"):
            assert getattr(kept.get_task(task_id), name) == own[name], (task_id, name)
        task, before = dag.get_task(task_id), plain.get_task(task_id)
        assert kept_by(task, "retry_delay") == timedelta(seconds=own["retry_delay"])
        assert kept_by(task, "on_failure_callback") == [notify]
        assert kept_by(task, "execution_timeout") == own["execution_timeout"]
        assert [each for each in kept_by(task, "outlets") if each != RELEASES] == own["outlets"]
        assert task.task_display_name == own["task_display_name"]
        for name in ("upstream_task_ids", "downstream_task_ids", "trigger_rule", "doc_md"):
            assert getattr(task, name) == getattr(before, name), (task_id, name)


@all_factories
def test_an_override_that_no_task_takes_is_refused_by_name(factory: Callable[..., DAG]) -> None:
    first, *_ = factory().task_ids
    wrong = {"trigger_rule": "all_done", "task_id": "x", "pol": "wechat", "do_xcom_push": False}
    problems = refused(factory, overrides={"no_such_task": {"pool": "wechat"}, first: wrong})
    assert {tuple(problem.split(": ")[:2]) for problem in problems} == {
        ("overrides no_such_task", "is no task of this DAG"),
        *((f"overrides {first}", name) for name in wrong),
    }
    for name, value in (("retries", "five"), ("pool_slots", 0)):
        (problem,) = refused(factory, overrides={first: {name: value}})
        assert re.match(rf"overrides {first}: .*{name.replace('_', '.')}", problem)


def test_what_a_param_sets_is_no_override() -> None:
    wrong: dict[str, dict[str, Any]] = {
        "commit_code": {"appid": "wx00000000000000aa"},
        "release": {"approval_task_id": None, "webviewdomain": []},
        "wait_for_audit": {"timeout": 60},
        "approve_release": {"approvers": [], "defaults": "Approve"},
    }
    assert [problem.split(": ")[:2] for problem in refused(release_dag, overrides=wrong)] == sorted(
        [f"overrides {task_id}", name] for task_id, values in wrong.items() for name in values
    )


def test_arguments_of_one_kind_of_task_reach_it() -> None:
    dag = release_dag(
        overrides={
            "wait_for_audit": {"poke_interval": timedelta(minutes=5), "deferrable": False, "mode": "reschedule"},
            "wait_for_privacy_scan": {"timeout": 7200},
            "approve_release": {"notifiers": Notifier(), "fail_on_reject": True},
            "release": {"doc_md": "Ask the web team."},
            "configure_domains": {"on_skipped_callback": notify},
        },
        default_args={"execution_timeout": MINUTE},
    )
    audit, scan, approval = map(dag.get_task, ("wait_for_audit", "wait_for_privacy_scan", "approve_release"))
    assert (audit.poke_interval, audit.deferrable, audit.mode) == (300.0, False, "reschedule")
    assert (scan.poke_interval, scan.timeout) == (release_dag().get_task(scan.task_id).poke_interval, 7200)
    assert (approval.fail_on_reject, [type(each) for each in approval.notifiers]) == (True, [Notifier])
    assert dag.get_task("release").doc_md == "Ask the web team."
    # null promises no limit: what bounds a task's work bounds nobody's answer.
    assert (approval.response_timeout, approval.execution_timeout) == (None, MINUTE)


@all_factories
def test_two_teams_are_told_apart_in_the_list(factory: Callable[..., DAG]) -> None:
    standard = factory().dag_display_name
    assert factory("team_a").dag_display_name == f"{standard} (team_a)"
    assert factory("team_a", dag_display_name="Team A").dag_display_name == "Team A"


def test_a_field_of_a_release_is_fixed_for_manifests_and_is_no_default_of_a_run() -> None:
    assert "template_id" not in fleet_release_dag(fixed={"template_id": 47}).params
    assert "template_id" in str(refused(fleet_release_dag, fixed={"template_id": "x"}))
    assert refused(fleet_release_dag, defaults={"template_id": 47}) == ["template_id = 47: is no param of this DAG"]


# In another language -----------------------------------------------------------------------------------------------


def read(dag: DAG) -> Iterator[str]:
    """Yield whatever a release manager reads of a DAG."""
    yield from (dag.dag_display_name, dag.doc_md or "", *(task.doc_md or "" for task in dag.tasks))
    for name in dag.params:
        param = dag.params.get_param(name)
        yield from (param.schema["title"], param.description or "", param.schema.get("section", ""))
        yield from param.schema.get("values_display", {}).values()


@all_factories
def test_nothing_of_a_dag_is_english(factory: Callable[..., DAG], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__LANGUAGE", "zh")
    texts = [text for text in read(factory()) if text]
    assert len(texts) > 10
    assert english_in(*texts) == []


@pytest.mark.parametrize("page", ["task_help.md", "fleet_task_help.md"])
def test_each_section_has_its_twin(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    english = read_help(page)
    monkeypatch.setenv("AIRFLOW__WXA__LANGUAGE", "zh")
    assert [name for name, text in english.items() if read_help(page)[name] == text] == []


def test_a_serialised_dag_changes_with_the_setting_only(monkeypatch: pytest.MonkeyPatch) -> None:
    english = DagSerialization.to_dict(release_dag())
    for variable, value, is_same in (("LANG", "zh_CN.UTF-8", True), ("AIRFLOW__WXA__LANGUAGE", "zh", False)):
        monkeypatch.setenv(variable, value)
        assert (DagSerialization.to_dict(release_dag()) == english) is is_same


@pytest.mark.parametrize(("named", "read"), [("", "en"), ("en", "en"), ("zh", "zh"), ("xx", "en")])
def test_a_language_without_a_file_is_english(monkeypatch: pytest.MonkeyPatch, named: str, read: str) -> None:
    monkeypatch.setenv("AIRFLOW__WXA__LANGUAGE", named)
    assert language() == read
