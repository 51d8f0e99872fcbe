"""What the reference page says of each operator and sensor is whole and true."""

from __future__ import annotations

import inspect
import pkgutil
from importlib import import_module
from typing import Any

import pytest

from airflow_wxa import operators, sensors
from airflow_wxa.acts.act import Act
from airflow_wxa.operators import WxaApprovalOperator
from airflow_wxa.operators.approval import kind_of, kinds
from docs.generate.pages import described

CLASSES = [getattr(package, name) for package in (operators, sensors) for name in package.__all__]
APPROVALS = [each for each in CLASSES if issubclass(each, WxaApprovalOperator) and each is not WxaApprovalOperator]
#: Modules whose operators only the DAGs of fleets use.
OF_FLEETS = {"airflow_wxa.operators.approve_plan", "airflow_wxa.operators.fleet"}


@pytest.mark.parametrize("cls", CLASSES)
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
    exported = {each.__name__ for each in CLASSES if each.__module__.startswith("airflow_wxa.operators.")}
    assert {name for name, module in declared.items() if module not in OF_FLEETS} == exported


@pytest.mark.parametrize("cls", [kind for kind in kinds() if kind.__module__.startswith("airflow_wxa.")])
def test_an_approval_says_what_it_asks_and_what_its_decision_names(cls: Any) -> None:
    assert kind_of(cls.asks) is cls
    assert "The decision names " in cls.__doc__
    assert not inspect.isabstract(cls)


@pytest.mark.parametrize("cls", APPROVALS)
def test_an_approval_is_named_by_the_operator_that_it_allows(cls: Any) -> None:
    said = [text for each in CLASSES for parameter, text in described(each) if parameter.name == "approval_task_id"]
    assert [text for text in said if f"`{cls.__name__}`" in text]
