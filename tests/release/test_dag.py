"""What DAGs of one's own are given: the form, fields that keep their type, errors that end a task."""

import pickle
import re
from typing import Any

import pytest
from airflow.sdk import DAG, Context
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError
from airflow.serialization.serialized_objects import DagSerialization

from airflow_wxa.errors import WxaBusyError, WxaError, WxaPlatformSetupError, WxaSpecError, WxaTransportError
from airflow_wxa.operators import WxaCommitOperator
from airflow_wxa.release.dag import failing_at_once, param, release_params, release_spec, rendered
from airflow_wxa.release.fields import FIELDS
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from tests.airflow_session import ROOT, run_dag


def context(**params: Any) -> Context:
    required = {"appid": APPID, "template_id": 47, "user_version": "1.4.0", "webviewdomain": ["https://m.example.com"]}
    return {"params": required | params}  # type: ignore[return-value]


def test_the_form_has_every_field_in_order_and_is_new_each_time() -> None:
    once, again = release_params(), release_params()
    assert list(once) == list(FIELDS)
    assert {once[name].schema.get("section") for name in ("appid", "release")} == {None}
    assert (
        len({once[name].schema["section"] for name in ("domain_mode", "ext_json", "check_account", "approvers")}) == 4
    )
    once["webviewdomain"].value.append("https://m.example.com")
    assert again["webviewdomain"].resolve() == []
    assert FIELDS["webviewdomain"].default == []


def test_a_fixed_param_has_one_value_and_what_cannot_be_fixed_is_named() -> None:
    fixed = release_params({"approval": True, "approvers": ["wu"]})
    assert list(fixed) == list(FIELDS)
    assert (fixed["approvers"].resolve(), fixed["approvers"].schema["const"]) == (["wu"], ["wu"])
    with pytest.raises(ParamValidationError):
        fixed["approval"].resolve(value=False)
    assert "const" not in release_params()["approval"].schema
    with pytest.raises(WxaSpecError) as raised:
        release_params({"approver": ["wu"], "approvers": "wu"}, {"approval": "yes"})
    assert [problem.partition(":")[0] for problem in raised.value.problems] == [
        "approval = 'yes'",
        "approver = ['wu']",
        "approvers = 'wu'",
    ]


@pytest.mark.parametrize("value", [["a"], {"a": 1}, 1.5, None, True, "1.10"])
def test_a_param_keeps_its_type_when_a_field_is_rendered(value: object) -> None:
    assert param("user_desc").resolve(context(user_desc=value)) is value
    assert rendered(lambda each: each["params"]["user_desc"]).resolve(context(user_desc=value)) is value


def test_a_task_reads_its_release_once() -> None:
    here = context()
    assert release_spec(here) is release_spec(here)
    assert release_spec(here).wanted[0].origin == "https://m.example.com"


def test_a_release_that_cannot_be_asked_for_fails_without_retry_and_names_everything() -> None:
    with pytest.raises(AirflowFailException, match=r"appid = 'wx1'[\s\S]*webviewdomain = \[\]"):
        release_spec(context(appid="wx1", webviewdomain=[]))


@pytest.mark.parametrize(
    ("number", "task_id", "outcome"),
    [(1, "webview_domain_gate.domains_ready", "configured"), (2, "commit_code", "committed")],
)
def test_a_dag_of_the_reference_page_runs(wxa_default: RunningSandbox, number: int, task_id: str, outcome: str) -> None:
    page = (ROOT / "docs" / "reference" / "release.md").read_text("utf-8")
    source = re.findall(r"```python\n(.*?)```", page, re.DOTALL)[number]
    names: dict[str, Any] = {}
    exec(compile(source, "release.md", "exec"), names)  # noqa: S102  (our own page)
    run = run_dag(names["dag"], **context()["params"])
    assert run.state == "success"
    assert run.xcoms[task_id]["outcome"] == outcome


def test_a_param_stands_at_any_depth_of_a_field_and_shows_its_text_before() -> None:
    with DAG("deep", schedule=None, params={"shop": 7, "hosts": ["a.org"]}) as dag:
        task = WxaCommitOperator(
            task_id="commit",
            appid=APPID,
            template_id=47,
            user_version="1.4.0",
            ext_json={"ext": {"shop": param("shop"), "all": [rendered(each_host)]}},
        )
    shown = DagSerialization.to_dict(dag)["dag"]["tasks"][0]["__var"]["ext_json"]
    assert "{{ params.shop }}" in str(shown)
    assert "rendered(each_host)" in str(shown)
    task.render_template_fields({"params": dag.params.dump()})  # type: ignore[typeddict-item]
    assert task.ext_json == {"ext": {"shop": 7, "all": [["a.org"]]}}


def each_host(context: Context) -> list[str]:
    hosts: list[str] = context["params"]["hosts"]
    return hosts


def test_what_a_person_must_fix_fails_at_once_and_is_caught_by_its_own_class() -> None:
    with pytest.raises(WxaPlatformSetupError) as raised, failing_at_once(), failing_at_once():
        raise WxaPlatformSetupError("refused", errcode=89021, errmsg="said WeChat", next_step="register it")
    error = raised.value
    assert isinstance(error, AirflowFailException)
    assert (error.errcode, error.next_step, error.retryable) == (89021, "register it", False)
    assert str(error).startswith("refused")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  (our own)
    assert (type(again), str(again), again.errcode) == (type(error), str(error), 89021)
    assert error.__context__ is None or error.__suppress_context__


@pytest.mark.parametrize("error", [WxaTransportError("lost"), WxaBusyError("busy", errcode=-1)])
def test_what_may_pass_by_itself_is_left_to_the_retries(error: WxaError) -> None:
    with pytest.raises(type(error)) as raised, failing_at_once():
        raise error
    assert not isinstance(raised.value, AirflowFailException)
