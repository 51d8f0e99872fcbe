"""Every argument of every operator and sensor: described, and templated with text and with native rendering."""

import inspect
import pkgutil
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from itertools import product
from typing import Annotated, Any, Final, Literal

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from airflow_wxa import operators, sensors
from airflow_wxa.acts.act import Act
from airflow_wxa.api import values
from airflow_wxa.errors import WxaSpecError
from airflow_wxa.operators import WxaApprovalOperator, WxaCommitOperator, WxaSetWebviewDomainOperator
from airflow_wxa.operators.approval import kind_of, kinds
from airflow_wxa.sandbox import RunningSandbox
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.texts import in_language, languages
from docs.generate.pages import described

EXPORTED = [getattr(package, name) for package in (operators, sensors) for name in package.__all__]
CLASSES = [each for each in EXPORTED if each is not WxaApprovalOperator]  # which is abstract: to be subclassed
#: Modules whose operators only the DAGs of fleets use.
OF_FLEETS = {"airflow_wxa.operators.approve_plan", "airflow_wxa.operators.fleet"}
#: What a param of a run may hold.
VALUES: Final = [True, False, "", [], ["a"], {"a": 1}, None, 1.4, 7, "x"]
REFUSED: Final = object()


def written(as_what: Mapping[str, Any]) -> Callable[[Any], Any]:
    return lambda value: as_what.get(str(value), REFUSED)


def text(value: Any) -> Any:
    if value is None:
        return ""
    return str(value) if (isinstance(value, str) and value != "None") or type(value) is int else REFUSED


def named(value: Any) -> Any:
    return value if isinstance(value, str) and value not in {"", "None"} else REFUSED


def digits(value: Any) -> Any:
    return {"None": "", "''": "", "7": "7", "'7'": "7"}.get(repr(value), REFUSED)


def texts(value: Any) -> Any:
    lists = {"[]": [], "['a']": ["a"], "x": ["x"]} | ({} if type(value) is float else {"7": ["7"], "1.4": ["1.4"]})
    return lists.get(str(value), REFUSED)


#: Reader → what a field that it reads comes to, told by what the field was rendered to.
COMES_TO: Final[dict[Any, Callable[[Any], Any]]] = {
    values.flag: written({"True": True, "False": False}),
    values.text: text,
    values.named: named,
    values.digits: digits,
    values.whole: written({"7": 7}),
    values.hours: written({"7": 7.0, "1.4": 1.4}),
    values.seconds: written({"7": 7.0, "1.4": 1.4}),
    values.texts: texts,
    values.json_list: written({"[]": [], "['a']": ["a"]}),
    values.json_object: written({"{'a': 1}": {"a": 1}}),
}


def comes_to(read: Any, value: Any) -> Any:
    """Return what a field comes to; none of the values is an appid, a word of a choice, or a plan."""
    if inner := getattr(read, "__wrapped__", None):  # optional
        return None if value is None else comes_to(inner, value)
    return COMES_TO.get(read, lambda _: REFUSED)(value)


def task(cls: Any, *, native: bool = False, **fields: Any) -> Any:
    """Return a task of this class with these fields, and anything for others that it needs."""
    needed = {each.name: "x" for each, _ in described(cls) if each.default is each.empty}
    with DAG("templated", schedule=None, render_template_as_native_obj=native):
        return cls(task_id="task", **needed | fields)


def rendered(cls: Any, fields: Collection[str], value: Any, *, native: bool) -> Any:
    each = task(cls, native=native, **dict.fromkeys(fields, "{{ params.value }}"))
    each.render_template_fields({"params": {"value": value}})
    return each


#: A field of each kind that there is: an operator that has it, and the reader.
KINDS: Final = {
    (read.__qualname__, hasattr(read, "__wrapped__")): (cls, field, read)
    for cls in CLASSES
    for field, read in cls.reads.items()
}


@pytest.mark.parametrize(("cls", "field", "read"), KINDS.values(), ids=lambda each: getattr(each, "__name__", each))
def test_a_template_is_what_it_renders_to_or_refused(cls: Any, field: str, read: Any, airflow_database: None) -> None:
    for value, native in product(VALUES, (False, True)):
        each = rendered(cls, [field], value, native=native)
        each.reads = {field: read}
        was_rendered_to = getattr(each, field)
        wanted = comes_to(read, was_rendered_to)
        where = f"{field} = {value!r}, rendered to {was_rendered_to!r}"
        if wanted is REFUSED:
            with pytest.raises(AirflowFailException, match=rf"nothing was sent(.|\n)*- {field} = "):
                each.read_fields()
            continue
        for _ in range(2):  # what was read is read again
            each.read_fields()
            assert getattr(each, field) == wanted, where
            assert type(getattr(each, field)) is type(wanted), where


def test_each_field_with_a_reader_is_templated() -> None:
    assert [cls for cls in CLASSES if set(cls.template_fields) != set(cls.reads)] == []


def test_a_refusal_names_each_field_as_it_is_in_every_language() -> None:
    names = {name for cls in CLASSES for name in cls.reads}
    assert {name for name in names for language in languages() if in_language(name, language) != name} == set()


