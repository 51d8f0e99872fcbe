"""What the reference page says of each operator and sensor is whole and true."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_wxa import operators, sensors
from airflow_wxa.acts.act import Act
from docs.generate.pages import described

CLASSES = [getattr(package, name) for package in (operators, sensors) for name in package.__all__]


@pytest.mark.parametrize("cls", CLASSES)
def test_each_parameter_is_described_and_said_to_be_templated_if_it_is(cls: Any) -> None:
    for parameter, text in described(cls):
        assert text, parameter.name
        if parameter.name in getattr(cls, "act", Act).reads:  # these are templated because they have a reader
            continue
        assert ("(templated)" in text) == (parameter.name in cls.template_fields), parameter.name
