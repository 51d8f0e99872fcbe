"""Operators: each runs one step; constructors only assign. Their types stand in the stub beside this file."""

from importlib import import_module
from pkgutil import iter_modules

#: Only the DAGs of fleets use what these declare.
_OF_FLEETS = {"approve_plan", "fleet", "fleet_run"}
#: Operators of all other modules: neither a module nor a class needs a line here.
_OPERATORS = {
    name: each
    for module in iter_modules(__path__, f"{__name__}.")
    if module.name.rpartition(".")[2] not in _OF_FLEETS
    for name, each in vars(import_module(module.name)).items()
    if name.startswith("Wxa") and name.endswith("Operator")
}
globals().update(_OPERATORS)
__all__ = sorted(_OPERATORS)  # noqa: PLE0605  (a list)
