"""Operators: each runs one step; constructors only assign. Their types stand in the stub beside this file."""

from airflow_wxa.operators import acts, approval, approve_release, audit, call, domains, platform_domains, rollback

#: All of these modules: what one of them declares needs no line here.
_OPERATORS = {
    name: each
    for module in (acts, approval, approve_release, audit, call, domains, platform_domains, rollback)
    for name, each in vars(module).items()
    if name.startswith("Wxa") and name.endswith("Operator")
}
globals().update(_OPERATORS)
__all__ = sorted(_OPERATORS)  # noqa: PLE0605  (a list)
