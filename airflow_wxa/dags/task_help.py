"""What the UI says about each task, and about its buttons: ``task_help.md``, a section a task id."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.definitions.mappedoperator import MappedOperator


def add_help(*tasks: BaseOperator | MappedOperator) -> None:
    """Give each task its help, whatever group it stands in."""
    page = resources.files(__package__).joinpath("task_help.md").read_text("utf-8")
    help_of = dict(re.findall(r"^## (\w+)\n\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL))
    for task in tasks:
        task.doc_md = help_of[task.label].rstrip()  # type: ignore[misc]  # none of ours is mapped
