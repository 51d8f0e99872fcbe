"""The rules, in the order in which one needs what another found out: a table of all, no rule knows the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from airflow_wxa.cli.doctor.rules.connection import connection, plain_http, push_keys, wrong_host
from airflow_wxa.cli.doctor.rules.merchants import (
    audit_quota,
    individual,
    merchant_token,
    not_authorised,
    permission_set_18,
    refresh_token,
)
from airflow_wxa.cli.doctor.rules.network import clock, dns, tls, unreachable
from airflow_wxa.cli.doctor.rules.platform import (
    component_appid,
    component_appsecret,
    ip_allow_list,
    platform_list_empty,
    platform_lists_differ,
    platform_token,
    two_refreshers,
)
from airflow_wxa.cli.doctor.rules.store import no_ticket, old_ticket, store, store_file, ticket_pushes

if TYPE_CHECKING:
    from airflow_wxa.cli.doctor.finding import Rule

__all__ = ["RULES"]

RULES: Final[tuple[Rule, ...]] = (
    connection,
    plain_http,
    push_keys,
    dns,
    unreachable,
    tls,
    wrong_host,
    clock,
    store,
    store_file,
    no_ticket,
    old_ticket,
    ticket_pushes,
    ip_allow_list,
    component_appid,
    component_appsecret,
    platform_token,
    platform_list_empty,
    platform_lists_differ,
    not_authorised,
    refresh_token,
    permission_set_18,
    individual,
    merchant_token,
    audit_quota,
    two_refreshers,
)
