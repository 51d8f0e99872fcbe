"""Pages, tables, stubs and schemas that are made of the code."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_wxa import errors, operators, sandbox, sensors, steps
from airflow_wxa.acts.act import Act
from airflow_wxa.api.call import body_schema
from airflow_wxa.api.endpoints import CATALOGUE, Endpoint, TokenKind
from airflow_wxa.api.errcodes import ERROR_CLASSES, errcodes
from airflow_wxa.api.push import PushRefusedError
from airflow_wxa.api.values import APPID_PATTERN
from airflow_wxa.cli.doctor.rules import RULES
from airflow_wxa.fleet.manifest import RELEASE_FIELDS, SCHEMA_FILE, packaged_schema
from airflow_wxa.get_provider_info import get_provider_info
from airflow_wxa.hooks.wxa import WxaHook
from airflow_wxa.operators.approval import kinds
from airflow_wxa.operators.approve_plan import WxaApprovePlanOperator
from airflow_wxa.operators.fleet import WxaFleetShardOperator
from airflow_wxa.release import FIELDS, Field
from airflow_wxa.sandbox.exchange import Sandbox
from airflow_wxa.testing import Walk, walk
from airflow_wxa.texts import Text, in_language
from docs.generate.stubs import stubs, typed
from docs.generate.translated import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from airflow_wxa.cli.doctor.rules import Rule

_REFERENCE: Final = ROOT / "docs" / "reference"
NAMED_ENDPOINTS: Final = ROOT / "tests" / "api" / "named_endpoints.json"
_OPERATORS: Final = [getattr(operators, name) for name in vars(operators)["__all__"]]  # the stub does not have it
_TOKENS: Final = {
    TokenKind.MERCHANT: "merchant",
    TokenKind.PLATFORM: "platform",
    TokenKind.EITHER: "either",
    TokenKind.NONE: "none",
}
_ENDPOINTS_HEAD: Final = """# Every endpoint

Made of the code by `python -m docs.generate`. Bodies and answers are checked by the JSON Schemas in
`airflow_wxa/api/schemas`, the [sandbox](sandbox.md) answers every row, strictly and loosely, and
`WxaHook().call(name, appid, …)` sends the reads and the [plain writes](../how-to/around-a-release.md).

| endpoint | token | writes | body | operator, or why there is none | source |
| --- | --- | --- | --- | --- | --- |"""
_WITHOUT_A_ROW: Final = """
## Named, but not here

`WxaCallOperator` can send to these.

| endpoint | why it has no row |
| --- | --- |"""
_HEAD: Final = """# Operators, sensors and hook

Made of the code by `python -m docs.generate`. Import operators from `airflow_wxa.operators`, sensors from
`airflow_wxa.sensors`, the hook from `airflow_wxa.hooks.wxa`; each operator and sensor takes the arguments of Airflow's
`BaseOperator` besides.

