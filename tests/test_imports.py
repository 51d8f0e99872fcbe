"""The rooms that decide stay light: importing Airflow takes seconds, and a plain value needs no HTTP client."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

import airflow_wxa

ROOT = Path(airflow_wxa.__file__).parent
LOADED = "import json, sys, {room}; print(json.dumps(sorted(sys.modules)))"

#: What each room may import of this package, besides itself.
MAY_IMPORT = {
    "errors": set(),
    "api": {"errors"},
    "steps": {"errors", "api"},
    "client": {"errors", "api", "steps"},
    "store": {"errors", "api"},
    "access": {"errors", "api", "steps", "client", "store"},
}


@pytest.mark.parametrize("room", ["airflow_wxa.errors", "airflow_wxa.api", "airflow_wxa.steps"])
def test_a_deciding_room_loads_neither_airflow_nor_an_http_client(room: str) -> None:
    command = [sys.executable, "-c", LOADED.format(room=room)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT.parent)
    loaded = {name.partition(".")[0] for name in json.loads(run.stdout)}
    assert loaded & {"airflow", "requests", "urllib3", "httpx", "sqlalchemy", "fastapi"} == set()


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_one_way(room: str) -> None:
    files = [ROOT / f"{room}.py"] if (ROOT / f"{room}.py").exists() else (ROOT / room).rglob("*.py")
    rooms = {name for path in files for name in rooms_imported(path)}
    assert rooms - {room} <= MAY_IMPORT[room]


@pytest.mark.parametrize("package", ["api", "steps", "client", "access", "errors"])
def test_every_exported_name_is_there_once(package: str) -> None:
    module = importlib.import_module(f"airflow_wxa.{package}")
    assert len(set(module.__all__)) == len(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("package", ["api", "steps", "client", "access"])
def test_every_module_says_what_it_offers(package: str) -> None:
    for path in (ROOT / package).glob("*.py"):
        module = importlib.import_module(f"airflow_wxa.{package}.{path.stem}".removesuffix(".__init__"))
        public = {
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__
        }
        # A class of types (a TypeVar) belongs to its module without being offered.
        assert {name for name in public if len(name) > 1} <= set(module.__all__), path.name


def rooms_imported(path: Path) -> set[str]:
    """Return the rooms of this package that a file imports, type-checking imports aside."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "airflow_wxa":
            names |= {f"airflow_wxa.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.split(".")[1] for name in names if name.startswith("airflow_wxa.")}
