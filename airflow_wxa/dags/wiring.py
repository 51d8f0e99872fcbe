"""Common ground of our DAGs, and the help of each task: a page, with a section a task id."""

import logging
import re
import sys
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from functools import cache, wraps
from importlib import resources
from typing import Any, Final, Protocol

from airflow.sdk import DAG, BaseOperator, Context, Param
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import AirflowSkipException

from airflow_wxa.dags.given import Given, Overrides, Values
from airflow_wxa.errors import WxaSpecError, problem_at
from airflow_wxa.hooks.approvals import is_approval_wanted
from airflow_wxa.operators.human_input import skip_tasks
from airflow_wxa.release.dag import failing_at_once, params_of, refuse_given
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set, language, speaking

log = logging.getLogger(__name__)


class DagFactory(Protocol):
    """A function that returns a DAG of this package as a DAG file wants it."""

    def __call__(
        self,
        dag_id: str = ...,
        *,
        fixed: Values | None = None,
        defaults: Values | None = None,
        overrides: Overrides | None = None,
        **dag_kwargs: Any,
    ) -> DAG:
        """Return the DAG; for the arguments see :class:`~airflow_wxa.dags.given.Given`.

        :raises WxaSpecError: something that cannot be honoured; every entry is named.
        """


def dag_factory(
    params: Callable[[], Mapping[str, Param]],
    help_page: str = "task_help.md",
    *,
    tag: str,
    max_active_runs: int | None = 100,
    checks_itself: bool = False,
) -> Callable[[Callable[[], None]], DagFactory]:
    """Make a factory of a function that builds the tasks: the DAG has the name and the text of the function's module.

    The DAG is triggered by hand, not paused, and its tasks are retried twice. One of another id carries it in its
    title, so that lists tell them apart. It has its params once its tasks are built: each task would else carry a copy
    of all of them, and building and serialising those costs more than everything else at every parse. A task's context
    has them all the same.

    :param params: returns those of the form.
    :param help_page: a page of this folder with a section for each task.
    :param max_active_runs: ``None``: as Airflow is configured.
    :param checks_itself: one of its tasks names misspelt params, together with all else that is wrong; if none does,
        each task looks before it begins.
    """

    def made(build: Callable[[], None]) -> DagFactory:
        standard, doc = build.__module__.rpartition(".")[2], sys.modules[build.__module__].__doc__

        @wraps(build)
        def factory(
            dag_id: str = standard,
            *,
            fixed: Values | None = None,
            defaults: Values | None = None,
            overrides: Overrides | None = None,
            **dag_kwargs: Any,
        ) -> DAG:
            with speaking(language()):  # which is asked for by each of its two hundred texts
                given, form = Given(fixed, defaults, overrides, dag_kwargs), params()
                all_params, problems = given.params(form)
                refuse_given(problems)
                title = as_set(Text(f"dag_{standard}"))
                plain: dict[str, Any] = {
                    "dag_display_name": title if dag_id == standard else f"{title} ({dag_id})",
                    "is_paused_upon_creation": False,
                    "catchup": False,
                    "tags": ["wechat", tag],
                    "doc_md": read_help(help_page).get(standard, doc),
                }
                plain |= {} if max_active_runs is None else {"max_active_runs": max_active_runs}
                default_args: dict[str, Any] = {"retries": 2, "retry_delay": timedelta(minutes=1)}
                default_args |= {} if checks_itself else {"pre_execute": refuse_misspelt_params}
                plain |= given.dag_kwargs | {"default_args": default_args | given.default_args}
                with DAG(dag_id, schedule=plain.pop("schedule", None), **plain) as dag:
                    build()
                refuse_given([*given.apply(dag, form)])
                dag.params = ParamsDict(all_params)
                # A team's own tasks may stand in groups, by any name.
                add_help(*(each for each in dag.tasks if "." not in each.task_id), page=help_page)
                return dag

        del factory.__wrapped__  # whose signature is another one
        return factory

    return made