A templated field means what it renders to: `"False"` is false, a list as text is that list
(`param()` of `airflow_wxa.release.dag` keeps types). One that cannot be what it was rendered to fails the task before
anything is sent. What a person must fix fails without retry (`AirflowFailException`, with the error's whole text); a
`WxaTransportError` or `WxaBusyError` is left to the retries of the task: each step may run again at any time.
"""


_ERRCODE_HEAD: Final = "| errcode | class | meaning | next step |"
_ERROR_HEAD: Final = "| class | is raised when | who acts | repeated by Airflow's retries | errcodes |"
_KIT_MARK: Final = "Below: made of the code by `python -m docs.generate`."


@dataclass(frozen=True, slots=True)
class Said:
    """A docstring, taken apart.

    :param text: what stands before the fields.
    :param params: name → what it is.
    :param raises: class → when.
    """

    text: str
    params: Mapping[str, str]
    raises: list[tuple[str, str]]
    returns: str
    source: str


def read(docstring: str | None) -> Said:
    """Take a docstring apart."""
    text, *fields = re.split(r"^:(?=param |raises |return)", inspect.cleandoc(docstring or ""), flags=re.MULTILINE)
    source = "".join(re.findall(r"^Source: (\S+)", "".join([text, *fields]), flags=re.MULTILINE))
    named = [
        (head.split(), _line(re.sub(r"^Source: .*", "", rest, flags=re.MULTILINE).split("\n\n")[0]))
        for head, _, rest in (each.partition(":") for each in fields)
    ]
    return Said(
        text=re.sub(r"^Source: .*", "", text, flags=re.MULTILINE).strip(),
        params={words[1]: rest for words, rest in named if words[0] == "param"},
        raises=[(words[1], rest) for words, rest in named if words[0] == "raises"],
        returns=next((rest for words, rest in named if words[0] == "return"), ""),
        source=source,
    )


def page() -> str:
    """Return the page."""
    parts = [_HEAD]
    for title, package in (("Operators", operators), ("Sensors", sensors)):
        parts += [f"## {title}\n", *(_class(getattr(package, name)) for name in package.__all__)]
    parts += ["## Hook\n", _method("WxaHook", WxaHook, WxaHook.__init__)]
    parts += [_method(f"WxaHook.{name}", method, method) for name, method in _own(WxaHook)]
    return "\n".join(parts).rstrip() + "\n"


def described(cls: type[Any]) -> Iterator[tuple[inspect.Parameter, str]]:
    """Yield each argument of a class of ours, its own first, with what a docstring says of it."""
    said: dict[str, str] = {}
    for each in reversed([*_act_of(cls), *_ours(cls)]):
        said |= read(each.__doc__).params
    seen: set[str] = set()
    for each in _ours(cls):
        if "__init__" not in vars(each):
            continue
        for parameter in inspect.signature(vars(each)["__init__"]).parameters.values():
            if parameter.kind is parameter.KEYWORD_ONLY and parameter.name not in seen:
                seen.add(parameter.name)
                yield parameter, said.get(parameter.name, "")
        # What a class itself hands on is no argument of it any more.
        handed_on = re.search(r"super\(\).__init__\(([^()]*)", inspect.getsource(vars(each)["__init__"]))
        seen |= set(re.findall(r"(\w+)=", handed_on[1])) if handed_on else set()


def _class(cls: type[Any]) -> str:
    said = read(cls.__doc__)
    rows = [
        f"| `{parameter.name}` | {'yes' if parameter.name in cls.template_fields else ''} "
        f"| {_default(parameter)} | {_cell(text.replace(' (templated)', ''))} |"
        for parameter, text in sorted(described(cls), key=lambda each: each[0].default is not inspect.Parameter.empty)
    ]
    table = ["| Parameter | Templated | Default | Meaning |", "| --- | --- | --- | --- |", *rows, ""]
    # What it says of its steps stands in the class that runs them.
    source = "\n".join(inspect.getsource(each) for each in [*_act_of(cls), *_ours(cls)])
    return "\n".join([f"### `{cls.__name__}`\n", _markdown(said.text), "", *table, *_raises(source), *_source(said)])


def _method(name: str, documented: Any, method: Callable[..., Any]) -> str:
    said, act = read(documented.__doc__), _act_of(method)
    head = [f"### `{name}`\n", f"`{_signature(method)}`\n"]
    if act and (operator := operator_of(act[0])):
        same = f"Arguments, outcome and errors are those of `{operator.__name__}`.\n"
        return "\n".join([*head, _markdown(said.text.split("\n\n")[0]), "", same])
    docstrings = [*(each.__doc__ for each in reversed(act)), method.__doc__]
    params = {name: text for each in docstrings for name, text in read(each).params.items()}
    rows = [f"- `{each}`: {_cell(text)}" for each, text in params.items()]
    source = "\n".join(map(inspect.getsource, act)) or inspect.getsource(method)
    raises = [f"- raises `{each}`: {_cell(text)}" for each, text in said.raises] or _raises(source)
    returned = [f"- returns {_cell(said.returns)}"] if said.returns else []
    return "\n".join([*head, _markdown(said.text), "", *rows, *returned, *raises, "", *_source(said)]).replace(
        "\n\n\n", "\n\n"
    )


def operator_of(act: type[Act]) -> Any:
    """Return the operator that does an act; ``None``: there is none."""
    found = [each for each in _OPERATORS if getattr(each, "act", None) is act]
    return min(found, key=lambda each: len(each.__mro__), default=None)  # a branch operator does the same act


def _signature(method: Callable[..., Any]) -> str:
    signature = inspect.signature(method)
    parameters = [each.replace(annotation=_Bare(typed(each.annotation))) for each in signature.parameters.values()]
    shown = signature.replace(parameters=parameters[1:], return_annotation=_Bare(typed(signature.return_annotation)))
    return str(shown).replace(": <class 'inspect._empty'>", "").removesuffix(" -> <class 'inspect._empty'>")


class _Bare(str):
    """A type that is shown without quotes."""

    __slots__ = ()
    __repr__ = str.__str__


def _raises(source: str) -> list[str]:
    """Return what the steps raise that this source runs."""
    found = [
        (error, text)
        for name in steps.__all__
        if re.search(rf"\b{name}\(", source) and inspect.isfunction(step := getattr(steps, name))
        for error, text in read(step.__doc__).raises
    ]
    lines = [f"- raises `{error}`: {_cell(text)}" for error, text in dict.fromkeys(found)]
    return [*lines, ""] if lines else []


def _ours(cls: type[Any]) -> list[type[Any]]:
    return [
        each for each in cls.__mro__ if each.__module__.startswith(("airflow_wxa.operators", "airflow_wxa.sensors"))
    ]


def _act_of(door: Any) -> list[type[Any]]:
    """Return the classes of the act that an operator or a method of the hook does, its own first."""
    return [each for each in getattr(door, "act", object).__mro__ if issubclass(each, Act)]


def _own(cls: type[Any]) -> list[tuple[str, Callable[..., Any]]]:
    """Return the public methods that a class itself defines, in their order."""
    functions = [(name, each) for name, each in vars(cls).items() if inspect.isfunction(each) and name[0] != "_"]
    return [(name, each) for name, each in functions if not hasattr(each, "__isabstractmethod__")]


def _default(parameter: inspect.Parameter) -> str:
    return "needed" if parameter.default is inspect.Parameter.empty else f"`{parameter.default!r}`"


def _source(said: Said) -> list[str]:
    return [f"[WeChat's page]({said.source})", ""] if said.source else []


def _line(text: str) -> str:
    return " ".join(text.split())


def _markdown(text: str) -> str:
    text = re.sub(r":\w+:`~?([^`]*)`", lambda found: f"`{found[1].rpartition('.')[2]}`", text)
    return text.replace("``", "`")


def _cell(text: str) -> str:
    return _markdown(_line(text)).replace("|", "\\|")


def params() -> list[str]:
    """Return the rows about a release's params."""
    return [f"| `{each.name}` | {each.must} | {_shown_default(each)} | {each.help} |" for each in FIELDS.values()]


def nested(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield a row for each field inside a param, with its path."""
    for key, inner in {**schema.get("properties", {}), **schema.get("items", {}).get("properties", {})}.items():
        said = inner.get("description", "").removeprefix("an object of ").removeprefix("an object with ")
        if "enum" in (entry := inner.get("items", {})):
            said += f": {entry['description']}"
        yield f"| `{name}.{key}` | {_cell(said)} |"
        yield from nested(f"{name}.{key}", inner)


def manifest_schema() -> dict[str, Any]:
    """Return the schema of a manifest with the fields of a release as their table has them."""
    schema = packaged_schema()
    asked, of_run = schema["properties"], ("audit_quota_reserve", "audit_quota", "audit_timeout_hours")
    asked["release"]["properties"] = {name: _of_manifest(name, title=FIELDS[name].title) for name in RELEASE_FIELDS}
    of_one = {name: {"$ref": f"#/properties/release/properties/{name}"} for name in RELEASE_FIELDS}
    _, app = asked["apps"]["oneOf"][0]["items"]["anyOf"]
    app["properties"] = {"appid": {"$ref": "#/$defs/appid"}, **of_one}
    asked["platform"]["properties"] = {
        name: _of_manifest(name) for name in ("on_platform_list_empty", "platform_domains")
    }
    asked.update({name: _of_manifest(name) for name in of_run})
    schema["$defs"]["appid"] |= {"pattern": APPID_PATTERN, "description": f"Mini Program: {FIELDS['appid'].must}"}
    return schema


def _of_manifest(name: str, **more: str) -> dict[str, Any]:
    return {**FIELDS[name].schema, **more, "description": FIELDS[name].help}


def nested_rows() -> list[str]:
    """Return the rows about the fields of WeChat's forms."""
    release = manifest_schema()["properties"]["release"]["properties"]
    return [row for name in ("audit_form", "privacy_setting") for row in nested(name, release[name])]


def _shown_default(field: Field) -> str:
    return "required" if field.required else f"`{json.dumps(field.default)}`"


def rules() -> list[str]:
    """Return the rows about the doctor's rules."""
    return [f"| `{each.key}` | {each.level} | {_found(each)} |" for each in RULES]


def _found(rule: Rule) -> str:
    return _cell(rule.check.__doc__ or "").removeprefix("Find: ").removesuffix(".")


def _with_table(path: Path, header: str, rows: list[str], text: str = "") -> str:
    """Return a page, or the ``text`` that it is to have, with these rows in the table that has this header."""
    text = text or path.read_text("utf-8")
    begin = text.index("\n", text.index(f"{header}\n| --- ") + len(header) + 1) + 1
    end = text.index("\n\n", begin)
    return "\n".join([text[: begin - 1], *rows]) + text[end:]


def _body(row: Endpoint) -> str:
    names = body_schema(row.name).get("properties", ()) if row.method == "POST" else ()
    return ", ".join(f"`{name}`" for name in names)


def endpoints() -> str:
    """Return the page of all endpoints."""
    named = json.loads(NAMED_ENDPOINTS.read_text("utf-8"))
    rows = [
        f"| `{row.method} {row.path}` | {_TOKENS[row.token]} | {'yes' if row.writes else ''} "
        f"| {_body(row)} "
        f"| {named['rows'][row.path]} | {f'[page]({row.source})' if '://' in row.source else f'`{row.source}`'} |"
        for row in CATALOGUE.values()
    ]
    others = [f"| `{path}` | {why} |" for path, why in named["without_a_row"].items()]
    return "\n".join([_ENDPOINTS_HEAD, *rows, _WITHOUT_A_ROW, *others, ""])


_KIT: Final = (
    sandbox.World,
    sandbox.Platform,
    sandbox.MiniProgram,
    sandbox.AuditPlan,
    sandbox.Template,
    sandbox.Draft,
    sandbox.Fault,
    sandbox.Looseness,
    sandbox.Fleet,
)


def kit() -> str:
    """Return the page of the test kit: its head, and behind a mark what the code says of each class."""
    head = (_REFERENCE / "test-kit.md").read_text("utf-8").partition(_KIT_MARK)[0] + _KIT_MARK
    parts = ["\n\n## `RunningSandbox`\n"]
    parts += [f"- `{name}`: {_cell(said)}" for name, said in _said_beside(Sandbox).items() if said]
    parts += [*_methods_of(Sandbox), *_methods_of(sandbox.RunningSandbox)]
    for cls in _KIT:
        beside = _said_beside(cls)
        parts += [
            f"\n## `{cls.__name__}`\n",
            _markdown(read(cls.__doc__).text),
            "",
            "| field | default | meaning |",
            "| --- | --- | --- |",
        ]
        parts += [
            f"| `{each.name}` | {_field_default(each)} | {_cell(beside.get(each.name, ''))} |"
            for each in dataclasses.fields(cls)
        ]
        parts += ["", *_methods_of(cls)]
    parts += ["\n## `walk`\n", _method("walk", walk, walk).partition("\n\n")[2].replace("`(", "`(dag: DAG, ", 1)]
    parts += ["## `Walk`\n"]
    parts += [f"- `{name}`: {_cell(text)}" for name, text in read(Walk.__doc__).params.items()]
    return head + re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def _said_beside(cls: type[Any]) -> dict[str, str]:
    """Return what the code says of each field of a class: behind its default, or in the comment above it."""
    said, above = {}, ""
    for line in inspect.getsource(cls).splitlines():
        code, _, comment = line.partition("#: ")
        above = f"{above} {comment}" if comment else "" if not code.strip() else above
        if (name := code.strip().partition(":")[0]).isidentifier():
            said[name], above = above.strip(), ""
    return said


def _methods_of(cls: type[Any]) -> list[str]:
    """Return a line for each method and property that a class offers besides its fields."""
    lines, fields = [], {each.name for each in dataclasses.fields(cls)}
    for name in (each for each in vars(cls) if each[0] != "_" and each not in fields):
        member = getattr(cls, name)
        said = _cell(read(member.__doc__).text.split("\n\n")[0])
        if said and isinstance(member, property):
            lines.append(f"- `{name}`: {said}")
        elif said and inspect.isroutine(member):
            names = [each for each in inspect.signature(member).parameters if each != "self"]
            lines.append(f"- `{name}({', '.join(names)})`: {said}")
    return lines


def _field_default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return "" if callable(field.default) else f"`{field.default!r}`"
    if field.default_factory is dataclasses.MISSING:
        return "needed"
    value = field.default_factory()
    return "" if dataclasses.is_dataclass(value) or "(" in repr(value) else f"`{value!r}`"


def errcode_rows(language: str = "en") -> list[str]:
    """Return a row for each errcode."""
    return [
        f"| {each.errcode} | `{each.class_}` "
        f"| {_cell(in_language(each.meaning, language))} | {_cell(in_language(each.action, language))} |"
        for each in errcodes().values()
    ]


def error_rows() -> list[str]:
    """Return a row for each error class."""
    rows = []
    for cls in (*(getattr(errors, name) for name in errors.__all__), PushRefusedError):
        its = [key for key, raised in ERROR_CLASSES.items() if raised is cls and key != "noop"]
        codes = ", ".join(str(each.errcode) for each in errcodes().values() if each.class_ in its)
        who = Text(f"acts_on_{its[0]}") if its else _WHO_ACTS[cls.__name__]
        said = _cell(read(cls.__doc__).text.split("\n\n")[0]).removesuffix(".")
        rows.append(f"| `{cls.__name__}` | {said} | {who} | {'yes' if cls.retryable else ''} | {codes} |")
    return rows


_WHO_ACTS: Final = {
    "WxaError": "see below it",
    "WxaApiError": "see below it",
    "WxaSpecError": "whoever wrote the params, the body or the Connection",
    "WxaTransportError": "the machine: the step reads the state before it repeats",
    "WxaAuditRejected": "whoever builds the Mini Program",
    "PushRefusedError": "whoever set up the push receiver, if anybody: strangers push too",
}


def provider_info() -> str:
    """Return what Airflow discovers of this package, with the modules that hold operators."""
    info = get_provider_info()
    classes = (*_OPERATORS, WxaApprovePlanOperator, WxaFleetShardOperator)
    info["operators"][0]["python-modules"] = sorted({each.__module__ for each in classes})
    return json.dumps(info, indent=2, ensure_ascii=False) + "\n"


def acts_table() -> list[str]:
    """Return a row for each act: its doors, the approval that asks about it, and what it may write to."""
    fleet = "".join(path.read_text("utf-8") for path in (ROOT / "airflow_wxa/fleet").glob("*.py"))
    dag = "".join(path.read_text("utf-8") for path in (ROOT / "airflow_wxa/dags").glob("*.py"))
    methods = {act: name for name, each in _own(WxaHook) if (act := getattr(each, "act", None))}
    rows = ["| act | operator | hook method | in a fleet | in a DAG that ships | approval | writes |", "|---" * 7 + "|"]
    for act, method in sorted(methods.items(), key=lambda each: each[0].__name__):
        operator = getattr(operator_of(act), "__name__", "")
        asks = "yes" if "approval_task_id" in inspect.signature(act).parameters else ""
        in_fleet = "yes" if re.search(rf"\b{act.__name__}[.(]", fleet) else ""
        in_dag = "yes" if operator and re.search(rf"\b{operator}\(", dag) else ""
        rows.append(
            f"| {act.__name__} | {operator} | {method} | {in_fleet} | {in_dag} | {asks} | {', '.join(act.writes)} |"
        )
    return rows


def approvals() -> list[str]:
    """Return a row for each kind of approval."""
    ours = [kind for kind in kinds() if kind.__module__.startswith("airflow_wxa.")]
    return [f"| `{kind.__name__}` | {_named(kind)} |" for kind in sorted(ours, key=lambda kind: kind.__name__)]


def _named(kind: type[Any]) -> str:
    return _cell("".join(re.findall(r"The decision names (.*?)\.(?=\s|$)", kind.__doc__ or "", re.DOTALL)))


def files() -> dict[Path, str]:
    """Return each file that is made of the code, and what it must hold."""
    release, cli, approve = _REFERENCE / "release.md", _REFERENCE / "cli.md", ROOT / "docs/how-to/approve.md"
    chinese = ROOT / "docs/zh/errcodes.md"
    return {
        _REFERENCE / "operators.md": page(),
        _REFERENCE / "endpoints.md": endpoints(),
        _REFERENCE / "test-kit.md": kit(),
        release: _with_table(
            release,
            "| field | must be |",
            nested_rows(),
            _with_table(release, "| param | must be | default | meaning |", params()),
        ),
        cli: _with_table(cli, "| rule | level | what it looks at |", rules()),
        approve: _with_table(approve, "| approval | what it names |", approvals()),
        _REFERENCE / "errcodes.md": _with_table(_REFERENCE / "errcodes.md", _ERRCODE_HEAD, errcode_rows()),
        chinese: _with_table(chinese, "| 错误码 | 类别 | 含义 | 下一步 |", errcode_rows("zh")),
        _REFERENCE / "errors.md": _with_table(_REFERENCE / "errors.md", _ERROR_HEAD, error_rows()),
        **stubs((operators, sensors), described),
        ROOT / "airflow_wxa/provider_info.json": provider_info(),
        ROOT / "airflow_wxa/fleet" / SCHEMA_FILE: json.dumps(manifest_schema(), indent=2, ensure_ascii=False) + "\n",
    }
