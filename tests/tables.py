"""Tables whose rows are one claim: one test tries every row, and names each that fails."""

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest


def each_row(names: str, rows: Iterable[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Try a test with each row of a table, as ``parametrize`` does, in one test.

    :param names: of the test's parameters, separated by commas; the others are fixtures, shared by all rows.
    """
    columns, table = [each.strip() for each in names.split(",")], list(rows)

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def tried(**fixtures: Any) -> None:
            assert table, "the table is empty"
            failed = {}
            for row in table:
                values = dict(zip(columns, row if len(columns) > 1 else [row], strict=True))
                try:
                    test(**fixtures, **values)
                except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001  (whatever it is, the row failed)
                    failed[str(row)[:200]] = f"{type(error).__name__}: {error}"
            if failed:
                pytest.fail("\n".join(f"{row}: {said}" for row, said in failed.items()), pytrace=False)

        signature = inspect.signature(test)
        kept = [each for name, each in signature.parameters.items() if name not in columns]
        vars(tried)["__signature__"] = signature.replace(parameters=kept)
        del tried.__wrapped__
        return tried

    return decorate
