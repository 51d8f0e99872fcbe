"""The rooms that decide stay light: importing Airflow takes seconds, and a plain value needs no HTTP client."""

import ast
import importlib
import json
import subprocess
import sys
import tomllib
from functools import cache
from graphlib import TopologicalSorter
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import airflow_wxa

ROOT = Path(airflow_wxa.__file__).parent
BROUGHT_BY = packages_distributions()

#: What each room may import of this package, besides itself; a type is an import like any other.
#: A room is a folder or a file below ``airflow_wxa``; rooms that are still to come may stand here already.
_VALUES = {"errors", "api", "steps"}
_HTTP = _VALUES | {"client"}
_AIRFLOW = _HTTP | {"store", "access", "hooks"}
MAY_IMPORT: dict[str, set[str]] = {
    "texts": set(),
    "errors": set(),
    "sandbox": set(),
    "get_provider_info": set(),
    "api": {"errors"},
    "steps": {"errors", "api"},
    "acts": _VALUES,
    "release": _VALUES | {"links", "trial_link"},
    "store": {"errors", "api"},
    "client": _VALUES,
    "access": _HTTP | {"store"},
    "fleet": _HTTP | {"release", "store", "acts"},
    "hooks": _HTTP | {"store", "access", "release", "acts"},
    "links": {"errors", "api", "trial_link"},
    "assets": _AIRFLOW | {"triggers"},
    "notifications": _AIRFLOW | {"links", "trial_link"},
    "triggers": _AIRFLOW,
    "sensors": _AIRFLOW | {"release", "links", "triggers"},
    "operators": _AIRFLOW | {"acts", "release", "fleet", "links", "trial_link", "triggers", "sensors", "assets"},
    "dags": _AIRFLOW | {"assets", "release", "fleet", "operators", "sensors"},
    "plugins": _AIRFLOW | {"release", "fleet", "links", "trial_link", "operators"},
    "cli": _AIRFLOW | {"release", "fleet", "plugins", "sandbox"},
    "trial_link": set(),
    "pytest_plugin": _HTTP | {"sandbox"},
    "testing": _HTTP | {"sandbox", "pytest_plugin"},
}


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {module_name(path): path for path in ROOT.rglob("*.py")}


def test_deciding_rooms_load_neither_airflow_nor_an_http_client() -> None:
    rooms = ", ".join(f"airflow_wxa.{room}" for room in ("errors", "api", "steps", "acts", "release"))
    program = f"import json, sys, {rooms}; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    loaded = {name.partition(".")[0] for name in json.loads(run.stdout)}
    assert loaded & {"airflow", "requests", "urllib3", "httpx", "aiohttp", "sqlalchemy", "fastapi"} == set()


def test_imports_point_one_way() -> None:
    rooms = {(room_of(name), room_of(other)) for name in MODULES for other in imported(name, types=True)}
    assert {
        (room, other) for room, other in rooms if other not in MAY_IMPORT.get(room, set()) | {room, "", "texts"}
    } == set()


def test_the_sandbox_stands_alone() -> None:
    modules = {name: path for name, path in MODULES.items() if room_of(name) == "sandbox"}
    assert {room_of(other) for name in modules for other in imported(name, types=True)} == {"sandbox"}
    assert [name for path in modules.values() for name, _ in foreign_imports(path) if name.startswith("airflow")] == []


def test_no_room_stands_above_itself_and_no_module_is_imported_in_a_circle() -> None:
    list(TopologicalSorter(MAY_IMPORT).static_order())  # raises CycleError, which names the circle
    list(TopologicalSorter({name: imported(name, types=False) - {name} for name in MODULES}).static_order())


@pytest.mark.parametrize("package", ["api", "steps", "release", "client", "access", "errors", "sandbox"])
def test_every_exported_name_is_there_once(package: str) -> None:
    module = importlib.import_module(f"airflow_wxa.{package}")
    assert len(set(module.__all__)) == len(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


#: Modules that only tests and their fixtures load: an extra may declare what they import.
FOR_TESTS = {"airflow_wxa.pytest_plugin", "airflow_wxa.testing"}
#: What only OpenLineage's own provider, or with it installed, ever imports here.
OF_OPENLINEAGE = {"apache-airflow-providers-openlineage", "openlineage", "openlineage-python"}


def test_every_imported_distribution_is_declared() -> None:
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    always = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    for_tests = always | {
        canonicalize_name(Requirement(line).name) for line in project["optional-dependencies"]["test"]
    }
    missing = {
        f"{module} imports {imported}: one of {sorted(owners)} must be declared"
        for module, path in MODULES.items()
        for imported, owners in foreign_imports(path)
        if not owners & ((for_tests if module in FOR_TESTS else always) | OF_OPENLINEAGE)
    }
    assert missing == set()


def test_an_undeclared_import_would_be_found(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("def late():\n    import packaging.version\n    from airflow.providers.smtp.hooks import smtp\n")
    assert foreign_imports(module) == {
        ("packaging.version", frozenset({"packaging"})),
        ("airflow.providers.smtp.hooks", frozenset({"apache-airflow-providers-smtp"})),
    }


def foreign_imports(path: Path) -> set[tuple[str, frozenset[str]]]:
    """Return the modules that a file imports from elsewhere, each with the distributions that could bring it."""
    names = {module or name for module, name, _ in imports_of(path)}
    ours = {"airflow_wxa", *sys.stdlib_module_names}
    return {(name, owners_of(name)) for name in names if name.partition(".")[0] not in ours}


@cache
def imports_of(path: Path) -> set[tuple[str, str, bool]]:
    """Return the imports of a file, also inside functions: module (``""``: none), name, whether of types only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    return {
        (str(node.module) if isinstance(node, ast.ImportFrom) else "", alias.name, node in typing_only)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }


def owners_of(module: str) -> frozenset[str]:
    """Return the distributions that bring a module; many share ``airflow``, and ``apache-airflow`` pins its own."""
    top, *rest = module.split(".")
    if top == "airflow":
        is_provider = rest[:1] == ["providers"]
        return frozenset({f"apache-airflow-providers-{rest[1]}" if is_provider else "apache-airflow"})
    return frozenset(canonicalize_name(name) for name in BROUGHT_BY.get(top, [top]))


def room_of(module: str) -> str:
    """Return the folder or file below ``airflow_wxa`` that a module belongs to, ``""`` for the package's own."""
    return module.removeprefix("airflow_wxa").removeprefix(".").partition(".")[0]


def imported(module: str, *, types: bool) -> set[str]:
    names = set()
    for package, name, is_type in imports_of(MODULES[module]):
        if types or not is_type:
            whole = f"{package}.{name}" if package else name
            names.add(whole if whole in MODULES else package)
    return names & set(MODULES)
