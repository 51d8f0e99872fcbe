"""Every field of every answer, loosened in every way: nothing stops a release but what it cannot do without."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_wxa.access.fixed import FixedTokens
from airflow_wxa.api.audit import AuditStatus
from airflow_wxa.api.code import CodeVersion
from airflow_wxa.api.endpoints import CATALOGUE, files
from airflow_wxa.api.redaction import Secret
from airflow_wxa.client import Egress, WxaClient
from airflow_wxa.client.delivery import Answer, Request
from airflow_wxa.errors import WxaError
from airflow_wxa.sandbox import World
from airflow_wxa.sandbox.exchange import Sandbox
from airflow_wxa.sandbox.testing import APPID, MERCHANT_TOKEN, PLATFORM_TOKEN
from airflow_wxa.steps import Step, authorisation
from tests.chaos.releasing import Memory, Plan, answered_at_once, as_one_step
from tests.tables import each_row

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/answers.md"
ROWS = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
#: The fields that the page lists, each behind its endpoint but for ``errcode``, which every answer has.
LISTED = {row.split("`")[1] for row in ROWS}
SCHEMAS = {name: file["answer"] for name, file in files().items()}
PLATFORM = "wx00000000000000c1"
ABSENT = object()
#: What a field is replaced by; where a value stays itself, it is spelt as the other type.
LOOSE: Mapping[str, Callable[[Any], Any]] = {
    "absent": lambda _: ABSENT,
    "null": lambda _: None,
    "empty object": lambda _: {},
    "text for number": lambda value: str(value) if isinstance(value, int) else value,
    "number for text": lambda value: int(value) if isinstance(value, str) and value.isdigit() else value,
    "unnamed value": lambda value: 77 if value == AuditStatus.AUDITING else value,
}


def fields(schema: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """Yield the path of every field below an answer; entries of lists are loosened as a whole."""
    for name, field in schema.get("properties", {}).items():
        yield (name,)
        yield from ((name, *below) for below in fields(field))


MATRIX = [
    (name, path, how)
    for name in CATALOGUE
    if "not" not in SCHEMAS[name]
    for path in [("errcode",), ("errmsg",), *fields(SCHEMAS[name])]
    for how in LOOSE
    if how != "unnamed value" or path[-1] == "status"
]


def loosened(answer: Any, path: tuple[str, ...], how: str) -> Any:
    """Return the answer with one field spelt otherwise; one that does not hold it as it is."""
    changed = copy.deepcopy(answer)
    place = changed
    for name in path[:-1]:
        place = place.get(name) if isinstance(place, dict) else None
    if not isinstance(place, dict) or path[-1] not in place:
        return changed
    value = LOOSE[how](place[path[-1]])
    if value is ABSENT:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return changed


def stop_of(step: Step[Any], answer: Callable[[Request], Any]) -> WxaError | None:
    """Return what stops a step that a client carries; ``None``: nothing does. Pauses are over at once."""
    tokens = FixedTokens({APPID: MERCHANT_TOKEN}, PLATFORM_TOKEN)
    with WxaClient(Egress("https://api.weixin.qq.com"), tokens, Memory(), sleep=lambda _: None) as client:
        client._http.send = lambda request: Answer(200, json.dumps(answer(request)).encode())  # type: ignore[method-assign]
        try:
            client.run(step)
        except WxaError as stopped:
            return stopped
    return None


def is_needed(name: str, path: tuple[str, ...]) -> bool:
    """Tell whether the page lists a field, or one below it."""
    dotted = ".".join((name, *path))
    return path == ("errcode",) or any(f"{each}.".startswith(f"{dotted}.") for each in LISTED)


#: 14 is a version that can be spelt as a number.
PLAN = Plan(version=CodeVersion.of(APPID, 47, "14"))


def released(world: World, name: str = "", path: tuple[str, ...] = (), how: str = "") -> tuple[Any, list[str]]:
    """Return what stops a release whose answers of one endpoint are loosened, and the endpoints that it asked."""
    sandbox, asked = Sandbox.of(copy.deepcopy(world)), list[str]()

    def answer(request: Request) -> Any:
        asked.append(urlsplit(request.url).path.rpartition("/")[2])
        said = json.loads(answered_at_once(sandbox, request).content)
        return loosened(said, path, how) if asked[-1] == name else said

    return stop_of(as_one_step(PLAN), answer), asked


@pytest.fixture
def usual(wxa_world: World) -> set[str]:
    """Return the endpoints that a release asks; how another one answers makes no difference to it."""
    stopped, asked = released(wxa_world)
    assert stopped is None
    assert len(set(asked)) > 10
    return set(asked)


@each_row("name, path, how", [row for row in MATRIX if not CATALOGUE[row[0]].holds_secrets])
def test_only_what_it_needs_stops_a_release(wxa_world: World, usual: set[str], name: str, path: Any, how: str) -> None:
    if name not in usual:
        return
    stopped, asked = released(wxa_world, name, path, how)
    assert stopped is None or is_needed(name, path), stopped
    assert stopped is None or how not in {"text for number", "number for text"}
    assert all(asked.count(once) <= 1 for once in ("commit", "submit_audit", "release")), asked


GRANTED = {"authorizer_access_token": "1", "expires_in": 7200, "authorizer_refresh_token": "2"}
INFO = {"authorizer_appid": "wx1", **GRANTED, "func_info": [{"funcscope_category": {"id": 18}}]}
SECRET = Secret("secret")
TOKENS: dict[str, tuple[Callable[[], Step[Any]], Any]] = {
    "api_component_token": (
        lambda: authorisation.fetch_platform_token(PLATFORM, SECRET, SECRET),
        {"component_access_token": "1", "expires_in": 7200},
    ),
    "api_authorizer_token": (lambda: authorisation.fetch_merchant_token(PLATFORM, "wx1", SECRET), INFO),
    "api_create_preauthcode": (
        lambda: authorisation.new_authorisation_link(PLATFORM, "https://example.com"),
        {"pre_auth_code": "1", "expires_in": 600},
    ),
    "api_get_authorizer_list": (
        lambda: authorisation.list_refresh_tokens(PLATFORM),
        {"total_count": 1, "list": [{"authorizer_appid": "wx1", "refresh_token": "2", "auth_time": 3}]},
    ),
    "api_query_auth": (lambda: authorisation.exchange_code(PLATFORM, SECRET), {"authorization_info": INFO}),
}


@each_row("name, path, how", [row for row in MATRIX if row[0] in TOKENS])
def test_a_token_is_refused_only_for_what_it_cannot_do_without(name: str, path: tuple[str, ...], how: str) -> None:
    make, said = TOKENS[name]
    pages = iter([{"errcode": 0, "errmsg": "ok"} | said])

    def answer(_: Request) -> Any:
        empty = {"errcode": 0, "list": [], "total_count": 0}
        return loosened(next(pages, empty), path, how)

    stopped = stop_of(make(), answer)
    appid = path == ("authorization_info", "authorizer_appid")
    assert stopped is None or ((is_needed(name, path) or appid) and stopped.retryable), stopped


def test_the_page_lists_every_field_that_a_schema_requires_and_few_besides() -> None:
    assert {f"{name}.{field}" for name in CATALOGUE for field in SCHEMAS[name].get("required", ())} <= LISTED
    assert len(LISTED) <= 17  # thirteen of a release, four of the calls beside it
    assert [row for row in ROWS if not row.rpartition(" | ")[2].strip(" |")] == []
