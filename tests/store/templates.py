"""New stores as copies: the migrations run once in a process, and a test that is not about them starts from a copy."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.util import LRUCache

from airflow_wxa.store import engine as engine_module

_keep_private = engine_module._keep_private


class _Compiled(LRUCache[Any, Any]):
    """Statements that one of SQLite's engines has compiled; each new store would compile all of its own anew."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(key[1:], default)  # behind the dialect, an object of the engine's

    def __setitem__(self, key: Any, compiled: Any) -> None:
        super().__setitem__(key[1:], compiled)


_compiled = _Compiled(2000)


@pytest.fixture(scope="session", autouse=True)
def stores_from_a_template() -> Iterator[None]:
    """Let each new file of SQLite in this process begin as a copy of one that the migrations made."""
    engine_module._keep_private = _copied
    yield
    engine_module._keep_private = _keep_private


@pytest.fixture
def from_migrations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let new stores begin empty: the test is about how a store is opened and migrated."""
    monkeypatch.setattr(engine_module, "_keep_private", _keep_private)


def _copied(engine: Engine) -> None:
    name = engine.url.database
    if name and name != ":memory:" and not Path(name).exists() and Path(name).parent.is_dir():
        with tempfile.NamedTemporaryFile(dir=Path(name).parent, prefix=".template-") as copy:  # private, as a store is
            copy.write(_template())
            copy.flush()
            with suppress(FileExistsError):  # another thread or process was quicker
                os.link(copy.name, name)  # at once, as what others must never see half written
    engine._compiled_cache = _compiled
    _keep_private(engine)


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        made, copy = Path(folder, "made.db"), Path(folder, "copy.db")
        migrations(f"sqlite:///{made}")
        with closing(sqlite3.connect(made)) as connection:
            connection.execute("VACUUM INTO ?", [str(copy)])
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        return copy.read_bytes()


def migrations(url: str) -> str:
    """Migrate an empty database, and return the statements that did it."""
    engine, statements = engine_module._created(url), list[str]()
    event.listen(engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    engine_module._upgrade(engine, only_empty=True)
    engine.dispose()
    return ";\n".join(
        each for each in statements if each.lstrip().startswith(("CREATE", "ALTER", "DROP", "INSERT", "UPDATE"))
    )