@pytest.mark.parametrize("cls", {cls.execute: cls for cls in CLASSES}.values())
def test_each_templated_field_is_read_before_anything_is_sent(cls: Any, wxa_default: RunningSandbox) -> None:
    each = rendered(cls, cls.reads, object(), native=True)
    with pytest.raises(WxaSpecError) as raised:
        each.execute({})
    assert [problem.partition(" = ")[0] for problem in raised.value.problems] == list(cls.reads)
    assert wxa_default.journal == []


def test_every_wrong_field_is_named_at_once(airflow_database: object) -> None:
    each = task(operators.WxaSubmitAuditOperator, privacy_api_not_use="yes", quota_reserve="-1", user_version=1.4)
    with pytest.raises(AirflowFailException) as raised:
        each.read_fields()
    for line in (
        "user_version = 1.4: must be a text",
        "privacy_api_not_use = 'yes': must be true or false",
        "quota_reserve = '-1': must be a whole number, 0 or more",
    ):
        assert f"- {line}" in str(raised.value)


@pytest.mark.parametrize("nothing", ["", "None", None])
def test_only_none_in_the_dag_file_leaves_the_action_out(airflow_database: object, nothing: str | None) -> None:
    literal = task(WxaSetWebviewDomainOperator, appid=APPID, action=None)
    literal.read_fields()
    assert literal.action == "all"
    for native in (False, True):
        each = rendered(WxaSetWebviewDomainOperator, ["action"], nothing, native=native)
        with pytest.raises(AirflowFailException, match=r"action = .*: must be one of add, delete, set, get, all"):
            each.read_fields()


def test_a_list_that_json_wrote_is_that_list_and_one_text_a_list_of_one(airflow_database: object) -> None:
    for said, wanted in [
        ('["https://a.example.com", "https://b.example.com"]', ["https://a.example.com", "https://b.example.com"]),
        ("https://a.example.com", ["https://a.example.com"]),
    ]:
        each = task(WxaSetWebviewDomainOperator, appid=APPID, action="add", webviewdomain=said)
        each.read_fields()
        assert each.webviewdomain == wanted


@pytest.mark.parametrize("cls", CLASSES)
def test_airflow_guards_each_operator_against_a_call_outside_of_its_task(cls: Any) -> None:
    assert hasattr(cls.execute, "__wrapped__"), "an execute that only a mixin has is not guarded: name it in the class"


def test_annotations_of_a_subclass_are_no_arguments_and_it_renders_fields_of_its_own_besides() -> None:
    def init(self: Any, *, team: str, **kwargs: Any) -> None:
        super(ours, self).__init__(**kwargs)
        self.team = team

    notes = {"started": float, "status": Literal["ok", "bad"], "team": Annotated[str, "whom to call"]}
    # A module without ``from __future__ import annotations``.
    body = {"__annotations__": notes, "__module__": "dags.ours", "__init__": init}
    body["template_fields"] = (*WxaCommitOperator.template_fields, "team")
    ours: Any = type(WxaCommitOperator)("Ours", (WxaCommitOperator,), body)
    with DAG("ours", schedule=None, params={"team": "shops"}) as dag:
        version = {"appid": APPID, "template_id": 47, "user_version": "1.0.0"}
        task = ours(task_id="commit_code", team="{{ params.team }}", **version)
    task.read_fields()
    task.render_template_fields({"params": dag.params.dump()})
    assert (task.team, ours.template_fields) == ("shops", (*WxaCommitOperator.template_fields, "team"))


@pytest.mark.parametrize("cls", EXPORTED)
def test_each_parameter_is_described_and_said_to_be_templated_if_it_is(cls: Any) -> None:
    for parameter, text in described(cls):
        assert text, parameter.name
        if parameter.name in getattr(cls, "act", Act).reads:  # these are templated because they have a reader
            continue
        assert ("(templated)" in text) == (parameter.name in cls.template_fields), parameter.name


def test_every_operator_can_be_imported_from_the_package() -> None:
    modules = [import_module(each.name) for each in pkgutil.iter_modules(operators.__path__, "airflow_wxa.operators.")]
    declared = {
        name: each.__module__
        for module in modules
        for name, each in vars(module).items()
        if name.startswith("Wxa") and name.endswith("Operator")
    }
    exported = {each.__name__ for each in EXPORTED if each.__module__.startswith("airflow_wxa.operators.")}
    assert {name for name, module in declared.items() if module not in OF_FLEETS} == exported


@pytest.mark.parametrize("cls", [kind for kind in kinds() if kind.__module__.startswith("airflow_wxa.")])
def test_an_approval_says_what_it_asks_and_what_its_decision_names(cls: Any) -> None:
    assert kind_of(cls.asks) is cls
    assert "The decision names " in cls.__doc__
    assert not inspect.isabstract(cls)


@pytest.mark.parametrize("cls", [each for each in CLASSES if issubclass(each, WxaApprovalOperator)])
def test_an_approval_is_named_by_the_operator_that_it_allows(cls: Any) -> None:
    said = [text for each in CLASSES for parameter, text in described(each) if parameter.name == "approval_task_id"]
    assert [text for text in said if f"`{cls.__name__}`" in text]
