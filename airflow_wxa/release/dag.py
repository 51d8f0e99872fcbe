"""Tools of DAGs beside the operators: the form of a release, and fields that keep their type.

::

    with DAG("our_release", schedule=None, params=release_params()):
        WxaCommitOperator(
            task_id="commit_code",
            appid=param("appid"),
            template_id=param("template_id"),
            user_version=param("user_version"),
            ext_json=rendered(lambda context: shop_settings(context["params"]["appid"])),
        )
"""

from __future__ import annotations

import logging
from contextlib import contextmanager, suppress
from copy import deepcopy
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from airflow.sdk import Param, get_current_context
from airflow.sdk.exceptions import AirflowFailException, ParamValidationError

from airflow_wxa.api import values
from airflow_wxa.api.errcodes import errcodes
from airflow_wxa.api.log_text import log_text
from airflow_wxa.errors import WxaError, WxaSpecError, problem, problem_at
from airflow_wxa.links import WxaErrcodeLink, WxaMiniProgramLink, errcode_page
from airflow_wxa.release.fields import FIELDS
from airflow_wxa.release.spec import ReleaseSpec
from airflow_wxa.texts import Text
from airflow_wxa.texts.setting import as_set, language, speaking
from airflow_wxa.trial_link import api_base_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from airflow.sdk import Context

    from airflow_wxa.api.values import Reader
    from airflow_wxa.release.fields import Field

log = logging.getLogger(__name__)

_READ: Final = "wxa_release_spec"
#: Airflow checks each param's schema in each task; against the newest draft, which is the default, that takes 4 times
#: as long, and no keyword here means anything else in it.
_DRAFT_7: Final = "http://json-schema.org/draft-07/schema#"


def release_params(
    fixed: Mapping[str, Any] | None = None, defaults: Mapping[str, Any] | None = None
) -> dict[str, Param]:
    """Return the params of a release, as ``DAG(params=…)`` takes them.

    :param fixed: param → the value that it has in every run: it is not in the form, and any other value is refused.
    :param defaults: param → another default; the field stays.
    :raises WxaSpecError: one of them names no param, or a value that cannot be right.
    """
    params, problems = valued_params(form_of(*FIELDS), fixed, defaults)
    refuse_given(problems)
    return params


def form_of(*names: str) -> dict[str, Param]:
    """Return some params of a release as its form has them."""
    return {name: _param(FIELDS[name]) for name in names}


def valued_params(
    params: Mapping[str, Param], fixed: Mapping[str, Any] | None, defaults: Mapping[str, Any] | None
) -> tuple[dict[str, Param], list[str]]:
    """Return the params of a DAG, some with another default or with the same value in every run, and all problems.

    :param fixed: as for :func:`release_params`.
    :param defaults: as for :func:`release_params`.
    """
    fixed, defaults = fixed or {}, defaults or {}
    problems: list[str] = [problem_at(name, Text("param_is_fixed")) for name in fixed.keys() & defaults.keys()]
    valued = dict(params)
    for name, value in {**defaults, **fixed}.items():
        if name not in params:
            problems.append(problem(name, value, Text("param_is_unknown")))
            continue
        schema = params[name].schema | ({"const": deepcopy(value)} if name in fixed else {})  # the form hides constants
        valued[name] = Param(deepcopy(value), description=params[name].description, **schema)
        problems += _problems(name, valued[name])
    return valued, problems


def _problems(name: str, param: Param) -> list[str]:
    if name in FIELDS:
        return FIELDS[name].problems(param.value)
    try:
        param.resolve()
    except ParamValidationError as error:
        return [f"{name} = {param.value!r}: {str(error).splitlines()[0]}"]
    return []


def refuse_given(problems: Sequence[str]) -> None:
    """Raise what is wrong with the arguments of a DAG file; do nothing when nothing is.

    :raises WxaSpecError: there are problems.
    """
    if problems:
        error = WxaSpecError(Text("dag_arguments_are_refused"), sorted(problems))
        error.told = log_text(error, language())
        raise error


def release_spec(context: Context) -> ReleaseSpec:
    """Return what the params of this run ask for; a task reads and checks them once, however often it asks.

    :raises AirflowFailException: they cannot be right; every problem is named.
    """
    kept: dict[str, Any] = context  # type: ignore[assignment]  # one for the whole task
    if _READ not in kept:
        with failing_at_once():
            kept[_READ] = ReleaseSpec.from_params(context["params"])
    spec: ReleaseSpec = kept[_READ]
    return spec


class Rendered:
    """A part of a templated field, at any depth, that a function of the context gives when the task runs.

    :param read: the function; the value keeps the type that it returns.
    :param text: shown by the UI before it is rendered.
    """

    def __init__(self, read: Callable[[Context], Any], text: str) -> None:
        self._read = read
        self._text = text

    def resolve(self, context: Context, include_xcom: bool = True) -> Any:  # noqa: ARG002  (Airflow's signature)
        """Return the value; Airflow calls it wherever it renders templates."""
        return self._read(context)

    def __repr__(self) -> str:
        return self._text


def rendered(read: Callable[[Context], Any]) -> Rendered:
    """Render a templated field, or a part of it, by a function of the context, with the type that it returns.

    Jinja would make a text of a list, a number or an object.
    """
    named = getattr(read, "func", read)  # of a functools.partial
    return Rendered(read, f"rendered({getattr(named, '__qualname__', type(named).__qualname__)})")


def param(name: str) -> Rendered:
    """Render a templated field as a param with its type, or a part as in ``{"ext": {"shop": …}}``."""
    return Rendered(lambda context: context["params"][name], f"{{{{ params.{name} }}}}")


