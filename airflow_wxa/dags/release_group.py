"""The release of one Mini Program as a task group that may be mapped, for a DAG with some tens of merchants."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from math import prod
from typing import Any, Final

from airflow.sdk import Context, XComArg, get_current_context, task, task_group
from airflow.sdk.definitions._internal.expandinput import MappedArgument
from airflow.sdk.exceptions import AirflowSkipException

from airflow_wxa.api import values
from airflow_wxa.dags.webview_domain_gate import outcome_of_domains
from airflow_wxa.dags.wiring import add_help
from airflow_wxa.dags.wxa_release import ASKED_IN_GROUP, domains, refuse_release, stages
from airflow_wxa.errors import problem, problem_at
from airflow_wxa.hooks.approvals import is_approval_wanted
from airflow_wxa.operators import WxaSetWebviewDomainOperator
from airflow_wxa.release.dag import Rendered, beside, refuse_given
from airflow_wxa.release.fields import FIELDS
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set

_KEPT: Final = "wxa_release_group"
#: Type of a field → the reader of what Jinja made a text of.
_READ: Final[Mapping[str, values.Reader]] = {
    "boolean": values.flag,
    "integer": values.whole,
    "number": values.number,
    "array": values.texts,
    "object": values.json_object,
}


def _release_group(**given: Any) -> None:
    """Release one Mini Program."""
    inspect.signature(_release_group).bind(**given)
    asked = _Asked(given)

    @task
    def check_release() -> None:
        """Report every problem at once, before the first call."""
        context = get_current_context()
        refuse_release(asked.params(context), [*asked.problems(context)])

    checked: Any = check_release().operator  # type: ignore[attr-defined]  # a task's output
    is_mapped = checked.get_closest_mapped_task_group() is not None
    problems = [*asked.problems(None)]
    if is_mapped and not asked.is_mapped:
        problems.append(problem_at("appid", Text("not_mapped_over")))
    refuse_given(problems)
    XComArg.apply_upstream_relationship(checked, list(given.values()))
    stage = stages(asked.within, ready=_only_where_ready)
    configure_domains = WxaSetWebviewDomainOperator(
        task_id="configure_domains",
        on_platform_list_empty="return",
        on_individual="return",
        trigger_rule="none_failed_min_one_success",
        **asked.within(domains()),
    )
    checked >> stage["check_account"] >> stage["configure_server_domains"] >> configure_domains >> stage["commit_code"]
    checked >> configure_domains  # also where nobody asked for the two between
    add_help(checked, configure_domains, *stage.values())


_release_group.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.required else deepcopy(field.default),
        )
        for name, field in FIELDS.items()
    ]
)

#: The release of one Mini Program as a linear task group: ``release_group(appid=…)``, ``.partial(…).expand(appid=…)``
#: or ``.partial(…).expand_kwargs(…)``; ``.override(group_id=…)`` names it. It takes the params of ``wxa_release`` by
#: their names, as values, templates or outputs of tasks; ``on_platform_list_empty="register"`` and the same appid twice
#: are refused, at parse or by ``check_release``. 89020 and 89231 are what ``configure_domains`` returns, and each stage
#: skips by what the one before returned: so one merchant stops no other. Retries are the DAG's.
release_group: Final = task_group(group_id="release_group")(_release_group)


class _Asked:
    """The values that a group was given, and their reading when a task of it runs."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given
        self.is_mapped = isinstance(given["appid"], MappedArgument)

    def params(self, context: Context) -> Mapping[str, Any]:
        """Return the values as the params of a release; a task renders them once."""
        return self._within(context)["params"]

    def within(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments of a task that read these values where they read the params of a DAG."""
        return {name: self._bound(value) for name, value in arguments.items()}

    def _bound(self, value: Any) -> Any:
        if isinstance(value, Rendered):
            return Rendered(lambda context: value.resolve(self._within(context)), repr(value))
        return (lambda context: value(self._within(context))) if callable(value) else value

    def _within(self, context: Context) -> Context:
        kept: dict[str, Any] = context  # type: ignore[assignment]  # one for the whole task
        if _KEPT not in kept:
            params = {name: deepcopy(field.default) for name, field in FIELDS.items()}
            params |= {name: _read(name, value) for name, value in self._rendered(context)}
            is_asked = params["approval"] is not False and is_approval_wanted(context)
            kept[_KEPT] = {**context, "params": params, ASKED_IN_GROUP: is_asked}
        within: Context = kept[_KEPT]
        return within

    def _rendered(self, context: Context) -> Iterator[tuple[str, Any]]:
        render: Callable[..., Any] = context["task"].render_template
        for name, value in self._given.items():
            if not isinstance(value, MappedArgument):
                yield name, render(value, context)
                continue
            row = value._input.resolve(context)[0]  # noqa: SLF001  (a key that a row leaves out has the default)
            if value._key in row:  # noqa: SLF001
                found = row[value._key]  # noqa: SLF001
                yield name, render(found, context) if _is_literal(_source(value)) else found

    def problems(self, context: Context | None) -> Iterator[str]:
        """Yield what this group does not do.

        :param context: of ``check_release``; ``None``: at parse, when templates and outputs of tasks are not known.
        """
        appids = _mapped_over(self._given["appid"], context)
        mine = set(map(str, appids)) if context is None else {self.params(context)["appid"]}
        doubled = [each for each in sorted(mine) if appids.count(each) > 1]
        yield from (problem("appid", each, Text("appid_comes_twice")) for each in doubled)
        register = self._given.get("on_platform_list_empty")
        known = _mapped_over(register, None) if context is None else [self.params(context)["on_platform_list_empty"]]
        if "register" in known:
            yield problem("on_platform_list_empty", "register", Text("register_in_a_group"))


def _only_where_ready(context: Context) -> None:
    """Skip where WeChat's answer about the domains lets no code follow."""
    outcome = outcome_of_domains(context, beside(context, "configure_domains"))
    without = {"individual"} if context["params"]["on_individual"] == "release_without_domains" else set[str]()
    if outcome.outcome not in {"configured", "unchanged"} | without:
        raise AirflowSkipException(as_set(Text("no_code_is_uploaded", errcode=outcome.errcode)))


def _read(name: str, value: Any) -> Any:
    """Return a value with its type; one that cannot be right stays as it is, and is refused by its name."""
    kinds = FIELDS[name].schema["type"]
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not isinstance(value, str) or "string" in kinds:
        return value
    if "null" in kinds and value in ("", "None"):
        return None
    try:
        return next(_READ[kind] for kind in kinds if kind in _READ)(value)
    except ValueError:
        return value


def _mapped_over(value: Any, context: Context | None) -> list[Any]:
    """Return what each instance of a mapped group gets for a value, or the value alone; ``[]``: not known at parse."""
    if not isinstance(value, MappedArgument):
        return [value]
    source, key = _source(value), value._key  # noqa: SLF001
    if context is not None:
        source = context["task"].render_template(source, context)
    elif not _is_literal(source):
        return []
    if isinstance(source, Mapping):
        return list(source[key]) * prod(len(each) for name, each in source.items() if name != key)
    return [row[key] for row in source if key in row]


def _source(value: MappedArgument) -> Any:
    return value._input.value  # noqa: SLF001  (Airflow tells a group's source to nobody else)


def _is_literal(source: Any) -> bool:
    return not any(XComArg.iter_xcom_references(source))
