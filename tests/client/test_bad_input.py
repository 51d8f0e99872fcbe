"""Bad domains, bodies and params: one typed error each, which names the value; nothing is sent after a refusal.

The tables are those of the rooms that refuse. Here each row goes through both clients to the sandbox, whose journal
must stay empty.
"""

from functools import partial
from typing import Any

import pytest

from airflow_wxa.api.call import Call
from airflow_wxa.api.webview_domain import parse_origins
from airflow_wxa.errors import WxaError, WxaSpecError
from airflow_wxa.release import ReleaseSpec
from airflow_wxa.sandbox.testing import APPID
from airflow_wxa.steps import Step, commit_code, configure_domains, modify_platform_domains
from tests.api.test_call import REFUSED as BODIES
from tests.api.test_webview_domain import NO_DOMAINS, NO_HOSTS, NO_TEXTS
from tests.client.conftest import Twins
from tests.release.test_spec import PARAMS
from tests.release.test_spec import REFUSED as BAD_PARAMS
from tests.tables import each_row

DOMAINS: list[Any] = [*NO_TEXTS, *(text for texts in NO_DOMAINS.values() for text in texts)]
HOSTS = [host for hosts in NO_HOSTS.values() for host in hosts]


def domains(domain: Any) -> Step[Any]:
    yield from configure_domains(APPID, "add", parse_origins(["https://good.example.com", domain]))


def call(name: str, body: dict[str, Any]) -> Step[Any]:
    yield Call.to(name, APPID, body)


def params(changes: dict[str, Any]) -> Step[Any]:
    yield from commit_code(ReleaseSpec.from_params(PARAMS | changes).version, "release")


#: What begins a step, and words that the problem of its bad input begins with, or holds.
STEPS: list[tuple[partial[Step[Any]], str]] = [
    *((partial(domains, domain), repr(domain)[:300]) for domain in DOMAINS),
    *((partial(modify_platform_domains, "add", ["good.example.com", host]), repr(host)) for host in HOSTS),
    *((partial(call, name, body), said) for name, body, said in BODIES),
    *((partial(params, changes), said) for changes, said in BAD_PARAMS),
]


@each_row("begin, said", STEPS)
def test_bad_input_is_refused_by_name_and_nothing_is_sent(twins: Twins, begin: partial[Step[Any]], said: str) -> None:
    with pytest.raises(WxaError) as raised:
        twins.run(begin())
    assert type(raised.value) is WxaSpecError
    problems = raised.value.problems
    named = [said in each if begin.func is call else each.startswith(said) for each in problems]
    assert any(named) if begin.func is call else named and all(named)
    assert twins.sandbox.journal == []


def test_there_are_at_least_sixty_cases_of_bad_input() -> None:
    assert len(STEPS) >= 60
