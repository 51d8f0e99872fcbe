"""The stubs of operators and sensors: every argument with its type, as editors and type checkers read them.

The classes take most of their arguments from acts and base classes, at runtime; a checker would see ``**kwargs``.
"""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, Union, get_args, get_origin

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import BaseOperator, BaseSensorOperator

from airflow_wxa.operators.approval import WxaApprovalOperator
from docs.generate.translated import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_HEAD: Final = '"""Made of the code by ``python -m docs.generate``: every argument of the {title}, with its type."""\n'
_SHARED: Final = """
T = TypeVar("T")

#: A templated field: a value, Jinja, ``param()`` or ``rendered()``, or what another task returns.
Templated: TypeAlias = T | str | Rendered | XComArg
#: A templated field of a few words, where Jinja would let every text pass: a template is a ``param()`` there.
Word: TypeAlias = T | Rendered | XComArg
"""
#: Class of Airflow's → the TypedDict of its arguments, and that of the class before it.
_BASES: Final[dict[type[Any], tuple[str, str]]] = {
    BaseOperator: ("TaskArguments", "TypedDict"),
    BaseSensorOperator: ("SensorArguments", "TaskArguments"),
    ApprovalOperator: ("ApprovalArguments", "TaskArguments"),
}
#: Name → module, of what annotations of ours say.
_NAMES: Final = {
    **dict.fromkeys(["Callable", "Collection", "Mapping", "MutableMapping", "Sequence"], "collections.abc"),
    **dict.fromkeys(["Any", "Literal", "TypeAlias", "TypedDict", "TypeVar", "Unpack"], "typing"),
    **dict.fromkeys(["BaseOperator", "BaseSensorOperator", "Context"], "airflow.sdk"),
    "OperatorPartial": "airflow.sdk.definitions.mappedoperator",
    "PlainXComArg": "airflow.sdk.definitions.xcom_arg",
    "Rendered": "airflow_wxa.release.dag",
    **dict.fromkeys(["Fact", "Question"], "airflow_wxa.store.questions"),
    "WxaApprovalOperator": "airflow_wxa.operators.approval",
    "XComArg": "airflow.sdk.definitions.xcom_arg",
}
_DATES: Final = ("datetime", "timedelta")
#: Arguments of Airflow's that ours take themselves, or give.
_OURS: Final = {
    BaseOperator: {"task_id"},
    BaseSensorOperator: {"mode", "poke_interval", "timeout"},
    ApprovalOperator: {"subject", "options", "body", "defaults", "multiple", "assigned_users", "response_timeout"},
}
#: An approval of ours is not abstract any more.
_ASKING: Final = (
    "    def facts(self, context: Context) -> Mapping[str, Fact]: ...",
    "    @staticmethod",
    "    def words(question: Question) -> tuple[str, str]: ...",
)
#: Names of ours that stand for words.
_ALIASES: Final = {"Action": 'Literal["add", "delete", "set", "get"] | None'}


def typed(hint: Any) -> str:
    """Return a type as a reader writes it, without the readers of fields."""
    if isinstance(hint, str):
        return _ALIASES.get(hint, hint).replace("dt.", "")
    if get_origin(hint) is Annotated:
        return typed(hint.__origin__)
    if get_origin(hint) in {Union, UnionType}:
        return " | ".join(typed(each) for each in get_args(hint))
    text = re.sub(r"\b(typing|datetime|collections\.abc|airflow_wxa\.[a-z_.]+)\.", "", inspect.formatannotation(hint))
    return text.replace("NoneType", "None").replace("'", '"')