@dataclass(frozen=True)
class OnlyWhen:
    """A stage that the params must ask for; as its ``pre_execute`` it skips one that a person clears nevertheless.

    :param is_asked: tells by the context whether a run asks for the stage.
    """

    what: str
    is_asked: Callable[[Context], Any]

    def __call__(self, context: Context) -> None:
        """Skip the running task, unless the params ask for it."""
        if not self.is_asked(context):
            raise AirflowSkipException(as_set(Text("stage_is_not_asked_for", stage=self.what)))


@dataclass(frozen=True)
class SkipUnasked:
    """A ``post_execute`` that skips stages which the params do not ask for: none of them starts.

    A task behind such a stage needs an edge to the task that it must wait for, and a rule that takes skipped ones.

    :param stages: by task id, or by task id and map index. Airflow ignores an unknown one in silence.
    """

    stages: Mapping[Any, OnlyWhen]

    def __call__(self, context: Context, result: Any = None) -> None:  # noqa: ARG002  (as Airflow calls it)
        """Skip them; the task goes on, so that others can be mapped over its output."""
        if unasked := [task_id for task_id, stage in self.stages.items() if not stage.is_asked(context)]:
            skip_tasks(unasked)


APPROVAL: Final = OnlyWhen("approval", is_approval_wanted)


def asking(operator: type[Any], task_id: str, asked_for: OnlyWhen = APPROVAL, **more: Any) -> Any:
    """Build the task that asks, without a time limit; the params name the approvers.

    :param more: fields that are no params, or have another value.
    """
    fields = params_of(operator, approval_timeout_hours=None, **more)
    return operator(task_id=task_id, pre_execute=asked_for, **fields)


def platform_conn_id(context: Context) -> str:
    """Return the Connection for platform-wide writes."""
    params = context["params"]
    return str(params["platform_conn_id"] or params["wxa_conn_id"])


def misspelt_params(context: Context, elsewhere: Container[str] = ()) -> list[str]:
    """Return a line for each key of the trigger that is no param of the DAG but looks like one.

    Airflow takes any key, and a misspelt ``release`` would publish. Tools add keys of their own (OpenLineage does):
    those that look like no param are only logged.

    :param elsewhere: names that mean something, and nothing here.
    """
    params = list(context["dag"].params)
    problems = []
    for name in dict(context["dag_run"].conf or {}).keys() - set(params):
        if name in elsewhere:
            problems.append(problem_at(name, Text("param_changes_nothing")))
        elif close := get_close_matches(name, params, n=1, cutoff=0.8):
            problems.append(problem_at(name, Text("but_close", problem=Text("param_is_unknown"), close=close[0])))
        else:
            log.warning("%s in the run's conf is no param of this DAG: it changes nothing", name)
    return sorted(problems)


def refuse_misspelt_params(context: Context) -> None:
    """Fail without retry when the trigger misspelt a param: the run would do something else than was meant.

    :raises AirflowFailException: each is named.
    """
    if problems := misspelt_params(context):
        with failing_at_once():
            raise WxaSpecError(Text("params_name_nothing"), problems)


def add_help(*tasks: BaseOperator | MappedOperator, page: str = "task_help.md") -> None:
    """Give each task its help, in any group, unless the DAG file gave it another; a team's own tasks have none here."""
    help_of = read_help(page)
    for task in tasks:
        of_function = getattr(getattr(task, "python_callable", None), "__doc__", None)  # what @task takes by itself
        if task.doc_md in (None, "", of_function) and (text := help_of.get(task.task_id.rpartition(".")[2])):
            task.doc_md = text  # type: ignore[misc]  # of a mapped one it is given where it is built


def read_help(page: str) -> Mapping[str, str]:
    """Return the sections of a page of this folder, by task id or DAG id, in the language of ``[wxa] language``.

    A DAG has a section in translations only: in English it is the docstring of its module.
    """
    return _sections(page, language())


@cache
def _sections(page: str, language: str) -> Mapping[str, str]:
    folder, found = resources.files(__package__), dict[str, str]()
    for each in (folder.joinpath(page), folder.joinpath(page.replace(".md", f".{language}.md"))):
        text = each.read_text("utf-8") if each.is_file() else ""
        found |= re.findall(r"^## (\w+)\n\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return {name: section.rstrip() for name, section in found.items()}
