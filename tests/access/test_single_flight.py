"""Many processes want the same token at the same moment: one of them asks WeChat."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from airflow_wxa.sandbox import serve
from airflow_wxa.store.tables import credential
from tests.access.platforms import AUTHORIZER_TOKEN, COMPONENT_TOKEN, LIST, Recipe, world_of
from tests.store.processes import together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow_wxa.sandbox import RunningSandbox

#: Processes and threads in each that want a token at the same moment: 64 refreshers, in any case.
REFRESHERS = [pytest.param(8, 8, id="8 processes of 8 threads"), pytest.param(64, 1, marks=pytest.mark.chaos)]


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    with serve(world_of(2)) as running:
        yield running


@pytest.fixture
def recipe(sandbox: RunningSandbox, store_url: str) -> Recipe:
    return Recipe(sandbox.url, store_url).imported()


def call_merchant(recipe: Recipe) -> int:
    return recipe.client().send(recipe.merchant_call).errcode


def call_platform(recipe: Recipe) -> int:
    return recipe.client().send(recipe.platform_call).errcode


def in_threads(number: int, call: Callable[[Recipe], int], recipe: Recipe) -> list[int]:
    """Call in this many threads, each with credentials and a client of its own, as a process has them."""
    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(call, [recipe] * number))


@pytest.mark.parametrize(("processes", "threads"), REFRESHERS)
def test_sixty_four_refreshers_on_an_expired_merchant_token_make_one_refresh(
    sandbox: RunningSandbox, recipe: Recipe, processes: int, threads: int
) -> None:
    recipe.expired()
    assert together(processes, in_threads, threads, call_merchant, recipe) == [[0] * threads] * processes
    assert sandbox.journal.count(AUTHORIZER_TOKEN) == 1
    assert sandbox.journal.count(COMPONENT_TOKEN) == 1
    assert sandbox.journal.count("/wxa/getversioninfo") == processes * threads == 64


@pytest.mark.parametrize(("processes", "threads"), REFRESHERS)
def test_sixty_four_refreshers_on_an_expired_platform_token_make_one_refresh(
    sandbox: RunningSandbox, recipe: Recipe, processes: int, threads: int
) -> None:
    recipe.expired("")
    assert together(processes, in_threads, threads, call_platform, recipe) == [[0] * threads] * processes
    assert sandbox.journal.count(COMPONENT_TOKEN) == 1


def test_eight_processes_whose_token_was_replaced_by_somebody_make_one_refresh(
    sandbox: RunningSandbox, recipe: Recipe
) -> None:
    call_merchant(recipe)
    sandbox.world.mini_programs[0].issued.clear()  # what everybody remembers is not the latest any more: 40001
    assert together(8, call_merchant, recipe) == [0] * 8
    assert sandbox.journal.count(AUTHORIZER_TOKEN) == 2


def test_threads_of_one_process_make_one_refresh(sandbox: RunningSandbox, recipe: Recipe) -> None:
    credentials = recipe.expired().credentials()
    with ThreadPoolExecutor(12) as pool:
        tokens = list(pool.map(lambda _: credentials.token(recipe.appid), range(12)))
    assert len({token.reveal() for token in tokens}) == 1
    assert sandbox.journal.count(AUTHORIZER_TOKEN) == 1


def test_threads_whose_token_was_refused_make_one_refresh(sandbox: RunningSandbox, recipe: Recipe) -> None:
    credentials = recipe.credentials()
    refused = credentials.token(recipe.appid)
    with ThreadPoolExecutor(12) as pool:
        tokens = list(pool.map(lambda _: credentials.token(recipe.appid, [refused]), range(12)))
    assert refused not in tokens
    assert len({token.reveal() for token in tokens}) == 1
    assert sandbox.journal.count(AUTHORIZER_TOKEN) == 2


def test_processes_that_know_no_refresh_token_read_the_list_and_all_succeed(
    sandbox: RunningSandbox, store_url: str
) -> None:
    recipe = Recipe(sandbox.url, store_url, number=2)
    Recipe(sandbox.url, store_url, number=2).imported()
    with recipe.store()._database.writing() as connection:
        connection.execute(credential.delete().where(credential.c.appid == recipe.appid))
    assert together(8, call_merchant, recipe) == [0] * 8
    assert sandbox.journal.count(AUTHORIZER_TOKEN) == 1
    assert sandbox.journal.count(LIST) == 1


def test_an_early_renewal_keeps_nobody_waiting(sandbox: RunningSandbox, recipe: Recipe) -> None:
    first = recipe.credentials().token(recipe.appid)
    recipe.ageing(300)
    seen = recipe.seen()
    assert recipe.store().take_lease(seen, "somebody else", 30)
    assert recipe.credentials().token(recipe.appid) == first
    assert sandbox.journal.count(AUTHORIZER_TOKEN) == 1


def test_whoever_waits_gets_the_token_as_soon_as_it_is_stored(sandbox: RunningSandbox, recipe: Recipe) -> None:
    seen = recipe.expired().seen()
    assert recipe.store().take_lease(seen, "somebody else", 30)
    got: list[int] = []
    waiting = threading.Thread(target=lambda: got.append(call_merchant(recipe)))
    waiting.start()
    waiting.join(0.2)
    assert got == []
    recipe.store().drop_lease(seen, "somebody else")
    waiting.join(10)
    assert got == [0]