def params_of(operator: type[Any], **other: Any) -> dict[str, Any]:
    """Return arguments of an operator: each templated field that a release has a param for, as that param.

    :param other: arguments that are no params, or have another value.
    """
    return {name: param(name) for name in operator.reads if name in FIELDS} | other


def beside(context: Context, task_id: str) -> str:
    """Return the id of a task that stands in the same group as the running one, or in none as it does."""
    group, dot, _ = context["ti"].task_id.rpartition(".")
    return f"{group}{dot}{task_id}"


class TemplatedFields:
    """An operator or sensor that says what each of its templated fields is, and reads them before it does anything.

    A template means what it renders to, as text and with ``render_template_as_native_obj``: ``"False"`` is false.
    """

    #: Templated field → its reader, see :mod:`airflow_wxa.api.values`.
    reads: ClassVar[Mapping[str, Reader]] = {}
    operator_extra_links: Any = (WxaMiniProgramLink(), WxaErrcodeLink())
    #: The arguments of the call that built it; Airflow's own note also holds those that classes hand to their bases.
    built_with: Mapping[str, Any]

    def __new__(cls, *_: object, **given: Any) -> Self:
        """Keep the arguments of the call."""
        task = super().__new__(cls)
        vars(task)["built_with"] = given
        return task

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = vars(cls).get("template_fields", ())  # a subclass of a user's own may render more
        cls.template_fields = tuple(dict.fromkeys((*cls.reads, *own)))  # type: ignore[attr-defined]

    def pre_execute(self, context: Any) -> None:
        """Name a mapped task's instances by their Mini Programs, unless the DAG names them otherwise."""
        super().pre_execute(context)  # type: ignore[misc]  # the operator's, beside which this class stands
        if "appid" in self.reads and context.get("map_index_template") is None:
            context["map_index_template"] = str(getattr(self, "appid", ""))

    def read_fields(self) -> None:
        """Give each templated field the type that it has.

        :raises AirflowFailException: fields that are no such thing; every one is named with its value.
        """
        if problems := values.read_attributes(self, self.reads):
            with failing_at_once():
                raise WxaSpecError(
                    Text("templated_fields_are_refused", task_id=getattr(self, "task_id", "this task")), problems
                )


@contextmanager
def failing_at_once() -> Iterator[None]:
    """Turn a ``WxaError`` that no repetition helps into one that is an ``AirflowFailException`` as well.

    An error that a person must fix fails without retry, and can be caught by its own class; one that may pass by itself
    is left to the retries. The text is in English and Chinese, names the errcode's page of the board where ``[api]
    base_url`` is set, and its causes are logged at DEBUG: a failed task tells its error once.
    """
    try:
        yield
    except WxaError as error:
        log.debug("what led to the failure", exc_info=True)
        error.told = log_text(error, language()) + _noted_errcode(error)
        if error.retryable:
            raise error.with_traceback(None) from None
        raise (error if isinstance(error, AirflowFailException) else _failing(error)) from None


_classes: Final[dict[type[WxaError], type[WxaError]]] = {}


def _failing(error: WxaError) -> WxaError:
    """Return the same error, of a class that is Airflow's, too."""
    of = _classes.setdefault(type(error), _failing_class(type(error)))
    failing = of.__new__(of, error.what)
    failing.__dict__.update(error.__dict__)
    return failing


def _failing_class(of: type[WxaError]) -> type[WxaError]:
    def reduced(error: WxaError) -> tuple[Any, ...]:
        """Travel between processes as the plain error: this class has no place to be imported from."""
        plain = of.__new__(of, error.what)
        plain.__dict__.update(error.__dict__)
        return _failing, (plain,)

    return type(of.__name__, (of, AirflowFailException), {"__module__": of.__module__, "__reduce__": reduced})


def _noted_errcode(error: WxaError) -> str:
    """Tell the running task its errcode, for the link beside it, and return the line that names its page."""
    errcode = getattr(error, "errcode", 0)
    if not errcode or errcode not in errcodes():
        return ""
    with suppress(RuntimeError, LookupError):  # outside a task nobody shows links
        get_current_context()["task"].failed_errcode = errcode  # type: ignore[union-attr]
    return f"\n  {errcode_page(errcode)}" if api_base_url() else ""


def _param(field: Field) -> Param:
    default = {} if field.required else {"default": deepcopy(field.default)}
    return Param(**default, **_of_form(field.name, language()))


@cache
def _of_form(name: str, language: str) -> Mapping[str, Any]:
    """Return what stands in the form of a field, its default aside."""
    field = FIELDS[name]
    with speaking(language):
        shown = form_param(field.title, choices=field.values, section=field.section, **field.schema)
    return {"description": shown.description, **shown.schema}


def form_param(key: str, *, choices: Sequence[str] = (), section: str = "", **schema: Any) -> Param:
    """Return a param whose words in the form are in the language of ``[wxa] language``.

    :param key: of its texts, or the title with its values: parts are ``title``, ``help``, and the words of each choice.
    :param choices: values that the form offers.
    :param section: key of the heading that it stands below.
    :param schema: JSON Schema of its value, and ``default`` where it has one.
    """
    title = key if isinstance(key, Text) else Text(key, "title")
    if "properties" in schema:  # Airflow checks every schema in each task, but not below a word that is no keyword
        schema = {"type": schema["type"], "allOf": [{"$ref": "#/whole"}], "whole": schema}
    if choices:
        schema |= {"values_display": {value: as_set(title.of(value)) for value in choices}}
    if section:
        schema |= {"section": as_set(Text(section))}
    schema |= {"$schema": _DRAFT_7}
    return Param(title=as_set(title), description=as_set(title.of("help")), **schema)