@dataclass
class Stub:
    """A stub that is being written.

    :param described: yields each argument of a class of ours, its own first.
    """

    title: str
    classes: list[type[Any]]
    described: Callable[[type[Any]], Iterator[tuple[inspect.Parameter, str]]]

    @property
    def _is_first(self) -> bool:
        """Whether this is the stub that the others import from."""
        return self.title == "operators"

    def text(self) -> str:
        """Return the whole file."""
        body = [_SHARED] if self._is_first else []
        body += [self._arguments(each) for each in _BASES if self._is_first]
        body += [self._class(each) for each in self.classes if each is not WxaApprovalOperator]
        text = "\n".join(body)
        return f"{_HEAD.format(title=self.title)}\n{self._imports(text)}\n{text}"

    def _imports(self, text: str) -> str:
        """Return the imports of the names that the text says."""
        names = {**_airflows_names(), **_NAMES}
        names |= (
            dict.fromkeys(["SensorArguments", "Templated", "Word"], "airflow_wxa.operators")
            if not self._is_first
            else {}
        )
        code = re.sub(r'""".*?"""', "", text, flags=re.DOTALL)
        by_module: dict[str, list[str]] = {}
        for name in sorted(names):
            if re.search(rf"\b{name}\b", code) and f"class {name}(" not in code:
                by_module.setdefault(names[name], []).append(name)
        lines = [f"from {module} import {', '.join(found)}" for module, found in sorted(by_module.items())]
        if self._is_first:  # exported as it is: other approvals are made of it
            exported = "import WxaApprovalOperator"
            lines = [line.replace(exported, f"{exported} as WxaApprovalOperator") for line in lines]
        return "\n".join(lines)

    def _arguments(self, base: type[Any]) -> str:
        """Return the TypedDict of what a class of Airflow's takes."""
        name, before = _BASES[base]
        of_task = set(inspect.signature(BaseOperator.__init__).parameters) if base is not BaseOperator else set()
        known = of_task | _OURS[base]
        own = {
            parameter.name: parameter
            for each in base.__mro__
            if "__init__" in vars(each) and (each is base or each.__module__ == base.__module__)
            for parameter in inspect.signature(vars(each)["__init__"]).parameters.values()
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.name not in known
        }
        lines = [f"    {each.name}: {_generic(str(each.annotation))}" for each in own.values()]
        return "\n".join(
            [
                f"class {name}({before}, total=False):",
                f'    """What Airflow\'s ``{base.__name__}`` takes."""',
                *lines,
                "",
            ]
        )

    def _class(self, cls: type[Any]) -> str:
        """Return a class with its constructor and its ``partial``."""
        base = next(each for each in reversed(_BASES) if issubclass(cls, each))
        shown = WxaApprovalOperator if issubclass(cls, WxaApprovalOperator) else base
        own = [(parameter, self._typed(cls, parameter)) for parameter, _ in self.described(cls)]
        task = f"**task: Unpack[{_BASES[base][0]}]"
        needed = [f"{each.name}: {hint}" for each, hint in own if each.default is each.empty]
        given = [f"{each.name}: {hint} = ..." for each, hint in own if each.default is not each.empty]
        mapped = [f"{each.name}: {hint} = ..." for each, hint in own]
        return "\n".join(
            [
                f"class {cls.__name__}({shown.__name__}):",
                f'    """{inspect.cleandoc(cls.__doc__ or "").splitlines()[0]}"""',
                f"    def __init__(self, *, task_id: str, {', '.join([*needed, *given, task])}) -> None: ...",
                "    @classmethod",
                f"    def partial(cls, *, task_id: str, {', '.join([*mapped, task])}) -> OperatorPartial: ...",
                "    @property",
                "    def output(self) -> PlainXComArg: ...",
                *(_ASKING if shown is WxaApprovalOperator else ()),
                "",
            ]
        )

    def _typed(self, cls: type[Any], parameter: inspect.Parameter) -> str:
        """Return the type of an argument; one that is templated may be a template, too."""
        hint = typed(parameter.annotation)
        if parameter.name not in cls.template_fields:
            return hint
        return f"{'Word' if 'Literal[' in hint else 'Templated'}[{hint}]"


def _airflows_names() -> dict[str, str]:
    """Return name → module of what the annotations of Airflow's operators say."""
    found: dict[str, str] = {}
    said: set[str] = set()
    for base in (BaseOperator, BaseSensorOperator, *ApprovalOperator.__mro__[:2]):
        tree = ast.parse(Path(inspect.getfile(base)).read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                found |= {alias.name: node.module for alias in node.names}
            if isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                found |= {each.id: base.__module__ for each in targets if isinstance(each, ast.Name)}
        said |= set(re.findall(r"\w+", str(inspect.signature(vars(base)["__init__"]))))
    return {name: module for name, module in found.items() if (name in said and name[0].isupper()) or name in _DATES}


def _generic(annotation: str) -> str:
    """Return an annotation of Airflow's with the parameters that strict checkers want of a generic."""
    said = annotation.replace("collections.abc.", "")
    return re.sub(r"\bdict\b(?!\[)", "dict[str, Any]", said)


def stubs(
    packages: Iterable[Any], described: Callable[[type[Any]], Iterator[tuple[inspect.Parameter, str]]]
) -> dict[Path, str]:
    """Return each stub, and what it must hold; formatted as the code is."""
    return {
        Path(package.__file__).with_suffix(".pyi"): formatted(
            Stub(
                package.__name__.rpartition(".")[2], [getattr(package, name) for name in package.__all__], described
            ).text()
        )
        for package in packages
    }


def formatted(text: str) -> str:
    """Return a stub as the formatter writes it."""
    run = [sys.executable, "-m", "ruff", "format", "--stdin-filename", "made.pyi", "-"]
    return subprocess.run(run, input=text, capture_output=True, text=True, check=True, cwd=ROOT).stdout
